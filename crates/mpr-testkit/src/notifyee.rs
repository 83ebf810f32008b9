//! A notification library that plays its part of a script.

use crate::Fields;
use crate::script::{Party, Pass, Stage};
use mpr_abi::{NOTIFY_POST, NOTIFY_PRE, NOTIFYINFO, Status};
use mpr_plugin::{AddNotice, CancelNotice, Event, Notifyee};
use std::fmt;

/// What a notification library was called with.
#[derive(Debug, Clone)]
pub struct Notification {
    /// Connect or disconnect.
    pub event: Event,
    /// Before or after the attempt.
    pub pass: Pass,
    /// `dwOperationStatus`.
    pub status: Status,
    /// `lpContext` on entry.
    pub context: usize,
    /// Everything in the operation structure.
    pub fields: Fields,
}

impl Notification {
    pub(crate) fn new(event: Event, info: &NOTIFYINFO, fields: Fields) -> Self {
        let pass = match info.dwNotifyStatus {
            NOTIFY_PRE => Pass::Pre,
            NOTIFY_POST => Pass::Post,
            other => panic!("dwNotifyStatus is {other}"),
        };
        let status = Status(info.dwOperationStatus);
        Notification { event, pass, status, context: info.lpContext.expose_provenance(), fields }
    }
}

type Hook = Box<dyn Fn(&Notification) + Send + Sync>;

/// Answers every call as its script says and writes down what it was called with. Asked for more than the
/// script has, it writes `unscripted`, allows everything and leaves no context.
pub struct ScriptedNotifyee {
    number: usize,
    stage: Stage,
    only: Option<Event>,
    hook: Option<Hook>,
}

impl fmt::Debug for ScriptedNotifyee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "N{}", self.number)
    }
}

impl ScriptedNotifyee {
    pub(crate) fn new(number: usize, stage: Stage) -> Self {
        ScriptedNotifyee { number, stage, only: None, hook: None }
    }

    /// Exports one of the two functions only.
    #[must_use]
    pub fn only(self, event: Event) -> Self {
        ScriptedNotifyee { only: Some(event), ..self }
    }

    /// Does this within each call, after it was written down and before it is answered.
    #[must_use]
    pub fn doing(self, hook: impl Fn(&Notification) + Send + Sync + 'static) -> Self {
        ScriptedNotifyee { hook: Some(Box::new(hook)), ..self }
    }

    fn called(&self, event: Event, info: &mut NOTIFYINFO, fields: Fields) -> Status {
        let called = Notification::new(event, info, fields);
        let answer = self.stage.answer(Party::Notifyee(self.number, called.pass));
        let status = called.status.0;
        let call = match called.pass {
            Pass::Pre if called.context == 0 => format!("N{}.pre({status})", self.number),
            Pass::Pre => format!("N{}.pre({status},{})", self.number, self.stage.context(called.context)),
            Pass::Post => format!("N{}.post({status},{})", self.number, self.stage.context(called.context)),
        };
        self.stage.record(&call, called.fields.clone(), answer.as_ref(), "unscripted");
        if let Some(hook) = &self.hook {
            hook(&called);
        }
        let Some(answer) = answer else { return Status::SUCCESS };
        if let Some(context) = answer.context {
            info.lpContext = std::ptr::with_exposed_provenance_mut(context);
        }
        answer.status
    }
}

impl Notifyee for ScriptedNotifyee {
    fn wants(&self, event: Event) -> bool {
        self.only.is_none_or(|only| only == event)
    }

    fn add_connect_notify(&self, info: &mut NOTIFYINFO, add: &AddNotice<'_>) -> Status {
        self.called(Event::Add, info, add.into())
    }

    fn cancel_connect_notify(&self, info: &mut NOTIFYINFO, cancel: &CancelNotice<'_>) -> Status {
        self.called(Event::Cancel, info, cancel.into())
    }
}
