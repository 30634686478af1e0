//! Appending to the log.

use zeroize::Zeroizing;

use super::{ReadTx, Tx};
use crate::actor::Via;
use crate::db::{Columns, ForEach, args};
use crate::error::TxError;
use crate::id::{AccountId, SubjectId};
use crate::log::{AskedBy, EventKind, Leaf, commitment};
use crate::merkle::{Hash, Peaks, leaf_hash};
use crate::seal::SealContext;
use crate::secret::Key;

/// Where a leaf stands in the log, from 0.
pub type LeafPosition = u64;

pub(crate) const OPENINGS: &str = "log_openings";
const ACCOUNTS: &str = "log_accounts";

fn account_context(row: &[u8]) -> SealContext<'_> {
    SealContext { table: ACCOUNTS, row: Some(row), ..SealContext::default() }
}

pub(crate) fn opening_row(position: u64, slot: usize) -> [u8; 16] {
    let mut row = [0; 16];
    row[..8].copy_from_slice(&position.to_be_bytes());
    row[8..].copy_from_slice(&(slot as u64).to_be_bytes());
    row
}

impl ReadTx<'_> {
    /// The key of somebody on the roster; `None` if it is damaged or missing.
    fn key_or_damaged(&self, subject: SubjectId) -> Result<Option<Key>, TxError> {
        match self.whole_key(subject)? {
            None if !self.on_roster(subject)? => self.key(subject).map(Some),
            key => Ok(key),
        }
    }

    /// Which leaves concern a person, in their order.
    ///
    /// # Errors
    ///
    /// - [`TxError::KeyRing`] if the subject has no key.
    /// - [`TxError::Database`] if the database refuses.
    pub fn leaves_about(&self, subject: SubjectId) -> Result<Vec<LeafPosition>, TxError> {
        let sql = "SELECT DISTINCT seq FROM log_openings WHERE pseudonym = $1 ORDER BY seq";
        let rows = self.rows(sql, args![self.key(subject)?.log_pseudonym()])?;
        rows.iter().map(|row| Ok(row.int(0)? as u64)).collect()
    }

    /// The size and the root of the log.
    ///
    /// # Errors
    ///
    /// - [`TxError::Database`] if the database refuses.
    /// - [`TxError::Damaged`] if the head is none.
    pub fn log_head(&self) -> Result<(u64, Hash), TxError> {
        let peaks = self.peaks()?;
        Ok((peaks.size(), peaks.root()))
    }

    /// Through which account an entry was asked for; `None` if through none, or through a member's own.
    ///
    /// # Errors
    ///
    /// - [`TxError::Seal`] if what is kept of it does not open, [`TxError::Damaged`] if it is no account's.
    /// - [`TxError::Database`] if the database refuses.
    pub fn account_of(&self, position: LeafPosition) -> Result<Option<AccountId>, TxError> {
        let row = self.row("SELECT sealed FROM log_accounts WHERE seq = $1", args![position as i64])?;
        let Some(row) = row else { return Ok(None) };
        let opening = self.account_opening(position, &row.bytes(0)?)?;
        let id = opening.get(32..).and_then(|id| id.try_into().ok());
        id.map(AccountId::from_bytes).map(Some).ok_or(TxError::Damaged { table: ACCOUNTS })
    }

    /// The salt and the account of an entry.
    pub(crate) fn account_opening(&self, position: u64, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, TxError> {
        self.open_master(&account_context(&position.to_be_bytes()), sealed)
    }

    pub(crate) fn peaks(&self) -> Result<Peaks, TxError> {
        let damaged = TxError::Damaged { table: "log_head" };
        let Some(row) = self.row("SELECT size, peaks FROM log_head WHERE one = 1", args![])? else {
            return Err(damaged);
        };
        Peaks::from_bytes(row.int(0)? as u64, &row.bytes(1)?).ok_or(damaged)
    }
}

impl Tx<'_> {
    /// Appends one leaf for an event that the other methods do not record themselves: a search, a batch of a scan, an
    /// export, a publication. `public` is readable by everybody and must name nobody; of each concerned subject the leaf
    /// holds a salted commitment to the detail beside it, and the opening is sealed under the subject's key.
    ///
    /// # Errors
    ///
    /// - [`TxError::KeyRing`] if a subject is not on the roster, or their key was destroyed. For somebody whose key is
    ///   damaged the leaf has its commitment, and its opening is kept by nobody.
    /// - [`TxError::LeafTooLong`] if the leaf has more than 65,535 bytes: about 2,000 people.
    /// - [`TxError::Database`] if the database refuses.
    pub fn append_leaf(
        &self,
        kind: EventKind,
        public: &[u8],
        concerned: &[(SubjectId, &[u8])],
    ) -> Result<LeafPosition, TxError> {
        let mut openings = Vec::with_capacity(concerned.len());
        for (subject, detail) in concerned {
            openings.push((*subject, self.key_or_damaged(*subject)?, self.random::<32>(), *detail));
        }
        let commitments = openings.iter().map(|(_, _, salt, detail)| commitment(salt, detail)).collect();
        let position = self.append(kind, public.to_vec(), commitments)?;
        let mut rows = Vec::with_capacity(openings.len());
        for (slot, (subject, key, salt, detail)) in openings.iter().enumerate() {
            let Some(key) = key else { continue };
            let row = opening_row(position, slot);
            let context =
                SealContext { table: OPENINGS, subject: Some(*subject), row: Some(&row), ..SealContext::default() };
            let sealed = self.seal_with(key, &context, &[salt.as_slice(), detail].concat())?;
            rows.push(args![key.log_pseudonym(), position as i64, slot as i64, sealed].to_vec());
        }
        let sql = "INSERT INTO log_openings (pseudonym, seq, slot, sealed) VALUES ($1, $2, $3, $4)";
        self.exec_for(ForEach::row(sql), &[], &rows)?;
        Ok(position)
    }

    pub(crate) fn append(
        &self,
        kind: EventKind,
        public: Vec<u8>,
        commitments: Vec<Hash>,
    ) -> Result<LeafPosition, TxError> {
        let mut peaks = self.peaks()?;
        let position = peaks.size();
        // A date that has come was asked for by nobody, whoever's transaction found it.
        let by = self.by.get().filter(|_| kind != EventKind::Expiry);
        let salt = if by.is_some_and(|by| by.via != Via::Terminal) { self.random() } else { [0; 32] };
        let (asked, account) = by.map(|by| AskedBy::of(by, &salt)).unzip();
        let leaf = Leaf { kind, position, time: self.now, asked, public, commitments };
        self.entry_changed(&leaf);
        let bytes = leaf.to_bytes();
        if bytes.len() > u16::MAX.into() {
            return Err(TxError::LeafTooLong);
        }
        let hash = leaf_hash(&bytes);
        peaks.push(hash);
        self.exec(
            "INSERT INTO log_leaves (seq, bytes, hash) VALUES ($1, $2, $3)",
            args![position as i64, bytes, hash],
        )?;
        self.exec(
            "UPDATE log_head SET size = $1, peaks = $2, newest_ms = $3 WHERE one = 1",
            args![peaks.size() as i64, peaks.to_bytes(), self.newest_after()],
        )?;
        if let Some(account) = account.flatten() {
            let (row, plain) = (position.to_be_bytes(), [salt.as_slice(), account.as_bytes()].concat());
            let sealed = self.seal_master(&account_context(&row), &plain)?;
            self.exec("INSERT INTO log_accounts (seq, sealed) VALUES ($1, $2)", args![position as i64, sealed])?;
        }
        Ok(position)
    }
}
