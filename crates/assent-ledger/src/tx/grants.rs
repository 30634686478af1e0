//! Grants: given on evidence, proven active, ended once.

use std::collections::BTreeSet;

use super::{ActiveGrant, Collection, LeafPosition, ReadTx, RingNote, Subject, Tx};
use crate::db::{Columns, Row, args};
use crate::error::TxError;
use crate::fields::{Reader, Writer};
use crate::id::{CollectionId, GrantId, SubjectId, Timestamp, WitnessId};
use crate::jurisdiction::Age;
use crate::log::EventKind;
use crate::rules::{RuleError, Rules, day};
use crate::seal::{self, SealContext};
use crate::secret::Key;
use crate::vocabulary::{ChangeKind, GrantState, Purpose, Signer, VaultKind};
use crate::witness::Signed;

pub(super) const GRANTS: &str = "grants";

/// Begins the sealed record of a consent, from format 5 on.
const RECORD: &str = "consent-2";

macro_rules! select_grants {
    ($rest:literal) => {
        concat!(
            "SELECT id, subject_id, collection_id, purpose, state, notice_sha256, valid_from_ms, valid_until_ms, sealed, \
             renews, created_ms FROM grants ",
            $rest
        )
    };
}
pub(super) use select_grants;

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
        /// Who signed it.
        signed_by: Signer,
        /// What the operator notes; may be empty.
        statement: String,
        /// What the witnesses signed, where they have to (R4).
        signed: Option<Signed>,
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
    pub(super) fn encode(&self) -> zeroize::Zeroizing<Vec<u8>> {
        match self {
            Self::SelfStatement { statement } => Writer::new().text("self-statement").text(statement).finish(),
            Self::Paper { release_sha256, witnesses, signed_by, statement, signed } => {
                let kind = if signed.is_some() { "paper-3" } else { "paper-2" };
                let start = Writer::new().text(kind).text(statement).bytes(release_sha256).text(signed_by.as_str());
                let Some(signed) = signed else {
                    return witnesses.iter().fold(start, |w, id| w.bytes(id.as_bytes())).finish();
                };
                let ids: Vec<u8> = witnesses.iter().flat_map(|id| *id.as_bytes()).collect();
                signed.write(start.bytes(&ids)).finish()
            }
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(bytes);
        let kind = fields.text()?;
        let statement = fields.text()?.to_owned();
        match kind {
            "self-statement" => Some(Self::SelfStatement { statement }),
            "paper" | "paper-2" => {
                let release_sha256 = fields.array()?;
                // Before format 5 nobody wrote down who signed: the person did.
                let signed_by = if kind == "paper" { Signer::Subject } else { fields.text()?.parse().ok()? };
                let mut witnesses = Vec::new();
                while !fields.at_end() {
                    witnesses.push(WitnessId::from_bytes(fields.array()?));
                }
                Some(Self::Paper { release_sha256, witnesses, signed_by, statement, signed: None })
            }
            "paper-3" => {
                let release_sha256 = fields.array()?;
                let signed_by = fields.text()?.parse().ok()?;
                let (ids, rest) = fields.bytes()?.as_chunks::<16>();
                let witnesses = ids.iter().map(|id| WitnessId::from_bytes(*id)).collect();
                let signed = Some(Signed::read(&mut fields)?).filter(|_| rest.is_empty())?;
                Some(Self::Paper { release_sha256, witnesses, signed_by, statement, signed: Some(signed) })
            }
            _ => None,
        }
    }
}

/// A consent to be recorded.
#[derive(Clone, Debug)]
pub struct NewGrant<'a> {
    /// The subject who consents.
    pub subject: SubjectId,
    /// The collection that the consent is for.
    pub collection: CollectionId,
    /// The purpose that the subject agrees to.
    pub purpose: &'a Purpose,
    /// What shows it.
    pub evidence: &'a Evidence,
    /// The time from which the consent is in force.
    pub valid_from: Timestamp,
    /// Until when; at this instant it is over.
    pub valid_until: Timestamp,
    /// SHA-256 of the notice that the person was given; one of the vault's, outside households.
    pub notice_sha256: [u8; 32],
}

