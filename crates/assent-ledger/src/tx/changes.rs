//! What a commit changes for those who keep people in memory or work for long: resident galleries, scans, jobs.
//!
//! They are handed out with the commit ([`crate::Committed::changes`]), and stand in a table that other processes ask for
//! ([`ReadTx::changes_since`]), a few times a second. A scan's results are no changes. The rows are announcements and decide
//! nothing: whoever is told looks again at what may be searched.

use super::{ReadTx, Tx};
use crate::db::{Columns, Row, args};
use crate::error::TxError;
use crate::id::{CollectionId, GrantId, SubjectId};
use crate::log::{EventKind, Leaf};
use crate::vocabulary::ChangeKind;

/// So long a change can be asked for, ms.
const KEPT_MS: i64 = 86_400_000;

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Changed {
    /// The whole vault.
    Vault,
    /// A collection: all of it.
    Collection(CollectionId),
    /// One consent, and the collection that it is for.
    Grant(CollectionId, GrantId),
}

/// One thing that a commit changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// To what.
    pub what: Changed,
}

/// What was committed since somebody asked last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangesSince {
    /// The number of the newest change: what to ask with the next time.
    pub newest: u64,
    /// In the order of their commits; `None` if some of them are not kept any more, so that everything has to be read anew.
    pub changes: Option<Vec<Change>>,
}

impl ChangeKind {
    /// What an entry of the log says of a collection, or of the vault. What it says of one consent is told where that is done.
    fn of_entry(kind: EventKind) -> Option<Self> {
        match kind {
            EventKind::Stopped => Some(Self::Stopped),
            EventKind::Lifted => Some(Self::Lifted),
            EventKind::Objection => Some(Self::Objected),
            EventKind::Frozen | EventKind::Basis | EventKind::Controller => Some(Self::Rules),
            EventKind::CollectionRemoved => Some(Self::Removed),
            _ => None,
        }
    }
}

impl ReadTx<'_> {
    /// The number of the newest change; 0 if there was none.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn newest_change(&self) -> Result<u64, TxError> {
        Ok(self.count("SELECT COALESCE(MAX(seq), 0) FROM changes", args![])? as u64)
    }

    /// What was committed after the change with the number `seq`, in whatever process.
    ///
    /// # Errors
    ///
    /// - [`TxError::Database`] if the database refuses.
    /// - [`TxError::Damaged`] if a row is not of this format.
    pub fn changes_since(&self, seq: u64) -> Result<ChangesSince, TxError> {
        // The newest change is always kept, so that one that was seen is there, or others after it are missing.
        let first = seq.max(1);
        let sql = "SELECT seq, kind, collection_id, grant_id FROM changes WHERE seq >= $1 ORDER BY seq";
        let rows = self.rows(sql, args![first as i64])?;
        let begins = rows.first().map(|row| row.int(0)).transpose()?;
        if begins.is_none() && seq == 0 {
            return Ok(ChangesSince { newest: 0, changes: Some(Vec::new()) });
        }
        if begins != Some(first as i64) {
            return Ok(ChangesSince { newest: self.newest_change()?, changes: None });
        }
        let newest = rows.last().map_or(Ok(first as i64), |row| row.int(0))? as u64;
        let changes = rows.iter().skip(usize::from(seq > 0)).map(read).collect::<Result<_, _>>()?;
        Ok(ChangesSince { newest, changes: Some(changes) })
    }
}

fn read(row: &Row) -> Result<Change, TxError> {
    let collection = row.opt_array(2)?.map(CollectionId::from_bytes);
    let what = match (collection, row.opt_array(3)?.map(GrantId::from_bytes)) {
        (Some(collection), Some(grant)) => Changed::Grant(collection, grant),
        (Some(collection), None) => Changed::Collection(collection),
        (None, _) => Changed::Vault,
    };
    let kind = row.text(1)?.parse().map_err(|_| TxError::Damaged { table: "changes" })?;
    Ok(Change { kind, what })
}

impl Tx<'_> {
    /// This happened to one consent.
    pub(crate) fn grant_changed(&self, kind: ChangeKind, collection: CollectionId, grant: GrantId) {
        self.changes.borrow_mut().insert(Change { kind, what: Changed::Grant(collection, grant) });
    }

    /// This happened to a person: to each of their consents that were not ended.
    pub(crate) fn person_changed(&self, kind: ChangeKind, subject: SubjectId) -> Result<(), TxError> {
        let sql = "SELECT collection_id, id FROM grants WHERE subject_id = $1 AND state = 'active'";
        for row in self.rows(sql, args![subject])? {
            self.grant_changed(kind, CollectionId::from_bytes(row.array(0)?), GrantId::from_bytes(row.array(1)?));
        }
        Ok(())
    }

    /// What an entry of the log says of a collection, or of the vault.
    pub(super) fn entry_changed(&self, entry: &Leaf) {
        if let Some(kind) = ChangeKind::of_entry(entry.kind) {
            let what = entry.about().0.map_or(Changed::Vault, Changed::Collection);
            self.changes.borrow_mut().insert(Change { kind, what });
        }
    }

    /// Writes down what this transaction changed, and returns it. The last thing before the commit.
    pub(crate) fn write_changes(&self) -> Result<Vec<Change>, TxError> {
        let changes: Vec<Change> = self.changes.take().into_iter().collect();
        if changes.is_empty() {
            return Ok(changes);
        }
        // Nobody else writes, so that the numbers have no gaps and rise with the commits.
        for (seq, change) in (self.newest_change()? + 1..).zip(&changes) {
            let (collection, grant) = match change.what {
                Changed::Vault => (None, None),
                Changed::Collection(collection) => (Some(collection), None),
                Changed::Grant(collection, grant) => (Some(collection), Some(grant)),
            };
            self.exec(
                "INSERT INTO changes (seq, kind, collection_id, grant_id, made_ms) VALUES ($1, $2, $3, $4, $5)",
                args![seq as i64, change.kind.as_str(), collection, grant, self.now],
            )?;
        }
        let vault = self.ring().vault().to_string();
        self.db.announce("assent_changes", vault)?;
        Ok(changes)
    }

    /// Deletes the changes that are older than a day, but for the newest.
    pub(crate) fn clear_old_changes(&self) -> Result<(), TxError> {
        let sql = "DELETE FROM changes WHERE made_ms < $1 AND seq < (SELECT MAX(seq) FROM changes)";
        self.exec(sql, args![self.now.0.saturating_sub(KEPT_MS)]).map(drop)
    }
}
