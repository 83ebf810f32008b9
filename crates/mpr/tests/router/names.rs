//! Spellings of remote names: `DESIGN.md`, Remote names.

use crate::scene::{ADD, Add, CANCEL, Cancel, Operation, Scene};
use mpr::extended_error;
use mpr_plugin::{NetResource, Status, wide};

/// Spellings of `\\srv\share`.
const SPELLINGS: [&str; 5] =
    [r"\\srv\share", "//srv/share", "smb://srv/share", "smb://srv/share/", "SMB://srv/share"];

#[test]
fn every_spelling_is_one_name_to_libraries_and_providers() {
    for remote in SPELLINGS {
        Scene::of(
            "N1.pre(0){lpRemoteName=\"\\\\srv\\share\"}→0,c1 · P1{lpRemoteName=\"\\\\srv\\share\"}→0 \
             · N1.post(0,c1){lpRemoteName=\"\\\\srv\\share\"}→0 ⇒0",
        )
        .plays(Add { remote: Some(remote), ..ADD });
        Scene::of(
            "N1.pre(0){lpName=\"\\\\srv\\share\"}→0,c1 · P1{lpName=\"\\\\srv\\share\"}→0 \
             · N1.post(0,c1){lpName=\"\\\\srv\\share\"}→0 ⇒0",
        )
        .plays(Cancel { name: remote, ..CANCEL });
    }
}

#[test]
fn every_spelling_is_one_name_to_the_store_and_to_the_application() {
    for remote in SPELLINGS {
        let stage = Scene::of("P1→0 ⇒0").remembering("").open();
        stage.plays(Add { remote: Some(remote), flags: 3, ..ADD });
        let store = stage.router().store().unwrap();
        assert_eq!(store.entries().unwrap()[0].remote, r"\\srv\share", "{remote}");
        assert_eq!(store.recent().unwrap(), [r"\\srv\share"], "{remote}");

        let stage = Scene::of("P1→0 ⇒0").open();
        let name = Add { remote: Some(remote), local: None, ..ADD }.use_with_room(stage.router(), 64);
        assert_eq!(name.as_deref(), Ok(r"\\srv\share"), "{remote}");
    }
}

#[test]
fn questions_take_every_spelling() {
    for remote in SPELLINGS {
        let stage = Scene::of("⇒0")
            .provider(1, |p| {
                p.claiming(|c| (c.user, c.connection, c.dialog, c.enumeration) = (1, 0xFF, 0xFFF, 0xF))
            })
            .open();
        let (router, name, p1) = (stage.router(), wide(remote), wide("P1"));
        _ = router.user(Some(&name));
        _ = router.performance(None, Some(&name), None);
        _ = router.resource_information(Some(&name), 0, None);
        _ = router.resource_parent(Some(&name), 0, Some(&p1));
        _ = router.open_enum(2, 0, 0, Some(&NetResource { remote: Some(name), ..NetResource::default() }));
        assert_eq!(
            stage.providers[0].asked(),
            [
                "user(\"\\\\srv\\share\")",
                "performance(\"\\\\srv\\share\")",
                "resource_information(\"\\\\srv\\share\", 0)",
                "resource_parent(\"\\\\srv\\share\", 0)",
                "enumerate(2, 0, 0, \"\\\\srv\\share\")",
            ],
            "{remote}"
        );
    }
}

#[test]
fn a_user_in_a_url_is_the_user_unless_another_is_given() {
    let remote = Some("smb://CORP;ann@srv:1445/my%20share");
    let told = "lpRemoteName=\"\\\\srv@1445\\my share\"";
    Scene::of(&format!(
        "N1.pre(0){{{told}}}→0,∅ · P1{{{told}, lpUserName=\"CORP\\ann\", lpPassword=NULL}}→0 ⇒0"
    ))
    .plays(Add { remote, ..ADD });
    Scene::of(&format!("P1{{{told}, lpUserName=\"bob\"}}→0 ⇒0")).plays(Add {
        remote,
        user: Some("bob"),
        ..ADD
    });
}

#[test]
fn a_user_in_a_url_is_remembered_as_the_user_that_was_given() {
    let stage = Scene::of("P1→0 ⇒0").remembering("").open();
    stage.plays(Add { remote: Some("smb://ann@srv/share"), flags: 1, ..ADD });
    let entry = &stage.router().store().unwrap().entries().unwrap()[0];
    assert_eq!((entry.user.as_deref(), entry.defer_flags), (Some("ann"), Some(1)));
}

#[test]
fn a_password_in_a_url_is_refused_with_a_text_that_says_where_to_put_it() {
    for url in ["smb://ann:secret@srv/share", "https://ann:secret@srv/x", "sftp://ann:secret@srv/x"] {
        extended_error::clear();
        let stage = Scene::of("⇒87").notifyees(1).remembering("").open();
        stage.plays(Add { remote: Some(url), flags: 3, ..ADD });
        let record = extended_error::recorded();
        let text = record.text.to_string_lossy();
        assert!(text.contains("--password-stdin"), "{text}");
        assert!(!text.contains("secret"), "{text}");
        assert!(stage.providers[0].asked().is_empty(), "nobody is asked about it");
        assert_eq!(stage.connections(), "", "and it is written nowhere");

        Scene::of("⇒87").notifyees(1).plays(Cancel { name: url, ..CANCEL });
        let stage = Scene::of("⇒87").open();
        assert_eq!(stage.router().user(Some(&wide(url))), Err(Status::BAD_VALUE));
        assert_eq!(stage.router().performance(None, Some(&wide(url)), None), Err(Status::BAD_VALUE));
        assert!(stage.providers[0].asked().is_empty());
    }
}

#[test]
fn a_broken_url_is_refused_and_not_called_a_name_of_somebody_elses() {
    for url in ["smb://", "smb://srv:99999/x", "smb://srv/a%5Cb"] {
        Scene::of("⇒87").notifyees(1).plays(Add { remote: Some(url), ..ADD });
    }
}

#[test]
fn names_of_other_networks_are_passed_on_to_the_letter() {
    for remote in
        ["https://srv/dav", "nfs://srv/export", "srv:/export", "sftp://ann@srv/home", "Example Network", "/x"]
    {
        Scene::of(&format!(
            "N1.pre(0){{lpRemoteName=\"{remote}\"}}→0,∅ · P1{{lpRemoteName=\"{remote}\"}}→0 ⇒0"
        ))
        .plays(Add { remote: Some(remote), ..ADD });
    }
}

#[test]
fn a_device_remembered_by_a_url_is_remembered_for_the_name_it_stands_for() {
    let entry = "[drives.\"Z:\"]\nRemotePath = \"smb://srv/share\"\n";
    let stage = Scene::of("P1→0 ⇒0").remembering(entry).open();
    assert_eq!(ADD.run(stage.router()), Status::SUCCESS);
}
