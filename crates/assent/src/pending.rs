//! Enrolments that wait for their witnesses (R4): recorded without a template, completed when both have signed.

use std::io;
use std::path::Path;

use assent_ledger::{
    CollectionId, GrantId, Ledger, NewPending, Pending, PendingId, Picture, Purpose, Timestamp, TxError,
};
use thiserror::Error;

use crate::copies::KnownPhotos;
use crate::enrol::{Consent, EnrolError, Enrolment, enrol_as, fit_picture, release_is_no_portrait};
use crate::models::{Models, Worker};
use crate::packs::sha256;
use crate::source::read_regular;

/// A picture that is longer is not read, bytes.
const PICTURE_BYTES_MAX: u64 = 1 << 30;

/// Why an enrolment that both witnesses signed goes on waiting. Nothing was stored.
#[derive(Debug, Error)]
pub enum CompleteError {
    /// A picture cannot be read.
    #[error("the picture {picture} cannot be read; put it back where it was when it was signed")]
    Unreadable {
        /// The path of the picture, as it is shown.
        picture: String,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// A picture is another than the witnesses signed.
    #[error(
        "the picture {picture} is not the one that the witnesses signed; put that one back, or withdraw and enrol anew"
    )]
    Changed {
        /// The path of the picture, as it is shown.
        picture: String,
    },
    /// The networks are missing.
    #[error("the pictures wait for the models")]
    NoModels,
    /// As for every enrolment.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
}

/// Records an enrolment until its witnesses have signed. Names of pictures are their paths, which are read again then. With
/// the models at hand, pictures that will not do, or are copies of known photos, are refused now; nothing is embedded.
/// `progress` is as of [`enrol`](crate::enrol::enrol).
///
/// # Errors
///
/// [`EnrolError`], each variant as it says; the ledger decides about the evidence and the consent.
pub fn record(
    ledger: &Ledger,
    engine: Option<(&Models, &mut Worker)>,
    enrolment: &Enrolment<'_>,
    progress: &mut dyn FnMut(usize, usize),
    now: Timestamp,
) -> Result<PendingId, EnrolError> {
    let Enrolment { subject, consents, evidence, notice_sha256, valid_until, pictures } = *enrolment;
    // Whoever is not to be found needs no pictures, and none is noted.
    let pictures = if enrolment.to_be_found()? { pictures } else { &[] };
    if let Some(engine) = engine {
        check_pictures(ledger, engine, pictures, progress, now)?;
    }
    let consents: Vec<(CollectionId, Purpose)> = consents.iter().map(|c| (c.collection, c.purpose.clone())).collect();
    let pictures: Vec<Picture> =
        pictures.iter().map(|(path, bytes)| Picture { path: path.clone(), sha256: sha256(bytes) }).collect();
    release_is_no_portrait(evidence, pictures.iter().map(|p| (p.path.as_str(), &p.sha256)))?;
    let new = NewPending {
        subject,
        consents: &consents,
        evidence,
        notice_sha256,
        valid_until,
        pictures: &pictures,
        renewal: false,
    };
    Ok(ledger.run_tx("record an enrolment", now, |tx| tx.add_pending(&new)).map_err(EnrolError::from)?.into_inner())
}

/// Checks that pictures (a name for messages, the file's bytes) will do as portraits and are no copies of known photos.
/// Nothing is embedded. `progress` is as of [`enrol`](crate::enrol::enrol).
///
/// # Errors
///
/// [`EnrolError`] for the first that will not do.
pub fn check_pictures(
    ledger: &Ledger,
    (models, worker): (&Models, &mut Worker),
    pictures: &[(String, Vec<u8>)],
    progress: &mut dyn FnMut(usize, usize),
    now: Timestamp,
) -> Result<(), EnrolError> {
    let known = KnownPhotos::off_limits(ledger, models.pack().model_sha256, now);
    for (picture, bytes) in pictures {
        fit_picture(worker, known.as_ref(), (picture, bytes), progress)?;
    }
    Ok(())
}

/// Whether templates are made when it is completed.
pub fn needs_models(pending: &Pending) -> bool {
    pending.signed.consents.iter().any(|consent| consent.purpose.is_find() && consent.renews.is_none())
}

/// Completes an enrolment that both witnesses signed: its consents are recorded and its templates stored, in one
/// transaction.
///
/// # Errors
///
/// - [`CompleteError::Unreadable`], [`CompleteError::Changed`] if a picture is not there as it was signed.
/// - [`CompleteError::NoModels`] if it [needs](needs_models) the networks and they are not given.
/// - [`CompleteError::Enrol`] as for every enrolment; the ledger checks the signatures.
pub fn complete(
    ledger: &Ledger,
    engine: Option<(&Models, &mut Worker)>,
    pending: &Pending,
    progress: &mut dyn FnMut(usize, usize),
    now: Timestamp,
) -> Result<Vec<GrantId>, CompleteError> {
    if !needs_models(pending) {
        let opened = ledger.run_tx("complete an enrolment", now, |tx| tx.open_pending(pending.id));
        return Ok(opened.map_err(|e: TxError| EnrolError::from(e))?.into_inner());
    }
    let (models, worker) = engine.ok_or(CompleteError::NoModels)?;
    let pictures = pending.pictures.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let consents: Vec<Consent> = pending
        .signed
        .consents
        .iter()
        .map(|c| Consent { collection: c.collection, purpose: c.purpose.clone() })
        .collect();
    let enrolment = Enrolment {
        subject: pending.subject,
        consents: &consents,
        evidence: &pending.evidence(),
        notice_sha256: pending.notice_sha256,
        valid_until: pending.valid_until,
        pictures: &pictures,
    };
    Ok(enrol_as(ledger, (models, worker), &enrolment, progress, now, &|tx| tx.open_pending(pending.id))?)
}

fn read(picture: &Picture) -> Result<(String, Vec<u8>), CompleteError> {
    let name = || picture.path.clone();
    let bytes = read_regular(Path::new(&picture.path), PICTURE_BYTES_MAX)
        .map_err(|source| CompleteError::Unreadable { picture: name(), source })?;
    if sha256(&bytes) == picture.sha256 { Ok((name(), bytes)) } else { Err(CompleteError::Changed { picture: name() }) }
}
