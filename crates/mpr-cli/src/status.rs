//! `mpr status`: how connections are doing, from what their helpers remember.
//!
//! No server is asked, and no file system is touched: the numbers are there for the moment when something hangs.

use crate::failure::Failure;
use crate::info::age;
use crate::names::{Name, same_resource};
use crate::output::{Output, clean};
use crate::place::{Helped, Places};
use mpr::Router;
use mpr_helper::connections::State;
use mpr_plugin::Status as Code;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::io::{self, IsTerminal};
use std::thread;
use std::time::{Duration, Instant};

/// How long helpers may take to say how they are, all together. Whoever is slower is shown as silent.
const PATIENCE: Duration = Duration::from_millis(20);
/// Puts the cursor in the first line and clears what is below.
const CLEAR: &str = "\x1b[H\x1b[J";

/// Shows how connections are doing: the protocol, its protection, speed, open files, what is kept; no server is
/// asked for it
#[derive(clap::Args, Debug)]
pub(crate) struct StatusOf {
    /// Local or remote name; every mounted connection if left out
    name: Option<String>,
    /// Show it again and again, until interrupted
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "1",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    watch: Option<u64>,
}

pub(crate) fn run(status: &StatusOf, output: &Output) -> Result<(), Failure> {
    let router = Router::system();
    let name = status.name.as_deref().map(Name::new).transpose()?;
    let mut before = Before::default();
    loop {
        let places = Places::asked_within(router, PATIENCE);
        let wanted: Vec<&Helped> = places
            .all()
            .iter()
            .filter(|helped| name.as_ref().is_none_or(|name| is_named(helped, name)))
            .collect();
        if let (Some(name), []) = (&name, &*wanted) {
            let text = name.text();
            return Err(Failure::about(
                Code::NOT_CONNECTED,
                format!("tell about {}", clean(&text)),
                None,
                Some(&text),
            ));
        }
        if status.watch.is_some() && !output.json && io::stdout().is_terminal() {
            output.part(CLEAR)?;
        }
        if wanted.is_empty() && !output.json {
            output.note("nothing is connected");
        }
        for (nth, helped) in wanted.iter().enumerate() {
            if nth > 0 && !output.json {
                output.line("")?;
            }
            tell(helped, &mut before, output)?;
        }
        let Some(seconds) = status.watch else { return Ok(()) };
        crate::output::flush()?;
        thread::sleep(Duration::from_secs(seconds));
        if !output.json && !io::stdout().is_terminal() {
            output.line("")?;
        }
    }
}

fn is_named(helped: &Helped, name: &Name) -> bool {
    let record = &helped.connection.record;
    match name {
        Name::Local(device) => {
            record.local.as_deref().is_some_and(|local| local.eq_ignore_ascii_case(&device.to_string()))
        }
        Name::Remote(remote) => same_resource(&remote.canonical, &record.remote),
    }
}

/// What was carried when it was last looked at, by connection.
#[derive(Default)]
struct Before(HashMap<String, (Instant, u64, u64)>);

impl Before {
    /// Bytes sent and received a second since the last time; none at the first.
    fn rates(&mut self, slot: &str, sent: u64, received: u64) -> Option<(u64, u64)> {
        let now = Instant::now();
        let (then, sent_then, received_then) = self.0.insert(slot.to_owned(), (now, sent, received))?;
        let seconds = now.duration_since(then).as_secs_f64().max(0.001);
        // The counters begin anew with a new helper.
        let rate = |now: u64, then: u64| (now.saturating_sub(then) as f64 / seconds) as u64;
        Some((rate(sent, sent_then), rate(received, received_then)))
    }
}

fn tell(helped: &Helped, before: &mut Before, output: &Output) -> Result<(), Failure> {
    let record = &helped.connection.record;
    let health = helped.health.as_ref().and_then(|health| serde_json::to_value(health).ok());
    let mut facts: Map<String, Value> =
        health.and_then(|health| health.as_object().cloned()).unwrap_or_default();
    for key in ["round_trip", "mean_round_trip", "silence"] {
        if let Some(value) = facts.remove(key) {
            facts.insert(format!("{key}_ms"), milliseconds(&value));
        }
    }
    let number = |key: &str| facts.get(key).and_then(Value::as_u64).unwrap_or(0);
    let rates = before.rates(helped.connection.slot.stem(), number("bytes_sent"), number("bytes_received"));
    if let Some((sent, received)) = rates {
        facts.insert("sent_per_second".into(), sent.into());
        facts.insert("received_per_second".into(), received.into());
    }
    facts.insert("local".into(), json!(record.local));
    facts.insert("remote".into(), json!(record.remote));
    facts.insert("state".into(), json!(state(helped)));
    facts.insert("lost_since".into(), json!(helped.lost));
    facts.insert("since".into(), json!(record.since));
    if output.json {
        return output.object(&facts);
    }
    let remote = clean(&record.remote);
    match &record.local {
        Some(local) => output.line(format_args!("{} to {remote}", clean(local)))?,
        None => output.line(remote)?,
    }
    for (label, text) in lines(helped, &facts) {
        output.line(format_args!("  {label:<13}{text}"))?;
    }
    Ok(())
}

fn state(helped: &Helped) -> &'static str {
    match (&helped.health, helped.connection.state) {
        (_, State::Lost) => "lost",
        (Some(health), _) if health.connected => "connected",
        (Some(_), _) => "server lost",
        (None, _) if helped.lost.is_some() => "lost",
        (None, _) => "silent",
    }
}

