//! Calibrations: how often people of a collection look alike to a model. Counts over all of them, nothing of anybody.

use zeroize::Zeroizing;

use super::Tx;
use crate::db::args;
use crate::error::TxError;
use crate::id::CollectionId;
use crate::log::EventKind;
use crate::seal::Place;

const CALIBRATIONS: &str = "calibrations";

impl Tx<'_> {
    /// Keeps the calibration of a collection for a model, in place of an older one. `plain` is the engine's.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoCollection`], [`TxError::Frozen`] for the collection.
    /// - [`TxError::NoBasis`] if its basis is `none`: nobody is compared there.
    /// - [`TxError::Seal`], [`TxError::Database`] as everywhere.
    pub fn put_calibration(
        &self,
        collection: CollectionId,
        model_sha256: [u8; 32],
        plain: &[u8],
    ) -> Result<(), TxError> {
        if !self.open_collection(collection)?.others.allows_matching() {
            return Err(TxError::NoBasis { collection });
        }
        let sealed = self.seal_master(&place(collection, model_sha256), plain)?;
        self.exec(
            "INSERT INTO calibrations (collection_id, model_sha256, sealed, created_ms) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (collection_id, model_sha256) DO UPDATE SET sealed = $3, created_ms = $4",
            args![collection, model_sha256, sealed, self.now],
        )?;
        let public = [collection.as_bytes().as_slice(), &model_sha256].concat();
        self.append_leaf(EventKind::Calibration, &public, &[])?;
        Ok(())
    }

    /// The calibration of a collection for a model, if one was kept.
    ///
    /// # Errors
    ///
    /// [`TxError::Seal`] if it does not open, [`TxError::Database`] if the database refuses.
    pub fn calibration(
        &self,
        collection: CollectionId,
        model_sha256: [u8; 32],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, TxError> {
        let sql = "SELECT sealed FROM calibrations WHERE collection_id = $1 AND model_sha256 = $2";
        match self.row(sql, args![collection, model_sha256])? {
            Some(row) => Ok(Some(self.open_master(&place(collection, model_sha256), &row.bytes(0)?)?)),
            None => Ok(None),
        }
    }
}

fn place(collection: CollectionId, model_sha256: [u8; 32]) -> Place<'static> {
    Place { table: CALIBRATIONS, collection: Some(collection), model: Some(model_sha256), ..Place::default() }
}
