use crate::environment::Environment;

#[test]
fn what_is_remembered_stays_so_unless_it_is_to_be_forgotten() {
    let it = Environment::with_test_network();
    it.out(&["connect", "//test/one", "Z:", "--persist"]);
    let told = it.out(&["disconnect", "Z:"]);
    assert_eq!(told, "Z: is disconnected; it is still remembered (--forget forgets it)\n");
    let all = it.json(&["list", "--all", "--json"]);
    assert_eq!(all[0]["status"], "unavailable");
    it.out(&["disconnect", "Z:", "--forget"]);
    assert_eq!(it.out(&["list", "--all", "--json"]), "");
}

#[test]
fn open_files_keep_a_connection_unless_forced() {
    let it = Environment::with_test_network();
    it.out(&["connect", "//test/held", "Z:"]);
    let outcome = it.mpr(&["disconnect", "Z:"]).code(1);
    assert!(outcome.err.starts_with("WN_OPEN_FILES (2401): "), "{}", outcome.err);
    assert!(outcome.err.contains("mpr disconnect Z: --force"), "{}", outcome.err);
    it.out(&["disconnect", "Z:", "--force"]);
}

#[test]
fn everything_is_disconnected_at_once_but_what_refuses() {
    let it = Environment::with_test_network();
    it.out(&["connect", "//test/one", "Z:"]);
    it.out(&["connect", "//test/held", "Y:"]);
    it.out(&["connect", "//test/two"]);
    it.out(&["connect", "//local/photos", "X:"]);
    let outcome = it.mpr(&["disconnect", "--all"]).code(1);
    assert!(outcome.err.contains("cannot disconnect Y:"), "{}", outcome.err);
    let left = it.json(&["list", "--json"]);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["local"], "Y:");
}

#[test]
fn everything_is_forgotten_at_once_connected_or_not() {
    let it = Environment::with_test_network();
    it.out(&["connect", "//test/one", "Z:", "--persist"]);
    it.out(&["disconnect", "Z:"]);
    it.out(&["connect", "//test/two", "Y:", "--persist"]);
    it.out(&["disconnect", "--all"]);
    assert_eq!(it.json(&["list", "--all", "--json"]).len(), 2);
    it.out(&["connect", "//test/two", "Y:"]);
    it.out(&["disconnect", "--all", "--forget"]);
    assert_eq!(it.out(&["list", "--all", "--json"]), "");
}

#[test]
fn what_is_not_connected_cannot_be_disconnected() {
    let outcome = Environment::new().mpr(&["disconnect", "Z:"]).code(1);
    assert!(outcome.err.starts_with("WN_NOT_CONNECTED (2250): "), "{}", outcome.err);
}

#[test]
fn a_name_or_everything_must_be_said() {
    Environment::new().mpr(&["disconnect"]).code(2);
    Environment::new().mpr(&["disconnect", "--all", "Z:"]).code(2);
}
