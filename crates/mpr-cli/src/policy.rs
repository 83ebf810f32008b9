//! `mpr policy`: the rules of what may be connected, and what they come to.

use crate::failure::Failure;
use crate::output::{Output, Table, clean};
use clap::{Subcommand, ValueEnum};
use mpr::config::policy::{FLAGS, policy};
use mpr::policy::{Asked, Ruling, Tier};
use mpr::{Problem, Router};
use mpr_core::policy::{Decision, Identity, Moment, Rule, clock, weekday};
use mpr_helper::accounts;
use mpr_helper::dirs::Level;
use mpr_plugin::wide;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Read;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Biggest file the router reads.
const BIGGEST: u64 = 1 << 20;
/// `O_NONBLOCK`: a FIFO in the place of a file must not make anybody wait.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

/// Shows the rules of what may be connected, and which of them decides
#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Lists the rules in force, in the order in which they are asked
    List,
    Test(Test),
    /// Reads a policy file and reports its mistakes, wherever it stands
    Check {
        /// The file
        file: PathBuf,
    },
}

/// Tells which rule decides about a connection, without connecting; exits with 1 if it is denied
#[derive(clap::Args, Debug)]
struct Test {
    /// The resource; with --event cancel also a device
    remote: String,
    /// The device
    local: Option<String>,
    /// What is to take place
    #[arg(long, default_value = "add")]
    event: EventName,
    /// Who asks, instead of you; the groups are this user's unless given
    #[arg(long)]
    user: Option<String>,
    /// The groups of who asks
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,
    /// The provider that will be asked; left open if left out
    #[arg(long)]
    provider: Option<String>,
    /// A flag of the request, as rules name it
    #[arg(long, value_name = "FLAG", value_parser = flag)]
    flag: Vec<u32>,
    /// When: "08:30" or "mon 08:30"; now if left out
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<(Option<u8>, u16)>,
    /// An address of the server, instead of looking it up
    #[arg(long)]
    address: Vec<IpAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EventName {
    Add,
    Cancel,
}

fn flag(name: &str) -> Result<u32, String> {
    let known = FLAGS.iter().find(|(known, _)| *known == name);
    known.map(|(_, bit)| *bit).ok_or_else(|| {
        let names: Vec<&str> = FLAGS.iter().map(|(name, _)| *name).collect();
        format!("there are {}", names.join(", "))
    })
}

fn moment(text: &str) -> Result<(Option<u8>, u16), String> {
    let (day, time) = match text.trim().split_once(' ') {
        Some((day, time)) => (Some(weekday(day).ok_or("the day is none; write for example mon")?), time),
        None => (None, text.trim()),
    };
    let minute = clock(time.trim()).filter(|minute| *minute < 24 * 60);
    Ok((day, minute.ok_or("the time is none; write for example 08:30")?))
}

pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    match arguments.command {
        Command::List => list(output),
        Command::Test(test) => test.run(output),
        Command::Check { file } => check(&file, output),
    }
}

/// Tells what is wrong with the policy that is in force. Other problems are other commands' business.
fn warn(output: &Output) {
    let Some(config) = Router::system().config() else { return };
    let of_policy = |problem: &&Problem| problem.file.iter().any(|part| part == "policy.d");
    for problem in config.problems.iter().filter(of_policy) {
        output.warn(clean(&problem.to_string()));
    }
}

fn list(output: &Output) -> Result<(), Failure> {
    warn(output);
    let tiers = Router::system().policies().map(|policies| policies.tiers()).unwrap_or_default();
    let mut table = Table::new(&["LEVEL", "RULE", "ACTION", "ABOUT", "PLACE", "REASON"]);
    for tier in tiers {
        for rule in tier.policy.rules() {
            let fact = fact(rule, Some(tier.level));
            if output.json {
                output.object(&fact)?;
                continue;
            }
            let mut about = rule.conditions.keys().join(",");
            if rule.conditions.unreadable {
                about.push_str(if about.is_empty() { "unreadable" } else { ",unreadable" });
            } else if about.is_empty() {
                about.push_str("everything");
            }
            let place = format!("{}:{}", rule.file.display(), rule.line);
            let reason = rule.reason.as_deref().unwrap_or_default();
            table.row([level(tier.level), &rule.name, word(rule.action), &about, &place, reason]);
        }
        if let Some((action, place)) = default_of(tier) {
            match output.json {
                true => output.object(&json!({
                    "level": level(tier.level), "default": word(action), "place": place,
                }))?,
                false => {
                    table.row([level(tier.level), "(default)", word(action), "everything else", &place, ""])
                }
            }
        }
    }
    match () {
        () if output.json => Ok(()),
        () if table.is_empty() => {
            output.note("there is no policy: everything is allowed");
            Ok(())
        }
        () => table.print(output),
    }
}

fn default_of(tier: &Tier) -> Option<(Decision, String)> {
    let default = tier.policy.default_rule()?;
    Some((default.action, format!("{}:{}", default.file.display(), default.line)))
}

