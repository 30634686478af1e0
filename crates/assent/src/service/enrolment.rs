//! Somebody is enrolled: at once, or when their witnesses have signed (R4). What waits is recorded without a template, and
//! completed when both have signed.

use std::io;
use std::path::Path;

use assent_ledger::{
    Act, Collection, Evidence, Ledger, NewFile, NewFiles, NewPending, Pending, PendingId, Purpose, ReadTx, Refusal,
    SealedFile, Subject, SubjectId, Timestamp, Tx, TxError, WaitingFiles,
};
use thiserror::Error;

use crate::copies::KnownPhotos;
use crate::enrol::{
    Consent, EnrolError, Enrolment, Form, InForce, collections, enrol_as, fit_picture, fit_to_wait, open, pairs,
    release_is_no_portrait, to_keep,
};
use crate::models::{Models, Worker};
use crate::packs::sha256;
use crate::source::read_regular;

/// A picture that is longer is not read, bytes.
const PICTURE_BYTES_MAX: u64 = 1 << 30;

/// An enrolment or a renewal that waits, and whose it is.
#[derive(Debug, Clone)]
pub struct WaitingForm {
    /// Who agreed.
    pub who: Subject,
    /// What waits.
    pub pending: Pending,
}

/// What waits, with what its ids are called.
#[derive(Debug)]
pub struct Waiting {
    /// What waits, the oldest first.
    pub forms: Vec<WaitingForm>,
    /// All collections that there ever were.
    pub collections: Vec<Collection>,
}

impl Waiting {
    pub(crate) fn of(tx: &ReadTx<'_>, all: Vec<Pending>) -> Result<Waiting, TxError> {
        let whose = |pending: Pending| Ok(WaitingForm { who: tx.subject(pending.subject)?, pending });
        let forms = all.into_iter().map(whose).collect::<Result<_, TxError>>()?;
        Ok(Waiting { forms, collections: tx.collections_ever()? })
    }
}

/// Everything that waits, but what is of people whose key is damaged.
///
/// # Errors
///
/// As [`ReadTx::all_pending`].
pub fn waiting(ledger: &Ledger, now: Timestamp) -> Result<Waiting, TxError> {
    ledger.read_tx(now, |tx| Waiting::of(tx, tx.all_pending()?))
}

/// An enrolment or a renewal that was recorded and waits.
#[derive(Debug)]
pub struct Recorded {
    /// Who agreed, and to what.
    pub form: WaitingForm,
    /// All collections that there ever were.
    pub collections: Vec<Collection>,
    /// When they last said no to one of these things.
    pub said_no: Option<Timestamp>,
}

impl Recorded {
    /// What was recorded in this transaction.
    pub(crate) fn read(tx: &ReadTx<'_>, id: PendingId) -> Result<Recorded, TxError> {
        let pending = tx.pending(id)?;
        let refused = |no: &Refusal| pending.covers(no.collection, &no.purpose);
        let said_no = tx.refusals_of(pending.subject)?.iter().filter(|no| refused(no)).map(|no| no.created).max();
        let form = WaitingForm { who: tx.subject(pending.subject)?, pending };
        Ok(Recorded { form, collections: tx.collections_ever()?, said_no })
    }
}

/// What came of an enrolment or a renewal.
#[derive(Debug)]
pub enum Enrolled {
    /// The consents are in force.
    InForce(InForce),
    /// They begin when the witnesses have signed.
    Waiting(Box<Recorded>),
}

/// A consent holds so long if nothing else is said, ms: 365 days.
const VALID_MS: i64 = 365 * 24 * 60 * 60 * 1000;

/// When a consent that is given now ends if nobody says otherwise.
#[must_use]
pub fn default_end(now: Timestamp) -> Timestamp {
    Timestamp(now.0.saturating_add(VALID_MS))
}

/// What is agreed to: each of these purposes in each of these collections; without a purpose, to be found.
#[must_use]
pub fn consents(collections: &[Collection], purposes: &[Purpose]) -> Vec<Consent> {
    let find = [Purpose::find_my_photos()];
    let purposes = if purposes.is_empty() { &find } else { purposes };
    let of =
        |c: &Collection| purposes.iter().map(|p| Consent { collection: c.id, purpose: p.clone() }).collect::<Vec<_>>();
    collections.iter().flat_map(of).collect()
}

