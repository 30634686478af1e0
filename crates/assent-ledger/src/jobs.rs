//! Jobs: long work on a vault, as records that every process sees and that outlive the one that works.
//!
//! A job has a lease for as long as it runs. Its record says who asked for it, how far it is, and how it ended. One that says
//! `running` while its lease is over is of a process that was killed: it reads as interrupted, and the next job under that lease, or
//! [`Ledger::clear_jobs`], writes that down.
//!
//! The records decide nothing. Whoever can write the database can stop a job, and cannot say how one ended: what was asked, by whom,
//! and the outcome are sealed. They name nobody: a job for one person says no more than that it was for one.

use std::collections::BTreeMap;

use crate::actor::{Act, Actor, Role, Via};
use crate::db::{Columns, Row, args};
use crate::error::TxError;
use crate::fields::{Reader, Writer};
use crate::id::{AccountId, CollectionId, JobId, Timestamp};
use crate::leases::{Lease, LeaseName};
use crate::ledger::Ledger;
use crate::seal::SealContext;
use crate::transactions::Committed;
use crate::tx::{ReadTx, Tx};
use crate::vocabulary::{JobKind, JobState};

const JOBS: &str = "jobs";

/// So long the record of a job that ended is kept, ms; the newest of each kind and collection stays longer.
const KEPT_MS: i64 = 30 * 86_400_000;

/// What is read of a job, in this order.
macro_rules! select_jobs {
    ($rest:literal) => {
        concat!(
            "SELECT j.id, j.kind, j.collection_id, j.state, j.lease, j.token, j.done, j.total, j.sealed, j.outcome, ",
            "j.started_ms, j.heard_ms, j.ended_ms, j.cancel_ms, j.cancelled_by, l.holder, l.token, l.until_ms ",
            "FROM jobs j LEFT JOIN leases l ON l.name = j.lease ",
            $rest
        )
    };
}

/// How many of what, by a word for programs.
pub type JobCounts = BTreeMap<String, u64>;

/// A job that is to begin.
#[derive(Clone, Debug)]
pub struct NewJob<'a> {
    /// What it does.
    pub kind: JobKind,
    /// To which collection, if to one.
    pub collection: Option<CollectionId>,
    /// What one process does at a time: a second job under it is refused.
    pub lease: LeaseName,
    /// What of its kind it does, in a word for programs. It names nobody.
    pub task: &'a str,
}

/// A job that this process runs, until it is ended or dropped.
#[derive(Debug)]
pub struct JobRun {
    id: JobId,
    lease: Lease,
}

impl JobRun {
    /// Its number.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Its lease: what it stores is stored under that.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// It came to its end, with these results.
    Done(JobCounts),
    /// It was stopped, and these results stay.
    Cancelled(JobCounts),
    /// It ended with the error of this code.
    Failed(String),
}

/// Who asked for something, as far as that is kept: of a member nothing but that it was one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskedFor {
    /// In which role.
    pub role: Role,
    /// At a terminal, through an account, or through a member's own, which is not kept.
    pub via: Option<Via>,
}

/// What is known of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// What of its kind, as [`NewJob::task`].
    pub task: String,
    /// To which collection, if to one.
    pub collection: Option<CollectionId>,
    /// Where it is.
    pub state: JobState,
    /// Who asked for it.
    pub by: AskedFor,
    /// How much is done, of [`Self::total`].
    pub done: u64,
    /// How much there is to do; 0 while that is not known.
    pub total: u64,
    /// When it began.
    pub started: Timestamp,
    /// When its process was heard of last.
    pub heard: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// When somebody asked it to stop, and who.
    pub cancel: Option<(Timestamp, Option<AskedFor>)>,
    /// Its results, once it ended.
    pub counts: JobCounts,
    /// The code of the error with which it ended.
    pub error: Option<String>,
}

/// The jobs of which there is a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRecords {
    /// The newest first.
    pub jobs: Vec<Job>,
    /// Those whose record is not as it was written, and says nothing.
    pub unreadable: Vec<JobId>,
}

/// A job with what its record says of its lease.
struct Stored {
    job: Job,
    lease: String,
    /// Holder and end of the lease, if it is the same still.
    held: Option<([u8; 16], i64)>,
}

impl AskedFor {
    fn of(by: Actor) -> Self {
        let via = Some(by.via).filter(|via| by.role != Role::Member || *via == Via::Terminal);
        Self { role: by.role, via }
    }

