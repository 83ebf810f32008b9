//! The Multiple Provider Router.
