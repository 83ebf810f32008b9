//! Which plug-ins were loaded the last time, so that others are noticed.

use super::Digest;
use super::trail::{Trail, TrailError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Name of the file, in the directory of the trail.
const FILE: &str = "plugins.json";
/// Biggest that is read.
const MOST: u64 = 4 << 20;
/// Biggest plug-in whose digest is taken.
const BIGGEST: u64 = 256 << 20;

/// A plug-in as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugin {
    /// Name of its registration.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Its size; `None` if it could not be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// When it was changed last, in nanoseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<i64>,
    /// When it or what is said of it was changed last, which nobody can set: in nanoseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touched: Option<i64>,
    /// Its number in its file system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
    /// Its SHA-256, if it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// Why it is not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl Plugin {
    /// The plug-in registered as `name` in the file at `path`, but for its digest.
    #[must_use]
    pub fn at(name: &str, path: &Path) -> Self {
        let meta = fs::metadata(path).ok();
        let meta = meta.as_ref();
        let nanoseconds =
            |seconds: i64, more: i64| seconds.saturating_mul(1_000_000_000).saturating_add(more);
        Plugin {
            name: name.to_owned(),
            path: path.to_owned(),
            size: meta.map(MetadataExt::size),
            modified: meta.map(|meta| nanoseconds(meta.mtime(), meta.mtime_nsec())),
            touched: meta.map(|meta| nanoseconds(meta.ctime(), meta.ctime_nsec())),
            inode: meta.map(MetadataExt::ino),
            sha256: None,
            refused: None,
        }
    }

    /// Whether the file is the one it was, by all that can be seen without reading it.
    fn looks_like(&self, other: &Plugin) -> bool {
        let seen = |plugin: &Plugin| (plugin.size, plugin.modified, plugin.touched, plugin.inode);
        self.path == other.path && seen(self) == seen(other)
    }

    /// Whether nothing is different that matters. A file may be touched, and be moved to another disk.
    fn is_what(&self, other: &Plugin) -> bool {
        let contents = match (self.sha256, other.sha256) {
            (Some(one), Some(two)) => one == two,
            _ => self.sha256 == other.sha256 && self.looks_like(other),
        };
        contents && self.path == other.path && self.refused == other.refused
    }

    fn digest(&self) -> Option<Digest> {
        let mut options = OpenOptions::new();
        let file = options.read(true).custom_flags(libc::O_NONBLOCK).open(&self.path).ok()?;
        let meta = file.metadata().ok()?;
        if !meta.is_file() || meta.len() > BIGGEST {
            return None;
        }
        Digest::of_everything(file.take(BIGGEST)).ok()
    }
}

/// How the plug-ins of one kind differ from those of the last time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// `providers` or `notifyees`.
    pub kind: String,
    /// New ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<Plugin>,
    /// Those that are not there any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Plugin>,
    /// Those whose file is another, as they are now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<Plugin>,
}

type Seen = BTreeMap<String, Vec<Plugin>>;

/// How `now` differs from what was seen last, which it is from now on. `None` if it does not.
pub(super) fn changed(trail: &Trail, kind: &str, now: Vec<Plugin>) -> Result<Option<Changes>, TrailError> {
    let file = trail.directory().join(FILE);
    if now.is_empty() && !file.exists() {
        return Ok(None);
    }
    // What looks as it did is not read again.
    let now = with_digests(now, read(&file).get(kind).map(Vec::as_slice).unwrap_or_default());
    let _locked = trail.lock()?;
    let mut seen = read(&file);
    let before = seen.get(kind).map(Vec::as_slice).unwrap_or_default();
    let named = |plugins: &[Plugin], name: &str| plugins.iter().find(|known| known.name == name).cloned();
    let mut changes =
        Changes { kind: kind.to_owned(), added: Vec::new(), removed: Vec::new(), changed: Vec::new() };
    for plugin in &now {
        match named(before, &plugin.name) {
            None => changes.added.push(plugin.clone()),
            Some(known) if !known.is_what(plugin) => changes.changed.push(plugin.clone()),
            Some(_) => {}
        }
    }
    changes.removed = before.iter().filter(|known| named(&now, &known.name).is_none()).cloned().collect();
    let is_same = changes.added.is_empty() && changes.removed.is_empty() && changes.changed.is_empty();
    if is_same && *before == *now {
        return Ok(None);
    }
    seen.insert(kind.to_owned(), now);
    write(&file, &seen).map_err(|error| TrailError::new(&file, "cannot be written", &error))?;
    Ok((!is_same).then_some(changes))
}

/// These with their digests, as they were known to be where a file looks as it did.
fn with_digests(mut now: Vec<Plugin>, before: &[Plugin]) -> Vec<Plugin> {
    for plugin in &mut now {
        let known = before.iter().find(|known| known.name == plugin.name && known.looks_like(plugin));
        plugin.sha256 = known.and_then(|known| known.sha256).or_else(|| plugin.digest());
    }
    now
}

/// What was seen last. A file that is none says that nothing was.
fn read(file: &Path) -> Seen {
    let mut bytes = Vec::new();
    let opened = super::trail::open(file, OpenOptions::new().read(true));
    match opened.map(|file| file.take(MOST).read_to_end(&mut bytes)) {
        Ok(Ok(_)) => serde_json::from_slice(&bytes).unwrap_or_default(),
        _ => Seen::new(),
    }
}

fn write(file: &Path, seen: &impl Serialize) -> std::io::Result<()> {
    replace(file, &serde_json::to_vec(seen)?)
}

/// Puts `bytes` in place of a file beside the trail, under its lock.
pub(super) fn replace(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = file.with_extension("new");
    let _ = fs::remove_file(&new);
    let mut written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    written.write_all(bytes)?;
    fs::rename(new, file)
}
