//! Photos and the boxes in them. Nobody is named here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{RangeFrom, RangeInclusive};
use std::sync::Arc;

use super::places::read_place;
use super::{ReadTx, Tx};
use crate::db::{Columns, Row, args};
use crate::error::TxError;
use crate::id::{CollectionId, FaceId, PhotoId, Timestamp};
use crate::photo_path::PhotoPath;
use crate::seal::SealContext;
use crate::secret::Key;

pub(super) const PHOTOS: &str = "photos";

pub(super) const CONTENT: &str = "assent content v1";
pub(super) const PICTURE: &str = "assent picture v1";

/// A face in a photo: where it is and how good. Pixels of the photo after its EXIF orientation, y down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaceBox {
    /// Left edge, pixels.
    pub x: f32,
    /// Upper edge, pixels.
    pub y: f32,
    /// Width, pixels.
    pub w: f32,
    /// Height, pixels.
    pub h: f32,
    /// How many quarter turns clockwise make the face upright, 0 to 3.
    pub quarter_turn: u8,
    /// The detector's score, 0 to 1.
    pub score: f32,
    /// The face's size as the quality module measures it, pixels.
    pub size_px: f32,
    /// Sharpness, as the quality module measures it.
    pub sharpness: f32,
    /// Mean luminance, as the quality module measures it.
    pub luminance: f32,
}

/// What a scan made of a photo. The three never merge.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was read, and there is no face in it.
    NoFace,
    /// It was read, and these are the faces in it.
    Faces(Vec<FaceBox>),
    /// It could not be read, for a reason with this code.
    Failed(String),
}

impl Outcome {
    /// Of a photo that was read, from the faces in it.
    pub fn read(faces: Vec<FaceBox>) -> Outcome {
        if faces.is_empty() { Outcome::NoFace } else { Outcome::Faces(faces) }
    }
}

/// What a photo shows, whatever its file is called and whatever else is written in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureOf {
    /// SHA-256 of what the picture is made of; kept as a keyed tag only.
    pub sha256: [u8; 32],
    /// How the stored pixels are brought upright, as EXIF numbers it, 1 to 8.
    pub orientation: u8,
}

/// What a file held when it was scanned, as a keyed tag: it tells whether bytes are the same, and not what they are.
#[derive(Clone)]
pub struct ContentTag {
    pub(super) tag: [u8; 32],
    pub(super) key: Arc<Key>,
}

impl ContentTag {
    /// Whether a file with this SHA-256 is the one that was scanned.
    pub fn is_of(&self, sha256: [u8; 32]) -> bool {
        self.key.mac(CONTENT, &sha256) == self.tag
    }
}

impl PartialEq for ContentTag {
    fn eq(&self, other: &Self) -> bool {
        self.tag == other.tag
    }
}

impl Eq for ContentTag {}

impl fmt::Debug for ContentTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentTag(..)")
    }
}

/// The result of scanning one file.
#[derive(Clone)]
pub struct NewPhoto<'a> {
    /// In which collection.
    pub collection: CollectionId,
    /// The path below the collection's directory. One row per path.
    pub path: &'a PhotoPath,
    /// SHA-256 of the file's content; kept as a keyed tag only.
    pub sha256: [u8; 32],
    /// Length of the file, bytes.
    pub bytes: u64,
    /// When the file was last changed.
    pub mtime: Timestamp,
    /// When the file system last changed anything about the file, which no program can set back; `None` where it does not
    /// say.
    pub changed: Option<Timestamp>,
    /// What it shows; `None` if it could not be read.
    pub picture: Option<PictureOf>,
    /// Width after EXIF orientation, pixels; 0 if it could not be read.
    pub width: u32,
    /// Height after EXIF orientation, pixels; 0 if it could not be read.
    pub height: u32,
    /// What was seen.
    pub outcome: &'a Outcome,
    /// SHA-256 of the detector.
    pub scanned_with: [u8; 32],
    /// The collection's `template_epoch` against which the faces were matched, if they were.
    pub matched_epoch: Option<i64>,
}

