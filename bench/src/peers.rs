//! The peers: what a Python user would write today on the same networks, run as a program of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use serde_json::{Value, json};

use crate::Error;
use crate::figures::{median, round};
use crate::python::{Module, Python, output};
use crate::setup::{Setup, repository};

/// What the peers need.
const MODULES: &[Module] = &[("numpy", "numpy"), ("cv2", "opencv-python-headless"), ("onnxruntime", "onnxruntime")];

/// How a peer is run.
#[derive(Debug)]
pub(crate) struct Peers<'a> {
    setup: &'a Setup,
    python: Python,
    script: PathBuf,
    looped: Looped,
    threshold: f32,
    jobs: usize,
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
        let script = peer("photo_scan.py")?;
        let python = Python::ready(python, MODULES)?;
        let looped = Looped::make(setup, repeat)?;
        Ok(Peers { setup, python, script, looped, threshold, jobs })
    }

    /// The versions of what the peers are made of.
    pub(crate) fn versions(&self) -> &Value {
        &self.python.versions
    }

    /// Runs one engine once and adds what it says to `runs`.
    ///
    /// # Errors
    ///
    /// If the program fails or prints something else than its line.
    pub(crate) fn run(&self, engine: &str, runs: &mut PeerRuns) -> Result<(), Error> {
        let mut command = self.python.script(&self.script);
        command.args(["--engine", engine]);
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

/// The script of a peer.
///
/// # Errors
///
/// If it is not there.
pub(crate) fn peer(script: &str) -> Result<PathBuf, Error> {
    let script = repository().join("../shared/peers").join(script);
    if script.is_file() {
        return Ok(script);
    }
    let script = script.display();
    Err(format!("{script} does not exist; put the folder `shared` beside the checkout, or leave out --vs").into())
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
