//! An audit trail, written by whoever can write to the user's files, or by a crash.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mpr::audit::{Reader, scan};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

fuzz_target!(|bytes: &[u8]| {
    let (lines, good) = scan(bytes);
    assert_eq!(lines.iter().map(|line| line.text.len() + 1).sum::<usize>(), good);
    for line in &lines {
        if let Some(entry) = line.entry() {
            assert!(!entry.sentence().is_empty());
        }
    }

    let directory = std::env::temp_dir().join(format!("mpr-fuzz-trail-{}", std::process::id()));
    _ = fs::remove_dir_all(&directory);
    fs::DirBuilder::new().mode(0o700).create(&directory).expect("a directory of our own");
    let write = |name: &str, bytes: &[u8]| {
        let mut file = fs::OpenOptions::new();
        let mut file = file.write(true).create(true).mode(0o600).open(directory.join(name)).expect("a file");
        std::io::Write::write_all(&mut file, bytes).expect("room on the disk");
    };
    // Part of it is taken for the head.
    let (head, rest) = bytes.split_at(bytes.len().min(107));
    write("events.head", head);
    write("events.jsonl", rest);
    write("events-000000000001.jsonl", bytes);
    let reader = Reader::open(&directory).expect("files of our own");
    let report = reader.verify().expect("files that can be read");
    assert!(report.flaws.len() <= 20);
    let shown = reader.lines(report.first).filter(Result::is_ok).count() as u64;
    assert!(shown <= report.records);
    fs::remove_dir_all(&directory).expect("a directory of our own");
});
