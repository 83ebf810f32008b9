//! Notification libraries in shared objects: loading them, and what passes between them and the router.

mod compile;

use compile::{Library, library, library_with};
use mpr::config::Events;
use mpr::library::{LoadError, LoadedCredentialManager, LoadedNotifyee, LoadedProvider, Terms};
use mpr_abi::{NOTIFY_POST, NOTIFY_PRE, NOTIFYINFO, Status};
use mpr_plugin::{AddNotice, CancelNotice, Event, Notifyee, WideStr, wide};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::ptr::{null_mut, without_provenance_mut};

fn load(path: &Path) -> Result<LoadedNotifyee, LoadError> {
    LoadedNotifyee::load(path, Events::ALL, &Terms::default())
}

/// The message without the path it begins with.
fn complaint(path: &Path) -> String {
    let message = load(path).expect_err("it must not load").to_string();
    let (file, complaint) = message.split_once(": ").expect("the message names the file");
    assert_eq!(Path::new(file), path);
    complaint.to_owned()
}

fn loaded(library: &Library) -> LoadedNotifyee {
    load(library.path()).unwrap_or_else(|error| panic!("{error}"))
}

fn pre() -> NOTIFYINFO {
    NOTIFYINFO { dwNotifyStatus: NOTIFY_PRE, dwOperationStatus: 0, lpContext: null_mut() }
}

fn add<'a>(
    local: Option<&'a WideStr>,
    remote: Option<&'a WideStr>,
    provider: Option<&'a WideStr>,
) -> AddNotice<'a> {
    AddNotice {
        owner: without_provenance_mut(0x77),
        scope: 2,
        kind: 1,
        display: 3,
        usage: 4,
        local,
        remote,
        provider,
        flags: 0x18,
    }
}

/// A file of this content beside nothing else.
fn file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.so");
    fs::write(&path, content).unwrap();
    (directory, path)
}

#[test]
fn a_missing_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = "there is no such file; install it, or correct the path";
    assert_eq!(complaint(&directory.path().join("none.so")), missing);
    let link = directory.path().join("link.so");
    symlink(directory.path().join("none.so"), &link).unwrap();
    assert_eq!(complaint(&link), missing);
}

#[test]
fn what_is_no_regular_file_is_refused_without_waiting_for_it() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(
        complaint(directory.path()),
        "it is a directory, not a regular file; name the shared object itself"
    );
    let pipe = directory.path().join("pipe.so");
    let name = std::ffi::CString::new(pipe.to_str().unwrap()).unwrap();
    // SAFETY: the name is terminated.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    assert_eq!(complaint(&pipe), "it is a named pipe, not a regular file; name the shared object itself");
    assert_eq!(
        complaint(Path::new("/dev/null")),
        "it is a device, not a regular file; name the shared object itself"
    );
}

#[test]
fn a_file_that_is_no_library_is_named_for_what_it_is() {
    let said = |content: &[u8]| {
        let (_directory, path) = file(content);
        complaint(&path)
    };
    assert_eq!(said(b""), "it is empty; put a shared object there, or correct the path");
    assert_eq!(
        said(b"#!/bin/sh\n"),
        "it is a script, not a shared object; a script is registered with command = [\"…\"] in notifyees.d"
    );
    assert_eq!(
        said(b"MZ\x90\0"),
        "it is a Windows library, not a Linux one; install the library's Linux build"
    );
    assert_eq!(said(b"hello"), "it is not a shared object; put a shared object there, or correct the path");
}

#[test]
fn a_library_for_another_machine_is_refused_in_words() {
    let library = library("DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return 0; }");
    let mut bytes = fs::read(library.path()).unwrap();
    // The machine is in the word at 18 (e_machine): SPARC.
    bytes[18] = 2;
    bytes[19] = 0;
    let (_directory, path) = file(&bytes);
    let complaint = complaint(&path);
    assert!(
        complaint.starts_with("it is built for another machine (ELF machine 2), and this process runs on "),
        "{complaint}"
    );
}

#[test]
fn a_library_cut_short_is_refused_instead_of_killing_the_process() {
    // Data of some size, so that a segment reaches into what is cut off.
    let library = library(
        "DWORD table[50000] = {1}; DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return table[9]; }",
    );
    let bytes = fs::read(library.path()).unwrap();
    for length in [21, 63, 100, 4096, 100_000] {
        let (_directory, path) = file(&bytes[..length]);
        let complaint = complaint(&path);
        assert!(
            complaint.starts_with(&format!("it is cut short: {length} bytes are there, and at least ")),
            "{complaint}"
        );
        assert!(complaint.ends_with(" belong to it; install it again"), "{complaint}");
    }
}

