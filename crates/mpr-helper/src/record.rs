//! One small file per connection, written by the helper that serves it.
//!
//! A record says what the mount table cannot: the remote name as it was given, the user, the provider, whom
//! to ask. It is never the truth about *whether* something is connected; [`crate::connections`] joins it with
//! the mount table for that. It never holds a secret.
//!
//! The name of the file follows from the local name, so that "is Z: connected?" costs one failed open.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::dirs;

/// Version of the record's fields.
pub const SCHEMA: u32 = 1;
/// The longest record that is read.
pub const MAX_RECORD: usize = 64 << 10;
/// The most records a directory is searched for.
pub const MAX_RECORDS: usize = 4096;

/// A process, told apart from a later one of the same number by when it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since boot (`/proc/<pid>/stat`, field 22).
    pub started: u64,
}

/// What is known of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`]. Unknown fields of the same schema are ignored, so that fields can be added.
    pub schema: u32,
    /// Drive letter with colon, or an absolute path; `None` for a deviceless connection.
    pub local: Option<String>,
    /// Where it is mounted, free of links.
    pub mount_point: String,
    /// Whether the mount point is removed when the connection ends.
    pub own_mount_point: bool,
    /// The canonical remote name, as `\\server\share`.
    pub remote: String,
    /// What the mount table shows as its source.
    pub source: String,
    /// Name of the provider that made it.
    pub provider: String,
    /// The user as it was given, if one was given.
    pub user: Option<String>,
    /// The process that serves it.
    pub helper: Process,
    /// Name of the control socket, beside the record.
    pub control: String,
    /// When it was made, in seconds since 1970.
    pub since: u64,
    /// Whether every change is refused.
    pub read_only: bool,
    /// The options it was made with ([`crate::options`]); empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub options: String,
}

/// Why bytes are not a record.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecordError {
    /// Longer than a record ever is.
    TooLong,
    /// Not JSON, or not these fields.
    Syntax(serde_json::Error),
    /// Written by a release with other fields.
    Schema(u32),
    /// A field holds what no helper writes there.
    Field(&'static str),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::TooLong => write!(f, "longer than {MAX_RECORD} bytes"),
            RecordError::Syntax(error) => write!(f, "{error}"),
            RecordError::Schema(found) => write!(f, "schema {found}, this release knows {SCHEMA}"),
            RecordError::Field(name) => write!(f, "unusable value of '{name}'"),
        }
    }
}

impl std::error::Error for RecordError {}

impl Record {
    /// Reads a record.
    pub fn parse(bytes: &[u8]) -> Result<Record, RecordError> {
        if bytes.len() > MAX_RECORD {
            return Err(RecordError::TooLong);
        }
        let record: Record = serde_json::from_slice(bytes).map_err(RecordError::Syntax)?;
        if record.schema != SCHEMA {
            return Err(RecordError::Schema(record.schema));
        }
        if !record.mount_point.starts_with('/') {
            return Err(RecordError::Field("mount_point"));
        }
        if Slot::from_stem(record.control.strip_suffix(".sock").unwrap_or("")).is_none() {
            return Err(RecordError::Field("control"));
        }
        Ok(record)
    }

    /// The bytes of a record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes =
            serde_json::to_vec_pretty(self).expect("a record is plain fields, which always encode");
        bytes.push(b'\n');
        bytes
    }
}

/// The name under which a connection's record, socket and lock are found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slot(String);

impl Slot {
    /// Longest stem: leaves room for an extension within the 255 bytes of a file name.
    const MAX: usize = 200;

    /// The slot of a local name: a drive letter with colon, or an absolute path.
    #[must_use]
    pub fn of_local(local: &str) -> Option<Slot> {
        match local.as_bytes() {
            [letter, b':'] if letter.is_ascii_alphabetic() => {
                Some(Slot(format!("drive-{}", letter.to_ascii_lowercase() as char)))
            }
            [b'/', ..] => Some(Slot(format!("path-{:032x}", fnv1a_128(local.as_bytes())))),
            _ => None,
        }
    }

    /// The slot of a deviceless connection. `server` carries its port, if it has one of its own.
    #[must_use]
    pub fn of_remote(server: &str, share: &str) -> Slot {
        let name = format!("{}\\{}", server.to_lowercase(), share.to_lowercase());
        let mut stem = String::from("unc-");
        for byte in name.bytes() {
            match byte {
                b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'@' => stem.push(byte as char),
                _ => stem.push_str(&format!("%{byte:02x}")),
            }
        }
        if stem.len() > Slot::MAX {
            // Long names are cut and told apart by their hash.
            stem.truncate(Slot::MAX - 34);
            stem.push_str(&format!("--{:032x}", fnv1a_128(name.as_bytes())));
        }
        Slot(stem)
    }

