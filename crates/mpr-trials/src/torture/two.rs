//! Two mounts of one share, each with a helper of its own, as two machines would have them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, fcntl_lock, flock};

use crate::program::eventually;
use crate::stage::Stage;
use crate::verdict::{Judge, Trouble};

/// Within what time one mount sees what the other did, on a busy machine.
const SEEN: Duration = Duration::from_secs(20);

pub(super) fn judge(stage: &Stage, judge: &mut Judge) {
    let form = judge.form;
    let mounts = stage.mount().and_then(|one| Ok((one, stage.mount()?)));
    let places = |name: &str| {
        let (one, other) = mounts.as_ref().map_err(Clone::clone)?;
        Ok::<_, Trouble>((one.place(name)?, other.root().join(name)))
    };
    judge.case("what one writes the other reads", || {
        let (here, there) = places("two-read")?;
        follow(&here, &there)?;
        follow(&there, &here)
    });
    judge.case("locks of fcntl exclude", || {
        let (here, there) = places("two-fcntl")?;
        locks_exclude(&here, &there)
    });
    judge.case("locks of flock exclude", || {
        let (here, there) = places("two-flock")?;
        flocks_exclude(&here, &there)
    });
    judge.case("a counter under locks loses no count", || {
        let (here, there) = places("two-counter")?;
        locks_exclude(&here, &there)?;
        count(&here, &there, form.of(50, 2000))
    });
}

/// What happens in one place is seen in the other.
fn follow(here: &Path, there: &Path) -> Result<(), Trouble> {
    let (mine, theirs) = (here.join("f"), there.join("f"));
    let reads = |what: &'static str| fs::read_to_string(&theirs).is_ok_and(|text| text == what);
    let wrong = super::failed;
    fs::write(&mine, "one").map_err(wrong("making a file"))?;
    eventually("a new file", SEEN, || reads("one"))?;
    fs::write(&mine, "two").map_err(wrong("writing it again"))?;
    eventually("the same length, other contents", SEEN, || reads("two"))?;
    fs::write(here.join("g"), "three, and longer").map_err(wrong("making another"))?;
    fs::rename(here.join("g"), &mine).map_err(wrong("renaming over it"))?;
    eventually("a file renamed over another", SEEN, || reads("three, and longer"))?;
    // Held open there while it changes here.
    let open = File::open(&theirs).map_err(wrong("opening it on the other mount"))?;
    fs::write(&mine, "THREE, AND LONGER").map_err(wrong("writing it while it is open"))?;
    let mut text = [0; 17];
    eventually("a change in an open file", SEEN, || {
        open.read_exact_at(&mut text, 0).is_ok() && &text == b"THREE, AND LONGER"
    })?;
    drop(open);
    fs::remove_file(&mine).map_err(wrong("removing it"))?;
    eventually("a file that was removed", SEEN, || !theirs.exists())?;
    Ok(())
}

fn open(path: &Path) -> Result<File, Trouble> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    file.map_err(super::failed("opening a file to lock"))
}

/// Whether a lock that `fcntl` sets in one place keeps the other out until it is given back.
pub(super) fn locks_exclude(here: &Path, there: &Path) -> Result<(), Trouble> {
    let (one, other) = (open(&here.join("lock"))?, open(&there.join("lock"))?);
    let set = |file: &File, how| fcntl_lock(file, how).map_err(io::Error::from);
    set(&one, FlockOperation::LockExclusive).map_err(super::failed("the first lock"))?;
    let second = set(&other, FlockOperation::NonBlockingLockExclusive);
    set(&one, FlockOperation::Unlock).map_err(super::failed("unlocking"))?;
    refused(second)?;
    set(&other, FlockOperation::NonBlockingLockExclusive).map_err(super::failed("the lock that is free"))?;
    set(&other, FlockOperation::Unlock).map_err(super::failed("unlocking"))
}

fn flocks_exclude(here: &Path, there: &Path) -> Result<(), Trouble> {
    let (one, other) = (open(&here.join("lock"))?, open(&there.join("lock"))?);
    let set = |file: &File, how| flock(file, how).map_err(io::Error::from);
    set(&one, FlockOperation::LockShared).map_err(super::failed("the first lock"))?;
    let second = set(&other, FlockOperation::NonBlockingLockExclusive);
    set(&one, FlockOperation::Unlock).map_err(super::failed("unlocking"))?;
    refused(second)?;
    set(&other, FlockOperation::NonBlockingLockExclusive).map_err(super::failed("the lock that is free"))
}

fn refused(second: io::Result<()>) -> Result<(), Trouble> {
    match second {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(Trouble::Failed(format!("the second lock fails otherwise: {error}"))),
        Ok(()) => Err("both mounts hold the lock at once".into()),
    }
}

/// Each adds to a number in a file, again and again, under a lock.
fn count(here: &Path, there: &Path, times: u64) -> Result<(), Trouble> {
    let add = |file: &File| {
        let mut number = [0; 8];
        let read = file.read_at(&mut number, 0)?;
        let number = if read == 0 { 0 } else { u64::from_le_bytes(number) };
        file.write_all_at(&(number + 1).to_le_bytes(), 0)?;
        file.sync_all()
    };
    let counter = |path: &Path| -> Result<(), Trouble> {
        let file = open(&path.join("counter"))?;
        let give_up = Instant::now() + Duration::from_secs(600);
        for _ in 0..times {
            while fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
                if Instant::now() > give_up {
                    return Err("a lock never becomes free".into());
                }
                thread::yield_now();
            }
            let added = add(&file);
            fcntl_lock(&file, FlockOperation::Unlock)
                .map_err(|error| super::failed("unlocking")(error.into()))?;
            added.map_err(super::failed("the counter"))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| counter(there));
        counter(here)?;
        other.join().map_err(|_| "the other counter panicked")?
    })?;
    let mut number = [0; 8];
    let file = open(&here.join("counter"))?;
    file.read_exact_at(&mut number, 0).map_err(super::failed("the counter"))?;
    match u64::from_le_bytes(number) {
        number if number == 2 * times => Ok(()),
        number => Err(Trouble::Failed(format!("{number} counted of {}", 2 * times))),
    }
}
