//! Leases, notifications, and handles that outlast their connection, against a real server and a second client.

mod common;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mpr_remotefs::{Errno, Event, Lease, Lock, RemoteFs};
use mpr_smb::{Settings, SmbFs, Target};
use mpr_testkit::Samba;

use common::wire::Wire;
use common::{BOTH, NEW, News, Place, READ, connect, eventually, target, try_connect};

const ALL: Lease = Lease { read: true, write: true, handle: true };
const NONE: Lease = Lease { read: false, write: false, handle: false };
const READING: Lease = Lease { read: true, write: false, handle: true };
/// Without these, Samba grants no durable handles.
const DURABLE: &str = "posix locking = no\n  kernel share modes = no\n  kernel oplocks = no";

fn is_recall(event: &Event) -> bool {
    matches!(event, Event::Recalled(_))
}

fn is_renamed(name: &str) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Renamed { path } if path == name)
}

fn is_changed(name: &str) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Changed { path } if path == name)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_under_a_lease_reaches_the_server_before_another_client_looks() {
    for version in ["", "smb encrypt = off", "server max protocol = SMB3_00", "server max protocol = SMB2_10"]
    {
        let place = Place::of_its_own(version).await;
        let (other, fs) = (Arc::new(place.other().await), Arc::new(place.fs));
        let file = fs.create("early", NEW).await.unwrap().0;
        assert_eq!(fs.lease(&file), NONE, "nobody listens yet");
        fs.close(&file).await;

        let news = News::of(&fs).await;
        let (file, attributes) = fs.create("f", NEW).await.unwrap();
        assert_eq!(fs.lease(&file), ALL, "{version}");

        let reader = {
            let other = Arc::clone(&other);
            tokio::spawn(async move {
                let (file, _) = other.open("f", READ).await.unwrap();
                other.read(&file, 0, 100).await.unwrap()
            })
        };
        let Event::Recalled(recall) = news.wait_for("the lease is recalled", is_recall).await else {
            panic!()
        };
        assert_eq!(recall.id, attributes.id);
        assert_eq!(recall.keep, READING, "{version}");
        assert_eq!(fs.lease(&file), READING, "what is taken back may not be used any more");
        // What was kept back is written now; the other one waits for it.
        fs.write(&file, 0, Bytes::from_static(b"kept back")).await.unwrap();
        assert!(!reader.is_finished(), "{version}: the server did not wait for us");
        drop(recall);
        assert_eq!(reader.await.unwrap(), "kept back", "{version}");

        // Whoever writes takes the rest.
        let (written, _) = other.open("f", BOTH).await.unwrap();
        let writer = other.write(&written, 0, Bytes::from_static(b"by others"));
        let (wrote, recall) = tokio::join!(writer, news.wait_for("the lease is recalled", is_recall));
        wrote.unwrap();
        assert!(matches!(&recall, Event::Recalled(recall) if !recall.keep.read), "{recall:?}");
        drop(recall);
        assert!(!fs.lease(&file).read);
        assert_eq!(fs.read(&file, 0, 100).await.unwrap(), "by others");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_here_takes_no_lease_from_us() {
    let place = Place::of_its_own("").await;
    let fs = Arc::new(place.fs);
    let news = News::of(&fs).await;
    let file = fs.create("f", NEW).await.unwrap().0;
    let second = fs.open("f", READ).await.unwrap().0;
    assert_eq!(fs.lease(&second), ALL);
    fs.write(&file, 0, Bytes::from_static(b"data")).await.unwrap();
    let shorter = mpr_remotefs::Changes { size: Some(2), ..Default::default() };
    fs.change("f", shorter).await.unwrap();
    fs.stat("f").await.unwrap();
    fs.rename("f", "g", false).await.unwrap();
    assert_eq!(fs.lease(&file), ALL);
    let third = fs.open("g", BOTH).await.unwrap().0;
    assert_eq!(fs.lease(&third), ALL);
    fs.remove_file("g", true).await.unwrap();
    // Another file of that name has a lease of its own.
    let fourth = fs.create("g", NEW).await.unwrap().0;
    assert_eq!(fs.lease(&fourth), ALL);
    assert!(!news.so_far().iter().any(|event| event.contains("Recall")), "{:?}", news.so_far());
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_by_others_are_told_and_our_own_are_not() {
    for version in ["", "server max protocol = SMB2_10"] {
        let place = Place::of_its_own(version).await;
        let (other, fs) = (place.other().await, Arc::new(place.fs));
        assert_eq!(fs.lifetime(), Duration::from_secs(1));
        let news = News::of(&fs).await;

        fs.make_directory("d").await.unwrap();
        let ours = fs.create("d/ours", NEW).await.unwrap().0;
        fs.close(&ours).await;
        fs.rename("d/ours", "d/renamed", false).await.unwrap();
        fs.remove_file("d/renamed", false).await.unwrap();

        let theirs = other.create("d/who?", NEW).await.unwrap().0;
        news.wait_for("a name is told", is_renamed("d/who?")).await;
        // Of what is written Samba tells when it is cut short, or its times are set.
        let longer = mpr_remotefs::Changes { size: Some(10), ..Default::default() };
        other.change_open(&theirs, longer).await.unwrap();
        other.close(&theirs).await;
        news.wait_for("a change is told", is_changed("d/who?")).await;
        other.rename("d/who?", "there", false).await.unwrap();
        news.wait_for("the old name is told", is_renamed("d/who?")).await;
        news.wait_for("the new name is told", is_renamed("there")).await;
        other.remove_file("there", false).await.unwrap();
        news.wait_for("the end is told", is_renamed("there")).await;
        let own = |event: &String| {
            event.contains("Renamed") && (event.contains("ours") || event.contains("renamed"))
        };
        assert!(!news.so_far().iter().any(own), "{:?}", news.so_far());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_changes_than_can_be_told_are_said_to_have_been_missed() {
    let place = Place::of_its_own("").await;
    let (other, fs) = (place.other().await, Arc::new(place.fs));
    let news = News::of(&fs).await;
    // Nobody fetches what is told meanwhile.
    let long = "n".repeat(200);
    drop(news);
    for at in 0..400 {
        other.make_directory(&format!("{long}{at}")).await.unwrap();
    }
    let mut missed = false;
    for _ in 0..10_000 {
        match tokio::time::timeout(Duration::from_secs(30), fs.next_event()).await.unwrap() {
            Event::Missed => {
                missed = true;
                break;
            }
            Event::Renamed { path } if path.ends_with("399") => break,
            _ => {}
        }
    }
    assert!(missed);
}

/// A server whose handles outlast connections, a wire to it, and a client at the other end that listens.
async fn over_a_wire(configuration: &str) -> (Samba, Wire, Arc<SmbFs>, News) {
    let samba = Samba::with(&format!("{DURABLE}\n  {configuration}"));
    let wire = Wire::to(samba.port(), None).await;
    let fs = Arc::new(connect(&samba, wire.port, Settings::default()).await);
    let news = News::of(&fs).await;
    (samba, wire, fs, news)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_file_outlasts_its_connection_with_its_locks_and_lease() {
    for version in ["", "server max protocol = SMB3_02", "server max protocol = SMB2_10"] {
        let (samba, wire, fs, news) = over_a_wire(version).await;
        let file = fs.create("f", NEW).await.unwrap().0;
        fs.write(&file, 0, Bytes::from_static(b"before")).await.unwrap();
        fs.lock(&file, 0..10, Lock::Exclusive).await.unwrap();
        wire.cut();
        eventually("it is claimed back without having been asked for", async || fs.health().resumed == 1)
            .await;
        fs.write(&file, 6, Bytes::from_static(b", after")).await.unwrap();
        assert_eq!(fs.read(&file, 0, 100).await.unwrap(), "before, after", "{version}");
        assert_eq!(fs.lease(&file), ALL, "{version}");
        news.wait_for("changes may have been missed", |event| matches!(event, Event::Missed)).await;
        assert!(
            !news.so_far().iter().any(|event| event.contains("Recall")),
            "{version}: {:?}",
            news.so_far()
        );

        let other = connect(&samba, samba.port(), Settings::default()).await;
        let opening = other.open("f", BOTH);
        let (theirs, recall) = tokio::join!(opening, async {
            drop(news.wait_for("the lease is recalled", is_recall).await);
        });
        let () = recall;
        let theirs = theirs.unwrap().0;
        assert_eq!(other.lock(&theirs, 5..6, Lock::Shared).await.unwrap_err(), Errno::LOCKED, "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_server_was_killed_files_are_opened_again_and_lost_leases_are_told() {
    let (samba, wire, fs, news) = over_a_wire("").await;
    let file = fs.create("f", NEW).await.unwrap().0;
    let gone = fs.create("gone", NEW).await.unwrap().0;
    fs.write(&file, 0, Bytes::from_static(b"before")).await.unwrap();
    wire.set_down(true);
    samba.kill();
    samba.start_again();
    std::fs::remove_file(samba.data("rw").join("gone")).unwrap();
    std::fs::write(samba.data("rw").join("gone"), "another").unwrap();
    let open_to_all = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(samba.data("rw").join("gone"), open_to_all).unwrap();
    wire.set_down(false);
    fs.write(&file, 6, Bytes::from_static(b", after")).await.unwrap();
    assert_eq!(fs.read(&file, 0, 100).await.unwrap(), "before, after");
    assert_eq!(fs.read(&gone, 0, 1).await.unwrap_err(), Errno::STALE);
    // The lease of the one has been granted again; that of the other is lost.
    let recall = news.wait_for("the lost lease is told", is_recall).await;
    assert!(matches!(&recall, Event::Recalled(recall) if recall.keep == NONE), "{recall:?}");
    assert_eq!(fs.lease(&file), ALL);
    assert!(fs.health().reconnects >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_for_a_lost_connection_as_long_as_was_said_and_no_longer() {
    let samba = Samba::start();
    let wire = Wire::to(samba.port(), None).await;
    let patience = Duration::from_secs(4);
    let fs = connect(&samba, wire.port, Settings { patience, ..Settings::default() }).await;
    let file = fs.create("f", NEW).await.unwrap().0;
    wire.set_down(true);
    wire.cut();
    let started = std::time::Instant::now();
    assert_eq!(fs.read(&file, 0, 1).await.unwrap_err(), Errno::LOST);
    assert!(started.elapsed() >= patience / 2, "it was not waited for");
    // From now on it fails at once.
    let started = std::time::Instant::now();
    assert_eq!(fs.stat("f").await.unwrap_err(), Errno::LOST);
    assert!(started.elapsed() < patience);
    wire.set_down(false);
    eventually("it is made again", async || fs.stat("f").await.is_ok()).await;

    // A short break is not noticed by those who wait.
    wire.set_down(true);
    wire.cut();
    let (read, ()) = tokio::join!(fs.read(&file, 0, 1), async { wire.set_down(false) });
    assert!(read.unwrap().is_empty());
}

/// Takes SMB 3.1.1 out of what a client offers.
fn downgrade(negotiate: &mut [u8]) {
    let count = usize::from(u16::from_le_bytes([negotiate[66], negotiate[67]]));
    for at in (100..100 + 2 * count).step_by(2) {
        if negotiate[at..at + 2] == [0x11, 0x03] {
            negotiate[at..at + 2].copy_from_slice(&[0x02, 0x03]);
        }
    }
}

/// Takes everything newer than SMB 2.1 out of what a client offers.
fn downgrade_further(negotiate: &mut [u8]) {
    let count = usize::from(u16::from_le_bytes([negotiate[66], negotiate[67]]));
    for at in (100..100 + 2 * count).step_by(2) {
        if negotiate[at + 1] == 0x03 {
            negotiate[at..at + 2].copy_from_slice(&[0x10, 0x02]);
        }
    }
}

/// Takes encryption out of what a client offers, and nothing else.
fn weaken_only(negotiate: &mut [u8]) {
    negotiate[72] &= !0x40;
}

/// Takes encryption out of what a client offers.
fn weaken(negotiate: &mut [u8]) {
    negotiate[72] &= !0x40;
    downgrade(negotiate);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_negotiation_that_somebody_changed_on_its_way_is_refused() {
    let samba = Samba::start();
    let fair = Wire::to(samba.port(), Some(|_| {})).await;
    assert!(try_connect(&samba, fair.port, Settings::default()).await.is_ok());
    for (what, meddler) in
        [("3.0.2", downgrade as common::wire::Meddler), ("2.1", downgrade_further), ("plain", weaken)]
    {
        let wire = Wire::to(samba.port(), Some(meddler)).await;
        let refused = try_connect(&samba, wire.port, Settings::default()).await.err();
        let refused = refused.unwrap_or_else(|| panic!("{what}: nothing was noticed"));
        assert_eq!(refused.status, 5, "{what}: {refused}");
        // Nor is such a connection good enough to be told what there is.
        let target = Target { port: Some(wire.port), ..target(&samba) };
        let refused = mpr_smb::list_shares(&target, &|_| {}).await.err();
        assert_eq!(refused.unwrap_or_else(|| panic!("{what}: shares were listed")).status, 5, "{what}");
        let refused = mpr_smb::probe(&target, "rw", &|_| {}).await.err();
        assert_eq!(refused.unwrap_or_else(|| panic!("{what}: it was probed")).status, 5, "{what}");
    }
    // With SMB 3.1.1 the keys depend on it: somebody else's are of no use.
    let wire = Wire::to(samba.port(), Some(weaken_only)).await;
    let refused = try_connect(&samba, wire.port, Settings::default()).await.err().unwrap();
    assert!(matches!(refused.status, 5 | 59), "{refused}");
}

/// Processes of the server that serve one client each.
fn sessions(samba: &Samba) -> Vec<u32> {
    let mark = samba.data("rw").parent().and_then(std::path::Path::parent).unwrap().display().to_string();
    let of = |pid: u32, file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let ours = |pid: u32| String::from_utf8_lossy(&of(pid, "cmdline")).contains(&mark);
    let parent = |pid: u32| -> Option<u32> {
        let stat = String::from_utf8_lossy(&of(pid, "stat")).into_owned();
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        if name != "smbd" { None } else { rest.split_whitespace().nth(1)?.parse().ok() }
    };
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    all.filter(|pid| ours(*pid) && parent(*pid).is_some_and(ours)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_the_server_that_hangs_does_not_take_the_client_with_it() {
    let place = Place::with("", Settings { patience: Duration::from_secs(15), ..Settings::default() }).await;
    let file = place.fs.create("f", NEW).await.unwrap().0;
    place.fs.close(&file).await;
    // The one that serves us stands still; whoever comes is served.
    let hanging = sessions(&place.samba);
    assert!(!hanging.is_empty());
    let signal = |name: &str| {
        let pids = hanging.iter().map(u32::to_string);
        assert!(std::process::Command::new("kill").arg(name).args(pids).status().unwrap().success());
    };
    signal("-STOP");
    eventually("its silence is noticed", async || !place.fs.health().connected).await;
    let found = place.fs.stat("f").await;
    signal("-CONT");
    assert!(found.is_ok(), "{found:?}");
}
