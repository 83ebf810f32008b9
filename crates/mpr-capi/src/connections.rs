//! Adding, using and cancelling connections (`spec/wnet.md` §4, §5).

use crate::output;
use crate::router;
use crate::text::{Form, Texts};
use mpr::{AccessBuffer, AddRequest, CancelRequest, Credentials, UseError};
use mpr_abi::{
    BOOL, CONNECT_LOCALDRIVE, CONNECT_UPDATE_PROFILE, DWORD, HWND, MAX_REMOTE_NAME, NETRESOURCEW, Status,
};
use mpr_plugin::{AuthBuffer, MAX_UNITS, WideStr};
use zeroize::Zeroizing;

/// Most bytes an authentication buffer or use options may have. What Windows packs into one is a few
/// kilobytes; a size beyond this is a mistake, and copying it would be one, too.
const MAX_BUFFER: DWORD = 1 << 20;
/// As many units make a device name too long for the router: 4095 bytes is the longest path.
const LOCAL_LIMIT: usize = 4096;

/// `WNetAddConnection`: persistent, of the device's own type, as the default user.
pub(crate) unsafe fn add<E: Form>(
    remote: *const E::Unit,
    password: *const E::Unit,
    local: *const E::Unit,
) -> Result<(), Status> {
    let resource = NETRESOURCEW {
        dwScope: 0,
        dwType: 0,
        dwDisplayType: 0,
        dwUsage: 0,
        lpLocalName: local.cast_mut().cast(),
        lpRemoteName: remote.cast_mut().cast(),
        lpComment: std::ptr::null_mut(),
        lpProvider: std::ptr::null_mut(),
    };
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for the strings.
    unsafe {
        let request = request::<E>(&texts, std::ptr::null_mut(), &resource, CONNECT_UPDATE_PROFILE)?;
        let credentials = logon::<E>(&texts, std::ptr::null(), password)?;
        router().add_connection(&AddRequest { credentials, ..request })
    }
}

/// `WNetAddConnection2`.
#[inline(always)]
pub(crate) unsafe fn add2<E: Form>(
    resource: *const E::Resource,
    password: *const E::Unit,
    user: *const E::Unit,
    flags: DWORD,
) -> Result<(), Status> {
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe { add3::<E>(std::ptr::null_mut(), resource, password, user, flags) }
}

/// `WNetAddConnection3`.
#[inline(always)]
pub(crate) unsafe fn add3<E: Form>(
    owner: HWND,
    resource: *const E::Resource,
    password: *const E::Unit,
    user: *const E::Unit,
    flags: DWORD,
) -> Result<(), Status> {
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe {
        let resource = read_resource::<E>(resource)?;
        let request = request::<E>(&texts, owner, &resource, flags)?;
        let credentials = logon::<E>(&texts, user, password)?;
        router().add_connection(&AddRequest { credentials, ..request })
    }
}

/// `WNetAddConnection4`.
pub(crate) unsafe fn add4<E: Form>(
    owner: HWND,
    resource: *const E::Resource,
    auth: *const u8,
    auth_size: DWORD,
    flags: DWORD,
    use_options: *const u8,
    use_options_size: DWORD,
) -> Result<(), Status> {
    let (texts, mut buffers) = (Texts::new(), Buffers::default());
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe {
        let resource = read_resource::<E>(resource)?;
        let request = request::<E>(&texts, owner, &resource, flags)?;
        let credentials = buffers.read(auth, auth_size, use_options, use_options_size)?;
        router().add_connection(&AddRequest { credentials, ..request })
    }
}

/// `WNetUseConnection`.
#[expect(clippy::too_many_arguments, reason = "as the function has them")]
pub(crate) unsafe fn use_connection<E: Form>(
    owner: HWND,
    resource: *const E::Resource,
    password: *const E::Unit,
    user: *const E::Unit,
    flags: DWORD,
    access_name: *mut E::Unit,
    size: *mut DWORD,
    result: *mut DWORD,
) -> Result<(), Status> {
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe {
        let resource = read_resource::<E>(resource)?;
        let request = request::<E>(&texts, owner, &resource, flags)?;
        let credentials = logon::<E>(&texts, user, password)?;
        reporting::<E>(&AddRequest { credentials, ..request }, access_name, size, result)
    }
}

