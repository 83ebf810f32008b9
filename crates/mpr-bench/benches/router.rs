//! `cargo bench --package mpr-bench`: the router, at its boundary. Prints the tables of `docs/benchmarks.md`, or
//! those named: `-- isolation`.
//!
//! The router of a process is made once, from its configuration; so each row runs in a process of its own,
//! started with the name of the measurement in `MPR_BENCH`. Clock times are medians of rounds in which the
//! things compared take turns. Instructions are counted by callgrind where it is installed: the difference
//! between two runs of different length, which leaves the start-up out.

use mpr_bench::{Router, World, build, built, direct_pair, in_turns, median, policy};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const CONNECTED: u32 = 1;
const REMEMBERED: u32 = 3;

fn main() {
    match std::env::var("MPR_BENCH") {
        Ok(what) => measure(&what),
        Err(_) => report(),
    }
}

/// One measurement, in the world the parent made. Prints its numbers.
fn measure(what: &str) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    let started = Instant::now();
    let router = Router::load();
    if what == "start" {
        router.connection("Z:")();
        println!("{}", started.elapsed().as_secs_f64() * 1e9);
        return;
    }
    let provider = std::env::var("MPR_BENCH_PROVIDER").expect("set by the parent");
    let direct = direct_pair(Path::new(&provider));
    let device = (what == "drive").then_some("Z:");
    let pair = router.pair(device);
    if let Some(runs) = number("MPR_BENCH_RUNS") {
        for _ in 0..runs {
            pair();
        }
        return;
    }
    let numbers: Vec<f64> = match what {
        "pair" | "drive" => in_turns([&mut || direct(), &mut || pair()]).to_vec(),
        "each" => each(pair).to_vec(),
        "together" => vec![together(&pair)],
        "get" => {
            router.connect("Z:");
            let (known, unknown) = (router.connection("Z:"), router.connection("Y:"));
            assert_eq!((known(), unknown()), (0, 2250));
            in_turns([&mut || _ = known(), &mut || _ = unknown()]).to_vec()
        }
        "enumerate" => in_turns([&mut || _ = router.enumerate(CONNECTED)]).to_vec(),
        "remembered" => in_turns([&mut || _ = router.enumerate(REMEMBERED)]).to_vec(),
        other => panic!("no measurement called {other}"),
    };
    println!("{}", numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(" "));
}

/// Every run timed by itself: the median, and what 999 of 1000 stay below.
fn each(run: impl Fn()) -> [f64; 2] {
    const MOST: usize = 50_000;
    // Starts the hosts.
    run();
    let (mut times, began) = (Vec::with_capacity(MOST), Instant::now());
    while times.len() < MOST && began.elapsed().as_secs() < 10 {
        let started = Instant::now();
        run();
        times.push(started.elapsed().as_secs_f64() * 1e9);
    }
    times.sort_by(f64::total_cmp);
    [times[times.len() / 2], times[times.len() * 999 / 1000]]
}

/// How many runs a second 16 threads make.
fn together(run: &(impl Fn() + Sync)) -> f64 {
    const THREADS: usize = 16;
    const TIME: Duration = Duration::from_secs(3);
    run();
    let began = Instant::now();
    let work = || {
        let mut runs = 0_u32;
        while began.elapsed() < TIME {
            run();
            runs += 1;
        }
        f64::from(runs)
    };
    let runs: f64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("it does not panic")).sum()
    });
    runs / began.elapsed().as_secs_f64()
}

fn run(world: &World, what: &str) -> Vec<f64> {
    let output = child(world, what).output().expect("the benchmark starts itself");
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace().map(|number| number.parse().expect("a number")).collect()
}

fn child(world: &World, what: &str) -> Command {
    let mut command = world.command(std::env::current_exe().expect("this program"));
    command.env("MPR_BENCH", what).env("MPR_BENCH_PROVIDER", world.path("provider.so"));
    command
}

