//! Functions of the file manager (`spec/wnet.md` §16). Their parameters are those of the providers' functions
//! behind them.

use crate::output;
use crate::router;
use crate::text::{Form, Texts};
use mpr_abi::{BOOL, DWORD, HWND, LPVOID, LPWSTR, Status};
use mpr_plugin::WideStr;
use mpr_plugin::pack::Wide;

/// Copies a path that has to be there.
///
/// # Safety
///
/// `path` is NULL or a string of the form.
unsafe fn path<E: Form>(texts: &Texts, path: *const E::Unit) -> Result<&WideStr, Status> {
    // SAFETY: as the caller vouches.
    unsafe { texts.read::<E>(path) }?.ok_or(Status::BAD_POINTER)
}

/// `WNetGetDirectoryType`.
pub(crate) unsafe fn directory_type<E: Form>(
    directory: *const E::Unit,
    kind: *mut i32,
    flush: BOOL,
) -> Result<(), Status> {
    if kind.is_null() {
        return Err(Status::BAD_POINTER);
    }
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe {
        let directory = path::<E>(&texts, directory)?;
        kind.write_unaligned(router().directory_type(directory, flush != 0)?);
    }
    Ok(())
}

/// `WNetDirectoryNotify`.
pub(crate) unsafe fn directory_notify<E: Form>(
    owner: HWND,
    directory: *const E::Unit,
    operation: DWORD,
) -> Result<(), Status> {
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers.
    let directory = unsafe { path::<E>(&texts, directory) }?;
    router().directory_notify(owner, directory, operation)
}

/// `WNetGetPropertyText`. The size is passed by value: a text that does not fit is answered with 234 alone.
pub(crate) unsafe fn property_text<E: Form>(
    button: DWORD,
    selection: DWORD,
    name: *const E::Unit,
    caption: *mut E::Unit,
    mut chars: DWORD,
    kind: DWORD,
) -> Result<(), Status> {
    if caption.is_null() {
        return Err(Status::BAD_POINTER);
    }
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe {
        let name = path::<E>(&texts, name)?;
        let found = router().property_text(button, selection, name, kind)?;
        output::string::<E>(&found, caption, &mut chars)
    }
}

/// `WNetPropertyDialog`.
pub(crate) unsafe fn property_dialog<E: Form>(
    owner: HWND,
    button: DWORD,
    selection: DWORD,
    files: *const E::Unit,
    kind: DWORD,
) -> Result<(), Status> {
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers.
    let files = unsafe { path::<E>(&texts, files) }?;
    router().property_dialog(owner, button, selection, files, kind)
}

/// `WNetFMXGetPermCaps`: a mask, not a status.
pub(crate) unsafe fn permission_capabilities(drive: LPWSTR) -> Result<DWORD, Status> {
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers.
    let drive = unsafe { path::<Wide>(&texts, drive) }?;
    Ok(router().permission_capabilities(drive))
}

/// `WNetFMXEditPerm`.
pub(crate) unsafe fn edit_permissions(drive: LPWSTR, owner: HWND, dialog: DWORD) -> Result<(), Status> {
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers.
    let drive = unsafe { path::<Wide>(&texts, drive) }?;
    router().edit_permissions(drive, owner, dialog)
}

/// `WNetFMXGetPermHelp`. The buffer holds a string alone, so its size is in characters (`spec/wnet.md` §1.2).
pub(crate) unsafe fn permission_help(
    drive: LPWSTR,
    dialog: DWORD,
    directory: BOOL,
    file: LPVOID,
    chars: *mut DWORD,
    context: *mut DWORD,
) -> Result<(), Status> {
    if chars.is_null() || context.is_null() {
        return Err(Status::BAD_POINTER);
    }
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe {
        output::check(file, chars)?;
        let drive = path::<Wide>(&texts, drive)?;
        let (help, at) = router().permission_help(drive, dialog, directory != 0)?;
        output::string::<Wide>(&help, file.cast(), chars)?;
        context.write_unaligned(at);
    }
    Ok(())
}

/// Functions whose parameters are not public (DECISION W34).
pub(crate) fn unknown() -> Result<(), Status> {
    Err(Status::NOT_SUPPORTED)
}
