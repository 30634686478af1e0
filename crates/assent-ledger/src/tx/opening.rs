//! Opening the templates of a collection: many records, each under its subject's key, by several threads.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use zeroize::Zeroizing;

use super::templates::TEMPLATES;
use super::{Album, Tx};
use crate::db::{DbError, args};
use crate::error::TxError;
use crate::id::{CollectionId, GrantId, RequestId, SubjectId, TemplateId};
use crate::keyring::KeyReader;
use crate::reader::{self, Reader, Record, records_by_page};
use crate::seal::{self, Place, SealKey};
use crate::words::{OthersBasis, Purpose, RequestKind};

/// After so many records, somebody is told.
const SAID_AFTER: u64 = 1024;

/// So many templates are given away together.
const TAKEN_AT_ONCE: usize = 64;

/// Below so many records, one thread is done before another has begun.
const FEW: u64 = 4096;

/// What may be searched in a collection now, before it is opened.
#[derive(Clone, Debug)]
pub struct Searchable {
    /// The grants in force and whose they are, by the grants' ids.
    pub grants: Vec<(GrantId, SubjectId)>,
    /// Templates of the whole vault: no more stand under these grants.
    pub templates_at_most: u64,
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
    /// - [`TxError::Frozen`] if it is frozen, or the first of [`Self::locks`] if it forbids matching.
    /// - [`TxError::Database`] if the database refuses.
    pub fn searchable(
        &self,
        collection: CollectionId,
        purpose: &Purpose,
        model_sha256: [u8; 32],
    ) -> Result<Searchable, TxError> {
        let about = self.matched_collection(collection)?;
        if matches!(about.others, OthersBasis::OnRequest(_)) {
            return Err(TxError::OnRequest { collection });
        }
        Ok(Searchable {
            grants: self.not_stopped(reader::grants_in_force(&self.db, collection, purpose, self.now)?)?,
            templates_at_most: self.count("SELECT COUNT(*) FROM templates", args![])? as u64,
            epoch: about.template_epoch,
            collection,
            purpose: purpose.clone(),
            model_sha256,
        })
    }

    /// What may be searched for a person's own request, which has to be open: their templates alone. The only way to
    /// compare faces in a collection that is searched on request (R11).
    ///
    /// # Errors
    ///
    /// - [`TxError::NoRequest`] if there is none, [`TxError::RequestStep`] if it was answered.
    /// - [`TxError::NotAsked`] if it is no `search` of somebody on the roster in this collection.
    /// - [`TxError::Restricted`], [`TxError::Stopped`] if the person is.
    /// - As [`Self::searchable`] otherwise.
    pub fn searchable_on_request(
        &self,
        request: RequestId,
        collection: CollectionId,
        purpose: &Purpose,
        model_sha256: [u8; 32],
    ) -> Result<(Searchable, Album), TxError> {
        let about = self.matched_collection(collection)?;
        let asked = self.request(request)?;
        if asked.answered.is_some() {
            return Err(TxError::RequestStep { request });
        }
        let (RequestKind::Search, Some(subject), true) =
            (asked.kind, asked.subject, asked.collection == Some(collection))
        else {
            return Err(TxError::NotAsked { request });
        };
        self.heed_restriction(subject)?;
        let mut grants = reader::grants_in_force(&self.db, collection, purpose, self.now)?;
        grants.retain(|(_, of)| *of == subject);
        let what = Searchable {
            grants,
            templates_at_most: self.count("SELECT COUNT(*) FROM templates", args![])? as u64,
            epoch: about.template_epoch,
            collection,
            purpose: purpose.clone(),
            model_sha256,
        };
        Ok((what, asked.album))
    }

