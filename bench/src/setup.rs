//! What is measured, and where: the packs, the networks, and the machine.

use std::fs;
use std::path::{Path, PathBuf};

use assent::evaluate::LabelledSet;
use assent::models::Models;
use assent::packs::{AcceptedLicences, PackKind, PhotoPack, VerifiedPhotos, find_packs};
use assent_vision::decode::{DecodeLimits, Decoded, decode, decode_at_least};
use assent_vision::detect::FaceFinder;
use assent_vision::embed::Embedder;
use assent_vision::frame::Frame;
use assent_vision::machine::Kernel;
use assent_vision::runtime::Role;
use clap::Args;
use serde_json::{Value, json};

use crate::Error;

/// The repository's folder.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where packs and the inference library lie.
#[derive(Debug, Args)]
pub(crate) struct Places {
    /// Folder with the packs: `models/default` and `photos/crew` [default: shared/packs beside the checkout]
    #[arg(long, value_name = "DIR", env = "ASSENT_PACKS")]
    packs: Option<PathBuf>,
    /// Folder of the inference library [default: .runtime in the checkout]
    #[arg(long, value_name = "DIR", env = "ASSENT_RUNTIME")]
    runtime: Option<PathBuf>,
    /// Other kernels for the networks than the best of this processor; with `scalar`, the inference library runs them
    #[arg(long, value_name = "NAME", value_parser = kernel)]
    kernel: Option<Kernel>,
}

/// One of the processor's kernels, by its name.
fn kernel(name: &str) -> Result<Kernel, String> {
    let all = Kernel::all();
    let names: Vec<&str> = all.iter().map(|kernel| kernel.name()).collect();
    let found = all.iter().copied().find(|kernel| kernel.name() == name);
    found.ok_or_else(|| format!("this processor has {}", names.join(", ")))
}

/// The networks and the sample photos, checked.
#[derive(Debug)]
pub(crate) struct Setup {
    /// The networks of the pack `default`.
    pub(crate) models: Models,
    /// The sample photos, every file of them compared with the digest that is compiled in.
    pub(crate) sample: VerifiedPhotos,
    /// The folder with `models` and `photos`, as the peers want it.
    pub(crate) packs: PathBuf,
    photo_pack: PhotoPack,
}

impl Places {
    /// Loads the networks and checks the sample photos.
    ///
    /// # Errors
    ///
    /// If a pack or the library is missing or damaged, or the photos are not the sample photos.
    pub(crate) fn load(&self) -> Result<Setup, Error> {
        let packs = self.packs.clone().unwrap_or_else(|| repository().join("../shared/packs"));
        let runtime = self.runtime.clone().unwrap_or_else(|| repository().join(".runtime"));
        let found = find_packs(std::slice::from_ref(&packs))?;
        let dir = |kind: PackKind, name: &str| {
            found.iter().find(|p| p.kind == kind && p.name == name).map(|p| p.dir.clone()).ok_or_else(|| {
                let packs = packs.display();
                format!("no pack {kind}/{name} in {packs}; name the folder that holds it with --packs")
            })
        };
        let models_dir = dir(PackKind::Models, "default")?;
        let photo_pack = PhotoPack::load(&dir(PackKind::Photos, "crew")?)?;
        let sample = photo_pack.verify()?;
        if !sample.is_sample_set() {
            let packs = packs.display();
            return Err(format!("photos/crew in {packs} is not the sample set; take an untouched copy of it").into());
        }
        let mut models = Models::load(&runtime, &models_dir, &AcceptedLicences::none(), &[])?;
        if let Some(kernel) = self.kernel {
            models = models.with_kernel(kernel);
        }
        Ok(Setup { models, sample, packs, photo_pack })
    }
}

impl Setup {
    /// The sample photos with their labels, to be searched for the people of the portraits.
    ///
    /// # Errors
    ///
    /// If a file cannot be read.
    pub(crate) fn labelled(&self) -> Result<LabelledSet, Error> {
        let pack = &self.photo_pack;
        Ok(LabelledSet::read(&pack.photos_dir, &pack.portraits_dir, &pack.labels)?)
    }

