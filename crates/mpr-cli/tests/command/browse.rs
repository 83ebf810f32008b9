use crate::environment::Environment;

#[test]
fn the_networks_are_at_the_top() {
    let it = Environment::with_test_network();
    assert_eq!(it.out(&["browse"]), "Local Directory Network  (network)\nTest Network  (network)\n");
}

#[test]
fn a_server_shows_its_shares() {
    let it = Environment::with_test_network();
    assert_eq!(it.out(&["browse", "//test"]), "\\\\test\\locked  (share)\n\\\\test\\plain  (share)\n");
    let local = it.out(&["browse", "//local"]);
    assert!(local.starts_with("\\\\local\\photos  (share)  — "), "{local}");
}

#[test]
fn a_provider_is_browsed_by_name_and_as_deep_as_wanted() {
    let it = Environment::with_test_network();
    let tree = it.out(&["browse", "test network", "--depth", "2"]);
    assert_eq!(tree, "\\\\test  (server)\n  \\\\test\\locked  (share)\n  \\\\test\\plain  (share)\n");
    let entries = it.json(&["browse", "--depth", "3", "--json"]);
    let shares = entries.iter().filter(|one| one["level"] == 2 && one["connectable"] == true).count();
    assert_eq!(shares, 3);
}

#[test]
fn a_server_nobody_knows_is_said_so() {
    let outcome = Environment::with_test_network().mpr(&["browse", "//nowhere"]).code(1);
    assert!(outcome.err.starts_with("WN_BAD_NETNAME (67): "), "{}", outcome.err);
}
