use crate::environment::Environment;
use mpr_plugin::abi::STATUSES;

#[test]
fn every_status_is_explained_by_number_and_by_name() {
    let it = Environment::new();
    let all = it.json(&["error", "--json"]);
    assert_eq!(all.len(), STATUSES.len());
    for (known, told) in STATUSES.iter().zip(&all) {
        assert_eq!(told["code"], known.status.0);
        assert!(!told["causes"].as_array().unwrap().is_empty(), "{told}");
    }
}

#[test]
fn a_code_is_told_with_its_causes_and_what_to_do() {
    let it = Environment::new();
    let text = it.out(&["error", "86"]);
    assert!(text.starts_with("WN_BAD_PASSWORD (86), ERROR_INVALID_PASSWORD\n"), "{text}");
    assert!(text.contains("Possible causes:\n  1. "), "{text}");
    assert!(text.contains("\nHint: "), "{text}");
    assert_eq!(it.out(&["error", "wn_bad_password"]), text);
    assert_eq!(it.out(&["error", "0x56"]), text);
}

#[test]
fn a_code_that_is_not_ours_is_said_to_be_somebody_elses() {
    let outcome = Environment::new().mpr(&["error", "31337"]).code(1);
    assert!(outcome.err.contains("none of the router's codes"), "{}", outcome.err);
}

#[test]
fn a_code_is_found_as_dot_net_shows_it() {
    let it = Environment::new();
    for shown in ["0x80070056", "-2147024810"] {
        assert_eq!(it.out(&["error", shown]), it.out(&["error", "86"]), "{shown}");
    }
}

#[test]
fn minus_one_is_said_to_be_a_dialog_that_was_closed() {
    for shown in ["-1", "0xFFFFFFFF", "4294967295"] {
        let outcome = Environment::new().mpr(&["error", shown]).code(1);
        assert!(outcome.err.contains("a dialog returns -1"), "{}", outcome.err);
    }
}
