//! Questions about connections (`spec/wnet.md` §6, §7, §8, §12).

use crate::connections::read_resource;
use crate::output;
use crate::router;
use crate::text::{Form, Texts};
use mpr::Connection;
use mpr_abi::{
    DWORD, LPVOID, NETCONNECTINFOSTRUCT, REMOTE_NAME_INFO_LEVEL, Status, UNIVERSAL_NAME_INFO_LEVEL,
};
use mpr_plugin::pack::Packer;
use std::mem::size_of;

/// As many units make a device name too long for the router.
const LOCAL_LIMIT: usize = 4096;

/// `WNetGetConnection`.
pub(crate) unsafe fn connection<E: Form>(
    local: *const E::Unit,
    remote: *mut E::Unit,
    chars: *mut DWORD,
) -> Result<(), Status> {
    if local.is_null() || chars.is_null() {
        return Err(Status::BAD_POINTER);
    }
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe {
        output::check(remote, chars)?;
        let local = texts.read_up_to::<E>(local, LOCAL_LIMIT)?.unwrap_or_default();
        let connection = output::found(router().connection(local))?;
        output::string::<E>(connection.remote(), remote, chars)?;
        match connection {
            Connection::Connected(_) => Ok(()),
            // With the name filled in (DECISION W20).
            _ => Err(Status::CONNECTION_CLOSED),
        }
    }
}

/// `WNetGetUser`.
pub(crate) unsafe fn user<E: Form>(
    name: *const E::Unit,
    user: *mut E::Unit,
    chars: *mut DWORD,
) -> Result<(), Status> {
    if chars.is_null() {
        return Err(Status::BAD_POINTER);
    }
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe {
        output::check(user, chars)?;
        let found = output::found(router().user(texts.read::<E>(name)?))?;
        output::string::<E>(&found, user, chars)
    }
}

/// `WNetGetUniversalName`. The order of the tests is that of DECISION W22.
pub(crate) unsafe fn universal_name<E: Form>(
    local_path: *const E::Unit,
    level: DWORD,
    buffer: LPVOID,
    bytes: *mut DWORD,
) -> Result<(), Status> {
    if bytes.is_null() || local_path.is_null() {
        return Err(Status::BAD_POINTER);
    }
    if !matches!(level, UNIVERSAL_NAME_INFO_LEVEL | REMOTE_NAME_INFO_LEVEL) {
        return Err(Status::BAD_LEVEL);
    }
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe {
        let path = texts.read::<E>(local_path)?.unwrap_or_default();
        let name = output::found(router().universal_name(path))?;
        if level == UNIVERSAL_NAME_INFO_LEVEL && name.universal.is_none() {
            return Err(Status::NOT_SUPPORTED);
        }
        let size = bytes.read_unaligned();
        if size == 0 {
            return Err(Status::BAD_VALUE);
        }
        output::check(buffer, bytes)?;
        let packed = Packer::new(buffer.cast(), size as usize).universal_name::<E>(&name, level);
        packed.map_err(|needed| {
            bytes.write_unaligned(needed as DWORD);
            Status::MORE_DATA
        })
    }
}

/// `MultinetGetConnectionPerformance`.
pub(crate) unsafe fn performance<E: Form>(
    resource: *const E::Resource,
    info: *mut NETCONNECTINFOSTRUCT,
) -> Result<(), Status> {
    if info.is_null() {
        return Err(Status::BAD_POINTER);
    }
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe {
        let resource = read_resource::<E>(resource)?;
        let size = info.cast::<DWORD>().read_unaligned();
        if (size as usize) < size_of::<NETCONNECTINFOSTRUCT>() {
            return Err(Status::BAD_VALUE);
        }
        // Before anybody is asked (DECISION W31), so also where nobody answers.
        let unknown = NETCONNECTINFOSTRUCT { cbStructure: size, ..NETCONNECTINFOSTRUCT::default() };
        info.write_unaligned(unknown);
        let performance = router().performance(
            texts.read_up_to::<E>(resource.lpLocalName.cast(), LOCAL_LIMIT)?,
            texts.read::<E>(resource.lpRemoteName.cast())?,
            texts.read::<E>(resource.lpProvider.cast())?,
        )?;
        info.write_unaligned(NETCONNECTINFOSTRUCT {
            cbStructure: size,
            dwFlags: performance.flags,
            dwSpeed: performance.speed,
            dwDelay: performance.delay,
            dwOptDataSize: performance.optimal_size,
        });
    }
    Ok(())
}
