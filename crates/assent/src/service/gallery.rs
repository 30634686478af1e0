//! Who can be found in a collection, and who moved to other models.

use assent_gallery::calibration::DeclaredRates;
use assent_ledger::{CollectionId, Ledger, SubjectId, Timestamp, TxError};
use thiserror::Error;

use crate::change_models::Behind;
use crate::models::Models;
use crate::open_gallery::{NotEnoughMemory, OpenGallery, OpenOptions};

/// Why a gallery was not opened.
#[derive(Debug, Error)]
pub enum GalleryError {
    /// It does not fit into memory.
    #[error(transparent)]
    NotEnoughMemory(#[from] NotEnoughMemory),
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] TxError),
}

/// Who can be found in a collection.
#[derive(Debug)]
pub struct GalleryStatus {
    /// What is compared, in memory.
    pub gallery: OpenGallery,
    /// The handles of people who look alike.
    pub look_alikes: Vec<[String; 2]>,
    /// People of the collection who are enrolled with other models.
    pub people_of_other_models: u64,
}

/// Opens what may be searched in a collection.
///
/// # Errors
///
/// As [`OpenGallery::open`].
pub fn open(
    ledger: &Ledger,
    models: &Models,
    (collection, rates): (CollectionId, DeclaredRates),
    options: &mut OpenOptions<'_>,
    now: Timestamp,
) -> Result<OpenGallery, GalleryError> {
    Ok(ledger.read_tx(now, |tx| OpenGallery::open(tx, models, collection, rates, options))??)
}

/// The same, with who looks like whom.
///
/// # Errors
///
/// As [`open`].
pub fn status(
    ledger: &Ledger,
    models: &Models,
    (collection, rates): (CollectionId, DeclaredRates),
    options: &mut OpenOptions<'_>,
    now: Timestamp,
) -> Result<GalleryStatus, GalleryError> {
    let status = ledger.read_tx(now, |tx| {
        let gallery = match OpenGallery::open(tx, models, collection, rates, options)? {
            Ok(gallery) => gallery,
            Err(not_enough_memory) => return Ok(Err(not_enough_memory)),
        };
        let handle = |id: SubjectId| Ok::<_, TxError>(tx.subject(id)?.handle);
        let pairs = gallery.look_alikes().into_iter().map(|(a, b)| Ok([handle(a)?, handle(b)?]));
        let look_alikes = pairs.collect::<Result<Vec<_>, TxError>>()?;
        let in_use = tx.template_models(Some(collection))?;
        let others = in_use.iter().filter(|(model, _)| *model != models.pack().model_sha256);
        let people_of_other_models = others.map(|(_, people)| people).sum();
        Ok(Ok(GalleryStatus { gallery, look_alikes, people_of_other_models }))
    });
    Ok(status??)
}

/// What people and collections are called that a move to other models concerns.
#[derive(Debug)]
pub struct MoveNames {
    /// The handles of those who need a picture, sorted.
    pub need_picture: Vec<String>,
    /// The collections that forbid matching now.
    pub locked: Vec<String>,
    /// The others.
    pub collections: Vec<String>,
}

/// What those are called whom a move to other models concerns.
///
/// # Errors
///
/// [`TxError`] if the ledger cannot be read.
pub fn move_names(ledger: &Ledger, behind: &Behind, now: Timestamp) -> Result<MoveNames, TxError> {
    ledger.read_tx(now, |tx| {
        let handle = |subject: &SubjectId| Ok(tx.subject(*subject)?.handle);
        let mut need_picture = behind.need_picture.iter().map(handle).collect::<Result<Vec<String>, TxError>>()?;
        need_picture.sort();
        let name = |id: &CollectionId| Ok(tx.collection(*id)?.name);
        let locked = behind.locked.iter().map(name).collect::<Result<Vec<String>, TxError>>()?;
        let collections = tx.collections()?.into_iter().map(|c| c.name).filter(|c| !locked.contains(c)).collect();
        Ok(MoveNames { need_picture, locked, collections })
    })
}
