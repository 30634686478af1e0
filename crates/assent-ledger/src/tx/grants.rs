//! Grants: given on evidence, proven active, ended once.

use std::collections::BTreeSet;
use std::marker::PhantomData;

use super::{ActiveGrant, LeafPosition, Tx};
use crate::db::{Row, args};
use crate::error::TxError;
use crate::fields::{Reader, Writer};
use crate::id::{CollectionId, GrantId, SubjectId, Timestamp, WitnessId};
use crate::log::EventKind;
use crate::seal::{self, Place};
use crate::secret::Key;
use crate::words::{GrantState, Purpose, VaultKind};

pub(super) const GRANTS: &str = "grants";

macro_rules! select_grants {
    ($rest:literal) => {
        concat!(
            "SELECT id, subject_id, collection_id, purpose, state, notice_sha256, valid_from_ms, valid_until_ms, sealed \
             FROM grants ",
            $rest
        )
    };
}

/// What shows that the person said yes.
#[derive(Clone, PartialEq, Eq)]
pub enum Evidence {
    /// The owner of a household vault said so at a terminal.
    SelfStatement {
        /// What they typed.
        statement: String,
    },
    /// A signed form.
    Paper {
        /// SHA-256 of the file with the signed form. It is accepted once, ever.
        release_sha256: [u8; 32],
        /// Who saw it signed: two distinct registered witnesses, in a household one.
        witnesses: Vec<WitnessId>,
        /// What the operator notes; may be empty.
        statement: String,
    },
}

impl std::fmt::Debug for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SelfStatement { .. } => "SelfStatement { .. }",
            Self::Paper { .. } => "Paper { .. }",
        })
    }
}

impl Evidence {
    fn encode(&self) -> zeroize::Zeroizing<Vec<u8>> {
        match self {
            Self::SelfStatement { statement } => Writer::new().text("self-statement").text(statement).finish(),
            Self::Paper { release_sha256, witnesses, statement } => {
                let start = Writer::new().text("paper").text(statement).bytes(release_sha256);
                witnesses.iter().fold(start, |w, id| w.bytes(id.as_bytes())).finish()
            }
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(bytes);
        let kind = fields.text()?;
        let statement = fields.text()?.to_owned();
        match kind {
            "self-statement" => Some(Self::SelfStatement { statement }),
            "paper" => {
                let release_sha256 = fields.array()?;
                let mut witnesses = Vec::new();
                while !fields.at_end() {
                    witnesses.push(WitnessId::from_bytes(fields.array()?));
                }
                Some(Self::Paper { release_sha256, witnesses, statement })
            }
            _ => None,
        }
    }
}

/// A consent to be recorded.
#[derive(Clone, Debug)]
pub struct NewGrant<'a> {
    /// Who consents.
    pub subject: SubjectId,
    /// Where.
    pub collection: CollectionId,
    /// For what.
    pub purpose: &'a Purpose,
    /// What shows it.
    pub evidence: &'a Evidence,
    /// From when.
    pub valid_from: Timestamp,
    /// Until when; at this instant it is over.
    pub valid_until: Timestamp,
    /// SHA-256 of the notice that the person was given.
    pub notice_sha256: [u8; 32],
}

/// A consent as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// Whose.
    pub subject: SubjectId,
    /// Where.
    pub collection: CollectionId,
    /// For what.
    pub purpose: Purpose,
    /// In force, or how it ended.
    pub state: GrantState,
    /// SHA-256 of the notice.
    pub notice_sha256: [u8; 32],
    /// From when.
    pub valid_from: Timestamp,
    /// Until when; at this instant it is over.
    pub valid_until: Timestamp,
    /// What shows it.
    pub evidence: Evidence,
}

/// The columns of a grant that are not sealed.
struct Plain {
    id: GrantId,
    subject: SubjectId,
    collection: CollectionId,
    purpose: Purpose,
}

