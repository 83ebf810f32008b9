use super::*;
use crate::{AddRequest, Credentials, Router};
use mpr_plugin::abi::{WNNC_CON_ADDCONNECTION, WNNC_CON_CANCELCONNECTION};
use mpr_plugin::{AddConnection, Capabilities, NetworkProvider};
use proptest::prelude::*;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use tempfile::TempDir;

/// Accepts everything, and counts.
#[derive(Clone, Default)]
struct Agreeable(Arc<AtomicU32>);

impl NetworkProvider for Agreeable {
    fn capabilities(&self) -> Capabilities {
        let connection = WNNC_CON_ADDCONNECTION | WNNC_CON_CANCELCONNECTION;
        Capabilities { connection, ..Capabilities::default() }
    }

    fn add_connection(&self, _: &AddConnection<'_>) -> Result<(), Status> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A state directory of its own.
struct Place {
    base: TempDir,
}

impl Place {
    fn new() -> Self {
        Place { base: tempfile::tempdir().unwrap() }
    }

    fn state(&self) -> PathBuf {
        self.base.path().join("state")
    }

    fn file(&self) -> PathBuf {
        directory(&self.state()).join(trail::FILE)
    }

    fn auditor(&self, settings: Settings) -> Auditor {
        Auditor::new(&self.state(), Some(&self.base.path().join("run")), &settings).unwrap()
    }

    fn router(&self, settings: Settings) -> (Router, Agreeable) {
        let provider = Agreeable::default();
        let router =
            Router::builder().provider("P", provider.clone()).auditor(self.auditor(settings)).build();
        (router, provider)
    }

    fn reader(&self) -> Reader {
        Reader::open(&directory(&self.state())).unwrap()
    }

    fn entries(&self) -> Vec<Entry> {
        self.reader().lines(0).map(|line| line.unwrap().entry().unwrap()).collect()
    }

    fn verified(&self) -> Report {
        self.reader().verify().unwrap()
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    /// The file with its text changed.
    fn change(&self, change: impl FnOnce(&str) -> String) {
        fs::write(self.file(), change(&self.text())).unwrap();
    }
}

fn quiet(mode: Mode) -> Settings {
    Settings { mode, journal: false, ..Settings::default() }
}

fn add(router: &Router, remote: &str) -> Result<(), Status> {
    let remote = wide(remote);
    router.add_connection(&AddRequest { remote: Some(&remote), ..AddRequest::default() }).map(drop)
}

/// A place with a trail of so many operations.
fn with_operations(count: u32) -> Place {
    let place = Place::new();
    let (router, _) = place.router(quiet(Mode::BestEffort));
    for number in 0..count {
        add(&router, &format!(r"\\nas\share{number}")).unwrap();
    }
    place
}

#[test]
fn an_operation_is_on_record_when_its_caller_has_the_result() {
    let place = with_operations(1);
    let [entry] = &*place.entries() else { panic!() };
    let Event::Operation(operation) = &entry.event else { panic!("{entry:?}") };
    assert_eq!(operation.request.remote.as_deref(), Some(r"\\nas\share0"));
    assert_eq!(entry.by.pid, std::process::id());
    assert_eq!(entry.by.program, std::env::current_exe().ok());
    assert_eq!(place.verified().flaws, []);
}

#[test]
fn without_a_trail_nothing_is_written() {
    let place = Place::new();
    assert!(Auditor::new(&place.state(), None, &quiet(Mode::Off)).is_none());
    assert!(!place.state().exists());
    assert_eq!(place.verified(), Report::default());
}

#[test]
fn a_record_that_was_changed_or_taken_away_shows() {
    for (change, flaw) in [
        (
            (|text: &str| text.replacen("share1", "share9", 1)) as fn(&str) -> String,
            "record 3 does not follow from record 2: one of them was changed",
        ),
        (
            |text| {
                text.lines().filter(|line| !line.contains("share1")).map(|line| format!("{line}\n")).collect()
            },
            "record 2 is missing before this line",
        ),
        (
            |text| text.lines().take(1).map(|line| format!("{line}\n")).collect(),
            "records 2 to 3 are missing at the end",
        ),
        (|text| text.replacen('{', "[", 1), "this line is no record"),
        (
            |text| text[..text.len() - 10].to_owned(),
            "this line was not written to its end: who wrote it was ended by a crash",
        ),
        (
            |text| text.lines().next().map(|line| format!("{line}\n{text}")).unwrap(),
            "record 1 follows record 1",
        ),
    ] {
        let place = with_operations(3);
        place.change(change);
        let report = place.verified();
        assert!(report.flaws.iter().any(|found| found.what == flaw), "{flaw}: {report:?}");
    }
}

#[test]
fn what_a_crash_left_of_a_line_is_put_aside_and_recorded_as_a_gap() {
    let place = with_operations(2);
    place.change(|text| format!("{text}{{\"v\":1,\"seq\":3,\"pre"));
    add(&place.router(quiet(Mode::BestEffort)).0, r"\\nas\more").unwrap();
    let report = place.verified();
    assert_eq!(report.flaws, []);
    assert_eq!(report.gaps, [(3, Gap::Torn { bytes: 19, kept: Some("events.torn-3".into()) })]);
    let kept = fs::read_to_string(directory(&place.state()).join("events.torn-3")).unwrap();
    assert_eq!(kept, "{\"v\":1,\"seq\":3,\"pre");
    assert_eq!(report.records, 4);
}

#[test]
fn a_line_whose_writer_was_ended_before_it_wrote_the_head_counts() {
    let place = with_operations(3);
    let head = directory(&place.state()).join("events.head");
    let text = place.text();
    // The head of the moment before the last line.
    let second: Vec<&str> = text.lines().take(2).collect();
    let length = second.iter().map(|line| line.len() + 1).sum::<usize>();
    fs::write(&head, format!("{:020} {} {length:020}\n", 2, Digest::of(second[1].as_bytes()))).unwrap();
    add(&place.router(quiet(Mode::BestEffort)).0, r"\\nas\more").unwrap();
    assert_eq!((place.verified().flaws.len(), place.verified().last), (0, 4));
    // And one without any.
    fs::remove_file(&head).unwrap();
    add(&place.router(quiet(Mode::BestEffort)).0, r"\\nas\more").unwrap();
    assert_eq!((place.verified().flaws.len(), place.verified().last), (0, 5));
}

#[test]
fn records_taken_from_the_end_are_missed_by_the_next_and_ever_after() {
    let place = with_operations(3);
    place.change(|text| text.lines().take(1).map(|line| format!("{line}\n")).collect());
    add(&place.router(quiet(Mode::BestEffort)).0, r"\\nas\more").unwrap();
    let report = place.verified();
    assert_eq!(report.gaps, [(4, Gap::Missing { from: 2, to: 3 })]);
    assert_eq!(report.flaws[0].what, "records 2 to 3 are missing before this line");
}

#[test]
fn rotation_breaks_neither_numbers_nor_chain_and_keeps_what_it_is_told_to() {
    let place = Place::new();
    let settings = Settings { max_bytes: 4096, keep: 2, ..quiet(Mode::BestEffort) };
    let (router, _) = place.router(settings);
    for number in 0..60 {
        add(&router, &format!(r"\\nas\share{number}")).unwrap();
    }
    let report = place.verified();
    assert_eq!((report.files, report.last), (3, 60));
    assert!(report.first > 1, "{report:?}");
    assert_eq!(report.flaws, []);
    let numbers: Vec<u64> = place.reader().lines(50).map(|line| line.unwrap().number).collect();
    assert_eq!(numbers, (51..=60).collect::<Vec<_>>());
}

#[test]
fn a_rotation_that_was_cut_short_loses_nothing() {
    let place = with_operations(3);
    // Put aside, and nothing more.
    fs::rename(place.file(), directory(&place.state()).join("events-000000000001.jsonl")).unwrap();
    add(&place.router(quiet(Mode::BestEffort)).0, r"\\nas\more").unwrap();
    let report = place.verified();
    assert_eq!((report.files, report.records, report.last), (2, 4, 4));
    assert_eq!((report.flaws, report.gaps), (Vec::new(), Vec::new()));
}

#[test]
fn what_cannot_be_recorded_is_made_up_for_by_a_record_of_the_gap() {
    let place = Place::new();
    fs::create_dir(place.state()).unwrap();
    fs::write(directory(&place.state()), "in the way").unwrap();
    let (router, provider) = place.router(quiet(Mode::BestEffort));
    add(&router, r"\\nas\one").unwrap();
    add(&router, r"\\nas\two").unwrap();
    assert_eq!(provider.0.load(Ordering::Relaxed), 2, "they take place");
    fs::remove_file(directory(&place.state())).unwrap();
    // Also when it is another process that can write again.
    add(&place.router(quiet(Mode::BestEffort)).0, r"\\nas\three").unwrap();
    let [gap, operation] = &*place.entries() else { panic!("{:?}", place.entries()) };
    let Event::Gap(Gap::Unwritten { count: 2, operations, since: Some(_) }) = &gap.event else {
        panic!("{gap:?}")
    };
    assert_eq!(operations.len(), 2);
    assert!(matches!(operation.event, Event::Operation(_)));
    assert_eq!(place.verified().flaws, []);
}

#[test]
fn where_a_trail_is_required_nothing_is_done_without_it() {
    let place = Place::new();
    fs::create_dir(place.state()).unwrap();
    fs::write(directory(&place.state()), "in the way").unwrap();
    let (router, provider) = place.router(quiet(Mode::Required));
    assert_eq!(add(&router, r"\\nas\one"), Err(Status::AUDIT_FAILED));
    assert!(extended_error::recorded().text.to_string_lossy().contains("cannot be audited"));
    assert_eq!(provider.0.load(Ordering::Relaxed), 0, "nobody was asked");
    fs::remove_file(directory(&place.state())).unwrap();
    add(&router, r"\\nas\two").unwrap();
    let events: Vec<&str> = place.entries().iter().map(|entry| entry.event.name()).collect();
    assert_eq!(events, ["gap", "intent", "operation"]);
    assert_eq!(place.verified().open, [""; 0]);
}

#[test]
fn an_operation_without_an_outcome_is_told_of() {
    let place = Place::new();
    let (router, _) = place.router(quiet(Mode::Required));
    add(&router, r"\\nas\one").unwrap();
    place.change(|text| text.lines().take(1).map(|line| format!("{line}\n")).collect());
    assert_eq!(place.verified().open.len(), 1);
}

#[test]
fn many_threads_and_many_writers_lose_nothing() {
    const EACH: u32 = 50;
    let place = Place::new();
    // Two of them stand for two processes: they have nothing in common but the file.
    let routers = [(); 2]
        .map(|()| place.router(Settings { max_bytes: 65_536, keep: 1000, ..quiet(Mode::BestEffort) }).0);
    std::thread::scope(|scope| {
        for router in &routers {
            for thread in 0..8 {
                scope.spawn(move || {
                    for number in 0..EACH {
                        add(router, &format!(r"\\nas\{thread}-{number}")).unwrap();
                    }
                });
            }
        }
    });
    let report = place.verified();
    assert_eq!((report.records, report.last), (u64::from(EACH) * 16, u64::from(EACH) * 16));
    assert_eq!((report.flaws, report.gaps), (Vec::new(), Vec::new()));
}

#[test]
fn a_file_that_others_could_have_written_is_not_appended_to() {
    use std::os::unix::fs::PermissionsExt;
    let place = with_operations(1);
    fs::set_permissions(place.file(), fs::Permissions::from_mode(0o622)).unwrap();
    let (router, _) = place.router(quiet(Mode::Required));
    assert_eq!(add(&router, r"\\nas\one"), Err(Status::AUDIT_FAILED));
    assert!(Reader::open(&directory(&place.state())).unwrap_err().to_string().contains("only user"));
    fs::remove_file(place.file()).unwrap();
    std::os::unix::fs::symlink("/dev/null", place.file()).unwrap();
    assert_eq!(add(&router, r"\\nas\one"), Err(Status::AUDIT_FAILED));
}

#[test]
fn the_journal_gets_a_copy_with_fields() {
    let place = Place::new();
    let socket = place.base.path().join("journal");
    let journal = UnixDatagram::bind(&socket).unwrap();
    let auditor = place.auditor(quiet(Mode::BestEffort)).with_journal(&socket);
    let router = Router::builder().provider("P", Agreeable::default()).auditor(auditor).build();
    add(&router, r"\\nas\photos").unwrap();
    let mut buffer = vec![0; 65_536];
    let length = journal.recv(&mut buffer).unwrap();
    let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
    for field in [
        "MESSAGE=connect \\\\nas\\photos: done, by the provider P\n",
        "PRIORITY=6\n",
        "MPR_EVENT=operation\n",
        "MPR_SEQ=1\n",
        "MPR_REMOTE=\\\\nas\\photos\n",
        "MPR_STATUS=0\n",
        "MPR_RECORD={\"time\":",
    ] {
        assert!(text.contains(field), "{field}: {text}");
    }
}

#[test]
fn another_set_of_plug_ins_is_recorded_once() {
    let place = Place::new();
    let auditor = place.auditor(quiet(Mode::BestEffort));
    let file = place.base.path().join("audit.so");
    let seen = |refused: Option<&str>| {
        vec![Plugin { refused: refused.map(str::to_owned), ..Plugin::at("audit", &file) }]
    };
    let times = |file: &Path| fs::metadata(file).and_then(|meta| meta.modified()).unwrap();
    fs::write(&file, "one").unwrap();
    let written = times(&file);
    auditor.plugins("notifyees", seen(None));
    auditor.plugins("notifyees", seen(None));
    auditor.plugins("providers", Vec::new());
    // As long and as old as before.
    fs::write(&file, "two").unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(written).unwrap();
    auditor.plugins("notifyees", seen(None));
    // Touched, and another file with the same contents.
    fs::write(&file, "two").unwrap();
    auditor.plugins("notifyees", seen(None));
    fs::copy(&file, file.with_extension("new")).unwrap();
    fs::rename(file.with_extension("new"), &file).unwrap();
    auditor.plugins("notifyees", seen(None));
    auditor.plugins("notifyees", seen(Some("it is writable by anyone")));
    auditor.plugins("notifyees", Vec::new());
    let changes: Vec<Changes> = place
        .entries()
        .into_iter()
        .map(|entry| match entry.event {
            Event::Plugins(changes) => changes,
            other => panic!("{other:?}"),
        })
        .collect();
    let count = |Changes { added, removed, changed, .. }: &Changes| [added, removed, changed].map(Vec::len);
    let counts: Vec<[usize; 3]> = changes.iter().map(count).collect();
    assert_eq!(counts, [[1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 1, 0]]);
    let digests = [&changes[0].added[0], &changes[1].changed[0]].map(|plugin| plugin.sha256);
    assert_eq!(digests, [b"one", b"two"].map(|contents| Some(Digest::of(contents))));
    assert_eq!(changes[2].changed[0].refused.as_deref(), Some("it is writable by anyone"));
}

/// A state that stands for one of another program: the lock on the trail is its own.
fn held(place: &Place) -> fs::File {
    let head = fs::File::options().write(true).open(directory(&place.state()).join("events.head")).unwrap();
    head.lock().unwrap();
    head
}

#[test]
fn who_has_no_time_left_is_not_held_up_by_somebody_who_writes_and_the_gap_is_recorded() {
    let place = with_operations(1);
    let auditor = place.auditor(quiet(Mode::BestEffort));
    let operation = |name: &str| {
        let Event::Operation(operation) = place.entries()[0].event.clone() else { panic!() };
        crate::trace::Operation { operation: name.to_owned(), ..operation }
    };
    let (one, two) = (operation("1-1"), operation("1-2"));
    let stopped = held(&place);
    auditor.record(&one, Some(Duration::ZERO));
    drop(stopped);
    auditor.record(&two, Some(Duration::ZERO));
    let report = place.verified();
    assert_eq!(report.flaws, []);
    let (2, Gap::Unwritten { count: 1, operations, .. }) = &report.gaps[0] else { panic!("{report:?}") };
    assert_eq!(operations, &["1-1"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_password_is_never_recorded(
        password in "[a-zA-Z0-9!$%&()=+-]{8,20}",
        scheme in "(smb|https|sftp|nfs|gopher)",
        as_given in any::<bool>(),
    ) {
        let place = Place::new();
        let (router, _) = place.router(quiet(Mode::Required));
        let name = match as_given {
            true => format!("{scheme}://ann:{password}@nas/photos"),
            false => format!("{scheme}://ann@nas/photos"),
        };
        let (remote, user, secret) = (wide(&name), wide("ann"), wide(&password));
        let request = AddRequest {
            remote: Some(&remote),
            credentials: Credentials::Password { user: Some(&user), password: Some(&secret) },
            ..AddRequest::default()
        };
        _ = router.add_connection(&request);
        let text = place.text();
        prop_assert!(text.contains("nas"));
        prop_assert!(!text.contains(&password), "{}", text);
        prop_assert!(!text.contains("ann@"), "{}", text);
    }

    #[test]
    fn whatever_is_read_is_taken_apart_or_left(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let (lines, good) = scan(&bytes);
        prop_assert!(good <= bytes.len());
        prop_assert_eq!(lines.iter().map(|line| line.text.len() + 1).sum::<usize>(), good);
    }
}
