//! Opening the templates of a collection: many records, each under its subject's key, by several threads.

use std::sync::mpsc::{self, Sender, TrySendError};
use std::sync::{Mutex, PoisonError};
use std::thread;

use zeroize::Zeroizing;

use super::grant_keys::each_grant_key;
use super::templates::sealed_to;
use super::{Album, ReadTx};
use crate::db::{Answer, Columns, Db, DbError, args};
use crate::error::TxError;
use crate::id::{CollectionId, GrantId, RequestId, SubjectId, TemplateId};
use crate::keyring::KeyReader;
use crate::seal::{self, SealKey};
use crate::vocabulary::{Purpose, RequestKind};

/// After so many records, somebody is told.
const PROGRESS_INTERVAL: u64 = 1024;

/// So many records are opened and given away together.
const BATCH_LEN: usize = 64;

/// So many batches wait for each thread at most.
const QUEUED_EACH: usize = 4;

/// Below so many records, one thread is done before another has begun.
const FEW: u64 = 4096;

/// So few consents are asked for their templates one by one.
const FEW_GRANTS: usize = 256;

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

impl Searchable {
    pub(super) fn of(
        grants: Vec<(GrantId, SubjectId)>,
        templates_at_most: u64,
        epoch: i64,
        (collection, purpose, model_sha256): (CollectionId, &Purpose, [u8; 32]),
    ) -> Self {
        Self { grants, templates_at_most, epoch, collection, purpose: purpose.clone(), model_sha256 }
    }

    /// Leaves out the consents of which `keep` says no.
    pub fn retain(&mut self, keep: impl Fn(GrantId) -> bool) {
        self.grants.retain(|(grant, _)| keep(*grant));
    }

    pub(super) fn about(&self) -> (CollectionId, &Purpose) {
        (self.collection, &self.purpose)
    }

    /// Whether these are so few consents that what stands under each is read by itself.
    pub(super) fn is_few(&self) -> bool {
        self.grants.len() <= FEW_GRANTS
    }
}

impl ReadTx<'_> {
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
        let epoch = self.searched_collection(collection)?.template_epoch;
        let grants = self.not_stopped(self.grants_in_force(collection, purpose)?)?;
        let templates = self.count("SELECT COUNT(*) FROM templates", args![])? as u64;
        Ok(Searchable::of(grants, templates, epoch, (collection, purpose, model_sha256)))
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
        let mut grants = self.grants_in_force(collection, purpose)?;
        grants.retain(|(_, of)| *of == subject);
        let templates = self.count("SELECT COUNT(*) FROM templates", args![])? as u64;
        Ok((Searchable::of(grants, templates, about.template_epoch, (collection, purpose, model_sha256)), asked.album))
    }

    /// The grants in force in a collection for a purpose, and whose they are, in the order of their ids.
    pub(super) fn grants_in_force(
        &self,
        collection: CollectionId,
        purpose: &Purpose,
    ) -> Result<Vec<(GrantId, SubjectId)>, TxError> {
        let sql = "SELECT id, subject_id FROM grants WHERE collection_id = $1 AND purpose = $2 \
            AND state = 'active' AND valid_from_ms <= $3 AND valid_until_ms > $3 \
            AND subject_id NOT IN (SELECT id FROM subjects WHERE restricted_ms IS NOT NULL) ORDER BY id";
        let mut grants = Vec::new();
        self.db.each(sql, args![collection, purpose.as_str(), self.now], &mut |row| {
            grants.push((GrantId::from_bytes(row.array(0)?), SubjectId::from_bytes(row.array(1)?)));
            Ok(true)
        })?;
        Ok(grants)
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

    /// Opens what may be searched, a few consents one by one and many in the order of the file, on several threads if there is much of it, and gives the
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
        let opens = opens(self.ring().reader()?, &what.grants, threads);
        let opener = Opener { what, by_id: ById::of(&opens), opens, take };
        let threads = if what.templates_at_most > FEW { threads.max(1) } else { 1 };
        let mut unopened = opener.run(&self.db, threads, progress)?;
        unopened.sort_unstable();
        Ok(unopened)
    }
}

/// A grant in force, and what opens its records.
struct Opens {
    grant: GrantId,
    subject: SubjectId,
    /// `None` where its key is gone or does not read. Held while records are opened, and no longer.
    key: Option<SealKey>,
}

