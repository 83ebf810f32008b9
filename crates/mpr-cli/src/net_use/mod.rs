//! `mpr net use`: the command a Windows user knows, with its grammar and its lines.

mod grammar;

use crate::connected::{self, Connection, State, Survey};
use crate::connecting::{self, Local, Questions, Wish};
use crate::disconnect::{self, How};
use crate::explain;
use crate::failure::{Failure, extended_line};
use crate::interrupt::Interrupt;
use crate::names::{Name, RemoteName};
use crate::output::{Output, clean};
use crate::place::Places;
use crate::terminal::Terminal;
use grammar::{Connect, Mistake, Request, SYNTAX};
use mpr::Router;
use mpr_core::device::LocalDevice;
use mpr_plugin::Status;
use mpr_plugin::abi::{
    CONNECT_CMD_SAVECRED, CONNECT_COMMANDLINE, CONNECT_INTERACTIVE, CONNECT_REQUIRE_INTEGRITY,
    CONNECT_REQUIRE_PRIVACY, CONNECT_WRITE_THROUGH_SEMANTICS,
};
use serde_json::json;
use std::io::{self, Write};

/// Commands a Windows user knows
#[derive(clap::Args, Debug)]
pub(crate) struct Net {
    #[command(subcommand)]
    command: NetCommand,
}

#[derive(clap::Subcommand, Debug)]
enum NetCommand {
    /// Connects, disconnects and lists, in the grammar of Windows' net use
    #[command(disable_help_flag = true, after_help = SYNTAX)]
    Use {
        /// As on Windows: see mpr net use /help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORDS")]
        words: Vec<String>,
    },
}

const COMPLETED: &str = "The command completed successfully.\n";

const QUESTIONS: Questions = Questions {
    user: |remote| format!("Enter the user name for '{}': ", server(remote)),
    password: |remote, user| match user {
        Some(user) => format!("Enter the password for {} to connect to '{}': ", clean(user), server(remote)),
        None => format!("Enter the password to connect to '{}': ", server(remote)),
    },
};

/// The server of a resource, as questions name it.
fn server(remote: &str) -> String {
    let name = remote.trim_start_matches('\\');
    clean(name.split('\\').next().unwrap_or(name))
}

pub(crate) fn run(net: &Net, output: &Output) -> Result<(), Failure> {
    let NetCommand::Use { words } = &net.command;
    let request =
        grammar::parse(words).map_err(|Mistake(text)| Failure::Syntax(format!("{text}.\n\n{SYNTAX}")))?;
    let router = Router::system();
    let done = match request {
        Request::Help => output.line(SYNTAX),
        Request::List => list(router, output),
        Request::Show(device) => show(router, &device, output),
        Request::Connect(connect) => self::connect(router, connect, output),
        Request::Delete { name, yes } => delete(router, &name, yes, output),
        Request::DeleteAll { yes } => delete_all(router, yes, output),
        Request::Habit(habit) => set_habit(router, habit, output),
    };
    done.map_err(|failure| system_error(failure, output))
}

/// A failure in the words of `net`: the number, and what it means.
fn system_error(failure: Failure, output: &Output) -> Failure {
    let Failure::Status(refusal) = &failure else { return failure };
    if output.json {
        return failure;
    }
    let status = refusal.status;
    let sentence = explain::of(status).map_or("The code is the provider's own.", |known| known.sentence);
    let own = if refusal.extended.code != 0 || !refusal.extended.text.is_empty() {
        format!("{}\n\n", extended_line(&refusal.extended))
    } else {
        String::new()
    };
    let text = format!(
        "System error {} has occurred.\n\n{sentence}\n\n{own}More help is available by typing: mpr error {}\n\n",
        status.0, status.0
    );
    _ = io::stderr().write_all(text.as_bytes());
    Failure::Told
}

/// Everything connected and everything remembered, as `net use` shows it.
fn everything(router: &'static Router) -> Result<(Survey, Vec<Connection>), Failure> {
    let survey = connected::survey(router, &Places::now(router));
    let remembered = connected::remembered(router, &survey.connections)?;
    let mut all = survey.connections.clone();
    all.extend(remembered.into_iter().filter(|one| one.status == State::Unavailable));
    all.sort_by_key(|one| (one.local.is_none(), one.device(), one.remote.to_lowercase()));
    Ok((survey, all))
}

fn status(state: State) -> &'static str {
    match state {
        State::Ok => "OK",
        State::Lost => "Disconnected",
        State::Unavailable => "Unavailable",
    }
}

