//! Opening the templates of a collection: many records, each under its subject's key, by several threads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use zeroize::Zeroizing;

use super::Tx;
use super::templates::TEMPLATES;
use crate::db::{DbError, args};
use crate::error::TxError;
use crate::id::{CollectionId, GrantId, SubjectId, TemplateId};
use crate::keyring::KeyReader;
use crate::reader::{self, Reader, Record, records_by_page};
use crate::seal::{self, Place};
use crate::words::Purpose;

/// After so many records, somebody is told.
const SAID_AFTER: u64 = 1024;

/// Below so many records, one thread is done before another has begun.
const FEW: u64 = 4096;

/// What may be searched in a collection now, before it is opened.
#[derive(Clone, Debug)]
pub struct Searchable {
    /// The grants in force and whose they are, by the grants' ids.
    pub grants: Vec<(GrantId, SubjectId)>,
    /// Templates that stand under them, of whatever model.
    pub templates: u64,
    /// The collection's `template_epoch` at this moment.
    pub epoch: i64,
    collection: CollectionId,
    purpose: Purpose,
    model_sha256: [u8; 32],
}

/// A template, open for as long as it is looked at.
pub struct OpenTemplate<'a> {
    /// Its id.
    pub template: TemplateId,
    /// Under which grant: an index into [`Searchable::grants`].
    pub grant: usize,
    /// What the engine stored.
    pub plain: &'a [u8],
}

impl std::fmt::Debug for OpenTemplate<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenTemplate").field("template", &self.template).finish_non_exhaustive()
    }
}

impl Tx<'_> {
    /// What may be searched in a collection now, for a purpose, made by a model.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoCollection`] if there is none.
    /// - [`TxError::Frozen`] if it is frozen, [`TxError::NoBasis`] if its basis is `none`.
    /// - [`TxError::Damaged`] if a grant is not of this format, [`TxError::Database`] if the database refuses.
    pub fn searchable(
        &self,
        collection: CollectionId,
        purpose: &Purpose,
        model_sha256: [u8; 32],
    ) -> Result<Searchable, TxError> {
        let about = self.open_collection(collection)?;
        if !about.others.allows_matching() {
            return Err(TxError::NoBasis { collection });
        }
        let sql = "SELECT id, subject_id FROM grants WHERE collection_id = $1 AND purpose = $2 AND state = 'active' \
                   AND valid_from_ms <= $3 AND valid_until_ms > $3 ORDER BY id";
        let grants = self.rows(sql, args![collection, purpose.as_str(), self.now])?;
        let grants =
            grants.iter().map(|row| Ok((GrantId::from_bytes(row.array(0)?), SubjectId::from_bytes(row.array(1)?))));
        let sql = "SELECT COUNT(*) FROM templates WHERE grant_id IN (SELECT id FROM grants WHERE collection_id = $1 \
                   AND purpose = $2 AND state = 'active' AND valid_from_ms <= $3 AND valid_until_ms > $3)";
        Ok(Searchable {
            grants: grants.collect::<Result<_, TxError>>()?,
            templates: self.count(sql, args![collection, purpose.as_str(), self.now])? as u64,
            epoch: about.template_epoch,
            collection,
            purpose: purpose.clone(),
            model_sha256,
        })
    }

    /// Opens what may be searched, in the order of the file, on several threads if there is much of it, and gives each
    /// template to `take`, whose answer says whether it could use it. Returns those that did not open or could not be
    /// used, by id: a wrong key or a torn record is no reason not to start. `progress` is told from time to time how many
    /// records were read.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses, [`TxError::KeyRing`] if the key ring cannot be read.
    pub fn open_templates(
        &self,
        what: &Searchable,
        threads: usize,
        take: &(dyn Fn(&OpenTemplate<'_>) -> bool + Sync),
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<TemplateId>, TxError> {
        let mut ring = self.ring.borrow_mut();
        let by_id = what.grants.iter().enumerate().map(|(i, (grant, _))| (*grant, i)).collect();
        let opener = Opener { what, by_id, keys: ring.reader()?, take };
        let mut unopened = match self.db.beside() {
            Some(place) if threads > 1 && what.templates > FEW => opener.on_threads(threads, place, progress)?,
            _ => {
                let mut done = Done::nothing(progress);
                let rows = &mut |sql, args| self.db.rows(sql, args);
                records_by_page(rows, (0, i64::MAX), what.model_sha256, &mut |record| opener.take(record, &mut done))?;
                done.end()
            }
        };
        unopened.sort_unstable();
        Ok(unopened)
    }
}

/// Opens records.
struct Opener<'a> {
    what: &'a Searchable,
    by_id: HashMap<GrantId, usize>,
    keys: KeyReader<'a>,
    take: &'a (dyn Fn(&OpenTemplate<'_>) -> bool + Sync),
}

