//! `mpr path`: one place, by its name on the network and by its names on this machine.

use crate::connected::{self, Connection};
use crate::failure::Failure;
use crate::names::{self, RemoteName};
use crate::output::{Output, clean};
use crate::place::Places;
use clap::ValueEnum;
use mpr::{Router, extended_error};
use mpr_core::device::LocalDevice;
use mpr_plugin::{Status, wide};
use serde::Serialize;

/// Translates a path: a local one to its name on the network, one on the network to where it is mounted
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  mpr path 'Z:\\dir'            \\\\server\\share\\dir\n  \
    mpr path /mnt/x/dir          \\\\server\\share\\dir\n  \
    mpr path //server/share/dir  /run/user/1000/mpr/drives/z/dir\n  \
    cd \"$(mpr path --as mounted Z:)\"")]
pub(crate) struct PathOf {
    /// A path on a drive (Z:\dir), in the file system (/mnt/x/dir), or on the network (//server/share/dir)
    path: String,
    /// The form wanted; without it the other side's
    #[arg(long = "as", value_name = "FORM")]
    form: Option<Form>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// \\server\share\dir
    Unc,
    /// Z:\dir
    Drive,
    /// /run/user/1000/mpr/drives/z/dir
    Mounted,
}

/// One place in all its forms.
#[derive(Debug, Default, Serialize)]
struct Forms {
    /// Its name on the network, whatever such names look like there.
    network: Option<String>,
    unc: Option<String>,
    drive: Option<String>,
    mounted: Option<String>,
    /// What is connected there.
    connection: Option<String>,
    /// The rest of the path: begins with a backslash, or is empty.
    remaining: String,
}

/// From which side the path came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Here,
    Network,
}

pub(crate) fn run(path: &PathOf, output: &Output) -> Result<(), Failure> {
    let router = Router::system();
    let places = Places::now(router);
    let (forms, side) = translate(router, &places, &path.path)?;
    if output.json {
        return output.object(&forms);
    }
    let wanted = match (path.form, side) {
        (Some(Form::Unc), _) => &forms.unc,
        (Some(Form::Drive), _) => &forms.drive,
        (Some(Form::Mounted), _) => &forms.mounted,
        (None, Side::Here) => &forms.network,
        (None, Side::Network) if forms.mounted.is_none() => &forms.drive,
        (None, Side::Network) => &forms.mounted,
    };
    match wanted {
        Some(text) => output.line(clean(text)),
        None => Err(Failure::other(
            format!("{} has no name of this form", clean(&path.path)),
            format!("see the forms it has: mpr path --json '{}'", clean(&path.path)),
        )),
    }
}

fn translate(router: &'static Router, places: &Places, path: &str) -> Result<(Forms, Side), Failure> {
    let on_drive = path.get(1..2) == Some(":") && path.starts_with(|c: char| c.is_ascii_alphabetic());
    if on_drive {
        return of_drive(router, places, path).map(|forms| (forms, Side::Here));
    }
    // `server:/export` is a name on a network; what begins with a slash or a dot is a path of this machine.
    let remote = path.starts_with(r"\\") || path.starts_with("//") || path.contains("://");
    if remote || !path.starts_with(['/', '.']) && path.contains(":/") {
        return of_network(router, places, path).map(|forms| (forms, Side::Network));
    }
    of_file(router, places, path).map(|forms| (forms, Side::Here))
}

/// `Z:\dir`
fn of_drive(router: &Router, places: &Places, path: &str) -> Result<Forms, Failure> {
    extended_error::clear();
    let drive = path.replace('/', r"\");
    let names = router.universal_name(&wide(&drive)).map_err(|status| {
        let local = drive.get(..2).unwrap_or_default();
        Failure::about(status, format!("tell the network name of {path}"), None, Some(local))
    })?;
    let remaining = names.remaining.to_string_lossy();
    let connection = names.connection.to_string_lossy();
    let device = drive.get(..2).and_then(names::device);
    let directory = places.of(device.as_ref(), &connection);
    let unc = names.universal.map(|unc| unc.to_string_lossy());
    Ok(Forms {
        network: Some(unc.clone().unwrap_or_else(|| names::joined(&connection, &remaining))),
        unc,
        mounted: directory
            .map(|directory| format!("{}{}", directory.display(), remaining.replace('\\', "/"))),
        drive: Some(drive),
        connection: Some(connection),
        remaining,
    })
}

/// A path in the file system: below a drive's directory, a connected directory, or a deviceless connection.
fn of_file(router: &'static Router, places: &Places, path: &str) -> Result<Forms, Failure> {
    let absolute = std::path::absolute(path).ok().and_then(|path| path.into_os_string().into_string().ok());
    let Some(absolute) = absolute.filter(|_| !path.is_empty()) else {
        return Err(Failure::Usage("a path to be translated is text and not empty".into()));
    };
    if let Some((device, rest)) = places.drive_of(&absolute) {
        return of_drive(router, places, &format!("{device}{}", rest.replace('/', r"\")));
    }
    let survey = connected::survey(router, places);
    let inside = survey.connections.iter().filter_map(|one| {
        let directory = one.path.as_ref()?.to_str()?;
        Some((one, directory, names::below(&absolute, directory, '/', false)?))
    });
    // The innermost one: connections may lie within each other.
    match inside.max_by_key(|(_, directory, _)| directory.len()) {
        Some((one, _, rest)) => Ok(forms_of(one, &rest.replace('/', r"\"))),
        None => Err(Failure::status(
            Status::NOT_CONNECTED,
            format!("tell the network name of {}", clean(&absolute)),
        )),
    }
}

/// `\\server\share\dir`
fn of_network(router: &'static Router, places: &Places, path: &str) -> Result<Forms, Failure> {
    let remote = RemoteName::new(path)?.canonical;
    let survey = connected::survey(router, places);
    let covering =
        survey.connections.iter().filter_map(|one| Some((one, names::inside(&remote, &one.remote)?)));
    // The one that reaches furthest, and among equals one with a local name.
    match covering.max_by_key(|(one, _)| (one.remote.len(), one.local.is_some())) {
        Some((one, rest)) => Ok(forms_of(one, &rest)),
        None => Err(Failure::about(
            Status::NOT_CONNECTED,
            format!("tell where {} is mounted", clean(&remote)),
            Some(&remote),
            None,
        )),
    }
}

/// The forms of what lies below a connection; `rest` begins with a backslash or is empty.
fn forms_of(one: &Connection, rest: &str) -> Forms {
    let drive = match one.device() {
        Some(device @ LocalDevice::Drive(_)) => Some(format!("{device}{rest}")),
        _ => None,
    };
    let connection = one.remote.trim_end_matches('\\').to_owned();
    let network = names::joined(&connection, rest);
    Forms {
        unc: Some(network.clone()).filter(|name| name.starts_with(r"\\")),
        network: Some(network),
        drive,
        mounted: one.path.as_ref().map(|path| format!("{}{}", path.display(), rest.replace('\\', "/"))),
        connection: Some(connection),
        remaining: rest.to_owned(),
    }
}
