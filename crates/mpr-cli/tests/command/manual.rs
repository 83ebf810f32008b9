use crate::environment::Environment;
use mpr_plugin::abi::STATUSES;

#[test]
fn every_command_has_a_page() {
    let it = Environment::new();
    it.out(&["man", "pages"]);
    for page in ["mpr", "mpr-connect", "mpr-net-use", "mpr-notifyee-add", "mpr-provider-order", "mpr-doctor"]
    {
        let text = it.read(&format!("pages/{page}.1"));
        assert!(text.contains(&format!(".TH {page} 1")), "{page}: {text}");
    }
    assert!(it.read("pages/mpr.1").contains(".SH \"EXIT STATUS\""));
    assert_eq!(it.out(&["man"]), it.read("pages/mpr.1"));
}

#[test]
fn the_page_of_the_status_codes_has_them_all() {
    let it = Environment::new();
    it.out(&["man", "pages"]);
    let text = it.read("pages/mpr-error.1");
    for known in STATUSES {
        assert!(text.contains(&format!("\\fB{}\\fR  ", known.status.0)), "{:?}", known.status);
    }
}

#[test]
fn every_shell_gets_its_completions() {
    let it = Environment::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(it.out(&["completions", shell]).contains("disconnect"), "{shell}");
    }
    it.mpr(&["completions", "tcsh"]).code(2);
}

#[test]
fn every_code_is_in_a_page_of_its_own_section() {
    let it = Environment::new();
    let man1 = it.path("man/man1");
    it.out(&["man", man1.to_str().unwrap()]);
    let page = it.read("man/man7/mpr-errors.7");
    for known in mpr_plugin::abi::STATUSES {
        assert!(page.contains(&format!("\\fB{}\\fR", known.status.0)), "{}", known.status.0);
    }
    assert!(page.contains(".TH mpr\\-errors 7"), "{page}");
}