/// Instructions of one pair; `None` without valgrind.
fn instructions(world: &World, what: &str) -> Option<u64> {
    let count = |runs: u32| -> Option<u64> {
        let program = std::env::current_exe().ok()?;
        let output = world
            .command("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(program)
            .env("MPR_BENCH", what)
            .env("MPR_BENCH_PROVIDER", world.path("provider.so"))
            .env("MPR_BENCH_RUNS", runs.to_string())
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        text.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
    };
    const SHORT: u32 = 100;
    const LONG: u32 = 1100;
    Some((count(LONG)? - count(SHORT)?) / u64::from(LONG - SHORT))
}

fn shown(instructions: Option<u64>) -> String {
    instructions.map_or_else(|| "–".to_owned(), |count| count.to_string())
}

fn report() {
    let tables: [(&str, fn()); 8] = [
        ("policy", policies),
        ("dispatch", dispatch),
        ("isolation", isolation),
        ("audit", audit),
        ("routing", routing),
        ("devices", devices),
        ("enumeration", enumeration),
        ("starts", starts),
    ];
    let named: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|word| word == name);
    // Rules are judged in this program; everything else is measured as it is shipped.
    if tables.iter().any(|(name, _)| *name != "policy" && wanted(name)) {
        build();
    }
    tables.iter().filter(|(name, _)| wanted(name)).for_each(|(_, print)| print());
}

fn policies() {
    println!("### Policy: a connect judged by 10,000 rules, none of which is about it\n");
    println!("| rules | µs |\n|---|---|");
    for (kind, time) in policy::table() {
        println!("| {kind} | {time:.2} |");
    }
    println!();
}

/// A router without built-in providers, one provider that does nothing, and listeners.
fn listening(count: usize, options: &[&str]) -> World {
    let world = World::new("builtin-providers = []\n");
    _ = world.providers(1, &[]);
    world.notifyees(count, options);
    world
}

fn dispatch() {
    println!("### Dispatch: a deviceless connect and cancel, through the exported functions\n");
    println!(
        "| listeners | provider alone, ns | through the router, ns | router's share, ns | instructions |"
    );
    println!("|---|---|---|---|---|");
    let rows: [(usize, &str, &[&str]); 6] = [
        (0, "none", &[]),
        (1, "1, declines", &[]),
        (8, "8, decline", &[]),
        (64, "64, decline", &[]),
        (1, "1, takes a context", &["-DCONTEXT"]),
        (8, "8, take a context", &["-DCONTEXT"]),
    ];
    for (count, label, options) in rows {
        let world = listening(count, options);
        let numbers = run(&world, "pair");
        let (direct, through) = (numbers[0], numbers[1]);
        let counted = shown(instructions(&world, "pair"));
        println!("| {label} | {direct:.1} | {through:.1} | {:.1} | {counted} |", through - direct);
    }
    println!();
}

/// One listener in the process, in a host, and as a command.
fn isolation() {
    println!("### Isolation: a deviceless connect and cancel with one listener\n");
    println!("| listener | median, µs | 99.9th percentile, µs |\n|---|---|---|");
    let rows: [(&str, &[&str], &str); 5] = [
        ("in the process, declines", &[], ""),
        ("isolated, declines", &[], "isolation = \"process\"\n"),
        ("in the process, takes a context", &["-DCONTEXT"], ""),
        ("isolated, takes a context", &["-DCONTEXT"], "isolation = \"process\"\n"),
        ("a script that declines", &[], "command"),
    ];
    for (label, options, settings) in rows {
        let world = listening(0, options);
        let entry = if settings == "command" {
            // The shell is the cheapest script there is.
            "command = [\"/bin/sh\", \"-c\", \"exit 0\"]\n".to_owned()
        } else {
            format!("path = {:?}\n{settings}", world.compile("notifyee.c", "notifyee", options))
        };
        world.write("etc/notifyees.d/one.toml", &entry);
        let numbers = run(&world, "each");
        println!("| {label} | {:.1} | {:.1} |", numbers[0] / 1e3, numbers[1] / 1e3);
    }
    let world = World::new("builtin-providers = []\n");
    let provider = world.providers(1, &[]);
    let isolated = format!("path = {provider:?}\nname = \"Network 1\"\nisolation = \"process\"\n");
    world.write("etc/providers.d/p001.toml", &isolated);
    let numbers = run(&world, "each");
    println!("| none, and an isolated provider | {:.1} | {:.1} |", numbers[0] / 1e3, numbers[1] / 1e3);
    println!();
}

