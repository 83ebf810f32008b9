//! `mpr user`

use crate::failure::Failure;
use crate::names::Name;
use crate::output::{Output, clean};
use mpr::{Router, extended_error};
use mpr_plugin::wide;
use serde_json::json;

/// Shows the user a connection was made as, or who you are
#[derive(clap::Args, Debug)]
pub(crate) struct User {
    /// Local or remote name of a connection; you if left out
    name: Option<String>,
}

pub(crate) fn run(user: &User, output: &Output) -> Result<(), Failure> {
    let name = user.name.as_deref().map(Name::new).transpose()?.map(|name| name.text());
    let asked = name.as_deref().map(wide);
    extended_error::clear();
    let found = Router::system().user(asked.as_deref()).map_err(|status| match &name {
        Some(name) => Failure::about(status, format!("tell the user of {name}"), Some(name), Some(name)),
        None => Failure::status(status, "tell who you are"),
    })?;
    let found = found.to_string_lossy();
    match output.json {
        true => output.object(&json!({ "name": name, "user": found })),
        false => output.line(clean(&found)),
    }
}
