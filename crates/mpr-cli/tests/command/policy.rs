use crate::environment::Environment;
use serde_json::json;

const NO_TEST: &str = r"
[[rule]]
name = 'no-test'
action = 'deny'
remote = '//test'
reason = 'the test network is being retired'
";

/// Puts down that it was called, and what about.
const RECORDER: &str = r#"
DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) {
    FILE *out = fopen(CALLED, "a");
    fputs("called\n", out);
    fclose(out);
    return 0;
}
"#;

fn network() -> Environment {
    Environment::with_test_network()
}

fn with_recorder() -> Environment {
    let it = network();
    let called = format!("-DCALLED={:?}", it.path("called"));
    let library = it.compile("recorder", RECORDER, &[&called]);
    it.write("system/notifyees.d/recorder.toml", &format!("path = {library:?}\npriority = 100\n"));
    it
}

#[test]
fn what_is_denied_reaches_no_provider_and_no_library_and_says_which_rule() {
    let it = with_recorder();
    it.write("system/policy.d/10-office.toml", NO_TEST);
    let outcome = it.mpr(&["connect", "//test/one", "Z:"]).code(1);
    assert!(outcome.err.starts_with("WN_ACCESS_DENIED (5): "), "{}", outcome.err);
    let file = it.path("system/policy.d/10-office.toml");
    let said = format!(
        "policy says: the test network is being retired (rule \"no-test\", {}:2) (code 5)",
        file.display()
    );
    assert!(outcome.err.contains(&said), "{}", outcome.err);
    assert!(
        outcome.err.ends_with("Hint: see which rule decides: mpr policy test //test/one\n"),
        "{}",
        outcome.err
    );
    assert!(!it.exists("network/Z:") && !it.exists("called"));
    it.out(&["connect", "//local/photos", "Y:"]);
    assert_eq!(it.read("called"), "called\n");
}

#[test]
fn the_policy_is_listed_before_all_libraries_and_cannot_be_taken_away() {
    let it = with_recorder();
    it.write("system/policy.d/10-office.toml", NO_TEST);
    let listed = it.json(&["notifyee", "list", "--json"]);
    assert_eq!((&listed[0]["name"], &listed[0]["state"]), (&json!("policy"), &json!("built-in")));
    assert_eq!(listed[1]["name"], "recorder");
    it.mpr(&["notifyee", "remove", "policy", "--user"]).code(1);
    // Neither the mask of a library nor that of a file of rules gets at it.
    it.write("user/notifyees.d/policy.toml", "enabled = false\n");
    it.write("user/policy.d/10-office.toml", "enabled = false\n");
    it.mpr(&["connect", "//test/one", "Z:"]).code(1);
}

#[test]
fn no_rule_of_a_user_allows_what_the_system_denies() {
    let it = network();
    it.write("system/policy.d/10-office.toml", NO_TEST);
    it.write("user/policy.d/00-mine.toml", "priority = -1000\n[[rule]]\naction = 'allow'\nremote = '*'\n");
    it.mpr(&["connect", "//test/one", "Z:"]).code(1);
    // Nor does the system's default: what it does not allow is denied.
    it.write(
        "system/policy.d/10-office.toml",
        "default = 'deny'\n[[rule]]\naction = 'allow'\nremote = '//local'\n",
    );
    let outcome = it.mpr(&["connect", "//test/one", "Z:"]).code(1);
    assert!(outcome.err.contains("forbidden by the default, since no rule is about it ("), "{}", outcome.err);
    it.out(&["connect", "//local/photos", "Y:"]);
    // But a user may deny more.
    it.write("user/policy.d/00-mine.toml", "default = 'deny'\n");
    it.mpr(&["connect", "//local/photos", "X:"]).code(1);
}

#[test]
fn another_directory_for_the_configuration_does_not_lead_around_a_rule_of_the_user() {
    let it = network();
    it.write("user/policy.d/mine.toml", NO_TEST);
    it.mpr(&["connect", "//test/one"]).code(1);
    for spelling in ["//TEST/one", "//test./one", "smb://test/one", r"\\test@445\one", "//test/one/"] {
        it.mpr(&["connect", spelling]).code(1);
    }
}

#[test]
fn a_restore_is_judged_although_nobody_is_told_and_no_password_is_asked_for() {
    let it = with_recorder();
    it.out(&["connect", "//test/one", "Z:", "--persist"]);
    it.out(&["disconnect", "Z:"]);
    std::fs::remove_file(it.path("called")).unwrap();
    it.write("system/policy.d/10-office.toml", NO_TEST);
    let outcome = it.mpr(&["restore"]).code(1);
    assert!(outcome.err.contains("the test network is being retired"), "{}", outcome.err);
    assert!(!it.exists("network/Z:") && !it.exists("called"));
}

