//! The notation of `spec/notification.md` §16, played against the protocol and the routing rules.
//!
//! `N2.pre(0)→5,c2` is a PRE call to N2, told 0 on entry, answered with 5 and leaving context c2 (`∅` is NULL);
//! `N1.post(53,c1)→1237 leaving c9` is a POST call told 53 and handed c1, which leaves c9 behind (c1 if nothing
//! is said); `P1→53` is the answer of provider P1, where P1 begins an attempt and P2 continues it; `save→0` is
//! the update of the remembered connections, which §16 leaves out; `⇒0` is what the application gets.
//!
//! A line is script and expectation at once. What stands behind an arrow is the script: it is given as the
//! answer. What stands before it is never shown to the rules: the player writes it anew from what the rules
//! asked for, and the line so written must be the line in the test.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;

use mpr_abi::Status;
use mpr_core::notify::{DEFAULT_RETRY_LIMIT, Notice, Operation, Step, When};
use mpr_core::routing::{Purpose, Routing};

const SEPARATOR: &str = " · ";

/// An operation with so many notifyees, N1 registered first.
pub(crate) struct Scenario {
    notifyees: usize,
    retry_limit: u32,
    purpose: Purpose,
}

/// A connect announced to so many notifyees.
pub(crate) fn add(notifyees: usize) -> Scenario {
    Scenario { notifyees, retry_limit: DEFAULT_RETRY_LIMIT, purpose: Purpose::Resource }
}

/// A disconnect announced to so many notifyees.
pub(crate) fn cancel(notifyees: usize) -> Scenario {
    Scenario { purpose: Purpose::Connection, ..add(notifyees) }
}

impl Scenario {
    pub(crate) fn retry_limit(self, retry_limit: u32) -> Self {
        Scenario { retry_limit, ..self }
    }

    /// Plays the line and compares all of it.
    #[track_caller]
    pub(crate) fn plays(&self, line: &str) {
        let played = self.play(line);
        assert!(played == line, "\n  expected: {line}\n  played:   {played}\n");
    }

    /// The line as the rules would have it.
    pub(crate) fn play(&self, line: &str) -> String {
        let mut script = Script::read(line);
        let mut operation = Operation::new(self.notifyees, self.retry_limit);
        let mut played = Vec::new();
        let result = loop {
            // An answer the line does not have is a deviation; the line as far as it went shows it.
            let answered = match operation.step() {
                Step::Notify(notice) => {
                    let mut call = script.contexts.call(&notice);
                    let answer = script.notifyee(notice.seat, notice.when);
                    call.push_str(answer.map_or("unscripted", |answer| answer.text));
                    played.push(call);
                    answer.map(|answer| {
                        let context = answer.context.unwrap_or(notice.context);
                        notice.answered(answer.status, context);
                    })
                }
                Step::Attempt(attempt) => {
                    let status = self.route(script.attempts.pop_front(), &mut played);
                    status.map(|status| attempt.came_to(status))
                }
                Step::Save(save) => {
                    let status = script.saves.pop_front();
                    played.push(format!("save→{}", number(status)));
                    status.map(|status| save.came_to(status))
                }
                Step::Done(result) => break Some(result),
            };
            if answered.is_none() {
                break None;
            }
        };
        format!("{} ⇒{}", played.join(SEPARATOR), number(result))
    }

    /// Asks the providers in order until one accepts (`spec/wnet.md` §3.2).
    fn route(&self, attempt: Option<Vec<Status>>, played: &mut Vec<String>) -> Option<Status> {
        let Some(providers) = attempt else {
            played.push("P1→unscripted".to_owned());
            return None;
        };
        let mut routing = Routing::new(self.purpose);
        for (at, status) in providers.into_iter().enumerate() {
            played.push(format!("P{}→{}", at + 1, status.0));
            if status.is_success() {
                return Some(status);
            }
            routing.record(status);
        }
        Some(routing.conclude())
    }
}

fn number(status: Option<Status>) -> String {
    status.map_or("none".to_owned(), |status| status.0.to_string())
}

