//! A share of a real server, mounted for real.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mpr_helper::connections::Connection;
use mpr_helper::control::{self, Health, Order, Reply};
use mpr_helper::protocol::{Failure, Login, Mount, Naming, Protocol, Request, Server, ShareKind, Taste};
use mpr_helper::record::Slot;
use mpr_helper::spawn::Helper;
use mpr_testkit::{RuntimeDir, Samba};

/// Longer than anything takes, and shorter than anybody waits.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn helper() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_mpr-mount"))
}

pub fn server(samba: &Samba) -> Server {
    Server { protocol: Protocol::Smb, host: "127.0.0.1".into(), port: Some(samba.port()) }
}

pub fn known(samba: &Samba) -> Login {
    Login::Account { user: samba.user().to_owned(), domain: String::new() }
}

pub fn ask(runtime: &RuntimeDir, request: &Request, password: Option<&str>) -> Result<ShareKind, Failure> {
    Helper::start(helper(), &runtime.path()).unwrap().ask(
        request,
        password.map(str::as_bytes),
        PATIENCE,
        &mut |_| {},
    )
}

pub fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        thread::yield_now();
    }
}

/// A request to mount, as a provider would make it.
pub fn request(samba: &Samba, share: &str, runtime: &RuntimeDir) -> Mount {
    let own = fs::metadata(runtime.path()).unwrap();
    Mount {
        server: server(samba),
        share: share.to_owned(),
        path: String::new(),
        login: known(samba),
        has_password: true,
        naming: Naming {
            slot: "drive-z".into(),
            local: Some("Z:".into()),
            remote: samba.unc(share),
            provider: "test".into(),
            user: Some(samba.user().to_owned()),
            options: String::new(),
        },
        mount_point: runtime.path().join("drives/z").to_str().unwrap().to_owned(),
        own_mount_point: true,
        read_only: false,
        allow_other: false,
        require_encryption: false,
        uid: own.uid(),
        gid: own.gid(),
        taste: Taste::default(),
        trail: None,
    }
}

/// A mounted share.
pub struct Mounted {
    pub samba: Arc<Samba>,
    pub share: String,
    pub runtime: RuntimeDir,
    pub root: PathBuf,
}

impl Mounted {
    pub fn share(share: &str) -> Mounted {
        Mounted::of(Samba::shared(), share)
    }

    pub fn of(samba: Arc<Samba>, share: &str) -> Mounted {
        let runtime = RuntimeDir::new();
        let mount = Request::Mount(Box::new(request(&samba, share, &runtime)));
        ask(&runtime, &mount, Some(Samba::PASSWORD)).unwrap();
        let root = runtime.path().join("drives/z");
        Mounted { samba, share: share.to_owned(), runtime, root }
    }

    /// A share mounted as somebody wants it.
    pub fn to_taste(share: &str, taste: Taste) -> Mounted {
        Mounted::of_taste(Samba::shared(), share, taste)
    }

    pub fn of_taste(samba: Arc<Samba>, share: &str, taste: Taste) -> Mounted {
        let runtime = RuntimeDir::new();
        let mount = Mount { taste, ..request(&samba, share, &runtime) };
        ask(&runtime, &Request::Mount(Box::new(mount)), Some(Samba::PASSWORD)).unwrap();
        let root = runtime.path().join("drives/z");
        Mounted { samba, share: share.to_owned(), runtime, root }
    }

    /// A directory of the test's own, since the server is shared: here, and as the server sees it.
    pub fn place(&self, name: &str) -> (PathBuf, PathBuf) {
        let here = self.root.join(name);
        fs::create_dir(&here).unwrap();
        (here, self.samba.data(&self.share).join(name))
    }

    pub fn connection(&self) -> Option<Connection> {
        self.runtime.connections().at(&Slot::of_local("Z:").unwrap()).unwrap()
    }

    pub fn order(&self, order: Order) -> Reply {
        let connections = self.runtime.connections();
        let connection = self.connection().expect("it is connected");
        control::order(&connections.socket(&connection), order, PATIENCE).unwrap()
    }

    pub fn health(&self) -> Health {
        match self.order(Order::Status) {
            Reply::Status(health) => *health,
            other => panic!("{other:?}"),
        }
    }

    pub fn unmount(&self) {
        assert_eq!(self.order(Order::Unmount { force: false }), Reply::Unmounted);
    }

    /// Nothing is left: no mount, no mount point, no record, no socket, no lock.
    pub fn is_gone(&self) -> bool {
        // What says that it ended without having been asked to is for the audit trail, and is no connection.
        let left = fs::read_dir(self.runtime.path().join("connections")).unwrap();
        let left =
            left.filter(|file| file.as_ref().unwrap().path().extension() != Some("gone".as_ref())).count();
        self.connection().is_none() && !self.root.exists() && left == 0
    }
}

pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

pub fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A program that minds signals, whatever ours was told to ignore when it was started.
#[allow(dead_code, reason = "not every test program sends signals")]
pub fn run_of(name: &str) -> std::process::Command {
    let mut program = std::process::Command::new("env");
    program.args(["--default-signal", name]);
    program
}
