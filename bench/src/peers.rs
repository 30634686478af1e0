//! The peers: what a Python user would write today on the same networks, run as a program of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};

use serde_json::{Value, json};

use crate::Error;
use crate::figures::{median, round};
use crate::setup::{Setup, repository};

/// What the peers need.
const MODULES: [&str; 3] = ["numpy", "opencv-python-headless", "onnxruntime"];

/// Prints the versions of what the peers need; fails if one of them is missing.
const VERSIONS: &str = "import cv2, json, numpy, onnxruntime; print(json.dumps({'numpy': numpy.__version__, \
                        'opencv': cv2.__version__, 'onnxruntime': onnxruntime.__version__}))";

/// How a peer is run.
#[derive(Debug)]
pub(crate) struct Peers<'a> {
    setup: &'a Setup,
    python: PathBuf,
    script: PathBuf,
    looped: Looped,
    threshold: f32,
    jobs: usize,
    /// The versions of what the peers are made of.
    pub(crate) versions: Value,
}

/// The runs of one peer.
#[derive(Debug, Default)]
pub(crate) struct PeerRuns {
    photos_per_second: Vec<f64>,
    last: Value,
}

impl PeerRuns {
    /// Photos a second in the median; `None` before the first run.
    pub(crate) fn median(&self) -> Option<f64> {
        (!self.photos_per_second.is_empty()).then(|| median(&self.photos_per_second))
    }

    /// The figures; `null` before the first run.
    pub(crate) fn json(&self) -> Value {
        let Some(median) = self.median() else { return Value::Null };
        json!({
            "photos_per_second": round(median, 2),
            "runs": self.photos_per_second,
            "recall": self.last["recall"],
            "precision": self.last["precision"],
        })
    }
}

impl<'a> Peers<'a> {
    /// Makes ready: a Python with what the peers need, and a folder with `repeat` links to each photo.
    ///
    /// Without `python` that is the environment `bench/.venv`, which is made on first use.
    ///
    /// # Errors
    ///
    /// If the peer is not there, the environment cannot be made, or a link cannot be written.
    pub(crate) fn ready(
        setup: &'a Setup,
        python: Option<&Path>,
        (repeat, jobs, threshold): (usize, usize, f32),
    ) -> Result<Peers<'a>, Error> {
        let script = repository().join("../shared/peers/photo_scan.py");
        if !script.is_file() {
            let script = script.display();
            return Err(format!(
                "{script} does not exist; put the folder `shared` beside the checkout, or leave out --vs"
            )
            .into());
        }
        let (python, versions) = match python {
            Some(python) => (python.to_owned(), versions(python).map_err(|e| missing_modules(python, &e))?),
            None => environment()?,
        };
        let looped = Looped::make(setup, repeat)?;
        Ok(Peers { setup, python, script, looped, threshold, jobs, versions })
    }

    /// Runs one engine once and adds what it says to `runs`.
    ///
    /// # Errors
    ///
    /// If the program fails or prints something else than its line.
    pub(crate) fn run(&self, engine: &str, runs: &mut PeerRuns) -> Result<(), Error> {
        let mut command = Command::new(&self.python);
        command.arg(&self.script).args(["--engine", engine]);
        command.arg("--packs").arg(&self.setup.packs);
        command.arg("--photos").arg(self.looped.photos());
        command.arg("--enrol").arg(self.setup.portraits_dir());
        command.arg("--labels").arg(self.looped.labels());
        command.args(["--jobs", &self.jobs.to_string(), "--match", &self.threshold.to_string()]);
        let line = output(&mut command)?;
        let said: Value = serde_json::from_str(line.trim())
            .map_err(|e| format!("the peer {engine} did not print one line of JSON ({e}): {line}"))?;
        let rate = said["photos_per_second"]
            .as_f64()
            .ok_or_else(|| format!("the peer {engine} does not say how many photos a second: {line}"))?;
        eprintln!("peer {engine}: {rate:.2} photos a second");
        runs.photos_per_second.push(rate);
        runs.last = said;
        Ok(())
    }
}

/// A folder with several links to each sample photo, and labels that name the links. It is removed when this goes.
#[derive(Debug)]
struct Looped {
    dir: PathBuf,
}

