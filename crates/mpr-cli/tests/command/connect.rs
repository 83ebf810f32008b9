use crate::environment::{Environment, started};
use std::fs;
use std::io::Write;
use std::process::Command;

#[test]
fn a_drive_is_connected_listed_and_disconnected() {
    let it = Environment::with_test_network();
    assert_eq!(it.out(&["connect", "//test/plain", "Z:"]), "Z: is connected to \\\\test\\plain\n");
    assert_eq!(
        it.out(&["list"]),
        "STATUS  LOCAL  REMOTE        PROVIDER      USER\nOK      Z:     \\\\test\\plain  Test Network  nobody\n"
    );
    assert_eq!(it.out(&["disconnect", "z:"]), "Z: is disconnected\n");
    assert_eq!(it.out(&["list"]), "");
}

#[test]
fn a_resource_is_connected_without_a_local_name() {
    let it = Environment::with_test_network();
    assert_eq!(it.out(&["connect", r"\\test\plain"]), "\\\\test\\plain is connected\n");
    let listed = it.json(&["list", "--json"]);
    assert_eq!(listed[0]["local"], serde_json::Value::Null);
    assert_eq!(listed[0]["remote"], r"\\test\plain");
    it.out(&["disconnect", "//TEST/plain"]);
    assert_eq!(it.out(&["list", "--json"]), "");
}

#[test]
fn the_directory_of_a_connection_is_told() {
    let it = Environment::new();
    let connected = it.json(&["connect", "//local/photos/2024", "Y:", "--json"]);
    let path = connected[0]["path"].as_str().unwrap();
    assert_eq!(fs::read_to_string(format!("{path}/a.txt")).unwrap(), "a");
    let connected = it.json(&["connect", "//local/photos", "--json"]);
    let path = connected[0]["path"].as_str().unwrap();
    assert_eq!(fs::read_to_string(format!("{path}/2024/a.txt")).unwrap(), "a");
}

#[test]
fn what_is_the_matter_with_a_directory_is_told() {
    let it = Environment::with_test_network();
    let (full, file, none) = (it.path("full"), it.path("full/file"), it.path("none"));
    fs::create_dir(&full).unwrap();
    fs::write(&file, "").unwrap();
    for (local, code, cause, next) in [
        (&full, 85, "Cause: the directory is not empty\n", "Hint: name an empty one"),
        (&file, 1200, "Cause: it is no directory\n", "Hint: name an empty directory"),
        (&none, 1200, "Cause: there is no such directory\n", "Hint: make it: mkdir -p "),
    ] {
        let outcome = it.mpr(&["connect", "//test/plain", local.to_str().unwrap()]).code(1);
        for part in [&format!("({code})"), cause, next] {
            assert!(outcome.err.contains(part), "{part}: {}", outcome.err);
        }
        assert!(!outcome.err.contains("Possible causes"), "{}", outcome.err);
    }
}

#[test]
fn an_asterisk_chooses_the_last_free_letter() {
    let it = Environment::with_test_network();
    it.out(&["connect", "//test/one", "Z:"]);
    let connected = it.json(&["connect", "//test/two", "*", "--json"]);
    assert_eq!(connected[0]["local"], "Y:");
}

#[test]
fn the_same_resource_in_every_spelling_is_the_same_resource() {
    let it = Environment::with_test_network();
    for spelling in [r"\\test\plain", "//test/plain", "smb://test/plain", "SMB://TEST/plain"] {
        it.out(&["connect", spelling, "Z:"]);
        assert!(it.out(&["list", "--quiet"]).to_lowercase().contains(r"\\test\plain"), "{spelling}");
        it.out(&["disconnect", "Z:"]);
    }
}

#[test]
fn the_user_of_a_url_and_of_the_option_reach_the_provider() {
    let it = Environment::with_test_network();
    it.out(&["connect", "smb://ann@test/plain", "Z:"]);
    it.out(&["connect", "//test/plain", "Y:", "--user", r"LAB\bob"]);
    let users: Vec<_> = it.json(&["list", "--json"]).iter().map(|one| one["user"].clone()).collect();
    assert_eq!(users, [r"LAB\bob", "ann"]);
}

#[test]
fn a_persistent_connection_is_remembered_and_an_ordinary_one_is_not() {
    let it = Environment::with_test_network();
    it.out(&["connect", "//test/one", "Z:", "--persist", "--user", "ann"]);
    it.out(&["connect", "//test/two", "Y:"]);
    let remembered = it.json(&["list", "--remembered", "--json"]);
    assert_eq!(remembered.len(), 1);
    assert_eq!(remembered[0]["local"], "Z:");
    assert_eq!(remembered[0]["remembered"], true);
    assert!(it.read("state/connections.toml").contains("ann"));
}

