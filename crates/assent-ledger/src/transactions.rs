//! How a vault's transactions run: [`Ledger::run_tx`] and [`Ledger::read_tx`].

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use crate::actor::{Actor, Origin};
use crate::bound::Head;
use crate::db::{BeginError, ClockSource, Columns, CommitError, Db, DbError, Row, Traffic, Writing, args};
use crate::durable::{WriteKind, with_hook};
use crate::error::TxError;
use crate::id::Timestamp;
use crate::keyring::KeyRing;
use crate::ledger::{FORMAT_VERSION, Ledger};
use crate::log::Leaf;
use crate::tx::{Change, ReadTx, Tx};
use crate::vault::About;

/// So often a transaction is run again that another one was in the way of, or whose connection was lost.
const ATTEMPTS: usize = 5;

/// What every transaction reads first.
const IN_A_FILE: &str = "SELECT v.format_version, v.kind, v.sealed, v.ring_slots, h.size, h.peaks, h.newest_ms, h.sums \
                         FROM log_head h LEFT JOIN vault v ON v.one = 1 WHERE h.one = 1";

/// The same, with the place of the key ring, and with the time: now, and not when the transaction began, which may be one of many that
/// share a commit.
const ON_A_SERVER: &str = "SELECT v.format_version, v.kind, v.sealed, v.ring_slots, h.size, h.peaks, h.newest_ms, h.sums, p.number, \
                           floor(extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::BIGINT \
                           FROM log_head h LEFT JOIN vault v ON v.one = 1 LEFT JOIN ring_place p ON p.one = 1 WHERE h.one = 1";

/// A result whose transaction is durable. Only the ledger makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed<T> {
    value: T,
    changes: Vec<Change>,
    traffic: Traffic,
}

impl<T> Committed<T> {
    /// The result.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// What the transaction changed for those who keep people in memory, in the order of [`Change`]. Other processes, and who
    /// did not wait for the commit, ask by [`ReadTx::changes_since`].
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What was asked of the database for it, but for the commit itself.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }
}

impl<T> std::ops::Deref for Committed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// How a transaction tells the time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// What the caller's clock says; where that of the database counts ([`ClockSource`]), it is asked instead.
    pub(crate) now: Timestamp,
    /// A person says that it is right, wherever the newest entry of the log stands.
    pub(crate) confirmed: bool,
}

impl Clock {
    fn of(now: Timestamp) -> Self {
        Self { now, confirmed: false }
    }
}

