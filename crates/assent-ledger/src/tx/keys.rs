//! Whose key opens, whose is damaged or missing, and what is said of those.
//!
//! A damaged slot of the key ring concerns one person. Their name and everything else that is sealed under their key cannot be
//! read; their rows are there, by their id, and that is enough to withdraw and to be erased.

use std::collections::BTreeSet;

use super::grant_keys::by_pseudonym;
use super::{ReadTx, Tx};
use crate::db::{Columns, Row, args};
use crate::error::TxError;
use crate::id::{CollectionId, GrantId, SubjectId, Timestamp};
use crate::keyring::KeyRingError;
use crate::secret::Key;
use crate::vocabulary::Purpose;

/// Somebody on the roster whose key is damaged or missing, and what can be said of them without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The id of the subject.
    pub subject: SubjectId,
    /// The shortest beginning of the id, 8 digits or more, that is nobody else's on the roster.
    pub number: String,
    /// Since when they are on the roster.
    pub added: Timestamp,
    /// Whether they are the owner of a household.
    pub owner: bool,
    /// Their consents that have not ended.
    pub consents: Vec<PlainConsent>,
}

/// What can be said of a consent without its person's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainConsent {
    /// The id of the grant.
    pub grant: GrantId,
    /// The collection that the consent is for.
    pub collection: CollectionId,
    /// The purpose that the consent is for.
    pub purpose: Purpose,
    /// The time at which the consent ends.
    pub valid_until: Timestamp,
}

