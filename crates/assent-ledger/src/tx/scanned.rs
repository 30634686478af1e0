//! What a scan made of files, into the tables: many photos in a few statements.

use std::collections::{BTreeMap, BTreeSet};

use super::extents::SearchExtent;
use super::photo_time::PhotoTime;
use super::photos::{CONTENT, FaceBox, NewPhoto, Outcome, PHOTOS, PICTURE, StoredPhoto};
use super::places::{PhotoView, SAME_FACE_IOU, shown};
use super::records::{Faces, one_each};
use super::{Tx, decisions::Decision};
use crate::db::{Columns, ForEach, Value, args};
use crate::error::TxError;
use crate::id::{CollectionId, FaceId, PhotoId, Timestamp};

/// A photo as a scan found it.
#[derive(Clone, Debug)]
pub struct ScannedPhoto<'a> {
    /// What the scan made of the file.
    pub photo: NewPhoto<'a>,
    /// How it was searched for faces; `None` leaves what is known of that.
    pub searched: Option<SearchExtent>,
    /// When it was taken; `None` leaves what is known of that.
    pub taken: Option<PhotoTime>,
}

/// What a photo is found by.
struct Tags {
    path: [u8; 32],
    content: [u8; 32],
    picture: Option<[u8; 32]>,
}

/// What becomes of the faces of photos.
#[derive(Default)]
struct FaceChanges {
    moved: Vec<(FaceId, FaceBox)>,
    gone: Vec<FaceId>,
    new: Vec<(PhotoId, FaceBox)>,
}

/// A face that a scan found: one that is known, or a new one at this place.
type Found = Result<FaceId, (PhotoId, FaceBox)>;

/// The ids of new faces, by photo and place.
type NewFaces = BTreeMap<(PhotoId, [u32; 4]), BTreeSet<FaceId>>;

