//! `mpr connect`

use crate::connecting::{self, Local, Questions, Wish};
use crate::cred;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::names::{self, RemoteName};
use crate::output::{Output, clean};
use crate::password;
use crate::story;
use crate::terminal::Terminal;
use mpr::{Router, trace};
use mpr_helper::options::Options;
use mpr_plugin::abi::{
    CONNECT_CMD_SAVECRED, CONNECT_COMMANDLINE, CONNECT_INTERACTIVE, CONNECT_PROMPT,
    CONNECT_REQUIRE_INTEGRITY, CONNECT_REQUIRE_PRIVACY,
};
use serde_json::json;

/// Connects a network resource, with or without a local name
#[derive(clap::Args, Debug)]
#[command(after_help = "Spellings of REMOTE: //server/share, '\\\\server\\share', \\\\server@port\\share, \
    smb://[user@]server[:port]/share, http(s)://…, dav(s)://…, nfs://server/export, server:/export, \
    sftp://[user@]server/path. A password never stands in a name or on the command line: it is asked for, or \
    read with one of the --password options.")]
pub(crate) struct Connect {
    /// The resource: //server/share, smb://server/share, …
    remote: String,
    /// Local name: a drive letter (Z:), an empty directory (/mnt/x), LPT1 to LPT9, or * for a free drive letter
    local: Option<String>,
    /// Connect as this user: NAME, DOMAIN\NAME or NAME@DOMAIN
    #[arg(long, short, value_name = "NAME")]
    user: Option<String>,
    /// Remember the connection and restore it later; needs a local name
    #[arg(long, conflicts_with = "no_persist")]
    persist: bool,
    /// Do not remember the connection
    #[arg(long)]
    no_persist: bool,
    /// Ask this provider and no other
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    #[command(flatten)]
    password: password::Source,
    /// Ask for user and password before connecting, instead of trying the defaults first
    #[arg(long, conflicts_with = "Source")]
    prompt: bool,
    /// Keep the password where this desktop keeps passwords, or else in the kernel's keyring
    #[arg(long)]
    save: bool,
    /// Allow the provider to ask questions of its own
    #[arg(long)]
    interactive: bool,
    /// Refuse a connection whose traffic is not signed
    #[arg(long)]
    require_signing: bool,
    /// Refuse a connection whose traffic is not encrypted
    #[arg(long)]
    require_encryption: bool,
    /// Options of this connection, separated by commas: uid=, gid= (owner of everything), file-mode=, dir-mode= (octal),
    /// allow-other, read-only, timeout=30s, cache-memory=64M, cache-names=N, [no-]encrypt, [no-]symlinks-in-files.
    /// Those of another provider that is named are handed to it as they are. They are remembered with the connection
    #[arg(long = "option", short = 'o', value_name = "OPTIONS")]
    options: Vec<String>,
    /// Tell step by step what happens, with times: who is told, who is asked, and who decides
    #[arg(long)]
    explain: bool,
}

/// The provider whose options [`Options`] are.
const SMB: &str = "Microsoft Windows Network";

pub(crate) const QUESTIONS: Questions = Questions {
    user: |remote| format!("User for {} (empty for yours): ", clean(remote)),
    password: |remote, user| match user {
        Some(user) => format!("Password of {} for {}: ", clean(user), clean(remote)),
        None => format!("Password for {}: ", clean(remote)),
    },
};

pub(crate) fn run(connect: Connect, output: &Output) -> Result<(), Failure> {
    let router = Router::system();
    let mut wish = connect.wish(router)?;
    wish.password = connect.password.read()?;
    wish.ask = wish.password.is_none();
    if connect.prompt {
        ask_first(&mut wish)?;
    }
    let mut attempt = || connecting::connect(router, &mut wish, &QUESTIONS, output);
    let connected = if connect.explain { trace::watch(story::teller(output), attempt) } else { attempt() }?;
    tell(&connected, output)?;
    if connect.save { tell_kept(&wish, output) } else { Ok(()) }
}

impl Connect {
    fn wish(&self, router: &Router) -> Result<Wish, Failure> {
        let remote = RemoteName::new(&self.remote)?;
        let local = local_name(&self.remote, self.local.as_deref())?;
        if self.persist && local == Local::None {
            return Err(Failure::Usage(
                "only a connection with a local name can be remembered; give one, or '*' for a free drive letter".into(),
            ));
        }
        Ok(Wish {
            remote,
            persist: self.persist || !self.no_persist && is_habit(router),
            local,
            provider: self.provider.clone(),
            user: self.user.clone(),
            options: self.options()?,
            password: None,
            flags: self.flags(),
            ask: true,
        })
    }

