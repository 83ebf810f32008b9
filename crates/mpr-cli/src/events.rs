//! `mpr events`: the audit trail.

use crate::failure::Failure;
use crate::output::{self, Output, clean};
use mpr::Router;
use mpr::audit::{self, Entry, Line, Reader, Report};
use serde_json::json;
use std::collections::VecDeque;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// How many records are shown to somebody who did not say.
const USUAL: usize = 50;
/// How often it is looked whether something was appended.
const PAUSE: Duration = Duration::from_millis(200);

/// Shows what was connected and disconnected, by which program, and who decided
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Without --since and --limit, the last 50 records are shown; with --json, all of them. \
    With --json each line is a record as it stands in the trail."
)]
pub(crate) struct Events {
    #[command(subcommand)]
    verify: Option<Verify>,
    /// Show only records with a higher number
    #[arg(long, value_name = "SEQ")]
    since: Option<u64>,
    /// Show at most this many, the last ones
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Go on showing records as they are made
    #[arg(long, short)]
    follow: bool,
}

#[derive(clap::Subcommand, Debug, Clone, Copy)]
enum Verify {
    /// Looks whether every record is there and as it was written
    Verify,
}

pub(crate) fn run(events: &Events, output: &Output) -> Result<(), Failure> {
    let directory = audit::of_this_user().map_err(|error| {
        Failure::other(format!("there is no audit trail: {error}"), "set MPR_STATE_DIR, or a home directory")
    })?;
    // What nobody else has noticed yet is noticed now.
    if let Some(auditor) = Router::system().auditor() {
        auditor.vanished();
    }
    match events.verify {
        Some(Verify::Verify) => verify(&open(&directory)?, output),
        None => events.show(&directory, output),
    }
}

fn open(directory: &Path) -> Result<Reader, Failure> {
    Reader::open(directory).map_err(unreadable)
}

fn unreadable(error: io::Error) -> Failure {
    Failure::other(
        format!("the audit trail cannot be read: {error}"),
        "see docs/audit.md for whose it is to be",
    )
}

impl Events {
    fn show(&self, directory: &Path, output: &Output) -> Result<(), Failure> {
        // Before it is read, so that nothing appended meanwhile is overlooked.
        let mut seen = state(directory);
        let unlimited = self.since.is_some() || output.json;
        let limit = self.limit.unwrap_or(if unlimited { usize::MAX } else { USUAL });
        let mut lines = VecDeque::new();
        let mut last = self.since.unwrap_or(0);
        for line in open(directory)?.lines(last) {
            let Some(line) = passed_over(line, output)? else { continue };
            last = line.number;
            lines.push_back(line);
            if lines.len() > limit {
                lines.pop_front();
            }
        }
        if lines.is_empty() && !self.follow && !output.json {
            output.note("there are no records");
        }
        lines.iter().try_for_each(|line| print(line, output))?;
        if !self.follow {
            return Ok(());
        }
        loop {
            output::flush()?;
            std::thread::sleep(PAUSE);
            let now = state(directory);
            if now == seen {
                continue;
            }
            seen = now;
            for line in open(directory)?.lines(last) {
                let Some(line) = passed_over(line, output)? else { continue };
                last = line.number;
                print(&line, output)?;
            }
        }
    }
}

/// What tells whether something was appended: which file it is, and how long.
fn state(directory: &Path) -> Option<(u64, u64)> {
    let meta = std::fs::metadata(audit::current(directory)).ok()?;
    Some((meta.ino(), meta.len()))
}

/// A line that is a record; one that is none is told of and passed over.
fn passed_over(line: io::Result<Line>, output: &Output) -> Result<Option<Line>, Failure> {
    match line {
        Ok(line) => Ok(Some(line)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            output.warn(format_args!("{error}; see mpr events verify"));
            Ok(None)
        }
        Err(error) => Err(unreadable(error)),
    }
}

fn print(line: &Line, output: &Output) -> Result<(), Failure> {
    if output.json {
        return output.line(&line.text);
    }
    let Some(entry) = line.entry() else {
        return output
            .line(format_args!("{:>6}  a record of a kind this version does not know", line.number));
    };
    output.line(format_args!(
        "{:>6}  {}  {}  {}",
        line.number,
        when(&entry),
        who(&entry),
        clean(&entry.sentence())
    ))
}

/// To the second, as people read it; in UTC.
fn when(entry: &Entry) -> String {
    let time = entry.time.split('.').next().unwrap_or_default();
    format!("{}Z", clean(time).replace('T', " "))
}

/// The program and its number.
fn who(entry: &Entry) -> String {
    let name = entry.by.program.as_ref().and_then(|program| program.file_name());
    let name = name.map_or_else(|| "?".to_owned(), |name| name.to_string_lossy().into_owned());
    format!("{}[{}]", clean(&name), entry.by.pid)
}

fn verify(reader: &Reader, output: &Output) -> Result<(), Failure> {
    let report = reader.verify().map_err(unreadable)?;
    let Report { files, records, first, last, gaps, open, flaws } = &report;
    if output.json {
        output.object(&json!({
            "whole": flaws.is_empty(),
            "files": files,
            "records": records,
            "first": first,
            "last": last,
            "gaps": gaps.iter().map(|(seq, gap)| json!({ "seq": seq, "gap": gap })).collect::<Vec<_>>(),
            "open": open,
            "flaws": flaws
                .iter()
                .map(|flaw| json!({ "file": flaw.file, "line": flaw.line, "what": flaw.what }))
                .collect::<Vec<_>>(),
        }))?;
    } else {
        tell(&report, output)?;
    }
    match flaws.first() {
        None => Ok(()),
        Some(flaw) => {
            let place = match flaw.line {
                0 => format!("{}, at its end", flaw.file.display()),
                line => format!("{}:{line}", flaw.file.display()),
            };
            Err(Failure::other(
                format!("the audit trail is not as it was written: {place}: {}", flaw.what),
                "compare it with the copy in the journal, if there is one: journalctl -t mpr",
            ))
        }
    }
}

fn tell(report: &Report, output: &Output) -> Result<(), Failure> {
    match report.records {
        0 => output.line("there are no records")?,
        records => output.line(format_args!(
            "{records} record{}, number {} to {}, in {} file{}",
            if records == 1 { "" } else { "s" },
            report.first,
            report.last,
            report.files,
            if report.files == 1 { "" } else { "s" },
        ))?,
    }
    if report.first > 1 {
        output.line(format_args!("those before {} were removed with the oldest files", report.first))?;
    }
    for (number, gap) in &report.gaps {
        output.line(format_args!("gap at {number}: {}", clean(&gap.to_string())))?;
    }
    for operation in &report.open {
        output.line(format_args!(
            "operation {} was begun, and no outcome is recorded: it is under way, or was cut short",
            clean(operation)
        ))?;
    }
    for flaw in report.flaws.iter().skip(1) {
        output.line(format_args!("{}:{}: {}", flaw.file.display(), flaw.line, flaw.what))?;
    }
    if report.flaws.is_empty() && report.records > 0 {
        output.line("every record is there and as it was written")?;
    }
    Ok(())
}