impl Tx<'_> {
    /// Records a consent.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoSubject`], [`TxError::NoCollection`], [`TxError::Frozen`] for who and where.
    /// - [`TxError::HouseholdPurpose`] for any purpose but `find-my-photos` in a household.
    /// - [`TxError::Validity`] if the end is not after the beginning, or not after now.
    /// - [`TxError::SelfStatement`] if a self-statement comes from anybody but the owner of a household vault.
    /// - [`TxError::Witnesses`], [`TxError::NoWitness`] if a paper release lacks two distinct registered witnesses (one
    ///   in a household).
    /// - [`TxError::ReleaseUsed`] if the release served before. Several grants of one subject in one transaction may
    ///   rest on one release: a form often covers several purposes.
    /// - [`TxError::GrantExists`] if one is active for the same subject, collection and purpose.
    /// - [`TxError::KeyRing`], [`TxError::Seal`], [`TxError::Database`] as everywhere.
    pub fn open_grant(&self, new: &NewGrant<'_>) -> Result<GrantId, TxError> {
        let subject = self.subject(new.subject)?;
        self.open_collection(new.collection)?;
        if self.kind == VaultKind::Household && !new.purpose.is_find() {
            return Err(TxError::HouseholdPurpose);
        }
        if new.valid_until <= new.valid_from || new.valid_until <= self.now {
            return Err(TxError::Validity);
        }
        self.check_evidence(new, subject.owner)?;
        let twin = "SELECT COUNT(*) FROM grants WHERE subject_id = $1 AND collection_id = $2 AND purpose = $3 AND state = 'active'";
        if self.count(twin, args![new.subject, new.collection, new.purpose.as_str()])? > 0 {
            return Err(TxError::GrantExists);
        }
        let id = GrantId::random(&mut **self.rng.borrow_mut());
        let plain = Plain { id, subject: new.subject, collection: new.collection, purpose: new.purpose.clone() };
        let sealed = self.seal_with(&self.key(new.subject)?, &plain.place(), &new.evidence.encode())?;
        self.exec(
            "INSERT INTO grants (id, subject_id, collection_id, purpose, state, notice_sha256, valid_from_ms, \
             valid_until_ms, sealed, created_ms) VALUES ($1, $2, $3, $4, 'active', $5, $6, $7, $8, $9)",
            args![
                id,
                new.subject,
                new.collection,
                new.purpose.as_str(),
                new.notice_sha256,
                new.valid_from,
                new.valid_until,
                sealed,
                self.now
            ],
        )?;
        let validity = [new.valid_from.0.to_be_bytes(), new.valid_until.0.to_be_bytes()].concat();
        self.grant_leaf(EventKind::Grant, &plain, &[&new.notice_sha256, validity.as_slice()])?;
        Ok(id)
    }

    fn check_evidence(&self, new: &NewGrant<'_>, owner: bool) -> Result<(), TxError> {
        let (release, witnesses) = match new.evidence {
            Evidence::SelfStatement { .. } if self.kind == VaultKind::Household && owner => {
                return Ok(());
            }
            Evidence::SelfStatement { .. } => return Err(TxError::SelfStatement),
            Evidence::Paper { release_sha256, witnesses, .. } => (release_sha256, witnesses),
        };
        let needed = if self.kind == VaultKind::Household { 1 } else { 2 };
        let distinct: BTreeSet<WitnessId> = witnesses.iter().copied().collect();
        if distinct.len() < needed {
            return Err(TxError::Witnesses { needed, given: distinct.len() });
        }
        for witness in distinct {
            if self.count("SELECT COUNT(*) FROM witnesses WHERE id = $1", args![witness])? == 0 {
                return Err(TxError::NoWitness { witness });
            }
        }
        let tag = self.master_mac("assent release v1", release);
        if self.releases.borrow().get(&tag) == Some(&new.subject) {
            return Ok(());
        }
        if self.count("SELECT COUNT(*) FROM used_releases WHERE tag = $1", args![tag])? > 0 {
            return Err(TxError::ReleaseUsed);
        }
        self.exec("INSERT INTO used_releases (tag) VALUES ($1)", args![tag])?;
        self.releases.borrow_mut().insert(tag, new.subject);
        Ok(())
    }

    /// All grants of a person, oldest first, ended ones too.
    ///
    /// # Errors
    ///
    /// - [`TxError::KeyRing`] if the key is missing, [`TxError::Seal`] if evidence does not open.
    /// - [`TxError::Damaged`] if a record is not of this format, [`TxError::Database`] if the database refuses.
    pub fn grants_of(&self, subject: SubjectId) -> Result<Vec<Grant>, TxError> {
        let sql = select_grants!("WHERE subject_id = $1 ORDER BY created_ms, id");
        self.rows(sql, args![subject])?.iter().map(|row| self.read_grant(row)).collect()
    }

    /// All grants in a collection that are active by their state, by id. Whether their dates allow it now, only
    /// [`Self::active_grant`] says.
    ///
    /// # Errors
    ///
    /// As [`Self::grants_of`].
    pub fn grants_in(&self, collection: CollectionId) -> Result<Vec<Grant>, TxError> {
        let sql = select_grants!("WHERE collection_id = $1 AND state = 'active' ORDER BY id");
        self.rows(sql, args![collection])?.iter().map(|row| self.read_grant(row)).collect()
    }

    fn read_grant(&self, row: &Row) -> Result<Grant, TxError> {
        let damaged = || TxError::Damaged { table: GRANTS };
        let plain = Plain::read(row)?;
        let evidence = seal::open(&self.key(plain.subject)?, &plain.place(), &row.bytes(8)?)?;
        Ok(Grant {
            id: plain.id,
            subject: plain.subject,
            collection: plain.collection,
            state: GrantState::from_word(&row.text(4)?).ok_or_else(damaged)?,
            notice_sha256: row.array(5)?,
            valid_from: Timestamp(row.int(6)?),
            valid_until: Timestamp(row.int(7)?),
            evidence: Evidence::decode(&evidence).ok_or_else(damaged)?,
            purpose: plain.purpose,
        })
    }
}