#[test]
fn whoever_is_not_to_connect_can_still_disconnect_unless_a_rule_says_so() {
    let it = network();
    it.out(&["connect", "//test/one", "Z:"]);
    it.write("system/policy.d/10-office.toml", &format!("default = 'deny'\n{NO_TEST}"));
    it.out(&["disconnect", "Z:"]);
    std::fs::remove_file(it.path("system/policy.d/10-office.toml")).unwrap();
    it.out(&["connect", "//test/one", "Z:"]);
    it.write("system/policy.d/10-office.toml", &format!("{NO_TEST}event = 'cancel'\n"));
    let outcome = it.mpr(&["disconnect", "Z:"]).code(1);
    assert!(outcome.err.contains("rule \"no-test\""), "{}", outcome.err);
    it.out(&["connect", "//test/two", "Y:"]);
    it.out(&["connect", "//local/photos", "X:"]);
    it.out(&["disconnect", "X:"]);
}

#[test]
fn a_provider_that_is_denied_is_not_asked_and_others_are() {
    let it = network();
    it.write(
        "system/policy.d/10-office.toml",
        "[[rule]]\nname = 'no-test'\naction = 'deny'\nprovider = 'test *'\n",
    );
    it.out(&["connect", "//local/photos", "Y:"]);
    let outcome = it.mpr(&["connect", "//test/one", "Z:"]).code(1);
    assert!(outcome.err.contains("rule \"no-test\""), "{}", outcome.err);
    it.mpr(&["connect", "//test/one", "Z:", "--provider", "Test Network"]).code(1);
    assert!(!it.exists("network/Z:"));
}

#[test]
fn a_device_that_is_denied_is_denied_also_when_it_is_chosen() {
    let it = network();
    it.write("system/policy.d/10-office.toml", "[[rule]]\naction = 'deny'\nlocal = ['Z:', '/mnt/*']\n");
    it.mpr(&["connect", "//test/one", "z:"]).code(1);
    it.mpr(&["connect", "//test/one", "*"]).code(1);
    it.out(&["connect", "//test/one", "Y:"]);
}

#[test]
fn a_policy_with_a_mistake_opens_no_door() {
    let it = network();
    for (broken, line, what) in [
        ("[[rule]\n", 1, "it is not TOML"),
        ("[[rules]]\naction = 'deny'\n", 1, "\"rules\" is no key of this file"),
        ("default = 'deyn'\n", 1, "default is \"deyn\""),
        ("\n[[rule]]\naction = 'deny'\nremot = '//x'\n", 4, "\"remot\" is no key of a rule"),
        ("[[rule]]\nremote = '//test'\n", 1, "the rule has no action"),
        ("[[rule]]\naction = 'deny'\naddress = '10.0.0.1/8'\n", 3, "has bits set that its length leaves out"),
        ("[[rule]]\naction = 'deny'\nhours = ['8-18']\n", 3, "is no span of time"),
        ("[[rule]]\naction = 'deny'\nremote = []\n", 3, "remote is a list of 0 items"),
    ] {
        it.write("system/policy.d/10-office.toml", broken);
        let outcome = it.mpr(&["connect", "//test/one", "Z:"]).code(1);
        assert!(outcome.err.contains("\nWN_ACCESS_DENIED (5): "), "{broken}: {}", outcome.err);
        let place = format!("10-office.toml:{line}: ");
        let told = outcome.err.lines().find(|line| line.starts_with("warning: ")).unwrap();
        assert!(told.contains(&place) && told.contains(what) && told.contains("; "), "{broken}: {told}");
        let checked = it.mpr(&["policy", "check", "system/policy.d/10-office.toml"]).code(1);
        assert!(checked.out.contains(what), "{broken}: {}", checked.out);
    }
    // A rule that allows and has a mistake allows nothing, and takes nothing from the others.
    it.write(
        "system/policy.d/10-office.toml",
        "default = 'deny'\n[[rule]]\naction = 'allow'\nremote = '*'\nhuors = '08:00-18:00'\n\
         [[rule]]\naction = 'allow'\nremote = '//local'\n",
    );
    it.mpr(&["connect", "//test/one", "Z:"]).code(1);
    it.out(&["connect", "//local/photos", "Y:"]);
}

