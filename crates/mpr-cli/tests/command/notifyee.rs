use crate::environment::Environment;

const NOTIFYEE: &str = "DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return 0; }";

fn states(it: &Environment) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let listed = it.json(&["notifyee", "list", "--json"]);
    listed.iter().map(|one| (text(&one["name"]), text(&one["state"]))).collect()
}

fn state(it: &Environment, name: &str) -> String {
    states(it).into_iter().find(|one| one.0 == name).unwrap_or_else(|| panic!("no {name}")).1
}

#[test]
fn a_library_is_added_listed_and_removed() {
    let it = Environment::new();
    let library = it.compile("audit", NOTIFYEE, &[]);
    let added = it.out(&[
        "notifyee",
        "add",
        "audit",
        library.to_str().unwrap(),
        "--user",
        "--priority",
        "-5",
        "--events",
        "add",
    ]);
    assert!(added.contains("user/notifyees.d/audit.toml"), "{added}");
    assert_eq!(
        it.read("user/notifyees.d/audit.toml"),
        format!("path = {library:?}\npriority = -5\nevents = [\"add\"]\n")
    );
    let listed = &it.json(&["notifyee", "list", "--json"])[0];
    assert_eq!(listed["state"], "loaded");
    assert_eq!(listed["priority"], -5);
    assert_eq!(listed["events"], serde_json::json!(["add"]));
    it.out(&["notifyee", "remove", "audit", "--user"]);
    assert!(!it.exists("user/notifyees.d/audit.toml"));
    assert_eq!(states(&it), []);
}

#[test]
fn the_level_decides_which_directory_is_changed() {
    let it = Environment::new();
    it.out(&["notifyee", "add", "one", "/x.so", "--system", "--quiet"]);
    it.out(&["notifyee", "add", "two", "relative.so", "--user", "--quiet"]);
    assert!(it.exists("system/notifyees.d/one.toml"));
    let relative = it.path("relative.so");
    assert_eq!(it.read("user/notifyees.d/two.toml"), format!("path = {relative:?}\n"));
    it.mpr(&["notifyee", "add", "three", "/x.so", "--user", "--system"]).code(2);
}

#[test]
fn an_entry_of_the_system_is_masked_by_the_user_and_taken_back() {
    let it = Environment::new();
    let library = it.compile("audit", NOTIFYEE, &[]);
    it.write("system/notifyees.d/audit.toml", &format!("path = {library:?}\n"));
    let masked = it.out(&["notifyee", "remove", "audit", "--user"]);
    assert!(masked.contains("audit is masked by "), "{masked}");
    let text = it.read("user/notifyees.d/audit.toml");
    assert!(text.starts_with("# Masks ") && text.ends_with("\nenabled = false\n"), "{text}");
    assert!(it.exists("system/notifyees.d/audit.toml"));
    assert_eq!(state(&it, "audit"), "masked");
    it.out(&["notifyee", "enable", "audit", "--user"]);
    assert!(!it.exists("user/notifyees.d/audit.toml"));
    assert_eq!(state(&it, "audit"), "loaded");
}

#[test]
fn what_is_edited_keeps_its_comments() {
    let it = Environment::new();
    let library = it.compile("audit", NOTIFYEE, &[]);
    it.write("user/notifyees.d/audit.toml", &format!("# why it is here\npath = {library:?} # where\n"));
    it.write("system/notifyees.d/audit.toml", &format!("path = {library:?}\n"));
    it.out(&["notifyee", "remove", "audit", "--user"]);
    let text = it.read("user/notifyees.d/audit.toml");
    assert_eq!(text, format!("# why it is here\npath = {library:?} # where\nenabled = false\n"));
    it.out(&["notifyee", "enable", "audit", "--user"]);
    assert_eq!(
        it.read("user/notifyees.d/audit.toml"),
        format!("# why it is here\npath = {library:?} # where\n")
    );
}

#[test]
fn a_registration_that_exists_is_not_overwritten_unasked() {
    let it = Environment::new();
    it.out(&["notifyee", "add", "audit", "/one.so", "--user", "--quiet"]);
    let outcome = it.mpr(&["notifyee", "add", "audit", "/two.so", "--user"]).code(1);
    assert!(outcome.err.contains("is there already"), "{}", outcome.err);
    it.out(&["notifyee", "add", "audit", "/two.so", "--user", "--replace", "--quiet"]);
    assert_eq!(it.read("user/notifyees.d/audit.toml"), "path = \"/two.so\"\n");
}