/// What a trail costs: two records on disk a pair, or four where one is required.
fn audit() {
    println!("### Audit: a deviceless connect and cancel, without listeners\n");
    println!("| audit | one thread: median, µs | 99.9th percentile, µs | 16 threads: pairs a second |");
    println!("|---|---|---|---|");
    for mode in ["off", "best-effort", "required"] {
        let world = World::with_audit(mode, "builtin-providers = []\naudit-journal = false\n");
        _ = world.providers(1, &[]);
        let numbers = run(&world, "each");
        let together = run(&world, "together")[0];
        println!("| {mode} | {:.1} | {:.1} | {together:.0} |", numbers[0] / 1e3, numbers[1] / 1e3);
    }
    println!();
}

fn routing() {
    println!("### Routing: the same pair, the last provider owns the name\n");
    println!("| providers | ns | instructions |\n|---|---|---|");
    for count in [1, 8, 32] {
        let world = World::new("builtin-providers = []\n");
        _ = world.providers(count, &[]);
        let through = run(&world, "pair")[1];
        println!("| {count} | {through:.1} | {} |", shown(instructions(&world, "pair")));
    }
    println!();
}

fn devices() {
    println!("### Devices\n\n| what | µs |\n|---|---|");
    let world = |remembered: usize| {
        // The provider that is measured through comes first: the built-in one for SMB would go and look for the
        // server. Whether they have the device is asked of all.
        let world = World::new("provider-order = [\"Network 1\"]\n");
        _ = world.providers(1, &[]);
        if remembered > 0 {
            world.write("state/connections.toml", &store(remembered));
        }
        world
    };
    for (remembered, label) in [(0, "nothing remembered"), (5, "5 remembered"), (25, "25 remembered")] {
        let pair = run(&world(remembered), "drive")[1];
        println!(
            "| connect and cancel of a drive letter, built-in providers on, {label} | {:.2} |",
            pair / 1e3
        );
    }
    let numbers = run(&world(0), "get");
    println!("| `WNetGetConnectionW` of a connected drive | {:.2} |", numbers[0] / 1e3);
    println!("| `WNetGetConnectionW` of a free drive | {:.2} |", numbers[1] / 1e3);
    println!();
}

fn enumeration() {
    println!("### Enumeration to the end, 16 KiB buffer\n\n| what | µs | ns an entry |\n|---|---|---|");
    for count in [10, 10_000] {
        let world = World::new("builtin-providers = []\n");
        _ = world.providers(1, &[&format!("-DENTRIES={count}")]);
        let time = run(&world, "enumerate")[0];
        println!("| {count} connections | {:.1} | {:.0} |", time / 1e3, time / f64::from(count));
    }
    let world = World::new("builtin-providers = []\n");
    _ = world.providers(1, &[]);
    world.write("state/connections.toml", &store(10_000));
    let time = run(&world, "remembered")[0];
    println!(
        "| 10000 remembered connections, read and parsed each time | {:.0} | {:.0} |",
        time / 1e3,
        time / 1e4
    );
    println!();
}

/// A store with this many remembered connections. Letters come first; directories stand for the rest.
fn store(entries: usize) -> String {
    let letters = ('A'..='Y').map(|letter| format!("{letter}:"));
    let directories = (0..).map(|number| format!("/mnt/share{number}"));
    let tables = letters.chain(directories).take(entries).map(|device| {
        format!(
            "[drives.\"{device}\"]\nRemotePath = '\\\\srv\\share'\nProviderName = \"Network 1\"\n\
             ProviderType = 131072\nConnectionType = 1\nDeferFlags = 4\n\n"
        )
    });
    tables.collect()
}

fn starts() {
    println!("### Start\n\n| what | ms |\n|---|---|");
    let world = World::new("");
    let cold: Vec<f64> = (0..41).map(|_| run(&world, "start")[0] / 1e6).collect();
    println!("| `dlopen` and the first `WNetGetConnectionW` | {:.2} |", median(cold));
    let command = built("mpr");
    let list = (0..41).map(|_| {
        let started = Instant::now();
        let output = world.command(&command).arg("list").output().expect("mpr was built");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        started.elapsed().as_secs_f64() * 1e3
    });
    println!("| `mpr list`, the whole process | {:.2} |", median(list.collect()));
    println!();
}
