//! Somebody who writes a diary on a share while the world breaks down: every entry that `fsync` acknowledged
//! has to be there afterwards, byte for byte.
//!
//! The writer is a process of its own (`mpr-trials diary FILE`), which nothing protects from hanging. It writes
//! entries in batches, says the number of each once `fsync` has returned, says what failed, and then opens the
//! file again and repeats the batch. It ends when its standard input does.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::program::{self, PAUSE};
use crate::stage::{Mount, programs};

/// Bytes from one entry to the next; entries are shorter.
const STRIDE: u64 = 8192;
/// Entries to each `fsync`.
const BATCH: u64 = 4;

/// What stands in an entry.
fn entry(number: u64) -> Vec<u8> {
    let len = 500 + number * 7919 % 7000;
    let seed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (0..len).map(|at| (seed >> (at % 56)) as u8 ^ at as u8).collect()
}

/// Writes until standard input ends.
///
/// # Errors
///
/// If it cannot say what it did.
pub fn write(file: &Path) -> io::Result<()> {
    static ENOUGH: AtomicBool = AtomicBool::new(false);
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        ENOUGH.store(true, Ordering::Relaxed);
    });
    let mut number = 0;
    let mut said = io::stdout().lock();
    while !ENOUGH.load(Ordering::Relaxed) {
        let attempt = open(file).and_then(|diary| {
            loop {
                for number in number..number + BATCH {
                    diary.write_all_at(&entry(number), number * STRIDE)?;
                }
                diary.sync_all()?;
                for number in number..number + BATCH {
                    writeln!(said, "{number}")?;
                }
                said.flush()?;
                number += BATCH;
                if ENOUGH.load(Ordering::Relaxed) {
                    return Ok(());
                }
            }
        });
        if let Err(error) = attempt {
            writeln!(said, "failed: {error}")?;
            said.flush()?;
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}

fn open(file: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).open(file)
}

/// The writer, as seen by whoever breaks the world.
#[derive(Debug)]
pub struct Diary {
    child: Child,
    stdin: Option<ChildStdin>,
    said: Receiver<String>,
    file: PathBuf,
    acknowledged: Vec<u64>,
    /// What failed, each once.
    pub failures: Vec<String>,
}

impl Diary {
    /// Somebody begins to write.
    ///
    /// # Errors
    ///
    /// If they cannot be started.
    pub fn begin(mount: &Mount, file: PathBuf) -> Result<Diary, String> {
        let mut command = mount.command(programs()?.join("mpr-trials"));
        let mut child = program::start(command.arg("diary").arg(&file).stdin(Stdio::piped()))?;
        let stdin = child.stdin.take();
        let output = child.stdout.take().ok_or("the writer has no standard output")?;
        let (sender, said) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Diary { child, stdin, said, file, acknowledged: Vec::new(), failures: Vec::new() })
    }

    /// Waits for so many more entries.
    ///
    /// # Errors
    ///
    /// If they are not acknowledged in time; with what failed instead.
    pub fn goes_on(&mut self, entries: usize, patience: Duration) -> Result<(), String> {
        let (deadline, enough) = (Instant::now() + patience, self.acknowledged.len() + entries);
        while self.acknowledged.len() < enough {
            match self.said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.note(line),
                Err(RecvTimeoutError::Disconnected) => return Err("the writer ended".to_owned()),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!(
                        "nothing more is written after {patience:?}; {} entries are, and what failed: {:?}",
                        self.acknowledged.len(),
                        self.failures
                    ));
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, line: String) {
        match line.parse() {
            Ok(number) => self.acknowledged.push(number),
            Err(_) if self.failures.contains(&line) => {}
            Err(_) => self.failures.push(line),
        }
    }

    /// Stops the writer, and looks at what lies on the server.
    ///
    /// # Errors
    ///
    /// If the writer hangs, or an acknowledged entry is not there.
    pub fn is_on(mut self, server: &Path, patience: Duration) -> Result<(), String> {
        drop(self.stdin.take());
        if program::wait(&mut self.child, patience).is_none() {
            return Err(format!("the writer does not end within {patience:?}"));
        }
        while let Ok(line) = self.said.recv() {
            self.note(line);
        }
        let path = server.join(self.file.file_name().ok_or("a file has a name")?);
        let there =
            File::open(&path).map_err(|error| format!("{} on the server: {error}", path.display()))?;
        for number in &self.acknowledged {
            let expected = entry(*number);
            let mut found = vec![0; expected.len()];
            let read = there.read_exact_at(&mut found, number * STRIDE);
            if read.is_err() || found != expected {
                return Err(format!(
                    "entry {number} of {} was acknowledged and is not on the server; failed: {:?}",
                    self.acknowledged.len(),
                    self.failures
                ));
            }
        }
        Ok(())
    }
}

impl Drop for Diary {
    fn drop(&mut self) {
        program::end(&mut self.child);
    }
}
