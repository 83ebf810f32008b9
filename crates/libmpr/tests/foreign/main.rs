//! Programs in C, C# and Python connect and cancel a share of a real SMB server through `libmpr.so`, while a
//! notification library in C is told, refuses, and has an attempt repeated.

#![cfg(target_os = "linux")]

use mpr_testkit::{Samba, TestEnv, compile_c, libmpr, mpr_mount};
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const GUARD: &str = include_str!("guard.c");
const CALLER: &str = include_str!("caller.c");

/// A server of one's own, the library as it is installed, and the guard registered.
struct World {
    env: TestEnv,
    samba: Samba,
}

impl World {
    fn new() -> Self {
        let samba = Samba::start();
        let env = TestEnv::new();
        let library = env.compile_c("guard", GUARD);
        let env = env.notifyee_library("guard", library).setting("builtin-providers", ["smb"].as_slice());
        let installed = env.root().join("installed");
        fs::create_dir(&installed).unwrap();
        symlink(libmpr(), installed.join("libmpr.so.0")).unwrap();
        symlink("libmpr.so.0", installed.join("libmpr.so")).unwrap();
        symlink("libmpr.so.0", installed.join("libmpr.dll.so")).unwrap();
        symlink(mpr_mount(), installed.join("mpr-mount")).unwrap();
        World { env, samba }
    }

    fn installed(&self) -> PathBuf {
        self.env.root().join("installed")
    }

    fn log(&self) -> PathBuf {
        self.env.root().join("guard.log")
    }

    /// Runs a caller with a remote name, a device and a user; the password goes to its standard input.
    fn call(&self, mut caller: Command, remote: &str) -> Output {
        caller
            .args([remote, "Z:", self.samba.user()])
            .env("LD_LIBRARY_PATH", self.installed())
            .env("GUARD_LOG", self.log())
            .env("GUARD_MAKES", self.samba.data("ro"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = caller.spawn().unwrap_or_else(|error| panic!("{caller:?}: {error}"));
        writeln!(child.stdin.take().unwrap(), "{}", Samba::PASSWORD).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What every caller must see, and what the guard must be told meanwhile.
    fn check(&self, caller: impl Fn() -> Command) {
        let rw = self.samba.unc("rw");
        let output = self.call(caller(), &rw);
        assert_eq!(text(&output), format!("Z: is {rw}\nZ: is free again\n"), "{}", errors(&output));
        assert_eq!(
            self.told(),
            format!(
                "add pre status=0 type=1 local=Z: remote={rw} provider=- flags=0\n\
                 add post status=0 type=1 local=Z: remote={rw} provider=Microsoft Windows Network flags=0\n\
                 cancel pre status=0 name=Z: provider= flags=0 force=0\n\
                 cancel post status=0 name=Z: provider=Microsoft Windows Network flags=0 force=0\n"
            )
        );

        let refused = self.samba.unc("denied");
        let output = self.call(caller(), &refused);
        assert!(!output.status.success());
        let errors = errors(&output);
        assert!(errors.contains("error 1223"), "{errors}");
        assert!(errors.contains("nobody connects this share"), "the reason reaches the caller: {errors}");
        assert_eq!(
            self.told(),
            format!("add pre status=0 type=1 local=Z: remote={refused} provider=- flags=0\n"),
            "the provider is not asked, and who refused is not called again"
        );

        // A share whose directory is missing; the guard makes it and has the attempt repeated.
        fs::remove_dir_all(self.samba.data("ro")).unwrap();
        let late = self.samba.unc("ro");
        let output = self.call(caller(), &late);
        assert_eq!(text(&output), format!("Z: is {late}\nZ: is free again\n"), "{}", self::errors(&output));
        let told = self.told();
        let adds: Vec<&str> = told.lines().filter(|line| line.starts_with("add")).collect();
        assert_eq!(
            adds,
            [
                format!("add pre status=0 type=1 local=Z: remote={late} provider=- flags=0"),
                format!("add post status=67 type=1 local=Z: remote={late} provider=- flags=0 -> retry"),
                format!(
                    "add post status=0 type=1 local=Z: remote={late} provider=Microsoft Windows Network flags=0"
                ),
            ],
            "one call before, and one after each attempt"
        );
    }

    /// What the guard wrote since the last time.
    fn told(&self) -> String {
        let told = fs::read_to_string(self.log()).unwrap();
        fs::remove_file(self.log()).unwrap();
        told
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two levels below the root")
}

/// A tool, or a sentence about the package that has it.
fn tool(name: &str, package: &str) -> Command {
    let found = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(found.is_ok(), "this test needs {name}; install the Debian package {package}");
    Command::new(name)
}

#[test]
fn a_c_program_written_for_windows_connects_and_cancels() {
    let world = World::new();
    for encoding in [&["-DUNICODE", "-D_UNICODE"][..], &[]] {
        let source = world.env.root().join("caller.c");
        fs::write(&source, CALLER).unwrap();
        let program = world.env.root().join("caller");
        let compiled = tool("gcc", "gcc")
            .args(["-Wall", "-Werror", "-fshort-wchar", "-I"])
            .arg(root().join("include/mpr"))
            .args(encoding)
            .arg("-o")
            .arg(&program)
            .arg(&source)
            .arg("-L")
            .arg(world.installed())
            .arg("-lmpr")
            .output()
            .unwrap();
        assert!(compiled.status.success(), "{}", errors(&compiled));
        world.check(|| world.env.command(&program));
    }
}

#[test]
fn a_python_program_connects_and_cancels() {
    let world = World::new();
    _ = tool("/usr/bin/python3", "python3");
    world.check(|| {
        let mut python = world.env.command("/usr/bin/python3");
        python.arg(root().join("examples/python/connect.py"));
        python
    });
}

#[test]
fn a_c_sharp_program_connects_and_cancels() {
    let world = World::new();
    let program = world.env.root().join("connect.exe");
    let compiled = tool("mcs", "mono-mcs")
        .arg(format!("-out:{}", program.display()))
        .arg(root().join("examples/csharp/Connect.cs"))
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", errors(&compiled));
    _ = tool("mono", "mono-runtime");
    world.check(|| {
        let mut mono = world.env.command("mono");
        mono.arg(&program);
        mono
    });
}

#[test]
fn a_library_compiled_from_c_needs_nothing_but_its_header() {
    let env = TestEnv::new();
    let library = compile_c(env.root(), "guard", GUARD, &[]);
    assert!(library.is_file());
}
