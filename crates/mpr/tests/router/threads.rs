//! Many operations at once: `spec/notification.md` §13, `spec/provider.md` P3.

use crate::scene::{ADD, Add, Operation, Scene};
use mpr::{AddRequest, CancelRequest, Router};
use mpr_plugin::abi::{RESOURCE_CONNECTED, RESOURCE_GLOBALNET, RESOURCE_RECENT, RESOURCE_REMEMBERED};
use mpr_plugin::{Status, wide};
use mpr_testkit::{Ledger, ModelNetwork, Pass, Reply};
use std::sync::{Arc, Condvar, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

/// Far more than anything here takes; reached only when somebody waits for ever.
const TOO_LONG: Duration = Duration::from_secs(60);

/// A place where so many threads must be at the same time.
struct Meeting {
    expected: usize,
    there: Mutex<usize>,
    all_there: Condvar,
}

impl Meeting {
    fn of(expected: usize) -> Arc<Self> {
        Arc::new(Meeting { expected, there: Mutex::new(0), all_there: Condvar::new() })
    }

    /// Waits for the others. Who comes later passes through.
    fn attend(&self) {
        let mut there = self.there.lock().unwrap();
        *there += 1;
        self.all_there.notify_all();
        let waited = self.all_there.wait_timeout_while(there, TOO_LONG, |there| *there < self.expected);
        assert!(
            !waited.unwrap().1.timed_out(),
            "the others are kept out: a lock is held while this is called"
        );
    }
}

/// Runs `work`, and fails instead of waiting for ever.
fn in_time(work: impl FnOnce() + Send + 'static) {
    let (done, wait) = mpsc::channel();
    let worker = thread::spawn(move || {
        work();
        _ = done.send(());
    });
    match wait.recv_timeout(TOO_LONG) {
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("a deadlock: nothing moves any more"),
    }
}

#[test]
fn s73_two_threads_are_in_the_same_library_at_once_and_contexts_do_not_mix() {
    in_time(|| {
        // Which thread gets c1 is not decided; that it gets back what it left is.
        let meeting = Meeting::of(2);
        let stage =
            Scene::of("N1.pre(0)→0,c1 · N1.pre(0)→0,c2 · P1→0 · P1→0 · N1.post(0,c1)→0 · N1.post(0,c2)→0 ⇒0")
                .notifyee(1, |n| {
                    n.doing(move |called| {
                        if called.pass == Pass::Pre {
                            meeting.attend()
                        }
                    })
                })
                .open();
        let (y, z) = (Add { local: Some("Y:"), remote: Some(r"\\srv\y"), ..ADD }, ADD);
        let ids = thread::scope(|scope| {
            let threads = [y, z].map(|add| {
                let stage = &stage;
                scope.spawn(move || {
                    assert_eq!(add.run(stage.router()), Status::SUCCESS);
                    thread::current().id()
                })
            });
            threads.map(|thread| thread.join().unwrap())
        });
        let records = stage.script.transcript().records();
        assert_eq!(records.len(), 6);
        let mut contexts = Vec::new();
        for id in ids {
            let own: Vec<&str> =
                records.iter().filter(|record| record.thread == id).map(|record| &*record.text).collect();
            let context = own[0].strip_prefix("N1.pre(0)→0,").unwrap();
            assert_eq!(own[1..], ["P1→0".to_owned(), format!("N1.post(0,{context})→0")]);
            contexts.push(context);
        }
        contexts.sort_unstable();
        assert_eq!(contexts, ["c1", "c2"]);
    });
}

#[test]
fn d28_two_threads_are_between_pre_and_post_and_in_post_at_once() {
    for pass in [Pass::Pre, Pass::Post] {
        in_time(move || {
            let meeting = Meeting::of(4);
            let ledger = Ledger::answering(move |called| {
                if called.pass == pass {
                    meeting.attend();
                }
                Reply::WATCH
            });
            let network = ModelNetwork::of(r"\\srv\");
            let router = Router::builder()
                .provider("Model", network.clone())
                .notifyee("ledger", ledger.clone())
                .build();
            thread::scope(|scope| {
                for number in 0..4 {
                    let router = &router;
                    scope.spawn(move || {
                        assert_eq!(connect(router, None, &format!(r"\\srv\{number}")), Ok(()))
                    });
                }
            });
            assert_eq!(network.connections().len(), 4);
            ledger.balances();
        });
    }
}

#[test]
fn p3_a_provider_is_called_from_two_threads_at_once() {
    in_time(|| {
        let meeting = Meeting::of(2);
        let stage = Scene::of("P1→0 · P1→0 ⇒0").provider(1, |p| p.doing(move |_| meeting.attend())).open();
        thread::scope(|scope| {
            for add in [ADD, Add { local: Some("Y:"), ..ADD }] {
                let stage = &stage;
                scope.spawn(move || assert_eq!(add.run(stage.router()), Status::SUCCESS));
            }
        });
        stage.script.was_played(Status::SUCCESS);
    });
}

fn connect(router: &Router, local: Option<&str>, remote: &str) -> Result<(), Status> {
    let (local, remote) = (local.map(wide), wide(remote));
    let request = AddRequest { local: local.as_deref(), remote: Some(&remote), ..AddRequest::default() };
    router.add_connection(&request)
}

fn disconnect(router: &Router, name: &str) -> Result<(), Status> {
    router.cancel_connection(&CancelRequest { name: &wide(name), flags: 0, force: false })
}

/// One of everything a notification library may do within a call (DECISION 29).
fn everything(router: &Router) {
    let (z, name) = (wide("Z:"), wide(r"\\model\nested"));
    // Others may be at it at the same time: what comes of it is not the point, that it comes back is.
    _ = connect(router, None, r"\\model\nested");
    _ = connect(router, None, r"\\elsewhere\x");
    _ = disconnect(router, r"\\model\nested");
    _ = router.connection(&z);
    _ = router.user(Some(&z));
    _ = router.user(None);
    _ = router.universal_name(&wide(r"Z:\a"));
    _ = router.performance(Some(&z), None, None);
    _ = router.resource_information(Some(&name), 0, None);
    _ = router.resource_parent(Some(&name), 0, Some(&wide("Model")));
    _ = router.network_information(&wide("Model"));
    _ = router.provider_name(0x6F_0000);
    for scope in [RESOURCE_CONNECTED, RESOURCE_GLOBALNET, RESOURCE_REMEMBERED, RESOURCE_RECENT] {
        let mut entries = router.open_enum(scope, 0, 0, None).expect("there is a provider and a store");
        while let Ok(Some(_)) = entries.next_entry() {}
        _ = entries.close();
    }
    _ = router.set_connection(&z, 1, 0);
    _ = router.restore_one(&z, None);
    _ = router.restore_all(None);
    _ = router.registrations().count() + router.network_providers().count() + router.problems().len();
}

#[test]
fn d28_libraries_that_call_back_for_everything_meet_no_lock_and_every_context_comes_back() {
    in_time(|| {
        const THREADS: usize = 8;
        const ROUNDS: usize = 25;
        let state = tempfile::tempdir().unwrap();
        let later: Arc<OnceLock<Router>> = Arc::default();
        let calling_back = || {
            let later = Arc::clone(&later);
            Ledger::answering(move |_| {
                everything(later.get().expect("the router is there before its libraries are called"));
                Reply::WATCH
            })
        };
        // Two that call back, so that each also hears of what the other does, and one that only listens.
        let ledgers = [calling_back(), Ledger::default(), calling_back()];
        let network = ModelNetwork::of(r"\\model\");
        let mut builder = Router::builder().state_dir(state.path()).provider("Model", network.clone());
        for ledger in &ledgers {
            builder = builder.notifyee("ledger", ledger.clone());
        }
        let router = later.get_or_init(|| builder.build());
        thread::scope(|scope| {
            for number in 0..THREADS {
                scope.spawn(move || {
                    let device = format!("{}:", char::from(b'C' + u8::try_from(number).unwrap()));
                    for round in 0..ROUNDS {
                        let remote = format!(r"\\model\{number}-{round}");
                        assert_eq!(connect(router, Some(&device), &remote), Ok(()));
                        let found = router.connection(&wide(&device)).unwrap();
                        assert_eq!(found.remote().to_string_lossy(), remote);
                        assert_eq!(disconnect(router, &device), Ok(()));
                    }
                });
            }
        });
        for ledger in &ledgers {
            ledger.balances();
            // Two of the three are at least called for their own operations, before and after.
            assert!(ledger.calls() >= THREADS * ROUNDS * 4, "{}", ledger.calls());
        }
        let left: Vec<_> =
            network.connections().into_iter().filter(|connection| connection.contains(':')).collect();
        assert_eq!(left, [""; 0]);
    });
}

#[test]
fn s7_retries_and_vetoes_on_many_threads_lose_no_context() {
    in_time(|| {
        let network = ModelNetwork::of(r"\\model\");
        // Refuses some, has others tried again once, and is content with the rest.
        let capricious = |salt: usize| {
            Ledger::answering(move |called| {
                let name =
                    called.fields.value("lpRemoteName").len() + called.fields.value("lpName").len() + salt;
                match (called.pass, name % 4) {
                    (Pass::Pre, 0) => Reply { status: Status::CANCEL, context: true },
                    (Pass::Pre, 1) => Reply { status: Status::SUCCESS, context: false },
                    (Pass::Post, 2) if !called.status.is_success() => {
                        Reply { status: Status::RETRY, context: true }
                    }
                    _ => Reply::WATCH,
                }
            })
        };
        let ledgers = [capricious(0), capricious(1), capricious(2)];
        let mut builder = Router::builder().retry_limit(2).provider("Model", network.clone());
        for ledger in &ledgers {
            builder = builder.notifyee("ledger", ledger.clone());
        }
        let router = builder.build();
        thread::scope(|scope| {
            for number in 0..8 {
                let router = &router;
                scope.spawn(move || {
                    for length in 0..40 {
                        let name = format!(r"\model\{number}{}", "x".repeat(length));
                        // Every third does not exist, so that there is something to try again.
                        let server = if length % 3 == 0 { r"\other" } else { r"\" };
                        _ = connect(router, None, &format!("{server}{name}"));
                        _ = disconnect(router, &format!(r"\{name}"));
                    }
                });
            }
        });
        for ledger in &ledgers {
            ledger.balances();
            assert!(
                ledger.calls() > 200,
                "{}: the others must not have refused nearly everything",
                ledger.calls()
            );
        }
    });
}
