//! The router with scripted providers and notification libraries: one module a subject.

mod scene;

mod cancelling;
mod connecting;
mod names;
mod nesting;
mod outcome;
mod rejections;
mod routing;
mod scenarios;
mod structures;
mod threads;
