//! The configuration directories: what counts, in which order, and what is said about mistakes.

use mpr::config::{Config, Events, Isolation, NotifyeeEntry, OnFailure, Sandbox, Source, Variables, parse};
use mpr_helper::dirs::Level;
use proptest::prelude::*;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Configuration directories of a test, weakest first.
struct Dirs(TempDir);

impl Dirs {
    fn new() -> Self {
        Dirs(tempfile::tempdir().unwrap())
    }

    /// Writes a file, and the directories it is in.
    fn with(self, file: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn read_as(&self, elevated: bool) -> Config {
        Config::read(&[self.path("usr"), self.path("etc")], elevated)
    }

    fn read(&self) -> Config {
        self.read_as(false)
    }

    /// Problems, one a line, with the paths shortened.
    fn problems(&self, config: &Config) -> Vec<String> {
        let base = format!("{}/", self.0.path().display());
        config.problems.iter().map(|problem| problem.to_string().replace(&base, "")).collect()
    }
}

/// The one problem of a file, and whether it left an entry.
fn notifyee(content: &str) -> (Option<NotifyeeEntry>, String) {
    let dirs = Dirs::new().with("etc/notifyees.d/n.toml", content);
    let mut config = dirs.read();
    let problems = dirs.problems(&config);
    (config.notifyees.pop(), problems.join("\n"))
}

fn stems(config: &Config) -> Vec<&str> {
    config.notifyees.iter().map(|entry| &*entry.stem).collect()
}

#[test]
fn without_files_everything_has_its_default() {
    let dirs = Dirs::new();
    let config = dirs.read();
    assert_eq!(config, Config::default());
    assert_eq!((config.retry_limit, config.builtin_providers), (16, None));
    assert_eq!((config.credential_managers, config.restore_timeout_ms), (false, None));
}

#[test]
fn an_entry_says_what_it_says_and_has_defaults_for_the_rest() {
    let dirs = Dirs::new().with("etc/notifyees.d/audit.toml", "path = '/lib/audit.so'");
    assert_eq!(
        dirs.read().notifyees,
        [NotifyeeEntry {
            stem: "audit".into(),
            file: dirs.path("etc/notifyees.d/audit.toml"),
            source: Source::Library("/lib/audit.so".into()),
            sha256: None,
            by_root: fs::metadata(dirs.path("etc")).unwrap().uid() == 0,
            level: Level::User,
            isolation: Isolation::InProcess,
            timeout_ms: 5000,
            sandbox: Sandbox::Default,
            on_failure: OnFailure::Allow,
            events: Events::ALL,
            priority: 0,
        }]
    );
    let (entry, problems) = notifyee(
        "path = '/x.so'\nisolation = 'process'\ntimeout-ms = 70\non-failure = 'deny'\n\
         events = ['cancel']\npriority = -3\nenabled = true",
    );
    let entry = entry.unwrap();
    assert_eq!(problems, "");
    assert_eq!((entry.isolation, entry.timeout_ms), (Isolation::Process, 70));
    assert_eq!((entry.on_failure, entry.priority), (OnFailure::Deny, -3));
    assert_eq!(entry.events, Events { add: false, cancel: true });
}

#[test]
fn the_usual_sandbox_is_that_of_the_kind_of_plug_in() {
    let of = |text| notifyee(text).0.unwrap().sandbox;
    assert_eq!(of("path = '/x.so'\nisolation = 'process'"), Sandbox::Default);
    assert_eq!(of("path = '/x.so'\nisolation = 'process'\nsandbox = 'strict'"), Sandbox::Strict);
    assert_eq!(of("command = ['/bin/hook']"), Sandbox::None);
    assert_eq!(of("command = ['/bin/hook']\nsandbox = 'default'"), Sandbox::Default);
    let dirs = Dirs::new()
        .with("etc/providers.d/a.toml", "path = '/a.so'\nname = 'A'\nisolation = 'process'\ntimeout-ms = 9")
        .with("etc/providers.d/b.toml", "path = '/b.so'\nname = 'B'\nsandbox = 'strict'");
    let config = dirs.read();
    let [a, b] = &config.providers[..] else { panic!("{:?}", config.problems) };
    assert_eq!((a.isolation, a.timeout_ms, a.sandbox), (Isolation::Process, 9, Sandbox::None));
    assert_eq!((b.isolation, b.timeout_ms), (Isolation::InProcess, 30_000));
    let [problem] = &config.problems[..] else { panic!("{:?}", config.problems) };
    assert!(problem.to_string().contains("b.toml:3: sandbox has no effect in the process"), "{problem}");
}

#[test]
fn a_command_runs_in_a_process_of_its_own() {
    let (entry, problems) = notifyee("command = ['/bin/hook', '--log', '$HOME', '${HOME}']");
    let entry = entry.unwrap();
    let words = ["/bin/hook", "--log", "$HOME", "${HOME}"].map(String::from).to_vec();
    assert_eq!((entry.source, entry.isolation), (Source::Command(words), Isolation::Process));
    assert_eq!(problems, "");
    let (entry, problems) = notifyee("command = ['/bin/hook']\nisolation = 'in-process'");
    assert_eq!(entry.unwrap().isolation, Isolation::Process);
    assert_eq!(
        problems,
        "etc/notifyees.d/n.toml:2: isolation is \"in-process\", but a command always runs in a process of its own; \
         remove isolation"
    );
}

#[test]
fn a_provider_has_a_name_and_a_class() {
    let dirs = Dirs::new()
        .with("etc/providers.d/a.toml", "path = '/lib/a.so'\nname = ' Example Network '")
        .with(
            "etc/providers.d/b.toml",
            "path = '/lib/b.so'\nname = 'B'\nclass = 3\nauth-path = '/lib/auth.so'\nrequires-device = true",
        )
        .with("etc/providers.d/c.toml", "name = 'C'\nclass = 2\nauth-path = '/lib/auth.so'");
    let config = dirs.read();
    assert_eq!(dirs.problems(&config), [""; 0]);
    let [a, b, c] = &config.providers[..] else { panic!("{config:?}") };
    assert_eq!((&*a.stem, &*a.name, a.class, a.requires_device), ("a", "Example Network", 1, false));
    assert_eq!((&*a.path, a.credential_path()), (Path::new("/lib/a.so"), Path::new("/lib/a.so")));
    assert_eq!((b.class, b.requires_device, b.credential_path()), (3, true, Path::new("/lib/auth.so")));
    assert_eq!((c.class, &*c.path), (2, Path::new("/lib/auth.so")));
}

#[test]
fn a_later_directory_replaces_the_file_of_the_same_stem() {
    let dirs = Dirs::new()
        .with("usr/notifyees.d/a.toml", "path = '/usr/a.so'\npriority = 9")
        .with("usr/notifyees.d/b.toml", "path = '/usr/b.so'")
        .with("etc/notifyees.d/a.toml", "path = '/etc/a.so'");
    let sources: Vec<_> = dirs.read().notifyees.into_iter().map(|entry| entry.source).collect();
    assert_eq!(sources, ["/etc/a.so", "/usr/b.so"].map(|path| Source::Library(path.into())));
}

#[test]
fn a_masked_entry_is_gone_whatever_else_its_file_says() {
    let dirs = Dirs::new()
        .with("usr/notifyees.d/a.toml", "path = '/usr/a.so'")
        .with("etc/notifyees.d/a.toml", "enabled = false\npath = 7\nnonsense = 1");
    let config = dirs.read();
    assert_eq!((config.notifyees.len(), config.problems.len()), (0, 0));
}

#[test]
fn a_broken_file_does_not_bring_back_what_it_replaced() {
    let dirs = Dirs::new()
        .with("usr/notifyees.d/a.toml", "path = '/usr/a.so'")
        .with("etc/notifyees.d/a.toml", "path = ");
    assert_eq!(dirs.read().notifyees, []);
}

#[test]
fn entries_come_by_priority_and_then_by_stem() {
    let entry = |priority: i64| format!("path = '/x.so'\npriority = {priority}");
    let dirs = Dirs::new()
        .with("usr/notifyees.d/m.toml", entry(0))
        .with("etc/notifyees.d/z.toml", entry(-5))
        .with("etc/notifyees.d/a.toml", entry(5))
        .with("etc/notifyees.d/c.toml", entry(0))
        .with("usr/notifyees.d/b.toml", entry(5));
    assert_eq!(stems(&dirs.read()), ["z", "c", "m", "a", "b"]);
}

#[test]
fn other_files_are_not_looked_at() {
    let dirs = Dirs::new()
        .with("etc/notifyees.d/a.toml~", "broken")
        .with("etc/notifyees.d/.b.toml", "broken")
        .with("etc/notifyees.d/README", "broken")
        .with("etc/notifyees.d/c.toml.dpkg-old", "broken")
        .with("etc/notifyees.d/sub/d.toml", "broken");
    let config = dirs.read();
    assert_eq!((config.notifyees.len(), config.problems.len()), (0, 0));
}

#[test]
fn settings_are_merged_key_by_key() {
    let dirs = Dirs::new()
        .with(
            "usr/mpr.toml",
            "provider-order = ['A', ' B ', '', 'a']\nretry-limit = 3\ndrives-dir = '/usr/d'\n\
             smb-servers = ['nas', 'box@1445']\n[local-directory.shares]\nPhotos = '/usr/photos'\nmusic = '/usr/music'",
        )
        .with(
            "etc/mpr.toml",
            "builtin-providers = []\nretry-limit = 0\nrestore-timeout-ms = 60000\ncredential-managers = true\n\
             [local-directory.shares]\nphotos = '/etc/photos'\n'with space' = '/etc/space'",
        );
    let config = dirs.read();
    assert_eq!(dirs.problems(&config), [""; 0]);
    assert_eq!(config.provider_order, ["A", "B"]);
    assert_eq!(config.smb_servers, ["nas", "box@1445"]);
    assert_eq!(config.builtin_providers, Some(vec![]));
    assert_eq!((config.retry_limit, config.restore_timeout_ms), (0, Some(60000)));
    assert_eq!((config.drives_dir, config.credential_managers), (Some("/usr/d".into()), true));
    let shares = [("music", "/usr/music"), ("photos", "/etc/photos"), ("with space", "/etc/space")];
    assert_eq!(config.local_shares, shares.map(|(name, path)| (name.to_owned(), path.into())).into());
}

#[test]
fn what_mounts_are_like_is_merged_key_by_key_and_bounded() {
    let dirs = Dirs::new()
        .with("usr/mpr.toml", "[mounts]\nfile-mode = 0o640\ntimeout-ms = 5000\nencrypt = false")
        .with(
            "etc/mpr.toml",
            "[mounts]\nfile-mode = 0o600\nsymlinks-in-files = true\ncache-memory-mib = 64\ncache-names = 1000",
        );
    let config = dirs.read();
    assert_eq!(dirs.problems(&config), [""; 0]);
    let mounts = config.mounts;
    assert_eq!((mounts.file_mode, mounts.directory_mode, mounts.timeout_ms), (Some(0o600), None, Some(5000)));
    assert_eq!((mounts.encrypt, mounts.symlinks_in_files), (Some(false), Some(true)));
    assert_eq!((mounts.cache_memory_mib, mounts.cache_names), (Some(64), Some(1000)));
    for wrong in [
        "cache-memory-mib = 3",
        "cache-names = 1",
        "file-mode = 0o1777",
        "timeout-ms = 5",
        "encrypt = 'yes'",
        "fast = true",
    ] {
        let dirs = Dirs::new().with("usr/mpr.toml", format!("[mounts]\n{wrong}"));
        let config = dirs.read();
        assert_eq!((config.problems.len(), config.mounts), (1, mpr::config::Mounts::default()), "{wrong}");
    }
}

#[test]
fn a_wrong_setting_costs_itself_and_nothing_else() {
    let dirs = Dirs::new().with("usr/mpr.toml", "retry-limit = 3\ndrives-dir = '/usr/d'").with(
        "etc/mpr.toml",
        "retry-limit = 'many'\ndrives-dir = 'd'\nprovider-order = ['A', 1]\nrestore-timeout-ms = 3600001\n\
         credential-managers = 1\nbuiltin-providers = ['smb']\n[local-directory.shares]\n\
         'a/b' = '/x'\nc = 'relative'\nd = '/d'",
    );
    let config = dirs.read();
    assert_eq!(
        dirs.problems(&config),
        [
            "etc/mpr.toml:3: provider-order is 1 where a list of names belongs, so the setting is left out; \
             write for example provider-order = [\"Microsoft Windows Network\"]",
            "etc/mpr.toml:1: retry-limit is \"many\" where a whole number from 0 to 1000 belongs, so the setting is \
             left out; write for example retry-limit = 16",
            "etc/mpr.toml:2: drives-dir is \"d\" where an absolute path belongs, so the setting is left out; \
             write for example drives-dir = \"/mnt/drives\"",
            "etc/mpr.toml:4: restore-timeout-ms is 3600001 where a whole number from 0 to 3600000 belongs, so the \
             setting is left out; write for example restore-timeout-ms = 60000",
            "etc/mpr.toml:5: credential-managers is 1 where true or false belongs, so the setting is left out; \
             write for example credential-managers = false",
            "etc/mpr.toml:8: \"a/b\" cannot be the name of a share, so the setting is left out; \
             choose a name without \\ / : * ? \" < > | @",
            "etc/mpr.toml:9: local-directory.shares.c is \"relative\" where an absolute path belongs, so the setting is \
             left out; write for example c = \"/srv/share\"",
        ]
    );
    assert_eq!((config.retry_limit, config.drives_dir), (3, Some("/usr/d".into())));
    assert_eq!(config.builtin_providers, Some(vec!["smb".into()]));
    assert_eq!(config.local_shares, [("d".to_owned(), "/d".into())].into());
}

#[test]
fn an_unknown_key_is_pointed_out_and_costs_nothing() {
    for (key, remedy) in [
        ("timeout_ms", "did you mean timeout-ms?"),
        ("priorty", "did you mean priority?"),
        ("Events", "did you mean events?"),
        (
            "colour",
            "remove it, or choose one of enabled, path, command, isolation, sandbox, \
             timeout-ms, on-failure, events, priority, sha256",
        ),
    ] {
        let (entry, problems) = notifyee(&format!("path = '/x.so'\n{key} = 1"));
        assert!(entry.is_some());
        assert_eq!(
            problems,
            format!("etc/notifyees.d/n.toml:2: {key} is no key of this file and has no effect; {remedy}")
        );
    }
    let dirs = Dirs::new().with("etc/mpr.toml", "\n[local-directory]\nshare = {}\n[other]");
    assert_eq!(
        dirs.problems(&dirs.read()),
        [
            "etc/mpr.toml:4: other is no key of this file and has no effect; remove it, or choose one of \
             local-directory, mounts, provider-order, builtin-providers, retry-limit, drives-dir, restore-timeout-ms, \
             safe-mode, credential-managers, audit, audit-max-bytes, audit-keep, audit-journal, smb-servers",
            "etc/mpr.toml:3: local-directory.share is no key of this file and has no effect; did you mean shares?",
        ]
    );
}

#[test]
fn a_later_file_may_ask_for_a_stricter_trail_and_not_for_a_weaker_one() {
    use mpr::audit::Mode;
    let read = |system: &str, user: &str| {
        Dirs::new().with("usr/mpr.toml", system).with("etc/mpr.toml", user).read().audit
    };
    assert_eq!(read("", "").mode, Mode::BestEffort);
    assert_eq!(read("", "audit = 'off'").mode, Mode::Off);
    assert_eq!(read("audit = 'required'", "audit = 'off'").mode, Mode::Required);
    assert_eq!(read("audit = 'off'", "audit = 'required'").mode, Mode::Required);
    assert_eq!(read("audit-keep = 100", "audit-keep = 0").keep, 100);
    assert!(read("audit-journal = true", "audit-journal = false").journal);
    assert_eq!(read("audit-max-bytes = 5000", "audit-max-bytes = 6000").max_bytes, 6000);
}

#[test]
fn a_wrong_entry_is_left_out_with_everything_that_is_wrong_with_it() {
    let (entry, problems) = notifyee(
        "path = 'x.so'\npriority = 1.5\nevents = ['add', 'remove']\nisolation = 'none'\ntimeout-ms = 0\n\
         on-failure = true\nenabled = 'no'",
    );
    assert_eq!(entry, None);
    let expected = [
        (7, "enabled is \"no\" where true or false belongs", "enabled = false"),
        (1, "path is \"x.so\" where an absolute path belongs", "path = \"/usr/lib/mpr/notify/audit.so\""),
        (4, "isolation is \"none\" where \"in-process\" or \"process\" belongs", "isolation = \"process\""),
        (5, "timeout-ms is 0 where a whole number from 1 to 3600000 belongs", "timeout-ms = 5000"),
        (6, "on-failure is true where \"allow\" or \"deny\" belongs", "on-failure = \"allow\""),
        (
            3,
            "events is \"remove\" where a list of \"add\" and \"cancel\", or of one of them, belongs",
            "events = [\"add\", \"cancel\"]",
        ),
        (2, "priority is a decimal number where a whole number belongs", "priority = 10"),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(line, what, example)| {
            format!(
                "etc/notifyees.d/n.toml:{line}: {what}, so the entry is left out; write for example {example}"
            )
        })
        .collect();
    assert_eq!(problems, expected.join("\n"));
}

#[test]
fn an_entry_must_say_what_to_call() {
    let said = |content| notifyee(content).1;
    assert_eq!(
        said(""),
        "etc/notifyees.d/n.toml: it has neither path nor command, so the entry is left out; \
         write for example path = \"/usr/lib/mpr/notify/audit.so\""
    );
    assert_eq!(
        said("path = '/a'\ncommand = ['/b']"),
        "etc/notifyees.d/n.toml: it has both path and command, so the entry is left out; keep the one that is meant"
    );
    for wrong in ["[]", "'/bin/hook'", "['hook']", "['/bin/hook', 1]", "[\"/bin/hook\", \"\\u0000\"]"] {
        let (entry, problems) = notifyee(&format!("command = {wrong}"));
        assert_eq!(entry, None);
        assert!(problems.contains(" belongs, so the entry is left out; write for example "), "{problems}");
    }
    let dirs = Dirs::new()
        .with("etc/providers.d/a.toml", "name = 'A'")
        .with("etc/providers.d/b.toml", "path = '/b.so'")
        .with("etc/providers.d/c.toml", "path = '/c.so'\nname = ' '\nclass = 16");
    assert_eq!(
        dirs.problems(&dirs.read()),
        [
            "etc/providers.d/a.toml: it has no path, so the entry is left out; \
             write for example path = \"/usr/lib/mpr/np/np-example.so\"",
            "etc/providers.d/b.toml: it has no name, so the entry is left out; \
             write for example name = \"Example Network\"",
            "etc/providers.d/c.toml:2: name is \" \" where a name of 1 to 255 printable characters belongs, so the \
             entry is left out; write for example name = \"Example Network\"",
            "etc/providers.d/c.toml:3: class is 16 where a whole number from 1 to 15 belongs, so the entry is left \
             out; write for example class = 1",
        ]
    );
}

#[test]
fn a_file_that_is_not_toml_is_left_out_with_the_line() {
    let dirs = Dirs::new()
        .with("etc/notifyees.d/a.toml", "# comment\npath = /x.so\n")
        .with("etc/notifyees.d/b.toml", "path = '/x.so'\npath = '/y.so'")
        .with("etc/notifyees.d/c.toml", b"path = '/x.so'\n# \xff\n")
        .with("etc/mpr.toml", "[unfinished");
    let config = dirs.read();
    assert_eq!(config.notifyees, []);
    let problems = dirs.problems(&config);
    let begins = [
        (
            "etc/mpr.toml:1: it is not TOML (",
            "), so the settings of this file are left out; correct the line",
        ),
        ("etc/notifyees.d/a.toml:2: it is not TOML (", "), so the entry is left out; correct the line"),
        ("etc/notifyees.d/b.toml:2: it is not TOML (", "), so the entry is left out; correct the line"),
        (
            "etc/notifyees.d/c.toml:2: it is not UTF-8",
            ", so the entry is left out; save it in the encoding UTF-8",
        ),
    ];
    assert_eq!(problems.len(), begins.len(), "{problems:#?}");
    for (problem, (begin, end)) in problems.iter().zip(begins) {
        assert!(problem.starts_with(begin) && problem.ends_with(end), "{problem}");
    }
}

#[test]
fn what_is_no_file_of_reasonable_size_is_refused() {
    let dirs = Dirs::new()
        .with("etc/notifyees.d/big.toml", vec![b'#'; (1 << 20) + 1])
        .with("etc/notifyees.d/limit.toml", {
            let mut text = b"path = '/x.so' #".to_vec();
            text.resize(1 << 20, b'#');
            text
        })
        .with("usr/notifyees.d", "a file");
    fs::create_dir(dirs.path("etc/notifyees.d/directory.toml")).unwrap();
    let pipe = dirs.path("etc/notifyees.d/pipe.toml");
    let name = std::ffi::CString::new(pipe.as_os_str().as_bytes()).unwrap();
    // SAFETY: the name is terminated.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    symlink("/nowhere", dirs.path("etc/notifyees.d/link.toml")).unwrap();
    let config = dirs.read();
    assert_eq!(stems(&config), ["limit"]);
    assert_eq!(
        dirs.problems(&config),
        [
            "usr/notifyees.d: it cannot be listed: Not a directory (os error 20); \
             put a directory of .toml files there, or remove it",
            "etc/notifyees.d/big.toml: it is larger than 1 MiB, so the entry is left out; \
             is this the file that is meant?",
            "etc/notifyees.d/directory.toml: it is a directory, not a regular file, so the entry is left out; \
             put a file there, or remove it",
            "etc/notifyees.d/link.toml: it is a link that leads nowhere, so the entry is left out; \
             remove it, or put back what it leads to",
            "etc/notifyees.d/pipe.toml: it is a named pipe, not a regular file, so the entry is left out; \
             put a file there, or remove it",
        ]
    );
}

#[test]
fn entries_are_limited_in_number() {
    let mut dirs = Dirs::new();
    for number in 0..300 {
        dirs = dirs.with(&format!("etc/notifyees.d/{number:03}.toml"), "path = '/x.so'");
    }
    let config = dirs.read();
    assert_eq!(config.notifyees.len(), 256);
    assert_eq!(
        dirs.problems(&config),
        ["etc/notifyees.d/256.toml: only the first 256 entries are read, and this is the next one; \
          remove entries that are not needed"]
    );
}

#[test]
fn a_variable_is_expanded_unless_the_process_is_elevated() {
    // A variable every test run has; nothing here may set one, since tests run at the same time.
    let home = std::env::var("PATH").expect("PATH is set");
    let text = "path = '/x/${PATH}'";
    let (entry, problems) = notifyee(text);
    assert_eq!((entry.unwrap().source, &*problems), (Source::Library(format!("/x/{home}").into()), ""));

    let none = |_: &str| None::<OsString>;
    let file = Path::new("n.toml");
    let elevated = Variables { elevated: true, lookup: &none };
    let (entry, problems) = parse::notifyee("n", file, text, &elevated);
    assert_eq!(entry, None);
    assert_eq!(
        problems[0].to_string(),
        "n.toml:1: path uses ${PATH}, and a process with elevated privileges expands no variables, so the entry is \
         left out; write the path in full"
    );
    let unset = Variables { elevated: false, lookup: &none };
    let (entry, problems) = parse::notifyee("n", file, text, &unset);
    assert_eq!(entry, None);
    assert_eq!(
        problems[0].to_string(),
        "n.toml:1: path uses ${PATH}, which is not set, so the entry is left out; \
         set PATH, or write the path in full"
    );
    let (_, problems) = parse::settings(file, "drives-dir = '${'", &unset);
    assert_eq!(
        problems[0].to_string(),
        "n.toml:1: drives-dir has \"${\" without the name of a variable and \"}\" behind it, so the setting is left \
         out; write it like ${HOME}"
    );
}

#[test]
fn an_expanded_path_must_be_absolute_too() {
    let lookup = |_: &str| Some(OsString::from("relative"));
    let variables = Variables { elevated: false, lookup: &lookup };
    let (entry, problems) = parse::notifyee("n", Path::new("n.toml"), "path = '${X}/y.so'", &variables);
    assert_eq!(entry, None);
    assert_eq!(
        problems[0].to_string(),
        "n.toml:1: path is \"${X}/y.so\" where an absolute path belongs, so the entry is left out; \
         write for example path = \"/usr/lib/mpr/notify/audit.so\""
    );
}

#[test]
fn two_providers_of_one_name_are_pointed_out() {
    let dirs = Dirs::new()
        .with("etc/providers.d/a.toml", "path = '/a.so'\nname = 'Net'")
        .with("etc/providers.d/b.toml", "path = '/b.so'\nname = 'NET'");
    let config = dirs.read();
    assert_eq!(config.providers.len(), 2);
    assert_eq!(
        dirs.problems(&config),
        [
            "etc/providers.d/b.toml: etc/providers.d/a.toml calls its provider \"NET\", too, and comes first whenever \
          that name is asked for; give one of the two another name"
        ]
    );
}

#[test]
fn the_order_names_providers_by_name_or_else_by_stem() {
    let config = Config {
        provider_order: ["STEM-C", "beta", "nobody", "a"].map(String::from).to_vec(),
        ..Config::default()
    };
    // The third has a stem that is the name of the second.
    let providers = vec![("Alpha", "a"), ("Beta", "b"), ("Gamma", "beta"), ("Delta", "stem-c"), ("E", "e")];
    let arranged = config.arrange(providers, |(name, _)| *name, |(_, stem)| Some(*stem));
    let names: Vec<_> = arranged.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["Delta", "Beta", "Alpha", "Gamma", "E"]);
}

