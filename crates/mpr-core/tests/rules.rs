//! The rules of `spec/notification.md` that the worked scenarios leave open: every row of the tables of §8.2
//! and §10.2, what several answers add up to (§10.3), retries (§11), contexts (§7), and any number of notifyees.

mod notation;

use notation::{add, cancel};

/// Every code of two bytes, and a few that only a careless or hostile library returns.
fn codes() -> impl Iterator<Item = u32> {
    (0..=0xFFFF).chain([0x8000_0000, 0x8007_04C7, 0xC000_0022, u32::MAX - 1, u32::MAX])
}

const SUCCESS: u32 = 0;
const CANCEL: u32 = 1223;
const RETRY: u32 = 1237;

/// One call or attempt after the other.
fn sequence(calls: impl IntoIterator<Item = String>) -> String {
    calls.into_iter().collect::<Vec<_>>().join(" · ")
}

// §8.2: answers to PRE.

#[test]
fn pre_is_allowed_by_success_and_by_retry_and_post_follows_where_a_context_was_left() {
    for allowed in [SUCCESS, RETRY] {
        add(1).plays(&format!("N1.pre(0)→{allowed},c1 · P1→0 · save→0 · N1.post(0,c1)→0 ⇒0"));
        add(1).plays(&format!("N1.pre(0)→{allowed},c1 · P1→5 · N1.post(5,c1)→0 ⇒5"));
        add(1).plays(&format!("N1.pre(0)→{allowed},∅ · P1→0 · save→0 ⇒0"));
        add(1).plays(&format!("N1.pre(0)→{allowed},∅ · P1→5 ⇒5"));
    }
}

#[test]
fn pre_is_vetoed_by_cancel_with_a_context_or_without() {
    for context in ["∅", "c1"] {
        add(1).plays(&format!("N1.pre(0)→1223,{context} ⇒1223"));
    }
}

#[test]
fn pre_is_vetoed_by_every_other_code_which_reaches_the_application_unchanged() {
    for code in codes().filter(|code| ![SUCCESS, RETRY].contains(code)) {
        for context in ["∅", "c2"] {
            add(3).plays(&format!(
                "N3.pre(0)→0,c3 · N2.pre(0)→{code},{context} · N3.post({code},c3)→0 ⇒{code}"
            ));
        }
    }
}

// §8.3: one veto among several.

#[test]
fn after_a_veto_those_who_prepared_undo_first_registered_first() {
    add(5).plays(
        "N5.pre(0)→0,c5 · N4.pre(0)→1237,c4 · N3.pre(0)→0,∅ · N2.pre(0)→0,c2 · N1.pre(0)→5,c1 \
         · N2.post(5,c2)→0 · N4.post(5,c4)→0 · N5.post(5,c5)→0 ⇒5",
    );
}

#[test]
fn an_undo_cannot_be_kept_alive_by_asking_for_a_retry_with_another_context() {
    add(3).plays(
        "N3.pre(0)→0,c3 · N2.pre(0)→0,c2 · N1.pre(0)→5 \
         · N2.post(5,c2)→1237 leaving d2 · N3.post(5,c3)→1237 leaving ∅ ⇒5",
    );
}

#[test]
fn the_answer_to_an_undo_neither_cancels_nor_replaces_the_veto() {
    add(3).plays("N3.pre(0)→0,c3 · N2.pre(0)→0,c2 · N1.pre(0)→5 · N2.post(5,c2)→8 · N3.post(5,c3)→1223 ⇒5");
}

// §10.2: answers to POST, one test a column.

#[test]
fn after_a_success_no_answer_has_an_effect() {
    for code in codes() {
        add(2).plays(&format!(
            "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→0 · save→0 · N1.post(0,c1)→{code} · N2.post(0,c2)→{code} ⇒0"
        ));
    }
    add(1).plays("N1.pre(0)→0,c1 · P1→0 · save→0 · N1.post(0,c1)→1237 leaving d1 ⇒0");
}

#[test]
fn after_a_failure_success_lets_it_stand_retry_repeats_it_and_any_other_code_replaces_it() {
    for code in codes() {
        let called = format!("N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→{code}");
        add(1).plays(&match code {
            SUCCESS => format!("{called} ⇒53"),
            RETRY => format!("{called} · P1→0 · save→0 · N1.post(0,c1)→0 ⇒0"),
            _ => format!("{called} ⇒{code}"),
        });
    }
}

#[test]
fn after_a_veto_by_another_no_answer_has_an_effect() {
    for code in codes() {
        add(2).plays(&format!("N2.pre(0)→0,c2 · N1.pre(0)→8 · N2.post(8,c2)→{code} ⇒8"));
    }
}

