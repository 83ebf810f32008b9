//! The `NP*` functions a provider library exports, over the trait its author wrote.
//!
//! One contract holds for every `unsafe` function here: pointers are NULL or valid for the call, buffers as
//! long as their size says, strings as [`borrow_wide`] wants them, and enumeration handles NULL or made by
//! [`open_enum`] and not closed yet.

#![allow(clippy::missing_safety_doc)]

use super::{
    AddConnection, AuthBuffer, CancelConnection, Entries, EnumQuery, NetworkProvider, ResourceQuery,
};
use crate::pack::{Packer, Wide};
use crate::{NetResource, WideStr, borrow_wide};
use mpr_abi::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// An enumeration behind a `HANDLE`.
struct OpenEnum {
    entries: Entries,
    /// Taken from `entries`, but there was no room for it.
    waiting: Option<NetResource>,
}

/// Answers a call of the router; a panic is `WN_NET_ERROR`.
fn answer(call: impl FnOnce() -> Result<(), Status>) -> DWORD {
    Status::from(catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(Status::NET_ERROR))).0
}

/// # Safety
///
/// `resource` is NULL or valid, with strings as [`borrow_wide`] wants them.
unsafe fn query<'a>(resource: *mut NETRESOURCEW) -> Result<ResourceQuery<'a>, Status> {
    // SAFETY: the caller vouches for the structure and its strings.
    let (resource, remote, provider) = unsafe {
        let resource = resource.as_ref().ok_or(Status::BAD_POINTER)?;
        (resource, borrow_wide(resource.lpRemoteName), borrow_wide(resource.lpProvider))
    };
    Ok(ResourceQuery { remote: remote.ok_or(Status::BAD_NETNAME)?, kind: resource.dwType, provider })
}

/// Writes a string to a buffer sized in characters.
///
/// # Safety
///
/// `chars` is NULL or valid; `buffer` is NULL or writable for `*chars` units.
unsafe fn put_string(text: &WideStr, buffer: LPWSTR, chars: *mut DWORD) -> Result<(), Status> {
    // SAFETY: the caller vouches for both pointers.
    unsafe {
        let chars = chars.as_mut().ok_or(Status::BAD_POINTER)?;
        let needed = text.len() + 1;
        if buffer.is_null() || (*chars as usize) < needed {
            *chars = u32::try_from(needed).map_err(|_| Status::OUT_OF_MEMORY)?;
            return Err(Status::MORE_DATA);
        }
        std::ptr::copy_nonoverlapping(text.as_ptr(), buffer, needed);
    }
    Ok(())
}

/// Prepares to fill a buffer sized in bytes, and stores the size needed if that fails.
///
/// # Safety
///
/// `bytes` is NULL or valid; `buffer` is NULL or writable for `*bytes` bytes.
unsafe fn put_packed(
    buffer: LPVOID,
    bytes: *mut DWORD,
    fill: impl FnOnce(&mut Packer) -> Result<(), usize>,
) -> Result<(), Status> {
    // SAFETY: the caller vouches for both pointers.
    let (bytes, mut packer) = unsafe {
        let bytes = bytes.as_mut().ok_or(Status::BAD_POINTER)?;
        let packer = Packer::new(buffer.cast(), *bytes as usize);
        (bytes, packer)
    };
    fill(&mut packer).map_err(|needed| {
        *bytes = u32::try_from(needed).unwrap_or(u32::MAX);
        Status::MORE_DATA
    })
}

pub fn caps(provider: &dyn NetworkProvider, index: DWORD) -> DWORD {
    catch_unwind(AssertUnwindSafe(|| {
        let capabilities = provider.capabilities();
        match index {
            WNNC_SPEC_VERSION => WNNC_SPEC_VERSION51,
            WNNC_NET_TYPE => capabilities.net_type,
            WNNC_DRIVER_VERSION => capabilities.version,
            WNNC_USER => capabilities.user,
            WNNC_CONNECTION => capabilities.connection,
            WNNC_DIALOG => capabilities.dialog,
            WNNC_ADMIN => capabilities.admin,
            WNNC_ENUMERATION => capabilities.enumeration,
            WNNC_START => provider.start().to_raw(),
            _ => 0,
        }
    }))
    .unwrap_or(0)
}