impl fmt::Debug for NewPhoto<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewPhoto").field("collection", &self.collection).finish_non_exhaustive()
    }
}

/// Where a scanned photo and its faces are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPhoto {
    /// The photo's id: its row number in the vault.
    pub id: PhotoId,
    /// The faces, in the order in which [`Outcome::Faces`] listed them.
    pub faces: Vec<FaceId>,
}

/// Numbers for a summary of a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectionCounts {
    /// The number of photos that are known.
    pub photos: u64,
    /// Photos that could be read and show no face.
    pub no_face: u64,
    /// Photos that could not be read.
    pub failed: u64,
    /// Photos whose files are missing.
    pub missing: u64,
    /// Boxes of faces.
    pub faces: u64,
    /// Sightings of all subjects.
    pub sightings: u64,
    /// Decisions of people.
    pub decisions: u64,
    /// Grants in force by state.
    pub active_grants: u64,
    /// The number of templates that are stored.
    pub templates: u64,
    /// Crops that are kept.
    pub crops: u64,
    /// Faces that were set apart.
    pub objections: u64,
}

impl ReadTx<'_> {
    /// The photos of a collection with this content, by id: to recognise a file that was renamed or moved.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn photos_with_content(&self, collection: CollectionId, sha256: [u8; 32]) -> Result<Vec<PhotoId>, TxError> {
        let tag = self.collection_key(collection).mac(CONTENT, &sha256);
        let sql = "SELECT id FROM photos WHERE collection_id = $1 AND content_tag = $2 ORDER BY id";
        self.rows(sql, args![collection, tag])?.iter().map(|row| Ok(PhotoId(row.int(0)?))).collect()
    }

    /// The photos of a collection that show the picture with this SHA-256, by id, with the orientation that their files state
    /// ([`PictureOf::orientation`]).
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn photos_with_picture(
        &self,
        collection: CollectionId,
        picture_sha256: [u8; 32],
    ) -> Result<Vec<(PhotoId, u8)>, TxError> {
        let tag = self.collection_key(collection).mac(PICTURE, &picture_sha256);
        let sql = "SELECT id, orientation FROM photos WHERE collection_id = $1 AND picture_tag = $2 ORDER BY id";
        let rows = self.rows(sql, args![collection, tag])?;
        rows.iter().map(|row| Ok((PhotoId(row.int(0)?), row.int(1)? as u8))).collect()
    }

    /// Whether a collection has a photo with this content.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn has_content(&self, collection: CollectionId, sha256: [u8; 32]) -> Result<bool, TxError> {
        let tag = self.collection_key(collection).mac(CONTENT, &sha256);
        let sql = "SELECT 1 FROM photos WHERE collection_id = $1 AND content_tag = $2 LIMIT 1";
        Ok(self.row(sql, args![collection, tag])?.is_some())
    }

    /// Whether a photo of a collection was scanned with this content.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn is_content_of(&self, collection: CollectionId, photo: PhotoId, sha256: [u8; 32]) -> Result<bool, TxError> {
        let tag = self.collection_key(collection).mac(CONTENT, &sha256);
        let sql = "SELECT 1 FROM photos WHERE id = $1 AND collection_id = $2 AND content_tag = $3";
        Ok(self.row(sql, args![photo, collection, tag])?.is_some())
    }

    /// The faces of a photo, by id.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn faces_of(&self, photo: PhotoId) -> Result<Vec<(FaceId, FaceBox)>, TxError> {
        Ok(self.faces_in(&[photo])?.remove(&photo).unwrap_or_default())
    }

    /// The next photos of a collection after one, by id.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn photos_after(
        &self,
        collection: CollectionId,
        after: PhotoId,
        at_most: u32,
    ) -> Result<Vec<PhotoId>, TxError> {
        let sql = "SELECT id FROM photos WHERE collection_id = $1 AND id > $2 ORDER BY id LIMIT $3";
        self.rows(sql, args![collection, after, at_most])?.iter().map(|row| Ok(PhotoId(row.int(0)?))).collect()
    }

    /// The faces of a collection whose luminance and sharpness lie in these ranges, by photo and by id, for a picture to
    /// be compared with: those in its photos from the first of `photos` to the last. Faces that were not measured are among them.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn faces_measured(
        &self,
        collection: CollectionId,
        (luminance, sharpness): (&RangeInclusive<f32>, &RangeFrom<f32>),
        photos: (PhotoId, PhotoId),
    ) -> Result<BTreeMap<PhotoId, Vec<(FaceId, FaceBox)>>, TxError> {
        let sql = "SELECT f.photo_id, f.id, f.x, f.y, f.w, f.h, f.quarter_turn, f.score, f.size_px, f.sharpness, \
                   f.luminance FROM faces f JOIN photos p ON p.id = f.photo_id WHERE p.collection_id = $1 \
                   AND f.photo_id >= $5 AND f.photo_id <= $6 \
                   AND (f.size_px = 0 OR (f.luminance >= $2 AND f.luminance <= $3 AND f.sharpness >= $4)) ORDER BY f.id";
        let (darkest, brightest) = (*luminance.start(), *luminance.end());
        let mut faces: BTreeMap<PhotoId, Vec<(FaceId, FaceBox)>> = BTreeMap::new();
        for row in &self.rows(sql, args![collection, darkest, brightest, sharpness.start, photos.0, photos.1])? {
            faces.entry(PhotoId(row.int(0)?)).or_default().push((FaceId(row.int(1)?), read_box(row, 2)?));
        }
        Ok(faces)
    }

    /// In how many photos of a collection there are such faces.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn photos_measured(
        &self,
        collection: CollectionId,
        (luminance, sharpness): (&RangeInclusive<f32>, &RangeFrom<f32>),
    ) -> Result<u64, TxError> {
        let sql = "SELECT COUNT(DISTINCT f.photo_id) FROM faces f JOIN photos p ON p.id = f.photo_id \
                   WHERE p.collection_id = $1 \
                   AND (f.size_px = 0 OR (f.luminance >= $2 AND f.luminance <= $3 AND f.sharpness >= $4))";
        let (darkest, brightest) = (*luminance.start(), *luminance.end());
        Ok(self.count(sql, args![collection, darkest, brightest, sharpness.start])? as u64)
    }

    /// Numbers for a summary.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn counts(&self, collection: CollectionId) -> Result<CollectionCounts, TxError> {
        let count = |sql| self.count(sql, args![collection]).map(|n| n as u64);
        Ok(CollectionCounts {
            photos: count("SELECT COUNT(*) FROM photos WHERE collection_id = $1")?,
            no_face: count("SELECT COUNT(*) FROM photos WHERE collection_id = $1 AND outcome = 'no_face'")?,
            failed: count("SELECT COUNT(*) FROM photos WHERE collection_id = $1 AND outcome = 'failed'")?,
            missing: count("SELECT COUNT(*) FROM photos WHERE collection_id = $1 AND missing_ms IS NOT NULL")?,
            faces: count("SELECT COUNT(*) FROM faces f JOIN photos p ON p.id = f.photo_id WHERE p.collection_id = $1")?,
            sightings: count("SELECT COUNT(*) FROM sightings WHERE collection_id = $1")?,
            decisions: count("SELECT COUNT(*) FROM decisions WHERE collection_id = $1")?,
            active_grants: count("SELECT COUNT(*) FROM grants WHERE collection_id = $1 AND state = 'active'")?,
            templates: count(
                "SELECT COUNT(*) FROM templates t JOIN grants g ON g.id = t.grant_id WHERE g.collection_id = $1",
            )?,
            crops: count("SELECT COUNT(*) FROM crops c JOIN photos p ON p.id = c.photo_id WHERE p.collection_id = $1")?,
            objections: count("SELECT COUNT(*) FROM objections WHERE collection_id = $1")?,
        })
    }

    /// The collection of a photo.
    pub(super) fn collection_of(&self, photo: PhotoId) -> Result<CollectionId, TxError> {
        let row = self.row("SELECT collection_id FROM photos WHERE id = $1", args![photo])?;
        Ok(CollectionId::from_bytes(row.ok_or(TxError::NoPhoto { photo })?.array(0)?))
    }
}

