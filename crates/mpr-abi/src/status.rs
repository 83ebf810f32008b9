//! Status codes: what every function of this interface returns.

use core::fmt;

/// What a function of this interface returns: a Windows error code. Zero is success.
///
/// `WN_*` names are aliases of `ERROR_*` codes; the associated constants carry the `WN_` name where there
/// is one. Any 32-bit value is a valid status, since a plug-in may return whatever it likes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
#[must_use = "a status may be an error"]
pub struct Status(pub u32);

/// How a code counts when several providers were asked (`spec/wnet.md` §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Significance {
    /// "Not mine": another provider's answer is preferred.
    NotMine,
    /// "Later": reported when nobody had a significant error.
    Later,
    /// The first of these is the result when nobody accepts.
    Significant,
}

/// What is known of one code.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Description {
    /// The code.
    pub status: Status,
    /// Its `WN_` name, if it has one.
    pub wn_name: Option<&'static str>,
    /// Its `ERROR_` name.
    pub error_name: &'static str,
    /// Its meaning in a few words.
    pub meaning: &'static str,
}

macro_rules! statuses {
    ($($constant:ident = $value:literal, $wn:expr, $error:literal, $meaning:literal;)*) => {
        impl Status {
            $(#[doc = concat!("`", $error, "` (", $value, "): ", $meaning, ".")]
            pub const $constant: Status = Status($value);)*
        }

        /// Every code this interface names, ascending.
        pub const STATUSES: &[Description] = &[
            $(Description { status: Status($value), wn_name: $wn, error_name: $error, meaning: $meaning },)*
        ];
    };
}

statuses! {
    SUCCESS = 0, Some("WN_SUCCESS"), "NO_ERROR", "success";
    ACCESS_DENIED = 5, Some("WN_ACCESS_DENIED"), "ERROR_ACCESS_DENIED", "no permission for the resource";
    BAD_HANDLE = 6, Some("WN_BAD_HANDLE"), "ERROR_INVALID_HANDLE", "bad enumeration handle";
    OUT_OF_MEMORY = 8, Some("WN_OUT_OF_MEMORY"), "ERROR_NOT_ENOUGH_MEMORY", "out of memory";
    DEVICE_ERROR = 31, Some("WN_DEVICE_ERROR"), "ERROR_GEN_FAILURE", "device failure";
    NOT_SUPPORTED = 50, Some("WN_NOT_SUPPORTED"), "ERROR_NOT_SUPPORTED", "function/level/type not supported";
    BAD_NETPATH = 53, None, "ERROR_BAD_NETPATH", "path not found";
    DEV_NOT_EXIST = 55, None, "ERROR_DEV_NOT_EXIST", "resource no longer available";
    NET_ERROR = 59, Some("WN_NET_ERROR"), "ERROR_UNEXP_NET_ERR", "unexpected network error; a required function failed";
    BAD_DEV_TYPE = 66, Some("WN_BAD_DEV_TYPE"), "ERROR_BAD_DEV_TYPE", "resource/device type mismatch";
    BAD_NETNAME = 67, Some("WN_BAD_NETNAME"), "ERROR_BAD_NET_NAME", "name not valid/known for this provider";
    ALREADY_CONNECTED = 85, Some("WN_ALREADY_CONNECTED"), "ERROR_ALREADY_ASSIGNED", "device already connected";
    BAD_PASSWORD = 86, Some("WN_BAD_PASSWORD"), "ERROR_INVALID_PASSWORD", "wrong password";
    BAD_VALUE = 87, Some("WN_BAD_VALUE"), "ERROR_INVALID_PARAMETER", "invalid value";
    CALL_NOT_IMPLEMENTED = 120, None, "ERROR_CALL_NOT_IMPLEMENTED", "function not implemented";
    BAD_LEVEL = 124, Some("WN_BAD_LEVEL"), "ERROR_INVALID_LEVEL", "information level unknown";
    FUNCTION_BUSY = 170, Some("WN_FUNCTION_BUSY"), "ERROR_BUSY", "router or provider busy or initialising; retry";
    MORE_DATA = 234, Some("WN_MORE_DATA"), "ERROR_MORE_DATA", "buffer too small; size set";
    NO_MORE_ENTRIES = 259, Some("WN_NO_MORE_ENTRIES"), "ERROR_NO_MORE_ITEMS", "enumeration complete; no free device";
    BAD_POINTER = 487, Some("WN_BAD_POINTER"), "ERROR_INVALID_ADDRESS", "invalid pointer";
    AUDIT_FAILED = 606, None, "ERROR_AUDIT_FAILED", "the operation cannot be audited, and must be";
    BAD_LOCALNAME = 1200, Some("WN_BAD_LOCALNAME"), "ERROR_BAD_DEVICE", "local device name invalid";
    CONNECTION_CLOSED = 1201, Some("WN_CONNECTION_CLOSED"), "ERROR_CONNECTION_UNAVAIL", "remembered but not connected";
    DEVICE_ALREADY_REMEMBERED = 1202, Some("WN_DEVICE_ALREADY_REMEMBERED"), "ERROR_DEVICE_ALREADY_REMEMBERED", "device remembered for another resource";
    NO_NET_OR_BAD_PATH = 1203, Some("WN_NO_NET_OR_BAD_PATH"), "ERROR_NO_NET_OR_BAD_PATH", "nobody knows the path, or a network is not started";
    BAD_PROVIDER = 1204, Some("WN_BAD_PROVIDER"), "ERROR_BAD_PROVIDER", "named provider unknown";
    CANNOT_OPEN_PROFILE = 1205, Some("WN_CANNOT_OPEN_PROFILE"), "ERROR_CANNOT_OPEN_PROFILE", "remembered-connection store cannot be opened";
    BAD_PROFILE = 1206, Some("WN_BAD_PROFILE"), "ERROR_BAD_PROFILE", "store malformed";
    NOT_CONTAINER = 1207, Some("WN_NOT_CONTAINER"), "ERROR_NOT_CONTAINER", "not a container";
    EXTENDED_ERROR = 1208, Some("WN_EXTENDED_ERROR"), "ERROR_EXTENDED_ERROR", "see WNetGetLastError";
    SESSION_CREDENTIAL_CONFLICT = 1219, None, "ERROR_SESSION_CREDENTIAL_CONFLICT", "other credentials already in use for that server";
    NO_NETWORK = 1222, Some("WN_NO_NETWORK"), "ERROR_NO_NETWORK", "network not present/started";
    CANCEL = 1223, Some("WN_CANCEL"), "ERROR_CANCELLED", "cancelled by user; veto by a notifyee";
    RETRY = 1237, Some("WN_RETRY"), "ERROR_RETRY", "notifyee asks for a repeat";
    NOT_AUTHENTICATED = 1244, Some("WN_NOT_AUTHENTICATED"), "ERROR_NOT_AUTHENTICATED", "not authenticated";
    NOT_LOGGED_ON = 1245, Some("WN_NOT_LOGGED_ON"), "ERROR_NOT_LOGGED_ON", "not logged on to the network";
    CONTINUE = 1246, None, "ERROR_CONTINUE", "directory operation already performed";
    NOT_INITIALIZING = 1247, Some("WN_NOT_INITIALIZING"), "ERROR_ALREADY_INITIALIZED", "initialisation call out of order";
    NO_MORE_DEVICES = 1248, Some("WN_NO_MORE_DEVICES"), "ERROR_NO_MORE_DEVICES", "no more devices";
    NOT_VALIDATED = 1311, Some("WN_NOT_VALIDATED"), "ERROR_NO_LOGON_SERVERS", "no server available to validate the logon";
    NO_SUCH_LOGON_SESSION = 1312, None, "ERROR_NO_SUCH_LOGON_SESSION", "logon session unknown";
    LOGON_FAILURE = 1326, None, "ERROR_LOGON_FAILURE", "unknown user or bad password";
    CONNECTED_OTHER_PASSWORD = 2108, Some("WN_CONNECTED_OTHER_PASSWORD"), "ERROR_CONNECTED_OTHER_PASSWORD", "connected, but with a different password";
    CONNECTED_OTHER_PASSWORD_DEFAULT = 2109, Some("WN_CONNECTED_OTHER_PASSWORD_DEFAULT"), "ERROR_CONNECTED_OTHER_PASSWORD_DEFAULT", "same, default password";
    BAD_USER = 2202, Some("WN_BAD_USER"), "ERROR_BAD_USERNAME", "bad user name";
    NOT_CONNECTED = 2250, Some("WN_NOT_CONNECTED"), "ERROR_NOT_CONNECTED", "not a connection";
    OPEN_FILES = 2401, Some("WN_OPEN_FILES"), "ERROR_OPEN_FILES", "open files or jobs";
    ACTIVE_CONNECTIONS = 2402, None, "ERROR_ACTIVE_CONNECTIONS", "active connections remain";
    DEVICE_IN_USE = 2404, Some("WN_DEVICE_IN_USE"), "ERROR_DEVICE_IN_USE", "device in use by a process";
}