/// What people read; what is not known is left out.
fn lines(helped: &Helped, facts: &Map<String, Value>) -> Vec<(&'static str, String)> {
    let text = |key: &str| {
        let text = facts.get(key).and_then(Value::as_str).unwrap_or_default();
        Some(clean(text)).filter(|text| !text.is_empty())
    };
    let number = |key: &str| facts.get(key).and_then(Value::as_u64);
    let amount = |key: &str| number(key).map(bytes);
    let time = |key: &str| facts.get(key).and_then(Value::as_f64).filter(|&time| time > 0.0).map(duration);
    let with_rate = |key: &str, rate: &str| {
        Some(match number(rate) {
            Some(rate) => format!("{}, {}/s now", amount(key)?, bytes(rate)),
            None => amount(key)?,
        })
    };
    let mut lines = vec![("state", in_words(helped))];
    let mut add = |label, text: Option<String>| lines.extend(text.map(|text| (label, text)));
    add("protocol", text("security"));
    add("logged in by", text("authentication"));
    add("signing", text("signing"));
    add("encryption", text("encryption"));
    add(
        "round trip",
        time("round_trip_ms").map(|last| match time("mean_round_trip_ms") {
            Some(mean) => format!("{last}, {mean} on average"),
            None => last,
        }),
    );
    add("last answer", time("silence_ms").map(|ago| format!("{ago} ago")));
    add("credits", number("credits").map(|credits| credits.to_string()));
    add("requests", number("requests").map(|requests| requests.to_string()));
    add("sent", with_rate("bytes_sent", "sent_per_second"));
    add("received", with_rate("bytes_received", "received_per_second"));
    add("open files", number("open_files").map(|files| files.to_string()));
    add(
        "kept",
        cache(number("cache_hits"), number("cache_misses"), number("bytes_kept"), number("bytes_dirty")),
    );
    add("not written", number("bytes_lost").filter(|&lost| lost > 0).map(bytes));
    add("reconnects", number("reconnects").map(|times| times.to_string()));
    lines
}

fn in_words(helped: &Helped) -> String {
    match state(helped) {
        "lost" => match helped.lost.and_then(age) {
            Some(age) => format!("lost for {age}"),
            None => "lost".to_owned(),
        },
        "server lost" => "the server is lost; the next access tries to reach it".to_owned(),
        "silent" => format!("its helper does not answer within {} ms", PATIENCE.as_millis()),
        other => match age(helped.connection.record.since) {
            Some(age) => format!("{other} for {age}"),
            None => other.to_owned(),
        },
    }
}

fn cache(hits: Option<u64>, misses: Option<u64>, kept: Option<u64>, dirty: Option<u64>) -> Option<String> {
    let (hits, misses) = (hits?, misses?);
    let all = hits.saturating_add(misses);
    let share = (u128::from(hits) * 100).checked_div(u128::from(all)).unwrap_or(0);
    let mut text = format!("{share} % of {all} questions answered here");
    if let Some(kept) = kept {
        text += &format!(", {} held", bytes(kept));
    }
    match dirty {
        Some(dirty) if dirty > 0 => Some(format!("{text}, {} of it not yet at the server", bytes(dirty))),
        _ => Some(text),
    }
}

/// A `Duration` as `serde` writes it, in milliseconds.
fn milliseconds(value: &Value) -> Value {
    let part = |key| value.get(key).and_then(Value::as_f64).unwrap_or(0.0);
    // Microseconds are as much as anybody can make use of.
    json!((part("secs") * 1e6 + part("nanos") / 1e3).round() / 1e3)
}

fn duration(milliseconds: f64) -> String {
    match milliseconds {
        short if short < 10.0 => format!("{short:.2} ms"),
        short if short < 1000.0 => format!("{short:.0} ms"),
        long if long < 60_000.0 => format!("{:.1} s", long / 1000.0),
        long => format!("{:.0} min", long / 60_000.0),
    }
}

fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut amount = count as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_times_are_short() {
        assert_eq!(
            [bytes(0), bytes(1023), bytes(1536), bytes(5 << 30)],
            ["0 B", "1023 B", "1.5 KiB", "5.0 GiB"]
        );
        assert_eq!([duration(0.254), duration(42.4), duration(2500.0)], ["0.25 ms", "42 ms", "2.5 s"]);
        assert_eq!(
            milliseconds(&serde_json::to_value(Duration::from_micros(1_500_250)).unwrap()),
            json!(1500.25)
        );
    }

    #[test]
    fn what_is_kept_is_told_with_how_much_it_saves() {
        assert_eq!(cache(None, Some(1), None, None), None);
        assert_eq!(cache(Some(0), Some(0), None, None).unwrap(), "0 % of 0 questions answered here");
        let told = cache(Some(3), Some(1), Some(2 << 20), Some(1 << 20)).unwrap();
        assert_eq!(
            told,
            "75 % of 4 questions answered here, 2.0 MiB held, 1.0 MiB of it not yet at the server"
        );
    }

    #[test]
    fn rates_need_two_looks_and_are_never_negative() {
        let mut before = Before::default();
        assert_eq!(before.rates("drive-z", 10, 10), None);
        let (sent, received) = before.rates("drive-z", 1 << 20, 0).unwrap();
        assert!(sent > 0 && received == 0);
    }
}