impl Tx<'_> {
    /// Records that photos of a collection met all templates up to this `template_epoch` although nothing was compared:
    /// those that these networks found no face in, and with `nobody_to_meet` those with faces, too. One statement.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn set_matched_without_faces(
        &self,
        collection: CollectionId,
        scanned_with: [u8; 32],
        epoch: i64,
        nobody_to_meet: bool,
    ) -> Result<(), TxError> {
        let sql = "UPDATE photos SET matched_epoch = $1 WHERE collection_id = $2 AND scanned_with = $3 \
                   AND (outcome = 'no_face' OR (outcome = 'faces' AND $4 = 1))";
        self.exec(sql, args![epoch, collection, scanned_with, i64::from(nobody_to_meet)]).map(drop)
    }

    /// Records that the file of a photo has another path now; its faces, sightings and decisions stay.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoPhoto`] if the collection has no such photo.
    /// - [`TxError::Database`] if another photo has this path, or the database refuses.
    pub fn move_photo(
        &self,
        collection: CollectionId,
        photo: PhotoId,
        path: &PhotoPath,
        (mtime, changed): (Timestamp, Option<Timestamp>),
    ) -> Result<(), TxError> {
        let key = self.collection_key(collection);
        let (tag, sealed) = self.sealed_path(collection, &key, path)?;
        let moved = self.exec(
            "UPDATE photos SET path_tag = $1, sealed = $2, mtime_ms = $3, changed_ms = $4 WHERE id = $5 \
             AND collection_id = $6",
            args![tag, sealed, mtime, changed.map(|at| at.0), photo, collection],
        )?;
        if moved == 1 { Ok(()) } else { Err(TxError::NoPhoto { photo }) }
    }

    /// Forgets photos whose files are gone, with their faces and sightings, and with what people decided about their
    /// pictures, unless another photo shows the same. Objections stay. Ids that the collection does not have are passed
    /// over.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn remove_photos(&self, collection: CollectionId, photos: &BTreeSet<PhotoId>) -> Result<u64, TxError> {
        let mut gone = 0;
        for photo in photos {
            let shown = match self.shown(*photo) {
                Ok(shown) if shown.collection == collection => shown,
                Ok(_) | Err(TxError::NoPhoto { .. }) => continue,
                Err(e) => return Err(e),
            };
            gone += self.exec("DELETE FROM photos WHERE id = $1 AND collection_id = $2", args![*photo, collection])?;
            self.forget_decisions(&shown)?;
        }
        Ok(gone)
    }

    pub(super) fn sealed_path(
        &self,
        collection: CollectionId,
        key: &Key,
        path: &PhotoPath,
    ) -> Result<([u8; 32], Vec<u8>), TxError> {
        let tag = path_tag(key, path);
        let sealed = self.seal_with(key, &path_context(collection, &tag), path.as_bytes())?;
        Ok((tag, sealed))
    }
}

pub(super) fn path_tag(key: &Key, path: &PhotoPath) -> [u8; 32] {
    key.mac("assent path v1", path.as_bytes())
}

pub(super) fn path_context(collection: CollectionId, tag: &[u8; 32]) -> SealContext<'_> {
    SealContext { table: PHOTOS, collection: Some(collection), row: Some(tag), ..SealContext::default() }
}

/// A face: its place as [`read_place`] takes it, then score, size, sharpness and luminance.
pub(super) fn read_box(row: &Row, from: usize) -> Result<FaceBox, TxError> {
    Ok(FaceBox {
        score: row.float(from + 5)?,
        size_px: row.float(from + 6)?,
        sharpness: row.float(from + 7)?,
        luminance: row.float(from + 8)?,
        ..read_place(row, from)?
    })
}