impl Opener<'_> {
    /// Divides the ids, which are random, into many equal parts, which the threads take one after the other.
    fn on_threads(
        &self,
        threads: usize,
        place: reader::Place<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<TemplateId>, DbError> {
        let parts = threads as u64 * 8;
        let next = AtomicU64::new(0);
        let (said, heard): (Sender<u64>, Receiver<u64>) = channel();
        let work = |said: Sender<u64>| -> Result<Vec<TemplateId>, DbError> {
            // Whether anybody still listens does not matter.
            let progress = &mut |records| said.send(records).unwrap_or_default();
            let mut done = Done::nothing(progress);
            let mut reader = Reader::connect(place)?;
            loop {
                let part = next.fetch_add(1, Ordering::Relaxed);
                if part >= parts {
                    return Ok(done.end());
                }
                let first = |part: u64| u128::from(part) * (1 << 63) / u128::from(parts);
                let range = (first(part) as i64, (first(part + 1) - 1) as i64);
                reader.records(range, self.what.model_sha256, &mut |record| self.take(record, &mut done))?;
            }
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|_| {
                    let (work, said) = (&work, said.clone());
                    scope.spawn(move || work(said))
                })
                .collect();
            drop(said);
            heard.iter().for_each(progress);
            let mut unopened = Vec::new();
            for worker in workers {
                unopened.extend(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            Ok(unopened)
        })
    }

    /// Looks at one record: whose grant is not in force, or for another collection or purpose, is passed by.
    fn take(&self, record: &Record<'_>, done: &mut Done<'_>) {
        done.records += 1;
        if done.records == SAID_AFTER {
            (done.progress)(std::mem::take(&mut done.records));
        }
        let grant = record.grant.try_into().ok().and_then(|id| self.by_id.get(&GrantId::from_bytes(id)));
        if let Some(&grant) = grant
            && !self.open(grant, record, &mut done.plain)
        {
            done.unopened.push(TemplateId(record.id));
        }
    }

    /// Whether the record opened and was of use.
    fn open(&self, grant: usize, record: &Record<'_>, plain: &mut Zeroizing<Vec<u8>>) -> bool {
        let (id, subject) = self.what.grants[grant];
        let row_key = record.id.to_be_bytes();
        let place = Place {
            table: TEMPLATES,
            subject: Some(subject),
            collection: Some(self.what.collection),
            purpose: Some(&self.what.purpose),
            grant: Some(id),
            model: Some(self.what.model_sha256),
            epoch: Some(record.epoch),
            row: Some(&row_key),
        };
        let Some(key) = self.keys.get(subject) else { return false };
        let template = TemplateId(record.id);
        seal::open_into(&key, &place, record.sealed, plain).is_ok()
            && (self.take)(&OpenTemplate { template, grant, plain })
    }
}

/// What a thread did.
struct Done<'a> {
    unopened: Vec<TemplateId>,
    /// The record that was opened last.
    plain: Zeroizing<Vec<u8>>,
    /// Records since `progress` was told.
    records: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl<'a> Done<'a> {
    fn nothing(progress: &'a mut dyn FnMut(u64)) -> Self {
        Self { unopened: Vec::new(), plain: Zeroizing::default(), records: 0, progress }
    }

    /// What did not open.
    fn end(self) -> Vec<TemplateId> {
        (self.progress)(self.records);
        self.unopened
    }
}
