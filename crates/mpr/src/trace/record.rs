//! What is recorded of one operation. Serialized, it is the `operation` record of `docs/audit.md`: a field that
//! is added here is added there.

use crate::extended_error::ExtendedError;
use mpr_core::remote;
use mpr_plugin::{Status, WideStr};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One connect or disconnect, from the request to the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// What tells it from every other; listeners that are commands are told the same.
    pub operation: String,
    /// The operation in whose course it was asked for: by a listener, from inside a notification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// What was asked for.
    pub kind: Kind,
    /// Whether a remembered connection was restored: listeners are not told.
    #[serde(default, skip_serializing_if = "is_false")]
    pub restore: bool,
    /// Whether nothing but the listeners was asked, to see what they would say.
    #[serde(default, skip_serializing_if = "is_false")]
    pub simulation: bool,
    /// The request.
    pub request: Request,
    /// What happened, in this order.
    pub steps: Vec<Step>,
    /// How many steps in the middle were left out: there were too many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: u32,
    /// What the caller got.
    pub status: u32,
    /// Whose answer that was.
    pub decided: Decider,
    /// What the one who decided gave as a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Said>,
    /// How long it took, in microseconds.
    pub micros: u64,
}

/// The kinds of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A connection is to be made.
    Add,
    /// A connection is to be cancelled.
    Cancel,
    /// A connection that exists is to be remembered (`WNetSetConnection`). Nobody is told.
    Remember,
    /// A connection is to be forgotten that goes on, or that is only remembered. Nobody is told.
    Forget,
}

/// What was asked for. Never a password, and of a URL never what stands before the `@`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The resource, as the router understood it; as it was given, where it was refused before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// The device that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// The provider that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The user the connection is to be made as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `RESOURCETYPE_*`.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "type")]
    pub kind: Option<u32>,
    /// `CONNECT_*`.
    pub flags: u32,
    /// Whether open files are to be ignored.
    #[serde(default, skip_serializing_if = "is_false")]
    pub force: bool,
}

/// One step of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When it began, in microseconds since the operation did.
    pub at: u64,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// What the router got for an answer.
    pub answer: u32,
    /// Who was asked for what.
    #[serde(flatten)]
    pub what: What,
    /// What was left behind as an explanation while it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
    /// What the router itself has to say of the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
}

/// What was done in one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum What {
    /// A notification library was told.
    Notified {
        /// Name of its registration.
        listener: String,
        /// Before or after.
        when: When,
        /// `dwOperationStatus`.
        told: u32,
    },
    /// A provider was asked.
    Asked {
        /// Its name.
        provider: String,
        /// The device it was asked for, where the router chose one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<String>,
    },
    /// All there were to be asked had been asked, with this result. It is not over: it may be repeated.
    Attempted,
    /// The remembered connections were updated.
    Saved,
}

/// Which notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// `NOTIFY_PRE`.
    Pre,
    /// `NOTIFY_POST`.
    Post,
}

/// An extended error (`WNetGetLastError`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Code of the speaker's own.
    pub code: u32,
    /// The text.
    pub text: String,
    /// Who said so.
    pub by: String,
}

/// What the router itself has to say of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// A word for programs.
    pub kind: String,
    /// A sentence for people.
    pub text: String,
}

/// Who decided what the caller got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", content = "name", rename_all = "kebab-case")]
pub enum Decider {
    /// The router: the request was refused before anybody was asked, or nobody was there to be asked.
    #[default]
    Router,
    /// A notification library.
    Listener(String),
    /// A provider.
    Provider(String),
    /// Several providers, none of which took it.
    Providers,
    /// The store of remembered connections: what was done could not be remembered.
    Store,
}

impl fmt::Display for Decider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Decider::Router => f.write_str("the router"),
            Decider::Listener(name) => write!(f, "the listener {name}"),
            Decider::Provider(name) => write!(f, "the provider {name}"),
            Decider::Providers => f.write_str("all providers"),
            Decider::Store => f.write_str("what is remembered"),
        }
    }
}

