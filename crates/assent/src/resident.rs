//! A gallery that stays in memory over many searches, and follows what is committed: who may not be found any more is
//! overwritten, who can be found from now on is taken up. Other processes' commits are taken up too.
//!
//! Whoever keeps one calls [`Resident::follow`] four times a second, which asks the ledger what was changed and looks again at
//! what may be searched; nothing here sleeps or reads a clock. What is overwritten:
//!
//! - who withdrew, was erased or restricted, or is stopped by an order, with the next look;
//! - whose date has come, at the next search, without a look;
//! - everybody, once the collection may not be searched, or the ledger could not be asked for three seconds. Searches are
//!   refused then, until a look is answered.
//!
//! An answer says under which consent a face was found. Between the search and the commit that person may withdraw:
//! whoever names them asks [`Tx::still_nameable`](assent_ledger::Tx::still_nameable) in the transaction that does (I4).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use assent_gallery::calibration::DeclaredRates;
use assent_gallery::vector::VectorError;
use assent_ledger::{
    Album, Change, ChangeKind, Changed, CollectionId, GrantId, Ledger, Purpose, ReadTx, RequestId, Searchable,
    Timestamp, TxError,
};
use thiserror::Error;

use crate::models::Models;
pub use crate::open_gallery::Answer;
use crate::open_gallery::{Measurement, NotEnoughMemory, OpenGallery, OpenOptions, Staged};

/// After so long without an answer from the ledger nobody is searched for, ms.
pub const SILENCE_MS: i64 = 3_000;

/// So often everything is compared with the ledger, whatever was announced, ms: rows that announce changes decide nothing.
const CHECK_MS: i64 = 60_000;

/// Up to so many templates, people are compared with each other after every change; above, once in [`CHECK_MS`].
const SOON_MEASURED: usize = 4_096;

/// From so many consents on, those that ended are overwritten before any other is opened.
const MANY: usize = 256;

/// A gallery that is kept and follows the ledger. Threads share it.
#[derive(Debug)]
pub struct Resident {
    collection: CollectionId,
    /// The request that is answered, where one person is looked for alone.
    request: Option<RequestId>,
    rates: DeclaredRates,
    threads: usize,
    available_bytes: Option<u64>,
    state: RwLock<State>,
    /// Held by whoever follows.
    following: Mutex<()>,
}

#[derive(Debug)]
struct State {
    /// `None` while nobody may be searched for.
    gallery: Option<OpenGallery>,
    /// The number of the newest change that was taken up.
    seq: u64,
    /// When the ledger answered last.
    asked: Timestamp,
    /// When everything was compared with it last.
    checked: Timestamp,
    /// When people were compared with each other last.
    measured: Timestamp,
    /// So many times somebody was taken up.
    additions: u64,
    /// Whether somebody came or went since people were compared with each other.
    stale: bool,
}

