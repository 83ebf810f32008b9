//! `mpr cred`: passwords that are kept.
//!
//! The helper keeps them, and this command only says what it is told: neither the desktop's Secret Service nor the
//! kernel's keyring is spoken to from here.

use crate::connecting;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::names::RemoteName;
use crate::output::{Output, clean};
use crate::password;
use crate::terminal::Terminal;
use mpr::Secret;
use mpr_core::remote::Unc;
use mpr_helper::dirs;
use mpr_helper::protocol::{self, Event, Kept, KeptIn, Login, Protocol, Request, Server};
use mpr_helper::spawn::{self, Helper, MPR_MOUNT};
use mpr_plugin::Status;
use serde_json::{Value, json};
use std::time::Duration;
use zeroize::Zeroizing;

/// How long the helper may take: the desktop may have to ask its user first.
const PATIENCE: Duration = Duration::from_secs(100);

/// The port that goes without saying.
const SMB: u16 = 445;

/// Shows, adds and removes passwords that are kept for connections
#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Shows whose passwords are kept, and where; never the passwords
    List,
    /// Keeps a password without connecting
    Add {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        password: password::Source,
    },
    /// Removes a password
    Remove {
        #[command(flatten)]
        whose: Whose,
    },
}

#[derive(clap::Args, Debug)]
struct Whose {
    /// The server, as //server, or anything on it
    remote: String,
    /// The user: NAME, DOMAIN\NAME or NAME@DOMAIN; yours if left out
    #[arg(long, short, value_name = "NAME")]
    user: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    match &arguments.action {
        Action::List => {
            let kept = ask("list the passwords that are kept", &Request::ListPasswords, None)?;
            if kept.is_empty() {
                output.note("no password is kept");
            }
            kept.iter().try_for_each(|one| match output.json {
                true => output.object(&fact(one, "kept")),
                false => output.line(line(one)),
            })
        }
        Action::Add { whose, password } => add(whose, password, output),
        Action::Remove { whose } => remove(whose, output),
    }
}

fn add(whose: &Whose, source: &password::Source, output: &Output) -> Result<(), Failure> {
    let (remote, user) = whose.parts()?;
    let (server, login) = account(&remote, &user)?;
    let password = match source.read()? {
        Some(password) => password,
        None => at_terminal(&remote, &user)?,
    };
    let password = Zeroizing::new(password.as_wide().to_string_lossy());
    let doing = format!("keep the password of {} for {}", clean(&user), clean(&remote.canonical));
    let request = Request::KeepPassword { server, login, has_password: true };
    ask(&doing, &request, Some(password.as_bytes()))?.iter().try_for_each(|one| tell(one, "kept", output))
}

fn remove(whose: &Whose, output: &Output) -> Result<(), Failure> {
    let (remote, user) = whose.parts()?;
    let (server, login) = account(&remote, &user)?;
    let doing = format!("remove the password of {} for {}", clean(&user), clean(&remote.canonical));
    let removed = ask(&doing, &Request::ForgetPassword { server, login }, None)?;
    if removed.is_empty() {
        return Err(Failure::other(
            format!("no password of {} is kept for {}", clean(&user), clean(&remote.canonical)),
            "mpr cred list shows whose are",
        ));
    }
    removed.iter().try_for_each(|one| tell(one, "removed", output))
}

/// Where the password for a connection to `remote` as `user` is kept.
pub(crate) fn kept_for(remote: &RemoteName, user: Option<&str>) -> Result<Option<Kept>, Failure> {
    let user = user.map(str::to_owned).or_else(dirs::user_name).unwrap_or_default();
    let Ok((server, _)) = account(remote, &user) else { return Ok(None) };
    let server = match server.port {
        Some(port) => format!("//{}@{port}", server.host),
        None => format!("//{}", server.host),
    };
    let same = |kept: &Kept| kept.server == server.to_lowercase() && kept.user == user.to_lowercase();
    let kept = ask("see whether the password is kept", &Request::ListPasswords, None)?;
    Ok(kept.into_iter().find(same))
}

