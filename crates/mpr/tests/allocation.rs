//! Calls with usual names allocate no memory. A program of its own, since it counts every allocation.

mod compile;

use mpr::config::Events;
use mpr::library::{LoadedNotifyee, LoadedProvider, Terms};
use mpr_abi::{NOTIFY_PRE, NOTIFYINFO};
use mpr_plugin::{AddConnection, AddNotice, CancelConnection, CancelNotice, NetworkProvider, Notifyee, wide};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has no counter any more.
        _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller vouches.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn calls_with_usual_names_allocate_nothing() {
    let library = compile::library(
        "DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return 0; }
         DWORD CancelConnectNotify(NOTIFYINFO *i, NOTIFYCANCEL *c) { return 0; }
         DWORD NPGetCaps(DWORD index) { return 0xFFFF; }
         DWORD NPAddConnection3(void *o, NETRESOURCE *r, WCHAR *p, WCHAR *u, DWORD f) { return 0; }
         DWORD NPCancelConnection(WCHAR *name, BOOL force) { return 0; }",
    );
    let notifyee = LoadedNotifyee::load(library.path(), Events::ALL, &Terms::default()).unwrap();
    let provider = LoadedProvider::load(library.path(), &Terms::default()).unwrap();
    let remote = wide(&format!(r"\\server.example.org\{}", "x".repeat(230)));
    let (local, net, user, password) =
        (wide("Z:"), wide("Example Network"), wide("EXAMPLE\\somebody"), wide(&"secret".repeat(10)));

    let mut info = NOTIFYINFO { dwNotifyStatus: NOTIFY_PRE, dwOperationStatus: 0, lpContext: null_mut() };
    let notice = AddNotice {
        owner: null_mut(),
        scope: 0,
        kind: 1,
        display: 0,
        usage: 0,
        local: Some(&local),
        remote: Some(&remote),
        provider: Some(&net),
        flags: 0,
    };
    let cancel_notice = CancelNotice { name: &remote, provider: &net, flags: 0, force: false };
    let add = AddConnection {
        owner: null_mut(),
        kind: 1,
        local: Some(&local),
        remote: &remote,
        provider: Some(&net),
        user: Some(&user),
        password: Some(&password),
        auth: None,
        flags: 0,
    };
    let cancel = CancelConnection { name: &remote, force: false, flags: 0 };
    let made = allocations(|| {
        _ = notifyee.add_connect_notify(&mut info, &notice);
        _ = notifyee.cancel_connect_notify(&mut info, &cancel_notice);
        _ = provider.add_connection(&add);
        _ = provider.cancel_connection(&cancel);
    });
    assert_eq!(made, 0);
    assert_ne!(allocations(|| drop(wide("counted"))), 0);
}
