//! What the tests of the C face share: a router with one provider, strings in both encodings, and a way to call
//! each form of a function by the same line.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use mpr::Router;
use mpr_abi::*;
use mpr_capi::exports;
use mpr_plugin::{
    AddConnection, CancelConnection, Capabilities, Entries, EnumQuery, NetResource, NetworkProvider,
    Performance, ResourceQuery, UniversalName, WideStr, WideString, last_error, wide,
};
use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};
use tempfile::TempDir;

/// Registered name of the provider.
pub const PROVIDER: &str = "Test Network";

/// A network whose servers do what their names say: `\\status-86\x` refuses with 86, `\\many-10` holds ten
/// shares, `\\asks` wants a password, every other one takes what it is given.
#[derive(Default)]
pub struct TestNetwork {
    devices: Mutex<BTreeMap<String, WideString>>,
    deviceless: Mutex<Vec<String>>,
}

/// The number behind `prefix` in the server of a name.
fn number(name: &WideStr, prefix: &str) -> Option<u32> {
    let name = name.to_string_lossy();
    let server = name.strip_prefix(r"\\")?.split('\\').next()?;
    server.strip_prefix(prefix)?.parse().ok()
}

fn refusal(name: &WideStr) -> Result<(), Status> {
    match number(name, "status-") {
        Some(code) => {
            last_error::set(4711, "abcdef", PROVIDER);
            Err(Status(code))
        }
        None if name.to_string_lossy().starts_with(r"\\panic") => panic!("the provider panics"),
        None => Ok(()),
    }
}

fn key(name: &WideStr) -> String {
    name.to_string_lossy().to_uppercase()
}

