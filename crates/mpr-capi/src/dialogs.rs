//! The dialogs (`spec/wnet.md` §14), and the hook for somebody to show them.

use crate::connections::read_resource;
use crate::router;
use crate::text::{Form, Texts};
use mpr::store::Entry;
use mpr::{Answer, AskCredentials, Router};
use mpr_abi::{
    CONNDLG_CONN_POINT, CONNDLG_HIDE_BOX, CONNDLG_NOT_PERSIST, CONNDLG_PERSIST, CONNDLG_RO_PATH,
    CONNDLG_USE_MRU, CONNECTDLGSTRUCTW, DISC_NO_FORCE, DISC_UPDATE_PROFILE, DISCDLGSTRUCTW, DWORD, HWND,
    RESOURCETYPE_DISK, RESOURCETYPE_PRINT, Status,
};
use mpr_plugin::WideStr;
use std::mem::{offset_of, size_of};
use std::sync::OnceLock;

/// What a dialog comes to when the user dismisses it.
pub const DISMISSED: Status = Status(DWORD::MAX);

/// Somebody who shows the dialogs of the router.
///
/// Libraries and commands have none: their dialogs answer `WN_NOT_SUPPORTED` (DECISION W33). A program with
/// a window registers one by [`set_ui`].
pub trait UserInterface: Send + Sync {
    /// Lets the user make a connection, through `router`. Returns the letter of the drive that was
    /// connected; none for a deviceless connection.
    ///
    /// # Errors
    ///
    /// [`DISMISSED`], or why there is no connection.
    fn connect(&self, router: &Router, dialog: &ConnectDialog<'_>) -> Result<Option<char>, Status>;

    /// Lets the user choose connections of this `RESOURCETYPE_*` and cancel them, through `router`. Returns at
    /// once.
    ///
    /// # Errors
    ///
    /// Why there is no dialog.
    fn disconnect(&self, router: &'static Router, owner: HWND, kind: DWORD) -> Result<(), Status>;

    /// Whether a connection is to be cancelled although files are open on it.
    fn confirm_force(&self, owner: HWND, name: &WideStr) -> bool;

    /// Asks for the credentials of a connection that is being restored and was refused with `status`.
    fn ask_credentials(&self, owner: HWND, entry: &Entry, status: Status) -> Answer;
}

/// What the connect dialog is to offer.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ConnectDialog<'a> {
    /// Owner of the dialog.
    pub owner: HWND,
    /// Resource to offer, if one is.
    pub remote: Option<&'a WideStr>,
    /// Device to offer, if one is.
    pub local: Option<&'a WideStr>,
    /// Provider the resource belongs to, if it is known.
    pub provider: Option<&'a WideStr>,
    /// `CONNDLG_*`.
    pub flags: DWORD,
}

static UI: OnceLock<Box<dyn UserInterface>> = OnceLock::new();

/// Registers who shows the dialogs, for as long as the process lives.
///
/// # Errors
///
/// Gives `ui` back when there is somebody already.
pub fn set_ui(ui: Box<dyn UserInterface>) -> Result<(), Box<dyn UserInterface>> {
    UI.set(ui)
}

pub(crate) fn ui() -> Option<&'static dyn UserInterface> {
    UI.get().map(|ui| &**ui)
}

/// Asks for the credentials of remembered connections.
pub(crate) struct Prompt {
    pub(crate) ui: &'static dyn UserInterface,
    pub(crate) owner: HWND,
}

impl AskCredentials for Prompt {
    fn ask(&mut self, entry: &Entry, status: Status) -> Answer {
        self.ui.ask_credentials(self.owner, entry, status)
    }
}

/// Somebody to show a dialog, and a network to show.
fn shown() -> Result<&'static dyn UserInterface, Status> {
    let ui = ui().ok_or(Status::NOT_SUPPORTED)?;
    if router().network_providers().next().is_none() {
        return Err(Status::NO_NETWORK);
    }
    Ok(ui)
}

/// `WNetConnectionDialog`.
pub(crate) fn connection(owner: HWND, kind: DWORD) -> Result<(), Status> {
    if kind != RESOURCETYPE_DISK {
        return Err(Status::BAD_DEV_TYPE);
    }
    let dialog = ConnectDialog { owner, remote: None, local: None, provider: None, flags: 0 };
    shown()?.connect(router(), &dialog).map(drop)
}

