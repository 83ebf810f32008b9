//! Enumerations and their handles (`spec/wnet.md` §9).
//!
//! A handle is a number that was given out once and is looked up; it is never followed. Whatever is passed
//! instead of one, closed, made up or of another library, is not found.

use crate::connections::read_resource;
use crate::output;
use crate::router;
use crate::text::{Form, Texts};
use crate::unsuffixed::{Encoded, encoding_of};
use mpr::{Enumeration, PerProcess};
use mpr_abi::{DWORD, HANDLE, LPVOID, Status};
use mpr_plugin::pack::Packer;
use mpr_plugin::{NetResource, WideStr};
use std::collections::BTreeMap;
use std::ptr::without_provenance_mut;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The enumerations that are open.
static OPEN: PerProcess<Mutex<Table>> = PerProcess::new(Mutex::new(Table::new()));

/// Handles begin above the small numbers that other kinds of handles are.
const FIRST: usize = 0x4D50_0000;
/// Handles of Windows are multiples of four; some callers keep flags below.
const STEP: usize = 4;

struct Table {
    last: usize,
    slots: BTreeMap<usize, Slot>,
}

impl Table {
    const fn new() -> Self {
        Table { last: FIRST, slots: BTreeMap::new() }
    }

    /// In a fork: the enumerations go on in both processes, unless they were being looked up when it forked.
    fn forked(theirs: &Mutex<Table>) -> Mutex<Table> {
        let table = theirs.try_lock().map(|mut theirs| std::mem::replace(&mut *theirs, Table::new()));
        Mutex::new(table.unwrap_or_else(|_| Table::new()))
    }
}

struct Slot {
    /// `None` while a call is under way: one at a time (§9.1), and none waits for another.
    open: Option<Open>,
    /// The form it was opened with, for an unsuffixed call that continues it.
    form: Option<Encoded>,
}

struct Open {
    entries: Enumeration,
    /// What the provider answered in place of an entry, after others that were delivered first.
    pending: Option<Status>,
    /// After the end there is only the end (DECISION W27).
    ended: bool,
}

fn table() -> MutexGuard<'static, Table> {
    // Nothing that can panic half-way happens under the lock.
    OPEN.get(Table::forked).lock().unwrap_or_else(PoisonError::into_inner)
}

/// The form an enumeration was opened with.
pub(crate) fn form_of(handle: HANDLE) -> Option<Encoded> {
    table().slots.get(&handle.addr())?.form
}

/// An enumeration taken out of the table for one call. If it is not put back, a panic having ended the call,
/// its handle is closed.
struct Taken {
    /// `None` once it is back in the table, where another call may have it already.
    handle: Option<usize>,
    open: Option<Open>,
}

impl Taken {
    fn take(handle: HANDLE) -> Result<Self, Status> {
        let handle = handle.addr();
        let found = table().slots.get_mut(&handle).map(|slot| slot.open.take());
        match found {
            Some(Some(open)) => Ok(Taken { handle: Some(handle), open: Some(open) }),
            Some(None) => Err(Status::FUNCTION_BUSY),
            // Not under the lock: it may load the providers, and they may call us.
            None => Err(no_such_handle()),
        }
    }

    fn put_back(mut self) {
        let mut table = table();
        if let Some(slot) = self.handle.take().and_then(|handle| table.slots.get_mut(&handle)) {
            slot.open = self.open.take();
        }
    }

    fn close(mut self) -> Result<(), Status> {
        let open = self.open.take();
        // The handle is gone before the providers are asked: whatever they answer, it is closed.
        drop(self);
        open.map_or(Ok(()), |open| open.entries.close())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            table().slots.remove(&handle);
        }
    }
}

/// Whether there is a network comes before whether there is a handle (§9.2, §9.3). A handle of remembered
/// connections is good without one.
fn no_such_handle() -> Status {
    if router().network_providers().next().is_none() { Status::NO_NETWORK } else { Status::BAD_HANDLE }
}

