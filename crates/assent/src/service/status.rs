//! How the vault stands: what is missing or waits, and what ends when.

use assent_ledger::{
    Alarm, Audit, Collection, CollectionCounts, DatabaseStatus, Deadline, KeyCheck, Ledger, PastEndDate, Purpose,
    ReadTx, Request, Subject, Timestamp, TxError, Witness,
};

use crate::source::{Source, SourceError};

/// How a vault stands.
#[derive(Debug)]
pub struct Status {
    /// What verifying the log found.
    pub audit: Audit,
    /// How the database is reached, where it is not a file of the vault's.
    pub database: Option<DatabaseStatus>,
    /// People who are enrolled with other models than most are.
    pub people_of_other_models: u64,
    /// Whose signature is waited for.
    pub waiting: Waiting,
    /// Requests that should have been answered.
    pub overdue_requests: usize,
    /// What people said that could not be noted in the key ring yet.
    pub notes_due: usize,
    /// Erasures that began and could not be finished.
    pub unfinished_erasures: usize,
    /// What is wrong with the clock.
    pub clock: Option<TxError>,
    /// What looking at every key found.
    pub keys: KeyCheck,
    /// Each collection, in their order.
    pub collections: Vec<CollectionStatus>,
}

/// Enrolments that wait.
#[derive(Debug)]
pub struct Waiting {
    /// Every witness whose signature is missing, and in how many enrolments.
    pub witnesses: Vec<(Witness, usize)>,
    /// Enrolments that both witnesses have signed.
    pub signed: usize,
}

/// How a collection stands.
#[derive(Debug)]
pub struct CollectionStatus {
    /// The collection.
    pub collection: Collection,
    /// Why its folder cannot be read.
    pub folder: Option<SourceError>,
    /// What is known of it.
    pub counts: CollectionCounts,
    /// What keeps its faces from being compared.
    pub missing: Vec<TxError>,
    /// Templates that do not open; 0 where they were not tried.
    pub unopened: usize,
    /// Why it cannot be searched now, although nothing is missing: an order to stop, or a request that is overdue.
    pub refused: Option<TxError>,
    /// Consents that are over by their date.
    pub past_end: Option<PastEndDate>,
}

/// What there is to say of a collection first.
#[derive(Debug)]
pub enum CollectionState<'s> {
    /// Its folder cannot be read.
    FolderAway(&'s SourceError),
    /// So many templates do not open.
    Unopened(usize),
    /// Consents are over by their date, and were not ended yet, or nobody is left.
    PastEnd(&'s PastEndDate),
    /// Nobody asks to be found, so faces are not compared.
    NobodyAsks,
    /// Its photos were not looked at yet.
    NotScanned,
    /// It can be searched.
    Ready,
}

impl CollectionState<'_> {
    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_good(&self) -> bool {
        match self {
            Self::FolderAway(_) | Self::Unopened(_) | Self::NotScanned => false,
            Self::PastEnd(over) => over.waiting == 0,
            Self::NobodyAsks | Self::Ready => true,
        }
    }
}

impl CollectionStatus {
    /// What there is to say of it first.
    #[must_use]
    pub fn state(&self) -> CollectionState<'_> {
        let nobody_left = self.counts.templates == 0;
        match (&self.folder, &self.past_end) {
            (Some(away), _) => CollectionState::FolderAway(away),
            (None, _) if self.unopened > 0 => CollectionState::Unopened(self.unopened),
            (None, Some(over)) if over.waiting > 0 || nobody_left => CollectionState::PastEnd(over),
            _ if nobody_left => CollectionState::NobodyAsks,
            _ if self.counts.photos == 0 => CollectionState::NotScanned,
            _ => CollectionState::Ready,
        }
    }
}

/// Looks how the vault stands; the templates of `model` are opened on so many threads, to see that they do.
///
/// # Errors
///
/// [`TxError`] if the ledger cannot be read.
pub fn examine(ledger: &Ledger, model: Option<[u8; 32]>, threads: usize, now: Timestamp) -> Result<Status, TxError> {
    let in_use = models_in_use(ledger, now)?;
    let (waiting, overdue_requests, collections) = ledger.read_tx(now, |tx| {
        let overdue = tx.requests()?.iter().filter(|request| request.days_overdue(tx.now()) > 0).count();
        let collections = tx.collections()?.into_iter().map(|about| of_collection(tx, about, model, threads));
        Ok((waiting(tx)?, overdue, collections.collect::<Result<Vec<_>, _>>()?))
    })?;
    Ok(Status {
        audit: ledger.audit_verify(None, now)?,
        database: ledger.database(now)?,
        people_of_other_models: in_use.iter().skip(1).map(|(_, people)| people).sum(),
        waiting,
        overdue_requests,
        notes_due: ledger.notes_due(now)?,
        unfinished_erasures: ledger.unfinished_erasures(now)?,
        clock: ledger.clock(now)?,
        keys: ledger.check_keys(now)?,
        collections,
    })
}

