//! The notification protocol under random and under all short behaviours of notifyees and providers: the
//! machine against the pseudo-code of `spec/notification.md` §15, and both against the rules one by one.

mod operation;
mod rounds;

use mpr_core::notify::When;
use operation::{Recorded, World, machine, reference};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{FileFailurePersistence, TestRunner};
use rounds::{Finished, RULES};

// A world drawn at random.

#[derive(Debug, Clone)]
struct Behaviours {
    notifyees: Vec<Notifyee>,
    attempts: Vec<u32>,
    saves: Vec<u32>,
    retry_limit: u32,
    /// How many offers of each step are dropped before one is answered.
    dropped: Vec<usize>,
}

/// Answers of one notifyee to its PRE and its POST calls; the last is followed by the first.
#[derive(Debug, Clone)]
struct Notifyee {
    pre: Vec<Answer>,
    post: Vec<Answer>,
}

#[derive(Debug, Clone, Copy)]
struct Answer {
    code: u32,
    left: Left,
}

/// What a notifyee leaves in its context.
#[derive(Debug, Clone, Copy)]
enum Left {
    AsItWas,
    Null,
    /// A value no other call of the operation leaves.
    New,
}

fn behaviours() -> impl Strategy<Value = Behaviours> {
    // Up to eight take part without an allocation; some operations have more.
    let notifyees = prop_oneof![6 => 0..=4usize, 2 => 5..=9usize, 1 => 10..=20usize]
        .prop_flat_map(|count| prop::collection::vec(notifyee(), count));
    let retry_limit = prop_oneof![4 => 0..=3u32, 1 => Just(16), 1 => 0..=40u32];
    let attempt = prop_oneof![
        2 => Just(0),
        6 => prop::sample::select(vec![5, 53, 67, 86, 1222, 1223, 1237, u32::MAX]),
        1 => any::<u32>(),
    ];
    let save = prop::sample::select(vec![0, 0, 1205, 1206, 1223, 1237]);
    (
        notifyees,
        prop::collection::vec(attempt, 1..6),
        prop::collection::vec(save, 1..3),
        retry_limit,
        prop::collection::vec(0..3usize, 1..8),
    )
        .prop_map(|(notifyees, attempts, saves, retry_limit, dropped)| Behaviours {
            notifyees,
            attempts,
            saves,
            retry_limit,
            dropped,
        })
}

fn notifyee() -> impl Strategy<Value = Notifyee> {
    let error = prop_oneof![
        5 => prop::sample::select(vec![5, 8, 50, 1246, u32::MAX]),
        1 => any::<u32>(),
    ];
    // One veto ends an operation, so most PRE calls allow it; one cancel ends the retries, so it is rare too.
    let pre = (
        prop_oneof![16 => Just(0), 4 => Just(1237), 1 => Just(1223), 1 => error.clone()],
        prop_oneof![1 => Just(Left::AsItWas), 1 => Just(Left::Null), 8 => Just(Left::New)],
    );
    let post = (
        prop_oneof![6 => Just(0), 8 => Just(1237), 1 => Just(1223), 3 => error],
        prop_oneof![5 => Just(Left::AsItWas), 1 => Just(Left::Null), 3 => Just(Left::New)],
    );
    let answer = |(code, left)| Answer { code, left };
    (prop::collection::vec(pre.prop_map(answer), 1..4), prop::collection::vec(post.prop_map(answer), 1..5))
        .prop_map(|(pre, post)| Notifyee { pre, post })
}

/// The world of [`Behaviours`], and how far it has got.
struct Playing<'a> {
    behaviours: &'a Behaviours,
    calls: Vec<(usize, usize)>,
    attempts: usize,
    saves: usize,
}

fn cyclic<T: Copy>(answers: &[T], at: &mut usize) -> T {
    *at += 1;
    answers[(*at - 1) % answers.len()]
}

impl World for Playing<'_> {
    fn call(&mut self, notifyee: usize, when: When, _told: u32, handed: usize) -> (u32, usize) {
        let Notifyee { pre, post } = &self.behaviours.notifyees[notifyee];
        let (pre_calls, post_calls) = &mut self.calls[notifyee];
        let answer = match when {
            When::Before => cyclic(pre, pre_calls),
            When::AfterSuccess | When::AfterFailure => cyclic(post, post_calls),
        };
        let left = match answer.left {
            Left::AsItWas => handed,
            Left::Null => 0,
            Left::New => (notifyee + 1) << 24 | *pre_calls << 12 | *post_calls,
        };
        (answer.code, left)
    }

    fn attempt(&mut self) -> u32 {
        cyclic(&self.behaviours.attempts, &mut self.attempts)
    }

    fn save(&mut self) -> u32 {
        cyclic(&self.behaviours.saves, &mut self.saves)
    }
}