    fn to_bytes(self) -> Vec<u8> {
        let account = match self.via {
            Some(Via::Account(id)) => Some(*id.as_bytes()),
            _ => None,
        };
        let at_terminal = self.via == Some(Via::Terminal);
        let account = account.as_ref().map(<[u8; 16]>::as_slice);
        Writer::new().bytes(&[self.role.code(), at_terminal.into()]).opt(account).finish_public()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let [role, at_terminal] = reader.array()?;
        let via = match (at_terminal, reader.opt()?) {
            (1, _) => Some(Via::Terminal),
            (_, Some(id)) => Some(Via::Account(AccountId::from_bytes(id.try_into().ok()?))),
            (_, None) => None,
        };
        Some(Self { role: Role::from_code(role)?, via })
    }
}

/// What is sealed of a job, each to a place of its own.
#[derive(Clone, Copy)]
enum Part {
    Asked = 0,
    Ended = 1,
    Cancelled = 2,
}

/// The place of a sealed part: a record of another job, or of another kind or collection, does not open there.
fn place(id: JobId, kind: &str, part: Part) -> Vec<u8> {
    Writer::new().int(id.0).text(kind).bytes(&[part as u8]).finish_public()
}

fn context(row: &[u8], collection: Option<CollectionId>) -> SealContext<'_> {
    SealContext { table: JOBS, collection, row: Some(row), ..SealContext::default() }
}

impl JobOutcome {
    fn state(&self) -> JobState {
        match self {
            Self::Done(_) => JobState::Done,
            Self::Cancelled(_) => JobState::Cancelled,
            Self::Failed(_) => JobState::Failed,
        }
    }

    fn parts(&self) -> (JobCounts, Option<&str>) {
        match self {
            Self::Done(counts) | Self::Cancelled(counts) => (counts.clone(), None),
            Self::Failed(code) => (JobCounts::new(), Some(code)),
        }
    }
}

/// What is sealed of an end: state, time, code, counts.
fn end_bytes(state: JobState, at: Timestamp, counts: &JobCounts, code: Option<&str>) -> zeroize::Zeroizing<Vec<u8>> {
    let begun = Writer::new().text(state.as_str()).int(at.0).opt(code.map(str::as_bytes)).int(counts.len() as i64);
    counts.iter().fold(begun, |all, (word, n)| all.text(word).int(*n as i64)).finish()
}

/// State, time, counts, code.
type End = (JobState, Timestamp, JobCounts, Option<String>);

fn read_end(bytes: &[u8]) -> Option<End> {
    let mut reader = Reader::new(bytes);
    let (state, at) = (reader.text()?.parse().ok()?, Timestamp(reader.int()?));
    let code = reader.opt_text()?.map(str::to_owned);
    let counts =
        (0..reader.int()?).map(|_| Some((reader.text()?.to_owned(), reader.int()? as u64))).collect::<Option<_>>()?;
    Some((state, at, counts, code))
}

impl Ledger {
    /// Begins a job: takes its lease, and writes its record.
    ///
    /// # Errors
    ///
    /// - [`TxError::JobRuns`] if a job runs under that lease, [`TxError::Leased`] if something else has it.
    /// - As [`Self::lease`].
    pub fn start_job(&self, new: &NewJob<'_>, act: Act) -> Result<JobRun, TxError> {
        let begun = self.lease_and(("start a job", new.lease), act, |tx, token| tx.add_job(new, act.by, token));
        match begun {
            Ok((lease, id)) => Ok(JobRun { id, lease }),
            Err(TxError::Leased { name }) => Err(self.what_runs(name, act.at).unwrap_or(TxError::Leased { name })),
            Err(refused) => Err(refused),
        }
    }

    /// Which job has a lease.
    fn what_runs(&self, name: LeaseName, now: Timestamp) -> Option<TxError> {
        let sql = select_jobs!("WHERE j.lease = $1 AND j.state = 'running' ORDER BY j.id DESC LIMIT 1");
        let row = self.read_tx(now, |tx| tx.row(sql, args![name.text()])?.map(|row| tx.read_job(&row)).transpose());
        let Job { id, done, total, .. } = row.ok()??.job;
        Some(TxError::JobRuns { job: id, name, done, total })
    }

