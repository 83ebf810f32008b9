//! How the protocol is spoken, against a real server: what is left behind, what is noticed, what is bounded.

mod common;

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::Bytes;
use mpr_remotefs::{Errno, RemoteFs};
use mpr_smb::SmbFs;

use common::{BOTH, Place, READ, eventually};

/// Has a future begin and goes away.
async fn begin_and_drop<F: Future>(work: F) {
    let mut work = Box::pin(work);
    let mut context = Context::from_waker(Waker::noop());
    // Often enough for what is sent before the first answer to have been sent.
    for _ in 0..8 {
        assert!(work.as_mut().poll(&mut context).is_pending(), "it was done before it could be dropped");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_opened_for_somebody_who_has_gone_is_closed() {
    let place = Place::of_its_own("").await;
    place.fs.make_directory("d").await.unwrap();
    let file = place.fs.create("d/f", common::NEW).await.unwrap().0;
    place.fs.close(&file).await;
    assert_eq!(place.opened("d"), 0);

    place.samba.freeze();
    begin_and_drop(place.fs.open("d/f", BOTH)).await;
    begin_and_drop(place.fs.open_directory("d")).await;
    begin_and_drop(place.fs.stat("d/f")).await;
    place.samba.thaw();
    // Answered after all of the above, and before what is sent in answer to it.
    let file = place.fs.open("d/f", READ).await.unwrap().0;
    eventually("nothing else is open", async || place.opened("d") <= 1).await;
    assert_eq!(place.opened("d/f"), 1);
    // The connection has not suffered.
    assert_eq!(place.fs.health().reconnects, 0);
    assert!(place.fs.read(&file, 0, 1).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_forgotten_is_closed() {
    let place = Place::of_its_own("").await;
    let file = place.fs.create("f", common::NEW).await.unwrap().0;
    assert_eq!(place.opened("f"), 1);
    drop(file);
    eventually("it is closed", async || place.opened("f") == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_read_or_write_arrives_in_order_whatever_its_parts() {
    for settings in [
        "smb encrypt = off",
        "",
        "server max protocol = SMB2_10",
        "smb2 max read = 131072\n smb2 max write = 131072",
    ] {
        let place = Place::of_its_own(settings).await;
        let file = place.fs.create("f", common::NEW).await.unwrap().0;
        let data: Bytes = (0..5_000_003u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
        place.fs.write(&file, 77, data.clone()).await.unwrap();
        let read = place.fs.read(&file, 77, data.len() + 1000).await.unwrap();
        assert!(read == data, "{settings}");
        assert!(place.fs.read(&file, 3_000_000, 1_500_000).await.unwrap() == data[2_999_923..4_499_923]);
        assert!(place.fs.read(&file, 6_000_000, 10).await.unwrap().is_empty());
        let figures = place.fs.health();
        assert!(figures.bytes_sent > 5_000_000 && figures.bytes_received > 6_500_000, "{figures:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_at_once_get_each_its_own_answer() {
    let place = Place::of_its_own("").await;
    let file = Arc::new(place.fs.create("f", common::NEW).await.unwrap().0);
    let fs = Arc::new(place.fs);
    let numbers: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
    fs.write(&file, 0, numbers.into()).await.unwrap();
    let mut readers = tokio::task::JoinSet::new();
    for reader in 0..64u32 {
        let (fs, file) = (Arc::clone(&fs), Arc::clone(&file));
        readers.spawn(async move {
            for round in 0..50u32 {
                let number = (reader * 1009 + round * 7919) % 100_000;
                let read = fs.read(&file, u64::from(number) * 4, 4).await.unwrap();
                assert_eq!(read[..], number.to_le_bytes());
            }
        });
    }
    while let Some(reader) = readers.join_next().await {
        reader.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_noticed_without_being_asked_and_every_request_is_bounded() {
    let place = Place::with(
        "",
        mpr_smb::Settings { patience: std::time::Duration::from_secs(3), ..mpr_smb::Settings::default() },
    )
    .await;
    let file = place.fs.create("f", common::NEW).await.unwrap().0;
    place.samba.freeze();
    assert_eq!(place.fs.read(&file, 0, 10).await.unwrap_err(), Errno::TIMED_OUT);
    assert!(!place.fs.health().connected);
    place.samba.thaw();
    assert!(place.fs.read(&file, 0, 10).await.unwrap().is_empty());

    // Nobody asks for anything now; still it is noticed.
    place.samba.freeze();
    eventually("the silence is noticed", async || !place.fs.health().connected).await;
    place.samba.thaw();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_is_read_to_its_end_and_closed_however_large_it_is() {
    let place = Place::of_its_own("").await;
    let sizes = [("none", 0), ("some", 100), ("many", 20_000)];
    for (directory, count) in sizes {
        std::fs::create_dir(place.there(directory)).unwrap();
        for number in 0..count {
            std::fs::write(place.there(&format!("{directory}/{number:05}-of-many-files")), "").unwrap();
        }
    }
    let read = async |path: &str| {
        let before = place.fs.health().requests;
        let directory = place.fs.open_directory(path).await.unwrap();
        let mut names = Vec::new();
        loop {
            let entries = place.fs.next_entries(&directory).await.unwrap();
            if entries.is_empty() {
                break;
            }
            names.extend(entries.into_iter().map(|entry| entry.name));
        }
        assert!(place.fs.next_entries(&directory).await.unwrap().is_empty());
        place.fs.close_directory(&directory).await;
        assert_eq!(place.opened(path), 0, "{path}");
        names.sort_unstable();
        (names, place.fs.health().requests - before)
    };
    // A large one after a small one is opened twice, the other way round nothing is.
    for (directory, count) in [sizes[1], sizes[2], sizes[2], sizes[1], sizes[0], sizes[1]] {
        let (names, requests) = read(directory).await;
        let expected = (0..count).map(|number| format!("{number:05}-of-many-files"));
        assert!(names.into_iter().eq(expected), "{directory}");
        assert!(count == 20_000 || requests == 4, "opened, listed, nothing more, closed: {requests}");
    }
    // Somebody who does not want the rest.
    let directory = place.fs.open_directory("many").await.unwrap();
    place.fs.next_entries(&directory).await.unwrap();
    place.fs.close_directory(&directory).await;
    assert_eq!(place.opened("many"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_was_changed_is_shown_once_and_not_until_the_account_is_locked() {
    let samba = mpr_testkit::Samba::start();
    let wire = common::wire::Wire::to(samba.port(), None).await;
    let fs = Arc::new(common::connect(&samba, wire.port, mpr_smb::Settings::default()).await);
    let listening = Arc::clone(&fs);
    let listening = tokio::spawn(async move {
        loop {
            listening.next_event().await;
        }
    });
    samba.change_password("Other-1");
    wire.cut();
    let begun = std::time::Instant::now();
    // Longer than the pause between attempts that are about the network.
    while begun.elapsed() < std::time::Duration::from_secs(5) {
        assert!(fs.stat("").await.is_err());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    listening.abort();
    assert_eq!(wire.made(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_key_comes_in_where_others_have_to_sign_and_is_not_taken_for_protected() {
    use mpr_helper::protocol::Login;

    let samba = mpr_testkit::Samba::with("server signing = mandatory");
    for login in [Login::Guest, Login::Anonymous] {
        let target = mpr_smb::Target { login, password: None, ..common::target(&samba) };
        assert!(mpr_smb::list_shares(&target, &|_| {}).await.unwrap().iter().any(|share| share.name == "rw"));
        let fs = SmbFs::connect(target.clone(), "guest", "", &|_| {}).await.unwrap();
        assert_eq!(fs.health().security, "SMB 3.1.1, unprotected");
        // Everybody knows the keys of somebody without a password.
        let target = mpr_smb::Target { require_encryption: true, ..target };
        assert_eq!(SmbFs::connect(target, "guest", "", &|_| {}).await.unwrap_err().status, 5);
    }
}
