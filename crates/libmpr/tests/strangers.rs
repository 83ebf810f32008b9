//! `libmpr.so` as programs meet it that know nothing of Rust.

mod common;

use common::*;
use std::process::Command;

#[test]
fn a_program_written_for_windows_finds_everything_as_on_windows() {
    let env = world();
    for (name, compiler, flags) in [
        ("narrow", "gcc", &["-std=c11"][..]),
        ("wide", "gcc", &["-std=c11", "-DUNICODE"]),
        ("narrow++", "g++", &["-std=c++17"]),
        ("wide++", "g++", &["-std=c++17", "-DUNICODE"]),
    ] {
        let program = program(&env, compiler, "caller.c", name, flags);
        let output = env.command(program).output().expect("it runs");
        assert_eq!(succeeded(&output), "all is as on Windows\n", "{name}");
    }
}

#[test]
fn plug_ins_are_called_in_the_order_of_the_protocol() {
    let env = world();
    let program = program(&env, "gcc", "caller.c", "caller", &["-DUNICODE"]);
    succeeded(&env.command(program).output().expect("it runs"));
    let calls = calls(&env);
    let expected = [
        r"notifyee: before add 0 Z: \\srv\files -",
        r"provider: add Z: \\srv\files",
        r"notifyee: after add 0 Z: \\srv\files C Network",
        "notifyee: before cancel 0 Z: - -",
        "provider: cancel Z:",
        "notifyee: after cancel 0 Z: - C Network",
    ];
    assert_eq!(calls[..6], expected, "a refused attempt in between is announced to nobody");
    let vetoed: Vec<_> = calls.iter().filter(|call| call.contains("vetoed")).collect();
    assert_eq!(vetoed, [r"notifyee: before add 0 Y: \\srv\vetoed -"]);
    assert!(!calls.iter().any(|call| call.contains("ss ")), "no password in {calls:#?}");
    let added: Vec<_> = calls.iter().filter(|call| call.contains("add R:")).collect();
    let kept: Vec<_> = calls.iter().filter(|call| call.contains(r"R: \\srv\kept")).collect();
    assert_eq!(added.len(), 2, "connected and restored: {added:?}");
    assert_eq!(kept.len(), 4, "a restored connection is announced to nobody: {kept:?}");
}

#[test]
fn a_plug_in_finds_the_router_that_was_loaded_for_its_caller_alone() {
    let env = world();
    let program = program(&env, "gcc", "late.c", "late", &["-ldl"]);
    let output = env.command(program).output().expect("it runs");
    assert_eq!(succeeded(&output), "1208\n99 C Network: not today, Jürgen\n");
}

#[test]
fn every_function_the_headers_declare_links() {
    let env = mpr_testkit::TestEnv::new();
    let headers = ["winnetwk.h", "npapi.h"].map(|name| {
        std::fs::read_to_string(root().join("include/mpr").join(name)).expect("the headers are there")
    });
    let names: Vec<&str> = headers
        .iter()
        .flat_map(|text| text.split("WINAPI ").skip(1).chain(text.split("void APIENTRY ").skip(1)))
        .filter_map(|behind| behind.split_once('(').map(|(name, _)| name))
        .collect();
    assert!(names.len() > 60, "{names:?}");
    let mut source =
        "#include <npapi.h>\ntypedef void (*ANY)(void);\nstatic const ANY all[] = {\n".to_owned();
    for name in &names {
        source.push_str(&format!("    (ANY){name},\n"));
    }
    source.push_str("};\nint main(void)\n{\n    return sizeof all / sizeof *all < 60 || all[0] == 0;\n}\n");
    let file = env.root().join("links.c");
    std::fs::write(&file, source).expect("a file in our own directory");
    let program = env.root().join("links");
    compile(
        Command::new("gcc")
            .args(["-std=c11", "-fshort-wchar", "-I"])
            .arg(root().join("include/mpr"))
            .arg(&file)
            .arg("-o")
            .arg(&program)
            .arg("-L")
            .arg(build_dir())
            .arg("-lmpr"),
    );
    succeeded(&env.command(program).env("LD_LIBRARY_PATH", build_dir()).output().expect("it runs"));
}
