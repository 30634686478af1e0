//! Sightings: what the engine says of a face. They stand, as decisions do, under a pseudonym per collection that only the
//! subject's key leads to.

use std::collections::{BTreeMap, BTreeSet};

use super::grant_keys::{GrantKey, by_pseudonym};
use super::photos::read_box;
use super::{ActiveGrant, FaceBox, Matching, ReadTx, Tx};
use crate::db::{Columns, args};
use crate::error::TxError;
use crate::fields::{Reader, Writer};
use crate::id::{CollectionId, FaceId, GrantId, PhotoId, SubjectId};
use crate::seal::{self, SealContext};
use crate::secret::Key;
use crate::vocabulary::{Band, Verdict};

pub(super) const SIGHTINGS: &str = "sightings";

type Pseudonym = [u8; 16];

/// What the engine says of one face: it is this grant's subject.
#[derive(Debug)]
pub struct NewSighting<'a, 'tx> {
    /// Proof that the subject may be found.
    pub grant: &'a ActiveGrant<'tx>,
    /// The id of the face.
    pub face: FaceId,
    /// The band of the score: how sure the match is.
    pub band: Band,
}

/// A face that is, or may be, a subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// In which photo.
    pub photo: PhotoId,
    /// The id of the face.
    pub face: FaceId,
    /// Where in the photo.
    pub at: FaceBox,
    /// How sure the engine was.
    pub band: Band,
    /// What a person said of it, if one did.
    pub verdict: Option<Verdict>,
}

impl ReadTx<'_> {
    fn check_photo(&self, photo: PhotoId, collection: CollectionId) -> Result<(), TxError> {
        if self.collection_of(photo)? == collection { Ok(()) } else { Err(TxError::NoPhoto { photo }) }
    }

    /// Which faces of a photo a person confirmed, and as whom.
    fn confirmed_faces(
        &self,
        photo: PhotoId,
        collection: CollectionId,
    ) -> Result<BTreeMap<FaceId, Pseudonym>, TxError> {
        self.confirmed_in(photo, &|| {
            let (people, unreadable) = self.finding_in(collection)?;
            Ok((by_pseudonym(people), unreadable))
        })
    }
}

impl<'tx> Tx<'tx> {
    /// Replaces what the engine says of a photo. What a person decided stays: a decided pair of face and subject is
    /// neither removed nor written, a face that was confirmed for one subject goes to no other, and one that was objected
    /// to goes to nobody. Returns how many of `new` were stored.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoPhoto`], [`TxError::NoFace`] if something is new and the collection has no such photo, or the photo
    ///   no such face.
    /// - [`TxError::Twice`] if a face or a subject occurs twice.
    /// - [`TxError::NotActive`] if a grant was withdrawn in this transaction.
    /// - [`TxError::OtherPurpose`] if a grant is not for `find-my-photos`.
    /// - [`TxError::OtherCollection`] if a grant is for another collection than the photo's.
    /// - [`TxError::Database`], [`TxError::Seal`], [`TxError::KeyRing`] as everywhere.
    pub fn replace_sightings(
        &self,
        matching: &Matching<'tx>,
        photo: PhotoId,
        new: &[NewSighting<'_, 'tx>],
    ) -> Result<u64, TxError> {
        let collection = matching.collection;
        if new.is_empty() {
            self.forget_undecided(photo, matching, None)?;
            return Ok(0);
        }
        self.check_photo(photo, collection)?;
        let subjects: BTreeSet<SubjectId> = new.iter().map(|s| s.grant.subject).collect();
        let faces: BTreeSet<FaceId> = new.iter().map(|s| s.face).collect();
        if subjects.len() < new.len() || faces.len() < new.len() {
            return Err(TxError::Twice { photo });
        }
        let known: BTreeSet<FaceId> = self.faces_of(photo)?.into_iter().map(|(id, _)| id).collect();
        for sighting in new {
            self.check_finds(sighting.grant)?;
            if sighting.grant.collection != collection {
                return Err(TxError::OtherCollection { grant: sighting.grant.grant });
            }
            if !known.contains(&sighting.face) {
                return Err(TxError::NoFace { face: sighting.face });
            }
        }
        self.forget_undecided(photo, matching, None)?;
        let confirmed = self.confirmed_faces(photo, collection)?;
        let apart = self.objected_faces(photo)?;
        let mut stored = 0;
        for NewSighting { grant, face, band } in new {
            let pseudonym = grant.key.pseudonym(collection);
            if apart.contains(face) || confirmed.get(face).is_some_and(|other| *other != pseudonym) {
                continue;
            }
            stored += u64::from(self.store_sighting(photo, grant, *face, *band)?);
        }
        Ok(stored)
    }