#[allow(clippy::too_many_arguments)]
pub unsafe fn add(
    provider: &dyn NetworkProvider,
    owner: HWND,
    resource: *mut NETRESOURCEW,
    password: LPWSTR,
    user: LPWSTR,
    auth: Option<(LPVOID, DWORD, *mut u8, DWORD)>,
    flags: DWORD,
) -> DWORD {
    let bytes = |pointer: *const u8, size: DWORD| match pointer.is_null() {
        true => &[][..],
        // SAFETY: the caller vouches for the buffer and its size.
        false => unsafe { std::slice::from_raw_parts(pointer, size as usize) },
    };
    answer(|| {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            let named = query(resource)?;
            provider.add_connection(&AddConnection {
                owner,
                kind: named.kind,
                local: borrow_wide((*resource).lpLocalName).filter(|local| !local.is_empty()),
                remote: named.remote,
                provider: named.provider,
                user: borrow_wide(user),
                password: borrow_wide(password),
                auth: auth.map(|(auth, auth_size, options, options_size)| AuthBuffer {
                    auth: bytes(auth.cast(), auth_size),
                    use_options: bytes(options, options_size),
                }),
                flags,
            })
        }
    })
}

pub unsafe fn cancel(provider: &dyn NetworkProvider, name: LPWSTR, force: BOOL, flags: DWORD) -> DWORD {
    answer(|| {
        // SAFETY: the caller vouches for the string.
        let name = unsafe { borrow_wide(name) }.ok_or(Status::BAD_POINTER)?;
        provider.cancel_connection(&CancelConnection { name, force: force != 0, flags })
    })
}

pub unsafe fn connection(
    provider: &dyn NetworkProvider,
    local: LPCWSTR,
    level: DWORD,
    buffer: LPWSTR,
    chars: *mut DWORD,
) -> DWORD {
    answer(|| {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            let local = borrow_wide(local).ok_or(Status::BAD_POINTER)?;
            let remote = match level {
                WNGETCON_CONNECTED => provider.connection(local),
                WNGETCON_DISCONNECTED => provider.deferred_connection(local),
                _ => Err(Status::BAD_LEVEL),
            }?;
            put_string(&remote, buffer, chars)
        }
    })
}

pub unsafe fn performance(
    provider: &dyn NetworkProvider,
    name: LPCWSTR,
    info: *mut NETCONNECTINFOSTRUCT,
) -> DWORD {
    answer(|| {
        // SAFETY: the caller vouches for the pointers.
        let (name, info) = unsafe {
            (borrow_wide(name).ok_or(Status::BAD_POINTER)?, info.as_mut().ok_or(Status::BAD_POINTER)?)
        };
        let known = provider.performance(name)?;
        info.dwFlags = known.flags;
        info.dwSpeed = known.speed;
        info.dwDelay = known.delay;
        info.dwOptDataSize = known.optimal_size;
        Ok(())
    })
}

pub unsafe fn universal_name(
    provider: &dyn NetworkProvider,
    local_path: LPWSTR,
    level: DWORD,
    buffer: LPVOID,
    bytes: *mut DWORD,
) -> DWORD {
    answer(|| {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            let local_path = borrow_wide(local_path).ok_or(Status::BAD_POINTER)?;
            if !matches!(level, UNIVERSAL_NAME_INFO_LEVEL | REMOTE_NAME_INFO_LEVEL) {
                return Err(Status::BAD_LEVEL);
            }
            let name = provider.universal_name(local_path)?;
            if level == UNIVERSAL_NAME_INFO_LEVEL && name.universal.is_none() {
                return Err(Status::NOT_SUPPORTED);
            }
            put_packed(buffer, bytes, |packer| packer.universal_name::<Wide>(&name, level))
        }
    })
}

