//! Photos that are handed in for a collection.

use assent_ledger::{CollectionId, Ledger, Timestamp, TxError};
use thiserror::Error;

use crate::source::{UploadError, Uploads};

/// Why nothing can be handed in.
#[derive(Debug, Error)]
pub enum UploadsError {
    /// The photos of the collection lie in a folder.
    #[error("the photos of {collection} are not uploaded: they lie in the folder {folder}; put them there")]
    InFolder {
        /// The collection's name.
        collection: String,
        /// The path of the folder, as it is shown.
        folder: String,
    },
    /// A file, or the folder, was refused.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] TxError),
}

/// The place for photos that are handed in for a collection.
///
/// # Errors
///
/// - [`UploadsError::InFolder`] if its photos lie in a folder.
/// - [`UploadsError::Ledger`] with [`TxError::Frozen`] or [`TxError::Stopped`] if it is stopped, [`TxError::NoCollection`] if there
///   is no such collection.
/// - [`UploadsError::Upload`] as [`Uploads::open`].
pub fn open(ledger: &Ledger, collection: CollectionId, now: Timestamp) -> Result<Uploads, UploadsError> {
    let about = ledger.read_tx(now, |tx| {
        let about = tx.collection(collection)?;
        tx.check_orders(collection)?;
        if about.frozen { Err(TxError::Frozen { collection }) } else { Ok(about) }
    })?;
    if !about.uploads {
        return Err(UploadsError::InFolder { collection: about.name, folder: about.directory });
    }
    Ok(Uploads::open(&about.directory, now)?)
}
