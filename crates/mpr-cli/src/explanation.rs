//! `mpr explain` and `mpr simulate`: what would become of a connect or disconnect.

use crate::connect;
use crate::connecting::{Local, Wish};
use crate::failure::Failure;
use crate::names::{Name, RemoteName};
use crate::output::{Output, clean};
use crate::story::{self, named};
use mpr::extended_error;
use mpr::{AccessBuffer, CancelRequest, Explanation, Prospect, Router, UseError, trace};
use mpr_plugin::abi::CONNECT_UPDATE_PROFILE;
use mpr_plugin::{Event, Status, wide};
use serde_json::json;

/// Tells what would become of a connect, without connecting: who would be told and asked, in which order
#[derive(clap::Args, Debug)]
pub(crate) struct Explain {
    #[command(flatten)]
    what: What,
}

/// What is to be connected.
#[derive(clap::Args, Debug)]
struct What {
    /// The resource: //server/share, smb://server/share, …
    remote: String,
    /// Local name: a drive letter, an empty directory, LPT1 to LPT9, or * for a free drive letter
    local: Option<String>,
    /// As this user
    #[arg(long, short, value_name = "NAME")]
    user: Option<String>,
    /// Remembered; needs a local name
    #[arg(long)]
    persist: bool,
    /// By this provider and no other
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
}

/// Tells the policy and the listeners of a connect or disconnect that does not take place; no provider is asked
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Listeners are told that it is a simulation: commands by \"simulation\": true on their \
    standard input and MPR_SIMULATION=1, libraries by a call of their MprSimulation. Libraries without that \
    function are not asked, and named at the end."
)]
pub(crate) struct Simulate {
    #[command(subcommand)]
    operation: Operation,
}

#[derive(clap::Subcommand, Debug)]
enum Operation {
    /// Simulates a connect
    Add {
        #[command(flatten)]
        what: What,
        /// Suppose that the attempt fails with this code
        #[arg(long, value_name = "CODE")]
        fails: Option<u32>,
    },
    /// Simulates a disconnect
    Cancel {
        /// Local name (Z:, /mnt/x, LPT1), or remote name
        name: String,
        /// Even if files are open
        #[arg(long, short)]
        force: bool,
        /// Forget the connection, too
        #[arg(long)]
        forget: bool,
        /// Suppose that the attempt fails with this code
        #[arg(long, value_name = "CODE")]
        fails: Option<u32>,
    },
}

impl What {
    fn wish(&self) -> Result<Wish, Failure> {
        let local = connect::local_name(&self.remote, self.local.as_deref())?;
        if self.persist && local == Local::None {
            return Err(Failure::Usage("only a connection with a local name can be remembered".into()));
        }
        Ok(Wish {
            remote: RemoteName::new(&self.remote)?,
            local,
            provider: self.provider.clone(),
            user: self.user.clone(),
            options: String::new(),
            password: None,
            flags: 0,
            persist: self.persist,
            ask: false,
        })
    }
}

pub(crate) fn explain(explain: &Explain, output: &Output) -> Result<(), Failure> {
    let router = Router::system();
    let wish = explain.what.wish()?;
    extended_error::clear();
    let explanation = wish.with_request(router, |request| router.explain(request));
    if output.json {
        return output.object(&explanation);
    }
    tell(&explanation, &wish, output)
}

