//! A network provider in a shared object.

use super::answers::{Filled, MOST_BYTES, more, string, structures};
use super::copies::{Copies, SecretBytes, SecretCopies};
use super::{LoadError, SharedObject, Terms};
use crate::portions::{Portions, Source};
use mpr_abi::*;
use mpr_plugin::{
    AddConnection, AuthBuffer, CancelConnection, Capabilities, Entries, EnumQuery, NetResource,
    NetworkProvider, Performance, ResourceQuery, Start, UniversalName, WideStr, WideString,
};
use std::cell::Cell;
use std::ffi::CStr;
use std::path::Path;
use std::ptr::null_mut;

/// A network provider, loaded for good.
///
/// Its functions get private copies of their arguments (`spec/provider.md` P5), and its answers are copied
/// out of buffers with bounded reads. What it does not both claim and export does not exist (P1).
#[derive(Debug)]
pub struct LoadedProvider {
    capabilities: Capabilities,
    functions: Functions,
}

/// The functions that are called: exported, and claimed where there is a bit for them.
#[derive(Debug)]
struct Functions {
    caps: PF_NPGetCaps,
    add: Option<PF_NPAddConnection>,
    add3: Option<PF_NPAddConnection3>,
    add4: Option<PF_NPAddConnection4>,
    cancel: Option<PF_NPCancelConnection>,
    cancel2: Option<PF_NPCancelConnection2>,
    connection: Option<PF_NPGetConnection>,
    connection3: Option<PF_NPGetConnection3>,
    performance: Option<PF_NPGetConnectionPerformance>,
    universal_name: Option<PF_NPGetUniversalName>,
    user: Option<PF_NPGetUser>,
    use_options: Option<PF_NPGetPersistentUseOptionsForConnection>,
    enumeration: Option<EnumFunctions>,
    information: Option<PF_NPGetResourceInformation>,
    parent: Option<PF_NPGetResourceParent>,
    format: Option<PF_NPFormatNetworkName>,
    device_mode: Option<PF_NPDeviceMode>,
    search: Option<PF_NPSearchDialog>,
    property: Option<(PF_NPGetPropertyText, PF_NPPropertyDialog)>,
    directory_type: Option<PF_NPGetDirectoryType>,
    directory_notify: Option<PF_NPDirectoryNotify>,
    permissions: Option<(PF_NPFMXGetPermCaps, PF_NPFMXEditPerm)>,
    permission_help: Option<PF_NPFMXGetPermHelp>,
}

/// The three functions that come all or not at all.
#[derive(Debug, Clone, Copy)]
struct EnumFunctions {
    open: PF_NPOpenEnum,
    next: PF_NPEnumResource,
    close: PF_NPCloseEnum,
}

impl LoadedProvider {
    /// Loads the provider at `path`. Whether it wants to start ([`NetworkProvider::start`]) is left to the
    /// caller, as with a built-in one.
    ///
    /// # Errors
    ///
    /// Why there is no library, or none to be trusted; also when it does not export `NPGetCaps`.
    pub fn load(path: &Path, terms: &Terms) -> Result<Self, LoadError> {
        let object = SharedObject::load(path, terms)?;
        // SAFETY: each field has the type of the function of the name it is looked up by (`npapi.h`).
        let functions = unsafe { Functions::of(&object) };
        let Some(mut functions) = functions else {
            return Err(object.lacks(
                "it does not export NPGetCaps, which every network provider must",
                "export it under that very name (in C++: extern \"C\")",
            ));
        };
        let capabilities = functions.settle();
        Ok(LoadedProvider { capabilities, functions })
    }
}

