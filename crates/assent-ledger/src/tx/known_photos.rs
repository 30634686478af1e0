//! Reading what is known of photos: one, some, or all of a collection one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::ReadTx;
use super::extents::{self, SearchExtent};
use super::photo_time::{self, PhotoTime};
use super::photos::{ContentTag, FaceBox, PHOTOS, path_context, path_tag};
use super::records::one_each;
use crate::db::{Columns, ForEach, args};
use crate::error::TxError;
use crate::id::{CollectionId, FaceId, PhotoId, Timestamp};
use crate::photo_path::PhotoPath;
use crate::seal;
use crate::secret::Key;

/// So many paths are asked for at once.
const PATHS_AT_ONCE: usize = 64;

/// A photo that was scanned before.
#[derive(Clone, PartialEq, Eq)]
pub struct KnownPhoto {
    /// The photo's id: its row number in the vault.
    pub id: PhotoId,
    /// The path below the collection's directory.
    pub path: PhotoPath,
    /// Length of the file when it was scanned, bytes.
    pub bytes: u64,
    /// When the file was last changed, as it was scanned.
    pub mtime: Timestamp,
    /// When the file system had last changed anything about the file.
    pub changed: Option<Timestamp>,
    /// What the file held.
    pub content: ContentTag,
    /// Whether it is known what it shows: not of photos that could not be read, nor before format 6.
    pub recognised: bool,
    /// Width after EXIF orientation, pixels.
    pub width: u32,
    /// Height after EXIF orientation, pixels.
    pub height: u32,
    /// Why it could not be read, if it could not.
    pub failure: Option<String>,
    /// How many faces are kept of it.
    pub faces: u32,
    /// Of how many of them a crop is kept, made for the networks that found them.
    pub crops: u32,
    /// SHA-256 of the detector.
    pub scanned_with: [u8; 32],
    /// The `template_epoch` against which it was last matched.
    pub matched_epoch: Option<i64>,
    /// Since when its file is missing, if it is.
    pub missing: Option<Timestamp>,
    /// When it was taken, if it was looked at since format 6; otherwise the file's date has to do.
    pub taken: Option<PhotoTime>,
    /// How it was searched for faces; `None` if that is not known, because it was scanned before format 6.
    pub searched: Option<SearchExtent>,
}

/// A photo to be shown, with everything that says what of it may be.
#[derive(Debug)]
pub struct ShownPhoto {
    /// The photo itself.
    pub known: KnownPhoto,
    /// Its faces, by id.
    pub faces: Vec<(FaceId, FaceBox)>,
    /// The faces that were set apart.
    pub apart: BTreeSet<FaceId>,
    /// The places that were set apart, in pixels of the photo as it is seen, whether a face was found there or not.
    pub places: Vec<FaceBox>,
}

impl KnownPhoto {
    /// When it was taken, as far as that is known.
    pub fn taken(&self) -> PhotoTime {
        self.taken.unwrap_or_else(|| PhotoTime::by_file(self.mtime))
    }
}

impl fmt::Debug for KnownPhoto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownPhoto").field("id", &self.id).field("faces", &self.faces).finish_non_exhaustive()
    }
}

/// The columns that [`read_photo`] takes, in its order.
macro_rules! select_photos {
    ($rest:literal) => {
        concat!(
            "SELECT id, path_tag, sealed, bytes, mtime_ms, width, height, failure, scanned_with, matched_epoch, \
             (SELECT COUNT(*) FROM faces f WHERE f.photo_id = photos.id), (SELECT COUNT(*) FROM crops c \
             WHERE c.photo_id = photos.id AND c.model_sha256 = photos.scanned_with), changed_ms, content_tag, picture_tag, \
             missing_ms, taken_ms, taken_offset_min, taken_from, searched_side_px, searched_any_way_up, searched_exhaustive, \
             collection_id FROM photos ",
            $rest
        )
    };
}

/// Which of these columns is the collection.
const COLLECTION: usize = 22;

