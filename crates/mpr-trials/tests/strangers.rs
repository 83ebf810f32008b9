//! The short form of every trial, on shares mounted for real. `cargo xtask torture --long` is the long one.

use mpr_trials::stage::Stage;
use mpr_trials::torture::Trial;
use mpr_trials::verdict::Form;

/// Lets one judge loose, and fails with everything that is not as it should be.
fn stand_before(name: &str) {
    // Built beside the test, so that what is judged is what the sources say.
    let _ = mpr_testkit::mpr();
    let cases = Trial::named(name).unwrap().run(&Stage::shared(), Form::Short);
    assert!(!cases.is_empty(), "nothing was judged");
    let wrong: Vec<String> =
        cases.iter().filter(|case| !case.is_good()).map(|case| case.to_string()).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn fio_reads_back_what_it_wrote() {
    stand_before("fio");
}

#[test]
fn fsx_finds_in_a_file_what_its_model_says() {
    stand_before("fsx");
}

#[test]
fn stress_ng_ends_without_a_complaint() {
    stand_before("stress");
}

#[test]
fn pjdfstest_finds_no_more_than_what_is_known() {
    stand_before("posix");
}

#[test]
fn a_database_is_whole_after_writers_and_a_kill() {
    stand_before("database");
}

#[test]
fn git_works_on_a_share() {
    stand_before("repository");
}

#[test]
fn cargo_builds_on_a_share() {
    stand_before("build");
}

#[test]
fn trees_are_copied_both_ways() {
    stand_before("copies");
}

#[test]
fn two_mounts_follow_each_other() {
    stand_before("two");
}

#[test]
fn what_was_synced_survives_the_server() {
    stand_before("server");
}

#[test]
fn what_was_synced_survives_the_network() {
    stand_before("wire");
}