#[test]
fn who_cancels_after_a_failure_gets_no_further_post_even_where_another_is_told_of_it() {
    add(3).plays(
        "N3.pre(0)→0,c3 · N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→1223 leaving d1 \
         · N2.post(5,c2)→1237 · N3.post(5,c3)→1223 leaving d3 · N2.post(1223,c2)→0 ⇒1223",
    );
}

/// What a provider answers means nothing of what the same number means from a notifyee.
#[test]
fn a_provider_that_answers_retry_or_cancel_has_merely_failed() {
    for code in [RETRY, CANCEL] {
        add(1).plays(&format!("N1.pre(0)→0,c1 · P1→{code} · N1.post({code},c1)→0 ⇒{code}"));
    }
}

// §10.3: what several answers add up to.

#[test]
fn the_verdict_is_cancel_before_retry_before_the_first_replacement_before_the_attempts_own() {
    let answers = [SUCCESS, RETRY, CANCEL, 8, 31];
    for first in answers {
        for second in answers {
            for third in answers {
                let said = [first, second, third];
                let replacement = said.into_iter().find(|code| [8, 31].contains(code));
                let pass = format!(
                    "N3.pre(0)→0,c3 · N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 \
                     · N1.post(53,c1)→{first} · N2.post(53,c2)→{second} · N3.post(53,c3)→{third}"
                );
                let asked = |n: &usize| said[n - 1] == RETRY;
                add(3).plays(&if said.contains(&CANCEL) {
                    let told = (1..=3).filter(asked).map(|n| format!(" · N{n}.post(1223,c{n})→0"));
                    format!("{pass}{} ⇒1223", told.collect::<String>())
                } else if said.contains(&RETRY) {
                    let again =
                        (1..=3).rev().filter(|n| !asked(n)).map(|n| format!(" · N{n}.pre(1237)→0,d{n}"));
                    let after = (1..=3).map(|n| {
                        let context = if asked(&n) { 'c' } else { 'd' };
                        format!(" · N{n}.post(0,{context}{n})→0")
                    });
                    format!(
                        "{pass}{} · P1→0 · save→0{} ⇒0",
                        again.collect::<String>(),
                        after.collect::<String>()
                    )
                } else {
                    format!("{pass} ⇒{}", replacement.unwrap_or(53))
                });
            }
        }
    }
}

#[test]
fn a_replacement_is_forgotten_with_the_attempt_it_was_said_of() {
    add(2).plays(
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · N2.post(53,c2)→8 \
         · N2.pre(1237)→0,d2 · P1→86 · N1.post(86,c1)→0 · N2.post(86,d2)→0 ⇒86",
    );
}

// §11: retry.

#[test]
fn before_a_repeated_attempt_those_not_asking_are_called_last_registered_first() {
    add(5).plays(
        "N5.pre(0)→0,c5 · N4.pre(0)→0,c4 · N3.pre(0)→0,c3 · N2.pre(0)→0,∅ · N1.pre(0)→0,c1 · P1→53 \
         · N1.post(53,c1)→0 · N3.post(53,c3)→1237 · N4.post(53,c4)→31 · N5.post(53,c5)→0 \
         · N5.pre(1237)→0,d5 · N4.pre(1237)→0,d4 · N1.pre(1237)→0,d1 · P1→0 · save→0 \
         · N1.post(0,d1)→0 · N3.post(0,c3)→0 · N4.post(0,d4)→0 · N5.post(0,d5)→0 ⇒0",
    );
}

#[test]
fn who_declines_before_a_repeated_attempt_is_not_called_again_either() {
    add(2).plays(
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · N2.post(53,c2)→0 \
         · N2.pre(1237)→0,∅ · P1→53 · N1.post(53,c1)→1237 · P1→0 · save→0 · N1.post(0,c1)→0 ⇒0",
    );
}

#[test]
fn who_asked_for_a_retry_and_then_is_content_is_called_before_the_next_one() {
    add(2).plays(
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · N2.post(53,c2)→0 \
         · N2.pre(1237)→0,d2 · P1→53 · N1.post(53,c1)→0 · N2.post(53,d2)→1237 \
         · N1.pre(1237)→0,d1 · P1→0 · save→0 · N1.post(0,d1)→0 · N2.post(0,d2)→0 ⇒0",
    );
}

