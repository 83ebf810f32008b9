//! What must hold of every operation, judged from its trace alone: no rule here knows how the machine or the
//! reference came to it. Each function panics if its rule is broken.

use std::collections::{BTreeMap, BTreeSet};

use mpr_core::notify::When;

use crate::operation::{Call, Event};

const SUCCESS: u32 = 0;
const CANCEL: u32 = 1223;
const RETRY: u32 = 1237;

/// An operation that is over.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) notifyees: usize,
    pub(crate) retry_limit: u32,
    pub(crate) trace: Vec<Event>,
    pub(crate) result: u32,
}

/// One PRE pass and what followed it up to the next.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) pre: Vec<Call>,
    /// What the attempt came to; none was made after a veto.
    pub(crate) attempt: Option<u32>,
    pub(crate) save: Option<u32>,
    /// POST calls that tell what the attempt came to.
    pub(crate) reports: Vec<Call>,
    /// POST calls that end contexts after a veto, or after a cancel (DECISION 31).
    pub(crate) undo: Vec<Call>,
}

impl Round {
    pub(crate) fn veto(&self) -> Option<Call> {
        self.pre.last().copied().filter(is_veto)
    }

    pub(crate) fn cancelled(&self) -> bool {
        self.attempt != Some(SUCCESS) && self.reports.iter().any(|call| call.answer == CANCEL)
    }
}

fn is_veto(pre: &Call) -> bool {
    ![SUCCESS, RETRY].contains(&pre.answer)
}

impl Finished {
    /// The trace taken apart. That it can be is the first rule: an attempt follows every PRE pass without a veto
    /// and none with one, a save follows a success and nothing else, and a success or a veto is the last round.
    pub(crate) fn rounds(&self) -> Vec<Round> {
        let mut rounds = Vec::new();
        let mut rest = self.trace.as_slice();
        loop {
            let mut round = Round { pre: calls(&mut rest, |when| when == When::Before), ..Round::default() };
            if let Some(early) = round.pre.iter().rev().skip(1).find(|call| is_veto(call)) {
                panic!("PRE goes on after the veto of N{}: {self:#?}", early.notifyee);
            }
            if round.veto().is_none() {
                let Some((Event::Attempt(status), after)) = rest.split_first() else {
                    panic!("no attempt though everybody allowed it: {self:#?}");
                };
                (round.attempt, rest) = (Some(*status), after);
            }
            if round.attempt == Some(SUCCESS) {
                let Some((Event::Save(status), after)) = rest.split_first() else {
                    panic!("the profile was not updated right after the success: {self:#?}");
                };
                (round.save, rest) = (Some(*status), after);
            }
            let mut after = calls(&mut rest, |when| when != When::Before);
            // Who is called a second time since the attempt is not told of the attempt again.
            let mut told = BTreeSet::new();
            let reports = match round.attempt {
                Some(_) => after.iter().take_while(|call| told.insert(call.notifyee)).count(),
                None => 0,
            };
            round.undo = after.split_off(reports);
            round.reports = after;
            let over = round.veto().is_some() || round.attempt == Some(SUCCESS);
            rounds.push(round);
            if rest.is_empty() {
                return rounds;
            }
            assert!(!over, "something follows a success or a veto: {self:#?}");
        }
    }

    /// Whether a retry asked for in this round, counted from 0, was to be had (§11).
    fn retry_allowed(&self, round: usize) -> bool {
        round < self.retry_limit as usize
    }

    fn asked(&self, round: usize, report: &Call) -> bool {
        report.answer == RETRY && self.retry_allowed(round)
    }
}

/// The calls up to the first event that is not such a call.
fn calls(rest: &mut &[Event], such: fn(When) -> bool) -> Vec<Call> {
    let mut calls = Vec::new();
    while let Some((Event::Call(call), after)) = rest.split_first()
        && such(call.when)
    {
        calls.push(*call);
        *rest = after;
    }
    calls
}

fn seats(calls: &[Call]) -> Vec<usize> {
    calls.iter().map(|call| call.notifyee).collect()
}

/// Every rule of this file.
pub(crate) const RULES: [fn(&Finished); 8] = [
    there_are_no_more_attempts_than_the_limit_allows,
    pre_goes_backwards_over_all_whose_turn_it_is,
    post_goes_forwards_over_all_who_hold_a_context,
    every_context_is_handed_back_and_then_finished,
    who_declined_is_not_called_again,
    all_of_one_pass_are_told_the_same,
    a_retry_comes_exactly_when_asked_for_and_not_cancelled,
    the_result_is_the_veto_or_the_save_or_the_verdict,
];

/// §11, DECISION 26.
pub(crate) fn there_are_no_more_attempts_than_the_limit_allows(finished: &Finished) {
    let attempts = finished.trace.iter().filter(|event| matches!(event, Event::Attempt(_))).count();
    assert!(attempts <= finished.retry_limit as usize + 1, "{attempts} attempts: {finished:#?}");
}

/// §6, §8.3.1, §11.1–3: everyone at first, then those who were told of the failure and did not ask.
pub(crate) fn pre_goes_backwards_over_all_whose_turn_it_is(finished: &Finished) {
    let mut due: Vec<usize> = (0..finished.notifyees).rev().collect();
    for (at, round) in finished.rounds().iter().enumerate() {
        match round.veto() {
            Some(_) => assert!(due.starts_with(&seats(&round.pre)), "round {at}: {finished:#?}"),
            None => assert_eq!(seats(&round.pre), due, "round {at}: {finished:#?}"),
        }
        let content = round.reports.iter().rev().filter(|call| !finished.asked(at, call));
        due = content.map(|call| call.notifyee).collect();
    }
}

