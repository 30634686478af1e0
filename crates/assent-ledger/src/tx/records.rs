//! What is known of some photos, read together: each of these is one statement, however many photos there are.

use std::collections::{BTreeMap, BTreeSet};

use super::decisions::{Decision, People, Pseudonym, open_verdict};
use super::photos::read_box;
use super::places::{PhotoView, face_at, read_place, shown};
use super::sightings::HeldUnder;
use super::{FaceBox, ReadTx};
use crate::db::{Columns, ForEach, Value, args};
use crate::error::TxError;
use crate::id::{CollectionId, FaceId, PhotoId};
use crate::vocabulary::Verdict;

/// The faces of a photo, by id.
pub(super) type Faces = Vec<(FaceId, FaceBox)>;

/// Where something was set apart or decided: by the tag of a picture, or before format 6 of a file.
type Tags = (Option<[u8; 32]>, [u8; 32]);

/// A photo of a collection, with its faces, what was decided about its picture, and what was set apart in it.
pub(super) struct PhotoRecord {
    pub(super) faces: Faces,
    pub(super) decisions: Vec<Decision>,
    /// The places that were set apart, in pixels as they are seen.
    pub(super) places: Vec<FaceBox>,
}

impl PhotoRecord {
    /// The faces that were set apart: those that are there now at the places that were pointed at.
    pub(super) fn apart(&self) -> BTreeSet<FaceId> {
        let at = |at: &FaceBox| self.places.iter().any(|place| place.is_same_face(at));
        self.faces.iter().filter(|(_, face)| at(face)).map(|(id, _)| *id).collect()
    }

    /// The faces about which somebody decided, and under which pseudonym.
    pub(super) fn decided(&self) -> impl Iterator<Item = (FaceId, Pseudonym)> + '_ {
        self.decisions.iter().filter_map(|d| Some((face_at(&self.faces, &d.at)?, d.pseudonym)))
    }

    /// Which faces a person confirmed, and as whom.
    pub(super) fn confirmed(&self, (people, unreadable): &People) -> Result<BTreeMap<FaceId, Pseudonym>, TxError> {
        let mut confirmed = BTreeMap::new();
        for d in &self.decisions {
            let Some(face) = face_at(&self.faces, &d.at) else { continue };
            let is_confirmed = match people.get(&d.pseudonym) {
                Some(of) => open_verdict(&HeldUnder::of_key(of), d.number, &d.sealed)?.0 == Verdict::Confirmed,
                // It may be the word of somebody whose key is damaged.
                None => *unreadable,
            };
            if is_confirmed {
                confirmed.insert(face, d.pseudonym);
            }
        }
        Ok(confirmed)
    }
}

