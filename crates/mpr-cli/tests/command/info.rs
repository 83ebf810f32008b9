use crate::environment::Environment;

#[test]
fn a_connection_is_told_by_its_device() {
    let it = Environment::new();
    it.out(&["connect", "//local/photos/2024", "Z:", "--persist"]);
    let known = &it.json(&["info", "z:", "--json"])[0];
    assert_eq!(known["status"], "ok");
    assert_eq!(known["remote"], r"\\local\photos\2024");
    assert_eq!(known["provider"], "Local Directory Network");
    assert_eq!(known["path"], it.path("run/drives/z").to_str().unwrap());
    assert_eq!(known["remembered"], true);
    let text = it.out(&["info", "Z:"]);
    assert!(text.contains("Remote name   \\\\local\\photos\\2024\n"), "{text}");
}

#[test]
fn what_is_only_remembered_is_told_too() {
    let it = Environment::new();
    it.out(&["connect", "//local/photos", "Z:", "--persist"]);
    it.out(&["disconnect", "Z:"]);
    assert_eq!(it.json(&["info", "Z:", "--json"])[0]["status"], "unavailable");
    let outcome = it.mpr(&["info", "Y:"]).code(1);
    assert!(outcome.err.starts_with("WN_NOT_CONNECTED (2250): "), "{}", outcome.err);
}

#[test]
fn a_resource_is_told_by_its_name_with_the_path_inside() {
    let it = Environment::with_test_network();
    it.out(&["connect", "//test/plain", "Z:"]);
    let known = &it.json(&["info", "//test/plain/a/b", "--json"])[0];
    assert_eq!(known["remote"], r"\\test\plain");
    assert_eq!(known["remaining"], r"\a\b");
    assert_eq!(known["provider"], "Test Network");
    assert_eq!(known["connectable"], true);
    assert_eq!(known["connected"], "Z:");
    let outcome = it.mpr(&["info", "//nowhere/x"]).code(1);
    assert!(outcome.err.starts_with("WN_BAD_NETNAME (67): "), "{}", outcome.err);
}

#[test]
fn every_label_of_a_resource_stands_apart_from_what_it_is_of() {
    let it = Environment::new();
    let text = it.out(&["info", "//local/photos"]);
    assert!(text.contains("Browsable     no\n"), "{text}");
    assert!(text.lines().all(|line| line.as_bytes()[13] == b' '), "{text}");
}

#[test]
fn the_user_of_a_connection_and_of_this_process_are_told() {
    let it = Environment::with_test_network();
    it.out(&["connect", "//test/plain", "Z:", "--user", "ann"]);
    assert_eq!(it.out(&["user", "Z:"]), "ann\n");
    assert_eq!(it.json(&["user", "z:", "--json"])[0]["user"], "ann");
    let me = std::process::Command::new("id").arg("-un").output().unwrap();
    assert_eq!(it.out(&["user"]), String::from_utf8(me.stdout).unwrap());
    let outcome = it.mpr(&["user", "Q:"]).code(1);
    assert!(outcome.err.starts_with("WN_NOT_CONNECTED (2250): "), "{}", outcome.err);
}
