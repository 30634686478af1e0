//! Objections (R33): somebody, enrolled or not, points at their face in a photo, and it is never compared and always
//! covered from then on. What is kept is the box and the photo's content, so that it holds after every re-scan and move.

use super::photos::overlap;
use super::{FaceBox, Noted, Tx};
use crate::db::args;
use crate::error::TxError;
use crate::id::{FaceId, PhotoId};
use crate::log::EventKind;

/// Two boxes are the same face if their intersection is so much of their union, as in the detector's own suppression.
const SAME_FACE_IOU: f32 = 0.3;

impl Tx<'_> {
    /// Sets a face apart for good. What was seen at it is deleted.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoPhoto`], [`TxError::NoFace`] if there is no such photo, or it has no such face.
    /// - [`TxError::Database`], [`TxError::KeyRing`] as everywhere.
    pub fn object(&self, photo: PhotoId, face: FaceId) -> Result<(), TxError> {
        let collection = self.collection_of(photo)?;
        let faces = self.faces_of(photo)?;
        let at = faces.iter().find(|(id, _)| *id == face).map(|(_, at)| *at).ok_or(TxError::NoFace { face })?;
        let row = self.row(
            "INSERT INTO objections (collection_id, content_tag, x, y, w, h, created_ms) \
             SELECT collection_id, content_tag, $2, $3, $4, $5, $6 FROM photos WHERE id = $1 RETURNING id",
            args![photo, at.x, at.y, at.w, at.h, self.now],
        )?;
        if let Some(row) = row {
            self.touch(Noted::Objection(row.int(0)?));
        }
        for (id, other) in &faces {
            if overlap(&at, other) >= SAME_FACE_IOU {
                self.forget_face(*id)?;
            }
        }
        self.append_leaf(EventKind::Objection, collection.as_bytes(), &[]).map(drop)
    }

    /// Deletes what was seen at a face that is set apart, and what people said of it.
    pub(super) fn forget_face(&self, face: FaceId) -> Result<(), TxError> {
        for sql in ["DELETE FROM sightings WHERE face_id = $1", "DELETE FROM decisions WHERE face_id = $1"] {
            self.exec(sql, args![face])?;
        }
        Ok(())
    }

    /// The faces of a photo that were set apart: those that are there now at the boxes that were pointed at.
    ///
    /// # Errors
    ///
    /// [`TxError::NoPhoto`] if there is no such photo, [`TxError::Database`] if the database refuses.
    pub fn objected_faces(&self, photo: PhotoId) -> Result<Vec<FaceId>, TxError> {
        let sql = "SELECT o.x, o.y, o.w, o.h FROM objections o JOIN photos p \
                   ON p.collection_id = o.collection_id AND p.content_tag = o.content_tag WHERE p.id = $1 ORDER BY o.id";
        let rows = self.rows(sql, args![photo])?;
        let mut apart = Vec::new();
        if rows.is_empty() {
            return Ok(apart);
        }
        for (id, at) in self.faces_of(photo)? {
            for row in &rows {
                let (x, y, w, h) = (row.float(0)?, row.float(1)?, row.float(2)?, row.float(3)?);
                if overlap(&FaceBox { x, y, w, h, ..at }, &at) >= SAME_FACE_IOU {
                    apart.push(id);
                    break;
                }
            }
        }
        Ok(apart)
    }
}
