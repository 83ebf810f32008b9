//! Functions of the file manager: directories, property pages and permissions of a connected drive
//! (`spec/wnet.md` §16, `spec/provider.md` §5.3). Each goes to the provider that owns the drive.

use crate::Router;
use crate::providers::Provider;
use mpr_plugin::abi::{
    HWND, WNNC_ADM_DIRECTORYNOTIFY, WNNC_ADM_GETDIRECTORYTYPE, WNNC_DLG_PERMISSIONEDITOR,
    WNNC_DLG_PROPERTYDIALOG,
};
use mpr_plugin::{Capabilities, Status, WideStr, WideString};

impl Router {
    /// The provider whose drive the path is on, if it claims what is asked.
    fn owner(&self, path: &WideStr, can: impl Fn(&Capabilities) -> bool) -> Result<&Provider, Status> {
        let (provider, _) = self.owner_of_path(path)?;
        if can(&provider.capabilities) { Ok(provider) } else { Err(Status::NOT_SUPPORTED) }
    }

    /// `WNetGetDirectoryType`: `WNDT_*` of a directory on a connected drive.
    ///
    /// # Errors
    ///
    /// `WN_NOT_CONNECTED` for a path on no connected drive, `WN_NOT_SUPPORTED`, or the provider's answer.
    pub fn directory_type(&self, directory: &WideStr, flush: bool) -> Result<i32, Status> {
        let can = |capabilities: &Capabilities| capabilities.admin & WNNC_ADM_GETDIRECTORYTYPE != 0;
        self.owner(directory, can)?.network().directory_type(directory, flush)
    }

    /// `WNetDirectoryNotify`: a directory on a connected drive is about to be made, removed or moved.
    ///
    /// # Errors
    ///
    /// As [`directory_type`](Self::directory_type); 1246 when the provider did the work itself, `WN_CANCEL`
    /// when it is not to be done.
    pub fn directory_notify(&self, owner: HWND, directory: &WideStr, operation: u32) -> Result<(), Status> {
        let can = |capabilities: &Capabilities| capabilities.admin & WNNC_ADM_DIRECTORYNOTIFY != 0;
        self.owner(directory, can)?.network().directory_notify(owner, directory, operation)
    }

    /// `WNetGetPropertyText`: caption of a property button for a file on a connected drive.
    ///
    /// # Errors
    ///
    /// As [`directory_type`](Self::directory_type).
    pub fn property_text(
        &self,
        button: u32,
        selection: u32,
        name: &WideStr,
        kind: u32,
    ) -> Result<WideString, Status> {
        let can = |capabilities: &Capabilities| capabilities.dialog & WNNC_DLG_PROPERTYDIALOG != 0;
        self.owner(name, can)?.network().property_text(button, selection, name, kind)
    }

    /// `WNetPropertyDialog`: shows the properties of files on a connected drive.
    ///
    /// # Errors
    ///
    /// As [`directory_type`](Self::directory_type).
    pub fn property_dialog(
        &self,
        window: HWND,
        button: u32,
        selection: u32,
        files: &WideStr,
        kind: u32,
    ) -> Result<(), Status> {
        let can = |capabilities: &Capabilities| capabilities.dialog & WNNC_DLG_PROPERTYDIALOG != 0;
        self.owner(files, can)?.network().property_dialog(window, button, selection, files, kind)
    }

    /// `WNetFMXGetPermCaps`: `WNPERMC_*` of a connected drive; 0 for any other.
    #[must_use]
    pub fn permission_capabilities(&self, drive: &WideStr) -> u32 {
        self.owner(drive, edits_permissions)
            .map_or(0, |provider| provider.network().permission_capabilities(drive))
    }

    /// `WNetFMXEditPerm`: shows the permission editor of a connected drive.
    ///
    /// # Errors
    ///
    /// As [`directory_type`](Self::directory_type).
    pub fn edit_permissions(&self, drive: &WideStr, window: HWND, dialog: u32) -> Result<(), Status> {
        self.owner(drive, edits_permissions)?.network().edit_permissions(drive, window, dialog)
    }

    /// `WNetFMXGetPermHelp`: help file and context of the permission editor of a connected drive.
    ///
    /// # Errors
    ///
    /// As [`directory_type`](Self::directory_type).
    pub fn permission_help(
        &self,
        drive: &WideStr,
        dialog: u32,
        directory: bool,
    ) -> Result<(WideString, u32), Status> {
        self.owner(drive, edits_permissions)?.network().permission_help(drive, dialog, directory)
    }
}

fn edits_permissions(capabilities: &Capabilities) -> bool {
    capabilities.dialog & WNNC_DLG_PERMISSIONEDITOR != 0
}
