//! Libraries written in Rust with one `impl` and one macro line, loaded as any stranger's would be.

#![cfg(unix)]

use mpr::config::Events;
use mpr::library::{LoadedNotifyee, LoadedProvider, Terms};
use mpr::{AddRequest, CancelRequest, Connection, Router};
use mpr_plugin::abi::RESOURCE_CONNECTED;
use mpr_plugin::{Status, wide};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The examples, built as the README says, in the profile of this test.
fn example(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two levels below the root");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root).args(["build", "--quiet", "--package", &name.replace('_', "-")]);
    // A directory of its own: the one this test was built in may be locked by whoever runs it, or hold code
    // built with flags of its own.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("examples");
    cargo.env("CARGO_TARGET_DIR", &target).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    assert!(cargo.status().is_ok_and(|status| status.success()), "{cargo:?} failed");
    target.join(format!("debug/lib{name}.so"))
}

fn router() -> Router {
    let provider = LoadedProvider::load(&example("example_provider"), &Terms::default()).unwrap();
    let notifyee =
        LoadedNotifyee::load(&example("example_notifyee"), Events::ALL, &Terms::default()).unwrap();
    Router::builder().provider("Memory Network", provider).notifyee("timing", notifyee).build()
}

fn add(router: &Router, local: &str, remote: &str) -> Result<(), Status> {
    let (local, remote) = (wide(local), wide(remote));
    let request = AddRequest { local: Some(&local), remote: Some(&remote), ..AddRequest::default() };
    router.add_connection(&request)
}

#[test]
fn a_provider_and_a_notification_library_in_rust_work_as_loaded_libraries() {
    let router = router();
    assert_eq!(add(&router, "Z:", r"\\memory\x"), Ok(()));
    assert_eq!(add(&router, "Z:", r"\\memory\y"), Err(Status::ALREADY_CONNECTED));
    assert_eq!(router.connection(&wide("z:")), Ok(Connection::Connected(wide(r"\\memory\x"))));

    let mut connections = router.open_enum(RESOURCE_CONNECTED, 0, 0, None).unwrap();
    let entry = connections.next_entry().unwrap().expect("one connection");
    assert_eq!(entry.local, Some(wide("Z:")));
    assert_eq!(entry.provider, Some(wide("Memory Network")), "the router fills in whose it is");
    assert_eq!(connections.next_entry(), Ok(None));
    assert_eq!(connections.close(), Ok(()));

    let cancel =
        |name: &str| router.cancel_connection(&CancelRequest { name: &wide(name), flags: 0, force: false });
    assert_eq!(cancel("Z:"), Ok(()));
    assert_eq!(cancel("Z:"), Err(Status::NOT_CONNECTED));

    // The example refuses this server, so that the provider is not even asked.
    assert_eq!(add(&router, "Y:", r"\\OLD-NAS\x"), Err(Status::CANCEL));
    assert_eq!(add(&router, "Y:", r"\\elsewhere\x"), Err(Status::BAD_NETNAME));
}
