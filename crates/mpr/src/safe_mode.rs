//! Safe mode: no plug-in of others but those that must be asked.
//!
//! When a program misbehaves once plug-ins are in it, or nobody trusts them any more, everything that is optional is
//! left out: registered providers, credential managers, and notification libraries. What stays is what is built in,
//! the policy, and the guards of the system's configuration (`on-failure = "deny"`), which are there to be asked.

use std::sync::atomic::{AtomicBool, Ordering};

static SWITCHED_ON: AtomicBool = AtomicBool::new(false);

/// Switches it on for this process, before the router is used first. So does `MPR_SAFE_MODE=1`, and for all
/// programs `safe-mode = true` in an `mpr.toml`.
pub fn switch_on() {
    SWITCHED_ON.store(true, Ordering::Relaxed);
}

/// Whether it was switched on, here or by the environment. A process with elevated privileges does not listen to
/// the environment: whoever starts it could leave out what watches them.
pub(crate) fn is_on(elevated: bool) -> bool {
    let by_environment =
        || std::env::var_os("MPR_SAFE_MODE").is_some_and(|value| !value.is_empty() && value != "0");
    SWITCHED_ON.load(Ordering::Relaxed) || !elevated && by_environment()
}
