//! What is put down of an operation for whoever wants to know.

use crate::scene::{ADD, Add, CANCEL, Operation as _, Scene};
use mpr::trace::{self, Decider, Kind, Operation, Sight, What, When};
use mpr::{AddRequest, Router};
use mpr_plugin::{AddNotice, Attempt, Before, ConnectNotify, Status, Veto, wide};
use mpr_testkit::Pass;
use std::cell::RefCell;
use std::rc::Rc;

/// What was put down of the operations of `work`, the first to end first.
fn traced<T>(work: impl FnOnce() -> T) -> Vec<Operation> {
    let ended = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&ended);
    let watcher = move |sight: Sight<'_>| {
        if let Sight::Ends(operation) = sight {
            seen.borrow_mut().push(operation.clone());
        }
    };
    trace::watch(watcher, work);
    ended.take()
}

fn played(script: &str, operation: impl crate::scene::Operation) -> Operation {
    let mut ended = traced(|| Scene::of(script).plays(operation));
    assert_eq!(ended.len(), 1);
    ended.pop().unwrap()
}

/// Each step in a word: who, when, what was answered.
fn steps(operation: &Operation) -> Vec<String> {
    let step = |step: &trace::Step| match &step.what {
        What::Notified { listener, when: When::Pre, told } => {
            format!("{listener} pre {told} → {}", step.answer)
        }
        What::Notified { listener, when: When::Post, told } => {
            format!("{listener} post {told} → {}", step.answer)
        }
        What::Asked { provider, device: None } => format!("{provider} → {}", step.answer),
        What::Asked { provider, device: Some(device) } => format!("{provider} {device} → {}", step.answer),
        What::Attempted => format!("attempt → {}", step.answer),
        What::Saved => format!("saved → {}", step.answer),
    };
    operation.steps.iter().map(step).collect()
}

#[test]
fn every_step_is_put_down_in_its_order() {
    let added = played(
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→2250 · P2→0 · N1.post(0,c1)→0 · N2.post(0,c2)→0 ⇒0",
        ADD,
    );
    assert_eq!(
        steps(&added),
        [
            "N2 pre 0 → 0",
            "N1 pre 0 → 0",
            "P1 → 2250",
            "P2 → 0",
            "attempt → 0",
            "N1 post 0 → 0",
            "N2 post 0 → 0"
        ]
    );
    assert_eq!(added.request.remote.as_deref(), Some(r"\\srv\share"));
    assert_eq!((added.status, added.decided), (0, Decider::Provider("P2".into())));
    let cancelled = played("N1.pre(0)→0,c1 · P1→0 · N1.post(0,c1)→0 ⇒0", CANCEL);
    assert_eq!(steps(&cancelled), ["N1 pre 0 → 0", "P1 → 0", "attempt → 0", "N1 post 0 → 0"]);
    assert_eq!(cancelled.request.local.as_deref(), Some("Z:"));
}

#[test]
fn it_is_known_who_decided() {
    let listener = |name: &str| Decider::Listener(name.into());
    let provider = |name: &str| Decider::Provider(name.into());
    for (script, decided) in [
        ("N2.pre(0)→0,c2 · N1.pre(0)→1223 · N2.post(1223,c2)→5 ⇒1223", listener("N1")),
        ("P1→2250 · P2→86 ⇒86", provider("P2")),
        ("P1→67 · P2→2250 ⇒67", provider("P1")),
        ("N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→5 ⇒5", listener("N1")),
        ("N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→53 ⇒53", provider("P1")),
        ("N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1223 ⇒1223", listener("N1")),
        ("N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · P1→0 · N1.post(0,c1)→0 ⇒0", provider("P1")),
        (
            "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · N2.post(53,c2)→0 \
             · N2.pre(1237)→5 · N1.post(5,c1)→0 ⇒5",
            listener("N2"),
        ),
    ] {
        let mut ended = traced(|| Scene::of(script).plays(ADD));
        let operation = ended.pop().unwrap();
        assert_eq!(operation.decided, decided, "{script}: {:?}", steps(&operation));
    }
}