    /// The slot of this stem, if it is one: what arrives from outside must not lead out of the directory.
    #[must_use]
    pub fn from_stem(stem: &str) -> Option<Slot> {
        let known = ["drive-", "path-", "unc-"].iter().any(|prefix| stem.starts_with(prefix));
        let plain = stem
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'@' | b'%'));
        (known && plain && stem.len() <= Slot::MAX).then(|| Slot(stem.to_owned()))
    }

    /// The name, without extension.
    #[must_use]
    pub fn stem(&self) -> &str {
        &self.0
    }

    /// Name of the control socket.
    #[must_use]
    pub fn socket_name(&self) -> String {
        format!("{}.sock", self.0)
    }
}

/// The directory of records below a run-time directory.
#[derive(Debug, Clone)]
pub struct Records {
    directory: PathBuf,
}

impl Records {
    /// The records of this run-time directory, which need not exist.
    #[must_use]
    pub fn of(runtime: &Path) -> Records {
        Records { directory: runtime.join("connections") }
    }

    /// Where they are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes the directory, if need be.
    pub fn ensure(&self) -> io::Result<()> {
        dirs::ensure_private(&self.directory)
    }

    /// The record of this slot; `None` if there is none.
    ///
    /// A file that is not a record, or not this user's, is an error that names it.
    pub fn read(&self, slot: &Slot) -> io::Result<Option<Record>> {
        self.read_file(&self.directory.join(format!("{}.json", slot.stem())))
    }

    fn read_file(&self, path: &Path) -> io::Result<Option<Record>> {
        let about =
            |error: &dyn fmt::Display, kind| io::Error::new(kind, format!("{}: {error}", path.display()));
        let mut file = match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(about(&error, error.kind())),
        };
        let meta = file.metadata().map_err(|error| about(&error, error.kind()))?;
        if meta.uid() != dirs::effective_uid() || meta.mode() & 0o022 != 0 || !meta.is_file() {
            return Err(about(
                &"not a file that only this user can write to; remove it",
                io::ErrorKind::PermissionDenied,
            ));
        }
        // As long as it is, so that it is read in one go.
        let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0).min(MAX_RECORD) + 1);
        (&mut file)
            .take(MAX_RECORD as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| about(&error, error.kind()))?;
        Record::parse(&bytes).map(Some).map_err(|error| about(&error, io::ErrorKind::InvalidData))
    }

    /// Writes a record so that a reader sees the old one or the new one and nothing in between.
    pub fn write(&self, slot: &Slot, record: &Record) -> io::Result<()> {
        let path = self.directory.join(format!("{}.json", slot.stem()));
        let scratch = self.directory.join(format!("{}.{}.tmp", slot.stem(), std::process::id()));
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&scratch)
            .and_then(|mut file: File| file.write_all(&record.encode()))
            .and_then(|()| fs::rename(&scratch, &path));
        written.map_err(|error| {
            let _ = fs::remove_file(&scratch);
            io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
        })
    }

    /// Since when the connection of this record has been lost, as far as anybody noticed, in seconds since 1970.
    /// Whoever asks first writes it down.
    #[must_use]
    pub fn lost_since(&self, slot: &Slot, record: &Record) -> u64 {
        let file = self.note(slot);
        let noted = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice::<Note>(&bytes).ok());
        if let Some(note) = noted.filter(|note| note.helper == record.helper) {
            return note.since;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let note = Note { helper: record.helper, since };
        // For want of a note the next one to ask notes a later time.
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&file)
            .and_then(|mut file| file.write_all(&serde_json::to_vec(&note)?));
        _ = written;
        since
    }

    /// The connection of this slot is well.
    pub fn found_again(&self, slot: &Slot) {
        _ = fs::remove_file(self.note(slot));
    }

    fn note(&self, slot: &Slot) -> PathBuf {
        self.directory.join(format!("{}.lost", slot.stem()))
    }

    /// Removes the record and the socket of this slot, if they are there.
    pub fn remove(&self, slot: &Slot) {
        self.found_again(slot);
        // Nothing depends on these files once the mount is gone: a record without a mount is not a connection.
        let _ = fs::remove_file(self.directory.join(format!("{}.json", slot.stem())));
        let _ = fs::remove_file(self.directory.join(slot.socket_name()));
    }

    /// Leaves the record of a connection that has ended without having been cancelled, for whoever keeps account:
    /// [`gone`](Self::gone) finds it.
    pub fn leave(&self, slot: &Slot) {
        let [record, gone] =
            ["json", "gone"].map(|kind| self.directory.join(format!("{}.{kind}", slot.stem())));
        // Without it, nobody but the record would have missed anything.
        let _ = fs::rename(record, gone);
    }

    /// Every connection that has ended without having been cancelled, with the file that says so, to be removed by
    /// who has taken account of it.
    pub fn gone(&self) -> Vec<(PathBuf, Record)> {
        let Ok(entries) = fs::read_dir(&self.directory) else { return Vec::new() };
        entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|kind| kind == "gone"))
            .take(MAX_RECORDS)
            .filter_map(|path| Some((self.read_file(&path).ok()??, path)))
            .map(|(record, path)| (path, record))
            .collect()
    }

    /// Every record that can be read, with its slot, in the order of the names. Files that are not records are
    /// skipped.
    pub fn list(&self) -> io::Result<Vec<(Slot, Record)>> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(io::Error::new(error.kind(), format!("{}: {error}", self.directory.display())));
            }
        };
        let mut records: Vec<_> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| Slot::from_stem(entry.file_name().to_str()?.strip_suffix(".json")?))
            .take(MAX_RECORDS)
            .filter_map(|slot| Some((self.read(&slot).ok()??, slot)))
            .map(|(record, slot)| (slot, record))
            .collect();
        records.sort_by(|(one, _), (other, _)| one.0.cmp(&other.0));
        Ok(records)
    }
}

