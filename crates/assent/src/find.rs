//! A subject's own question: which photos am I in?

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use assent_ledger::{
    Act, ActiveGrant, Collection, CollectionId, ContentTag, EventKind, FaceBox, FaceId, Ledger, PhotoId, PhotoPath,
    PhotoTime, Purpose, SearchEntry, ShownPhoto, SubjectId, Timestamp, Tx, TxError, VaultKind, Verdict,
};
use assent_vision::cover::{self, CoverStyle, Head};
use assent_vision::decode::DecodeError;
use assent_vision::frame::Frame;
use assent_vision::geometry::{QuarterTurn, Rect};
use thiserror::Error;

use crate::heif::PhotoDecoder;
use crate::no_result;
pub use crate::no_result::{NoResult, NoResultReason};
use crate::packs::sha256;

/// A photo in which a subject is, or may be.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundPhoto {
    /// The collection's name.
    pub collection: String,
    /// The photo's path below the collection's folder.
    pub path: PhotoPath,
    /// The path of the photo's file.
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
    pub taken: PhotoTime,
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
pub enum Disclosure {
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
    pub nothing: Vec<NoResult>,
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
    disclosure: Disclosure,
    act: Act,
) -> Result<Found, TxError> {
    let [found] = ask(ledger, Question::find(collection, disclosure), act, |asked| Ok([asked.about(subject)?]))?;
    Ok(found)
}

/// The same for many people, in their order: one transaction, in which each photo is read once, whoever is in it. Each
/// answer is checked against the grants of its person, and is a leaf of the log.
///
/// # Errors
///
/// As [`find`].
pub fn find_each(
    ledger: &Ledger,
    subjects: &[SubjectId],
    collection: Option<CollectionId>,
    disclosure: Disclosure,
    act: Act,
) -> Result<Vec<Found>, TxError> {
    ask(ledger, Question::find(collection, disclosure), act, |asked| subjects.iter().map(|s| asked.about(*s)).collect())
}

/// Lists what the engine proposes for a subject and nobody has decided, in all collections: for those who decide, and for
/// nobody else.
///
/// # Errors
///
/// As [`find`].
pub fn proposals(
    ledger: &Ledger,
    subject: SubjectId,
    disclosure: Disclosure,
    act: Act,
) -> Result<Vec<FoundPhoto>, TxError> {
    let [found] = ask(ledger, Question::proposals(disclosure), act, |asked| Ok([asked.about(subject)?]))?;
    Ok(found.photos)
}

/// The same for many people, as [`find_each`] answers.
///
/// # Errors
///
/// As [`find`].
pub fn proposals_each(
    ledger: &Ledger,
    subjects: &[SubjectId],
    disclosure: Disclosure,
    act: Act,
) -> Result<Vec<Vec<FoundPhoto>>, TxError> {
    let about = |asked: &mut Asked<'_, '_>| subjects.iter().map(|s| asked.about(*s)).collect::<Result<Vec<_>, _>>();
    Ok(ask(ledger, Question::proposals(disclosure), act, about)?.into_iter().map(|found| found.photos).collect())
}