impl ReadTx<'_> {
    /// Those of these photos that a collection has.
    pub(super) fn photo_records(
        &self,
        collection: CollectionId,
        photos: &[PhotoId],
    ) -> Result<BTreeMap<PhotoId, PhotoRecord>, TxError> {
        let mut views = self.views(photos)?;
        views.retain(|_, view| view.collection == collection);
        let photos: Vec<PhotoId> = views.keys().copied().collect();
        let views: Vec<PhotoView> = views.into_values().collect();
        let mut faces = self.faces_in(&photos)?;
        let said = self.decisions_about(&views)?.into_iter().zip(self.places_apart(&views)?);
        let records = photos.into_iter().zip(said).map(|(photo, (decisions, places))| {
            let faces = faces.remove(&photo).unwrap_or_default();
            (photo, PhotoRecord { faces, decisions, places })
        });
        Ok(records.collect())
    }

    /// What photos show.
    pub(super) fn views(&self, photos: &[PhotoId]) -> Result<BTreeMap<PhotoId, PhotoView>, TxError> {
        let sql = concat!("SELECT id, ", shown!("photos"), " FROM photos WHERE id IN ($1)");
        let rows = self.rows_for(ForEach::row(sql), &[], &one_each(photos))?;
        rows.iter().map(|row| Ok((PhotoId(row.int(0)?), PhotoView::read(row, 1)?))).collect()
    }

    /// The faces of photos, each photo's by id.
    pub(super) fn faces_in(&self, photos: &[PhotoId]) -> Result<BTreeMap<PhotoId, Faces>, TxError> {
        let sql = "SELECT photo_id, id, x, y, w, h, quarter_turn, score, size_px, sharpness, luminance FROM faces \
                   WHERE photo_id IN ($1) ORDER BY id";
        let mut faces: BTreeMap<PhotoId, Faces> = BTreeMap::new();
        for row in self.rows_for(ForEach::row(sql), &[], &one_each(photos))? {
            faces.entry(PhotoId(row.int(0)?)).or_default().push((FaceId(row.int(1)?), read_box(&row, 2)?));
        }
        Ok(faces)
    }

    /// What was decided about pictures, by whomever: for each of these views of one collection.
    pub(super) fn decisions_about(&self, views: &[PhotoView]) -> Result<Vec<Vec<Decision>>, TxError> {
        let sql = "SELECT face_id, pseudonym, picture_tag, content_tag, sealed, x, y, w, h, quarter_turn FROM decisions \
                   WHERE collection_id = $1 AND (picture_tag IN ($2) OR (picture_tag IS NULL AND content_tag IN ($3)))";
        let mut found = BTreeMap::new();
        for row in self.about_views(sql, views)? {
            let key: (FaceId, Pseudonym) = (FaceId(row.int(0)?), row.array(1)?);
            let tags: Tags = (row.opt_array(2)?, row.array(3)?);
            found.insert(key, (tags, (row.bytes(4)?, read_place(&row, 5)?)));
        }
        let of = |view: &PhotoView| {
            let about = found.iter().filter(|(_, (tags, _))| view.is_meant_by(tags));
            let decision = about.map(|((number, pseudonym), (tags, (sealed, place)))| Decision {
                pseudonym: *pseudonym,
                number: *number,
                sealed: sealed.clone(),
                at: view.as_displayed(*place, tags.0.is_some()),
            });
            decision.collect()
        };
        Ok(views.iter().map(of).collect())
    }

    /// The places that were set apart in pictures, in pixels as they are seen: for each of these views of one collection.
    pub(super) fn places_apart(&self, views: &[PhotoView]) -> Result<Vec<Vec<FaceBox>>, TxError> {
        let sql = "SELECT id, picture_tag, content_tag, x, y, w, h, quarter_turn FROM objections \
                   WHERE collection_id = $1 AND (picture_tag IN ($2) OR (picture_tag IS NULL AND content_tag IN ($3)))";
        let mut found = BTreeMap::new();
        for row in self.about_views(sql, views)? {
            let tags: Tags = (row.opt_array(1)?, row.array(2)?);
            found.insert(row.int(0)?, (tags, read_place(&row, 3)?));
        }
        let of = |view: &PhotoView| {
            let about = found.values().filter(|(tags, _)| view.is_meant_by(tags));
            about.map(|(tags, place)| view.as_displayed(*place, tags.0.is_some())).collect()
        };
        Ok(views.iter().map(of).collect())
    }

    /// Asks for what is kept by the tags of pictures and files.
    fn about_views(&self, sql: &'static str, views: &[PhotoView]) -> Result<Vec<crate::db::Row>, TxError> {
        let Some(first) = views.first() else { return Ok(Vec::new()) };
        let tags: BTreeSet<Tags> = views.iter().map(|view| (view.picture, view.content)).collect();
        let rows: Vec<Vec<Value>> = tags.iter().map(|(picture, content)| args![*picture, *content].to_vec()).collect();
        self.rows_for(ForEach { sql, shared: 1 }, args![first.collection], &rows)
    }
}

/// Rows of one value each.
pub(super) fn one_each<T: Copy + Into<Value>>(values: &[T]) -> Vec<Vec<Value>> {
    values.iter().map(|value| vec![(*value).into()]).collect()
}
