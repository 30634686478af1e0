//! The program, a place to run it in, and what it said.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// One case: what it is called, which file of the folder it looks at (none if it makes its own), and how it is judged.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) input: &'static str,
    pub(crate) run: fn(&Sandbox, &str) -> Outcome,
}

/// Right, or what is wrong.
pub(crate) type Outcome = Result<(), String>;

/// Says what is wrong unless something holds.
pub(crate) fn expect(holds: bool, wrong: impl Into<String>) -> Outcome {
    if holds { Ok(()) } else { Err(wrong.into()) }
}

/// Builds the program, with the profile that this one was built with, and returns its path.
pub(crate) fn build() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let folder = here.parent().unwrap();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut build = Command::new(cargo);
    build.args(["build", "--locked", "--package", "assent-cli"]).stdout(Stdio::null());
    if folder.file_name().is_some_and(|name| name == "release") {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success(), "the program does not build");
    folder.join("assent")
}

/// What one run of the program said and took.
pub(crate) struct ProgramOutput {
    pub(crate) code: Option<i32>,
    /// Both outputs, one after the other.
    pub(crate) text: String,
    pub(crate) stdout: String,
    /// The most memory that it had, MB.
    pub(crate) peak_mb: u64,
    /// The processor time that it took, seconds.
    pub(crate) seconds: u64,
}

impl ProgramOutput {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_default()
    }
}

/// A temporary folder with a vault, a key ring and photos.
pub(crate) struct Sandbox {
    binary: PathBuf,
    /// The folder of the inputs.
    pub(crate) inputs: PathBuf,
    dir: TempDir,
    log: RefCell<String>,
}

impl Sandbox {
    pub(crate) fn new(binary: &Path, inputs: &Path) -> Sandbox {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("photos")).unwrap();
        Sandbox { binary: binary.to_owned(), inputs: inputs.to_owned(), dir, log: RefCell::new(String::new()) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The bytes of an input.
    pub(crate) fn input(&self, name: &str) -> Vec<u8> {
        fs::read(self.inputs.join(name)).unwrap()
    }

    /// Puts a file into the folder of photos.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path("photos").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// What was run, and what it said, for whoever looks into a case that is wrong.
    pub(crate) fn said(&self) -> String {
        self.log.borrow().clone()
    }

    /// Runs the program on the place's vault.
    pub(crate) fn run(&self, args: &[&str]) -> ProgramOutput {
        let mut command = Command::new(&self.binary);
        command.args(["--vault", &self.text("vault"), "--key-ring", &self.text("keys/ring")]).args(args);
        self.watch(command, args)
    }

    /// The same as another user, if this one may read everything; the place is that user's then.
    pub(crate) fn run_unprivileged(&self, args: &[&str]) -> ProgramOutput {
        let dir = self.dir.path().to_str().unwrap();
        assert!(Command::new("chown").args(["-R", "65534:65534", dir]).status().unwrap().success());
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&self.binary);
        command.args(["--vault", &self.text("vault"), "--key-ring", &self.text("keys/ring")]).args(args);
        self.watch(command, args)
    }

    fn watch(&self, mut command: Command, args: &[&str]) -> ProgramOutput {
        let file = |name: &str| fs::File::create(self.path(name)).unwrap();
        command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
        command.env("XDG_DATA_HOME", self.path("data")).env("HOME", self.dir.path());
        let mut child = command.spawn().unwrap();
        let (mut peak_mb, mut seconds) = (0, 0);
        let code = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status.code();
            }
            let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
            peak_mb = peak.and_then(|kb| kb.parse::<u64>().ok()).map_or(peak_mb, |kb| peak_mb.max(kb / 1000));
            let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            let ticks = |i: usize| fields.get(i).and_then(|t| t.parse::<u64>().ok()).unwrap_or_default();
            // Linux counts processor time in hundredths of a second.
            seconds = seconds.max((ticks(11) + ticks(12)) / 100);
            thread::sleep(Duration::from_millis(20));
        };
        let read = |name: &str| String::from_utf8_lossy(&fs::read(self.path(name)).unwrap()).into_owned();
        let (stdout, stderr) = (read("stdout"), read("stderr"));
        let text = format!("{stdout}{stderr}");
        writeln!(self.log.borrow_mut(), "    $ assent {} -> {code:?}, {peak_mb} MB, {seconds} s", args.join(" "))
            .unwrap();
        for line in text.lines() {
            writeln!(self.log.borrow_mut(), "      {}", line.escape_debug()).unwrap();
        }
        ProgramOutput { code, text, stdout, peak_mb, seconds }
    }

    /// Runs it and has to succeed.
    pub(crate) fn ok(&self, args: &[&str]) -> Result<ProgramOutput, String> {
        let said = self.run(args);
        if said.code == Some(0) { Ok(said) } else { Err(format!("assent {} failed", args.join(" "))) }
    }

    /// Runs it at a terminal of its own, and types these lines.
    pub(crate) fn at_terminal(&self, args: &[&str], lines: &str) -> Outcome {
        let quoted = |arg: &str| format!("'{}'", arg.replace('\'', "'\\''"));
        let mut line = quoted(self.binary.to_str().unwrap());
        for arg in ["--vault", &self.text("vault"), "--key-ring", &self.text("keys/ring")].iter().chain(args) {
            line = format!("{line} {}", quoted(arg));
        }
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        writeln!(self.log.borrow_mut(), "    $ assent {} (at a terminal)\n      {text}", args.join(" ")).unwrap();
        expect(output.status.success(), format!("assent {} failed at a terminal", args.join(" ")))
    }

    /// A household with one collection over the photos; its owner is enrolled, and the photos are scanned.
    pub(crate) fn household(&self, portrait: &str, more: &[&str]) -> Outcome {
        self.household_without_scan(portrait)?;
        self.ok(&[&["scan", "photos"], more].concat()).map(drop)
    }

    pub(crate) fn household_without_scan(&self, portrait: &str) -> Outcome {
        self.ok(&["init", "--household", "--name", "Test"])?;
        self.ok(&["collection", "add", "photos", &self.text("photos")])?;
        let portrait = assent_testkit::crew().join("portraits").join(portrait);
        let enrol = ["enrol", "--self", "--photo", portrait.to_str().unwrap()];
        self.at_terminal(&enrol, "I want to be found in these photos\n")
    }

    /// The paths of the photos in which the owner is.
    pub(crate) fn found(&self) -> Result<Vec<String>, String> {
        let said = self.ok(&["find", "me", "--json"])?;
        let photos = said.json()["photos"].as_array().cloned().unwrap_or_default();
        Ok(photos.iter().map(|photo| photo["photo"].as_str().unwrap_or_default().to_owned()).collect())
    }

    /// All files below a folder of the place.
    pub(crate) fn files(&self, below: &str) -> Vec<PathBuf> {
        fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() { walk(&entry.path(), files) } else { files.push(entry.path()) }
            }
        }
        let mut files = Vec::new();
        walk(&self.path(below), &mut files);
        files.sort();
        files
    }
}