impl Status {
    /// Whether this is [`Status::SUCCESS`].
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 == 0
    }

    /// `Ok` for success, the code itself otherwise.
    pub const fn ok(self) -> Result<(), Status> {
        if self.is_success() { Ok(()) } else { Err(self) }
    }

    /// What is known of this code, if it is one of [`STATUSES`].
    #[must_use]
    pub fn description(self) -> Option<&'static Description> {
        STATUSES.binary_search_by_key(&self, |known| known.status).ok().map(|at| &STATUSES[at])
    }

    /// How the code counts in routing. Success has no meaning here and counts as significant.
    #[must_use]
    pub const fn significance(self) -> Significance {
        match self {
            Status::NOT_SUPPORTED
            | Status::BAD_NETPATH
            | Status::BAD_NETNAME
            | Status::BAD_VALUE
            | Status::BAD_LEVEL
            | Status::BAD_LOCALNAME
            | Status::NO_NET_OR_BAD_PATH
            | Status::NOT_CONTAINER
            | Status::NO_NETWORK
            | Status::NOT_CONNECTED => Significance::NotMine,
            Status::FUNCTION_BUSY | Status::NOT_LOGGED_ON => Significance::Later,
            _ => Significance::Significant,
        }
    }
}

impl From<Result<(), Status>> for Status {
    fn from(result: Result<(), Status>) -> Self {
        match result {
            Ok(()) => Status::SUCCESS,
            Err(status) => status,
        }
    }
}

/// `WN_BAD_PASSWORD (86): wrong password`; an unnamed code is its number alone.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.description() {
            Some(known) => {
                let name = known.wn_name.unwrap_or(known.error_name);
                write!(f, "{name} ({}): {}", self.0, known.meaning)
            }
            None => write!(f, "status {}", self.0),
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.description() {
            Some(known) => write!(f, "{} ({})", known.wn_name.unwrap_or(known.error_name), self.0),
            None => write!(f, "Status({})", self.0),
        }
    }
}

impl core::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_ascending_without_duplicates() {
        assert!(STATUSES.windows(2).all(|pair| pair[0].status < pair[1].status));
    }

    #[test]
    fn unknown_codes_are_significant() {
        assert_eq!(Status(31337).significance(), Significance::Significant);
    }
}