/// The answers of a line, in the order in which each is asked for them.
#[derive(Default)]
struct Script<'a> {
    notifyees: HashMap<(usize, Pass), VecDeque<Answer<'a>>>,
    attempts: VecDeque<Vec<Status>>,
    saves: VecDeque<Status>,
    contexts: Contexts<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Pass {
    Pre,
    Post,
}

#[derive(Clone, Copy)]
struct Answer<'a> {
    /// As it stands in the line.
    text: &'a str,
    status: Status,
    /// What is left behind; nothing if the notifyee does not touch it.
    context: Option<usize>,
}

impl<'a> Script<'a> {
    fn read(line: &'a str) -> Self {
        let mut script = Script::default();
        let (calls, _) = line.split_once("⇒").expect("a line says what the application gets");
        for call in calls.trim_end().split(SEPARATOR) {
            if !call.is_empty() {
                script.read_call(call);
            }
        }
        script
    }

    fn read_call(&mut self, call: &'a str) {
        let (who, answer) = call.split_once('→').unwrap_or_else(|| panic!("no answer in {call:?}"));
        if who == "save" {
            self.saves.push_back(status(answer));
        } else if who == "P1" {
            self.attempts.push_back(vec![status(answer)]);
        } else if who.starts_with('P') {
            self.attempts.back_mut().expect("P1 begins an attempt").push(status(answer));
        } else {
            let (notifyee, kind) = who.split_once('.').unwrap_or_else(|| panic!("whose call is {call:?}?"));
            let notifyee: usize = notifyee.strip_prefix('N').and_then(|n| n.parse().ok()).expect("N1, N2, …");
            let (pass, left) = match kind.split_once('(').map(|(pass, _)| pass) {
                Some("pre") => (Pass::Pre, answer.split_once(',')),
                Some("post") => (Pass::Post, answer.split_once(" leaving ")),
                _ => panic!("neither pre nor post: {call:?}"),
            };
            let (code, context) = match left {
                Some((code, context)) => (code, Some(self.contexts.value(context))),
                None => (answer, None),
            };
            let answer = Answer { text: answer, status: status(code), context };
            self.notifyees.entry((notifyee - 1, pass)).or_default().push_back(answer);
        }
    }

    fn notifyee(&mut self, seat: usize, when: When) -> Option<Answer<'a>> {
        let pass = if when == When::Before { Pass::Pre } else { Pass::Post };
        self.notifyees.get_mut(&(seat, pass))?.pop_front()
    }
}

fn status(code: &str) -> Status {
    Status(code.parse().unwrap_or_else(|_| panic!("not a code: {code:?}")))
}

/// The contexts of a line: distinct values for distinct names.
#[derive(Default)]
struct Contexts<'a>(Vec<&'a str>);

impl<'a> Contexts<'a> {
    /// Far from anything the rules might make up themselves, such as a seat or a count.
    const FIRST: usize = 0x7F0D_EA00;

    fn value(&mut self, name: &'a str) -> usize {
        if name == "∅" {
            return 0;
        }
        if let Some(literal) = name.strip_prefix("0x") {
            return usize::from_str_radix(literal, 16).expect("a hexadecimal context");
        }
        let at = self.0.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.0.push(name);
            self.0.len() - 1
        });
        Self::FIRST + at
    }

    fn name(&self, value: usize) -> String {
        match value.checked_sub(Self::FIRST).and_then(|at| self.0.get(at)) {
            Some(name) => (*name).to_owned(),
            None if value == 0 => "∅".to_owned(),
            None => format!("0x{value:x}"),
        }
    }

    /// `N1.post(53,c1)→`, from what the rules ask for.
    fn call(&self, notice: &Notice<'_>) -> String {
        let Notice { seat, when, status, context, .. } = *notice;
        let mut call = format!("N{}.", seat + 1);
        // The line does not tell the two POST shapes of §9 apart: the status does.
        match when {
            When::Before => call.push_str("pre"),
            When::AfterSuccess if status.is_success() => call.push_str("post"),
            When::AfterFailure if !status.is_success() => call.push_str("post"),
            wrong => _ = write!(call, "post as {wrong:?}"),
        }
        match (when, context) {
            (When::Before, 0) => _ = write!(call, "({})→", status.0),
            _ => _ = write!(call, "({},{})→", status.0, self.name(context)),
        }
        call
    }
}
