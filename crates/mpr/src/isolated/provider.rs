//! Network providers in a host process.
//!
//! Each function of a provider is one question to the host, behind a deadline. One that was asked and gave no
//! answer has failed, and answers `WN_NET_ERROR`, which tells the caller that something went wrong; one that is not
//! asked, because it failed too often or cannot be started, is a network that is not there: `WN_NO_NETWORK`, which
//! gives way to what other providers say (`spec/wnet.md` §3.2).

use super::failures;
use super::silence::Silence;
use super::turn::Hosted;
use crate::config::ProviderEntry;
use crate::library::{LoadError, examine};
use crate::portions::{Portions, Source};
use crate::{Problem, extended_error, report, trace};
use mpr_helper::failures::Kind;
use mpr_helper::host::Load;
use mpr_helper::host::provider::{Ask, Function, Resource, Told};
use mpr_plugin::abi::{
    HWND, WNNC_ADM_DIRECTORYNOTIFY, WNNC_ADM_GETDIRECTORYTYPE, WNNC_CON_ADDCONNECTION,
    WNNC_CON_ADDCONNECTION3, WNNC_CON_ADDCONNECTION4, WNNC_CON_CANCELCONNECTION, WNNC_CON_CANCELCONNECTION2,
    WNNC_CON_GETCONNECTIONS, WNNC_CON_GETPERFORMANCE, WNNC_DLG_FORMATNETWORKNAME,
    WNNC_DLG_GETRESOURCEINFORMATION, WNNC_DLG_GETRESOURCEPARENT, WNNC_ENUM_CONTEXT, WNNC_ENUM_GLOBAL,
    WNNC_ENUM_LOCAL, WNNC_USR_GETUSER,
};
use mpr_plugin::{
    AddConnection, CancelConnection, Capabilities, Entries, EnumQuery, NetResource, NetworkProvider,
    Performance, ResourceQuery, Start, Status, UniversalName, WideStr, WideString, wide,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The most a question may take, however long a connect may: somebody looks at a list meanwhile.
const QUESTION_MS: u32 = 5000;

/// A network provider in a host process.
pub(crate) struct IsolatedProvider {
    host: Arc<ProviderHost>,
    capabilities: Capabilities,
}

/// What its enumerations share with it.
struct ProviderHost {
    /// Its name, beside the errors that are told in its stead.
    label: String,
    /// The registration, for messages.
    file: PathBuf,
    timeout_ms: u32,
    hosted: Hosted,
}

/// What is claimed for a provider that could not be asked yet. It is asked, then; its host knows what it has.
const ANYTHING: Capabilities = Capabilities {
    net_type: 0,
    version: 0,
    user: WNNC_USR_GETUSER,
    connection: WNNC_CON_ADDCONNECTION
        | WNNC_CON_ADDCONNECTION3
        | WNNC_CON_ADDCONNECTION4
        | WNNC_CON_CANCELCONNECTION
        | WNNC_CON_CANCELCONNECTION2
        | WNNC_CON_GETCONNECTIONS
        | WNNC_CON_GETPERFORMANCE,
    dialog: WNNC_DLG_FORMATNETWORKNAME | WNNC_DLG_GETRESOURCEPARENT | WNNC_DLG_GETRESOURCEINFORMATION,
    admin: WNNC_ADM_GETDIRECTORYTYPE | WNNC_ADM_DIRECTORYNOTIFY,
    enumeration: WNNC_ENUM_LOCAL | WNNC_ENUM_GLOBAL | WNNC_ENUM_CONTEXT,
};

impl IsolatedProvider {
    /// Starts a host for the provider of `entry` and asks what it can do. One that fails in this is asked again when
    /// it is needed; one that is no provider is an error, as in the caller's process.
    ///
    /// # Errors
    ///
    /// Why there is no library, none to be trusted, or none that is a provider.
    pub(crate) fn open(entry: &ProviderEntry, elevated: bool) -> Result<Self, LoadError> {
        let terms = entry.terms(elevated);
        examine(&entry.path, &terms)?;
        let conditions = terms.conditions();
        let host = ProviderHost {
            label: entry.name.clone(),
            file: entry.file.clone(),
            timeout_ms: entry.timeout_ms,
            hosted: Hosted::new(
                format!("the provider \"{}\"", entry.name),
                Load::Provider { path: entry.path.clone(), sandbox: entry.sandbox, conditions },
                failures(Kind::Provider, &entry.stem, &entry.file),
            ),
        };
        let capabilities = match host.capabilities() {
            Ok(capabilities) => capabilities,
            Err(Silence::Unloaded { what, remedy }) => {
                return Err(LoadError { file: entry.path.clone(), what, remedy });
            }
            Err(silence) => {
                _ = extended_error::unmarked(|| host.fail(Function::Capabilities, &silence, host.question()));
                ANYTHING
            }
        };
        Ok(IsolatedProvider { host: Arc::new(host), capabilities })
    }

    fn ask(&self, ask: Ask<&[u16], &[u8]>) -> Result<Told, Status> {
        let limit = match ask.function {
            Function::Add
            | Function::AddWithBuffers
            | Function::Cancel
            | Function::DirectoryNotify
            | Function::PropertyDialog
            | Function::EditPermissions => self.host.timeout_ms,
            _ => self.host.question(),
        };
        self.host.ask(None, ask, limit).map(|(_, told)| told)
    }

    /// A question about one name, answered with one.
    fn name(&self, function: Function, name: &WideStr) -> Result<WideString, Status> {
        let told = self.ask(Ask { texts: [Some(name.as_slice()), None, None, None], ..blank(function) })?;
        let [text, ..] = told.texts;
        text.map(WideString::from_vec_truncate).ok_or(Status::NET_ERROR)
    }
}

impl ProviderHost {
    fn question(&self) -> u32 {
        self.timeout_ms.min(QUESTION_MS)
    }

    /// What the provider says it can do; `ANYTHING` without asking for one that is suspended.
    fn capabilities(&self) -> Result<Capabilities, Silence> {
        if self.hosted.suspended().is_some() {
            return Ok(ANYTHING);
        }
        let deadline = deadline(self.question());
        let mut ask = blank(Function::Capabilities);
        let asked = self.hosted.take_turn(deadline).and_then(|mut turn| turn.ask(&mut ask, deadline));
        trace::had_until(deadline);
        let (_, told) = asked?;
        let [net_type, version, user, connection, dialog, admin, enumeration] = told.numbers;
        Ok(Capabilities { net_type, version, user, connection, dialog, admin, enumeration })
    }

    /// Asks within this many milliseconds: the host of this generation if there is one, else whichever is there. Says
    /// which it was.
    fn ask(
        &self,
        generation: Option<u32>,
        mut ask: Ask<&[u16], &[u8]>,
        limit: u32,
    ) -> Result<(u32, Told), Status> {
        if let Some(why) = self.hosted.suspended() {
            trace::remark("suspended", || why.clone());
            return Err(self.tell(Status::NO_NETWORK, &why));
        }
        let deadline = deadline(limit);
        let asked = self.hosted.take_turn(deadline).and_then(|mut turn| match generation {
            None => turn.ask(&mut ask, deadline),
            Some(generation) => {
                // The host that had it is gone, and why was told to whoever asked then.
                turn.ask_again(generation, &mut ask, deadline).unwrap_or(Err(Silence::Gone))
            }
        });
        trace::had_until(deadline);
        let (generation, told) = match asked {
            Ok(answered) => answered,
            Err(silence) => return Err(self.fail(ask.function, &silence, limit)),
        };
        self.hosted.well(ask.function.name());
        if let Some(said) = &told.error {
            let [text, name] =
                [&said.text, &said.name].map(|text| WideString::from_vec_truncate(text.clone()));
            let name = if name.is_empty() { wide(&self.label) } else { name };
            extended_error::record(said.code, &text, &name);
        }
        Status(told.status).ok()?;
        Ok((generation, told))
    }

    /// No answer: it is written down and told, and becomes a status.
    fn fail(&self, function: Function, silence: &Silence, limit: u32) -> Status {
        let name = &self.hosted.name;
        let what = match silence {
            Silence::Unstarted(_) | Silence::Unloaded { .. } => silence.describe(name, limit),
            _ => silence.describe(&format!("{} of {name}", function.name()), limit),
        };
        trace::remark(silence.word(), || what.clone());
        let written = if silence.is_failure() { self.hosted.fail(function.name(), &what) } else { Ok(()) };
        let becomes = match written {
            Ok(()) => "other providers are asked".to_owned(),
            Err(error) => format!("other providers are asked; it cannot be written down: {error}"),
        };
        report::problem(&Problem::new(
            &self.file,
            None,
            format!("{what}; {becomes}"),
            "see mpr provider list, or set enabled = false",
        ));
        let status = match silence {
            Silence::Busy => Status::FUNCTION_BUSY,
            Silence::TooLong => Status::BAD_VALUE,
            Silence::Unstarted(_) | Silence::Unloaded { .. } => Status::NO_NETWORK,
            _ => Status::NET_ERROR,
        };
        self.tell(status, &what)
    }

    /// Leaves the reason for the application.
    fn tell(&self, status: Status, why: &str) -> Status {
        extended_error::record(status.0, &wide(why), &wide(&self.label));
        status
    }
}

fn deadline(milliseconds: u32) -> Instant {
    Instant::now() + Duration::from_millis(milliseconds.into())
}

pub(super) fn blank<'a>(function: Function) -> Ask<&'a [u16], &'a [u8]> {
    Ask {
        number: 0,
        function,
        owner: 0,
        numbers: [0; 4],
        texts: [None; 4],
        secrets: [None; 2],
        resource: None,
    }
}

