//! The Windows network against a real server, through the interface the router uses.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mpr_helper::record::Slot;
use mpr_plugin::abi::{
    CONNECT_REQUIRE_INTEGRITY, CONNECT_REQUIRE_PRIVACY, RESOURCE_CONNECTED, RESOURCE_GLOBALNET,
    RESOURCETYPE_DISK, RESOURCETYPE_PRINT, RESOURCEUSAGE_CONTAINER,
};
use mpr_plugin::{
    AddConnection, CancelConnection, EnumQuery, NetResource, NetworkProvider, ResourceQuery, Status, WideStr,
    wide,
};
use mpr_providers::WindowsNetwork;
use mpr_testkit::{RuntimeDir, Samba, mpr_mount};

struct World {
    network: WindowsNetwork,
    samba: Arc<Samba>,
    runtime: RuntimeDir,
}

/// What to connect, as an application says it; the known user unless it says otherwise.
struct Add<'a> {
    remote: &'a str,
    local: Option<&'a str>,
    user: Option<&'a str>,
    password: Option<&'a str>,
    kind: u32,
    flags: u32,
}

impl World {
    fn new() -> World {
        World::with(Samba::shared())
    }

    fn with(samba: Arc<Samba>) -> World {
        let runtime = RuntimeDir::new();
        let network = WindowsNetwork::new(runtime.path(), runtime.path().join("drives"))
            .with_helper(mpr_mount().to_owned());
        World { network, samba, runtime }
    }

    fn add(&self, add: &Add<'_>) -> Result<(), Status> {
        let (remote, local) = (wide(add.remote), add.local.map(wide));
        let (user, password) = (add.user.map(wide), add.password.map(wide));
        self.network.add_connection(&AddConnection {
            owner: std::ptr::null_mut(),
            kind: add.kind,
            local: local.as_deref(),
            remote: &remote,
            provider: None,
            user: user.as_deref(),
            password: password.as_deref(),
            auth: None,
            flags: add.flags,
        })
    }

    fn known<'a>(&'a self, remote: &'a str, local: Option<&'a str>) -> Add<'a> {
        let password = Some(Samba::PASSWORD);
        Add { remote, local, user: Some(self.samba.user()), password, kind: RESOURCETYPE_DISK, flags: 0 }
    }

    fn connect(&self, share: &str, local: Option<&str>) {
        self.add(&self.known(&self.samba.unc(share), local)).unwrap();
    }

    fn cancel(&self, name: &str, force: bool) -> Result<(), Status> {
        let name = wide(name);
        self.network.cancel_connection(&CancelConnection { name: &name, force, flags: 0 })
    }

    fn remote_of(&self, local: &str) -> Result<String, Status> {
        self.network.connection(&wide(local)).map(|remote| remote.to_string().unwrap())
    }

    fn user_of(&self, name: &str) -> Result<String, Status> {
        self.network.user(&wide(name)).map(|user| user.to_string().unwrap())
    }

    fn enumerate(&self, scope: u32, kind: u32, container: Option<&str>) -> Result<Vec<NetResource>, Status> {
        let container = container.map(|name| NetResource::server(wide(name)));
        let mut entries =
            self.network.enumerate(&EnumQuery { scope, kind, usage: 0, container: container.as_ref() })?;
        let mut found = Vec::new();
        while let Some(entry) = entries.next_entry() {
            found.push(entry?);
        }
        Ok(found)
    }

    /// Local and remote name of everything connected.
    fn connected(&self) -> Vec<(Option<String>, String)> {
        let entries = self.enumerate(RESOURCE_CONNECTED, 0, None).unwrap();
        let text = |name: &WideStr| name.to_string().unwrap();
        entries
            .iter()
            .map(|entry| (entry.local.as_deref().map(text), text(entry.remote.as_deref().unwrap())))
            .collect()
    }

    fn drive(&self, letter: char) -> PathBuf {
        self.runtime.path().join("drives").join(letter.to_string())
    }

    fn helper_of(&self, local: &str) -> u32 {
        let slot = Slot::of_local(local).unwrap();
        self.runtime.connections().at(&slot).unwrap().unwrap().record.helper.pid
    }
}

fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !happened() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        thread::yield_now();
    }
}

#[test]
fn a_drive_letter_leads_to_a_share_until_it_is_cancelled() {
    let world = World::new();
    let remote = world.samba.unc("ro");
    assert_eq!(world.remote_of("Z:"), Err(Status::NOT_CONNECTED));
    world.connect("ro", Some("Z:"));
    assert_eq!(fs::read_to_string(world.drive('z').join("readme.txt")).unwrap(), "read me\n");
    assert_eq!(world.remote_of("z:"), Ok(remote.clone()));
    assert_eq!(world.user_of("Z:").unwrap(), world.samba.user());
    assert_eq!(world.user_of(&remote).unwrap(), world.samba.user());
    assert_eq!(world.connected(), [(Some("Z:".into()), remote.clone())]);

    // By the remote name only what has no device is cancelled.
    assert_eq!(world.cancel(&remote, false), Err(Status::NOT_CONNECTED));
    assert_eq!(world.add(&world.known(&world.samba.unc("rw"), Some("Z:"))), Err(Status::ALREADY_CONNECTED));
    world.cancel("Z:", false).unwrap();
    assert_eq!(world.remote_of("Z:"), Err(Status::NOT_CONNECTED));
    assert_eq!(world.cancel("Z:", true), Err(Status::NOT_CONNECTED));
    assert!(!world.drive('z').exists());
    // The letter is free at once.
    world.connect("rw", Some("Z:"));
}

#[test]
fn a_directory_inside_a_share_is_the_root_of_its_drive() {
    let world = World::new();
    world.connect("rw", Some("Z:"));
    fs::create_dir_all(world.drive('z').join("inner/most")).unwrap();
    let remote = format!(r"{}\inner\most", world.samba.unc("rw"));
    world.add(&world.known(&remote, Some("Y:"))).unwrap();
    fs::write(world.drive('y').join("f"), "x").unwrap();
    assert_eq!(fs::read_to_string(world.drive('z').join("inner/most/f")).unwrap(), "x");
    assert_eq!(world.remote_of("Y:"), Ok(remote));
}

#[test]
fn a_path_can_be_a_device() {
    let world = World::new();
    let place = world.runtime.path().join("place");
    fs::create_dir(&place).unwrap();
    let local = place.to_str().unwrap();
    world.connect("ro", Some(local));
    assert!(place.join("readme.txt").exists());
    assert_eq!(world.remote_of(&format!("{local}/./")), Ok(world.samba.unc("ro")));
    world.cancel(local, false).unwrap();
    assert!(place.exists() && !place.join("readme.txt").exists());
    assert_eq!(
        world.add(&world.known(&world.samba.unc("ro"), Some("/nowhere/x"))),
        Err(Status::BAD_LOCALNAME)
    );
}

#[test]
fn a_connection_without_a_device_is_cancelled_by_its_name() {
    let world = World::new();
    let remote = world.samba.unc("ro");
    world.connect("ro", None);
    let unc = world.runtime.path().join("unc");
    let mount_point = unc.join(format!("127.0.0.1@{}", world.samba.port())).join("ro");
    assert!(mount_point.join("readme.txt").exists());
    assert_eq!(world.connected(), [(None, remote.clone())]);
    // Again is the same connection, as long as it is the same user with the right password.
    world.connect("ro", None);
    let wrong = Add { password: Some("wrong"), ..world.known(&remote, None) };
    assert_eq!(world.add(&wrong), Err(Status::LOGON_FAILURE));
    let other = Add { user: Some("guest"), password: None, ..world.known(&remote, None) };
    assert_eq!(world.add(&other), Err(Status::SESSION_CREDENTIAL_CONFLICT));
    assert_eq!(world.connected().len(), 1);
    world.cancel(&remote.to_uppercase(), false).unwrap();
    assert_eq!(world.connected(), []);
    assert_eq!(fs::read_dir(unc).unwrap().count(), 0, "no directory of the server is left");
}

