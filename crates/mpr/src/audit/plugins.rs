//! Which plug-ins were loaded the last time, so that others are noticed.

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
    /// Its SHA-256, where that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl Plugin {
    /// The plug-in registered as `name` in the file at `path`.
    #[must_use]
    pub fn at(name: &str, path: &Path) -> Self {
        let meta = fs::metadata(path).ok();
        Plugin {
            name: name.to_owned(),
            path: path.to_owned(),
            size: meta.as_ref().map(MetadataExt::size),
            modified: meta
                .map(|meta| meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec())),
            sha256: None,
        }
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
    let _locked = trail.lock()?;
    let mut seen = read(&file);
    let before = seen.get(kind).map(Vec::as_slice).unwrap_or_default();
    let named = |plugins: &[Plugin], name: &str| plugins.iter().find(|known| known.name == name).cloned();
    let mut changes =
        Changes { kind: kind.to_owned(), added: Vec::new(), removed: Vec::new(), changed: Vec::new() };
    for plugin in &now {
        match named(before, &plugin.name) {
            None => changes.added.push(plugin.clone()),
            Some(known) if known != *plugin => changes.changed.push(plugin.clone()),
            Some(_) => {}
        }
    }
    changes.removed = before.iter().filter(|known| named(&now, &known.name).is_none()).cloned().collect();
    if changes.added.is_empty() && changes.removed.is_empty() && changes.changed.is_empty() {
        return Ok(None);
    }
    seen.insert(kind.to_owned(), now);
    write(&file, &seen).map_err(|error| TrailError::new(&file, "cannot be written", &error))?;
    Ok(Some(changes))
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
