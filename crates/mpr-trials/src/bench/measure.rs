//! What is measured on a mounted share, in this order.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::data::{Data, SMALL_TREE, Sizes, WRITTEN};
use super::subject::{Running, Subject};
use super::usage::{self, Usage};
use crate::program::succeed;

/// Longer than the slowest peer takes over anything.
const PATIENCE: Duration = Duration::from_secs(240);

/// One figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Figure {
    Connect,
    Read,
    Write,
    Read1,
    Read8,
    Read32,
    Write1,
    Write8,
    Write32,
    Find,
    FindAgain,
    FindLarge,
    FindLargeAgain,
    Stat,
    StatAgain,
    StatLarge,
    StatLargeAgain,
    Create,
    GitStatus,
    GitStatusAgain,
    Copy,
    WireAgain,
    Memory,
    CpuRead,
    CpuWrite,
}

/// How a figure is shown, and which way is better.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) figure: Figure,
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    pub(super) more_is_better: bool,
}

const fn shown(figure: Figure, title: &'static str, unit: &'static str, more_is_better: bool) -> Shown {
    Shown { figure, title, unit, more_is_better }
}

/// Every figure, as the tables list them.
pub(super) const SHOWN: &[Shown] = &[
    shown(Figure::Connect, "connect, to the first file seen", "ms", false),
    shown(Figure::Read, "read in order", "MB/s", true),
    shown(Figure::Write, "write in order, with fsync", "MB/s", true),
    shown(Figure::Read1, "random 4 KiB reads, depth 1", "/s", true),
    shown(Figure::Read8, "random 4 KiB reads, depth 8", "/s", true),
    shown(Figure::Read32, "random 4 KiB reads, depth 32", "/s", true),
    shown(Figure::Write1, "random 4 KiB writes, depth 1", "/s", true),
    shown(Figure::Write8, "random 4 KiB writes, depth 8", "/s", true),
    shown(Figure::Write32, "random 4 KiB writes, depth 32", "/s", true),
    shown(Figure::Find, "find of 2,000, cold", "ms", false),
    shown(Figure::FindAgain, "again", "ms", false),
    shown(Figure::FindLarge, "find of 50,000, cold", "ms", false),
    shown(Figure::FindLargeAgain, "again", "ms", false),
    shown(Figure::Stat, "stat of 2,000, cold", "/s", true),
    shown(Figure::StatAgain, "again", "/s", true),
    shown(Figure::StatLarge, "stat of 50,000, cold", "/s", true),
    shown(Figure::StatLargeAgain, "again", "/s", true),
    shown(Figure::Create, "create, write, close of 1,000 small files", "/s", true),
    shown(Figure::GitStatus, "git status, cold", "ms", false),
    shown(Figure::GitStatusAgain, "again", "ms", false),
    shown(Figure::Copy, "copy within the share", "MB/s", true),
    shown(Figure::WireAgain, "sent by find and stat of 2,000 again", "KiB", false),
    shown(Figure::Memory, "memory at most", "MiB", false),
    shown(Figure::CpuRead, "CPU of the helper for reading 1 GiB", "s", false),
    shown(Figure::CpuWrite, "CPU of the helper for writing 1 GiB", "s", false),
];

/// What is measured when everybody must encrypt: where encryption can tell.
pub(super) const ENCRYPTED: &[Figure] = &[
    Figure::Connect,
    Figure::Read,
    Figure::Write,
    Figure::Read1,
    Figure::Read8,
    Figure::Read32,
    Figure::Find,
    Figure::FindAgain,
    Figure::Stat,
    Figure::StatAgain,
    Figure::Create,
    Figure::CpuRead,
    Figure::CpuWrite,
];

/// What one round of one subject gave.
pub(super) type Round = BTreeMap<Figure, f64>;

