//! A private world for programs under test.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Configuration, state and run-time directories of their own, and the environment that leads to them.
///
/// ```
/// use mpr_testkit::TestEnv;
///
/// let env = TestEnv::new()
///     .setting("retry-limit", 2)
///     .setting("local-directory.shares.photos", "/srv/photos")
///     .notifyee_library("audit", "/usr/lib/mpr/notify/audit.so")
///     .layer() // what follows stands in a later directory and wins
///     .notifyees_d("audit", "enabled = false");
/// let toml = std::fs::read_to_string(env.config_dirs()[0].join("mpr.toml")).unwrap();
/// assert_eq!(toml, "retry-limit = 2\nlocal-directory.shares.photos = \"/srv/photos\"\n");
/// ```
#[derive(Debug)]
pub struct TestEnv {
    root: TempDir,
    /// Weakest first; never empty.
    config: Vec<PathBuf>,
    settings: String,
    variables: Vec<(OsString, OsString)>,
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        crate::helper::end_connections(&self.runtime_dir());
    }
}

impl Default for TestEnv {
    fn default() -> Self {
        Self::new()
    }
}

impl TestEnv {
    /// An empty world with one configuration directory. What is built in is there.
    ///
    /// # Panics
    ///
    /// If the temporary directory cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("mpr-test-").tempdir().expect("a temporary directory");
        // Everything below is to be trusted by the router, whatever the umask of whoever runs the tests.
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o700)).expect("a directory of our own");
        let env = TestEnv { root, config: Vec::new(), settings: String::new(), variables: Vec::new() };
        for directory in ["home", "state", "run", "tmp"] {
            env.make(directory);
        }
        env.layer()
    }

    fn make(&self, name: impl AsRef<Path>) -> PathBuf {
        let path = self.root.path().join(name);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).expect("a directory in our own");
        path
    }

    fn write(&self, directory: &str, stem: &str, text: &str) {
        let directory = self.config.last().expect("there is a layer from the start").join(directory);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&directory)
            .expect("a configuration directory");
        write(&directory.join(format!("{stem}.toml")), text);
    }

    /// Begins another configuration directory; it wins over those before.
    #[must_use]
    pub fn layer(mut self) -> Self {
        let directory = self.make(format!("config{}", self.config.len()));
        self.config.push(directory);
        self.settings.clear();
        self
    }

    /// A setting in `mpr.toml`. A key may be dotted.
    #[must_use]
    pub fn setting(mut self, key: &str, value: impl Setting) -> Self {
        self.settings.push_str(&format!("{key} = {}\n", value.to_toml()));
        self.write("", "mpr", &self.settings);
        self
    }

    /// Leaves the built-in providers out: those that are registered are all there are.
    #[must_use]
    pub fn without_builtin_providers(self) -> Self {
        self.setting("builtin-providers", [""; 0])
    }

    /// A file of `notifyees.d`, word for word.
    #[must_use]
    pub fn notifyees_d(self, stem: &str, text: &str) -> Self {
        self.write("notifyees.d", stem, text);
        self
    }

    /// A file of `providers.d`, word for word.
    #[must_use]
    pub fn providers_d(self, stem: &str, text: &str) -> Self {
        self.write("providers.d", stem, text);
        self
    }

    /// A file of `policy.d`, word for word.
    #[must_use]
    pub fn policy_d(self, stem: &str, text: &str) -> Self {
        self.write("policy.d", stem, text);
        self
    }

    /// Registers a notification library.
    #[must_use]
    pub fn notifyee_library(self, stem: &str, library: impl AsRef<Path>) -> Self {
        self.notifyees_d(stem, &format!("path = {}\n", library.as_ref().to_toml()))
    }

    /// Registers a program that is run for every notification.
    #[must_use]
    pub fn notifyee_command(self, stem: &str, command: &[&str]) -> Self {
        self.notifyees_d(stem, &format!("command = {}\n", command.to_toml()))
    }

    /// Registers a network provider under the name `name`.
    #[must_use]
    pub fn provider_library(self, stem: &str, name: &str, library: impl AsRef<Path>) -> Self {
        let (name, path) = (name.to_toml(), library.as_ref().to_toml());
        self.providers_d(stem, &format!("name = {name}\npath = {path}\n"))
    }

    /// An environment variable of the programs started here.
    #[must_use]
    pub fn var(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Contents of the file of remembered connections.
    #[must_use]
    pub fn remembered(self, connections: &str) -> Self {
        write(&self.state_dir().join("connections.toml"), connections);
        self
    }

    /// Compiles a library in C, see [`compile_c`](crate::compile_c), and returns its path.
    #[track_caller]
    #[must_use]
    pub fn compile_c(&self, name: &str, source: &str) -> PathBuf {
        crate::compile_c(&self.make("lib"), name, source, &[])
    }

    /// The directory everything is in.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The configuration directories, weakest first.
    #[must_use]
    pub fn config_dirs(&self) -> &[PathBuf] {
        &self.config
    }

    /// Where remembered connections are kept.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.root.path().join("state")
    }

    /// Where records of connections and mount points are.
    #[must_use]
    pub fn runtime_dir(&self) -> PathBuf {
        self.root.path().join("run")
    }

    /// The file of remembered connections as it is now; empty if there is none.
    ///
    /// # Panics
    ///
    /// If it is there and cannot be read.
    #[must_use]
    pub fn connections(&self) -> String {
        let file = self.state_dir().join("connections.toml");
        match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => panic!("cannot read {}: {error}", file.display()),
        }
    }

    /// The variables that lead a program into this world.
    pub fn variables(&self) -> impl Iterator<Item = (&OsStr, OsString)> {
        let dirs = std::env::join_paths(&self.config).expect("temporary directories have no colon in them");
        let of = |name: &str| self.root.path().join(name).into_os_string();
        let fixed = [
            ("MPR_CONFIG_DIRS", dirs),
            ("MPR_STATE_DIR", of("state")),
            ("MPR_RUNTIME_DIR", of("run")),
            ("MPR_LIBEXEC_DIR", build_dir().into_os_string()),
            ("MPR_LOG", "stderr".into()),
            ("HOME", of("home")),
            ("XDG_CONFIG_HOME", of("home/.config")),
            ("XDG_STATE_HOME", of("home/.local/state")),
            ("XDG_RUNTIME_DIR", of("run")),
            ("TMPDIR", of("tmp")),
            ("PATH", std::env::var_os("PATH").unwrap_or_default()),
        ];
        let own = self.variables.iter().map(|(name, value)| (&**name, value.clone()));
        fixed.map(|(name, value)| (OsStr::new(name), value)).into_iter().chain(own)
    }

    /// A program to be run in this world, with nothing of the surrounding environment but `PATH`. A name
    /// without a slash is that of a program of this workspace, or of the system if there is none.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let program = program.as_ref();
        let ours = build_dir().join(program);
        let mut command = Command::new(if ours.is_file() { ours.as_os_str() } else { program });
        command.env_clear().envs(self.variables()).current_dir(self.root.path());
        command
    }
}

