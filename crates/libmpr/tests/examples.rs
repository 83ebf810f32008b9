//! The examples in C do what they say, compiled by the command lines that stand in them.

mod common;

use common::*;
use mpr_testkit::TestEnv;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// Runs the compiler lines at the head of an example, in a copy of the tree's outline; what they make is in the
/// root of `env`.
fn build(env: &TestEnv, example: &str) {
    let root = env.root();
    for (name, original) in [
        ("include", common::root().join("include")),
        ("examples", common::root().join("examples")),
        ("target/release", build_dir().to_owned()),
    ] {
        let link = root.join(name);
        fs::create_dir_all(link.parent().expect("below the root")).expect("a directory of our own");
        if !link.is_symlink() {
            symlink(original, link).expect("a link in our own directory");
        }
    }
    let source = fs::read_to_string(root.join("examples/c").join(example)).expect("the example is there");
    let head = source.split_once("*/").expect("it begins with a comment").0;
    let lines: Vec<&str> = head
        .lines()
        .filter_map(|line| line.strip_prefix(" *   "))
        .filter(|line| line.starts_with("gcc "))
        .collect();
    assert!(!lines.is_empty(), "{example} says how to compile it");
    for line in lines {
        let strict = line.replacen("gcc ", "gcc -Wall -Wextra -Werror ", 1);
        compile(Command::new("sh").args(["-c", &strict]).current_dir(root));
        if example == "connect.c" {
            let kind = if line.contains("-DUNICODE") { "connect-wide" } else { "connect-narrow" };
            fs::rename(root.join("connect"), root.join(kind)).expect("it was made");
        }
    }
}

/// Runs a compiled `connect`, and returns whether it went well and what it said.
fn connect(env: &TestEnv, program: &str, remote: &str) -> (bool, String) {
    let output = env.command(env.root().join(program)).args([remote, "Z:"]).output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn connect_connects_asks_lists_and_disconnects() {
    let env = world();
    build(&env, "connect.c");
    for program in ["connect-narrow", "connect-wide"] {
        let said = connect(&env, program, r"\\srv\fötos 𝄞");
        let expected = "Z: is \\\\srv\\fötos 𝄞\n  Z: \\\\srv\\fötos 𝄞 (C Network)\n";
        assert_eq!(said, (true, expected.into()), "{program}");
        assert!(calls(&env).iter().any(|call| call == "provider: cancel Z:"));
        let said = connect(&env, program, r"\\srv\refused");
        let expected = "WNetAddConnection2 failed: 1208\nC Network (99): not today, Jürgen\n";
        assert_eq!(said, (false, expected.into()), "{program}");
    }
}

#[test]
fn audit_writes_a_line_for_each_call() {
    let env = world();
    build(&env, "audit_notifyee.c");
    build(&env, "connect.c");
    let (library, log) = (env.root().join("audit.so"), env.root().join("audit.log"));
    let env = env.notifyee_library("audit", library).var("MPR_AUDIT_LOG", &log);
    assert!(connect(&env, "connect-wide", "\\\\srv\\a\"b\nc").0);
    let text = fs::read_to_string(log).expect("the log was made");
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            // What is different each time: when, who, and how long it took.
            let words: Vec<&str> = line.split(' ').collect();
            assert!(words[0].ends_with('Z') && words[1] == "pid" && words[3] == "uid", "{line}");
            let rest = words[5..].join(" ");
            match rest.rsplit_once(", ") {
                Some((told, time)) if time.ends_with(" ms") => told.to_owned(),
                _ => rest,
            }
        })
        .collect();
    let expected = [
        r#"connect "Z:" "\\srv\a\u{22}b\u{a}c" begins"#,
        r#"connect "Z:" "\\srv\a\u{22}b\u{a}c" ends: 0, by "C Network""#,
        r#"disconnect "Z:" begins"#,
        r#"disconnect "Z:" ends: 0, by "C Network""#,
    ];
    assert_eq!(lines, expected);
}

