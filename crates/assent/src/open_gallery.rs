//! The open gallery: the templates of a collection in memory, ready to be searched, with the thresholds that hold for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use assent_gallery::assign::{Assigned, assign};
use assent_gallery::calibration::{Band, Calibration, DeclaredRates, Thresholds};
use assent_gallery::gallery::{Gallery, Owner, Protected, Scope, Search};
use assent_gallery::vector::VectorError;
use assent_ledger::{
    Album, CollectionId, GrantId, OpenTemplate, Purpose, ReadTx, RequestId, Searchable, SubjectId, TemplateId,
    Timestamp, TxError,
};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::calibrate::Calibrated;
use crate::models::{Models, thresholds};
use crate::template::Decoder;

/// The gallery of one collection, for [`Purpose::find_my_photos`].
#[derive(Debug)]
pub struct OpenGallery {
    gallery: Arc<Gallery>,
    rates: DeclaredRates,
    /// By the gallery's owner number; those who left keep theirs.
    grants: Vec<(GrantId, SubjectId)>,
    /// Who is in it.
    present: BTreeMap<GrantId, Present>,
    /// When each of them is over.
    ends: BTreeSet<(Timestamp, GrantId)>,
    /// The table for these people, if the models have one.
    calibrated: Option<Calibrated>,
    thresholds: Thresholds,
    /// Pairs of owners whose faces are proposed at most.
    look_alikes: BTreeSet<(Owner, Owner)>,
    epoch: i64,
    unopened: Vec<TemplateId>,
}

/// Whose a face is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Which face, by its index among those that were asked about.
    pub face: usize,
    /// The consent under which it was found. Whether it may be said, only the transaction that says it knows.
    pub grant: GrantId,
    /// How sure that is.
    pub band: Band,
}

/// A consent whose templates are in the gallery.
#[derive(Debug, Clone, Copy)]
struct Present {
    owner: Owner,
    /// At this instant it is over.
    until: Timestamp,
}

/// What is said of the people of a gallery as they are.
pub(crate) struct Measurement {
    /// How many templates there were.
    pub(crate) templates: usize,
    calibrated: Option<Calibrated>,
    thresholds: Thresholds,
    look_alikes: BTreeSet<(Owner, Owner)>,
}

impl Measurement {
    /// Compares every template with every other.
    pub(crate) fn of(gallery: &Gallery, models: &Models, rates: DeclaredRates, threads: usize) -> Measurement {
        let templates = gallery.len();
        let calibrated = Calibrated::measure(gallery, models.pack(), threads);
        let thresholds = thresholds(calibrated.as_ref().map(|c| &c.table), rates, templates);
        // Where nothing is a match, everything is proposed at most.
        let look_alikes = thresholds.certain.map_or_else(BTreeSet::new, |c| gallery.look_alikes(c, threads));
        Measurement { templates, calibrated, thresholds, look_alikes }
    }
}

/// Templates that were opened for a gallery that others search, and are not in it yet.
pub(crate) struct Staged {
    what: Searchable,
    ends: Vec<Timestamp>,
    /// Under which grant, by its index; which template; its numbers, one template after the other.
    of: Vec<(usize, TemplateId)>,
    numbers: Zeroizing<Vec<f32>>,
    unopened: Vec<TemplateId>,
}

impl Staged {
    /// Whether nobody's consents were looked at.
    pub(crate) fn is_empty(&self) -> bool {
        self.what.grants.is_empty()
    }

    /// Opens what may be searched.
    pub(crate) fn open(tx: &ReadTx<'_>, dimensions: usize, what: Searchable) -> Result<Staged, TxError> {
        let opened = Mutex::new((Vec::new(), Zeroizing::new(Vec::new())));
        let take = |open: &[OpenTemplate<'_>]| {
            let mut decoder = Decoder::new(dimensions);
            let mut opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
            let (of, numbers) = &mut *opened;
            for (open, vector) in open.iter().zip(decoder.decode(open.iter().map(|open| open.plain))) {
                of.push((open.grant, open.template));
                push_wiped(numbers, vector);
            }
            vec![true; open.len()]
        };
        let ends = tx.ends_of(&what)?;
        let unopened = tx.open_templates(&what, 1, &take, &mut |_| {})?;
        let (of, numbers) = opened.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Staged { what, ends, of, numbers, unopened })
    }
}

