//! The notation of `spec/notification.md` §16 as a script, and the transcript of what really happened.
//!
//! `N2.pre(0)→5,c2` is a PRE call to N2, told 0 on entry, answered with 5 and leaving context c2 (`∅` is NULL);
//! `N1.post(53,c1)→1237 leaving c9` is a POST call told 53 and handed c1, which leaves c9 behind (c1 if nothing
//! is said); `P1→53` is the answer of provider P1 to an add or cancel; `⇒0` is what the application gets.
//! Contents of the structure a party is called with may follow in braces: `N1.pre(0){lpLocalName="Z:"}→0,∅`,
//! `P1{lpUserName=NULL}→0`. Fields that are not named are not compared.
//!
//! A line is script and expectation at once. What stands behind an arrow is given as the answer. What stands
//! before it is never shown to the router: the parties write it anew from what they were called with, and the
//! line so written must be the line in the test.

use crate::{Fields, ScriptedNotifyee, ScriptedProvider};
use mpr_abi::Status;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

const SEPARATOR: &str = " · ";

/// A line of the notation, to be played by its parties.
#[derive(Debug, Clone)]
pub struct Script {
    line: String,
    notifyees: usize,
    providers: usize,
    stage: Stage,
}

impl Script {
    /// Reads a line.
    ///
    /// # Panics
    ///
    /// If it is not in the notation.
    #[track_caller]
    #[must_use]
    pub fn read(line: &str) -> Self {
        let mut reader = Reader::default();
        let (calls, _) = line.split_once('⇒').expect("a line says what the application gets");
        for call in calls.trim_end().split(SEPARATOR).filter(|call| !call.is_empty()) {
            reader.call(call);
        }
        let Reader { answers, contexts, notifyees, providers } = reader;
        let stage = Stage {
            answers: Arc::new(Mutex::new(answers)),
            contexts: Arc::new(contexts),
            transcript: Transcript::default(),
        };
        Script { line: line.to_owned(), notifyees, providers, stage }
    }

    /// The line as it was given.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// How many notification libraries the line speaks of, counting those before the last.
    #[must_use]
    pub fn notifyees(&self) -> usize {
        self.notifyees
    }

    /// How many providers the line speaks of, counting those before the last.
    #[must_use]
    pub fn providers(&self) -> usize {
        self.providers
    }

    /// Notification library N1, N2, … of this line.
    #[must_use]
    pub fn notifyee(&self, number: usize) -> ScriptedNotifyee {
        ScriptedNotifyee::new(number, self.stage.clone())
    }

    /// Provider P1, P2, … of this line.
    #[must_use]
    pub fn provider(&self, number: usize) -> ScriptedProvider {
        ScriptedProvider::new(number, self.stage.clone())
    }

    /// What happened so far.
    #[must_use]
    pub fn transcript(&self) -> &Transcript {
        &self.stage.transcript
    }

    /// The line as it was played, when the application got `result`.
    #[must_use]
    pub fn played(&self, result: Status) -> String {
        let calls = self.transcript().to_string();
        format!("{calls}{}⇒{}", if calls.is_empty() { "" } else { " " }, result.0)
    }

    /// Compares the line as it was played with the line as it was given.
    ///
    /// # Panics
    ///
    /// If they differ.
    #[track_caller]
    pub fn was_played(&self, result: Status) {
        let played = self.played(result);
        assert!(played == self.line, "\n  expected: {}\n  played:   {played}\n", self.line);
    }
}

/// The two passes of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Before the attempt.
    Pre,
    /// After it.
    Post,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Party {
    Notifyee(usize, Pass),
    Provider(usize),
}

/// What the line says to one call.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// As it stands in the line.
    pub(crate) text: String,
    pub(crate) status: Status,
    /// What is left behind; nothing if the context is not touched.
    pub(crate) context: Option<usize>,
    /// Fields the line names, if it has braces.
    shown: Option<Vec<String>>,
}

