//! Photos whose files are not in the folder. Such a photo is kept as missing, with everything that is known of it: a disk
//! may be away, or a folder be moved about. It is forgotten when a second complete listing, a day or more after the first,
//! does not have it either (invariant I12).

use std::collections::{BTreeMap, BTreeSet};

use super::photos::PICTURE;
use super::records::one_each;
use super::{ReadTx, Tx};
use crate::db::{Columns, ForEach, args};
use crate::error::TxError;
use crate::id::{CollectionId, PhotoId, Timestamp};
use crate::photo_path::PhotoPath;

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
    /// Whether these are too many at once: then none was marked as missing, and none is forgotten.
    pub too_many: bool,
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

impl ReadTx<'_> {
    fn absences(&self, collection: CollectionId, absent: &BTreeSet<PhotoId>) -> Result<Absences, TxError> {
        let known = self.count("SELECT COUNT(*) FROM photos WHERE collection_id = $1", args![collection])? as u64;
        let absent = absent.len() as u64;
        Ok(Absences { known, absent, too_many: absent.saturating_mul(TOO_MANY) > known })
    }

    /// The photos of a collection that were first missed at this time or earlier.
    fn missing_since(&self, collection: CollectionId, since: Timestamp) -> Result<BTreeSet<PhotoId>, TxError> {
        let sql = "SELECT id FROM photos WHERE collection_id = $1 AND missing_ms <= $2";
        self.rows(sql, args![collection, since])?.iter().map(|row| Ok(PhotoId(row.int(0)?))).collect()
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

impl Tx<'_> {
    /// Takes up what a listing of a collection's folder says of its known photos: `absent` are those whose files are not
    /// there, `unlisted` those that lie in a part of the folder that could not be listed, and all others are there. Who is
    /// absent is marked as missing from now on, and who is there is missing no more. Of the `unlisted` nothing changes.
    ///
    /// If more than a fifth of what is known is absent, nobody is marked.
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
        let mut back = self.missing_since(collection, Timestamp(i64::MAX))?;
        back.retain(|photo| !absent.contains(photo) && !unlisted.contains(photo));
        let ids = |photos: &BTreeSet<PhotoId>| one_each(&photos.iter().copied().collect::<Vec<_>>());
        self.exec_for(ForEach::row("UPDATE photos SET missing_ms = NULL WHERE id IN ($1)"), &[], &ids(&back))?;
        let said = self.absences(collection, absent)?;
        if !said.too_many {
            let sql = "UPDATE photos SET missing_ms = $1 WHERE missing_ms IS NULL AND id IN ($2)";
            self.exec_for(ForEach { sql, shared: 1 }, args![self.now], &ids(absent))?;
        }
        Ok(said)
    }

    /// Forgets, of the photos that were `absent` from a listing at the time `listed`, those that were first missed a day
    /// before it or earlier. Returns how many. Whoever calls this has looked at every new file of that listing: one of them
    /// may be such a photo under another name ([`Tx::follow_pictures`]).
    ///
    /// If more than a fifth of what is known is absent, nobody is forgotten.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn forget_absent(
        &self,
        collection: CollectionId,
        absent: &BTreeSet<PhotoId>,
        listed: Timestamp,
    ) -> Result<u64, TxError> {
        if self.absences(collection, absent)?.too_many {
            return Ok(0);
        }
        let missed = self.missing_since(collection, Timestamp(listed.0.saturating_sub(FORGOTTEN_AFTER_MS)))?;
        self.remove_photos(collection, &missed.intersection(absent).copied().collect())
    }

    /// Finds photos again that have another path now and were written anew on the way, such as renamed and rated: for each path
    /// with the SHA-256 of the picture that it shows, a photo of the `free` ones, whose own files are absent, that shows this
    /// picture, and that is not free for the next. It gets this path, and keeps its faces, its sightings and what people decided;
    /// [`Tx::put_photos`] says what its file holds now. A photo that was known under this path and shows something else is
    /// removed. Where a path shows its picture already, and where no free photo does, nothing is done. Returns who was found.
    ///
    /// # Errors
    ///
    /// [`TxError::Seal`], [`TxError::Database`] as everywhere.
    pub fn follow_pictures(
        &self,
        collection: CollectionId,
        pictures: &[(&PhotoPath, [u8; 32])],
        mut free: BTreeSet<PhotoId>,
    ) -> Result<BTreeSet<PhotoId>, TxError> {
        let mut moved = BTreeSet::new();
        if free.is_empty() {
            return Ok(moved);
        }
        let key = self.collection_key(collection);
        let tags: Vec<[u8; 32]> = pictures.iter().map(|(_, sha256)| key.mac(PICTURE, sha256)).collect();
        let sql =
            "SELECT id, path_tag, picture_tag FROM photos WHERE collection_id = $1 AND picture_tag IN ($2) ORDER BY id";
        let mut shown: BTreeMap<[u8; 32], BTreeMap<PhotoId, [u8; 32]>> = BTreeMap::new();
        for row in self.rows_for(ForEach { sql, shared: 1 }, args![collection], &one_each(&tags))? {
            shown.entry(row.array(2)?).or_default().insert(PhotoId(row.int(0)?), row.array(1)?);
        }
        for ((path, _), picture) in pictures.iter().zip(tags) {
            let Some(photos) = shown.get_mut(&picture) else { continue };
            let (tag, sealed) = self.sealed_path(collection, &key, path)?;
            let found = photos.keys().find(|photo| free.contains(photo)).copied();
            let Some(photo) = found.filter(|_| !photos.values().any(|at| *at == tag)) else { continue };
            self.exec("DELETE FROM photos WHERE collection_id = $1 AND path_tag = $2", args![collection, tag])?;
            let sql = "UPDATE photos SET path_tag = $1, sealed = $2, missing_ms = NULL WHERE id = $3";
            self.exec(sql, args![tag, sealed, photo])?;
            photos.insert(photo, tag);
            free.remove(&photo);
            moved.insert(photo);
        }
        Ok(moved)
    }
}
