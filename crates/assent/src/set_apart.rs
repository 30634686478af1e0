//! Setting a face apart (R33): somebody points at their face in a photo, enrolled or not, and it is never compared and always
//! covered from then on.
//!
//! An objection is about the picture that was pointed at. Exact copies, and copies with another rating or caption, show the
//! same picture. A resized or edited export is another one; where pixels tell that it was made from this one, the face can
//! be set apart there as well, and a scan names those that come later.

use std::path::Path;

use assent_ledger::{Act, CollectionId, FaceId, Ledger, PhotoId, TxError};
use assent_vision::runtime::InferenceError;
use thiserror::Error;

use crate::copies::{CompareError, KnownPhotos};
use crate::find::{PictureError, read_scanned};
use crate::models::{Models, Worker};

/// Where somebody points.
#[derive(Debug, Clone, Copy)]
pub struct Pointed<'a> {
    /// The collection in which the photo lies.
    pub collection: CollectionId,
    /// The photo's path in it.
    pub path: &'a str,
    /// From the left and from the top, pixels of the photo as it is seen.
    pub at: (f32, f32),
}

/// A face that was set apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetApart {
    /// In which photo.
    pub photo: PhotoId,
    /// The id of the face.
    pub face: FaceId,
    /// The paths of the other photos that show the same picture: it was set apart there, too.
    pub same: Vec<String>,
}

/// Why no face was set apart.
#[derive(Debug, Error)]
pub enum SetApartError {
    /// The collection has no such photo.
    #[error("no photo {path} of this collection is known; write its path below the collection's folder, or scan first")]
    NoPhoto {
        /// Its path, as given.
        path: String,
    },
    /// No face is known there.
    #[error("no face of this photo is known at that point; scan the collection, or point at the middle of the face")]
    NoFace,
    /// The file is gone, or no longer what was scanned: who points at it sees another picture.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The detector or the embedder failed.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// The ledger refused to be read or written.
    #[error(transparent)]
    Ledger(#[from] TxError),
}

/// Sets the face apart that somebody points at, in every photo of the collection that shows the same picture.
///
/// # Errors
///
/// [`SetApartError`], each variant as it says; then nothing was set apart.
pub fn set_apart(ledger: &Ledger, pointed: &Pointed<'_>, act: Act) -> Result<SetApart, SetApartError> {
    let known = ledger.read_tx(act.at, |tx| {
        let folder = tx.collection(pointed.collection)?.directory;
        let mut photo = tx.photo_at(pointed.collection, &pointed.path.into())?;
        if photo.is_none() {
            // A name that is no text can be given only as it is shown.
            tx.each_photo(pointed.collection, &mut |known| {
                let shown = known.path.to_string();
                photo = (shown == pointed.path).then_some(known);
                photo.is_none()
            })?;
        }
        Ok(photo.map(|photo| (folder, photo)))
    })?;
    let no_photo = || SetApartError::NoPhoto { path: pointed.path.to_owned() };
    let (folder, photo) = known.ok_or_else(no_photo)?;
    read_scanned(&Path::new(&folder).join(photo.path.to_path()), photo.bytes, &photo.content)?;
    let set = ledger.run_tx("set a face apart", act, |tx| {
        let (x, y) = pointed.at;
        let mut faces = tx.faces_of(photo.id)?;
        faces.retain(|(_, b)| (b.x..=b.x + b.w).contains(&x) && (b.y..=b.y + b.h).contains(&y));
        let off = |b: &assent_ledger::FaceBox| (b.x + b.w / 2.0 - x).hypot(b.y + b.h / 2.0 - y);
        let nearest = faces.iter().min_by(|(_, a), (_, b)| off(a).total_cmp(&off(b)));
        let Some((face, _)) = nearest else { return Ok(None) };
        tx.object(photo.id, *face)?;
        let mut same = Vec::new();
        for id in tx.photos_like(photo.id)?.into_iter().filter(|id| *id != photo.id) {
            same.extend(tx.known_photo(pointed.collection, id)?.map(|p| p.path.to_string()));
        }
        same.sort();
        Ok(Some(SetApart { photo: photo.id, face: *face, same }))
    })?;
    set.into_inner().ok_or(SetApartError::NoFace)
}

/// Sets the face apart in the other photos of the collection that were made from the same picture, resized, cropped or
/// edited, as far as their pixels tell; no embedding is made. Returns their paths. `progress` is told how many photos were
/// compared, and of how many.
///
/// # Errors
///
/// [`SetApartError`], each variant as it says; where it was set apart before, it stays so.
pub fn set_apart_in_exports(
    ledger: &Ledger,
    (models, worker): (&Models, &mut Worker),
    (collection, set): (CollectionId, &SetApart),
    progress: &mut dyn FnMut(usize, usize),
    act: Act,
) -> Result<Vec<String>, SetApartError> {
    let known = KnownPhotos { ledger, model: models.pack().model_sha256, now: act.at };
    let found = known.exports_of(worker, collection, (set.photo, set.face), progress).map_err(|e| match e {
        CompareError::Ledger(e) => SetApartError::Ledger(e),
        CompareError::Inference(e) => SetApartError::Inference(e),
    })?;
    ledger
        .run_tx("set a face apart", act, |tx| found.iter().try_for_each(|(photo, face, _)| tx.object(*photo, *face)))?;
    Ok(found.into_iter().map(|(.., path)| path).collect())
}
