use crate::environment::Environment;

#[test]
fn wrong_usage_is_exit_status_2() {
    let it = Environment::new();
    for arguments in [
        &[][..],
        &["nonsense"],
        &["connect"],
        &["connect", "//s/s", "not-a-device"],
        &["connect", "//s/s", "Z:", "--persist", "--no-persist"],
        &["list", "extra"],
        &["path"],
        &["notifyee"],
        &["provider", "add", "x"],
        &["browse", "--depth", "0"],
        &["net"],
        &["error", "1", "2"],
    ] {
        let outcome = it.mpr(arguments);
        assert_eq!(outcome.code, 2, "{arguments:?}: {outcome:#?}");
        assert_eq!(outcome.out, "", "{arguments:?}");
        assert!(!outcome.err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_and_version_are_no_failures() {
    let it = Environment::new();
    assert!(it.out(&["--help"]).contains("Usage: mpr"));
    assert!(it.out(&["--version"]).starts_with("mpr "));
    assert!(it.out(&["help", "connect"]).contains("--password-file"));
}