/// Elevated reading wants every directory on the way to be root's, so these tests need to be root.
fn as_root(test: impl FnOnce(Dirs)) {
    // SAFETY: takes no pointer.
    if unsafe { libc::geteuid() } == 0 {
        test(Dirs::new());
    }
}

#[test]
fn elevated_privileges_read_what_is_roots_alone() {
    as_root(|dirs| {
        let dirs = dirs
            .with("etc/mpr.toml", "retry-limit = 1")
            .with("etc/notifyees.d/good.toml", "path = '/x.so'")
            .with("etc/notifyees.d/open.toml", "path = '/x.so'")
            .with("etc/notifyees.d/owned.toml", "path = '/x.so'")
            .with("usr/mpr.toml", "retry-limit = 2")
            .with("etc/providers.d/p.toml", "path = '/p.so'\nname = 'P'");
        let set = |file: &str, mode| {
            fs::set_permissions(dirs.path(file), fs::Permissions::from_mode(mode)).unwrap();
        };
        for directory in ["", "etc", "usr", "etc/notifyees.d", "etc/providers.d"] {
            set(directory, 0o755);
        }
        for file in
            ["etc/mpr.toml", "etc/notifyees.d/good.toml", "etc/notifyees.d/owned.toml", "usr/mpr.toml"]
        {
            set(file, 0o644);
        }
        set("etc/notifyees.d/open.toml", 0o664);
        set("usr", 0o777);
        std::os::unix::fs::chown(dirs.path("etc/providers.d"), Some(12345), None).unwrap();
        std::os::unix::fs::chown(dirs.path("etc/notifyees.d/owned.toml"), Some(12345), None).unwrap();

        // Without them, the user's own files will do, too; what registers a plug-in must be of one of the two.
        let config = dirs.read();
        assert_eq!(stems(&config), ["good", "open"]);
        assert_eq!(
            dirs.problems(&config),
            [
                "etc/notifyees.d/owned.toml: it belongs to user 12345, who is neither root nor the user of this process \
              (0), so the entry is left out; run: chown root 'etc/notifyees.d/owned.toml'"
            ]
        );
        let config = dirs.read_as(true);
        assert_eq!((stems(&config), config.retry_limit, config.providers.len()), (vec!["good"], 1, 0));
        assert_eq!(
            dirs.problems(&config),
            [
                "usr: it can be written to by others than root (mode 0777), so nothing in it is read; \
                 run: chmod go-w 'usr'",
                "etc/providers.d: it belongs to user 12345, and a process with elevated privileges trusts only root, \
                 so nothing in it is read; run: chown root 'etc/providers.d'",
                "etc/notifyees.d/open.toml: it can be written to by others than root (mode 0664), so the entry is \
                 left out; run: chmod go-w 'etc/notifyees.d/open.toml'",
                "etc/notifyees.d/owned.toml: it belongs to user 12345, and a process with elevated privileges trusts \
                 only root, so the entry is left out; run: chown root 'etc/notifyees.d/owned.toml'",
            ]
        );
    });
}