    /// The folder with the portraits.
    pub(crate) fn portraits_dir(&self) -> &Path {
        &self.photo_pack.portraits_dir
    }

    /// A detector for one thread.
    ///
    /// # Errors
    ///
    /// If the library refuses the network.
    pub(crate) fn finder(&self) -> Result<FaceFinder, Error> {
        let pack = self.models.pack();
        Ok(FaceFinder::new(self.models.runtime(), pack.detector().clone(), &pack.detector_bytes)?)
    }

    /// An embedder for one thread.
    ///
    /// # Errors
    ///
    /// If the library refuses the network.
    pub(crate) fn embedder(&self) -> Result<Embedder, Error> {
        let pack = self.models.pack();
        Ok(Embedder::new(self.models.runtime(), pack.embedder().clone(), &pack.embedder_bytes)?)
    }

    /// Which engines run the two networks on this machine.
    pub(crate) fn engines(&self) -> Value {
        engines(&self.models)
    }
}

/// Which engines run the two networks on this machine.
pub(crate) fn engines(models: &Models) -> Value {
    let name = |role| models.runtime().choose(role).0.name();
    json!({ "detector": name(Role::Detector), "embedder": name(Role::Embedder) })
}

/// Reads a photo's bytes.
///
/// # Errors
///
/// If the file cannot be read.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|e| format!("cannot read {} ({e}); check the packs' folder", path.display()).into())
}

/// Decodes a photo at full size.
///
/// # Errors
///
/// If it is damaged.
pub(crate) fn decoded(bytes: &[u8]) -> Result<Frame, Error> {
    Ok(decode(bytes, DecodeLimits::default())?)
}

/// Decodes a photo as large as a search at `side_px` needs it.
///
/// # Errors
///
/// If it is damaged.
pub(crate) fn decoded_at_least(bytes: &[u8], side_px: u32) -> Result<Decoded, Error> {
    Ok(decode_at_least(bytes, DecodeLimits::default(), side_px)?)
}

/// The processor's name and which of the instructions that matter here it has; `null` where the system does not say.
pub(crate) fn cpu() -> Value {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = |key: &str| {
        let value =
            |line: &str| line.split_once(':').filter(|(k, _)| k.trim() == key).map(|(_, v)| v.trim().to_owned());
        info.lines().find_map(value)
    };
    let flags = line("flags");
    let has = |flag: &str| flags.as_ref().map(|flags| flags.split(' ').any(|f| f == flag));
    json!({
        "model": line("model name"),
        "cores": std::thread::available_parallelism().ok().map(std::num::NonZeroUsize::get),
        "avx2": has("avx2"),
        "avx512f": has("avx512f"),
        "avx512_vnni": has("avx512_vnni"),
        "amx_bf16": has("amx_bf16"),
    })
}

/// What holds for every figure of this program, for the top of its output.
pub(crate) fn caveats(setup: &Setup) -> Vec<String> {
    let mut caveats = vec![
        "The speed of a shared machine changes from one minute to the next: compare ratios of runs that were made in \
         turn, not photos a second or milliseconds of different days."
            .to_owned(),
        format!(
            "{} sample photos of at most 2,400 pixels a side, mostly portraits and small groups: larger photos spend \
             more of their time on decoding, and crowds more on embedding.",
            setup.sample.photos.len()
        ),
    ];
    if let Some(load) = load() {
        caveats.push(format!("The load average when this began: {load} (1, 5 and 15 minutes)."));
    }
    caveats
}

/// The system's load averages, as it writes them.
fn load() -> Option<String> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    Some(text.split(' ').take(3).collect::<Vec<_>>().join(", "))
}

/// A line of what Linux says of this process's memory, such as `VmHWM` or `VmRSS`, bytes.
///
/// # Errors
///
/// If there is no such line.
pub(crate) fn own_memory_bytes(line: &str) -> Result<f64, Error> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(|e| format!("{e}; this needs Linux"))?;
    let value = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':'));
    let kib: f64 = value
        .and_then(|value| value.trim().trim_end_matches(" kB").parse().ok())
        .ok_or_else(|| format!("/proc/self/status does not say {line}"))?;
    Ok(kib * 1024.0)
}
