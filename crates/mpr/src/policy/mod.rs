//! Policy: what may be connected and disconnected at all, by the rules of `policy.d` (`docs/policy.md`).
//!
//! The rules are matched in [`mpr_core::policy`]. Here they are read, facts are found for them, and they are put
//! where they are asked: as the first notification library of all ([`Guard`]), before a connection is restored, and
//! once more before a provider is asked when they depend on which one that is.
//!
//! Each level has a list of its own, and a request must be allowed by all of them: so nothing a user writes can
//! allow what the system forbids, nor can a variable of the environment.

mod facts;
mod read;
mod zone;

pub use zone::now;

pub use facts::Asked;
pub use read::PolicyEntry;

use crate::{extended_error, trace};
use mpr_core::policy::{Decision, Doubt, Event, Facts, Policy, Verdict};
use mpr_helper::dirs::Level;
use mpr_plugin::abi::{CONNECT_REDIRECT, NOTIFY_PRE, NOTIFYINFO};
use mpr_plugin::{self as plugin, AddNotice, CancelNotice, Notifyee, Status, WideStr, wide};
use std::sync::Arc;

/// The name under which the policy is listed, and speaks.
pub const LABEL: &str = "policy";

/// The rules of all levels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policies {
    tiers: Vec<Tier>,
    /// Whether connects, and disconnects, are judged at all.
    about: [bool; 2],
    depends_on_choices: bool,
}

/// The rules of one level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// Whose they are.
    pub level: Level,
    /// The files they come from, in order.
    pub files: Vec<PolicyEntry>,
    /// The rules.
    pub policy: Policy,
}

/// What the policy says about a request.
#[derive(Debug, Clone, Copy)]
pub struct Ruling<'p> {
    /// What decided, and how.
    pub verdict: Verdict<'p>,
    /// Whose rule that was; `None` where nobody had anything to say.
    pub level: Option<Level>,
}

impl Ruling<'_> {
    /// Whether the request is denied.
    #[must_use]
    pub fn denies(&self) -> bool {
        self.verdict.decision == Decision::Deny
    }

    /// Why, in a sentence for people: the rule's own words, and where it stands.
    #[must_use]
    pub fn reason(&self) -> String {
        let Verdict { decision, rule, default, doubt, .. } = self.verdict;
        let does = match decision {
            Decision::Allow => "allowed",
            Decision::Deny => "forbidden",
        };
        let Some(rule) = rule else {
            return match default {
                Some(default) => {
                    let place = format!("{}:{}", default.file.display(), default.line);
                    format!("{does} by the default, since no rule is about it ({place})")
                }
                None => "no rule is about it".to_owned(),
            };
        };
        let place = format!("rule \"{}\", {}:{}", rule.name, rule.file.display(), rule.line);
        let reason = match &rule.reason {
            Some(reason) => format!("{reason} ({place})"),
            None => format!("{does} by the {place}"),
        };
        match doubt.map(doubtful) {
            Some(doubtful) => format!("{reason}; {doubtful}, and what cannot be judged is not allowed"),
            None => reason,
        }
    }
}

fn doubtful(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::Rule => "the rule cannot be read",
        Doubt::Name => "what the name leads to is not clear",
        Doubt::Time => "the time cannot be told",
        Doubt::User => "who asks cannot be told",
        Doubt::Group => "the groups of who asks cannot be told",
        Doubt::Address => "the addresses of the server cannot be told",
    }
}

impl Policies {
    /// These levels, the most important first. Those with nothing to say are left out.
    pub(crate) fn new(tiers: Vec<Tier>) -> Self {
        let tiers: Vec<Tier> = tiers.into_iter().filter(|tier| !tier.policy.is_empty()).collect();
        let about =
            [Event::Add, Event::Cancel].map(|event| tiers.iter().any(|tier| tier.policy.is_about(event)));
        let depends_on_choices = tiers.iter().any(|tier| tier.policy.depends_on_choices());
        Policies { tiers, about, depends_on_choices }
    }

    /// The levels that have rules, the most important first.
    #[must_use]
    pub fn tiers(&self) -> &[Tier] {
        &self.tiers
    }

    /// Whether there is no rule at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tiers.is_empty()
    }

    /// Whether operations of this kind are judged at all.
    #[must_use]
    pub fn is_about(&self, event: Event) -> bool {
        self.about[usize::from(event == Event::Cancel)]
    }

    /// Whether what is denied can depend on provider or device.
    #[must_use]
    pub fn depends_on_choices(&self) -> bool {
        self.depends_on_choices
    }

    /// Judges a request: the first level that denies decides; where none does, the first that has something to say.
    #[must_use]
    pub fn judge(&self, facts: &impl Facts) -> Ruling<'_> {
        let nothing =
            Verdict { decision: Decision::Allow, rule: None, default: None, doubt: None, provisional: false };
        let mut ruling = Ruling { verdict: nothing, level: None };
        for tier in &self.tiers {
            let verdict = tier.policy.judge(facts);
            let provisional = ruling.verdict.provisional || verdict.provisional;
            let says = verdict.rule.is_some() || verdict.default.is_some();
            if verdict.decision == Decision::Deny || ruling.level.is_none() && says {
                ruling = Ruling { verdict, level: Some(tier.level) };
            }
            ruling.verdict.provisional = provisional;
            if ruling.denies() {
                break;
            }
        }
        ruling
    }

    /// The same as the router's answer: the reason of a denial becomes the extended error.
    pub(crate) fn admit(&self, facts: &impl Facts) -> Result<(), Status> {
        let ruling = self.judge(facts);
        if ruling.level.is_some() {
            trace::remark("rule", || ruling.reason());
        }
        if !ruling.denies() {
            return Ok(());
        }
        extended_error::record(Status::ACCESS_DENIED.0, &wide(&ruling.reason()), &wide(LABEL));
        Err(Status::ACCESS_DENIED)
    }
}

/// The policy as a notification library: it vetoes what is denied, with `WN_ACCESS_DENIED` and the reason.
#[derive(Debug)]
pub(crate) struct Guard(pub(crate) Arc<Policies>);

impl Guard {
    fn answer(&self, info: &NOTIFYINFO, facts: &impl Facts) -> Status {
        // It leaves no context, and so is told of nothing afterwards.
        if info.dwNotifyStatus != NOTIFY_PRE { Status::SUCCESS } else { self.0.admit(facts).into() }
    }
}

impl Notifyee for Guard {
    fn wants(&self, event: plugin::Event) -> bool {
        self.0.is_about(match event {
            plugin::Event::Add => Event::Add,
            plugin::Event::Cancel => Event::Cancel,
        })
    }

    fn sees_simulations(&self) -> bool {
        true
    }

    fn add_connect_notify(&self, info: &mut NOTIFYINFO, add: &AddNotice<'_>) -> Status {
        let mut asked = Asked::add(add.remote.unwrap_or_default(), add.flags);
        asked = match named(add.local) {
            Some(local) => asked.on(local),
            None if add.flags & CONNECT_REDIRECT != 0 => asked.on_any_device(),
            None => asked,
        };
        if let Some(provider) = named(add.provider) {
            asked = asked.through(provider);
        }
        self.answer(info, &asked)
    }

    fn cancel_connect_notify(&self, info: &mut NOTIFYINFO, cancel: &CancelNotice<'_>) -> Status {
        self.answer(info, &Asked::cancel(cancel.name, cancel.flags))
    }
}

fn named(text: Option<&WideStr>) -> Option<&WideStr> {
    text.filter(|text| !text.is_empty())
}
