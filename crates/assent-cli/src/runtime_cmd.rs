//! `assent runtime status|fetch`: the inference library, from the wheel that its makers publish.
//!
//! Only the shared libraries of the wheel's folder `onnxruntime/capi` are kept; no Python runs afterwards. They
//! appear whole or not at all: they are unpacked into a temporary folder, which is then renamed.
//!
//! ```text
//! <runtime>/onnxruntime/capi/libonnxruntime.so.1.24.1 ...
//! <runtime>/onnxruntime/INSTALLED      the wheel's hash, and each file with its size
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use assent::packs::{Rewrite, hex, sha256_of};
use assent::{Execution, Role, Runtime};
use assent_documents::json::packs::{Engine, RuntimeFetched, RuntimeStatus};
use assent_documents::json::text;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use thiserror::Error;

use crate::fetch::sync_folder;
use crate::models_arg::ModelPlaces;
use crate::output::write_line;
use crate::places::{PlacesError, runtime_dir};
use crate::wheel::{Library, WheelError, has_runtime, unpack};

/// The wheel `onnxruntime-openvino` 1.24.1 for `CPython` 3.12 on Linux x86-64 with glibc 2.28 or newer. Which Python the
/// host has is of no importance: nothing of the Python part is used.
const PINNED_PACKAGE: &str = "onnxruntime-openvino==1.24.1";
/// Its size, bytes.
const PINNED_BYTES: u64 = 84_433_207;
/// Its SHA-256.
const PINNED_SHA256: &str = "d617fac2f59a6ab5ea59a788c3e1592240a129642519aaeaa774761dfe35150e";
/// What `pip` must be told to get exactly that wheel.
const PINNED_TAGS: [&str; 6] =
    ["--python-version", "3.12", "--implementation", "cp", "--platform", "manylinux_2_28_x86_64"];

/// Whether the pinned wheel runs here.
const PINNED_HERE: bool = cfg!(all(target_os = "linux", target_arch = "x86_64"));

/// First line of `INSTALLED`.
const INSTALLED_VERSION: &str = "assent runtime 1";

/// `assent runtime`.
#[derive(Debug, Args)]
pub(crate) struct RuntimeArgs {
    #[command(subcommand)]
    command: RuntimeCommand,
}

#[derive(Debug, Subcommand)]
enum RuntimeCommand {
    /// Which library is loaded, and which engine runs which network, and why
    Status,
    /// Fetch ONNX Runtime with pip, check it and unpack it (84 MB)
    Fetch(FetchArgs),
}

#[derive(Debug, Args)]
struct FetchArgs {
    /// Where to, instead of the folder that is searched first
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// A wheel that is there already, instead of one that pip fetches
    #[arg(long, value_name = "FILE")]
    wheel: Option<PathBuf>,
    /// Take what pip gives where no wheel is pinned (systems other than Linux x86-64)
    #[arg(long)]
    unpinned: bool,
}