impl Functions {
    /// # Safety
    ///
    /// As for [`SharedObject::function`], for all of them.
    unsafe fn of(object: &SharedObject) -> Option<Self> {
        fn find<F: Copy>(object: &SharedObject, name: &CStr) -> Option<F> {
            // SAFETY: the caller of `of` vouches for the types.
            unsafe { object.function(name) }
        }
        Some(Functions {
            caps: find(object, c"NPGetCaps")?,
            add: find(object, c"NPAddConnection"),
            add3: find(object, c"NPAddConnection3"),
            add4: find(object, c"NPAddConnection4"),
            cancel: find(object, c"NPCancelConnection"),
            cancel2: find(object, c"NPCancelConnection2"),
            connection: find(object, c"NPGetConnection"),
            connection3: find(object, c"NPGetConnection3"),
            performance: find(object, c"NPGetConnectionPerformance"),
            universal_name: find(object, c"NPGetUniversalName"),
            user: find(object, c"NPGetUser"),
            use_options: find(object, c"NPGetPersistentUseOptionsForConnection"),
            enumeration: match (
                find(object, c"NPOpenEnum"),
                find(object, c"NPEnumResource"),
                find(object, c"NPCloseEnum"),
            ) {
                (Some(open), Some(next), Some(close)) => Some(EnumFunctions { open, next, close }),
                _ => None,
            },
            information: find(object, c"NPGetResourceInformation"),
            parent: find(object, c"NPGetResourceParent"),
            format: find(object, c"NPFormatNetworkName"),
            device_mode: find(object, c"NPDeviceMode"),
            search: find(object, c"NPSearchDialog"),
            property: find(object, c"NPGetPropertyText").zip(find(object, c"NPPropertyDialog")),
            directory_type: find(object, c"NPGetDirectoryType"),
            directory_notify: find(object, c"NPDirectoryNotify"),
            permissions: find(object, c"NPFMXGetPermCaps").zip(find(object, c"NPFMXEditPerm")),
            permission_help: find(object, c"NPFMXGetPermHelp"),
        })
    }

    fn caps(&self, index: DWORD) -> u32 {
        // SAFETY: the function has this type and takes no pointer.
        unsafe { (self.caps)(index) }
    }

    /// Asks what the provider claims, and takes away what is only claimed or only exported (P1).
    fn settle(&mut self) -> Capabilities {
        let mut found = Capabilities {
            net_type: self.caps(WNNC_NET_TYPE),
            version: self.caps(WNNC_DRIVER_VERSION),
            user: self.caps(WNNC_USER),
            connection: self.caps(WNNC_CONNECTION),
            dialog: self.caps(WNNC_DIALOG),
            admin: self.caps(WNNC_ADMIN),
            enumeration: self.caps(WNNC_ENUMERATION),
        };
        agree(&mut found.user, WNNC_USR_GETUSER, &mut self.user);
        let connection = &mut found.connection;
        agree(connection, WNNC_CON_ADDCONNECTION, &mut self.add);
        agree(connection, WNNC_CON_ADDCONNECTION3, &mut self.add3);
        agree(connection, WNNC_CON_ADDCONNECTION4, &mut self.add4);
        agree(connection, WNNC_CON_CANCELCONNECTION, &mut self.cancel);
        agree(connection, WNNC_CON_CANCELCONNECTION2, &mut self.cancel2);
        agree(connection, WNNC_CON_GETCONNECTIONS, &mut self.connection);
        agree(connection, WNNC_CON_GETPERFORMANCE, &mut self.performance);
        // The wish to defer is a flag, and only these two functions take flags.
        if self.add3.is_none() && self.add4.is_none() {
            *connection &= !WNNC_CON_DEFER;
        }
        let dialog = &mut found.dialog;
        agree(dialog, WNNC_DLG_DEVICEMODE, &mut self.device_mode);
        agree(dialog, WNNC_DLG_PROPERTYDIALOG, &mut self.property);
        agree(dialog, WNNC_DLG_SEARCHDIALOG, &mut self.search);
        agree(dialog, WNNC_DLG_FORMATNETWORKNAME, &mut self.format);
        agree(dialog, WNNC_DLG_PERMISSIONEDITOR, &mut self.permissions);
        agree(dialog, WNNC_DLG_GETRESOURCEPARENT, &mut self.parent);
        agree(dialog, WNNC_DLG_GETRESOURCEINFORMATION, &mut self.information);
        agree(&mut found.admin, WNNC_ADM_GETDIRECTORYTYPE, &mut self.directory_type);
        agree(&mut found.admin, WNNC_ADM_DIRECTORYNOTIFY, &mut self.directory_notify);
        if self.enumeration.is_none() {
            found.enumeration = 0;
        }
        if self.permissions.is_none() {
            self.permission_help = None;
        }
        found
    }
}

