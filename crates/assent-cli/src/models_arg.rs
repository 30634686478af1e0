//! Loading the models that a command asks for.

use std::path::{Path, PathBuf};

use assent::models::{Models, ModelsError};
use assent::packs::{AcceptedLicences, FindPacksError, FoundPack, PackKind, find_packs};
use thiserror::Error;

use crate::places::{self, PlacesError};

/// Where packs and the library are, from the global flags.
#[derive(Debug, Clone)]
pub(crate) struct ModelPlaces {
    /// `--packs`.
    pub(crate) packs: Option<PathBuf>,
    /// `--runtime`.
    pub(crate) runtime: Option<PathBuf>,
    /// `--pack`.
    pub(crate) pack: Option<String>,
    /// `--accept-licence`, each time it was given.
    pub(crate) accepted: Vec<String>,
}

/// Why no models could be loaded.
#[derive(Debug, Error)]
pub(crate) enum LoadModelsError {
    /// No folder.
    #[error(transparent)]
    Places(#[from] PlacesError),
    /// A folder cannot be listed.
    #[error(transparent)]
    Find(#[from] FindPacksError),
    /// No pack of that kind and name.
    #[error("no {kind} pack{} in {}; {next}", of_name(name.as_deref()), list(roots))]
    NoPack {
        /// "model" or "photo".
        kind: &'static str,
        /// The name that was asked for.
        name: Option<String>,
        /// Where it was looked for.
        roots: Vec<PathBuf>,
        /// What to do.
        next: &'static str,
    },
    /// The pack or the library.
    #[error(transparent)]
    Models(#[from] ModelsError),
}

fn of_name(name: Option<&str>) -> String {
    name.map_or_else(String::new, |n| format!(" named {n}"))
}

fn list(roots: &[PathBuf]) -> String {
    roots.iter().map(|r| r.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl ModelPlaces {
    /// The model pack `--pack`, else the one named `default`, else the first by name.
    ///
    /// # Errors
    ///
    /// As [`Models::load`], and if there is no such pack.
    pub(crate) fn load(&self) -> Result<Models, LoadModelsError> {
        let next = "`assent packs fetch` gets one";
        let pack = self.find(PackKind::Models, self.pack.as_deref(), "default", next)?;
        let runtime = places::runtime_dir(self.runtime.as_deref())?;
        let terms = AcceptedLicences::naming(self.accepted.iter().cloned());
        let models = Models::load(&runtime, &pack.dir, &terms, &places::network_dirs(&pack.dir))?;
        Ok(models.with_heif(places::heif_program()))
    }

    /// The folder of the photo pack named `crew`: the sample photos.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub(crate) fn sample_photos(&self) -> Result<PathBuf, LoadModelsError> {
        let next = "the sample photos come with a checkout of Assent, in the folder `shared` beside it";
        Ok(self.find(PackKind::Photos, Some("crew"), "crew", next)?.dir)
    }

    fn find(
        &self,
        kind: PackKind,
        name: Option<&str>,
        preferred: &str,
        next: &'static str,
    ) -> Result<FoundPack, LoadModelsError> {
        let roots = places::pack_roots(self.packs.as_deref())?;
        let mut packs: Vec<FoundPack> = find_packs(&roots)?.into_iter().filter(|p| p.kind == kind).collect();
        packs.retain(|p| name.is_none_or(|n| folder_name(&p.dir) == n));
        let best = packs.iter().position(|p| folder_name(&p.dir) == preferred).unwrap_or(0);
        if packs.is_empty() {
            let kind = match kind {
                PackKind::Models => "model",
                PackKind::Photos => "photo",
            };
            return Err(LoadModelsError::NoPack { kind, name: name.map(str::to_owned), roots, next });
        }
        Ok(packs.swap_remove(best))
    }
}

fn folder_name(dir: &Path) -> &str {
    dir.file_name().and_then(|n| n.to_str()).unwrap_or_default()
}