#[test]
fn a_command_is_registered_with_its_arguments() {
    let it = Environment::new();
    it.out(&[
        "notifyee",
        "add",
        "hook",
        "--user",
        "--on-failure",
        "deny",
        "--timeout-ms",
        "900",
        "--",
        "/bin/hook",
        "-v",
    ]);
    assert_eq!(
        it.read("user/notifyees.d/hook.toml"),
        "command = [\"/bin/hook\", \"-v\"]\ntimeout-ms = 900\non-failure = \"deny\"\n"
    );
    it.mpr(&["notifyee", "add", "other", "--user", "--", "hook"]).code(2);
    it.mpr(&["notifyee", "add", "other", "--user"]).code(2);
}

#[test]
fn what_is_skipped_says_why() {
    let it = Environment::new();
    it.write("user/notifyees.d/gone.toml", "path = \"/nowhere/gone.so\"\n");
    it.write("user/notifyees.d/wrong.toml", "path = 7\n");
    let listed = it.json(&["notifyee", "list", "--json"]);
    let why = |name: &str| {
        let one = listed.iter().find(|one| one["name"] == name).unwrap();
        assert_eq!(one["state"], "skipped");
        one["why"].as_str().unwrap().to_owned()
    };
    assert!(why("gone").contains("no such file"), "{}", why("gone"));
    assert!(why("wrong").contains("path"), "{}", why("wrong"));
    let text = it.out(&["notifyee", "list"]);
    assert!(text.starts_with("NAME"), "{text}");
}

#[test]
fn the_order_is_changed_by_priorities() {
    let it = Environment::new();
    for name in ["a", "b", "c"] {
        it.out(&["notifyee", "add", name, &format!("/{name}.so"), "--user", "--quiet"]);
    }
    let names = |it: &Environment, more: &[&str]| -> Vec<String> {
        let ordered = it.json(&[&["notifyee", "order", "--json", "--user"], more].concat());
        ordered.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&it, &[]), ["a", "b", "c"]);
    assert_eq!(names(&it, &["c", "b"]), ["c", "b", "a"]);
    assert_eq!(names(&it, &["b", "a", "c"]), ["b", "a", "c"]);
    assert_eq!(it.read("user/notifyees.d/a.toml").lines().next(), Some("path = \"/a.so\""));
    let outcome = it.mpr(&["notifyee", "order", "--user", "nobody"]).code(1);
    assert!(outcome.err.contains("no notification library is registered as 'nobody'"), "{}", outcome.err);
}

#[test]
fn the_order_of_the_systems_entries_is_changed_in_a_copy_of_the_users() {
    let it = Environment::new();
    it.write("system/notifyees.d/a.toml", "# theirs\npath = \"/a.so\"\n");
    it.write("system/notifyees.d/b.toml", "path = \"/b.so\"\n");
    let outcome = it.mpr(&["notifyee", "order", "--user", "b"]).code(0);
    assert!(outcome.err.contains("is copied to"), "{}", outcome.err);
    assert_eq!(it.read("user/notifyees.d/b.toml"), "path = \"/b.so\"\npriority = -10\n");
    assert_eq!(it.read("system/notifyees.d/b.toml"), "path = \"/b.so\"\n");
    assert!(!it.exists("user/notifyees.d/a.toml"));
}

#[test]
fn a_library_is_checked_by_path_and_by_name() {
    let it = Environment::new();
    let library = it.compile("audit", NOTIFYEE, &[]);
    it.out(&["notifyee", "add", "audit", library.to_str().unwrap(), "--user", "--quiet"]);
    for name in ["audit", library.to_str().unwrap()] {
        let checked = &it.json(&["notifyee", "check", name, "--json"])[0];
        assert_eq!(checked["loaded"], true);
        assert_eq!(checked["as"]["events"], serde_json::json!(["add"]));
        assert_eq!(checked["file"]["elf"]["exports"], serde_json::json!(["AddConnectNotify"]));
        assert_eq!(checked["file"]["elf"]["shared_object"], true);
    }
    let text = it.out(&["notifyee", "check", "audit"]);
    assert!(
        text.contains("loaded        yes, in ") && text.contains(" ms: is told of connects alone\n"),
        "{text}"
    );
    assert!(text.contains("called        no; --call does that"), "nobody asked for that: {text}");
}

