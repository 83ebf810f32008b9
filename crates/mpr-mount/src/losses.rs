//! What was written and did not reach the server, on its way into the audit trail.
//!
//! A record is on disk before it counts, and somebody else may be writing to the trail: none of that is for a thread
//! that serves files. A thread of its own writes one record for what it finds together of each file, so that a
//! full disk makes no more records than the trail takes.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mpr::audit::{self, Auditor};
use mpr_cache::LostWrite;
use mpr_helper::dirs;
use mpr_helper::protocol::{Naming, Trail};

/// Files that are told apart while the trail cannot be written to.
const FILES: usize = 1000;
/// How long the end of a mount waits for the trail.
const PARTING: Duration = Duration::from_secs(2);

/// Records what is lost.
#[derive(Debug)]
pub struct Losses {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    /// By file, `None` for all further ones, and by error.
    lost: BTreeMap<(Option<String>, i32), Sum>,
    /// Whether what was taken is still being written.
    writing: bool,
    /// Whether nothing more is to come.
    over: bool,
}

/// Several lost writes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sum {
    bytes: u64,
    writes: u64,
    from: u64,
    to: u64,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn add(&mut self, loss: &LostWrite) {
        let mut key = (Some(loss.path.clone()), loss.error.0);
        if self.lost.len() >= FILES && !self.lost.contains_key(&key) {
            key.0 = None;
        }
        let (from, to) = (loss.range.start, loss.range.end);
        let sum = self.lost.entry(key).or_insert(Sum { bytes: 0, writes: 0, from, to });
        sum.bytes += to - from;
        sum.writes += 1;
        sum.from = sum.from.min(from);
        sum.to = sum.to.max(to);
    }
}

impl Losses {
    /// Those of the connection `naming`, to be recorded in `trail`.
    ///
    /// # Errors
    ///
    /// No thread can be started.
    pub fn of(naming: &Naming, trail: Option<&Trail>) -> io::Result<Losses> {
        let shared = Arc::new(Shared::default());
        let auditor = trail.and_then(|trail| {
            let settings = audit::Settings {
                mode: audit::Mode::BestEffort,
                max_bytes: trail.max_bytes,
                keep: trail.keep,
                journal: trail.journal,
            };
            Auditor::new(&trail.state, dirs::runtime_path().ok().as_deref(), &settings)
        });
        let thread = match auditor {
            None => None,
            Some(auditor) => {
                let (shared, naming) = (Arc::clone(&shared), naming.clone());
                let work = move || record(&shared, &auditor, &naming);
                Some(thread::Builder::new().name("trail".into()).spawn(work)?)
            }
        };
        Ok(Losses { shared, thread: Mutex::new(thread) })
    }

    /// Something was lost. Does not wait.
    pub fn add(&self, loss: &LostWrite) {
        if self.thread.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            self.shared.waiting().add(loss);
            self.shared.changed.notify_all();
        }
    }

    /// Nothing more is to come: waits a little until everything is recorded.
    pub fn finish(&self) {
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let deadline = Instant::now() + PARTING;
        let mut waiting = self.shared.waiting();
        waiting.over = true;
        self.shared.changed.notify_all();
        while waiting.writing || !waiting.lost.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            waiting = match self.shared.changed.wait_timeout(waiting, left) {
                Ok((waiting, _)) => waiting,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        drop(waiting);
        let _ = thread.join();
    }
}

/// Writes down what comes until nothing more does.
fn record(shared: &Shared, auditor: &Auditor, naming: &Naming) {
    loop {
        let mut waiting = shared.waiting();
        while waiting.lost.is_empty() {
            if waiting.over {
                return;
            }
            waiting = shared.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let lost = std::mem::take(&mut waiting.lost);
        waiting.writing = true;
        drop(waiting);
        for ((path, errno), sum) in lost {
            auditor.lost_write(told(naming, path, errno, sum));
        }
        shared.waiting().writing = false;
        shared.changed.notify_all();
    }
}

fn told(naming: &Naming, path: Option<String>, errno: i32, sum: Sum) -> audit::LostWrite {
    audit::LostWrite {
        remote: naming.remote.clone(),
        local: naming.local.clone(),
        user: naming.user.clone(),
        path,
        bytes: sum.bytes,
        writes: sum.writes,
        from: sum.from,
        to: sum.to,
        errno,
        error: io::Error::from_raw_os_error(errno).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mpr::audit::{Event, Reader};
    use mpr_remotefs::Errno;
    use std::ops::Range;

    fn naming() -> Naming {
        Naming {
            slot: "drive-z".into(),
            local: Some("Z:".into()),
            remote: r"\\nas\photos".into(),
            provider: "test".into(),
            user: Some("joe".into()),
            options: String::new(),
        }
    }

    fn loss(path: &str, range: Range<u64>, error: i32) -> LostWrite {
        LostWrite { path: path.into(), range, error: Errno(error) }
    }

    #[test]
    fn what_is_lost_of_a_file_is_one_record_until_it_is_written() {
        let mut waiting = Waiting::default();
        waiting.add(&loss("a", 10..15, libc::ENOSPC));
        waiting.add(&loss("a", 100..200, libc::ENOSPC));
        waiting.add(&loss("a", 0..1, libc::EIO));
        let sum = Sum { bytes: 105, writes: 2, from: 10, to: 200 };
        assert_eq!(waiting.lost[&(Some("a".into()), libc::ENOSPC)], sum);
        assert_eq!(waiting.lost.len(), 2);
        for file in 0..2 * FILES as u64 {
            waiting.add(&loss(&file.to_string(), file..file + 1, libc::EIO));
        }
        assert!(waiting.lost.len() <= FILES + 1, "no more than can be kept is kept");
        assert_eq!(waiting.lost.values().map(|sum| sum.writes).sum::<u64>(), 3 + 2 * FILES as u64);
    }

    #[test]
    fn everything_that_was_lost_is_in_the_trail_when_the_mount_has_ended() {
        let state = tempfile::tempdir().unwrap();
        let trail = Trail { state: state.path().to_owned(), max_bytes: 1 << 20, keep: 1, journal: false };
        let losses = Losses::of(&naming(), Some(&trail)).unwrap();
        for at in 0..300 {
            losses.add(&loss(&format!("f{}", at % 3), at..at + 1, libc::ENOSPC));
        }
        losses.finish();
        let reader = Reader::open(&audit::directory(state.path())).unwrap();
        let mut writes = 0;
        for line in reader.lines(0) {
            let entry = line.unwrap().entry().unwrap();
            assert_eq!(entry.by.pid, std::process::id());
            let Event::LostWrite(lost) = entry.event else { panic!("{:?}", entry.event) };
            assert_eq!((lost.remote.as_str(), lost.local.as_deref()), (r"\\nas\photos", Some("Z:")));
            assert_eq!(lost.errno, libc::ENOSPC);
            writes += lost.writes;
        }
        assert_eq!(writes, 300);
        assert_eq!(reader.verify().unwrap().flaws, []);
    }

    #[test]
    fn without_a_trail_nothing_is_recorded_and_nobody_waits() {
        let losses = Losses::of(&naming(), None).unwrap();
        losses.add(&loss("a", 0..1, libc::EIO));
        losses.finish();
        assert!(losses.shared.waiting().lost.is_empty());
    }
}