#[test]
fn elevated_privileges_distrust_what_lies_in_somebody_elses_directory() {
    as_root(|dirs| {
        let dirs = dirs.with("etc/mpr.toml", "retry-limit = 1");
        std::os::unix::fs::chown(dirs.path(""), Some(12345), None).unwrap();
        let config = dirs.read_as(true);
        assert_eq!(config.retry_limit, 16);
        assert!(dirs.problems(&config)[0].starts_with("etc: its directory /"), "{:?}", config.problems);
    });
}

/// Text made of what configuration files are made of, so that parsing gets past the first line.
fn fragments() -> impl Strategy<Value = String> {
    let words = [
        "path",
        "command",
        "name",
        "class",
        "enabled",
        "priority",
        "events",
        "isolation",
        "timeout-ms",
        "on-failure",
        "auth-path",
        "requires-device",
        "provider-order",
        "builtin-providers",
        "retry-limit",
        "drives-dir",
        "[local-directory.shares]",
        "[local-directory]",
        "local-directory.shares",
        " = ",
        "=",
        "\n",
        ".",
        "[",
        "]",
        "{",
        "}",
        ",",
        "'",
        "\"",
        "'/x'",
        "\"${HOME}/x\"",
        "'${'",
        "true",
        "false",
        "0",
        "-1",
        "0x7f",
        "9223372036854775807",
        "1e9",
        "nan",
        "1979-05-27",
        "'add'",
        "'cancel'",
        "'process'",
        "# c",
        "\\u0000",
        "\u{1F600}",
        "\r\n",
        "\"\"\"",
        "'''",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_text_makes_parsing_panic(text in prop_oneof![".*", "(?s).{0,200}", fragments()], elevated: bool) {
        let lookup = |_: &str| Some(OsString::from("/value"));
        let variables = Variables { elevated, lookup: &lookup };
        let file = Path::new("f.toml");
        let (entry, problems) = parse::notifyee("f", file, &text, &variables);
        prop_assert!(problems.iter().all(|problem| !problem.to_string().contains('\n')));
        if let Some(Source::Library(path)) = entry.map(|entry| entry.source) {
            prop_assert!(path.is_absolute());
        }
        let (entry, problems) = parse::provider("f", file, &text, &variables);
        prop_assert!(problems.iter().all(|problem| !problem.to_string().contains('\n')));
        prop_assert!(entry.is_none_or(|entry| entry.path.is_absolute() && !entry.name.is_empty()));
        let (settings, problems) = parse::settings(file, &text, &variables);
        prop_assert!(problems.iter().all(|problem| !problem.to_string().contains('\n')));
        prop_assert!(settings.local_shares.values().all(|path| path.is_absolute()));
    }
}

#[test]
fn a_pin_is_64_hexadecimal_digits() {
    let digits = "0123456789abcdefABCDEF0123456789".repeat(2);
    let (entry, problems) = notifyee(&format!("path = '/x.so'\nsha256 = '{digits}'"));
    assert_eq!(entry.unwrap().sha256.unwrap().to_string(), digits.to_lowercase());
    assert_eq!(problems, "");
    // A pin that cannot be read pins nothing: then nothing is loaded.
    for wrong in ["'0123'", "17", &format!("'{}'", "g".repeat(64))] {
        let (entry, problems) = notifyee(&format!("path = '/x.so'\nsha256 = {wrong}"));
        assert!(entry.is_none() && problems.contains("where 64 hexadecimal digits belongs"), "{problems}");
    }
}

#[test]
fn a_guard_is_required_where_the_system_registers_it() {
    let guard = "path = '/x.so'\non-failure = 'deny'";
    let dirs = Dirs::new()
        .with("usr/notifyees.d/guard.toml", guard)
        .with("usr/notifyees.d/other.toml", "path = '/y.so'")
        .with("etc/notifyees.d/own.toml", guard);
    let config = dirs.read();
    let required: Vec<_> =
        config.notifyees.iter().filter(|entry| entry.is_required()).map(|entry| &*entry.stem).collect();
    assert_eq!(required, ["guard"]);
}

#[test]
fn safe_mode_stays_on_for_everybody_who_did_not_ask_for_it() {
    let dirs = Dirs::new().with("usr/mpr.toml", "safe-mode = true").with("etc/mpr.toml", "safe-mode = false");
    assert!(dirs.read().safe_mode);
}
