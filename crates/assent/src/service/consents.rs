//! What somebody agreed to: shown, refused, given again, ended.

use assent_ledger::{
    Act, Collection, CollectionId, ConsentEvent, Evidence, Grant, GrantId, Ledger, NewFile, NewFiles, NewGrant,
    NewPending, Notice, Pending, PendingId, PlainConsent, Purpose, ReadTx, Refusal, SubjectId, Timestamp, Tx, TxError,
};
use thiserror::Error;

use super::enrolment::{Enrolled, Recorded, is_signed_by_witnesses, release_to_keep};
use crate::enrol::{Consent, EnrolError, InForce};

/// Why nothing ended.
#[derive(Debug, Error)]
pub enum ConsentError {
    /// Nothing in force, and nothing that waits, fits.
    #[error("this person has no consent in force that fits")]
    NothingToWithdraw,
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] TxError),
}

/// Records that somebody was asked and said no.
///
/// # Errors
///
/// As [`assent_ledger::Tx::refuse`].
pub fn refuse(
    ledger: &Ledger,
    subject: SubjectId,
    (collection, purpose): (CollectionId, &Purpose),
    notice_sha256: [u8; 32],
    act: Act,
) -> Result<(), TxError> {
    ledger.run_tx("refuse", act, |tx| tx.refuse(subject, collection, purpose, notice_sha256))?;
    Ok(())
}

/// Which of somebody's consents are meant.
#[derive(Debug, Clone)]
pub struct Meant {
    /// Whose.
    pub subject: SubjectId,
    /// In this collection alone; `None` for all.
    pub collection: Option<CollectionId>,
    /// For this purpose alone; `None` for all.
    pub purpose: Option<Purpose>,
}

/// What ends of somebody's consents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// The consents that end.
    pub consents: Vec<GrantId>,
    /// The forms that wait, and are given up: each as a whole, also if it covers more.
    pub given_up: Vec<PendingId>,
}

impl Meant {
    fn fits(&self, collection: CollectionId, purpose: &Purpose) -> bool {
        self.collection.is_none_or(|only| only == collection) && self.purpose.as_ref().is_none_or(|p| p == purpose)
    }

    /// What would end now.
    fn find(&self, tx: &ReadTx<'_>) -> Result<Withdrawal, TxError> {
        let meant = |c: &PlainConsent| self.fits(c.collection, &c.purpose);
        let consents = tx.consents_of(self.subject)?.into_iter().filter(meant).map(|c| c.grant).collect();
        // What waits cannot be read with a damaged key, so that all of it is given up.
        let given_up = if tx.is_readable(self.subject)? {
            let meant = |p: &Pending| p.signed.consents.iter().any(|c| self.fits(c.collection, &c.purpose));
            tx.pending_of(self.subject)?.into_iter().filter(meant).map(|p| p.id).collect()
        } else {
            tx.pending_ids_of(self.subject)?
        };
        Ok(Withdrawal { consents, given_up })
    }
}

impl Withdrawal {
    fn or_nothing(self) -> Result<Withdrawal, ConsentError> {
        let nothing = self.consents.is_empty() && self.given_up.is_empty();
        if nothing { Err(ConsentError::NothingToWithdraw) } else { Ok(self) }
    }
}

/// What would end, if it were withdrawn now. Nothing is changed.
///
/// # Errors
///
/// - [`ConsentError::NothingToWithdraw`] if nothing fits.
/// - As [`ReadTx::consents_of`].
pub fn would_withdraw(ledger: &Ledger, meant: &Meant, now: Timestamp) -> Result<Withdrawal, ConsentError> {
    ledger.read_tx(now, |tx| meant.find(tx))?.or_nothing()
}

/// Ends consents on the person's word, also with a damaged key: everything that fits when it is committed, whoever recorded it
/// and when.
///
/// # Errors
///
/// - [`ConsentError::NothingToWithdraw`] if nothing fits.
/// - As [`assent_ledger::Tx::withdraw_consent`].
pub fn withdraw(ledger: &Ledger, meant: &Meant, act: Act) -> Result<Withdrawal, ConsentError> {
    let ended = ledger.run_tx("withdraw", act, |tx| {
        let found = meant.find(tx)?;
        found.given_up.iter().try_for_each(|pending| tx.discard_pending(*pending))?;
        found.consents.iter().try_for_each(|grant| tx.withdraw_consent(*grant))?;
        Ok(found)
    });
    ended?.into_inner().or_nothing()
}

