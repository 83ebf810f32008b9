use crate::environment::{Environment, detached, set_mode};

const LOCKED: [&str; 3] = ["connect", "//test/locked", "Z:"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&LOCKED[..], more].concat()
}

#[test]
fn a_password_comes_from_standard_input() {
    let it = Environment::with_test_network();
    it.mpr_with_input(&with(&["--password-stdin"]), "sesame\nrest\n").code(0);
}

#[test]
fn a_wrong_password_is_not_asked_for_again_where_a_source_was_named() {
    let it = Environment::with_test_network();
    let outcome = it.mpr_with_input(&with(&["--password-stdin"]), "wrong\n").code(1);
    assert!(outcome.err.starts_with("WN_BAD_PASSWORD (86): "), "{}", outcome.err);
    assert!(!outcome.err.contains("wrong\n"), "{}", outcome.err);
}

#[test]
fn without_terminal_and_source_a_refused_password_is_a_failure() {
    let it = Environment::with_test_network();
    let outcome = it.mpr(&LOCKED).code(1);
    assert!(outcome.err.starts_with("WN_BAD_PASSWORD (86): "), "{}", outcome.err);
}

#[test]
fn a_password_comes_from_a_file_that_is_ours_alone() {
    let it = Environment::with_test_network();
    it.write("secret", "sesame\n");
    set_mode(&it.path("secret"), 0o600);
    it.out(&with(&["--password-file", "secret"]));
}

#[test]
fn a_password_file_others_can_read_is_refused_with_the_cure() {
    let it = Environment::with_test_network();
    it.write("secret", "sesame\n");
    for mode in [0o640, 0o604, 0o602] {
        set_mode(&it.path("secret"), mode);
        let outcome = it.mpr(&with(&["--password-file", "secret"])).code(1);
        assert!(outcome.err.contains("chmod 600 'secret'"), "{mode:o}: {}", outcome.err);
        assert!(!outcome.err.contains("sesame"), "{}", outcome.err);
    }
    assert_eq!(it.out(&["list", "--json"]), "");
}

#[test]
fn a_password_file_must_be_a_file() {
    let it = Environment::with_test_network();
    let outcome = it.mpr(&with(&["--password-file", "photos"])).code(1);
    assert!(outcome.err.contains("not a regular file"), "{}", outcome.err);
    let outcome = it.mpr(&with(&["--password-file", "missing"])).code(1);
    assert!(outcome.err.contains("cannot open the password file missing"), "{}", outcome.err);
}

#[test]
fn a_password_comes_from_an_open_descriptor() {
    let it = Environment::with_test_network();
    it.write("secret", "sesame\n");
    let mut command = it.command(&with(&["--password-fd", "0"]));
    command.stdin(std::fs::File::open(it.path("secret")).unwrap());
    assert!(detached(&mut command).output().unwrap().status.success());
}

#[test]
fn a_descriptor_that_is_not_open_is_said_so() {
    let it = Environment::with_test_network();
    let outcome = it.mpr(&with(&["--password-fd", "99"])).code(1);
    assert!(outcome.err.contains("file descriptor 99"), "{}", outcome.err);
}

#[test]
fn one_source_at_most_is_named() {
    let it = Environment::with_test_network();
    it.mpr(&with(&["--password-stdin", "--password-fd", "0"])).code(2);
    it.mpr(&with(&["--password-stdin", "--prompt"])).code(2);
    it.mpr(&with(&["--password", "sesame"])).code(2);
}

#[test]
fn a_password_in_a_url_is_refused_and_not_repeated() {
    let it = Environment::with_test_network();
    for command in ["connect", "disconnect"] {
        let outcome = it.mpr(&[command, "smb://ann:hunter2@test/plain"]).code(2);
        assert!(outcome.err.contains("--password-stdin"), "{}", outcome.err);
        assert!(!outcome.err.contains("hunter2"), "{}", outcome.err);
    }
}

#[test]
fn the_password_is_nowhere_afterwards() {
    let it = Environment::with_test_network();
    it.mpr_with_input(&with(&["--password-stdin", "--persist", "--user", "ann"]), "sesame\n").code(0);
    let found = std::process::Command::new("grep")
        .args(["-rl", "sesame"])
        .args([it.path("state"), it.path("run"), it.path("network"), it.path("user"), it.path("system")])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}
