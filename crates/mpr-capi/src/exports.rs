//! The functions by name, and what it takes to export them.
//!
//! A shared object of this crate exports them by itself. A program does not: its linker drops what the
//! program does not call, and exports nothing. One that loads plug-ins, which look for [`WNetSetLastErrorW`]
//! (`spec/provider.md` §8), has to
//!
//! 1. depend on this crate and name it (`use mpr_capi as _;`), so that it is linked: [`TABLE`] then keeps every
//!    function;
//! 2. tell the linker to export the names, from its `build.rs`, by the list that is checked in beside this
//!    crate's manifest (and that a test compares with the functions):
//!
//! ```text
//! println!("cargo:rustc-link-arg-bins=-Wl,--dynamic-list={list}");   // …/crates/mpr-capi/exports.list
//! ```
//!
//! [`WNetSetLastErrorW`]: functions::WNetSetLastErrorW

/// A function that is exported.
#[derive(Debug, Clone, Copy)]
pub struct Export {
    /// Its name.
    pub name: &'static str,
    /// Where it is.
    pub address: *const (),
}

// SAFETY: the address of a function is good on every thread.
unsafe impl Sync for Export {}

/// Every exported function. `_` in the list below is a form that Windows lacks.
#[used]
pub static TABLE: &[&[&[Export]]] = &[
    functions::wide::EXPORTS,
    functions::narrow::EXPORTS,
    functions::unsuffixed::EXPORTS,
    functions::last_error::EXPORTS,
    functions::plain::EXPORTS,
    #[cfg(windows)]
    functions::internals::EXPORTS,
];

/// The names of all exported functions, sorted.
#[must_use]
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = TABLE.iter().copied().flatten().copied().flatten().map(|f| f.name).collect();
    names.sort_unstable();
    names
}

/// The names as the linker wants them for `--dynamic-list`.
#[must_use]
pub fn dynamic_list() -> String {
    let names: String = names().iter().map(|name| format!("    {name};\n")).collect();
    format!("{{\n{names}}};\n")
}

/// The line of a function in a table; nothing for a form that is not there.
macro_rules! export {
    (_) => {
        &[]
    };
    ($name:ident) => {
        &[Export { name: stringify!($name), address: $name as *const () }]
    };
}