fn level(level: Level) -> &'static str {
    match level {
        // The environment puts a directory in the place of the system's.
        Level::System | Level::Environment => "system",
        Level::User => "user",
    }
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "allow",
        Decision::Deny => "deny",
    }
}

fn fact(rule: &Rule, of: Option<Level>) -> Value {
    json!({
        "level": of.map(level),
        "rule": rule.name,
        "action": word(rule.action),
        "about": rule.conditions.keys(),
        "readable": !rule.conditions.unreadable,
        "file": &*rule.file,
        "line": rule.line,
        "reason": rule.reason,
    })
}

impl Test {
    fn run(&self, output: &Output) -> Result<(), Failure> {
        warn(output);
        let asked = self.asked()?;
        let Some(policies) = Router::system().policies() else {
            return output.result(
                &json!({ "decision": "allow", "rule": null, "why": "there is no policy" }),
                "allow: there is no policy",
            );
        };
        let ruling = policies.judge(&asked);
        let mut why = ruling.reason();
        if ruling.verdict.provisional && !ruling.denies() {
            why.push_str("; rules about provider or device are asked again when these are chosen");
        }
        let decision = word(ruling.verdict.decision);
        match output.json {
            true => output.object(&told(&ruling, decision, &why))?,
            false => output.line(format_args!("{decision}: {}", clean(&why)))?,
        }
        if ruling.denies() { Err(Failure::Told) } else { Ok(()) }
    }

    fn asked(&self) -> Result<Asked, Failure> {
        let flags = self.flag.iter().fold(0, |flags, bit| flags | bit);
        let remote = wide(&self.remote);
        let mut asked = match self.event {
            EventName::Add => Asked::add(&remote, flags),
            EventName::Cancel => Asked::cancel(&remote, flags),
        };
        if let Some(local) = &self.local {
            asked = asked.on(&wide(local));
        }
        if let Some(provider) = &self.provider {
            asked = asked.through(&wide(provider));
        }
        if let Some((day, minute)) = self.at {
            let today = || mpr::policy::now().map(|now| now.weekday);
            let weekday = day.or_else(today).ok_or_else(|| {
                Failure::other("the day cannot be told", "give it as well: --at 'mon 08:30'")
            })?;
            asked = asked.at(Moment { weekday, minute });
        }
        if self.user.is_some() || !self.group.is_empty() {
            asked = asked.by(self.user(), self.groups());
        }
        if !self.address.is_empty() {
            asked = asked.with_addresses(self.address.clone());
        }
        Ok(asked)
    }

    fn user(&self) -> Identity {
        match &self.user {
            Some(name) => Identity { id: accounts::user(name).map(|user| user.0), name: Some(name.clone()) },
            None => {
                let uid = accounts::real_uid();
                Identity { id: Some(uid), name: accounts::user_name(uid) }
            }
        }
    }

    fn groups(&self) -> Option<Vec<Identity>> {
        let numbered = |gid| Identity { id: Some(gid), name: accounts::group_name(gid) };
        if !self.group.is_empty() {
            let named = |name: &String| Identity { id: accounts::group(name), name: Some(name.clone()) };
            return Some(self.group.iter().map(named).collect());
        }
        let name = self.user.as_deref()?;
        let (_, first) = accounts::user(name)?;
        Some(accounts::groups_of(name, first)?.into_iter().map(numbered).collect())
    }
}

fn told(ruling: &Ruling<'_>, decision: &str, why: &str) -> Value {
    json!({
        "decision": decision,
        "rule": ruling.verdict.rule.map(|rule| fact(rule, ruling.level)),
        "default": ruling.verdict.default.map(|default| json!({ "file": &*default.file, "line": default.line })),
        "why": why,
        "provisional": ruling.verdict.provisional,
    })
}

fn check(file: &Path, output: &Output) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::other(format!("cannot read {}: {error}", file.display()), "name a policy file")
    };
    let opened = OpenOptions::new().read(true).custom_flags(NONBLOCK).open(file).map_err(failed)?;
    let mut text = String::new();
    let length = opened.take(BIGGEST + 1).read_to_string(&mut text).map_err(failed)?;
    if length as u64 > BIGGEST {
        return Err(Failure::other(
            format!("{} is larger than 1 MiB, so every connect would be denied", file.display()),
            "spread the rules over several files",
        ));
    }
    let (read, problems) = policy(file, &text);
    if output.json {
        let told: Vec<Value> = problems
            .iter()
            .map(|problem| json!({ "line": problem.line, "what": problem.what, "remedy": problem.remedy }))
            .collect();
        output.object(&json!({ "file": file, "rules": read.rules.len(), "problems": told }))?;
    } else {
        for problem in &problems {
            output.line(clean(&problem.to_string()))?;
        }
        if problems.is_empty() {
            let default = read.default.map_or("", |default| match default.action {
                Decision::Allow => ", and what they are not about is allowed",
                Decision::Deny => ", and what they are not about is denied",
            });
            let masked = if read.enabled { "" } else { "; it is not in force (enabled = false)" };
            output.line(format_args!("{}: {} rules{default}{masked}", file.display(), read.rules.len()))?;
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure::Told) }
}
