//! Why a search found nothing.

use std::collections::BTreeSet;

use assent_ledger::{
    ActiveGrant, Collection, CollectionId, EventKind, GrantState, PhotoPath, Purpose, RequestKind, RequestOutcome,
    RequiredDocument, RuleError, SubjectId, Timestamp, Tx, TxError,
};

use crate::source::Folder;

/// Why nobody was found in a collection. "They" are the person who was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNothing {
    /// They took their consent back.
    Withdrew {
        /// When.
        on: Timestamp,
    },
    /// Their consent ended by its date.
    Expired {
        /// When.
        on: Timestamp,
    },
    /// Their form was recorded, and its witnesses have not signed.
    Waiting,
    /// Their consent begins later.
    NotYet {
        /// When.
        from: Timestamp,
    },
    /// They were asked and said no.
    Refused {
        /// When.
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
        /// How many.
        photos: usize,
    },
    /// Photos were scanned before the person enrolled, and not since.
    NotCompared {
        /// How many.
        photos: usize,
    },
    /// Photos wait until somebody confirms them; they are not handed out before.
    ToConfirm {
        /// How many.
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

impl WhyNothing {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            WhyNothing::Withdrew { .. } => "withdrew",
            WhyNothing::Expired { .. } => "expired",
            WhyNothing::Waiting => "waits-for-witnesses",
            WhyNothing::NotYet { .. } => "not-yet",
            WhyNothing::Refused { .. } => "said-no",
            WhyNothing::OtherCollections { .. } => "other-collections",
            WhyNothing::NeverAgreed => "never-agreed",
            WhyNothing::Restricted => "restricted",
            WhyNothing::NoBasis => "no-basis",
            WhyNothing::OnRequest => "on-request",
            WhyNothing::Asked { .. } => "asked",
            WhyNothing::MissingDocuments { .. } => "papers-missing",
            WhyNothing::NoTemplate => "no-portrait",
            WhyNothing::NotScanned => "not-scanned",
            WhyNothing::PhotosNotScanned { .. } => "photos-not-scanned",
            WhyNothing::NotCompared { .. } => "not-compared",
            WhyNothing::ToConfirm { .. } => "to-confirm",
            WhyNothing::SetApart { .. } => "set-apart",
            WhyNothing::NotThere { .. } => "not-there",
        }
    }

    /// Whether all that was scanned was looked at: photos that are not scanned yet may show them still.
    pub(crate) fn is_of_scanned_photos(&self) -> bool {
        matches!(self, WhyNothing::SetApart { .. } | WhyNothing::NotThere { .. })
    }
}

/// A collection in which nothing was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NothingIn {
    /// Its name.
    pub collection: String,
    /// Why.
    pub why: WhyNothing,
}

/// A person without a consent in force for a collection.
pub(crate) fn not_agreed(
    tx: &Tx<'_>,
    subject: SubjectId,
    about: &Collection,
    all: &[Collection],
) -> Result<WhyNothing, TxError> {
    let meant = |collection: CollectionId, purpose: &Purpose| collection == about.id && purpose.is_find();
    let pending = tx.pending_of(subject)?;
    if pending.iter().any(|p| p.signed.consents.iter().any(|c| meant(c.collection, &c.purpose))) {
        return Ok(WhyNothing::Waiting);
    }
    let grants = tx.grants_of(subject)?;
    if let Some(last) = grants.iter().rev().find(|g| meant(g.collection, &g.purpose)) {
        return Ok(match last.state {
            GrantState::Withdrawn => {
                let ended = |e: &assent_ledger::ConsentEvent| e.grant == last.id && e.kind == EventKind::Withdrawal;
                let event = tx.consent_events(subject)?.into_iter().find(ended);
                // The log says when; a vault of before it did knows the beginning alone.
                WhyNothing::Withdrew { on: event.map_or(last.created, |e| e.time) }
            }
            GrantState::Active if last.valid_from > tx.now() => WhyNothing::NotYet { from: last.valid_from },
            GrantState::Active | GrantState::Expired => WhyNothing::Expired { on: last.valid_until },
        });
    }
    if let Some(refusal) = tx.refusals_of(subject)?.iter().rev().find(|r| meant(r.collection, &r.purpose)) {
        return Ok(WhyNothing::Refused { on: refusal.created });
    }
    let in_force = |g: &&assent_ledger::Grant| {
        let valid = g.valid_from <= tx.now() && tx.now() < g.valid_until;
        g.purpose.is_find() && g.state == GrantState::Active && valid
    };
    let agreed: BTreeSet<CollectionId> = grants.iter().filter(in_force).map(|g| g.collection).collect();
    let agreed: Vec<String> = all.iter().filter(|c| agreed.contains(&c.id)).map(|c| c.name.clone()).collect();
    Ok(if agreed.is_empty() { WhyNothing::NeverAgreed } else { WhyNothing::OtherCollections { agreed } })
}

/// A person with a consent in force who was not found, or is only proposed in `to_confirm` photos.
pub(crate) fn not_found<'tx>(tx: &Tx<'tx>, proof: &ActiveGrant<'tx>, to_confirm: usize) -> Result<WhyNothing, TxError> {
    if to_confirm > 0 {
        return Ok(WhyNothing::ToConfirm { photos: to_confirm });
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
        WhyNothing::NoBasis
    } else if !missing.is_empty() {
        WhyNothing::MissingDocuments { missing }
    } else if prerequisites.iter().any(|one| matches!(one, TxError::OnRequest { .. })) {
        last_answer(tx, proof)?.map_or(WhyNothing::OnRequest, |on| WhyNothing::Asked { on })
    } else if reach.templates == 0 {
        WhyNothing::NoTemplate
    } else if reach.photos == 0 {
        WhyNothing::NotScanned
    } else if reach.not_compared > 0 {
        WhyNothing::NotCompared { photos: reach.not_compared as usize }
    } else if reach.set_apart > 0 {
        WhyNothing::SetApart { photos, faces: reach.set_apart as usize }
    } else {
        WhyNothing::NotThere { photos, unread }
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
pub(crate) fn not_scanned(about: &Collection, known: &BTreeSet<PhotoPath>) -> usize {
    let listed = Folder::open(&about.directory).and_then(|folder| folder.list());
    listed.map_or(0, |listing| listing.files.iter().filter(|photo| !known.contains(&photo.path)).count())
}