    /// Writes down how a job ended, and gives its lease back. Of one whose lease another process took nothing is written: it was
    /// noted as interrupted.
    ///
    /// # Errors
    ///
    /// As [`Self::run_tx`]. Then the record says `running`, and reads as interrupted.
    pub fn end_job(
        &self,
        run: JobRun,
        (done, total): (u64, u64),
        outcome: &JobOutcome,
        act: Act,
    ) -> Result<(), TxError> {
        self.run_tx("end a job", act, |tx| {
            if tx.end_lease(&run.lease)? {
                let (counts, code) = outcome.parts();
                tx.settle_job(run.id, (outcome.state(), tx.now()), &counts, code)?;
                tx.exec(
                    "UPDATE jobs SET done = $1, total = $2, heard_ms = $3 WHERE id = $4",
                    args![done as i64, total as i64, tx.now(), run.id],
                )?;
            }
            Ok(())
        })?;
        drop(run);
        Ok(())
    }

    /// All jobs of which there is a record.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn jobs(&self, now: Timestamp) -> Result<JobRecords, TxError> {
        let (mut stored, mut unreadable) = (Vec::new(), Vec::new());
        self.read_tx(now, |tx| {
            for row in tx.rows(select_jobs!("ORDER BY j.id DESC"), args![])? {
                match tx.read_job(&row) {
                    Ok(job) => stored.push(job),
                    Err(TxError::Seal(_) | TxError::Damaged { .. }) => unreadable.push(JobId(row.int(0)?)),
                    Err(refused) => return Err(refused),
                }
            }
            Ok(())
        })?;
        Ok(JobRecords { jobs: stored.into_iter().map(|stored| self.as_it_is(stored, now)).collect(), unreadable })
    }

    /// One job.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoJob`] if there is no record of one with this number.
    /// - [`TxError::Seal`], [`TxError::Damaged`] if its record is not as it was written.
    /// - [`TxError::Database`] if the database refuses.
    pub fn job(&self, id: JobId, now: Timestamp) -> Result<Job, TxError> {
        let sql = select_jobs!("WHERE j.id = $1");
        let row = self.read_tx(now, |tx| tx.row(sql, args![id])?.map(|row| tx.read_job(&row)).transpose())?;
        Ok(self.as_it_is(row.ok_or(TxError::NoJob { job: id })?, now))
    }

    /// A job whose process is gone is interrupted, whatever its record says.
    fn as_it_is(&self, stored: Stored, now: Timestamp) -> Job {
        let Stored { mut job, lease, held } = stored;
        let runs = job.state == JobState::Running;
        if runs && !held.is_some_and(|held| self.is_held(&lease, held, now)) {
            (job.state, job.ended) = (JobState::Interrupted, Some(job.heard));
        }
        job
    }

    /// Asks a job to stop. Its process ends it at the next step, with everything whole.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoJob`] if there is no record of one with this number, [`TxError::JobEnded`] if it does not run.
    /// - As [`Self::run_tx`].
    pub fn cancel_job(&self, id: JobId, act: Act) -> Result<(), TxError> {
        if self.job(id, act.at)?.state != JobState::Running {
            return Err(TxError::JobEnded { job: id });
        }
        let cancel = |tx: &Tx<'_>| tx.cancel_job(id, act.by);
        self.run_tx("cancel a job", act, cancel).map(Committed::into_inner)
    }

    /// Writes down which jobs were interrupted, and deletes the records of those that ended more than 30 days ago; the newest of each
    /// kind and collection stays. To be called about once in 24 hours. No record is opened for it, so that a damaged one is in nobody's
    /// way.
    ///
    /// # Errors
    ///
    /// As [`Self::run_tx`].
    pub fn clear_jobs(&self, now: Timestamp) -> Result<(), TxError> {
        let sql = "SELECT j.id, j.token, j.heard_ms, j.lease, l.holder, l.token, l.until_ms FROM jobs j \
                   LEFT JOIN leases l ON l.name = j.lease WHERE j.state = 'running'";
        let rows = self.read_tx(now, |tx| tx.rows(sql, args![]))?;
        let mut gone = Vec::new();
        for row in rows {
            let (id, token, heard, lease) = (JobId(row.int(0)?), row.int(1)?, Timestamp(row.int(2)?), row.text(3)?);
            if !held(&row, 4, token)?.is_some_and(|held| self.is_held(&lease, held, now)) {
                gone.push((id, token, heard));
            }
        }
        self.run_tx("clear jobs", now, |tx| {
            for &(id, token, heard) in &gone {
                tx.interrupt_job(id, token, heard)?;
            }
            tx.clear_old_jobs()
        })?;
        self.remove_lease_files(now)
    }
}

