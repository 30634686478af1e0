//! Enrolment: one or several pictures of a person, and the consent that lets them be found.

use assent_ledger::{CollectionId, Evidence, GrantId, Ledger, NewGrant, Purpose, SubjectId, Timestamp, Tx, TxError};
use thiserror::Error;

use crate::models::{Models, Worker};
use crate::packs::sha256;
use crate::portrait::{PortraitError, PortraitGate, embed_portrait};
use crate::template;

/// One consent to be recorded with an enrolment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// Where.
    pub collection: CollectionId,
    /// For what.
    pub purpose: Purpose,
}

/// Who is enrolled, on what ground.
#[derive(Debug)]
pub struct Enrolment<'a> {
    /// Who.
    pub subject: SubjectId,
    /// Every collection and purpose that they agreed to; at least one.
    pub consents: &'a [Consent],
    /// What shows that they agreed.
    pub evidence: &'a Evidence,
    /// SHA-256 of the notice that they were given.
    pub notice_sha256: [u8; 32],
    /// When the consents end.
    pub valid_until: Timestamp,
    /// Pictures of them alone: a name for messages and the file's bytes.
    pub pictures: &'a [(String, Vec<u8>)],
}

/// Why nobody was enrolled. Nothing was stored.
#[derive(Debug, Error)]
pub enum EnrolError {
    /// A consent to be found needs a picture to be found by.
    #[error("to be found, a person needs at least one picture")]
    NoPicture,
    /// Nothing was agreed to.
    #[error("an enrolment needs at least one collection and purpose")]
    NoConsent,
    /// A picture is unfit.
    #[error("the picture {picture} cannot be used")]
    Portrait {
        /// Its name, as given.
        picture: String,
        /// Why.
        #[source]
        source: PortraitError,
    },
    /// A picture is a copy of a photo in the collection: that is how somebody else would be enrolled.
    #[error(
        "the picture {picture} is a copy of a photo in the collection; take a picture of the person for the enrolment, \
         so that nobody is enrolled from a photo that was found"
    )]
    CopyOfPhoto {
        /// Its name, as given.
        picture: String,
    },
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] TxError),
}

/// Records the consents and stores a template for each picture and each consent to `find-my-photos`, in one transaction.
///
/// # Errors
///
/// [`EnrolError`], each variant as it says; the ledger decides about the evidence and the consent.
pub fn enrol(
    ledger: &Ledger,
    models: &Models,
    worker: &mut Worker,
    enrolment: &Enrolment<'_>,
    now: Timestamp,
) -> Result<Vec<GrantId>, EnrolError> {
    enrol_as(ledger, models, worker, enrolment, now, &|tx| {
        let open = |consent: &Consent| {
            tx.open_grant(&NewGrant {
                subject: enrolment.subject,
                collection: consent.collection,
                purpose: &consent.purpose,
                evidence: enrolment.evidence,
                valid_from: now,
                valid_until: enrolment.valid_until,
                notice_sha256: enrolment.notice_sha256,
            })
        };
        enrolment.consents.iter().map(open).collect()
    })
}

/// Enrols under the grants that `open` records, one for each consent, in their order.
pub(crate) fn enrol_as(
    ledger: &Ledger,
    models: &Models,
    worker: &mut Worker,
    enrolment: &Enrolment<'_>,
    now: Timestamp,
    open: &dyn for<'tx> Fn(&Tx<'tx>) -> Result<Vec<GrantId>, TxError>,
) -> Result<Vec<GrantId>, EnrolError> {
    let Enrolment { consents, evidence, .. } = *enrolment;
    if consents.is_empty() {
        return Err(EnrolError::NoConsent);
    }
    let to_be_found = consents.iter().any(|c| c.purpose.is_find());
    if to_be_found && enrolment.pictures.is_empty() {
        return Err(EnrolError::NoPicture);
    }
    let own_word = matches!(evidence, Evidence::SelfStatement { .. });
    let mut templates = Vec::new();
    if to_be_found {
        for (picture, bytes) in enrolment.pictures {
            // A household's owner may show a picture of themselves that lies among their photos.
            if !own_word && is_photo_of(ledger, consents, bytes, now)? {
                return Err(EnrolError::CopyOfPhoto { picture: picture.clone() });
            }
            let embedding = embed_portrait(worker, &PortraitGate::default(), bytes)
                .map_err(|source| EnrolError::Portrait { picture: picture.clone(), source })?;
            templates.push(template::encode(&embedding));
        }
    }
    let plain: Vec<&[u8]> = templates.iter().map(|t| t.as_slice()).collect();
    let grants = ledger.run_tx("enrol", now, |tx| {
        let grants = open(tx)?;
        for (consent, grant) in consents.iter().zip(&grants) {
            if consent.purpose.is_find() {
                tx.enrol(&tx.active_grant(*grant)?, models.pack().model_sha256, &plain)?;
            }
        }
        Ok(grants)
    })?;
    Ok(grants.into_inner())
}

/// Whether this file is one of the photos that the consents are about.
pub(crate) fn is_photo_of(
    ledger: &Ledger,
    consents: &[Consent],
    bytes: &[u8],
    now: Timestamp,
) -> Result<bool, TxError> {
    let hash = sha256(bytes);
    let found = ledger.run_tx("look for copies of a portrait", now, |tx| {
        for consent in consents {
            if !tx.photos_with_content(consent.collection, hash)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    })?;
    Ok(found.into_inner())
}