#[test]
fn a_damaged_library_is_refused_with_the_words_of_the_linker() {
    let library = library("DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return 0; }");
    let mut bytes = fs::read(library.path()).unwrap();
    // The version of the format is in the byte at 6 (EI_VERSION).
    bytes[6] = 9;
    let (_directory, path) = file(&bytes);
    let complaint = complaint(&path);
    assert!(complaint.starts_with("the dynamic linker refuses it: "), "{complaint}");
    assert!(complaint.contains("ELF file version"), "{complaint}");
}

#[test]
fn an_unresolved_symbol_is_named() {
    let library = library(
        "int from_nowhere(void); DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return from_nowhere(); }",
    );
    let complaint = complaint(library.path());
    assert!(complaint.contains("undefined symbol: from_nowhere"), "{complaint}");
    assert!(
        complaint.ends_with(&format!("; run: ldd -r '{}' to see what it lacks", library.path().display())),
        "{complaint}"
    );
}

#[test]
fn a_library_without_the_functions_is_refused() {
    let library = library("int something_else(void) { return 0; }");
    assert_eq!(
        complaint(library.path()),
        "it exports neither AddConnectNotify nor CancelConnectNotify; \
         export at least one of them under that very name (in C++: extern \"C\")"
    );
}

#[test]
fn a_plug_in_registered_in_the_wrong_place_is_sent_to_the_right_one() {
    let provider = library("DWORD NPGetCaps(DWORD index) { return 0; }");
    assert_eq!(
        complaint(provider.path()),
        "it exports neither AddConnectNotify nor CancelConnectNotify; \
         it is a network provider: register it in providers.d"
    );
    let notifyee = library("DWORD CancelConnectNotify(NOTIFYINFO *i, NOTIFYCANCEL *c) { return 0; }");
    let error = LoadedProvider::load(notifyee.path(), &Terms::default()).unwrap_err();
    assert_eq!(error.what, "it does not export NPGetCaps, which every network provider must");
    assert_eq!(error.remedy, "it is a notification library: register it in notifyees.d");
}

#[test]
fn one_function_is_enough() {
    let adding = loaded(&library("DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return 5; }"));
    assert!(adding.wants(Event::Add) && !adding.wants(Event::Cancel));
    let cancelling =
        loaded(&library("DWORD CancelConnectNotify(NOTIFYINFO *i, NOTIFYCANCEL *c) { return 6; }"));
    assert!(!cancelling.wants(Event::Add) && cancelling.wants(Event::Cancel));
    assert_eq!(adding.add_connect_notify(&mut pre(), &add(None, None, None)), Status(5));
}

#[test]
fn only_configured_events_are_wanted() {
    let library = library(
        "DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return 0; }
         DWORD CancelConnectNotify(NOTIFYINFO *i, NOTIFYCANCEL *c) { return 0; }",
    );
    let events = Events { add: false, cancel: true };
    let notifyee = LoadedNotifyee::load(library.path(), events, &Terms::default()).unwrap();
    assert!(!notifyee.wants(Event::Add) && notifyee.wants(Event::Cancel));
}

#[test]
fn a_library_others_can_write_to_is_refused() {
    let library = library("DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return 0; }");
    fs::set_permissions(library.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(
        complaint(library.path()),
        format!(
            "it can be written to by anyone (mode 0777); run: chmod o-w '{}'",
            library.path().canonicalize().unwrap().display()
        )
    );
}

#[test]
fn a_library_in_a_directory_others_can_write_to_is_refused() {
    let library = library("DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return 0; }");
    let directory = library.path().parent().unwrap().canonicalize().unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(
        complaint(library.path()),
        format!(
            "its directory {0} can be written to by anyone (mode 0777); run: chmod o-w '{0}'",
            directory.display()
        )
    );
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o1777)).unwrap();
    loaded(&library);
}

#[test]
fn a_library_sees_every_member_of_an_add() {
    let notifyee = loaded(&library(
        r#"DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) {
            if (i->when != 1 || i->status != 1237 || i->context) return 1;
            if (a->owner != (void *)0x77 || a->flags != 0x18) return 2;
            NETRESOURCE *r = &a->resource;
            if (r->scope != 2 || r->type != 1 || r->display != 3 || r->usage != 4) return 3;
            if (!weq(r->local, W("Z:")) || !weq(r->remote, W("\\\\srv\\share"))) return 4;
            if (r->comment || !weq(r->provider, W("Net"))) return 5;
            i->context = (void *)0xC0;
            return 0;
        }"#,
    ));
    let (local, remote, provider) = (wide("Z:"), wide(r"\\srv\share"), wide("Net"));
    let mut info = NOTIFYINFO { dwOperationStatus: 1237, ..pre() };
    let status = notifyee.add_connect_notify(&mut info, &add(Some(&local), Some(&remote), Some(&provider)));
    assert_eq!((status, info.lpContext.addr()), (Status::SUCCESS, 0xC0));
}