impl<'tx> Tx<'tx> {
    /// Proves that a grant is in force now. It stays so until this transaction ends or withdraws it.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoGrant`] if there is none with this id.
    /// - [`TxError::NotActive`] if it was withdrawn, expired, is not valid yet or is past its end.
    /// - [`TxError::KeyRing`] if the subject's key is missing, [`TxError::Database`] if the database refuses.
    pub fn active_grant(&self, grant: GrantId) -> Result<ActiveGrant<'tx>, TxError> {
        let row = self.row(select_grants!("WHERE id = $1"), args![grant])?.ok_or(TxError::NoGrant { grant })?;
        let in_force = row.text(4)? == "active" && row.int(6)? <= self.now.0 && self.now.0 < row.int(7)?;
        if !in_force {
            return Err(TxError::NotActive { grant });
        }
        let plain = Plain::read(&row)?;
        Ok(ActiveGrant {
            key: self.key(plain.subject)?,
            grant,
            subject: plain.subject,
            collection: plain.collection,
            purpose: plain.purpose,
            brand: PhantomData,
        })
    }

    /// Proves that a person has a grant in force for this collection and purpose.
    ///
    /// # Errors
    ///
    /// - `Ok(None)` if they have none; otherwise as [`Self::active_grant`].
    pub fn active_grant_for(
        &self,
        subject: SubjectId,
        collection: CollectionId,
        purpose: &Purpose,
    ) -> Result<Option<ActiveGrant<'tx>>, TxError> {
        let sql = "SELECT id FROM grants WHERE subject_id = $1 AND collection_id = $2 AND purpose = $3 AND state = 'active' \
                   AND valid_from_ms <= $4 AND valid_until_ms > $4";
        match self.row(sql, args![subject, collection, purpose.as_str(), self.now])? {
            Some(row) => self.active_grant(GrantId::from_bytes(row.array(0)?)).map(Some),
            None => Ok(None),
        }
    }

    /// Ends a grant on its subject's word: its templates are deleted, and if it was for `find-my-photos`, the sightings
    /// of and decisions about the subject in the collection. At commit the person cannot be found there any more.
    ///
    /// # Errors
    ///
    /// - [`TxError::NotActive`] if the grant ended in this transaction already.
    /// - [`TxError::Database`], [`TxError::KeyRing`], [`TxError::Seal`] as everywhere.
    pub fn withdraw(&self, proof: ActiveGrant<'tx>) -> Result<(), TxError> {
        self.still_active(&proof)?;
        let ActiveGrant { grant: id, subject, collection, purpose, key, .. } = proof;
        self.end_grant(&Plain { id, subject, collection, purpose }, &key, GrantState::Withdrawn)
    }
}