#[test]
fn a_library_is_called_for_a_name_that_is_nobodys_if_that_is_asked_for() {
    let it = Environment::new();
    let source = r#"
        DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) {
            if (i->when == 1) { i->context = i; return 0; }
            return a->resource.remote[2] == 'm' && i->status == 67 ? 0 : 1;
        }
        DWORD CancelConnectNotify(NOTIFYINFO *i, NOTIFYCANCEL *c) { return 1223; }"#;
    let library = it.compile("both", source, &[]);
    let checked = &it.json(&["notifyee", "check", library.to_str().unwrap(), "--call", "--json"])[0];
    let calls: Vec<_> =
        checked["calls"].as_array().unwrap().iter().map(|one| (&one["call"], &one["status"])).collect();
    let told = |call: &str, status: u32| (serde_json::json!(call), serde_json::json!(status));
    let expected =
        [told("before a connect", 0), told("after a connect", 0), told("before a disconnect", 1223)];
    assert_eq!(calls, expected.iter().map(|one| (&one.0, &one.1)).collect::<Vec<_>>());
    assert!(
        checked["calls"][0]["ms"].as_f64().is_some() && checked["load_ms"].as_f64().is_some(),
        "{checked}"
    );
}

#[test]
fn a_library_that_hangs_or_crashes_is_checked_all_the_same() {
    let it = Environment::new();
    let hanging = it.compile(
        "hanging",
        "#include <unistd.h>\nDWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { for (;;) pause(); }",
        &[],
    );
    let arguments = ["notifyee", "check", hanging.to_str().unwrap(), "--call", "--timeout-ms", "300"];
    let outcome = it.mpr(&arguments).code(1);
    assert!(
        outcome.out.contains("before a connect: no answer: ")
            && outcome.out.contains("did not answer within 300 ms"),
        "{}",
        outcome.out
    );
    let crashing = it.compile(
        "crashing",
        "__attribute__((constructor)) static void start(void) { abort(); }
         DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return 0; }",
        &[],
    );
    let outcome = it.mpr(&["notifyee", "check", crashing.to_str().unwrap()]).code(1);
    assert!(
        outcome.out.contains("loaded        no: the notification library crashed (signal 6)"),
        "{}",
        outcome.out
    );
}

#[test]
fn a_file_that_is_no_library_is_told_from_one() {
    let it = Environment::new();
    it.write("text", "text");
    let outcome = it.mpr(&["notifyee", "check", "text"]).code(1);
    assert!(outcome.out.contains("format        not an ELF file\n"), "{}", outcome.out);
    assert!(outcome.out.contains("loaded        no: "), "{}", outcome.out);
    let empty = it.compile("empty", "int nothing;", &[]);
    let outcome = it.mpr(&["notifyee", "check", empty.to_str().unwrap()]).code(1);
    assert!(
        outcome.out.contains("exports neither AddConnectNotify nor CancelConnectNotify"),
        "{}",
        outcome.out
    );
    let outcome = it.mpr(&["notifyee", "check", "missing"]).code(1);
    assert!(outcome.err.contains("cannot read missing"), "{}", outcome.err);
}

#[test]
fn a_name_that_leads_elsewhere_is_refused() {
    let it = Environment::new();
    it.mpr(&["notifyee", "add", "../evil", "/x.so", "--user"]).code(2);
    it.mpr(&["notifyee", "remove", "nobody", "--user"]).code(1);
}