/// Adds numbers at the end; where they stood before the memory became too small is wiped.
fn push_wiped(numbers: &mut Zeroizing<Vec<f32>>, more: &[f32]) {
    if numbers.capacity() - numbers.len() < more.len() {
        let mut larger = Zeroizing::new(Vec::with_capacity((numbers.len() + more.len()) * 2));
        larger.extend_from_slice(numbers);
        *numbers = larger;
    }
    numbers.extend_from_slice(more);
}

/// The gallery does not fit into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "{templates} templates need {needed_mb} MB of memory, and {available_mb} MB are free; \
     close other programs, use a machine with more memory, or divide the collection"
)]
pub struct NotEnoughMemory {
    /// Templates that would be opened.
    pub templates: u64,
    /// What they take, MB.
    pub needed_mb: u64,
    /// What there is, MB.
    pub available_mb: u64,
}

/// How templates are opened.
pub struct OpenOptions<'a> {
    /// Threads that open records.
    pub threads: usize,
    /// Memory that may be used, bytes, if that is known.
    pub available_bytes: Option<u64>,
    /// Told from time to time how many records were read, and how many there are at most.
    pub progress: &'a mut dyn FnMut(u64, u64),
}

impl std::fmt::Debug for OpenOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenOptions").field("threads", &self.threads).finish_non_exhaustive()
    }
}

impl OpenOptions<'_> {
    /// Whether so many templates fit.
    fn check(&self, templates: u64, dimensions: usize) -> Result<(), NotEnoughMemory> {
        let needed = Gallery::bytes_needed(usize::try_from(templates).unwrap_or(usize::MAX), dimensions);
        match self.available_bytes {
            Some(available) if needed > available => Err(NotEnoughMemory {
                templates,
                needed_mb: needed.div_ceil(1_000_000),
                available_mb: available / 1_000_000,
            }),
            _ => Ok(()),
        }
    }
}

impl OpenGallery {
    /// Takes what may be searched now into memory. A record that does not open, or holds no vector of the models'
    /// dimension and of length 1, is left out and in [`unopened`](Self::unopened).
    ///
    /// # Errors
    ///
    /// - [`NotEnoughMemory`] inside if there is not enough memory; then nothing was opened.
    /// - [`TxError`] as `Tx::searchable` and `Tx::open_templates` say.
    pub fn open(
        tx: &ReadTx<'_>,
        models: &Models,
        collection: CollectionId,
        rates: DeclaredRates,
        options: &mut OpenOptions<'_>,
    ) -> Result<Result<OpenGallery, NotEnoughMemory>, TxError> {
        let what = tx.searchable(collection, &Purpose::find_my_photos(), models.pack().model_sha256)?;
        OpenGallery::take(tx, models, what, rates, options)
    }

    /// The same for one person's own request, and the photos that it is about.
    ///
    /// # Errors
    ///
    /// As [`OpenGallery::open`] and `Tx::searchable_on_request`.
    pub fn open_on_request(
        tx: &ReadTx<'_>,
        models: &Models,
        (collection, request): (CollectionId, RequestId),
        rates: DeclaredRates,
        options: &mut OpenOptions<'_>,
    ) -> Result<(Result<OpenGallery, NotEnoughMemory>, Album), TxError> {
        let model = models.pack().model_sha256;
        let (what, album) = tx.searchable_on_request(request, collection, &Purpose::find_my_photos(), model)?;
        Ok((OpenGallery::take(tx, models, what, rates, options)?, album))
    }

