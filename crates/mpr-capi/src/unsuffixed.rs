//! Which encoding the caller of an unsuffixed function uses.
//!
//! Such a function serves both. The first string that is there and not empty shows which it is: the second
//! byte of a UTF-16 string that begins with an ASCII character is zero, and that of a UTF-8 string of two
//! or more characters never is. Names of resources and devices begin with one.
//!
//! A call without such a string goes by the last one that had one, on this thread or else in this process: a
//! program declares all its functions alike.

use crate::text::{Blank, Form, Narrow};
use mpr_abi::{CONNECTDLGSTRUCTW, DISCDLGSTRUCTW, HANDLE, NETRESOURCEW};
use mpr_plugin::pack::Wide;
use std::any::TypeId;
use std::cell::Cell;
use std::sync::atomic::{AtomicU8, Ordering};

/// One of the two encodings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Encoded {
    Wide = 1,
    Narrow = 2,
}

/// What a call shows of the encoding its caller uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Wide,
    Narrow,
    /// Nothing: all strings are empty. An earlier call may have shown it.
    Nothing {
        before: Option<Encoded>,
    },
}

thread_local! {
    static ON_THIS_THREAD: Cell<Option<Encoded>> = const { Cell::new(None) };
}
/// 0, or an [`Encoded`].
static IN_THIS_PROCESS: AtomicU8 = AtomicU8::new(0);

impl Encoded {
    /// What the last unsuffixed call showed that showed anything.
    fn before() -> Option<Self> {
        ON_THIS_THREAD.get().or(match IN_THIS_PROCESS.load(Ordering::Relaxed) {
            1 => Some(Encoded::Wide),
            2 => Some(Encoded::Narrow),
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
pub(crate) struct Evidence(Option<Encoded>);

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
                (_, bytes) if bytes.add(1).read() == 0 => Evidence(Some(Encoded::Wide)),
                _ => Evidence(Some(Encoded::Narrow)),
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

    /// What to go by.
    pub(crate) fn decide(self) -> Shown {
        match self.0 {
            Some(encoded) => {
                encoded.remember();
                match encoded {
                    Encoded::Wide => Shown::Wide,
                    Encoded::Narrow => Shown::Narrow,
                }
            }
            None => Shown::Nothing { before: Encoded::before() },
        }
    }
}

/// The encoding a form's results are in, if that is settled.
pub(crate) fn encoding_of<E: Form>() -> Option<Encoded> {
    let is = |form| TypeId::of::<E>() == form;
    if is(TypeId::of::<Wide>()) || is(TypeId::of::<Blank<Wide>>()) {
        Some(Encoded::Wide)
    } else if is(TypeId::of::<Narrow>()) || is(TypeId::of::<Blank<Narrow>>()) {
        Some(Encoded::Narrow)
    } else {
        None
    }
}