/// When somebody noticed that a connection is lost.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// The helper it was lost with: a new one is another connection.
    helper: Process,
    since: u64,
}

impl Process {
    /// This process.
    pub fn this() -> io::Result<Process> {
        let pid = std::process::id();
        match started(pid)? {
            Some(started) => Ok(Process { pid, started }),
            None => Err(io::Error::other("/proc/self/stat is not readable; is /proc mounted?")),
        }
    }

    /// Whether the process of this number is still the one that was meant.
    #[must_use]
    pub fn is_alive(self) -> bool {
        matches!(started(self.pid), Ok(Some(started)) if started == self.started)
    }
}

impl Process {
    /// Whether it is there and runs. One that was stopped answers nobody.
    #[must_use]
    pub fn is_running(self) -> bool {
        let Ok(stat) = fs::read(format!("/proc/{}/stat", self.pid)) else { return false };
        start_time(&stat) == Some(self.started) && !matches!(state(&stat), Some(b'T' | b't'))
    }

    /// Whether all its threads wait for something to happen: asked for something it should be awake.
    #[must_use]
    pub fn is_asleep(self) -> bool {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.pid)) else { return true };
        let stats = threads.flatten().filter_map(|thread| fs::read(thread.path().join("stat")).ok());
        stats.take(MOST_THREADS).all(|stat| matches!(state(&stat), Some(b'S' | b'I' | b'T' | b't' | b'Z')))
    }
}

/// Threads that are looked at.
const MOST_THREADS: usize = 1024;

/// Field 3 of `/proc/<pid>/stat`.
fn state(stat: &[u8]) -> Option<u8> {
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    stat.get(after_name + 1).copied()
}

