//! Reading the trail, and finding out whether it is whole.

use super::chain::Digest;
use super::entry::{Entry, Event, Gap};
use super::rotation;
use super::trail::{FILE, Head, Trail, open};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Longest line that is read, in bytes.
const LONGEST: usize = 4 << 20;
/// How many flaws are told of.
const MOST_FLAWS: usize = 20;

/// A line of the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Number of the record.
    pub number: u64,
    /// What it says the digest of the line before is.
    pub before: Digest,
    /// Its own digest.
    pub digest: Digest,
    /// The line, without its line feed.
    pub text: String,
}

/// What links a line to the one before.
#[derive(Deserialize)]
struct Link {
    seq: u64,
    prev: Digest,
}

impl Line {
    /// Reads a line; `None` if it is none.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let Link { seq, prev } = serde_json::from_str(text).ok()?;
        let digest = Digest::of(bytes);
        (seq > 0).then(|| Line { number: seq, before: prev, digest, text: text.to_owned() })
    }

    /// The record; `None` if it is one this version does not know.
    #[must_use]
    pub fn entry(&self) -> Option<Entry> {
        serde_json::from_str(&self.text).ok()
    }
}

/// The lines at the beginning of `bytes`, up to the first that is none or not complete, and where that begins.
#[must_use]
pub fn scan(bytes: &[u8]) -> (Vec<Line>, usize) {
    let (mut lines, mut at) = (Vec::new(), 0);
    while let Some(length) = bytes[at..].iter().position(|byte| *byte == b'\n') {
        let Some(line) = Line::parse(&bytes[at..at + length]) else { break };
        lines.push(line);
        at += length + 1;
    }
    (lines, at)
}

/// The files of a trail, as far as they were written when it was opened.
#[derive(Debug)]
pub struct Reader {
    /// The oldest first.
    files: Vec<Opened>,
    /// What the head says, if it could be looked at.
    head: Option<Head>,
}

#[derive(Debug)]
struct Opened {
    path: PathBuf,
    file: File,
    length: u64,
    /// The number it begins with, if that is known.
    first: u64,
}

impl Reader {
    /// Opens the trail in `directory`. One that does not exist is empty.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or that somebody else could have written.
    pub fn open(directory: &Path) -> io::Result<Self> {
        if !directory.exists() {
            return Ok(Reader { files: Vec::new(), head: None });
        }
        // Under the lock nothing is half written, and no file is put aside while they are opened. Where it cannot be
        // had, because nothing can be written there, nobody else writes either.
        let trail = Trail::new(directory.to_owned(), 0, 0);
        let locked = trail.lock().ok();
        let head = locked.as_ref().and_then(|locked| locked.read_head());
        let mut files = Vec::new();
        for (first, path) in rotation::files(directory)? {
            files.push(Opened::open(path, first)?);
        }
        let current = directory.join(FILE);
        if current.exists() {
            files.push(Opened::open(current, u64::MAX)?);
        }
        Ok(Reader { files, head })
    }

    /// The records after number `since`, in their order; what is no record is an error of the kind
    /// [`InvalidData`](io::ErrorKind::InvalidData) and is passed over.
    pub fn lines(&self, since: u64) -> impl Iterator<Item = io::Result<Line>> + '_ {
        // A file that is followed by one that begins early enough has nothing to tell.
        let begin = self.files.iter().rposition(|file| file.first <= since.saturating_add(1)).unwrap_or(0);
        let lines = self.files[begin..].iter().flat_map(|file| file.lines().map(|(_, line)| line));
        lines.filter(move |line| line.as_ref().map_or(true, |line| line.number > since))
    }

    /// Looks whether every record is there and as it was written.
    ///
    /// # Errors
    ///
    /// A file that cannot be read any more.
    pub fn verify(&self) -> io::Result<Report> {
        let mut report = Report { files: self.files.len(), ..Report::default() };
        let mut last: Option<(u64, Digest)> = None;
        let mut open = BTreeSet::new();
        for file in &self.files {
            for (at, line) in file.lines() {
                let line = match line {
                    Ok(line) => line,
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                        report.flaw(&file.path, at, error.to_string());
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                report.check(&line, last, &file.path, at);
                last = Some((line.number, line.digest));
                report.count(&line, &mut open);
            }
        }
        let last = last.map_or(0, |(number, _)| number);
        if let Some(head) = self.head.filter(|head| head.last > last) {
            let file = self.files.last().map_or_else(|| PathBuf::from(FILE), |file| file.path.clone());
            report.flaw(&file, 0, missing(last + 1, head.last, "at the end"));
        }
        report.last = last;
        report.open = open.into_iter().collect();
        Ok(report)
    }
}