pub unsafe fn user(provider: &dyn NetworkProvider, name: LPWSTR, buffer: LPWSTR, chars: *mut DWORD) -> DWORD {
    answer(|| {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            let name = borrow_wide(name).unwrap_or(widestring::u16cstr!(""));
            put_string(&provider.user(name)?, buffer, chars)
        }
    })
}

pub unsafe fn persistent_use_options(
    provider: &dyn NetworkProvider,
    remote: LPCWSTR,
    read: *mut u8,
    read_size: DWORD,
    written: *mut u8,
    written_size: *mut DWORD,
) -> DWORD {
    answer(|| {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            let remote = borrow_wide(remote).ok_or(Status::BAD_POINTER)?;
            let options: &[u8] = match read.is_null() {
                true => &[],
                false => std::slice::from_raw_parts(read, read_size as usize),
            };
            let kept = provider.persistent_use_options(remote, options)?;
            let size = written_size.as_mut().ok_or(Status::BAD_POINTER)?;
            let room = *size as usize;
            *size = u32::try_from(kept.len()).map_err(|_| Status::OUT_OF_MEMORY)?;
            if kept.len() > room || (written.is_null() && !kept.is_empty()) {
                return Err(Status::MORE_DATA);
            }
            if !kept.is_empty() {
                std::ptr::copy_nonoverlapping(kept.as_ptr(), written, kept.len());
            }
            Ok(())
        }
    })
}

pub unsafe fn open_enum(
    provider: &dyn NetworkProvider,
    scope: DWORD,
    kind: DWORD,
    usage: DWORD,
    resource: *mut NETRESOURCEW,
    handle: *mut HANDLE,
) -> DWORD {
    answer(|| {
        // SAFETY: the caller vouches for the pointers.
        let (handle, container) = unsafe {
            (
                handle.as_mut().ok_or(Status::BAD_POINTER)?,
                resource.as_ref().map(|resource| NetResource::from_abi(resource)),
            )
        };
        let container = container.as_ref().filter(|container| container.remote.is_some());
        let entries = provider.enumerate(&EnumQuery { scope, kind, usage, container })?;
        *handle = Box::into_raw(Box::new(Mutex::new(OpenEnum { entries, waiting: None }))).cast();
        Ok(())
    })
}

pub unsafe fn enum_resource(handle: HANDLE, count: *mut DWORD, buffer: LPVOID, bytes: *mut DWORD) -> DWORD {
    answer(|| {
        // SAFETY: the caller vouches for handle and pointers.
        let (open, count) = unsafe {
            (
                handle.cast::<Mutex<OpenEnum>>().as_ref().ok_or(Status::BAD_HANDLE)?,
                count.as_mut().ok_or(Status::BAD_POINTER)?,
            )
        };
        let mut open = open.lock().map_err(|_| Status::BAD_HANDLE)?;
        let mut written = 0;
        // SAFETY: the caller vouches for buffer and size.
        let filled = unsafe {
            put_packed(buffer, bytes, |packer| {
                while written < *count {
                    let entry = match open.waiting.take().map(Ok).or_else(|| open.entries.next_entry()) {
                        Some(Ok(entry)) => entry,
                        // What came before an error is still delivered; the error comes with the next call.
                        Some(Err(status)) => {
                            open.entries = Box::new(std::iter::once(Err(status)));
                            break;
                        }
                        None => break,
                    };
                    if let Err(needed) = packer.resource::<Wide>(&entry) {
                        open.waiting = Some(entry);
                        return if written == 0 { Err(needed) } else { Ok(()) };
                    }
                    written += 1;
                }
                Ok(())
            })
        };
        filled?;
        if written == 0 && *count != 0 {
            return Err(match open.entries.next_entry() {
                Some(Err(status)) => status,
                _ => Status::NO_MORE_ENTRIES,
            });
        }
        *count = written;
        Ok(())
    })
}