/// Measures one subject once.
#[derive(Debug)]
pub(super) struct Measuring<'a> {
    pub(super) running: &'a Running,
    pub(super) data: &'a Data,
    pub(super) sizes: Sizes,
    pub(super) subject: Subject,
    pub(super) port: u16,
    /// Whether the large tree is measured, too: peers take minutes over it.
    pub(super) large: bool,
    pub(super) only: &'a [Figure],
    pub(super) round: Round,
    pub(super) troubles: Vec<String>,
}

impl Measuring<'_> {
    pub(super) fn all(&mut self) {
        self.keep(Figure::Connect, Ok(self.running.connect));
        self.metadata();
        self.bulk();
        self.random();
        self.work();
        self.keep(Figure::Memory, usage::memory(&self.running.servers));
        let only = self.only;
        self.round.retain(|figure, _| only.is_empty() || only.contains(figure));
    }

    fn wants(&self, figures: &[Figure]) -> bool {
        self.only.is_empty() || figures.iter().any(|figure| self.only.contains(figure))
    }

    fn metadata(&mut self) {
        use Figure::*;
        if self.wants(&[Find, FindAgain, Stat, StatAgain, WireAgain]) {
            self.keep(Find, self.find("tree", SMALL_TREE));
            self.keep(Stat, self.stat("flat", 1));
            let before = usage::sent(self.port);
            self.keep(FindAgain, self.find("tree", SMALL_TREE));
            // Once over takes a few milliseconds, in which anything may happen.
            self.keep(StatAgain, self.stat("flat", 50));
            // sshfs sends elsewhere.
            if self.subject != Subject::Sshfs
                && let (Some(before), Some(after)) = (before, usage::sent(self.port))
            {
                self.keep(WireAgain, Ok((after - before) as f64 / 1024.0));
            }
        }
        if self.large && self.wants(&[FindLarge, FindLargeAgain, StatLarge, StatLargeAgain]) {
            self.keep(FindLarge, self.find("large", self.sizes.large_tree));
            self.keep(FindLargeAgain, self.find("large", self.sizes.large_tree));
            self.keep(StatLarge, self.stat("large", 1));
            self.keep(StatLargeAgain, self.stat("large", 1));
        }
    }

    fn bulk(&mut self) {
        use Figure::*;
        let gib = self.sizes.file_mib as f64 / 1024.0;
        if self.wants(&[Read, CpuRead]) {
            let before = Usage::of(&self.running.servers);
            self.keep(Read, self.worker(&["read", &self.path("big.bin")]));
            self.keep(CpuRead, Ok(Usage::of(&self.running.servers).since(&before) / gib));
        }
        if self.wants(&[Write, CpuWrite]) {
            let before = Usage::of(&self.running.servers);
            let size = self.sizes.file_mib.to_string();
            self.keep(Write, self.worker(&["write", &self.path("put.bin"), &size]));
            self.keep(CpuWrite, Ok(Usage::of(&self.running.servers).since(&before) / gib));
            self.remove("put.bin");
        }
    }

    fn random(&mut self) {
        use Figure::*;
        for (figure, depth) in [(Read1, 1), (Read8, 8), (Read32, 32)] {
            if self.wants(&[figure]) {
                let mib = self.sizes.file_mib;
                self.keep(figure, self.fio("randread", "random.bin", mib, depth));
            }
        }
        for (figure, depth) in [(Write1, 1), (Write8, 8), (Write32, 32)] {
            if self.wants(&[figure]) {
                self.keep(figure, self.fio("randwrite", "written.bin", WRITTEN, depth));
            }
        }
    }

    fn work(&mut self) {
        use Figure::*;
        if self.wants(&[Create]) {
            let count = self.sizes.creates.to_string();
            self.keep(Create, self.worker(&["create", &self.path("created"), &count]));
            self.remove("created");
        }
        if self.wants(&[GitStatus, GitStatusAgain]) {
            self.keep(GitStatus, self.git_status());
            self.keep(GitStatusAgain, self.git_status());
        }
        if self.wants(&[Copy]) {
            self.keep(Copy, self.copy());
            self.remove("copy.bin");
        }
    }

    fn keep(&mut self, figure: Figure, result: Result<f64, String>) {
        match result {
            Ok(value) => _ = self.round.insert(figure, value),
            Err(why) => {
                let why: String = why.split_whitespace().collect::<Vec<_>>().join(" ");
                self.troubles.push(format!("{}: {figure:?}: {why:.200}", self.subject.name()));
            }
        }
    }

    fn path(&self, name: &str) -> String {
        self.running.root.join(name).display().to_string()
    }

    fn worker(&self, words: &[&str]) -> Result<f64, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let output = succeed(Command::new(own).arg("work").args(words), PATIENCE)?;
        output.trim().parse().map_err(|_| format!("no number: {output}"))
    }

    fn find(&self, tree: &str, least: usize) -> Result<f64, String> {
        let seconds = self.worker(&["find", &self.path(tree), &least.to_string()])?;
        Ok(seconds * 1e3)
    }

    fn stat(&self, list: &str, passes: usize) -> Result<f64, String> {
        let names = self.data.local(list).display().to_string();
        self.worker(&["stat", &self.running.root.display().to_string(), &names, &passes.to_string()])
    }

    /// Operations a second, around every cache of the kernel's.
    fn fio(&self, how: &str, file: &str, mib: usize, depth: u32) -> Result<f64, String> {
        let mut fio = Command::new("fio");
        fio.args([
            "--name=random",
            "--bs=4k",
            "--direct=1",
            "--ioengine=psync",
            "--thread=1",
            "--group_reporting",
        ]);
        fio.args(["--time_based", "--output-format=json", "--fallocate=none", "--allow_file_create=0"]);
        fio.arg(format!("--rw={how}")).arg(format!("--filename={file}"));
        // By its name alone: a colon in a path separates files.
        fio.current_dir(&self.running.root);
        fio.arg(format!("--size={mib}m")).arg(format!("--numjobs={depth}"));
        fio.arg(format!("--runtime={}", self.sizes.random)).args((how == "randread").then_some("--readonly"));
        let output = succeed(&mut fio, PATIENCE)?;
        let json = output.find('{').map_or("", |at| &output[at..]);
        let facts: serde_json::Value = serde_json::from_str(json).map_err(|error| format!("fio: {error}"))?;
        let side = if how == "randread" { "read" } else { "write" };
        facts["jobs"][0][side]["iops"].as_f64().ok_or_else(|| "fio names no iops".to_owned())
    }

    fn git_status(&self) -> Result<f64, String> {
        let mut git = Command::new("git");
        git.env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_OPTIONAL_LOCKS", "0");
        git.args(["-c", "safe.directory=*", "-C", &self.path("repository"), "status", "--porcelain"]);
        let begun = Instant::now();
        let changed = succeed(&mut git, PATIENCE)?;
        let took = begun.elapsed().as_secs_f64() * 1e3;
        if changed.is_empty() { Ok(took) } else { Err(format!("git sees changes: {changed:.200}")) }
    }

    fn copy(&self) -> Result<f64, String> {
        let begun = Instant::now();
        succeed(Command::new("cp").args([&self.path("big.bin"), &self.path("copy.bin")]), PATIENCE)?;
        let speed = self.sizes.file_mib as f64 * 1.048_576 / begun.elapsed().as_secs_f64();
        let len = fs::metadata(self.running.root.join("copy.bin")).map_err(|error| error.to_string())?.len();
        if len == (self.sizes.file_mib as u64) << 20 {
            Ok(speed)
        } else {
            Err(format!("a copy of {len} bytes"))
        }
    }

    /// On the mount, so that the next round begins as this one.
    fn remove(&self, name: &str) {
        _ = succeed(Command::new("rm").arg("-rf").arg(Path::new(&self.path(name))), PATIENCE);
    }
}