    fn take(
        tx: &ReadTx<'_>,
        models: &Models,
        what: Searchable,
        rates: DeclaredRates,
        options: &mut OpenOptions<'_>,
    ) -> Result<Result<OpenGallery, NotEnoughMemory>, TxError> {
        let dimensions = models.pack().embedder().dimensions;
        // Counting the collection's own takes a while, and there is room for all as a rule.
        if options.check(what.templates_at_most, dimensions).is_err()
            && let Err(not_enough_memory) = options.check(tx.searchable_count(&what)?, dimensions)
        {
            return Ok(Err(not_enough_memory));
        }
        let ends = tx.ends_of(&what)?;
        let gallery = Gallery::new(dimensions);
        let take = |open: &[OpenTemplate<'_>]| {
            let mut decoder = Decoder::new(dimensions);
            let vectors = decoder.decode(open.iter().map(|open| open.plain));
            let row = |(open, vector): (&OpenTemplate<'_>, _)| (Owner(open.grant as u32), Scope::default(), vector);
            let rows: Vec<_> = open.iter().zip(vectors).map(row).collect();
            gallery.insert_all(&rows).iter().map(Result::is_ok).collect()
        };
        let mut read = 0;
        let progress = &mut |records| {
            read += records;
            (options.progress)(read, what.templates_at_most);
        };
        let unopened = tx.open_templates(&what, options.threads, &take, progress)?;
        let Measurement { calibrated, thresholds, look_alikes, .. } =
            Measurement::of(&gallery, models, rates, options.threads);
        let Searchable { grants, epoch, .. } = what;
        let mut opened = OpenGallery {
            gallery: Arc::new(gallery),
            rates,
            grants: Vec::new(),
            present: BTreeMap::new(),
            ends: BTreeSet::new(),
            calibrated,
            thresholds,
            look_alikes,
            epoch,
            unopened,
        };
        for (whose, until) in grants.into_iter().zip(ends) {
            opened.enter(whose, until);
        }
        Ok(Ok(opened))
    }

    /// The next owner number is this consent's.
    fn enter(&mut self, (grant, subject): (GrantId, SubjectId), until: Timestamp) -> Owner {
        let owner = Owner(self.grants.len() as u32);
        self.grants.push((grant, subject));
        self.present.insert(grant, Present { owner, until });
        self.ends.insert((until, grant));
        owner
    }

    /// Overwrites what is held under a consent. Whether there was anything.
    pub(crate) fn forget(&mut self, grant: GrantId) -> bool {
        let Some(Present { owner, until }) = self.present.remove(&grant) else { return false };
        self.gallery.remove(owner);
        self.ends.remove(&(until, grant));
        self.look_alikes.retain(|(a, b)| *a != owner && *b != owner);
        true
    }

    /// Overwrites everything.
    pub(crate) fn forget_all(&mut self) {
        while let Some((grant, _)) = self.present.first_key_value() {
            self.forget(*grant);
        }
    }

    /// When the next of these consents is over.
    pub(crate) fn next_end(&self) -> Option<Timestamp> {
        self.ends.first().map(|(until, _)| *until)
    }

    /// Overwrites what is held under consents whose date has come. Whether there were any.
    pub(crate) fn expire(&mut self, now: Timestamp) -> bool {
        let mut any = false;
        while let Some(&(until, grant)) = self.ends.first()
            && until <= now
        {
            any |= self.forget(grant);
        }
        any
    }

    /// Takes up templates that were opened, in the place of what is held under the same consents. Thresholds may rise at once,
    /// and fall with the next [`Measurement`].
    pub(crate) fn add(&mut self, staged: &Staged, threads: usize) {
        let Staged { what, ends, of, numbers, unopened } = staged;
        for (grant, _) in &what.grants {
            self.forget(*grant);
        }
        let owners: Vec<Owner> =
            what.grants.iter().zip(ends).map(|(whose, until)| self.enter(*whose, *until)).collect();
        let vectors = numbers.chunks_exact(self.gallery.dimensions());
        let rows: Vec<_> =
            of.iter().zip(vectors).map(|((grant, _), vector)| (owners[*grant], Scope::default(), vector)).collect();
        let added = self.gallery.insert_all(&rows);
        self.unopened.extend(unopened);
        self.unopened.extend(of.iter().zip(&added).filter(|(_, added)| added.is_err()).map(|((_, id), _)| *id));
        self.epoch = what.epoch;
        let now = thresholds(self.table(), self.rates, self.gallery.len());
        self.thresholds = stricter(self.thresholds, now);
        let Some(least) = self.thresholds.certain else { return };
        let search = Search { threads, ..Search::least(least) };
        for (owner, _, vector) in rows {
            // One that is no vector is not in the gallery either.
            for hit in self.gallery.search(&[vector], &search).into_iter().flatten().flatten() {
                if hit.owner != owner {
                    self.look_alikes.insert((owner.min(hit.owner), owner.max(hit.owner)));
                }
            }
        }
    }

    /// Goes by what was measured of its people as they are.
    pub(crate) fn measured(&mut self, measurement: Measurement) {
        let Measurement { calibrated, thresholds, look_alikes, .. } = measurement;
        (self.calibrated, self.thresholds, self.look_alikes) = (calibrated, thresholds, look_alikes);
        let present: BTreeSet<Owner> = self.present.values().map(|present| present.owner).collect();
        self.look_alikes.retain(|(a, b)| present.contains(a) && present.contains(b));
    }

    /// What can be compared while others search, and is overwritten with this gallery.
    pub(crate) fn shared(&self) -> &Arc<Gallery> {
        &self.gallery
    }

    /// Whether nobody can be found.
    pub fn is_empty(&self) -> bool {
        self.gallery.is_empty()
    }

    /// How many templates there are.
    pub fn templates(&self) -> usize {
        self.gallery.len()
    }

    /// The scores at which the bands begin.
    pub fn thresholds(&self) -> Thresholds {
        self.thresholds
    }

    /// The pairs of people who look so much alike that a face of theirs is proposed at most: twins, say.
    pub fn look_alikes(&self) -> Vec<(SubjectId, SubjectId)> {
        let subject = |owner: Owner| self.grants[owner.0 as usize].1;
        self.look_alikes.iter().map(|(a, b)| (subject(*a), subject(*b))).collect()
    }

    /// What these people say about the models' table; `None` if they have none.
    pub fn calibrated(&self) -> Option<&Calibrated> {
        self.calibrated.as_ref()
    }

    /// The score-to-FMR table that the thresholds follow from; `None` if the models have none.
    pub fn table(&self) -> Option<&Calibration> {
        self.calibrated.as_ref().map(|c| &c.table)
    }

    /// How many people there are to be found.
    pub fn people(&self) -> usize {
        let subject = |present: &Present| self.grants[present.owner.0 as usize].1;
        self.present.values().map(subject).collect::<BTreeSet<_>>().len()
    }

    /// Which face of a photo is whose, from the embeddings of its faces.
    ///
    /// # Errors
    ///
    /// [`VectorError`] if an embedding is not of the models' dimension or not of length 1.
    pub(crate) fn answers(&self, probes: &[&[f32]]) -> Result<Vec<Answer>, VectorError> {
        let hits = self.gallery.search(probes, &Search::least(self.thresholds.review))?;
        let assigned = assign(&hits, self.thresholds, |owner| is_one_of(&self.look_alikes, owner));
        let answer = |a: Assigned| Answer { face: a.face, grant: self.grants[a.owner.0 as usize].0, band: a.band };
        Ok(assigned.into_iter().map(answer).collect())
    }

    /// The collection's `template_epoch` when it was opened, or was added to last.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Templates that did not open or could not be used, by id.
    pub fn unopened(&self) -> &[TemplateId] {
        &self.unopened
    }

    /// The consents under which somebody may be found.
    pub(crate) fn grants(&self) -> impl Iterator<Item = GrantId> {
        self.present.keys().copied()
    }

    /// What the system did to keep the templates from leaving the memory.
    pub fn protection(&self) -> Protected {
        self.gallery.protection()
    }
}

/// The higher thresholds of two.
fn stricter(one: Thresholds, other: Thresholds) -> Thresholds {
    let certain = one.certain.zip(other.certain).map(|(one, other)| one.max(other));
    Thresholds { certain, review: one.review.max(other.review) }
}

/// Whether somebody belongs to a pair. There are hardly any.
pub(crate) fn is_one_of(pairs: &BTreeSet<(Owner, Owner)>, owner: Owner) -> bool {
    pairs.iter().any(|(a, b)| *a == owner || *b == owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gallery_that_does_not_fit_says_how_much_it_needs() {
        let check = |name: &str, available_bytes: Option<u64>, templates: u64, expected: Result<(), &str>| {
            let options = OpenOptions { threads: 1, available_bytes, progress: &mut |_, _| {} };
            let got = options.check(templates, 128).map_err(|e| e.to_string());
            match (got, expected) {
                (Ok(()), Ok(())) => {}
                (Err(got), Err(part)) => assert!(got.contains(part), "{name}: {got}"),
                (got, expected) => panic!("{name}: {got:?} instead of {expected:?}"),
            }
        };
        check("unknown memory", None, 10_000_000, Ok(()));
        check("enough", Some(2_000_000_000), 10_000_000, Ok(()));
        let needed = "10000000 templates need 1391 MB of memory, and 1000 MB are free";
        check("too little", Some(1_000_000_000), 10_000_000, Err(needed));
        check("far too many", Some(1_000_000_000), u64::MAX, Err("and 1000 MB are free"));
    }
}
