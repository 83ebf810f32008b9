//! What a line of the trail says (`docs/audit.md`: a field that is added here is added there).

use super::plugins::Changes;
use crate::trace::{Kind, Operation, Request};
use mpr_helper::dirs;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Version of the records. Fields may be added within a version; readers ignore those they do not know.
pub const VERSION: u32 = 1;

/// A record, but for what links it to the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was made, in UTC: `2026-11-26T09:30:00.123456Z`.
    pub time: String,
    /// What it is about.
    #[serde(flatten)]
    pub event: Event,
    /// Who wrote it.
    pub by: Caller,
}

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// An operation is over.
    Operation(Operation),
    /// An operation is about to begin. Written where a trail is required.
    Intent {
        /// The operation.
        operation: String,
        /// What was asked for.
        kind: Kind,
        /// The request.
        request: Request,
    },
    /// A connection is gone that nobody cancelled.
    Vanished(Connection),
    /// What was written to a connection did not reach the server.
    LostWrite(LostWrite),
    /// Other plug-ins than the last time.
    Plugins(Changes),
    /// Something is missing.
    Gap(Gap),
}

/// What is missing, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum Gap {
    /// Records could not be written.
    Unwritten {
        /// How many.
        count: u64,
        /// The first operations among them.
        operations: Vec<String>,
        /// When the first of them was to be written.
        since: Option<String>,
    },
    /// Records were not on disk yet when their callers had the results: had the machine come to an end then, they
    /// would be missing.
    Late {
        /// How many.
        count: u64,
        /// The first operations among them.
        operations: Vec<String>,
        /// When the first of them was late.
        since: Option<String>,
    },
    /// A line was not written to its end: the process, or the machine, came to an end.
    Torn {
        /// How long the piece is.
        bytes: u64,
        /// The file it was put aside in; `None` if that was impossible.
        kept: Option<String>,
    },
    /// Records that had been written are not there any more.
    Missing {
        /// The number of the first.
        from: u64,
        /// The number of the last.
        to: u64,
    },
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gap::Unwritten { count: 1, .. } => f.write_str("one record could not be written"),
            Gap::Unwritten { count, .. } => write!(f, "{count} records could not be written"),
            Gap::Late { count: 1, .. } => {
                f.write_str("the caller of one operation had its result before the record was on disk")
            }
            Gap::Late { count, .. } => {
                write!(
                    f,
                    "the callers of {count} operations had their results before the records were on disk"
                )
            }
            Gap::Torn { bytes, .. } => write!(f, "a line was not written to its end ({bytes} bytes)"),
            Gap::Missing { from, to } => write!(f, "records {from} to {to} had been written and are missing"),
        }
    }
}

/// A connection that vanished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// How it is found to be: `gone`, or `lost` where the mount is still there and answers nothing.
    pub state: String,
    /// The resource.
    pub remote: String,
    /// The device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// Where it was mounted.
    pub mount_point: String,
    /// The provider that had made it.
    pub provider: String,
    /// The user it was made as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Since when it was connected, in seconds since 1970.
    pub since: u64,
}

/// What programs had written to one file, and were told that it was written, and the server does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostWrite {
    /// The resource.
    pub remote: String,
    /// The device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// The user it is connected as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The file, below the resource; `None` for what is told of several together, where there were too many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How many bytes.
    pub bytes: u64,
    /// Of how many writes.
    pub writes: u64,
    /// Where in the file the first of them begins.
    pub from: u64,
    /// Where the last of them ends.
    pub to: u64,
    /// Why, as a number of the system's.
    pub errno: i32,
    /// The same in words.
    pub error: String,
}

impl fmt::Display for LostWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.local.as_ref().unwrap_or(&self.remote);
        let LostWrite { bytes, from, to, error, .. } = self;
        match &self.path {
            Some(path) => write!(
                f,
                "{bytes} bytes between {from} and {to} of {path:?} in {name} were written and did not reach the \
                 server: {error}"
            ),
            None => write!(
                f,
                "{bytes} bytes of further files in {name} were written and did not reach the server: {error}"
            ),
        }
    }
}

/// The process that wrote a record: the one that asked for the operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Its number.
    pub pid: u32,
    /// The user who started it.
    pub uid: u32,
    /// The user whose rights it has, where that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub euid: Option<u32>,
    /// The program it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<PathBuf>,
}

impl Caller {
    fn this() -> Self {
        static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
        // SAFETY: takes no pointer and cannot fail.
        let uid = unsafe { libc::getuid() };
        let euid = dirs::effective_uid();
        Caller {
            pid: std::process::id(),
            uid,
            euid: (euid != uid).then_some(euid),
            program: PROGRAM.get_or_init(|| std::fs::read_link("/proc/self/exe").ok()).clone(),
        }
    }
}

impl Event {
    pub(super) fn intent(operation: &Operation) -> Self {
        Event::Intent {
            operation: operation.operation.clone(),
            kind: operation.kind,
            request: operation.request.clone(),
        }
    }

    /// Its name in the record.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Event::Operation(_) => "operation",
            Event::Intent { .. } => "intent",
            Event::Vanished(_) => "vanished",
            Event::LostWrite(_) => "lost-write",
            Event::Plugins(_) => "plugins",
            Event::Gap(_) => "gap",
        }
    }
}

impl Entry {
    /// A record that is made now, by this process.
    pub(super) fn now(event: Event) -> Self {
        Entry { time: utc(SystemTime::now()), event, by: Caller::this() }
    }

    /// The operation it is about.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        match &self.event {
            Event::Operation(Operation { operation, .. }) | Event::Intent { operation, .. } => {
                Some(operation)
            }
            _ => None,
        }
    }

    /// The line, but for what [`linked`] puts in front.
    pub(super) fn body(&self) -> String {
        serde_json::to_string(self).expect("records are structures with text keys")
    }
}

/// The line with what links it to the one before.
pub(super) fn linked(body: &str, number: u64, before: super::Digest) -> String {
    let fields = body.strip_prefix('{').unwrap_or(body);
    format!("{{\"v\":{VERSION},\"seq\":{number},\"prev\":\"{before}\",{fields}")
}

/// A time of day as RFC 3339 has it, in UTC and to the microsecond.
pub(super) fn utc(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        since.subsec_micros()
    )
}

/// The day so many days after 1970-01-01. Counted in years that begin in March, so that the leap day is the last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let of_era_years = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_era_years + of_era_years / 4 - of_era_years / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + of_era_years + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_time_is_written_as_rfc_3339_has_it() {
        let at =
            |seconds, micros| utc(UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(micros));
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(at(951_782_400, 7), "2000-02-29T00:00:00.000007Z");
        assert_eq!(at(1_709_251_199, 999_999), "2024-02-29T23:59:59.999999Z");
        assert_eq!(at(4_102_444_800, 0), "2100-01-01T00:00:00.000000Z");
    }
}
