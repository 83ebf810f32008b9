//! Commands.

use crate::application::*;
use mpr_testkit::TestEnv;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[test]
fn a_script_is_told_on_standard_input_and_in_its_environment() {
    let body = r#"cat >> "$trace"; env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD= | sort >> "$trace"
                  [ "$MPR_WHEN" = post ] || printf '{"context":"it"}'"#;
    let env = script(world(), "hook", "events = [\"add\"]", body).var("LANG", "C.UTF-8");
    let (got, told) = run(&env, "a");
    assert_eq!((got[0].status, &*told), (0, ""));
    let trace = trace(&env);
    let operation = trace[0].split("\"operation\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let line = |when: &str, provider: &str, context: &str| {
        format!(
            r#"{{"version":1,"event":"add","when":"{when}","status":0,"local":"Z:","remote":"\\\\srv\\share","provider":{provider},"type":"disk","flags":4,"force":false,"context":{context},"operation":"{operation}","simulation":false}}"#
        )
    };
    assert_eq!(trace[0], line("pre", "null", "null"));
    let home = env.root().join("home");
    let environment = |more: &[&str], when: &str| -> Vec<String> {
        let mut all: Vec<String> = vec![
            format!("HOME={}", home.display()),
            "LANG=C.UTF-8".into(),
            "MPR_EVENT=add".into(),
            "MPR_FLAGS=4".into(),
            "MPR_FORCE=0".into(),
            "MPR_LOCAL=Z:".into(),
            format!("MPR_OPERATION={operation}"),
            r"MPR_REMOTE=\\srv\share".into(),
            "MPR_STATUS=0".into(),
            "MPR_TYPE=disk".into(),
            "MPR_VERSION=1".into(),
            format!("MPR_WHEN={when}"),
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
        ];
        all.extend(more.iter().map(|&one| one.to_owned()));
        all.sort();
        all
    };
    assert_eq!(trace[1..14], environment(&[], "pre"));
    assert_eq!(trace[14], "add");
    assert_eq!(trace[15], line("post", "\"P1\"", "\"it\""));
    assert_eq!(trace[16..], environment(&["MPR_CONTEXT=it", "MPR_PROVIDER=P1"], "post"));
}

#[test]
fn a_script_is_told_of_a_disconnect_by_device_or_by_name() {
    let env = script(
        world(),
        "hook",
        "events = [\"cancel\"]",
        r#"echo "$MPR_EVENT $MPR_LOCAL $MPR_REMOTE $MPR_FORCE" >> "$trace""#,
    );
    _ = run(&env, "c");
    assert_eq!(trace(&env), ["cancel Z:  1", "cancel"]);
}

#[test]
fn a_script_answers_with_its_exit_status() {
    for (exit, status) in [(0, 0), (1, 1223), (75, 0)] {
        let env = script(world(), "hook", "", &format!("exit {exit}"));
        let (got, told) = run(&env, "a");
        assert_eq!((got[0].status, &*told), (status, ""), "{exit}");
    }
}

