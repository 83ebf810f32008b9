//! Users and groups of this machine, by number and by name.
//!
//! Who asks is whoever started the process: the real user, not the one whose rights it has taken on.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::ptr::null_mut;

/// The user who started this process.
#[must_use]
pub fn real_uid() -> u32 {
    // SAFETY: takes no pointer and cannot fail.
    unsafe { libc::getuid() }
}

/// The groups of whoever started this process; `None` if the kernel does not tell.
#[must_use]
pub fn real_groups() -> Option<Vec<u32>> {
    // SAFETY: takes no pointer and cannot fail; a size of 0 asks how many there are.
    let (own, count) = unsafe { (libc::getgid(), libc::getgroups(0, null_mut())) };
    let mut groups = vec![0; usize::try_from(count).ok()?];
    // SAFETY: the buffer holds as many as said.
    let count = unsafe { libc::getgroups(count, groups.as_mut_ptr()) };
    groups.truncate(usize::try_from(count).ok()?);
    if !groups.contains(&own) {
        groups.push(own);
    }
    Some(groups)
}

/// The name of a user.
#[must_use]
pub fn user_name(uid: u32) -> Option<String> {
    looked_up(|entry: *mut libc::passwd, buffer, size, found| {
        // SAFETY: `looked_up` passes places that are valid, and the true size of the buffer.
        unsafe { libc::getpwuid_r(uid, entry, buffer, size, found) }
    })
    .map(|user| user.0)
}

/// Number and first group of a user.
#[must_use]
pub fn user(name: &str) -> Option<(u32, u32)> {
    let name = CString::new(name).ok()?;
    looked_up(|entry: *mut libc::passwd, buffer, size, found| {
        // SAFETY: the name is terminated; `looked_up` passes places that are valid, and the true size of the buffer.
        unsafe { libc::getpwnam_r(name.as_ptr(), entry, buffer, size, found) }
    })
    .map(|user| (user.1, user.2))
}

/// The groups of a user whose first group is `first`.
#[must_use]
pub fn groups_of(name: &str, first: u32) -> Option<Vec<u32>> {
    const MOST: usize = 65_536;
    let name = CString::new(name).ok()?;
    let mut groups = vec![0; 64];
    loop {
        let mut count = libc::c_int::try_from(groups.len()).ok()?;
        // SAFETY: the name is terminated, the buffer holds as many as said.
        let status = unsafe { libc::getgrouplist(name.as_ptr(), first, groups.as_mut_ptr(), &mut count) };
        if status >= 0 {
            groups.truncate(usize::try_from(count).ok()?);
            return Some(groups);
        }
        if groups.len() >= MOST {
            return None;
        }
        groups.resize(groups.len() * 4, 0);
    }
}

/// The name of a group.
#[must_use]
pub fn group_name(gid: u32) -> Option<String> {
    looked_up(|entry: *mut libc::group, buffer, size, found| {
        // SAFETY: `looked_up` passes places that are valid, and the true size of the buffer.
        unsafe { libc::getgrgid_r(gid, entry, buffer, size, found) }
    })
    .map(|group| group.0)
}

/// The number of a group.
#[must_use]
pub fn group(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    looked_up(|entry: *mut libc::group, buffer, size, found| {
        // SAFETY: the name is terminated; `looked_up` passes places that are valid, and the true size of the buffer.
        unsafe { libc::getgrnam_r(name.as_ptr(), entry, buffer, size, found) }
    })
    .map(|group| group.1)
}

/// What is taken from an entry: name and numbers.
trait Entry {
    /// # Safety
    ///
    /// The entry was filled in, and what it points to is alive.
    unsafe fn read(&self) -> Option<(String, u32, u32)>;
}

impl Entry for libc::passwd {
    unsafe fn read(&self) -> Option<(String, u32, u32)> {
        // SAFETY: the name is null or a string that is alive.
        Some((unsafe { text(self.pw_name) }?, self.pw_uid, self.pw_gid))
    }
}

impl Entry for libc::group {
    unsafe fn read(&self) -> Option<(String, u32, u32)> {
        // SAFETY: the name is null or a string that is alive.
        Some((unsafe { text(self.gr_name) }?, self.gr_gid, 0))
    }
}

/// # Safety
///
/// `text` is null or a terminated string that is alive.
unsafe fn text(text: *const libc::c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: as the caller vouches.
    let name = unsafe { CStr::from_ptr(text) }.to_str().ok()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// Asks with a buffer that grows until the entry fits.
fn looked_up<E: Entry>(
    ask: impl Fn(*mut E, *mut libc::c_char, usize, *mut *mut E) -> libc::c_int,
) -> Option<(String, u32, u32)> {
    // Entries come from the directory service too, and a group may have many members.
    const BIGGEST: usize = 1 << 22;
    let mut buffer: Vec<libc::c_char> = vec![0; 4096];
    loop {
        let mut entry = MaybeUninit::<E>::uninit();
        let mut found: *mut E = null_mut();
        let status = ask(entry.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &mut found);
        if status == libc::ERANGE && buffer.len() < BIGGEST {
            let bigger = buffer.len() * 4;
            buffer.resize(bigger, 0);
            continue;
        }
        if status != 0 || found.is_null() {
            return None;
        }
        // SAFETY: `found` is not null, so it points to `entry`, which the call has filled in with pointers into
        // `buffer`; both are alive here.
        return unsafe { (*found).read() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_by_number_and_by_name() {
        assert_eq!(user_name(0).as_deref(), Some("root"));
        assert_eq!(user("root").map(|user| user.0), Some(0));
        assert_eq!(group(&group_name(0).unwrap()), Some(0));
        assert!(groups_of("root", 0).unwrap().contains(&0));
    }

    #[test]
    fn who_is_not_there_is_nobody() {
        assert_eq!(user("no such user, surely"), None);
        assert_eq!(group("no such group, surely"), None);
        assert_eq!(user("a\0b"), None);
    }

    #[test]
    fn the_groups_of_this_process_hold_its_own() {
        // SAFETY: takes no pointer and cannot fail.
        let own = unsafe { libc::getgid() };
        assert!(real_groups().unwrap().contains(&own));
    }
}