#[test]
fn only_a_connection_with_a_local_name_can_be_persistent() {
    let it = Environment::with_test_network();
    let outcome = it.mpr(&["connect", "//test/one", "--persist"]).code(2);
    assert!(outcome.err.contains("only a connection with a local name"), "{}", outcome.err);
}

#[test]
fn swapped_arguments_are_put_right_in_words() {
    let outcome = Environment::new().mpr(&["connect", "Z:", "//local/photos"]).code(2);
    assert!(outcome.err.contains("mpr connect '//local/photos' Z:"), "{}", outcome.err);
}

#[test]
fn a_failure_names_the_status_its_causes_and_the_next_command() {
    let it = Environment::with_test_network();
    let outcome = it.mpr(&["connect", "//test/denied", "Z:", "--no-persist"]).code(1);
    assert_eq!(
        outcome.err,
        "WN_ACCESS_DENIED (5): no permission for the resource; cannot connect Z: to \\\\test\\denied\n\
         Possible causes:\n  \
         1. the server knows you, but the share does not let you in\n  \
         2. you were taken for somebody else: the server may have used a guest account\n  \
         3. a notification library refused the operation\n\
         Hint: connect as another user: mpr connect //test/denied --user NAME\n"
    );
    assert_eq!(outcome.out, "");
}

#[test]
fn a_failure_is_json_where_json_is_asked_for() {
    let outcome = Environment::new().mpr(&["connect", "//nowhere/x", "Z:", "--json"]).code(1);
    let error: serde_json::Value = serde_json::from_str(&outcome.err).unwrap();
    assert_eq!(error["error"]["code"], 67);
    assert_eq!(error["error"]["name"], "WN_BAD_NETNAME");
    assert_eq!(outcome.out, "");
}

#[test]
fn a_drive_in_use_is_refused() {
    let it = Environment::with_test_network();
    it.out(&["connect", "//test/one", "Z:"]);
    let outcome = it.mpr(&["connect", "//local/photos", "Z:"]).code(1);
    assert!(outcome.err.starts_with("WN_ALREADY_CONNECTED (85): "), "{}", outcome.err);
}

#[test]
fn a_named_provider_is_asked_alone() {
    let it = Environment::with_test_network();
    let outcome = it.mpr(&["connect", "//test/one", "--provider", "Local Directory Network"]).code(1);
    assert!(outcome.err.starts_with("WN_BAD_NETNAME (67): "), "{}", outcome.err);
    let outcome = it.mpr(&["connect", "//test/one", "--provider", "Nobody"]).code(1);
    assert!(outcome.err.starts_with("WN_BAD_PROVIDER (1204): "), "{}", outcome.err);
}

#[test]
fn a_veto_connects_nothing() {
    let it = Environment::with_test_network();
    let library =
        it.compile("veto", "DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return 1223; }", &[]);
    it.write("user/notifyees.d/veto.toml", &format!("path = {library:?}\n"));
    let outcome = it.mpr(&["connect", "//test/one", "Z:"]).code(1);
    assert!(outcome.err.starts_with("WN_CANCEL (1223): "), "{}", outcome.err);
    assert_eq!(it.out(&["list", "--json"]), "");
}

#[test]
fn a_veto_shows_the_reason_the_library_gives() {
    let it = Environment::with_test_network();
    let source = r#"DWORD AddConnectNotify(NOTIFYINFO *info, NOTIFYADD *add) {
        WNetSetLastErrorW(7, u"" "no photos on Sundays", u"" "policy");
        return 5;
    }"#;
    let library = it.compile("veto", source, &[]);
    it.write("user/notifyees.d/veto.toml", &format!("path = {library:?}\n"));
    let outcome = it.mpr(&["connect", "//test/one", "Z:"]).code(1);
    assert!(outcome.err.starts_with("WN_ACCESS_DENIED (5): "), "{}", outcome.err);
    assert!(outcome.err.contains("\npolicy says: no photos on Sundays (code 7)\n"), "{}", outcome.err);
}

#[test]
fn a_library_linked_with_a_router_of_its_own_records_in_the_one_that_called_it() {
    let it = Environment::with_test_network();
    // Stands for libmpr.so.0 of the system: whatever is recorded there is never seen.
    let other = "void WNetSetLastErrorW(DWORD code, const WCHAR *text, const WCHAR *name) {}";
    it.compile("libmpr", other, &["-Wl,-soname,libmpr.so.0"]);
    std::fs::rename(it.path("libmpr.so"), it.path("libmpr.so.0")).unwrap();
    let source = r#"DWORD AddConnectNotify(NOTIFYINFO *info, NOTIFYADD *add) {
        WNetSetLastErrorW(7, u"" "no photos on Sundays", u"" "policy");
        return 1223;
    }"#;
    let (search, origin) = (format!("-L{}", it.path("").display()), "-Wl,-rpath,$ORIGIN");
    let flags = ["-Wl,--no-as-needed", &search, origin, "-l:libmpr.so.0"];
    let library = it.compile("veto", source, &flags);
    let needs =
        it.json(&["notifyee", "check", library.to_str().unwrap(), "--json"])[0]["file"]["elf"]["needs"]
            .clone();
    assert!(needs.as_array().unwrap().contains(&"libmpr.so.0".into()), "{needs}");
    it.write("user/notifyees.d/veto.toml", &format!("path = {library:?}\n"));
    let outcome = it.mpr(&["connect", "//test/one", "Z:"]).code(1);
    assert!(outcome.err.contains("\npolicy says: no photos on Sundays (code 7)\n"), "{}", outcome.err);
}

