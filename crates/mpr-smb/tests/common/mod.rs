//! A server and connections to it.

#![allow(dead_code, reason = "not every test needs all of it")]

pub(crate) mod hostile;
pub(crate) mod wire;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mpr_helper::protocol::Failure;
use mpr_helper::protocol::Login;
use mpr_remotefs::{Access, Creation, Event, RemoteFs};
use mpr_smb::{Ahead, Proof, Settings, SmbFs, Target};
use mpr_testkit::Samba;
use zeroize::Zeroizing;

pub(crate) const BOTH: Access = Access { read: true, write: true };
pub(crate) const READ: Access = Access { read: true, write: false };
pub(crate) const NEW: Creation =
    Creation { access: BOTH, exclusive: true, truncate: false, read_only: false };

/// Generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that one test has to itself, and a connection to its share `rw`.
pub(crate) struct Place {
    pub(crate) samba: Samba,
    pub(crate) fs: SmbFs,
    settings: Settings,
}

impl Place {
    /// A server with these lines in its configuration.
    pub(crate) async fn of_its_own(configuration: &str) -> Place {
        Place::with(configuration, Settings::default()).await
    }

    pub(crate) async fn with(configuration: &str, settings: Settings) -> Place {
        let samba = Samba::with(configuration);
        let fs = connect(&samba, samba.port(), settings).await;
        Place { samba, fs, settings }
    }

    /// Another client at the same share.
    pub(crate) async fn other(&self) -> SmbFs {
        connect(&self.samba, self.samba.port(), self.settings).await
    }

    /// How often any process, thus the server, has something open at this path or below it.
    pub(crate) fn opened(&self, path: &str) -> usize {
        let place = self.there(path);
        let entries = |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten();
        entries("/proc".into())
            .flat_map(|process| entries(process.path().join("fd")))
            .filter(|descriptor| std::fs::read_link(descriptor.path()).is_ok_and(|to| to.starts_with(&place)))
            .count()
    }

    /// A file as the server sees it.
    pub(crate) fn there(&self, path: &str) -> PathBuf {
        self.samba.data("rw").join(path)
    }
}

pub(crate) async fn connect(samba: &Samba, port: u16, settings: Settings) -> SmbFs {
    try_connect(samba, port, settings).await.unwrap()
}

pub(crate) async fn try_connect(samba: &Samba, port: u16, settings: Settings) -> Result<SmbFs, Failure> {
    let target = Target { port: Some(port), settings, ..target(samba) };
    SmbFs::connect(target, "rw", "", &|_| {}).await
}

/// A server, and its account by password.
pub(crate) fn target(samba: &Samba) -> Target {
    Target {
        host: "127.0.0.1".into(),
        port: Some(samba.port()),
        login: Login::Account { user: samba.user().to_owned(), domain: String::new() },
        proof: Proof::Password,
        password: Some(Zeroizing::new(Samba::PASSWORD.to_owned())),
        require_encryption: false,
        settings: Settings::default(),
        ahead: Ahead::default(),
    }
}

/// Everything that happens without having been asked for.
pub(crate) struct News {
    events: Arc<Mutex<Vec<Event>>>,
    listening: tokio::task::JoinHandle<()>,
}

impl News {
    /// Begins to listen, and waits until the server watches.
    pub(crate) async fn of(fs: &Arc<SmbFs>) -> News {
        let events = Arc::new(Mutex::new(Vec::new()));
        let (fs_there, heard) = (Arc::clone(fs), Arc::clone(&events));
        let listening = tokio::spawn(async move {
            loop {
                let event = fs_there.next_event().await;
                heard.lock().unwrap().push(event);
            }
        });
        eventually("the server watches", async || fs.lifetime() > Duration::from_secs(1)).await;
        News { events, listening }
    }

    /// Waits for an event of a kind, and takes it out.
    pub(crate) async fn wait_for(&self, what: &str, is_it: impl Fn(&Event) -> bool) -> Event {
        let deadline = Instant::now() + PATIENCE;
        while !self.events.lock().unwrap().iter().any(&is_it) {
            assert!(Instant::now() < deadline, "not yet: {what}; so far {:?}", self.so_far());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut events = self.events.lock().unwrap();
        let at = events.iter().position(&is_it).unwrap();
        events.remove(at)
    }

    /// What there is now, for people.
    pub(crate) fn so_far(&self) -> Vec<String> {
        self.events.lock().unwrap().iter().map(|event| format!("{event:?}")).collect()
    }
}

impl Drop for News {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Waits for something to come true; generously, since the machine may be busy.
pub(crate) async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "not yet: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
