//! Configuration files, written by whoever administers the machine or owns the home directory.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mpr::config::Variables;
use mpr::config::parse::{notifyee, provider, settings};
use std::path::Path;

fuzz_target!(|text: &str| {
    let lookup = |name: &str| name.starts_with('H').then(|| "/home/ann/${HOME}".into());
    for elevated in [false, true] {
        let variables = Variables { elevated, lookup: &lookup };
        let file = Path::new("/etc/mpr/x.toml");
        let problems = [
            settings(file, text, &variables).1,
            notifyee("x", file, text, &variables).1,
            provider("x", file, text, &variables).1,
        ];
        for problem in problems.iter().flatten() {
            let line = problem.to_string();
            assert!(line.starts_with("/etc/mpr/x.toml"), "{line}");
            assert!(!problem.remedy.is_empty(), "{line}");
        }
    }
});
