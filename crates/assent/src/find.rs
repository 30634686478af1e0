//! A subject's own question: which photos am I in?

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use assent_ledger::{
    CollectionId, EventKind, FaceBox, FaceId, FindUse, KnownPhoto, Ledger, PhotoId, Purpose, SubjectId, Timestamp,
    TxError, Verdict,
};
use assent_vision::cover::{self, Margin};
use assent_vision::decode::{self, DecodeError, DecodeLimits};
use assent_vision::frame::Frame;
use assent_vision::geometry::{QuarterTurn, Rect};
use thiserror::Error;

/// A photo in which a subject is, or may be.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundPhoto {
    /// The collection's name.
    pub collection: String,
    /// The photo's path below the collection's folder.
    pub path: String,
    /// The file.
    pub file: PathBuf,
    /// Width and height after EXIF orientation, pixels.
    pub size: (u32, u32),
    /// Which face is meant.
    pub face: FaceId,
    /// Where it is.
    pub at: FaceBox,
    /// Where everybody else's faces are.
    pub others: Vec<FaceBox>,
    /// Whether the engine is sure (`match`) or asks (`review`).
    pub band: assent_ledger::Band,
    /// What a person said.
    pub verdict: Option<Verdict>,
}

impl FoundPhoto {
    /// Sure by the engine or confirmed by a person.
    pub fn is_certain(&self) -> bool {
        self.verdict == Some(Verdict::Confirmed) || self.band == assent_ledger::Band::Match
    }
}

/// What is done with the answer; the log records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It is shown.
    Search,
    /// Pictures leave the vault: copies or a sheet.
    Export,
}

/// Lists a subject's photos in one collection, or in all. Faces that a person refused are left out. The answer names
/// nobody whose consent is not in force at the commit (invariant I4); the search is a leaf of the log.
///
/// # Errors
///
/// As the ledger: [`TxError::NoCollection`], [`TxError::Database`], [`TxError::Seal`], [`TxError::KeyRing`].
pub fn find(
    ledger: &Ledger,
    subject: SubjectId,
    collection: Option<CollectionId>,
    use_: Use,
    now: Timestamp,
) -> Result<Vec<FoundPhoto>, TxError> {
    let found = ledger.run_tx("find", now, |tx| {
        let collections = match collection {
            Some(id) => vec![tx.collection(id)?],
            None => tx.collections()?,
        };
        let (mut found, mut looked_at) = (Vec::new(), Vec::new());
        for about in collections {
            let Some(proof) = tx.active_grant_for(subject, about.id, &Purpose::find_my_photos())? else { continue };
            looked_at.push((about.id, about.template_epoch));
            let sightings = tx.sightings_of(&proof)?;
            if sightings.is_empty() {
                continue;
            }
            let photos = tx.known_photos(about.id)?;
            let photo = |id: PhotoId| photos.iter().find(|p| p.id == id);
            for s in sightings.into_iter().filter(|s| s.verdict != Some(Verdict::Refused)) {
                let Some(KnownPhoto { path, width, height, .. }) = photo(s.photo) else { continue };
                let others =
                    tx.faces_of(s.photo)?.into_iter().filter(|(id, _)| *id != s.face).map(|(_, b)| b).collect();
                found.push(FoundPhoto {
                    collection: about.name.clone(),
                    path: path.clone(),
                    file: Path::new(&about.directory).join(path),
                    size: (*width, *height),
                    face: s.face,
                    at: s.at,
                    others,
                    band: s.band,
                    verdict: s.verdict,
                });
            }
        }
        let kind = match use_ {
            Use::Search => EventKind::Search,
            Use::Export => EventKind::Export,
        };
        let detail: Vec<u8> = found.iter().flat_map(|f: &FoundPhoto| f.face.0.to_be_bytes()).collect();
        let purpose = Purpose::find_my_photos();
        let public = FindUse { found: found.len() as u32, purpose, collections: looked_at }.to_bytes();
        tx.append_leaf(kind, &public, &[(subject, &detail)])?;
        Ok(found)
    })?;
    let mut found = found.into_inner();
    found.sort_by(|a, b| (&a.collection, &a.path, a.face).cmp(&(&b.collection, &b.path, b.face)));
    Ok(found)
}

/// Why a picture could not be made.
#[derive(Debug, Error)]
pub enum PictureError {
    /// The file is gone or may not be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// It can no longer be decoded.
    #[error("cannot open {}", path.display())]
    Decode {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// It has another size than when it was scanned, so the boxes mean nothing.
    #[error("{} was changed since it was scanned; scan the collection again", path.display())]
    Changed {
        /// Which.
        path: PathBuf,
    },
}

/// The photo as its subject may have it: with `cover_others`, everybody else's face is covered; with `outline`, the
/// subject's own face is framed. Upright, and without any metadata of the file.
///
/// Faces that the detector did not find are not covered.
///
/// # Errors
///
/// [`PictureError`], each variant as it says.
pub fn picture(found: &FoundPhoto, cover_others: bool, outline: bool) -> Result<Frame, PictureError> {
    let path = || found.file.clone();
    let bytes = fs::read(&found.file).map_err(|source| PictureError::Unreadable { path: path(), source })?;
    let mut frame = decode::decode(&bytes, DecodeLimits::default())
        .map_err(|source| PictureError::Decode { path: path(), source })?;
    if (frame.width(), frame.height()) != found.size {
        return Err(PictureError::Changed { path: path() });
    }
    if cover_others {
        for other in &found.others {
            cover::cover(&mut frame, rect(other), QuarterTurn::from_count(other.quarter_turn), Margin::default());
        }
    }
    if outline {
        let thickness_px = (frame.width().max(frame.height()) as f32 / 300.0).max(2.0);
        cover::outline(&mut frame, rect(&found.at), thickness_px, OUTLINE_RGB);
    }
    Ok(frame)
}

/// The colour of the frame around a found face.
const OUTLINE_RGB: [u8; 3] = [32, 160, 96];

fn rect(b: &FaceBox) -> Rect {
    Rect { x: b.x, y: b.y, width: b.w, height: b.h }
}