impl Tx<'_> {
    /// Stores what a scan made of a file, as [`Self::put_photos`].
    ///
    /// # Errors
    ///
    /// As [`Self::put_photos`].
    pub fn put_photo(&self, new: &NewPhoto<'_>) -> Result<StoredPhoto, TxError> {
        let one = ScannedPhoto { photo: new.clone(), searched: None, taken: None };
        self.put_photos(&[one])?.pop().ok_or(TxError::Damaged { table: PHOTOS })
    }

    /// Stores what a scan made of files, all of it or nothing, and returns where, in their order. A path that is known gets the
    /// new result: faces whose boxes are still the same keep their ids, and the others go. Where people decided something about
    /// a picture, there is a face in any case. Another picture under a known path is another photo. Crops that were kept of
    /// these photos go. The number of statements does not grow with that of photos, up to 64 of one collection.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoCollection`], [`TxError::Frozen`] for the collection.
    /// - [`TxError::Seal`], [`TxError::Database`] as everywhere.
    pub fn put_photos(&self, new: &[ScannedPhoto<'_>]) -> Result<Vec<StoredPhoto>, TxError> {
        let (mut stored, mut left) = (Vec::with_capacity(new.len()), new);
        while let Some(first) = left.first() {
            // A path that comes again gets the later result.
            let (collection, mut paths) = (first.photo.collection, BTreeSet::new());
            let fits =
                |next: &NewPhoto<'_>, paths: &BTreeSet<_>| next.collection == collection && !paths.contains(next.path);
            while let Some(next) = left.get(paths.len()).filter(|next| fits(&next.photo, &paths)) {
                paths.insert(next.photo.path);
            }
            let (now, later) = left.split_at(paths.len());
            stored.extend(self.put_group(collection, now)?);
            left = later;
        }
        Ok(stored)
    }

    /// Photos of one collection under different paths.
    fn put_group(&self, collection: CollectionId, new: &[ScannedPhoto<'_>]) -> Result<Vec<StoredPhoto>, TxError> {
        self.open_collection(collection)?;
        let key = self.collection_key(collection);
        let (mut rows, mut tags) = (Vec::with_capacity(new.len()), Vec::with_capacity(new.len()));
        for ScannedPhoto { photo, searched, taken } in new {
            let (path, sealed) = self.sealed_path(collection, &key, photo.path)?;
            let content = key.mac(CONTENT, &photo.sha256);
            let picture = photo.picture.map(|p| key.mac(PICTURE, &p.sha256));
            let (outcome, failure) = match photo.outcome {
                Outcome::NoFace => ("no_face", None),
                Outcome::Faces(_) => ("faces", None),
                Outcome::Failed(code) => ("failed", Some(code.as_str())),
            };
            let row = args![
                collection,
                path,
                content,
                sealed,
                photo.bytes as i64,
                photo.mtime,
                photo.width,
                photo.height,
                outcome,
                failure,
                photo.scanned_with,
                photo.matched_epoch,
                photo.changed.map(|at| at.0),
                picture,
                photo.picture.map(|p| i64::from(p.orientation.clamp(1, 8))),
                searched.map(|extent| extent.side_px),
                searched.map(|extent| i64::from(extent.any_way_up)),
                searched.map(|extent| i64::from(extent.exhaustive)),
                taken.map(|taken| taken.at.0),
                taken.and_then(|taken| taken.offset_min).map(i64::from),
                taken.map(|taken| taken.from.as_str()),
            ];
            rows.push(row.to_vec());
            tags.push(Tags { path, content, picture });
        }
        let before = self.shown_before(collection, &tags)?;
        let insertion = concat!(
            "INSERT INTO photos (collection_id, path_tag, content_tag, sealed, bytes, mtime_ms, width, height, outcome, \
             failure, scanned_with, matched_epoch, changed_ms, picture_tag, orientation, searched_side_px, \
             searched_any_way_up, searched_exhaustive, taken_ms, taken_offset_min, taken_from) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) \
             ON CONFLICT (collection_id, path_tag) DO UPDATE SET content_tag = excluded.content_tag, \
             bytes = excluded.bytes, mtime_ms = excluded.mtime_ms, width = excluded.width, height = excluded.height, \
             outcome = excluded.outcome, failure = excluded.failure, scanned_with = excluded.scanned_with, \
             matched_epoch = excluded.matched_epoch, changed_ms = excluded.changed_ms, \
             picture_tag = COALESCE(excluded.picture_tag, photos.picture_tag), \
             orientation = COALESCE(excluded.orientation, photos.orientation), \
             searched_side_px = COALESCE(excluded.searched_side_px, photos.searched_side_px), \
             searched_any_way_up = COALESCE(excluded.searched_any_way_up, photos.searched_any_way_up), \
             searched_exhaustive = COALESCE(excluded.searched_exhaustive, photos.searched_exhaustive), \
             taken_offset_min = CASE WHEN excluded.taken_ms IS NULL THEN photos.taken_offset_min \
             ELSE excluded.taken_offset_min END, taken_ms = COALESCE(excluded.taken_ms, photos.taken_ms), \
             taken_from = COALESCE(excluded.taken_from, photos.taken_from) RETURNING id, path_tag, ",
            shown!("photos")
        );
        let mut made = BTreeMap::new();
        for row in self.insert_for(ForEach::row(insertion), &rows)? {
            made.insert(row.array::<32>(1)?, (PhotoId(row.int(0)?), PhotoView::read(&row, 2)?));
        }
        let made = tags.iter().map(|tags| made.remove(&tags.path).ok_or(TxError::Damaged { table: PHOTOS }));
        let made: Vec<(PhotoId, PhotoView)> = made.collect::<Result<_, _>>()?;
        let views: Vec<PhotoView> = made.iter().map(|(_, view)| *view).collect();
        self.keep_by_picture(&views)?;
        let known: Vec<PhotoId> = made.iter().map(|(id, _)| *id).filter(|id| before.contains_key(id)).collect();
        self.forget_crops(&known)?;
        let faces = self.put_faces(&before, &made, new)?;
        self.exec("UPDATE collections SET face_epoch = face_epoch + 1 WHERE id = $1", args![collection])?;
        Ok(made.into_iter().zip(faces).map(|((id, _), faces)| StoredPhoto { id, faces }).collect())
    }

    /// What the photos at these paths showed until now. Those that show something else from now on are removed: what is known
    /// of their faces says nothing of the new ones.
    fn shown_before(&self, collection: CollectionId, tags: &[Tags]) -> Result<BTreeMap<PhotoId, PhotoView>, TxError> {
        let sql = concat!(
            "SELECT id, path_tag, ",
            shown!("photos"),
            " FROM photos WHERE collection_id = $1 AND path_tag IN ($2)"
        );
        let paths: Vec<[u8; 32]> = tags.iter().map(|tags| tags.path).collect();
        let (mut same, mut others) = (BTreeMap::new(), Vec::new());
        for row in self.rows_for(ForEach { sql, shared: 1 }, args![collection], &one_each(&paths))? {
            let (id, path, old) = (PhotoId(row.int(0)?), row.array::<32>(1)?, PhotoView::read(&row, 2)?);
            let is_same =
                tags.iter().find(|tags| tags.path == path).is_some_and(|new| match (old.picture, new.picture) {
                    (Some(old), Some(new)) => old == new,
                    _ => old.content == new.content,
                });
            if is_same {
                same.insert(id, old);
            } else {
                others.push(id);
            }
        }
        self.exec_for(ForEach::row("DELETE FROM photos WHERE id IN ($1)"), &[], &one_each(&others))?;
        Ok(same)
    }

    fn put_faces(
        &self,
        before: &BTreeMap<PhotoId, PhotoView>,
        made: &[(PhotoId, PhotoView)],
        new: &[ScannedPhoto<'_>],
    ) -> Result<Vec<Vec<FaceId>>, TxError> {
        let known: Vec<PhotoId> = before.keys().copied().collect();
        let mut old = self.faces_in(&known)?;
        let views: Vec<PhotoView> = made.iter().map(|(_, view)| *view).collect();
        let decided = self.decisions_about(&views)?;
        let (mut changes, mut found) = (FaceChanges::default(), Vec::with_capacity(made.len()));
        for (((id, now), scanned), decided) in made.iter().zip(new).zip(decided) {
            // Old boxes are brought to where the same pixels are seen now. Before format 6 only the same file was the same photo.
            let moves = before.get(id).filter(|old| old.picture.is_some());
            let moved = |at: FaceBox| moves.map_or(at, |old| now.transform.as_displayed(old.transform.as_stored(at)));
            let old = old.remove(id).unwrap_or_default().into_iter().map(|(id, at)| (id, moved(at))).collect();
            let boxes = match scanned.photo.outcome {
                Outcome::Faces(boxes) => boxes.as_slice(),
                Outcome::NoFace | Outcome::Failed(_) => &[],
            };
            found.push(changes.compare(*id, old, boxes, &decided));
        }
        let mut ids = self.change_faces(&changes)?;
        let mut id_of = |found: Found| match found {
            Ok(known) => Ok(known),
            Err((photo, at)) => {
                let id = ids.get_mut(&place(photo, &at)).and_then(BTreeSet::pop_first);
                id.ok_or(TxError::Damaged { table: "faces" })
            }
        };
        found.into_iter().map(|photo| photo.into_iter().map(&mut id_of).collect()).collect()
    }

    /// Returns the ids of the new faces, by photo and place.
    fn change_faces(&self, changes: &FaceChanges) -> Result<NewFaces, TxError> {
        let values = |b: &FaceBox| {
            args![b.x, b.y, b.w, b.h, b.quarter_turn, b.score, b.size_px, b.sharpness, b.luminance].to_vec()
        };
        let sql = "UPDATE faces SET x = CASE id WHEN $1 THEN $2 ELSE x END, y = CASE id WHEN $1 THEN $3 ELSE y END, \
                   w = CASE id WHEN $1 THEN $4 ELSE w END, h = CASE id WHEN $1 THEN $5 ELSE h END, \
                   quarter_turn = CASE id WHEN $1 THEN $6 ELSE quarter_turn END, \
                   score = CASE id WHEN $1 THEN $7 ELSE score END, size_px = CASE id WHEN $1 THEN $8 ELSE size_px END, \
                   sharpness = CASE id WHEN $1 THEN $9 ELSE sharpness END, \
                   luminance = CASE id WHEN $1 THEN $10 ELSE luminance END WHERE id IN ($1)";
        let moved = changes.moved.iter().map(|(id, at)| [vec![Value::from(*id)], values(at)].concat());
        self.exec_for(ForEach::row(sql), &[], &moved.collect::<Vec<_>>())?;
        self.exec_for(ForEach::row("DELETE FROM faces WHERE id IN ($1)"), &[], &one_each(&changes.gone))?;
        let sql = "INSERT INTO faces (x, y, w, h, quarter_turn, score, size_px, sharpness, luminance, photo_id) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id, x, y, w, h";
        let new = changes.new.iter().map(|(photo, at)| [values(at), vec![Value::from(*photo)]].concat());
        let mut ids = NewFaces::new();
        for row in self.insert_for(ForEach::row(sql), &new.collect::<Vec<_>>())? {
            let at = [row.float(1)?, row.float(2)?, row.float(3)?, row.float(4)?].map(f32::to_bits);
            ids.entry((PhotoId(row.int(5)?), at)).or_default().insert(FaceId(row.int(0)?));
        }
        Ok(ids)
    }

    /// Records that the files of photos were read again and hold what they held, whatever their dates are now: when each was last
    /// changed, as the file says and as the file system does.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn set_read(&self, photos: &[(PhotoId, Timestamp, Option<Timestamp>)]) -> Result<(), TxError> {
        let sql = "UPDATE photos SET mtime_ms = CASE id WHEN $1 THEN $2 ELSE mtime_ms END, \
                   changed_ms = CASE id WHEN $1 THEN $3 ELSE changed_ms END WHERE id IN ($1)";
        let rows = photos.iter().map(|(id, mtime, changed)| args![*id, *mtime, changed.map(|at| at.0)].to_vec());
        self.exec_for(ForEach::row(sql), &[], &rows.collect::<Vec<_>>()).map(drop)
    }

    /// Records that the faces of photos met all templates up to this `template_epoch`.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn set_matched(&self, photos: &[PhotoId], epoch: i64) -> Result<(), TxError> {
        let sql = "UPDATE photos SET matched_epoch = $1 WHERE id IN ($2)";
        self.exec_for(ForEach { sql, shared: 1 }, args![epoch], &one_each(photos)).map(drop)
    }
}

