//! Sightings: what the engine says of a face. They stand, as decisions do, under a pseudonym per collection that only the
//! subject's key leads to.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::decisions::{People, Pseudonym};
use super::grant_keys::{GrantKey, by_pseudonym};
use super::photos::read_box;
use super::records::{PhotoRecord, one_each};
use super::{ActiveGrant, FaceBox, Matching, Tx};
use crate::db::{Columns, ForEach, Row, Value, args};
use crate::error::TxError;
use crate::fields::{Reader, Writer};
use crate::id::{CollectionId, FaceId, GrantId, PhotoId, SubjectId};
use crate::seal::{self, SealContext};
use crate::secret::Key;
use crate::vocabulary::{Band, Verdict};

pub(super) const SIGHTINGS: &str = "sightings";

/// What the engine said of a face before.
struct Seen {
    photo: PhotoId,
    face: FaceId,
    pseudonym: Pseudonym,
}

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
        self.replace_sightings_in(matching, &[(photo, new)])
    }

    /// The same for several photos, each once, in a few statements however many they are.
    ///
    /// # Errors
    ///
    /// As [`Self::replace_sightings`].
    pub fn replace_sightings_in(
        &self,
        matching: &Matching<'tx>,
        photos: &[(PhotoId, &[NewSighting<'_, 'tx>])],
    ) -> Result<u64, TxError> {
        let collection = matching.collection;
        let before = self.sightings_in(collection, photos.iter().map(|(photo, _)| *photo))?;
        let is_concerned = |(photo, new): &&(PhotoId, &[NewSighting<'_, 'tx>])| {
            !new.is_empty() || before.iter().any(|seen| seen.photo == *photo)
        };
        let concerned: Vec<PhotoId> = photos.iter().filter(is_concerned).map(|(photo, _)| *photo).collect();
        let records = self.photo_records(collection, &concerned)?;
        let new = photos.iter().flat_map(|(photo, new)| new.iter().map(move |sighting| (*photo, sighting)));
        let new: Vec<(PhotoId, &NewSighting<'_, 'tx>)> = new.collect();
        for (photo, new) in photos.iter().filter(|(_, new)| !new.is_empty()) {
            let subjects: BTreeSet<SubjectId> = new.iter().map(|s| s.grant.subject).collect();
            let faces: BTreeSet<FaceId> = new.iter().map(|s| s.face).collect();
            if !records.contains_key(photo) {
                return Err(TxError::NoPhoto { photo: *photo });
            }
            if subjects.len() < new.len() || faces.len() < new.len() {
                return Err(TxError::Twice { photo: *photo });
            }
        }
        self.check_all_find(new.iter().map(|(_, sighting)| sighting.grant))?;
        for (photo, NewSighting { grant, face, .. }) in &new {
            if grant.collection != collection {
                return Err(TxError::OtherCollection { grant: grant.grant });
            }
            if !records.get(photo).is_some_and(|record| record.faces.iter().any(|(id, _)| id == face)) {
                return Err(TxError::NoFace { face: *face });
            }
        }
        self.forget_undecided((&before, &records), matching, None)?;
        let mut rows = Vec::with_capacity(new.len());
        let people = OnceCell::new();
        for (photo, new) in photos.iter().filter(|(_, new)| !new.is_empty()) {
            let Some(record) = records.get(photo) else { continue };
            let (apart, confirmed) = (record.apart(), self.confirmed(record, collection, &people)?);
            for NewSighting { grant, face, band } in *new {
                let pseudonym = grant.key.pseudonym(collection);
                if !apart.contains(face) && confirmed.get(face).is_none_or(|other| *other == pseudonym) {
                    rows.push(self.sighting_row(*photo, grant, *face, *band)?);
                }
            }
        }
        self.store_sightings(&rows)
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
        let before = self.sightings_in(collection, [photo])?;
        let records = self.photo_records(collection, &[photo])?;
        let record = records.get(&photo).ok_or(TxError::NoPhoto { photo })?;
        self.check_finds(proof)?;
        if proof.collection != collection {
            return Err(TxError::OtherCollection { grant: proof.grant });
        }
        let pseudonym = proof.key.pseudonym(collection);
        self.forget_undecided((&before, &records), matching, Some(pseudonym))?;
        let Some((face, band)) = seen else { return Ok(false) };
        if !record.faces.iter().any(|(id, _)| *id == face) {
            return Err(TxError::NoFace { face });
        }
        let taken = before.iter().any(|seen| seen.face == face && seen.pseudonym != pseudonym)
            || self.confirmed(record, collection, &OnceCell::new())?.get(&face).is_some_and(|of| *of != pseudonym)
            || record.apart().contains(&face);
        if taken {
            return Ok(false);
        }
        Ok(self.store_sightings(&[self.sighting_row(photo, proof, face, band)?])? > 0)
    }

    /// Who can be found in a collection by templates of other models alone.
    fn of_other_models(&self, collection: CollectionId, model: [u8; 32]) -> Result<BTreeSet<Pseudonym>, TxError> {
        // Each of the three by the index of models; SQLite reads all templates where this is one condition.
        let sql = "SELECT g.id FROM (SELECT grant_id FROM templates WHERE model_sha256 < $2 \
                   UNION SELECT grant_id FROM templates WHERE model_sha256 > $2 \
                   EXCEPT SELECT grant_id FROM templates WHERE model_sha256 = $2) t \
                   JOIN grants g ON g.id = t.grant_id WHERE g.collection_id = $1 AND g.state = 'active'";
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

    /// Which faces of a photo a person confirmed, and as whom. `people` are asked for at the first decision.
    fn confirmed(
        &self,
        record: &PhotoRecord,
        collection: CollectionId,
        people: &OnceCell<People>,
    ) -> Result<BTreeMap<FaceId, Pseudonym>, TxError> {
        if record.decisions.is_empty() {
            return Ok(BTreeMap::new());
        }
        if let Some(people) = people.get() {
            return record.confirmed(people);
        }
        let (found, unreadable) = self.finding_in(collection)?;
        record.confirmed(people.get_or_init(|| (by_pseudonym(found), unreadable)))
    }

    fn sighting_row(
        &self,
        photo: PhotoId,
        grant: &ActiveGrant<'tx>,
        face: FaceId,
        band: Band,
    ) -> Result<Vec<Value>, TxError> {
        let row = face_row(photo, face);
        let plain = Writer::new().bytes(grant.grant.as_bytes()).text(band.as_str()).text("engine").finish();
        let sealed = self.seal_with(&grant.key, &HeldUnder::of(grant).context(SIGHTINGS, &row), &plain)?;
        let pseudonym = grant.key.pseudonym(grant.collection);
        Ok(args![grant.collection, pseudonym, face, photo, sealed].to_vec())
    }

    fn store_sightings(&self, rows: &[Vec<Value>]) -> Result<u64, TxError> {
        let sql = "INSERT INTO sightings (collection_id, pseudonym, face_id, photo_id, sealed) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (collection_id, pseudonym, face_id) DO NOTHING";
        self.exec_for(ForEach::row(sql), &[], rows)
    }

    /// What the engine said of photos until now.
    fn sightings_in(
        &self,
        collection: CollectionId,
        photos: impl IntoIterator<Item = PhotoId>,
    ) -> Result<Vec<Seen>, TxError> {
        let sql = "SELECT photo_id, face_id, pseudonym FROM sightings WHERE collection_id = $1 AND photo_id IN ($2)";
        let photos = one_each(&photos.into_iter().collect::<Vec<_>>());
        let rows = self.rows_for(ForEach { sql, shared: 1 }, args![collection], &photos)?;
        let read =
            |row: &Row| Ok(Seen { photo: PhotoId(row.int(0)?), face: FaceId(row.int(1)?), pseudonym: row.array(2)? });
        rows.iter().map(read).collect()
    }

    /// Deletes what the engine said of photos, of one person or of all who are compared. What it said of a face stays where
    /// that person decided about it.
    fn forget_undecided(
        &self,
        (before, records): (&[Seen], &BTreeMap<PhotoId, PhotoRecord>),
        matching: &Matching<'_>,
        of: Option<Pseudonym>,
    ) -> Result<(), TxError> {
        let not_compared = match matching.model {
            Some(model) if !before.is_empty() => self.of_other_models(matching.collection, model)?,
            _ => BTreeSet::new(),
        };
        let is_over = |seen: &&Seen| {
            let decided = |record: &PhotoRecord| record.decided().any(|of| of == (seen.face, seen.pseudonym));
            of.is_none_or(|of| of == seen.pseudonym)
                && !not_compared.contains(&seen.pseudonym)
                && !records.get(&seen.photo).is_some_and(decided)
        };
        let rows = before.iter().filter(is_over).map(|seen| args![seen.face, seen.pseudonym].to_vec());
        let sql = "DELETE FROM sightings WHERE (face_id = $1 AND pseudonym = $2)";
        self.exec_for(ForEach::row(sql), &[], &rows.collect::<Vec<_>>()).map(drop)
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
        self.check_all_find([proof])
    }

    fn check_all_find<'a>(&self, proofs: impl IntoIterator<Item = &'a ActiveGrant<'tx>>) -> Result<(), TxError>
    where
        'tx: 'a,
    {
        let (mut collections, mut subjects, mut other) = (BTreeSet::new(), BTreeSet::new(), None);
        for proof in proofs {
            self.still_active(proof)?;
            collections.insert(proof.collection);
            subjects.insert(proof.subject);
            if !proof.purpose.is_find() {
                other = Some(proof.grant);
            }
        }
        collections.into_iter().try_for_each(|collection| self.check_orders(collection))?;
        if let Some((_, why)) = self.barred(&subjects)?.pop_first() {
            return Err(why);
        }
        other.map_or(Ok(()), |grant| Err(TxError::OtherPurpose { grant }))
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