pub unsafe fn close_enum(handle: HANDLE) -> DWORD {
    answer(|| {
        if handle.is_null() {
            return Err(Status::BAD_HANDLE);
        }
        // SAFETY: as the caller vouches.
        let open = unsafe { Box::from_raw(handle.cast::<Mutex<OpenEnum>>()) };
        open.into_inner().map_err(|_| Status::BAD_HANDLE)?.entries.close()
    })
}

pub unsafe fn resource_information(
    provider: &dyn NetworkProvider,
    resource: *mut NETRESOURCEW,
    buffer: LPVOID,
    bytes: *mut DWORD,
    system: *mut LPWSTR,
) -> DWORD {
    answer(|| {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            let system = system.as_mut().ok_or(Status::BAD_POINTER)?;
            let (entry, rest) = provider.resource_information(&query(resource)?)?;
            put_packed(buffer, bytes, |packer| {
                *system = packer.resource_and_rest::<Wide>(&entry, rest.as_deref())?;
                Ok(())
            })
        }
    })
}

pub unsafe fn resource_parent(
    provider: &dyn NetworkProvider,
    resource: *mut NETRESOURCEW,
    buffer: LPVOID,
    bytes: *mut DWORD,
) -> DWORD {
    answer(|| {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            let entry = provider.resource_parent(&query(resource)?)?;
            put_packed(buffer, bytes, |packer| packer.resource::<Wide>(&entry))
        }
    })
}

pub unsafe fn format_network_name(
    provider: &dyn NetworkProvider,
    remote: LPWSTR,
    formatted: LPWSTR,
    chars: *mut DWORD,
    flags: DWORD,
    chars_per_line: DWORD,
) -> DWORD {
    answer(|| {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            let remote = borrow_wide(remote).ok_or(Status::BAD_POINTER)?;
            put_string(&provider.format_network_name(remote, flags, chars_per_line)?, formatted, chars)
        }
    })
}

pub unsafe fn directory_type(
    provider: &dyn NetworkProvider,
    directory: LPWSTR,
    kind: *mut i32,
    flush: BOOL,
) -> DWORD {
    answer(|| {
        // SAFETY: the caller vouches for the pointers.
        let (directory, kind) = unsafe {
            (borrow_wide(directory).ok_or(Status::BAD_POINTER)?, kind.as_mut().ok_or(Status::BAD_POINTER)?)
        };
        *kind = provider.directory_type(directory, flush != 0)?;
        Ok(())
    })
}

pub unsafe fn directory_notify(
    provider: &dyn NetworkProvider,
    owner: HWND,
    directory: LPWSTR,
    operation: DWORD,
) -> DWORD {
    answer(|| {
        // SAFETY: the caller vouches for the string.
        let directory = unsafe { borrow_wide(directory) }.ok_or(Status::BAD_POINTER)?;
        provider.directory_notify(owner, directory, operation)
    })
}

#[allow(clippy::too_many_arguments)]
pub unsafe fn property_text(
    provider: &dyn NetworkProvider,
    button: DWORD,
    selection: DWORD,
    name: LPWSTR,
    text: LPWSTR,
    chars: DWORD,
    kind: DWORD,
) -> DWORD {
    answer(|| {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            let name = borrow_wide(name).ok_or(Status::BAD_POINTER)?;
            let mut chars = chars;
            put_string(&provider.property_text(button, selection, name, kind)?, text, &mut chars)
        }
    })
}

pub unsafe fn property_dialog(
    provider: &dyn NetworkProvider,
    owner: HWND,
    button: DWORD,
    selection: DWORD,
    files: LPWSTR,
    kind: DWORD,
) -> DWORD {
    answer(|| {
        // SAFETY: the caller vouches for the string.
        let files = unsafe { borrow_wide(files) }.ok_or(Status::BAD_POINTER)?;
        provider.property_dialog(owner, button, selection, files, kind)
    })
}

