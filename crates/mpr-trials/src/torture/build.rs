//! cargo: a crate with a build script is built, tested and changed on the share; the compiler maps files,
//! renames them, links them and runs what it has just written.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program::succeed;
use crate::stage::{Mount, Stage};
use crate::verdict::{Form, Judge};

/// What cargo needs of the environment to find itself.
const OWN: &[&str] = &["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];

pub(super) fn judge(stage: &Stage, judge: &mut Judge) {
    let form = judge.form;
    judge.case("build, run, change, build again", || {
        let mount = stage.mount()?;
        let place = mount.place("build")?.join("tried");
        make(&place, form.of(8, 200)).map_err(super::failed("a crate on the share"))?;
        if build_and_run(&mount, &place, form)? != "1\n" {
            return Err("the program built on the share says something else".into());
        }
        fs::write(place.join("src/answer.rs"), "pub fn answer() -> u32 { 2 }\n")
            .map_err(super::failed("a source on the share"))?;
        if build_and_run(&mount, &place, form)? != "2\n" {
            return Err("a change of a source went unnoticed".into());
        }
        if form == Form::Long {
            succeed(cargo(&mount, &place).args(["test", "--offline", "--quiet"]), form.patience())?;
            succeed(cargo(&mount, &place).args(["clean", "--offline"]), form.patience())?;
        }
        Ok(())
    });
}

fn build_and_run(mount: &Mount, place: &Path, form: Form) -> Result<String, String> {
    succeed(cargo(mount, place).args(["build", "--offline", "--quiet"]), form.patience())?;
    succeed(&mut mount.command(place.join("target/debug/tried")), form.patience())
}

fn make(place: &Path, modules: usize) -> std::io::Result<()> {
    fs::create_dir_all(place.join("src"))?;
    let write = |name: &str, text: &str| fs::write(place.join(name), text);
    write("Cargo.toml", "[package]\nname = \"tried\"\nedition = \"2021\"\n\n[workspace]\n")?;
    write("build.rs", "fn main() { println!(\"cargo:rustc-env=BUILT=yes\"); }\n")?;
    write("src/answer.rs", "pub fn answer() -> u32 { 1 }\n")?;
    let mut main = "mod answer;\n".to_owned();
    for module in 0..modules {
        main += &format!("mod m{module};\n");
        let text = format!(
            "pub fn f(x: u64) -> u64 {{ x.wrapping_mul({module}) }}\n\
             #[test]\nfn f_is_zero_at_zero() {{ assert_eq!(f(0), 0) }}\n"
        );
        write(&format!("src/m{module}.rs"), &text)?;
    }
    main += "fn main() {\n    assert_eq!(env!(\"BUILT\"), \"yes\");\n";
    (0..modules).for_each(|module| main += &format!("    assert_eq!(m{module}::f(0), 0);\n"));
    write("src/main.rs", &(main + "    println!(\"{}\", answer::answer());\n}\n"))
}

fn cargo(mount: &Mount, place: &Path) -> Command {
    let mut cargo = mount.command("cargo");
    cargo.current_dir(place);
    for name in OWN {
        if let Some(value) = std::env::var_os(name) {
            cargo.env(name, value);
        }
    }
    cargo
}
