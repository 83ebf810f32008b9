//! Questions about resources and providers (`spec/wnet.md` §10, §11, §16).

use crate::connections::read_resource;
use crate::output;
use crate::router;
use crate::text::{Form, Texts};
use mpr_abi::{DWORD, LPVOID, NETINFOSTRUCT, Status};
use mpr_plugin::pack::Packer;
use std::mem::{MaybeUninit, size_of};
use std::ptr::{addr_of_mut, null_mut};

/// `WNetGetResourceInformation`.
pub(crate) unsafe fn information<E: Form>(
    resource: *const E::Resource,
    buffer: LPVOID,
    bytes: *mut DWORD,
    system: *mut *mut E::Unit,
) -> Result<(), Status> {
    if buffer.is_null() || bytes.is_null() || system.is_null() {
        return Err(Status::BAD_POINTER);
    }
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe {
        let resource = read_resource::<E>(resource)?;
        let remote = texts.read::<E>(resource.lpRemoteName.cast())?;
        let provider = texts.read::<E>(resource.lpProvider.cast())?;
        let (found, rest) = output::found(router().resource_information(remote, resource.dwType, provider))?;
        let size = bytes.read_unaligned() as usize;
        let packed = Packer::new(buffer.cast(), size).resource_and_rest::<E>(&found, rest.as_deref());
        let at = packed.map_err(|needed| {
            bytes.write_unaligned(needed as DWORD);
            Status::MORE_DATA
        })?;
        system.write_unaligned(if rest.is_some() { at } else { null_mut() });
    }
    Ok(())
}

/// `WNetGetResourceParent`.
pub(crate) unsafe fn parent<E: Form>(
    resource: *const E::Resource,
    buffer: LPVOID,
    bytes: *mut DWORD,
) -> Result<(), Status> {
    if buffer.is_null() || bytes.is_null() {
        return Err(Status::BAD_POINTER);
    }
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe {
        let resource = read_resource::<E>(resource)?;
        let remote = texts.read::<E>(resource.lpRemoteName.cast())?;
        let provider = texts.read::<E>(resource.lpProvider.cast())?;
        let found = output::found(router().resource_parent(remote, resource.dwType, provider))?;
        let size = bytes.read_unaligned() as usize;
        Packer::new(buffer.cast(), size).resource::<E>(&found).map_err(|needed| {
            bytes.write_unaligned(needed as DWORD);
            Status::MORE_DATA
        })
    }
}

/// `WNetGetProviderName`.
pub(crate) unsafe fn provider_name<E: Form>(
    net_type: DWORD,
    name: *mut E::Unit,
    chars: *mut DWORD,
) -> Result<(), Status> {
    if name.is_null() || chars.is_null() {
        return Err(Status::BAD_POINTER);
    }
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe { output::string::<E>(router().provider_name(net_type)?, name, chars) }
}

/// `WNetGetProviderType`.
pub(crate) unsafe fn provider_type<E: Form>(
    name: *const E::Unit,
    net_type: *mut DWORD,
) -> Result<(), Status> {
    if net_type.is_null() {
        return Err(Status::BAD_POINTER);
    }
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe {
        let name = texts.read::<E>(name)?.ok_or(Status::BAD_POINTER)?;
        net_type.write_unaligned(router().provider_type(name)?);
    }
    Ok(())
}

/// `WNetGetNetworkInformation` (DECISION W30).
pub(crate) unsafe fn network_information<E: Form>(
    provider: *const E::Unit,
    info: *mut NETINFOSTRUCT,
) -> Result<(), Status> {
    const SIZE: usize = size_of::<NETINFOSTRUCT>();
    if provider.is_null() || info.is_null() {
        return Err(Status::BAD_POINTER);
    }
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe {
        if (info.cast::<DWORD>().read_unaligned() as usize) < SIZE {
            return Err(Status::BAD_VALUE);
        }
        let provider = texts.read::<E>(provider)?.unwrap_or_default();
        let known = router().network_information(provider)?;
        // Zeroed, so that the padding does not carry what was on our stack.
        let mut filled = MaybeUninit::<NETINFOSTRUCT>::zeroed();
        let at = filled.as_mut_ptr();
        addr_of_mut!((*at).cbStructure).write(SIZE as DWORD);
        addr_of_mut!((*at).dwProviderVersion).write(known.version);
        addr_of_mut!((*at).dwStatus).write(known.status.0);
        addr_of_mut!((*at).wNetType).write(known.net_type);
        addr_of_mut!((*at).dwPrinters).write(DWORD::MAX);
        addr_of_mut!((*at).dwDrives).write(DWORD::MAX);
        std::ptr::copy_nonoverlapping(at.cast::<u8>(), info.cast::<u8>(), SIZE);
    }
    Ok(())
}

/// `WNetFormatNetworkName` (DECISION W34).
pub(crate) unsafe fn format_network_name<E: Form>(
    provider: *const E::Unit,
    remote: *const E::Unit,
    formatted: *mut E::Unit,
    chars: *mut DWORD,
    flags: DWORD,
    chars_per_line: DWORD,
) -> Result<(), Status> {
    if provider.is_null() || remote.is_null() || chars.is_null() {
        return Err(Status::BAD_POINTER);
    }
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe {
        output::check(formatted, chars)?;
        let provider = texts.read::<E>(provider)?.unwrap_or_default();
        let remote = texts.read::<E>(remote)?.unwrap_or_default();
        let shown = router().format_network_name(provider, remote, flags, chars_per_line)?;
        output::string::<E>(&shown, formatted, chars)
    }
}
