//! Libraries that are loaded through the descriptor by which they were judged.

mod compile;

use compile::{library, library_with};
use mpr::Pin;
use mpr::config::Events;
use mpr::library::{LoadedNotifyee, Terms};
use mpr_plugin::abi::NOTIFYINFO;
use mpr_plugin::{AddNotice, Notifyee};
use std::path::Path;
use std::ptr::null_mut;

/// Whoever has to have certain contents is loaded through a descriptor.
fn pinned(path: &Path) -> Terms {
    Terms { sha256: Some(Pin::of(&std::fs::read(path).unwrap())), ..Terms::default() }
}

fn load(path: &Path, terms: &Terms) -> LoadedNotifyee {
    LoadedNotifyee::load(path, Events::ALL, terms).unwrap_or_else(|error| panic!("{error}"))
}

fn answer(notifyee: &LoadedNotifyee) -> u32 {
    let mut info = NOTIFYINFO { dwNotifyStatus: 1, dwOperationStatus: 0, lpContext: null_mut() };
    let add = AddNotice {
        owner: null_mut(),
        scope: 0,
        kind: 1,
        display: 0,
        usage: 0,
        local: None,
        remote: None,
        provider: None,
        flags: 0,
    };
    notifyee.add_connect_notify(&mut info, &add).0
}

/// Answers 1 if the linker knows it by a name below `/proc`, else 2.
const WHERE: &str = r#"
#include <dlfcn.h>
DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) {
    Dl_info info;
    dladdr((void *)AddConnectNotify, &info);
    return strncmp(info.dli_fname, "/proc/self/fd/", 14) == 0 ? 1 : 2;
}
"#;

#[test]
fn what_is_pinned_is_loaded_through_its_descriptor_and_a_users_own_by_its_path() {
    let (one, other) = (
        library_with(WHERE, &["-shared", "-D_GNU_SOURCE"]),
        library_with(WHERE, &["-shared", "-D_GNU_SOURCE"]),
    );
    assert_eq!(answer(&load(one.path(), &pinned(one.path()))), 1);
    assert_eq!(answer(&load(other.path(), &Terms::default())), 2);
}

#[test]
fn what_root_registered_is_loaded_through_its_descriptor_if_it_is_roots() {
    let library = library_with(WHERE, &["-shared", "-D_GNU_SOURCE"]);
    let terms = Terms { by_root: true, ..Terms::default() };
    // SAFETY: takes no pointer and cannot fail.
    if unsafe { libc::geteuid() } == 0 {
        assert_eq!(answer(&load(library.path(), &terms)), 1);
        std::os::unix::fs::chown(library.path(), Some(12345), None).unwrap();
    }
    let error = LoadedNotifyee::load(library.path(), Events::ALL, &terms).unwrap_err();
    assert!(error.what.ends_with("what root registers must be root's"), "{error}");
}

#[test]
fn libraries_that_had_the_same_number_of_a_descriptor_are_not_taken_for_one() {
    let source =
        |code: u32| format!("DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) {{ return {code}; }}");
    for code in 10..14 {
        let library = library(&source(code));
        assert_eq!(answer(&load(library.path(), &pinned(library.path()))), code);
    }
}

#[test]
fn one_file_is_one_library_however_it_is_loaded() {
    let counting = library(
        "DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { static DWORD calls; return ++calls; }",
    );
    let (through, by_path) =
        (load(counting.path(), &pinned(counting.path())), load(counting.path(), &Terms::default()));
    assert_eq!((answer(&through), answer(&by_path), answer(&through)), (1, 2, 3));
}

#[test]
fn a_library_that_looks_beside_itself_finds_what_it_needs() {
    let beside = library("DWORD beside(void) { return 77; }");
    let directory = beside.path().parent().unwrap();
    std::fs::rename(beside.path(), directory.join("libbeside.so")).unwrap();
    let search = format!("-L{}", directory.display());
    let user = library_with(
        "DWORD beside(void); DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return beside(); }",
        &["-shared", &search, "-Wl,-rpath,$ORIGIN", "-Wl,--no-as-needed", "-lbeside"],
    );
    let moved = directory.join("user.so");
    std::fs::copy(user.path(), &moved).unwrap();
    assert_eq!(answer(&load(&moved, &pinned(&moved))), 77);
}

#[test]
fn other_contents_than_those_that_are_pinned_are_not_loaded() {
    let library = library("DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return 0; }");
    let terms = Terms { sha256: Some(Pin::of(b"something else")), ..Terms::default() };
    let error = LoadedNotifyee::load(library.path(), Events::ALL, &terms).unwrap_err();
    assert!(error.what.starts_with("its contents are not those it was registered with"), "{error}");
    assert!(error.remedy.contains("--pin"), "{error}");
}
