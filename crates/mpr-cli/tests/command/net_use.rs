use crate::environment::Environment;

fn net(it: &Environment, words: &[&str]) -> (i32, String, String) {
    let outcome = it.mpr(&[&["net", "use"], words].concat());
    (outcome.code, outcome.out, outcome.err)
}

#[track_caller]
fn says(it: &Environment, words: &[&str], expected: &str) {
    assert_eq!(net(it, words), (0, expected.to_owned(), String::new()));
}

const RULE: &str = "-------------------------------------------------------------------------------";

#[test]
fn a_session_reads_as_it_does_on_windows() {
    let it = Environment::with_test_network();
    says(&it, &[], "New connections will be remembered.\n\nThere are no entries in the list.\n\n");
    says(&it, &["z:", r"\\test\plain"], "The command completed successfully.\n\n");
    says(
        &it,
        &["*", r"\\test\a-share-with-a-rather-long-name", "/persistent:no"],
        "Drive Y: is now connected to \\\\test\\a-share-with-a-rather-long-name.\n\n\
         The command completed successfully.\n\n",
    );
    says(
        &it,
        &[],
        &format!(
            "New connections will not be remembered.\n\n\n\
             Status       Local     Remote                    Network\n\n{RULE}\n\
             OK           Y:        \\\\test\\a-share-with-a-rather-long-name\n\
             \x20                                                Test Network\n\
             OK           Z:        \\\\test\\plain              Test Network\n\
             The command completed successfully.\n\n"
        ),
    );
    says(
        &it,
        &["Z:"],
        "Local name        Z:\nRemote name       \\\\test\\plain\nResource type     Disk\n\
         Status            OK\nUser name         nobody\nThe command completed successfully.\n\n",
    );
    says(&it, &["z:", "/delete"], "Z: was deleted successfully.\n\n");
    says(&it, &["*", "/delete", "/y"], "The command completed successfully.\n\n");
    says(&it, &[], "New connections will not be remembered.\n\nThere are no entries in the list.\n\n");
}

#[test]
fn a_failure_is_a_system_error() {
    let it = Environment::with_test_network();
    let (code, out, err) = net(&it, &["z:", r"\\test\locked"]);
    assert_eq!((code, &*out), (1, ""));
    assert_eq!(
        err,
        "System error 86 has occurred.\n\nThe password is not right for this resource.\n\n\
         More help is available by typing: mpr error 86\n\n"
    );
    let (_, _, err) = net(&it, &["z:", r"\\test\explained"]);
    assert!(err.contains("\n\nTest Network says: the moon is in the wrong quarter (code 4711)\n\n"), "{err}");
    let (code, _, err) = net(&it, &["Q:"]);
    assert_eq!(code, 1);
    assert!(err.starts_with("System error 2250 has occurred.\n"), "{err}");
}

#[test]
fn connections_are_remembered_unless_somebody_said_no() {
    let it = Environment::with_test_network();
    let remembered = |it: &Environment| it.json(&["list", "--remembered", "--json"]).len();
    net(&it, &["z:", r"\\test\one"]);
    assert_eq!(remembered(&it), 1);
    says(&it, &["/persistent:no"], "The command completed successfully.\n\n");
    net(&it, &["y:", r"\\test\two"]);
    assert_eq!(remembered(&it), 1);
    net(&it, &["x:", r"\\test\three", "/persistent:yes"]);
    net(&it, &["w:", r"\\test\four"]);
    assert_eq!(remembered(&it), 3);
    it.out(&["disconnect", "Z:"]);
    let (_, out, _) = net(&it, &[]);
    assert!(out.contains("Unavailable  Z:        \\\\test\\one"), "{out}");
    says(&it, &["z:", "/delete"], "Z: was deleted successfully.\n\n");
    assert_eq!(remembered(&it), 2);
}

#[test]
fn a_resource_alone_is_connected_without_a_device() {
    let it = Environment::with_test_network();
    says(&it, &[r"\\test\plain", r"/user:LAB\ann"], "The command completed successfully.\n\n");
    assert_eq!(it.json(&["list", "--json"])[0]["user"], r"LAB\ann");
    says(&it, &["//test/plain", "/delete"], "\\\\test\\plain was deleted successfully.\n\n");
}

#[test]
fn a_password_on_the_command_line_is_refused() {
    let it = Environment::with_test_network();
    let (code, out, err) = net(&it, &["z:", r"\\test\locked", "sesame"]);
    assert_eq!((code, &*out), (2, ""));
    assert!(err.contains("can be read by every user of this machine"), "{err}");
    assert!(err.contains("write * in its place"), "{err}");
    assert!(!err.contains("sesame"), "{err}");
}

#[test]
fn what_makes_no_sense_shows_the_grammar() {
    let it = Environment::new();
    let (code, _, err) = net(&it, &["/nonsense"]);
    assert_eq!(code, 2);
    assert!(err.starts_with("there is no option /nonsense.\n\nThe syntax of this command is:\n"), "{err}");
    let (code, out, _) = net(&it, &["/?"]);
    assert_eq!(code, 0);
    assert!(out.starts_with("The syntax of this command is:\n"), "{out}");
}

#[test]
fn open_files_are_closed_by_force_only_where_that_was_said() {
    let it = Environment::with_test_network();
    net(&it, &["z:", r"\\test\held"]);
    let (code, _, err) = net(&it, &["z:", "/delete"]);
    assert_eq!(code, 1);
    assert!(err.starts_with("System error 2401 has occurred.\n"), "{err}");
    let (code, _, err) = net(&it, &["*", "/delete"]);
    assert_eq!(code, 1);
    assert!(err.contains("add /y"), "{err}");
    says(&it, &["z:", "/delete", "/y"], "Z: was deleted successfully.\n\n");
}

#[test]
fn programs_get_json() {
    let it = Environment::with_test_network();
    let connected = it.json(&["--json", "net", "use", "*", r"\\test\plain"]);
    assert_eq!(connected[0]["local"], "Z:");
    assert_eq!(connected[0]["remembered"], true);
    assert_eq!(it.json(&["--json", "net", "use"])[0]["remote"], r"\\test\plain");
    assert_eq!(it.json(&["--json", "net", "use", "Z:"])[0]["provider"], "Test Network");
    assert_eq!(it.json(&["--json", "net", "use", "Z:", "/delete"])[0]["disconnected"], "Z:");
    assert_eq!(it.out(&["--json", "net", "use"]), "");
    let outcome = it.mpr(&["--json", "net", "use", "z:", r"\\test\locked"]).code(1);
    assert!(outcome.err.contains("\"code\":86"), "{}", outcome.err);
}

#[test]
fn a_connection_is_made_even_where_it_cannot_be_remembered() {
    let it = Environment::with_test_network();
    it.write("state/connections.toml", "not toml\n");
    let (code, out, err) = net(&it, &["z:", r"\\test\plain"]);
    assert_eq!((code, &*out), (0, "The command completed successfully.\n\n"), "{err}");
    assert!(err.contains("warning: the connection will not be remembered: "), "{err}");
    let (code, _, err) = net(&it, &["y:", r"\\test\plain", "/persistent:yes"]);
    assert_eq!(code, 1);
    assert!(err.starts_with("System error 1206 has occurred.\n"), "{err}");
}
