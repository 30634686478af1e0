//! Why a search found nothing.

use std::collections::BTreeSet;

use assent_ledger::{
    ActiveGrant, Collection, CollectionId, EventKind, GrantState, Ledger, PhotoPath, Purpose, ReadTx, RequestKind,
    RequestOutcome, RequiredDocument, RuleError, SubjectId, Timestamp, Tx, TxError,
};

use crate::source::Source;

/// Why nobody was found in a collection. "They" are the person who was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoResultReason {
    /// They took their consent back.
    Withdrew {
        /// The time at which it happened.
        on: Timestamp,
    },
    /// Their consent ended by its date.
    Expired {
        /// The time at which it happened.
        on: Timestamp,
    },
    /// Their form was recorded, and its witnesses have not signed.
    Waiting,
    /// Their consent begins later.
    NotYet {
        /// The time from which the consent is in force.
        from: Timestamp,
    },
    /// They were asked and said no.
    Refused {
        /// The time at which it happened.
        on: Timestamp,
    },
    /// They agreed for other collections alone.
    OtherCollections {
        /// The names of those, sorted.
        agreed: Vec<String>,
    },
    /// They agreed to nothing.
    NeverAgreed,
    /// What is held of them is restricted: kept and not used.
    Restricted,
    /// The collection names no basis for comparing the faces of others.
    NoBasis,
    /// The collection is searched when somebody asks, and not otherwise.
    OnRequest,
    /// The same, and they asked: what they asked for was answered, and nobody was found.
    Asked {
        /// When it was answered.
        on: Timestamp,
    },
    /// What the law asks for before faces are compared is not there.
    MissingDocuments {
        /// Which documents are missing, or overdue for their review.
        missing: Vec<RequiredDocument>,
    },
    /// They agreed, and no portrait of theirs is kept for it.
    NoTemplate,
    /// The collection was never scanned.
    NotScanned,
    /// Photos came since the last scan.
    PhotosNotScanned {
        /// The number of photos.
        photos: usize,
    },
    /// Photos were scanned before the person enrolled, and not since.
    NotCompared {
        /// The number of photos.
        photos: usize,
    },
    /// Photos wait until somebody confirms them; they are not handed out before.
    ToConfirm {
        /// The number of photos.
        photos: usize,
    },
    /// No photo shows them, and faces in the collection were set apart, theirs perhaps among them.
    SetApart {
        /// How many photos there are.
        photos: usize,
        /// How many faces were set apart.
        faces: usize,
    },
    /// No photo shows them.
    NotThere {
        /// How many photos there are.
        photos: usize,
        /// How many of them could not be read.
        unread: usize,
    },
}

impl NoResultReason {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            NoResultReason::Withdrew { .. } => "withdrew",
            NoResultReason::Expired { .. } => "expired",
            NoResultReason::Waiting => "waits-for-witnesses",
            NoResultReason::NotYet { .. } => "not-yet",
            NoResultReason::Refused { .. } => "said-no",
            NoResultReason::OtherCollections { .. } => "other-collections",
            NoResultReason::NeverAgreed => "never-agreed",
            NoResultReason::Restricted => "restricted",
            NoResultReason::NoBasis => "no-basis",
            NoResultReason::OnRequest => "on-request",
            NoResultReason::Asked { .. } => "asked",
            NoResultReason::MissingDocuments { .. } => "papers-missing",
            NoResultReason::NoTemplate => "no-portrait",
            NoResultReason::NotScanned => "not-scanned",
            NoResultReason::PhotosNotScanned { .. } => "photos-not-scanned",
            NoResultReason::NotCompared { .. } => "not-compared",
            NoResultReason::ToConfirm { .. } => "to-confirm",
            NoResultReason::SetApart { .. } => "set-apart",
            NoResultReason::NotThere { .. } => "not-there",
        }
    }

    /// Whether all that was scanned was looked at: photos that are not scanned yet may show them still.
    pub(crate) fn is_of_scanned_photos(&self) -> bool {
        matches!(self, NoResultReason::SetApart { .. } | NoResultReason::NotThere { .. })
    }
}

/// A collection in which nothing was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoResult {
    /// The name of the collection that has no photo in the answer.
    pub collection: String,
    /// The reason why the collection has no photo in the answer.
    pub why: NoResultReason,
}

