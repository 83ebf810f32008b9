use crate::environment::{Environment, detached};
use std::process::Stdio;

#[test]
fn an_empty_list_is_empty_and_says_so_beside() {
    let outcome = Environment::new().mpr(&["list"]).code(0);
    assert_eq!((&*outcome.out, &*outcome.err), ("", "there are no connections\n"));
}

#[test]
fn recent_names_come_most_recent_first() {
    let it = Environment::with_test_network();
    for share in ["one", "two"] {
        it.out(&["connect", &format!("//test/{share}"), "Z:"]);
        it.out(&["disconnect", "Z:"]);
    }
    assert_eq!(it.out(&["list", "--recent"]), "\\\\test\\two\n\\\\test\\one\n");
    assert_eq!(it.json(&["list", "--recent", "--json"])[0]["remote"], r"\\test\two");
}

#[test]
fn devices_come_in_order_and_then_what_has_none() {
    let it = Environment::with_test_network();
    for arguments in [&["//test/a", "Z:"][..], &["//test/b"], &["//local/photos", "Y:"]] {
        it.out(&[&["connect"], arguments].concat());
    }
    let names: Vec<_> = it.json(&["list", "--json"]).iter().map(|one| one["local"].clone()).collect();
    assert_eq!(names, [serde_json::json!("Y:"), serde_json::json!("Z:"), serde_json::Value::Null]);
}

#[test]
fn a_provider_that_does_not_tell_is_named() {
    let it = Environment::new();
    let source = "DWORD NPGetCaps(DWORD i) { return i == 0xB ? 2 : i == 0xC; } \
                  DWORD NPOpenEnum(DWORD s, DWORD t, DWORD u, NETRESOURCE *r, void **h) { return 59; } \
                  DWORD NPEnumResource(void *h, DWORD *c, void *b, DWORD *n) { return 259; } \
                  DWORD NPCloseEnum(void *h) { return 0; }";
    let library = it.compile("broken", source, &[]);
    it.write("user/providers.d/broken.toml", &format!("path = {library:?}\nname = \"Broken\"\n"));
    it.out(&["connect", "//local/photos", "Z:"]);
    let outcome = it.mpr(&["list"]).code(0);
    assert!(outcome.out.contains(r"\\local\photos"), "{}", outcome.out);
    assert!(outcome.err.contains("the provider \"Broken\" does not tell its connections"), "{}", outcome.err);
}

#[test]
fn a_provider_that_hangs_does_not_hang_the_list() {
    let it = Environment::new();
    let gate = it.path("gate");
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());
    // Nobody ever opens the other end.
    let source = "DWORD NPGetCaps(DWORD i) { return i == 0xB ? 2 : i == 0xC; } \
                  DWORD NPOpenEnum(DWORD s, DWORD t, DWORD u, NETRESOURCE *r, void **h) \
                  { close(open(GATE, O_RDONLY)); return 50; } \
                  DWORD NPEnumResource(void *h, DWORD *c, void *b, DWORD *n) { return 259; } \
                  DWORD NPCloseEnum(void *h) { return 0; }";
    let library = it.compile("hanging", source, &[&format!("-DGATE={gate:?}")]);
    it.write("user/providers.d/hanging.toml", &format!("path = {library:?}\nname = \"Hanging\"\n"));
    it.out(&["connect", "//local/photos", "Z:"]);
    let outcome = it.mpr(&["list", "--json"]).code(0);
    assert!(outcome.out.contains(r"\\\\local\\photos"), "{}", outcome.out);
    assert!(outcome.err.contains("the provider \"Hanging\" does not answer"), "{}", outcome.err);
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let it = Environment::new();
    let mut command = it.command(&["error"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = detached(&mut command).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn one_list_at_a_time() {
    Environment::new().mpr(&["list", "--recent", "--all"]).code(2);
}