#[test]
fn a_request_the_router_refuses_is_an_operation_without_steps() {
    let router = Router::builder().build();
    let remote = wide("smb://ann:hunter2@nas/photos");
    let user = wide("ann");
    let request = AddRequest {
        remote: Some(&remote),
        credentials: mpr::Credentials::Password { user: Some(&user), password: Some(&remote) },
        ..AddRequest::default()
    };
    let ended = traced(|| router.add_connection(&request).is_err());
    assert_eq!(ended[0].status, Status::BAD_VALUE.0);
    assert_eq!((steps(&ended[0]).len(), &ended[0].decided), (0, &Decider::Router));
    let text = serde_json::to_string(&ended[0]).unwrap();
    assert!(!text.contains("hunter2") && text.contains("smb://nas/photos"), "{text}");
}

#[test]
fn an_operation_within_a_notification_knows_the_one_around_it() {
    let scene = Scene::of(
        "N1.pre(0)→0,c1 · P1{lpLocalName=\"Y:\"}→0 · P1{lpLocalName=\"Z:\"}→0 · N1.post(0,c1)→0 ⇒0",
    );
    let later = scene.later();
    let other = Add { local: Some("Y:"), remote: Some(r"\\srv\nested"), ..ADD };
    let ended = traced(|| {
        scene
            .notifyee(1, |n| {
                n.doing(move |called| {
                    if called.pass == Pass::Pre {
                        assert_eq!(other.run(later.router()), Status::SUCCESS);
                    }
                })
            })
            .plays(ADD);
    });
    let [inner, outer] = &*ended else { panic!("{ended:?}") };
    assert_eq!(inner.parent.as_ref(), Some(&outer.operation));
    assert_eq!(outer.parent, None);
    assert_ne!(inner.operation, outer.operation);
    assert_eq!(inner.steps.len(), 2, "what happened inside is not put down twice");
}

struct Objects;

impl ConnectNotify for Objects {
    type Context = ();

    fn name(&self) -> &str {
        "objector"
    }

    fn before_add(&self, _: &AddNotice<'_>, _: Attempt) -> Before<()> {
        Before::Veto(Veto::because("not on a Sunday"))
    }
}

#[test]
fn the_reason_of_a_veto_is_put_down() {
    let scene = Scene::of("⇒1223");
    let router =
        Router::builder().provider("P", scene.provider_handle(1)).listener("objects", Objects).build();
    let remote = wide(r"\\nas\photos");
    let request = AddRequest { remote: Some(&remote), ..AddRequest::default() };
    let ended = traced(|| assert_eq!(router.add_connection(&request).unwrap_err(), Status::CANCEL));
    let reason = ended[0].reason.as_ref().unwrap();
    assert_eq!((&*reason.text, &*reason.by), ("not on a Sunday", "objector"));
    assert_eq!(ended[0].decided, Decider::Listener("objects".into()));
}

#[test]
fn what_is_remembered_of_a_connection_that_exists_is_put_down_too() {
    let stage = Scene::of("⇒0").provider(1, |p| p.connected(Some("Z:"), r"\\s\x")).remembering("").open();
    let ended = traced(|| {
        for (local, value) in [("Z:", 1), ("Y:", 1), ("Z:", 0), ("Y:", 0)] {
            _ = stage.router().set_connection(&wide(local), 1, value);
        }
    });
    let told = |operation: &Operation| {
        let request = &operation.request;
        (operation.kind, request.local.clone().unwrap(), request.remote.clone(), operation.status)
    };
    let (y, z) = (|| "Y:".to_owned(), || "Z:".to_owned());
    assert_eq!(
        ended.iter().map(told).collect::<Vec<_>>(),
        [
            (Kind::Remember, z(), Some(r"\\s\x".to_owned()), 0),
            (Kind::Remember, y(), None, 2250),
            (Kind::Forget, z(), None, 0),
            (Kind::Forget, y(), None, 2250),
        ]
    );
    assert_eq!(ended.iter().flat_map(steps).collect::<Vec<_>>(), ["saved → 0", "saved → 0", "saved → 2250"]);
    assert_eq!(ended[0].decided, Decider::Store);
}