/// One function of a fixed form, `E`; nothing for a form that is not there.
macro_rules! fixed {
    ($(#[$doc:meta])* _($($argument:ident: $kind:ty),*) = $module:ident::$body:ident) => {};
    ($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ty),*) = $module:ident::$body:ident) => {
        $(#[$doc])*
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $name($($argument: $kind),*) -> DWORD {
            // SAFETY: the caller vouches for its pointers.
            boundary::answer(|| unsafe { $module::$body::<E>($($argument),*) })
        }
    };
}

/// What the parameters of a form are, by the name the list below has for it.
macro_rules! parameter_types {
    () => {
        #[allow(dead_code, reason = "not every list has parameters of each type")]
        mod types {
            use super::E;
            use crate::text::Form;
            use mpr_plugin::pack::{Encoding, ResourceEncoding};
            pub(in super::super) type Text = *const <E as Encoding>::Unit;
            pub(in super::super) type Out = *mut <E as Encoding>::Unit;
            pub(in super::super) type Resource = *const <E as ResourceEncoding>::Resource;
            pub(in super::super) type Connect = *mut <E as Form>::ConnectDialog;
            pub(in super::super) type Disconnect = *mut <E as Form>::DisconnectDialog;
        }
        use types::*;
    };
}

/// Makes the three forms of each function. The body is generic over the form; `shown` says which arguments
/// show the encoding of an unsuffixed call, first the one that counts most.
macro_rules! forms {
    ($($(#[$doc:meta])*
        fn $wide:tt, $narrow:tt, $both:ident($($argument:ident: $kind:ty),* $(,)?)
            = $module:ident::$body:ident, shown by [$($show:ident($shown:expr)),*];)*) => {
        pub(crate) mod wide {
            use super::super::prelude::*;
            type E = Wide;
            parameter_types!();
            $(fixed! { $(#[$doc])* $wide($($argument: $kind),*) = $module::$body })*
            pub(crate) static EXPORTS: &[&[Export]] = &[$(export!($wide)),*];
        }
        pub(crate) mod narrow {
            use super::super::prelude::*;
            type E = Narrow;
            parameter_types!();
            $(fixed! {
                #[doc = concat!("Narrow form of [`", stringify!($wide), "`](super::", stringify!($wide), ").")]
                $narrow($($argument: $kind),*) = $module::$body
            })*
            pub(crate) static EXPORTS: &[&[Export]] = &[$(export!($narrow)),*];
        }
        pub(crate) mod unsuffixed {
            use super::super::prelude::*;
            type E = Wide;
            parameter_types!();
            $(#[doc = concat!("Form of [`", stringify!($wide), "`](super::", stringify!($wide),
                ") that serves both encodings.")]
            #[unsafe(no_mangle)]
            pub unsafe extern "system" fn $both($($argument: $kind),*) -> DWORD {
                type Body = unsafe fn($($kind),*) -> Result<(), Status>;
                // SAFETY: the caller vouches for its pointers; what shows the encoding is read as the body
                // itself reads it. The bodies differ in what their pointers point to and in nothing else.
                boundary::answer(|| unsafe {
                    let body = match Evidence::NONE$(.$show($shown))*.decide() {
                        Shown::Wide => $module::$body::<Wide> as *const (),
                        Shown::Narrow => $module::$body::<Narrow> as *const (),
                        Shown::Nothing { before: Some(Encoded::Wide) } => {
                            $module::$body::<Blank<Wide>> as *const ()
                        }
                        Shown::Nothing { before: Some(Encoded::Narrow) } => {
                            $module::$body::<Blank<Narrow>> as *const ()
                        }
                        Shown::Nothing { before: None } => $module::$body::<Blank<Cautious>> as *const (),
                    };
                    let body = transmute::<*const (), Body>(body);
                    body($($argument),*)
                })
            })*
            pub(crate) static EXPORTS: &[&[Export]] = &[$(export!($both)),*];
        }
    };
}

/// Makes functions that have one form only; `body` is what they run behind the boundary.
macro_rules! plain {
    (mod $module:ident; $($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ty),* $(,)?) = $boundary:ident($body:expr);)*) => {
        pub(crate) mod $module {
            #[allow(unused_imports, reason = "not every list has parameters of each type")]
            use super::super::prelude::*;
            $($(#[$doc])*
            #[unsafe(no_mangle)]
            pub unsafe extern "system" fn $name($($argument: $kind),*) -> DWORD {
                // SAFETY: the caller vouches for its pointers.
                #[allow(unused_unsafe, reason = "bodies without pointers are safe")]
                boundary::$boundary(|| unsafe { $body })
            })*
            pub(crate) static EXPORTS: &[&[Export]] = &[$(export!($name)),*];
        }
    };
}

/// What the functions are written with.
mod prelude {
    pub(super) use super::Export;
    pub(super) use crate::text::{Blank, Cautious, Narrow};
    pub(super) use crate::unsuffixed::{Encoded, Evidence, Shown};
    pub(super) use crate::{
        boundary, connections, dialogs, enumeration, extended_error, legacy, logon, questions, resources,
        restore,
    };
    pub(super) use mpr_abi::{
        BOOL, DWORD, HANDLE, HWND, LPCWSTR, LPVOID, LPWSTR, LUID, NETCONNECTINFOSTRUCT, NETINFOSTRUCT, Status,
    };
    pub(super) use mpr_plugin::pack::Wide;
    pub(super) use std::mem::transmute;
}

/// The functions. Parameters are those of the Windows functions of the same names (`spec/wnet.md`).
///
/// # Safety
///
/// Of every function: a pointer is NULL, or points to what the Windows function wants there: strings are
/// terminated, buffers are as long as their sizes say. Handles may be anything. Windows are passed through.
#[expect(clippy::missing_safety_doc, reason = "one for all, above")]
#[allow(non_snake_case, reason = "names of the Windows functions")]
pub mod functions {
    #[cfg(windows)]
    pub use self::internals::*;
    pub use self::last_error::*;
    pub use self::narrow::*;
    pub use self::plain::*;
    pub use self::unsuffixed::*;
    pub use self::wide::*;

    forms! {
        /// Connects, persistently, as the default user (§4). Mind the order of the parameters.
        fn WNetAddConnectionW, WNetAddConnectionA, WNetAddConnection(remote: Text, password: Text, local: Text)
            = connections::add, shown by [text(remote), text(local), text(password)];
        /// Connects (§4).
        fn WNetAddConnection2W, WNetAddConnection2A, WNetAddConnection2(
            resource: Resource, password: Text, user: Text, flags: DWORD,
        ) = connections::add2, shown by [resource(resource), text(user), text(password)];
        /// Connects, with an owner for dialogs (§4).
        fn WNetAddConnection3W, WNetAddConnection3A, WNetAddConnection3(
            owner: HWND, resource: Resource, password: Text, user: Text, flags: DWORD,
        ) = connections::add3, shown by [resource(resource), text(user), text(password)];
        /// Connects, with credentials and options in a format of the provider's (§4).
        fn WNetAddConnection4W, WNetAddConnection4A, WNetAddConnection4(
            owner: HWND, resource: Resource, auth: *const u8, auth_size: DWORD, flags: DWORD,
            use_options: *const u8, use_options_size: DWORD,
        ) = connections::add4, shown by [resource(resource)];
        /// Connects, choosing a device if asked to, and reports the name to reach the resource by (§4).
        fn WNetUseConnectionW, WNetUseConnectionA, WNetUseConnection(
            owner: HWND, resource: Resource, password: Text, user: Text, flags: DWORD,
            access_name: Out, size: *mut DWORD, result: *mut DWORD,
        ) = connections::use_connection, shown by [resource(resource), text(user), text(password)];
        /// As [`WNetUseConnectionW`], with the buffers of [`WNetAddConnection4W`] (§4).
        fn WNetUseConnection4W, WNetUseConnection4A, WNetUseConnection4(
            owner: HWND, resource: Resource, auth: *const u8, auth_size: DWORD, flags: DWORD,
            use_options: *const u8, use_options_size: DWORD,
            access_name: Out, size: *mut DWORD, result: *mut DWORD,
        ) = connections::use_connection4, shown by [resource(resource)];
        /// Disconnects and forgets (§5).
        fn WNetCancelConnectionW, WNetCancelConnectionA, WNetCancelConnection(name: Text, force: BOOL)
            = connections::cancel, shown by [text(name)];
        /// Disconnects (§5).
        fn WNetCancelConnection2W, WNetCancelConnection2A, WNetCancelConnection2(
            name: Text, flags: DWORD, force: BOOL,
        ) = connections::cancel2, shown by [text(name)];

        /// What a device leads to (§6).
        fn WNetGetConnectionW, WNetGetConnectionA, WNetGetConnection(
            local: Text, remote: Out, chars: *mut DWORD,
        ) = questions::connection, shown by [text(local)];
        /// The user of a connection, or of this process (§7).
        fn WNetGetUserW, WNetGetUserA, WNetGetUser(name: Text, user: Out, chars: *mut DWORD)
            = questions::user, shown by [text(name)];
        /// Universal forms of a path on a connected drive (§8).
        fn WNetGetUniversalNameW, WNetGetUniversalNameA, WNetGetUniversalName(
            local_path: Text, level: DWORD, buffer: LPVOID, bytes: *mut DWORD,
        ) = questions::universal_name, shown by [text(local_path)];
        /// What is known of a connection's speed (§12).
        fn MultinetGetConnectionPerformanceW, MultinetGetConnectionPerformanceA,
        MultinetGetConnectionPerformance(resource: Resource, info: *mut NETCONNECTINFOSTRUCT)
            = questions::performance, shown by [resource(resource)];

        /// Begins an enumeration (§9.1).
        fn WNetOpenEnumW, WNetOpenEnumA, WNetOpenEnum(
            scope: DWORD, kind: DWORD, usage: DWORD, container: Resource, handle: *mut HANDLE,
        ) = enumeration::open, shown by [resource(container)];
        /// The next entries of an enumeration (§9.2).
        fn WNetEnumResourceW, WNetEnumResourceA, WNetEnumResource(
            handle: HANDLE, count: *mut DWORD, buffer: LPVOID, bytes: *mut DWORD,
        ) = enumeration::next, shown by [handle(handle)];

        /// The part of a name that is reached through the router, and the rest (§10.1).
        fn WNetGetResourceInformationW, WNetGetResourceInformationA, WNetGetResourceInformation(
            resource: Resource, buffer: LPVOID, bytes: *mut DWORD, system: *mut Out,
        ) = resources::information, shown by [resource(resource)];
        /// What contains a resource (§10.2).
        fn WNetGetResourceParentW, WNetGetResourceParentA, WNetGetResourceParent(
            resource: Resource, buffer: LPVOID, bytes: *mut DWORD,
        ) = resources::parent, shown by [resource(resource)];
        /// The provider of a network type (§11.1).
        fn WNetGetProviderNameW, WNetGetProviderNameA, WNetGetProviderName(
            net_type: DWORD, name: Out, chars: *mut DWORD,
        ) = resources::provider_name, shown by [];
        /// The network type of a provider (§11.1, DECISION W29).
        fn WNetGetProviderTypeW, WNetGetProviderTypeA, WNetGetProviderType(name: Text, net_type: *mut DWORD)
            = resources::provider_type, shown by [text(name)];
        /// What is known of a provider (§11.2).
        fn WNetGetNetworkInformationW, WNetGetNetworkInformationA, WNetGetNetworkInformation(
            provider: Text, info: *mut NETINFOSTRUCT,
        ) = resources::network_information, shown by [text(provider)];
        /// A remote name as it is to be shown (§16, DECISION W34).
        fn WNetFormatNetworkNameW, WNetFormatNetworkNameA, WNetFormatNetworkName(
            provider: Text, remote: Text, formatted: Out, chars: *mut DWORD, flags: DWORD,
            chars_per_line: DWORD,
        ) = resources::format_network_name, shown by [text(remote), text(provider)];

        /// What a provider or notification library recorded on this thread (§13).
        fn WNetGetLastErrorW, WNetGetLastErrorA, WNetGetLastError(
            code: *mut DWORD, text: Out, text_chars: DWORD, name: Out, name_chars: DWORD,
        ) = extended_error::get, shown by [];
        /// Exported by Windows, meaning not public: not supported (DECISION W32).
        fn MultinetGetErrorTextW, MultinetGetErrorTextA, MultinetGetErrorText(
            text: Text, first: *mut DWORD, second: *mut DWORD,
        ) = extended_error::multinet_text, shown by [];

        /// Lets the user connect (§14).
        fn WNetConnectionDialog1W, WNetConnectionDialog1A, WNetConnectionDialog1(dialog: Connect)
            = dialogs::connection1, shown by [connect_dialog(dialog)];
        /// Disconnects, asking the user about open files (§14).
        fn WNetDisconnectDialog1W, WNetDisconnectDialog1A, WNetDisconnectDialog1(dialog: Disconnect)
            = dialogs::disconnect1, shown by [disconnect_dialog(dialog)];

        /// Remembers or forgets a connection that exists (§15).
        fn WNetSetConnectionW, WNetSetConnectionA, WNetSetConnection(
            name: Text, property: DWORD, value: LPVOID,
        ) = restore::set_connection, shown by [text(name)];
        /// Restores remembered connections (§15).
        fn WNetRestoreConnectionW, _, WNetRestoreConnection(owner: HWND, device: Text)
            = restore::restore, shown by [text(device)];
        /// Restores remembered connections, asking for credentials only if that is wanted (§15).
        fn WNetRestoreSingleConnectionW, _, WNetRestoreSingleConnection(
            owner: HWND, device: Text, use_ui: BOOL,
        ) = restore::restore_single, shown by [text(device)];

        /// What a directory on a connected drive is (§16).
        fn WNetGetDirectoryTypeW, WNetGetDirectoryTypeA, WNetGetDirectoryType(
            directory: Text, kind: *mut i32, flush: BOOL,
        ) = legacy::directory_type, shown by [text(directory)];
        /// A directory on a connected drive is about to change (§16).
        fn WNetDirectoryNotifyW, WNetDirectoryNotifyA, WNetDirectoryNotify(
            owner: HWND, directory: Text, operation: DWORD,
        ) = legacy::directory_notify, shown by [text(directory)];
        /// Caption of a property button (§16).
        fn WNetGetPropertyTextW, WNetGetPropertyTextA, WNetGetPropertyText(
            button: DWORD, selection: DWORD, name: Text, caption: Out, chars: DWORD, kind: DWORD,
        ) = legacy::property_text, shown by [text(name)];
        /// Properties of files on a connected drive (§16).
        fn WNetPropertyDialogW, WNetPropertyDialogA, WNetPropertyDialog(
            owner: HWND, button: DWORD, selection: DWORD, files: Text, kind: DWORD,
        ) = legacy::property_dialog, shown by [text(files)];
    }

    plain! {
        mod plain;
        /// Ends an enumeration (§9.3).
        WNetCloseEnum(handle: HANDLE) = answer(enumeration::close(handle));
        /// Cancels every connection, with force (DECISION W34).
        WNetClearConnections(owner: HWND) = answer(restore::clear(owner));
        /// Lets the user connect (§14).
        WNetConnectionDialog(owner: HWND, kind: DWORD) = answer(dialogs::connection(owner, kind));
        /// Lets the user disconnect (§14).
        WNetDisconnectDialog(owner: HWND, kind: DWORD) = answer(dialogs::disconnect(owner, kind));

        /// Restores all remembered connections, without asking anybody (§15). Parameters are not public; none
        /// is looked at.
        WNetRestoreAllConnectionsW() = answer(restore::restore_all());
        /// As [`WNetRestoreAllConnectionsW`], which has no strings.
        WNetRestoreAllConnections() = answer(restore::restore_all());

        /// Tells credential managers of a logon (§16).
        WNetLogonNotify(
            id: *mut LUID, kind: LPCWSTR, info: LPVOID, previous_kind: LPCWSTR, previous_info: LPVOID,
            station: LPWSTR, station_handle: LPVOID, scripts: *mut LPWSTR,
        ) = answer(logon::logon(
            id, kind, info, previous_kind, previous_info, station, station_handle, scripts,
        ));
        /// Tells credential managers of a changed password (§16).
        WNetPasswordChangeNotify(
            kind: LPCWSTR, info: LPVOID, previous_kind: LPCWSTR, previous_info: LPVOID, station: LPWSTR,
            station_handle: LPVOID, change: DWORD,
        ) = answer(logon::password_change(
            kind, info, previous_kind, previous_info, station, station_handle, change,
        ));

        /// What the permission editor of a connected drive can do: `WNPERMC_*`, not a status (§16).
        WNetFMXGetPermCaps(drive: LPWSTR) = answer_value(legacy::permission_capabilities(drive));
        /// Shows the permission editor of a connected drive (§16).
        WNetFMXEditPerm(drive: LPWSTR, owner: HWND, dialog: DWORD)
            = answer(legacy::edit_permissions(drive, owner, dialog));
        /// Help of the permission editor of a connected drive (§16).
        WNetFMXGetPermHelp(
            drive: LPWSTR, dialog: DWORD, directory: BOOL, file: LPVOID, chars: *mut DWORD,
            context: *mut DWORD,
        ) = answer(legacy::permission_help(drive, dialog, directory, file, chars, context));

        /// Parameters not public: not supported (§14).
        WNetConnectionDialog2() = answer(legacy::unknown());
        /// Parameters not public: not supported (§14).
        WNetDisconnectDialog2() = answer(legacy::unknown());
        /// Parameters not public: not supported (§16).
        WNetGetSearchDialog() = answer(legacy::unknown());
        /// Parameters not public: not supported (§16).
        WNetSupportGlobalEnum() = answer(legacy::unknown());
        /// Parameters not public: not supported (§16).
        WNetGetHomeDirectoryW() = answer(legacy::unknown());
        /// As [`WNetGetHomeDirectoryW`].
        WNetGetHomeDirectory() = answer(legacy::unknown());
        /// Parameters not public: not supported (§15).
        WNetRestoreConnection2W() = answer(legacy::unknown());
        /// As [`WNetRestoreConnection2W`].
        WNetRestoreConnection2() = answer(legacy::unknown());
        /// Parameters not public: not supported (§16).
        WNetGetConnection2A() = answer(legacy::unknown());
        /// As [`WNetGetConnection2A`].
        WNetGetConnection2W() = answer(legacy::unknown());
        /// As [`WNetGetConnection2A`].
        WNetGetConnection3A() = answer(legacy::unknown());
        /// As [`WNetGetConnection2A`].
        WNetGetConnection3W() = answer(legacy::unknown());
        /// As [`WNetGetConnection2A`].
        WNetGetConnection2() = answer(legacy::unknown());
        /// As [`WNetGetConnection2A`].
        WNetGetConnection3() = answer(legacy::unknown());
    }

    // Internal names of Windows' own mpr.dll, for importers of that one: not supported (DECISION W34). Nothing
    // made for Linux imports them.
    #[cfg(windows)]
    plain! {
        mod internals;
        /// Not supported.
        DoBroadcastSystemMessage() = answer(legacy::unknown());
        /// Not supported.
        DoCommandLinePrompt() = answer(legacy::unknown());
        /// Not supported.
        DoPasswordDialog() = answer(legacy::unknown());
        /// Not supported.
        DoProfileErrorDialog() = answer(legacy::unknown());
        /// Not supported.
        I_MprSaveConn() = answer(legacy::unknown());
        /// Not supported.
        ShowReconnectDialog() = answer(legacy::unknown());
        /// Not supported.
        ShowReconnectDialogEnd() = answer(legacy::unknown());
        /// Not supported.
        ShowReconnectDialogUI() = answer(legacy::unknown());
    }

    /// The functions without a result (§13).
    pub(crate) mod last_error {
        use super::super::prelude::*;
        use std::ffi::c_char;

        /// Records an extended error for this thread.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn WNetSetLastErrorW(code: DWORD, text: LPCWSTR, provider: LPCWSTR) {
            // SAFETY: the caller vouches for its pointers.
            boundary::silently(|| unsafe { extended_error::set::<Wide>(code, text, provider) });
        }

        /// Narrow form of [`WNetSetLastErrorW`].
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn WNetSetLastErrorA(
            code: DWORD,
            text: *const c_char,
            provider: *const c_char,
        ) {
            // SAFETY: the caller vouches for its pointers.
            boundary::silently(|| unsafe { extended_error::set::<Narrow>(code, text, provider) });
        }

        /// Form of [`WNetSetLastErrorW`] that serves both encodings.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn WNetSetLastError(code: DWORD, text: LPCWSTR, provider: LPCWSTR) {
            // SAFETY: the caller vouches for its pointers, in whichever encoding they show.
            boundary::silently(|| unsafe {
                match Evidence::NONE.text(text).text(provider).decide() {
                    Shown::Narrow => extended_error::set::<Narrow>(code, text.cast(), provider.cast()),
                    Shown::Wide => extended_error::set::<Wide>(code, text, provider),
                    Shown::Nothing { .. } => extended_error::set::<Blank<Wide>>(code, text, provider),
                }
            });
        }

        pub(crate) static EXPORTS: &[&[Export]] =
            &[export!(WNetSetLastErrorW), export!(WNetSetLastErrorA), export!(WNetSetLastError)];
    }
}
