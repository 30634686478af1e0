//! Where something is in a picture, whichever way up the picture is seen.
//!
//! What people decided hangs on a picture and a place in its stored pixels. Boxes of faces are in pixels of the photo as it is
//! seen, after its EXIF orientation; that may be written anew at any time, and the stored pixels stay.

use std::collections::BTreeMap;

use super::records::one_each;
use super::{FaceBox, ReadTx, RingNote, Tx};
use crate::db::{Columns, ForEach, Row, args};
use crate::error::TxError;
use crate::id::{CollectionId, FaceId, PhotoId};

/// Two boxes in a photo are the same face if their intersection is at least this part of their union.
///
/// # Source
///
/// The detectors' own suppression: two faces of one search overlap by less.
pub const SAME_FACE_IOU: f32 = 0.3;

impl FaceBox {
    /// Intersection over union, 0 to 1; 0 for boxes without surface.
    pub fn overlap(&self, other: &FaceBox) -> f32 {
        let w = (self.x + self.w).min(other.x + other.w) - self.x.max(other.x);
        let h = (self.y + self.h).min(other.y + other.h) - self.y.max(other.y);
        let both = w.max(0.0) * h.max(0.0);
        let either = self.w * self.h + other.w * other.h - both;
        if either > 0.0 { both / either } else { 0.0 }
    }

    /// Whether two boxes of one photo are the same face.
    pub fn is_same_face(&self, other: &FaceBox) -> bool {
        self.overlap(other) >= SAME_FACE_IOU
    }
}

/// The face that a place belongs to: of those that are the same face as it, the one that overlaps it most.
pub(super) fn face_at(faces: &[(FaceId, FaceBox)], place: &FaceBox) -> Option<FaceId> {
    let same = faces.iter().filter(|(_, at)| at.is_same_face(place));
    let best = same.max_by(|(a, at_a), (b, at_b)| at_a.overlap(place).total_cmp(&at_b.overlap(place)).then(b.cmp(a)));
    best.map(|(id, _)| *id)
}

/// How the stored pixels of a photo become the picture as it is seen: mirrored left to right or not, then turned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DisplayTransform {
    mirror: bool,
    /// Quarter turns clockwise from the stored picture to the displayed one, 0 to 3.
    quarter_turns: u8,
    /// Width and height as it is seen, pixels.
    size: (f32, f32),
}

impl DisplayTransform {
    /// Of a photo whose file states this orientation, as EXIF numbers it; another number counts as 1.
    ///
    /// # Source
    ///
    /// Exif 2.32 (CIPA DC-008), tag 0x0112.
    pub(super) fn new(orientation: u8, (width, height): (u32, u32)) -> Self {
        let (mirror, quarter_turns) = match orientation {
            2 => (true, 0),
            3 => (false, 2),
            4 => (true, 2),
            5 => (true, 3),
            6 => (false, 1),
            7 => (true, 1),
            8 => (false, 3),
            _ => (false, 0),
        };
        Self { mirror, quarter_turns, size: (width as f32, height as f32) }
    }

    /// Where something that is seen in this box lies in the stored pixels.
    pub(super) fn as_stored(&self, seen: FaceBox) -> FaceBox {
        let (mut at, (width, _)) = turned(seen, self.size, 4 - self.quarter_turns);
        let turns = seen.quarter_turn + self.quarter_turns;
        at.quarter_turn = if self.mirror { 8 - turns } else { turns } % 4;
        if self.mirror { mirrored(at, width) } else { at }
    }

    /// Where something that lies in this box of the stored pixels is seen.
    pub(super) fn as_displayed(&self, stored: FaceBox) -> FaceBox {
        let (w, h) = self.size;
        let size = if self.quarter_turns % 2 == 1 { (h, w) } else { (w, h) };
        let at = if self.mirror { mirrored(stored, size.0) } else { stored };
        let turns = if self.mirror { 8 - stored.quarter_turn } else { 4 + stored.quarter_turn } - self.quarter_turns;
        FaceBox { quarter_turn: turns % 4, ..turned(at, size, self.quarter_turns).0 }
    }
}

fn mirrored(b: FaceBox, width: f32) -> FaceBox {
    FaceBox { x: width - b.x - b.w, ..b }
}

/// A box of a picture of this size, and the size, once the picture was turned clockwise.
fn turned(b: FaceBox, size: (f32, f32), quarter_turns: u8) -> (FaceBox, (f32, f32)) {
    (0..quarter_turns % 4)
        .fold((b, size), |(b, (w, h)), _| (FaceBox { x: h - b.y - b.h, y: b.x, w: b.h, h: b.w, ..b }, (h, w)))
}