impl Ledger {
    /// Runs `body` in one transaction that may write: all of it is durable when this returns `Ok`, and nothing of it after an
    /// `Err` (but see [`TxError::CommitUnknown`]). No other transaction writes meanwhile, in whatever process. `name` says in
    /// errors and to the hook which one it was; `origin` is who asks for it, an [`Act`](crate::Act), or the time alone where the
    /// program itself does it. That time is the time of everything in it, unless the database's clock counts ([`ClockSource`]).
    ///
    /// `body` is run again if the database lost the connection, or let another transaction go first; so it does nothing that
    /// is not the transaction's.
    ///
    /// # Errors
    ///
    /// - Whatever `body` returns.
    /// - [`TxError::Nested`] if this thread is in a transaction of this ledger that writes.
    /// - [`TxError::OtherFormat`] if a newer program brought the tables up to date meanwhile.
    /// - [`TxError::Database`] if the transaction cannot begin, or a step of it failed although `body` went on.
    /// - [`TxError::CommitUnknown`] if the database stopped answering at the commit.
    pub fn run_tx<T>(
        &self,
        name: &'static str,
        origin: impl Into<Origin>,
        body: impl for<'tx> Fn(&Tx<'tx>) -> Result<T, TxError>,
    ) -> Result<Committed<T>, TxError> {
        let Origin { by, at } = origin.into();
        self.run_at(name, (by, Clock::of(at)), body)
    }

    pub(crate) fn run_at<T>(
        &self,
        name: &'static str,
        (by, clock): (Option<Actor>, Clock),
        body: impl for<'tx> Fn(&Tx<'tx>) -> Result<T, TxError>,
    ) -> Result<Committed<T>, TxError> {
        if let Some(found) = &self.inspected {
            return Err(TxError::Tampered(found.clone()));
        }
        let mut attempt = 1;
        loop {
            match self.attempt(name, (by, clock), &body) {
                Err(TxError::Database(cause)) if cause.retryable() && attempt < ATTEMPTS => attempt += 1,
                Err(TxError::Database(cause)) => return Err(TxError::Database(self.pool.explained(cause))),
                done => return done,
            }
        }
    }

    fn attempt<T>(
        &self,
        name: &'static str,
        origin: (Option<Actor>, Clock),
        body: &impl for<'tx> Fn(&Tx<'tx>) -> Result<T, TxError>,
    ) -> Result<Committed<T>, TxError> {
        let writing = self.pool.begin().map_err(|cause| match cause {
            BeginError::Nested => TxError::Nested,
            BeginError::Database(source) => TxError::Database(source),
        })?;
        let done = self.in_writing(&writing, origin, body)?;
        with_hook(&self.hook, WriteKind::Commit(name), || writing.commit()).map_err(|cause| match cause {
            CommitError::Undone(source) => TxError::Database(source),
            CommitError::Unknown(source) => TxError::CommitUnknown { transaction: name, source },
        })?;
        Ok(done)
    }

    fn in_writing<T>(
        &self,
        writing: &Writing<'_>,
        (by, clock): (Option<Actor>, Clock),
        body: &impl for<'tx> Fn(&Tx<'tx>) -> Result<T, TxError>,
    ) -> Result<Committed<T>, TxError> {
        let tx = Tx::new(self.snapshot(writing.db()?, clock)?, &self.rng);
        tx.complete_rotations()?;
        if self.replayed.load(Ordering::Relaxed) {
            tx.replay_uncommitted()?;
        }
        tx.act_for(by);
        let value = body(&tx)?;
        if tx.db.failed() {
            return Err(TxError::Database(DbError::earlier_step()));
        }
        // Before the commit: if that fails now, the person's word holds all the same from the next transaction on.
        tx.write_ring_notes()?;
        let changes = tx.write_changes()?;
        tx.bind()?;
        Ok(Committed { value, changes, traffic: tx.traffic() })
    }

    /// Runs `body` over a snapshot of the vault: what was committed when it began, whatever others write meanwhile. It waits
    /// for nobody, and nobody for it. `now` is the time of everything in it.
    ///
    /// A person may have withdrawn before the answer is used: whoever names people by their faces uses [`Self::run_tx`].
    ///
    /// # Errors
    ///
    /// - Whatever `body` returns.
    /// - [`TxError::OtherFormat`] if a newer program brought the tables up to date meanwhile.
    /// - [`TxError::Database`] if the database cannot be read.
    pub fn read_tx<T>(
        &self,
        now: Timestamp,
        body: impl for<'tx> FnOnce(&ReadTx<'tx>) -> Result<T, TxError>,
    ) -> Result<T, TxError> {
        self.pool.read(|db| body(&self.snapshot(db, Clock::of(now))?))
    }

    /// What every transaction has to know before anything else.
    fn snapshot<'l>(&'l self, db: Db<'l>, clock: Clock) -> Result<ReadTx<'l>, TxError> {
        let sql = if self.pool.is_sqlite() { IN_A_FILE } else { ON_A_SERVER };
        let row = db.row(sql, args![])?.ok_or(TxError::Damaged { table: "log_head" })?;
        let format = row.opt_int(0)?;
        if format.is_some_and(|format| format > FORMAT_VERSION) {
            return Err(TxError::OtherFormat);
        }
        if !self.pool.is_sqlite() {
            self.check_ring_place(row.opt_array(8)?)?;
        }
        self.ring().refresh()?;
        let about = match format {
            Some(_) => self.about_as(&row)?,
            // It is being created.
            None => self.about(),
        };
        let newest = if clock.confirmed { None } else { newest(&db, &row)? };
        let source = self.pool.clock_source();
        let now = match source {
            ClockSource::Caller => clock.now,
            ClockSource::Database => Timestamp(row.int(9)?),
        };
        let head = Head { ring_slots: row.opt_int(3)?.map(|slots| slots as u64), ..Head::read(&row, 4, format)? };
        Ok(ReadTx::new(db, &self.ring, about, &self.rules, (now, source, newest), (head, &self.row_keys)))
    }

    /// What is known of the vault, read anew if another process changed it.
    fn about_as(&self, row: &Row) -> Result<Arc<About>, TxError> {
        let (known, sealed) = (self.about(), row.bytes(2)?);
        if known.sealed == sealed {
            return Ok(known);
        }
        let about = Arc::new(About::open((self.folder(), &self.ring()), self.id(), &row.text(1)?, sealed)?);
        *self.about.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&about);
        Ok(about)
    }

    pub(crate) fn about(&self) -> Arc<About> {
        Arc::clone(&self.about.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn ring(&self) -> MutexGuard<'_, KeyRing> {
        // Its view of the file is compared with the file at each use.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest time that a vault took for right: the mark in the log's head, or in a vault of an older format the time of the
/// newest entry. `None` if the log is empty.
fn newest(db: &Db<'_>, row: &Row) -> Result<Option<Timestamp>, TxError> {
    if let Some(at) = row.opt_int(6)? {
        return Ok(Some(Timestamp(at)));
    }
    let leaf = db.row("SELECT bytes FROM log_leaves ORDER BY seq DESC LIMIT 1", args![])?;
    // One that was changed says nothing of the time; that it was changed, an audit says.
    let bytes = leaf.map(|row| row.bytes(0)).transpose()?;
    Ok(bytes.and_then(|bytes| Leaf::from_bytes(&bytes)).map(|leaf| leaf.time))
}
