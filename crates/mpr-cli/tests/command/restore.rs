use crate::environment::Environment;

#[test]
fn what_is_remembered_is_connected_again() {
    let it = Environment::with_test_network();
    it.out(&["connect", "//test/one", "Z:", "--persist", "--user", "ann"]);
    it.out(&["connect", "//local/photos", "Y:", "--persist"]);
    it.out(&["disconnect", "Z:"]);
    let restored = it.json(&["restore", "--json"]);
    let results: Vec<_> = restored.iter().map(|one| (one["local"].clone(), one["result"].clone())).collect();
    assert_eq!(results, [("Y:".into(), "already".into()), ("Z:".into(), "restored".into())]);
    assert_eq!(it.json(&["list", "--json"])[1]["user"], "ann");
}

#[test]
fn one_device_is_restored_by_name() {
    let it = Environment::with_test_network();
    it.out(&["connect", "//test/one", "Z:", "--persist"]);
    it.out(&["disconnect", "Z:"]);
    assert_eq!(it.out(&["restore", "z:"]), "Z: is restored\n");
    let outcome = it.mpr(&["restore", "Z:"]).code(1);
    assert!(outcome.err.starts_with("WN_ALREADY_CONNECTED (85): "), "{}", outcome.err);
    let outcome = it.mpr(&["restore", "Q:"]).code(1);
    assert!(outcome.err.starts_with("WN_NOT_CONNECTED (2250): "), "{}", outcome.err);
    let outcome = it.mpr(&["restore", "nonsense"]).code(1);
    assert!(outcome.err.starts_with("WN_BAD_LOCALNAME (1200): "), "{}", outcome.err);
}

#[test]
fn a_failure_is_told_and_the_others_are_restored() {
    let it = Environment::with_test_network();
    it.mpr_with_input(&["connect", "//test/locked", "Y:", "--persist", "--password-stdin"], "sesame\n")
        .code(0);
    it.out(&["connect", "//test/one", "Z:", "--persist"]);
    it.out(&["disconnect", "--all"]);
    let outcome = it.mpr(&["restore"]).code(1);
    assert!(outcome.err.contains("WN_BAD_PASSWORD (86): "), "{}", outcome.err);
    assert!(outcome.err.contains(r"cannot restore Y: to \\test\locked"), "{}", outcome.err);
    assert!(outcome.err.contains("Hint: be asked for it: mpr restore Y: --ask\n"), "{}", outcome.err);
    assert_eq!(outcome.out, "Z: to \\\\test\\one is restored\n");
}

#[test]
fn nothing_remembered_is_nothing_to_do() {
    let outcome = Environment::new().mpr(&["restore"]).code(0);
    assert_eq!((&*outcome.out, &*outcome.err), ("", "nothing is remembered\n"));
}

#[test]
fn asking_needs_a_terminal() {
    let outcome = Environment::new().mpr(&["restore", "--ask"]).code(1);
    assert!(outcome.err.contains("no terminal"), "{}", outcome.err);
}
