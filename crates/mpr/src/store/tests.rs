//! What a user sees of a store, and what becomes of it when a change is interrupted.

use std::env;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;

use super::*;

const Z: LocalDevice = LocalDevice::Drive('Z');

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::in_directory(directory.path().join("mpr"));
    (directory, store)
}

/// A store whose file holds `text`.
fn store_with(text: &str) -> (tempfile::TempDir, Store) {
    let (directory, store) = store();
    mpr_helper::dirs::ensure_private(store.path().parent().unwrap()).unwrap();
    fs::write(store.path(), text).unwrap();
    fs::set_permissions(store.path(), fs::Permissions::from_mode(0o600)).unwrap();
    (directory, store)
}

fn text(store: &Store) -> String {
    fs::read_to_string(store.path()).unwrap()
}

fn entry(device: LocalDevice, remote: &str) -> Entry {
    Entry { provider: "Example Network".into(), provider_type: 0x2_0000, ..Entry::new(device, remote) }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn a_missing_store_holds_nothing_and_reading_does_not_make_it() {
    let (directory, store) = store();
    assert_eq!(store.entries().unwrap(), []);
    assert_eq!(store.entry(&Z).unwrap(), None);
    assert_eq!(store.recent().unwrap(), [""; 0]);
    assert_eq!(store.save_connections().unwrap(), None);
    assert_eq!(store.forget(&Z).unwrap(), None);
    store.check_writable().unwrap();
    store.check_forgettable(&Z).unwrap();
    assert_eq!(store.problems(), []);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_remembered_connection_is_written_under_the_names_windows_uses() {
    let (_directory, store) = store();
    store.remember(&entry(Z, r"\\srv\share")).unwrap();
    assert_eq!(
        text(&store),
        "[drives.\"Z:\"]\nRemotePath = '\\\\srv\\share'\nProviderName = \"Example Network\"\n\
         ProviderType = 131072\nConnectionType = 1\nDeferFlags = 4\n"
    );
    let mut other = entry(LocalDevice::Directory("/mnt/data".into()), r"\\srv\data");
    other.user = Some("ann".into());
    other.use_options = Some(vec![1, 2, 255]);
    store.remember(&other).unwrap();
    assert!(text(&store).ends_with(
        "\n[drives.\"/mnt/data\"]\nRemotePath = '\\\\srv\\data'\nUserName = \"ann\"\n\
         ProviderName = \"Example Network\"\nProviderType = 131072\nConnectionType = 1\nDeferFlags = 1\n\
         UseOptions = \"AQL/\"\n"
    ));
    other.defer_flags = Some(1);
    assert_eq!(store.entry(&other.device).unwrap(), Some(other));
}

#[test]
fn the_file_and_its_directory_are_for_the_user_alone() {
    let (_directory, store) = store();
    store.remember(&entry(Z, r"\\s\x")).unwrap();
    assert_eq!(mode(store.path()), 0o600);
    assert_eq!(mode(store.path().parent().unwrap()), 0o700);
    fs::set_permissions(store.path(), fs::Permissions::from_mode(0o644)).unwrap();
    store.remember(&entry(Z, r"\\s\y")).unwrap();
    assert_eq!(mode(store.path()), 0o600);
}

#[test]
fn what_is_forgotten_is_gone_and_is_told() {
    let (_directory, store) = store();
    store.remember(&entry(Z, r"\\s\x")).unwrap();
    store.check_forgettable(&Z).unwrap();
    assert_eq!(store.forget(&Z).unwrap().unwrap().remote, r"\\s\x");
    assert_eq!(store.forget(&Z).unwrap(), None);
    assert_eq!(text(&store), "");
}

#[test]
fn entries_come_in_the_order_they_are_restored_in() {
    let (_directory, store) = store();
    for device in ["/mnt/a", "LPT2", "Z:", "LPT1", "A:"] {
        let device = document::device_named(device).unwrap();
        store.remember(&entry(device, r"\\s\x")).unwrap();
    }
    let order: Vec<_> = store.entries().unwrap().iter().map(|entry| entry.device.to_string()).collect();
    assert_eq!(order, ["A:", "Z:", "LPT1", "LPT2", "/mnt/a"]);
}

#[test]
fn what_a_user_wrote_stays_where_and_as_it_is() {
    let (_directory, store) = store_with(
        r#"# My drives

version = 3 # mine

# photos
[drives."y:"]   # lower case is fine
# old name: \\nas\pics
RemotePath = "\\\\nas\\photos"   # the big one
Colour='red'
DeferFlags = 0x4

[drives."Z:"]
RemotePath = '\\nas\z' # gone with it

# about the tool
[tool]
x = [ 1,
  2 ]
# the end"#,
    );
    let y = LocalDevice::Drive('Y');
    let mut changed = entry(y, r"\\nas\photos");
    changed.defer_flags = Some(4);
    store.remember(&changed).unwrap();
    store.forget(&Z).unwrap().unwrap();
    store.add_recent(r"\\nas\photos").unwrap();
    assert_eq!(
        text(&store),
        r#"# My drives

version = 3 # mine

# photos
[drives."y:"]   # lower case is fine
# old name: \\nas\pics
RemotePath = "\\\\nas\\photos"   # the big one
Colour='red'
DeferFlags = 0x4
ProviderName = "Example Network"
ProviderType = 131072
ConnectionType = 1

# about the tool
[tool]
x = [ 1,
  2 ]

[recent]
a = '\\nas\photos'
Order = "a"
# the end"#
    );
}

#[test]
fn a_change_that_changes_nothing_does_not_touch_the_file() {
    let (_directory, store) = store();
    store.remember(&entry(Z, r"\\s\x")).unwrap();
    store.add_recent(r"\\s\x").unwrap();
    store.set_save_connections(true).unwrap();
    let before = fs::metadata(store.path()).unwrap().ino();
    store.remember(&entry(Z, r"\\s\x")).unwrap();
    store.add_recent(r"\\s\x").unwrap();
    store.set_save_connections(true).unwrap();
    store.forget(&LocalDevice::Drive('Y')).unwrap();
    assert_eq!(fs::metadata(store.path()).unwrap().ino(), before);
}

#[test]
fn recent_names_are_twenty_six_without_duplicates_the_latest_first() {
    let (_directory, store) = store();
    for number in 0..30 {
        store.add_recent(&format!(r"\\s\{number}")).unwrap();
    }
    store.add_recent(r"\\S\10").unwrap();
    let recent = store.recent().unwrap();
    assert_eq!(recent.len(), 26);
    assert_eq!(recent[..3], [r"\\S\10", r"\\s\29", r"\\s\28"]);
    assert_eq!(recent[25], r"\\s\4");
}

#[test]
fn the_choice_to_save_connections_is_yes_no_or_none() {
    let (_directory, store) = store();
    for choice in [true, false] {
        store.set_save_connections(choice).unwrap();
        assert_eq!(store.save_connections().unwrap(), Some(choice));
    }
    assert_eq!(text(&store), "[settings]\nSaveConnections = \"no\"\n");
}

#[test]
fn a_password_or_a_name_that_cannot_be_read_back_is_not_remembered() {
    let (directory, store) = store();
    for wrong in ["", "\\\\s\\x\0y", "smb://ann:secret@s/x", "https://ann:secret@s/"] {
        assert_eq!(store.remember(&entry(Z, wrong)).unwrap_err().status(), Status::BAD_NETNAME, "{wrong}");
        let error = store.add_recent(wrong).unwrap_err();
        assert_eq!(error.status(), Status::BAD_NETNAME, "{wrong}");
        assert!(!error.to_string().contains("secret"));
    }
    let mut wrong = entry(Z, r"\\s\x");
    wrong.user = Some("a\0b".into());
    assert_eq!(store.remember(&wrong).unwrap_err().status(), Status::BAD_VALUE);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// Every operation fails with `status`, and its message contains `reason`.
fn nothing_can_be_changed(store: &Store, status: Status, reason: &str) {
    let error = store.check_writable().unwrap_err();
    assert_eq!(error.status(), status);
    assert!(error.to_string().contains(reason), "{error}");
    assert!(store.problems().iter().any(|problem| problem.to_string().contains(reason)));
    for result in [
        store.remember(&entry(Z, r"\\s\x")),
        store.forget(&Z).map(drop),
        store.add_recent(r"\\s\x"),
        store.set_save_connections(true),
        store.check_forgettable(&Z),
    ] {
        assert_eq!(result.map_err(Status::from), Err(status));
    }
}

#[test]
fn a_store_that_cannot_be_read_is_1205_for_everybody() {
    let (_directory, store) = store_with("");
    let path = store.path();
    type Arrange<'a> = &'a dyn Fn();
    let cases: [(&str, Arrange<'_>); 4] = [
        ("is a directory", &|| fs::create_dir(path).unwrap()),
        ("symbolic link", &|| symlink("/dev/null", path).unwrap()),
        ("chmod go-w", &|| {
            fs::write(path, "").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o620)).unwrap();
        }),
        ("regular file", &|| {
            assert!(Command::new("mkfifo").args(["-m", "600"]).arg(path).status().unwrap().success());
        }),
    ];
    for (reason, arrange) in cases {
        fs::remove_file(path).or_else(|_| fs::remove_dir(path)).unwrap();
        arrange();
        assert_eq!(store.entries().unwrap_err().status(), Status::CANNOT_OPEN_PROFILE);
        assert_eq!(store.entry(&Z).unwrap_err().status(), Status::CANNOT_OPEN_PROFILE);
        nothing_can_be_changed(&store, Status::CANNOT_OPEN_PROFILE, reason);
    }
}

#[test]
fn a_directory_that_is_not_the_users_alone_takes_no_change() {
    let (_directory, store) = store_with("[drives.\"Z:\"]\nRemotePath = 'x'\n");
    fs::set_permissions(store.path().parent().unwrap(), fs::Permissions::from_mode(0o777)).unwrap();
    nothing_can_be_changed(&store, Status::CANNOT_OPEN_PROFILE, "chmod go-w");
}

#[test]
fn a_path_through_a_file_is_1205() {
    let (_directory, store) = store_with("");
    let below = Store::in_directory(store.path().join("mpr"));
    nothing_can_be_changed(&below, Status::CANNOT_OPEN_PROFILE, "Not a directory");
}

#[test]
fn a_malformed_store_is_1206_for_who_would_change_it_and_stays_as_it_is() {
    for (wrong, reason) in [
        ("[drives.\"Z:\"]\nProviderName = 'x'\n", ":1: the entry of Z:: it has no RemotePath"),
        ("[drives.\"Z:\"]\nRemotePath = ''\n", "no RemotePath"),
        ("[drives]\n\"Z:\" = 'x'\n", ":2: the entry of Z:: it is not a table"),
        ("drives = 3", "drives is not a table"),
        ("[[drives]]\nRemotePath = 'x'\n", "drives is not a table"),
        ("\n[drives.\"Z:\"\nRemotePath = 'x'\n", ":2: is not well-formed TOML"),
        (
            "[drives.\"Z:\"]\nRemotePath = 'x'\nProviderType = -1\n",
            ":3: the entry of Z:: ProviderType is not",
        ),
        ("[drives.\"Z:\"]\nRemotePath = 'x'\nUseOptions = '%'\n", "base64"),
        ("[drives.\"Z:\"]\nRemotePath = \"a\\u0000b\"\n", "without NUL"),
        (
            "[drives.\"Z:\"]\nRemotePath = 'x'\n[drives.\"z:\"]\nRemotePath = 'y'\n",
            ":3: Z: is remembered twice, also in line 1",
        ),
        ("# \u{1}\n", "not well-formed"),
    ] {
        let (_directory, store) = store_with(wrong);
        nothing_can_be_changed(&store, Status::BAD_PROFILE, reason);
        assert_eq!(text(&store), wrong);
    }
}

#[test]
fn a_file_that_is_not_text_is_malformed_and_reads_as_empty() {
    let (_directory, store) = store();
    store.add_recent("x").unwrap();
    fs::write(store.path(), b"a = 1\n\xff").unwrap();
    assert_eq!(store.entries().unwrap(), []);
    nothing_can_be_changed(&store, Status::BAD_PROFILE, ":2: is not UTF-8");
}

#[test]
fn what_hinders_no_change_is_a_problem_but_no_error() {
    let (_directory, store) = store_with(
        "[drives.Q]\nx = 1\n[settings]\nSaveConnections = 'perhaps'\n[recent]\nOrder = 'aXb'\na = 'one'\nb = 2\n",
    );
    store.remember(&entry(Z, r"\\s\x")).unwrap();
    store.add_recent("two").unwrap();
    assert_eq!(store.recent().unwrap(), ["two", "one"]);
    let problems: Vec<_> = store.problems().iter().map(ToString::to_string).collect();
    assert!(problems[0].contains(":1: 'Q' is not the name of a device"), "{problems:#?}");
    assert!(problems.iter().any(|problem| problem.contains("\"yes\" or \"no\"")), "{problems:#?}");
}

#[test]
fn a_reader_skips_the_bad_entry_and_has_the_others() {
    let (_directory, store) = store_with(
        "[drives.\"W:\"]\nRemotePath = 'w'\n[drives.\"X:\"]\nProviderName = 'x'\n\
         [drives.\"Y:\"]\nRemotePath = 'y\nUserName = 'half'\n[drives.\"Z:\"]\nRemotePath = 'z'\n",
    );
    let remotes: Vec<_> = store.entries().unwrap().into_iter().map(|entry| entry.remote).collect();
    assert_eq!(remotes, ["w", "z"]);
    assert_eq!(store.entry(&Z).unwrap().unwrap().remote, "z");
    assert_eq!(store.entry(&LocalDevice::Drive('Y')).unwrap(), None);
    let lines: Vec<_> = store.problems().iter().map(|problem| problem.line).collect();
    assert!(lines.contains(&Some(3)) && lines.contains(&Some(6)), "{lines:?}");
}

#[test]
fn a_store_has_a_biggest_size() {
    let comment = "#".repeat(file::MAX_BYTES as usize);
    let (_directory, store) = store_with(&comment);
    let error = store.remember(&entry(Z, r"\\s\x")).unwrap_err();
    assert_eq!(error.status(), Status::CANNOT_OPEN_PROFILE);
    assert!(error.to_string().contains("bigger than"), "{error}");
    assert_eq!(text(&store), comment);
    fs::write(store.path(), format!("{comment}#")).unwrap();
    assert_eq!(store.entries().unwrap_err().status(), Status::CANNOT_OPEN_PROFILE);
}

#[test]
fn a_user_without_a_place_for_a_store_is_told_how_to_name_one() {
    // Whoever runs this has a home, or has been told; either way there is an answer.
    match Store::of_this_user() {
        Ok(store) => assert!(store.path().ends_with("connections.toml")),
        Err(error) => assert!(error.to_string().contains("MPR_STATE_DIR"), "{error}"),
    }
}

/// Remembers `remote` for Z:, with `reached` called after every step.
fn remember(store: &Store, remote: &str, reached: &mut dyn FnMut(Step)) {
    store.change(|text, contents| rewrite::remember(text, contents, &entry(Z, remote)), reached).unwrap();
}

#[test]
fn an_update_writes_before_it_renames_and_makes_each_last() {
    let (_directory, store) = store();
    let mut steps = Vec::new();
    remember(&store, r"\\s\x", &mut |step| steps.push(step));
    use Step::*;
    assert_eq!(steps, [Locked, Read, Created, HalfWritten, Written, Synced, Renamed, DirectorySynced]);
}

/// Name of the test below, and of the variable that makes it one process's part of a test.
const CHILD: &str = "store::tests::a_child_process_dies_after_the_step_it_is_told";
const CHILD_VARIABLE: &str = "MPR_TEST_STORE_DIES_AFTER";

#[test]
fn a_child_process_dies_after_the_step_it_is_told() {
    let Ok(task) = env::var(CHILD_VARIABLE) else { return };
    let (last, directory) = task.split_once(' ').unwrap();
    remember(&Store::in_directory(directory), r"\\s\new", &mut |step| {
        if format!("{step:?}") == last {
            // SAFETY: sends a signal to this process; no memory is involved.
            unsafe { libc::raise(libc::SIGKILL) };
        }
    });
}

#[test]
fn a_crash_after_any_step_leaves_the_old_file_or_the_new_one_and_no_lock() {
    use Step::*;
    for (step, survives) in [
        (Locked, r"\\s\old"),
        (Read, r"\\s\old"),
        (Created, r"\\s\old"),
        (HalfWritten, r"\\s\old"),
        (Written, r"\\s\old"),
        (Synced, r"\\s\old"),
        (Renamed, r"\\s\new"),
        (DirectorySynced, r"\\s\new"),
    ] {
        let (_directory, store) = store_with("# mine\n[drives.\"Z:\"]\nRemotePath = '\\\\s\\old'\n");
        let directory = store.path().parent().unwrap();
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", CHILD])
            .env(CHILD_VARIABLE, format!("{step:?} {}", directory.display()))
            .output()
            .unwrap();
        assert!(!child.status.success(), "the child outlived {step:?}");
        assert_eq!(store.entry(&Z).unwrap().unwrap().remote, survives, "{step:?}");
        assert_eq!(store.problems(), [], "{step:?}");
        store.remember(&entry(Z, r"\\s\next")).unwrap();
        assert_eq!(store.entry(&Z).unwrap().unwrap().remote, r"\\s\next", "{step:?}");
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["connections.toml", "connections.toml.lock"], "{step:?}");
    }
}

#[test]
fn a_device_is_found_however_it_is_spelled() {
    let (_directory, store) = store_with(
        "[drives.\"\\u005a:\"]\nRemotePath = 'z'\n[drives.lpt1]\nRemotePath = 'p'\n\
         [drives.\"/mnt//data/\"]\nRemotePath = 'd'\n",
    );
    for (device, remote) in [("Z:", "z"), ("LPT1", "p"), ("/mnt/data", "d")] {
        let device = document::device_named(device).unwrap();
        assert_eq!(store.entry(&device).unwrap().unwrap().remote, remote);
        assert_eq!(store.forget(&device).unwrap().unwrap().remote, remote);
    }
    assert_eq!(text(&store), "");
}
