//! Crops of faces, for collections whose operator declared that they are kept: a newcomer then meets the faces without
//! that a photo is read. They are pixels of photos that the operator holds; what they look like is the engine's.
//!
//! Crops are sealed under a key of the collection that is in the key ring and serves nothing else.

use super::records::one_each;
use super::sightings::face_row;
use super::{ReadTx, Tx};
use crate::db::{Columns, ForEach, args};
use crate::error::TxError;
use crate::id::{CollectionId, FaceId, PhotoId, SubjectId};
use crate::keyring::KeyRingError;
use crate::log::EventKind;
use crate::seal::{self, SealContext};
use crate::secret::Key;

const CROPS: &str = "crops";

/// The crops of a photo, each with its face.
pub type PhotoCrops<'a> = (PhotoId, Vec<(FaceId, &'a [u8])>);

impl ReadTx<'_> {
    /// The crops of a photo of this collection that were kept for these networks, by face. One that does not open is
    /// left out: it can be made again from the photo. So is that of a face that was set apart.
    ///
    /// # Errors
    ///
    /// [`TxError::KeyRing`] if the key ring cannot be read, [`TxError::Database`] if the database refuses.
    pub fn crops_of(
        &self,
        collection: CollectionId,
        photo: PhotoId,
        model_sha256: [u8; 32],
    ) -> Result<Vec<(FaceId, Vec<u8>)>, TxError> {
        let sql = "SELECT face_id, sealed FROM crops WHERE photo_id = $1 AND model_sha256 = $2 ORDER BY face_id";
        let rows = self.rows(sql, args![photo, model_sha256])?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let Some(key) = self.crops_key(collection)? else { return Ok(Vec::new()) };
        let apart = self.objected_faces(photo)?;
        let mut crops = Vec::with_capacity(rows.len());
        for row in rows {
            let face = FaceId(row.int(0)?);
            if apart.contains(&face) {
                continue;
            }
            let row_key = face_row(photo, face);
            if let Ok(plain) = seal::open(&key, &seal_context(collection, &row_key, model_sha256), &row.bytes(1)?) {
                crops.push((face, plain.to_vec()));
            }
        }
        Ok(crops)
    }

    /// The crop of a face, if it opens, from what is sealed of it: `(model_sha256, sealed)`.
    pub(super) fn crop_of(
        &self,
        collection: CollectionId,
        (photo, face): (PhotoId, FaceId),
        (model_sha256, sealed): ([u8; 32], &[u8]),
    ) -> Result<Option<Vec<u8>>, TxError> {
        let Some(key) = self.crops_key(collection)? else { return Ok(None) };
        let row_key = face_row(photo, face);
        Ok(seal::open(&key, &seal_context(collection, &row_key, model_sha256), sealed).ok().map(|plain| plain.to_vec()))
    }

    /// The key of a collection's crops; `None` if it is damaged or missing: they can be made again from the photos.
    pub(crate) fn crops_key(&self, collection: CollectionId) -> Result<Option<Key>, TxError> {
        match self.ring().get(slot(collection)) {
            Ok(key) => Ok(Some(key)),
            Err(KeyRingError::Damaged { .. } | KeyRingError::NoKey { .. }) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Whether a key opens a crop of this collection; `None` if none is kept.
    pub(crate) fn opens_crop(&self, collection: CollectionId, key: &Key) -> Result<Option<bool>, TxError> {
        let sql = "SELECT c.face_id, c.photo_id, c.model_sha256, c.sealed FROM crops c JOIN photos p ON p.id = c.photo_id \
                   WHERE p.collection_id = $1 ORDER BY c.face_id LIMIT 1";
        let row = self.row(sql, args![collection])?;
        row.map(|row| {
            let row_key = face_row(PhotoId(row.int(1)?), FaceId(row.int(0)?));
            Ok(seal::open(key, &seal_context(collection, &row_key, row.array(2)?), &row.bytes(3)?).is_ok())
        })
        .transpose()
    }
}

impl Tx<'_> {
    /// Declares that crops of the faces of a collection are kept from now on, and gives the collection a key for them,
    /// which is in the key ring before this returns. Declared twice, it is declared once.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoCollection`], [`TxError::Frozen`] for the collection.
    /// - [`TxError::NoBasis`] if its basis is `none`: its faces are covered, never compared.
    /// - [`TxError::KeyRing`] if the key cannot be written, [`TxError::Database`] if the database refuses.
    pub fn keep_crops(&self, collection: CollectionId) -> Result<(), TxError> {
        let about = self.open_collection(collection)?;
        if !about.others.allows_matching() {
            return Err(TxError::NoBasis { collection });
        }
        if about.keep_crops {
            return Ok(());
        }
        let key = Key::random(&mut **self.rng());
        self.ring().add(slot(collection), &key)?;
        self.exec("UPDATE collections SET keep_crops = 1 WHERE id = $1", args![collection])?;
        self.append_leaf(EventKind::CropsKept, collection.as_bytes(), &[])?;
        Ok(())
    }

    /// Keeps crops of faces of a photo, each as bytes that the engine alone reads, and lets go of all that were kept of
    /// it before. `model_sha256` names the networks that they are made for. None is kept of a face that was set apart.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoPhoto`] if there is no such photo.
    /// - [`TxError::NoCrops`] if its collection keeps none.
    /// - [`TxError::KeyRing`], [`TxError::Seal`], [`TxError::Database`] as everywhere.
    pub fn keep_crops_of(
        &self,
        photo: PhotoId,
        model_sha256: [u8; 32],
        crops: &[(FaceId, &[u8])],
    ) -> Result<(), TxError> {
        self.keep_crops_of_photos(self.collection_of(photo)?, model_sha256, &[(photo, crops.to_vec())])
    }

    /// The same of several photos of a collection.
    ///
    /// # Errors
    ///
    /// As [`Self::keep_crops_of`].
    pub fn keep_crops_of_photos(
        &self,
        collection: CollectionId,
        model_sha256: [u8; 32],
        crops: &[PhotoCrops<'_>],
    ) -> Result<(), TxError> {
        if !self.open_collection(collection)?.keep_crops {
            return Err(TxError::NoCrops { collection });
        }
        let photos: Vec<PhotoId> = crops.iter().map(|(photo, _)| *photo).collect();
        self.forget_crops(&photos)?;
        let Some(key) = self.crops_key(collection)? else { return Ok(()) };
        let (records, mut rows) = (self.photo_records(collection, &photos)?, Vec::new());
        for (photo, crops) in crops {
            let apart = records.get(photo).ok_or(TxError::NoPhoto { photo: *photo })?.apart();
            for (face, plain) in crops.iter().filter(|(face, _)| !apart.contains(face)) {
                let row = face_row(*photo, *face);
                let sealed = self.seal_with(&key, &seal_context(collection, &row, model_sha256), plain)?;
                rows.push(args![*face, *photo, model_sha256, sealed].to_vec());
            }
        }
        let sql = "INSERT INTO crops (face_id, photo_id, model_sha256, sealed) VALUES ($1, $2, $3, $4)";
        self.exec_for(ForEach::row(sql), &[], &rows).map(drop)
    }

    /// Lets go of the crops of faces, if any are kept.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn forget_crops_at(&self, faces: &[FaceId]) -> Result<(), TxError> {
        self.exec_for(ForEach::row("DELETE FROM crops WHERE face_id IN ($1)"), &[], &one_each(faces)).map(drop)
    }

    /// Lets go of the crops of photos.
    pub(super) fn forget_crops(&self, photos: &[PhotoId]) -> Result<(), TxError> {
        self.exec_for(ForEach::row("DELETE FROM crops WHERE photo_id IN ($1)"), &[], &one_each(photos)).map(drop)
    }

    /// Lets go of the crops of all faces that were sighted as this subject, also of those that a person decided about.
    pub(crate) fn forget_crops_of(&self, collection: CollectionId, pseudonym: [u8; 16]) -> Result<(), TxError> {
        let sql = "DELETE FROM crops WHERE face_id IN \
                   (SELECT face_id FROM sightings WHERE collection_id = $1 AND pseudonym = $2)";
        self.exec(sql, args![collection, pseudonym])?;
        let decided: Vec<FaceId> = self.decided_by(collection, pseudonym)?.iter().map(|decided| decided.face).collect();
        self.forget_crops_at(&decided)
    }
}

/// The slot of the key ring that holds the key for a collection's crops. Ids are random: no subject has this one.
pub(crate) fn slot(collection: CollectionId) -> SubjectId {
    SubjectId::from_bytes(*collection.as_bytes())
}

fn seal_context(collection: CollectionId, row: &[u8], model_sha256: [u8; 32]) -> SealContext<'_> {
    SealContext {
        table: CROPS,
        collection: Some(collection),
        model: Some(model_sha256),
        row: Some(row),
        ..SealContext::default()
    }
}
