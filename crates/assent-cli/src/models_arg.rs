//! Loading the models that a command asks for.

use std::path::PathBuf;

use assent::ledger::{Ledger, TxError};
use assent::models::{Models, ModelsError};
use assent::packs::{AcceptedLicences, FindPacksError, FoundPack, ModelCard, PackKind, find_packs};
use assent::service::status::models_in_use;
use thiserror::Error;

use crate::places::{self, PlacesError};
use crate::vault::now;

/// The pack that is taken unless another one is asked for.
pub(crate) const DEFAULT_PACK: &str = "sface";

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
    /// A folder could not be determined.
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
    /// The people of the vault are enrolled with models that are not there.
    #[error(
        "the people in this vault are enrolled with models whose pack is not in {}; put it there, or name the pack that is \
         to be used with --pack",
        list(roots)
    )]
    OtherModels {
        /// Where it was looked for.
        roots: Vec<PathBuf>,
    },
    /// The vault does not say which models its people are enrolled with.
    #[error(transparent)]
    Ledger(#[from] TxError),
}

fn of_name(name: Option<&str>) -> String {
    name.map_or_else(String::new, |n| format!(" named {n}"))
}

fn list(roots: &[PathBuf]) -> String {
    roots.iter().map(|r| r.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl ModelPlaces {
    /// The model pack `--pack`, else the one named [`DEFAULT_PACK`], else the one named `default`, else the first by name.
    ///
    /// # Errors
    ///
    /// As [`Models::load`], and if there is no such pack.
    pub(crate) fn load(&self) -> Result<Models, LoadModelsError> {
        let next = "`assent packs fetch` gets one";
        self.load_pack(&self.find(PackKind::Models, self.pack.as_deref(), &[DEFAULT_PACK, "default"], next)?)
    }

    /// The models for a vault: those of `--pack`, else those with which most of its people are enrolled, and where nobody is
    /// enrolled, as [`load`](Self::load). So nobody is lost from one day to the next because another pack became the
    /// default.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load); [`LoadModelsError::OtherModels`] if their pack is not there; [`TxError`] as
    /// `Tx::template_models` says.
    pub(crate) fn load_for(&self, ledger: &Ledger) -> Result<Models, LoadModelsError> {
        if self.pack.is_some() {
            return self.load();
        }
        let in_use = models_in_use(ledger, now())?;
        match in_use.first() {
            Some((model, _)) => self.load_of(*model),
            None => self.load(),
        }
    }

    /// The models with this network, whatever their pack is called.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load); [`LoadModelsError::OtherModels`] if their pack is not there.
    pub(crate) fn load_of(&self, model: [u8; 32]) -> Result<Models, LoadModelsError> {
        let roots = places::pack_roots(self.packs.as_deref())?;
        let packs = find_packs(&roots)?;
        let is_of = |pack: &FoundPack| {
            pack.kind == PackKind::Models && ModelCard::read(&pack.dir).is_ok_and(|card| card.model_sha256() == model)
        };
        match packs.iter().find(|pack| is_of(pack)) {
            Some(pack) => self.load_pack(pack),
            None => Err(LoadModelsError::OtherModels { roots }),
        }
    }

    fn load_pack(&self, pack: &FoundPack) -> Result<Models, LoadModelsError> {
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
        Ok(self.find(PackKind::Photos, Some("crew"), &[], next)?.dir)
    }

    fn find(
        &self,
        kind: PackKind,
        name: Option<&str>,
        preferred: &[&str],
        next: &'static str,
    ) -> Result<FoundPack, LoadModelsError> {
        let roots = places::pack_roots(self.packs.as_deref())?;
        let mut packs: Vec<FoundPack> = find_packs(&roots)?.into_iter().filter(|p| p.kind == kind).collect();
        let of = |name: &str| packs.iter().position(|p| p.name == name).or_else(|| by_card(&packs, name));
        let chosen = match name {
            Some(name) => of(name),
            None => preferred.iter().find_map(|name| of(name)).or((!packs.is_empty()).then_some(0)),
        };
        chosen.map(|i| packs.swap_remove(i)).ok_or_else(|| {
            let kind = match kind {
                PackKind::Models => "model",
                PackKind::Photos => "photo",
            };
            LoadModelsError::NoPack { kind, name: name.map(str::to_owned), roots, next }
        })
    }
}

/// The first model pack whose card has this name: its folder may be called otherwise.
fn by_card(packs: &[FoundPack], name: &str) -> Option<usize> {
    let is_called = |p: &FoundPack| p.kind == PackKind::Models && ModelCard::read(&p.dir).is_ok_and(|c| c.name == name);
    packs.iter().position(is_called)
}
