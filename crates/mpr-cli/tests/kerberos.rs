//! Shares of a server of a Kerberos realm, connected with the built `mpr` by the tickets of whoever connects.

#![cfg(target_os = "linux")]

use mpr_testkit::{Realm, Samba, TestEnv, mpr, mpr_mount};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

struct World {
    env: TestEnv,
    realm: Realm,
    samba: Samba,
}

impl World {
    fn new() -> World {
        World::with("")
    }

    /// A world whose server has these lines in its configuration. It knows the user of this process as its own.
    fn with(extra: &str) -> World {
        _ = mpr_mount();
        let realm = Realm::start();
        let samba = realm.samba(extra);
        let env = TestEnv::new()
            .setting("builtin-providers", ["smb"].as_slice())
            .var("KRB5_CONFIG", realm.configuration());
        World { env, realm, samba }
    }

    /// Where tickets are looked for.
    fn cache(&self) -> String {
        format!("FILE:{}", self.realm.tickets().display())
    }

    fn log_in(&self, user: &str) {
        self.realm.log_in(user, &self.cache(), "1h");
    }

    /// A ticket whose time is over.
    fn log_in_for_a_moment(&self, user: &str) {
        self.realm.log_in(user, &self.cache(), "1s");
        eventually("the ticket expires", || !self.realm.is_logged_in(&self.cache()));
    }

    fn log_out(&self) {
        fs::remove_file(self.realm.tickets()).unwrap();
    }

    fn share(&self, share: &str) -> String {
        format!("//localhost@{}/{share}", self.samba.port())
    }

    fn principal(&self) -> String {
        format!("{}@{}", self.samba.user(), Realm::NAME)
    }

    fn drive(&self) -> PathBuf {
        self.env.runtime_dir().join("drives/z")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(&[], arguments)
    }

    fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
        let mut command = self.env.command(mpr());
        command.args(arguments).envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap()
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        told(&self.run(arguments))
    }

    /// The code of a failure, and what is said with it.
    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> (i64, String) {
        let output = self.run(&[&["--json"], arguments].concat());
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output.stdout));
        let said = text(&output.stderr);
        let fact: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
        (fact["error"]["code"].as_i64().or(fact["code"].as_i64()).unwrap_or(-1), said)
    }

    /// How the connection is, once its helper has come to say so.
    #[track_caller]
    fn status(&self) -> serde_json::Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let told = self.ok(&["--json", "status"]);
            let status: serde_json::Value =
                serde_json::from_str(told.lines().next().expect("something is connected")).unwrap();
            if status["authentication"].is_string() {
                return status;
            }
            assert!(Instant::now() < deadline, "{status}");
        }
    }

    /// By what the user was proved.
    #[track_caller]
    fn authentication(&self) -> String {
        self.status()["authentication"].as_str().unwrap().to_owned()
    }
}