/// Holder and end of a lease, of columns from `first` on, if it is the one of this token still.
fn held(row: &Row, first: usize, token: i64) -> Result<Option<([u8; 16], i64)>, TxError> {
    Ok(match (row.opt_array(first)?, row.opt_int(first + 1)?, row.opt_int(first + 2)?) {
        (Some(holder), Some(now), Some(until)) if now == token => Some((holder, until)),
        _ => None,
    })
}

impl ReadTx<'_> {
    fn read_job(&self, row: &Row) -> Result<Stored, TxError> {
        let damaged = || TxError::Damaged { table: JOBS };
        let (id, kind) = (JobId(row.int(0)?), row.text(1)?);
        let collection = row.opt_array(2)?.map(CollectionId::from_bytes);
        let open = |part, sealed: &[u8]| self.open_master(&context(&place(id, &kind, part), collection), sealed);
        let state: JobState = row.text(3)?.parse().map_err(|_| damaged())?;
        let asked = open(Part::Asked, row.blob(8)?)?;
        let mut reader = Reader::new(&asked);
        let task = reader.text().ok_or_else(damaged)?.to_owned();
        let by = reader.bytes().and_then(AskedFor::from_bytes).ok_or_else(damaged)?;
        let ended = row.opt_int(12)?.map(Timestamp);
        let (counts, error) = match row.opt_bytes(9)? {
            None if state == JobState::Running => (JobCounts::new(), None),
            Some(sealed) => {
                let (said, at, counts, error) = read_end(&open(Part::Ended, &sealed)?).ok_or_else(damaged)?;
                if (said, Some(at)) != (state, ended) {
                    return Err(damaged());
                }
                (counts, error)
            }
            None => return Err(damaged()),
        };
        // Somebody who can write the database alone may have asked: then nobody knows who.
        let asker = |sealed: Vec<u8>| AskedFor::from_bytes(&open(Part::Cancelled, &sealed).ok()?);
        let cancel = row.opt_int(13)?.map(Timestamp);
        let cancel = cancel.map(|at| Ok::<_, TxError>((at, row.opt_bytes(14)?.and_then(asker)))).transpose()?;
        let held = held(row, 15, row.int(5)?)?;
        let job = Job {
            id,
            kind: kind.parse().map_err(|_| damaged())?,
            task,
            collection,
            state,
            by,
            done: row.int(6)? as u64,
            total: row.int(7)? as u64,
            started: Timestamp(row.int(10)?),
            heard: Timestamp(row.int(11)?),
            ended,
            cancel,
            counts,
            error,
        };
        Ok(Stored { job, lease: row.text(4)?, held })
    }

    /// Whether somebody asked this process's job to stop.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn job_is_cancelled(&self, run: &JobRun) -> Result<bool, TxError> {
        Ok(self.count("SELECT COUNT(*) FROM jobs WHERE id = $1 AND cancel_ms IS NOT NULL", args![run.id])? > 0)
    }
}

