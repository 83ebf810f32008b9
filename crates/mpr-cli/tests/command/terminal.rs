//! Questions at a terminal: a pseudo-terminal is made the child's own, and typed at once it asks.

use crate::environment::Environment;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

struct Session {
    terminal: File,
    /// Kept open: a terminal that nobody holds open any more cannot be examined.
    other_end: OwnedFd,
    child: Child,
    seen: String,
}

impl Session {
    fn start(mut command: Command) -> Session {
        let (mut ours, mut theirs) = (-1, -1);
        let none = std::ptr::null_mut();
        // SAFETY: both numbers are valid for writes, and everything else may be NULL.
        assert_eq!(unsafe { libc::openpty(&mut ours, &mut theirs, none, none.cast(), none.cast()) }, 0);
        // SAFETY: openpty has just opened both, and nobody else has them.
        let (ours, theirs) = unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
        let other_end = theirs.try_clone().unwrap();
        command.stdin(theirs.try_clone().unwrap()).stdout(theirs.try_clone().unwrap());
        command.stderr(Stdio::from(theirs));
        // SAFETY: both calls are async-signal-safe; 0 is the terminal, put there before.
        unsafe {
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        Session { terminal: ours, other_end, child, seen: String::new() }
    }

    /// Reads until the text was shown.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        let mut bytes = [0; 256];
        while !self.seen.contains(text) {
            let length = self.terminal.read(&mut bytes).unwrap();
            assert!(length > 0, "{}", self.seen);
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    }

    fn type_in(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).unwrap();
    }

    /// Whether what is typed is shown.
    fn echoes(&self) -> bool {
        use std::os::fd::AsRawFd;
        let mut settings = std::mem::MaybeUninit::<libc::termios>::zeroed();
        // SAFETY: the descriptor is open and the structure valid for writes; zero is a value of every field.
        let settings = unsafe {
            assert_eq!(libc::tcgetattr(self.other_end.as_raw_fd(), settings.as_mut_ptr()), 0);
            settings.assume_init()
        };
        settings.c_lflag & libc::ECHO != 0
    }