#[test]
fn a_script_answers_with_what_it_prints() {
    let env =
        script(world(), "block-list", "", r#"echo '{"status":1223,"reason":"srv is on the block list"}'"#);
    let (got, _) = run(&env, "a");
    let Got { status, code, name, text, .. } = &got[0];
    assert_eq!((*status, *code, &**name, &**text), (1223, 1223, "block-list", "srv is on the block list"));
    // The command says so as well, and who it was.
    let connect = env.command(mpr_testkit::mpr()).args(["connect", "//srv/share", "Z:"]).output().unwrap();
    let told = String::from_utf8(connect.stderr).unwrap();
    assert!(told.contains("block-list says: srv is on the block list"), "{told}");
    assert_eq!(connect.status.code(), Some(1));
}

#[test]
fn a_script_that_asks_for_a_retry_gets_one() {
    let env = TestEnv::new().without_builtin_providers();
    _ = mpr_testkit::mpr_host();
    let failing = provider(&env, "static int tried; return tried++ == 0 ? 53 : WN_SUCCESS;");
    let env = env.provider_library("p1", "P1", failing);
    let body = r#"echo "$MPR_WHEN $MPR_STATUS $MPR_CONTEXT" >> "$trace"
                  [ "$MPR_WHEN" = pre ] && { echo '{"context":"dialled"}'; exit 0; }
                  [ "$MPR_STATUS" = 53 ] && exit 75
                  exit 0"#;
    let env = script(env, "dial", "", body);
    let (got, _) = run(&env, "a");
    assert_eq!(got[0].status, 0);
    assert_eq!(trace(&env), ["pre 0 ", "add", "post 53 dialled", "add", "post 0 dialled"]);
}

#[test]
fn a_script_that_hangs_is_ended_at_its_deadline() {
    script_fails(SHORT, "sleep 1000", &[LATE]);
}

#[test]
fn a_script_that_ignores_signals_is_ended_at_its_deadline() {
    script_fails(SHORT, "trap '' TERM INT HUP QUIT PIPE; while :; do :; done", &[LATE]);
}

#[test]
fn a_script_that_prints_what_is_no_answer_has_given_none() {
    script_fails(AMPLE, "echo '{\"status\":'", &["what it printed is no answer"]);
    script_fails(AMPLE, "echo '{\"staus\":1223}'", &["what it printed is no answer"]);
}

#[test]
fn a_script_that_prints_without_end_is_ended() {
    script_fails(
        AMPLE,
        "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done",
        &["printed more than 65536 bytes"],
    );
}

#[test]
fn any_other_exit_status_of_a_script_is_a_failure() {
    script_fails(AMPLE, "exit 7", &["its exit status was 7"]);
    script_fails(AMPLE, "kill -9 $$", &["it was ended by signal 9"]);
}

#[test]
fn a_script_whose_interpreter_is_missing_is_a_failure() {
    let register = |env: TestEnv, settings: &str| {
        let env = script(env, "sinner", settings, "");
        fs::write(env.root().join("sinner.sh"), "#!/nowhere/sh\n").unwrap();
        env
    };
    fails(AMPLE, register, &["it cannot be run"]);
}

#[test]
fn what_a_script_leaves_behind_is_ended_with_its_answer() {
    for left in ["sleep 1000 &", "setsid sleep 1000 &", "(setsid sh -c 'trap \"\" TERM; sleep 1000' &)"] {
        let marked = left.replace("sleep 1000", "sh -c \"sleep 1000 # $0\"");
        let env = script(world(), "hook", &settings(AMPLE, "deny"), &format!("{marked}\nexit 0"));
        let (got, told) = run(&env, "a");
        assert_eq!((got[0].status, &*told), (0, ""), "{left}");
    }
}

#[test]
fn a_script_anyone_can_write_to_is_not_run() {
    let env = script(world(), "hook", "", "echo run >> \"$trace\"");
    fs::set_permissions(env.root().join("hook.sh"), fs::Permissions::from_mode(0o757)).unwrap();
    let (got, told) = run(&env, "a");
    assert_eq!(got[0].status, 0);
    assert!(told.contains("can be written to by anyone"), "{told}");
    assert_eq!(trace(&env), ["add"]);
}

/// Registers a script of `examples/scripts`.
fn example(env: TestEnv, name: &str, arguments: &[&Path]) -> TestEnv {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two levels below the root");
    let script = root.join("examples/scripts").join(name);
    let command: Vec<&Path> = [&*script].into_iter().chain(arguments.iter().copied()).collect();
    env.notifyees_d(name, &format!("command = {command:?}\nevents = [\"add\"]\non-failure = \"deny\"\n"))
}

#[test]
fn the_block_list_refuses_what_is_on_the_list_and_everything_without_it() {
    let env = world();
    let list = env.root().join("list");
    let env = example(env, "block-list", &[&list]);
    let (got, told) = run(&env, "a");
    assert!(got[0].status == 5 && told.contains("its exit status was 2"), "{got:?} {told}");
    fs::write(&list, "other\n").unwrap();
    assert_eq!(run(&env, "a").0[0].status, 0);
    fs::write(&list, "other\nSRV\n").unwrap();
    let (got, _) = run(&env, "a");
    assert_eq!(got[0].status, 1223);
    assert_eq!(
        (&*got[0].name, &*got[0].text),
        ("block-list", &*format!("srv is on the block list {}", list.display()))
    );
}

#[test]
fn the_link_is_brought_up_before_and_taken_down_if_nothing_comes_of_it() {
    let rows = [
        // Servers, the state of the link, the provider, what is done, the result.
        ("s*", "down", "0", "is-active vpn · start vpn · add", 0),
        ("s*", "down", "53", "is-active vpn · start vpn · add · stop vpn", 53),
        ("s*", "up", "53", "is-active vpn · add", 53),
        ("s*", "broken", "0", "is-active vpn · start vpn", 1231),
        ("office-*", "down", "53", "add", 53),
    ];
    for (servers, state, answer, done, status) in rows {
        _ = mpr_testkit::mpr_host();
        let env = TestEnv::new().without_builtin_providers();
        let provider = provider(&env, &format!("return {answer};"));
        let control = env.root().join("control");
        let body = format!(
            "#!/bin/sh\necho \"$@\" >> {:?}\ncase {state}-$1 in up-is-active | down-start | *-stop) ;; *) exit 3 ;; esac\n",
            trace_file(&env)
        );
        fs::write(&control, body).unwrap();
        fs::set_permissions(&control, fs::Permissions::from_mode(0o755)).unwrap();
        let env = env.provider_library("p1", "P1", provider);
        let env = example(env, "link", &[Path::new(servers), Path::new("vpn"), &control]);
        let (got, told) = run(&env, "a");
        assert_eq!((trace(&env).join(" · "), got[0].status), (done.to_owned(), status), "{state}: {told}");
        if state == "broken" {
            assert_eq!(got[0].text, "vpn, the link to srv, does not come up");
        }
    }
}

#[test]
fn the_desktop_is_told_what_came_of_it() {
    for (answer, said) in [("0", "is connected"), ("53", "could not be connected (code 53)")] {
        _ = mpr_testkit::mpr_host();
        let env = TestEnv::new().without_builtin_providers();
        let provider = provider(&env, &format!("return {answer};"));
        let tell = env.root().join("tell");
        fs::write(&tell, format!("#!/bin/sh\nprintf '%s\\n' \"$3\" >> {:?}\n", trace_file(&env))).unwrap();
        fs::set_permissions(&tell, fs::Permissions::from_mode(0o755)).unwrap();
        let env = env.provider_library("p1", "P1", provider);
        let env = example(env, "tell-desktop", &[&tell]);
        let (got, told) = run(&env, "a");
        assert_eq!(got[0].status.to_string(), answer, "{told}");
        assert_eq!(trace(&env).pop(), Some(format!("Z: {said}")), "{told}");
    }
}

/// A pin for the script of this name.
fn pin(env: &TestEnv, name: &str) -> mpr::Pin {
    mpr::Pin::of(&fs::read(env.root().join(format!("{name}.sh"))).unwrap())
}

#[test]
fn a_pinned_script_is_run_from_a_copy_that_nobody_can_change() {
    // Told of once, it puts other words in its own place; what it was is run to its end.
    let body = "[ -n \"$MPR_CONTEXT\" ] || echo \"$0\" >> \"$trace\"; echo 'exit 1' > \"${trace%/*}/hook.sh\"; \
                echo ran >> \"$trace\"";
    let env = script(world(), "hook", "", body);
    let sha256 = pin(&env, "hook");
    let path = env.root().join("hook.sh");
    let env = env.notifyees_d(
        "hook",
        &format!("command = [{path:?}]\non-failure = \"deny\"\nsha256 = \"{sha256}\"\n"),
    );
    let (got, told) = run(&env, "aa");
    let calls = trace(&env);
    assert!(calls[0].starts_with("/proc/self/fd/"), "{calls:?}");
    assert_eq!((&calls[1..], got[0].status), (&["ran".to_owned(), "add".to_owned()][..], 0));
    assert_eq!(got[1].status, 5, "{got:?}");
    assert!(told.contains("its contents are not those it was registered with"), "{told}");
}

#[test]
fn a_pinned_script_that_was_changed_before_is_not_run() {
    let env = script(world(), "hook", "", "echo ran >> \"$trace\"");
    let (sha256, path) = (mpr::Pin::of(b"#!/bin/sh\n"), env.root().join("hook.sh"));
    let env = env.notifyees_d("hook", &format!("command = [{path:?}]\nsha256 = \"{sha256}\"\n"));
    let (got, told) = run(&env, "a");
    assert_eq!((got[0].status, trace(&env)), (0, vec!["add".to_owned()]));
    assert!(told.contains("its contents are not those it was registered with"), "{told}");
}