/// The faces that people were enrolled with, each as a PNG, for those who decide on proposals: whether the two are the same,
/// a person says. `None` for whoever agreed to be found nowhere, or of whom none was kept.
///
/// # Errors
///
/// As [`find`].
pub fn portraits(ledger: &Ledger, subjects: &[SubjectId], now: Timestamp) -> Result<Vec<Option<Vec<u8>>>, TxError> {
    let shown = ledger.run_tx("show portraits", now, |tx| {
        let collections = tx.collections()?;
        let portrait = |subject: &SubjectId| {
            for about in &collections {
                if let Some(proof) = tx.active_grant_for(*subject, about.id, &Purpose::find_my_photos())? {
                    return tx.portrait(&proof);
                }
            }
            Ok(None)
        };
        subjects.iter().map(portrait).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(shown.into_inner())
}

/// What is asked about each person.
#[derive(Clone, Copy)]
struct Question {
    collection: Option<CollectionId>,
    wanted: Wanted,
    disclosure: Disclosure,
}

impl Question {
    fn find(collection: Option<CollectionId>, disclosure: Disclosure) -> Self {
        let wanted = if disclosure == Disclosure::Export { Wanted::Certain } else { Wanted::All };
        Self { collection, wanted, disclosure }
    }

    fn proposals(disclosure: Disclosure) -> Self {
        Self { collection: None, wanted: Wanted::Proposals, disclosure }
    }
}

/// Answers a question about as many people as `each` asks about, in one transaction.
fn ask<T: AsMut<[Found]>>(
    ledger: &Ledger,
    question: Question,
    act: Act,
    each: impl for<'a, 'tx> Fn(&mut Asked<'a, 'tx>) -> Result<T, TxError>,
) -> Result<T, TxError> {
    let answered = ledger.run_tx("find", act, |tx| {
        let mut asked = Asked::new(tx, question, ledger.kind())?;
        let answers = each(&mut asked)?;
        Ok((answers, asked.into_unsure()))
    })?;
    let (mut answers, to_list) = answered.into_inner();
    let found = answers.as_mut();
    // Nobody is named any more: what lies in the folders is looked at while others write.
    for about in to_list {
        let photos = no_result::not_scanned(ledger, &about, act.at)?;
        let nothing = found.iter_mut().flat_map(|found| &mut found.nothing);
        for nothing in nothing.filter(|n| photos > 0 && n.collection == about.name && n.why.is_of_scanned_photos()) {
            nothing.why = NoResultReason::PhotosNotScanned { photos };
        }
    }
    for found in found {
        found.photos.sort_by_cached_key(|f| (Reverse(f.taken.at), f.collection.clone(), f.path.clone(), f.face));
    }
    Ok(answers)
}

/// A question in a transaction, with what was read to answer it so far.
struct Asked<'a, 'tx> {
    tx: &'a Tx<'tx>,
    question: Question,
    kind: VaultKind,
    /// All collections of the vault, as they were when the question was asked.
    all: Vec<Collection>,
    /// Those that the question is about.
    meant: Vec<Collection>,
    /// Photos in which somebody was seen.
    shown: BTreeMap<PhotoId, ShownPhoto>,
    /// The collections in which nothing was found for somebody, perhaps because photos are not scanned yet.
    unsure: BTreeSet<CollectionId>,
}

impl<'a, 'tx> Asked<'a, 'tx> {
    fn new(tx: &'a Tx<'tx>, question: Question, kind: VaultKind) -> Result<Self, TxError> {
        let all = tx.collections()?;
        let meant = match question.collection {
            Some(id) => vec![all.iter().find(|c| c.id == id).cloned().ok_or(TxError::NoCollection { collection: id })?],
            None => all.clone(),
        };
        Ok(Self { tx, question, kind, all, meant, shown: BTreeMap::new(), unsure: BTreeSet::new() })
    }

    /// The answer about one person, and its leaf.
    fn about(&mut self, subject: SubjectId) -> Result<Found, TxError> {
        let (tx, purpose) = (self.tx, Purpose::find_my_photos());
        let (mut found, mut looked_at) = (Found::default(), Vec::new());
        for about in self.meant.clone() {
            let why = match tx.active_grant_for(subject, about.id, &purpose)? {
                None => no_result::not_agreed(tx, subject, &about, &self.all)?,
                Some(proof) => match self.sightings_in(&proof, &about) {
                    // Kept and not used: not even to say that nothing is there.
                    Err(TxError::Restricted { .. }) => NoResultReason::Restricted,
                    Err(error) => return Err(error),
                    Ok(seen) => {
                        looked_at.push((about.id, about.template_epoch));
                        let open = seen.iter().filter(|f| f.is_open()).count();
                        found.to_confirm += open;
                        let before = found.photos.len();
                        found.photos.extend(seen.into_iter().filter(|f| match self.question.wanted {
                            Wanted::All => true,
                            Wanted::Certain => f.is_certain(),
                            Wanted::Proposals => f.is_open(),
                        }));
                        if found.photos.len() > before {
                            continue;
                        }
                        no_result::not_found(tx, &proof, open)?
                    }
                },
            };
            if why.is_of_scanned_photos() {
                self.unsure.insert(about.id);
            }
            found.nothing.push(NoResult { collection: about.name, why });
        }
        let kind = match self.question.disclosure {
            Disclosure::Search => EventKind::Search,
            Disclosure::Export => EventKind::Export,
        };
        let detail: Vec<u8> = found.photos.iter().flat_map(|f| f.face.0.to_be_bytes()).collect();
        let public = SearchEntry { found: found.photos.len() as u32, purpose, collections: looked_at }.to_bytes();
        tx.append_leaf(kind, &public, &[(subject, &detail)])?;
        Ok(found)
    }

    /// Where a subject was seen in a collection, but for faces that a person refused.
    fn sightings_in(&mut self, proof: &ActiveGrant<'tx>, about: &Collection) -> Result<Vec<FoundPhoto>, TxError> {
        let mut sightings = self.tx.sightings_of(proof)?;
        sightings.retain(|s| s.verdict != Some(Verdict::Refused));
        let kind = self.kind;
        self.read_photos(about.id, sightings.iter().map(|s| s.photo))?;
        let mut found = Vec::with_capacity(sightings.len());
        for s in sightings {
            let Some(ShownPhoto { known, faces, apart, places }) = self.shown.get(&s.photo) else { continue };
            let others = faces.iter().filter(|(id, _)| *id != s.face);
            let others = others.filter(|(id, _)| who_is_covered(kind, apart.contains(id)));
            let mut covered: Vec<FaceBox> = others.map(|(_, at)| *at).collect();
            for place in places {
                if !covered.iter().any(|at| at.overlap(place) > 0.9) {
                    covered.push(*place);
                }
            }
            found.push(FoundPhoto {
                collection: about.name.clone(),
                path: known.path.clone(),
                file: Path::new(&about.directory).join(known.path.to_path()),
                size: (known.width, known.height),
                face: s.face,
                at: s.at,
                covered,
                faces: faces.len(),
                bytes: known.bytes,
                content: known.content.clone(),
                band: s.band,
                verdict: s.verdict,
                taken: known.taken(),
                missing: known.missing,
            });
        }
        Ok(found)
    }

    /// Reads those of these photos that nobody was seen in before, together.
    fn read_photos(&mut self, collection: CollectionId, photos: impl Iterator<Item = PhotoId>) -> Result<(), TxError> {
        let unread: BTreeSet<PhotoId> = photos.filter(|photo| !self.shown.contains_key(photo)).collect();
        let read = self.tx.shown_photos(collection, &unread.into_iter().collect::<Vec<_>>())?;
        self.shown.extend(read);
        Ok(())
    }

    /// The collections whose folders are to be looked at for photos that are not scanned yet.
    fn into_unsure(self) -> Vec<Collection> {
        let Self { meant, unsure, .. } = self;
        meant.into_iter().filter(|about| unsure.contains(&about.id)).collect()
    }
}

/// Why a picture could not be made.
#[derive(Debug, Error)]
pub enum PictureError {
    /// The file was not in its folder when that was last scanned, and still is not there.
    #[error("{} is missing from its folder; when it is there again, scan the collection", path.display())]
    Missing {
        /// The path of the file.
        path: PathBuf,
    },
    /// The file is gone or may not be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// It can no longer be decoded.
    #[error("cannot open {}", path.display())]
    Decode {
        /// The path of the file.
        path: PathBuf,
        /// The error of the decoder.
        #[source]
        source: DecodeError,
    },
    /// It holds something else than when it was scanned: where the faces were then means nothing now.
    #[error(
        "{} was changed since it was scanned, so it is not known where the faces in it are; scan the collection again",
        path.display()
    )]
    Changed {
        /// The path of the file.
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