#[test]
fn a_veto_before_a_repeated_attempt_undoes_who_asked_and_who_was_called_again_but_not_who_was_not() {
    for veto in [CANCEL, 5, 50, u32::MAX] {
        add(5).plays(&format!(
            "N5.pre(0)→0,c5 · N4.pre(0)→0,c4 · N3.pre(0)→0,c3 · N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 \
             · N1.post(53,c1)→0 · N2.post(53,c2)→1237 · N3.post(53,c3)→0 · N4.post(53,c4)→1237 leaving ∅ \
             · N5.post(53,c5)→0 · N5.pre(1237)→0,d5 · N3.pre(1237)→{veto},d3 \
             · N2.post({veto},c2)→1237 · N5.post({veto},d5)→1237 ⇒{veto}"
        ));
    }
}

#[test]
fn a_repeated_attempt_asks_all_providers_again_from_the_first() {
    add(1).plays(
        "N1.pre(0)→0,c1 · P1→67 · P2→53 · P3→86 · N1.post(86,c1)→1237 \
         · P1→67 · P2→0 · save→0 · N1.post(0,c1)→0 ⇒0",
    );
}

#[test]
fn a_retry_of_a_disconnect_asks_all_providers_again_too() {
    cancel(1).plays(
        "N1.pre(0)→0,c1 · P1→67 · P2→2401 · N1.post(2401,c1)→1237 · P1→67 · P2→2250 · N1.post(2250,c1)→0 ⇒2250",
    );
}

#[test]
fn several_that_ask_at_once_use_up_one_retry() {
    add(2).retry_limit(2).plays(
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · N2.post(53,c2)→1237 \
         · P1→53 · N1.post(53,c1)→1237 · N2.post(53,c2)→1237 · P1→0 · save→0 \
         · N1.post(0,c1)→0 · N2.post(0,c2)→0 ⇒0",
    );
}

#[test]
fn the_limit_is_the_operations_and_not_each_notifyees() {
    add(2).retry_limit(1).plays(
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · N2.post(53,c2)→0 \
         · N2.pre(1237)→0,d2 · P1→53 · N1.post(53,c1)→0 · N2.post(53,d2)→1237 ⇒53",
    );
}

#[test]
fn a_limit_of_so_many_retries_is_one_attempt_more() {
    for limit in [0, 1, 2, 16, 100] {
        let attempts = (0..=limit).map(|_| "P1→53 · N1.post(53,c1)→1237".to_owned());
        add(1).retry_limit(limit).plays(&format!("N1.pre(0)→0,c1 · {} ⇒53", sequence(attempts)));
    }
}

#[test]
fn unless_configured_otherwise_there_are_17_attempts() {
    let attempts = ["P1→53 · N1.post(53,c1)→1237"; 17].join(" · ");
    add(1).plays(&format!("N1.pre(0)→0,c1 · {attempts} ⇒53"));
}

#[test]
fn the_attempt_that_the_last_retry_allows_may_succeed() {
    let failures = ["P1→53 · N1.post(53,c1)→1237"; 16].join(" · ");
    add(1).plays(&format!("N1.pre(0)→0,c1 · {failures} · P1→0 · save→0 · N1.post(0,c1)→1237 ⇒0"));
}

#[test]
fn at_the_limit_retry_counts_as_success_and_leaves_the_verdict_to_the_others() {
    for (other, result) in [(SUCCESS, 53), (CANCEL, 1223), (31, 31), (RETRY, 53)] {
        add(3).retry_limit(0).plays(&format!(
            "N3.pre(0)→0,c3 · N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 \
             · N1.post(53,c1)→1237 · N2.post(53,c2)→{other} · N3.post(53,c3)→1237 leaving d3 ⇒{result}"
        ));
    }
}

#[test]
fn the_limit_does_not_stop_a_cancel_or_a_veto_from_ending_the_operation() {
    add(2).retry_limit(1).plays(
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · N2.post(53,c2)→0 \
         · N2.pre(1237)→0,d2 · P1→53 · N1.post(53,c1)→1237 · N2.post(53,d2)→1223 ⇒1223",
    );
    add(2).retry_limit(1).plays(
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · N2.post(53,c2)→0 \
         · N2.pre(1237)→8 · N1.post(8,c1)→1237 ⇒8",
    );
}

// §7: contexts.

#[test]
fn a_context_may_be_replaced_at_every_retry() {
    add(1).plays(
        "N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 leaving c2 · P1→53 · N1.post(53,c2)→1237 leaving c3 \
         · P1→53 · N1.post(53,c3)→1237 · P1→0 · save→0 · N1.post(0,c3)→0 ⇒0",
    );
}

#[test]
fn who_gives_up_its_context_with_a_retry_gets_neither_pre_nor_post_in_the_rest_of_the_operation() {
    add(2).plays(
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 leaving ∅ · N2.post(53,c2)→0 \
         · N2.pre(1237)→0,d2 · P1→53 · N2.post(53,d2)→1237 · P1→53 · N2.post(53,d2)→1223 ⇒1223",
    );
}