/// What the parties of one line share.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    answers: Arc<Mutex<HashMap<Party, VecDeque<Answer>>>>,
    contexts: Arc<Contexts>,
    transcript: Transcript,
}

impl Stage {
    /// The next answer of a party; `None` if the line has no more.
    pub(crate) fn answer(&self, party: Party) -> Option<Answer> {
        lock(&self.answers).get_mut(&party)?.pop_front()
    }

    pub(crate) fn context(&self, value: usize) -> String {
        self.contexts.name(value)
    }

    /// Writes down a call, with the answer the line gives or, where it has none, the one in `otherwise`.
    pub(crate) fn record(&self, call: &str, fields: Fields, answer: Option<&Answer>, otherwise: &str) {
        let shown = answer.and_then(|answer| answer.shown.as_deref()).map(|names| fields.show(names));
        let answer = answer.map_or(otherwise, |answer| &answer.text);
        let text = format!("{call}{}→{answer}", shown.unwrap_or_default());
        lock(&self.transcript.0).push(Record { text, fields, thread: thread::current().id() });
    }
}

/// One call, as its receiver saw it.
#[derive(Debug, Clone)]
pub struct Record {
    /// In the notation.
    pub text: String,
    /// Everything in the structure it came with.
    pub fields: Fields,
    /// The thread it came on.
    pub thread: ThreadId,
}

/// The calls to all parties of one line, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub struct Transcript(Arc<Mutex<Vec<Record>>>);

impl Transcript {
    /// The calls so far.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        lock(&self.0).clone()
    }

    /// Contents of the structures of all calls that begin like this, `N1.pre` or `P2`.
    #[must_use]
    pub fn contents(&self, begin: &str) -> Vec<Fields> {
        self.records()
            .into_iter()
            .filter(|call| call.text.starts_with(begin))
            .map(|call| call.fields)
            .collect()
    }
}

/// The line of the notation without its end.
impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls: Vec<String> = self.records().into_iter().map(|call| call.text).collect();
        f.write_str(&calls.join(SEPARATOR))
    }
}

/// A party that failed a test has said so; what it left is still good.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Reader {
    answers: HashMap<Party, VecDeque<Answer>>,
    contexts: Contexts,
    notifyees: usize,
    providers: usize,
}

impl Reader {
    #[track_caller]
    fn call(&mut self, call: &str) {
        let (asked, text) = call.split_once('→').unwrap_or_else(|| panic!("no answer in {call:?}"));
        let (who, shown) = match asked.split_once('{') {
            Some((who, fields)) => {
                let fields =
                    fields.strip_suffix('}').unwrap_or_else(|| panic!("no closing brace in {call:?}"));
                let name = |field: &str| field.split_once('=').map_or(field, |(name, _)| name).to_owned();
                (who, Some(fields.split(", ").map(name).collect()))
            }
            None => (asked, None),
        };
        let (party, code, context) = self.party(who, text);
        let status = Status(code.parse().unwrap_or_else(|_| panic!("not a code: {code:?} in {call:?}")));
        let context = context.map(|name| self.contexts.value(name));
        self.answers.entry(party).or_default().push_back(Answer {
            text: text.to_owned(),
            status,
            context,
            shown,
        });
    }

    /// Who is called, with what code they answer and what context they leave.
    #[track_caller]
    fn party<'t>(&mut self, who: &str, text: &'t str) -> (Party, &'t str, Option<&'t str>) {
        let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("whose call is {who:?}?"));
        if let Some(provider) = who.strip_prefix('P') {
            let provider = number(provider);
            self.providers = self.providers.max(provider);
            return (Party::Provider(provider), text, None);
        }
        let notifyee = who.strip_prefix('N').and_then(|who| who.split_once('.'));
        let (notifyee, kind) = notifyee.unwrap_or_else(|| panic!("whose call is {who:?}?"));
        let notifyee = number(notifyee);
        self.notifyees = self.notifyees.max(notifyee);
        let (pass, left) = match kind.split_once('(').map(|(pass, _)| pass) {
            Some("pre") => (Pass::Pre, text.split_once(',')),
            Some("post") => (Pass::Post, text.split_once(" leaving ")),
            _ => panic!("neither pre nor post: {who:?}"),
        };
        let (code, context) = left.map_or((text, None), |(code, context)| (code, Some(context)));
        (Party::Notifyee(notifyee, pass), code, context)
    }
}