impl NetworkProvider for TestNetwork {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            net_type: 0x0002_0000,
            version: 7,
            user: WNNC_USR_GETUSER,
            connection: WNNC_CON_ADDCONNECTION
                | WNNC_CON_ADDCONNECTION4
                | WNNC_CON_CANCELCONNECTION
                | WNNC_CON_GETCONNECTIONS
                | WNNC_CON_GETPERFORMANCE,
            dialog: WNNC_DLG_FORMATNETWORKNAME
                | WNNC_DLG_GETRESOURCEINFORMATION
                | WNNC_DLG_GETRESOURCEPARENT
                | WNNC_DLG_PROPERTYDIALOG
                | WNNC_DLG_PERMISSIONEDITOR,
            admin: WNNC_ADM_GETDIRECTORYTYPE | WNNC_ADM_DIRECTORYNOTIFY,
            enumeration: WNNC_ENUM_GLOBAL | WNNC_ENUM_LOCAL,
        }
    }

    fn add_connection(&self, add: &AddConnection<'_>) -> Result<(), Status> {
        refusal(add.remote)?;
        if add.remote.to_string_lossy().starts_with(r"\\asks")
            && add.password.is_none_or(|password| password.to_string_lossy() != "right")
        {
            return Err(Status::BAD_PASSWORD);
        }
        match add.local {
            Some(local) => _ = self.devices.lock().unwrap().insert(key(local), add.remote.to_ucstring()),
            None => self.deviceless.lock().unwrap().push(key(add.remote)),
        }
        Ok(())
    }

    fn cancel_connection(&self, cancel: &CancelConnection<'_>) -> Result<(), Status> {
        if let Ok(remote) = self.connection(cancel.name)
            && remote.to_string_lossy().starts_with(r"\\open")
            && !cancel.force
        {
            return Err(Status::OPEN_FILES);
        }
        if self.devices.lock().unwrap().remove(&key(cancel.name)).is_some() {
            return Ok(());
        }
        let mut deviceless = self.deviceless.lock().unwrap();
        let before = deviceless.len();
        deviceless.retain(|name| *name != key(cancel.name));
        if deviceless.len() < before { Ok(()) } else { Err(Status::NOT_CONNECTED) }
    }

    fn connection(&self, local: &WideStr) -> Result<WideString, Status> {
        self.devices.lock().unwrap().get(&key(local)).cloned().ok_or(Status::NOT_CONNECTED)
    }

    fn performance(&self, name: &WideStr) -> Result<Performance, Status> {
        let remote = self.connection(name).unwrap_or_else(|_| name.to_ucstring());
        refusal(&remote)?;
        Ok(Performance { flags: WNCON_NOTROUTED, speed: 1000, delay: 3, optimal_size: 65536 })
    }

    fn universal_name(&self, path: &WideStr) -> Result<UniversalName, Status> {
        _ = path;
        Err(Status::NOT_SUPPORTED)
    }

    fn user(&self, name: &WideStr) -> Result<WideString, Status> {
        refusal(name)?;
        Ok(wide("Jürgen"))
    }

    fn enumerate(&self, query: &EnumQuery<'_>) -> Result<Entries, Status> {
        if query.scope == RESOURCE_CONNECTED {
            let devices = self.devices.lock().unwrap().clone();
            let entries = devices
                .into_iter()
                .map(|(local, remote)| Ok(NetResource::connection(Some(wide(&local)), remote)));
            return Ok(Box::new(entries));
        }
        let container = query.container.and_then(|container| container.remote.clone()).unwrap_or_default();
        refusal(&container)?;
        let entry = move |at: u32| match number(&container, "error-after-") {
            Some(last) if at == last => Err(Status::ACCESS_DENIED),
            _ if number(&container, "endless-").is_some() => Err(Status::MORE_DATA),
            _ => Ok(NetResource::share(wide(&format!(r"\\many\übung{at}")), Some(wide("a comment")))),
        };
        let count = query.container.and_then(|container| {
            let name = container.remote.as_deref()?;
            number(name, "many-").or_else(|| number(name, "error-after-").map(|last| last + 1))
        });
        Ok(Box::new((0..count.unwrap_or(3)).map(entry)))
    }

    fn resource_information(
        &self,
        query: &ResourceQuery<'_>,
    ) -> Result<(NetResource, Option<WideString>), Status> {
        refusal(query.remote)?;
        let name = query.remote.to_string_lossy();
        let end = name.match_indices('\\').nth(3).map_or(name.len(), |(at, _)| at);
        let rest = (end < name.len()).then(|| wide(&name[end..]));
        Ok((NetResource::share(wide(&name[..end]), None), rest))
    }

    fn resource_parent(&self, query: &ResourceQuery<'_>) -> Result<NetResource, Status> {
        refusal(query.remote)?;
        let name = query.remote.to_string_lossy();
        let parent = name.rsplit_once('\\').map_or("", |(parent, _)| parent);
        Ok(NetResource::server(wide(parent)))
    }

    fn format_network_name(&self, remote: &WideStr, _: u32, _: u32) -> Result<WideString, Status> {
        Ok(wide(&format!("<{}>", remote.to_string_lossy())))
    }

    fn directory_type(&self, _: &WideStr, _: bool) -> Result<i32, Status> {
        Ok(WNDT_NETWORK as i32)
    }

    fn directory_notify(&self, _: HWND, _: &WideStr, operation: u32) -> Result<(), Status> {
        if operation == WNDN_MVDIR { Err(Status::CONTINUE) } else { Ok(()) }
    }

    fn property_text(&self, _: u32, _: u32, _: &WideStr, _: u32) -> Result<WideString, Status> {
        Ok(wide("&Eigenschäften"))
    }

    fn property_dialog(&self, _: HWND, _: u32, _: u32, _: &WideStr, _: u32) -> Result<(), Status> {
        Ok(())
    }

    fn permission_capabilities(&self, _: &WideStr) -> u32 {
        WNPERMC_PERM | WNPERMC_OWNER
    }

    fn edit_permissions(&self, _: &WideStr, _: HWND, _: u32) -> Result<(), Status> {
        Ok(())
    }

    fn permission_help(&self, _: &WideStr, _: u32, _: bool) -> Result<(WideString, u32), Status> {
        Ok((wide("help.hlp"), 5))
    }
}

