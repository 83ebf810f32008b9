//! Directories.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirEntryExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::common::{Mounted, names};

#[test]
fn a_directory_of_a_hundred_thousand_entries_is_read_in_time_that_grows_with_them() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("hundred-thousand");
    let fill = |name: &str, count: usize| {
        fs::create_dir(there.join(name)).unwrap();
        for at in 0..count {
            fs::write(there.join(name).join(format!("{at:06}")), "").unwrap();
        }
    };
    let read = |name: &str| {
        let begun = Instant::now();
        let (mut count, mut sum) = (0u64, 0u64);
        for entry in fs::read_dir(here.join(name)).unwrap() {
            let entry = entry.unwrap();
            count += 1;
            sum += entry.file_name().to_str().unwrap().parse::<u64>().unwrap();
            assert!(entry.ino() > 0);
        }
        (count, sum, begun.elapsed())
    };
    fill("few", 10_000);
    fill("many", 100_000);
    let (few, _, few_took) = read("few");
    let (many, sum, many_took) = read("many");
    assert_eq!((few, many, sum), (10_000, 100_000, 99_999 * 100_000 / 2));
    // Ten times as many may take ten times as long, and some more on a machine that is busy; not a hundred times.
    let bound = few_took * 40 + Duration::from_secs(2);
    assert!(many_took < bound, "10,000 took {few_took:?}, 100,000 took {many_took:?}");
}

#[test]
fn what_another_mount_has_read_can_be_removed_with_its_directory() {
    let a = Mounted::share("rw");
    let b = Mounted::of(Arc::clone(&a.samba), "rw");
    let (here, _) = a.place("read-elsewhere");
    let there = b.root.join("read-elsewhere");
    fs::write(here.join("f"), "text").unwrap();
    assert_eq!(fs::read_to_string(there.join("f")).unwrap(), "text");
    fs::remove_dir_all(&here).unwrap();
    // What a program has open there is in the way as before, and can be read.
    fs::create_dir(&here).unwrap();
    fs::write(here.join("g"), "text").unwrap();
    let open = File::open(there.join("g")).unwrap();
    fs::remove_file(here.join("g")).unwrap();
    assert_eq!(io::read_to_string(open).unwrap(), "text");
}

#[test]
fn a_rename_can_be_told_not_to_replace() {
    let mounted = Mounted::share("rw");
    let (here, _) = mounted.place("noreplace");
    fs::write(here.join("a"), "a").unwrap();
    fs::write(here.join("b"), "b").unwrap();
    let rename = |to: &str, flags| renameat_with(CWD, here.join("a"), CWD, here.join(to), flags);
    assert_eq!(rename("b", RenameFlags::NOREPLACE), Err(rustix::io::Errno::EXIST));
    assert_eq!(rename("b", RenameFlags::EXCHANGE), Err(rustix::io::Errno::INVAL));
    rename("c", RenameFlags::NOREPLACE).unwrap();
    assert_eq!(names(&here), ["b", "c"]);
}
