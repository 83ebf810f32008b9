//! A file of `policy.d` as a function of its text: no file is opened here (`docs/policy.md`).
//!
//! A mistake in the configuration of a plug-in costs the plug-in. Here it must not open a door: a rule with a
//! mistake denies what it may have been about, and a file that cannot be read at all denies everything.

use super::Problem;
use super::parse::{as_name, closest, in_words, quoted};
use mpr_abi as abi;
use mpr_core::policy::{
    Account, Conditions, Days, Decision, Default as PolicyDefault, Events, Flags, Glob, Hours, NamePattern,
    Network, Rule,
};
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Most items in a list.
const MOST_ITEMS: usize = 1024;
/// Most rules in one file. A file is no larger than 1 MiB anyway.
const MOST_RULES: usize = 50_000;
/// Longest pattern, in bytes.
const LONGEST_PATTERN: usize = 1024;
/// Longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// What a file of `policy.d` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFile {
    /// `enabled`: whether it is in force.
    pub enabled: bool,
    /// `priority`: lower comes first.
    pub priority: i64,
    /// `default`: what holds where no rule decides.
    pub default: Option<PolicyDefault>,
    /// `[[rule]]`, in order.
    pub rules: Vec<Rule>,
}

/// Names of flags as `flags` has them.
pub const FLAGS: [(&str, u32); 11] = [
    ("persistent", abi::CONNECT_UPDATE_PROFILE),
    ("recent", abi::CONNECT_UPDATE_RECENT),
    ("temporary", abi::CONNECT_TEMPORARY),
    ("interactive", abi::CONNECT_INTERACTIVE),
    ("prompt", abi::CONNECT_PROMPT),
    ("redirect", abi::CONNECT_REDIRECT),
    ("deferred", abi::CONNECT_DEFERRED),
    ("save-credentials", abi::CONNECT_CMD_SAVECRED),
    ("require-integrity", abi::CONNECT_REQUIRE_INTEGRITY),
    ("require-privacy", abi::CONNECT_REQUIRE_PRIVACY),
    ("write-through", abi::CONNECT_WRITE_THROUGH_SEMANTICS),
];

const KEYS: [&str; 13] = [
    "name", "action", "reason", "remote", "address", "provider", "user", "group", "local", "flags", "hours",
    "days", "event",
];

/// A rule that denies every connect: it stands where rules should stand that cannot be read.
#[must_use]
pub fn instead_of(file: &Path, line: Option<usize>, what: &str) -> Rule {
    Rule {
        name: "unreadable".into(),
        action: Decision::Deny,
        reason: Some(what.to_owned()),
        file: file.into(),
        line: line.unwrap_or(1),
        conditions: Conditions::default(),
    }
}

/// Reads a file of `policy.d`.
#[must_use]
pub fn policy(file: &Path, text: &str) -> (PolicyFile, Vec<Problem>) {
    let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
    let mut reading = Reading { file, shared: file.into(), ends, problems: Vec::new(), instead: None };
    let mut read = match DeTable::parse(text) {
        Ok(entries) => reading.file(entries.into_inner()),
        Err(error) => {
            let line = error.span().map(|span| reading.line_at(span.start));
            let message = error.message().lines().next().unwrap_or_default().to_owned();
            reading.unreadable(line, format!("it is not TOML ({message})"), "correct the line");
            PolicyFile { enabled: true, priority: 0, default: None, rules: Vec::new() }
        }
    };
    let Reading { problems, instead, .. } = reading;
    if let Some(instead) = instead {
        // Nobody knows what it was to come before.
        read.priority = i64::MIN;
        read.rules.insert(0, instead);
    }
    (read, problems)
}

struct Reading<'f> {
    file: &'f Path,
    shared: Arc<Path>,
    /// Where each line ends, since a file can have very many rules.
    ends: Vec<usize>,
    problems: Vec<Problem>,
    /// What denies everything because the file cannot be understood.
    instead: Option<Rule>,
}