/// A person without a consent in force for a collection.
pub(crate) fn not_agreed(
    tx: &ReadTx<'_>,
    subject: SubjectId,
    about: &Collection,
    all: &[Collection],
) -> Result<NoResultReason, TxError> {
    let meant = |collection: CollectionId, purpose: &Purpose| collection == about.id && purpose.is_find();
    let pending = tx.pending_of(subject)?;
    if pending.iter().any(|p| p.signed.consents.iter().any(|c| meant(c.collection, &c.purpose))) {
        return Ok(NoResultReason::Waiting);
    }
    let grants = tx.grants_of(subject)?;
    if let Some(last) = grants.iter().rev().find(|g| meant(g.collection, &g.purpose)) {
        return Ok(match last.state {
            GrantState::Withdrawn => {
                let ended = |e: &assent_ledger::ConsentEvent| e.grant == last.id && e.kind == EventKind::Withdrawal;
                let event = tx.consent_events(subject)?.into_iter().find(ended);
                // The log says when; a vault of before it did knows the beginning alone.
                NoResultReason::Withdrew { on: event.map_or(last.created, |e| e.time) }
            }
            GrantState::Active if last.valid_from > tx.now() => NoResultReason::NotYet { from: last.valid_from },
            GrantState::Active | GrantState::Expired => NoResultReason::Expired { on: last.valid_until },
        });
    }
    if let Some(refusal) = tx.refusals_of(subject)?.iter().rev().find(|r| meant(r.collection, &r.purpose)) {
        return Ok(NoResultReason::Refused { on: refusal.created });
    }
    let in_force = |g: &&assent_ledger::Grant| {
        let valid = g.valid_from <= tx.now() && tx.now() < g.valid_until;
        g.purpose.is_find() && g.state == GrantState::Active && valid
    };
    let agreed: BTreeSet<CollectionId> = grants.iter().filter(in_force).map(|g| g.collection).collect();
    let agreed: Vec<String> = all.iter().filter(|c| agreed.contains(&c.id)).map(|c| c.name.clone()).collect();
    Ok(if agreed.is_empty() { NoResultReason::NeverAgreed } else { NoResultReason::OtherCollections { agreed } })
}

/// A person with a consent in force who was not found, or is only proposed in `to_confirm` photos.
pub(crate) fn not_found<'tx>(
    tx: &Tx<'tx>,
    proof: &ActiveGrant<'tx>,
    to_confirm: usize,
) -> Result<NoResultReason, TxError> {
    if to_confirm > 0 {
        return Ok(NoResultReason::ToConfirm { photos: to_confirm });
    }
    let prerequisites = tx.missing_prerequisites(proof.collection())?;
    let missing: Vec<RequiredDocument> = prerequisites
        .iter()
        .filter_map(|one| match one {
            TxError::Rule(RuleError::Missing { document, .. } | RuleError::ReviewOverdue { document, .. }) => {
                Some(*document)
            }
            _ => None,
        })
        .collect();
    let reach = tx.reach(proof)?;
    let (photos, unread) = (reach.photos as usize, reach.failed as usize);
    Ok(if prerequisites.iter().any(|one| matches!(one, TxError::NoBasis { .. })) {
        NoResultReason::NoBasis
    } else if !missing.is_empty() {
        NoResultReason::MissingDocuments { missing }
    } else if prerequisites.iter().any(|one| matches!(one, TxError::OnRequest { .. })) {
        last_answer(tx, proof)?.map_or(NoResultReason::OnRequest, |on| NoResultReason::Asked { on })
    } else if reach.templates == 0 {
        NoResultReason::NoTemplate
    } else if reach.photos == 0 {
        NoResultReason::NotScanned
    } else if reach.not_compared > 0 {
        NoResultReason::NotCompared { photos: reach.not_compared as usize }
    } else if reach.set_apart > 0 {
        NoResultReason::SetApart { photos, faces: reach.set_apart as usize }
    } else {
        NoResultReason::NotThere { photos, unread }
    })
}

/// When the last search that the person asked for in the collection was answered; `None` if none was.
fn last_answer<'tx>(tx: &Tx<'tx>, proof: &ActiveGrant<'tx>) -> Result<Option<Timestamp>, TxError> {
    let requests = tx.requests_of(proof.subject())?;
    let searches =
        requests.iter().filter(|r| r.kind == RequestKind::Search && r.collection == Some(proof.collection()));
    Ok(searches.filter_map(|r| r.answered).filter(|(_, how)| *how == RequestOutcome::Granted).map(|(on, _)| on).max())
}

/// How many photos lie in a collection's folder that no scan has seen. A folder that cannot be read holds none.
///
/// # Errors
///
/// [`TxError`] if the ledger cannot be read.
pub(crate) fn not_scanned(ledger: &Ledger, about: &Collection, now: Timestamp) -> Result<usize, TxError> {
    let listed = Source::of(about).and_then(|source| source.list());
    let Ok(listing) = listed else { return Ok(0) };
    let paths: Vec<&PhotoPath> = listing.files.iter().map(|photo| &photo.path).collect();
    ledger.read_tx(now, |tx| tx.count_unknown(about.id, &paths))
}
