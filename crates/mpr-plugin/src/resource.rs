//! Network resources as owned values.

use crate::{WideStr, WideString};
use mpr_abi::{
    NETRESOURCEW, RESOURCE_CONNECTED, RESOURCE_GLOBALNET, RESOURCEDISPLAYTYPE_SERVER,
    RESOURCEDISPLAYTYPE_SHARE, RESOURCETYPE_ANY, RESOURCETYPE_DISK, RESOURCEUSAGE_CONNECTABLE,
    RESOURCEUSAGE_CONTAINER,
};

/// One entry of an enumeration, or the answer to a question about a resource (`NETRESOURCE`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetResource {
    /// `RESOURCE_*`.
    pub scope: u32,
    /// `RESOURCETYPE_*`.
    pub kind: u32,
    /// `RESOURCEDISPLAYTYPE_*`.
    pub display: u32,
    /// `RESOURCEUSAGE_*`.
    pub usage: u32,
    /// Local device, of a connection that has one.
    pub local: Option<WideString>,
    /// What may be passed to an add function, or what a connection leads to.
    pub remote: Option<WideString>,
    /// Text for people.
    pub comment: Option<WideString>,
    /// Owning provider; the router fills it in where it is missing.
    pub provider: Option<WideString>,
}

impl NetResource {
    /// A connection that exists.
    #[must_use]
    pub fn connection(local: Option<WideString>, remote: WideString) -> Self {
        NetResource {
            scope: RESOURCE_CONNECTED,
            kind: RESOURCETYPE_DISK,
            display: RESOURCEDISPLAYTYPE_SHARE,
            usage: RESOURCEUSAGE_CONNECTABLE,
            local,
            remote: Some(remote),
            ..Self::default()
        }
    }

    /// A server to be looked into.
    #[must_use]
    pub fn server(remote: WideString) -> Self {
        NetResource {
            scope: RESOURCE_GLOBALNET,
            kind: RESOURCETYPE_ANY,
            display: RESOURCEDISPLAYTYPE_SERVER,
            usage: RESOURCEUSAGE_CONTAINER,
            remote: Some(remote),
            ..Self::default()
        }
    }

    /// A disk share to be connected to.
    #[must_use]
    pub fn share(remote: WideString, comment: Option<WideString>) -> Self {
        NetResource {
            scope: RESOURCE_GLOBALNET,
            kind: RESOURCETYPE_DISK,
            display: RESOURCEDISPLAYTYPE_SHARE,
            usage: RESOURCEUSAGE_CONNECTABLE,
            remote: Some(remote),
            comment,
            ..Self::default()
        }
    }

    /// Copies a structure.
    ///
    /// # Safety
    ///
    /// Each string pointer is NULL or as [`borrow_wide`](crate::borrow_wide) wants it.
    #[must_use]
    pub unsafe fn from_abi(raw: &NETRESOURCEW) -> Self {
        // SAFETY: the caller vouches for the pointers.
        let copy = |pointer| unsafe { crate::borrow_wide(pointer) }.map(WideStr::to_ucstring);
        NetResource {
            scope: raw.dwScope,
            kind: raw.dwType,
            display: raw.dwDisplayType,
            usage: raw.dwUsage,
            local: copy(raw.lpLocalName),
            remote: copy(raw.lpRemoteName),
            comment: copy(raw.lpComment),
            provider: copy(raw.lpProvider),
        }
    }
}
