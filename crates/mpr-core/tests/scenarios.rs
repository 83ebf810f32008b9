//! The worked scenarios of `spec/notification.md` §16 that the rules alone decide, one test each.
//!
//! Left to the router are those about the contents of a structure (43–48, 65–67), about requests that are not
//! notified (50–59) and about dialogs, loading, nesting, threads and the last error (68–73, 75).

mod notation;

use notation::{add, cancel};

// Single notifyee, add.

#[test]
fn s01_without_notifyees_the_attempt_is_all_there_is() {
    add(0).plays("P1→0 · save→0 ⇒0");
}

#[test]
fn s02_an_interested_one_is_called_before_and_after_a_success() {
    add(1).plays("N1.pre(0)→0,c1 · P1→0 · save→0 · N1.post(0,c1)→0 ⇒0");
}

#[test]
fn s03_a_decliner_hears_nothing_of_a_success() {
    add(1).plays("N1.pre(0)→0,∅ · P1→0 · save→0 ⇒0");
}

#[test]
fn s04_an_interested_one_is_told_the_failure_and_nothing_is_saved() {
    add(1).plays("N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→0 ⇒5");
}

#[test]
fn s05_a_decliner_hears_nothing_of_a_failure() {
    add(1).plays("N1.pre(0)→0,∅ · P1→5 ⇒5");
}

#[test]
fn s06_a_cancel_in_pre_stops_the_operation_and_its_author_gets_no_post() {
    add(1).plays("N1.pre(0)→1223,c1 ⇒1223");
}

#[test]
fn s07_an_internal_error_in_pre_is_a_veto() {
    add(1).plays("N1.pre(0)→8,∅ ⇒8");
}

#[test]
fn s08_a_retry_in_pre_is_success() {
    add(1).plays("N1.pre(0)→1237,c1 · P1→0 · save→0 · N1.post(0,c1)→0 ⇒0");
}

#[test]
fn s09_a_retry_in_pre_without_context_declines() {
    add(1).plays("N1.pre(0)→1237,∅ · P1→0 · save→0 ⇒0");
}

#[test]
fn s10_not_supported_in_pre_is_a_veto() {
    add(1).plays("N1.pre(0)→50,∅ ⇒50");
}

#[test]
fn s11_a_cancel_after_a_success_changes_nothing() {
    add(1).plays("N1.pre(0)→0,c1 · P1→0 · save→0 · N1.post(0,c1)→1223 ⇒0");
}

#[test]
fn s12_a_retry_after_a_success_repeats_nothing() {
    add(1).plays("N1.pre(0)→0,c1 · P1→0 · save→0 · N1.post(0,c1)→1237 ⇒0");
}

#[test]
fn s13_an_error_after_a_success_changes_nothing() {
    add(1).plays("N1.pre(0)→0,c1 · P1→0 · save→0 · N1.post(0,c1)→8 ⇒0");
}

#[test]
fn s14_a_cancel_after_a_failure_is_what_the_application_gets() {
    add(1).plays("N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→1223 ⇒1223");
}

#[test]
fn s15_another_error_after_a_failure_replaces_it() {
    add(1).plays("N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→31 ⇒31");
}

/// That the text reaches `WNetGetLastError` is the router's to show.
#[test]
fn s16_a_failure_may_be_replaced_by_an_extended_error() {
    add(1).plays("N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1208 ⇒1208");
}

#[test]
fn s17_one_retry_then_success_with_a_single_pre() {
    add(1).plays("N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · P1→0 · save→0 · N1.post(0,c1)→0 ⇒0");
}

#[test]
fn s18_one_retry_that_fails_again_and_is_accepted() {
    add(1).plays("N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · P1→53 · N1.post(53,c1)→0 ⇒53");
}

#[test]
fn s19_the_second_failure_is_the_one_told_and_the_one_replaced() {
    add(1).plays("N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · P1→86 · N1.post(86,c1)→5 ⇒5");
}

#[test]
fn s20_who_always_retries_is_stopped_by_the_limit() {
    add(1).retry_limit(2).plays(
        "N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · P1→53 · N1.post(53,c1)→1237 \
         · P1→53 · N1.post(53,c1)→1237 ⇒53",
    );
}

#[test]
fn s21_with_limit_0_there_is_no_retry() {
    add(1).retry_limit(0).plays("N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 ⇒53");
}

