//! Sightings (the engine's) and decisions (people's). Both stand under a pseudonym per collection that only the
//! subject's key leads to.

use std::collections::{BTreeMap, BTreeSet};

use super::photos::read_box;
use super::{ActiveGrant, FaceBox, Matching, Tx};
use crate::db::args;
use crate::error::TxError;
use crate::fields::{Reader, Writer};
use crate::id::{CollectionId, FaceId, GrantId, PhotoId, SubjectId, Timestamp};
use crate::log::EventKind;
use crate::seal::{self, Place};
use crate::secret::Key;
use crate::words::{Band, Purpose, Verdict};

pub(super) const SIGHTINGS: &str = "sightings";
pub(super) const DECISIONS: &str = "decisions";

type Pseudonym = [u8; 16];

/// What the engine says of one face: it is this grant's subject.
#[derive(Debug)]
pub struct NewSighting<'a, 'tx> {
    /// Proof that the subject may be found.
    pub grant: &'a ActiveGrant<'tx>,
    /// Which face.
    pub face: FaceId,
    /// How sure.
    pub band: Band,
}

/// A face that is, or may be, a subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// In which photo.
    pub photo: PhotoId,
    /// Which face.
    pub face: FaceId,
    /// Where in the photo.
    pub at: FaceBox,
    /// How sure the engine was.
    pub band: Band,
    /// What a person said of it, if one did.
    pub verdict: Option<Verdict>,
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
        let undecided = "DELETE FROM sightings WHERE photo_id = $1 AND collection_id = $2 AND NOT EXISTS \
                         (SELECT 1 FROM decisions d WHERE d.collection_id = sightings.collection_id \
                         AND d.pseudonym = sightings.pseudonym AND d.face_id = sightings.face_id)";
        if new.is_empty() {
            self.exec(undecided, args![photo, collection])?;
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
        self.exec(undecided, args![photo, collection])?;
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
        self.exec(
            "DELETE FROM sightings WHERE photo_id = $1 AND pseudonym = $2 AND NOT EXISTS (SELECT 1 FROM decisions d \
             WHERE d.collection_id = sightings.collection_id AND d.pseudonym = sightings.pseudonym \
             AND d.face_id = sightings.face_id)",
            args![photo, pseudonym],
        )?;
        let Some((face, band)) = seen else { return Ok(false) };
        if !self.faces_of(photo)?.iter().any(|(id, _)| *id == face) {
            return Err(TxError::NoFace { face });
        }
        let taken = "SELECT COUNT(*) FROM sightings WHERE face_id = $1 AND pseudonym <> $2";
        if self.count(taken, args![face, pseudonym])? > 0 || self.objected_faces(photo)?.contains(&face) {
            return Ok(false);
        }
        self.store_sighting(photo, proof, face, band)
    }

    fn check_photo(&self, photo: PhotoId, collection: CollectionId) -> Result<(), TxError> {
        if self.collection_of(photo)? == collection { Ok(()) } else { Err(TxError::NoPhoto { photo }) }
    }

    fn store_sighting(
        &self,
        photo: PhotoId,
        grant: &ActiveGrant<'tx>,
        face: FaceId,
        band: Band,
    ) -> Result<bool, TxError> {
        let row = face.0.to_be_bytes();
        let plain = Writer::new().bytes(grant.grant.as_bytes()).text(band.as_str()).text("engine").finish();
        let sealed = self.seal_with(&grant.key, &place(SIGHTINGS, grant, &row), &plain)?;
        let pseudonym = grant.key.pseudonym(grant.collection);
        let stored = self.exec(
            "INSERT INTO sightings (collection_id, pseudonym, face_id, photo_id, sealed) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (collection_id, pseudonym, face_id) DO NOTHING",
            args![grant.collection, pseudonym, face, photo, sealed],
        )?;
        Ok(stored > 0)
    }

    /// Which faces of a photo a person confirmed, and as whom.
    fn confirmed_faces(
        &self,
        photo: PhotoId,
        collection: CollectionId,
    ) -> Result<BTreeMap<FaceId, Pseudonym>, TxError> {
        let sql = "SELECT d.face_id, d.pseudonym, d.sealed FROM decisions d JOIN faces f ON f.id = d.face_id \
                   WHERE f.photo_id = $1 AND d.collection_id = $2 ORDER BY d.face_id, d.pseudonym";
        let rows = self.rows(sql, args![photo, collection])?;
        let mut confirmed = BTreeMap::new();
        if rows.is_empty() {
            return Ok(confirmed);
        }
        let mut people: BTreeMap<Pseudonym, (SubjectId, Key)> = BTreeMap::new();
        let mut unreadable = false;
        let holders = "SELECT subject_id FROM grants WHERE collection_id = $1 AND purpose = $2 AND state = 'active'";
        for row in self.rows(holders, args![collection, Purpose::FIND])? {
            let subject = SubjectId::from_bytes(row.array(0)?);
            match self.whole_key(subject)? {
                Some(key) => drop(people.insert(key.pseudonym(collection), (subject, key))),
                None => unreadable = true,
            }
        }
        for row in rows {
            let (face, pseudonym) = (FaceId(row.int(0)?), row.array(1)?);
            let is_confirmed = match people.get(&pseudonym) {
                Some((subject, key)) => {
                    open_verdict(key, *subject, collection, face, &row.bytes(2)?)?.0 == Verdict::Confirmed
                }
                // It may be the word of somebody whose key is damaged.
                None => unreadable,
            };
            if is_confirmed {
                confirmed.insert(face, pseudonym);
            }
        }
        Ok(confirmed)
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
        let mut verdicts = BTreeMap::new();
        let sql = "SELECT face_id, sealed FROM decisions WHERE collection_id = $1 AND pseudonym = $2";
        for row in self.rows(sql, args![proof.collection, pseudonym])? {
            let face = FaceId(row.int(0)?);
            verdicts.insert(face, open_verdict(&proof.key, proof.subject, proof.collection, face, &row.bytes(1)?)?.0);
        }
        let sql = "SELECT s.face_id, s.photo_id, s.sealed, f.x, f.y, f.w, f.h, f.quarter_turn, f.score, f.size_px, \
                   f.sharpness, f.luminance FROM sightings s JOIN faces f ON f.id = s.face_id \
                   WHERE s.collection_id = $1 AND s.pseudonym = $2 ORDER BY s.photo_id, s.face_id";
        let mut all = Vec::new();
        for row in self.rows(sql, args![proof.collection, pseudonym])? {
            let face = FaceId(row.int(0)?);
            let row_key = face.0.to_be_bytes();
            let plain = seal::open(&proof.key, &place(SIGHTINGS, proof, &row_key), &row.bytes(2)?)?;
            let mut fields = Reader::new(&plain);
            let of = fields.array().map(GrantId::from_bytes);
            let band = fields.text().and_then(Band::from_word);
            let (Some(band), true) = (band, of == Some(proof.grant)) else {
                return Err(TxError::Damaged { table: SIGHTINGS });
            };
            let (photo, at) = (PhotoId(row.int(1)?), read_box(&row, 3)?);
            all.push(Sighting { photo, face, at, band, verdict: verdicts.get(&face).copied() });
        }
        Ok(all)
    }

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
        if self.count(proposed, args![proof.collection, pseudonym, face])? == 0 {
            return Err(TxError::NotProposed { face });
        }
        let row = face.0.to_be_bytes();
        let plain = Writer::new().text(verdict.as_str()).int(self.now.0).finish();
        let sealed = self.seal_with(&proof.key, &place(DECISIONS, proof, &row), &plain)?;
        self.exec(
            "INSERT INTO decisions (collection_id, pseudonym, face_id, sealed) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (collection_id, pseudonym, face_id) DO UPDATE SET sealed = excluded.sealed",
            args![proof.collection, pseudonym, face, sealed],
        )?;
        let detail = Writer::new().bytes(proof.subject.as_bytes()).int(face.0).text(verdict.as_str()).finish();
        self.append_leaf(EventKind::Decision, proof.collection.as_bytes(), &[(proof.subject, &detail)])?;
        Ok(())
    }

    fn check_finds(&self, proof: &ActiveGrant<'tx>) -> Result<(), TxError> {
        self.still_active(proof)?;
        self.heed_orders(proof.collection)?;
        self.heed_restriction(proof.subject)?;
        if proof.purpose.is_find() { Ok(()) } else { Err(TxError::OtherPurpose { grant: proof.grant }) }
    }
}

/// What a person said of a face, and when.
pub(super) fn open_verdict(
    key: &Key,
    subject: SubjectId,
    collection: CollectionId,
    face: FaceId,
    sealed: &[u8],
) -> Result<(Verdict, Timestamp), TxError> {
    let row = face.0.to_be_bytes();
    let place = Place {
        table: DECISIONS,
        subject: Some(subject),
        collection: Some(collection),
        row: Some(&row),
        ..Place::default()
    };
    let plain = seal::open(key, &place, sealed)?;
    let mut fields = Reader::new(&plain);
    let verdict = fields.text().and_then(Verdict::from_word);
    verdict.zip(fields.int().map(Timestamp)).ok_or(TxError::Damaged { table: DECISIONS })
}

pub(super) fn place<'a>(table: &'static str, proof: &ActiveGrant<'_>, row: &'a [u8]) -> Place<'a> {
    Place {
        table,
        subject: Some(proof.subject),
        collection: Some(proof.collection),
        row: Some(row),
        ..Place::default()
    }
}