#[test]
fn a_refusal_has_its_code_and_leaves_nothing() {
    let world = World::new();
    let remote = |share: &str| world.samba.unc(share);
    let refused = |add: &Add<'_>| world.add(add).unwrap_err();
    let rw = remote("rw");
    let z = Some("Z:");
    assert_eq!(refused(&Add { password: Some("no"), ..world.known(&rw, z) }), Status::LOGON_FAILURE);
    assert_eq!(refused(&Add { password: None, ..world.known(&rw, z) }), Status::BAD_PASSWORD);
    assert_eq!(refused(&Add { user: Some(r"a\b\c"), ..world.known(&rw, z) }), Status::BAD_USER);
    assert_eq!(refused(&world.known(&remote("none"), z)), Status::BAD_NETNAME);
    assert_eq!(refused(&world.known(&format!(r"{rw}\none"), z)), Status::BAD_NETNAME);
    assert_eq!(refused(&world.known(&remote("denied"), z)), Status::ACCESS_DENIED);
    assert_eq!(refused(&world.known(&remote("lp1"), z)), Status::BAD_DEV_TYPE);
    assert_eq!(refused(&Add { kind: RESOURCETYPE_PRINT, ..world.known(&rw, z) }), Status::BAD_DEV_TYPE);
    assert_eq!(refused(&world.known(r"\\127.0.0.1@1\x", z)), Status::BAD_NETPATH);
    for other in ["https://127.0.0.1/x", r"\\127.0.0.1", "nonsense", ""] {
        assert_eq!(refused(&world.known(other, z)), Status::BAD_NETNAME, "{other}");
    }
    // Nothing stands behind this name, so a missing password is not what is wrong with it.
    let nowhere = Add { password: None, ..world.known(r"\\127.0.0.1@1\x", z) };
    assert_eq!(refused(&nowhere), Status::BAD_NETPATH);
    assert_eq!(world.connected(), []);
    assert!(!world.drive('z').exists());
}

#[test]
fn users_come_with_domains_and_guests_without_passwords() {
    let world = World::new();
    let rw = world.samba.unc("rw");
    let user = format!(r"MPRTEST\{}", world.samba.user());
    world.add(&Add { user: Some(&user), ..world.known(&rw, Some("Z:")) }).unwrap();
    assert_eq!(world.user_of("Z:").unwrap(), user);
    let guest = world.samba.unc("guest");
    world.add(&Add { user: Some("guest"), password: None, ..world.known(&guest, Some("Y:")) }).unwrap();
    assert!(world.drive('y').join("hello.txt").exists());
    let nobody = Add { user: Some(""), password: Some(""), ..world.known(&guest, Some("X:")) };
    world.add(&nobody).unwrap();
    assert_eq!(world.user_of("X:").unwrap(), "");
}

#[test]
fn protection_can_be_demanded() {
    let world = World::new();
    let (ro, guest) = (world.samba.unc("ro"), world.samba.unc("guest"));
    for (letter, flags) in [("Z:", CONNECT_REQUIRE_PRIVACY), ("Y:", CONNECT_REQUIRE_INTEGRITY)] {
        world.add(&Add { flags, ..world.known(&ro, Some(letter)) }).unwrap();
        let nobody = Add { flags, user: Some("guest"), password: None, ..world.known(&guest, Some("X:")) };
        assert_eq!(world.add(&nobody), Err(Status::ACCESS_DENIED));
    }
}

#[test]
fn open_files_are_in_the_way_unless_forced() {
    let world = World::new();
    world.connect("rw", Some("Z:"));
    let file = fs::File::create(world.drive('z').join("provider-open")).unwrap();
    assert_eq!(world.cancel("Z:", false), Err(Status::OPEN_FILES));
    assert!(world.remote_of("Z:").is_ok());
    let begun = Instant::now();
    world.cancel("Z:", true).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(world.remote_of("Z:"), Err(Status::NOT_CONNECTED));
    drop(file);
}

#[test]
fn a_connection_whose_helper_died_is_listed_as_lost_and_cancelled_without_force() {
    let world = World::new();
    world.connect("ro", Some("Z:"));
    Command::new("kill").args(["-KILL", &world.helper_of("Z:").to_string()]).status().unwrap();
    eventually("it is listed as lost", || {
        let entries = world.enumerate(RESOURCE_CONNECTED, 0, None).unwrap();
        entries[0].comment.as_ref().is_some_and(|comment| comment.to_string().unwrap().contains("lost"))
    });
    assert_eq!(world.remote_of("Z:"), Ok(world.samba.unc("ro")));
    world.cancel("Z:", false).unwrap();
    assert_eq!(world.connected(), []);
    assert!(!world.drive('z').exists());
}

