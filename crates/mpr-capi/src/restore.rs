//! Remembered connections, and what has to do with all connections (`spec/wnet.md` §15, §16).

use crate::dialogs::{self, Prompt};
use crate::router;
use crate::text::{Form, Texts};
use mpr::AskCredentials;
use mpr_abi::{BOOL, DWORD, HWND, LPVOID, Status};

/// As many units make a device name too long for the router.
const LOCAL_LIMIT: usize = 4096;

/// `WNetRestoreConnection`: may prompt, where there is somebody to do so.
pub(crate) unsafe fn restore<E: Form>(owner: HWND, device: *const E::Unit) -> Result<(), Status> {
    // SAFETY: the exported function's caller vouches for its pointer.
    unsafe { restore_single::<E>(owner, device, 1) }
}

/// `WNetRestoreSingleConnection`: without a device, all of them.
pub(crate) unsafe fn restore_single<E: Form>(
    owner: HWND,
    device: *const E::Unit,
    use_ui: BOOL,
) -> Result<(), Status> {
    let mut prompt = dialogs::ui().filter(|_| use_ui != 0).map(|ui| Prompt { ui, owner });
    let ask = prompt.as_mut().map(|prompt| prompt as &mut dyn AskCredentials);
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointer.
    match unsafe { texts.read_up_to::<E>(device, LOCAL_LIMIT) }?.filter(|device| !device.is_empty()) {
        Some(device) => router().restore_one(device, ask),
        None => restore_everything(ask),
    }
}

/// `WNetRestoreAllConnections`. Its parameters are not public, and none is looked at; it never prompts.
pub(crate) fn restore_all() -> Result<(), Status> {
    restore_everything(None)
}

/// The first failure is the result (DECISION R4).
fn restore_everything(ask: Option<&mut dyn AskCredentials>) -> Result<(), Status> {
    let restorations = router().restore_all(ask)?;
    restorations.into_iter().try_for_each(|restoration| restoration.result.map(drop))
}

/// `WNetSetConnection` (DECISION W35).
pub(crate) unsafe fn set_connection<E: Form>(
    name: *const E::Unit,
    property: DWORD,
    value: LPVOID,
) -> Result<(), Status> {
    if name.is_null() || value.is_null() {
        return Err(Status::BAD_POINTER);
    }
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe {
        let name = texts.read_up_to::<E>(name, LOCAL_LIMIT)?.unwrap_or_default();
        // Of another property it is not known what it points to.
        let value = match property {
            mpr_abi::NETPROPERTY_PERSISTENT => value.cast::<DWORD>().read_unaligned(),
            _ => 0,
        };
        router().set_connection(name, property, value)
    }
}

/// `WNetClearConnections` (DECISION W34).
pub(crate) fn clear(_: HWND) -> Result<(), Status> {
    router().clear_connections()
}