/// `WNetUseConnection4`.
#[expect(clippy::too_many_arguments, reason = "as the function has them")]
pub(crate) unsafe fn use_connection4<E: Form>(
    owner: HWND,
    resource: *const E::Resource,
    auth: *const u8,
    auth_size: DWORD,
    flags: DWORD,
    use_options: *const u8,
    use_options_size: DWORD,
    access_name: *mut E::Unit,
    size: *mut DWORD,
    result: *mut DWORD,
) -> Result<(), Status> {
    let (texts, mut buffers) = (Texts::new(), Buffers::default());
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe {
        let resource = read_resource::<E>(resource)?;
        let request = request::<E>(&texts, owner, &resource, flags)?;
        let credentials = buffers.read(auth, auth_size, use_options, use_options_size)?;
        reporting::<E>(&AddRequest { credentials, ..request }, access_name, size, result)
    }
}

/// Makes a connection and tells the caller how to reach it.
///
/// # Safety
///
/// As `WNetUseConnection` wants its last three parameters.
unsafe fn reporting<E: Form>(
    request: &AddRequest<'_>,
    access_name: *mut E::Unit,
    size: *mut DWORD,
    result: *mut DWORD,
) -> Result<(), Status> {
    let access = (!access_name.is_null()).then(|| AccessBuffer {
        // SAFETY: as the caller vouches.
        capacity: (!size.is_null()).then(|| unsafe { size.read_unaligned() }),
        length: |name: &WideStr| E::units(name) as u32,
    });
    match router().use_connection(request, access) {
        Ok(added) => {
            let redirected = if added.local.is_some() { CONNECT_LOCALDRIVE } else { 0 };
            // SAFETY: as the caller vouches; without a size the router refuses to report a name.
            unsafe {
                if !result.is_null() {
                    result.write_unaligned(redirected);
                }
                if access.is_some() {
                    output::string::<E>(added.access_name(), access_name, size)?;
                }
            }
            Ok(())
        }
        Err(UseError::AccessNameTooLong { needed }) => {
            if !size.is_null() {
                // SAFETY: as the caller vouches.
                unsafe { size.write_unaligned(needed) };
            }
            Err(Status::MORE_DATA)
        }
        Err(UseError::Failed(status)) => Err(status),
    }
}

/// `WNetCancelConnection`: forgets the connection, too (DECISION W18).
pub(crate) unsafe fn cancel<E: Form>(name: *const E::Unit, force: BOOL) -> Result<(), Status> {
    // SAFETY: the exported function's caller vouches for its pointer.
    unsafe { cancel2::<E>(name, CONNECT_UPDATE_PROFILE, force) }
}

/// `WNetCancelConnection2`.
#[inline(always)]
pub(crate) unsafe fn cancel2<E: Form>(name: *const E::Unit, flags: DWORD, force: BOOL) -> Result<(), Status> {
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointer.
    let name = unsafe { texts.read::<E>(name) }?.ok_or(Status::BAD_POINTER)?;
    router().cancel_connection(&CancelRequest { name, flags, force: force != 0 })
}