/// §6, §10.3.1: a POST pass leaves nobody out who holds a context.
pub(crate) fn post_goes_forwards_over_all_who_hold_a_context(finished: &Finished) {
    let mut holding = BTreeSet::new();
    for (at, round) in finished.rounds().iter().enumerate() {
        holding.extend(
            round.pre.iter().filter(|call| !is_veto(call) && call.left != 0).map(|call| call.notifyee),
        );
        if round.attempt.is_some() {
            assert_eq!(seats(&round.reports), Vec::from_iter(holding), "round {at}: {finished:#?}");
            let kept = round.reports.iter().filter(|call| finished.asked(at, call) && call.left != 0);
            holding = if round.attempt == Some(SUCCESS) {
                BTreeSet::new()
            } else {
                kept.map(|c| c.notifyee).collect()
            };
        }
        if round.veto().is_some() || round.cancelled() {
            assert_eq!(seats(&round.undo), Vec::from_iter(holding), "undo of round {at}: {finished:#?}");
            holding = BTreeSet::new();
        } else {
            assert!(round.undo.is_empty(), "undo of round {at}: {finished:#?}");
        }
    }
}

/// §7.3, §7.5–7: the value that was left is the value handed back, once; only a retry keeps it (or its
/// replacement) for the next time; a veto's author keeps its own.
pub(crate) fn every_context_is_handed_back_and_then_finished(finished: &Finished) {
    let mut live: BTreeMap<usize, usize> = BTreeMap::new();
    for (at, round) in finished.rounds().iter().enumerate() {
        for call in &round.pre {
            assert_eq!(call.handed, 0, "PRE hands out NULL (§7.1): {finished:#?}");
            if !is_veto(call) && call.left != 0 {
                let held = live.insert(call.notifyee, call.left);
                assert_eq!(held, None, "PRE of N{} which holds a context: {finished:#?}", call.notifyee);
            }
        }
        for call in &round.reports {
            let held = live.remove(&call.notifyee);
            assert_eq!(Some(call.handed), held, "round {at}, N{}: {finished:#?}", call.notifyee);
            if round.attempt != Some(SUCCESS) && finished.asked(at, call) && call.left != 0 {
                live.insert(call.notifyee, call.left);
            }
        }
        for call in &round.undo {
            let held = live.remove(&call.notifyee);
            assert_eq!(Some(call.handed), held, "undo of round {at}, N{}: {finished:#?}", call.notifyee);
        }
    }
    assert!(live.is_empty(), "never handed back: {live:?}: {finished:#?}");
}

/// DECISION 10, DECISION 12.
pub(crate) fn who_declined_is_not_called_again(finished: &Finished) {
    let mut declined = BTreeSet::new();
    let mut round = 0;
    for event in &finished.trace {
        match event {
            Event::Attempt(_) => round += 1,
            Event::Save(_) => {}
            Event::Call(call) => {
                assert!(!declined.contains(&call.notifyee), "N{} declined: {finished:#?}", call.notifyee);
                let gave_up = match call.when {
                    When::Before => !is_veto(call),
                    When::AfterFailure => round > 0 && finished.asked(round - 1, call),
                    When::AfterSuccess => false,
                };
                if gave_up && call.left == 0 {
                    declined.insert(call.notifyee);
                }
            }
        }
    }
}

/// §8.1, §10.1, DECISION 13, DECISION 31.
pub(crate) fn all_of_one_pass_are_told_the_same(finished: &Finished) {
    for (at, round) in finished.rounds().iter().enumerate() {
        let announced = if at == 0 { SUCCESS } else { RETRY };
        for call in &round.pre {
            assert_eq!(call.told, announced, "round {at}: {finished:#?}");
        }
        for call in &round.reports {
            let when = if round.attempt == Some(SUCCESS) { When::AfterSuccess } else { When::AfterFailure };
            assert_eq!((call.when, Some(call.told)), (when, round.attempt), "round {at}: {finished:#?}");
        }
        for call in &round.undo {
            let ending = round.veto().map_or(CANCEL, |veto| veto.answer);
            assert_eq!((call.when, call.told), (When::AfterFailure, ending), "round {at}: {finished:#?}");
        }
    }
}

/// §10.3.2a–b, §11.
pub(crate) fn a_retry_comes_exactly_when_asked_for_and_not_cancelled(finished: &Finished) {
    let rounds = finished.rounds();
    for (at, round) in rounds.iter().enumerate() {
        let failed = round.attempt.is_some_and(|status| status != SUCCESS);
        let asked = round.reports.iter().any(|call| finished.asked(at, call));
        let again = failed && asked && !round.cancelled();
        assert_eq!(at + 1 < rounds.len(), again, "after round {at}: {finished:#?}");
    }
}

/// §10.3.2, §12.
pub(crate) fn the_result_is_the_veto_or_the_save_or_the_verdict(finished: &Finished) {
    let rounds = finished.rounds();
    let last = rounds.last().expect("an operation has a round");
    let replacement =
        || last.reports.iter().map(|call| call.answer).find(|code| ![SUCCESS, RETRY].contains(code));
    let expected = match (last.veto(), last.save, last.attempt) {
        (Some(veto), ..) => veto.answer,
        (None, Some(save), _) => save,
        (None, None, _) if last.cancelled() => CANCEL,
        (None, None, attempt) => replacement().or(attempt).expect("no attempt without a veto"),
    };
    assert_eq!(finished.result, expected, "{finished:#?}");
}