/// What decisions and objections about a photo are found by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PhotoView {
    pub(super) collection: CollectionId,
    /// Keyed tag of its picture, if that is known: then places are in its stored pixels.
    pub(super) picture: Option<[u8; 32]>,
    /// Keyed tag of its file. What was said before format 6, or of a photo whose picture is not known, is found by it, in
    /// pixels as they are seen.
    pub(super) content: [u8; 32],
    pub(super) transform: DisplayTransform,
}

/// The columns that [`PhotoView::read`] takes, in its order.
macro_rules! shown {
    ($photos:literal) => {
        concat!(
            $photos,
            ".collection_id, ",
            $photos,
            ".picture_tag, ",
            $photos,
            ".content_tag, ",
            $photos,
            ".orientation, ",
            $photos,
            ".width, ",
            $photos,
            ".height"
        )
    };
}
pub(super) use shown;

impl PhotoView {
    pub(super) fn read(row: &Row, from: usize) -> Result<Self, TxError> {
        let size = (row.int(from + 4)? as u32, row.int(from + 5)? as u32);
        Ok(Self {
            collection: CollectionId::from_bytes(row.array(from)?),
            picture: row.opt_array(from + 1)?,
            content: row.array(from + 2)?,
            transform: DisplayTransform::new(row.opt_int(from + 3)?.unwrap_or(1) as u8, size),
        })
    }

    /// Whether what is kept by these tags, of a picture or else of a file, is about this photo.
    pub(super) fn is_meant_by(&self, (picture, content): &(Option<[u8; 32]>, [u8; 32])) -> bool {
        match picture {
            Some(picture) => self.picture.as_ref() == Some(picture),
            None => *content == self.content,
        }
    }

    /// A place as it is kept.
    pub(super) fn as_stored(&self, seen: FaceBox) -> FaceBox {
        if self.picture.is_some() { self.transform.as_stored(seen) } else { seen }
    }

    /// A place that is kept, as it is seen. `of_picture`: whether it is in stored pixels.
    pub(super) fn as_displayed(&self, kept: FaceBox, of_picture: bool) -> FaceBox {
        if of_picture { self.transform.as_displayed(kept) } else { kept }
    }
}

/// A place as it is kept: left edge, upper edge, width, height and quarter turn, and nothing else of a face.
pub(super) fn read_place(row: &Row, from: usize) -> Result<FaceBox, TxError> {
    Ok(FaceBox {
        x: row.float(from)?,
        y: row.float(from + 1)?,
        w: row.float(from + 2)?,
        h: row.float(from + 3)?,
        quarter_turn: row.int(from + 4)? as u8,
        score: 0.0,
        size_px: 0.0,
        sharpness: 0.0,
        luminance: 0.0,
    })
}

impl ReadTx<'_> {
    /// What a photo shows.
    pub(super) fn shown(&self, photo: PhotoId) -> Result<PhotoView, TxError> {
        self.views(&[photo])?.remove(&photo).ok_or(TxError::NoPhoto { photo })
    }

    /// The photos of a collection that show the same picture as one of them, that one among them, by id.
    ///
    /// # Errors
    ///
    /// [`TxError::NoPhoto`] if there is no such photo, [`TxError::Database`] if the database refuses.
    pub fn photos_like(&self, photo: PhotoId) -> Result<Vec<PhotoId>, TxError> {
        self.photos_showing(&self.shown(photo)?)
    }

    /// The photos that show this picture.
    pub(super) fn photos_showing(&self, shown: &PhotoView) -> Result<Vec<PhotoId>, TxError> {
        let (sql, tag) = match shown.picture {
            Some(tag) => ("SELECT id FROM photos WHERE collection_id = $1 AND picture_tag = $2 ORDER BY id", tag),
            None => ("SELECT id FROM photos WHERE collection_id = $1 AND content_tag = $2 ORDER BY id", shown.content),
        };
        let rows = self.rows(sql, args![shown.collection, tag])?;
        rows.iter().map(|row| Ok(PhotoId(row.int(0)?))).collect()
    }
}