/// Whether consents on this evidence begin when its witnesses have signed, and not at once.
///
/// # Errors
///
/// As [`ReadTx::subject`] and [`ReadTx::witnesses_sign`].
pub fn is_signed_by_witnesses(
    ledger: &Ledger,
    (subject, consents, evidence): (SubjectId, &[Consent], &Evidence),
    now: Timestamp,
) -> Result<bool, TxError> {
    let on_paper = matches!(evidence, Evidence::Paper { .. });
    ledger.read_tx(now, |tx| Ok(on_paper && tx.witnesses_sign(&tx.subject(subject)?, &collections(consents))?))
}

/// Enrols somebody at once, or records that they are enrolled when both witnesses have signed. The models are needed where
/// somebody is to be found at once; without them the pictures of the others are looked at when the enrolment is completed. The
/// signed form of the evidence is needed where it waits for its witnesses.
/// `progress` is as of [`enrol`](crate::enrol::enrol).
///
/// When the consents end is decided by what the roster and the rules say when it is recorded, and the ledger opens no consent
/// that should have waited.
///
/// # Errors
///
/// [`EnrolError`], each variant as it says; [`TxError::NotSigned`] inside if the law that counts for this person was changed
/// meanwhile, and asks for signatures now.
pub fn enrol(
    ledger: &Ledger,
    engine: Option<(&Models, &mut Worker)>,
    (enrolment, release): (&Enrolment<'_>, Option<NewFile<'_>>),
    progress: &mut dyn FnMut(usize, usize),
    act: Act,
) -> Result<Enrolled, EnrolError> {
    let of = (enrolment.subject, enrolment.consents, enrolment.evidence);
    if is_signed_by_witnesses(ledger, of, act.at)? {
        let of = (enrolment, release.ok_or(EnrolError::NoRelease)?);
        return Ok(Enrolled::Waiting(Box::new(record(ledger, engine, of, progress, act)?)));
    }
    let opened = enrol_as(ledger, engine, enrolment.form(), progress, act, &|tx| open(tx, enrolment))?;
    Ok(Enrolled::InForce(opened))
}

/// Why an enrolment that both witnesses signed goes on waiting. Nothing was stored.
#[derive(Debug, Error)]
pub enum CompleteError {
    /// A picture of an enrolment that was recorded before format 10 cannot be read.
    #[error("the picture {picture} cannot be read; put it back where it was when it was signed")]
    Unreadable {
        /// The path of the picture, as it is shown.
        picture: String,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The same, and it is another than the witnesses signed.
    #[error(
        "the picture {picture} is not the one that the witnesses signed; put that one back, or withdraw and enrol anew"
    )]
    Changed {
        /// The path of the picture, as it is shown.
        picture: String,
    },
    /// As for every enrolment.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
}

/// Records an enrolment until its witnesses have signed, and keeps its pictures and its form until then. With the models at hand, pictures that will not do, or are copies of known photos, are refused now; nothing is embedded.
/// `progress` is as of [`enrol`](crate::enrol::enrol).
///
/// # Errors
///
/// [`EnrolError`], each variant as it says; the ledger decides about the evidence and the consent.
pub fn record(
    ledger: &Ledger,
    engine: Option<(&Models, &mut Worker)>,
    (enrolment, release): (&Enrolment<'_>, NewFile<'_>),
    progress: &mut dyn FnMut(usize, usize),
    act: Act,
) -> Result<Recorded, EnrolError> {
    let Enrolment { subject, consents, evidence, notice_sha256, pictures, .. } = *enrolment;
    // Whoever is not to be found needs no pictures, and none is noted.
    let pictures = if enrolment.form().to_be_found()? { pictures } else { &[] };
    let release = release_to_keep(release)?;
    fit_to_wait(pictures.iter().map(|(name, bytes)| (name.as_str(), bytes.len() as u64)))?;
    if let Some(engine) = engine {
        check_pictures(ledger, engine, pictures, progress, act.at)?;
    }
    let consents = pairs(consents);
    let hashes: Vec<[u8; 32]> = pictures.iter().map(|(_, bytes)| sha256(bytes)).collect();
    release_is_no_portrait(evidence, pictures.iter().map(|(name, _)| name.as_str()).zip(&hashes))?;
    let pictures: Vec<NewFile<'_>> = pictures.iter().map(|(name, bytes)| to_keep(name, bytes)).collect();
    let recorded = ledger.run_tx("record an enrolment", act, |tx| {
        let new = NewPending {
            subject,
            consents: &consents,
            evidence,
            notice_sha256,
            valid_until: enrolment.end(tx)?,
            pictures: &hashes,
            renewal: false,
        };
        Recorded::read(tx, tx.add_pending(&new, &NewFiles { pictures: &pictures, release })?)
    });
    Ok(recorded?.into_inner())
}