/// Leaves bit and function both or neither.
fn agree<F>(mask: &mut u32, bit: u32, function: &mut Option<F>) {
    if *mask & bit == 0 {
        *function = None;
    } else if function.is_none() {
        *mask &= !bit;
    }
}

/// A structure that names a resource, to be passed to a provider.
fn named(kind: u32, [local, remote, provider]: [LPWSTR; 3]) -> NETRESOURCEW {
    NETRESOURCEW {
        dwScope: 0,
        dwType: kind,
        dwDisplayType: 0,
        dwUsage: 0,
        lpLocalName: local,
        lpRemoteName: remote,
        lpComment: null_mut(),
        lpProvider: provider,
    }
}

/// The size of a buffer as a provider is told it.
fn size(bytes: &[u8]) -> Result<DWORD, Status> {
    DWORD::try_from(bytes.len()).map_err(|_| Status::BAD_VALUE)
}

// Windows that own dialogs are passed through and never followed.
#[allow(clippy::not_unsafe_ptr_arg_deref)]
impl NetworkProvider for LoadedProvider {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn start(&self) -> Start {
        Start::from_raw(self.functions.caps(WNNC_START))
    }

    fn add_connection(&self, add: &AddConnection<'_>) -> Result<(), Status> {
        match (add.password, add.auth) {
            (None, None) => self.add(add, null_mut()),
            (Some(password), None) => self.add_with_password(add, password),
            (_, Some(auth)) => self.add_with_buffers(add, auth),
        }
    }

    fn cancel_connection(&self, cancel: &CancelConnection<'_>) -> Result<(), Status> {
        let mut copies = Copies::new();
        let [name] = copies.fill([Some(cancel.name)]);
        // SAFETY: the functions have these types; the string is alive and ours.
        let status = unsafe {
            match (self.functions.cancel2, self.functions.cancel) {
                (Some(cancel2), _) => cancel2(name, cancel.force.into(), cancel.flags),
                (None, Some(plain)) => plain(name, cancel.force.into()),
                (None, None) => return Err(Status::NOT_SUPPORTED),
            }
        };
        Status(status).ok()
    }

    fn connection(&self, local: &WideStr) -> Result<WideString, Status> {
        let function = self.functions.connection.ok_or(Status::NOT_SUPPORTED)?;
        let mut copies = Copies::new();
        string(|buffer, chars| {
            let [local] = copies.fill([Some(local)]);
            // SAFETY: the function has this type; string, buffer and size are alive and ours.
            unsafe { function(local, buffer, chars) }
        })
    }

    fn deferred_connection(&self, local: &WideStr) -> Result<WideString, Status> {
        let function = self.functions.connection3.ok_or(Status::NOT_SUPPORTED)?;
        let mut copies = Copies::new();
        string(|buffer, chars| {
            let [local] = copies.fill([Some(local)]);
            // SAFETY: the function has this type; string, buffer and size are alive and ours. The size is
            // one in characters (§4.3).
            unsafe { function(local, WNGETCON_DISCONNECTED, buffer.cast(), chars) }
        })
    }

    fn performance(&self, name: &WideStr) -> Result<Performance, Status> {
        let function = self.functions.performance.ok_or(Status::NOT_SUPPORTED)?;
        let mut copies = Copies::new();
        let [name] = copies.fill([Some(name)]);
        let mut info = NETCONNECTINFOSTRUCT {
            cbStructure: size_of::<NETCONNECTINFOSTRUCT>() as DWORD,
            ..NETCONNECTINFOSTRUCT::default()
        };
        // SAFETY: the function has this type; string and structure are alive and ours.
        Status(unsafe { function(name, &mut info) }).ok()?;
        Ok(Performance::from_abi(&info))
    }

