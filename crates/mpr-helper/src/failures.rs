//! How a plug-in outside the caller's process has been failing, as every process of the user sees it.
//!
//! One small file for each that failed the last time it was called, `<runtime>/notifyees/<name>.json` or
//! `<runtime>/providers/<name>.json`; none for one that is well. A file that is not this user's alone, or makes no sense, says nothing.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::dirs;

/// Failures in a row after which nobody asks any more.
pub const TOLERATED: u32 = 3;
/// For how long nobody asks then.
pub const SUSPENSION: Duration = Duration::from_secs(60);

const SCHEMA: u32 = 1;
/// The longest file that is read.
const MAX_FILE: u64 = 64 << 10;

/// What is known of one that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    schema: u32,
    /// The registration this is about: another process may have another of the same name.
    pub registration: PathBuf,
    /// Failures in a row.
    pub failures: u32,
    /// What the last one was, for people.
    pub last: String,
    /// Which of its functions that was; empty for one that has but one.
    #[serde(default)]
    pub function: String,
    /// Until when nobody asks, in milliseconds since 1970.
    until: u64,
}

impl Failing {
    /// For how long nobody asks from now on; `None` when it is asked.
    #[must_use]
    pub fn suspended(&self) -> Option<Duration> {
        let left = Duration::from_millis(self.until.checked_sub(now())?);
        // A clock that was set back must not make a minute of a year.
        (!left.is_zero() && left <= SUSPENSION).then_some(left)
    }
}

/// What kind of plug-in it is, and so where its failures are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A notification library or command.
    Notifyee,
    /// A network provider.
    Provider,
}

impl Kind {
    fn directory(self) -> &'static str {
        match self {
            Kind::Notifyee => "notifyees",
            Kind::Provider => "providers",
        }
    }
}

/// Where the failures of one plug-in are written down.
#[derive(Debug, Clone)]
pub struct Failures {
    file: PathBuf,
    registration: PathBuf,
}

impl Failures {
    /// Of the plug-in registered as `name` by the file `registration`, with this run-time directory. Nothing is
    /// created.
    #[must_use]
    pub fn of(runtime: &Path, kind: Kind, name: &str, registration: &Path) -> Failures {
        // The name is that of a file; this keeps it one whatever it is.
        let name = name.replace(['/', '\0'], "_");
        Failures {
            file: runtime.join(kind.directory()).join(format!("{name}.json")),
            registration: registration.to_owned(),
        }
    }

    /// What is written down; `None` for one that is well.
    #[must_use]
    pub fn read(&self) -> Option<Failing> {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&self.file).ok()?;
        let meta = file.metadata().ok()?;
        if !meta.is_file() || meta.uid() != dirs::effective_uid() || meta.mode() & 0o022 != 0 {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE).read_to_end(&mut bytes).ok()?;
        let failing: Failing = serde_json::from_slice(&bytes).ok()?;
        (failing.schema == SCHEMA && failing.registration == self.registration).then_some(failing)
    }

    /// Writes one more failure down and returns what there is to know now.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn add(&self, function: &str, why: &str) -> io::Result<Failing> {
        let failures = self.read().map_or(0, |failing| failing.failures).saturating_add(1);
        let suspension = u64::try_from(SUSPENSION.as_millis()).unwrap_or(u64::MAX);
        let until = if failures < TOLERATED { 0 } else { now().saturating_add(suspension) };
        let failing = Failing {
            schema: SCHEMA,
            registration: self.registration.clone(),
            failures,
            last: why.chars().take(1000).collect(),
            function: function.to_owned(),
            until,
        };
        self.write(&failing)?;
        Ok(failing)
    }

    /// This function has answered: if it is the one that failed last, all is well. Says whether it is.
    pub fn clear(&self, function: &str) -> bool {
        // Only ours: a registration of the same name in another process keeps its own.
        match self.read() {
            Some(failing) if failing.function != function => false,
            Some(_) => fs::remove_file(&self.file).is_ok(),
            None => true,
        }
    }

    /// A reader sees the old file or the new one and nothing in between.
    fn write(&self, failing: &Failing) -> io::Result<()> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let directory = self.file.parent().ok_or(io::ErrorKind::InvalidInput)?;
        dirs::ensure_private(directory)?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let scratch = directory.join(format!(".{}.{number}.tmp", std::process::id()));
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&scratch)
            .and_then(|mut file| file.write_all(&serde_json::to_vec(failing)?))
            .and_then(|()| fs::rename(&scratch, &self.file));
        written.inspect_err(|_| {
            let _ = fs::remove_file(&scratch);
        })
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn place() -> (tempfile::TempDir, Failures) {
        let base = tempfile::tempdir().unwrap();
        let failures =
            Failures::of(base.path(), Kind::Notifyee, "audit", Path::new("/etc/mpr/notifyees.d/audit.toml"));
        (base, failures)
    }

    #[test]
    fn three_failures_in_a_row_suspend_and_an_answer_forgets_them() {
        let (base, failures) = place();
        assert_eq!(failures.read(), None);
        assert_eq!(failures.add("", "one").unwrap().suspended(), None);
        assert_eq!(failures.add("", "two").unwrap().suspended(), None);
        let failing = failures.add("", "three").unwrap();
        assert!(failing.suspended().is_some_and(|left| left <= SUSPENSION));
        assert_eq!(failures.read(), Some(failing));
        assert!(failures.clear(""));
        assert_eq!(failures.read(), None);
        assert_eq!(fs::read_dir(base.path().join("notifyees")).unwrap().count(), 0, "nothing is left behind");
    }

    #[test]
    fn only_the_function_that_failed_makes_well_again() {
        let (_base, failures) = place();
        failures.add("NPAddConnection", "one").unwrap();
        assert!(!failures.clear("NPGetConnection"));
        assert_eq!(failures.add("NPAddConnection", "two").unwrap().failures, 2);
        assert!(failures.clear("NPAddConnection"));
        assert_eq!(failures.read(), None);
    }

    #[test]
    fn one_that_fails_again_after_its_minute_is_suspended_again() {
        let (_base, failures) = place();
        for why in ["one", "two", "three"] {
            failures.add("", why).unwrap();
        }
        let over = Failing { until: now() - 1, ..failures.read().unwrap() };
        assert_eq!(over.suspended(), None);
        failures.write(&over).unwrap();
        assert!(failures.add("", "four").unwrap().suspended().is_some());
    }

    #[test]
    fn a_clock_that_was_set_back_suspends_nobody_for_long() {
        let (_base, failures) = place();
        let failing = failures.add("", "one").unwrap();
        let far = Failing { until: now() + 1_000_000, ..failing };
        assert_eq!(far.suspended(), None);
    }

    #[test]
    fn a_file_of_others_or_of_another_registration_says_nothing() {
        let (base, failures) = place();
        failures.add("", "one").unwrap();
        let another = Failures::of(base.path(), Kind::Notifyee, "audit", Path::new("/elsewhere/audit.toml"));
        assert_eq!(another.read(), None);
        fs::set_permissions(&failures.file, fs::Permissions::from_mode(0o622)).unwrap();
        assert_eq!(failures.read(), None);
        fs::write(&failures.file, "{").unwrap();
        fs::set_permissions(&failures.file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(failures.read(), None);
    }
}
