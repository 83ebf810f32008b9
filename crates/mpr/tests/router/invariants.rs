//! Random parties through the whole router: the rules of `spec/notification.md` that hold whatever they do.
//!
//! That the protocol is the one of the pseudo-code (§15) is shown beside the rules; here it is the router that
//! is to call the right parties in the right order with the right things.

use crate::scene::{ADD, CANCEL, Operation};
use mpr::Router;
use mpr_core::routing::{Purpose, Routing};
use mpr_plugin::abi::{WNNC_CON_ADDCONNECTION3, WNNC_CON_CANCELCONNECTION2};
use mpr_plugin::{AddConnection, CancelConnection, Capabilities, NetworkProvider, Status};
use mpr_testkit::{Ledger, Pass, Reply};
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// One call, as it came.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Call {
    Pre { library: usize, told: u32, answer: u32 },
    Post { library: usize, told: u32, answer: u32 },
    Provider { number: usize, answer: u32 },
}

type Calls = Arc<Mutex<Vec<Call>>>;

#[derive(Debug, Clone)]
struct World {
    /// Answers of each library to its PRE and POST calls, and whether it leaves a context; taken in turn.
    libraries: Vec<[Vec<(u32, bool)>; 2]>,
    /// Answers of each provider, taken in turn.
    providers: Vec<Vec<u32>>,
    retry_limit: u32,
    cancel: bool,
}

fn world() -> impl Strategy<Value = World> {
    let pre = prop_oneof![12 => Just(0), 2 => Just(1237), 1 => Just(1223), 1 => Just(5)];
    let post = prop_oneof![3 => Just(0), 5 => Just(1237), 1 => Just(1223), 2 => Just(5), 1 => Just(31)];
    let answers = |code: BoxedStrategy<u32>| prop::collection::vec((code, prop::bool::weighted(0.8)), 1..4);
    let library = (answers(pre.boxed()), answers(post.boxed())).prop_map(|(pre, post)| [pre, post]);
    let codes = prop_oneof![2 => Just(0), 3 => Just(67), 1 => Just(1222), 2 => Just(53), 2 => Just(5), 1 => Just(170),
        1 => Just(2250), 1 => Just(50)];
    (
        prop::collection::vec(library, 0..=5),
        prop::collection::vec(prop::collection::vec(codes, 1..4), 1..=3),
        0..=4_u32,
        any::<bool>(),
    )
        .prop_map(|(libraries, providers, retry_limit, cancel)| World {
            libraries,
            providers,
            retry_limit,
            cancel,
        })
}

struct Network {
    number: usize,
    answers: Vec<u32>,
    asked: AtomicUsize,
    calls: Calls,
}

impl Network {
    fn answer(&self) -> Result<(), Status> {
        let answer = self.answers[self.asked.fetch_add(1, Ordering::Relaxed) % self.answers.len()];
        self.calls.lock().unwrap().push(Call::Provider { number: self.number, answer });
        Status(answer).ok()
    }
}

impl NetworkProvider for Network {
    fn capabilities(&self) -> Capabilities {
        let connection = WNNC_CON_ADDCONNECTION3 | WNNC_CON_CANCELCONNECTION2;
        Capabilities { connection, ..Capabilities::default() }
    }

    fn add_connection(&self, _: &AddConnection<'_>) -> Result<(), Status> {
        self.answer()
    }

    fn cancel_connection(&self, _: &CancelConnection<'_>) -> Result<(), Status> {
        self.answer()
    }
}