impl ReadTx<'_> {
    /// The key of a living subject; while it is rotated, the one that opens what this snapshot shows.
    pub(super) fn key(&self, subject: SubjectId) -> Result<Key, TxError> {
        let (key, rotating) = {
            let mut ring = self.ring();
            (ring.get(subject)?, ring.is_rotating(subject))
        };
        if rotating && self.opens_profile(subject, &key)? == Some(false) {
            let keys = self.ring().keys_of(subject)?;
            for (_, other) in keys {
                if self.opens_profile(subject, &other)? == Some(true) {
                    return Ok(other);
                }
            }
        }
        Ok(key)
    }

    /// The key that opens what is held of a person; `None` if it is damaged or missing, or was destroyed.
    ///
    /// # Errors
    ///
    /// [`TxError::KeyRing`] if the ring cannot be read, [`TxError::Database`] if the database refuses.
    pub(crate) fn whole_key(&self, subject: SubjectId) -> Result<Option<Key>, TxError> {
        let key = self.ring().get(subject);
        match key {
            // With a damaged slot somewhere, this may be the key from before a rotation.
            Ok(key) if self.ring().is_whole() || self.opens_profile(subject, &key)? == Some(true) => Ok(Some(key)),
            Ok(_) | Err(KeyRingError::Damaged { .. } | KeyRingError::NoKey { .. } | KeyRingError::Destroyed { .. }) => {
                Ok(None)
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Gives `take` the key of each of these subjects with their index, in the order of the key ring, in which keys are
    /// read many at once. Returns for whom there is no key: it is damaged or missing.
    ///
    /// # Errors
    ///
    /// [`TxError::KeyRing`] if the ring cannot be read.
    pub(crate) fn each_key(
        &self,
        subjects: &[SubjectId],
        take: &mut dyn FnMut(usize, &Key),
    ) -> Result<Vec<SubjectId>, TxError> {
        let mut read = vec![false; subjects.len()];
        self.ring().reader()?.each(subjects.iter().copied(), &mut |i, key| {
            read[i] = true;
            take(i, key);
        });
        let mut without = Vec::new();
        for (i, subject) in subjects.iter().enumerate().filter(|(i, _)| !read[*i]) {
            match self.whole_key(*subject)? {
                Some(key) => take(i, &key),
                None => without.push(*subject),
            }
        }
        Ok(without)
    }

    /// Everybody on the roster.
    pub(crate) fn subject_ids(&self) -> Result<Vec<SubjectId>, TxError> {
        let rows = self.rows("SELECT id FROM subjects ORDER BY id", &[])?;
        rows.iter().map(|row| Ok(SubjectId::from_bytes(row.array(0)?))).collect()
    }

    /// Whether somebody is on the roster.
    pub(crate) fn on_roster(&self, subject: SubjectId) -> Result<bool, TxError> {
        Ok(self.count("SELECT COUNT(*) FROM subjects WHERE id = $1", args![subject])? > 0)
    }

    /// Whether somebody's key is there and opens what is held of them.
    ///
    /// # Errors
    ///
    /// [`TxError::KeyRing`] if the ring cannot be read, [`TxError::Database`] if the database refuses.
    pub fn is_readable(&self, subject: SubjectId) -> Result<bool, TxError> {
        Ok(self.whole_key(subject)?.is_some())
    }

    /// Everybody on the roster whose key is damaged or missing: they are found nowhere until it is mended
    /// ([`crate::Ledger::repair_keys`]). They can withdraw ([`crate::Tx::withdraw_consent`]) and be erased.
    ///
    /// # Errors
    ///
    /// - [`TxError::KeyRing`] if the ring cannot be read, [`TxError::Damaged`] if a record is not of this format.
    /// - [`TxError::Database`] if the database refuses.
    pub fn unreadable(&self) -> Result<Vec<Unreadable>, TxError> {
        let ids = self.subject_ids()?;
        let mut found = Vec::new();
        for subject in self.without_key(&ids)? {
            let row = self.row("SELECT created_ms, owner FROM subjects WHERE id = $1", args![subject])?;
            let row = row.ok_or(TxError::NoSubject)?;
            found.push(Unreadable {
                subject,
                number: number_of(subject, &ids),
                added: Timestamp(row.int(0)?),
                owner: row.int(1)? == 1,
                consents: self.consents_of(subject)?,
            });
        }
        Ok(found)
    }

    /// Those of these people on the roster whose key is damaged or missing.
    pub(crate) fn without_key(&self, ids: &[SubjectId]) -> Result<BTreeSet<SubjectId>, TxError> {
        let mut without: BTreeSet<SubjectId> = self.each_key(ids, &mut |_, _| {})?.into_iter().collect();
        if !self.ring().is_whole() {
            for id in ids {
                if self.whole_key(*id)?.is_none() {
                    without.insert(*id);
                }
            }
        }
        Ok(without)
    }

    /// The consents of a person that have not ended, as their rows say without the key. One whose date has come is among
    /// them until it was ended.
    ///
    /// # Errors
    ///
    /// [`TxError::Damaged`] if a record is not of this format, [`TxError::Database`] if the database refuses.
    pub fn consents_of(&self, subject: SubjectId) -> Result<Vec<PlainConsent>, TxError> {
        let sql = "SELECT id, collection_id, purpose, valid_until_ms FROM grants WHERE subject_id = $1 AND state = 'active' \
                   ORDER BY created_ms, id";
        let read = |row: &Row| -> Result<PlainConsent, TxError> {
            Ok(PlainConsent {
                grant: GrantId::from_bytes(row.array(0)?),
                collection: CollectionId::from_bytes(row.array(1)?),
                purpose: Purpose::new(&row.text(2)?).map_err(|_| TxError::Damaged { table: "grants" })?,
                valid_until: Timestamp(row.int(3)?),
            })
        };
        self.rows(sql, args![subject])?.iter().map(read).collect()
    }

    /// The ids of all collections.
    pub(crate) fn collection_ids(&self) -> Result<Vec<CollectionId>, TxError> {
        let rows = self.rows("SELECT id FROM collections", args![])?;
        rows.iter().map(|row| Ok(CollectionId::from_bytes(row.array(0)?))).collect()
    }
}

impl Tx<'_> {
    /// [`Self::whole_key`], also from a damaged slot in which the key itself is whole: that slot is mended.
    ///
    /// # Errors
    ///
    /// As [`Self::whole_key`]; [`TxError::KeyRing`] if the ring cannot be written.
    pub(crate) fn salvaged_key(&self, subject: SubjectId) -> Result<Option<Key>, TxError> {
        if let Some(key) = self.whole_key(subject)? {
            return Ok(Some(key));
        }
        let found = self.ring().salvaged(subject)?;
        for (slot, key) in found {
            if self.opens_profile(subject, &key)? == Some(true) {
                let says = crate::keyring::SlotContent::Key(subject, key);
                self.ring().write_content(Some(slot), &says)?;
                return self.whole_key(subject);
            }
        }
        Ok(None)
    }

    /// Deletes what stands under a pseudonym of nobody on the roster in the log, and of no grant to be found in these
    /// collections: a key that is gone or damaged cannot be asked for its own. Somebody else's whose key is damaged goes with it, and is found again by the next
    /// scan after their key was mended; what was said to them in the log stays.
    ///
    /// # Errors
    ///
    /// [`TxError::KeyRing`] if the ring cannot be read, [`TxError::Database`] if the database refuses.
    pub(crate) fn forget_orphans(&self, collections: &[CollectionId]) -> Result<(), TxError> {
        let ids = self.subject_ids()?;
        let mut log = BTreeSet::new();
        if self.without_key(&ids)?.is_empty() {
            self.each_key(&ids, &mut |_, key| log.extend([key.log_pseudonym()]))?;
            for row in self.rows("SELECT DISTINCT pseudonym FROM log_openings", args![])? {
                let pseudonym: [u8; 16] = row.array(0)?;
                if !log.contains(&pseudonym) {
                    self.exec("DELETE FROM log_openings WHERE pseudonym = $1", args![pseudonym])?;
                }
            }
        }
        for collection in collections {
            let living = by_pseudonym(self.finding_in(*collection)?.0);
            let sql = "SELECT pseudonym FROM sightings WHERE collection_id = $1 \
                       UNION SELECT pseudonym FROM decisions WHERE collection_id = $1";
            for row in self.rows(sql, args![*collection])? {
                let pseudonym: [u8; 16] = row.array(0)?;
                if !living.contains_key(&pseudonym) {
                    self.delete_sightings_of(*collection, pseudonym)?;
                }
            }
        }
        Ok(())
    }
}

/// The shortest beginning of an id, 8 digits or more, that no other of these has.
fn number_of(subject: SubjectId, all: &[SubjectId]) -> String {
    let id = subject.to_string();
    let alike = |other: &&SubjectId| **other != subject;
    let longest = all.iter().filter(alike).map(|other| {
        let other = other.to_string();
        id.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count() + 1
    });
    id[..longest.max().unwrap_or(0).clamp(8, id.len())].to_owned()
}
