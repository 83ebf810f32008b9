use crate::environment::Environment;

#[test]
fn a_path_on_a_drive_has_a_name_on_the_network() {
    let it = Environment::new();
    it.out(&["connect", "//local/photos", "Z:"]);
    assert_eq!(it.out(&["path", r"Z:\2024\a.txt"]), "\\\\local\\photos\\2024\\a.txt\n");
    assert_eq!(it.out(&["path", "z:/2024"]), "\\\\local\\photos\\2024\n");
    assert_eq!(it.out(&["path", "Z:"]), "\\\\local\\photos\n");
}

#[test]
fn a_name_on_the_network_has_a_place_in_the_file_system() {
    let it = Environment::new();
    it.out(&["connect", "//local/photos", "Z:"]);
    let mounted = it.path("run/drives/z");
    let expected = format!("{}/2024/a.txt\n", mounted.display());
    assert_eq!(it.out(&["path", "//LOCAL/photos/2024/a.txt"]), expected);
    assert_eq!(it.out(&["path", "--as", "drive", r"\\local\photos\2024"]), "Z:\\2024\n");
    assert_eq!(it.out(&["path", "--as", "mounted", r"Z:\2024\a.txt"]), expected);
}

#[test]
fn a_path_in_the_file_system_has_a_name_on_the_network() {
    let it = Environment::new();
    it.out(&["connect", "//local/photos", "Z:"]);
    it.out(&["connect", "//local/photos/2024"]);
    let drive = it.path("run/drives/z/2024");
    assert_eq!(it.out(&["path", drive.to_str().unwrap()]), "\\\\local\\photos\\2024\n");
    let deviceless = it.json(&["list", "--json"])[1]["path"].as_str().unwrap().to_owned();
    assert_eq!(it.out(&["path", &format!("{deviceless}/a.txt")]), "\\\\local\\photos\\2024\\a.txt\n");
}

#[test]
fn all_forms_are_json() {
    let it = Environment::new();
    it.out(&["connect", "//local/photos", "Z:"]);
    let forms = &it.json(&["path", "--json", r"Z:\2024"])[0];
    assert_eq!(forms["unc"], r"\\local\photos\2024");
    assert_eq!(forms["drive"], r"Z:\2024");
    assert_eq!(forms["connection"], r"\\local\photos");
    assert_eq!(forms["remaining"], r"\2024");
}

#[test]
fn a_path_on_nothing_connected_is_said_so() {
    let it = Environment::new();
    for path in [r"Q:\x", "/nowhere/x", "//local/photos/x"] {
        let outcome = it.mpr(&["path", path]).code(1);
        assert!(outcome.err.starts_with("WN_NOT_CONNECTED (2250): "), "{path}: {}", outcome.err);
    }
    it.mpr(&["path", ""]).code(2);
    it.mpr(&["path", "smb://ann:hunter2@test/plain"]).code(2);
}
