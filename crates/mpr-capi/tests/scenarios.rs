//! The worked scenarios of `spec/notification.md` §16 that are about the C boundary itself.

use mpr::Router;
use mpr_abi::*;
use mpr_plugin::{
    AddConnection, AddNotice, CancelNotice, Capabilities, Event, NetworkProvider, Notifyee, Status,
};
use std::cell::RefCell;
use std::ffi::CString;
use std::ptr::{null, null_mut};
use std::sync::Once;

thread_local! {
    /// What the notification library was told on the thread of this test.
    static TOLD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn told() -> Vec<String> {
    TOLD.take()
}

/// Refuses one share with 5, and takes every other.
struct Network;

impl NetworkProvider for Network {
    fn capabilities(&self) -> Capabilities {
        Capabilities { connection: WNNC_CON_ADDCONNECTION3, ..Capabilities::default() }
    }

    fn add_connection(&self, add: &AddConnection<'_>) -> Result<(), Status> {
        if add.remote.to_string_lossy().ends_with("closed") { Err(Status::ACCESS_DENIED) } else { Ok(()) }
    }
}

/// Writes down what it is told, and disturbs the thread's last error.
struct Listener;

impl Notifyee for Listener {
    fn wants(&self, event: Event) -> bool {
        event == Event::Add
    }

    fn add_connect_notify(&self, info: &mut NOTIFYINFO, add: &AddNotice<'_>) -> Status {
        let when = if info.dwNotifyStatus == NOTIFY_PRE { "pre" } else { "post" };
        let remote = add.remote.map(|remote| remote.as_slice().to_vec()).unwrap_or_default();
        TOLD.with_borrow_mut(|told| told.push(format!("{when}({}) {remote:x?}", info.dwOperationStatus)));
        info.lpContext = std::ptr::without_provenance_mut(1);
        set_last_error(4711);
        Status::SUCCESS
    }

    fn cancel_connect_notify(&self, _: &mut NOTIFYINFO, _: &CancelNotice<'_>) -> Status {
        Status::SUCCESS
    }
}

fn serve() {
    static SERVED: Once = Once::new();
    SERVED.call_once(|| {
        let router = Router::builder().provider("Network", Network).notifyee("listener", Listener).build();
        mpr_capi::serve(Box::leak(Box::new(router))).expect("once");
    });
}

fn set_last_error(code: i32) {
    // SAFETY: the errno of this thread is always there.
    unsafe { *libc::__errno_location() = code };
}

fn last_error() -> i32 {
    // SAFETY: the errno of this thread is always there.
    unsafe { *libc::__errno_location() }
}

fn add_narrow(remote: &str) -> DWORD {
    let remote = CString::new(remote).unwrap();
    let mut resource = NETRESOURCEA {
        dwScope: 0,
        dwType: 1,
        dwDisplayType: 0,
        dwUsage: 0,
        lpLocalName: null_mut(),
        lpRemoteName: remote.as_ptr().cast_mut(),
        lpComment: null_mut(),
        lpProvider: null_mut(),
    };
    // SAFETY: structure and string are valid for the call.
    unsafe { mpr_capi::WNetAddConnection2A(&raw mut resource, null(), null(), 0) }
}

#[test]
fn s47_a_library_sees_utf_16_when_the_narrow_form_was_called() {
    serve();
    assert_eq!(add_narrow(r"\\srv\ü€"), 0);
    let wide: Vec<u16> = r"\\srv\ü€".encode_utf16().collect();
    assert_eq!(told(), [format!("pre(0) {wide:x?}"), format!("post(0) {wide:x?}")]);
}

#[test]
fn s50_without_a_structure_nobody_is_called() {
    serve();
    // SAFETY: NULL is to be answered.
    let status = unsafe { mpr_capi::WNetAddConnection2W(null(), null(), null(), 0) };
    assert_eq!((status, last_error()), (487, 487));
    assert!(told().is_empty());
}

#[test]
fn s75_the_last_error_is_the_status_whatever_it_was_and_whoever_disturbed_it() {
    serve();
    set_last_error(7);
    assert_eq!(add_narrow(r"\\srv\closed"), 5);
    assert_eq!(last_error(), 5);
    assert_eq!(told().len(), 2, "the listener disturbed it before and after");

    set_last_error(7);
    assert_eq!(add_narrow(r"\\srv\open"), 0);
    assert_eq!(last_error(), 0, "a success stores 0 (DECISION W1)");
}
