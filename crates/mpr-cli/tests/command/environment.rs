//! Surroundings of one test: private directories for everything `mpr` reads and writes, gone with the value.

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// The network of the tests, in C: it keeps its connections as files, and what it does depends on the share.
const PROVIDER: &str = include_str!("provider.c");

pub(crate) struct Environment {
    home: TempDir,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Environment {
    /// Directories for configuration (the system's and the user's), state and run time, and a share
    /// `\\local\photos` with a file in it.
    pub(crate) fn new() -> Environment {
        let environment = Environment { home: tempfile::tempdir().unwrap() };
        for directory in ["system", "user", "state", "run", "photos/2024", "helpers"] {
            fs::create_dir_all(environment.path(directory)).unwrap();
        }
        for private in ["state", "run"] {
            fs::set_permissions(environment.path(private), fs::Permissions::from_mode(0o700)).unwrap();
        }
        fs::write(environment.path("photos/2024/a.txt"), "a").unwrap();
        // Networks that would ask the real one about the names of the tests are left out.
        let shares = format!(
            "builtin-providers = [\"local\"]\n[local-directory.shares]\nphotos = {:?}\n",
            environment.path("photos")
        );
        environment.write("system/mpr.toml", &shares);
        for changed in ["system", "user"] {
            set_mode(&environment.path(changed), 0o755);
        }
        environment
    }

    /// The same, with the network of [`PROVIDER`] registered beside it.
    pub(crate) fn with_test_network() -> Environment {
        let environment = Environment::new();
        fs::create_dir(environment.path("network")).unwrap();
        let state = format!("-DSTATE={:?}", environment.path("network"));
        let library = environment.compile("test-network", PROVIDER, &[&state]);
        environment.write(
            "system/providers.d/test.toml",
            &format!("# the network of the tests\npath = {library:?}\nname = \"Test Network\"\n"),
        );
        environment
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }

    /// Compiles a plug-in.
    pub(crate) fn compile(&self, name: &str, source: &str, flags: &[&str]) -> PathBuf {
        let (file, library) = (self.path(&format!("{name}.c")), self.path(&format!("{name}.so")));
        fs::write(&file, format!("{PRELUDE}\n{source}\n")).unwrap();
        let output = Command::new("cc")
            .args(["-std=gnu11", "-fPIC", "-shared", "-fshort-wchar", "-Wall"])
            .args(flags)
            .arg("-o")
            .args([&library, &file])
            .output()
            .expect("tests compile plug-ins with `cc`; install the Debian package gcc");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        library
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mpr"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path("home"))
            .env(
                "MPR_CONFIG_DIRS",
                format!("{}:{}", self.path("system").display(), self.path("user").display()),
            )
            .env("MPR_STATE_DIR", self.path("state"))
            .env("MPR_RUNTIME_DIR", self.path("run"))
            .env("MPR_LIBEXEC_DIR", self.path("helpers"))
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs `mpr` without a terminal: `setsid` sees to it that there is none to ask questions at.
    pub(crate) fn mpr(&self, arguments: &[&str]) -> Outcome {
        detached(&mut self.command(arguments)).output().unwrap().into()
    }

    /// Runs `mpr` with this on its standard input.
    pub(crate) fn mpr_with_input(&self, arguments: &[&str], input: &str) -> Outcome {
        let mut command = self.command(arguments);
        detached(&mut command).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that does not read its input closes it; that is for the assertions to judge.
        _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap().into()
    }

    /// Runs `mpr`, which must succeed, and returns its standard output.
    #[track_caller]
    pub(crate) fn out(&self, arguments: &[&str]) -> String {
        let outcome = self.mpr(arguments);
        assert_eq!(outcome.code, 0, "mpr {arguments:?}: {outcome:#?}");
        outcome.out
    }

    /// Runs `mpr`, which must succeed, and returns the JSON objects it prints.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        parse_lines(&self.out(arguments))
    }
}

/// Every line as JSON.
#[track_caller]
pub(crate) fn parse_lines(text: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(parse).collect()
}

/// In a session of its own, so that there is no terminal even if the tests run at one.
pub(crate) fn detached(command: &mut Command) -> &mut Command {
    use std::os::unix::process::CommandExt;
    // SAFETY: setsid is async-signal-safe and takes no pointer.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            Ok(())
        })
    }
}

/// Starts a command whose output is collected.
pub(crate) fn started(mut command: Command) -> Child {
    detached(&mut command).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Outcome {
            // Whoever died of a signal has no code.
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Outcome {
    /// Asserts the exit status.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Outcome {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }
}

/// Gives a file a mode.
pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The types of `npapi.h`, without a header.
const PRELUDE: &str = r#"
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <dirent.h>
typedef uint32_t DWORD;
typedef int BOOL;
typedef uint16_t WCHAR;
typedef struct { DWORD scope, type, display, usage; WCHAR *local, *remote, *comment, *provider; } NETRESOURCE;
typedef struct { DWORD when, status; void *context; } NOTIFYINFO;
typedef struct { void *owner; NETRESOURCE resource; DWORD flags; } NOTIFYADD;
typedef struct { WCHAR *name, *provider; DWORD flags; BOOL force; } NOTIFYCANCEL;
/* Resolved in the program that loads the plug-in, if that exports it. */
extern void WNetSetLastErrorW(DWORD, const WCHAR *, const WCHAR *) __attribute__((weak));
"#;