#[test]
fn a_helper_that_does_not_answer_is_ended_by_force() {
    let world = World::new();
    world.connect("ro", Some("Z:"));
    Command::new("kill").args(["-STOP", &world.helper_of("Z:").to_string()]).status().unwrap();
    world.cancel("Z:", true).unwrap();
    assert_eq!(world.connected(), []);
    assert!(!world.drive('z').exists());
}

#[test]
fn a_server_is_looked_into_as_whoever_is_connected_to_it_and_else_as_nobody() {
    let world = World::new();
    let server = format!(r"\\127.0.0.1@{}", world.samba.port());
    let names = |kind| {
        let entries = world.enumerate(RESOURCE_GLOBALNET, kind, Some(&server)).unwrap();
        let mut names: Vec<String> =
            entries.iter().map(|entry| entry.remote.as_ref().unwrap().to_string().unwrap()).collect();
        names.sort();
        names
    };
    let all = names(0);
    assert!(all.contains(&world.samba.unc("rw")) && all.contains(&world.samba.unc("lp1")), "{all:?}");
    assert!(!all.contains(&world.samba.unc("hidden$")), "{all:?}");
    assert_eq!(names(RESOURCETYPE_PRINT), [world.samba.unc("lp1")]);
    assert!(world.enumerate(RESOURCE_GLOBALNET, 0, None).unwrap().is_empty());

    world.connect("ro", Some("Z:"));
    assert_eq!(names(0), all);
    let top = world.enumerate(RESOURCE_GLOBALNET, 0, None).unwrap();
    assert_eq!(top.len(), 1);
    assert_eq!(top[0].remote.as_ref().unwrap().to_string().unwrap(), server);
    assert_eq!(top[0].usage, RESOURCEUSAGE_CONTAINER);

    let share = world.samba.unc("ro");
    assert_eq!(world.enumerate(RESOURCE_GLOBALNET, 0, Some(&share)), Err(Status::NOT_CONTAINER));
    let gone = world.enumerate(RESOURCE_GLOBALNET, 0, Some(r"\\127.0.0.1@1"));
    assert_eq!(gone, Err(Status::BAD_NETPATH));
}

#[test]
fn a_name_is_this_networks_if_a_server_stands_behind_it() {
    let world = World::new();
    let about = |name: &str| {
        let name = wide(name);
        let query = ResourceQuery { remote: &name, kind: 0, provider: None };
        world.network.resource_information(&query).map(|(resource, rest)| {
            (
                resource.remote.unwrap().to_string().unwrap(),
                resource.kind,
                rest.map(|rest| rest.to_string().unwrap()),
            )
        })
    };
    let guest = world.samba.unc("guest");
    let inside = about(&format!(r"{guest}\a\b")).unwrap();
    assert_eq!(inside, (guest, RESOURCETYPE_DISK, Some(r"\a\b".into())));
    let server = format!(r"\\127.0.0.1@{}", world.samba.port());
    assert_eq!(about(&server).unwrap().0, server);
    assert_eq!(about(&world.samba.unc("none")), Err(Status::BAD_NETNAME));
    assert_eq!(about(r"\\127.0.0.1@1\x"), Err(Status::BAD_NETNAME));
}

#[test]
fn how_a_connection_performs_is_answered_from_what_its_helper_remembers() {
    let world = World::with(Arc::new(Samba::start()));
    let performance = |name: &str| world.network.performance(&wide(name));
    assert_eq!(performance("Z:"), Err(Status::NOT_CONNECTED));
    world.connect("rw", Some("Z:"));
    world.samba.freeze();
    let known = performance("Z:").unwrap();
    assert!(known.delay >= 1, "{known:?}");
    assert_eq!((known.optimal_size, known.speed), (1 << 20, 0));
    assert_eq!(performance(&world.samba.unc("rw")), Ok(known));
    world.samba.thaw();
}
