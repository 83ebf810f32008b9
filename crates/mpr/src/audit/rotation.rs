//! Files of the trail that were put aside: `events-000000004711.jsonl` begins with record 4711.

use super::read;
use super::trail::Head;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// How much of a file is read for the number it begins with.
const FIRST: usize = 64;

/// The files that were put aside, the oldest first, each with the number it begins with.
pub(super) fn files(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files: Vec<(u64, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name();
            let number = name.to_str()?.strip_prefix("events-")?.strip_suffix(".jsonl")?;
            Some((number.parse().ok()?, entry.path()))
        })
        .collect();
    files.sort();
    Ok(files)
}

/// Puts the file at `path` aside, and removes the oldest if there are more than `keep`.
pub(super) fn put_aside(directory: &Path, path: &Path, keep: u32) -> io::Result<()> {
    let number = begins_with(path)?;
    let name = directory.join(format!("events-{number:012}.jsonl"));
    if name.exists() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!("{} is in the way", name.display()),
        ));
    }
    fs::rename(path, name)?;
    let files = files(directory)?;
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    for (_, old) in &files[..files.len().saturating_sub(keep)] {
        // One that stays is removed the next time.
        _ = fs::remove_file(old);
    }
    Ok(())
}

/// The number of the first record in a file.
fn begins_with(path: &Path) -> io::Result<u64> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FIRST as u64).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let number = text.split_once("\"seq\":").and_then(|(_, rest)| rest.split_once(',')?.0.parse().ok());
    number.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it does not begin with a record"))
}

/// Where the newest of them ends.
pub(super) fn last(directory: &Path) -> Option<Head> {
    let (_, path) = files(directory).ok()?.pop()?;
    let bytes = fs::read(path).ok()?;
    let (lines, _) = read::scan(&bytes);
    lines.last().map(|line| Head { last: line.number, digest: line.digest, length: 0 })
}
