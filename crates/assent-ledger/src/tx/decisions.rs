//! What people decided about a face: it is them, or it is not.
//!
//! A decision hangs on a picture and a place in it, and so it outlives what is written beside the picture, another name,
//! another orientation, a copy, a search by other networks, and that the photo was away. It goes with the grant, and with
//! the person.

use std::collections::{BTreeMap, BTreeSet};

use super::grant_keys::GrantKey;
use super::places::{PhotoView, face_at, read_place, shown};
use super::sightings::HeldUnder;
use super::{ActiveGrant, FaceBox, ReadTx, Tx};
use crate::db::{Columns, Row, args};
use crate::error::TxError;
use crate::fields::{Reader, Writer};
use crate::id::{CollectionId, FaceId, PhotoId, Timestamp};
use crate::log::EventKind;
use crate::seal;
use crate::vocabulary::Verdict;

pub(super) const DECISIONS: &str = "decisions";

pub(super) type Pseudonym = [u8; 16];

/// The grants by which people can be found in a collection, and whether the key of one of them is damaged.
pub(super) type People = (BTreeMap<Pseudonym, GrantKey>, bool);

/// A decision, and the face of one photo that it is about.
pub(super) struct Decided {
    pub(super) photo: PhotoId,
    pub(super) face: FaceId,
    pub(super) at: FaceBox,
    /// What it was recorded under.
    number: FaceId,
    sealed: Vec<u8>,
}

/// A decision about a picture.
pub(super) struct Decision {
    pub(super) pseudonym: Pseudonym,
    /// Where it is about, as the photo is seen.
    pub(super) at: FaceBox,
    pub(super) number: FaceId,
    pub(super) sealed: Vec<u8>,
}

impl<'tx> Tx<'tx> {
    /// Records what a person said about a proposed sighting. It outlives every re-scan; saying something else later
    /// replaces it.
    ///
    /// # Errors
    ///
    /// - [`TxError::NotProposed`] if there is no sighting of this subject at this face.
    /// - [`TxError::NotActive`], [`TxError::OtherPurpose`] for the grant.
    /// - [`TxError::Database`], [`TxError::Seal`], [`TxError::KeyRing`] as everywhere.
    pub fn record_decision(&self, proof: &ActiveGrant<'tx>, face: FaceId, verdict: Verdict) -> Result<(), TxError> {
        self.check_finds(proof)?;
        let pseudonym = proof.key.pseudonym(proof.collection);
        let proposed = "SELECT COUNT(*) FROM sightings WHERE collection_id = $1 AND pseudonym = $2 AND face_id = $3";
        if self.count(proposed, args![proof.collection, pseudonym, face])? == 0
            && !self.decided_by(proof.collection, pseudonym)?.iter().any(|d| d.face == face)
        {
            return Err(TxError::NotProposed { face });
        }
        let photo =
            self.row("SELECT photo_id FROM faces WHERE id = $1", args![face])?.ok_or(TxError::NoFace { face })?;
        let photo = PhotoId(photo.int(0)?);
        let at = self.faces_of(photo)?.into_iter().find(|(id, _)| *id == face).ok_or(TxError::NoFace { face })?.1;
        let shown = self.shown(photo)?;
        for earlier in self.decisions_in(&shown)? {
            if earlier.pseudonym == pseudonym && earlier.at.is_same_face(&at) {
                self.exec(
                    "DELETE FROM decisions WHERE collection_id = $1 AND pseudonym = $2 AND face_id = $3",
                    args![proof.collection, pseudonym, earlier.number],
                )?;
            }
        }
        let row = face.0.to_be_bytes();
        let plain = Writer::new().text(verdict.as_str()).int(self.now.0).finish();
        let sealed = self.seal_with(&proof.key, &HeldUnder::of(proof).context(DECISIONS, &row), &plain)?;
        let kept = shown.as_stored(at);
        self.exec(
            "INSERT INTO decisions (collection_id, pseudonym, face_id, picture_tag, content_tag, x, y, w, h, \
             quarter_turn, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
             ON CONFLICT (collection_id, pseudonym, face_id) DO UPDATE SET picture_tag = excluded.picture_tag, \
             content_tag = excluded.content_tag, x = excluded.x, y = excluded.y, w = excluded.w, h = excluded.h, \
             quarter_turn = excluded.quarter_turn, sealed = excluded.sealed",
            args![
                proof.collection,
                pseudonym,
                face,
                shown.picture,
                shown.content,
                kept.x,
                kept.y,
                kept.w,
                kept.h,
                kept.quarter_turn,
                sealed
            ],
        )?;
        let detail = Writer::new().bytes(proof.subject.as_bytes()).int(face.0).text(verdict.as_str()).finish();
        self.append_leaf(EventKind::Decision, proof.collection.as_bytes(), &[(proof.subject, &detail)])?;
        Ok(())
    }
}

