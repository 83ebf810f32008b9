//! The built `mpr`, used as a person at a shell uses it: each test in surroundings of its own.

mod connect;
mod disconnect;
mod doctor;
mod environment;
mod error;
mod list;
mod notifyee;
mod password;
mod provider;