/// `WNetConnectionDialog1`.
pub(crate) unsafe fn connection1<E: Form>(dialog: *mut E::ConnectDialog) -> Result<(), Status> {
    let dialog = dialog.cast::<CONNECTDLGSTRUCTW>();
    const KNOWN: DWORD = CONNDLG_RO_PATH
        | CONNDLG_CONN_POINT
        | CONNDLG_USE_MRU
        | CONNDLG_HIDE_BOX
        | CONNDLG_PERSIST
        | CONNDLG_NOT_PERSIST;
    if dialog.is_null() {
        return Err(Status::BAD_POINTER);
    }
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers; both forms of the structure have the
    // same layout. Of a structure of another size only the size is looked at.
    unsafe {
        if dialog.cast::<DWORD>().read_unaligned() as usize != size_of::<CONNECTDLGSTRUCTW>() {
            return Err(Status::BAD_VALUE);
        }
        let asked = dialog.read_unaligned();
        let has = |flags: DWORD| asked.dwFlags & flags == flags;
        if asked.dwFlags & !KNOWN != 0
            || has(CONNDLG_RO_PATH | CONNDLG_USE_MRU)
            || has(CONNDLG_PERSIST | CONNDLG_NOT_PERSIST)
        {
            return Err(Status::BAD_VALUE);
        }
        let resource = read_resource::<E>(asked.lpConnRes.cast())?;
        if resource.dwType != RESOURCETYPE_DISK {
            return Err(Status::BAD_DEV_TYPE);
        }
        let remote = texts.read::<E>(resource.lpRemoteName.cast())?.filter(|name| !name.is_empty());
        if has(CONNDLG_RO_PATH) && remote.is_none() {
            return Err(Status::BAD_VALUE);
        }
        let request = ConnectDialog {
            owner: asked.hwndOwner,
            remote,
            local: texts.read::<E>(resource.lpLocalName.cast())?,
            provider: texts.read::<E>(resource.lpProvider.cast())?,
            flags: asked.dwFlags,
        };
        let device = shown()?.connect(router(), &request)?;
        let number = match device.map(|letter| letter.to_ascii_uppercase()) {
            Some(letter @ 'A'..='Z') => letter as DWORD - 'A' as DWORD + 1,
            _ => DWORD::MAX,
        };
        let at = dialog.byte_add(offset_of!(CONNECTDLGSTRUCTW, dwDevNum));
        at.cast::<DWORD>().write_unaligned(number);
    }
    Ok(())
}

/// `WNetDisconnectDialog`.
pub(crate) fn disconnect(owner: HWND, kind: DWORD) -> Result<(), Status> {
    if !matches!(kind, RESOURCETYPE_DISK | RESOURCETYPE_PRINT) {
        return Err(Status::BAD_DEV_TYPE);
    }
    shown()?.disconnect(router(), owner, kind)
}

/// `WNetDisconnectDialog1`: works without anybody to show it, too.
pub(crate) unsafe fn disconnect1<E: Form>(dialog: *mut E::DisconnectDialog) -> Result<(), Status> {
    let dialog = dialog.cast::<DISCDLGSTRUCTW>();
    if dialog.is_null() {
        return Err(Status::BAD_POINTER);
    }
    let texts = Texts::new();
    // SAFETY: as in `connection1`.
    unsafe {
        if dialog.cast::<DWORD>().read_unaligned() as usize != size_of::<DISCDLGSTRUCTW>() {
            return Err(Status::BAD_VALUE);
        }
        let asked = dialog.read_unaligned();
        if asked.dwFlags & !(DISC_UPDATE_PROFILE | DISC_NO_FORCE) != 0 {
            return Err(Status::BAD_VALUE);
        }
        let local = texts.read::<E>(asked.lpLocalName.cast())?;
        let remote = texts.read::<E>(asked.lpRemoteName.cast())?;
        let cancelled = router().disconnect_dialog(local, remote, asked.dwFlags);
        let (Err(Status::OPEN_FILES), Some(ui)) = (cancelled, ui()) else { return cancelled };
        let name = local.filter(|name| !name.is_empty()).or(remote).unwrap_or_default();
        if asked.dwFlags & DISC_NO_FORCE == 0 {
            return cancelled;
        }
        if !ui.confirm_force(asked.hwndOwner, name) {
            return Err(Status::CANCEL);
        }
        router().disconnect_dialog(local, remote, asked.dwFlags & !DISC_NO_FORCE)
    }
}