/// Makes this process serve a router with [`TestNetwork`], whose remembered connections go away with it.
pub fn serve() {
    static STATE: OnceLock<TempDir> = OnceLock::new();
    STATE.get_or_init(|| {
        let state = TempDir::new().expect("a temporary directory");
        let router =
            Router::builder().provider(PROVIDER, TestNetwork::default()).state_dir(state.path()).build();
        mpr_capi::serve(Box::leak(Box::new(router))).expect("only this serves");
        // A static is not dropped: the directory goes when the process does.
        extern "C" fn remove() {
            if let Some(state) = STATE.get() {
                _ = std::fs::remove_dir_all(state.path());
            }
        }
        // SAFETY: the function may be called at exit.
        unsafe { libc::atexit(remove) };
        state
    });
}

/// How a test calls a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Wide,
    Narrow,
    UnsuffixedWide,
    UnsuffixedNarrow,
}

pub const FORMS: [Form; 4] = [Form::Wide, Form::Narrow, Form::UnsuffixedWide, Form::UnsuffixedNarrow];

impl Form {
    pub fn is_wide(self) -> bool {
        matches!(self, Form::Wide | Form::UnsuffixedWide)
    }

    /// Bytes of a unit.
    pub fn unit(self) -> usize {
        if self.is_wide() { 2 } else { 1 }
    }

    /// A string of this encoding, terminated.
    pub fn text(self, text: &str) -> Vec<u8> {
        if self.is_wide() {
            text.encode_utf16().chain([0]).flat_map(u16::to_ne_bytes).collect()
        } else {
            text.bytes().chain([0]).collect()
        }
    }

    /// The string that begins at `pointer`.
    ///
    /// # Safety
    ///
    /// It is terminated.
    pub unsafe fn read(self, pointer: usize) -> String {
        // SAFETY: as the caller vouches.
        unsafe {
            if self.is_wide() {
                let start = pointer as *const u16;
                let length = (0..).take_while(|&at| start.add(at).read_unaligned() != 0).count();
                let units: Vec<u16> = (0..length).map(|at| start.add(at).read_unaligned()).collect();
                String::from_utf16(&units).expect("what is given out is UTF-16")
            } else {
                let text = std::ffi::CStr::from_ptr(pointer as *const std::ffi::c_char);
                text.to_str().expect("what is given out is UTF-8").to_owned()
            }
        }
    }

    /// The function of this form, or of the name itself where it has but one form.
    pub fn function(self, stem: &str) -> Option<*const ()> {
        let suffix = match self {
            Form::Wide => "W",
            Form::Narrow => "A",
            Form::UnsuffixedWide | Form::UnsuffixedNarrow => "",
        };
        function(&format!("{stem}{suffix}"))
    }

    /// Calls the function of this form with numbers and addresses, and returns what it returned. What it
    /// returned must be the last error, too.
    #[track_caller]
    pub fn call(self, stem: &str, arguments: &[usize]) -> u32 {
        let function = self.function(stem).unwrap_or_else(|| panic!("{stem} has no form {self:?}"));
        let status = call(function, arguments);
        assert_eq!(last_error(), status, "the last error after {stem} in the form {self:?}");
        status
    }
}

impl Form {
    /// As [`Form::call`], for a function that has one form only.
    #[track_caller]
    pub fn call_plain(self, name: &str, arguments: &[usize]) -> u32 {
        let function = function(name).unwrap_or_else(|| panic!("{name} is not exported"));
        let status = call(function, arguments);
        assert_eq!(last_error(), status, "the last error after {name}");
        status
    }
}

/// The exported function of a name.
pub fn function(name: &str) -> Option<*const ()> {
    let mut all = exports::TABLE.iter().copied().flatten().copied().flatten();
    all.find(|export| export.name == name).map(|export| export.address)
}