impl Tx<'_> {
    /// What was said of files whose pictures are known now is kept by their pictures from now on: photos of one collection.
    pub(super) fn keep_by_picture(&self, views: &[PhotoView]) -> Result<(), TxError> {
        let mut known: BTreeMap<[u8; 32], &PhotoView> = BTreeMap::new();
        for view in views.iter().filter(|view| view.picture.is_some()) {
            known.entry(view.content).or_insert(view);
        }
        let Some(collection) = known.values().next().map(|view| view.collection) else { return Ok(()) };
        let contents = one_each(&known.keys().copied().collect::<Vec<_>>());
        let of = |sql| self.rows_for(ForEach { sql, shared: 1 }, args![collection], &contents);
        let sql = "SELECT content_tag, id, x, y, w, h, quarter_turn FROM objections \
                   WHERE collection_id = $1 AND content_tag IN ($2) AND picture_tag IS NULL";
        for row in of(sql)? {
            let Some(view) = known.get(&row.array::<32>(0)?) else { continue };
            let at = view.transform.as_stored(read_place(&row, 2)?);
            self.exec(
                "UPDATE objections SET picture_tag = $1, x = $2, y = $3, w = $4, h = $5, quarter_turn = $6 WHERE id = $7",
                args![view.picture, at.x, at.y, at.w, at.h, at.quarter_turn, row.int(1)?],
            )?;
            self.touch(RingNote::Objection(row.int(1)?));
        }
        let sql = "SELECT content_tag, pseudonym, face_id, x, y, w, h, quarter_turn FROM decisions \
                   WHERE collection_id = $1 AND content_tag IN ($2) AND picture_tag IS NULL";
        for row in of(sql)? {
            let Some(view) = known.get(&row.array::<32>(0)?) else { continue };
            let (pseudonym, face): ([u8; 16], i64) = (row.array(1)?, row.int(2)?);
            let at = view.transform.as_stored(read_place(&row, 3)?);
            self.exec(
                "UPDATE decisions SET picture_tag = $1, x = $2, y = $3, w = $4, h = $5, quarter_turn = $6 \
                 WHERE collection_id = $7 AND pseudonym = $8 AND face_id = $9",
                args![view.picture, at.x, at.y, at.w, at.h, at.quarter_turn, collection, pseudonym, face],
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACE: FaceBox = FaceBox {
        x: 10.0,
        y: 20.0,
        w: 30.0,
        h: 40.0,
        quarter_turn: 1,
        score: 0.9,
        size_px: 30.0,
        sharpness: 90.0,
        luminance: 0.5,
    };

    /// A camera that was held in eight ways stores one scene of 300 x 200 pixels; a face in its upper left corner.
    #[test]
    fn a_place_in_stored_pixels_is_one_place_whichever_way_up_the_picture_is_seen() {
        let check = |orientation: u8, (x, y): (f32, f32), (w, h): (f32, f32), quarter_turn: u8| {
            let transform = DisplayTransform::new(orientation, (300, 200));
            let stored = transform.as_stored(FACE);
            assert_eq!((stored.x, stored.y), (x, y), "{orientation}");
            assert_eq!((stored.w, stored.h), (w, h), "{orientation}");
            assert_eq!(stored.quarter_turn, quarter_turn, "{orientation}");
            assert_eq!(transform.as_displayed(stored), FACE, "{orientation}");
        };
        check(1, (10.0, 20.0), (30.0, 40.0), 1);
        check(2, (260.0, 20.0), (30.0, 40.0), 3);
        check(3, (260.0, 140.0), (30.0, 40.0), 3);
        check(4, (10.0, 140.0), (30.0, 40.0), 1);
        check(5, (20.0, 10.0), (40.0, 30.0), 0);
        check(6, (20.0, 260.0), (40.0, 30.0), 2);
        check(7, (140.0, 260.0), (40.0, 30.0), 2);
        check(8, (140.0, 10.0), (40.0, 30.0), 0);
        check(0, (10.0, 20.0), (30.0, 40.0), 1);
    }

    #[test]
    fn a_place_belongs_to_the_face_that_overlaps_it_most() {
        let at = |x: f32| FaceBox { x, ..FACE };
        let check = |name: &str, faces: &[f32], expected: Option<i64>| {
            let faces: Vec<_> = faces.iter().zip(0..).map(|(x, id)| (FaceId(id), at(*x))).collect();
            assert_eq!(face_at(&faces, &FACE), expected.map(FaceId), "{name}");
        };
        check("nobody", &[], None);
        check("itself", &[200.0, 10.0], Some(1));
        check("a little beside", &[200.0, 14.0], Some(1));
        check("the nearer of two", &[18.0, 14.0], Some(1));
        check("a neighbour", &[30.0], None);
    }
}