#[test]
fn an_error_of_the_providers_own_is_told_in_its_words() {
    let it = Environment::with_test_network();
    let outcome = it.mpr(&["connect", "//test/explained"]).code(1);
    assert!(outcome.err.starts_with("WN_EXTENDED_ERROR (1208): "), "{}", outcome.err);
    let words = "\nTest Network says: the moon is in the wrong quarter (code 4711)\n";
    assert!(outcome.err.contains(words), "{}", outcome.err);
    let outcome = it.mpr(&["connect", "//test/explained", "--json"]).code(1);
    let error: serde_json::Value = serde_json::from_str(&outcome.err).unwrap();
    assert_eq!(error["error"]["extended"]["code"], 4711);
}

#[test]
fn the_program_exports_the_functions_plug_ins_look_for() {
    let symbols =
        Command::new("nm").args(["-D", "--defined-only", env!("CARGO_BIN_EXE_mpr")]).output().unwrap();
    let symbols = String::from_utf8(symbols.stdout).unwrap();
    for name in ["WNetSetLastErrorW", "WNetGetLastErrorW", "WNetAddConnection2A", "WNetGetUser"] {
        assert!(symbols.lines().any(|line| line.ends_with(&format!(" T {name}"))), "{name} in {symbols}");
    }
}

#[test]
fn a_plug_in_that_cannot_be_loaded_is_one_warning() {
    let it = Environment::with_test_network();
    it.write("user/notifyees.d/gone.toml", "path = \"/nowhere/gone.so\"\n");
    let outcome = it.mpr(&["connect", "//test/one", "Z:"]).code(0);
    assert_eq!(outcome.err.matches("warning: ").count(), 1, "{}", outcome.err);
    assert!(outcome.err.contains("/nowhere/gone.so: there is no such file"), "{}", outcome.err);
    assert_eq!(it.mpr(&["list"]).err, "", "a list loads no notification library");
    let quiet = it.mpr(&["connect", "//test/two", "Y:", "--quiet"]).code(0);
    assert_eq!((&*quiet.out, &*quiet.err), ("", ""));
}

#[test]
fn an_interrupted_connect_leaves_nothing_behind() {
    let it = Environment::with_test_network();
    let made = Command::new("mkfifo").arg(it.path("network/gate")).status().unwrap();
    assert!(made.success());
    let mut child = started(it.command(&["connect", "//test/slow", "Z:", "--persist"]));
    let mut told = std::io::BufReader::new(child.stderr.take().unwrap());
    // The gate opens for writing once the provider waits at it; by then the interrupt is watched for.
    let mut gate = fs::OpenOptions::new().write(true).open(it.path("network/gate")).unwrap();
    interrupt(child.id());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut told, &mut line).unwrap();
    assert!(line.starts_with("interrupted; waiting for an answer"), "{line}");
    gate.write_all(b".").unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(1));
    std::io::Read::read_to_string(&mut told, &mut line).unwrap();
    assert!(line.contains("WN_CANCEL (1223): "), "{line}");
    assert_eq!(it.out(&["list", "--all", "--json"]), "");
    assert!(!it.exists("network/Z:"));
}

#[test]
fn a_second_interrupt_ends_the_command_at_once() {
    let it = Environment::with_test_network();
    assert!(Command::new("mkfifo").arg(it.path("network/gate")).status().unwrap().success());
    let mut child = started(it.command(&["connect", "//test/slow", "Z:"]));
    let mut told = std::io::BufReader::new(child.stderr.take().unwrap());
    let _gate = fs::OpenOptions::new().write(true).open(it.path("network/gate")).unwrap();
    interrupt(child.id());
    std::io::BufRead::read_line(&mut told, &mut String::new()).unwrap();
    interrupt(child.id());
    let status = child.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGINT));
}

fn interrupt(process: u32) {
    // SAFETY: takes no pointer; the process is a child that was not waited for, so the number is its own.
    assert_eq!(unsafe { libc::kill(process as i32, libc::SIGINT) }, 0);
}