pub(super) fn texts<const N: usize>(names: [Option<&WideStr>; N]) -> [Option<&[u16]>; 4] {
    let mut texts = [None; 4];
    for (text, name) in texts.iter_mut().zip(names) {
        *text = name.map(WideStr::as_slice);
    }
    texts
}

fn window(owner: HWND) -> u64 {
    owner.addr() as u64
}

/// A password as it is sent.
fn bytes(password: &WideStr) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * password.len()));
    bytes.extend(password.as_slice().iter().flat_map(|unit| unit.to_le_bytes()));
    bytes
}

fn resource(told: Resource<Vec<u16>>) -> NetResource {
    let [scope, kind, display, usage] = told.numbers;
    let [local, remote, comment, provider] = told.texts.map(|text| text.map(WideString::from_vec_truncate));
    NetResource { scope, kind, display, usage, local, remote, comment, provider }
}

// Windows that own dialogs are passed through and never followed.
#[allow(clippy::not_unsafe_ptr_arg_deref)]
impl NetworkProvider for IsolatedProvider {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn start(&self) -> Start {
        // One that is not heard is not waited for: it is asked, and what comes of it is told then.
        let asked = extended_error::unmarked(|| self.ask(blank(Function::Start)));
        asked.map_or(Start::Running, |told| Start::from_raw(told.numbers[0]))
    }

