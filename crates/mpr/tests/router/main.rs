//! The router with scripted providers and notification libraries: one module a subject.

mod answers;
mod scene;

mod cancelling;
mod connecting;
mod enumeration;
mod information;
mod invariants;
mod libraries;
mod names;
mod nesting;
mod outcome;
mod plain;
mod queries;
mod rejections;
mod remembering;
mod restoring;
mod routing;
mod scenarios;
mod structures;
mod threads;
mod tracing;
