//! Plug-ins in a host process, and commands: what the caller gets, and in how long, whatever they do.
//!
//! As in `system.rs`, each test starts this program again, in a world of its own, to play the application.

#![cfg(target_os = "linux")]

mod application;
mod listeners;
mod providers;
mod sandbox;
mod scripts;
mod trail;
mod zoo;