    fn add_connection(&self, add: &AddConnection<'_>) -> Result<(), Status> {
        let password = add.password.map(bytes);
        let (function, secrets) = match add.auth {
            Some(auth) => (Function::AddWithBuffers, [Some(auth.auth), Some(auth.use_options)]),
            None => (Function::Add, [password.as_deref().map(Vec::as_slice), None]),
        };
        let ask = Ask {
            owner: window(add.owner),
            numbers: [add.kind, add.flags, 0, 0],
            texts: texts([add.local, Some(add.remote), add.provider, add.user]),
            secrets,
            ..blank(function)
        };
        self.ask(ask).map(drop)
    }

    fn cancel_connection(&self, cancel: &CancelConnection<'_>) -> Result<(), Status> {
        let ask = Ask {
            numbers: [cancel.flags, cancel.force.into(), 0, 0],
            texts: texts([Some(cancel.name)]),
            ..blank(Function::Cancel)
        };
        self.ask(ask).map(drop)
    }

    fn connection(&self, local: &WideStr) -> Result<WideString, Status> {
        self.name(Function::Connection, local)
    }

    fn deferred_connection(&self, local: &WideStr) -> Result<WideString, Status> {
        self.name(Function::DeferredConnection, local)
    }

    fn performance(&self, name: &WideStr) -> Result<Performance, Status> {
        let told = self.ask(Ask { texts: texts([Some(name)]), ..blank(Function::Performance) })?;
        let [flags, speed, delay, optimal_size, ..] = told.numbers;
        Ok(Performance { flags, speed, delay, optimal_size })
    }