impl Opened {
    fn open(path: PathBuf, first: u64) -> io::Result<Self> {
        let file = open(&path, OpenOptions::new().read(true)).map_err(io::Error::other)?;
        let length = file.metadata()?.size();
        Ok(Opened { path, file, length, first })
    }

    /// Each line with its number in the file.
    fn lines(&self) -> impl Iterator<Item = (usize, io::Result<Line>)> + '_ {
        let mut reader = BufReader::new(At { file: &self.file, at: 0, end: self.length });
        let mut at = 0;
        std::iter::from_fn(move || {
            at += 1;
            let mut bytes = Vec::new();
            match (&mut reader).take(LONGEST as u64).read_until(b'\n', &mut bytes) {
                Ok(0) => None,
                Ok(_) => Some((at, line(&bytes))),
                Err(error) => Some((at, Err(error))),
            }
        })
    }
}

fn line(bytes: &[u8]) -> io::Result<Line> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
    match bytes.strip_suffix(b"\n") {
        Some(line) => Line::parse(line).ok_or_else(|| wrong("this line is no record")),
        None => Err(wrong("this line was not written to its end: who wrote it was ended by a crash")),
    }
}

/// A file read from its beginning by whoever asks, without a position of its own.
struct At<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use std::os::unix::fs::FileExt;
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read_at(&mut buffer[..left], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// What was found out about a trail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many files it consists of.
    pub files: usize,
    /// How many records there are.
    pub records: u64,
    /// The number of the first; 0 if there is none. Those before it were removed with the oldest files.
    pub first: u64,
    /// The number of the last; 0 if there is none.
    pub last: u64,
    /// What is recorded to be missing, with the numbers of the records that say so.
    pub gaps: Vec<(u64, Gap)>,
    /// Operations that were begun and of which no outcome is recorded: under way, or cut short.
    pub open: Vec<String>,
    /// Where it is not as it was written.
    pub flaws: Vec<Flaw>,
}

/// A place where a trail is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Which file.
    pub file: PathBuf,
    /// Which line of it; 0 for its end.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl Report {
    fn flaw(&mut self, file: &Path, line: usize, what: String) {
        if self.flaws.len() < MOST_FLAWS {
            self.flaws.push(Flaw { file: file.to_owned(), line, what });
        }
    }

    fn check(&mut self, line: &Line, last: Option<(u64, Digest)>, file: &Path, at: usize) {
        let number = line.number;
        match last {
            None if number == 1 && line.before != Digest::NONE => {
                self.flaw(file, at, "record 1 does not begin a trail".to_owned());
            }
            None => {}
            Some((before, _)) if number > before + 1 => {
                self.flaw(file, at, missing(before + 1, number - 1, "before this line"));
            }
            Some((before, _)) if number <= before => {
                self.flaw(file, at, format!("record {number} follows record {before}"));
            }
            Some((before, digest)) if line.before != digest => {
                self.flaw(
                    file,
                    at,
                    format!("record {number} does not follow from record {before}: one of them was changed"),
                );
            }
            Some(_) => {}
        }
    }

    fn count(&mut self, line: &Line, open: &mut BTreeSet<String>) {
        self.records += 1;
        if self.first == 0 {
            self.first = line.number;
        }
        match line.entry().map(|entry| entry.event) {
            Some(Event::Intent { operation, .. }) => _ = open.insert(operation),
            Some(Event::Operation(operation)) => _ = open.remove(&operation.operation),
            Some(Event::Gap(gap)) => self.gaps.push((line.number, gap)),
            _ => {}
        }
    }
}

fn missing(from: u64, to: u64, place: &str) -> String {
    if from == to {
        format!("record {from} is missing {place}")
    } else {
        format!("records {from} to {to} are missing {place}")
    }
}