impl Said {
    pub(crate) fn of(error: &ExtendedError) -> Self {
        Said { code: error.code, text: error.text.to_string_lossy(), by: error.provider.to_string_lossy() }
    }
}

impl Request {
    /// A remote name as it is recorded.
    pub(crate) fn name(name: &WideStr) -> String {
        remote::without_userinfo(&bounded(name))
    }
}

impl Step {
    fn is_attempt(&self) -> bool {
        matches!(self.what, What::Attempted)
    }
}

impl Operation {
    /// The status, as a status.
    pub fn result(&self) -> Status {
        Status(self.status)
    }

    /// Puts down whose answer the result was, and why.
    pub(super) fn conclude(&mut self, status: Status) {
        self.status = status.0;
        let decisive = self.decisive().cloned();
        let decisive = decisive.as_ref();
        self.decided = match decisive.map(|step| &step.what) {
            None => Decider::Router,
            Some(What::Notified { listener, .. }) => Decider::Listener(listener.clone()),
            Some(What::Asked { provider, .. }) => Decider::Provider(provider.clone()),
            Some(What::Attempted) if self.steps.iter().any(Step::is_asked) => Decider::Providers,
            Some(What::Attempted) => Decider::Router,
            Some(What::Saved) => Decider::Store,
        };
        self.reason = match decisive {
            Some(step) if !status.is_success() => step.said.clone(),
            _ => None,
        };
    }

    /// The step whose answer is the result (`spec/notification.md` §8, §10).
    fn decisive(&self) -> Option<&Step> {
        let status = self.status;
        let Some(last) = self.steps.iter().rposition(Step::is_attempt) else {
            let saved = |step: &&Step| matches!(step.what, What::Saved) && step.answer == status;
            return self.steps.iter().rev().find(|step| step.refuses()).or(self.steps.iter().find(saved));
        };
        let (before, after) = self.steps.split_at(last);
        let asked = || {
            let since = before.iter().rposition(Step::is_attempt).map_or(0, |at| at + 1);
            // The policy refuses in the middle of an attempt where it depends on who is asked.
            let answered = |step: &&Step| (step.is_asked() || step.refuses()) && step.answer == status;
            before[since..].iter().find(answered)
        };
        if after[0].answer == 0 {
            let saved = after.iter().find(|step| matches!(step.what, What::Saved));
            // Where no provider accepted, forgetting what was remembered is all there was to do.
            return saved.filter(|saved| saved.answer != 0).or_else(asked).or(saved);
        }
        let answered = |step: &&Step| step.is_notified() && step.answer == status;
        // A veto of the repetition, or an answer afterwards that took the place of the failure.
        let listener = match after.iter().rev().find(|step| step.refuses()) {
            Some(veto) if veto.answer == status => Some(veto),
            _ => after.iter().find(answered).filter(|_| after[0].answer != status),
        };
        listener.or_else(asked).or(Some(&after[0]))
    }
}

impl Step {
    fn is_notified(&self) -> bool {
        matches!(self.what, What::Notified { .. })
    }

    fn is_asked(&self) -> bool {
        matches!(self.what, What::Asked { .. })
    }

    /// Whether it is a veto.
    #[must_use]
    pub fn refuses(&self) -> bool {
        let before = matches!(self.what, What::Notified { when: When::Pre, .. });
        before && !matches!(Status(self.answer), Status::SUCCESS | Status::RETRY)
    }
}

/// A text as it is recorded: whoever wrote it could have written any amount.
pub(crate) fn bounded(text: &WideStr) -> String {
    const LONGEST: usize = 2048;
    match text.get(..LONGEST) {
        Some(beginning) => format!("{}…", beginning.to_string_lossy()),
        None => text.to_string_lossy(),
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}