    fn universal_name(&self, local_path: &WideStr) -> Result<UniversalName, Status> {
        let function = self.functions.universal_name.ok_or(Status::NOT_SUPPORTED)?;
        let ask = |level, copies: &mut Copies, buffer, bytes| {
            let [path] = copies.fill([Some(local_path)]);
            // SAFETY: the function has this type; string, buffer and size are alive and ours.
            unsafe { function(path, level, buffer, bytes) }
        };
        let mut copies = Copies::new();
        // Level 2 says all that level 1 does.
        let remote_name = structures(
            |buffer, bytes| ask(REMOTE_NAME_INFO_LEVEL, &mut copies, buffer, bytes),
            |filled| {
                // SAFETY: three pointers, which are the provider's answer.
                let [universal, connection, remaining] = unsafe {
                    let info: REMOTE_NAME_INFOW = filled.structure(0).ok_or(Status::NET_ERROR)?;
                    [info.lpUniversalName, info.lpConnectionName, info.lpRemainingPath]
                        .map(|pointer| filled.text(pointer))
                };
                Ok((universal, connection, remaining))
            },
        );
        let universal = match remote_name {
            Ok((universal, Some(connection), Some(remaining))) => {
                return Ok(UniversalName { universal, connection, remaining });
            }
            Ok((universal, _, _)) => universal.ok_or(Status::NET_ERROR)?,
            Err(Status::BAD_LEVEL | Status::NOT_SUPPORTED | Status::BAD_VALUE) => structures(
                |buffer, bytes| ask(UNIVERSAL_NAME_INFO_LEVEL, &mut copies, buffer, bytes),
                |filled| {
                    // SAFETY: one pointer, which is the provider's answer.
                    unsafe {
                        let info: UNIVERSAL_NAME_INFOW = filled.structure(0).ok_or(Status::NET_ERROR)?;
                        filled.text(info.lpUniversalName).ok_or(Status::NET_ERROR)
                    }
                },
            )?,
            Err(status) => return Err(status),
        };
        self.completed(local_path, universal)
    }

    fn user(&self, name: &WideStr) -> Result<WideString, Status> {
        let function = self.functions.user.ok_or(Status::NOT_SUPPORTED)?;
        let mut copies = Copies::new();
        string(|buffer, chars| {
            let [name] = copies.fill([Some(name)]);
            // SAFETY: the function has this type; string, buffer and size are alive and ours.
            unsafe { function(name, buffer, chars) }
        })
    }

    fn persistent_use_options(&self, remote: &WideStr, use_options: &[u8]) -> Result<Vec<u8>, Status> {
        let function = self.functions.use_options.ok_or(Status::NOT_SUPPORTED)?;
        let read_size = size(use_options)?;
        let mut copies = Copies::new();
        let mut kept = vec![0u8; use_options.len().clamp(256, MOST_BYTES)];
        loop {
            let mut read = SecretBytes::of(use_options);
            let [remote] = copies.fill([Some(remote)]);
            let mut written = kept.len() as DWORD;
            // SAFETY: the function has this type; string, buffers and size are alive and ours.
            let status =
                unsafe { function(remote, read.pointer(), read_size, kept.as_mut_ptr(), &mut written) };
            match Status(status) {
                Status::SUCCESS if written as usize > kept.len() => return Err(Status::NET_ERROR),
                Status::SUCCESS => {
                    kept.truncate(written as usize);
                    return Ok(kept);
                }
                Status::MORE_DATA => match more(kept.len(), written, MOST_BYTES) {
                    Some(room) => kept = vec![0; room],
                    None => return Err(Status::MORE_DATA),
                },
                status => return Err(status),
            }
        }
    }

