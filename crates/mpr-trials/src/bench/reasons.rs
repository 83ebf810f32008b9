//! Where the time goes, for figures that miss their aim: who computes while they are taken, and on what.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use mpr_testkit::Samba;

use super::data::{Data, Sizes};
use super::measure::{Figure, Measuring, Round};
use super::subject::{Protection, Running, Subject};
use super::usage::{Usage, processes_of};
use crate::program::{self, is_installed, succeed};

const PATIENCE: Duration = Duration::from_secs(120);
/// Functions that are named.
const NAMED: usize = 8;

/// Takes a figure of ours again, and tells who was busy meanwhile.
pub(super) fn reason(figure: Figure, samba: &Samba, data: &Data, sizes: Sizes) -> Result<String, String> {
    let running = Running::start(Subject::Ours, Protection::AsItComes, samba)?;
    let mark =
        samba.data("rw").parent().and_then(|data| data.parent()).map(|root| root.display().to_string());
    let server = processes_of(&mark.ok_or("the server has no directory")?);
    let record = data.local("perf");
    let mut perf = Command::new("perf");
    perf.args(["record", "--quiet", "--event", "cpu-clock", "--freq", "499", "--output"]).arg(&record);
    let pids: Vec<String> = running.servers.iter().map(u32::to_string).collect();
    let mut perf =
        is_installed("perf").then(|| program::start(perf.args(["--pid", &pids.join(",")]))).transpose()?;
    let (begun, ours, theirs) = (Instant::now(), Usage::of(&running.servers), Usage::of(&server));
    let only = [figure];
    let mut measuring = Measuring {
        running: &running,
        data,
        sizes,
        subject: Subject::Ours,
        port: samba.port(),
        large: true,
        only: &only,
        round: Round::new(),
        troubles: Vec::new(),
    };
    measuring.all();
    let wall = begun.elapsed().as_secs_f64();
    let (ours, theirs) = (Usage::of(&running.servers).since(&ours), Usage::of(&server).since(&theirs));
    let mut text = format!(
        "* **{figure:?}**: of {wall:.2} s, the helper computed {ours:.2} s ({:.0} %), the server {theirs:.2} s ({:.0} %).",
        ours / wall * 100.0,
        theirs / wall * 100.0
    );
    if let Some(perf) = &mut perf {
        _ = succeed(Command::new("kill").args(["-INT", &perf.id().to_string()]), PATIENCE);
        program::wait(perf, PATIENCE);
        let mut report = Command::new("perf");
        report.args([
            "report",
            "--stdio",
            "--no-children",
            "--sort",
            "symbol",
            "--percent-limit",
            "1",
            "--input",
        ]);
        let named = succeed(report.arg(&record), PATIENCE).map(|report| top(&report));
        // Nothing, where the kernel answers alone.
        if let Some(named) = named.ok().filter(|named| !named.is_empty()) {
            text += &format!(" In the helper: {named}.");
        }
        _ = fs::remove_file(&record);
    }
    running.stop();
    Ok(text)
}

/// `    12.34%  [.] name` lines, the first few.
fn top(report: &str) -> String {
    let lines = report.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (share, symbol) = line.trim().split_once('%')?;
        let symbol = symbol.replace("[.]", "").replace("[k]", "");
        let symbol = symbol.trim_end_matches(['-', ' ']).trim();
        let symbol: String = symbol.chars().take(70).collect();
        Some(format!("`{symbol}` {share} %"))
    });
    lines.take(NAMED).collect::<Vec<_>>().join(", ")
}
