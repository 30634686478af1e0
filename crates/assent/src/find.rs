//! A subject's own question: which photos am I in?

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use assent_ledger::{
    ActiveGrant, Collection, CollectionId, ContentTag, EventKind, FaceBox, FaceId, FindUse, KnownPhoto, Ledger,
    PhotoId, PhotoPath, Purpose, SubjectId, Taken, Timestamp, Tx, TxError, VaultKind, Verdict,
};
use assent_vision::cover::{self, CoverStyle, Head};
use assent_vision::decode::DecodeError;
use assent_vision::frame::Frame;
use assent_vision::geometry::{QuarterTurn, Rect};
use thiserror::Error;

use crate::heif::PhotoDecoder;
use crate::packs::sha256;
use crate::why;
pub use crate::why::{NothingIn, WhyNothing};

/// A photo in which a subject is, or may be.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundPhoto {
    /// The collection's name.
    pub collection: String,
    /// The photo's path below the collection's folder.
    pub path: PhotoPath,
    /// The file.
    pub file: PathBuf,
    /// Width and height after EXIF orientation, pixels.
    pub size: (u32, u32),
    /// Which face is meant.
    pub face: FaceId,
    /// Where it is.
    pub at: FaceBox,
    /// How many faces are in the photo.
    pub faces: usize,
    /// What is covered in what is handed out: faces, see [`who_is_covered`], and what was set apart, whether a face was
    /// found there or not.
    pub covered: Vec<FaceBox>,
    /// Length of the file when it was scanned, bytes.
    pub bytes: u64,
    /// What the file held.
    pub content: ContentTag,
    /// Whether the engine is sure (`match`) or asks (`review`).
    pub band: assent_ledger::Band,
    /// What a person said.
    pub verdict: Option<Verdict>,
    /// When it was taken.
    pub taken: Taken,
    /// Since when its file is missing, if it is.
    pub missing: Option<Timestamp>,
}

impl FoundPhoto {
    /// Sure by the engine or confirmed by a person.
    pub fn is_certain(&self) -> bool {
        self.verdict == Some(Verdict::Confirmed) || self.band == assent_ledger::Band::Match
    }

    /// Proposed by the engine, and nobody has decided.
    pub fn is_open(&self) -> bool {
        self.band == assent_ledger::Band::Review && self.verdict.is_none()
    }
}

/// What is done with the answer; the log records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It is shown to the operator.
    Search,
    /// Pictures leave the vault: copies or a sheet.
    Export,
}

/// The answer to a search.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// The photos, the newest first; those of one moment by collection and path.
    pub photos: Vec<FoundPhoto>,
    /// How many photos wait until somebody confirms them. They are among `photos` in an answer that is shown, and never in
    /// one that is exported.
    pub to_confirm: usize,
    /// The collections that have no photo in the answer, by name.
    pub nothing: Vec<NothingIn>,
}

/// Which sightings an answer is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    All,
    Certain,
    Proposals,
}

/// Whether the face of anybody but the subject is covered in what is handed out: in a household only one that was set
/// apart, elsewhere everybody's.
pub fn who_is_covered(kind: VaultKind, set_apart: bool) -> bool {
    match kind {
        VaultKind::Household => set_apart,
        VaultKind::Organisation => true,
    }
}

/// Lists a subject's photos in one collection, or in all. Faces that a person refused are left out, and of what is exported
/// also those that nobody confirmed and the engine is not sure of (invariant I4). The answer names nobody whose consent is
/// not in force at the commit; the search is a leaf of the log.
///
/// # Errors
///
/// As the ledger: [`TxError::NoCollection`], [`TxError::Stopped`], [`TxError::Database`], [`TxError::Seal`],
/// [`TxError::KeyRing`].
pub fn find(
    ledger: &Ledger,
    subject: SubjectId,
    collection: Option<CollectionId>,
    use_: Use,
    now: Timestamp,
) -> Result<Found, TxError> {
    let wanted = if use_ == Use::Export { Wanted::Certain } else { Wanted::All };
    answer(ledger, subject, collection, (wanted, use_), now)
}

/// Lists what the engine proposes for a subject and nobody has decided, in all collections: for those who decide, and for
/// nobody else.
///
/// # Errors
///
/// As [`find`].
pub fn proposals(ledger: &Ledger, subject: SubjectId, use_: Use, now: Timestamp) -> Result<Vec<FoundPhoto>, TxError> {
    answer(ledger, subject, None, (Wanted::Proposals, use_), now).map(|found| found.photos)
}