    fn enumerate(&self, query: &EnumQuery<'_>) -> Result<Entries, Status> {
        let functions = self.functions.enumeration.ok_or(Status::NOT_SUPPORTED)?;
        let mut copies = Copies::new();
        let mut container = query.container.map(|container| {
            let NetResource { scope, kind, display, usage, local, remote, comment, provider } = container;
            let [local, remote, comment, provider] =
                copies.fill([local, remote, comment, provider].map(Option::as_deref));
            NETRESOURCEW {
                dwScope: *scope,
                dwType: *kind,
                dwDisplayType: *display,
                dwUsage: *usage,
                lpLocalName: local,
                lpRemoteName: remote,
                lpComment: comment,
                lpProvider: provider,
            }
        });
        let container: *mut NETRESOURCEW = container.as_mut().map_or(null_mut(), |container| container);
        let mut handle = null_mut();
        // SAFETY: the function has this type; structure, strings and handle are alive and ours.
        Status(unsafe { (functions.open)(query.scope, query.kind, query.usage, container, &mut handle) })
            .ok()?;
        let opened = LoadedEnumeration { functions, handle: Some(Handle(handle)), buffer: Vec::new() };
        Ok(Box::new(Portions::of(opened)))
    }

    fn resource_information(
        &self,
        query: &ResourceQuery<'_>,
    ) -> Result<(NetResource, Option<WideString>), Status> {
        let function = self.functions.information.ok_or(Status::NOT_SUPPORTED)?;
        let mut copies = Copies::new();
        let system = Cell::new(null_mut());
        structures(
            |buffer, bytes| {
                let mut resource = named(query.kind, copies.fill([None, Some(query.remote), query.provider]));
                system.set(null_mut());
                // SAFETY: the function has this type; everything pointed to is alive and ours.
                unsafe { function(&mut resource, buffer, bytes, system.as_ptr()) }
            },
            |filled| {
                // SAFETY: the pointers are the provider's answer.
                unsafe { Ok((filled.resource(0).ok_or(Status::NET_ERROR)?, filled.text(system.get()))) }
            },
        )
    }

    fn resource_parent(&self, query: &ResourceQuery<'_>) -> Result<NetResource, Status> {
        let function = self.functions.parent.ok_or(Status::NOT_SUPPORTED)?;
        let mut copies = Copies::new();
        structures(
            |buffer, bytes| {
                let mut resource = named(query.kind, copies.fill([None, Some(query.remote), query.provider]));
                // SAFETY: the function has this type; everything pointed to is alive and ours.
                unsafe { function(&mut resource, buffer, bytes) }
            },
            // SAFETY: the pointers are the provider's answer.
            |filled| unsafe { filled.resource(0).ok_or(Status::NET_ERROR) },
        )
    }

    fn format_network_name(
        &self,
        remote: &WideStr,
        flags: u32,
        chars_per_line: u32,
    ) -> Result<WideString, Status> {
        let function = self.functions.format.ok_or(Status::NOT_SUPPORTED)?;
        let mut copies = Copies::new();
        string(|buffer, chars| {
            let [remote] = copies.fill([Some(remote)]);
            // SAFETY: the function has this type; string, buffer and size are alive and ours.
            unsafe { function(remote, buffer, chars, flags, chars_per_line) }
        })
    }

    fn directory_type(&self, directory: &WideStr, flush: bool) -> Result<i32, Status> {
        let function = self.functions.directory_type.ok_or(Status::NOT_SUPPORTED)?;
        let mut copies = Copies::new();
        let [directory] = copies.fill([Some(directory)]);
        let mut kind = 0;
        // SAFETY: the function has this type; string and number are alive and ours.
        Status(unsafe { function(directory, &mut kind, flush.into()) }).ok()?;
        Ok(kind)
    }

    fn directory_notify(&self, owner: HWND, directory: &WideStr, operation: u32) -> Result<(), Status> {
        let function = self.functions.directory_notify.ok_or(Status::NOT_SUPPORTED)?;
        let mut copies = Copies::new();
        let [directory] = copies.fill([Some(directory)]);
        // SAFETY: the function has this type; the string is alive and ours.
        Status(unsafe { function(owner, directory, operation) }).ok()
    }

