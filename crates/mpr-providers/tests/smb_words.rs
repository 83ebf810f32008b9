//! What the Windows network says beside a code. In a process of its own, since a process has one recorder.

use std::sync::{Mutex, PoisonError};

use mpr_plugin::abi::RESOURCETYPE_DISK;
use mpr_plugin::{AddConnection, NetworkProvider, Status, WideStr, last_error, wide};
use mpr_providers::WindowsNetwork;
use mpr_testkit::{RuntimeDir, Samba, mpr_mount};

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

unsafe extern "system" fn record(_: u32, text: *const u16, _: *const u16) {
    // SAFETY: `last_error::set` passes a terminated string that lives through the call.
    let text = unsafe { mpr_plugin::borrow_wide(text) }.map(WideStr::to_string_lossy).unwrap_or_default();
    SAID.lock().unwrap_or_else(PoisonError::into_inner).push(text);
}

#[test]
fn a_refusal_is_explained_without_giving_the_password_away() {
    last_error::install(record);
    let (samba, runtime) = (Samba::start(), RuntimeDir::new());
    let network = WindowsNetwork::new(runtime.path(), runtime.path().join("drives"))
        .with_helper(mpr_mount().to_owned());
    let (remote, local) = (wide(&samba.unc("rw")), wide("Z:"));
    let (user, password) = (wide(samba.user()), wide("S3cret-but-wrong"));
    let refused = network.add_connection(&AddConnection {
        owner: std::ptr::null_mut(),
        kind: RESOURCETYPE_DISK,
        local: Some(&local),
        remote: &remote,
        provider: None,
        user: Some(&user),
        password: Some(&password),
        auth: None,
        flags: 0,
    });
    assert_eq!(refused, Err(Status::LOGON_FAILURE));
    let said = SAID.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("//127.0.0.1@") && said[0].contains(samba.user()), "{said:?}");
    assert!(said[0].contains("does not accept this user name and password"), "{said:?}");
    assert!(!said[0].contains("S3cret"), "{said:?}");
}