fn tell(explanation: &Explanation, wish: &Wish, output: &Output) -> Result<(), Failure> {
    let request = &explanation.request;
    let text = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), clean);
    output.line(format_args!("To {}:", clean(&wish.doing())))?;
    if let Some(remote) = &request.remote
        && *remote != wish.remote.typed
    {
        output.line(format_args!("  the name is understood as {}", clean(remote)))?;
    }
    if let Some(status) = explanation.refused {
        output
            .line(format_args!("  the router refuses, before anybody is asked: {}", named(Status(status))))?;
        let meaning = crate::explain::meaning(Status(status));
        let reason = explanation.reason.as_ref().map_or(meaning, |said| &said.text);
        return output.line(format_args!("  {}", clean(reason)));
    }
    if request.user.is_some() {
        output.line(format_args!("  as the user {}", text(&request.user)))?;
    }
    match &explanation.policy {
        None => output.line("  there is no policy")?,
        Some(rule) if rule.denies => {
            output.line(format_args!("  the policy refuses: {}", clean(&rule.reason)))?;
        }
        Some(rule) => output.line(format_args!("  the policy lets it pass: {}", clean(&rule.reason)))?,
    }
    match &*explanation.listeners {
        [] => output.line("  no listener is told")?,
        listeners => {
            let names: Vec<String> = listeners.iter().map(|listener| clean(&listener.name)).collect();
            output
                .line(format_args!("  each of these is told before, and may refuse: {}", names.join(", ")))?;
        }
    }
    let (asked, left): (Vec<&Prospect>, Vec<_>) = explanation.providers.iter().partition(|one| one.asked);
    match &*asked {
        [] => output.line("  no provider is asked: none can")?,
        [one] => output.line(format_args!("  this provider is asked: {}", clean(&one.name)))?,
        several => {
            let names: Vec<String> = several.iter().map(|provider| clean(&provider.name)).collect();
            output
                .line(format_args!("  these providers are asked until one does it: {}", names.join(", ")))?;
        }
    }
    for Prospect { name, why, .. } in left {
        output.line(format_args!("  {} is not asked: {why}", clean(name)))?;
    }
    if explanation.remembered {
        output.line("  after a success the connection is remembered")?;
    }
    output.line(format_args!("Decided by {}", decides(explanation, &asked)))
}

/// Who has the last word, as far as it can be told.
fn decides(explanation: &Explanation, asked: &[&Prospect]) -> String {
    let guards = explanation.listeners.iter().filter(|listener| listener.name != mpr::policy::LABEL).count();
    match (&explanation.policy, asked) {
        (Some(rule), _) if rule.denies => "the policy".to_owned(),
        (_, [one]) if guards == 0 => format!("the provider {}", clean(&one.name)),
        (_, []) => "the router: nobody is there to be asked".to_owned(),
        (_, _) if guards == 0 => "the first provider that knows the name".to_owned(),
        _ => "whichever listener refuses; else by the first provider that knows the name".to_owned(),
    }
}

pub(crate) fn simulate(simulate: &Simulate, output: &Output) -> Result<(), Failure> {
    let router = Router::system();
    extended_error::clear();
    let (event, result) = match &simulate.operation {
        Operation::Add { what, fails } => (Event::Add, add(router, &what.wish()?, *fails, output)),
        Operation::Cancel { name, force, forget, fails } => {
            (Event::Cancel, cancel(router, &Name::new(name)?, [*force, *forget], *fails, output))
        }
    };
    let unasked: Vec<String> = router
        .registrations()
        .filter(|one| one.library().wants(event) && !one.library().sees_simulations())
        .map(|one| clean(&one.label))
        .collect();
    if !unasked.is_empty() {
        let names = unasked.join(", ");
        output.note(format_args!("not asked, since they could not see that it is a simulation: {names}"));
    }
    result?;
    match output.json {
        true => output.object(&json!({ "simulated": true, "not_asked": unasked })),
        false => output.done("this was a simulation: nothing was done"),
    }
}

fn add(router: &Router, wish: &Wish, fails: Option<u32>, output: &Output) -> Result<(), Failure> {
    let assumed = Status(fails.unwrap_or(0));
    let access = AccessBuffer { capacity: Some(u32::MAX), length: |name| name.len() as u32 + 1 };
    let result = trace::simulate(assumed, story::teller(output), || {
        wish.with_request(router, |request| router.use_connection(request, Some(access)).map(drop))
    });
    result.map_err(|error| {
        let status = match error {
            UseError::Failed(status) => status,
            UseError::AccessNameTooLong { .. } => Status::MORE_DATA,
        };
        let doing = format!("{} (simulated)", wish.doing());
        Failure::about(status, doing, Some(&wish.remote.canonical), None)
    })
}

fn cancel(
    router: &Router,
    name: &Name,
    [force, forget]: [bool; 2],
    fails: Option<u32>,
    output: &Output,
) -> Result<(), Failure> {
    let text = name.text();
    let name_wide = wide(&text);
    let flags = if forget { CONNECT_UPDATE_PROFILE } else { 0 };
    let request = CancelRequest { name: &name_wide, flags, force };
    let assumed = Status(fails.unwrap_or(0));
    let result = trace::simulate(assumed, story::teller(output), || router.cancel_connection(&request));
    result.map_err(|status| Failure::status(status, format!("disconnect {text} (simulated)")))
}