impl Looped {
    fn make(setup: &Setup, repeat: usize) -> Result<Looped, Error> {
        let dir = std::env::temp_dir().join(format!("assent-bench-{}", process::id()));
        let looped = Looped { dir };
        let failed = |e| {
            let dir = looped.dir.display();
            format!("cannot write to {dir} ({e}); name another folder for temporary files with TMPDIR")
        };
        fs::create_dir_all(looped.photos()).map_err(failed)?;
        for round in 0..repeat {
            for photo in &setup.sample.photos {
                let name = photo.file_name().unwrap_or_default().to_string_lossy();
                let target = photo.canonicalize().map_err(failed)?;
                link(&target, &looped.photos().join(link_name(round, &name))).map_err(failed)?;
            }
        }
        let text = fs::read_to_string(&setup.sample.labels).map_err(failed)?;
        fs::write(looped.labels(), looped_labels(&text, repeat)).map_err(failed)?;
        Ok(looped)
    }

    fn photos(&self) -> PathBuf {
        self.dir.join("photos")
    }

    fn labels(&self) -> PathBuf {
        self.dir.join("labels.tsv")
    }
}

impl Drop for Looped {
    fn drop(&mut self) {
        // What is left in the folder for temporary files does no harm.
        drop(fs::remove_dir_all(&self.dir));
    }
}

/// The name of a photo's link: sorted by name, the photos come round after round, as Assent goes through them.
fn link_name(round: usize, name: &str) -> String {
    format!("{round:04}-{name}")
}

/// `labels` (a head line, then photo, tab, person, tab, basis) once for each round's links.
fn looped_labels(labels: &str, repeat: usize) -> String {
    let mut lines = labels.lines();
    let mut text = format!("{}\n", lines.next().unwrap_or_default());
    for line in lines.filter(|line| !line.trim().is_empty()) {
        for round in 0..repeat {
            text.push_str(&link_name(round, line));
            text.push('\n');
        }
    }
    text
}

#[cfg(unix)]
fn link(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn link(target: &Path, link: &Path) -> std::io::Result<()> {
    fs::copy(target, link).map(drop)
}

/// The Python of `bench/.venv`, and the versions of what is in it. What is missing of the environment is made.
fn environment() -> Result<(PathBuf, Value), Error> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv");
    let python = dir.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if !python.is_file() {
        eprintln!("making a Python environment for the peers in {}", dir.display());
        output(Command::new("python3").args(["-m", "venv"]).arg(&dir)).map_err(|e| {
            format!("{e}\ninstall python3 with its module venv (Debian: python3-venv), or name a Python with --python")
        })?;
    }
    if versions(&python).is_err() {
        eprintln!("installing {} there", MODULES.join(", "));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        output(Command::new(&python).args(pip).args(MODULES)).map_err(|e| {
            let dir = dir.display();
            format!("{e}\ncheck the network, delete {dir} and run this again, or name a Python with --python")
        })?;
    }
    let versions = versions(&python).map_err(|e| missing_modules(&python, &e))?;
    Ok((python, versions))
}

fn versions(python: &Path) -> Result<Value, Error> {
    Ok(serde_json::from_str(output(Command::new(python).args(["-c", VERSIONS]))?.trim())?)
}

fn missing_modules(python: &Path, error: &Error) -> String {
    let (python, modules) = (python.display(), MODULES.join(" "));
    format!("{error}\nthe peers cannot run on {python}; `{python} -m pip install {modules}` installs what they need")
}

/// Runs a program and gives what it prints; its complaints are part of the error.
fn output(command: &mut Command) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let done = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot start {program} ({e}); check that it is installed"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        return Err(format!("{program} failed ({}): {}", done.status, said.trim()).into());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_name_the_links() {
        let labels = "photo\tperson\tbasis\na.jpg\tanna\tx\n\nb.jpg\tberta\ty\n";
        let expected = "photo\tperson\tbasis\n0000-a.jpg\tanna\tx\n0001-a.jpg\tanna\tx\n\
                        0000-b.jpg\tberta\ty\n0001-b.jpg\tberta\ty\n";
        assert_eq!(looped_labels(labels, 2), expected);
        assert_eq!(link_name(1, "a.jpg"), "0001-a.jpg");
    }

    #[test]
    fn before_the_first_run_there_is_no_figure() {
        assert_eq!(PeerRuns::default().json(), Value::Null);
        assert_eq!(PeerRuns::default().median(), None);
    }
}