    /// How many templates stand under the grants in force, of whatever model.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn searchable_count(&self, what: &Searchable) -> Result<u64, TxError> {
        let sql = "SELECT COUNT(*) FROM templates WHERE grant_id IN (SELECT id FROM grants WHERE collection_id = $1 \
                   AND purpose = $2 AND state = 'active' AND valid_from_ms <= $3 AND valid_until_ms > $3)";
        Ok(self.count(sql, args![what.collection, what.purpose.as_str(), self.now])? as u64)
    }

    /// Opens what may be searched, in the order of the file, on several threads if there is much of it, and gives the
    /// templates to `take`, a few at a time; its answer says of each whether it could use it. Returns those that did not open or could not be
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
        take: &(dyn Fn(&[OpenTemplate<'_>]) -> Vec<bool> + Sync),
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<TemplateId>, TxError> {
        let by_id = what.grants.iter().enumerate().map(|(i, (grant, _))| (*grant, i)).collect();
        let opens = opens(self.ring.borrow_mut().reader()?, &what.grants, threads);
        let opener = Opener { what, by_id, opens, take };
        let mut unopened = match self.db.beside() {
            Some(place) if threads > 1 && what.templates_at_most > FEW => {
                opener.on_threads(threads, place, progress)?
            }
            _ => {
                let mut done = Done::nothing(progress);
                let rows = &mut |sql, args| self.db.rows(sql, args);
                records_by_page(rows, (0, i64::MAX), what.model_sha256, &mut |record| opener.take(record, &mut done))?;
                opener.end(done)
            }
        };
        unopened.sort_unstable();
        Ok(unopened)
    }
}

/// A grant in force, and what opens its records.
struct Opens {
    grant: GrantId,
    subject: SubjectId,
    /// `None` where the subject's key is gone or does not read. Held while records are opened, and no longer.
    key: Option<SealKey>,
}

/// What opens the records of each grant.
fn opens(ring: KeyReader<'_>, grants: &[(GrantId, SubjectId)], threads: usize) -> Vec<Opens> {
    let mut all: Vec<Opens> = grants.iter().map(|&(grant, subject)| Opens { grant, subject, key: None }).collect();
    let part = all.len().div_ceil(threads.max(1)).max(FEW as usize);
    thread::scope(|scope| {
        for part in all.chunks_mut(part) {
            scope.spawn(move || {
                let subjects: Vec<SubjectId> = part.iter().map(|opens| opens.subject).collect();
                ring.each(subjects.into_iter(), &mut |i, owner| part[i].key = Some(SealKey::of(owner)));
            });
        }
    });
    all
}

/// Grants' ids are random, so that their first bytes are a hash of them already.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.first_chunk().map_or(0, |first| u64::from_ne_bytes(*first));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Opens records.
struct Opener<'a> {
    what: &'a Searchable,
    by_id: HashMap<GrantId, usize, BuildHasherDefault<FirstBytes>>,
    /// By grant.
    opens: Vec<Opens>,
    take: &'a (dyn Fn(&[OpenTemplate<'_>]) -> Vec<bool> + Sync),
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
                    return Ok(self.end(done));
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
        let Some(&grant) = grant else { return };
        let template = TemplateId(record.id);
        if done.plain.len() == done.open.len() {
            done.plain.push(Zeroizing::default());
        }
        if !self.open(grant, record, &mut done.plain[done.open.len()]) {
            done.unopened.push(template);
            return;
        }
        done.open.push((template, grant));
        if done.open.len() == TAKEN_AT_ONCE {
            self.give(done);
        }
    }

    /// Gives away what is open.
    fn give(&self, done: &mut Done<'_>) {
        let open: Vec<OpenTemplate<'_>> = done
            .open
            .iter()
            .zip(&done.plain)
            .map(|(&(template, grant), plain)| OpenTemplate { template, grant, plain })
            .collect();
        let used = (self.take)(&open);
        let unused = open.iter().zip(used).filter(|(_, used)| !used).map(|(open, _)| open.template);
        done.unopened.extend(unused);
        done.open.clear();
    }

    /// Gives away what is open still, and says what did not open.
    fn end(&self, mut done: Done<'_>) -> Vec<TemplateId> {
        self.give(&mut done);
        (done.progress)(done.records);
        done.unopened
    }

    /// Whether the record opened.
    fn open(&self, grant: usize, record: &Record<'_>, plain: &mut Zeroizing<Vec<u8>>) -> bool {
        let Opens { grant: id, subject, key: Some(key) } = &self.opens[grant] else { return false };
        let row_key = record.id.to_be_bytes();
        let place = Place {
            table: TEMPLATES,
            subject: Some(*subject),
            collection: Some(self.what.collection),
            purpose: Some(&self.what.purpose),
            grant: Some(*id),
            model: Some(self.what.model_sha256),
            epoch: Some(record.epoch),
            row: Some(&row_key),
        };
        seal::open_into(key, &place, record.sealed, plain).is_ok()
    }
}

/// What a thread did.
struct Done<'a> {
    unopened: Vec<TemplateId>,
    /// What is open and was not given away yet, with the grants' indices.
    open: Vec<(TemplateId, usize)>,
    /// What they say. Their memory is used again.
    plain: Vec<Zeroizing<Vec<u8>>>,
    /// Records since `progress` was told.
    records: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl<'a> Done<'a> {
    fn nothing(progress: &'a mut dyn FnMut(u64)) -> Self {
        Self { unopened: Vec::new(), open: Vec::new(), plain: Vec::new(), records: 0, progress }
    }
}