/// A place in words.
pub(crate) fn place(place: KeptIn) -> &'static str {
    match place {
        KeptIn::SecretService => "the Secret Service of this desktop",
        KeptIn::KernelKeyring => {
            "the kernel's keyring, until the machine is shut down or it is not used for three days"
        }
    }
}

impl Whose {
    fn parts(&self) -> Result<(RemoteName, String), Failure> {
        let remote = RemoteName::new(&self.remote)?;
        let user = self.user.clone().or_else(|| remote.user.clone()).or_else(dirs::user_name);
        let user = user.ok_or_else(|| Failure::Usage("there is no user of that name; use --user".into()))?;
        Ok((remote, user))
    }
}

/// The server of a name, and the user as its helper is told.
fn account(remote: &RemoteName, user: &str) -> Result<(Server, Login), Failure> {
    let unc = Unc::parse(&remote.canonical).ok_or_else(|| {
        Failure::Usage(format!(
            "'{}' names no server of a network that keeps passwords; //server does",
            clean(&remote.canonical)
        ))
    })?;
    let (domain, user) = user.split_once('\\').unwrap_or(("", user));
    let host = unc.address().map_or_else(|| unc.server.to_owned(), |address| address.to_string());
    let server = Server { protocol: Protocol::Smb, host, port: unc.port.filter(|port| *port != SMB) };
    Ok((server, Login::Account { user: user.to_owned(), domain: domain.to_owned() }))
}

fn at_terminal(remote: &RemoteName, user: &str) -> Result<Secret, Failure> {
    let interrupt = Interrupt::ask_to_stop().ok();
    let terminal = Terminal::open(interrupt.as_ref()).ok_or_else(|| {
        Failure::other(
            "there is no terminal to ask for a password at",
            "use --password-stdin or --password-file",
        )
    })?;
    let question = |user: Option<&str>| {
        format!("Password of {} for {}: ", clean(user.unwrap_or_default()), clean(&remote.canonical))
    };
    let answer = connecting::credentials(&terminal, Some(user), String::new, question)?;
    answer.map(|answer| answer.password).ok_or_else(|| Failure::status(Status::CANCEL, "keep a password"))
}

fn ask(doing: &str, request: &Request, secret: Option<&[u8]>) -> Result<Vec<Kept>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::other(format!("cannot {doing}: {error}"), "mpr doctor looks for what is missing")
    };
    let runtime = dirs::runtime_dir().map_err(failed)?;
    let helper =
        spawn::find(MPR_MOUNT).and_then(|program| Helper::start(&program, &runtime)).map_err(failed)?;
    let mut all = Vec::new();
    let heard = helper.ask(request, secret, PATIENCE, &mut |event| {
        if let Event::Passwords { kept } = event {
            all.extend(kept);
        }
    });
    let refused = |failure: protocol::Failure| {
        Failure::other(
            format!("cannot {doing}: {}", clean(&failure.message)),
            "unlock or start the place where this desktop keeps passwords, and try again",
        )
    };
    heard.map_err(refused)?;
    Ok(all)
}

fn tell(kept: &Kept, result: &str, output: &Output) -> Result<(), Failure> {
    let (server, user) = (clean(&kept.server), clean(&kept.user));
    let what = match result {
        "kept" => format!("is kept in {}", place(kept.place)),
        other => format!("is {other}"),
    };
    output.result(&fact(kept, result), format_args!("the password of {user} on {server} {what}"))
}

fn fact(kept: &Kept, result: &str) -> Value {
    json!({ "server": kept.server, "user": kept.user, "place": kept.place, "result": result })
}

fn line(kept: &Kept) -> String {
    let place = match kept.place {
        KeptIn::SecretService => "Secret Service",
        KeptIn::KernelKeyring => "kernel keyring",
    };
    format!("{}\t{}\t{place}", clean(&kept.server), clean(&kept.user))
}
