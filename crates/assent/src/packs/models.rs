//! Model packs: the two networks, read and compared with their card.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use assent_gallery::calibration::{Calibration, MissRates};
use assent_vision::model::{DetectorSpec, EmbedderSpec};
use assent_vision::runtime::{Role, refuse_absurd};

use super::digest::{hex, sha256};
use super::{AcceptedLicences, FileRef, ModelCard, PackError};
use crate::source::open_regular;

/// A model pack, loaded: every file was compared with the card.
#[derive(Clone)]
pub struct ModelPack {
    /// The card, as it was read from the pack and checked.
    pub card: ModelCard,
    /// The identity of the pair of networks, see [`ModelCard::model_sha256`].
    pub model_sha256: [u8; 32],
    /// The detector's ONNX file.
    pub detector_bytes: Vec<u8>,
    /// The embedder's ONNX file.
    pub embedder_bytes: Vec<u8>,
}

impl fmt::Debug for ModelPack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelPack")
            .field("name", &self.card.name)
            .field("version", &self.card.version)
            .field("model_sha256", &hex(&self.model_sha256))
            .finish_non_exhaustive()
    }
}

impl ModelPack {
    /// Reads the card in `dir`, checks it and the licences, and reads the two networks.
    ///
    /// # Errors
    ///
    /// - As [`ModelCard::read`] and [`ModelCard::check_licences`].
    /// - [`PackError::FileMissing`] if a network or the text of a licence that the card names is not there.
    /// - [`PackError::FileSize`], [`PackError::FileHash`] if a network is not the one that the card describes.
    /// - [`PackError::FileUnreadable`] if the operating system refuses to read a file.
    /// - [`PackError::Network`] if a network cannot be run by anything.
    pub fn load(dir: &Path, terms: &AcceptedLicences) -> Result<Self, PackError> {
        let card = ModelCard::read(dir)?;
        card.check_licences(terms)?;
        for name in card.detector_file.licence_files.iter().chain(&card.embedder_file.licence_files) {
            let path = dir.join(name);
            if !path.is_file() {
                return Err(PackError::FileMissing { path });
            }
        }
        let network = |file: &FileRef, role| {
            let bytes = read_checked(dir, file)?;
            let refused = |source| PackError::Network { path: dir.join(&file.name), source };
            refuse_absurd(&bytes, role).map_err(refused)?;
            Ok(bytes)
        };
        Ok(Self {
            detector_bytes: network(&card.detector_file, Role::Detector)?,
            embedder_bytes: network(&card.embedder_file, Role::Embedder)?,
            model_sha256: card.model_sha256(),
            card,
        })
    }

    /// The pack's name.
    pub fn name(&self) -> &str {
        &self.card.name
    }

    /// The pack's version.
    pub fn version(&self) -> &str {
        &self.card.version
    }

    /// The detector's arithmetic.
    pub fn detector(&self) -> &DetectorSpec {
        &self.card.detector
    }

    /// The embedder's arithmetic.
    pub fn embedder(&self) -> &EmbedderSpec {
        &self.card.embedder
    }

    /// The score-to-FMR table; without one the pack only proposes (band `review`).
    pub fn calibration(&self) -> Option<&Calibration> {
        self.card.calibration.as_ref()
    }

    /// The table of the harshest group of people that the card names, at each of its scores; `None` without a table.
    pub fn harshest(&self) -> Option<Calibration> {
        let groups = self.card.groups.iter().map(|group| &group.rates);
        self.calibration().map(|table| table.harshest_of(groups))
    }

    /// How often faces of enrolled people are missed, if that was measured.
    pub fn misses(&self) -> Option<&MissRates> {
        self.card.misses.as_ref()
    }

    /// The licences of the detector and of the embedder, as the card writes them.
    pub fn licences(&self) -> [&str; 2] {
        [&self.card.detector_file.licence, &self.card.embedder_file.licence]
    }
}

/// Reads a file that must be exactly the one that the card describes.
fn read_checked(dir: &Path, wanted: &FileRef) -> Result<Vec<u8>, PackError> {
    let path = dir.join(&wanted.name);
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => PackError::FileMissing { path: path.clone() },
        _ => PackError::FileUnreadable { path: path.clone(), source },
    };
    let file = open_regular(&path).map_err(unreadable)?;
    let got = file.metadata().map_err(unreadable)?.len();
    let wrong_size = |got| PackError::FileSize { path: path.clone(), expected: wanted.bytes, got };
    if got != wanted.bytes {
        return Err(wrong_size(got));
    }
    let mut bytes = Vec::with_capacity(wanted.bytes as usize);
    file.take(wanted.bytes + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 != wanted.bytes {
        return Err(wrong_size(bytes.len() as u64));
    }
    let got = sha256(&bytes);
    if got != wanted.sha256 {
        return Err(PackError::FileHash { path, expected: hex(&wanted.sha256), got: hex(&got) });
    }
    Ok(bytes)
}
