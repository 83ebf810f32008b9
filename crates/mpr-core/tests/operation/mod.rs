//! One operation and the world it meets, as the property tests see it: who drives it, what is asked, what is
//! answered.

use mpr_abi::Status;
use mpr_core::notify::{Operation, Step, When};

/// Everything outside the protocol: notifyees, providers, the profile.
pub(crate) trait World {
    /// Calls a notifyee; what it returned and the context it left.
    fn call(&mut self, notifyee: usize, when: When, told: u32, handed: usize) -> (u32, usize);
    /// Runs the routing loop.
    fn attempt(&mut self) -> u32;
    /// Updates the remembered connections.
    fn save(&mut self) -> u32;
}

/// One thing asked of the world and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Call(Call),
    Attempt(u32),
    Save(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) notifyee: usize,
    pub(crate) when: When,
    pub(crate) told: u32,
    pub(crate) handed: usize,
    pub(crate) answer: u32,
    pub(crate) left: usize,
}

/// A world that writes down what it is asked.
pub(crate) struct Recorded<W> {
    world: W,
    trace: Vec<Event>,
}

impl<W: World> Recorded<W> {
    /// More than any operation of the tests comes to; an operation without end fails instead of running on.
    const ENDLESS: usize = 10_000;

    /// What `operation` asked of `world`, in order, and its result.
    pub(crate) fn run(world: W, operation: impl FnOnce(&mut Self) -> u32) -> (Vec<Event>, u32) {
        let mut recorded = Recorded { world, trace: Vec::new() };
        let result = operation(&mut recorded);
        (recorded.trace, result)
    }

    fn record(&mut self, event: Event) {
        assert!(self.trace.len() < Self::ENDLESS, "the operation does not end");
        self.trace.push(event);
    }
}

impl<W: World> World for Recorded<W> {
    fn call(&mut self, notifyee: usize, when: When, told: u32, handed: usize) -> (u32, usize) {
        let (answer, left) = self.world.call(notifyee, when, told, handed);
        self.record(Event::Call(Call { notifyee, when, told, handed, answer, left }));
        (answer, left)
    }

    fn attempt(&mut self) -> u32 {
        let status = self.world.attempt();
        self.record(Event::Attempt(status));
        status
    }

    fn save(&mut self) -> u32 {
        let status = self.world.save();
        self.record(Event::Save(status));
        status
    }
}

/// What a step offers to do, so that two offers can be compared.
#[derive(Debug, PartialEq, Eq)]
enum Offer {
    Call { notifyee: usize, when: When, told: Status, handed: usize },
    Attempt,
    Save,
    Done(Status),
}

impl Offer {
    fn of(step: &Step<'_>) -> Self {
        match step {
            Step::Notify(notice) => Offer::Call {
                notifyee: notice.seat,
                when: notice.when,
                told: notice.status,
                handed: notice.context,
            },
            Step::Attempt(_) => Offer::Attempt,
            Step::Save(_) => Offer::Save,
            Step::Done(result) => Offer::Done(*result),
        }
    }
}

/// Drives the state machine through an operation. Of each step, as many offers as `dropped` says are dropped
/// without an answer first, and each must have been the same one.
pub(crate) fn machine(
    notifyees: usize,
    retry_limit: u32,
    mut dropped: impl Iterator<Item = usize>,
    world: &mut impl World,
) -> u32 {
    let mut operation = Operation::new(notifyees, retry_limit);
    loop {
        let offers: Vec<Offer> =
            (0..dropped.next().unwrap_or(0)).map(|_| Offer::of(&operation.step())).collect();
        let step = operation.step();
        let offer = Offer::of(&step);
        assert!(offers.iter().all(|dropped| *dropped == offer), "dropped {offers:?}, then offered {offer:?}");
        match step {
            Step::Notify(notice) => {
                let (answer, left) = world.call(notice.seat, notice.when, notice.status.0, notice.context);
                notice.answered(Status(answer), left);
            }
            Step::Attempt(attempt) => attempt.came_to(Status(world.attempt())),
            Step::Save(save) => save.came_to(Status(world.save())),
            Step::Done(result) => return result.0,
        }
    }
}

/// The pseudo-code of `spec/notification.md` §15, line by line and name by name. It shares nothing with the
/// machine but the numbers; where the two differ, one of them is wrong.
pub(crate) fn reference(notifyees: usize, limit: u32, world: &mut impl World) -> u32 {
    use std::collections::{HashMap, HashSet};
    const WN_SUCCESS: u32 = 0;
    const WN_CANCEL: u32 = 1223;
    const WN_RETRY: u32 = 1237;
    const NULL: usize = 0;
    let (pre, post_ok, post_fail) = (When::Before, When::AfterSuccess, When::AfterFailure);

    let part: Vec<usize> = (0..notifyees).collect();
    let mut ctx: HashMap<usize, usize> = HashMap::new();
    let mut declined: HashSet<usize> = HashSet::new();
    let mut pre_list: Vec<usize> = part.iter().rev().copied().collect();
    let mut opstat = WN_SUCCESS;
    let mut retries = 0;
    loop {
        for &n in &pre_list {
            if declined.contains(&n) {
                continue;
            }
            let (r, context) = world.call(n, pre, opstat, NULL);
            if r != WN_SUCCESS && r != WN_RETRY {
                for &m in &part {
                    if ctx.contains_key(&m) {
                        world.call(m, post_fail, r, ctx[&m]);
                    }
                }
                return r;
            }
            if context == NULL {
                declined.insert(n);
            } else {
                ctx.insert(n, context);
            }
        }
        let s = world.attempt();
        if s == WN_SUCCESS {
            let p = world.save();
            for &m in &part {
                if ctx.contains_key(&m) {
                    world.call(m, post_ok, WN_SUCCESS, ctx[&m]);
                }
            }
            return p;
        }
        let mut cancel = false;
        let mut over_ride = None;
        let mut requesters: Vec<(usize, usize)> = Vec::new();
        let called: Vec<usize> = part.iter().copied().filter(|m| ctx.contains_key(m)).collect();
        for &m in &called {
            let (r, context) = world.call(m, post_fail, s, ctx[&m]);
            if r == WN_RETRY && retries < limit {
                if context == NULL {
                    declined.insert(m);
                }
                requesters.push((m, context));
            } else if r == WN_RETRY || r == WN_SUCCESS {
            } else if r == WN_CANCEL {
                cancel = true;
            } else if over_ride.is_none() {
                over_ride = Some(r);
            }
        }
        if cancel {
            for &(m, c) in &requesters {
                if c != NULL {
                    world.call(m, post_fail, WN_CANCEL, c);
                }
            }
            return WN_CANCEL;
        }
        if requesters.is_empty() {
            return match over_ride {
                Some(r) => r,
                None => s,
            };
        }
        retries += 1;
        opstat = WN_RETRY;
        ctx = requesters.iter().copied().filter(|&(_, c)| c != NULL).collect();
        pre_list = Vec::new();
        for &n in part.iter().rev() {
            if called.contains(&n) && !requesters.iter().any(|&(m, _)| m == n) {
                pre_list.push(n);
            }
        }
    }
}