impl Behaviours {
    fn finish<'a>(
        &'a self,
        operation: impl FnOnce(usize, u32, &mut Recorded<Playing<'a>>) -> u32,
    ) -> Finished {
        let notifyees = self.notifyees.len();
        let world = Playing { behaviours: self, calls: vec![(0, 0); notifyees], attempts: 0, saves: 0 };
        let (trace, result) = Recorded::run(world, |world| operation(notifyees, self.retry_limit, world));
        Finished { notifyees, retry_limit: self.retry_limit, trace, result }
    }

    fn by_machine(&self) -> Finished {
        self.finish(|notifyees, limit, world| machine(notifyees, limit, std::iter::empty(), world))
    }
}

fn config() -> ProptestConfig {
    ProptestConfig {
        // Twice what is usual, or twice what PROPTEST_CASES says.
        cases: 2 * ProptestConfig::default().cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_machine_makes_the_calls_of_the_pseudo_code_and_comes_to_its_result(drawn in behaviours()) {
        let machine = drawn.by_machine();
        let reference = drawn.finish(reference);
        prop_assert_eq!(machine.trace, reference.trace);
        prop_assert_eq!(machine.result, reference.result);
    }

    #[test]
    fn a_step_that_is_dropped_is_offered_again_and_changes_nothing(drawn in behaviours()) {
        let stumbling = drawn.finish(|notifyees, limit, world| {
            machine(notifyees, limit, drawn.dropped.iter().copied().cycle(), world)
        });
        let straight = drawn.by_machine();
        prop_assert_eq!(stumbling.trace, straight.trace);
        prop_assert_eq!(stumbling.result, straight.result);
    }

    #[test]
    fn attempts_and_saves_come_where_they_belong_and_nothing_follows_the_end(drawn in behaviours()) {
        drawn.by_machine().rounds();
    }

    #[test]
    fn there_are_no_more_attempts_than_the_limit_allows(drawn in behaviours()) {
        rounds::there_are_no_more_attempts_than_the_limit_allows(&drawn.by_machine());
    }

    #[test]
    fn pre_goes_backwards_over_all_whose_turn_it_is(drawn in behaviours()) {
        rounds::pre_goes_backwards_over_all_whose_turn_it_is(&drawn.by_machine());
    }

    #[test]
    fn post_goes_forwards_over_all_who_hold_a_context(drawn in behaviours()) {
        rounds::post_goes_forwards_over_all_who_hold_a_context(&drawn.by_machine());
    }

    #[test]
    fn every_context_is_handed_back_and_then_finished(drawn in behaviours()) {
        rounds::every_context_is_handed_back_and_then_finished(&drawn.by_machine());
    }

    #[test]
    fn who_declined_is_not_called_again(drawn in behaviours()) {
        rounds::who_declined_is_not_called_again(&drawn.by_machine());
    }

    #[test]
    fn all_of_one_pass_are_told_the_same(drawn in behaviours()) {
        rounds::all_of_one_pass_are_told_the_same(&drawn.by_machine());
    }

    #[test]
    fn a_retry_comes_exactly_when_asked_for_and_not_cancelled(drawn in behaviours()) {
        rounds::a_retry_comes_exactly_when_asked_for_and_not_cancelled(&drawn.by_machine());
    }

    #[test]
    fn the_result_is_the_veto_or_the_save_or_the_verdict(drawn in behaviours()) {
        rounds::the_result_is_the_veto_or_the_save_or_the_verdict(&drawn.by_machine());
    }
}

/// The properties above are worth what the drawn behaviours lead to.
#[test]
fn the_drawn_operations_visit_every_corner_of_the_protocol() {
    let mut runner = TestRunner::deterministic();
    let mut corners = [
        ("a veto at once with something to undo", 0),
        ("a veto before a repeated attempt", 0),
        ("a cancel with somebody to tell", 0),
        ("a cancel after a repeated attempt", 0),
        ("a replaced error", 0),
        ("a retry beyond the limit", 0),
        ("a success after a retry", 0),
        ("a third attempt", 0),
        ("a PRE before a repeated attempt", 0),
        ("a context replaced and handed back", 0),
        ("a context given up with a retry", 0),
        ("a profile error with somebody to tell of the success", 0),
        ("more than eight told of one attempt", 0),
        ("nobody there", 0),
    ];
    for _ in 0..2048 {
        let drawn = behaviours().new_tree(&mut runner).expect("nothing is filtered").current();
        let finished = drawn.by_machine();
        let rounds = finished.rounds();
        let last = rounds.last().expect("an operation has a round");
        let failed = |round: &rounds::Round| round.attempt.is_some_and(|status| status != 0);
        let ends_with_retry =
            failed(last) && !last.cancelled() && last.reports.iter().any(|call| call.answer == 1237);
        let keeps = |kept: fn(&operation::Call) -> bool| {
            rounds[..rounds.len() - 1]
                .iter()
                .any(|round| round.reports.iter().any(|call| call.answer == 1237 && kept(call)))
        };
        let seen = [
            rounds.len() == 1 && last.veto().is_some() && !last.undo.is_empty(),
            rounds.len() > 1 && last.veto().is_some() && !last.undo.is_empty(),
            last.cancelled() && !last.undo.is_empty(),
            last.cancelled() && rounds.len() > 1,
            failed(last) && !last.cancelled() && last.attempt != Some(finished.result),
            ends_with_retry && !last.reports.is_empty(),
            rounds.len() > 1 && last.save.is_some(),
            rounds.len() > 2,
            rounds[1..].iter().any(|round| !round.pre.is_empty()),
            keeps(|call| call.left != call.handed && call.left != 0),
            keeps(|call| call.left == 0),
            last.save.is_some_and(|status| status != 0) && !last.reports.is_empty(),
            rounds.iter().any(|round| round.reports.len() > 8),
            finished.notifyees == 0,
        ];
        for (corner, seen) in corners.iter_mut().zip(seen) {
            corner.1 += usize::from(seen);
        }
    }
    assert!(corners.iter().all(|(_, times)| *times >= 20), "{corners:#?}");
}

// All worlds of a few notifyees and a few answers.

/// The choices of one operation, and with [`Choices::next`] those of every other.
#[derive(Default)]
struct Choices {
    /// What was chosen, of how many.
    path: Vec<(usize, usize)>,
    at: usize,
}

impl Choices {
    fn of<T: Copy>(&mut self, options: &[T]) -> T {
        if self.at == self.path.len() {
            self.path.push((0, options.len()));
        }
        let (chosen, _) = self.path[self.at];
        self.at += 1;
        options[chosen]
    }

    /// Goes on to the next operation; false after the last.
    fn next(&mut self) -> bool {
        while let Some((chosen, options)) = self.path.pop() {
            if chosen + 1 < options {
                self.path.push((chosen + 1, options));
                return true;
            }
        }
        false
    }
}

/// A world in which every answer is a choice.
struct Chosen<'a> {
    choices: &'a mut Choices,
    calls: usize,
}

