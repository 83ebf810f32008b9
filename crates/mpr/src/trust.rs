//! Whether a file may be believed or run: who owns it, and who else could have changed it.