/// Where cargo puts the programs of this workspace: tests run in the directory `deps` below it.
fn build_dir() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let directory = test.parent().expect("a file is in a directory");
    let directory = if directory.ends_with("deps") { directory.parent() } else { Some(directory) };
    directory.expect("deps is in a directory").to_owned()
}

#[track_caller]
fn write(file: &Path, text: &str) {
    fs::write(file, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("a file of our own");
}

/// What a setting can be.
pub trait Setting {
    /// As it stands in a TOML file.
    fn to_toml(&self) -> String;
}

macro_rules! plain_settings {
    ($($kind:ty)*) => {$(impl Setting for $kind {
        fn to_toml(&self) -> String {
            self.to_string()
        }
    })*};
}

plain_settings!(i32 i64 u32 bool);

impl Setting for str {
    fn to_toml(&self) -> String {
        let mut quoted = String::from("\"");
        for character in self.chars() {
            match character {
                '"' | '\\' => quoted.extend(['\\', character]),
                control if control.is_control() => quoted.push_str(&format!("\\u{:04X}", control as u32)),
                other => quoted.push(other),
            }
        }
        quoted + "\""
    }
}

impl Setting for String {
    fn to_toml(&self) -> String {
        self.as_str().to_toml()
    }
}

impl Setting for Path {
    fn to_toml(&self) -> String {
        self.to_str().expect("paths of tests are text").to_toml()
    }
}

impl Setting for PathBuf {
    fn to_toml(&self) -> String {
        self.as_path().to_toml()
    }
}

impl<T: Setting + ?Sized> Setting for &T {
    fn to_toml(&self) -> String {
        (**self).to_toml()
    }
}

impl<T: Setting> Setting for [T] {
    fn to_toml(&self) -> String {
        format!("[{}]", self.iter().map(Setting::to_toml).collect::<Vec<_>>().join(", "))
    }
}

impl<T: Setting, const N: usize> Setting for [T; N] {
    fn to_toml(&self) -> String {
        self.as_slice().to_toml()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_sees_this_world_and_nothing_of_the_one_around() {
        let env = TestEnv::new().layer().var("EXTRA", "1");
        let output = env.command("env").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut names: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "EXTRA",
                "HOME",
                "MPR_CONFIG_DIRS",
                "MPR_LIBEXEC_DIR",
                "MPR_LOG",
                "MPR_RUNTIME_DIR",
                "MPR_STATE_DIR",
                "PATH",
                "TMPDIR",
                "XDG_CONFIG_HOME",
                "XDG_RUNTIME_DIR",
                "XDG_STATE_HOME"
            ]
        );
        let root = env.root().display();
        assert!(text.contains(&format!("MPR_CONFIG_DIRS={root}/config0:{root}/config1\n")), "{text}");
    }

    #[test]
    fn each_layer_has_files_of_its_own() {
        let env = TestEnv::new()
            .setting("retry-limit", 2)
            .provider_library("np", "Example \"Network\"", "/lib/np.so")
            .layer()
            .setting("builtin-providers", ["local", "smb"])
            .notifyee_command("hook", &["/bin/hook", "-v"])
            .notifyee_library("audit", Path::new("/lib/audit.so"));
        let read = |layer: usize, name| fs::read_to_string(env.config_dirs()[layer].join(name)).ok();
        assert_eq!(read(0, "mpr.toml").unwrap(), "retry-limit = 2\n");
        assert_eq!(read(1, "mpr.toml").unwrap(), "builtin-providers = [\"local\", \"smb\"]\n");
        assert_eq!(
            read(0, "providers.d/np.toml").unwrap(),
            "name = \"Example \\\"Network\\\"\"\npath = \"/lib/np.so\"\n"
        );
        assert_eq!(read(1, "providers.d/np.toml"), None);
        assert_eq!(read(1, "notifyees.d/hook.toml").unwrap(), "command = [\"/bin/hook\", \"-v\"]\n");
        assert_eq!(read(1, "notifyees.d/audit.toml").unwrap(), "path = \"/lib/audit.so\"\n");
    }

    #[test]
    fn nothing_is_left_behind() {
        let env = TestEnv::new().remembered("[settings]\n");
        assert_eq!(env.connections(), "[settings]\n");
        let root = env.root().to_owned();
        drop(env);
        assert!(!root.exists());
    }
}