impl World for Chosen<'_> {
    fn call(&mut self, _notifyee: usize, when: When, _told: u32, handed: usize) -> (u32, usize) {
        self.calls += 1;
        let new = 0x1000 + self.calls;
        match when {
            When::Before => self.choices.of(&[(0, new), (0, 0), (5, new)]),
            // Whatever is returned here, nothing comes of it; one answer that wants something will do.
            When::AfterSuccess => (1237, new),
            When::AfterFailure => self.choices.of(&[
                (0, handed),
                (1237, handed),
                (1237, 0),
                (1237, new),
                (1223, handed),
                (31, handed),
            ]),
        }
    }

    fn attempt(&mut self) -> u32 {
        self.choices.of(&[53, 0])
    }

    fn save(&mut self) -> u32 {
        self.choices.of(&[0, 1205])
    }
}

/// Compares the machine with the pseudo-code and both with the rules in every operation there can be among the
/// choices of [`Chosen`]; how many those are.
fn every_operation(notifyees: usize, retry_limit: u32) -> usize {
    let mut choices = Choices::default();
    let mut operations = 0;
    loop {
        choices.at = 0;
        let world = Chosen { choices: &mut choices, calls: 0 };
        let (trace, result) =
            Recorded::run(world, |world| machine(notifyees, retry_limit, std::iter::empty(), world));
        choices.at = 0;
        let world = Chosen { choices: &mut choices, calls: 0 };
        let expected = Recorded::run(world, |world| reference(notifyees, retry_limit, world));
        assert_eq!((&trace, &result), (&expected.0, &expected.1));
        let finished = Finished { notifyees, retry_limit, trace, result };
        for rule in RULES {
            rule(&finished);
        }
        operations += 1;
        if !choices.next() {
            return operations;
        }
    }
}

#[test]
fn one_notifyee_keeps_every_rule_in_every_operation_of_up_to_five_attempts() {
    // Counting shows that none is left out. Before the first attempt there is a veto (1 operation), no context
    // (the attempt fails, or succeeds and is saved or not: 3), or a context. With it, an attempt succeeds (2) or
    // fails and gets one of six answers. At the limit each ends the operation; below it, success, cancel and
    // error do (3), a retry that gives up the context leaves an attempt with nobody to tell (3), and a retry
    // that keeps or replaces it leaves the same again with one retry less.
    let mut held = 2 + 6;
    for limit in 0..=4 {
        assert_eq!(every_operation(1, limit), 1 + 3 + held, "limit {limit}");
        held = 2 + 3 + 3 + 2 * held;
    }
}

#[test]
fn two_notifyees_keep_every_rule_in_every_operation_of_up_to_three_attempts() {
    every_operation(2, 2);
}

#[test]
fn three_notifyees_keep_every_rule_in_every_operation_of_up_to_two_attempts() {
    every_operation(3, 1);
}
