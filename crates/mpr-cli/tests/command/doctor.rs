use crate::environment::{Environment, parse_lines, set_mode};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

/// What is wrong, as "subject: what; remedy".
fn wrong(it: &Environment) -> Vec<String> {
    let outcome = it.mpr(&["doctor", "--json"]).code(1);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = parse_lines(&outcome.out);
    let wrong = findings.iter().filter(|finding| finding["verdict"] == "wrong");
    wrong
        .map(|one| format!("{}: {}; {}", text(&one["subject"]), text(&one["what"]), text(&one["remedy"])))
        .collect()
}

#[track_caller]
fn assert_found(it: &Environment, parts: &[&str]) {
    let wrong = wrong(it);
    let found = wrong.iter().any(|finding| parts.iter().all(|part| finding.contains(part)));
    assert!(found, "{parts:?} in {wrong:#?}");
}

#[test]
fn where_nothing_is_wrong_it_says_so() {
    let it = Environment::with_test_network();
    let text = it.out(&["doctor"]);
    assert!(text.contains("1. Local Directory Network: built in"), "{text}");
    assert!(text.contains("2. Test Network: "), "{text}");
    assert!(text.ends_with("\nNothing is wrong.\n"), "{text}");
    assert_eq!(it.out(&["doctor", "--quiet"]), "");
    assert!(it.json(&["doctor", "--json"]).iter().all(|finding| finding["verdict"] != "wrong"));
}

#[test]
fn a_line_that_is_not_toml_is_found() {
    let it = Environment::new();
    it.write("user/mpr.toml", "retry-limit = = 3\n");
    assert_found(&it, &["user/mpr.toml:1", "not TOML"]);
    assert!(it.mpr(&["doctor"]).code(1).out.contains("WRONG"));
}

#[test]
fn a_plug_in_that_is_missing_or_no_plug_in_is_found() {
    let it = Environment::new();
    it.write("user/notifyees.d/gone.toml", "path = \"/nowhere/gone.so\"\n");
    assert_found(&it, &["notifyees.d/gone.toml", "/nowhere/gone.so", "no such file"]);
    it.write("not-a-library", "text");
    let path = it.path("not-a-library");
    it.write("user/providers.d/text.toml", &format!("path = {path:?}\nname = \"Text\"\n"));
    assert_found(&it, &["providers.d/text.toml", "not-a-library"]);
    let empty = it.compile("empty", "int nothing;", &[]);
    it.write("user/notifyees.d/empty.toml", &format!("path = {empty:?}\n"));
    assert_found(&it, &["notifyees.d/empty.toml", "exports neither"]);
}

#[test]
fn a_plug_in_anybody_can_write_to_is_found() {
    let it = Environment::new();
    let library =
        it.compile("open", "DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return 0; }", &[]);
    set_mode(&library, 0o777);
    it.write("user/notifyees.d/open.toml", &format!("path = {library:?}\n"));
    assert_found(&it, &["notifyees.d/open.toml", "written to by anyone", "chmod o-w"]);
}

#[test]
fn a_configuration_directory_anybody_can_write_to_is_found() {
    let it = Environment::new();
    set_mode(&it.path("user"), 0o777);
    assert_found(&it, &["/user", "anyone can write to it", "chmod o-w"]);
}

#[test]
fn a_configuration_directory_that_is_relative_is_found_and_left_out_with_a_message() {
    let it = Environment::new();
    it.write("system/mpr.toml", "retry-limit = = 3\n");
    let mut command = it.command(&["doctor"]);
    let output = command.env("MPR_CONFIG_DIRS", "system").output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        told.contains("WRONG  system: MPR_CONFIG_DIRS lists it, and it is not an absolute path"),
        "{told}"
    );
    assert!(!told.contains("TOML"), "{told}");
    let output = it.command(&["list"]).env("MPR_CONFIG_DIRS", "system").output().unwrap();
    let warned = String::from_utf8(output.stderr).unwrap();
    assert!(warned.contains("warning: system: MPR_CONFIG_DIRS lists it"), "{warned}");
}

#[test]
fn a_damaged_store_is_found_by_line() {
    let it = Environment::new();
    it.write("state/connections.toml", "[drives.\"Z:\"]\nUserName = \"ann\"\n");
    set_mode(&it.path("state/connections.toml"), 0o600);
    assert_found(&it, &["connections.toml", "RemotePath"]);
}

