//! The shared object as cargo builds it, and programs in C that use it.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use mpr_testkit::TestEnv;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two levels below the root").to_owned()
}

/// The directory with `libmpr.so` and its links, built if need be.
pub fn build_dir() -> &'static Path {
    mpr_testkit::libmpr().parent().expect("a file is in a directory")
}

/// `libmpr.so`.
pub fn library() -> &'static Path {
    mpr_testkit::libmpr()
}

/// Runs a compiler, and fails with its words or with the name of the package that has it.
#[track_caller]
pub fn compile(command: &mut Command) {
    let package = if command.get_program() == "g++" { "g++" } else { "gcc" };
    match command.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!("{command:?}:\n{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("this test needs {:?}; install the Debian package {package}", command.get_program())
        }
        Err(error) => panic!("{command:?}: {error}"),
    }
}

/// Compiles a program of `tests/c` against `libmpr.so`, with every warning an error.
#[track_caller]
pub fn program(env: &TestEnv, compiler: &str, source: &str, name: &str, flags: &[&str]) -> PathBuf {
    let program = env.root().join(name);
    let language = if compiler == "g++" { "c++" } else { "c" };
    compile(
        Command::new(compiler)
            .args(["-Wall", "-Wextra", "-Werror", "-fshort-wchar", "-I"])
            .arg(root().join("include/mpr"))
            .args(["-x", language])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c").join(source))
            .args(["-x", "none"])
            .args(flags)
            .arg("-o")
            .arg(&program)
            .arg("-L")
            .arg(build_dir())
            .arg("-lmpr"),
    );
    program
}

/// A plug-in of `tests/c`.
#[track_caller]
pub fn plugin(env: &TestEnv, source: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c").join(source);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    env.compile_c(source.trim_end_matches(".c"), &text)
}

/// A world with the provider and the notification library of `tests/c`, and nothing built in.
#[track_caller]
pub fn world() -> TestEnv {
    let env = TestEnv::new().without_builtin_providers();
    let (provider, notifyee) = (plugin(&env, "provider.c"), plugin(&env, "notifyee.c"));
    let log = env.root().join("calls");
    env.provider_library("np-c", "C Network", provider)
        .notifyee_library("listener", notifyee)
        .var("TEST_CALLS", log)
        .var("LD_LIBRARY_PATH", build_dir())
}

/// What the plug-ins of a world wrote down, and forgets it.
pub fn calls(env: &TestEnv) -> Vec<String> {
    let file = env.root().join("calls");
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    _ = std::fs::remove_file(file);
    text.lines().map(str::to_owned).collect()
}

/// Standard output of a program that went well.
#[track_caller]
pub fn succeeded(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    text
}