/// The face that a person was enrolled with, as a PNG, for those who decide on proposals: whether the two are the same, a
/// person says. `None` if they agreed to be found nowhere, or none was kept.
///
/// # Errors
///
/// As [`find`].
pub fn portrait(ledger: &Ledger, subject: SubjectId, now: Timestamp) -> Result<Option<Vec<u8>>, TxError> {
    let portrait = ledger.run_tx("show a portrait", now, |tx| {
        for about in tx.collections()? {
            if let Some(proof) = tx.active_grant_for(subject, about.id, &Purpose::find_my_photos())? {
                return tx.portrait(&proof);
            }
        }
        Ok(None)
    })?;
    Ok(portrait.into_inner())
}

fn answer(
    ledger: &Ledger,
    subject: SubjectId,
    collection: Option<CollectionId>,
    (wanted, use_): (Wanted, Use),
    now: Timestamp,
) -> Result<Found, TxError> {
    let answer = ledger.run_tx("find", now, |tx| {
        let all = tx.collections()?;
        let asked: Vec<&Collection> = match collection {
            Some(id) => vec![all.iter().find(|c| c.id == id).ok_or(TxError::NoCollection { collection: id })?],
            None => all.iter().collect(),
        };
        let (mut found, mut looked_at, mut to_list) = (Found::default(), Vec::new(), Vec::new());
        for about in asked {
            let why = match tx.active_grant_for(subject, about.id, &Purpose::find_my_photos())? {
                None => why::not_agreed(tx, subject, about, &all)?,
                Some(proof) => match seen(tx, &proof, about, ledger.kind()) {
                    // Kept and not used: not even to say that nothing is there.
                    Err(TxError::Restricted { .. }) => WhyNothing::Restricted,
                    Err(error) => return Err(error),
                    Ok(seen) => {
                        looked_at.push((about.id, about.template_epoch));
                        let open = seen.iter().filter(|f| f.is_open()).count();
                        found.to_confirm += open;
                        let before = found.photos.len();
                        found.photos.extend(seen.into_iter().filter(|f| match wanted {
                            Wanted::All => true,
                            Wanted::Certain => f.is_certain(),
                            Wanted::Proposals => f.is_open(),
                        }));
                        if found.photos.len() > before {
                            continue;
                        }
                        why::not_found(tx, &proof, open)?
                    }
                },
            };
            if matches!(why, WhyNothing::SetApart { .. } | WhyNothing::NotThere { .. }) {
                let known: BTreeSet<_> = tx.known_photos(about.id)?.into_iter().map(|photo| photo.path).collect();
                to_list.push((found.nothing.len(), about.clone(), known));
            }
            found.nothing.push(NothingIn { collection: about.name.clone(), why });
        }
        let kind = match use_ {
            Use::Search => EventKind::Search,
            Use::Export => EventKind::Export,
        };
        let detail: Vec<u8> = found.photos.iter().flat_map(|f| f.face.0.to_be_bytes()).collect();
        let purpose = Purpose::find_my_photos();
        let public = FindUse { found: found.photos.len() as u32, purpose, collections: looked_at }.to_bytes();
        tx.append_leaf(kind, &public, &[(subject, &detail)])?;
        Ok((found, to_list))
    })?;
    let (mut found, to_list) = answer.into_inner();
    // Nobody is named any more: what lies in the folders is looked at outside of the transaction.
    for (index, about, known) in to_list {
        let photos = why::not_scanned(&about, &known);
        if photos > 0 {
            found.nothing[index].why = WhyNothing::PhotosNotScanned { photos };
        }
    }
    let order = |f: &FoundPhoto| (Reverse(f.taken.at), f.collection.clone(), f.path.clone(), f.face);
    found.photos.sort_by_cached_key(order);
    Ok(found)
}

