//! Opening the templates of a collection: many records, each under its subject's key, by several threads.

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
use crate::seal::{self, SealContext, SealKey};
use crate::vocabulary::{BystanderBasis, Purpose, RequestKind};

/// After so many records, somebody is told.
const PROGRESS_INTERVAL: u64 = 1024;

/// So many records are opened and given away together.
const BATCH_LEN: usize = 64;

/// Into so many parts for each thread are the records divided: while the last of them is read, the other threads wait.
const PARTS_EACH: u64 = 64;

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
    /// The template's id: its row number in the vault.
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
    /// - [`TxError::Frozen`] if it is frozen, or the first of [`Self::missing_prerequisites`] if it forbids matching.
    /// - [`TxError::Database`] if the database refuses.
    pub fn searchable(
        &self,
        collection: CollectionId,
        purpose: &Purpose,
        model_sha256: [u8; 32],
    ) -> Result<Searchable, TxError> {
        let about = self.matched_collection(collection)?;
        if matches!(about.others, BystanderBasis::OnRequest(_)) {
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
        self.check_restriction(subject)?;
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
        let opens = opens(self.ring.borrow_mut().reader()?, &what.grants, threads);
        let opener = Opener { what, by_id: ById::of(&opens), opens, take };
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

/// Where a grant stands among others. Ids are random, so that hardly any two of them begin with the same bits, as many as
/// tell so many grants apart.
struct ById {
    bits: u32,
    /// By those bits: a grant whose id begins with them, or [`NONE`].
    heads: Vec<u32>,
    /// By grant: another one whose id begins alike, or [`NONE`].
    links: Vec<u32>,
}

/// Stands for "no grant" where an index of a grant is expected.
const NONE: u32 = u32::MAX;

impl ById {
    fn of(opens: &[Opens]) -> Self {
        let bits = opens.len().max(2).ilog2();
        let mut heads = vec![NONE; 1 << bits];
        let link = |(i, opens): (usize, &Opens)| std::mem::replace(&mut heads[begin(opens.grant, bits)], i as u32);
        let links = opens.iter().enumerate().map(link).collect();
        Self { bits, heads, links }
    }

    fn find(&self, opens: &[Opens], grant: GrantId) -> Option<usize> {
        let mut at = self.heads[begin(grant, self.bits)];
        while at != NONE && opens[at as usize].grant != grant {
            at = self.links[at as usize];
        }
        (at != NONE).then_some(at as usize)
    }
}

/// The first bits of an id, 1 to 64 of them, as a number.
fn begin(grant: GrantId, bits: u32) -> usize {
    let [first @ .., _, _, _, _, _, _, _, _] = *grant.as_bytes();
    (u64::from_be_bytes(first) >> (64 - bits)) as usize
}

/// Opens sealed templates, one batch after another, on one thread.
struct Opener<'a> {
    what: &'a Searchable,
    by_id: ById,
    /// What opens the templates under each grant, by the index of [`Searchable::grants`].
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
        let parts = threads as u64 * PARTS_EACH;
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

    /// Takes a copy of one record, and opens those that wait if it is the last of them.
    fn take(&self, record: &Record<'_>, done: &mut Done<'_>) {
        done.records += 1;
        if done.records == PROGRESS_INTERVAL {
            (done.progress)(std::mem::take(&mut done.records));
        }
        let Ok(grant) = record.grant.try_into() else { return };
        if done.waiting.len() == done.count {
            done.waiting.push(Waiting::default());
        }
        let waiting = &mut done.waiting[done.count];
        (waiting.id, waiting.grant, waiting.epoch) = (record.id, grant, record.epoch);
        waiting.sealed.clear();
        waiting.sealed.extend_from_slice(record.sealed);
        done.count += 1;
        if done.count == BATCH_LEN {
            self.hand_over(done);
        }
    }

    /// Opens what waits, and gives it away. Whose grant is not in force, or for another collection or purpose, is passed
    /// by.
    fn hand_over(&self, done: &mut Done<'_>) {
        let waiting = &mut done.waiting[..std::mem::take(&mut done.count)];
        // All at once: they lie far apart in memory, and a processor waits for many places no longer than for one.
        let grants: Vec<Option<usize>> =
            waiting.iter().map(|w| self.by_id.find(&self.opens, GrantId::from_bytes(w.grant))).collect();
        let mut open = Vec::with_capacity(waiting.len());
        for (waiting, grant) in waiting.iter_mut().zip(grants) {
            let Some(grant) = grant else { continue };
            let template = TemplateId(waiting.id);
            if self.open(&self.opens[grant], waiting) {
                open.push(OpenTemplate { template, grant, plain: &waiting.plain });
            } else {
                done.unopened.push(template);
            }
        }
        let used = (self.take)(&open);
        let unused = open.iter().zip(used).filter(|(_, used)| !used).map(|(open, _)| open.template);
        done.unopened.extend(unused);
    }

    /// Gives away what waits still, and says what did not open.
    fn end(&self, mut done: Done<'_>) -> Vec<TemplateId> {
        self.hand_over(&mut done);
        (done.progress)(done.records);
        done.unopened
    }

    /// Whether the record opened.
    fn open(&self, opens: &Opens, waiting: &mut Waiting) -> bool {
        let Opens { grant, subject, key: Some(key) } = opens else { return false };
        let row_key = waiting.id.to_be_bytes();
        let context = SealContext {
            table: TEMPLATES,
            subject: Some(*subject),
            collection: Some(self.what.collection),
            purpose: Some(&self.what.purpose),
            grant: Some(*grant),
            model: Some(self.what.model_sha256),
            epoch: Some(waiting.epoch),
            row: Some(&row_key),
        };
        seal::open_into(key, &context, &waiting.sealed, &mut waiting.plain).is_ok()
    }
}

/// A record that waits for others.
#[derive(Default)]
struct Waiting {
    id: i64,
    grant: [u8; 16],
    epoch: i64,
    sealed: Vec<u8>,
    /// What it says, once it is open.
    plain: Zeroizing<Vec<u8>>,
}

/// What a thread did.
struct Done<'a> {
    unopened: Vec<TemplateId>,
    /// Records, of which the first `count` wait. The memory of the others is used again.
    waiting: Vec<Waiting>,
    count: usize,
    /// Records since `progress` was told.
    records: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl<'a> Done<'a> {
    fn nothing(progress: &'a mut dyn FnMut(u64)) -> Self {
        Self { unopened: Vec::new(), waiting: Vec::new(), count: 0, records: 0, progress }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever their order, and also where many ids begin alike.
        #[test]
        fn each_grant_is_found_where_it_stands_and_no_other_is(
            ids in prop::collection::hash_set((any::<[u8; 3]>(), any::<bool>()), 0..300), absent: [u8; 16],
        ) {
            let id = |(some, alike): &([u8; 3], bool)| {
                let mut id = [7; 16];
                let at = if *alike { 9 } else { 0 };
                id[at..at + 3].copy_from_slice(some);
                GrantId::from_bytes(id)
            };
            let ids: Vec<GrantId> = ids.iter().map(id).collect::<BTreeSet<_>>().into_iter().rev().collect();
            let opens: Vec<Opens> =
                ids.iter().map(|&grant| Opens { grant, subject: SubjectId::from_bytes([0; 16]), key: None }).collect();
            let by_id = ById::of(&opens);
            for (i, grant) in ids.iter().enumerate() {
                prop_assert_eq!(by_id.find(&opens, *grant), Some(i));
            }
            let absent = GrantId::from_bytes(absent);
            prop_assert_eq!(by_id.find(&opens, absent), ids.iter().position(|id| *id == absent));
        }
    }
}