    /// As the provider takes them: options of our own are judged before anything happens.
    fn options(&self) -> Result<String, Failure> {
        let given = self.options.join(",");
        let ours = |name: &String| name.eq_ignore_ascii_case(SMB);
        if !self.provider.as_ref().is_none_or(ours) {
            return Ok(given);
        }
        let options = Options::parse(&given).map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(options.to_string())
    }

    fn flags(&self) -> u32 {
        let mut flags = 0;
        if self.prompt {
            flags |= CONNECT_INTERACTIVE | CONNECT_PROMPT | CONNECT_COMMANDLINE;
        }
        if self.save {
            flags |= CONNECT_INTERACTIVE | CONNECT_COMMANDLINE | CONNECT_CMD_SAVECRED;
        }
        if self.interactive {
            flags |= CONNECT_INTERACTIVE | CONNECT_COMMANDLINE;
        }
        if self.require_signing {
            flags |= CONNECT_REQUIRE_INTEGRITY;
        }
        if self.require_encryption {
            flags |= CONNECT_REQUIRE_PRIVACY;
        }
        flags
    }
}

/// The local name that is meant, beside this resource.
pub(crate) fn local_name(remote: &str, local: Option<&str>) -> Result<Local, Failure> {
    let name = match local {
        None => return Ok(Local::None),
        Some("*") => return Ok(Local::Chosen),
        Some(name) => name,
    };
    match names::device(name) {
        Some(device) => Ok(Local::Named(device)),
        None if names::device(remote).is_some() => Err(Failure::Usage(format!(
            "the resource comes first, the local name second: mpr connect '{name}' {remote}"
        ))),
        None => Err(Failure::Usage(format!(
            "'{}' is no local name; use a drive letter (Z:), the absolute path of an empty directory, LPT1 to LPT9, \
             or '*' for a free drive letter",
            clean(name)
        ))),
    }
}

/// Whether connections are remembered when nobody says. Only `net use /persistent` says so.
fn is_habit(router: &Router) -> bool {
    router.store().is_ok_and(|store| matches!(store.save_connections(), Ok(Some(true))))
}

fn ask_first(wish: &mut Wish) -> Result<(), Failure> {
    let interrupt = Interrupt::ask_to_stop().ok();
    let terminal = Terminal::open(interrupt.as_ref()).ok_or_else(|| {
        Failure::other(
            "there is no terminal to ask for a password at",
            "use --password-stdin or --password-file",
        )
    })?;
    match connecting::ask(&terminal, wish, &QUESTIONS)? {
        true => Ok(()),
        false => {
            Err(Failure::about(mpr_plugin::Status::CANCEL, wish.doing(), Some(&wish.remote.canonical), None))
        }
    }
}

/// Says where the password has come to be kept. A provider that keeps none is no failure to connect.
fn tell_kept(wish: &Wish, output: &Output) -> Result<(), Failure> {
    if wish.password.is_none() {
        output.note("no password was given, so none is kept anew");
        return Ok(());
    }
    let user = wish.user.as_deref().or(wish.remote.user.as_deref());
    match cred::kept_for(&wish.remote, user)? {
        Some(kept) => output.note(format_args!(
            "the password of {} on {} is kept in {}",
            clean(&kept.user),
            clean(&kept.server),
            cred::place(kept.place)
        )),
        None => output.warn("the password is not kept: mpr cred add REMOTE says why"),
    }
    Ok(())
}

fn tell(connected: &connecting::Connected, output: &Output) -> Result<(), Failure> {
    let local = connected.local.as_ref().map(ToString::to_string);
    let remote = clean(&connected.remote);
    let at = match &connected.path {
        Some(path) if path.to_str() != local.as_deref() => format!(", at {}", path.display()),
        _ => String::new(),
    };
    let text = match &local {
        Some(local) => format!("{local} is connected to {remote}{at}"),
        None => format!("{remote} is connected{at}"),
    };
    let fact = json!({
        "local": local,
        "remote": connected.remote,
        "path": connected.path,
        "remembered": connected.remembered,
    });
    output.result(&fact, text)
}