#[test]
fn a_policy_that_cannot_be_reached_denies() {
    let it = network();
    std::fs::create_dir_all(it.path("system/policy.d/10.toml")).unwrap();
    it.mpr(&["connect", "//test/one", "Z:"]).code(1);
    std::fs::remove_dir(it.path("system/policy.d/10.toml")).unwrap();
    std::os::unix::fs::symlink("nowhere", it.path("system/policy.d/10.toml")).unwrap();
    it.mpr(&["connect", "//test/one", "Z:"]).code(1);
    std::fs::remove_file(it.path("system/policy.d/10.toml")).unwrap();
    std::fs::write(it.path("system/policy.d/10.toml"), [b'#', 0xFF]).unwrap();
    it.mpr(&["connect", "//test/one", "Z:"]).code(1);
    it.write("system/policy.d/10.toml", "");
    it.out(&["connect", "//test/one", "Z:"]);
}

#[test]
fn a_test_tells_which_rule_would_decide() {
    let it = network();
    it.write(
        "system/policy.d/10-office.toml",
        "default = 'deny'\n\n[[rule]]\nname = 'night'\naction = 'deny'\nhours = '20:00-06:00'\n\n\
         [[rule]]\nname = 'staff'\naction = 'allow'\nuser = 'ann'\nremote = ['//nas/**', '//test']\n\n\
         [[rule]]\nname = 'lab'\naction = 'allow'\ngroup = 'lab'\naddress = '10.0.0.0/8'\n",
    );
    let test = |arguments: &[&str], code: i32| {
        let all: Vec<&str> = ["policy", "test", "--json"].iter().chain(arguments).copied().collect();
        let outcome = it.mpr(&all).code(code);
        serde_json::from_str::<serde_json::Value>(&outcome.out).unwrap()
    };
    let by = |told: &serde_json::Value| (told["decision"].clone(), told["rule"]["rule"].clone());
    let day = ["--at", "mon 12:00"];
    let with = |more: &[&'static str]| [more, &day].concat();
    assert_eq!(by(&test(&with(&["//nas/x", "--user", "ann"]), 0)), (json!("allow"), json!("staff")));
    let denied = test(&with(&["//nas/x", "--user", "bob"]), 1);
    assert_eq!((&denied["decision"], &denied["default"]["line"]), (&json!("deny"), &json!(1)));
    let night = test(&["//nas/x", "--user", "ann", "--at", "23:00"], 1);
    assert_eq!((&night["rule"]["rule"], &night["rule"]["line"]), (&json!("night"), &json!(3)));
    let lab = ["//box/x", "--user", "bob", "--group", "lab", "--address"];
    assert_eq!(by(&test(&with(&[&lab[..], &["10.1.1.1"]].concat()), 0)), (json!("allow"), json!("lab")));
    assert_eq!(by(&test(&with(&[&lab[..], &["192.0.2.1"]].concat()), 1)).0, json!("deny"));
    // An address that is a name's own is not looked up.
    assert_eq!(by(&test(&with(&["//10.9.9.9/x", "--user", "bob", "--group", "lab"]), 0)).1, json!("lab"));
    assert!(it.mpr(&["policy", "test", "//nas/x", "--at", "25:00"]).code == 2);
}

#[test]
fn rules_are_listed_in_the_order_in_which_they_are_asked() {
    let it = Environment::new();
    let outcome = it.mpr(&["policy", "list"]).code(0);
    assert_eq!((&*outcome.out, &*outcome.err), ("", "there is no policy: everything is allowed\n"));
    assert_eq!(it.out(&["policy", "test", "//nas/x"]), "allow: there is no policy\n");
    let rule = |name: &str| format!("[[rule]]\nname = '{name}'\naction = 'deny'\nremote = '//{name}'\n");
    it.write("user/policy.d/00.toml", &rule("user"));
    it.write("system/policy.d/20.toml", &rule("second"));
    it.write("system/policy.d/30.toml", &format!("priority = -1\n{}", rule("first")));
    it.write("system/policy.d/40.toml", &format!("enabled = false\n{}", rule("masked")));
    let listed = it.json(&["policy", "list", "--json"]);
    let names: Vec<_> = listed.iter().map(|one| one["rule"].as_str().unwrap()).collect();
    assert_eq!(names, ["first", "second", "user"]);
    assert_eq!(listed[2]["level"], "user");
    let table = it.out(&["policy", "list"]);
    assert!(table.starts_with("LEVEL   RULE    ACTION  ABOUT   PLACE"), "{table}");
}

#[test]
fn a_policy_file_without_mistakes_passes_the_check() {
    let it = Environment::new();
    it.write("new.toml", &format!("default = 'allow'\n{NO_TEST}days = ['mon-fri']\nflags = '!persistent'\n"));
    let checked = it.out(&["policy", "check", "new.toml"]);
    assert_eq!(checked, "new.toml: 1 rules, and what they are not about is allowed\n");
}