fn started(pid: u32) -> io::Result<Option<u64>> {
    match fs::read(format!("/proc/{pid}/stat")) {
        Ok(stat) => Ok(start_time(&stat)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // The process ended between opening and reading.
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Field 22 of `/proc/<pid>/stat`; `None` for a zombie, which serves nothing any more.
#[must_use]
pub fn start_time(stat: &[u8]) -> Option<u64> {
    // The name of the program is in parentheses and may itself hold parentheses and blanks.
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let mut fields = std::str::from_utf8(stat.get(after_name..)?).ok()?.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// FNV-1a, 128 bits: a name that stays the same from release to release. Not a defence against anybody: a
/// record repeats its local name, and only this user writes here.
fn fnv1a_128(bytes: &[u8]) -> u128 {
    const PRIME: u128 = (1 << 88) | 0x13b;
    bytes.iter().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, byte| {
        (hash ^ u128::from(*byte)).wrapping_mul(PRIME)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn example() -> Record {
        Record {
            schema: SCHEMA,
            local: Some("Z:".into()),
            mount_point: "/run/mpr/drives/z".into(),
            own_mount_point: true,
            remote: r"\\nas\photos".into(),
            source: "//nas/photos".into(),
            provider: "Microsoft Windows Network".into(),
            user: Some("joe".into()),
            helper: Process { pid: 1, started: 1 },
            control: "drive-z.sock".into(),
            since: 1_700_000_000,
            read_only: false,
            options: String::new(),
        }
    }

    #[test]
    fn names_follow_from_what_is_connected() {
        assert_eq!(Slot::of_local("Z:").unwrap().stem(), "drive-z");
        assert_eq!(Slot::of_local("z:"), Slot::of_local("Z:"));
        assert_eq!(Slot::of_remote("NAS@445", "My Photos").stem(), "unc-nas@445%5cmy%20photos");
        assert!(Slot::of_local("/mnt/a").unwrap().stem().starts_with("path-"));
        assert_ne!(Slot::of_local("/mnt/a"), Slot::of_local("/mnt/b"));
        assert_eq!(Slot::of_local("LPT1"), None);
    }

    #[test]
    fn long_names_stay_apart_and_within_a_file_name() {
        let long = "x".repeat(300);
        let one = Slot::of_remote("nas", &format!("{long}1"));
        let other = Slot::of_remote("nas", &format!("{long}2"));
        assert_ne!(one, other);
        assert!(one.stem().len() <= 200);
        assert_eq!(Slot::from_stem(one.stem()), Some(one));
    }

    #[test]
    fn a_name_from_outside_cannot_lead_out_of_the_directory() {
        for bad in ["", "..", "drive-z/../../x", "drive-\0", "/etc/passwd", "passwd", "path-A"] {
            assert_eq!(Slot::from_stem(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was_written_and_leaves_no_scratch_file() {
        let base = tempfile::tempdir().unwrap();
        let records = Records::of(base.path());
        records.ensure().unwrap();
        let slot = Slot::of_local("Z:").unwrap();
        assert_eq!(records.read(&slot).unwrap(), None);
        records.write(&slot, &example()).unwrap();
        assert_eq!(records.read(&slot).unwrap(), Some(example()));
        assert_eq!(records.list().unwrap(), [(slot.clone(), example())]);
        assert_eq!(fs::read_dir(records.directory()).unwrap().count(), 1);
        records.remove(&slot);
        assert_eq!(records.list().unwrap(), []);
    }

    #[test]
    fn a_connection_that_ended_by_itself_is_found_and_is_none_any_more() {
        let base = tempfile::tempdir().unwrap();
        let records = Records::of(base.path());
        assert_eq!(records.gone(), []);
        records.ensure().unwrap();
        let slot = Slot::of_local("Z:").unwrap();
        records.write(&slot, &example()).unwrap();
        records.leave(&slot);
        assert_eq!(records.list().unwrap(), []);
        assert_eq!(records.gone(), [(records.directory().join("drive-z.gone"), example())]);
    }

    #[test]
    fn what_is_not_a_record_is_refused_with_the_reason() {
        let mut other = example();
        other.schema = 9;
        assert!(matches!(Record::parse(&other.encode()), Err(RecordError::Schema(9))));
        other.schema = SCHEMA;
        other.control = "../x.sock".into();
        assert!(matches!(Record::parse(&other.encode()), Err(RecordError::Field("control"))));
        assert!(matches!(Record::parse(b"{}"), Err(RecordError::Syntax(_))));
        assert!(matches!(Record::parse(&vec![b' '; MAX_RECORD + 1]), Err(RecordError::TooLong)));
    }

    #[test]
    fn a_record_that_others_can_write_to_is_not_believed() {
        use std::os::unix::fs::PermissionsExt;
        let base = tempfile::tempdir().unwrap();
        let records = Records::of(base.path());
        records.ensure().unwrap();
        let slot = Slot::of_local("Z:").unwrap();
        records.write(&slot, &example()).unwrap();
        let path = records.directory().join("drive-z.json");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(records.read(&slot).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(records.list().unwrap(), []);
    }

    #[test]
    fn the_start_time_is_found_behind_the_strangest_program_name() {
        let stat = b"7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 10";
        assert_eq!(start_time(stat), Some(4711));
        assert_eq!(start_time(b"7 (a) Z 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 10"), None);
        assert_eq!(start_time(b"garbage"), None);
    }

    #[test]
    fn this_process_is_alive_and_an_earlier_one_of_its_number_is_not() {
        let this = Process::this().unwrap();
        assert!(this.is_alive());
        assert!(!Process { started: this.started.wrapping_sub(1), ..this }.is_alive());
    }
}
