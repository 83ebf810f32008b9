//! One remembered connection.

use mpr_core::device::LocalDevice;

/// What the store holds of one device (`spec/persistence.md` §2).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The device that is redirected.
    pub device: LocalDevice,
    /// The resource it is redirected to.
    pub remote: String,
    /// The user name that was given; `None` stands for the credentials of the logged-on user.
    pub user: Option<String>,
    /// Name of the provider that made the connection; empty if the entry does not say.
    pub provider: String,
    /// Network type of that provider, a `WNNC_NET_*` value; 0 if the entry does not say.
    pub provider_type: u32,
    /// 1 for disks, 2 for printers: a `RESOURCETYPE_*` value.
    pub connection_type: u32,
    /// [`Entry::DEFER_NEEDS_PASSWORD`] and [`Entry::MAY_DEFER`]. When an entry without a value is remembered,
    /// the one of DECISION R3 is written: whether a user was given decides.
    pub defer_flags: Option<u32>,
    /// Options of `WNetUseConnection4`, meant for the provider. They never hold a password.
    pub use_options: Option<Vec<u8>>,
}

impl Entry {
    /// In `DeferFlags`: another password than the one of the logon is needed.
    pub const DEFER_NEEDS_PASSWORD: u32 = 1;
    /// In `DeferFlags`: the connection may be deferred, since the credentials at hand suffice.
    pub const MAY_DEFER: u32 = 4;

    /// The entry of a connection from `device` to `remote` about which nothing more is known.
    #[must_use]
    pub fn new(device: LocalDevice, remote: impl Into<String>) -> Entry {
        Entry {
            connection_type: device.class() as u32,
            device,
            remote: remote.into(),
            user: None,
            provider: String::new(),
            provider_type: 0,
            defer_flags: None,
            use_options: None,
        }
    }

    /// Whether a restore may put off connecting until first use (DECISION R3).
    #[must_use]
    pub fn may_be_deferred(&self) -> bool {
        self.defer_flags
            .is_none_or(|flags| flags & Entry::MAY_DEFER != 0 && flags & Entry::DEFER_NEEDS_PASSWORD == 0)
    }

    /// The entry as it will be read back: what is empty is absent, and `DeferFlags` is there (DECISION R3).
    pub(super) fn as_stored(&self) -> Entry {
        let mut stored = self.clone();
        stored.user = stored.user.filter(|user| !user.is_empty());
        stored.use_options = stored.use_options.filter(|options| !options.is_empty());
        stored.defer_flags.get_or_insert(match stored.user {
            Some(_) => Entry::DEFER_NEEDS_PASSWORD,
            None => Entry::MAY_DEFER,
        });
        stored
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_may_be_deferred_if_it_says_so_or_says_nothing() {
        let mut entry = Entry::new(LocalDevice::Drive('Z'), r"\\s\x");
        for (flags, may) in
            [(None, true), (Some(4), true), (Some(0), false), (Some(1), false), (Some(5), false)]
        {
            entry.defer_flags = flags;
            assert_eq!(entry.may_be_deferred(), may, "{flags:?}");
        }
    }

    #[test]
    fn what_is_written_about_deferring_depends_on_whether_a_user_was_given() {
        let mut entry = Entry::new(LocalDevice::Drive('Z'), r"\\s\x");
        assert_eq!(entry.as_stored().defer_flags, Some(4));
        entry.user = Some(String::new());
        assert_eq!(entry.as_stored().defer_flags, Some(4));
        entry.user = Some("ann".into());
        assert_eq!(entry.as_stored().defer_flags, Some(1));
        entry.defer_flags = Some(5);
        assert_eq!(entry.as_stored().defer_flags, Some(5));
    }

    #[test]
    fn the_type_of_a_connection_is_that_of_its_device() {
        assert_eq!(Entry::new(LocalDevice::Printer(1), r"\\s\p").connection_type, 2);
        assert_eq!(Entry::new(LocalDevice::Directory("/mnt/x".into()), r"\\s\x").connection_type, 1);
    }
}