/// The contexts of a line: distinct values for distinct names.
#[derive(Debug, Default)]
struct Contexts(Vec<String>);

impl Contexts {
    /// Far from anything the router might make up itself, such as a seat or a count.
    const FIRST: usize = 0x7F0D_EA00;

    fn value(&mut self, name: &str) -> usize {
        if name == "∅" {
            return 0;
        }
        if let Some(literal) = name.strip_prefix("0x") {
            return usize::from_str_radix(literal, 16).expect("a hexadecimal context");
        }
        let at = self.0.iter().position(|known| known == name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        });
        Self::FIRST + at
    }

    fn name(&self, value: usize) -> String {
        match value.checked_sub(Self::FIRST).and_then(|at| self.0.get(at)) {
            Some(name) => name.clone(),
            None if value == 0 => "∅".to_owned(),
            None => format!("0x{value:x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mpr_abi::{NOTIFY_POST, NOTIFY_PRE, NOTIFYINFO};
    use mpr_plugin::{AddConnection, AddNotice, NetworkProvider, Notifyee, wide};

    const LINE: &str = "N1.pre(0){lpLocalName=\"Z:\", dwAddFlags=0x18}→0,c1 · P1{lpPassword=NULL}→53 \
                        · N1.post(53,c1)→1237 leaving c2 ⇒53";

    /// What a router would do with the line above, with one thing wrong or nothing.
    fn play(wrong: &str) -> String {
        let script = Script::read(LINE);
        let (notifyee, provider) = (script.notifyee(1), script.provider(1));
        let remote = wide(r"\\srv\share");
        let local = wide(if wrong == "device" { "Y:" } else { "Z:" });
        let notice = AddNotice {
            owner: std::ptr::null_mut(),
            scope: 0,
            kind: 1,
            display: 0,
            usage: 0,
            local: Some(&local),
            remote: Some(&remote),
            provider: None,
            flags: 0x18,
        };
        let mut info =
            NOTIFYINFO { dwNotifyStatus: NOTIFY_PRE, dwOperationStatus: 0, lpContext: std::ptr::null_mut() };
        _ = notifyee.add_connect_notify(&mut info, &notice);
        let password = (wrong == "password").then_some(&*remote);
        let tried = provider.add_connection(&AddConnection {
            owner: std::ptr::null_mut(),
            kind: 1,
            local: Some(&local),
            remote: &remote,
            provider: None,
            user: None,
            password,
            auth: None,
            flags: 0,
        });
        info.dwNotifyStatus = NOTIFY_POST;
        info.dwOperationStatus = if wrong == "status" { 0 } else { 53 };
        if wrong == "context" {
            info.lpContext = std::ptr::null_mut();
        }
        if wrong != "post" {
            assert_eq!(notifyee.add_connect_notify(&mut info, &notice), Status::RETRY);
        }
        if wrong == "call" {
            _ = notifyee.add_connect_notify(&mut info, &notice);
        }
        script.played(if wrong == "result" { Status::SUCCESS } else { tried.into() })
    }

    #[test]
    fn what_happens_as_written_reads_as_written() {
        assert_eq!(play(""), LINE);
    }

    #[test]
    fn what_is_wrong_in_one_place_reads_otherwise() {
        for wrong in ["device", "password", "status", "context", "post", "call", "result"] {
            assert_ne!(play(wrong), LINE, "{wrong}");
        }
        assert!(play("device").contains("{lpLocalName=\"Y:\", dwAddFlags=0x18}"));
        assert!(play("context").contains("N1.post(53,∅)"));
        assert!(play("call").contains("N1.post(53,c2)→unscripted"));
    }
}
