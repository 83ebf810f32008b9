//! Callbacks that call back, and callbacks that go wrong: `spec/notification.md` §13.

use crate::scene::{ADD, Add, CANCEL, Later, Operation, Scene};
use mpr::{AddRequest, Router};
use mpr_plugin::{AddNotice, After, Attempt, Before, ConnectNotify, Status, wide};
use mpr_testkit::{Notification, Pass};
use std::sync::atomic::{AtomicUsize, Ordering};

const OTHER: Add = Add { local: Some("Y:"), remote: Some(r"\\srv\nested"), ..ADD };

/// Runs a nested operation in the calls of one pass about the outer remote name.
fn within(pass: Pass, later: Later, operation: impl Operation + Copy) -> impl Fn(&Notification) {
    move |called| {
        if called.pass == pass && called.fields.value("lpRemoteName") == r#""\\srv\share""# {
            assert_eq!(operation.run(later.router()), Status::SUCCESS);
        }
    }
}

#[test]
fn s72_who_connects_within_pre_is_left_out_of_the_nested_operation_and_the_others_are_not() {
    let scene = Scene::of(
        "N2.pre(0){lpLocalName=\"Z:\"}→0,c2 · N1.pre(0){lpLocalName=\"Z:\"}→0,c1 \
         · N2.pre(0){lpLocalName=\"Y:\"}→0,d2 · P1{lpLocalName=\"Y:\"}→0 · N2.post(0,d2){lpLocalName=\"Y:\"}→0 \
         · P1{lpLocalName=\"Z:\"}→0 · N1.post(0,c1){lpLocalName=\"Z:\"}→0 · N2.post(0,c2){lpLocalName=\"Z:\"}→0 ⇒0",
    );
    let later = scene.later();
    scene.notifyee(1, |n| n.doing(within(Pass::Pre, later, OTHER))).plays(ADD);
}

#[test]
fn s72_who_connects_within_post_is_left_out_of_the_nested_operation() {
    let scene = Scene::of(
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1{lpLocalName=\"Z:\"}→0 · N1.post(0,c1)→0 \
         · N2.pre(0)→0,d2 · P1{lpLocalName=\"Y:\"}→0 · N2.post(0,d2)→0 · N2.post(0,c2)→0 ⇒0",
    );
    let later = scene.later();
    scene.notifyee(1, |n| n.doing(within(Pass::Post, later, OTHER))).plays(ADD);
}

#[test]
fn d29_a_cancel_within_an_add_leaves_its_author_out_too() {
    let scene =
        Scene::of("N1.pre(0)→0,c1 · P1{lpName=\"Z:\"}→0 · P1{lpLocalName=\"Z:\"}→0 · N1.post(0,c1)→0 ⇒0");
    let later = scene.later();
    scene.notifyee(1, |n| n.doing(within(Pass::Pre, later, CANCEL))).plays(ADD);
}

#[test]
fn d29_two_deep_everybody_who_is_being_called_is_left_out() {
    // N1 connects within its PRE of the outer operation, N2 within its PRE of that: nobody is left to call.
    let scene = Scene::of(
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · N2.pre(0)→0,d2 · P1{lpLocalName=\"X:\"}→0 \
         · P1{lpLocalName=\"Y:\"}→0 · N2.post(0,d2)→0 · P1{lpLocalName=\"Z:\"}→0 · N1.post(0,c1)→0 \
         · N2.post(0,c2)→0 ⇒0",
    );
    let innermost = Add { local: Some("X:"), remote: Some(r"\\srv\deep"), ..ADD };
    let (later, deeper) = (scene.later(), scene.later());
    scene
        .notifyee(1, |n| n.doing(within(Pass::Pre, later, OTHER)))
        .notifyee(2, |n| {
            n.doing(move |called| {
                if called.pass == Pass::Pre && called.fields.value("lpRemoteName") == r#""\\srv\nested""# {
                    assert_eq!(innermost.run(deeper.router()), Status::SUCCESS);
                }
            })
        })
        .plays(ADD);
}

#[test]
fn d29_a_retry_after_a_nested_operation_is_the_outer_ones() {
    let scene = Scene::of(
        "N1.pre(0)→0,c1 · P1{lpLocalName=\"Z:\"}→53 · N1.post(53,c1)→1237 · P1{lpLocalName=\"Y:\"}→0 \
         · P1{lpLocalName=\"Z:\"}→0 · N1.post(0,c1)→0 ⇒0",
    );
    let later = scene.later();
    scene
        .notifyee(1, |n| {
            n.doing(move |called| {
                if called.status == Status::BAD_NETPATH {
                    assert_eq!(OTHER.run(later.router()), Status::SUCCESS);
                }
            })
        })
        .plays(ADD);
}

#[test]
fn d29_a_library_that_connects_within_every_call_does_not_recurse() {
    let scene = Scene::of("N1.pre(0)→0,c1 · P1→0 · P1→0 · N1.post(0,c1)→0 · P1→0 ⇒0");
    let later = scene.later();
    let count = AtomicUsize::new(0);
    scene
        .notifyee(1, |n| {
            n.doing(move |_| {
                let local = [Some("X:"), Some("Y:")][count.fetch_add(1, Ordering::Relaxed)];
                assert_eq!(Add { local, ..OTHER }.run(later.router()), Status::SUCCESS);
            })
        })
        .plays(ADD);
}

#[test]
fn d29_after_its_nested_operation_a_library_is_called_again_as_ever() {
    let scene = Scene::of(
        "N1.pre(0)→0,∅ · P1{lpLocalName=\"Y:\"}→0 · P1{lpLocalName=\"Z:\"}→0 \
         · N1.pre(0){lpLocalName=\"X:\"}→0,c2 · P1→0 · N1.post(0,c2)→0 ⇒0",
    );
    let later = scene.later();
    let stage = scene.notifyee(1, |n| n.doing(within(Pass::Pre, later, OTHER))).open();
    assert_eq!(ADD.run(stage.router()), Status::SUCCESS);
    stage.plays(Add { local: Some("X:"), remote: Some(r"\\srv\after"), ..ADD });
}

/// Panics where it is told to, and counts how often it is called.
struct Panicking {
    before: bool,
    calls: std::sync::Arc<AtomicUsize>,
}

impl ConnectNotify for Panicking {
    type Context = ();

    fn before_add(&self, _: &AddNotice<'_>, _: Attempt) -> Before<()> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        assert!(!self.before, "as it was told to");
        Before::Watch(())
    }

    fn after_add(&self, _: &AddNotice<'_>, _: Status, (): ()) -> After<()> {
        panic!("as it was told to");
    }
}

#[test]
fn d30_a_panic_before_the_attempt_refuses_it_and_one_after_it_changes_nothing() {
    for (before, provider, result) in [
        (true, "", Status::NET_ERROR),
        (false, "P1→0 ", Status::SUCCESS),
        (false, "P1→5 ", Status::ACCESS_DENIED),
    ] {
        let script = mpr_testkit::Script::read(&format!("{provider}⇒{}", result.0));
        let calls = std::sync::Arc::default();
        let router = Router::builder()
            .provider("P1", script.provider(1).otherwise(Status::SUCCESS))
            .listener("N1", Panicking { before, calls: std::sync::Arc::clone(&calls) })
            .build();
        script.was_played(ADD.run(&router));
        // It is not taken for one that is still executing.
        _ = router
            .add_connection(&AddRequest { remote: Some(&wide(r"\\srv\again")), ..AddRequest::default() });
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }
}
