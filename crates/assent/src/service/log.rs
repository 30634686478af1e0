//! The entries of the log, filtered and counted.

use std::collections::{BTreeMap, VecDeque};

use assent_ledger::{AccountId, CollectionId, EventKind, Leaf, Ledger, ReadTx, SubjectId, Timestamp, TxError};

/// Entries read at a time.
const PAGE: usize = 4096;

/// Which entries are wanted; what is `None` is any.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Of this kind.
    pub kind: Option<EventKind>,
    /// From this moment on.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// About this collection.
    pub collection: Option<CollectionId>,
    /// That concern this person.
    pub subject: Option<SubjectId>,
    /// So many at most, the newest.
    pub limit: usize,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it says to everybody.
    pub leaf: Leaf,
    /// Through which account it was asked for; `None` if through none, or through a member's own.
    pub account: Option<AccountId>,
}

/// The newest entries that fit, the oldest of them first.
///
/// # Errors
///
/// As [`ReadTx::leaves`], [`ReadTx::leaves_about`] and [`ReadTx::account_of`].
pub fn entries(ledger: &Ledger, filter: &Filter, now: Timestamp) -> Result<Vec<Entry>, TxError> {
    ledger.read_tx(now, |tx| {
        let concerning = filter.subject.map(|id| tx.leaves_about(id)).transpose()?;
        let is_wanted = |leaf: &Leaf| {
            filter.kind.is_none_or(|kind| leaf.kind == kind)
                && filter.since.is_none_or(|since| leaf.time >= since)
                && filter.until.is_none_or(|until| leaf.time < until)
                && filter.collection.is_none_or(|id| leaf.about().0 == Some(id))
                && concerning.as_ref().is_none_or(|all| all.binary_search(&leaf.position).is_ok())
        };
        let mut found = VecDeque::new();
        let (mut end, _) = tx.log_head()?;
        while end > 0 && found.len() < filter.limit {
            let first = end.saturating_sub(PAGE as u64);
            for leaf in tx.leaves(first, (end - first) as usize)?.into_iter().rev().filter(is_wanted) {
                if found.len() < filter.limit {
                    found.push_front(Entry { account: tx.account_of(leaf.position)?, leaf });
                }
            }
            end = first;
        }
        Ok(found.into())
    })
}

/// How often something happened, and when the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrences {
    /// How often.
    pub times: u64,
    /// The last time.
    pub last: Timestamp,
}

/// How often what happened: consents given, refused, renewed, withdrawn, expired and the rest.
///
/// # Errors
///
/// As [`ReadTx::leaves`].
pub(super) fn occurrences(tx: &ReadTx<'_>) -> Result<BTreeMap<EventKind, Occurrences>, TxError> {
    let mut counts: BTreeMap<EventKind, Occurrences> = BTreeMap::new();
    let mut from = 0;
    loop {
        let page = tx.leaves(from, PAGE)?;
        for leaf in &page {
            let seen = counts.entry(leaf.kind).or_insert(Occurrences { times: 0, last: leaf.time });
            *seen = Occurrences { times: seen.times + 1, last: leaf.time };
        }
        from += page.len() as u64;
        if page.len() < PAGE {
            return Ok(counts);
        }
    }
}