impl Reading<'_> {
    fn line(&self, value: &Spanned<DeValue<'_>>) -> usize {
        self.line_at(value.span().start)
    }

    fn line_at(&self, offset: usize) -> usize {
        1 + self.ends.partition_point(|end| *end < offset)
    }

    fn note(&mut self, line: Option<usize>, what: String, remedy: impl Into<String>) {
        self.problems.push(Problem { file: self.file.to_owned(), line, what, remedy: remedy.into() });
    }

    /// Notes a mistake because of which nobody knows what the file was to deny.
    fn unreadable(&mut self, line: Option<usize>, what: String, remedy: impl Into<String>) {
        let rule = instead_of(self.file, line, &format!("the policy has a mistake: {what}"));
        self.note(line, format!("{what}, so every connect is denied"), remedy);
        self.instead.get_or_insert(rule);
    }

    fn file(&mut self, mut entries: DeTable<'_>) -> PolicyFile {
        let mut file = PolicyFile { enabled: true, priority: 0, default: None, rules: Vec::new() };
        if let Some(value) = entries.remove("enabled") {
            match value.get_ref().as_bool() {
                Some(enabled) => file.enabled = enabled,
                None => self.misplaced("enabled", &value, "true or false", "enabled = false"),
            }
        }
        if !file.enabled {
            return file;
        }
        if let Some(value) = entries.remove("priority") {
            let number = match value.get_ref() {
                DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
                _ => None,
            };
            match number {
                Some(priority) => file.priority = priority,
                None => self.misplaced("priority", &value, "a whole number", "priority = 10"),
            }
        }
        if let Some(value) = entries.remove("default") {
            match value.get_ref().as_str().and_then(action) {
                Some(action) => {
                    let line = self.line(&value);
                    file.default = Some(PolicyDefault { action, file: self.shared.clone(), line });
                }
                None => {
                    self.misplaced("default", &value, "\"allow\" or \"deny\"", "default = \"deny\"");
                }
            }
        }
        if let Some(value) = entries.remove("rule") {
            let line = self.line(&value);
            match value.into_inner() {
                DeValue::Array(rules) if rules.len() <= MOST_RULES => {
                    for (at, rule) in rules.into_iter().enumerate() {
                        let line = self.line(&rule);
                        match rule.into_inner() {
                            DeValue::Table(rule) => file.rules.push(self.rule(at + 1, line, rule)),
                            other => {
                                let what = format!("rule is {} where a table belongs", in_words(&other));
                                self.unreadable(Some(line), what, "begin each rule with [[rule]]");
                            }
                        }
                    }
                }
                DeValue::Array(_) => {
                    let what = format!("it has more than {MOST_RULES} rules");
                    self.unreadable(Some(line), what, "spread them over several files");
                }
                other => {
                    let what = format!("rule is {} where a list of tables belongs", in_words(&other));
                    self.unreadable(Some(line), what, "begin each rule with [[rule]]");
                }
            }
        }
        for (key, _) in entries.into_iter().take(MOST_ITEMS) {
            let known = ["rule", "default", "priority", "enabled"];
            let remedy = remedy_for(key.get_ref(), &known);
            let line = self.line_at(key.span().start);
            self.unreadable(Some(line), format!("{} is no key of this file", quoted(key.get_ref())), remedy);
        }
        file
    }

    fn misplaced(&mut self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str, example: &str) {
        let line = self.line(value);
        let what = format!("{key} is {} where {expected} belongs", in_words(value.get_ref()));
        self.unreadable(Some(line), what, format!("write for example {example}"));
    }

    fn rule(&mut self, number: usize, line: usize, entries: DeTable<'_>) -> Rule {
        let mut rule = RuleReading { reading: self, entries, line, cost: "", unreadable: false };
        let action = rule.action();
        let (name, reason) = (rule.name(), rule.reason());
        let mut conditions = rule.conditions();
        rule.finish();
        conditions.unreadable = rule.unreadable;
        Rule {
            name: name.unwrap_or_else(|| format!("#{number}")),
            action,
            reason,
            file: self.shared.clone(),
            line,
            conditions,
        }
    }
}

