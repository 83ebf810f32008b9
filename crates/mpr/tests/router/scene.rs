//! A router whose parties play a line of the notation, and the operations it is asked for.

use mpr::{AccessBuffer, AddRequest, CancelRequest, Credentials, Router, UseError};
use mpr_core::claims::Claims;
use mpr_plugin::{Status, WideString, wide};
use mpr_testkit::{Script, ScriptedNotifyee, ScriptedProvider};
use std::ptr::without_provenance_mut;
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;

/// A line, and who plays it: as many parties as it speaks of, and at least one provider.
pub(crate) struct Scene {
    script: Script,
    notifyees: Vec<ScriptedNotifyee>,
    providers: Vec<ScriptedProvider>,
    requiring_device: bool,
    /// What is declared of the names of provider P1, P2, …
    claims: Vec<(usize, Claims)>,
    retry_limit: Option<u32>,
    state: Option<TempDir>,
    later: Later,
}

/// The router of a scene, for its parties, who are there before it.
#[derive(Clone, Default)]
pub(crate) struct Later(Arc<OnceLock<Router>>);

impl Later {
    pub(crate) fn router(&self) -> &Router {
        self.0.get().expect("the router calls nobody before it is there")
    }
}

impl Scene {
    #[track_caller]
    pub(crate) fn of(line: &str) -> Self {
        let script = Script::read(line);
        let notifyees = (1..=script.notifyees()).map(|number| script.notifyee(number)).collect();
        let providers = (1..=script.providers().max(1)).map(|number| script.provider(number)).collect();
        Scene {
            script,
            notifyees,
            providers,
            requiring_device: false,
            claims: Vec::new(),
            retry_limit: None,
            state: None,
            later: Later::default(),
        }
    }

    /// So many notification libraries, more than the line speaks of.
    pub(crate) fn notifyees(mut self, count: usize) -> Self {
        self.notifyees.extend((self.notifyees.len()..count).map(|at| self.script.notifyee(at + 1)));
        self
    }

    /// So many providers, whatever the line speaks of.
    pub(crate) fn providers(mut self, count: usize) -> Self {
        self.providers.truncate(count);
        self.providers.extend((self.providers.len()..count).map(|at| self.script.provider(at + 1)));
        self
    }

    /// Tells notification library N1, N2, … more about its part.
    pub(crate) fn notifyee(
        mut self,
        number: usize,
        change: impl FnOnce(ScriptedNotifyee) -> ScriptedNotifyee,
    ) -> Self {
        let changed = change(self.notifyees.remove(number - 1));
        self.notifyees.insert(number - 1, changed);
        self
    }

    /// Tells provider P1, P2, … more about its part.
    pub(crate) fn provider(
        mut self,
        number: usize,
        change: impl FnOnce(ScriptedProvider) -> ScriptedProvider,
    ) -> Self {
        let changed = change(self.providers.remove(number - 1));
        self.providers.insert(number - 1, changed);
        self
    }

    /// Every provider's network takes no connection without a local device.
    pub(crate) fn requiring_device(self) -> Self {
        Scene { requiring_device: true, ..self }
    }

    /// Declares that provider P1, P2, … has names of these schemes, on these servers, with these beginnings.
    pub(crate) fn declaring(
        mut self,
        number: usize,
        schemes: &[&str],
        hosts: &[&str],
        prefixes: &[&str],
    ) -> Self {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        self.claims.push((number, Claims::new(&owned(schemes), &owned(hosts), &owned(prefixes))));
        self
    }

    pub(crate) fn retry_limit(self, limit: u32) -> Self {
        Scene { retry_limit: Some(limit), ..self }
    }

    /// Gives the router a place for remembered connections, with these in it.
    pub(crate) fn remembering(self, connections: &str) -> Self {
        let state = tempfile::tempdir().expect("a temporary directory");
        if !connections.is_empty() {
            std::fs::write(state.path().join("connections.toml"), connections).expect("a file of our own");
        }
        Scene { state: Some(state), ..self }
    }

    /// The line.
    pub(crate) fn script(&self) -> &Script {
        &self.script
    }

    /// Provider P1, P2, …, for another party to look at. It must have been told its part.
    pub(crate) fn provider_handle(&self, number: usize) -> ScriptedProvider {
        self.providers[number - 1].clone()
    }

    /// The router that is not there yet.
    pub(crate) fn later(&self) -> Later {
        self.later.clone()
    }