#[test]
fn s22_a_retry_that_gives_up_its_context_is_not_called_again() {
    add(1).plays("N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 leaving ∅ · P1→53 ⇒53");
}

#[test]
fn s23_a_retry_that_replaces_its_context_gets_the_new_one() {
    add(1).plays(
        "N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 leaving c9 · P1→0 · save→0 · N1.post(0,c9)→0 ⇒0",
    );
}

// Several notifyees.

#[test]
fn s24_pre_is_called_last_registered_first_and_post_the_other_way_round() {
    add(3).plays(
        "N3.pre(0)→0,c3 · N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→0 · save→0 \
         · N1.post(0,c1)→0 · N2.post(0,c2)→0 · N3.post(0,c3)→0 ⇒0",
    );
}

#[test]
fn s25_a_middle_one_that_declines_is_left_out_of_post() {
    add(3).plays(
        "N3.pre(0)→0,c3 · N2.pre(0)→0,∅ · N1.pre(0)→0,c1 · P1→0 · save→0 \
         · N1.post(0,c1)→0 · N3.post(0,c3)→0 ⇒0",
    );
}

#[test]
fn s26_middle_one_vetoes_and_only_the_earlier_one_undoes() {
    for ignored in [0, 1237, 1223, 8] {
        add(3).plays(&format!("N3.pre(0)→0,c3 · N2.pre(0)→5,c2 · N3.post(5,c3)→{ignored} ⇒5"));
    }
}

#[test]
fn s27_last_in_pre_order_cancels_and_the_earlier_one_cannot_ask_for_a_retry() {
    add(2).plays("N2.pre(0)→0,c2 · N1.pre(0)→1223 · N2.post(1223,c2)→1237 ⇒1223");
}

#[test]
fn s28_first_in_pre_order_cancels_and_the_other_is_never_called() {
    add(2).plays("N2.pre(0)→1223 ⇒1223");
}

#[test]
fn s29_after_a_veto_a_decliner_has_nothing_to_undo() {
    add(2).plays("N2.pre(0)→0,∅ · N1.pre(0)→1223 ⇒1223");
}

#[test]
fn s30_one_of_two_replaces_the_error() {
    add(2).plays("N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→0 · N2.post(5,c2)→31 ⇒31");
}

#[test]
fn s31_of_two_replacements_the_first_counts_and_the_second_does_not_see_it() {
    add(2).plays("N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→8 · N2.post(5,c2)→31 ⇒8");
}

#[test]
fn s32_a_cancel_beats_a_replacement() {
    add(2).plays("N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→8 · N2.post(5,c2)→1223 ⇒1223");
}

#[test]
fn s33_a_cancel_beats_a_retry_and_whoever_asked_for_it_is_told() {
    for ignored in [0, 1237, 1223, 8] {
        add(2).plays(&format!(
            "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→1237 · N2.post(5,c2)→1223 \
             · N1.post(1223,c1)→{ignored} ⇒1223"
        ));
    }
}

#[test]
fn s34_before_a_retry_only_the_one_that_was_content_gets_a_new_pre() {
    add(2).plays(
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · N2.post(53,c2)→0 \
         · N2.pre(1237)→0,d2 · P1→0 · save→0 · N1.post(0,c1)→0 · N2.post(0,d2)→0 ⇒0",
    );
}

#[test]
fn s35_a_retry_beats_a_replacement_which_is_discarded() {
    add(2).plays(
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · N2.post(53,c2)→8 \
         · N2.pre(1237)→0,d2 · P1→0 · save→0 · N1.post(0,c1)→0 · N2.post(0,d2)→0 ⇒0",
    );
}

#[test]
fn s36_two_that_retry_share_one_repeated_attempt_and_get_no_new_pre() {
    add(2).plays(
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · N2.post(53,c2)→1237 \
         · P1→0 · save→0 · N1.post(0,c1)→0 · N2.post(0,c2)→0 ⇒0",
    );
}

#[test]
fn s37_a_veto_before_the_repeated_attempt_undoes_the_one_that_asked_for_it() {
    for ignored in [0, 1237, 1223, 8] {
        add(2).plays(&format!(
            "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · N2.post(53,c2)→0 \
             · N2.pre(1237)→1223 · N1.post(1223,c1)→{ignored} ⇒1223"
        ));
    }
}