/// One `[[rule]]`: keys are taken out of it, and what is left over is a mistake.
struct RuleReading<'r, 'f, 'a> {
    reading: &'r mut Reading<'f>,
    entries: DeTable<'a>,
    line: usize,
    /// What a mistake costs, for messages.
    cost: &'static str,
    unreadable: bool,
}

impl RuleReading<'_, '_, '_> {
    fn reject(&mut self, line: usize, what: &str, remedy: String) {
        self.unreadable = true;
        let what = format!("{what}, {}", self.cost);
        self.reading.note(Some(line), what, remedy);
    }

    fn action(&mut self) -> Decision {
        let value = self.entries.remove("action");
        let decision = value.as_ref().and_then(|value| value.get_ref().as_str()).and_then(action);
        self.cost = match decision {
            Some(Decision::Allow) => "so the rule allows nothing",
            _ => "so the rule denies whatever it may be about",
        };
        let line = value.as_ref().map_or(self.line, |value| self.reading.line(value));
        decision.unwrap_or_else(|| {
            let what = match &value {
                Some(value) => {
                    format!("action is {} where \"allow\" or \"deny\" belongs", in_words(value.get_ref()))
                }
                None => "the rule has no action".to_owned(),
            };
            self.reject(line, &what, "write for example action = \"deny\"".into());
            Decision::Deny
        })
    }

    fn name(&mut self) -> Option<String> {
        let value = self.entries.remove("name")?;
        let name = value.get_ref().as_str().and_then(as_name);
        if name.is_none() {
            let line = self.reading.line(&value);
            let what = format!(
                "name is {} where a name of 1 to 255 printable characters belongs",
                in_words(value.get_ref())
            );
            self.reject(line, &what, "write for example name = \"no-old-nas\"".into());
        }
        name
    }

    fn reason(&mut self) -> Option<String> {
        let value = self.entries.remove("reason")?;
        let good = |text: &&str| {
            !text.is_empty()
                && text.chars().count() <= LONGEST_REASON
                && !text.chars().any(|c| c.is_control() && c != '\n')
        };
        let reason = value.get_ref().as_str().filter(good).map(|text| text.trim().replace('\n', " "));
        if reason.is_none() {
            let line = self.reading.line(&value);
            let what = format!(
                "reason is {} where a text of 1 to {LONGEST_REASON} printable characters belongs",
                in_words(value.get_ref())
            );
            self.reject(line, &what, "write for example reason = \"it is being retired\"".into());
        }
        reason
    }

    fn conditions(&mut self) -> Conditions {
        let text = |value: &DeValue<'_>| match value.as_str() {
            Some(text) if text.len() <= LONGEST_PATTERN && !text.contains('\0') => Ok(text.to_owned()),
            Some(_) => Err("is too long".to_owned()),
            None => Err("is no text".to_owned()),
        };
        let glob = |value: &DeValue<'_>| text(value).map(|text| Glob::new(&text.to_lowercase()));
        let named = |value: &DeValue<'_>| match text(value)? {
            empty if empty.is_empty() => Err("is empty".to_owned()),
            _ => glob(value),
        };
        let account = |value: &DeValue<'_>| match value {
            DeValue::Integer(number) => {
                let number = u32::from_str_radix(number.as_str(), number.radix()).ok();
                number.map(Account::Id).ok_or_else(|| "is no number of a user or group".to_owned())
            }
            _ => match text(value)? {
                empty if empty.is_empty() => Err("is empty".into()),
                name => Ok(Account::Name(Glob::new(&name))),
            },
        };
        let flag = |value: &DeValue<'_>| {
            let text = text(value)?;
            let (name, set) = text.strip_prefix('!').map_or((&*text, true), |name| (name, false));
            let known = FLAGS.iter().find(|(known, _)| *known == name);
            known.map(|(_, bit)| (*bit, set)).ok_or_else(|| {
                let names: Vec<_> = FLAGS.iter().map(|(name, _)| *name).collect();
                format!("is no flag; there are {}", names.join(", "))
            })
        };
        let event = |value: &DeValue<'_>| match value.as_str() {
            Some("add") => Ok(true),
            Some("cancel") => Ok(false),
            _ => Err("is neither \"add\" nor \"cancel\"".into()),
        };
        let in_text = |what: &'static str| move |_| what.to_owned();
        let remote = self
            .list("remote", "'\\\\nas\\photos'", |value| NamePattern::new(&text(value)?).map_err(in_text_of));
        let address =
            self.list("address", "\"10.0.0.0/8\"", |value| Network::new(&text(value)?).map_err(in_text_of));
        let hours = self.list("hours", "\"08:00-18:00\"", |value| {
            Hours::new(&text(value)?).ok_or(()).map_err(in_text("is no span of time"))
        });
        let days = self.list("days", "\"mon-fri\"", |value| {
            Days::new(&text(value)?).ok_or(()).map_err(in_text("is no day"))
        });
        let (provider, local) =
            (self.list("provider", "\"Example Network\"", named), self.list("local", "\"Z:\"", glob));
        let (user, group) = (self.list("user", "\"ann\"", account), self.list("group", "\"staff\"", account));
        let flags = self.list("flags", "\"persistent\"", flag);
        let is_about_all = !self.entries.contains_key("event");
        let events = self.list("event", "[\"add\", \"cancel\"]", event);
        Conditions {
            events: match &*events {
                [] if is_about_all => Events::default(),
                // It was to say something else than usual, and nobody knows what.
                [] => Events { add: true, cancel: true },
                events => Events { add: events.contains(&true), cancel: events.contains(&false) },
            },
            remote,
            local,
            provider,
            flags: flags.iter().fold(Flags::default(), |flags, (bit, set)| match set {
                true => Flags { set: flags.set | bit, ..flags },
                false => Flags { clear: flags.clear | bit, ..flags },
            }),
            days: match &*days {
                [] => Days::default(),
                days => Days(days.iter().fold(0, |sum, day| sum | day.0)),
            },
            hours,
            user,
            group,
            address,
            unreadable: false,
        }
    }

    /// The values of a key: one, or a list of them. One that is wrong makes the condition unreadable, and the
    /// others do not count either: whatever it was, it may have been meant to match.
    fn list<T>(
        &mut self,
        key: &str,
        example: &str,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> Vec<T> {
        let Some(value) = self.entries.remove(key) else { return Vec::new() };
        let one = std::slice::from_ref(&value);
        let items: Vec<&Spanned<DeValue<'_>>> = match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => one.iter().collect(),
        };
        let remedy = || format!("write for example {key} = {example}");
        if items.is_empty() || items.len() > MOST_ITEMS {
            let line = self.reading.line(&value);
            self.reject(line, &format!("{key} is a list of {} items", items.len()), remedy());
            return Vec::new();
        }
        let mut values = Vec::with_capacity(items.len());
        let mut wrong = false;
        for item in items {
            match read(item.get_ref()) {
                Ok(value) => values.push(value),
                Err(what) => {
                    wrong = true;
                    let line = self.reading.line(item);
                    self.reject(
                        line,
                        &format!("{key} is {}, which {what}", in_words(item.get_ref())),
                        remedy(),
                    );
                }
            }
        }
        if wrong { Vec::new() } else { values }
    }

    fn finish(&mut self) {
        for (key, _) in std::mem::take(&mut self.entries).into_iter().take(MOST_ITEMS) {
            let line = self.reading.line_at(key.span().start);
            let what = format!("{} is no key of a rule", quoted(key.get_ref()));
            self.reject(line, &what, remedy_for(key.get_ref(), &KEYS));
        }
    }
}

fn in_text_of(what: &'static str) -> String {
    what.to_owned()
}

fn action(word: &str) -> Option<Decision> {
    match word {
        "allow" => Some(Decision::Allow),
        "deny" => Some(Decision::Deny),
        _ => None,
    }
}

fn remedy_for(key: &str, known: &[&str]) -> String {
    match closest(key, known) {
        Some(known) => format!("did you mean {known}?"),
        None => format!("remove it, or choose one of {}", known.join(", ")),
    }
}
