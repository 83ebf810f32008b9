//! The zoo: plug-ins with one sin each, as a notification library and as a network provider.
//!
//! Each is what it is to be in everything else. They write a line to [`trace_file`] for each call they get, whichever process
//! they are in.

use crate::TestEnv;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// One plug-in of the zoo.
#[derive(Debug)]
pub struct Specimen {
    /// What it does, in a word or two.
    pub name: &'static str,
    make: Make,
}

#[derive(Debug)]
enum Make {
    /// It sins while it is loaded.
    Load(&'static str),
    /// In the call before the attempt, or in a provider's add: statements that may use `name`, a string it was
    /// passed, and `argument`, a structure of `size` bytes.
    Before(&'static str),
    /// In the call after the attempt, or in a provider's cancel.
    After(&'static str),
    /// It exports no more than one function of its kind.
    OneExport,
    /// What is registered is no library that can be loaded: made of one that could.
    File(fn(&Path) -> PathBuf),
}

/// All of them.
pub const ZOO: &[Specimen] = &[
    Specimen { name: "hangs before", make: Make::Before("for (;;) pause();") },
    Specimen { name: "hangs after", make: Make::After("for (;;) pause();") },
    Specimen { name: "hangs when loaded", make: Make::Load("for (;;) pause();") },
    Specimen {
        name: "hangs with signals blocked",
        make: Make::Before(
            "sigset_t all; sigfillset(&all); sigprocmask(SIG_BLOCK, &all, NULL); for (;;) pause();",
        ),
    },
    Specimen { name: "spins", make: Make::Before("for (volatile int i = 0;; i++);") },
    Specimen { name: "stops itself", make: Make::Before("raise(SIGSTOP);") },
    Specimen { name: "crashes", make: Make::Before("*(volatile int *)8 = 1;") },
    Specimen { name: "crashes after", make: Make::After("*(volatile int *)8 = 1;") },
    Specimen { name: "aborts", make: Make::Before("abort();") },
    Specimen { name: "exits", make: Make::Before("exit(0);") },
    Specimen { name: "unwinds", make: Make::Before("pthread_exit(NULL);") },
    Specimen { name: "kills its group", make: Make::Before("kill(0, SIGKILL);") },
    Specimen {
        name: "forks and holds the socket",
        make: Make::Before("if (fork() == 0) for (;;) pause(); _exit(3);"),
    },
    Specimen {
        name: "allocates without end",
        make: Make::Before("for (;;) { char *more = malloc(64 << 20); if (!more) abort(); more[0] = 1; }"),
    },
    Specimen {
        name: "writes to the socket",
        make: Make::Before(
            "for (int fd = 3; fd < 64; fd++) if (write(fd, \"garbage garbage\", 15) < 0) continue;",
        ),
    },
    Specimen {
        name: "closes descriptors",
        make: Make::Before("for (int fd = 0; fd < 1024; fd++) close(fd);"),
    },
    Specimen { name: "answers a code nobody knows", make: Make::Before("return 0xDEADBEEF;") },
    Specimen {
        name: "changes its answer",
        make: Make::Before("static int calls; if (calls++ % 2) return WN_CANCEL;"),
    },
    Specimen {
        name: "scribbles on its input",
        make: Make::Before("for (LPWSTR at = name; *at; at++) *at = 'A'; memset(argument, 0x41, size);"),
    },
    Specimen {
        name: "reenters",
        make: Make::Before(
            "NETRESOURCEW other = {0}; other.lpRemoteName = (LPWSTR)L\"\\\\\\\\srv\\\\other\"; char line[32]; \
         if (WNetAddConnection2W) { \
         sprintf(line, \"nested %u\", (unsigned)WNetAddConnection2W(&other, NULL, NULL, 0)); trace(line); }",
        ),
    },
    Specimen {
        name: "handles every signal",
        make: Make::Before("for (int number = 1; number < 65; number++) signal(number, SIG_IGN);"),
    },
    Specimen { name: "has one export", make: Make::OneExport },
    Specimen { name: "is for another machine", make: Make::File(for_another_machine) },
    Specimen { name: "is a pipe", make: Make::File(pipe) },
    Specimen { name: "is a directory", make: Make::File(directory) },
    Specimen { name: "is writable by others", make: Make::File(writable) },
];

impl Specimen {
    /// The one of this name.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    #[track_caller]
    pub fn named(name: &str) -> &'static Specimen {
        ZOO.iter().find(|specimen| specimen.name == name).unwrap_or_else(|| panic!("no specimen {name}"))
    }

    /// Makes a notification library of it.
    #[must_use]
    pub fn notifyee(&self, env: &TestEnv) -> PathBuf {
        let (before, after) = self.deeds();
        let cancel = "DWORD APIENTRY CancelConnectNotify(LPNOTIFYINFO info, LPNOTIFYCANCEL cancel) {\n\
             return call(info, cancel, sizeof *cancel, cancel->lpName); }\n";
        let source = format!(
            "{}{}\
             static DWORD before(void *argument, size_t size, LPWSTR name) {{ {before} return WN_SUCCESS; }}\n\
             static DWORD after(void *argument, size_t size, LPWSTR name) {{ {after} return WN_SUCCESS; }}\n\
             static DWORD call(LPNOTIFYINFO info, void *argument, size_t size, LPWSTR name) {{\n\
             if (info->dwNotifyStatus != NOTIFY_PRE) {{ trace(\"post\"); return after(argument, size, name); }}\n\
             trace(\"pre\"); info->lpContext = info; return before(argument, size, name); }}\n\
             DWORD APIENTRY AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add) {{\n\
             return call(info, add, sizeof *add, add->NetResource.lpRemoteName); }}\n{}",
            preamble(env),
            self.initialiser(),
            if matches!(self.make, Make::OneExport) { "" } else { cancel },
        );
        self.made(env.compile_c("sinner", &source))
    }

    /// Makes a network provider of it, which takes every name.
    #[must_use]
    pub fn provider(&self, env: &TestEnv) -> PathBuf {
        let (before, after) = self.deeds();
        let functions = format!(
            "DWORD APIENTRY NPAddConnection(LPNETRESOURCEW argument, LPWSTR password, LPWSTR user) {{\n\
             size_t size = sizeof *argument; LPWSTR name = argument->lpRemoteName; (void)size; (void)name;\n\
             trace(\"add\"); {before} return WN_SUCCESS; }}\n\
             DWORD APIENTRY NPCancelConnection(LPWSTR name, BOOL force) {{\n\
             trace(\"cancel\"); {after} return WN_SUCCESS; }}\n"
        );
        let source = format!(
            "{}{}\
             DWORD APIENTRY NPGetCaps(DWORD index) {{\n\
             if (index == WNNC_START) return 1;\n\
             return index == WNNC_CONNECTION ? WNNC_CON_ADDCONNECTION | WNNC_CON_CANCELCONNECTION : 0; }}\n{}",
            preamble(env),
            self.initialiser(),
            if matches!(self.make, Make::OneExport) { "" } else { &functions },
        );
        self.made(env.compile_c("sinner", &source))
    }

    fn deeds(&self) -> (&'static str, &'static str) {
        match self.make {
            Make::Before(deed) => (deed, ""),
            Make::After(deed) => ("", deed),
            _ => ("", ""),
        }
    }

    fn initialiser(&self) -> String {
        match self.make {
            Make::Load(deed) => {
                format!("__attribute__((constructor)) static void start(void) {{ {deed} }}\n")
            }
            _ => String::new(),
        }
    }

    fn made(&self, library: PathBuf) -> PathBuf {
        match self.make {
            Make::File(change) => change(&library),
            _ => library,
        }
    }
}

fn for_another_machine(library: &Path) -> PathBuf {
    let mut bytes = fs::read(library).expect("it was compiled");
    // The machine is in the word at 18 (e_machine): SPARC.
    (bytes[18], bytes[19]) = (2, 0);
    fs::write(library, bytes).expect("a file of our own");
    library.to_owned()
}

fn pipe(library: &Path) -> PathBuf {
    let pipe = library.with_extension("pipe.so");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is in coreutils");
    assert!(made.success());
    pipe
}

fn directory(library: &Path) -> PathBuf {
    let directory = library.with_extension("d.so");
    fs::create_dir(&directory).expect("a directory of our own");
    directory
}

fn writable(library: &Path) -> PathBuf {
    fs::set_permissions(library, fs::Permissions::from_mode(0o757)).expect("a file of our own");
    library.to_owned()
}

/// What every C source of a test that wants to know of its calls begins with: `trace("…")` writes a line, from any process of
/// a world, which a host knows by its run-time directory. The same text for every world, so that it is compiled once.
#[must_use]
pub fn preamble(_: &TestEnv) -> String {
    "#define _GNU_SOURCE\n#include <npapi.h>\n#include <pthread.h>\n#include <signal.h>\n#include <stdio.h>\n\
     #include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n\
     /* There in a host and in a program linked with the router, and nowhere else. */\n\
     #pragma weak WNetAddConnection2W\n\
     __attribute__((unused)) static void trace(const char *call) {\n\
     char path[4096]; snprintf(path, sizeof path, \"%s/../trace\", getenv(\"MPR_RUNTIME_DIR\"));\n\
     FILE *file = fopen(path, \"a\");\nfprintf(file, \"%s\\n\", call);\nfclose(file);\n}\n"
        .to_owned()
}

/// Where calls are written down.
#[must_use]
pub fn trace_file(env: &TestEnv) -> PathBuf {
    env.root().join("trace")
}

/// The calls there were.
#[must_use]
pub fn trace(env: &TestEnv) -> Vec<String> {
    let text = fs::read_to_string(trace_file(env)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