#[test]
fn a_runtime_directory_that_is_not_ours_alone_is_found() {
    let it = Environment::new();
    set_mode(&it.path("run"), 0o777);
    assert_found(&it, &["/run", "written to by other users"]);
    assert_eq!(it.path("run").metadata().unwrap().permissions().mode() & 0o777, 0o777);
}

#[test]
fn a_record_without_a_mount_is_found() {
    let it = Environment::new();
    let record = serde_json::json!({
        "schema": 1, "local": "Q:", "mount_point": "/nowhere/q", "own_mount_point": true,
        "remote": r"\\nas\x", "source": "//nas/x", "provider": "p", "user": null,
        "helper": { "pid": 1, "started": 0 }, "control": "drive-q.sock", "since": 0, "read_only": false,
    });
    it.write("run/connections/drive-q.json", &record.to_string());
    it.write("run/connections/drive-r.json", "not a record");
    for (name, mode) in [("", 0o700), ("/drive-q.json", 0o600), ("/drive-r.json", 0o600)] {
        set_mode(&it.path(&format!("run/connections{name}")), mode);
    }
    assert_found(&it, &[r"Q: (\\nas\x)", "without a mount", "drive-q.json"]);
    assert_found(&it, &["drive-r.json", "no connection is shown for it", "rm '"]);
}

#[test]
fn having_no_provider_is_found() {
    let it = Environment::new();
    it.write("user/mpr.toml", "builtin-providers = []\n");
    assert_found(&it, &["no provider", "nothing can be connected"]);
}

#[test]
fn what_is_masked_is_noted() {
    let it = Environment::with_test_network();
    it.write("user/providers.d/test.toml", "enabled = false\n");
    let text = it.out(&["doctor"]);
    assert!(text.contains("note   test: is masked by "), "{text}");
    assert!(!text.contains("Test Network"), "{text}");
}

#[test]
fn an_unknown_built_in_provider_is_found_among_the_providers() {
    let it = Environment::new();
    it.write("user/mpr.toml", "builtin-providers = [\"local\", \"smbb\"]\n");
    let findings = parse_lines(&it.mpr(&["doctor", "--json"]).code(1).out);
    let found = findings.iter().find(|one| one["what"].as_str().unwrap().contains("\"smbb\"")).unwrap();
    assert_eq!((&found["section"], &found["verdict"]), (&"providers".into(), &"wrong".into()), "{found}");
}

#[test]
fn who_is_suspended_is_found_with_the_reason_and_what_to_do() {
    let it = Environment::with_test_network();
    let listener =
        it.compile("listener", "DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return 0; }", &[]);
    let isolated = format!("path = {listener:?}\nisolation = \"process\"\n");
    it.write("user/notifyees.d/watch.toml", &isolated);
    let network = it.path("test-network.so");
    let isolated = format!("path = {network:?}\nname = \"Test Network\"\nisolation = \"process\"\n");
    it.write("system/providers.d/test.toml", &isolated);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let until = u64::try_from(now.as_millis()).unwrap() + 50_000;
    for (kind, name, file) in [
        ("notifyees", "watch", "user/notifyees.d/watch.toml"),
        ("providers", "test", "system/providers.d/test.toml"),
    ] {
        let failing = serde_json::json!({
            "schema": 1, "registration": it.path(file), "failures": 3, "last": "it fell over", "until": until,
        });
        it.write(&format!("run/{kind}/{name}.json"), &failing.to_string());
        set_mode(&it.path(&format!("run/{kind}")), 0o700);
        set_mode(&it.path(&format!("run/{kind}/{name}.json")), 0o600);
    }
    assert_found(
        &it,
        &["1. watch: is suspended for another", "it fell over", "rm '", "notifyees/watch.json"],
    );
    assert_found(&it, &["2. Test Network: is suspended for another", "it fell over", "providers/test.json"]);
    let listed = it.json(&["provider", "list", "--json"]);
    let test = listed.iter().find(|one| one["name"] == "Test Network").unwrap();
    assert_eq!((&test["state"], &test["isolation"]), (&"suspended".into(), &"process".into()), "{test}");
}

#[test]
fn what_a_sandbox_needs_of_the_kernel_is_looked_at_where_one_is_registered() {
    let it = Environment::new();
    assert!(!it.out(&["doctor"]).contains("Landlock"));
    let listener =
        it.compile("listener", "DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return 0; }", &[]);
    it.write("user/notifyees.d/watch.toml", &format!("path = {listener:?}\nisolation = \"process\"\n"));
    let text = it.mpr(&["doctor"]).out;
    assert!(text.contains("Landlock: version ") || text.contains("Landlock: this kernel has none"), "{text}");
}