impl ReadTx<'_> {
    /// All photos of a collection, by path: for collections of a size that is known.
    ///
    /// # Errors
    ///
    /// As [`Self::each_photo`].
    pub fn known_photos(&self, collection: CollectionId) -> Result<Vec<KnownPhoto>, TxError> {
        let mut all = Vec::new();
        self.each_photo(collection, &mut |photo| {
            all.push(photo);
            true
        })?;
        all.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(all)
    }

    /// Gives `take` the photos of a collection one by one, in no order, until it returns `false`. None of them is kept.
    ///
    /// # Errors
    ///
    /// - [`TxError::Seal`] if a path does not open, [`TxError::Damaged`] if it is not of this format.
    /// - [`TxError::Database`] if the database refuses.
    pub fn each_photo(
        &self,
        collection: CollectionId,
        take: &mut dyn FnMut(KnownPhoto) -> bool,
    ) -> Result<(), TxError> {
        let key = Arc::new(self.collection_key(collection));
        let mut refused = None;
        self.db.each(select_photos!("WHERE collection_id = $1"), args![collection], &mut |row| {
            Ok(match read_photo(row, collection, &key) {
                Ok(photo) => take(photo),
                Err(why) => {
                    refused = Some(why);
                    false
                }
            })
        })?;
        refused.map_or(Ok(()), Err)
    }

    /// How many photos of a collection are known.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn count_photos(&self, collection: CollectionId) -> Result<u64, TxError> {
        Ok(self.count("SELECT COUNT(*) FROM photos WHERE collection_id = $1", args![collection])? as u64)
    }

    /// How many of these paths below a collection's folder are no known photo's.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn count_unknown(&self, collection: CollectionId, paths: &[&PhotoPath]) -> Result<usize, TxError> {
        let key = self.collection_key(collection);
        let sql = "SELECT COUNT(*) FROM photos WHERE collection_id = $1 AND path_tag IN ($2)";
        let mut known = 0;
        for paths in paths.chunks(PATHS_AT_ONCE) {
            let tags: BTreeSet<[u8; 32]> = paths.iter().map(|path| path_tag(&key, path)).collect();
            let tags: Vec<[u8; 32]> = tags.into_iter().collect();
            for row in self.rows_for(ForEach { sql, shared: 1 }, args![collection], &one_each(&tags))? {
                known += row.int(0)? as usize;
            }
        }
        Ok(paths.len().saturating_sub(known))
    }

    /// One photo of a collection; `None` if it has none with this id.
    ///
    /// # Errors
    ///
    /// As [`Self::each_photo`]; [`TxError::Tampered`] if it is not as it was written.
    pub fn known_photo(&self, collection: CollectionId, photo: PhotoId) -> Result<Option<KnownPhoto>, TxError> {
        Ok(self.known_among(collection, &[photo])?.remove(&photo))
    }

    /// The photo of a collection at this path; `None` if none is known there.
    ///
    /// # Errors
    ///
    /// As [`Self::known_photo`].
    pub fn photo_at(&self, collection: CollectionId, path: &PhotoPath) -> Result<Option<KnownPhoto>, TxError> {
        let tag = path_tag(&self.collection_key(collection), path);
        let sql = "SELECT id FROM photos WHERE collection_id = $1 AND path_tag = $2";
        match self.row(sql, args![collection, tag])? {
            Some(row) => self.known_photo(collection, PhotoId(row.int(0)?)),
            None => Ok(None),
        }
    }

    /// Those of these photos that a collection has. They are asked for by their ids alone: SQLite takes a collection in the
    /// question for a few rows, and reads all of it.
    fn known_among(
        &self,
        collection: CollectionId,
        photos: &[PhotoId],
    ) -> Result<BTreeMap<PhotoId, KnownPhoto>, TxError> {
        self.check_rows(PHOTOS, photos.iter().copied())?;
        let each = ForEach::row(select_photos!("WHERE id IN ($1)"));
        let key = Arc::new(self.collection_key(collection));
        let rows = self.rows_for(each, &[], &one_each(photos))?;
        let mut known = BTreeMap::new();
        for row in &rows {
            if row.array(COLLECTION)? == *collection.as_bytes() {
                known.insert(PhotoId(row.int(0)?), read_photo(row, collection, &key)?);
            }
        }
        Ok(known)
    }

    /// Photos of a collection with what may be shown of them: those of these that it has, in a few statements.
    ///
    /// # Errors
    ///
    /// As [`Self::known_photo`].
    pub fn shown_photos(
        &self,
        collection: CollectionId,
        photos: &[PhotoId],
    ) -> Result<BTreeMap<PhotoId, ShownPhoto>, TxError> {
        let (known, mut records) = (self.known_among(collection, photos)?, self.photo_records(collection, photos)?);
        let shown = known.into_iter().filter_map(|(id, known)| {
            let record = records.remove(&id)?;
            let apart = record.apart();
            Some((id, ShownPhoto { known, apart, faces: record.faces, places: record.places }))
        });
        Ok(shown.collect())
    }
}

fn read_photo(row: &impl Columns, collection: CollectionId, key: &Arc<Key>) -> Result<KnownPhoto, TxError> {
    let path = seal::open(key, &path_context(collection, &row.array(1)?), &row.bytes(2)?)?;
    Ok(KnownPhoto {
        id: PhotoId(row.int(0)?),
        path: PhotoPath::from_bytes(path.as_slice()),
        bytes: row.int(3)? as u64,
        mtime: Timestamp(row.int(4)?),
        width: row.int(5)? as u32,
        height: row.int(6)? as u32,
        failure: row.opt_text(7)?,
        scanned_with: row.array(8)?,
        matched_epoch: row.opt_int(9)?,
        faces: row.int(10)? as u32,
        crops: row.int(11)? as u32,
        changed: row.opt_int(12)?.map(Timestamp),
        content: ContentTag { tag: row.array(13)?, key: Arc::clone(key) },
        recognised: row.opt_bytes(14)?.is_some(),
        missing: row.opt_int(15)?.map(Timestamp),
        taken: photo_time::read(row, 16)?,
        searched: extents::read(row, 19)?,
    })
}