#[test]
fn a_guard_that_cannot_be_loaded_refuses_what_it_would_be_asked_about_if_it_is_to() {
    let it = Environment::new();
    it.write("user/notifyees.d/guard.toml", "path = \"/nowhere/guard.so\"\n");
    it.mpr(&["connect", "//local/photos", "Z:"]).code(0);
    it.write(
        "user/notifyees.d/guard.toml",
        "path = \"/nowhere/guard.so\"\non-failure = \"deny\"\nevents = [\"add\"]\n",
    );
    let outcome = it.mpr(&["connect", "//local/photos", "Y:"]).code(1);
    assert!(outcome.err.contains("\nWN_ACCESS_DENIED (5): "), "{}", outcome.err);
    assert!(outcome.err.contains("\nguard says: "), "{}", outcome.err);
    // It is known who refused: no server is to be suspected, and no other user is of use.
    assert!(outcome.err.contains("Hint: see who is asked before each connection"), "{}", outcome.err);
    assert!(!outcome.err.contains("Possible causes"), "{}", outcome.err);
    it.mpr(&["disconnect", "Z:"]).code(0);
}

/// Puts down that it was called.
const RECORDER: &str = r#"
DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) {
    FILE *out = fopen(CALLED, "a");
    fputs("called\n", out);
    fclose(out);
    return 0;
}
"#;

fn recorder(it: &Environment, name: &str) -> std::path::PathBuf {
    it.compile(name, RECORDER, &[&format!("-DCALLED={:?}", it.path(name).with_extension("called"))])
}

#[test]
fn a_pinned_library_is_loaded_until_it_is_changed() {
    let it = Environment::new();
    let library = recorder(&it, "pinned");
    it.out(&["notifyee", "add", "pinned", library.to_str().unwrap(), "--user", "--pin", "--quiet"]);
    assert_eq!(state(&it, "pinned"), "loaded");
    it.out(&["connect", "//local/photos", "Z:"]);
    assert_eq!(it.read("pinned.called"), "called\n");
    let mut bytes = std::fs::read(&library).unwrap();
    bytes.push(0);
    std::fs::write(&library, bytes).unwrap();
    let listed = it.json(&["notifyee", "list", "--json"]);
    assert_eq!(listed[0]["state"], "skipped");
    let why = listed[0]["why"].as_str().unwrap();
    assert!(why.contains("its contents are not those it was registered with: its sha256 is "), "{why}");
    let checked = it.mpr(&["notifyee", "check", "pinned"]).code(1);
    assert!(checked.out.contains("loaded        no: its contents are not those"), "{}", checked.out);
    it.out(&[
        "notifyee",
        "add",
        "pinned",
        library.to_str().unwrap(),
        "--user",
        "--pin",
        "--replace",
        "--quiet",
    ]);
    assert_eq!(state(&it, "pinned"), "loaded");
}

#[test]
fn safe_mode_loads_nothing_but_the_guards_of_the_system() {
    let it = Environment::with_test_network();
    for (name, level, more) in [
        ("optional", "system", ""),
        ("guard", "system", "on-failure = 'deny'\n"),
        ("own", "user", "on-failure = 'deny'\n"),
    ] {
        let library = recorder(&it, name);
        it.write(&format!("{level}/notifyees.d/{name}.toml"), &format!("path = {library:?}\n{more}"));
    }
    it.write("system/policy.d/p.toml", "[[rule]]\naction = 'deny'\nremote = '//test/two'\n");
    let called = |name: &str| it.exists(&format!("{name}.called"));
    it.out(&["connect", "//local/photos", "Z:", "--safe-mode"]);
    assert_eq!([called("optional"), called("guard"), called("own")], [false, true, false]);
    let outcome = it.mpr(&["connect", "//test/one", "Y:", "--safe-mode"]).code(1);
    assert!(outcome.err.starts_with("WN_BAD_NETNAME (67): "), "{}", outcome.err);
    let outcome = it.mpr(&["connect", "//test/two", "Y:", "--safe-mode"]).code(1);
    assert!(outcome.err.starts_with("WN_ACCESS_DENIED (5): "), "{}", outcome.err);
    let listed = it.json(&["notifyee", "list", "--json", "--safe-mode"]);
    let optional = listed.iter().find(|one| one["name"] == "optional").unwrap();
    assert_eq!(optional["why"], "it is optional, and left out in safe mode");
    // By the environment, and for everybody.
    let output = it.command(&["connect", "//local/photos", "X:"]).env("MPR_SAFE_MODE", "1").output().unwrap();
    assert!(output.status.success() && !called("optional"));
    it.write("system/mpr.toml", &format!("safe-mode = true\n{}", it.read("system/mpr.toml")));
    it.out(&["connect", "//local/photos", "W:"]);
    assert!(!called("optional") && !called("own"));
}
