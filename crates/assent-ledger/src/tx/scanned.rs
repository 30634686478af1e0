//! What a scan made of a file, into the tables.

use std::collections::BTreeMap;

use super::Tx;
use super::photos::{CONTENT, FaceBox, NewPhoto, Outcome, PHOTOS, PICTURE, StoredPhoto};
use super::places::{PhotoView, SAME_FACE_IOU, shown};
use crate::db::{Columns, args};
use crate::error::TxError;
use crate::id::{CollectionId, FaceId, PhotoId};

impl Tx<'_> {
    /// Stores what a scan made of a file, all of it or nothing. A path that is known gets the new result: faces whose
    /// boxes are still the same keep their ids, and the others go. Where people decided something about this picture,
    /// there is a face in any case. Another picture under a known path is another photo. Crops that were kept of it go.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoCollection`], [`TxError::Frozen`] for the collection.
    /// - [`TxError::Seal`], [`TxError::Database`] as everywhere.
    pub fn put_photo(&self, new: &NewPhoto<'_>) -> Result<StoredPhoto, TxError> {
        self.open_collection(new.collection)?;
        let key = self.collection_key(new.collection);
        let (tag, sealed) = self.sealed_path(new.collection, &key, new.path)?;
        let content = key.mac(CONTENT, &new.sha256);
        let picture = new.picture.map(|p| (key.mac(PICTURE, &p.sha256), p.orientation.clamp(1, 8)));
        let before = self.shown_at(new.collection, tag, (content, picture.map(|(tag, _)| tag)))?;
        let (outcome, failure, boxes) = match new.outcome {
            Outcome::NoFace => ("no_face", None, [].as_slice()),
            Outcome::Faces(boxes) => ("faces", None, boxes.as_slice()),
            Outcome::Failed(code) => ("failed", Some(code.as_str()), [].as_slice()),
        };
        let row = self.row(
            concat!(
                "INSERT INTO photos (collection_id, path_tag, content_tag, sealed, bytes, mtime_ms, width, height, outcome, \
                 failure, scanned_with, matched_epoch, changed_ms, picture_tag, orientation) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
                 ON CONFLICT (collection_id, path_tag) DO UPDATE SET content_tag = excluded.content_tag, \
                 bytes = excluded.bytes, mtime_ms = excluded.mtime_ms, width = excluded.width, height = excluded.height, \
                 outcome = excluded.outcome, failure = excluded.failure, scanned_with = excluded.scanned_with, \
                 matched_epoch = excluded.matched_epoch, changed_ms = excluded.changed_ms, \
                 picture_tag = COALESCE(excluded.picture_tag, photos.picture_tag), \
                 orientation = COALESCE(excluded.orientation, photos.orientation) RETURNING id, ",
                shown!("photos")
            ),
            args![
                new.collection,
                tag,
                content,
                sealed,
                new.bytes as i64,
                new.mtime,
                new.width,
                new.height,
                outcome,
                failure,
                new.scanned_with,
                new.matched_epoch,
                new.changed.map(|at| at.0),
                picture.map(|(tag, _)| tag),
                picture.map(|(_, orientation)| i64::from(orientation)),
            ],
        )?;
        let row = row.ok_or(TxError::Damaged { table: PHOTOS })?;
        let (id, now) = (PhotoId(row.int(0)?), PhotoView::read(&row, 1)?);
        self.keep_by_picture(&now)?;
        self.forget_crops(id)?;
        let faces = self.put_faces(id, (before.as_ref(), &now), boxes)?;
        self.exec("UPDATE collections SET face_epoch = face_epoch + 1 WHERE id = $1", args![new.collection])?;
        Ok(StoredPhoto { id, faces })
    }

    /// What the photo at a path showed until now; `None` if there was none. One that shows something else from now on is
    /// removed: what is known of its faces says nothing of the new ones.
    fn shown_at(
        &self,
        collection: CollectionId,
        path: [u8; 32],
        (content, picture): ([u8; 32], Option<[u8; 32]>),
    ) -> Result<Option<PhotoView>, TxError> {
        let sql = concat!("SELECT id, ", shown!("photos"), " FROM photos WHERE collection_id = $1 AND path_tag = $2");
        let Some(row) = self.row(sql, args![collection, path])? else { return Ok(None) };
        let old = PhotoView::read(&row, 1)?;
        let same = match (old.picture, picture) {
            (Some(old), Some(new)) => old == new,
            _ => old.content == content,
        };
        if same {
            return Ok(Some(old));
        }
        self.exec("DELETE FROM photos WHERE id = $1", args![row.int(0)?])?;
        Ok(None)
    }

    fn put_faces(
        &self,
        photo: PhotoId,
        (before, now): (Option<&PhotoView>, &PhotoView),
        boxes: &[FaceBox],
    ) -> Result<Vec<FaceId>, TxError> {
        // Old boxes are brought to where the same pixels are seen now. Before format 6 only the same file was the same photo.
        let before = before.filter(|old| old.picture.is_some());
        let moved = |at: FaceBox| before.map_or(at, |old| now.transform.as_displayed(old.transform.as_stored(at)));
        let mut old: BTreeMap<FaceId, FaceBox> =
            self.faces_of(photo)?.into_iter().map(|(id, at)| (id, moved(at))).collect();
        let mut ids = Vec::with_capacity(boxes.len());
        for b in boxes {
            let same = old
                .iter()
                .map(|(id, o)| (b.overlap(o), *id))
                .filter(|(iou, _)| *iou >= SAME_FACE_IOU)
                .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
            ids.push(match same {
                Some((_, id)) => {
                    old.remove(&id);
                    self.move_face(id, b)?
                }
                None => self.add_face(photo, b)?,
            });
        }
        // What a person decided is about a face, also where the detector misses it now.
        let mut missed: Vec<FaceBox> = self.decisions_in(now)?.into_iter().map(|d| d.at).collect();
        missed.retain(|place| !boxes.iter().any(|b| b.is_same_face(place)));
        for (id, at) in old {
            if let Some(place) = missed.iter().position(|place| place.is_same_face(&at)) {
                missed.swap_remove(place);
                missed.retain(|place| !place.is_same_face(&at));
                self.move_face(id, &at)?;
            } else {
                self.exec("DELETE FROM faces WHERE id = $1", args![id])?;
            }
        }
        while let Some(at) = missed.pop() {
            missed.retain(|place| !place.is_same_face(&at));
            self.add_face(photo, &at)?;
        }
        Ok(ids)
    }

    fn move_face(&self, id: FaceId, b: &FaceBox) -> Result<FaceId, TxError> {
        self.exec(
            "UPDATE faces SET x = $1, y = $2, w = $3, h = $4, quarter_turn = $5, score = $6, size_px = $7, \
             sharpness = $8, luminance = $9 WHERE id = $10",
            args![b.x, b.y, b.w, b.h, b.quarter_turn, b.score, b.size_px, b.sharpness, b.luminance, id],
        )?;
        Ok(id)
    }

    fn add_face(&self, photo: PhotoId, b: &FaceBox) -> Result<FaceId, TxError> {
        let row = self.row(
            "INSERT INTO faces (x, y, w, h, quarter_turn, score, size_px, sharpness, luminance, photo_id) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id",
            args![b.x, b.y, b.w, b.h, b.quarter_turn, b.score, b.size_px, b.sharpness, b.luminance, photo],
        )?;
        Ok(FaceId(row.ok_or(TxError::Damaged { table: "faces" })?.int(0)?))
    }
}
