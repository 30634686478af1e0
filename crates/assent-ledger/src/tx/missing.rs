//! Photos whose files are not in the folder. Such a photo is kept as missing, with everything that is known of it: a disk
//! may be away, or a folder be moved about. It is forgotten when a second complete listing, a day or more after the first,
//! does not have it either (invariant I12).

use std::collections::BTreeSet;

use super::Tx;
use crate::db::args;
use crate::error::TxError;
use crate::id::{CollectionId, PhotoId, Timestamp};

/// A photo that is absent again so long after it was first missed is forgotten, milliseconds: a day.
pub const FORGOTTEN_AFTER_MS: i64 = 24 * 60 * 60 * 1000;

/// Where more than one in so many known photos is absent at once, none is marked or forgotten: a part of the folder is
/// away, rather than the photos.
pub const TOO_MANY: u64 = 5;

/// What a listing of a collection's folder said of the photos that were known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Absences {
    /// Photos that were known before.
    pub known: u64,
    /// Photos whose files are not there, and that are kept.
    pub absent: u64,
    /// Whether these are too many at once: then none was marked as missing, and none was forgotten.
    pub too_many: bool,
    /// Photos that were absent a day or longer, and are forgotten now.
    pub forgotten: u64,
}

/// What would be forgotten with photos.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// The photos themselves.
    pub photos: u64,
    /// Faces in them.
    pub faces: u64,
    /// Where people were found in them.
    pub sightings: u64,
    /// What people confirmed or refused in them.
    pub decisions: u64,
}

impl Tx<'_> {
    /// Takes up what a listing of a collection's folder says of its known photos: `absent` are those whose files are not
    /// there, `unlisted` those that lie in a part of the folder that could not be listed, and all others are there. Who is
    /// absent is marked as missing from now on, who is there is missing no more, and who was first missed a day ago or
    /// earlier and is absent still is forgotten. Of the `unlisted` nothing changes.
    ///
    /// If more than a fifth of what is known is absent, nobody is marked and nobody is forgotten.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn note_listing(
        &self,
        collection: CollectionId,
        absent: &BTreeSet<PhotoId>,
        unlisted: &BTreeSet<PhotoId>,
    ) -> Result<Absences, TxError> {
        let known = self.count("SELECT COUNT(*) FROM photos WHERE collection_id = $1", args![collection])? as u64;
        let marked = self.rows(
            "SELECT id, missing_ms FROM photos WHERE collection_id = $1 AND missing_ms IS NOT NULL",
            args![collection],
        )?;
        let mut due = BTreeSet::new();
        for row in marked {
            let (photo, since) = (PhotoId(row.int(0)?), Timestamp(row.int(1)?));
            if absent.contains(&photo) {
                if self.now.0.saturating_sub(since.0) >= FORGOTTEN_AFTER_MS {
                    due.insert(photo);
                }
            } else if !unlisted.contains(&photo) {
                self.exec("UPDATE photos SET missing_ms = NULL WHERE id = $1", args![photo])?;
            }
        }
        let number = absent.len() as u64;
        if number.saturating_mul(TOO_MANY) > known {
            return Ok(Absences { known, absent: number, too_many: true, forgotten: 0 });
        }
        let forgotten = self.remove_photos(collection, &due)?;
        for photo in absent.difference(&due) {
            let sql = "UPDATE photos SET missing_ms = $1 WHERE id = $2 AND collection_id = $3 AND missing_ms IS NULL";
            self.exec(sql, args![self.now, *photo, collection])?;
        }
        Ok(Absences { known, absent: number - forgotten, too_many: false, forgotten })
    }

    /// What would be forgotten with these photos of a collection. Ids that it does not have are passed over.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn would_forget(&self, collection: CollectionId, photos: &BTreeSet<PhotoId>) -> Result<Forgotten, TxError> {
        let mut all = Forgotten::default();
        for photo in photos {
            let here = "SELECT COUNT(*) FROM photos WHERE id = $1 AND collection_id = $2";
            if self.count(here, args![*photo, collection])? == 0 {
                continue;
            }
            let count = |sql| self.count(sql, args![*photo]).map(|n| n as u64);
            all.photos += 1;
            all.faces += count("SELECT COUNT(*) FROM faces WHERE photo_id = $1")?;
            all.sightings += count("SELECT COUNT(*) FROM sightings WHERE photo_id = $1")?;
            all.decisions +=
                count("SELECT COUNT(*) FROM decisions d JOIN faces f ON f.id = d.face_id WHERE f.photo_id = $1")?;
        }
        Ok(all)
    }
}