#[test]
fn s38_a_decliner_stays_out_of_a_retry() {
    add(2).plays(
        "N2.pre(0)→0,∅ · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · P1→0 · save→0 · N1.post(0,c1)→0 ⇒0",
    );
}

// Routing. That the POST names the provider is the router's to show.

#[test]
fn s39_several_providers_are_one_attempt() {
    add(1).plays("N1.pre(0)→0,c1 · P1→67 · P2→0 · save→0 · N1.post(0,c1)→0 ⇒0");
}

#[test]
fn s40_the_first_significant_error_is_the_one_told() {
    add(1).plays("N1.pre(0)→0,c1 · P1→86 · P2→67 · N1.post(86,c1)→0 ⇒86");
}

#[test]
fn s41_a_network_that_is_down_is_the_outcome_of_an_attempt_and_is_told() {
    add(1).plays("N1.pre(0)→0,c1 · P1→1222 · P2→1222 · N1.post(1222,c1)→0 ⇒1222");
}

#[test]
fn s42_a_device_the_provider_finds_taken_is_told() {
    add(1).plays("N1.pre(0)→0,c1 · P1→85 · N1.post(85,c1)→0 ⇒85");
}

#[test]
fn s49_a_profile_that_cannot_be_written_is_not_told_but_is_what_the_application_gets() {
    add(1).plays("N1.pre(0)→0,c1 · P1→0 · save→1205 · N1.post(0,c1)→0 ⇒1205");
}

// Cancel. The rules are the same; what is told of the connection is the router's to show.

#[test]
fn s60_a_disconnect_is_announced_and_reported() {
    cancel(1).plays("N1.pre(0)→0,c1 · P1→0 · save→0 · N1.post(0,c1)→0 ⇒0");
}

#[test]
fn s61_open_files_are_reported() {
    cancel(1).plays("N1.pre(0)→0,c1 · P1→2401 · N1.post(2401,c1)→0 ⇒2401");
}

#[test]
fn s62_who_closes_the_open_files_may_ask_for_another_attempt() {
    cancel(1).plays("N1.pre(0)→0,c1 · P1→2401 · N1.post(2401,c1)→1237 · P1→0 · save→0 · N1.post(0,c1)→0 ⇒0");
}

#[test]
fn s63_a_vetoed_disconnect_asks_no_provider_and_forgets_nothing() {
    cancel(1).plays("N1.pre(0)→1223 ⇒1223");
}

#[test]
fn s64_a_name_nobody_knows_is_tried_and_reported() {
    cancel(1).plays("N1.pre(0)→0,c1 · P1→2250 · P2→2250 · N1.post(2250,c1)→0 ⇒2250");
}

// Contexts.

#[test]
fn s74_a_context_that_is_no_address_comes_back_as_it_was() {
    for value in [1, usize::MAX] {
        add(1).plays(&format!("N1.pre(0)→0,0x{value:x} · P1→0 · save→0 · N1.post(0,0x{value:x})→0 ⇒0"));
    }
}

// The notation itself: the tests above are worth what it notices.

#[test]
fn a_line_that_is_wrong_in_one_place_is_not_what_is_played() {
    let right = "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→0 · N2.post(5,c2)→31 ⇒31";
    assert_eq!(add(2).play(right), right);
    for (what, wrong) in [
        ("order", "N1.pre(0)→0,c1 · N2.pre(0)→0,c2 · P1→5 · N1.post(5,c1)→0 · N2.post(5,c2)→31 ⇒31"),
        (
            "status told before",
            "N2.pre(1237)→0,c2 · N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→0 · N2.post(5,c2)→31 ⇒31",
        ),
        (
            "status told after",
            "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→0 · N2.post(0,c2)→31 ⇒31",
        ),
        ("whose context", "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→5 · N1.post(5,c2)→0 · N2.post(5,c1)→31 ⇒31"),
        ("a call missing", "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→0 ⇒5"),
        (
            "a call too many",
            "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→0 · N2.post(5,c2)→31 · N2.post(5,c2)→31 ⇒31",
        ),
        (
            "a provider too many",
            "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→0 · N2.post(5,c2)→31 · P1→5 ⇒31",
        ),
        (
            "a save too many",
            "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→5 · save→0 · N1.post(5,c1)→0 · N2.post(5,c2)→31 ⇒31",
        ),
        ("result", "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→0 · N2.post(5,c2)→31 ⇒5"),
    ] {
        assert_ne!(add(2).play(wrong), wrong, "{what}");
    }
}
