//! Witnesses: people who saw a form signed, each with a key of their own.

use super::roster::one_line;
use super::{ReadTx, Tx};
use crate::db::{Columns, Row, args};
use crate::error::TxError;
use crate::fields::{Reader, Writer};
use crate::id::{Timestamp, WitnessId};
use crate::log::EventKind;
use crate::seal::SealContext;
use crate::witness::{NewWitnessKey, WitnessKey};

const WITNESSES: &str = "witnesses";

/// A registered witness.
#[derive(Clone, PartialEq, Eq)]
pub struct Witness {
    /// The witness's id, 16 random bytes.
    pub id: WitnessId,
    /// The person's name, as people call them.
    pub name: String,
    /// The Ed25519 key that their signatures are checked with, if they have one.
    pub public_key: Option<[u8; 32]>,
    /// When they were registered.
    pub registered: Timestamp,
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witness").field("id", &self.id).finish_non_exhaustive()
    }
}

impl ReadTx<'_> {
    /// All witnesses, by name.
    ///
    /// # Errors
    ///
    /// As [`Self::collections`].
    pub fn witnesses(&self) -> Result<Vec<Witness>, TxError> {
        let mut all = Vec::new();
        for row in self.rows("SELECT id, sealed, registered_ms FROM witnesses", args![])? {
            let id = WitnessId::from_bytes(row.array(0)?);
            let (name, key) = self.read_witness(id, &row)?;
            let public_key = key.map(|key| key.public());
            all.push(Witness { id, name, public_key, registered: Timestamp(row.int(2)?) });
        }
        all.sort_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
        Ok(all)
    }

    /// The name and the keys of one witness.
    fn witness(&self, witness: WitnessId) -> Result<(String, Option<WitnessKey>), TxError> {
        let row = self.row("SELECT id, sealed FROM witnesses WHERE id = $1", args![witness])?;
        self.read_witness(witness, &row.ok_or(TxError::NoWitness { witness })?)
    }

    /// The keys of one witness, who has to have some.
    pub(crate) fn witness_key(&self, witness: WitnessId) -> Result<WitnessKey, TxError> {
        self.witness(witness)?.1.ok_or(TxError::NoWitnessKey { witness })
    }

    fn read_witness(&self, id: WitnessId, row: &Row) -> Result<(String, Option<WitnessKey>), TxError> {
        let damaged = || TxError::Damaged { table: WITNESSES };
        let plain = self.open_master(&seal_context(&id), &row.bytes(1)?)?;
        let mut fields = Reader::new(&plain);
        let name = fields.text().ok_or_else(damaged)?.to_owned();
        Ok((name, WitnessKey::read(&mut fields).ok_or_else(damaged)?))
    }
}

impl Tx<'_> {
    /// Registers a witness. They cannot sign until they have a key: [`Self::set_witness_key`].
    ///
    /// # Errors
    ///
    /// - [`TxError::NotOneLine`] if the name contains a control character.
    /// - [`TxError::Database`], [`TxError::Seal`] as everywhere.
    pub fn add_witness(&self, name: &str) -> Result<WitnessId, TxError> {
        one_line(&[name])?;
        let id = WitnessId::random(&mut **self.rng());
        let sealed = self.seal_master(&seal_context(&id), &Writer::new().text(name).finish())?;
        self.exec(
            "INSERT INTO witnesses (id, sealed, registered_ms) VALUES ($1, $2, $3)",
            args![id, sealed, self.now],
        )?;
        Ok(id)
    }

    /// Makes a pair of keys for a witness who has none. The private one opens with their passphrase alone, which
    /// [`crate::Ledger::new_witness_key`] has stretched.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoWitness`] if there is none with this id.
    /// - [`TxError::WitnessHasKey`] if they have a pair: what they signed is checked with it.
    /// - As [`crate::ReadTx::witnesses`].
    pub fn set_witness_key(&self, witness: WitnessId, with: &NewWitnessKey) -> Result<(), TxError> {
        let (name, key) = self.witness(witness)?;
        if key.is_some() {
            return Err(TxError::WitnessHasKey { witness });
        }
        let made = WitnessKey::new(witness, with, &mut **self.rng())?;
        let sealed = self.seal_master(&seal_context(&witness), &made.write(Writer::new().text(&name)).finish())?;
        self.exec("UPDATE witnesses SET sealed = $1 WHERE id = $2", args![sealed, witness])?;
        // Everybody can see which key it was, and that no other took its place.
        let public = Writer::new().bytes(witness.as_bytes()).bytes(&made.public()).finish();
        self.append_leaf(EventKind::WitnessKey, &public, &[]).map(drop)
    }
}

fn seal_context(id: &WitnessId) -> SealContext<'_> {
    SealContext { table: WITNESSES, row: Some(id.as_bytes()), ..SealContext::default() }
}