/// A consent that is given again.
#[derive(Debug, Clone)]
pub struct Renewal<'a> {
    /// Whose.
    pub subject: SubjectId,
    /// The collection that it is for.
    pub collection: CollectionId,
    /// The purpose that it is for.
    pub purpose: &'a Purpose,
    /// What shows that they agreed again.
    pub evidence: &'a Evidence,
    /// The signed form of the evidence; needed where it waits for its witnesses.
    pub release: Option<NewFile<'a>>,
    /// SHA-256 of the notice that they were given.
    pub notice_sha256: [u8; 32],
    /// Until when it is asked for: what somebody else signed for a minor ends on the day on which they come of age, if that is
    /// earlier.
    pub valid_until: Timestamp,
}

/// Records that somebody agrees again: at once, or when the witnesses have signed, as the law asks when it is recorded.
///
/// # Errors
///
/// - [`EnrolError::NoRelease`], [`EnrolError::TooLargeToWait`] if the witnesses have to sign, and the form is not there to be
///   looked at.
/// - [`TxError::NothingToRenew`] inside if no such consent is in force.
/// - As [`assent_ledger::Tx::renew`] and [`assent_ledger::Tx::add_pending`]; [`TxError::NotSigned`] inside if the law that counts
///   for this person was changed meanwhile, and asks for signatures now.
pub fn renew(ledger: &Ledger, renewal: &Renewal<'_>, act: Act) -> Result<Enrolled, EnrolError> {
    let Renewal { subject, collection, purpose, evidence, release, notice_sha256, valid_until: asked } = *renewal;
    let consent = [Consent { collection, purpose: purpose.clone() }];
    let waits = is_signed_by_witnesses(ledger, (subject, &consent, evidence), act.at)?;
    let release = if waits { Some(release_to_keep(release.ok_or(EnrolError::NoRelease)?)?) } else { None };
    let renewed = ledger.run_tx("renew", act, |tx| {
        let who = tx.subject(subject)?;
        let valid_until = tx.consent_end(&who, &[collection], asked)?;
        if let Some(release) = release {
            let consents = [(collection, purpose.clone())];
            let (consents, pictures) = (consents.as_slice(), [].as_slice());
            let new = NewPending { subject, consents, evidence, notice_sha256, valid_until, pictures, renewal: true };
            let recorded = Recorded::read(tx, tx.add_pending(&new, &NewFiles { pictures: &[], release })?)?;
            return Ok(Enrolled::Waiting(Box::new(recorded)));
        }
        let grants = vec![renew_now(tx, renewal, valid_until)?];
        Ok(Enrolled::InForce(InForce { subject, grants, until: valid_until }))
    });
    Ok(renewed?.into_inner())
}

/// Puts a consent that ends then in the place of the one in force, where witnesses do not sign with keys.
pub(super) fn renew_now(tx: &Tx<'_>, renewal: &Renewal<'_>, valid_until: Timestamp) -> Result<GrantId, TxError> {
    let Renewal { subject, collection, purpose, evidence, notice_sha256, .. } = *renewal;
    let old = tx.active_grant_for(subject, collection, purpose)?.ok_or(TxError::NothingToRenew)?;
    let valid_from = tx.now();
    tx.renew(old, &NewGrant { subject, collection, purpose, evidence, valid_from, valid_until, notice_sha256 })
}

/// What the records of somebody's consents are made of.
#[derive(Debug)]
pub struct Held {
    /// Their consents, also those that ended.
    pub grants: Vec<Grant>,
    /// What they said no to.
    pub refusals: Vec<Refusal>,
    /// What the log says of them.
    pub events: Vec<ConsentEvent>,
    /// All notices.
    pub notices: Vec<Notice>,
    /// All collections that there ever were.
    pub collections: Vec<Collection>,
}

/// What the records of somebody's consents are made of.
///
/// # Errors
///
/// As [`ReadTx::grants_of`] and [`ReadTx::consent_events`].
pub fn held(ledger: &Ledger, subject: SubjectId, now: Timestamp) -> Result<Held, TxError> {
    ledger.read_tx(now, |tx| {
        Ok(Held {
            grants: tx.grants_of(subject)?,
            refusals: tx.refusals_of(subject)?,
            events: tx.consent_events(subject)?,
            notices: tx.notices()?,
            collections: tx.collections_ever()?,
        })
    })
}