/// `WNetOpenEnum`.
pub(crate) unsafe fn open<E: Form>(
    scope: DWORD,
    kind: DWORD,
    usage: DWORD,
    container: *const E::Resource,
    handle: *mut HANDLE,
) -> Result<(), Status> {
    if handle.is_null() {
        return Err(Status::BAD_POINTER);
    }
    let container = match container.is_null() {
        true => None,
        // SAFETY: the exported function's caller vouches for its pointers.
        false => Some(unsafe { container_of::<E>(container) }?),
    };
    let entries = router().open_enum(scope, kind, usage, container.as_ref())?;
    let open = Open { entries, pending: None, ended: false };
    let mut table = table();
    // On a 64-bit system a handle never comes again.
    let mut number = table.last;
    loop {
        number = number.wrapping_add(STEP);
        if number != 0 && number != usize::MAX && !table.slots.contains_key(&number) {
            break;
        }
    }
    table.last = number;
    table.slots.insert(number, Slot { open: Some(open), form: encoding_of::<E>() });
    drop(table);
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe { handle.write_unaligned(without_provenance_mut(number)) };
    Ok(())
}

/// # Safety
///
/// `container` points to a structure as `WNetOpenEnum` wants it.
unsafe fn container_of<E: Form>(container: *const E::Resource) -> Result<NetResource, Status> {
    let texts = Texts::new();
    // SAFETY: as the caller vouches.
    unsafe {
        let resource = read_resource::<E>(container)?;
        let copy =
            |string: *mut u16| texts.read::<E>(string.cast()).map(|string| string.map(WideStr::to_ucstring));
        Ok(NetResource {
            scope: resource.dwScope,
            kind: resource.dwType,
            display: resource.dwDisplayType,
            usage: resource.dwUsage,
            local: copy(resource.lpLocalName)?,
            remote: copy(resource.lpRemoteName)?,
            comment: None,
            provider: copy(resource.lpProvider)?,
        })
    }
}

/// `WNetEnumResource`.
pub(crate) unsafe fn next<E: Form>(
    handle: HANDLE,
    count: *mut DWORD,
    buffer: LPVOID,
    bytes: *mut DWORD,
) -> Result<(), Status> {
    if count.is_null() || buffer.is_null() || bytes.is_null() {
        return Err(Status::BAD_POINTER);
    }
    let mut taken = Taken::take(handle)?;
    let result = match &mut taken.open {
        // SAFETY: the exported function's caller vouches for its pointers.
        Some(open) => unsafe { fill::<E>(open, count, buffer, bytes) },
        None => Err(Status::BAD_HANDLE),
    };
    taken.put_back();
    result
}

/// # Safety
///
/// As `WNetEnumResource`, with pointers that are not NULL.
unsafe fn fill<E: Form>(
    open: &mut Open,
    count: *mut DWORD,
    buffer: LPVOID,
    bytes: *mut DWORD,
) -> Result<(), Status> {
    // SAFETY: as the caller vouches.
    unsafe {
        let wanted = count.read_unaligned();
        if wanted == 0 {
            return Err(Status::BAD_VALUE);
        }
        if let Some(status) = open.pending.take() {
            return Err(status);
        }
        let mut packer = Packer::new(buffer.cast(), bytes.read_unaligned() as usize);
        let mut packed = 0;
        while packed < wanted && !open.ended {
            match output::found(open.entries.next_entry()) {
                Ok(Some(entry)) => match packer.resource::<E>(&entry) {
                    Ok(()) => packed += 1,
                    Err(needed) => {
                        open.entries.put_back(entry);
                        if packed == 0 {
                            bytes.write_unaligned(needed as DWORD);
                            return Err(Status::MORE_DATA);
                        }
                        break;
                    }
                },
                Ok(None) => open.ended = true,
                // What was delivered first comes first.
                Err(status) if packed > 0 => {
                    open.pending = Some(status);
                    break;
                }
                Err(status) => return Err(status),
            }
        }
        if packed == 0 {
            return Err(Status::NO_MORE_ENTRIES);
        }
        count.write_unaligned(packed);
    }
    Ok(())
}

/// `WNetCloseEnum`.
pub(crate) fn close(handle: HANDLE) -> Result<(), Status> {
    Taken::take(handle)?.close()
}