pub unsafe fn permission_capabilities(provider: &dyn NetworkProvider, drive: LPWSTR) -> DWORD {
    // SAFETY: the caller vouches for the string.
    let Some(drive) = (unsafe { borrow_wide(drive) }) else { return 0 };
    catch_unwind(AssertUnwindSafe(|| provider.permission_capabilities(drive))).unwrap_or(0)
}

pub unsafe fn edit_permissions(
    provider: &dyn NetworkProvider,
    drive: LPWSTR,
    owner: HWND,
    dialog: DWORD,
) -> DWORD {
    answer(|| {
        // SAFETY: the caller vouches for the string.
        let drive = unsafe { borrow_wide(drive) }.ok_or(Status::BAD_POINTER)?;
        provider.edit_permissions(drive, owner, dialog)
    })
}

pub unsafe fn permission_help(
    provider: &dyn NetworkProvider,
    drive: LPWSTR,
    dialog: DWORD,
    directory: BOOL,
    file: LPVOID,
    size: *mut DWORD,
    context: *mut DWORD,
) -> DWORD {
    answer(|| {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            let drive = borrow_wide(drive).ok_or(Status::BAD_POINTER)?;
            let context = context.as_mut().ok_or(Status::BAD_POINTER)?;
            let (name, topic) = provider.permission_help(drive, dialog, directory != 0)?;
            put_string(&name, file.cast(), size)?;
            *context = topic;
            Ok(())
        }
    })
}

