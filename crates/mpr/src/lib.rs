//! The Multiple Provider Router.

pub mod config;
pub mod library;
mod trust;
