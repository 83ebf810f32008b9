//! One table: what an NTSTATUS means to the kernel and to a caller of the router.

use mpr_abi::Status;
use mpr_remotefs::Errno;
use smb2::types::status::NtStatus;

/// One row.
struct Meaning {
    nt: u32,
    errno: i32,
    status: Status,
}

macro_rules! table {
    ($($nt:literal $errno:ident $status:ident)*) => {
        const TABLE: &[Meaning] = &[$(Meaning { nt: $nt, errno: libc::$errno, status: Status::$status },)*];
    };
}

// Ascending. The comment names the NTSTATUS without its prefix.
table! {
    0x8000_0005 EOVERFLOW  NET_ERROR          // BUFFER_OVERFLOW
    0x8000_0006 ENOENT     NO_MORE_ENTRIES    // NO_MORE_FILES
    0x8000_002D EOPNOTSUPP NOT_SUPPORTED      // STOPPED_ON_SYMLINK
    0xC000_0001 EIO        NET_ERROR          // UNSUCCESSFUL
    0xC000_0002 EOPNOTSUPP NOT_SUPPORTED      // NOT_IMPLEMENTED
    0xC000_0003 EINVAL     NET_ERROR          // INVALID_INFO_CLASS
    0xC000_0008 EBADF      NET_ERROR          // INVALID_HANDLE
    0xC000_000D EINVAL     NET_ERROR          // INVALID_PARAMETER
    0xC000_000E ENOENT     DEV_NOT_EXIST      // NO_SUCH_DEVICE
    0xC000_000F ENOENT     BAD_NETNAME        // NO_SUCH_FILE
    0xC000_0010 EOPNOTSUPP NOT_SUPPORTED      // INVALID_DEVICE_REQUEST
    0xC000_0011 EIO        NET_ERROR          // END_OF_FILE
    0xC000_0017 ENOMEM     OUT_OF_MEMORY      // NO_MEMORY
    0xC000_0022 EACCES     ACCESS_DENIED      // ACCESS_DENIED
    0xC000_0023 EOVERFLOW  NET_ERROR          // BUFFER_TOO_SMALL
    0xC000_0033 EINVAL     BAD_NETNAME        // OBJECT_NAME_INVALID
    0xC000_0034 ENOENT     BAD_NETNAME        // OBJECT_NAME_NOT_FOUND
    0xC000_0035 EEXIST     ALREADY_CONNECTED  // OBJECT_NAME_COLLISION
    0xC000_0039 EINVAL     BAD_NETNAME        // OBJECT_PATH_INVALID
    0xC000_003A ENOENT     BAD_NETNAME        // OBJECT_PATH_NOT_FOUND
    0xC000_003B EINVAL     BAD_NETNAME        // OBJECT_PATH_SYNTAX_BAD
    0xC000_0043 EBUSY      DEVICE_IN_USE      // SHARING_VIOLATION
    0xC000_0044 EDQUOT     NET_ERROR          // QUOTA_EXCEEDED
    0xC000_0054 EAGAIN     DEVICE_IN_USE      // FILE_LOCK_CONFLICT
    0xC000_0055 EAGAIN     DEVICE_IN_USE      // LOCK_NOT_GRANTED
    0xC000_0056 ENOENT     BAD_NETNAME        // DELETE_PENDING
    0xC000_0061 EPERM      ACCESS_DENIED      // PRIVILEGE_NOT_HELD
    0xC000_0064 EACCES     LOGON_FAILURE      // NO_SUCH_USER
    0xC000_006A EACCES     LOGON_FAILURE      // WRONG_PASSWORD
    0xC000_006D EACCES     LOGON_FAILURE      // LOGON_FAILURE
    0xC000_006E EACCES     LOGON_FAILURE      // ACCOUNT_RESTRICTION
    0xC000_006F EACCES     LOGON_FAILURE      // INVALID_LOGON_HOURS
    0xC000_0070 EACCES     LOGON_FAILURE      // INVALID_WORKSTATION
    0xC000_0071 EACCES     LOGON_FAILURE      // PASSWORD_EXPIRED
    0xC000_0072 EACCES     LOGON_FAILURE      // ACCOUNT_DISABLED
    0xC000_007F ENOSPC     NET_ERROR          // DISK_FULL
    0xC000_009A ENOMEM     FUNCTION_BUSY      // INSUFFICIENT_RESOURCES
    0xC000_00A2 EROFS      ACCESS_DENIED      // MEDIA_WRITE_PROTECTED
    0xC000_00B5 ETIMEDOUT  NET_ERROR          // IO_TIMEOUT
    0xC000_00BA EISDIR     NET_ERROR          // FILE_IS_A_DIRECTORY
    0xC000_00BB EOPNOTSUPP NOT_SUPPORTED      // NOT_SUPPORTED
    0xC000_00BE ENOENT     BAD_NETPATH        // BAD_NETWORK_PATH
    0xC000_00C9 EIO        BAD_NETNAME        // NETWORK_NAME_DELETED
    0xC000_00CA EACCES     ACCESS_DENIED      // NETWORK_ACCESS_DENIED
    0xC000_00CB EOPNOTSUPP BAD_DEV_TYPE       // BAD_DEVICE_TYPE
    0xC000_00CC ENOENT     BAD_NETNAME        // BAD_NETWORK_NAME
    0xC000_00D0 EBUSY      FUNCTION_BUSY      // REQUEST_NOT_ACCEPTED
    0xC000_00D4 EXDEV      NET_ERROR          // NOT_SAME_DEVICE
    0xC000_00D5 EBUSY      NET_ERROR          // FILE_RENAMED
    0xC000_00E5 EIO        NET_ERROR          // INTERNAL_ERROR
    0xC000_0101 ENOTEMPTY  NET_ERROR          // DIRECTORY_NOT_EMPTY
    0xC000_0103 ENOTDIR    BAD_NETNAME        // NOT_A_DIRECTORY
    0xC000_0106 ENAMETOOLONG BAD_NETNAME      // NAME_TOO_LONG
    0xC000_011F ENFILE     FUNCTION_BUSY      // TOO_MANY_OPENED_FILES
    0xC000_0120 EINTR      CANCEL             // CANCELLED
    0xC000_0121 EACCES     ACCESS_DENIED      // CANNOT_DELETE
    0xC000_0128 EBADF      NET_ERROR          // FILE_CLOSED
    0xC000_0133 EACCES     LOGON_FAILURE      // TIME_DIFFERENCE_AT_DC
    0xC000_015B EACCES     LOGON_FAILURE      // LOGON_TYPE_NOT_GRANTED
    0xC000_0193 EACCES     LOGON_FAILURE      // ACCOUNT_EXPIRED
    0xC000_0203 EIO        NET_ERROR          // USER_SESSION_DELETED
    0xC000_0205 ENOMEM     FUNCTION_BUSY      // INSUFF_SERVER_RESOURCES
    0xC000_020C EIO        NET_ERROR          // CONNECTION_DISCONNECTED
    0xC000_0224 EACCES     LOGON_FAILURE      // PASSWORD_MUST_CHANGE
    0xC000_0225 ENOENT     BAD_NETNAME        // NOT_FOUND
    0xC000_0234 EACCES     LOGON_FAILURE      // ACCOUNT_LOCKED_OUT
    0xC000_0257 EREMOTE    NET_ERROR          // PATH_NOT_COVERED
    0xC000_035C EIO        NET_ERROR          // NETWORK_SESSION_EXPIRED
    0xC000_0427 EFBIG      NET_ERROR          // FILE_SYSTEM_LIMITATION
    0xC000_0480 EBUSY      FUNCTION_BUSY      // SHARE_UNAVAILABLE
}