/// Exports a [`NetworkProvider`](crate::NetworkProvider) as a provider library: the `NP*` functions.
///
/// `export_network_provider!(Type)` makes the provider with [`Default`];
/// `export_network_provider!(Type, make)` with an expression, evaluated at the first call. Every function is
/// exported; what the provider does not claim in its capabilities is never called.
#[macro_export]
macro_rules! export_network_provider {
    ($provider:ty) => {
        $crate::export_network_provider!($provider, <$provider as ::std::default::Default>::default());
    };
    ($provider:ty, $make:expr) => {
        const _: () = {
            use $crate::abi::*;
            use $crate::provider::export;

            static PROVIDER: ::std::sync::LazyLock<$provider> = ::std::sync::LazyLock::new(|| $make);

            $crate::__export! {
                NPGetCaps(index: DWORD) => export::caps(&*PROVIDER, index);
                NPAddConnection(resource: *mut NETRESOURCEW, password: LPWSTR, user: LPWSTR) =>
                    export::add(&*PROVIDER, ::std::ptr::null_mut(), resource, password, user, None, 0);
                NPAddConnection3(owner: HWND, resource: *mut NETRESOURCEW, password: LPWSTR, user: LPWSTR, flags: DWORD) =>
                    export::add(&*PROVIDER, owner, resource, password, user, None, flags);
                NPAddConnection4(owner: HWND, resource: *mut NETRESOURCEW, auth: LPVOID, auth_size: DWORD, flags: DWORD, use_options: *mut u8, use_options_size: DWORD) =>
                    export::add(&*PROVIDER, owner, resource, ::std::ptr::null_mut(), ::std::ptr::null_mut(),
                        Some((auth, auth_size, use_options, use_options_size)), flags);
                NPCancelConnection(name: LPWSTR, force: BOOL) => export::cancel(&*PROVIDER, name, force, 0);
                NPCancelConnection2(name: LPWSTR, force: BOOL, flags: DWORD) => export::cancel(&*PROVIDER, name, force, flags);
                NPGetConnection(local: LPWSTR, remote: LPWSTR, chars: *mut DWORD) =>
                    export::connection(&*PROVIDER, local, WNGETCON_CONNECTED, remote, chars);
                NPGetConnection3(local: LPCWSTR, level: DWORD, buffer: LPVOID, chars: *mut DWORD) =>
                    export::connection(&*PROVIDER, local, level, buffer.cast(), chars);
                NPGetConnectionPerformance(name: LPCWSTR, info: *mut NETCONNECTINFOSTRUCT) =>
                    export::performance(&*PROVIDER, name, info);
                NPGetUniversalName(local_path: LPWSTR, level: DWORD, buffer: LPVOID, bytes: *mut DWORD) =>
                    export::universal_name(&*PROVIDER, local_path, level, buffer, bytes);
                NPGetUser(name: LPWSTR, user: LPWSTR, chars: *mut DWORD) => export::user(&*PROVIDER, name, user, chars);
                NPGetPersistentUseOptionsForConnection(remote: LPCWSTR, read: *mut u8, read_size: DWORD, written: *mut u8, written_size: *mut DWORD) =>
                    export::persistent_use_options(&*PROVIDER, remote, read, read_size, written, written_size);
                NPOpenEnum(scope: DWORD, kind: DWORD, usage: DWORD, resource: *mut NETRESOURCEW, handle: *mut HANDLE) =>
                    export::open_enum(&*PROVIDER, scope, kind, usage, resource, handle);
                NPEnumResource(handle: HANDLE, count: *mut DWORD, buffer: LPVOID, bytes: *mut DWORD) =>
                    export::enum_resource(handle, count, buffer, bytes);
                NPCloseEnum(handle: HANDLE) => export::close_enum(handle);
                NPGetResourceInformation(resource: *mut NETRESOURCEW, buffer: LPVOID, bytes: *mut DWORD, system: *mut LPWSTR) =>
                    export::resource_information(&*PROVIDER, resource, buffer, bytes, system);
                NPGetResourceParent(resource: *mut NETRESOURCEW, buffer: LPVOID, bytes: *mut DWORD) =>
                    export::resource_parent(&*PROVIDER, resource, buffer, bytes);
                NPFormatNetworkName(remote: LPWSTR, formatted: LPWSTR, chars: *mut DWORD, flags: DWORD, chars_per_line: DWORD) =>
                    export::format_network_name(&*PROVIDER, remote, formatted, chars, flags, chars_per_line);
                NPGetDirectoryType(directory: LPWSTR, kind: *mut i32, flush: BOOL) =>
                    export::directory_type(&*PROVIDER, directory, kind, flush);
                NPDirectoryNotify(owner: HWND, directory: LPWSTR, operation: DWORD) =>
                    export::directory_notify(&*PROVIDER, owner, directory, operation);
                NPGetPropertyText(button: DWORD, selection: DWORD, name: LPWSTR, text: LPWSTR, chars: DWORD, kind: DWORD) =>
                    export::property_text(&*PROVIDER, button, selection, name, text, chars, kind);
                NPPropertyDialog(owner: HWND, button: DWORD, selection: DWORD, files: LPWSTR, kind: DWORD) =>
                    export::property_dialog(&*PROVIDER, owner, button, selection, files, kind);
                NPFMXGetPermCaps(drive: LPWSTR) => export::permission_capabilities(&*PROVIDER, drive);
                NPFMXEditPerm(drive: LPWSTR, owner: HWND, dialog: DWORD) =>
                    export::edit_permissions(&*PROVIDER, drive, owner, dialog);
                NPFMXGetPermHelp(drive: LPWSTR, dialog: DWORD, directory: BOOL, file: LPVOID, size: *mut DWORD, context: *mut DWORD) =>
                    export::permission_help(&*PROVIDER, drive, dialog, directory, file, size, context);
            }
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($($name:ident($($argument:ident: $kind:ty),*) => $body:expr;)*) => {
        $(#[unsafe(no_mangle)]
        unsafe extern "system" fn $name($($argument: $kind),*) -> DWORD {
            // SAFETY: the router calls with pointers that are NULL or valid, as `npapi.h` has it.
            #[allow(unused_unsafe)]
            unsafe { $body }
        })*
    };
}