/// Where a subject was seen in a collection, but for faces that a person refused.
fn seen<'tx>(
    tx: &Tx<'tx>,
    proof: &ActiveGrant<'tx>,
    about: &Collection,
    kind: VaultKind,
) -> Result<Vec<FoundPhoto>, TxError> {
    let mut sightings = tx.sightings_of(proof)?;
    sightings.retain(|s| s.verdict != Some(Verdict::Refused));
    if sightings.is_empty() {
        return Ok(Vec::new());
    }
    let photos = tx.known_photos(about.id)?;
    let photo = |id: PhotoId| photos.iter().find(|p| p.id == id);
    let mut found = Vec::with_capacity(sightings.len());
    for s in sightings {
        let Some(known) = photo(s.photo) else { continue };
        let KnownPhoto { path, width, height, bytes, content, missing, .. } = known;
        let (faces, apart) = (tx.faces_of(s.photo)?, tx.objected_faces(s.photo)?);
        let others = faces.iter().filter(|(id, _)| *id != s.face);
        let others = others.filter(|(id, _)| who_is_covered(kind, apart.contains(id)));
        let mut covered: Vec<FaceBox> = others.map(|(_, at)| *at).collect();
        for place in tx.objected_places(s.photo)? {
            if !covered.iter().any(|at| at.overlap(&place) > 0.9) {
                covered.push(place);
            }
        }
        found.push(FoundPhoto {
            collection: about.name.clone(),
            path: path.clone(),
            file: Path::new(&about.directory).join(path.to_path()),
            size: (*width, *height),
            face: s.face,
            at: s.at,
            covered,
            faces: faces.len(),
            bytes: *bytes,
            content: content.clone(),
            band: s.band,
            verdict: s.verdict,
            taken: known.taken(),
            missing: *missing,
        });
    }
    Ok(found)
}

/// Why a picture could not be made.
#[derive(Debug, Error)]
pub enum PictureError {
    /// The file was not in its folder when that was last scanned, and still is not there.
    #[error("{} is missing from its folder; when it is there again, scan the collection", path.display())]
    Missing {
        /// Which.
        path: PathBuf,
    },
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
    /// It holds something else than when it was scanned: where the faces were then means nothing now.
    #[error(
        "{} was changed since it was scanned, so it is not known where the faces in it are; scan the collection again",
        path.display()
    )]
    Changed {
        /// Which.
        path: PathBuf,
    },
}

/// The photo as its subject may have it: whoever is to be covered is, in this style. Upright, and without any metadata of
/// the file. It is drawn on the bytes that were scanned, or not at all.
///
/// Faces that the detector did not find are not covered.
///
/// # Errors
///
/// [`PictureError`], each variant as it says.
pub fn picture(found: &FoundPhoto, style: CoverStyle, decoder: &PhotoDecoder) -> Result<Frame, PictureError> {
    let path = || found.file.clone();
    let bytes = read_scanned(&found.file, found.bytes, &found.content).map_err(|error| match error {
        PictureError::Unreadable { source, .. }
            if found.missing.is_some() && source.kind() == io::ErrorKind::NotFound =>
        {
            PictureError::Missing { path: path() }
        }
        other => other,
    })?;
    let mut frame = decoder.decode(&bytes).map_err(|source| PictureError::Decode { path: path(), source })?.frame;
    if (frame.width(), frame.height()) != found.size {
        return Err(PictureError::Changed { path: path() });
    }
    for at in &found.covered {
        cover::cover(&mut frame, rect(at), QuarterTurn::from_count(at.quarter_turn), style);
    }
    Ok(frame)
}

/// The box around the head of a face, pixels of its photo.
pub fn head(at: &FaceBox) -> Rect {
    Head::of(rect(at), QuarterTurn::from_count(at.quarter_turn)).bounds
}

/// A file, read once, if it holds the `length` bytes that were scanned.
///
/// # Errors
///
/// [`PictureError::Unreadable`], [`PictureError::Changed`].
pub(crate) fn read_scanned(file: &Path, length: u64, content: &ContentTag) -> Result<Vec<u8>, PictureError> {
    let mut bytes = Vec::new();
    let opened = File::open(file);
    let read = opened.and_then(|opened| opened.take(length.saturating_add(1)).read_to_end(&mut bytes));
    read.map_err(|source| PictureError::Unreadable { path: file.to_owned(), source })?;
    if content.is_of(sha256(&bytes)) { Ok(bytes) } else { Err(PictureError::Changed { path: file.to_owned() }) }
}

fn rect(b: &FaceBox) -> Rect {
    Rect { x: b.x, y: b.y, width: b.w, height: b.h }
}
