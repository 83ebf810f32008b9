//! The rules of the Multiple Provider Router, without the world they apply to.
//!
//! Nothing here does I/O, reads a clock, calls a plug-in or uses `unsafe`. The router drives these rules and
//! so do the tests, each supplying the answers that providers and notification libraries give:
//!
//! * [`notify`] — the connection notification protocol as a state machine (`spec/notification.md`)
//! * [`routing`] — which of several providers' answers is the result (`spec/wnet.md` §3)
//! * [`claims`] — which providers can own a name
//! * [`policy`] — which connects and disconnects the rules of an administrator allow
//! * [`device`] — names of local devices (`spec/wnet.md` §1.4)
//! * [`remote`] — names of network resources and their canonical form

#![forbid(unsafe_code)]

pub mod claims;
pub mod device;
pub mod notify;
pub mod policy;
pub mod remote;
pub mod routing;
