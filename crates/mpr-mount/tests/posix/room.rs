//! The room files take: holes, room set aside, copies made by the server.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::process::Command;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, Mode, OFlags, SeekFrom as Find, fallocate, seek};

use crate::common::{Mounted, eventually, pattern};

const MIB: u64 = 1 << 20;

#[test]
fn a_file_with_a_hole_reads_as_zeros_and_the_hole_is_found() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("sparse");
    let mut file = File::options().read(true).write(true).create_new(true).open(here.join("f")).unwrap();
    file.write_all(&pattern(MIB as usize)).unwrap();
    file.write_all_at(b"end", 8 * MIB).unwrap();
    fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, MIB / 2, 4 * MIB).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 8 * MIB + 3);
    let mut inside = [1; 100];
    file.read_exact_at(&mut inside, MIB / 2 + 5).unwrap();
    assert_eq!(inside, [0; 100]);
    assert_eq!(seek(&file, Find::Hole(0)).unwrap(), MIB / 2);
    let data = seek(&file, Find::Data(MIB / 2)).unwrap();
    assert!(data > MIB / 2 && data <= 8 * MIB, "{data}");
    assert_eq!(seek(&file, Find::Data(9 * MIB)), Err(rustix::io::Errno::NXIO));
    let on_disk = fs::read(there.join("f")).unwrap();
    let mut expected = pattern(MIB as usize);
    expected[MIB as usize / 2..].fill(0);
    assert!(on_disk[..MIB as usize] == expected && on_disk.ends_with(b"end"));
}

#[test]
fn room_is_set_aside() {
    let mounted = Mounted::share("rw");
    let (here, _) = mounted.place("aside");
    let file = File::options().read(true).write(true).create_new(true).open(here.join("f")).unwrap();
    fallocate(&file, FallocateFlags::empty(), 0, 3 * MIB).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 3 * MIB);
    fallocate(&file, FallocateFlags::KEEP_SIZE, 0, 5 * MIB).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 3 * MIB);
    let huge = fallocate(&file, FallocateFlags::KEEP_SIZE, 1 << 61, 1 << 61);
    assert_eq!(huge, Err(rustix::io::Errno::FBIG));
    let strange = fallocate(&file, FallocateFlags::COLLAPSE_RANGE, 0, MIB);
    assert_eq!(strange, Err(rustix::io::Errno::OPNOTSUPP));
}

#[test]
fn a_copy_within_a_share_is_made_by_the_server_and_is_whole() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("copied-there");
    let data = pattern(20 * MIB as usize + 123);
    fs::write(there.join("from"), &data).unwrap();
    let sent = |mounted: &Mounted| {
        let pid = mounted.connection().unwrap().record.helper.pid;
        let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
        let written = io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap();
        written.parse::<u64>().unwrap()
    };
    let before = sent(&mounted);
    let (from, to) = (File::open(here.join("from")).unwrap(), File::create(here.join("to")).unwrap());
    let mut copied = 0;
    while copied < data.len() as u64 {
        let mut at = (copied, copied);
        let some = rustix::fs::copy_file_range(
            &from,
            Some(&mut at.0),
            &to,
            Some(&mut at.1),
            data.len() - copied as usize,
        );
        copied += some.unwrap() as u64;
    }
    assert!(sent(&mounted) - before < 2 * MIB, "the bytes did not pass through this machine");
    assert!(fs::read(there.join("to")).unwrap() == data);
    let mut read = Vec::new();
    File::open(here.join("to")).unwrap().read_to_end(&mut read).unwrap();
    assert!(read == data);
}

#[test]
fn a_file_is_emptied_while_it_is_opened_and_cut_through_name_and_handle() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("emptied");
    fs::write(here.join("f"), pattern(100_000)).unwrap();
    let mut kept = File::open(here.join("f")).unwrap();
    let emptied = File::options().write(true).truncate(true).open(here.join("f")).unwrap();
    assert_eq!(fs::metadata(there.join("f")).unwrap().len(), 0);
    emptied.write_all_at(b"new", 0).unwrap();
    let mut text = String::new();
    kept.seek(SeekFrom::Start(0)).unwrap();
    kept.read_to_string(&mut text).unwrap();
    assert_eq!(text, "new");
    let cut = Command::new("truncate").args(["-s", "1"]).arg(here.join("f")).status().unwrap();
    assert!(cut.success());
    assert_eq!(kept.metadata().unwrap().size(), 1);
    emptied.set_len(5).unwrap();
    assert_eq!(fs::read(there.join("f")).unwrap(), b"n\0\0\0\0");
}

#[test]
fn a_program_that_runs_is_not_emptied() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("running");
    fs::copy("/usr/bin/sleep", here.join("sleep")).unwrap();
    let mut running = Command::new(here.join("sleep")).arg("1000").spawn().unwrap();
    let len = fs::metadata(there.join("sleep")).unwrap().len();
    // For reading, and to be emptied: POSIX leaves that open, Linux does it.
    let flags = OFlags::RDONLY | OFlags::TRUNC;
    let refused = rustix::fs::open(here.join("sleep"), flags, Mode::empty()).unwrap_err();
    assert_eq!(refused, rustix::io::Errno::TXTBSY);
    let error = File::options().write(true).open(here.join("sleep")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ETXTBSY));
    assert_eq!(fs::metadata(there.join("sleep")).unwrap().len(), len);
    assert!(running.try_wait().unwrap().is_none(), "it runs on");
    running.kill().unwrap();
    running.wait().unwrap();
}

#[test]
fn what_two_machines_append_is_all_there() {
    let one = Mounted::share("rw");
    let other = Mounted::of(Arc::clone(&one.samba), "rw");
    let (here, there) = one.place("appended");
    fs::write(here.join("log"), "").unwrap();
    let open =
        |mounted: &Mounted| File::options().append(true).open(mounted.root.join("appended/log")).unwrap();
    let (mut one, mut other) = (open(&one), open(&other));
    let mut expected = String::new();
    for line in 0..20 {
        let file = if line % 2 == 0 { &mut one } else { &mut other };
        // In the same moment it takes a lock; a moment later, the other machine has heard of it.
        eventually("it is seen here", || file.metadata().unwrap().len() == expected.len() as u64);
        let line = format!("line {line}\n");
        file.write_all(line.as_bytes()).unwrap();
        expected.push_str(&line);
    }
    assert_eq!(fs::read_to_string(there.join("log")).unwrap(), expected);
}
