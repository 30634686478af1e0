//! What is shown to an authority: the register of processing, and what was asked, ordered and done. It names nobody on the roster.

use std::collections::BTreeMap;

use assent_ledger::{
    Collection, EventKind, Jurisdiction, Ledger, Notice, Order, Purpose, ReadTx, Request, SubjectId, Timestamp, TxError,
};

use super::log::{self, Occurrences};

/// What article 30 (1) of the GDPR asks for, as far as the vault knows it.
#[derive(Debug)]
pub struct Register {
    /// How many people are protected by which law.
    pub people: BTreeMap<Jurisdiction, usize>,
    /// Collection by collection.
    pub processing: Vec<Processing>,
}

/// What is done with the photos of one collection.
#[derive(Debug)]
pub struct Processing {
    /// The collection, with its basis.
    pub collection: Collection,
    /// How many consents are in force for each purpose.
    pub purposes: BTreeMap<Purpose, usize>,
    /// When the last of them ends.
    pub erased_by: Option<Timestamp>,
    /// What keeps its faces from being compared.
    pub missing: Vec<TxError>,
}

/// The register as it is.
///
/// # Errors
///
/// [`TxError`] if the ledger cannot be read.
pub fn register(ledger: &Ledger, now: Timestamp) -> Result<Register, TxError> {
    ledger.read_tx(now, register_in)
}

fn register_in(tx: &ReadTx<'_>) -> Result<Register, TxError> {
    let mut processing = Vec::new();
    for collection in tx.collections()? {
        let grants = tx.grants_in(collection.id)?;
        let mut purposes = BTreeMap::new();
        for grant in &grants {
            *purposes.entry(grant.purpose.clone()).or_insert(0) += 1;
        }
        processing.push(Processing {
            purposes,
            erased_by: grants.iter().map(|grant| grant.valid_until).max(),
            missing: tx.missing_prerequisites(collection.id)?,
            collection,
        });
    }
    Ok(Register { people: tx.count_by_jurisdiction()?, processing })
}

/// What the evidence is made of, as of one moment.
#[derive(Debug)]
pub struct Records {
    /// The register of processing.
    pub register: Register,
    /// All notices that people were given.
    pub notices: Vec<Notice>,
    /// All requests, those that were answered too.
    pub requests: Vec<Request>,
    /// All orders to stop, those that are over too.
    pub orders: Vec<Order>,
    /// All collections that there ever were.
    pub collections: Vec<Collection>,
    /// How often what happened.
    pub events: BTreeMap<EventKind, Occurrences>,
    /// Who was erased, and the certificate of it.
    pub certificates: Vec<(SubjectId, String)>,
}

/// Everything that an authority asks for, but for the files of the log.
///
/// # Errors
///
/// [`TxError`] if the ledger cannot be read.
pub fn records(ledger: &Ledger, now: Timestamp) -> Result<Records, TxError> {
    let certificate = |erased: SubjectId| Ok((erased, ledger.certificate(erased, now)?));
    let erasures = ledger.erasures(now)?;
    let certificates = erasures.iter().map(|erasure| certificate(erasure.subject)).collect::<Result<_, TxError>>()?;
    ledger.read_tx(now, |tx| {
        Ok(Records {
            register: register_in(tx)?,
            notices: tx.notices()?,
            requests: tx.requests()?,
            orders: tx.orders()?,
            collections: tx.collections_ever()?,
            events: log::occurrences(tx)?,
            certificates,
        })
    })
}