impl Tx<'_> {
    fn add_job(&self, new: &NewJob<'_>, by: Actor, token: i64) -> Result<JobId, TxError> {
        let lease = new.lease.text();
        // Whoever had the lease is gone.
        let sql = "SELECT id, token, heard_ms FROM jobs WHERE lease = $1 AND state = 'running'";
        for row in self.rows(sql, args![&*lease])? {
            self.interrupt_job(JobId(row.int(0)?), row.int(1)?, Timestamp(row.int(2)?))?;
        }
        // The newest record of all is never deleted.
        let id = JobId(self.count("SELECT COALESCE(MAX(id), 0) + 1 FROM jobs", args![])?);
        let kind = new.kind.as_str();
        let plain = Writer::new().text(new.task).bytes(&AskedFor::of(by).to_bytes()).finish();
        let sealed = self.seal_master(&context(&place(id, kind, Part::Asked), new.collection), &plain)?;
        self.exec(
            "INSERT INTO jobs (id, kind, collection_id, state, lease, token, done, total, sealed, started_ms, heard_ms) \
             VALUES ($1, $2, $3, 'running', $4, $5, 0, 0, $6, $7, $7)",
            args![id, kind, new.collection, lease, token, sealed, self.now()],
        )?;
        Ok(id)
    }

    /// Says in a transaction of a job how far it is, and that its process is alive. Whether somebody asked it to stop.
    ///
    /// # Errors
    ///
    /// As [`Self::renew_lease`].
    pub fn report_job(&self, run: &JobRun, done: u64, total: u64) -> Result<bool, TxError> {
        self.renew_lease(&run.lease)?;
        let sql = "UPDATE jobs SET done = $1, total = $2, heard_ms = $3 WHERE id = $4 RETURNING cancel_ms";
        let row = self.row(sql, args![done as i64, total as i64, self.now(), run.id])?;
        Ok(row.map(|row| row.opt_int(0)).transpose()?.flatten().is_some())
    }

    /// Kind and collection of a job.
    fn kind_of_job(&self, id: JobId) -> Result<Option<(String, Option<CollectionId>)>, TxError> {
        let row = self.row("SELECT kind, collection_id FROM jobs WHERE id = $1", args![id])?;
        row.map(|row| Ok((row.text(0)?, row.opt_array(1)?.map(CollectionId::from_bytes)))).transpose()
    }

    /// A job is over. Nothing is written where its record is gone.
    fn settle_job(
        &self,
        id: JobId,
        (state, at): (JobState, Timestamp),
        counts: &JobCounts,
        code: Option<&str>,
    ) -> Result<(), TxError> {
        let Some((kind, collection)) = self.kind_of_job(id)? else { return Ok(()) };
        let plain = end_bytes(state, at, counts, code);
        let sealed = self.seal_master(&context(&place(id, &kind, Part::Ended), collection), &plain)?;
        let sql = "UPDATE jobs SET state = $1, ended_ms = $2, outcome = $3 WHERE id = $4";
        self.exec(sql, args![state.as_str(), at, sealed, id]).map(drop)
    }

    /// The process of a job under this token is gone, and was heard of last at that time.
    fn interrupt_job(&self, id: JobId, token: i64, heard: Timestamp) -> Result<(), TxError> {
        let sql = "SELECT COUNT(*) FROM jobs WHERE id = $1 AND token = $2 AND state = 'running'";
        if self.count(sql, args![id, token])? == 0 {
            return Ok(());
        }
        self.settle_job(id, (JobState::Interrupted, heard), &JobCounts::new(), None)
    }

    fn cancel_job(&self, id: JobId, by: Actor) -> Result<(), TxError> {
        let (kind, collection) = self.kind_of_job(id)?.ok_or(TxError::NoJob { job: id })?;
        let row = place(id, &kind, Part::Cancelled);
        let sealed = self.seal_master(&context(&row, collection), &AskedFor::of(by).to_bytes())?;
        // Who asked first is named.
        let sql = "UPDATE jobs SET cancel_ms = $1, cancelled_by = $2 WHERE id = $3 AND state = 'running' AND cancel_ms IS NULL";
        self.exec(sql, args![self.now(), sealed, id]).map(drop)
    }

    fn clear_old_jobs(&self) -> Result<(), TxError> {
        let old = self.now().0.saturating_sub(KEPT_MS);
        self.exec(
            "DELETE FROM jobs WHERE state <> 'running' AND ended_ms < $1 \
             AND id NOT IN (SELECT MAX(id) FROM jobs GROUP BY kind, collection_id)",
            args![old],
        )?;
        // Each place to which something was written has a lease of its own.
        let sql =
            "DELETE FROM leases WHERE name LIKE 'export-%' AND until_ms < $1 AND name NOT IN (SELECT lease FROM jobs)";
        self.exec(sql, args![self.now()]).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asked_round_trips_and_a_member_s_account_is_not_kept() {
        let account = Via::Account(AccountId::from_bytes([7; 16]));
        let check = |name: &str, role: Role, via: Via, kept: Option<Via>| {
            let asked = AskedFor::of(Actor { role, via });
            assert_eq!(asked, AskedFor { role, via: kept }, "{name}");
            assert_eq!(AskedFor::from_bytes(&asked.to_bytes()), Some(asked), "{name}");
        };
        check("a terminal", Role::Operator, Via::Terminal, Some(Via::Terminal));
        check("an account", Role::Enroller, account, Some(account));
        check("a member", Role::Member, account, None);
        check("a member at a terminal", Role::Member, Via::Terminal, Some(Via::Terminal));
        assert_eq!(AskedFor::from_bytes(&[]), None);
    }

    #[test]
    fn an_end_round_trips() {
        let counts = JobCounts::from([("photos".to_owned(), 3), ("match".to_owned(), u64::from(u32::MAX) + 1)]);
        let check = |state, counts: JobCounts, code: Option<&str>| {
            let bytes = end_bytes(state, Timestamp(5), &counts, code);
            assert_eq!(read_end(&bytes), Some((state, Timestamp(5), counts, code.map(str::to_owned))));
        };
        check(JobState::Done, counts, None);
        check(JobState::Failed, JobCounts::new(), Some("stopped"));
    }
}