#[test]
fn audit_keeps_lines_apart_that_come_at_once() {
    let env = world();
    build(&env, "audit_notifyee.c");
    let program = program(&env, "gcc", "threads.c", "threads", &["-pthread"]);
    let (library, log) = (env.root().join("audit.so"), env.root().join("audit.log"));
    let env = env.notifyee_library("audit", library).var("MPR_AUDIT_LOG", &log);
    succeeded(&env.command(program).output().expect("it runs"));
    let text = fs::read_to_string(log).expect("the log was made");
    assert_eq!(text.lines().count(), 8 * 50 * 4);
    for line in text.lines() {
        assert!(line.contains("Z pid ") && (line.ends_with(" begins") || line.ends_with(" ms")), "{line}");
        assert_eq!(line.matches(" pid ").count(), 1, "{line}");
    }
}

/// A world with the link library, and a script that writes down how it is called. Its link works from the
/// `works_at`-th time on that it is brought up.
fn world_with_link(works_at: u32, tries: u32) -> TestEnv {
    let env = world();
    build(&env, "link_notifyee.c");
    build(&env, "connect.c");
    let root = env.root();
    let (script, conf, link) = (root.join("branch-link"), root.join("link.conf"), root.join("link-is-up"));
    let text = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$1 $2\" >>'{root}/script-calls'\n[ \"$1\" = down ] && exec rm -f '{link}'\n\
         [ \"$(grep -c '^up' '{root}/script-calls')\" -ge {works_at} ] && touch '{link}'\n\
         [ ! -e '{root}/broken' ]\n",
        root = root.display(),
        link = link.display(),
    );
    fs::write(&script, text).expect("a file of our own");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("a file of our own");
    fs::write(&conf, format!("remote = \\\\srv\\far\nscript = {}\ntries = {tries}\n", script.display()))
        .expect("a file of our own");
    let library = root.join("link.so");
    env.notifyee_library("link", library).var("MPR_LINK_CONF", conf).var("TEST_LINK", link)
}

/// How the script was called.
fn script_calls(root: &Path) -> String {
    fs::read_to_string(root.join("script-calls")).unwrap_or_default().replace(" \\\\srv\\far-away\n", " ")
}

#[test]
fn link_brings_the_link_up_before_a_connection_that_needs_it() {
    let env = world_with_link(1, 1);
    assert!(connect(&env, "connect-narrow", r"\\srv\near").0);
    assert_eq!(script_calls(env.root()), "", "this one does not need it");
    assert!(connect(&env, "connect-narrow", r"\\srv\far-away").0);
    assert_eq!(script_calls(env.root()), "up ");
}

#[test]
fn link_tries_again_as_often_as_it_may() {
    let env = world_with_link(2, 3);
    assert!(connect(&env, "connect-narrow", r"\\srv\far-away").0);
    assert_eq!(script_calls(env.root()), "up down up ");
}

#[test]
fn link_takes_the_link_down_when_the_last_attempt_failed() {
    let env = world_with_link(9, 3);
    let said = connect(&env, "connect-narrow", r"\\srv\far-away");
    assert_eq!(said, (false, "WNetAddConnection2 failed: 53\n".into()));
    assert_eq!(script_calls(env.root()), "up down up down up down ");
}

#[test]
fn link_refuses_a_connection_whose_link_does_not_come_up() {
    let env = world_with_link(1, 3);
    fs::write(env.root().join("broken"), "").expect("a file of our own");
    let said = connect(&env, "connect-narrow", r"\\srv\far-away");
    let expected = "WNetAddConnection2 failed: 1208\nlink (1222): the link does not come up\n";
    assert_eq!(said, (false, expected.into()));
    assert_eq!(script_calls(env.root()), "up down ");
    assert!(!calls(&env).iter().any(|call| call.starts_with("provider")), "nobody was asked to connect");
}

#[test]
fn the_provider_connects_lists_and_disconnects() {
    let env = TestEnv::new().without_builtin_providers().var("LD_LIBRARY_PATH", build_dir());
    build(&env, "memory_provider.c");
    build(&env, "connect.c");
    let library = env.root().join("memory.so");
    let env = env.provider_library("memory", "Memory Network", library);
    for program in ["connect-narrow", "connect-wide"] {
        let said = connect(&env, program, r"\\Memory\any thing");
        let expected = "Z: is \\\\Memory\\any thing\n  Z: \\\\Memory\\any thing (Memory Network)\n";
        assert_eq!(said, (true, expected.into()), "{program}");
        let said = connect(&env, program, r"\\elsewhere\x");
        assert_eq!(said, (false, "WNetAddConnection2 failed: 67\n".into()), "{program}");
    }
}
