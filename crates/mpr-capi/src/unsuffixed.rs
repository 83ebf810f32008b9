//! Which encoding the caller of an unsuffixed function uses.
//!
//! Such a function serves both. The first string that is there and not empty shows which it is: the second
//! byte of a UTF-16 string that begins with an ASCII character is zero, and that of a UTF-8 string of two
//! or more characters never is. Names of resources and devices begin with one.
//!
//! A call without such a string goes by the last one that had one, on this thread or else in this process: a
//! program declares all its functions alike.

use crate::text::Form;
use mpr_abi::{CONNECTDLGSTRUCTW, DISCDLGSTRUCTW, HANDLE, NETRESOURCEW};
use mpr_plugin::pack::Wide;
use std::cell::Cell;
use std::sync::atomic::{AtomicU8, Ordering};

/// An encoding a caller was seen to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Shown {
    Wide = 1,
    Narrow = 2,
}

thread_local! {
    static ON_THIS_THREAD: Cell<Option<Shown>> = const { Cell::new(None) };
}
/// 0, or a [`Shown`].
static IN_THIS_PROCESS: AtomicU8 = AtomicU8::new(0);

impl Shown {
    /// What the last unsuffixed call that showed an encoding showed.
    pub(crate) fn before() -> Option<Self> {
        ON_THIS_THREAD.get().or(match IN_THIS_PROCESS.load(Ordering::Relaxed) {
            1 => Some(Shown::Wide),
            2 => Some(Shown::Narrow),
            _ => None,
        })
    }

    fn remember(self) {
        ON_THIS_THREAD.set(Some(self));
        IN_THIS_PROCESS.store(self as u8, Ordering::Relaxed);
    }
}

/// What the arguments of one call show, looked at in order. Nothing is looked at that the function itself
/// would not read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence(Option<Shown>);

impl Evidence {
    pub(crate) const NONE: Self = Evidence(None);

    /// Looks at a string.
    ///
    /// # Safety
    ///
    /// `string` is NULL or points to a terminated string in either encoding.
    pub(crate) unsafe fn text(self, string: *const u16) -> Self {
        let bytes = string.cast::<u8>();
        if self.0.is_some() || bytes.is_null() {
            return self;
        }
        // SAFETY: a string has one byte at least, and one that does not begin with its terminator two.
        unsafe {
            match (bytes.read(), bytes) {
                (0, _) => self,
                (_, bytes) if bytes.add(1).read() == 0 => Evidence(Some(Shown::Wide)),
                _ => Evidence(Some(Shown::Narrow)),
            }
        }
    }

    /// Looks at the strings of a resource that are inputs: the remote name first.
    ///
    /// # Safety
    ///
    /// `resource` is NULL or points to a structure whose strings are as [`text`](Self::text) wants them.
    pub(crate) unsafe fn resource(self, resource: *const NETRESOURCEW) -> Self {
        if resource.is_null() {
            return self;
        }
        // SAFETY: as the caller vouches. The comment is no input.
        unsafe {
            let resource = resource.read_unaligned();
            self.text(resource.lpRemoteName).text(resource.lpLocalName).text(resource.lpProvider)
        }
    }

    /// Looks at what the connect dialog is to offer.
    ///
    /// # Safety
    ///
    /// `dialog` is NULL or points to a structure that is as long as it says and as
    /// [`resource`](Self::resource) wants it.
    pub(crate) unsafe fn connect_dialog(self, dialog: *const CONNECTDLGSTRUCTW) -> Self {
        // SAFETY: as the caller vouches.
        unsafe {
            if dialog.is_null()
                || dialog.cast::<u32>().read_unaligned() as usize != size_of::<CONNECTDLGSTRUCTW>()
            {
                return self;
            }
            self.resource(dialog.read_unaligned().lpConnRes)
        }
    }

    /// Looks at what is to be disconnected.
    ///
    /// # Safety
    ///
    /// `dialog` is NULL or points to a structure that is as long as it says, whose strings are as
    /// [`text`](Self::text) wants them.
    pub(crate) unsafe fn disconnect_dialog(self, dialog: *const DISCDLGSTRUCTW) -> Self {
        // SAFETY: as the caller vouches.
        unsafe {
            if dialog.is_null()
                || dialog.cast::<u32>().read_unaligned() as usize != size_of::<DISCDLGSTRUCTW>()
            {
                return self;
            }
            let dialog = dialog.read_unaligned();
            self.text(dialog.lpRemoteName).text(dialog.lpLocalName)
        }
    }

    /// Looks at the form an enumeration was opened with.
    pub(crate) fn handle(self, handle: HANDLE) -> Self {
        Evidence(self.0.or_else(|| crate::enumeration::form_of(handle)))
    }

    /// What to go by; `None` where nobody has shown anything yet.
    pub(crate) fn decide(self) -> Option<Shown> {
        if let Some(shown) = self.0 {
            shown.remember();
        }
        self.0.or_else(Shown::before)
    }
}

/// The form of a call that an enumeration was opened with.
pub(crate) fn shown_by<E: Form>() -> Option<Shown> {
    use std::any::TypeId;
    if TypeId::of::<E>() == TypeId::of::<Wide>() {
        Some(Shown::Wide)
    } else if TypeId::of::<E>() == TypeId::of::<crate::text::Narrow>() {
        Some(Shown::Narrow)
    } else {
        None
    }
}