/// Runs the operation; returns the calls, what the application got, and the libraries' books.
fn play(world: &World) -> (Vec<Call>, Status, Vec<Ledger>) {
    let calls = Calls::default();
    let mut builder = Router::builder().retry_limit(world.retry_limit);
    for (number, answers) in world.providers.iter().enumerate() {
        let (answers, calls) = (answers.clone(), Arc::clone(&calls));
        builder = builder
            .provider(&format!("P{number}"), Network { number, answers, asked: AtomicUsize::new(0), calls });
    }
    let mut ledgers = Vec::new();
    for (library, answers) in world.libraries.iter().enumerate() {
        let (answers, calls) = (answers.clone(), Arc::clone(&calls));
        let taken = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let ledger = Ledger::answering(move |called| {
            let pass = usize::from(called.pass == Pass::Post);
            let turn = taken[pass].fetch_add(1, Ordering::Relaxed);
            let (answer, context) = answers[pass][turn % answers[pass].len()];
            let told = called.status.0;
            calls.lock().unwrap().push(match called.pass {
                Pass::Pre => Call::Pre { library, told, answer },
                Pass::Post => Call::Post { library, told, answer },
            });
            Reply { status: Status(answer), context }
        });
        builder = builder.notifyee(&format!("N{library}"), ledger.clone());
        ledgers.push(ledger);
    }
    let router = builder.build();
    let result = if world.cancel { CANCEL.run(&router) } else { ADD.run(&router) };
    let calls = std::mem::take(&mut *calls.lock().unwrap());
    (calls, result, ledgers)
}

fn vetoes(answer: u32) -> bool {
    !matches!(answer, 0 | 1237)
}

/// Splits off the calls at the beginning that are `of` one kind.
fn leading(calls: &[Call], of: fn(&Call) -> bool) -> (&[Call], &[Call]) {
    calls.split_at(calls.iter().position(|call| !of(call)).unwrap_or(calls.len()))
}

/// The three parts of each round: calls before the attempt, the attempt, and calls after it.
fn rounds(calls: &[Call]) -> Vec<[&[Call]; 3]> {
    let mut rounds = Vec::new();
    let mut rest = calls;
    while !rest.is_empty() {
        let (pre, after) = leading(rest, |call| matches!(call, Call::Pre { .. }));
        let (attempt, after) = leading(after, |call| matches!(call, Call::Provider { .. }));
        let (post, after) = leading(after, |call| matches!(call, Call::Post { .. }));
        rounds.push([pre, attempt, post]);
        rest = after;
    }
    rounds
}

/// What the answers of one attempt add up to.
fn conclusion(world: &World, attempt: &[Call]) -> Status {
    let mut routing = Routing::new(if world.cancel { Purpose::Connection } else { Purpose::Resource });
    for call in attempt {
        match *call {
            Call::Provider { answer: 0, .. } => return Status::SUCCESS,
            Call::Provider { answer, .. } => routing.record(Status(answer)),
            _ => unreachable!("an attempt is made of providers"),
        }
    }
    routing.conclude()
}

fn ascending(numbers: &[usize]) -> bool {
    numbers.windows(2).all(|pair| pair[0] < pair[1])
}

