//! The built `mpr`, used as a person at a shell uses it: each test in surroundings of its own.

mod browse;
mod connect;
mod disconnect;
mod doctor;
mod environment;
mod error;
mod events;
mod explanation;
mod info;
mod list;
#[cfg(target_os = "linux")]
mod lost;
mod manual;
mod net_use;
mod notifyee;
mod password;
mod path;
mod policy;
mod provider;
mod restore;
mod terminal;
mod usage;
