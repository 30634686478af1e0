//! Objections (R33): somebody, enrolled or not, points at their face in a photo, and it is never compared and always
//! covered from then on, in every photo of the collection that shows this picture. What is kept is the picture's tag and the
//! place in it: it holds after every re-scan and move, and whatever else is written into the file.

use std::collections::BTreeMap;

use super::photos::{CONTENT, PICTURE};
use super::places::{DisplayTransform, PhotoView, read_place};
use super::records::one_each;
use super::{FaceBox, PictureOf, ReadTx, RingNote, Tx};
use crate::db::{Columns, ForEach, args};
use crate::error::TxError;
use crate::id::{CollectionId, FaceId, PhotoId};
use crate::log::EventKind;
use crate::secret::Key;

/// The places that were set apart in a collection, for a scan: it leaves them out before anything is made of a face.
pub struct Objections {
    key: Key,
    /// By the tag of the picture, in stored pixels.
    of_pictures: BTreeMap<[u8; 32], Vec<FaceBox>>,
    /// By the tag of the file, as it is seen: objections of before format 6 whose photos were not read since.
    of_files: BTreeMap<[u8; 32], Vec<FaceBox>>,
}

impl std::fmt::Debug for Objections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Objections(..)")
    }
}

impl Objections {
    /// Whether nothing was set apart.
    pub fn is_empty(&self) -> bool {
        self.of_pictures.is_empty() && self.of_files.is_empty()
    }

    /// The places that were set apart in a picture, in pixels of the photo as it is seen: of a file with this SHA-256 that
    /// shows `picture` in this size.
    pub fn in_photo(&self, sha256: [u8; 32], picture: PictureOf, size: (u32, u32)) -> Vec<FaceBox> {
        let mut found = Vec::new();
        if !self.of_pictures.is_empty() {
            let transform = DisplayTransform::new(picture.orientation, size);
            let places = self.of_pictures.get(&self.key.mac(PICTURE, &picture.sha256));
            found.extend(places.into_iter().flatten().map(|place| transform.as_displayed(*place)));
        }
        if !self.of_files.is_empty() {
            found.extend(self.of_files.get(&self.key.mac(CONTENT, &sha256)).into_iter().flatten());
        }
        found
    }
}

impl ReadTx<'_> {
    /// The places that were set apart in a photo, in its pixels as it is seen, whether a face was found there or not.
    ///
    /// # Errors
    ///
    /// [`TxError::NoPhoto`] if there is no such photo, [`TxError::Database`] if the database refuses.
    pub fn objected_places(&self, photo: PhotoId) -> Result<Vec<FaceBox>, TxError> {
        self.set_apart(&self.shown(photo)?)
    }

    /// The faces of a photo that were set apart: those that are there now at the places that were pointed at.
    ///
    /// # Errors
    ///
    /// [`TxError::NoPhoto`] if there is no such photo, [`TxError::Database`] if the database refuses.
    pub fn objected_faces(&self, photo: PhotoId) -> Result<Vec<FaceId>, TxError> {
        let places = self.objected_places(photo)?;
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let mut apart = self.faces_of(photo)?;
        apart.retain(|(_, at)| places.iter().any(|place| place.is_same_face(at)));
        Ok(apart.into_iter().map(|(id, _)| id).collect())
    }

    /// Every place that was set apart in a collection.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn objections(&self, collection: CollectionId) -> Result<Objections, TxError> {
        let key = self.collection_key(collection);
        let mut all = Objections { key, of_pictures: BTreeMap::new(), of_files: BTreeMap::new() };
        let sql = "SELECT picture_tag, content_tag, x, y, w, h, quarter_turn FROM objections WHERE collection_id = $1";
        for row in self.rows(sql, args![collection])? {
            let place = read_place(&row, 2)?;
            match row.opt_array(0)? {
                Some(picture) => all.of_pictures.entry(picture).or_default().push(place),
                None => all.of_files.entry(row.array(1)?).or_default().push(place),
            }
        }
        Ok(all)
    }

    /// The photos of a collection in whose pictures something was set apart and whose files are there: for each such picture
    /// those that show it, by id.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn pictures_set_apart(&self, collection: CollectionId) -> Result<Vec<Vec<PhotoId>>, TxError> {
        let sql = "SELECT p.picture_tag, p.id FROM photos p WHERE p.collection_id = $1 AND p.missing_ms IS NULL AND EXISTS \
                   (SELECT 1 FROM objections o WHERE o.collection_id = p.collection_id AND o.picture_tag = p.picture_tag) \
                   ORDER BY p.id";
        let mut all: BTreeMap<[u8; 32], Vec<PhotoId>> = BTreeMap::new();
        for row in self.rows(sql, args![collection])? {
            all.entry(row.array(0)?).or_default().push(PhotoId(row.int(1)?));
        }
        Ok(all.into_values().collect())
    }

    fn set_apart(&self, shown: &PhotoView) -> Result<Vec<FaceBox>, TxError> {
        Ok(self.places_apart(&[*shown])?.pop().unwrap_or_default())
    }
}

impl Tx<'_> {
    /// Sets a face apart for good, in this photo and in those of the collection that show the same picture. What was seen
    /// at it is deleted, and so is its crop. Said twice, it is said once.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoPhoto`], [`TxError::NoFace`] if there is no such photo, or it has no such face.
    /// - [`TxError::Database`], [`TxError::KeyRing`] as everywhere.
    pub fn object(&self, photo: PhotoId, face: FaceId) -> Result<(), TxError> {
        let shown = self.shown(photo)?;
        let faces = self.faces_of(photo)?;
        let at = faces.iter().find(|(id, _)| *id == face).map(|(_, at)| *at).ok_or(TxError::NoFace { face })?;
        let said = self.set_apart(&shown)?.iter().any(|place| place.overlap(&at) > 0.99);
        let kept = shown.as_stored(at);
        if !said {
            let row = self.row(
                "INSERT INTO objections (collection_id, content_tag, picture_tag, x, y, w, h, quarter_turn, created_ms) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
                args![
                    shown.collection,
                    shown.content,
                    shown.picture,
                    kept.x,
                    kept.y,
                    kept.w,
                    kept.h,
                    kept.quarter_turn,
                    self.now
                ],
            )?;
            if let Some(row) = row {
                self.touch(RingNote::Objection(row.int(0)?));
            }
        }
        self.forget_set_apart(&shown)?;
        if said { Ok(()) } else { self.append_leaf(EventKind::Objection, shown.collection.as_bytes(), &[]).map(drop) }
    }

    /// Deletes what was seen at the places of a picture that are set apart, the crops there, and what people said of them.
    pub(super) fn forget_set_apart(&self, shown: &PhotoView) -> Result<(), TxError> {
        for photo in self.photos_showing(shown)? {
            let apart = self.objected_faces(photo)?;
            self.exec_for(ForEach::row("DELETE FROM sightings WHERE face_id IN ($1)"), &[], &one_each(&apart))?;
            self.forget_crops_at(&apart)?;
        }
        self.set_apart(shown)?.iter().try_for_each(|place| self.forget_decisions_at(shown, place))
    }
}