    pub(crate) fn open(self) -> Stage {
        let mut builder = Router::builder();
        for (at, provider) in self.providers.iter().enumerate() {
            let name = format!("P{}", at + 1);
            builder = match self.requiring_device {
                true => builder.provider_requiring_device(&name, provider.clone()),
                false => builder.provider(&name, provider.clone()),
            };
            if let Some((_, claims)) = self.claims.iter().find(|(number, _)| *number == at + 1) {
                builder = builder.with_names(claims.clone());
            }
        }
        for (at, notifyee) in self.notifyees.into_iter().enumerate() {
            builder = builder.notifyee(&format!("N{}", at + 1), notifyee);
        }
        if let Some(limit) = self.retry_limit {
            builder = builder.retry_limit(limit);
        }
        if let Some(state) = &self.state {
            builder = builder.state_dir(state.path());
        }
        self.later.0.set(builder.build()).expect("a scene is opened once");
        let Scene { script, providers, state, later, .. } = self;
        Stage { script, providers, state, later }
    }

    /// Plays the line with this operation.
    #[track_caller]
    pub(crate) fn plays(self, operation: impl Operation) {
        self.open().plays(operation);
    }
}

/// A scene with its router.
pub(crate) struct Stage {
    pub(crate) script: Script,
    pub(crate) providers: Vec<ScriptedProvider>,
    state: Option<TempDir>,
    later: Later,
}

impl Stage {
    pub(crate) fn router(&self) -> &Router {
        self.later.router()
    }

    /// Plays the line with this operation and compares the whole of it.
    #[track_caller]
    pub(crate) fn plays(&self, operation: impl Operation) {
        let result = operation.run(self.router());
        self.script.was_played(result);
    }

    /// The file of remembered connections; empty if there is none.
    pub(crate) fn connections(&self) -> String {
        let state = self.state.as_ref().expect("a scene that remembers");
        std::fs::read_to_string(state.path().join("connections.toml")).unwrap_or_default()
    }
}

/// Something the router is asked to do.
pub(crate) trait Operation {
    fn run(self, router: &Router) -> Status;
}

impl<F: FnOnce(&Router) -> Result<(), Status>> Operation for F {
    fn run(self, router: &Router) -> Status {
        self(router).into()
    }
}

/// `WNetAddConnection2({dwType=1, lpLocalName="Z:", lpRemoteName="\\srv\share"}, NULL, NULL, 0)`, the default
/// operation of `spec/notification.md` §16.
pub(crate) const ADD: Add = Add {
    owner: 0,
    kind: 1,
    local: Some("Z:"),
    remote: Some(r"\\srv\share"),
    provider: None,
    user: None,
    password: None,
    flags: 0,
};

/// `WNetCancelConnection2("Z:", 0, FALSE)`.
pub(crate) const CANCEL: Cancel = Cancel { name: "Z:", flags: 0, force: false };

/// Arguments of an add function.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Add {
    pub(crate) owner: usize,
    pub(crate) kind: u32,
    pub(crate) local: Option<&'static str>,
    pub(crate) remote: Option<&'static str>,
    pub(crate) provider: Option<&'static str>,
    pub(crate) user: Option<&'static str>,
    pub(crate) password: Option<&'static str>,
    pub(crate) flags: u32,
}

impl Add {
    fn with<T>(self, call: impl FnOnce(&AddRequest<'_>) -> T) -> T {
        let owned =
            [self.local, self.remote, self.provider, self.user, self.password].map(|text| text.map(wide));
        let [local, remote, provider, user, password] = owned.each_ref().map(Option::as_deref);
        call(&AddRequest {
            owner: without_provenance_mut(self.owner),
            kind: self.kind,
            local,
            remote,
            provider,
            credentials: Credentials::Password { user, password },
            flags: self.flags,
            ..AddRequest::default()
        })
    }

    /// Calls an add function.
    pub(crate) fn add(self, router: &Router) -> Result<(), Status> {
        self.with(|request| router.add_connection(request))
    }

    /// Calls a use function with room for so many units; returns the access name.
    pub(crate) fn use_with_room(self, router: &Router, room: u32) -> Result<String, UseError> {
        self.use_with(router, Some(access(Some(room))))
    }

    /// Calls a use function; returns the access name.
    pub(crate) fn use_with(self, router: &Router, access: Option<AccessBuffer>) -> Result<String, UseError> {
        self.with(|request| {
            router.use_connection(request, access).map(|added| added.access_name().to_string_lossy())
        })
    }
}

/// Room for an access name, counted in UTF-16 units.
pub(crate) fn access(capacity: Option<u32>) -> AccessBuffer {
    AccessBuffer { capacity, length: |name| u32::try_from(name.len()).expect("a short name") + 1 }
}

impl Operation for Add {
    fn run(self, router: &Router) -> Status {
        self.add(router).into()
    }
}

/// Arguments of a cancel function.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cancel {
    pub(crate) name: &'static str,
    pub(crate) flags: u32,
    pub(crate) force: bool,
}

impl Operation for Cancel {
    fn run(self, router: &Router) -> Status {
        let name: WideString = wide(self.name);
        router.cancel_connection(&CancelRequest { name: &name, flags: self.flags, force: self.force }).into()
    }
}
