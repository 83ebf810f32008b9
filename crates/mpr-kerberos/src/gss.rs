//! The library: GSSAPI in C (RFC 2744) as MIT Kerberos has it, and a few functions of Kerberos itself.
//!
//! Loaded at run time and never unloaded. Each object of the library has one owner here and is given back when
//! that is dropped. The library may be used by any thread, an object by one at a time.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull, null_mut};
use std::sync::{Arc, OnceLock};

use libloading::Library;
use zeroize::{Zeroize, Zeroizing};

/// The longest message, and the longest words, that are taken from the library.
const LONGEST: usize = 1 << 20;
const LONGEST_WORDS: usize = 300;

type Major = u32;
type Minor = u32;

#[repr(C)]
struct Buffer {
    length: usize,
    value: *mut c_void,
}

#[repr(C)]
struct BufferSet {
    count: usize,
    elements: *mut Buffer,
}

#[repr(C)]
struct Oid {
    length: u32,
    elements: *const c_void,
}

#[repr(C)]
struct OidSet {
    count: usize,
    elements: *const Oid,
}

// SAFETY: these point to constants.
unsafe impl Sync for Oid {}
// SAFETY: as above.
unsafe impl Sync for OidSet {}

/// A type of the library that is only ever pointed to.
#[repr(C)]
struct Opaque {
    _private: [u8; 0],
}

type Handle = *mut Opaque;

macro_rules! oid {
    ($name:ident, $bytes:expr) => {
        static $name: Oid = {
            static BYTES: &[u8] = $bytes;
            Oid { length: BYTES.len() as u32, elements: BYTES.as_ptr().cast() }
        };
    };
}