/// What the kernel is told. A status that is not in the table is an input/output error.
pub(crate) fn errno(status: NtStatus) -> Errno {
    Errno(meaning(status).map_or(libc::EIO, |row| row.errno))
}

/// What a caller of the router is told. A status that is not in the table is an unexpected network error.
pub(crate) fn wn(status: NtStatus) -> Status {
    meaning(status).map_or(Status::NET_ERROR, |row| row.status)
}

fn meaning(status: NtStatus) -> Option<&'static Meaning> {
    TABLE.binary_search_by_key(&status.0, |row| row.nt).ok().map(|at| &TABLE[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_names_everything_once() {
        assert!(TABLE.windows(2).all(|pair| pair[0].nt < pair[1].nt));
    }

    #[test]
    fn what_people_meet_has_the_code_windows_gives_it() {
        assert_eq!(wn(NtStatus::LOGON_FAILURE), Status::LOGON_FAILURE);
        assert_eq!(wn(NtStatus::BAD_NETWORK_NAME), Status::BAD_NETNAME);
        assert_eq!(wn(NtStatus::ACCESS_DENIED), Status::ACCESS_DENIED);
        assert_eq!(wn(NtStatus::REQUEST_NOT_ACCEPTED), Status::FUNCTION_BUSY);
        assert_eq!(wn(NtStatus(0xC0DE_0000)), Status::NET_ERROR);
    }

    #[test]
    fn no_error_becomes_a_success() {
        assert!(TABLE.iter().all(|row| row.errno > 0 && !row.status.is_success()));
    }
}