    fn universal_name(&self, local_path: &WideStr) -> Result<UniversalName, Status> {
        let told = self.ask(Ask { texts: texts([Some(local_path)]), ..blank(Function::UniversalName) })?;
        let [universal, connection, remaining] =
            told.texts.map(|text| text.map(WideString::from_vec_truncate));
        Ok(UniversalName {
            universal,
            connection: connection.ok_or(Status::NET_ERROR)?,
            remaining: remaining.ok_or(Status::NET_ERROR)?,
        })
    }

    fn user(&self, name: &WideStr) -> Result<WideString, Status> {
        self.name(Function::User, name)
    }

    fn persistent_use_options(&self, remote: &WideStr, use_options: &[u8]) -> Result<Vec<u8>, Status> {
        let ask = Ask {
            texts: texts([Some(remote)]),
            secrets: [Some(use_options), None],
            ..blank(Function::UseOptions)
        };
        self.ask(ask).map(|told| told.bytes)
    }

    fn enumerate(&self, query: &EnumQuery<'_>) -> Result<Entries, Status> {
        let container = query.container.map(|container| Resource {
            numbers: [container.scope, container.kind, container.display, container.usage],
            texts: texts(
                [&container.local, &container.remote, &container.comment, &container.provider]
                    .map(Option::as_deref),
            ),
        });
        let ask = Ask {
            numbers: [query.scope, query.kind, query.usage, 0],
            resource: container,
            ..blank(Function::OpenEnum)
        };
        let (generation, told) = self.host.ask(None, ask, self.host.question())?;
        let opened =
            IsolatedEnumeration { host: Arc::clone(&self.host), generation, number: Some(told.numbers[0]) };
        Ok(Box::new(Portions::of(opened)))
    }

    fn resource_information(
        &self,
        query: &ResourceQuery<'_>,
    ) -> Result<(NetResource, Option<WideString>), Status> {
        let told = self.ask(about(Function::Information, query))?;
        let [rest, ..] = told.texts;
        let found = told.resources.into_iter().next().ok_or(Status::NET_ERROR)?;
        Ok((resource(found), rest.map(WideString::from_vec_truncate)))
    }

    fn resource_parent(&self, query: &ResourceQuery<'_>) -> Result<NetResource, Status> {
        let told = self.ask(about(Function::Parent, query))?;
        told.resources.into_iter().next().map(resource).ok_or(Status::NET_ERROR)
    }

    fn format_network_name(
        &self,
        remote: &WideStr,
        flags: u32,
        chars_per_line: u32,
    ) -> Result<WideString, Status> {
        let ask = Ask {
            numbers: [flags, chars_per_line, 0, 0],
            texts: texts([Some(remote)]),
            ..blank(Function::Format)
        };
        let [text, ..] = self.ask(ask)?.texts;
        text.map(WideString::from_vec_truncate).ok_or(Status::NET_ERROR)
    }

    fn directory_type(&self, directory: &WideStr, flush: bool) -> Result<i32, Status> {
        let ask = Ask {
            numbers: [flush.into(), 0, 0, 0],
            texts: texts([Some(directory)]),
            ..blank(Function::DirectoryType)
        };
        Ok(self.ask(ask)?.numbers[0].cast_signed())
    }

    fn directory_notify(&self, owner: HWND, directory: &WideStr, operation: u32) -> Result<(), Status> {
        let ask = Ask {
            owner: window(owner),
            numbers: [operation, 0, 0, 0],
            texts: texts([Some(directory)]),
            ..blank(Function::DirectoryNotify)
        };
        self.ask(ask).map(drop)
    }

