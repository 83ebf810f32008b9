//! A plain operation takes a short way through the router. It tells the same libraries the same and asks the same
//! providers the same, and comes to the same, as the long one, which an operation takes that somebody watches.

use mpr::{AddRequest, CancelRequest, Credentials, Router, extended_error, trace};
use mpr_core::claims::Claims;
use mpr_plugin::abi::{
    CONNECT_INTERACTIVE, CONNECT_REDIRECT, CONNECT_TEMPORARY, CONNECT_UPDATE_PROFILE, CONNECT_UPDATE_RECENT,
    NOTIFYINFO, WNNC_CON_ADDCONNECTION, WNNC_CON_ADDCONNECTION3, WNNC_CON_ADDCONNECTION4,
    WNNC_CON_CANCELCONNECTION, WNNC_CON_CANCELCONNECTION2,
};
use mpr_plugin::{
    AddConnection, AddNotice, AuthBuffer, CancelConnection, CancelNotice, Capabilities, Event,
    NetworkProvider, Notifyee, Status, last_error, wide,
};
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Debug, Clone)]
struct Provider {
    can: u32,
    answer: u32,
    /// Whether it records an error of its own.
    records: bool,
    requires_device: bool,
    /// The server whose names are declared to be its own.
    host: Option<&'static str>,
}

/// What a notification library answers, in turn, and whether it leaves a context.
type Library = Vec<(u32, bool)>;

#[derive(Debug, Clone)]
struct Parties {
    providers: Vec<Provider>,
    libraries: Vec<Library>,
}

#[derive(Debug, Clone)]
struct Question {
    owner: usize,
    kind: u32,
    local: Option<&'static str>,
    name: Option<&'static str>,
    provider: Option<&'static str>,
    user: Option<&'static str>,
    password: Option<&'static str>,
    /// In place of user and password.
    buffer: bool,
    use_options: &'static [u8],
    flags: u32,
    force: bool,
}

fn provider() -> impl Strategy<Value = Provider> {
    let can = select(vec![
        0,
        WNNC_CON_ADDCONNECTION | WNNC_CON_CANCELCONNECTION,
        WNNC_CON_ADDCONNECTION3 | WNNC_CON_CANCELCONNECTION2,
        WNNC_CON_ADDCONNECTION4,
    ]);
    let answer = select(vec![0, 0, 67, 53, 5, 170, 1222, 2250, 234, 50]);
    let host = select(vec![None, None, None, Some("srv"), Some("other")]);
    let rarely = prop::bool::weighted(0.1);
    (can, answer, any::<bool>(), rarely, host).prop_map(|(can, answer, records, requires_device, host)| {
        Provider { can, answer, records, requires_device, host }
    })
}

fn parties() -> impl Strategy<Value = Parties> {
    let answer = (prop_oneof![6 => Just(0), 2 => Just(1237), 1 => Just(1223), 1 => Just(5)], any::<bool>());
    let library = prop::collection::vec(answer, 1..6);
    let libraries = prop_oneof![Just(Vec::new()), prop::collection::vec(library, 1..=2)];
    (prop::collection::vec(provider(), 0..=3), libraries)
        .prop_map(|(providers, libraries)| Parties { providers, libraries })
}

fn question() -> impl Strategy<Value = Question> {
    const FLAGS: [u32; 6] = [
        CONNECT_INTERACTIVE,
        CONNECT_TEMPORARY,
        CONNECT_UPDATE_PROFILE,
        CONNECT_UPDATE_RECENT,
        CONNECT_REDIRECT,
        1 << 31,
    ];
    let flags = prop_oneof![
        4 => Just(0),
        3 => select(FLAGS.to_vec()),
        1 => (select(FLAGS.to_vec()), select(FLAGS.to_vec())).prop_map(|(one, other)| one | other),
    ];
    let usually = |usual: Option<&'static str>, others: Vec<Option<&'static str>>| prop_oneof![4 => Just(usual), 1 => select(others)];
    let texts = (
        usually(None, vec![Some(""), Some("Z:"), Some("LPT1"), Some("nonsense")]),
        usually(
            Some(r"\\srv\share"),
            vec![None, Some(""), Some("//srv/share"), Some("smb://me@srv/share"), Some("srv")],
        ),
        usually(None, vec![Some(""), Some("P1"), Some("nobody")]),
        usually(None, vec![Some(""), Some("me")]),
        usually(None, vec![Some(""), Some("secret")]),
    );
    let rarely = || prop::bool::weighted(0.1);
    let rest = (0..3_usize, 0..4_u32, rarely(), rarely(), flags, any::<bool>());
    (texts, rest).prop_map(
        |((local, name, provider, user, password), (owner, kind, buffer, options, flags, force))| {
            let use_options: &[u8] = if options { b"fast" } else { b"" };
            Question { owner, kind, local, name, provider, user, password, buffer, use_options, flags, force }
        },
    )
}

/// A network with one answer, which writes down what it was asked.
struct Network {
    number: usize,
    part: Provider,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Network {
    fn answer(&self, question: String) -> Result<(), Status> {
        self.asked.lock().unwrap().push(format!("P{}: {question}", self.number));
        if self.part.records {
            last_error::set(self.part.answer, "why", "P");
        }
        Status(self.part.answer).ok()
    }
}

impl NetworkProvider for Network {
    fn capabilities(&self) -> Capabilities {
        Capabilities { connection: self.part.can, ..Capabilities::default() }
    }

    fn add_connection(&self, add: &AddConnection<'_>) -> Result<(), Status> {
        self.answer(format!("{add:?} with {:?}", add.password))
    }