/// A consent as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The grant's id, 16 random bytes.
    pub id: GrantId,
    /// The id of the subject who gave the grant.
    pub subject: SubjectId,
    /// The collection that the consent is for.
    pub collection: CollectionId,
    /// The purpose that the consent is for.
    pub purpose: Purpose,
    /// In force, or how it ended.
    pub state: GrantState,
    /// SHA-256 of the notice.
    pub notice_sha256: [u8; 32],
    /// The time from which the consent is in force.
    pub valid_from: Timestamp,
    /// Until when; at this instant it is over.
    pub valid_until: Timestamp,
    /// What shows it.
    pub evidence: Evidence,
    /// Under which rule packs it was given, with their versions.
    pub rules: String,
    /// Which earlier one it renews, if it does.
    pub renews: Option<GrantId>,
    /// When it was recorded.
    pub created: Timestamp,
}

/// The columns of a grant that are not sealed.
pub(super) struct Plain {
    pub(super) id: GrantId,
    pub(super) subject: SubjectId,
    pub(super) collection: CollectionId,
    pub(super) purpose: Purpose,
}

impl ReadTx<'_> {
    /// Whether a consent of this person may be recorded, but for the witnesses' signatures and whether the form served
    /// before. Returns the rule packs, and whether they ask for signatures.
    pub(super) fn admit(&self, subject: &Subject, new: &NewGrant<'_>) -> Result<(String, bool), TxError> {
        let collection = self.open_collection(new.collection)?;
        if self.kind() == VaultKind::Household && !new.purpose.is_find() {
            return Err(TxError::HouseholdPurpose);
        }
        if new.valid_until <= new.valid_from || new.valid_until <= self.now {
            return Err(TxError::Validity);
        }
        if new.valid_from < self.now {
            return Err(TxError::Backdated);
        }
        self.check_stopped_jurisdictions(&subject.jurisdiction)?;
        self.check_evidence(new, subject.owner)?;
        self.check_rules(new, subject, &collection)
    }

    /// Whether there is a grant in force, now or later, for the same subject, collection and purpose.
    pub(super) fn has_active(&self, new: &NewGrant<'_>) -> Result<bool, TxError> {
        let twin = "SELECT COUNT(*) FROM grants WHERE subject_id = $1 AND collection_id = $2 AND purpose = $3 AND state = 'active' \
                    AND valid_until_ms > $4";
        Ok(self.count(twin, args![new.subject, new.collection, new.purpose.as_str(), self.now])? > 0)
    }

    /// The rules for a consent of this person in this collection: those of the person, the collection and the controller.
    fn rules_between(&self, subject: &Subject, collection: &Collection) -> Rules<'_> {
        let seat = self.settings().seat();
        let place = collection.basis.jurisdiction.as_ref().unwrap_or(&seat);
        self.rules.rules(&[&subject.jurisdiction, place, &seat])
    }

    /// Whether a consent of this person in one of these collections waits until its witnesses signed.
    ///
    /// # Errors
    ///
    /// As [`Self::collection`].
    pub fn witnesses_sign(&self, subject: &Subject, collections: &[CollectionId]) -> Result<bool, TxError> {
        for id in collections {
            if self.kind() == VaultKind::Organisation
                && self.rules_between(subject, &self.collection(*id)?).witnesses_sign()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// When consents of this person in these collections end that were asked for until `asked`: a consent that somebody
    /// else signed for a minor ends at the latest when the person comes of age, and they say it again themselves.
    ///
    /// # Errors
    ///
    /// As [`Self::collection`].
    pub fn consent_end(
        &self,
        subject: &Subject,
        collections: &[CollectionId],
        asked: Timestamp,
    ) -> Result<Timestamp, TxError> {
        let mut end = asked;
        if self.kind() == VaultKind::Organisation {
            for id in collections {
                let years = self.rules_between(subject, &self.collection(*id)?).alone_from_years();
                let of_age = subject.age.completes(years).filter(|at| years > 0 && *at > self.now);
                end = of_age.map_or(end, |at| end.min(at));
            }
        }
        Ok(end)
    }

    /// Refuses what the law of the person, of the collection or of the controller forbids. Returns the rule packs, and
    /// whether they ask for the witnesses' signatures.
    fn check_rules(
        &self,
        new: &NewGrant<'_>,
        subject: &Subject,
        collection: &Collection,
    ) -> Result<(String, bool), TxError> {
        if self.kind() == VaultKind::Household {
            return Ok(("household".to_owned(), false));
        }
        if self.notice(new.notice_sha256)?.is_none() {
            return Err(TxError::NoNotice);
        }
        let seat = self.settings().seat();
        let rules = self.rules_between(subject, collection);
        for pack in rules.representatives(&seat) {
            if !self.settings().representatives.contains_key(&pack.name) {
                return Err(RuleError::NoRepresentative { pack: pack.name.clone() }.into());
            }
        }
        let (mut latest, mut pack) = rules.latest_end(self.now, collection.basis.purpose_ends);
        let mut why = pack.label();
        let years = rules.alone_from_years();
        let signer = match new.evidence {
            Evidence::Paper { signed_by, .. } => *signed_by,
            Evidence::SelfStatement { .. } => Signer::Subject,
        };
        let of_age = match subject.age {
            _ if years == 0 => None,
            Age::Adult => None,
            Age::Unknown => return Err(RuleError::AgeUnknown.into()),
            Age::Born { .. } => subject.age.completes(years).filter(|at| *at > self.now),
        };
        if let Some(of_age) = of_age {
            if !rules.parent_may_sign() {
                pack = rules.packs().find(|pack| !pack.parent_may_sign).unwrap_or(pack);
                return Err(RuleError::TooYoung { years, pack: pack.label() }.into());
            }
            if signer == Signer::Subject {
                return Err(RuleError::ParentMissing { years }.into());
            }
            // Grown up, they say it again themselves.
            if of_age < latest {
                (latest, why) = (of_age, format!("they turn {years} then and sign for themselves"));
            }
        }
        if new.valid_until > latest {
            return Err(RuleError::TooLong { latest: day(latest), pack: why }.into());
        }
        Ok((rules.labels(), rules.witnesses_sign()))
    }

    fn check_evidence(&self, new: &NewGrant<'_>, owner: bool) -> Result<(), TxError> {
        let witnesses = match new.evidence {
            Evidence::SelfStatement { .. } if self.kind() == VaultKind::Household && owner => {
                return Ok(());
            }
            Evidence::SelfStatement { .. } => return Err(TxError::SelfStatement),
            Evidence::Paper { witnesses, .. } => witnesses,
        };
        let needed = if self.kind() == VaultKind::Household { 1 } else { 2 };
        let distinct: BTreeSet<WitnessId> = witnesses.iter().copied().collect();
        if distinct.len() < needed {
            return Err(TxError::Witnesses { needed, given: distinct.len() });
        }
        for witness in distinct {
            if self.count("SELECT COUNT(*) FROM witnesses WHERE id = $1", args![witness])? == 0 {
                return Err(TxError::NoWitness { witness });
            }
        }
        Ok(())
    }

    /// Refuses a form that served before.
    pub(super) fn check_release_unused(&self, sha256: &[u8; 32]) -> Result<(), TxError> {
        let used = self.count("SELECT COUNT(*) FROM used_releases WHERE tag = $1", args![self.release_tag(sha256)])?;
        if used > 0 { Err(TxError::ReleaseUsed) } else { Ok(()) }
    }

    pub(super) fn release_tag(&self, sha256: &[u8; 32]) -> [u8; 32] {
        self.master_mac("assent release v1", sha256)
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

    /// All grants in a collection that were not ended, by id, but those of people whose key is damaged or missing
    /// ([`Self::unreadable`]). Whether one is in force, only [`crate::Tx::active_grant`] says.
    ///
    /// # Errors
    ///
    /// As [`Self::grants_of`].
    pub fn grants_in(&self, collection: CollectionId) -> Result<Vec<Grant>, TxError> {
        let sql = select_grants!("WHERE collection_id = $1 AND state = 'active' ORDER BY id");
        let mut grants = Vec::new();
        for row in self.rows(sql, args![collection])? {
            if self.whole_key(SubjectId::from_bytes(row.array(1)?))?.is_some() {
                grants.push(self.read_grant(&row)?);
            }
        }
        Ok(grants)
    }

    /// A grant is over at its end, also before anybody looked for what is due.
    fn state_now(&self, word: &str, valid_until_ms: i64) -> Option<GrantState> {
        let over = |state: GrantState| state == GrantState::Active && valid_until_ms <= self.now.0;
        word.parse().ok().map(|state| if over(state) { GrantState::Expired } else { state })
    }

    fn read_grant(&self, row: &Row) -> Result<Grant, TxError> {
        let damaged = || TxError::Damaged { table: GRANTS };
        let plain = Plain::read(row)?;
        let record = seal::open(&self.key(plain.subject)?, &plain.seal_context(), &row.bytes(8)?)?;
        let mut fields = Reader::new(&record);
        // Before format 5 the record was the evidence alone.
        let (evidence, rules) = if fields.text() == Some(RECORD) {
            (fields.bytes().ok_or_else(damaged)?, fields.text().ok_or_else(damaged)?.to_owned())
        } else {
            (record.as_slice(), String::new())
        };
        Ok(Grant {
            id: plain.id,
            subject: plain.subject,
            collection: plain.collection,
            state: self.state_now(&row.text(4)?, row.int(7)?).ok_or_else(damaged)?,
            notice_sha256: row.array(5)?,
            valid_from: Timestamp(row.int(6)?),
            valid_until: Timestamp(row.int(7)?),
            evidence: Evidence::decode(evidence).ok_or_else(damaged)?,
            rules,
            renews: row.opt_array(9)?.map(GrantId::from_bytes),
            created: Timestamp(row.int(10)?),
            purpose: plain.purpose,
        })
    }
}

impl Tx<'_> {
    /// Records a consent.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoSubject`], [`TxError::NoCollection`], [`TxError::Frozen`] for who and where.
    /// - [`TxError::HouseholdPurpose`] for any purpose but `find-my-photos` in a household.
    /// - [`TxError::Validity`] if the end is not after the beginning, or not after now.
    /// - [`TxError::Backdated`] if it would begin before now: nobody was asked then.
    /// - [`TxError::SelfStatement`] if a self-statement comes from anybody but the owner of a household vault.
    /// - [`TxError::NoNotice`] if the notice is none of this vault's, outside households.
    /// - [`TxError::Rule`] for what the law of the person, the collection or the controller forbids, outside households.
    /// - [`TxError::Witnesses`], [`TxError::NoWitness`] if a paper release lacks two distinct registered witnesses (one
    ///   in a household).
    /// - [`TxError::NotSigned`], [`TxError::SignedTwice`], [`TxError::NoWitnessKey`], [`TxError::OtherStatement`],
    ///   [`TxError::WrongSignature`] if the rules ask for the witnesses' signatures, or the evidence has some, and one of
    ///   them is missing or does not hold.
    /// - [`TxError::ReleaseUsed`] if the release served before. Several grants of one subject in one transaction may
    ///   rest on one release: a form often covers several purposes.
    /// - [`TxError::GrantExists`] if one is active for the same subject, collection and purpose.
    /// - [`TxError::KeyRing`], [`TxError::Seal`], [`TxError::Database`] as everywhere.
    pub fn open_grant(&self, new: &NewGrant<'_>) -> Result<GrantId, TxError> {
        let id = GrantId::random(&mut **self.rng());
        self.record_grant(new, id, None)
    }

    pub(super) fn record_grant(
        &self,
        new: &NewGrant<'_>,
        id: GrantId,
        renews: Option<GrantId>,
    ) -> Result<GrantId, TxError> {
        let (rules, witnesses_sign) = self.admit(&self.subject(new.subject)?, new)?;
        self.check_signatures(new, witnesses_sign)?;
        if let Evidence::Paper { release_sha256, .. } = new.evidence {
            self.use_release(release_sha256, new.subject)?;
        }
        self.end_lapsed(new.subject, new.collection, new.purpose)?;
        if self.has_active(new)? {
            return Err(TxError::GrantExists);
        }
        let plain = Plain { id, subject: new.subject, collection: new.collection, purpose: new.purpose.clone() };
        self.new_grant_key(id, new.subject)?;
        let record = Writer::new().text(RECORD).bytes(&new.evidence.encode()).text(&rules).finish();
        let sealed = self.seal_with(&self.key(new.subject)?, &plain.seal_context(), &record)?;
        self.exec(
            "INSERT INTO grants (id, subject_id, collection_id, purpose, state, notice_sha256, valid_from_ms, \
             valid_until_ms, sealed, created_ms, renews) VALUES ($1, $2, $3, $4, 'active', $5, $6, $7, $8, $9, $10)",
            args![
                id,
                new.subject,
                new.collection,
                new.purpose.as_str(),
                new.notice_sha256,
                new.valid_from,
                new.valid_until,
                sealed,
                self.now,
                renews
            ],
        )?;
        let validity = [new.valid_from.0.to_be_bytes(), new.valid_until.0.to_be_bytes()].concat();
        let kind = if renews.is_some() { EventKind::Renewal } else { EventKind::Grant };
        self.grant_leaf(kind, &plain, &[&new.notice_sha256, validity.as_slice()])?;
        Ok(id)
    }

    /// A form is used once, for one person.
    pub(super) fn use_release(&self, sha256: &[u8; 32], subject: SubjectId) -> Result<(), TxError> {
        let tag = self.release_tag(sha256);
        if self.releases.borrow().get(&tag) == Some(&subject) {
            return Ok(());
        }
        self.check_release_unused(sha256)?;
        self.exec("INSERT INTO used_releases (tag) VALUES ($1)", args![tag])?;
        self.releases.borrow_mut().insert(tag, subject);
        Ok(())
    }
}

impl<'tx> Tx<'tx> {
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
        self.end_grant(&Plain { id, subject, collection, purpose }, Some(&key), GrantState::Withdrawn)
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

    /// `key` is the grant's, and `None` if it is damaged, missing or destroyed already.
    pub(super) fn end_grant(&self, plain: &Plain, key: Option<&Key>, state: GrantState) -> Result<(), TxError> {
        match key {
            _ if !plain.purpose.is_find() => {}
            Some(key) => self.delete_sightings_of(plain.collection, key.pseudonym(plain.collection))?,
            None => self.forget_orphans(&[plain.collection])?,
        }
        self.close_grant(plain, state)?;
        self.leave_portrait(plain.id, plain.subject, key)?;
        let kind = if state == GrantState::Expired { EventKind::Expiry } else { EventKind::Withdrawal };
        self.grant_leaf(kind, plain, &[])?;
        match state {
            GrantState::Withdrawn => {
                self.chain(plain.id)?.into_iter().for_each(|grant| self.touch(RingNote::Withdrawal(grant)));
            }
            _ => self.touch(RingNote::Ended(plain.id)),
        }
        Ok(())
    }

    /// The grant is over, and its templates are gone.
    pub(super) fn close_grant(&self, plain: &Plain, state: GrantState) -> Result<(), TxError> {
        self.exec("DELETE FROM templates WHERE grant_id = $1", args![plain.id])?;
        self.exec("UPDATE grants SET state = $1 WHERE id = $2 AND state = 'active'", args![state.as_str(), plain.id])?;
        self.ended.borrow_mut().insert(plain.id);
        self.grant_changed(ChangeKind::Ended, plain.collection, plain.id);
        self.leave_traces()?;
        Ok(())
    }

    /// Public: collection and purpose. Private: subject, grant, and the rest.
    pub(super) fn grant_leaf(&self, kind: EventKind, plain: &Plain, rest: &[&[u8]]) -> Result<LeafPosition, TxError> {
        let public = Writer::new().bytes(plain.collection.as_bytes()).text(plain.purpose.as_str()).finish();
        let start = Writer::new().bytes(plain.subject.as_bytes()).bytes(plain.id.as_bytes());
        let detail = rest.iter().fold(start, |w, part| w.bytes(part)).finish();
        self.append_leaf(kind, &public, &[(plain.subject, &detail)])
    }
}

impl Plain {
    pub(super) fn read(row: &Row) -> Result<Self, TxError> {
        Ok(Self {
            id: GrantId::from_bytes(row.array(0)?),
            subject: SubjectId::from_bytes(row.array(1)?),
            collection: CollectionId::from_bytes(row.array(2)?),
            purpose: Purpose::new(&row.text(3)?).map_err(|_| TxError::Damaged { table: GRANTS })?,
        })
    }

    fn seal_context(&self) -> SealContext<'_> {
        SealContext {
            table: GRANTS,
            subject: Some(self.subject),
            collection: Some(self.collection),
            purpose: Some(&self.purpose),
            grant: Some(self.id),
            ..SealContext::default()
        }
    }
}
