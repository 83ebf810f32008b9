//! What would become of a connect, and what does.

use crate::environment::Environment;
use serde_json::{Value, json};

/// Refuses everything; what it is told goes into a file.
const SCRIPT: &str = "#!/bin/sh\ncat >> OUT\nprintf '%s\\n' \"$MPR_SIMULATION\" >> OUT.variable\n\
                      echo '{\"status\": 1223, \"reason\": \"not today\"}'\n";

fn with_script() -> Environment {
    use std::os::unix::fs::PermissionsExt;
    // It is found beside `mpr`.
    _ = mpr_testkit::mpr_host();
    let it = Environment::with_test_network();
    let (script, told) = (it.path("script"), it.path("told"));
    it.write("script", &SCRIPT.replace("OUT", told.to_str().unwrap()));
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    it.write("system/notifyees.d/script.toml", &format!("command = [{script:?}]\n"));
    it
}

#[test]
fn a_connect_is_explained_without_being_made() {
    let it = Environment::with_test_network();
    let told = it.out(&["explain", "smb://ann@test/photos", "Z:"]);
    for line in [
        r"  the name is understood as \\test\photos",
        "  as the user ann",
        "  there is no policy",
        "  no listener is told",
        "  these providers are asked until one does it: Local Directory Network, Test Network",
        "Decided by the first provider that knows the name",
    ] {
        assert!(told.lines().any(|found| found.starts_with(line)), "{line}: {told}");
    }
    assert_eq!(it.json(&["list", "--json"]), [Value::Null; 0]);
    let told = it.out(&["explain", "//test/photos", "--provider", "test network"]);
    assert!(
        told.contains("Local Directory Network is not asked: another one was asked for by name"),
        "{told}"
    );
}

#[test]
fn what_the_router_refuses_is_explained() {
    let it = Environment::with_test_network();
    it.out(&["connect", "//test/photos", "Z:"]);
    let told = it.out(&["explain", "//test/other", "Z:"]);
    assert!(
        told.contains("the router refuses, before anybody is asked: WN_ALREADY_CONNECTED (85)"),
        "{told}"
    );
    let told = &it.json(&["explain", "//test/other", "--provider", "Nowhere", "--json"])[0];
    assert_eq!(told["refused"], 1204);
}

#[test]
fn what_the_policy_says_is_explained() {
    let it = Environment::with_test_network();
    let policy = "[[rule]]\nname = \"not here\"\naction = \"deny\"\nremote = '\\\\test\\*'\nreason = \"it is being retired\"\n";
    it.write("system/policy.d/10-test.toml", policy);
    let told = it.out(&["explain", "//test/photos"]);
    assert!(told.contains("the policy refuses: it is being retired"), "{told}");
    assert!(told.contains("Decided by the policy"), "{told}");
    let told = &it.json(&["explain", "//local/photos", "--json"])[0];
    assert_eq!(told["policy"]["denies"], false);
    assert_eq!(told["listeners"][0]["name"], "policy");
}

#[test]
fn a_connect_tells_its_story_while_it_takes_place_also_when_it_fails() {
    let it = Environment::with_test_network();
    let told = it.out(&["connect", "//test/photos", "Z:", "--explain"]);
    assert!(told.starts_with("connect Z: to \\\\test\\photos\n"), "{told}");
    assert!(told.contains("Test Network is asked: does it"), "{told}");
    assert!(told.contains("success, decided by the provider Test Network"), "{told}");
    let told = it.mpr(&["connect", "//test/denied", "--explain"]).code(1);
    assert!(told.out.contains("Test Network is asked: WN_ACCESS_DENIED (5)"), "{}", told.out);
    assert!(told.out.contains("WN_ACCESS_DENIED (5), decided by the provider Test Network"), "{}", told.out);
    let told = it.mpr(&["connect", "//test/denied", "--explain", "--json"]).code(1);
    let story: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(story["status"], 5);
    assert_eq!(story["decided"], json!({ "by": "provider", "name": "Test Network" }));
}

#[test]
fn a_simulation_asks_listeners_that_can_see_it_and_no_provider() {
    let it = with_script();
    let told = it.mpr(&["simulate", "add", "//test/photos", "Z:"]).code(1);
    assert!(told.out.contains("script is told before, and refuses: WN_CANCEL (1223)"), "{}", told.out);
    assert!(told.err.contains("not today"), "{}", told.err);
    let request: Value = serde_json::from_str(&it.read("told")).unwrap();
    assert_eq!(request["simulation"], true);
    assert_eq!(it.read("told.variable"), "1\n");
    assert_eq!(it.json(&["list", "--json"]), [Value::Null; 0]);
    let record = it.json(&["events", "--json"]).pop().unwrap();
    assert_eq!((&record["simulation"], &record["decided"]["name"]), (&json!(true), &json!("script")));
}

#[test]
fn what_is_no_simulation_is_not_marked_as_one() {
    let it = with_script();
    it.mpr(&["connect", "//test/photos", "Z:"]).code(1);
    let request: Value = serde_json::from_str(&it.read("told")).unwrap();
    assert_eq!(request["simulation"], false);
    assert_eq!(it.read("told.variable"), "\n");
}

#[test]
fn a_library_is_asked_in_a_simulation_only_if_it_can_see_it() {
    let it = Environment::with_test_network();
    let blind = "DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return 5; }";
    let library = it.compile("blind", blind, &[]);
    it.write("system/notifyees.d/blind.toml", &format!("path = {library:?}\n"));
    let told = it.mpr(&["simulate", "add", "//test/photos"]).code(0);
    assert!(told.err.contains("could not see that it is a simulation: blind"), "{}", told.err);
    assert!(told.out.contains("nothing was done"), "{}", told.out);
    // It refuses what is a simulation, and is told when that is over.
    let seeing = "static BOOL simulation; DWORD MprSimulation(BOOL begins) { simulation = begins; return 0; } \
                  DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return simulation ? 1223 : 0; }";
    let library = it.compile("seeing", seeing, &[]);
    it.write("system/notifyees.d/blind.toml", &format!("path = {library:?}\n"));
    it.mpr(&["simulate", "add", "//test/photos"]).code(1);
    it.out(&["connect", "//test/photos"]);
}

#[test]
fn a_disconnect_is_simulated_too_and_an_attempt_can_be_supposed_to_fail() {
    let it = Environment::with_test_network();
    it.out(&["connect", "//test/photos", "Z:", "--persist"]);
    it.out(&["simulate", "cancel", "Z:", "--forget"]);
    let told = it.mpr(&["simulate", "cancel", "Z:", "--fails", "2401"]).code(1);
    assert!(told.err.contains("WN_OPEN_FILES (2401)"), "{}", told.err);
    assert_eq!(it.json(&["list", "--json"])[0]["local"], "Z:");
    assert_eq!(it.json(&["list", "--remembered", "--json"])[0]["local"], "Z:");
}