/// What opens the records of each grant.
fn opens(ring: KeyReader<'_>, grants: &[(GrantId, SubjectId)], threads: usize) -> Vec<Opens> {
    let mut all: Vec<Opens> = grants.iter().map(|&(grant, subject)| Opens { grant, subject, key: None }).collect();
    let part = all.len().div_ceil(threads.max(1)).max(FEW as usize);
    thread::scope(|scope| {
        for part in all.chunks_mut(part) {
            scope.spawn(move || {
                let grants: Vec<_> = part.iter().map(|opens| (opens.grant, opens.subject)).collect();
                each_grant_key(ring, &grants, &mut |i, key| part[i].key = Some(SealKey::of(&key)));
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
    /// Reads the records and opens them: on this thread, or where there are more, on the others,
    /// which take them from it a few at a time.
    fn run(&self, db: &Db<'_>, threads: usize, progress: &mut dyn FnMut(u64)) -> Result<Vec<TemplateId>, DbError> {
        let (full, taken) = mpsc::sync_channel::<Batch>(threads * QUEUED_EACH);
        let (empty, used) = mpsc::channel::<Batch>();
        let taken = Mutex::new(taken);
        let work = |empty: Sender<Batch>| {
            let mut unopened = Vec::new();
            loop {
                let next = taken.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(mut batch) = next else { return unopened };
                self.open_batch(&mut batch, &mut unopened);
                // When all were read, nobody wants it back.
                empty.send(batch).ok();
            }
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (1..threads)
                .map(|_| {
                    let (work, empty) = (&work, empty.clone());
                    scope.spawn(move || work(empty))
                })
                .collect();
            let (mut unopened, mut batch, mut told) = (Vec::new(), Batch::default(), 0);
            let mut take = |row: &Answer<'_>| {
                batch.push(row)?;
                told += 1;
                if told == PROGRESS_INTERVAL {
                    progress(std::mem::take(&mut told));
                }
                if batch.count < BATCH_LEN {
                    return Ok(true);
                }
                let read = std::mem::take(&mut batch);
                let sent = if threads > 1 { full.try_send(read) } else { Err(TrySendError::Full(read)) };
                match sent {
                    Ok(()) => batch = used.try_recv().unwrap_or_default(),
                    // Where the others are busy, this thread opens it.
                    Err(TrySendError::Full(back) | TrySendError::Disconnected(back)) => {
                        batch = back;
                        self.open_batch(&mut batch, &mut unopened);
                    }
                }
                Ok(true)
            };
            let model = self.what.model_sha256;
            let read = if self.what.is_few() {
                let sql = "SELECT id, grant_id, epoch, sealed FROM templates WHERE grant_id = $1 AND model_sha256 = $2 ORDER BY id";
                let mut grants = self.what.grants.iter();
                grants.try_for_each(|(grant, _)| db.each(sql, args![*grant, model], &mut take))
            } else {
                let sql = "SELECT id, grant_id, epoch, sealed FROM templates WHERE model_sha256 = $1 ORDER BY id";
                db.each(sql, args![model], &mut take)
            };
            self.open_batch(&mut batch, &mut unopened);
            progress(told);
            drop(full);
            for worker in workers {
                unopened.extend(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            read.map(|()| unopened)
        })
    }

    /// Opens what is in a batch, gives it away, and empties it. Whose grant is not in force, or for another collection or
    /// purpose, is passed by.
    fn open_batch(&self, batch: &mut Batch, unopened: &mut Vec<TemplateId>) {
        let records = &mut batch.records[..std::mem::take(&mut batch.count)];
        // All at once: they lie far apart in memory, and a processor waits for many places no longer than for one.
        let grants: Vec<Option<usize>> =
            records.iter().map(|r| self.by_id.find(&self.opens, GrantId::from_bytes(r.grant))).collect();
        let mut open = Vec::with_capacity(records.len());
        for (record, grant) in records.iter_mut().zip(grants) {
            let Some(grant) = grant else { continue };
            let template = TemplateId(record.id);
            if self.open(&self.opens[grant], record) {
                open.push(OpenTemplate { template, grant, plain: &record.plain });
            } else {
                unopened.push(template);
            }
        }
        let used = (self.take)(&open);
        unopened.extend(open.iter().zip(used).filter(|(_, used)| !used).map(|(open, _)| open.template));
    }

    /// Whether the record opened.
    fn open(&self, opens: &Opens, record: &mut Record) -> bool {
        let Opens { grant, subject, key: Some(key) } = opens else { return false };
        let row_key = record.id.to_be_bytes();
        let of = (*subject, self.what.collection, *grant);
        let context = sealed_to(of, &self.what.purpose, &row_key, (self.what.model_sha256, record.epoch));
        seal::open_into(key, &context, &record.sealed, &mut record.plain).is_ok()
    }
}

/// Records that are opened together. The memory of those that were is used again.
#[derive(Default)]
struct Batch {
    records: Vec<Record>,
    /// How many of them count.
    count: usize,
}

/// A record as it stands in the table.
#[derive(Default)]
struct Record {
    id: i64,
    grant: [u8; 16],
    epoch: i64,
    sealed: Vec<u8>,
    /// What it says, once it is open.
    plain: Zeroizing<Vec<u8>>,
}

impl Batch {
    fn push(&mut self, row: &Answer<'_>) -> Result<(), DbError> {
        if self.records.len() == self.count {
            self.records.push(Record::default());
        }
        let record = &mut self.records[self.count];
        (record.id, record.grant, record.epoch) = (row.int(0)?, row.array(1)?, row.int(2)?);
        record.sealed.clear();
        record.sealed.extend_from_slice(row.blob(3)?);
        self.count += 1;
        Ok(())
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