impl ReadTx<'_> {
    /// What was decided about a picture, by whomever.
    fn decisions_in(&self, shown: &PhotoView) -> Result<Vec<Decision>, TxError> {
        Ok(self.decisions_about(&[*shown])?.pop().unwrap_or_default())
    }

    /// The faces in a collection about which somebody decided. One decision is about every photo that shows its picture.
    pub(super) fn decided_by(&self, collection: CollectionId, pseudonym: Pseudonym) -> Result<Vec<Decided>, TxError> {
        // SQLite goes through what stands left of CROSS JOIN first: else it would go through all photos.
        macro_rules! decided {
            ($by:literal) => {
                concat!(
                    "SELECT d.face_id, d.sealed, d.picture_tag, d.x, d.y, d.w, d.h, d.quarter_turn, p.id, ",
                    shown!("p"),
                    " FROM decisions d CROSS JOIN photos p WHERE d.collection_id = $1 AND d.pseudonym = $2 \
                     AND p.collection_id = d.collection_id AND ",
                    $by
                )
            };
        }
        let sql = concat!(
            decided!("p.picture_tag = d.picture_tag"),
            " UNION ALL ",
            decided!("d.picture_tag IS NULL AND p.content_tag = d.content_tag"),
            " ORDER BY 9, 1"
        );
        let mut all = Vec::new();
        let rows = self.rows(sql, args![collection, pseudonym])?;
        let photos: BTreeSet<PhotoId> =
            rows.iter().map(|row| Ok(PhotoId(row.int(8)?))).collect::<Result<_, TxError>>()?;
        let faces = self.faces_in(&photos.into_iter().collect::<Vec<_>>())?;
        for row in rows {
            let (photo, of_picture) = (PhotoId(row.int(8)?), row.opt_bytes(2)?.is_some());
            let place = PhotoView::read(&row, 9)?.as_displayed(read_place(&row, 3)?, of_picture);
            let Some(faces) = faces.get(&photo) else { continue };
            let Some(face) = face_at(faces, &place) else { continue };
            let at = faces.iter().find(|(id, _)| *id == face).map_or(place, |(_, at)| *at);
            all.push(Decided { photo, face, at, number: FaceId(row.int(0)?), sealed: row.bytes(1)? });
        }
        Ok(all)
    }

    /// The same, with what was said and when, by face.
    pub(super) fn verdicts_of(
        &self,
        held: &HeldUnder<'_>,
    ) -> Result<BTreeMap<FaceId, (Decided, Verdict, Timestamp)>, TxError> {
        let decided = self.decided_by(held.collection, held.pseudonym())?;
        let open = |d: Decided| -> Result<_, TxError> {
            let (verdict, time) = open_verdict(held, d.number, &d.sealed)?;
            Ok((d.face, (d, verdict, time)))
        };
        decided.into_iter().map(open).collect()
    }

    /// Everything that a person decided under a grant, also about pictures that no photo shows now.
    pub(super) fn all_verdicts_of(&self, held: &HeldUnder<'_>) -> Result<Vec<(Verdict, Timestamp)>, TxError> {
        let sql = "SELECT face_id, sealed FROM decisions WHERE collection_id = $1 AND pseudonym = $2 ORDER BY face_id";
        let rows = self.rows(sql, args![held.collection, held.pseudonym()])?;
        let open = |row: &Row| open_verdict(held, FaceId(row.int(0)?), &row.bytes(1)?);
        rows.iter().map(open).collect()
    }
}

impl Tx<'_> {
    /// Deletes what was decided about a picture that no photo shows any more.
    pub(super) fn forget_decisions(&self, shown: &PhotoView) -> Result<(), TxError> {
        if self.photos_showing(shown)?.is_empty() {
            let sql = "DELETE FROM decisions WHERE collection_id = $1 \
                       AND (picture_tag = $2 OR (picture_tag IS NULL AND content_tag = $3))";
            self.exec(sql, args![shown.collection, shown.picture, shown.content])?;
        }
        Ok(())
    }

    /// Deletes what was decided about one place of a picture, by whomever.
    pub(super) fn forget_decisions_at(&self, shown: &PhotoView, place: &FaceBox) -> Result<(), TxError> {
        for d in self.decisions_in(shown)? {
            if d.at.is_same_face(place) {
                let sql = "DELETE FROM decisions WHERE collection_id = $1 AND pseudonym = $2 AND face_id = $3";
                self.exec(sql, args![shown.collection, d.pseudonym, d.number])?;
            }
        }
        Ok(())
    }
}

/// What a person said of a face, and when.
pub(super) fn open_verdict(
    held: &HeldUnder<'_>,
    number: FaceId,
    sealed: &[u8],
) -> Result<(Verdict, Timestamp), TxError> {
    let row = number.0.to_be_bytes();
    let plain = seal::open(held.key, &held.context(DECISIONS, &row), sealed)?;
    let mut fields = Reader::new(&plain);
    let verdict = fields.text().and_then(|word| word.parse::<Verdict>().ok());
    verdict.zip(fields.int().map(Timestamp)).ok_or(TxError::Damaged { table: DECISIONS })
}
