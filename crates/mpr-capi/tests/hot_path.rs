//! Connecting and disconnecting without a device and without listeners takes no memory.

use mpr::Router;
use mpr_abi::{NETRESOURCEW, Status, WNNC_CON_ADDCONNECTION, WNNC_CON_CANCELCONNECTION};
use mpr_capi::{WNetAddConnection2W, WNetCancelConnection2W};
use mpr_plugin::{AddConnection, CancelConnection, Capabilities, NetworkProvider, wide};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::{null, null_mut};

/// The system's allocator, which counts for each thread what is asked of it.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u32> = const { Cell::new(0) };
}

// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller vouches.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Accepts everything.
struct Agreeable;

impl NetworkProvider for Agreeable {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            connection: WNNC_CON_ADDCONNECTION | WNNC_CON_CANCELCONNECTION,
            ..Capabilities::default()
        }
    }

    fn add_connection(&self, _: &AddConnection<'_>) -> Result<(), Status> {
        Ok(())
    }

    fn cancel_connection(&self, _: &CancelConnection<'_>) -> Result<(), Status> {
        Ok(())
    }
}

#[test]
fn a_connect_and_a_disconnect_without_device_and_listeners_allocate_nothing() {
    let router = Box::leak(Box::new(Router::builder().provider("Agreeable", Agreeable).build()));
    mpr_capi::serve(router).expect("nothing else in this process is served");
    let (name, user) = (wide(r"\\server\share"), wide("somebody"));
    let mut resource = NETRESOURCEW {
        dwScope: 0,
        dwType: 0,
        dwDisplayType: 0,
        dwUsage: 0,
        lpLocalName: null_mut(),
        lpRemoteName: name.as_ptr().cast_mut(),
        lpComment: null_mut(),
        lpProvider: null_mut(),
    };
    let mut pair = |user: *const u16| {
        let before = ALLOCATIONS.get();
        // SAFETY: structure and strings are alive and terminated.
        let answers = unsafe {
            [
                WNetAddConnection2W(&raw mut resource, user, user, 0),
                WNetCancelConnection2W(name.as_ptr(), 0, 0),
            ]
        };
        let allocations = ALLOCATIONS.get() - before;
        assert_eq!(answers, [0, 0]);
        allocations
    };
    // Whatever is set up at the first use of a thread is set up now.
    pair(null());
    assert_eq!(pair(null()), 0);
    assert_eq!(pair(user.as_ptr()), 0, "nor do user and password");
}