fn list(router: &'static Router, output: &Output) -> Result<(), Failure> {
    let (survey, all) = everything(router)?;
    survey.warn(output);
    if output.json {
        return all.iter().try_for_each(|one| output.object(one));
    }
    let not = if habit(router) { "" } else { " not" };
    output.line(format_args!("New connections will{not} be remembered.\n"))?;
    if all.is_empty() {
        return output.line("There are no entries in the list.\n");
    }
    output.line("\nStatus       Local     Remote                    Network\n")?;
    output.line("-".repeat(79))?;
    for one in &all {
        output.line(row(one))?;
    }
    output.line(COMPLETED)
}

/// A line of the list; a name that is too long for its column puts the network on a line of its own.
fn row(one: &Connection) -> String {
    let (local, remote) = (one.local.as_deref().unwrap_or_default(), clean(&one.remote));
    let network = clean(one.provider.as_deref().unwrap_or_default());
    let start = format!("{:<13}{:<10}", status(one.status), clean(local));
    let row = match remote.chars().count() {
        0..=25 => format!("{start}{remote:<26}{network}"),
        _ => format!("{start}{remote}\n{:49}{network}", ""),
    };
    row.trim_end().to_owned()
}

fn show(router: &'static Router, device: &LocalDevice, output: &Output) -> Result<(), Failure> {
    let (_, all) = everything(router)?;
    let Some(one) = all.iter().find(|one| one.device().as_ref() == Some(device)) else {
        let text = device.to_string();
        return Err(Failure::about(Status::NOT_CONNECTED, format!("tell about {text}"), None, Some(&text)));
    };
    if output.json {
        return output.object(one);
    }
    let line = |label: &str, text: &str| output.line(format_args!("{label:<18}{}", clean(text)));
    line("Local name", one.local.as_deref().unwrap_or_default())?;
    line("Remote name", &one.remote)?;
    line("Resource type", one.kind.text())?;
    line("Status", status(one.status))?;
    if let Some(user) = &one.user {
        line("User name", user)?;
    }
    let places = Places::asked(router);
    let health = places.helped(one.local.as_deref(), &one.remote).and_then(|helped| helped.health.as_ref());
    if let Some(health) = health {
        line("# Opens", &health.open_files.to_string())?;
    }
    output.line(COMPLETED)
}

fn connect(router: &Router, connect: Connect, output: &Output) -> Result<(), Failure> {
    let mut flags = 0;
    for (wanted, flag) in [
        (connect.require_integrity, CONNECT_REQUIRE_INTEGRITY),
        (connect.require_privacy, CONNECT_REQUIRE_PRIVACY),
        (connect.write_through, CONNECT_WRITE_THROUGH_SEMANTICS),
        (connect.save, CONNECT_INTERACTIVE | CONNECT_COMMANDLINE | CONNECT_CMD_SAVECRED),
    ] {
        if wanted {
            flags |= flag;
        }
    }
    let mut wish = Wish {
        remote: RemoteName::new(&connect.remote)?,
        persist: connect.persistent.unwrap_or_else(|| usually(router, &connect.local, output)),
        local: connect.local,
        provider: None,
        user: connect.user,
        options: String::new(),
        password: None,
        flags,
        ask: true,
    };
    if connect.ask {
        let remote = clean(&wish.remote.canonical);
        wish.password = ask_password(&format!("Type the password for {remote}: "))?;
        if wish.password.is_none() {
            return Err(Failure::about(Status::CANCEL, wish.doing(), Some(&wish.remote.canonical), None));
        }
    }
    let chosen = wish.local == Local::Chosen;
    let connected = connecting::connect(router, &mut wish, &QUESTIONS, output)?;
    if let Some(habit) = connect.persistent {
        // What was used last is the default of what comes next.
        if let Err(error) = router.store().map(|store| store.set_save_connections(habit)).unwrap_or(Ok(())) {
            output.warn(format_args!("the default of /persistent could not be kept: {error}"));
        }
    }
    if output.json {
        let local = connected.local.as_ref().map(ToString::to_string);
        return output.object(&json!({
            "local": local,
            "remote": connected.remote,
            "path": connected.path,
            "remembered": connected.remembered,
        }));
    }
    if let (true, Some(local)) = (chosen, &connected.local) {
        output.done(format_args!("Drive {local} is now connected to {}.\n", clean(&connected.remote)))?;
    }
    output.done(COMPLETED)
}

fn ask_password(question: &str) -> Result<Option<mpr::Secret>, Failure> {
    let without = "use mpr connect with --password-stdin or --password-file";
    let interrupt = Interrupt::ask_to_stop().ok();
    let terminal = Terminal::open(interrupt.as_ref())
        .ok_or_else(|| Failure::other("there is no terminal to ask for the password at", without))?;
    terminal
        .ask_secret(question)
        .map_err(|error| Failure::other(format!("cannot ask for the password: {error}"), without))
}