/// Makes private copies of the names the caller points to: a request with them, and without credentials yet.
///
/// # Safety
///
/// Every pointer of `resource` is NULL or as the exported functions want it.
#[inline(always)]
unsafe fn request<'t, E: Form>(
    texts: &'t Texts,
    owner: HWND,
    resource: &NETRESOURCEW,
    flags: DWORD,
) -> Result<AddRequest<'t>, Status> {
    // SAFETY: as the caller vouches. Names that are too long for anybody are judged by the router, in their
    // turn (DECISION W14).
    let [remote, local, provider] = unsafe {
        [
            texts.read_up_to::<E>(resource.lpRemoteName.cast(), MAX_REMOTE_NAME + 1)?,
            texts.read_up_to::<E>(resource.lpLocalName.cast(), LOCAL_LIMIT)?,
            texts.read_up_to::<E>(resource.lpProvider.cast(), MAX_UNITS)?,
        ]
    };
    Ok(AddRequest {
        owner,
        scope: resource.dwScope,
        kind: resource.dwType,
        display: resource.dwDisplayType,
        usage: resource.dwUsage,
        remote,
        local,
        provider,
        flags,
        ..AddRequest::default()
    })
}

/// Makes private copies of user and password.
///
/// # Safety
///
/// The pointers are NULL or strings of the form.
#[inline(always)]
unsafe fn logon<E: Form>(
    texts: &Texts,
    user: *const E::Unit,
    password: *const E::Unit,
) -> Result<Credentials<'_>, Status> {
    // SAFETY: as the caller vouches.
    unsafe {
        let (user, password) = (texts.read::<E>(user)?, texts.read_secret::<E>(password)?);
        Ok(Credentials::Password { user, password })
    }
}

/// Private copies of the buffers of the four-series functions, wiped when they are dropped.
#[derive(Default)]
struct Buffers {
    auth: Zeroizing<Vec<u8>>,
    use_options: Zeroizing<Vec<u8>>,
}

impl Buffers {
    /// # Safety
    ///
    /// The pointers are NULL or readable for the sizes behind them.
    unsafe fn read(
        &mut self,
        auth: *const u8,
        auth_size: DWORD,
        use_options: *const u8,
        use_options_size: DWORD,
    ) -> Result<Credentials<'_>, Status> {
        // SAFETY: as the caller vouches.
        unsafe {
            Ok(buffers(
                copy(auth, auth_size, &mut self.auth)?,
                copy(use_options, use_options_size, &mut self.use_options)?,
            ))
        }
    }
}

/// What two buffers come to: without either, the defaults (`spec/wnet.md` §4.5).
fn buffers<'a>(auth: Option<&'a [u8]>, use_options: Option<&'a [u8]>) -> Credentials<'a> {
    match (auth, use_options) {
        (None, _) | (_, None) => Credentials::MissingBuffer,
        (Some([]), Some([])) => Credentials::Password { user: None, password: None },
        (Some(auth), Some(use_options)) => Credentials::Buffer(AuthBuffer { auth, use_options }),
    }
}

/// Copies a buffer of the caller's; `None` for one that has a size and no place.
///
/// # Safety
///
/// `buffer` is NULL or readable for `size` bytes.
unsafe fn copy(buffer: *const u8, size: DWORD, copy: &mut Vec<u8>) -> Result<Option<&[u8]>, Status> {
    if size == 0 {
        return Ok(Some(&[]));
    }
    if buffer.is_null() {
        return Ok(None);
    }
    if size > MAX_BUFFER {
        return Err(Status::BAD_VALUE);
    }
    // Reserved at once: a vector that grew would leave copies of a password behind.
    copy.reserve_exact(size as usize);
    // SAFETY: as the caller vouches.
    copy.extend_from_slice(unsafe { std::slice::from_raw_parts(buffer, size as usize) });
    Ok(Some(copy))
}

/// Copies a structure, whose strings are still the caller's: both forms have the same layout.
///
/// # Safety
///
/// `resource` is NULL or points to a structure.
#[inline(always)]
pub(crate) unsafe fn read_resource<E: Form>(resource: *const E::Resource) -> Result<NETRESOURCEW, Status> {
    if resource.is_null() {
        return Err(Status::BAD_POINTER);
    }
    // SAFETY: as the caller vouches. A caller that packs its structures may have it at an odd address.
    Ok(unsafe { resource.cast::<NETRESOURCEW>().read_unaligned() })
}