impl FaceChanges {
    /// Compares what is known of a photo with what a scan found in it. Returns the face of each box.
    fn compare(&mut self, photo: PhotoId, old: Faces, boxes: &[FaceBox], decided: &[Decision]) -> Vec<Found> {
        let mut old: BTreeMap<FaceId, FaceBox> = old.into_iter().collect();
        let mut found = Vec::with_capacity(boxes.len());
        for b in boxes {
            let same = old
                .iter()
                .map(|(id, o)| (b.overlap(o), *id))
                .filter(|(iou, _)| *iou >= SAME_FACE_IOU)
                .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
            found.push(if let Some((_, id)) = same {
                old.remove(&id);
                self.moved.push((id, *b));
                Ok(id)
            } else {
                self.new.push((photo, *b));
                Err((photo, *b))
            });
        }
        // What a person decided is about a face, also where the detector misses it now.
        let mut missed: Vec<FaceBox> = decided.iter().map(|d| d.at).collect();
        missed.retain(|place| !boxes.iter().any(|b| b.is_same_face(place)));
        for (id, at) in old {
            if let Some(place) = missed.iter().position(|place| place.is_same_face(&at)) {
                missed.swap_remove(place);
                missed.retain(|place| !place.is_same_face(&at));
                self.moved.push((id, at));
            } else {
                self.gone.push(id);
            }
        }
        while let Some(at) = missed.pop() {
            missed.retain(|place| !place.is_same_face(&at));
            self.new.push((photo, at));
        }
        found
    }
}

/// By what a new face is told from others.
fn place(photo: PhotoId, at: &FaceBox) -> (PhotoId, [u32; 4]) {
    (photo, [at.x, at.y, at.w, at.h].map(f32::to_bits))
}
