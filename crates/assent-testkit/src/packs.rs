//! The sample packs and the inference library, found and loaded once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use assent::models::{Models, Worker};
use assent::packs::AcceptedLicences;
use assent::{Posture, SearchOptions, Thoroughness};

/// How tests search photos: small and upright, because it is fast.
pub const SEARCH: SearchOptions =
    SearchOptions { side_px: 800, posture: Posture::Upright, thoroughness: Thoroughness::CoarseToFine };

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn packs() -> PathBuf {
    let packs = root().join("../shared/packs");
    assert!(packs.is_dir(), "the sample packs are not there: these tests need the folder `shared` beside the checkout");
    packs
}

/// The folder of the sample photos.
pub fn crew() -> PathBuf {
    packs().join("photos/crew")
}

/// The names of the people with a portrait, sorted.
pub fn portrait_names() -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let files = fs::read_dir(crew().join("portraits")).unwrap().map(name);
    let mut names: Vec<String> = files.map(|file| file.trim_end_matches(".jpg").to_owned()).collect();
    names.sort();
    names
}

/// Where the inference library is.
pub fn runtime_dir() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "a test may read its environment")]
    let named = std::env::var_os("ASSENT_RUNTIME").map(PathBuf::from);
    let dir = named.unwrap_or_else(|| root().join(".runtime"));
    assert!(dir.is_dir(), "the inference library is not there: `make runtime` fetches it");
    dir
}

/// The folder of the pack `light`, whose networks our own kernels run.
pub fn light_pack() -> PathBuf {
    packs().join("models/default")
}

/// The folder of the pack `sface`, which is taken unless another one is asked for.
fn sface_pack() -> PathBuf {
    packs().join("models/sface")
}

/// The models that the program takes unless others are asked for, loaded once.
pub fn models() -> &'static Models {
    static MODELS: OnceLock<Models> = OnceLock::new();
    MODELS.get_or_init(|| models_of(&sface_pack()))
}

/// The models of the pack `light`, loaded once.
pub fn light() -> &'static Models {
    static MODELS: OnceLock<Models> = OnceLock::new();
    MODELS.get_or_init(|| models_of(&light_pack()))
}

/// The models of a pack.
pub fn models_of(pack: &Path) -> Models {
    Models::load(&runtime_dir(), pack, &AcceptedLicences::default(), &[])
        .unwrap_or_else(|e| panic!("the models do not load: {e}; `make runtime` fetches the inference library"))
}

/// Runs `body` with a worker that all tests share, one after the other: loading one takes longer than most tests.
pub fn with_worker<T>(body: impl FnOnce(&mut Worker) -> T) -> T {
    static WORKER: OnceLock<Mutex<Worker>> = OnceLock::new();
    let worker = WORKER.get_or_init(|| Mutex::new(models().worker(SEARCH).unwrap()));
    body(&mut worker.lock().unwrap_or_else(PoisonError::into_inner))
}