    fn property_text(
        &self,
        button: u32,
        selection: u32,
        name: &WideStr,
        kind: u32,
    ) -> Result<WideString, Status> {
        let (function, _) = self.functions.property.ok_or(Status::NOT_SUPPORTED)?;
        let mut copies = Copies::new();
        string(|buffer, chars| {
            let [name] = copies.fill([Some(name)]);
            // SAFETY: the function has this type; strings and buffer are alive and ours. It takes the size by
            // value and cannot say how much it needs.
            unsafe { function(button, selection, name, buffer, *chars, kind) }
        })
    }

    fn property_dialog(
        &self,
        owner: HWND,
        button: u32,
        selection: u32,
        files: &WideStr,
        kind: u32,
    ) -> Result<(), Status> {
        let (_, function) = self.functions.property.ok_or(Status::NOT_SUPPORTED)?;
        let mut copies = Copies::new();
        let [files] = copies.fill([Some(files)]);
        // SAFETY: the function has this type; the string is alive and ours.
        Status(unsafe { function(owner, button, selection, files, kind) }).ok()
    }

    fn permission_capabilities(&self, drive: &WideStr) -> u32 {
        let Some((function, _)) = self.functions.permissions else { return 0 };
        let mut copies = Copies::new();
        let [drive] = copies.fill([Some(drive)]);
        // SAFETY: the function has this type; the string is alive and ours.
        unsafe { function(drive) }
    }

    fn edit_permissions(&self, drive: &WideStr, owner: HWND, dialog: u32) -> Result<(), Status> {
        let (_, function) = self.functions.permissions.ok_or(Status::NOT_SUPPORTED)?;
        let mut copies = Copies::new();
        let [drive] = copies.fill([Some(drive)]);
        // SAFETY: the function has this type; the string is alive and ours.
        Status(unsafe { function(drive, owner, dialog) }).ok()
    }

    fn permission_help(
        &self,
        drive: &WideStr,
        dialog: u32,
        directory: bool,
    ) -> Result<(WideString, u32), Status> {
        let function = self.functions.permission_help.ok_or(Status::NOT_SUPPORTED)?;
        let mut copies = Copies::new();
        let mut topic = 0;
        let file = string(|buffer, chars| {
            let [drive] = copies.fill([Some(drive)]);
            // SAFETY: the function has this type; string, buffer, size and number are alive and ours.
            unsafe { function(drive, dialog, directory.into(), buffer.cast(), chars, &mut topic) }
        })?;
        Ok((file, topic))
    }
}

impl LoadedProvider {
    #[inline(always)]
    fn add(&self, add: &AddConnection<'_>, password: LPWSTR) -> Result<(), Status> {
        let mut copies = Copies::new();
        let [local, remote, provider, user] =
            copies.fill([add.local, Some(add.remote), add.provider, add.user]);
        let mut resource = named(add.kind, [local, remote, provider]);
        // SAFETY: the functions have these types; structure and strings are alive and ours.
        let status = unsafe {
            match (self.functions.add3, self.functions.add) {
                (Some(add3), _) => add3(add.owner, &mut resource, password, user, add.flags),
                (None, Some(plain)) => plain(&mut resource, password, user),
                (None, None) => return Err(Status::NOT_SUPPORTED),
            }
        };
        Status(status).ok()
    }

    #[inline(never)]
    fn add_with_password(&self, add: &AddConnection<'_>, password: &WideStr) -> Result<(), Status> {
        let mut copies = SecretCopies::new();
        let [password] = copies.fill([Some(password)]);
        self.add(add, password)
    }

    #[inline(never)]
    fn add_with_buffers(&self, add: &AddConnection<'_>, buffers: AuthBuffer<'_>) -> Result<(), Status> {
        let AuthBuffer { auth, use_options } = buffers;
        let function = self.functions.add4.ok_or(Status::NOT_SUPPORTED)?;
        let (auth_size, options_size) = (size(auth)?, size(use_options)?);
        let (mut auth, mut options) = (SecretBytes::of(auth), SecretBytes::of(use_options));
        let (auth, options) = (auth.pointer().cast(), options.pointer());
        let mut copies = Copies::new();
        let mut resource = named(add.kind, copies.fill([add.local, Some(add.remote), add.provider]));
        // SAFETY: the function has this type; structure, strings and buffers are alive and ours.
        Status(unsafe {
            function(add.owner, &mut resource, auth, auth_size, add.flags, options, options_size)
        })
        .ok()
    }