/// Checks everything that holds whatever the parties do; the error says what does not.
fn check(world: &World, calls: &[Call], result: Status) -> Result<(), TestCaseError> {
    let rounds = rounds(calls);
    let mut attempts = 0;
    for (number, [pre, attempt, post]) in rounds.iter().enumerate() {
        let last = number + 1 == rounds.len();
        // §6, §8.1
        let libraries: Vec<usize> = pre.iter().rev().map(library).collect();
        prop_assert!(ascending(&libraries), "PRE is called last registered first");
        if number == 0 && !pre.iter().any(|call| vetoes(answer(call))) {
            prop_assert_eq!(pre.len(), world.libraries.len(), "everybody is asked before the first attempt");
        }
        let expected = if number == 0 { 0 } else { 1237 };
        prop_assert!(pre.iter().all(|call| told(call) == expected));
        // §8.3
        if let Some(veto) = pre.iter().find(|call| vetoes(answer(call))) {
            prop_assert!(attempt.is_empty() && last, "nothing is tried after a veto");
            prop_assert_eq!(*veto, *pre.last().unwrap(), "nobody is asked after a veto");
            prop_assert_eq!(result, Status(answer(veto)));
            prop_assert!(post.iter().all(|call| told(call) == result.0 && library(call) != library(veto)));
            let libraries: Vec<usize> = post.iter().map(library).collect();
            prop_assert!(ascending(&libraries), "POST is called first registered first");
            continue;
        }
        // wnet.md §3.2
        attempts += 1;
        let asked: Vec<usize> = attempt.iter().map(library).collect();
        prop_assert!(ascending(&asked) && asked.first() == Some(&0), "providers are asked in their order");
        let came_to = conclusion(world, attempt);
        if !came_to.is_success() {
            prop_assert_eq!(asked.len(), world.providers.len(), "all of them are asked");
        }
        // §10.1; who asked for a retry that another one's cancel prevents is told so behind the others (D31).
        let told_outcome = post.iter().take_while(|call| told(call) == came_to.0).count();
        let (outcome, turned_down) = post.split_at(told_outcome);
        for pass in [outcome, turned_down] {
            let libraries: Vec<usize> = pass.iter().map(library).collect();
            prop_assert!(ascending(&libraries), "POST is called first registered first");
        }
        let cancelled = outcome.iter().any(|call| answer(call) == 1223) && !came_to.is_success();
        for call in turned_down {
            prop_assert!(cancelled && told(call) == 1223);
            prop_assert!(
                outcome.iter().any(|asked| library(asked) == library(call) && answer(asked) == 1237)
            );
        }
        // §10.2, §10.3, §11
        let retry = outcome.iter().any(|call| answer(call) == 1237) && attempts <= world.retry_limit;
        let replaced = outcome.iter().map(answer).find(|&answer| !matches!(answer, 0 | 1223 | 1237));
        let expected = match () {
            () if came_to.is_success() => Some(Status::SUCCESS),
            () if cancelled => Some(Status::CANCEL),
            () if retry => None,
            () => Some(replaced.map_or(came_to, Status)),
        };
        match expected {
            Some(expected) => {
                prop_assert!(last, "nothing comes after the end");
                prop_assert_eq!(result, expected);
            }
            None => prop_assert!(!last, "a retry that was asked for takes place"),
        }
    }
    Ok(())
}

fn library(call: &Call) -> usize {
    match *call {
        Call::Pre { library, .. } | Call::Post { library, .. } => library,
        Call::Provider { number, .. } => number,
    }
}

fn answer(call: &Call) -> u32 {
    match *call {
        Call::Pre { answer, .. } | Call::Post { answer, .. } | Call::Provider { answer, .. } => answer,
    }
}

fn told(call: &Call) -> u32 {
    match *call {
        Call::Pre { told, .. } | Call::Post { told, .. } => told,
        Call::Provider { .. } => unreachable!("nobody tells a provider"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn s15_whatever_the_parties_do_the_router_keeps_the_rules(world in world()) {
        let (calls, result, ledgers) = play(&world);
        check(&world, &calls, result)?;
        for ledger in &ledgers {
            ledger.balances();
        }
    }
}

/// The check above is worth what it notices.
#[test]
fn a_call_too_many_or_too_few_or_in_the_wrong_place_is_noticed() {
    let allowing = vec![(0, true)];
    let world = World {
        libraries: vec![[allowing.clone(), vec![(1237, true), (0, true)]], [allowing.clone(), allowing]],
        providers: vec![vec![67], vec![53, 0]],
        retry_limit: 2,
        cancel: false,
    };
    let (calls, result, _) = play(&world);
    assert_eq!(calls.len(), 11, "two rounds of two providers, with N2 prepared anew: {calls:?}");
    assert!(check(&world, &calls, result).is_ok());
    assert!(check(&world, &calls, Status::BAD_NETNAME).is_err());
    for at in 0..calls.len() {
        let mut fewer = calls.clone();
        let lost = fewer.remove(at);
        // Without a POST there is nobody to miss it but the ledger; without a second PRE likewise.
        let missed = !matches!(lost, Call::Post { answer: 0, .. } | Call::Pre { told: 1237, .. });
        assert_eq!(check(&world, &fewer, result).is_err(), missed, "without {lost:?}");
        let mut more = calls.clone();
        more.insert(at, calls[at]);
        assert!(check(&world, &more, result).is_err(), "twice {:?}", calls[at]);
    }
}
