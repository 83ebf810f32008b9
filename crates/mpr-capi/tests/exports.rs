//! What is exported, and under which names.

use mpr_capi::exports;
use std::collections::BTreeSet;

/// Names of Windows 10 and 11 whose meaning is not public and which nothing made for Linux imports
/// (`spec/wnet.md` §16).
const INTERNAL: &[&str] = &[
    "DoBroadcastSystemMessage",
    "DoCommandLinePrompt",
    "DoPasswordDialog",
    "DoProfileErrorDialog",
    "I_MprSaveConn",
    "ShowReconnectDialog",
    "ShowReconnectDialogEnd",
    "ShowReconnectDialogUI",
];

/// Names Windows 10 and 11 export, in the order of the reference.
const WINDOWS: &[&str] = &[
    "MultinetGetConnectionPerformanceA",
    "MultinetGetConnectionPerformanceW",
    "MultinetGetErrorTextA",
    "MultinetGetErrorTextW",
    "WNetAddConnection2A",
    "WNetAddConnection2W",
    "WNetAddConnection3A",
    "WNetAddConnection3W",
    "WNetAddConnection4A",
    "WNetAddConnection4W",
    "WNetAddConnectionA",
    "WNetAddConnectionW",
    "WNetCancelConnection2A",
    "WNetCancelConnection2W",
    "WNetCancelConnectionA",
    "WNetCancelConnectionW",
    "WNetClearConnections",
    "WNetCloseEnum",
    "WNetConnectionDialog",
    "WNetConnectionDialog1A",
    "WNetConnectionDialog1W",
    "WNetConnectionDialog2",
    "WNetDirectoryNotifyA",
    "WNetDirectoryNotifyW",
    "WNetDisconnectDialog",
    "WNetDisconnectDialog1A",
    "WNetDisconnectDialog1W",
    "WNetDisconnectDialog2",
    "WNetEnumResourceA",
    "WNetEnumResourceW",
    "WNetFormatNetworkNameA",
    "WNetFormatNetworkNameW",
    "WNetGetConnection2A",
    "WNetGetConnection2W",
    "WNetGetConnection3A",
    "WNetGetConnection3W",
    "WNetGetConnectionA",
    "WNetGetConnectionW",
    "WNetGetDirectoryTypeA",
    "WNetGetDirectoryTypeW",
    "WNetGetHomeDirectoryW",
    "WNetGetLastErrorA",
    "WNetGetLastErrorW",
    "WNetGetNetworkInformationA",
    "WNetGetNetworkInformationW",
    "WNetGetPropertyTextA",
    "WNetGetPropertyTextW",
    "WNetGetProviderNameA",
    "WNetGetProviderNameW",
    "WNetGetProviderTypeA",
    "WNetGetProviderTypeW",
    "WNetGetResourceInformationA",
    "WNetGetResourceInformationW",
    "WNetGetResourceParentA",
    "WNetGetResourceParentW",
    "WNetGetSearchDialog",
    "WNetGetUniversalNameA",
    "WNetGetUniversalNameW",
    "WNetGetUserA",
    "WNetGetUserW",
    "WNetLogonNotify",
    "WNetOpenEnumA",
    "WNetOpenEnumW",
    "WNetPasswordChangeNotify",
    "WNetPropertyDialogA",
    "WNetPropertyDialogW",
    "WNetRestoreAllConnectionsW",
    "WNetRestoreSingleConnectionW",
    "WNetSetConnectionA",
    "WNetSetConnectionW",
    "WNetSetLastErrorA",
    "WNetSetLastErrorW",
    "WNetSupportGlobalEnum",
    "WNetUseConnection4A",
    "WNetUseConnection4W",
    "WNetUseConnectionA",
    "WNetUseConnectionW",
];

/// Names of earlier versions that `spec/wnet.md` §15 and §16 give a meaning to.
const EARLIER: &[&str] = &[
    "WNetFMXEditPerm",
    "WNetFMXGetPermCaps",
    "WNetFMXGetPermHelp",
    "WNetRestoreConnection2W",
    "WNetRestoreConnectionW",
];

#[test]
fn every_function_of_windows_is_exported_with_its_suffix_and_without_and_no_other() {
    let mut expected: BTreeSet<&str> = WINDOWS.iter().chain(EARLIER).copied().collect();
    if cfg!(windows) {
        expected.extend(INTERNAL);
    }
    let suffixed: Vec<&str> = WINDOWS.iter().chain(EARLIER).copied().collect();
    for name in suffixed {
        let wide = name.strip_suffix('W');
        let stem = wide.or_else(|| {
            // `…A` is a suffix only where there is a wide form, too.
            name.strip_suffix('A').filter(|stem| WINDOWS.contains(&&*format!("{stem}W")))
        });
        expected.extend(stem);
    }
    assert_eq!(exports::names(), expected.into_iter().collect::<Vec<_>>());
}

#[test]
fn the_list_for_the_linker_is_that_of_the_functions() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/exports.list");
    let current = exports::dynamic_list();
    if std::env::var_os("MPR_UPDATE_EXPORTS").is_some() {
        std::fs::write(file, &current).expect("the list can be written");
    }
    let checked_in = std::fs::read_to_string(file).unwrap_or_default();
    assert_eq!(
        checked_in, current,
        "{file} is not what is exported; run this test with MPR_UPDATE_EXPORTS=1 and commit the file"
    );
}