/// Calls any function: numbers and addresses travel alike, and the C convention lets a caller pass more than the
/// function takes.
pub fn call(function: *const (), arguments: &[usize]) -> u32 {
    let at = |index: usize| arguments.get(index).copied().unwrap_or(0);
    type Any =
        unsafe extern "C" fn(usize, usize, usize, usize, usize, usize, usize, usize, usize, usize) -> u32;
    // SAFETY: the address is that of an exported function; the test passes what it wants.
    unsafe {
        *libc::__errno_location() = 31337;
        let function = std::mem::transmute::<*const (), Any>(function);
        function(at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7), at(8), at(9))
    }
}

/// The last error of this thread.
pub fn last_error() -> u32 {
    // SAFETY: errno of this thread is always there.
    (unsafe { *libc::__errno_location() }) as u32
}

/// A structure of numbers and addresses with what it points to.
pub struct Resource {
    pub raw: Box<NETRESOURCEW>,
    texts: Vec<Vec<u8>>,
}

impl Resource {
    /// A disk of this remote name, or something of no name.
    pub fn new(form: Form, local: Option<&str>, remote: Option<&str>) -> Self {
        let mut resource = Resource {
            raw: Box::new(NETRESOURCEW {
                dwScope: 0,
                dwType: RESOURCETYPE_DISK,
                dwDisplayType: 0,
                dwUsage: 0,
                lpLocalName: std::ptr::null_mut(),
                lpRemoteName: std::ptr::null_mut(),
                lpComment: std::ptr::without_provenance_mut(1),
                lpProvider: std::ptr::null_mut(),
            }),
            texts: Vec::new(),
        };
        resource.raw.lpLocalName = resource.keep(form, local);
        resource.raw.lpRemoteName = resource.keep(form, remote);
        resource
    }

    pub fn kind(mut self, kind: u32) -> Self {
        self.raw.dwType = kind;
        self
    }

    pub fn provider(mut self, form: Form, provider: &str) -> Self {
        self.raw.lpProvider = self.keep(form, Some(provider));
        self
    }

    fn keep(&mut self, form: Form, text: Option<&str>) -> *mut u16 {
        match text {
            Some(text) => {
                self.texts.push(form.text(text));
                self.texts.last_mut().expect("just pushed").as_mut_ptr().cast()
            }
            None => std::ptr::null_mut(),
        }
    }

    pub fn address(&self) -> usize {
        (&raw const *self.raw) as usize
    }
}

/// A buffer and its size, as most functions want them.
pub struct Buffer {
    pub bytes: Vec<u8>,
    pub size: Box<u32>,
}

impl Buffer {
    pub fn new(bytes: usize, size: u32) -> Self {
        Buffer { bytes: vec![0xAA; bytes], size: Box::new(size) }
    }

    pub fn address(&mut self) -> usize {
        self.bytes.as_mut_ptr() as usize
    }

    pub fn size(&mut self) -> usize {
        (&raw mut *self.size) as usize
    }

    /// The string at the beginning.
    pub fn text(&self, form: Form) -> String {
        // SAFETY: the buffer was filled by a function that terminates.
        unsafe { form.read(self.bytes.as_ptr() as usize) }
    }

    /// The address at this index of an array of addresses.
    pub fn pointer(&self, index: usize) -> usize {
        let at = index * size_of::<usize>();
        usize::from_ne_bytes(self.bytes[at..at + size_of::<usize>()].try_into().expect("of that length"))
    }
}

/// Connects a device, in whichever form.
#[track_caller]
pub fn connect(local: &str, remote: &str) {
    let form = Form::Wide;
    let resource = Resource::new(form, Some(local), Some(remote));
    assert_eq!(form.call("WNetAddConnection2", &[resource.address()]), 0, "{local} to {remote}");
}

/// Cancels a connection if there is one.
pub fn disconnect(name: &str) -> u32 {
    let form = Form::Wide;
    form.call("WNetCancelConnection2", &[form.text(name).as_ptr() as usize, 1, 1])
}