/// Whether connections are remembered when nobody says: as on Windows, unless somebody said no.
fn habit(router: &Router) -> bool {
    router.store().ok().and_then(|store| store.save_connections().ok()).flatten().unwrap_or(true)
}

/// The habit, as far as it can be kept: nobody asked for this connection to be remembered, so one that cannot be
/// is made all the same.
fn usually(router: &Router, local: &Local, output: &Output) -> bool {
    if *local == Local::None || !habit(router) {
        return false;
    }
    match router.store().map(|store| store.check_writable()) {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            output.warn(format_args!("the connection will not be remembered: {error}"));
            false
        }
        Err(_) => {
            output.warn("the connection will not be remembered: there is no place for it; see mpr doctor");
            false
        }
    }
}

fn set_habit(router: &Router, habit: bool, output: &Output) -> Result<(), Failure> {
    let failed = |status| Failure::status(status, "keep the default of /persistent");
    let store = router.store().map_err(failed)?;
    store.set_save_connections(habit).map_err(|error| failed(error.status()))?;
    output.result(&json!({ "persistent": habit }), COMPLETED)
}

fn delete(router: &Router, name: &str, yes: bool, output: &Output) -> Result<(), Failure> {
    let name = Name::new(name)?;
    cancel(router, &name, yes, output)?;
    let text = name.text();
    output.result(
        &json!({ "disconnected": text }),
        format_args!("{} was deleted successfully.\n", clean(&text)),
    )
}

/// Disconnects and forgets. Open files are asked about, unless the answer is known.
fn cancel(router: &Router, name: &Name, yes: bool, output: &Output) -> Result<(), Failure> {
    let how = How { force: false, forget: true };
    let failure = match disconnect::cancel(router, name, how, output) {
        Err(failure) => failure,
        Ok(()) => return Ok(()),
    };
    let in_use =
        |status| matches!(status, Status::OPEN_FILES | Status::ACTIVE_CONNECTIONS | Status::DEVICE_IN_USE);
    match &failure {
        Failure::Status(refusal) if in_use(refusal.status) => {}
        _ => return Err(failure),
    }
    let question = format!(
        "There are open files on the connection to {}.\n\nIs it OK to continue disconnecting and force them closed? \
         (Y/N) [N]: ",
        clean(&name.text())
    );
    match yes || agreed(&question) == Some(true) {
        true => disconnect::cancel(router, name, How { force: true, ..how }, output),
        false => Err(failure),
    }
}

/// The answer to a question of yes or no; `None` where there is nobody to answer.
fn agreed(question: &str) -> Option<bool> {
    let answer = Terminal::open(None)?.ask(question).ok().flatten().unwrap_or_default();
    Some(matches!(&*answer.to_lowercase(), "y" | "yes"))
}

fn delete_all(router: &'static Router, yes: bool, output: &Output) -> Result<(), Failure> {
    let (survey, all) = everything(router)?;
    survey.warn(output);
    if all.is_empty() {
        return if output.json { Ok(()) } else { output.done("There are no entries in the list.\n") };
    }
    if !yes {
        let names: String = all
            .iter()
            .map(|one| {
                format!("    {:<16}{}\n", one.local.as_deref().unwrap_or_default(), clean(&one.remote))
            })
            .collect();
        let question = format!(
            "You have these remote connections:\n\n{names}Continuing will cancel the connections.\n\n\
             Do you want to continue this operation? (Y/N) [N]: "
        );
        match agreed(&question) {
            Some(true) => {}
            Some(false) => return Ok(()),
            None => {
                return Err(Failure::other(
                    "there is no terminal to ask whether everything is to be disconnected",
                    "add /y: mpr net use '*' /delete /y",
                ));
            }
        }
    }
    let mut failed = false;
    for one in &all {
        match cancel(router, &Name::new(one.name())?, yes, output) {
            Ok(()) if output.json => output.object(&json!({ "disconnected": one.name() }))?,
            Ok(()) => {}
            // A second deviceless connection to the same resource went with the first.
            Err(Failure::Status(refusal)) if refusal.status == Status::NOT_CONNECTED => {}
            Err(failure) => {
                system_error(failure, output).tell(output);
                failed = true;
            }
        }
    }
    match failed {
        true => Err(Failure::Told),
        false if output.json => Ok(()),
        false => output.done(COMPLETED),
    }
}