impl Tx<'_> {
    /// A second proof of a grant that was withdrawn in this transaction is worth nothing.
    pub(super) fn still_active(&self, proof: &ActiveGrant<'_>) -> Result<(), TxError> {
        if self.ended.borrow().contains(&proof.grant) {
            return Err(TxError::NotActive { grant: proof.grant });
        }
        Ok(())
    }

    /// Ends every active grant whose date has come. Returns how many, and the templates that went with them.
    pub(crate) fn expire_due(&self) -> Result<Vec<GrantId>, TxError> {
        let sql = select_grants!("WHERE state = 'active' AND valid_until_ms <= $1 ORDER BY valid_until_ms, id");
        let mut ended = Vec::new();
        for row in self.rows(sql, args![self.now])? {
            let plain = Plain::read(&row)?;
            self.end_grant(&plain, &self.key(plain.subject)?, GrantState::Expired)?;
            ended.push(plain.id);
        }
        Ok(ended)
    }

    fn end_grant(&self, plain: &Plain, key: &Key, state: GrantState) -> Result<(), TxError> {
        self.exec("DELETE FROM templates WHERE grant_id = $1", args![plain.id])?;
        if plain.purpose.is_find() {
            let pseudonym = key.pseudonym(plain.collection);
            self.forget_seen(plain.collection, pseudonym)?;
        }
        self.exec("UPDATE grants SET state = $1 WHERE id = $2 AND state = 'active'", args![state.as_str(), plain.id])?;
        self.ended.borrow_mut().insert(plain.id);
        self.exec("UPDATE vault SET scrub_due = 1 WHERE one = 1", args![])?;
        self.scrub.set(true);
        let kind = if state == GrantState::Expired { EventKind::Expiry } else { EventKind::Withdrawal };
        let position = self.grant_leaf(kind, plain, &[])?;
        if state == GrantState::Withdrawn {
            self.withdrawn.borrow_mut().push((plain.id, position));
        }
        Ok(())
    }

    /// Notes in the key ring what was withdrawn in this transaction.
    pub(crate) fn note_withdrawals(&self) -> Result<(), TxError> {
        for (grant, position) in self.withdrawn.take() {
            self.ring.borrow_mut().withdrawn(grant, position)?;
        }
        Ok(())
    }

    /// Ends those of these grants that are active, as withdrawn.
    pub(crate) fn withdraw_again(&self, grants: &[GrantId]) -> Result<(), TxError> {
        for grant in grants {
            if let Some(row) = self.row(select_grants!("WHERE id = $1 AND state = 'active'"), args![*grant])? {
                let plain = Plain::read(&row)?;
                self.end_grant(&plain, &self.key(plain.subject)?, GrantState::Withdrawn)?;
            }
        }
        Ok(())
    }

    /// Public: collection and purpose. Private: subject, grant, and the rest.
    fn grant_leaf(&self, kind: EventKind, plain: &Plain, rest: &[&[u8]]) -> Result<LeafPosition, TxError> {
        let public = Writer::new().bytes(plain.collection.as_bytes()).text(plain.purpose.as_str()).finish();
        let start = Writer::new().bytes(plain.subject.as_bytes()).bytes(plain.id.as_bytes());
        let detail = rest.iter().fold(start, |w, part| w.bytes(part)).finish();
        self.append_leaf(kind, &public, &[(plain.subject, &detail)])
    }
}

impl Plain {
    fn read(row: &Row) -> Result<Self, TxError> {
        Ok(Self {
            id: GrantId::from_bytes(row.array(0)?),
            subject: SubjectId::from_bytes(row.array(1)?),
            collection: CollectionId::from_bytes(row.array(2)?),
            purpose: Purpose::new(&row.text(3)?).map_err(|_| TxError::Damaged { table: GRANTS })?,
        })
    }

    fn place(&self) -> Place<'_> {
        Place {
            table: GRANTS,
            subject: Some(self.subject),
            collection: Some(self.collection),
            purpose: Some(&self.purpose),
            grant: Some(self.id),
            ..Place::default()
        }
    }
}
