//! The open gallery: the templates of a collection in memory, ready to be searched, with the thresholds that hold for them.

use std::collections::BTreeSet;

use assent_gallery::assign::{Assigned, assign};
use assent_gallery::calibration::{Calibration, DeclaredRates, Thresholds};
use assent_gallery::gallery::{Gallery, Owner, Protected, Scope, Search};
use assent_gallery::vector::VectorError;
use assent_ledger::{
    Album, CollectionId, GrantId, OpenTemplate, Purpose, ReadTx, RequestId, Searchable, SubjectId, TemplateId, TxError,
};
use thiserror::Error;

use crate::calibrate::Calibrated;
use crate::models::{Models, thresholds};
use crate::template::Decoder;

/// The gallery of one collection, for [`Purpose::find_my_photos`].
#[derive(Debug)]
pub struct OpenGallery {
    gallery: Gallery,
    /// By the gallery's owner number.
    grants: Vec<(GrantId, SubjectId)>,
    /// The table for these people, if the models have one.
    calibrated: Option<Calibrated>,
    thresholds: Thresholds,
    /// Pairs of owners whose faces are proposed at most.
    look_alikes: BTreeSet<(Owner, Owner)>,
    epoch: i64,
    unopened: Vec<TemplateId>,
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
        let calibrated = Calibrated::measure(&gallery, models.pack(), options.threads);
        let thresholds = thresholds(calibrated.as_ref().map(|c| &c.table), rates, gallery.len());
        // Where nothing is a match, everything is proposed at most.
        let look_alikes = thresholds.certain.map_or_else(BTreeSet::new, |c| gallery.look_alikes(c, options.threads));
        let Searchable { grants, epoch, .. } = what;
        Ok(Ok(OpenGallery { gallery, grants, calibrated, thresholds, look_alikes, epoch, unopened }))
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
        self.grants.iter().map(|(_, subject)| subject).collect::<BTreeSet<_>>().len()
    }

    /// Which face of a photo is whose, from the embeddings of its faces.
    ///
    /// # Errors
    ///
    /// [`VectorError`] if an embedding is not of the models' dimension or not of length 1.
    pub(crate) fn answers(&self, probes: &[&[f32]]) -> Result<Vec<Assigned>, VectorError> {
        let hits = self.gallery.search(probes, &Search::least(self.thresholds.review))?;
        Ok(assign(&hits, self.thresholds, |owner| is_one_of(&self.look_alikes, owner)))
    }

    /// The collection's `template_epoch` when it was opened.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Templates that did not open or could not be used, by id.
    pub fn unopened(&self) -> &[TemplateId] {
        &self.unopened
    }

    /// Grants under which somebody may be found, and whose they are, by the gallery's owner number.
    pub fn grants(&self) -> &[(GrantId, SubjectId)] {
        &self.grants
    }

    /// What the system did to keep the templates from leaving the memory.
    pub fn protection(&self) -> Protected {
        self.gallery.protection()
    }
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