/// Why a resident gallery does not answer.
#[derive(Debug, Error)]
pub enum ResidentError {
    /// The ledger refused, or could not be read.
    #[error(transparent)]
    Ledger(#[from] TxError),
    /// The templates do not fit into memory.
    #[error(transparent)]
    NotEnoughMemory(#[from] NotEnoughMemory),
    /// Nothing is in memory: what may be searched is not known. [`Resident::follow`] says why.
    #[error("nobody is searched for while it is not known who may be; try again in a moment")]
    Closed,
    /// An embedding is not of the models' dimension, or not of length 1.
    #[error("the network gave an embedding of another length than its models have")]
    Vector(#[from] VectorError),
}

/// The answers for the faces of one photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// Up to which `template_epoch` of the collection they met everybody.
    pub epoch: i64,
    /// Whose the faces are, in their order; a face that is nobody's is not among them.
    pub faces: Vec<Answer>,
}

impl Resident {
    /// Takes what may be searched now into memory: of everybody, or of the one person whose request it is, with the photos
    /// that it is about.
    ///
    /// # Errors
    ///
    /// - [`NotEnoughMemory`] inside if there is not enough memory; then nothing was opened.
    /// - [`TxError`] as [`OpenGallery::open`] and [`OpenGallery::open_on_request`].
    pub fn open(
        tx: &ReadTx<'_>,
        models: &Models,
        (collection, request): (CollectionId, Option<RequestId>),
        rates: DeclaredRates,
        options: &mut OpenOptions<'_>,
        now: Timestamp,
    ) -> Result<Result<(Resident, Option<Album>), NotEnoughMemory>, TxError> {
        let (gallery, album) = open(tx, models, (collection, request), rates, options)?;
        let gallery = match gallery {
            Ok(gallery) => Some(gallery),
            Err(not_enough_memory) => return Ok(Err(not_enough_memory)),
        };
        let seq = tx.newest_change()?;
        let state = State { gallery, seq, asked: now, checked: now, measured: now, additions: 0, stale: false };
        let (threads, available_bytes) = (options.threads, options.available_bytes);
        let (state, following) = (RwLock::new(state), Mutex::default());
        let resident = Resident { collection, request, rates, threads, available_bytes, state, following };
        Ok(Ok((resident, album)))
    }

    /// Asks the ledger what was changed, and takes it up. To be called four times a second.
    ///
    /// # Errors
    ///
    /// - [`ResidentError::Ledger`] if the ledger cannot be read, or the collection may not be searched now. Nobody is in memory
    ///   then; where the database alone did not answer, only once it has not for [`SILENCE_MS`].
    /// - [`ResidentError::NotEnoughMemory`] if everything is to be opened anew and does not fit.
    pub fn follow(&self, ledger: &Ledger, models: &Models, now: Timestamp) -> Result<(), ResidentError> {
        let _one = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        let silent_ms = now.0 - self.read().asked.0;
        let done = match ledger.read_tx(now, |tx| self.look(tx, models, now)) {
            Ok(done) => done.map_err(ResidentError::from),
            Err(TxError::Database(e)) if silent_ms < SILENCE_MS => return Err(TxError::Database(e).into()),
            Err(e) => Err(e.into()),
        };
        done.inspect_err(|_| self.close())
    }

    /// Looks again at what may be searched.
    fn look(&self, tx: &ReadTx<'_>, models: &Models, now: Timestamp) -> Result<Result<(), NotEnoughMemory>, TxError> {
        if self.request.is_none() {
            tx.searched_collection(self.collection)?;
        }
        let (seq, empty, due) = {
            let state = self.read();
            (state.seq, state.gallery.is_none(), now.0 - state.checked.0 >= CHECK_MS)
        };
        if due {
            tx.check_tables()?;
        }
        let since = tx.changes_since(seq)?;
        if empty {
            return self.open_again(tx, models, (since.newest, now));
        }
        let concerned = since.changes.as_deref().map(|changes| self.concerned(changes));
        let (changed, whole) = concerned.map_or((BTreeSet::new(), true), |(changed, whole)| (changed, whole || due));
        if whole || !changed.is_empty() {
            if changed.len() > MANY {
                self.forget_ended(since.changes.as_deref().unwrap_or_default());
            }
            let what = match self.searchable(tx, models, (!whole).then_some(&changed)) {
                Ok(what) => what,
                Err(e) => {
                    // What is known to have ended does not wait for a better moment.
                    self.forget_ended(since.changes.as_deref().unwrap_or_default());
                    return Err(e);
                }
            };
            self.take_up(tx, models, what, (&changed, whole))?;
        }
        let mut state = self.write();
        (state.seq, state.asked) = (since.newest, now);
        if whole {
            state.checked = now;
        }
        Ok(Ok(()))
    }

    /// The consents that changes are about, and whether everything has to be looked at.
    fn concerned(&self, changes: &[Change]) -> (BTreeSet<GrantId>, bool) {
        let (mut changed, mut whole) = (BTreeSet::new(), false);
        for change in changes {
            match change.what {
                Changed::Grant(collection, grant) if collection == self.collection => drop(changed.insert(grant)),
                Changed::Collection(collection) if collection == self.collection => {
                    whole |= change.kind != ChangeKind::Objected;
                }
                Changed::Vault => whole = true,
                Changed::Grant(..) | Changed::Collection(_) => {}
            }
        }
        // Of one person everything is soon looked at.
        let whole = whole || changed.len() > MANY || (self.request.is_some() && !changed.is_empty());
        (changed, whole)
    }

    fn searchable(
        &self,
        tx: &ReadTx<'_>,
        models: &Models,
        among: Option<&BTreeSet<GrantId>>,
    ) -> Result<Searchable, TxError> {
        let (purpose, model) = (Purpose::find_my_photos(), models.pack().model_sha256);
        match (self.request, among) {
            (Some(request), _) => Ok(tx.searchable_on_request(request, self.collection, &purpose, model)?.0),
            (None, None) => tx.searchable(self.collection, &purpose, model),
            (None, Some(grants)) => {
                let grants: Vec<GrantId> = grants.iter().copied().collect();
                tx.searchable_among(&grants, self.collection, &purpose, model)
            }
        }
    }

    /// Overwrites who is not in `what` any more, and takes up who is new or changed. In one step, so that no search misses
    /// somebody whose consent was renewed.
    fn take_up(
        &self,
        tx: &ReadTx<'_>,
        models: &Models,
        mut what: Searchable,
        (changed, whole): (&BTreeSet<GrantId>, bool),
    ) -> Result<(), TxError> {
        let held: BTreeSet<GrantId> = self.read().gallery.iter().flat_map(OpenGallery::grants).collect();
        let searchable: BTreeSet<GrantId> = what.grants.iter().map(|(grant, _)| *grant).collect();
        let looked_at = if whole { &held } else { changed };
        let gone: Vec<GrantId> = looked_at.difference(&searchable).copied().collect();
        what.retain(|grant| changed.contains(&grant) || !held.contains(&grant));
        let staged = Staged::open(tx, models.pack().embedder().dimensions, what);
        let mut state = self.write();
        let state = &mut *state;
        let Some(gallery) = &mut state.gallery else { return Ok(()) };
        for grant in gone {
            state.stale |= gallery.forget(grant);
        }
        let staged = staged?;
        if !staged.is_empty() {
            gallery.add(&staged, self.threads);
            state.additions += 1;
            state.stale = true;
        }
        Ok(())
    }

    fn open_again(
        &self,
        tx: &ReadTx<'_>,
        models: &Models,
        (seq, now): (u64, Timestamp),
    ) -> Result<Result<(), NotEnoughMemory>, TxError> {
        let (threads, available_bytes) = (self.threads, self.available_bytes);
        let options = &mut OpenOptions { threads, available_bytes, progress: &mut |_, _| {} };
        match open(tx, models, (self.collection, self.request), self.rates, options)?.0 {
            Ok(gallery) => {
                let mut state = self.write();
                let additions = state.additions + 1;
                *state = State {
                    gallery: Some(gallery),
                    seq,
                    asked: now,
                    checked: now,
                    measured: now,
                    additions,
                    stale: false,
                };
                Ok(Ok(()))
            }
            Err(not_enough_memory) => Ok(Err(not_enough_memory)),
        }
    }

    fn forget_ended(&self, changes: &[Change]) {
        let mut state = self.write();
        let state = &mut *state;
        let Some(gallery) = &mut state.gallery else { return };
        for change in changes {
            if let (ChangeKind::Ended | ChangeKind::Erased | ChangeKind::Restricted, Changed::Grant(_, grant)) =
                (change.kind, change.what)
            {
                state.stale |= gallery.forget(grant);
            }
        }
    }

    /// Overwrites everybody. Searches are refused until the next [`Self::follow`] that is answered.
    pub fn close(&self) {
        if let Some(mut gallery) = self.write().gallery.take() {
            gallery.forget_all();
        }
    }

    /// Compares the people with each other again if somebody came or went, so that thresholds and look-alikes are those of the
    /// people who are there. Searches and [`Self::follow`] go on meanwhile. In large galleries it does so once a minute: until
    /// then thresholds rise with the gallery, and do not fall.
    pub fn recalibrate(&self, models: &Models, now: Timestamp) {
        let (gallery, additions) = {
            let state = self.read();
            let Some(gallery) = state.gallery.as_ref().filter(|_| state.stale) else { return };
            if gallery.templates() > SOON_MEASURED && now.0 - state.measured.0 < CHECK_MS {
                return;
            }
            (Arc::clone(gallery.shared()), state.additions)
        };
        let measurement = Measurement::of(&gallery, models, self.rates, self.threads);
        let mut state = self.write();
        let state = &mut *state;
        // Whoever came meanwhile was not compared with the others.
        if state.additions == additions
            && let Some(gallery) = &mut state.gallery
        {
            state.stale = gallery.templates() != measurement.templates;
            state.measured = now;
            gallery.measured(measurement);
        }
    }

    /// Which face of a photo is whose, from the embeddings of its faces. Whose date has come by `now` is not searched.
    ///
    /// # Errors
    ///
    /// - [`ResidentError::Closed`] if nothing is in memory, or the ledger was not asked for longer than [`SILENCE_MS`].
    /// - [`ResidentError::Vector`] if an embedding is not of the models' dimension or not of length 1.
    pub fn answers(&self, probes: &[&[f32]], now: Timestamp) -> Result<Answers, ResidentError> {
        self.with_current(now, |gallery| Ok(Answers { epoch: gallery.epoch(), faces: gallery.answers(probes)? }))?
    }

    /// The collection's `template_epoch` up to which everybody is there, and whether that is nobody.
    ///
    /// # Errors
    ///
    /// [`ResidentError::Closed`] as [`Self::answers`].
    pub fn state(&self, now: Timestamp) -> Result<(i64, bool), ResidentError> {
        self.with_current(now, |gallery| (gallery.epoch(), gallery.is_empty()))
    }

    /// The gallery as it may be searched now.
    fn with_current<T>(&self, now: Timestamp, body: impl FnOnce(&OpenGallery) -> T) -> Result<T, ResidentError> {
        let state = self.read();
        if (now.0 - state.asked.0).abs() > SILENCE_MS {
            drop(state);
            self.close();
            return Err(ResidentError::Closed);
        }
        let over = |gallery: &OpenGallery| gallery.next_end().is_some_and(|end| end <= now);
        let state = if state.gallery.as_ref().is_some_and(over) {
            drop(state);
            self.expire(now);
            self.read()
        } else {
            state
        };
        state.gallery.as_ref().map(body).ok_or(ResidentError::Closed)
    }

    fn expire(&self, now: Timestamp) {
        let mut state = self.write();
        let state = &mut *state;
        if let Some(gallery) = &mut state.gallery {
            state.stale |= gallery.expire(now);
        }
    }

    /// Looks at the gallery as it is; `None` while nobody is in memory.
    pub fn with<T>(&self, body: impl FnOnce(&OpenGallery) -> T) -> Option<T> {
        self.read().gallery.as_ref().map(body)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // What a thread changes under the lock it changes as a whole.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(
    tx: &ReadTx<'_>,
    models: &Models,
    (collection, request): (CollectionId, Option<RequestId>),
    rates: DeclaredRates,
    options: &mut OpenOptions<'_>,
) -> Result<(Result<OpenGallery, NotEnoughMemory>, Option<Album>), TxError> {
    match request {
        Some(request) => {
            let (gallery, album) = OpenGallery::open_on_request(tx, models, (collection, request), rates, options)?;
            Ok((gallery, Some(album)))
        }
        None => Ok((OpenGallery::open(tx, models, collection, rates, options)?, None)),
    }
}
