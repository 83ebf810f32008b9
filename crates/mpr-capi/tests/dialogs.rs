//! The dialogs of a program that registered somebody to show them.

mod common;

use common::*;
use mpr::store::Entry;
use mpr::{AddRequest, Answer, Router, Secret};
use mpr_abi::*;
use mpr_capi::{ConnectDialog, DISMISSED, UserInterface, set_ui};
use mpr_plugin::{WideStr, wide};

/// Shows nothing, and answers as a user would who does what the names say.
struct Obliging;

impl UserInterface for Obliging {
    fn connect(&self, router: &Router, dialog: &ConnectDialog<'_>) -> Result<Option<char>, Status> {
        let Some(remote) = dialog.remote else { return Err(DISMISSED) };
        let local = dialog.local.filter(|local| !local.is_empty());
        router.add_connection(&AddRequest { local, remote: Some(remote), ..AddRequest::default() })?;
        Ok(local.and_then(|local| local.to_string_lossy().chars().next()))
    }

    fn disconnect(&self, _: &'static Router, _: HWND, kind: DWORD) -> Result<(), Status> {
        if kind == RESOURCETYPE_DISK { Ok(()) } else { Err(DISMISSED) }
    }

    fn confirm_force(&self, _: HWND, name: &WideStr) -> bool {
        name.to_string_lossy() == "E:"
    }

    fn ask_credentials(&self, _: HWND, entry: &Entry, status: Status) -> Answer {
        assert_eq!((&*entry.remote, status), (r"\\asks\x", Status::BAD_PASSWORD));
        match entry.device.to_string().as_str() {
            "F:" => Answer::Skip,
            _ => Answer::Retry { user: Some(wide("ann")), password: Secret::new("right") },
        }
    }
}

#[test]
fn a_registered_user_interface_is_asked_for_what_only_a_user_can_tell() {
    serve();
    assert!(set_ui(Box::new(Obliging)).is_ok());
    assert!(set_ui(Box::new(Obliging)).is_err(), "there is one");
    for form in FORMS {
        let show = |resource: &Resource| {
            let mut dialog = CONNECTDLGSTRUCTW {
                cbStructure: size_of::<CONNECTDLGSTRUCTW>() as u32,
                hwndOwner: std::ptr::null_mut(),
                lpConnRes: std::ptr::without_provenance_mut(resource.address()),
                dwFlags: 0,
                dwDevNum: 77,
            };
            (form.call("WNetConnectionDialog1", &[(&raw mut dialog) as usize]), dialog.dwDevNum)
        };
        assert_eq!(show(&Resource::new(form, Some("d:"), Some(r"\\ui\x"))), (0, 4), "D: is the fourth");
        assert_eq!(disconnect("D:"), 0);
        assert_eq!(show(&Resource::new(form, None, Some(r"\\ui\x"))), (0, u32::MAX), "without a device");
        assert_eq!(disconnect(r"\\ui\x"), 0);
        assert_eq!(show(&Resource::new(form, None, None)), (DISMISSED.0, 77));
        assert_eq!(show(&Resource::new(form, None, Some(r"\\status-5\x"))), (5, 77));

        // Open files: the user is asked, and here means it for E: only.
        for (device, expected) in [("E:", 0), ("G:", 1223)] {
            connect(device, r"\\open\files");
            let text = form.text(device);
            let mut dialog = DISCDLGSTRUCTW {
                cbStructure: size_of::<DISCDLGSTRUCTW>() as u32,
                hwndOwner: std::ptr::null_mut(),
                lpLocalName: text.as_ptr().cast_mut().cast(),
                lpRemoteName: std::ptr::null_mut(),
                dwFlags: DISC_NO_FORCE,
            };
            let status = form.call("WNetDisconnectDialog1", &[(&raw mut dialog) as usize]);
            assert_eq!(status, expected, "{device}");
            assert_eq!(disconnect(device), if expected == 0 { 2250 } else { 0 });
        }
    }
    let form = Form::Wide;
    assert_eq!(form.call_plain("WNetConnectionDialog", &[0, 1]), DISMISSED.0);
    assert_eq!(form.call_plain("WNetDisconnectDialog", &[0, 1]), 0);
    assert_eq!(form.call_plain("WNetDisconnectDialog", &[0, 2]), DISMISSED.0);

    // Connections to be restored whose password nobody kept.
    let (password, name) = (form.text("right"), r"\\asks\x");
    for device in ["F:", "H:"] {
        let resource = Resource::new(form, Some(device), Some(name));
        let arguments = [resource.address(), password.as_ptr() as usize, 0, 1];
        assert_eq!(form.call("WNetAddConnection2", &arguments), 0);
        assert_eq!(form.call("WNetCancelConnection2", &[form.text(device).as_ptr() as usize, 0, 0]), 0);
    }
    let restore = |device: &str, use_ui| {
        form.call("WNetRestoreSingleConnection", &[0, form.text(device).as_ptr() as usize, use_ui])
    };
    assert_eq!(restore("H:", 0), 86, "nobody is to be asked");
    assert_eq!(restore("H:", 1), 0);
    assert_eq!(restore("F:", 1), 1223);
    assert_eq!(form.call("WNetRestoreConnection", &[0, 0]), 1223, "the first failure of all");
    assert_eq!(form.call_plain("WNetRestoreAllConnectionsW", &[]), 86, "this one never asks");
    assert_eq!([disconnect("F:"), disconnect("H:")], [0, 0]);
}
