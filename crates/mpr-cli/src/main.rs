//! `mpr`: connects and disconnects network resources from a shell.
//!
//! The main path: read the command line, do what it says, tell what came of it. Each command is a module of
//! its own name; what several of them need is a module named for what it is about.

#![forbid(unsafe_code)]

// Not called from here: linked so that plug-ins find it in the program that loads them (build.rs).
extern crate mpr_capi as _;

mod browse;
mod check;
mod connect;
mod connected;
mod connecting;
mod cred;
mod disconnect;
mod doctor;
mod events;
mod explain;
mod explanation;
mod failure;
mod info;
mod interrupt;
mod library_file;
mod list;
mod manual;
mod names;
mod net_use;
mod notifyee;
mod output;
mod password;
mod path;
mod patience;
mod place;
mod policy;
mod provider;
mod registration;
mod restore;
mod status;
mod story;
mod terminal;
mod user;

use clap::{CommandFactory, Parser, Subcommand};
use failure::Failure;
use mpr::Router;
use output::Output;
use std::process::ExitCode;

/// Connects and disconnects network resources
#[derive(Parser, Debug)]
#[command(name = "mpr", version, max_term_width = 100, arg_required_else_help = true)]
struct Arguments {
    /// Print facts as JSON, one object a line; failures as JSON on standard error
    #[arg(long, global = true)]
    json: bool,
    /// Print nothing but the facts asked for, and errors
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Load no plug-in that is optional
    #[arg(long, global = true)]
    safe_mode: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Connect(connect::Connect),
    Disconnect(disconnect::Disconnect),
    List(list::List),
    Restore(restore::Restore),
    Cred(cred::Arguments),
    Info(info::Info),
    Status(status::StatusOf),
    User(user::User),
    Path(path::PathOf),
    Browse(browse::Browse),
    Doctor(doctor::Doctor),
    Events(events::Events),
    Explain(explanation::Explain),
    Simulate(explanation::Simulate),
    Net(net_use::Net),
    Notifyee(notifyee::Arguments),
    Provider(provider::Arguments),
    Policy(policy::Arguments),
    Error(explain::Explain),
    Completions(manual::Completions),
    Man(manual::Pages),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output { json: arguments.json, quiet: arguments.quiet };
    // Each command shows what the router had to leave out; the system log need not hear it from here.
    mpr::report::quiet();
    if arguments.safe_mode {
        mpr::safe_mode::switch_on();
    }
    let result = run(arguments.command, &output).and_then(|()| output::flush());
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell(&output);
            failure.exit_code()
        }
    }
}

fn run(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Connect(connect) => warned(output, || connect::run(connect, output)),
        Command::Disconnect(disconnect) => warned(output, || disconnect::run(&disconnect, output)),
        Command::List(list) => warned(output, || list::run(&list, output)),
        Command::Restore(restore) => warned(output, || restore::run(&restore, output)),
        Command::Status(status) => warned(output, || status::run(&status, output)),
        Command::Cred(arguments) => cred::run(&arguments, output),
        Command::Info(info) => warned(output, || info::run(&info, output)),
        Command::User(user) => warned(output, || user::run(&user, output)),
        Command::Path(path) => warned(output, || path::run(&path, output)),
        Command::Browse(browse) => warned(output, || browse::run(&browse, output)),
        Command::Net(net) => warned(output, || net_use::run(&net, output)),
        Command::Notifyee(arguments) => notifyee::run(arguments, output),
        Command::Provider(arguments) => provider::run(arguments, output),
        Command::Policy(arguments) => policy::run(arguments, output),
        Command::Doctor(doctor) => doctor::run(&doctor, output),
        Command::Events(events) => events::run(&events, output),
        Command::Explain(explain) => warned(output, || explanation::explain(&explain, output)),
        Command::Simulate(simulate) => warned(output, || explanation::simulate(&simulate, output)),
        Command::Error(explain) => explain::run(&explain, output),
        Command::Completions(completions) => manual::complete(&completions, Arguments::command()),
        Command::Man(pages) => manual::write(&pages, Arguments::command(), output),
    }
}

/// Runs a command that loads plug-ins, and tells once what had to be left out.
fn warned(output: &Output, command: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let result = command();
    for problem in Router::system().problems_so_far() {
        output.warn(output::clean(&problem.to_string()));
    }
    result
}