/// The signed form as it is kept until the witnesses have signed.
pub(super) fn release_to_keep(release: NewFile<'_>) -> Result<NewFile<'_>, EnrolError> {
    fit_to_wait([(release.name, release.bytes.len() as u64)].into_iter())?;
    Ok(to_keep(release.name, release.bytes))
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
/// - [`CompleteError::Unreadable`], [`CompleteError::Changed`] if it was recorded before format 10 and a picture does not lie
///   where it lay, as it was signed.
/// - [`CompleteError::Enrol`] as for every enrolment, with [`EnrolError::NoModels`] if it [needs](needs_models) the networks and
///   they are not given; the ledger checks the signatures.
pub fn complete(
    ledger: &Ledger,
    engine: Option<(&Models, &mut Worker)>,
    pending: &Pending,
    progress: &mut dyn FnMut(usize, usize),
    act: Act,
) -> Result<InForce, CompleteError> {
    let (subject, until) = (pending.subject, pending.valid_until);
    let open = |tx: &Tx<'_>| Ok(InForce { subject, grants: tx.open_pending(pending.id)?, until });
    if !needs_models(pending) {
        let opened = ledger.run_tx("complete an enrolment", act, open);
        return Ok(opened.map_err(EnrolError::from)?.into_inner());
    }
    // Before any picture is read.
    let engine = Some(engine.ok_or(EnrolError::NoModels)?);
    let pictures = pictures(ledger, pending, act.at)?;
    let consents: Vec<Consent> = pending
        .signed
        .consents
        .iter()
        .map(|c| Consent { collection: c.collection, purpose: c.purpose.clone() })
        .collect();
    let form = Form { consents: &consents, evidence: &pending.evidence(), pictures: &pictures };
    Ok(enrol_as(ledger, engine, form, progress, act, &open)?)
}

/// The pictures of an enrolment that waits, as they were handed in: a name and the file's bytes.
///
/// # Errors
///
/// - [`CompleteError::Unreadable`], [`CompleteError::Changed`] as for [`complete`].
/// - As [`ReadTx::waiting_file`].
pub fn pictures(ledger: &Ledger, pending: &Pending, now: Timestamp) -> Result<Vec<(String, Vec<u8>)>, CompleteError> {
    match &pending.files {
        WaitingFiles::Sealed { pictures, .. } => {
            Ok(pictures.iter().map(|file| sealed(ledger, pending, file, now)).collect::<Result<_, _>>()?)
        }
        WaitingFiles::Paths(paths) => paths.iter().zip(&pending.signed.pictures).map(read).collect(),
    }
}

/// The signed form of an enrolment that waits: its name and its bytes. `None` if it was recorded before format 10.
///
/// # Errors
///
/// As [`ReadTx::waiting_file`].
pub fn release(ledger: &Ledger, pending: &Pending, now: Timestamp) -> Result<Option<(String, Vec<u8>)>, CompleteError> {
    match &pending.files {
        WaitingFiles::Sealed { release, .. } => Ok(Some(sealed(ledger, pending, release, now)?)),
        WaitingFiles::Paths(_) => Ok(None),
    }
}

fn sealed(
    ledger: &Ledger,
    pending: &Pending,
    file: &SealedFile,
    now: Timestamp,
) -> Result<(String, Vec<u8>), EnrolError> {
    let bytes = ledger.read_tx(now, |tx| tx.waiting_file(pending, file))?;
    Ok((file.name.clone(), bytes.to_vec()))
}

/// A picture that lies where somebody put it.
fn read((path, signed): (&String, &[u8; 32])) -> Result<(String, Vec<u8>), CompleteError> {
    let name = || path.clone();
    let bytes = read_regular(Path::new(path), PICTURE_BYTES_MAX)
        .map_err(|source| CompleteError::Unreadable { picture: name(), source })?;
    if sha256(&bytes) == *signed { Ok((name(), bytes)) } else { Err(CompleteError::Changed { picture: name() }) }
}
