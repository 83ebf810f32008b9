//! What is timed, done by a process of its own, so that one that hangs can be ended: `mpr-trials work …`.
//! Prints one number: seconds.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Reads and writes are of this size; the kernel splits them as it likes.
const BLOCK: usize = 1 << 20;
/// What one stat loop may take; slow peers are judged by as many as they manage.
const ENOUGH: Duration = Duration::from_secs(8);

/// Does one piece of work.
///
/// # Errors
///
/// What the system says, or wrong usage.
pub fn work(words: &[&str]) -> io::Result<()> {
    let figure = match words {
        ["find", root, least] => find(root.as_ref(), number(least)?)?,
        ["stat", root, names, passes] => stat(root.as_ref(), &fs::read_to_string(names)?, number(passes)?)?,
        ["read", file] => read(file.as_ref())?,
        ["write", file, mib] => write(file.as_ref(), number(mib)?)?,
        ["create", directory, count] => create(directory.as_ref(), number(count)?)?,
        _ => return Err(io::Error::other("work find|stat|read|write|create …")),
    };
    println!("{figure}");
    Ok(())
}

fn number(word: &str) -> io::Result<usize> {
    word.parse().map_err(|_| io::Error::other(format!("{word} is no number")))
}

/// Seconds to walk a tree, which has at least so many entries.
fn find(root: &Path, least: usize) -> io::Result<f64> {
    let begun = Instant::now();
    let mut open = vec![root.to_owned()];
    let mut seen = 0;
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            seen += 1;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
        }
    }
    let took = begun.elapsed().as_secs_f64();
    if seen < least { Err(io::Error::other(format!("{seen} of {least} entries"))) } else { Ok(took) }
}

/// Stats a second, of files whose names are known, so many times over. From where the share is mounted: how long a way
/// it is to there is not what is compared.
fn stat(root: &Path, names: &str, passes: usize) -> io::Result<f64> {
    std::env::set_current_dir(root)?;
    let paths: Vec<&Path> = names.lines().map(Path::new).collect();
    let begun = Instant::now();
    let mut done = 0;
    for path in paths.iter().cycle().take(paths.len() * passes) {
        path.symlink_metadata()?;
        done += 1;
        if begun.elapsed() > ENOUGH {
            break;
        }
    }
    Ok(f64::from(done) / begun.elapsed().as_secs_f64())
}

/// Megabytes (10⁶) a second.
fn speed(bytes: usize, begun: Instant) -> f64 {
    bytes as f64 / 1e6 / begun.elapsed().as_secs_f64()
}

fn read(path: &Path) -> io::Result<f64> {
    // Written to, so that no page of it is new when time counts.
    let mut block = vec![1; BLOCK];
    let begun = Instant::now();
    let mut file = File::open(path)?;
    let mut bytes = 0;
    loop {
        match file.read(&mut block)? {
            0 => return Ok(speed(bytes, begun)),
            read => bytes += read,
        }
    }
}

/// The file, on stable storage, and closed.
fn write(path: &Path, mib: usize) -> io::Result<f64> {
    let block: Vec<u8> = (0..BLOCK).map(|at| (at * 31 + at / 251) as u8).collect();
    let begun = Instant::now();
    let mut file = File::create(path)?;
    for _ in 0..mib {
        file.write_all(&block)?;
    }
    file.sync_all()?;
    drop(file);
    Ok(speed(mib * BLOCK, begun))
}

/// Files a second: made, written, closed.
fn create(directory: &Path, count: usize) -> io::Result<f64> {
    fs::create_dir(directory)?;
    let contents = [7; 1024];
    let begun = Instant::now();
    for file in 0..count {
        fs::write(directory.join(format!("file-{file}")), contents)?;
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}