    /// The other forms of a name of which the provider told only the universal one.
    ///
    /// The connection is what the provider says the device leads to, or else what is left of the universal
    /// name without the path behind the device.
    fn completed(&self, local_path: &WideStr, universal: WideString) -> Result<UniversalName, Status> {
        let path = local_path.as_slice();
        let device = path.iter().position(|unit| *unit == u16::from(b'\\')).unwrap_or(path.len());
        let (device, remaining) = path.split_at(device);
        let owned = |units: &[u16]| WideString::from_vec(units).map_err(|_| Status::BAD_VALUE);
        let connection = match self.connection(&owned(device)?) {
            Ok(connection) => connection,
            Err(_) => owned(universal.as_slice().strip_suffix(remaining).ok_or(Status::NOT_SUPPORTED)?)?,
        };
        Ok(UniversalName { connection, remaining: owned(remaining)?, universal: Some(universal) })
    }
}

/// Bytes of the buffer an enumeration begins with.
const ENUM_BYTES: usize = 16 << 10;
/// A provider's name for an enumeration; not followed.
#[derive(Debug, Clone, Copy)]
struct Handle(HANDLE);

// SAFETY: a provider is ready to be called from any thread (P3), and nobody else follows the pointer.
unsafe impl Send for Handle {}

/// An enumeration a provider has opened.
struct LoadedEnumeration {
    functions: EnumFunctions,
    /// None once it is closed.
    handle: Option<Handle>,
    buffer: Vec<u64>,
}

impl LoadedEnumeration {
    fn read(&self, count: DWORD) -> Result<Vec<NetResource>, Status> {
        let filled = Filled(&self.buffer);
        // More entries than can be there: none of what is there can be believed.
        if count as usize > filled.room_for::<NETRESOURCEW>() {
            return Err(Status::NET_ERROR);
        }
        // SAFETY: the pointers are the provider's answer.
        Ok((0..count as usize).filter_map(|index| unsafe { filled.resource(index) }).collect())
    }
}

impl Source for LoadedEnumeration {
    fn fetch(&mut self) -> Result<Vec<NetResource>, Status> {
        let Some(Handle(handle)) = self.handle else { return Ok(Vec::new()) };
        let mut room = size_of_val(&*self.buffer).max(ENUM_BYTES);
        loop {
            // Zeros, so that what a provider leaves out is NULL rather than an entry of the page before.
            self.buffer.clear();
            self.buffer.resize(room.div_ceil(8), 0);
            let mut count = DWORD::MAX;
            let mut bytes = room as DWORD;
            let buffer = self.buffer.as_mut_ptr().cast();
            // SAFETY: the function has this type; the handle is the provider's own and open; buffer and
            // numbers are alive and ours.
            match Status(unsafe { (self.functions.next)(handle, &mut count, buffer, &mut bytes) }) {
                // Success with nothing to show for it would go on for ever.
                Status::SUCCESS if count == 0 => return Ok(Vec::new()),
                Status::SUCCESS => return self.read(count),
                Status::NO_MORE_ENTRIES => return Ok(Vec::new()),
                Status::MORE_DATA => match more(room, bytes, MOST_BYTES) {
                    Some(greater) => room = greater,
                    None => return Err(Status::MORE_DATA),
                },
                status => return Err(status),
            }
        }
    }

    fn end(&mut self) -> Result<(), Status> {
        match self.handle.take() {
            // SAFETY: the function has this type; the handle is the provider's own and is closed once.
            Some(Handle(handle)) => Status(unsafe { (self.functions.close)(handle) }).ok(),
            None => Ok(()),
        }
    }
}