// 1.2.840.113554.1.2.2: Kerberos.
oid!(KERBEROS, b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02");
// 1.3.6.1.5.5.2: SPNEGO.
oid!(SPNEGO, b"\x2b\x06\x01\x05\x05\x02");
// 1.2.840.113554.1.2.2.1: a name as Kerberos writes it.
oid!(PRINCIPAL, b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01");
// 1.2.840.113554.1.2.1.4: `service@host`.
oid!(HOST_SERVICE, b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04");
// 1.2.840.113554.1.2.2.5.5: the key of a context.
oid!(SESSION_KEY, b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x05\x05");

static KERBEROS_ALONE: OidSet = OidSet { count: 1, elements: &raw const KERBEROS };
static SPNEGO_ALONE: OidSet = OidSet { count: 1, elements: &raw const SPNEGO };

const INITIATE: c_int = 1;
const MUTUAL: u32 = 2;
const REPLAY: u32 = 4;
const SEQUENCE: u32 = 8;
const INTEGRITY: u32 = 32;
const CONTINUE_NEEDED: Major = 1;
/// Above the bits that tell more are those of an error.
const ERRORS: Major = 0xFFFF_0000;
const NO_CREDENTIAL: Major = 7 << 16;
const CREDENTIALS_EXPIRED: Major = 11 << 16;
const BY_GSS: c_int = 1;
const BY_MECHANISM: c_int = 2;

macro_rules! functions {
    ($($library:ident: $name:ident($($type:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions of the library.
        pub(crate) struct Gss {
            $($name: unsafe extern "C" fn($($type),*) $(-> $result)?,)*
        }

        impl Gss {
            /// # Safety
            ///
            /// The libraries have to be what their names say, and to stay.
            unsafe fn of(gss: &Library, krb5: &Library) -> Result<Gss, libloading::Error> {
                // SAFETY: the declarations below are those of the libraries' headers.
                unsafe {
                    Ok(Gss {
                        $($name: {
                            let library = functions!(@ $library gss krb5);
                            *library.get(concat!(stringify!($name), "\0").as_bytes())?
                        },)*
                    })
                }
            }
        }
    };
    (@ gss $gss:ident $krb5:ident) => { $gss };
    (@ krb5 $gss:ident $krb5:ident) => { $krb5 };
}

functions! {
    gss: gss_import_name(*mut Minor, *const Buffer, *const Oid, *mut Handle) -> Major;
    gss: gss_display_name(*mut Minor, Handle, *mut Buffer, *mut *const Oid) -> Major;
    gss: gss_release_name(*mut Minor, *mut Handle) -> Major;
    gss: gss_acquire_cred(*mut Minor, Handle, u32, *const OidSet, c_int, *mut Handle, *mut *mut OidSet, *mut u32) -> Major;
    gss: gss_inquire_cred(*mut Minor, Handle, *mut Handle, *mut u32, *mut c_int, *mut *mut OidSet) -> Major;
    gss: gss_set_neg_mechs(*mut Minor, Handle, *const OidSet) -> Major;
    gss: gss_release_cred(*mut Minor, *mut Handle) -> Major;
    gss: gss_init_sec_context(*mut Minor, Handle, *mut Handle, Handle, *const Oid, u32, u32, *const c_void, *const Buffer, *mut *const Oid, *mut Buffer, *mut u32, *mut u32) -> Major;
    gss: gss_inquire_context(*mut Minor, Handle, *mut Handle, *mut Handle, *mut u32, *mut *const Oid, *mut u32, *mut c_int, *mut c_int) -> Major;
    gss: gss_inquire_sec_context_by_oid(*mut Minor, Handle, *const Oid, *mut *mut BufferSet) -> Major;
    gss: gss_delete_sec_context(*mut Minor, *mut Handle, *mut Buffer) -> Major;
    gss: gss_release_buffer(*mut Minor, *mut Buffer) -> Major;
    gss: gss_release_buffer_set(*mut Minor, *mut *mut BufferSet) -> Major;
    gss: gss_display_status(*mut Minor, u32, c_int, *const Oid, *mut u32, *mut Buffer) -> Major;
    krb5: krb5_init_context(*mut Handle) -> i32;
    krb5: krb5_free_context(Handle);
    krb5: krb5_cc_default_name(Handle) -> *const c_char;
    krb5: krb5_cc_default(Handle, *mut Handle) -> i32;
    krb5: krb5_cc_get_principal(Handle, Handle, *mut Handle) -> i32;
    krb5: krb5_cc_close(Handle, Handle) -> i32;
    krb5: krb5_unparse_name(Handle, Handle, *mut *mut c_char) -> i32;
    krb5: krb5_free_unparsed_name(Handle, *mut c_char);
    krb5: krb5_free_principal(Handle, Handle);
    krb5: krb5_get_default_realm(Handle, *mut *mut c_char) -> i32;
    krb5: krb5_free_default_realm(Handle, *mut c_char);
    krb5: krb5_get_host_realm(Handle, *const c_char, *mut *mut *mut c_char) -> i32;
    krb5: krb5_free_host_realm(Handle, *const *mut c_char) -> i32;
}

/// The library has said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// There are no tickets.
    pub(crate) none: bool,
    /// Their time is over.
    pub(crate) expired: bool,
    /// One line of bounded length: some of it may come from the network.
    pub(crate) words: String,
}

impl Refusal {
    fn because(words: &str) -> Refusal {
        let words = words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_WORDS).collect();
        Refusal { none: false, expired: false, words }
    }
}

type Said<T> = Result<T, Refusal>;

impl Gss {
    /// The system's library, if it has one.
    pub(crate) fn of_the_system() -> Option<&'static Gss> {
        static LOADED: OnceLock<Option<Gss>> = OnceLock::new();
        let load = || {
            // SAFETY: these are MIT's libraries by the names of their interfaces, taken from where the system's
            // libraries are. Their initialisers are made to be run at any time.
            unsafe {
                let gss = Library::new("libgssapi_krb5.so.2").ok()?;
                let krb5 = Library::new("libkrb5.so.3").ok()?;
                let loaded = Gss::of(&gss, &krb5).ok();
                // It has threads' data and plug-ins of its own; it stays.
                std::mem::forget((gss, krb5));
                loaded
            }
        };
        LOADED.get_or_init(load).as_ref()
    }

    /// The name of the place where the library looks for tickets: `FILE:/tmp/krb5cc_1000`.
    pub(crate) fn default_cache(&'static self) -> Said<String> {
        let context = Kerberos::new(self)?;
        // SAFETY: the context is valid; the name is its own and valid as long, and may be null.
        let name = unsafe {
            let name = (self.krb5_cc_default_name)(context.handle);
            (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
        };
        name.ok_or_else(|| Refusal::because("where the tickets are is not known"))
    }

    /// Whom the user's tickets are for, even if their time is over; empty if that is not known.
    pub(crate) fn owner_of_cache(&'static self) -> String {
        let Ok(context) = Kerberos::new(self) else { return String::new() };
        let (mut cache, mut principal, mut name) = (null_mut(), null_mut(), null_mut());
        // SAFETY: the context is valid. Each of the others is used only after the call that makes it has
        // succeeded, and is given back by its own function.
        unsafe {
            if (self.krb5_cc_default)(context.handle, &mut cache) != 0 {
                return String::new();
            }
            let mut owner = String::new();
            if (self.krb5_cc_get_principal)(context.handle, cache, &mut principal) == 0 {
                if (self.krb5_unparse_name)(context.handle, principal, &mut name) == 0 && !name.is_null() {
                    owner = Refusal::because(&CStr::from_ptr(name).to_string_lossy()).words;
                    (self.krb5_free_unparsed_name)(context.handle, name);
                }
                (self.krb5_free_principal)(context.handle, principal);
            }
            (self.krb5_cc_close)(context.handle, cache);
            owner
        }
    }

    /// Whether this machine has a realm.
    pub(crate) fn has_realm(&'static self) -> bool {
        let Ok(context) = Kerberos::new(self) else { return false };
        let mut realm = null_mut();
        // SAFETY: the context is valid; what is given is given back.
        unsafe {
            let found = (self.krb5_get_default_realm)(context.handle, &mut realm) == 0 && !realm.is_null();
            if found {
                (self.krb5_free_default_realm)(context.handle, realm);
            }
            found
        }
    }

    /// The realm of a host, as far as it is known here; else empty, and the centre of the user's realm knows.
    pub(crate) fn realm_of(&'static self, host: &str) -> Said<String> {
        let context = Kerberos::new(self)?;
        let host = CString::new(host).map_err(|_| Refusal::because("the name of the host is none"))?;
        let mut realms: *mut *mut c_char = null_mut();
        // SAFETY: context and string are valid. On success there is a list that ends in null, given back by its
        // own function.
        unsafe {
            if (self.krb5_get_host_realm)(context.handle, host.as_ptr(), &mut realms) != 0 || realms.is_null()
            {
                return Ok(String::new());
            }
            let first = *realms;
            let realm = if first.is_null() {
                String::new()
            } else {
                CStr::from_ptr(first).to_string_lossy().into_owned()
            };
            (self.krb5_free_host_realm)(context.handle, realms);
            Ok(realm)
        }
    }

    fn judge(&self, major: Major, minor: Minor) -> Said<()> {
        if major & ERRORS == 0 {
            return Ok(());
        }
        /// "Ticket expired", as the library numbers it.
        const TICKET_EXPIRED: i32 = -1_765_328_352;
        let of_mechanism = if minor == 0 { None } else { self.words(minor, BY_MECHANISM) };
        let words = of_mechanism.or_else(|| self.words(major, BY_GSS)).unwrap_or_default();
        Err(Refusal {
            none: major & ERRORS == NO_CREDENTIAL,
            expired: major & ERRORS == CREDENTIALS_EXPIRED || minor.cast_signed() == TICKET_EXPIRED,
            ..Refusal::because(&words)
        })
    }

    fn words(&self, status: u32, kind: c_int) -> Option<String> {
        let (mut minor, mut more) = (0, 0);
        let mut words = Taken::new(self);
        // SAFETY: all pointers are to variables that live through the call.
        let major = unsafe {
            (self.gss_display_status)(&mut minor, status, kind, ptr::null(), &mut more, &mut words.buffer)
        };
        let words = String::from_utf8_lossy(words.bytes()).into_owned();
        (major & ERRORS == 0 && !words.is_empty()).then_some(words)
    }
}

/// A context of Kerberos itself.
struct Kerberos {
    gss: &'static Gss,
    handle: Handle,
}

impl Kerberos {
    fn new(gss: &'static Gss) -> Said<Kerberos> {
        let mut handle = null_mut();
        // SAFETY: the pointer is to a variable that lives through the call.
        let made = unsafe { (gss.krb5_init_context)(&mut handle) };
        if made != 0 || handle.is_null() {
            return Err(Refusal::because("krb5.conf cannot be read, or has a mistake in it"));
        }
        Ok(Kerberos { gss, handle })
    }
}

impl Drop for Kerberos {
    fn drop(&mut self) {
        // SAFETY: it is ours and is used no more.
        unsafe { (self.gss.krb5_free_context)(self.handle) }
    }
}

/// Bytes the library has given.
struct Taken<'a> {
    gss: &'a Gss,
    buffer: Buffer,
}

impl<'a> Taken<'a> {
    fn new(gss: &'a Gss) -> Taken<'a> {
        Taken { gss, buffer: Buffer { length: 0, value: null_mut() } }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the library has set both, or nobody has.
        unsafe { bytes_of(&self.buffer) }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        // SAFETY: the library allows it for buffers it has filled, and for empty ones.
        unsafe { (self.gss.gss_release_buffer)(&mut 0, &mut self.buffer) };
    }
}

/// What is in a buffer.
///
/// # Safety
///
/// It has to be empty, or to point to as many bytes as it says, for as long as it is borrowed.
unsafe fn bytes_of(buffer: &Buffer) -> &[u8] {
    match NonNull::new(buffer.value.cast::<u8>()) {
        // SAFETY: as the caller promises.
        Some(value) if buffer.length <= LONGEST => unsafe {
            std::slice::from_raw_parts(value.as_ptr(), buffer.length)
        },
        _ => &[],
    }
}

fn given(bytes: &[u8]) -> Buffer {
    Buffer { length: bytes.len(), value: bytes.as_ptr().cast_mut().cast() }
}

/// How a name is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameKind {
    /// `joe@REALM`, `service/host@REALM`.
    Principal,
    /// `service@host`, for the library to make a principal of.
    HostService,
}

/// A name.
pub(crate) struct Name {
    gss: &'static Gss,
    handle: Handle,
}

impl Name {
    pub(crate) fn of(gss: &'static Gss, kind: NameKind, text: &str) -> Said<Name> {
        let (mut minor, mut handle) = (0, null_mut());
        let kind = match kind {
            NameKind::Principal => &PRINCIPAL,
            NameKind::HostService => &HOST_SERVICE,
        };
        // SAFETY: all pointers are to variables that live through the call; the text is copied.
        let major = unsafe { (gss.gss_import_name)(&mut minor, &given(text.as_bytes()), kind, &mut handle) };
        gss.judge(major, minor)?;
        Ok(Name { gss, handle })
    }

    fn text(&self) -> Said<String> {
        let mut minor = 0;
        let mut text = Taken::new(self.gss);
        // SAFETY: the name is valid; the pointers are to variables that live through the call, or null.
        let major =
            unsafe { (self.gss.gss_display_name)(&mut minor, self.handle, &mut text.buffer, null_mut()) };
        self.gss.judge(major, minor)?;
        Ok(Refusal::because(&String::from_utf8_lossy(text.bytes())).words)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // SAFETY: it is ours and is used no more.
        unsafe { (self.gss.gss_release_name)(&mut 0, &mut self.handle) };
    }
}

// SAFETY: the library's objects are bound to no thread.
unsafe impl Send for Name {}

/// The user's tickets.
pub(crate) struct Credential {
    gss: &'static Gss,
    handle: Handle,
    /// Whose they are, or the first of those there are.
    pub(crate) principal: String,
    /// Whether their time is over.
    pub(crate) expired: bool,
}

impl Credential {
    /// Those of `owner`, or all there are.
    pub(crate) fn acquire(gss: &'static Gss, owner: Option<&Name>) -> Said<Credential> {
        // First by Kerberos itself, which says what is wrong.
        let mut plain = Credential::of(gss, owner, &KERBEROS_ALONE)?;
        let (mut minor, mut name, mut lifetime) = (0, null_mut(), 0);
        // SAFETY: the credential is valid; the pointers are to variables that live through the call, or null.
        let major = unsafe {
            (gss.gss_inquire_cred)(&mut minor, plain.handle, &mut name, &mut lifetime, null_mut(), null_mut())
        };
        let name = (!name.is_null()).then_some(Name { gss, handle: name });
        let refusal = gss.judge(major, minor).err();
        let expired = match refusal {
            Some(Refusal { expired: true, .. }) => true,
            Some(refusal) => return Err(refusal),
            None => lifetime == 0,
        };
        plain.principal = name.and_then(|name| name.text().ok()).unwrap_or_default();
        plain.expired = expired;
        if expired {
            return Ok(plain);
        }
        let mut negotiating = Credential::of(gss, owner, &SPNEGO_ALONE)?;
        let mut minor = 0;
        // SAFETY: the credential is valid, and the set a constant.
        let major = unsafe { (gss.gss_set_neg_mechs)(&mut minor, negotiating.handle, &KERBEROS_ALONE) };
        gss.judge(major, minor)?;
        negotiating.principal = std::mem::take(&mut plain.principal);
        Ok(negotiating)
    }

    fn of(gss: &'static Gss, owner: Option<&Name>, mechanisms: &'static OidSet) -> Said<Credential> {
        let (mut minor, mut handle) = (0, null_mut());
        let owner = owner.map_or(null_mut(), |owner| owner.handle);
        // SAFETY: the name is valid or null, the set a constant; the pointers are to variables that live through
        // the call, or null.
        let major = unsafe {
            (gss.gss_acquire_cred)(
                &mut minor,
                owner,
                u32::MAX,
                mechanisms,
                INITIATE,
                &mut handle,
                null_mut(),
                null_mut(),
            )
        };
        gss.judge(major, minor)?;
        Ok(Credential { gss, handle, principal: String::new(), expired: false })
    }
}

impl Drop for Credential {
    fn drop(&mut self) {
        // SAFETY: it is ours and is used no more.
        unsafe { (self.gss.gss_release_cred)(&mut 0, &mut self.handle) };
    }
}

/// An exchange with a server.
pub(crate) struct Context {
    gss: &'static Gss,
    handle: Handle,
    /// Each message is to be made with these, and not with whatever others there are.
    credential: Arc<Credential>,
    server: Name,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    UnderWay,
    Complete,
    Over,
}

// SAFETY: the library's objects are bound to no thread.
unsafe impl Send for Credential {}
// SAFETY: the library keeps what changes in one under a lock of its own.
unsafe impl Sync for Credential {}
// SAFETY: as above.
unsafe impl Send for Context {}

impl Context {
    /// Begins; answers the first message.
    pub(crate) fn begin(
        gss: &'static Gss,
        credential: Arc<Credential>,
        server: Name,
    ) -> Said<(Context, Vec<u8>)> {
        let mut context = Context { gss, handle: null_mut(), credential, server, state: State::UnderWay };
        let message = context.step(None)?;
        match message {
            Some(message) => Ok((context, message)),
            None => Err(Refusal::because("there is nothing to tell the server")),
        }
    }

    /// Goes on with what the server has answered.
    pub(crate) fn go_on(&mut self, answer: &[u8]) -> Said<Option<Vec<u8>>> {
        if self.state != State::UnderWay {
            return Err(Refusal::because("the server goes on although everything is said"));
        }
        self.step(Some(answer))
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    fn step(&mut self, answer: Option<&[u8]>) -> Said<Option<Vec<u8>>> {
        let wanted = MUTUAL | REPLAY | SEQUENCE | INTEGRITY;
        let (mut minor, mut flags) = (0, 0);
        let input = given(answer.unwrap_or_default());
        let input = answer.map_or(ptr::null(), |_| &raw const input);
        let mut output = Taken::new(self.gss);
        // SAFETY: credential and name are valid; the context is null at first and the library's from then
        // on; the pointers are to variables that live through the call, or null.
        let major = unsafe {
            (self.gss.gss_init_sec_context)(
                &mut minor,
                self.credential.handle,
                &mut self.handle,
                self.server.handle,
                &SPNEGO,
                wanted,
                0,
                ptr::null(),
                input,
                null_mut(),
                &mut output.buffer,
                &mut flags,
                null_mut(),
            )
        };
        if let Err(refusal) = self.gss.judge(major, minor) {
            self.state = State::Over;
            return Err(refusal);
        }
        if major & CONTINUE_NEEDED == 0 {
            // A server that did not prove itself could be anybody.
            if flags & MUTUAL == 0 {
                self.state = State::Over;
                return Err(Refusal::because("the server did not prove who it is"));
            }
            self.state = State::Complete;
        }
        let message = output.bytes();
        Ok((!message.is_empty()).then(|| message.to_vec()))
    }

    /// Who proves to be there.
    pub(crate) fn principal(&self) -> Said<String> {
        let (mut minor, mut name) = (0, null_mut());
        // SAFETY: the context is valid; the pointers are to variables that live through the call, or null.
        let major = unsafe {
            (self.gss.gss_inquire_context)(
                &mut minor,
                self.handle,
                &mut name,
                null_mut(),
                null_mut(),
                null_mut(),
                null_mut(),
                null_mut(),
                null_mut(),
            )
        };
        self.gss.judge(major, minor)?;
        if name.is_null() {
            return Err(Refusal::because("nobody is there"));
        }
        Name { gss: self.gss, handle: name }.text()
    }

    /// The key of a context that is complete.
    pub(crate) fn key(&self) -> Said<Zeroizing<Vec<u8>>> {
        let (mut minor, mut set) = (0, null_mut::<BufferSet>());
        // SAFETY: the context is valid and complete; the pointers are to variables that live through the call.
        let major = unsafe {
            (self.gss.gss_inquire_sec_context_by_oid)(&mut minor, self.handle, &SESSION_KEY, &mut set)
        };
        self.gss.judge(major, minor)?;
        // SAFETY: on success the set is null or one of as many buffers as it says, ours until it is given back.
        let key = unsafe {
            let first = set.as_ref().filter(|set| set.count > 0).and_then(|set| set.elements.as_mut());
            let key = first.map(|first| {
                let key = Zeroizing::new(bytes_of(first).to_vec());
                if !first.value.is_null() && first.length <= LONGEST {
                    std::slice::from_raw_parts_mut(first.value.cast::<u8>(), first.length).zeroize();
                }
                key
            });
            (self.gss.gss_release_buffer_set)(&mut 0, &mut set);
            key
        };
        key.filter(|key| key.len() >= 8).ok_or_else(|| Refusal::because("there is no key"))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: it is ours and is used no more; no message about its end is wanted.
            unsafe { (self.gss.gss_delete_sec_context)(&mut 0, &mut self.handle, null_mut()) };
        }
    }
}
