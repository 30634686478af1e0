//! The models' table against the people of a collection: how often two of them look alike, kept for the thresholds.
//!
//! ```text
//! version (1) | owners (8 bytes) | pairs (8 bytes) | scores (1 byte)
//! then for each score: score (4 bytes, float) | pairs that reach it (8 bytes) | FMR from now on (8 bytes, float)
//! ```
//!
//! Numbers are little-endian. The bytes are sealed by the ledger; `docs/formats/vault.md` describes them.

use assent_gallery::calibration::Calibration;
pub use assent_gallery::impostors::Measured;
use assent_ledger::{CollectionId, Tx, TxError};

use crate::models::Models;
use crate::searched::Searched;

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 8 + 8 + 1;
const ROW_BYTES: usize = 4 + 8 + 8;

/// What the people of a collection say about the models' table.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibrated {
    /// People who were compared.
    pub people: usize,
    /// Pairs of templates of different people.
    pub pairs: u64,
    /// What was measured at each score of the table.
    pub measured: Vec<Measured>,
    /// The models' table, raised where these people are harsher.
    pub table: Calibration,
}

impl Calibrated {
    /// Compares every template of a gallery with every other. `None` if the models have no table.
    pub fn measure(searched: &Searched, models: &Models, threads: usize) -> Option<Calibrated> {
        let table = models.pack().calibration()?;
        let scores: Vec<f32> = table.rows().iter().map(|(score, _)| *score).collect();
        let impostors = searched.impostors(&scores, threads);
        let measured = impostors.rates();
        let table = table.raised_to(&measured)?;
        Some(Calibrated { people: impostors.owners(), pairs: impostors.pairs(), measured, table })
    }

    /// Keeps it, sealed, in place of an older one: from now on the collection's thresholds follow from its table.
    ///
    /// # Errors
    ///
    /// [`TxError`] as `Tx::put_calibration` says.
    pub fn keep(&self, tx: &Tx<'_>, models: &Models, collection: CollectionId) -> Result<(), TxError> {
        let mut bytes = vec![VERSION];
        bytes.extend((self.people as u64).to_le_bytes());
        bytes.extend(self.pairs.to_le_bytes());
        bytes.push(self.measured.len() as u8);
        for (measured, (score, fmr)) in self.measured.iter().zip(self.table.rows()) {
            bytes.extend(score.to_le_bytes());
            bytes.extend(measured.reached.to_le_bytes());
            bytes.extend(fmr.to_le_bytes());
        }
        tx.put_calibration(collection, models.pack().model_sha256, &bytes)
    }
}

/// The table that holds for a collection: the kept one, else that of the models. What is not of this form, or of another
/// table's scores, is as if it were not there.
///
/// # Errors
///
/// [`TxError`] as `Tx::calibration` says.
pub(crate) fn table(tx: &Tx<'_>, models: &Models, collection: CollectionId) -> Result<Option<Calibration>, TxError> {
    let Some(own) = models.pack().calibration() else { return Ok(None) };
    let kept = tx.calibration(collection, models.pack().model_sha256)?;
    let same_scores = |kept: &Calibration| kept.rows().iter().map(|r| r.0).eq(own.rows().iter().map(|r| r.0));
    let kept = kept.and_then(|bytes| read_table(&bytes)).filter(same_scores);
    Ok(Some(kept.unwrap_or_else(|| own.clone())))
}

fn read_table(bytes: &[u8]) -> Option<Calibration> {
    let (head, rows) = bytes.split_at_checked(HEAD_BYTES)?;
    let (rows, rest) = rows.as_chunks::<ROW_BYTES>();
    if head[0] != VERSION || rows.len() != usize::from(head[HEAD_BYTES - 1]) || !rest.is_empty() {
        return None;
    }
    let part = |row: &[u8; ROW_BYTES]| {
        let score = f32::from_le_bytes(row[..4].try_into().ok()?);
        Some((score, f64::from_le_bytes(row[12..].try_into().ok()?)))
    };
    let (scores, rates): (Vec<f32>, Vec<f64>) = rows.iter().map(part).collect::<Option<Vec<_>>>()?.into_iter().unzip();
    Calibration::new(&scores, &rates).ok()
}