    fn cancel_connection(&self, cancel: &CancelConnection<'_>) -> Result<(), Status> {
        self.answer(format!("{cancel:?}"))
    }
}

/// A notification library that writes down what it was told.
struct Listener {
    number: usize,
    answers: Library,
    calls: AtomicUsize,
    told: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    fn told(&self, info: &mut NOTIFYINFO, notice: &dyn std::fmt::Debug) -> Status {
        let NOTIFYINFO { dwNotifyStatus: when, dwOperationStatus: status, lpContext: context } = *info;
        let context = context.expose_provenance();
        self.told.lock().unwrap().push(format!("N{}: {when} {status} {context} {notice:?}", self.number));
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let (answer, leaves_context) = self.answers[call % self.answers.len()];
        info.lpContext = std::ptr::without_provenance_mut(if leaves_context { call + 1 } else { 0 });
        Status(answer)
    }
}

impl Notifyee for Listener {
    fn wants(&self, _: Event) -> bool {
        true
    }

    fn add_connect_notify(&self, info: &mut NOTIFYINFO, add: &AddNotice<'_>) -> Status {
        self.told(info, add)
    }

    fn cancel_connect_notify(&self, info: &mut NOTIFYINFO, cancel: &CancelNotice<'_>) -> Status {
        self.told(info, cancel)
    }
}

impl Question {
    fn add(&self, router: &Router) -> Result<(), Status> {
        let owned =
            [self.local, self.name, self.provider, self.user, self.password].map(|text| text.map(wide));
        let [local, remote, provider, user, password] = owned.each_ref().map(Option::as_deref);
        let credentials = match self.buffer {
            true => Credentials::Buffer(AuthBuffer { auth: b"ticket", use_options: self.use_options }),
            false => Credentials::Password { user, password },
        };
        router.add_connection(&AddRequest {
            owner: std::ptr::without_provenance_mut(self.owner),
            kind: self.kind,
            local,
            remote,
            provider,
            credentials,
            use_options: self.use_options,
            flags: self.flags,
            ..AddRequest::default()
        })
    }

    fn cancel(&self, router: &Router) -> Result<(), Status> {
        let name = wide(self.name.unwrap_or_default());
        router.cancel_connection(&CancelRequest { name: &name, flags: self.flags, force: self.force })
    }
}

/// Everything that can be seen of an operation: its result, what was told and asked, what was recorded.
type Seen = (Result<(), Status>, Vec<String>, extended_error::ExtendedError);

fn seen(
    parties: &Parties,
    operate: impl Fn(&Router) -> Result<(), Status>,
    in_some_way: impl FnOnce(&dyn Fn() -> Result<(), Status>) -> Result<(), Status>,
) -> Seen {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let mut builder = Router::builder();
    for (at, answers) in parties.libraries.iter().enumerate() {
        let (answers, told) = (answers.clone(), Arc::clone(&asked));
        let listener = Listener { number: at + 1, answers, calls: AtomicUsize::new(0), told };
        builder = builder.notifyee(&format!("N{}", at + 1), listener);
    }
    for (at, part) in parties.providers.iter().enumerate() {
        let network = Network { number: at + 1, part: part.clone(), asked: Arc::clone(&asked) };
        let name = format!("P{}", at + 1);
        builder = match part.requires_device {
            true => builder.provider_requiring_device(&name, network),
            false => builder.provider(&name, network),
        };
        if let Some(host) = part.host {
            builder = builder.with_names(Claims::new(&[], &[host.to_owned()], &[]));
        }
    }
    let router = builder.build();
    extended_error::record(7, &wide("of before"), &wide("P0"));
    let result = in_some_way(&|| operate(&router));
    let asked = std::mem::take(&mut *asked.lock().unwrap());
    (result, asked, extended_error::recorded())
}

fn comes_to_the_same(
    parties: &Parties,
    operate: impl Fn(&Router) -> Result<(), Status>,
) -> Result<Seen, TestCaseError> {
    let unattended = seen(parties, &operate, |operation| operation());
    let watched = seen(parties, &operate, |operation| trace::watch(|_| {}, operation));
    prop_assert_eq!(&unattended, &watched);
    Ok(unattended)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_connect_nobody_watches_comes_to_the_same_as_one_that_is_watched(
        parties in parties(),
        question in question(),
    ) {
        _ = comes_to_the_same(&parties, |router| question.add(router))?;
    }

    #[test]
    fn a_cancel_nobody_watches_comes_to_the_same_as_one_that_is_watched(
        parties in parties(),
        question in question(),
    ) {
        _ = comes_to_the_same(&parties, |router| question.cancel(router))?;
    }
}

/// The comparison above is worth what it sees.
#[test]
fn what_the_parties_are_told_and_asked_is_seen() {
    let part = Provider {
        can: WNNC_CON_ADDCONNECTION3 | WNNC_CON_CANCELCONNECTION,
        answer: 5,
        records: true,
        requires_device: false,
        host: None,
    };
    let question = Question {
        owner: 0,
        kind: 1,
        local: None,
        name: Some(r"\\srv\share"),
        provider: None,
        user: Some("me"),
        password: Some("secret"),
        buffer: false,
        use_options: b"",
        flags: 0,
        force: true,
    };
    let parties = Parties { providers: vec![part.clone(), part], libraries: vec![vec![(0, true)]] };
    for seen in [
        comes_to_the_same(&parties, |router| question.add(router)),
        comes_to_the_same(&parties, |router| question.cancel(router)),
    ] {
        let (result, asked, recorded) = seen.unwrap();
        assert_eq!((result, asked.len(), recorded.code), (Err(Status::ACCESS_DENIED), 4, 5));
        assert!(asked.iter().all(|asked| asked.contains("share")), "{asked:?}");
    }
}