    /// Replaces where one person is in a photo, after they were looked for alone, on their own request; what is known of
    /// others stays. A face that is somebody else's is not given to them. Returns whether `seen` was stored.
    ///
    /// # Errors
    ///
    /// As [`Self::replace_sightings`].
    pub fn replace_own_sighting(
        &self,
        matching: &Matching<'tx>,
        photo: PhotoId,
        proof: &ActiveGrant<'tx>,
        seen: Option<(FaceId, Band)>,
    ) -> Result<bool, TxError> {
        let collection = matching.collection;
        self.check_photo(photo, collection)?;
        self.check_finds(proof)?;
        if proof.collection != collection {
            return Err(TxError::OtherCollection { grant: proof.grant });
        }
        let pseudonym = proof.key.pseudonym(collection);
        self.forget_undecided(photo, matching, Some(pseudonym))?;
        let Some((face, band)) = seen else { return Ok(false) };
        if !self.faces_of(photo)?.iter().any(|(id, _)| *id == face) {
            return Err(TxError::NoFace { face });
        }
        let taken = "SELECT COUNT(*) FROM sightings WHERE face_id = $1 AND pseudonym <> $2";
        let confirmed = self.confirmed_faces(photo, collection)?;
        let taken = self.count(taken, args![face, pseudonym])? > 0
            || confirmed.get(&face).is_some_and(|other| *other != pseudonym)
            || self.objected_faces(photo)?.contains(&face);
        if taken {
            return Ok(false);
        }
        self.store_sighting(photo, proof, face, band)
    }

