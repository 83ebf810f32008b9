//! Who waits for a server that says nothing can be ended at once; who only got a signal is not disturbed.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mpr_testkit::Samba;

use crate::common::{Mounted, eventually, pattern, run_of};

/// A share of a server that nobody else is kept waiting by.
fn alone() -> Mounted {
    Mounted::of(Arc::new(Samba::start()), "rw")
}

/// Whether the kernel has a process wait for an answer of ours, or for a page one is to bring.
fn waits(child: &Child) -> bool {
    let place = fs::read_to_string(format!("/proc/{}/wchan", child.id())).unwrap_or_default();
    ["request_wait", "fuse", "folio", "io_schedule"].iter().any(|part| place.contains(part))
}

/// A program that has `file` open as its third descriptor and has said so. It does `what` when it is told.
fn opened(file: &Path, what: &str) -> Child {
    let mut child = run_of("sh")
        .args(["-c", &format!("exec 3<\"$0\"; echo open; read go; exec {what}")])
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "open\n");
    child
}

fn signal(child: &Child, name: &str) {
    assert!(
        Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap().success()
    );
}

/// Ends a process that waits for the server; it must be gone long before the server would be given up.
fn ends_at_once(mut child: Child, with: &str) {
    eventually("it waits for the server", || waits(&child));
    let begun = Instant::now();
    signal(&child, with);
    let status = child.wait().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "gone only after {:?}", begun.elapsed());
    assert!(status.signal().is_some(), "{status}");
}

#[test]
fn a_reader_of_a_silent_server_is_killed_at_once() {
    let mounted = alone();
    // One waits for a page that is read ahead, the other past the page cache; the second catches an interrupt.
    let direct = "dd bs=4096 iflag=direct status=none <&3";
    for (name, with, how) in
        [("f", "KILL", "cat <&3"), ("g", "INT", "cat <&3"), ("h", "KILL", direct), ("i", "TERM", direct)]
    {
        // Each a file of its own: what was read of one before is kept, and nobody waits for that.
        fs::write(mounted.samba.data("rw").join(name), pattern(1 << 20)).unwrap();
        let mut child = opened(&mounted.root.join(name), how);
        mounted.samba.freeze();
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        ends_at_once(child, with);
        mounted.samba.thaw();
    }
}

#[test]
fn who_looks_up_lists_or_changes_something_on_a_silent_server_is_killed_at_once() {
    let mounted = alone();
    for command in ["stat none", "ls .", "mkdir new", "rm f", "mv f g", "df ."] {
        fs::write(mounted.samba.data("rw").join("f"), "").unwrap();
        let mut shell = run_of("sh");
        shell.args(["-c", &format!("read go; exec {command}")]).current_dir(&mounted.root);
        let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        mounted.samba.freeze();
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        ends_at_once(child, "INT");
        mounted.samba.thaw();
        eventually("the server answers again", || fs::metadata(&mounted.root).is_ok());
    }
}

#[test]
fn an_open_that_nobody_waits_for_any_more_leaves_no_handle() {
    let mounted = alone();
    let there = mounted.samba.data("rw").join("f");
    fs::write(&there, "f").unwrap();
    let mut shell = run_of("sh");
    shell.args(["-c", "read go; exec 3<f; read go"]).current_dir(&mounted.root);
    let mut child = shell.stdin(Stdio::piped()).spawn().unwrap();
    assert_eq!(fs::metadata(mounted.root.join("f")).unwrap().len(), 1);
    mounted.samba.freeze();
    child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    ends_at_once(child, "KILL");
    mounted.samba.thaw();
    // Were it still open, it would stay under its name or another one until it is closed.
    fs::remove_file(mounted.root.join("f")).unwrap();
    eventually("it is gone from the server", || {
        fs::read_dir(there.parent().unwrap()).unwrap().all(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name != "f" && !name.starts_with(".mpr-deleted")
        })
    });
    assert_eq!(mounted.health().open_files, 0);
}

#[test]
fn a_timer_does_not_interrupt_who_reads() {
    let mounted = alone();
    fs::write(mounted.samba.data("rw").join("f"), pattern(1 << 20)).unwrap();
    // A program whose timer rings every few milliseconds and that tries nothing twice.
    let program = r#"
        use Time::HiRes qw(setitimer ITIMER_REAL);
        my $rung = 0; $SIG{ALRM} = sub { $rung++; };
        open(my $file, '<', $ARGV[0]) or die; $| = 1; print "open\n"; <STDIN>;
        setitimer(ITIMER_REAL, 0.005, 0.005);
        my $read = sysread($file, my $bytes, 4096, 0);
        setitimer(ITIMER_REAL, 0);
        print defined($read) ? "read $read\n" : "failed: $!\n";
        print "rung\n" if $rung;
    "#;
    let mut perl = run_of("perl");
    perl.args(["-e", program]).arg(mounted.root.join("f"));
    let mut child = perl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    mounted.samba.freeze();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    eventually("it waits for the server", || waits(&child));
    let begun = Instant::now();
    eventually("its timer has rung a few times", || begun.elapsed() > Duration::from_millis(300));
    mounted.samba.thaw();
    let mut said = String::new();
    output.read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    assert_eq!(said, "read 4096\nrung\n");
}

#[test]
fn who_catches_the_signal_that_asks_it_to_end_gets_the_chance_to() {
    let mounted = alone();
    fs::write(mounted.samba.data("rw").join("f"), pattern(1 << 20)).unwrap();
    let program = r#"
        $SIG{INT} = sub { print "cleaning up\n"; exit 3; };
        open(my $file, '<', $ARGV[0]) or die; $| = 1; print "open\n"; <STDIN>;
        sysread($file, my $bytes, 4096, 0);
    "#;
    let mut perl = run_of("perl");
    perl.args(["-e", program]).arg(mounted.root.join("f"));
    let mut child = perl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    mounted.samba.freeze();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    eventually("it waits for the server", || waits(&child));
    let begun = Instant::now();
    signal(&child, "INT");
    let mut said = String::new();
    output.read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(3), "cleaning up\n"));
    // The server would be given up after 30.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    mounted.samba.thaw();
}