fn waiting(tx: &ReadTx<'_>) -> Result<Waiting, TxError> {
    let all = tx.all_pending()?;
    let signatures = |witness: &Witness| all.iter().filter(|p| p.missing().contains(&witness.id)).count();
    let witnesses = tx.witnesses()?.into_iter().map(|witness| (signatures(&witness), witness));
    Ok(Waiting {
        witnesses: witnesses.filter(|(n, _)| *n > 0).map(|(n, witness)| (witness, n)).collect(),
        signed: all.iter().filter(|p| p.missing().is_empty()).count(),
    })
}

fn of_collection(
    tx: &ReadTx<'_>,
    collection: Collection,
    model: Option<[u8; 32]>,
    threads: usize,
) -> Result<CollectionStatus, TxError> {
    let missing = tx.missing_prerequisites(collection.id)?;
    let (mut unopened, mut refused) = (0, None);
    if let Some(model) = model.filter(|_| missing.is_empty() && !collection.frozen) {
        let opened = tx
            .searchable(collection.id, &Purpose::find_my_photos(), model)
            .and_then(|what| tx.open_templates(&what, threads, &|open| vec![true; open.len()], &mut |_| {}));
        match opened {
            Ok(left) => unopened = left.len(),
            Err(why) => refused = Some(why),
        }
    }
    Ok(CollectionStatus {
        folder: Source::of(&collection).err(),
        counts: tx.counts(collection.id)?,
        past_end: tx.past_end_date(collection.id)?,
        collection,
        missing,
        unopened,
        refused,
    })
}

/// The models that people are enrolled with, and how many people with each, the most first.
///
/// # Errors
///
/// As [`ReadTx::template_models`].
pub fn models_in_use(ledger: &Ledger, now: Timestamp) -> Result<Vec<([u8; 32], u64)>, TxError> {
    ledger.read_tx(now, |tx| tx.template_models(None))
}

/// What ends when, with what its ids are called.
#[derive(Debug)]
pub struct Deadlines {
    /// All of them, the next first.
    pub deadlines: Vec<Deadline>,
    /// Everybody whose name can be read.
    pub people: Vec<Subject>,
    /// All requests.
    pub requests: Vec<Request>,
    /// All collections that there ever were.
    pub collections: Vec<Collection>,
}

/// What ends when.
///
/// # Errors
///
/// [`TxError`] if the ledger cannot be read.
pub fn deadlines(ledger: &Ledger, now: Timestamp) -> Result<Deadlines, TxError> {
    ledger.read_tx(now, |tx| {
        let (deadlines, people) = (tx.deadlines()?, tx.subjects()?);
        Ok(Deadlines { deadlines, people, requests: tx.requests()?, collections: tx.collections_ever()? })
    })
}

/// How many deadlines have less than a fifth of their time left.
///
/// # Errors
///
/// As [`ReadTx::deadlines`].
pub fn near_end(ledger: &Ledger, now: Timestamp) -> Result<usize, TxError> {
    let all = ledger
        .read_tx(now, |tx| tx.deadlines().map(|all| all.into_iter().map(|d| d.alarm(now)).collect::<Vec<_>>()))?;
    Ok(all.into_iter().filter(|alarm| *alarm >= Alarm::Soon).count())
}

#[cfg(test)]
mod tests {
    use assent_ledger::{Basis, BystanderBasis, CollectionId};

    use super::*;
    use crate::source::Folder;

    fn standing(templates: u64, photos: u64, (over, waiting): (usize, usize)) -> CollectionStatus {
        let collection = Collection {
            id: CollectionId::from_bytes([1; 16]),
            name: "photos".into(),
            directory: "/photos".into(),
            uploads: false,
            others: BystanderBasis::ClosedGroup,
            frozen: false,
            keep_crops: false,
            template_epoch: 0,
            face_epoch: 0,
            basis: Basis::default(),
            created: Timestamp(0),
            removed: None,
        };
        CollectionStatus {
            collection,
            folder: None,
            counts: CollectionCounts { photos, templates, ..CollectionCounts::default() },
            missing: Vec::new(),
            unopened: 0,
            refused: None,
            past_end: (over > 0).then_some(PastEndDate { all: over, waiting, last: Timestamp(0) }),
        }
    }

    #[test]
    fn what_is_worst_is_said_first_of_a_collection() {
        let check = |what: &str, about: &CollectionStatus, expected: &str, good: bool| {
            let state = about.state();
            let name = format!("{state:?}");
            let name = name.split(['(', ' ']).next().unwrap_or_default();
            assert_eq!((name, state.is_good()), (expected, good), "{what}");
        };
        check("all is well", &standing(2, 5, (0, 0)), "Ready", true);
        check("not scanned", &standing(2, 0, (0, 0)), "NotScanned", false);
        check("nobody asks, and not scanned", &standing(0, 0, (0, 0)), "NobodyAsks", true);
        check("one is over, and others are there", &standing(2, 5, (1, 0)), "Ready", true);
        check("one is over, and nobody is left", &standing(0, 5, (1, 0)), "PastEnd", true);
        check("one is over and was not ended", &standing(2, 5, (1, 1)), "PastEnd", false);
        let unopened = CollectionStatus { unopened: 1, ..standing(2, 5, (1, 1)) };
        check("keys do not fit, and one is over", &unopened, "Unopened", false);
        let away = Folder::open("/no such folder").err();
        check("the disk is away, too", &CollectionStatus { folder: away, ..unopened }, "FolderAway", false);
    }
}