    /// Who can be found in a collection by templates of other models alone.
    pub(super) fn of_other_models(
        &self,
        collection: CollectionId,
        model: [u8; 32],
    ) -> Result<BTreeSet<Pseudonym>, TxError> {
        let sql = "SELECT DISTINCT t.grant_id FROM templates t JOIN grants g ON g.id = t.grant_id \
                   WHERE g.collection_id = $1 AND g.state = 'active' AND NOT EXISTS \
                   (SELECT 1 FROM templates o WHERE o.grant_id = t.grant_id AND o.model_sha256 = $2)";
        let mut people = BTreeSet::new();
        for row in self.rows(sql, args![collection, model])? {
            match self.active_grant(GrantId::from_bytes(row.array(0)?)) {
                Ok(grant) => drop(people.insert(grant.key.pseudonym(collection))),
                Err(TxError::NotActive { .. } | TxError::NoGrant { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(people)
    }

    fn store_sighting(
        &self,
        photo: PhotoId,
        grant: &ActiveGrant<'tx>,
        face: FaceId,
        band: Band,
    ) -> Result<bool, TxError> {
        let row = face_row(photo, face);
        let plain = Writer::new().bytes(grant.grant.as_bytes()).text(band.as_str()).text("engine").finish();
        let sealed = self.seal_with(&grant.key, &HeldUnder::of(grant).context(SIGHTINGS, &row), &plain)?;
        let pseudonym = grant.key.pseudonym(grant.collection);
        let stored = self.exec(
            "INSERT INTO sightings (collection_id, pseudonym, face_id, photo_id, sealed) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (collection_id, pseudonym, face_id) DO NOTHING",
            args![grant.collection, pseudonym, face, photo, sealed],
        )?;
        Ok(stored > 0)
    }

    /// Deletes what the engine said of a photo, of one person or of all who are compared. What it said of a face stays where
    /// that person decided about it.
    fn forget_undecided(&self, photo: PhotoId, matching: &Matching<'_>, of: Option<Pseudonym>) -> Result<(), TxError> {
        let sql = "SELECT face_id, pseudonym FROM sightings WHERE photo_id = $1 AND collection_id = $2";
        let rows = self.rows(sql, args![photo, matching.collection])?;
        if rows.is_empty() {
            return Ok(());
        }
        let decided = self.decided_in(photo)?;
        for row in rows {
            let (face, pseudonym): (FaceId, Pseudonym) = (FaceId(row.int(0)?), row.array(1)?);
            if of.is_none_or(|of| of == pseudonym)
                && !matching.not_compared.contains(&pseudonym)
                && !decided.contains(&(face, pseudonym))
            {
                self.exec("DELETE FROM sightings WHERE face_id = $1 AND pseudonym = $2", args![face, pseudonym])?;
            }
        }
        Ok(())
    }

    /// Everything that the vault holds of where a subject is, in the grant's collection, by photo and face. Faces that a
    /// person refused are in it, with that verdict.
    ///
    /// # Errors
    ///
    /// - [`TxError::NotActive`] if the grant was withdrawn in this transaction.
    /// - [`TxError::OtherPurpose`] if it is not for `find-my-photos`.
    /// - [`TxError::Seal`] if a record does not open, [`TxError::Damaged`] if one is not of this format.
    /// - [`TxError::Database`] if the database refuses.
    pub fn sightings_of(&self, proof: &ActiveGrant<'tx>) -> Result<Vec<Sighting>, TxError> {
        self.check_finds(proof)?;
        let pseudonym = proof.key.pseudonym(proof.collection);
        let mut verdicts = self.verdicts_of(&HeldUnder::of(proof))?;
        let sql = "SELECT s.face_id, f.photo_id, s.sealed, f.x, f.y, f.w, f.h, f.quarter_turn, f.score, f.size_px, \
                   f.sharpness, f.luminance FROM sightings s JOIN faces f ON f.id = s.face_id \
                   WHERE s.collection_id = $1 AND s.pseudonym = $2 ORDER BY f.photo_id, s.face_id";
        let mut all = Vec::new();
        for row in self.rows(sql, args![proof.collection, pseudonym])? {
            let face = FaceId(row.int(0)?);
            let row_key = face_row(PhotoId(row.int(1)?), face);
            let plain = seal::open(&proof.key, &HeldUnder::of(proof).context(SIGHTINGS, &row_key), &row.bytes(2)?)?;
            let mut fields = Reader::new(&plain);
            let of = fields.array().map(GrantId::from_bytes);
            let band = fields.text().and_then(|word| word.parse::<Band>().ok());
            let (Some(band), true) = (band, of == Some(proof.grant)) else {
                return Err(TxError::Damaged { table: SIGHTINGS });
            };
            let (photo, at) = (PhotoId(row.int(1)?), read_box(&row, 3)?);
            all.push(Sighting {
                photo,
                face,
                at,
                band,
                verdict: verdicts.remove(&face).map(|(_, verdict, _)| verdict),
            });
        }
        // What a person decided counts also where the engine does not say so (any more).
        let decided = verdicts.into_values();
        all.extend(decided.map(|(d, verdict, _)| Sighting {
            photo: d.photo,
            face: d.face,
            at: d.at,
            band: Band::Review,
            verdict: Some(verdict),
        }));
        all.sort_by_key(|s| (s.photo, s.face));
        Ok(all)
    }

    pub(super) fn check_finds(&self, proof: &ActiveGrant<'tx>) -> Result<(), TxError> {
        self.still_active(proof)?;
        self.check_orders(proof.collection)?;
        self.check_restriction(proof.subject)?;
        if proof.purpose.is_find() { Ok(()) } else { Err(TxError::OtherPurpose { grant: proof.grant }) }
    }
}

/// What sightings and decisions hang on: a grant, with its key.
#[derive(Clone, Copy)]
pub(super) struct HeldUnder<'a> {
    pub(super) subject: SubjectId,
    pub(super) collection: CollectionId,
    pub(super) grant: GrantId,
    pub(super) key: &'a Key,
}

impl<'a> HeldUnder<'a> {
    pub(super) fn of(proof: &'a ActiveGrant<'_>) -> Self {
        Self { subject: proof.subject, collection: proof.collection, grant: proof.grant, key: &proof.key }
    }

    pub(super) fn of_key(of: &'a GrantKey) -> Self {
        Self { subject: of.subject, collection: of.collection, grant: of.grant, key: &of.key }
    }

    pub(super) fn pseudonym(&self) -> Pseudonym {
        self.key.pseudonym(self.collection)
    }

    pub(super) fn context(&self, table: &'static str, row: &'a [u8]) -> SealContext<'a> {
        SealContext {
            table,
            subject: Some(self.subject),
            collection: Some(self.collection),
            grant: Some(self.grant),
            row: Some(row),
            ..SealContext::default()
        }
    }
}

/// Where a record about a face stands: the ids of its photo and of the face.
pub(super) fn face_row(photo: PhotoId, face: FaceId) -> [u8; 16] {
    let mut row = [0; 16];
    row[..8].copy_from_slice(&photo.0.to_be_bytes());
    row[8..].copy_from_slice(&face.0.to_be_bytes());
    row
}