#[track_caller]
fn told(output: &Output) -> String {
    let errors = text(&output.stderr);
    assert!(output.status.success(), "{errors}");
    text(&output.stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn whoever_has_a_ticket_connects_without_a_password() {
    let world = World::new();
    let (share, drive) = (world.share("rw"), world.drive());
    world.log_in(world.samba.user());
    world.ok(&["connect", &share, "Z:"]);
    fs::write(drive.join("note"), "by ticket").unwrap();
    assert_eq!(fs::read_to_string(world.samba.data("rw").join("note")).unwrap(), "by ticket");
    assert_eq!(fs::read_to_string(drive.join("note")).unwrap(), "by ticket");

    let status = world.status();
    assert_eq!(status["authentication"], format!("Kerberos, {}", world.principal()));
    assert_eq!(status["security"], "SMB 3.1.1, encrypted");
    let shown = format!("logged in by Kerberos, {}", world.principal());
    eventually("people are told", || world.ok(&["status"]).contains(&shown));
    let tickets = world.realm.list(&world.cache());
    assert!(
        tickets.contains("cifs/localhost"),
        "the ticket for the server is kept with the others: {tickets}"
    );

    // It is connected as whom the ticket is for, and by that name, too.
    let info = world.ok(&["--json", "info", "Z:"]);
    assert!(info.contains(&world.principal()), "{info}");
    world.ok(&["disconnect", "Z:"]);
    for user in [world.principal(), world.principal().to_lowercase()] {
        world.ok(&["connect", &world.share("enc"), "Z:", "--user", &user]);
        assert_eq!(fs::read_to_string(drive.join("secret.txt")).unwrap(), "secret\n");
        world.ok(&["disconnect", "Z:"]);
    }

    // The ticket for the server is there: the centre is not needed any more.
    world.realm.stop();
    world.ok(&["connect", &share, "Z:"]);
    world.ok(&["disconnect", "Z:"]);
}

#[test]
fn every_dialect_and_cipher_is_protected_by_the_key_of_the_ticket() {
    for (settings, security) in [
        ("server max protocol = SMB2_10", "SMB 2.1, signed"),
        ("server max protocol = SMB3_00", "SMB 3.0, encrypted"),
        ("server max protocol = SMB3_02\n  server signing = mandatory", "SMB 3.0.2, encrypted"),
        ("server smb encrypt = off", "SMB 3.1.1, signed"),
        ("server smb3 encryption algorithms = AES-128-CCM", "SMB 3.1.1, encrypted"),
        ("server smb3 encryption algorithms = AES-256-GCM", "SMB 3.1.1, encrypted"),
        (
            "server smb3 encryption algorithms = AES-256-CCM\n  server smb encrypt = required",
            "SMB 3.1.1, encrypted",
        ),
        ("server smb3 signing algorithms = AES-128-CMAC\n  server smb encrypt = off", "SMB 3.1.1, signed"),
    ] {
        let world = World::with(settings);
        world.log_in(world.samba.user());
        world.ok(&["connect", &world.share("rw"), "Z:"]);
        fs::write(world.drive().join("note"), settings).unwrap();
        assert_eq!(fs::read_to_string(world.samba.data("rw").join("note")).unwrap(), settings);
        let status = world.status();
        assert_eq!(status["security"], security, "{settings}");
        assert!(status["authentication"].as_str().unwrap().starts_with("Kerberos"), "{settings}");
    }
}

#[test]
fn without_a_ticket_it_is_as_if_there_were_no_kerberos() {
    let world = World::new();
    let share = world.share("rw");
    let (code, said) = world.refused(&["connect", &share, "Z:"]);
    assert_eq!(code, 86);
    assert!(said.contains("needs a password") && said.contains("there is no Kerberos ticket"), "{said}");
    // An account of the server's own is not proved by a ticket, nor is somebody else of the realm.
    world.log_in(world.samba.user());
    for user in [world.samba.user(), "somebody@MPR.TEST"] {
        let (code, said) = world.refused(&["connect", &share, "Z:", "--user", user]);
        assert_eq!(code, 86, "{user}: {said}");
    }
    // A guest stays a guest.
    world.ok(&["connect", &world.share("guest"), "Z:", "--user", "guest"]);
    assert_eq!(world.authentication(), "none, as guest");
}

#[test]
fn what_a_ticket_cannot_do_a_kept_password_does_and_it_is_said_why() {
    let users = tempfile::NamedTempFile::new().unwrap();
    let world = World::with(&format!("username map = {}", users.path().display()));
    let me = String::from_utf8(std::process::Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let me = me.trim();
    fs::write(users.path(), format!("{} = {me}\n", world.samba.user())).unwrap();
    fs::set_permissions(users.path(), fs::Permissions::from_mode(0o644)).unwrap();
    let by_name = world.share("rw");
    let by_address = by_name.replace("localhost", "127.0.0.1");

    world.log_in_for_a_moment(world.samba.user());
    let (code, said) = world.refused(&["connect", &by_name, "Z:"]);
    assert_eq!(code, 86);
    let expired = format!("the Kerberos ticket of {} has expired; renew it with kinit", world.principal());
    assert!(said.contains(&expired), "{said}");

    world.log_in(world.samba.user());
    let (code, said) = world.refused(&["connect", &by_address, "Z:"]);
    assert_eq!(code, 86);
    assert!(said.contains("cifs/127.0.0.1") && said.contains("not found in Kerberos database"), "{said}");

    let keep = |share: &str| {
        let mut command = world.env.command(mpr());
        let server = share.rsplit_once('/').unwrap().0;
        command.args(["cred", "add", server, "--user", me, "--password-stdin"]).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), Samba::PASSWORD.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    };
    keep(&by_name);
    keep(&by_address);
    world.ok(&["connect", &by_address, "Z:"]);
    let authentication = world.authentication();
    assert!(authentication.starts_with("NTLMv2; the Kerberos ticket is of no use at"), "{authentication}");
    world.ok(&["disconnect", "Z:"]);
    world.log_in_for_a_moment(world.samba.user());
    world.ok(&["connect", &by_name, "Z:"]);
    assert_eq!(world.authentication(), format!("NTLMv2; {expired}"));
    world.ok(&["disconnect", "Z:"]);
    // A ticket comes before what is kept.
    world.log_in(world.samba.user());
    world.ok(&["connect", &by_name, "Z:"]);
    assert!(world.authentication().starts_with("Kerberos"));
    for share in [&by_name, &by_address] {
        world.ok(&["cred", "remove", share, "--user", me]);
    }
}

#[test]
fn a_ticket_the_server_does_not_know_makes_nobody_a_guest() {
    let world = World::new();
    world.realm.add("stranger");
    world.log_in("stranger");
    for share in ["rw", "guest"] {
        let (code, said) = world.refused(&["connect", &world.share(share), "Z:"]);
        assert_eq!(code, 86, "{said}");
        assert!(said.contains("stranger@MPR.TEST"), "{said}");
    }
}

#[test]
fn a_lost_connection_is_made_again_by_a_ticket_of_the_same_user_only() {
    let world = World::new();
    world.realm.add("stranger");
    world.log_in(world.samba.user());
    world.ok(&["connect", &world.share("rw"), "Z:"]);
    let file = world.drive().join("note");
    fs::write(&file, "before").unwrap();

    world.samba.break_connections();
    eventually("the ticket is used again", || fs::metadata(&file).is_ok());
    assert!(world.authentication().starts_with("Kerberos"));
    assert_eq!(world.status()["reconnects"], 1);

    // Neither nobody's, nor somebody else's, nor one whose time is over.
    world.log_out();
    world.samba.break_connections();
    eventually("the loss is noticed", || {
        fs::metadata(world.drive().join("new")).is_err_and(|e| e.raw_os_error() == Some(5))
    });
    world.log_in("stranger");
    eventually("nobody else connects", || fs::read_dir(world.drive()).is_err());
    world.log_in_for_a_moment(world.samba.user());
    eventually("old tickets are no tickets", || fs::read_dir(world.drive()).is_err());
    assert_eq!(world.status()["reconnects"], 1);

    world.log_in(world.samba.user());
    eventually("a new ticket is used", || fs::read_to_string(&file).is_ok_and(|text| text == "before"));
    assert_eq!(world.status()["reconnects"], 2);
}

#[test]
fn what_is_remembered_is_restored_by_the_ticket_there_is_then() {
    let world = World::new();
    world.log_in(world.samba.user());
    world.ok(&["connect", &world.share("rw"), "Z:", "--persist"]);
    world.ok(&["disconnect", "Z:"]);
    world.log_out();
    let output = world.run(&["restore"]);
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(!output.status.success() && said.contains("there is no Kerberos ticket"), "{said}");
    world.log_in(world.samba.user());
    world.ok(&["restore"]);
    assert!(world.authentication().starts_with("Kerberos"));
    assert!(!world.env.connections().contains(Realm::NAME), "whose ticket it was is not remembered");
}

#[test]
fn of_several_tickets_the_one_that_is_asked_for_is_used() {
    let world = World::new();
    world.realm.add("stranger");
    let directory = tempfile::tempdir().unwrap();
    let collection = format!("DIR:{}", directory.path().display());
    world.realm.log_in(world.samba.user(), &format!("DIR::{}/tkt1", directory.path().display()), "1h");
    world.realm.log_in("stranger", &collection, "1h");
    let ours = [("KRB5CCNAME", &*collection)];
    let (principal, share) = (world.principal(), world.share("rw"));
    told(&world.run_with(&ours, &["connect", &share, "Z:", "--user", &principal]));
    assert_eq!(world.authentication(), format!("Kerberos, {principal}"));
    world.ok(&["disconnect", "Z:"]);
    let output = world.run_with(&ours, &["connect", &share, "Z:", "--user", "stranger@MPR.TEST"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn tickets_that_others_could_have_put_there_are_not_used() {
    let world = World::new();
    world.log_in(world.samba.user());
    fs::set_permissions(world.realm.tickets(), fs::Permissions::from_mode(0o666)).unwrap();
    let (code, said) = world.refused(&["connect", &world.share("rw"), "Z:"]);
    assert_eq!(code, 86);
    assert!(said.contains("can be written to by other users"), "{said}");
}

#[test]
fn a_centre_that_is_away_is_named() {
    let world = World::new();
    world.log_in(world.samba.user());
    world.realm.stop();
    let (code, said) = world.refused(&["connect", &world.share("rw"), "Z:"]);
    assert_eq!(code, 86);
    assert!(said.contains("Cannot contact any KDC for realm"), "{said}");
}

#[test]
fn a_process_with_raised_privileges_uses_no_tickets() {
    let world = World::new();
    world.log_in(world.samba.user());
    let tickets = |output: Output| {
        let told = text(&output.stdout);
        told.lines().find(|line| line.contains("Kerberos")).unwrap().to_owned()
    };
    let shown = tickets(world.run(&["--json", "doctor"]));
    assert!(shown.contains(&format!("there is a ticket of {}", world.principal())), "{shown}");
    // Only root can begin such a process without a file for it.
    if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        let mut raised = world.env.command("setpriv");
        raised.args(["--ruid", "1"]).arg(mpr()).args(["--json", "doctor"]);
        let shown = tickets(raised.stdin(Stdio::null()).output().unwrap());
        assert!(shown.contains("is not used"), "{shown}");
    }
}
