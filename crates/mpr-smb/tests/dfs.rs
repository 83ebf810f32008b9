//! Names that lead elsewhere, on a real server.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mpr_abi::Status;
use mpr_helper::protocol::Login;
use mpr_remotefs::{Errno, Event, Kind, RemoteFs};
use mpr_smb::{Namespace, SmbFs, Target};
use mpr_testkit::Samba;

use common::{BOTH, NEW, target};

async fn connect(samba: &Samba, share: &str, base: &str) -> SmbFs {
    SmbFs::connect(target(samba), share, base, &|_| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_inside_a_namespace_is_followed_when_somebody_looks_behind_it() {
    let samba = Samba::start();
    let (there, links) = (samba.data("rw"), samba.data("dfs"));
    let whole = connect(&samba, "rw", "").await;
    whole.make_directory("d").await.unwrap();
    let (file, _) = whole.create("d/file", NEW).await.unwrap();
    whole.write(&file, 0, Bytes::from_static(b"here")).await.unwrap();
    whole.close(&file).await;
    connect(&samba, "dfs", "").await.make_directory("above").await.unwrap();
    for (link, to) in [
        ("above/link", r"127.0.0.1\rw"),
        ("away", r"elsewhere.invalid\data"),
        ("missing", r"127.0.0.1\nosuchshare"),
        ("one", r"127.0.0.1\dfs\two"),
        ("two", r"127.0.0.1\dfs\one"),
    ] {
        symlink(format!("msdfs:{to}"), links.join(link)).unwrap();
    }
    let root = connect(&samba, "dfs", "").await;
    let all = Namespace::of(root);

    // A link is a directory, whoever looks at it.
    let unseen = all.stat("above/link").await.unwrap();
    assert_eq!((unseen.kind, unseen.id), (Kind::Directory, 0));
    let requests = all.health().requests;
    assert_eq!(all.stat("away").await.unwrap().kind, Kind::Directory);
    assert!(all.health().requests > requests);

    // Who may never want what is behind it does not have it followed.
    let ahead = all.look_into_directory("above/link").await.map(drop);
    assert_eq!(ahead, Err(Errno(libc::EREMOTE)));

    // What is behind it is like everything else.
    let (file, attributes) = all.open("above/link/d/file", BOTH).await.unwrap();
    assert_eq!(all.read(&file, 0, 10).await.unwrap(), "here"[..]);
    all.write(&file, 4, Bytes::from_static(b" and there")).await.unwrap();
    assert_eq!(fs::read(there.join("d/file")).unwrap(), b"here and there");
    assert_eq!(all.stat_open(&file).await.unwrap().id, attributes.id);
    all.close(&file).await;
    assert_eq!(all.stat("above/link/d/file").await.unwrap().id, attributes.id);
    let seen = all.stat("above/link").await.unwrap();
    assert_eq!((seen.kind, seen.id), (Kind::Directory, 0));
    assert!(all.look_into_directory("above/link").await.is_ok());
    let listing = all.open_directory("above/link").await.unwrap();
    let entries = all.next_entries(&listing).await.unwrap();
    assert_eq!(entries[0].attributes.id, all.stat("above/link/d").await.unwrap().id);
    assert_ne!(attributes.id, connect(&samba, "rw", "d").await.stat("file").await.unwrap().id);
    all.rename("above/link/d/file", "above/link/moved", false).await.unwrap();
    assert!(there.join("moved").exists());
    let made = all.make_directory("to-rw/new").await.unwrap();
    assert_eq!(made.kind, Kind::Directory);
    assert!(there.join("new").is_dir());

    // Branches are file systems of their own, and their links stay.
    let away = all.rename("above/link/moved", "moved", false).await;
    assert_eq!(away, Err(Errno(libc::EXDEV)));
    for link in ["above/link", "to-rw", "away"] {
        assert_eq!(all.remove_directory(link).await, Err(Errno(libc::EBUSY)), "{link}");
    }
    assert_eq!(all.rename("above/link", "other", false).await, Err(Errno(libc::EBUSY)));
    assert_eq!(all.make_directory("above/link").await.unwrap_err(), Errno::EXISTS);
    all.rename("above", "over", false).await.unwrap();
    assert_eq!(all.stat("over/link/moved").await.unwrap().size, 14);
    assert_eq!(all.stat("above/link/moved").await, Err(Errno::NOT_FOUND));

    // Links that lead nowhere say so, and are not tried again at once.
    assert_eq!(all.stat("away/x").await, Err(Errno(libc::EHOSTUNREACH)));
    let begun = Instant::now();
    assert_eq!(all.stat("away/x").await, Err(Errno(libc::EHOSTUNREACH)));
    assert!(begun.elapsed().as_secs() < 5);
    assert_eq!(all.stat("one/x").await, Err(Errno(libc::EHOSTUNREACH)));
    assert_eq!(all.stat("missing/x").await, Err(Errno(libc::ENXIO)));
    all.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_do_behind_a_link_is_told_by_its_path_here() {
    let samba = Samba::start();
    let all = Namespace::of(connect(&samba, "dfs", "").await);
    let all = Arc::new(all);
    all.make_directory("to-rw/d").await.unwrap();
    let listener = Arc::clone(&all);
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let listening = tokio::spawn(async move { while tell.send(listener.next_event().await).is_ok() {} });
    let other = connect(&samba, "rw", "d").await;
    for round in 0.. {
        // Until the server has begun to tell.
        other.make_directory(&format!("n{round}")).await.unwrap();
        let soon = tokio::time::timeout(Duration::from_millis(200), told.recv()).await;
        if let Ok(Some(Event::Renamed { path })) = soon {
            assert!(path.starts_with("to-rw/d/n"), "{path}");
            break;
        }
        assert!(round < 200, "nothing is told");
    }
    listening.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_have_a_share_is_asked_who_has() {
    // As the controllers of a domain, which know of its namespaces and need not hold them.
    let samba = Samba::with(
        "[namespace]\n  path = /nowhere\n  msdfs root = yes\n  msdfs proxy = \\127.0.0.1\\dfs\n\
         [circle]\n  path = /nowhere\n  msdfs root = yes\n  msdfs proxy = \\127.0.0.1\\circle",
    );
    fs::create_dir(samba.data("rw").join("deep")).unwrap();
    fs::write(samba.data("rw").join("deep/file"), b"here").unwrap();
    let connect =
        |share: &'static str, base: &'static str| SmbFs::connect(target(&samba), share, base, &|_| {});
    let root = connect("namespace", "").await.unwrap();
    let listing = root.open_directory("").await.unwrap();
    let names: Vec<_> = root.next_entries(&listing).await.unwrap().into_iter().map(|e| e.name).collect();
    assert_eq!(names, ["to-rw"]);
    // And on through the links of the namespace.
    let deep = connect("namespace", "to-rw/deep").await.unwrap();
    assert_eq!(deep.stat("file").await.unwrap().size, 4);
    for nowhere in ["circle", "none"] {
        let failure = connect(nowhere, "").await.unwrap_err();
        let (code, said) = (Status(failure.status), failure.message);
        assert!(matches!(code, Status::BAD_NETNAME | Status::BAD_NETPATH), "{said}");
    }
    assert!(connect("none", "").await.unwrap_err().message.contains("has no share 'none'"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_that_lead_in_a_circle_are_given_up() {
    let samba = Samba::start();
    let link = |name: &str, to: &str| {
        symlink(format!(r"msdfs:127.0.0.1\dfs\{to}"), samba.data("dfs").join(name)).unwrap();
    };
    link("one", "two");
    link("two", "one");
    let failure = SmbFs::connect(target(&samba), "dfs", "one", &|_| {}).await.unwrap_err();
    assert_eq!(failure.status, Status::BAD_NETPATH.0);
    assert!(failure.message.contains("without an end"), "{}", failure.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_server_that_has_proved_itself_sends_a_user_to_another() {
    // That it demands signatures of others is no proof to a guest.
    for signing in ["auto", "mandatory"] {
        let samba =
            Samba::with(&format!("map to guest = Bad User\n  guest ok = yes\n  server signing = {signing}"));
        symlink(r"msdfs:elsewhere.invalid\data", samba.data("dfs").join("away")).unwrap();
        let as_user = SmbFs::connect(target(&samba), "dfs", "away", &|_| {}).await.unwrap_err();
        assert!(as_user.message.contains("elsewhere.invalid"), "{}", as_user.message);
        let guest = Target { login: Login::Guest, password: None, ..target(&samba) };
        let refused = SmbFs::connect(guest, "dfs", "away", &|_| {}).await.unwrap_err();
        assert_eq!(refused.status, Status::ACCESS_DENIED.0, "{}", refused.message);
        assert!(refused.message.contains("has not proved who it is"), "{}", refused.message);
    }
}
