use crate::environment::Environment;

#[test]
fn a_provider_is_added_listed_and_removed() {
    let it = Environment::with_test_network();
    it.out(&["provider", "remove", "test", "--system"]);
    let library = it.path("test-network.so");
    it.out(&[
        "provider",
        "add",
        "again",
        library.to_str().unwrap(),
        "--name",
        "Again",
        "--user",
        "--requires-device",
    ]);
    assert_eq!(
        it.read("user/providers.d/again.toml"),
        format!("path = {library:?}\nname = \"Again\"\nrequires-device = true\n")
    );
    let listed = it.json(&["provider", "list", "--json"]);
    assert_eq!(listed[0]["name"], "Local Directory Network");
    assert_eq!(listed[0]["built_in"], true);
    assert_eq!(listed[1]["name"], "Again");
    assert_eq!(listed[1]["state"], "loaded");
    assert!(listed[1]["can"].as_array().unwrap().iter().any(|can| can == "connect"));
    it.out(&["provider", "remove", "again", "--user"]);
    assert_eq!(it.json(&["provider", "list", "--json"]).len(), 1);
}

#[test]
fn a_provider_needs_a_name() {
    Environment::new().mpr(&["provider", "add", "x", "/x.so", "--user"]).code(2);
}

#[test]
fn a_provider_of_the_system_is_masked_by_the_user() {
    let it = Environment::with_test_network();
    it.out(&["provider", "remove", "test", "--user"]);
    let outcome = it.mpr(&["connect", "//test/one"]).code(1);
    assert!(outcome.err.starts_with("WN_BAD_NETNAME (67): "), "{}", outcome.err);
    let listed = it.json(&["provider", "list", "--json"]);
    assert_eq!(listed[1]["state"], "masked");
    it.out(&["provider", "enable", "test", "--user"]);
    it.out(&["connect", "//test/one"]);
}

#[test]
fn what_is_skipped_says_why() {
    let it = Environment::new();
    it.write("user/providers.d/gone.toml", "path = \"/nowhere/gone.so\"\nname = \"Gone\"\n");
    it.write("user/providers.d/nameless.toml", "path = \"/nowhere/gone.so\"\n");
    let listed = it.json(&["provider", "list", "--json"]);
    let find = |stem: &str| listed.iter().find(|one| one["registered_as"] == stem).unwrap();
    assert!(find("gone")["why"].as_str().unwrap().contains("no such file"));
    assert!(find("nameless")["why"].as_str().unwrap().contains("it has no name"));
    let text = it.out(&["provider", "list"]);
    assert!(text.contains("Gone "), "{text}");
}

#[test]
fn the_order_is_written_and_keeps_what_is_there() {
    let it = Environment::with_test_network();
    it.write("user/mpr.toml", "# mine\nretry-limit = 3 # enough\n");
    assert_eq!(it.out(&["provider", "order"]), "Local Directory Network\nTest Network\n");
    let ordered = it.out(&["provider", "order", "--user", "test network", "local"]);
    assert_eq!(ordered, "Test Network\nLocal Directory Network\n");
    assert_eq!(
        it.read("user/mpr.toml"),
        "# mine\nretry-limit = 3 # enough\nprovider-order = [\"test network\", \"local\"]\n"
    );
    assert_eq!(it.json(&["provider", "list", "--json"])[0]["name"], "Test Network");
    it.out(&["provider", "order", "--user", "local", "test"]);
    assert_eq!(it.json(&["provider", "list", "--json"])[0]["name"], "Local Directory Network");
}

#[test]
fn an_order_of_somebody_who_is_not_there_is_refused() {
    let it = Environment::with_test_network();
    let outcome = it.mpr(&["provider", "order", "--user", "Nobody"]).code(1);
    assert!(outcome.err.contains("choose from: Local Directory Network, Test Network"), "{}", outcome.err);
    assert!(!it.exists("user/mpr.toml"));
}

#[test]
fn a_provider_is_checked() {
    let it = Environment::with_test_network();
    let checked = &it.json(&["provider", "check", "test", "--json"])[0];
    assert_eq!(checked["loaded"], true);
    assert_eq!(checked["as"]["net_type"], 0x7F01_0000);
    assert_eq!(checked["calls"], serde_json::json!([]));
    let by_network = &it.json(&["provider", "check", "test network", "--json"])[0];
    assert_eq!(by_network["file"], checked["file"]);
    let called = &it.json(&["provider", "check", "test", "--call", "--json"])[0]["calls"];
    assert_eq!((&called[0]["call"], &called[0]["status"]), (&"start".into(), &0.into()));
    assert_eq!((&called[1]["call"], &called[1]["status"]), (&"connect".into(), &67.into()), "{called}");
    let exports = checked["file"]["elf"]["exports"].as_array().unwrap();
    assert!(exports.iter().any(|one| one == "NPGetCaps"), "{exports:?}");
    assert_eq!(checked["file"]["elf"]["needs"], serde_json::json!(["libc.so.6"]));
    let notifyee = it.compile("n", "DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return 0; }", &[]);
    let outcome = it.mpr(&["provider", "check", notifyee.to_str().unwrap()]).code(1);
    assert!(
        outcome.out.contains("it is a notification library: register it in notifyees.d"),
        "{}",
        outcome.out
    );
}

#[test]
fn what_names_a_provider_has_is_declared_and_it_is_not_asked_for_others() {
    let it = Environment::with_test_network();
    it.out(&["connect", "//test/one", "Z:"]);
    let library = it.path("test-network.so");
    let library = library.to_str().unwrap();
    let add = ["provider", "add", "test", library, "--name", "Test Network", "--system", "--replace"];
    it.out(&[&add[..], &["--scheme", "unc", "--host", "elsewhere", "--prefix", "test:"]].concat());
    let text = it.read("system/providers.d/test.toml");
    assert!(
        text.contains("schemes = [\"unc\"]\nhosts = [\"elsewhere\"]\nprefixes = [\"test:\"]\n"),
        "{text}"
    );
    let outcome = it.mpr(&["connect", "//test/two", "Y:"]).code(1);
    assert!(outcome.err.starts_with("WN_BAD_NETNAME (67): "), "{}", outcome.err);
    it.out(&["connect", "//test/two", "Y:", "--provider", "Test Network"]);
    it.write("system/providers.d/test.toml", &text.replace("elsewhere", "TEST"));
    it.out(&["connect", "//test/two", "X:"]);
    it.write("system/providers.d/test.toml", &text.replace("[\"elsewhere\"]", "[]"));
    let outcome = it.mpr(&["connect", "//test/two", "W:"]).code(1);
    assert!(outcome.err.contains("hosts is an empty list"), "{}", outcome.err);
}