    fn code(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

#[test]
fn a_refused_password_is_asked_for_without_being_shown() {
    let it = Environment::with_test_network();
    let mut session = Session::start(it.command(&["connect", "//test/locked", "Z:"]));
    session.wait_for("User for \\\\test\\locked (empty for yours): ");
    assert!(session.echoes());
    session.type_in("ann\n");
    session.wait_for("Password of ann for \\\\test\\locked: ");
    assert!(!session.echoes());
    session.type_in("wrong\n");
    session.wait_for("WN_BAD_PASSWORD (86): wrong password\r\nPassword of ann");
    session.type_in("sesame\n");
    session.wait_for("Z: is connected to ");
    assert_eq!(session.code(), 0);
    assert!(session.echoes());
    assert!(!session.seen.contains("sesame"), "{}", session.seen);
    assert_eq!(it.json(&["list", "--json"])[0]["user"], "ann");
}

#[test]
fn a_password_is_asked_for_three_times_at_most() {
    let it = Environment::with_test_network();
    let mut session = Session::start(it.command(&["connect", "//test/locked", "Z:", "--user", "ann"]));
    for _ in 0..3 {
        session.wait_for("Password of ann for \\\\test\\locked: ");
        session.seen.clear();
        session.type_in("wrong\n");
    }
    session.wait_for("Hint: ");
    assert_eq!(session.code(), 1);
    assert!(session.seen.contains("WN_BAD_PASSWORD (86): "), "{}", session.seen);
}

#[test]
fn an_interrupt_at_the_question_gives_the_terminal_back() {
    let it = Environment::with_test_network();
    let mut session = Session::start(it.command(&["connect", "//test/locked", "Z:", "--user", "ann"]));
    session.wait_for("Password of ann");
    session.type_in("\x03");
    session.wait_for("WN_CANCEL (1223): ");
    assert_eq!(session.code(), 1);
    assert!(session.echoes());
}

#[test]
fn a_password_is_asked_for_first_where_that_is_wanted() {
    let it = Environment::with_test_network();
    let mut session =
        Session::start(it.command(&["connect", "//test/locked", "Z:", "--user", "ann", "--prompt"]));
    session.wait_for("Password of ann");
    assert!(!session.seen.contains("WN_BAD_PASSWORD"), "{}", session.seen);
    session.type_in("sesame\n");
    session.wait_for("Z: is connected");
    assert_eq!(session.code(), 0);
}

#[test]
fn a_refusal_by_a_notification_library_is_not_answered_with_a_password() {
    let it = Environment::with_test_network();
    let source = "DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) \
                  { WNetSetLastErrorW(1, u\"\" \"no\", u\"\" \"policy\"); return 5; }";
    let library = it.compile("veto", source, &[]);
    it.write("user/notifyees.d/veto.toml", &format!("path = {library:?}\n"));
    let mut session = Session::start(it.command(&["connect", "//test/one", "Z:"]));
    session.wait_for("Hint: ");
    assert_eq!(session.code(), 1);
    assert!(!session.seen.contains("Password"), "{}", session.seen);
}

#[test]
fn net_use_asks_in_its_own_words() {
    let it = Environment::with_test_network();
    let mut session = Session::start(it.command(&["net", "use", "z:", r"\\test\locked", "*", "/user:ann"]));
    session.wait_for("Type the password for \\\\test\\locked: ");
    session.type_in("wrong\n");
    session.wait_for("Enter the password for ann to connect to 'test': ");
    session.type_in("sesame\n");
    session.wait_for("The command completed successfully.");
    assert_eq!(session.code(), 0);
    let mut session = Session::start(it.command(&["net", "use", "*", "/delete"]));
    session.wait_for("Do you want to continue this operation? (Y/N) [N]: ");
    session.type_in("y\n");
    session.wait_for("The command completed successfully.");
    assert_eq!(session.code(), 0);
    assert_eq!(it.out(&["list", "--all", "--json"]), "");
}

#[test]
fn a_restore_asks_for_what_it_lacks() {
    let it = Environment::with_test_network();
    it.mpr_with_input(
        &["connect", "//test/locked", "Z:", "--persist", "--password-stdin", "--user", "ann"],
        "sesame\n",
    )
    .code(0);
    it.out(&["disconnect", "Z:"]);
    let mut session = Session::start(it.command(&["restore", "--ask"]));
    session.wait_for("Password of ann for \\\\test\\locked: ");
    session.type_in("sesame\n");
    session.wait_for("is restored");
    assert_eq!(session.code(), 0);
}

#[test]
fn a_restore_does_not_ask_until_the_account_is_locked() {
    let it = Environment::with_test_network();
    it.mpr_with_input(
        &["connect", "//test/locked", "Z:", "--persist", "--password-stdin", "--user", "ann"],
        "sesame\n",
    )
    .code(0);
    it.out(&["disconnect", "Z:"]);
    let mut session = Session::start(it.command(&["restore", "--ask"]));
    for _ in 0..3 {
        session.wait_for("Password of ann for \\\\test\\locked: ");
        session.seen.clear();
        session.type_in("wrong\n");
    }
    session.wait_for("cannot restore Z:");
    assert_eq!(session.code(), 1);
}

#[test]
fn what_takes_long_is_told_at_a_terminal() {
    let it = Environment::with_test_network();
    assert!(Command::new("mkfifo").arg(it.path("network/gate")).status().unwrap().success());
    let mut session = Session::start(it.command(&["connect", "//test/slow", "Z:"]));
    let mut gate = std::fs::OpenOptions::new().write(true).open(it.path("network/gate")).unwrap();
    session.wait_for("connecting to \\\\test\\slow …");
    gate.write_all(b".").unwrap();
    session.wait_for("Z: is connected");
    assert_eq!(session.code(), 0);
}