    fn property_text(
        &self,
        button: u32,
        selection: u32,
        name: &WideStr,
        kind: u32,
    ) -> Result<WideString, Status> {
        let ask = Ask {
            numbers: [button, selection, kind, 0],
            texts: texts([Some(name)]),
            ..blank(Function::PropertyText)
        };
        let [text, ..] = self.ask(ask)?.texts;
        text.map(WideString::from_vec_truncate).ok_or(Status::NET_ERROR)
    }

    fn property_dialog(
        &self,
        owner: HWND,
        button: u32,
        selection: u32,
        files: &WideStr,
        kind: u32,
    ) -> Result<(), Status> {
        let ask = Ask {
            owner: window(owner),
            numbers: [button, selection, kind, 0],
            texts: texts([Some(files)]),
            ..blank(Function::PropertyDialog)
        };
        self.ask(ask).map(drop)
    }

    fn permission_capabilities(&self, drive: &WideStr) -> u32 {
        let ask = Ask { texts: texts([Some(drive)]), ..blank(Function::PermissionCapabilities) };
        self.ask(ask).map_or(0, |told| told.numbers[0])
    }

    fn edit_permissions(&self, drive: &WideStr, owner: HWND, dialog: u32) -> Result<(), Status> {
        let ask = Ask {
            owner: window(owner),
            numbers: [dialog, 0, 0, 0],
            texts: texts([Some(drive)]),
            ..blank(Function::EditPermissions)
        };
        self.ask(ask).map(drop)
    }

    fn permission_help(
        &self,
        drive: &WideStr,
        dialog: u32,
        directory: bool,
    ) -> Result<(WideString, u32), Status> {
        let ask = Ask {
            numbers: [dialog, directory.into(), 0, 0],
            texts: texts([Some(drive)]),
            ..blank(Function::PermissionHelp)
        };
        let told = self.ask(ask)?;
        let [file, ..] = told.texts;
        Ok((file.map(WideString::from_vec_truncate).ok_or(Status::NET_ERROR)?, told.numbers[0]))
    }
}

fn about<'a>(function: Function, query: &ResourceQuery<'a>) -> Ask<&'a [u16], &'a [u8]> {
    Ask {
        numbers: [query.kind, 0, 0, 0],
        texts: texts([Some(query.remote), query.provider]),
        ..blank(function)
    }
}

/// An enumeration that lives in a host.
struct IsolatedEnumeration {
    host: Arc<ProviderHost>,
    /// The host it lives in: in another one the number means nothing.
    generation: u32,
    /// `None` once it is closed.
    number: Option<u32>,
}

impl Source for IsolatedEnumeration {
    fn fetch(&mut self) -> Result<Vec<NetResource>, Status> {
        let Some(number) = self.number else { return Ok(Vec::new()) };
        let ask = Ask { numbers: [number, 0, 0, 0], ..blank(Function::EnumResource) };
        let (_, told) = self.host.ask(Some(self.generation), ask, self.host.question())?;
        Ok(told.resources.into_iter().map(resource).collect())
    }

    /// With its host the enumeration has ended, too: then nothing is left to be closed, and nobody has failed.
    fn end(&mut self) -> Result<(), Status> {
        let Some(number) = self.number.take() else { return Ok(()) };
        let deadline = deadline(self.host.question());
        let mut ask = Ask { numbers: [number, 0, 0, 0], ..blank(Function::CloseEnum) };
        let asked = self
            .host
            .hosted
            .take_turn(deadline)
            .map(|mut turn| turn.ask_again(self.generation, &mut ask, deadline));
        match asked {
            Ok(None) => Ok(()),
            Ok(Some(Ok((_, told)))) => Status(told.status).ok(),
            Ok(Some(Err(silence))) | Err(silence) => {
                Err(self.host.fail(Function::CloseEnum, &silence, self.host.question()))
            }
        }
    }
}