#[test]
fn a_context_changed_without_asking_for_a_retry_is_not_handed_back() {
    for (answer, result) in [(SUCCESS, 53), (CANCEL, 1223), (31, 31)] {
        for left in ["∅", "d1"] {
            add(1)
                .plays(&format!("N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→{answer} leaving {left} ⇒{result}"));
        }
    }
}

#[test]
fn notifyees_that_use_the_same_value_for_their_contexts_are_not_mistaken_for_each_other() {
    add(2).plays(
        "N2.pre(0)→0,c · N1.pre(0)→0,c · P1→53 · N1.post(53,c)→0 · N2.post(53,c)→1237 \
         · N1.pre(1237)→0,∅ · P1→0 · save→0 · N2.post(0,c)→0 ⇒0",
    );
}

// DECISION 31: a cancel ends the contexts kept for a retry that will not come.

#[test]
fn after_a_cancel_all_who_asked_for_a_retry_are_told_first_registered_first() {
    add(5).plays(
        "N5.pre(0)→0,c5 · N4.pre(0)→0,c4 · N3.pre(0)→0,c3 · N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 \
         · N1.post(53,c1)→0 · N2.post(53,c2)→1237 · N3.post(53,c3)→1223 · N4.post(53,c4)→31 \
         · N5.post(53,c5)→1237 leaving d5 · N2.post(1223,c2)→1237 · N5.post(1223,d5)→8 ⇒1223",
    );
}

#[test]
fn after_a_cancel_who_asked_for_a_retry_without_keeping_a_context_is_not_told() {
    add(2).plays(
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 leaving ∅ · N2.post(53,c2)→1223 ⇒1223",
    );
}

#[test]
fn a_cancel_after_a_repeated_attempt_tells_who_asked_for_yet_another() {
    add(2).plays(
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · N2.post(53,c2)→1237 \
         · P1→86 · N1.post(86,c1)→1223 · N2.post(86,c2)→1237 · N2.post(1223,c2)→0 ⇒1223",
    );
}

// DECISION 27: the profile.

#[test]
fn a_profile_error_is_not_told_and_cannot_be_replaced() {
    for code in [1205, 1206, RETRY, CANCEL] {
        add(0).plays(&format!("P1→0 · save→{code} ⇒{code}"));
        for answer in [SUCCESS, RETRY, CANCEL, 31] {
            add(2).plays(&format!(
                "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→0 · save→{code} \
                 · N1.post(0,c1)→{answer} · N2.post(0,c2)→0 ⇒{code}"
            ));
        }
    }
}

#[test]
fn the_profile_is_updated_once_however_many_attempts_there_were() {
    add(1).plays(
        "N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · P1→53 · N1.post(53,c1)→1237 \
         · P1→0 · save→1205 · N1.post(0,c1)→1237 ⇒1205",
    );
}

// Any number of notifyees. Eight take part without an allocation; the rules do not change with the ninth.

#[test]
fn without_notifyees_a_failure_is_passed_on_and_never_repeated() {
    for limit in [0, 16] {
        add(0).retry_limit(limit).plays("P1→53 ⇒53");
    }
}

#[test]
fn with_many_notifyees_each_is_called_in_its_place_with_its_own_context() {
    for count in [7, 8, 9, 16, 17, 300] {
        let first = sequence((1..=count).rev().map(|n| format!("N{n}.pre(0)→0,c{n}")));
        // The even ones ask for a retry, and so keep their contexts; the odd ones are called again.
        let failed = sequence((1..=count).map(|n| {
            let answer = if n % 2 == 0 { RETRY } else { SUCCESS };
            format!("N{n}.post(53,c{n})→{answer}")
        }));
        let again =
            sequence((1..=count).rev().filter(|n| n % 2 == 1).map(|n| format!("N{n}.pre(1237)→0,d{n}")));
        let succeeded = sequence((1..=count).map(|n| {
            let context = if n % 2 == 0 { 'c' } else { 'd' };
            format!("N{n}.post(0,{context}{n})→0")
        }));
        add(count).plays(&format!("{first} · P1→53 · {failed} · {again} · P1→0 · save→0 · {succeeded} ⇒0"));
    }
}

#[test]
fn with_many_notifyees_a_veto_by_the_first_registered_undoes_all_others() {
    let count = 20;
    let allowed = sequence((2..=count).rev().map(|n| format!("N{n}.pre(0)→0,c{n}")));
    let undone = sequence((2..=count).map(|n| format!("N{n}.post(5,c{n})→1237")));
    add(count).plays(&format!("{allowed} · N1.pre(0)→5,c1 · {undone} ⇒5"));
}