#[test]
fn a_library_sees_every_member_of_a_cancel() {
    let notifyee = loaded(&library(
        r#"DWORD CancelConnectNotify(NOTIFYINFO *i, NOTIFYCANCEL *c) {
            if (i->when != 2 || i->status != 2401 || i->context != (void *)1) return 1;
            if (!weq(c->name, W("z:")) || !c->provider || *c->provider) return 2;
            if (c->flags != 1 || c->force != 1) return 3;
            i->context = 0;
            return 1223;
        }"#,
    ));
    let (name, provider) = (wide("z:"), wide(""));
    let cancel = CancelNotice { name: &name, provider: &provider, flags: 1, force: true };
    let mut info = NOTIFYINFO {
        dwNotifyStatus: NOTIFY_POST,
        dwOperationStatus: 2401,
        lpContext: without_provenance_mut(1),
    };
    assert_eq!(notifyee.cancel_connect_notify(&mut info, &cancel), Status::CANCEL);
    assert!(info.lpContext.is_null());
}

#[test]
fn null_stays_null_and_empty_stays_empty() {
    let notifyee = loaded(&library(
        "DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) {
            NETRESOURCE *r = &a->resource;
            return (r->local != 0) + 2 * (r->remote != 0 && *r->remote == 0) + 4 * (r->provider != 0);
        }",
    ));
    let empty = wide("");
    assert_eq!(notifyee.add_connect_notify(&mut pre(), &add(None, Some(&empty), None)), Status(2));
}

#[test]
fn what_a_library_writes_is_discarded_but_for_the_context() {
    let notifyee = loaded(&library(
        r#"DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) {
            NETRESOURCE *r = &a->resource;
            DWORD before = r->remote[0];
            memset(r->local, 0x41, 2 * wlen(r->local) + 2);
            memset(r->remote, 0x41, 2 * wlen(r->remote) + 2);
            memset(r->provider, 0x41, 2 * wlen(r->provider) + 2);
            memset(a, 0x41, sizeof *a);
            i->when = 9, i->status = 9, i->context = (void *)9;
            return before;
        }"#,
    ));
    let (local, remote, provider) = (wide("Z:"), wide(&r"\\srv\share".repeat(100)), wide("Net"));
    let notice = add(Some(&local), Some(&remote), Some(&provider));
    for _ in 0..2 {
        let mut info = pre();
        assert_eq!(notifyee.add_connect_notify(&mut info, &notice), Status(u32::from(b'\\')));
        assert_eq!((info.dwNotifyStatus, info.dwOperationStatus, info.lpContext.addr()), (NOTIFY_PRE, 0, 9));
    }
    assert_eq!((local, remote, provider), (wide("Z:"), wide(&r"\\srv\share".repeat(100)), wide("Net")));
}

#[test]
fn a_library_with_an_initialiser_is_initialised_once_however_often_it_is_registered() {
    let library = library_with(
        "static DWORD started; __attribute__((constructor)) static void start(void) { started++; }
         DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return started; }",
        &["-shared", "-Wl,-soname,libinitialised_once.so"],
    );
    let link = library.path().with_file_name("link.so");
    symlink(library.path(), &link).unwrap();
    let (one, other) = (loaded(&library), load(&link).unwrap());
    assert_eq!(one.add_connect_notify(&mut pre(), &add(None, None, None)), Status(1));
    assert_eq!(other.add_connect_notify(&mut pre(), &add(None, None, None)), Status(1));
}

#[test]
fn a_credential_manager_needs_one_of_its_functions() {
    let manager = library("DWORD NPLogonNotify(void) { return 50; }");
    let manager = LoadedCredentialManager::load(manager.path(), &Terms::default()).unwrap();
    assert!(manager.logon_notify.is_some() && manager.password_change_notify.is_none());
    let provider = library("DWORD NPGetCaps(DWORD index) { return 0; }");
    let error = LoadedCredentialManager::load(provider.path(), &Terms::default()).unwrap_err();
    assert_eq!(error.what, "it exports neither NPLogonNotify nor NPPasswordChangeNotify");
    assert_eq!(error.remedy, "take class 2 out of its entry, or name the right module with auth-path");
}
