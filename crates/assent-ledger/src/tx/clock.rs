//! The time of a transaction, and what a clock that is wrong may not do.
//!
//! The vault keeps the newest time that it took for right: that of the newest entry of its log, or of the newest look for what
//! is due. Time does not run backwards behind it. A clock that is behind it by more than clocks are corrected by, or ahead of
//! it by more than a month, ends, deletes and compares nothing until a person says that it is right. What people ask for,
//! withdrawal, erasure, an order to stop, a request, is done all the same, and moves that newest time by no leap.
//!
//! Which clock that is: with SQLite the caller's, with PostgreSQL the server's ([`crate::ClockSource`]), so that a consent is over
//! at one moment for all machines.

use super::{ReadTx, Tx};
use crate::actor::Origin;
use crate::db::args;
use crate::error::TxError;
use crate::fields::Writer;
use crate::id::Timestamp;
use crate::ledger::Ledger;
use crate::log::EventKind;
use crate::transactions::Clock;

/// A clock is corrected by so much without anybody being asked.
const CORRECTED_MS: i64 = 60 * 60 * 1000;

/// A clock is ahead of the newest entry by so much without anybody being asked: 31 days.
const LEAP_MS: i64 = 31 * 24 * 60 * 60 * 1000;

impl Ledger {
    /// What is wrong with the clock, if it is behind the newest time that the vault took for right, or far ahead of it.
    ///
    /// # Errors
    ///
    /// As [`Self::run_tx`].
    pub fn clock(&self, now: Timestamp) -> Result<Option<TxError>, TxError> {
        self.read_tx(now, |tx| Ok(tx.check_clock().err()))
    }

    /// A person says that the clock is right although [`Self::clock`] doubts it. An entry of the log says so; from then on it is
    /// the newest time. Returns whether there was a doubt; without one, nothing is done.
    ///
    /// # Errors
    ///
    /// As [`Self::run_tx`].
    pub fn confirm_clock(&self, origin: impl Into<Origin>) -> Result<bool, TxError> {
        let Origin { by, at: now } = origin.into();
        let looked = self.read_tx(now, |tx| Ok((tx.check_clock().is_err(), tx.newest)))?;
        let (doubted, before) = looked;
        if doubted {
            self.run_at("confirm the clock", (by, Clock { now, confirmed: true }), |tx| tx.clock_leaf(before))?;
        }
        Ok(doubted)
    }
}

impl ReadTx<'_> {
    /// Refuses what ends, deletes or compares while the clock is behind the newest entry, beyond what clocks are corrected
    /// by, or ahead of it by more than 31 days, until a person says that it is right
    /// ([`crate::Ledger::confirm_clock`]).
    ///
    /// # Errors
    ///
    /// [`TxError::ClockSetBack`], [`TxError::ClockAhead`].
    pub fn check_clock(&self) -> Result<(), TxError> {
        let Some(newest) = self.newest else { return Ok(()) };
        let ahead = self.clock.0.saturating_sub(newest.0);
        let (now, latest, clock) = (long_day(self.clock), long_day(newest), self.clock_source);
        match () {
            () if ahead > LEAP_MS => Err(TxError::ClockAhead { clock, now, latest }),
            () if ahead < -CORRECTED_MS => Err(TxError::ClockSetBack { clock, now, latest }),
            () => Ok(()),
        }
    }

    /// What the newest time that was taken for right is after this transaction.
    pub(super) fn newest_after(&self) -> Timestamp {
        match self.newest {
            Some(newest) if self.now.0.saturating_sub(newest.0) > LEAP_MS => newest,
            _ => self.now,
        }
    }
}

impl Tx<'_> {
    /// Takes the time of this transaction for right, without an entry in the log: a vault in which nothing is due is looked
    /// at every day, and was not asleep.
    pub(super) fn note_time(&self) -> Result<(), TxError> {
        let newest = self.newest_after();
        if self.newest.is_none_or(|before| newest.0.saturating_sub(before.0) > CORRECTED_MS) {
            self.exec("UPDATE log_head SET newest_ms = $1 WHERE one = 1", args![newest])?;
        }
        Ok(())
    }

    /// The entry that says that a person looked at the clock and found it right. It may be before the newest one.
    fn clock_leaf(&self, before: Option<Timestamp>) -> Result<(), TxError> {
        let public = Writer::new().opt_int(before.map(|at| at.0)).finish();
        self.append_leaf(EventKind::ClockConfirmed, &public, &[]).map(drop)
    }
}

/// A day as people write it: `2 March 2031`.
fn long_day(at: Timestamp) -> String {
    let time = jiff::Timestamp::from_millisecond(at.0);
    time.map_or_else(|_| at.0.to_string(), |time| time.strftime("%-d %B %Y").to_string())
}