/// Why the inference library was not installed. What was there before is still there.
#[derive(Debug, Error)]
pub(crate) enum RuntimeError {
    /// There is no folder to install to.
    #[error(transparent)]
    Places(#[from] PlacesError),
    /// No wheel is pinned for this system.
    #[error(
        "no ONNX Runtime is pinned for {system}, so its hash cannot be checked: run `assent runtime fetch --unpinned` to \
         take what pip gives"
    )]
    NotPinned {
        /// Operating system and processor.
        system: String,
    },
    /// Python is missing.
    #[error(
        "cannot run python3, whose pip fetches the wheel: install Python 3, or download {package} elsewhere and name the \
         file with --wheel"
    )]
    NoPython {
        /// What to download.
        package: &'static str,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// `pip` failed.
    #[error(
        "pip could not fetch {package}: check that pip is installed and the network is there, or download it elsewhere \
         and name the file with --wheel. pip said:\n{said}"
    )]
    Pip {
        /// What to download.
        package: &'static str,
        /// The end of what `pip` wrote.
        said: String,
    },
    /// The wheel cannot be read.
    #[error("cannot read the wheel {}", path.display())]
    Wheel {
        /// The path of the wheel, a Python package file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The wheel has another size.
    #[error("the wheel {} has {got} bytes, and {PINNED_BYTES} were expected: it is not {PINNED_PACKAGE}", path.display())]
    WheelSize {
        /// The path of the wheel, a Python package file.
        path: PathBuf,
        /// Its size, bytes.
        got: u64,
    },
    /// The wheel is another one.
    #[error("the wheel {} has sha256 {got}, and {PINNED_SHA256} was expected: it was not unpacked", path.display())]
    WheelHash {
        /// The path of the wheel, a Python package file.
        path: PathBuf,
        /// 64 hexadecimal digits.
        got: String,
    },
    /// The wheel was not unpacked.
    #[error("the inference library was not installed")]
    Unpack(#[from] WheelError),
    /// The folder cannot be written.
    #[error("cannot write to {}: name another folder with --to", path.display())]
    Folder {
        /// The path of the folder.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The library cannot be loaded.
    #[error(transparent)]
    Load(#[from] assent::RuntimeError),
    /// The library refuses a network.
    #[error(transparent)]
    Network(#[from] assent::InferenceError),
    /// The output could not be written.
    #[error("cannot write the output")]
    Output(#[from] io::Error),
}

/// Says which library is loaded, and which engine runs which network of the pack, and why.
fn status(models: &ModelPlaces, json: bool, out: &mut dyn Write) -> Result<(), RuntimeError> {
    let runtime = Runtime::load(&runtime_dir(models.runtime.as_deref())?)?;
    let library = runtime.library().display().to_string();
    let (pack, [detector, embedder], rewrite) = match models.load() {
        Ok(models) => {
            let pack = format!("{} {}", models.pack().name(), models.pack().version());
            (pack, models.engines()?, Some(rewrite(models.rewrite())))
        }
        // Without a pack it can still be said what the library is good for.
        Err(error) => (error.to_string(), [Role::Detector, Role::Embedder].map(|role| runtime.choose(role)), None),
    };
    if json {
        let engine = |(execution, because): (Execution, &str)| Engine {
            execution: execution.name(),
            because: because.to_owned(),
        };
        let answer = RuntimeStatus {
            library,
            build: runtime.build_info().to_string(),
            pack,
            detector: engine(detector),
            embedder: engine(embedder),
            prelu: rewrite,
        };
        return Ok(write_line(&answer, out)?);
    }
    writeln!(out, "library: {library}")?;
    writeln!(out, "build: {}", runtime.build_info())?;
    writeln!(out, "pack: {pack}")?;
    for (name, (execution, why)) in [("detector", detector), ("embedder", embedder)] {
        writeln!(out, "{name}: {} ({why})", execution.name())?;
    }
    if let Some(rewrite) = rewrite {
        writeln!(out, "embedder's PReLU layers: {rewrite}")?;
    }
    Ok(())
}

/// What became of the embedder's `PReLU` layers, in words.
fn rewrite(rewrite: &Rewrite) -> String {
    match rewrite {
        Rewrite::NotNeeded => "as they are; its engine is fast at them".to_owned(),
        Rewrite::NoLayers => "it has none".to_owned(),
        Rewrite::Used { kept: Some(path) } => format!("rewritten and compared, kept in {}", path.display()),
        Rewrite::Used { kept: None } => {
            "rewritten and compared at every start, because no folder could be written to keep them".to_owned()
        }
        Rewrite::Refused { why } => format!("as they are, because the rewritten network was refused: {why}"),
    }
}

/// Runs `assent runtime`.
///
/// # Errors
///
/// Each variant of [`RuntimeError`] says when.
pub(crate) fn run(
    args: &RuntimeArgs,
    models: &ModelPlaces,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), RuntimeError> {
    let args = match &args.command {
        RuntimeCommand::Status => return status(models, json, out),
        RuntimeCommand::Fetch(args) => args,
    };
    let dir = runtime_dir(args.to.as_deref().or(models.runtime.as_deref()))?;
    let capi = dir.join("onnxruntime").join("capi");
    match installed(&dir) {
        Installed::Whole => return print_installed(json, out, &capi, "was there already", true),
        Installed::ByHand => {
            return print_installed(json, out, &capi, "was put there by hand and is left as it is", true);
        }
        Installed::Not => {}
    }
    if !PINNED_HERE && !args.unpinned {
        let system = format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH);
        return Err(RuntimeError::NotPinned { system });
    }
    let folder_error = |source| RuntimeError::Folder { path: dir.clone(), source };
    fs::create_dir_all(&dir).map_err(folder_error)?;
    // In the same folder, so that the rename at the end stays on one file system.
    let temp = tempfile::Builder::new().prefix(".fetch-").tempdir_in(&dir).map_err(folder_error)?;
    let wheel = match &args.wheel {
        Some(wheel) => wheel.clone(),
        None => download(temp.path(), json)?,
    };
    let (file, sha256) = check(&wheel)?;
    install(file, &sha256, temp.path(), &dir)?;
    let how = if PINNED_HERE { "is installed, the wheel's sha256 was checked" } else { "is installed, unchecked" };
    print_installed(json, out, &capi, how, PINNED_HERE)
}

fn print_installed(json: bool, out: &mut dyn Write, capi: &Path, how: &str, checked: bool) -> Result<(), RuntimeError> {
    if json {
        write_line(&RuntimeFetched { folder: text(capi), status: how.to_owned(), unchecked: !checked }, out)?;
    } else {
        writeln!(out, "The inference library {how}: {}", capi.display())?;
        if !checked {
            writeln!(out, "No hash is pinned for this system: what pip gave was taken as it came.")?;
        }
    }
    Ok(())
}

enum Installed {
    /// Every file of `INSTALLED` is there with its size.
    Whole,
    /// There is a library and no `INSTALLED`.
    ByHand,
    /// Nothing, or less than `INSTALLED` says.
    Not,
}

fn installed(dir: &Path) -> Installed {
    let base = dir.join("onnxruntime");
    let Ok(text) = fs::read_to_string(base.join("INSTALLED")) else {
        return if has_runtime(&base.join("capi")) { Installed::ByHand } else { Installed::Not };
    };
    let mut lines = text.lines();
    let version = lines.next() == Some(INSTALLED_VERSION) && lines.next().is_some();
    let is_there = |line: &str| {
        let (bytes, name) = line.split_once("  ")?;
        let found = fs::metadata(base.join(name)).ok()?;
        (found.len() == bytes.parse::<u64>().ok()?).then_some(())
    };
    let whole = version && lines.all(|line| is_there(line).is_some()) && has_runtime(&base.join("capi"));
    if whole { Installed::Whole } else { Installed::Not }
}

/// Has `pip` download the wheel into `temp`. It uses the user's own settings (index, proxy, certificates).
fn download(temp: &Path, json: bool) -> Result<PathBuf, RuntimeError> {
    let package = if PINNED_HERE { PINNED_PACKAGE } else { "onnxruntime" };
    let to = temp.join("wheel");
    let folder_error = |source| RuntimeError::Folder { path: to.clone(), source };
    fs::create_dir(&to).map_err(folder_error)?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--progress-bar", "off"]);
    pip.args(if PINNED_HERE { &PINNED_TAGS[..] } else { &[] });
    pip.arg(package).arg("-d").arg(&to).stdin(Stdio::null());

    let bar = spinner(package, json);
    let done = pip.output();
    bar.finish_and_clear();
    let done = done.map_err(|source| RuntimeError::NoPython { package, source })?;
    let wheels = fs::read_dir(&to).map_err(folder_error)?.flatten().map(|entry| entry.path());
    let wheel = wheels.filter(|path| path.extension().is_some_and(|ending| ending == "whl")).max();
    match wheel {
        Some(wheel) if done.status.success() => Ok(wheel),
        _ => Err(RuntimeError::Pip { package, said: last_lines(&done.stderr) }),
    }
}

fn last_lines(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(5);
    lines[from..].iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn spinner(package: &str, json: bool) -> ProgressBar {
    if json {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_message(format!("pip fetches {package}"));
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Opens the wheel and compares it with the pinned one, where there is one.
fn check(path: &Path) -> Result<(File, String), RuntimeError> {
    let failed = |source| RuntimeError::Wheel { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let got = file.metadata().map_err(failed)?.len();
    if PINNED_HERE && got != PINNED_BYTES {
        return Err(RuntimeError::WheelSize { path: path.to_owned(), got });
    }
    let sha256 = hex(&sha256_of(&mut file).map_err(failed)?);
    if PINNED_HERE && sha256 != PINNED_SHA256 {
        return Err(RuntimeError::WheelHash { path: path.to_owned(), got: sha256 });
    }
    Ok((file, sha256))
}

/// Unpacks `wheel` in `temp` and renames the result to `<dir>/onnxruntime`; an incomplete one makes room.
fn install(wheel: File, sha256: &str, temp: &Path, dir: &Path) -> Result<(), RuntimeError> {
    let (new, old, target) = (temp.join("new"), temp.join("old"), dir.join("onnxruntime"));
    let folder_error = |source| RuntimeError::Folder { path: dir.to_owned(), source };
    fs::create_dir_all(new.join("capi")).map_err(folder_error)?;
    let libraries = unpack(wheel, &new.join("capi"))?;
    fs::write(new.join("INSTALLED"), manifest(sha256, &libraries)).map_err(folder_error)?;
    if target.exists() {
        fs::rename(&target, &old).map_err(folder_error)?;
    }
    fs::rename(&new, &target).map_err(folder_error)?;
    sync_folder(Some(dir)).map_err(folder_error)
}

fn manifest(sha256: &str, libraries: &[Library]) -> String {
    let files: String =
        libraries.iter().flat_map(|Library { name, bytes }| [bytes.to_string(), format!("  capi/{name}\n")]).collect();
    format!("{INSTALLED_VERSION}\nwheel {sha256}\n{files}")
}
