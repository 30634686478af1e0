//! Enrolment: one or several pictures of a person, and the consent that lets them be found.

use std::path::Path;

use assent_ledger::{
    Act, CollectionId, Evidence, Grant, GrantId, GrantState, Ledger, NewFile, NewGrant, Purpose, ReadTx, SubjectId,
    Timestamp, Tx, TxError, WAITING_FILE_BYTES_MAX,
};
use assent_vision::runtime::InferenceError;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::copies::{CompareError, KnownPhotos};
use crate::models::{Models, Worker};
use crate::packs::sha256;
use crate::portrait::{FitFace, PortraitError, PortraitGate, embed_face, fit_face};
use crate::template;

/// One consent to be recorded with an enrolment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// The collection that the consent is for.
    pub collection: CollectionId,
    /// The purpose that the consent is for.
    pub purpose: Purpose,
}

/// Who is enrolled, on what ground.
#[derive(Debug)]
pub struct Enrolment<'a> {
    /// The id of the subject.
    pub subject: SubjectId,
    /// Every collection and purpose that they agreed to; at least one.
    pub consents: &'a [Consent],
    /// What shows that they agreed.
    pub evidence: &'a Evidence,
    /// SHA-256 of the notice that they were given.
    pub notice_sha256: [u8; 32],
    /// Until when the consents are asked for: what somebody else signed for a minor ends on the day on which they come of
    /// age, if that is earlier.
    pub valid_until: Timestamp,
    /// Pictures of them alone: a name for messages and the file's bytes.
    pub pictures: &'a [(String, Vec<u8>)],
}

impl<'a> Enrolment<'a> {
    /// What the person handed in.
    pub(crate) fn form(&self) -> Form<'a> {
        Form { consents: self.consents, evidence: self.evidence, pictures: self.pictures }
    }

    /// When its consents end, as the roster and the rules are in this transaction.
    pub(crate) fn end(&self, tx: &ReadTx<'_>) -> Result<Timestamp, TxError> {
        consent_end(tx, self.subject, self.consents, self.valid_until)
    }
}

/// When somebody's consents end that are asked for until then, as the roster and the rules are in this transaction.
pub(crate) fn consent_end(
    tx: &ReadTx<'_>,
    subject: SubjectId,
    consents: &[Consent],
    asked: Timestamp,
) -> Result<Timestamp, TxError> {
    tx.consent_end(&tx.subject(subject)?, &collections(consents), asked)
}

/// What consents are for, in their order, as the ledger takes it.
pub(crate) fn pairs(consents: &[Consent]) -> Vec<(CollectionId, Purpose)> {
    consents.iter().map(|c| (c.collection, c.purpose.clone())).collect()
}

/// The collections of consents, in their order.
pub(crate) fn collections(consents: &[Consent]) -> Vec<CollectionId> {
    consents.iter().map(|c| c.collection).collect()
}

/// What a person hands in to be enrolled, whether they are on the roster or not.
#[derive(Clone, Copy)]
pub(crate) struct Form<'a> {
    pub(crate) consents: &'a [Consent],
    pub(crate) evidence: &'a Evidence,
    pub(crate) pictures: &'a [(String, Vec<u8>)],
}

impl Form<'_> {
    /// Whether somebody is to be found by pictures, which then are there; refused if nothing was agreed to.
    pub(crate) fn to_be_found(self) -> Result<bool, EnrolError> {
        if self.consents.is_empty() {
            return Err(EnrolError::NoConsent);
        }
        let to_be_found = self.consents.iter().any(|c| c.purpose.is_find());
        if to_be_found && self.pictures.is_empty() { Err(EnrolError::NoPicture) } else { Ok(to_be_found) }
    }
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
        /// The reason why the portrait is refused.
        #[source]
        source: PortraitError,
    },
    /// An organisation's picture is a copy or a crop of a photo in a collection: that is how somebody else would be
    /// enrolled.
    #[error(
        "the picture {picture} is a copy of a photo in one of the collections, or was cut out of one; take a picture of \
         the person for the enrolment, so that nobody is enrolled from a photo that was found"
    )]
    CopyOfPhoto {
        /// Its name, as given.
        picture: String,
    },
    /// A new picture of somebody who is enrolled does not look like them.
    #[error(
        "the picture {picture} does not look like the person who is enrolled; take another picture of the same person, or \
         let them withdraw and enrol them with a new form"
    )]
    OtherPerson {
        /// Its name, as given.
        picture: String,
    },
    /// The picture of the person was handed in as the signed form as well.
    #[error("the signed form is the picture {picture}; scan the form that was signed")]
    ReleaseIsPortrait {
        /// Its name, as given.
        picture: String,
    },
    /// The signed form was not handed over.
    #[error("the signed form is missing: the witnesses have to look at it before they sign")]
    NoRelease,
    /// A picture or the signed form is too long to be kept until the witnesses have signed.
    #[error(
        "{file} is too large: until the witnesses have signed it is kept with the enrolment, and may have {} MB at most; \
         save it smaller, and record that file",
        WAITING_FILE_BYTES_MAX / (1 << 20)
    )]
    TooLargeToWait {
        /// Its name, as given.
        file: String,
    },
    /// The known photos could not be compared with a picture: the detector failed.
    #[error("the picture {picture} could not be compared with the photos in the collections")]
    Comparison {
        /// Its name, as given.
        picture: String,
        /// The error of the network.
        #[source]
        source: InferenceError,
    },
    /// The networks are missing.
    #[error("the pictures wait for the models")]
    NoModels,
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] TxError),
}

/// An enrolment whose consents are in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Who it is.
    pub subject: SubjectId,
    /// The consents, in the order in which they were given.
    pub grants: Vec<GrantId>,
    /// When they end.
    pub until: Timestamp,
}

/// Refuses a signed form that is one of the pictures (name, SHA-256 of the file): a face is no signature.
///
/// # Errors
///
/// [`EnrolError::ReleaseIsPortrait`] for the first that is.
pub(crate) fn release_is_no_portrait<'a>(
    evidence: &Evidence,
    mut pictures: impl Iterator<Item = (&'a str, &'a [u8; 32])>,
) -> Result<(), EnrolError> {
    let Evidence::Paper { release_sha256, .. } = evidence else { return Ok(()) };
    match pictures.find(|(_, sha256)| *sha256 == release_sha256) {
        Some((picture, _)) => Err(EnrolError::ReleaseIsPortrait { picture: picture.to_owned() }),
        None => Ok(()),
    }
}

/// Refuses files (name, length in bytes) that are too long to be kept until the witnesses have signed.
///
/// # Errors
///
/// [`EnrolError::TooLargeToWait`] for the first that is.
pub(crate) fn fit_to_wait<'a>(mut files: impl Iterator<Item = (&'a str, u64)>) -> Result<(), EnrolError> {
    match files.find(|(_, bytes)| *bytes > WAITING_FILE_BYTES_MAX) {
        Some((file, _)) => Err(EnrolError::TooLargeToWait { file: file.to_owned() }),
        None => Ok(()),
    }
}

/// A file as the ledger keeps it: without the folder that it came from.
pub(crate) fn to_keep<'a>(name: &'a str, bytes: &'a [u8]) -> NewFile<'a> {
    let file = Path::new(name).file_name().and_then(|file| file.to_str());
    NewFile { name: file.unwrap_or(name), bytes }
}

/// Which of these consents somebody has not given yet, and those in force that are for the same.
///
/// # Errors
///
/// As [`assent_ledger::ReadTx::grants_of`].
pub fn not_given_yet(
    ledger: &Ledger,
    subject: SubjectId,
    consents: Vec<Consent>,
    now: Timestamp,
) -> Result<(Vec<Consent>, Vec<Grant>), TxError> {
    // By the clock that decides what is in force.
    let (mut given, now) = ledger.read_tx(now, |tx| Ok((tx.grants_of(subject)?, tx.now())))?;
    let same = |c: &Consent, g: &Grant| c.collection == g.collection && c.purpose == g.purpose;
    given.retain(|g| g.state == GrantState::Active && g.valid_until > now && consents.iter().any(|c| same(c, g)));
    let new = consents.into_iter().filter(|c| !given.iter().any(|g| same(c, g))).collect();
    Ok((new, given))
}

/// Records the consents and stores a template for each picture and each consent to `find-my-photos`, in one transaction.
///
/// Before that, outside households, each picture is compared with the photos that the vault knows; `progress` is told how
/// many photos are done, and of how many, where any have to be opened for it. It begins anew with each picture.
///
/// # Errors
///
/// [`EnrolError`], each variant as it says; the ledger decides about the evidence and the consent.
pub fn enrol(
    ledger: &Ledger,
    models: &Models,
    worker: &mut Worker,
    enrolment: &Enrolment<'_>,
    progress: &mut dyn FnMut(usize, usize),
    act: Act,
) -> Result<InForce, EnrolError> {
    enrol_as(ledger, Some((models, worker)), enrolment.form(), progress, act, &|tx| open(tx, enrolment))
}

/// Records the consents of an enrolment, in their order.
pub(crate) fn open(tx: &Tx<'_>, enrolment: &Enrolment<'_>) -> Result<InForce, TxError> {
    let until = enrolment.end(tx)?;
    let open = |consent: &Consent| {
        tx.open_grant(&NewGrant {
            subject: enrolment.subject,
            collection: consent.collection,
            purpose: &consent.purpose,
            evidence: enrolment.evidence,
            // The ledger's time: it does not run back although this machine's clock did a little.
            valid_from: tx.now(),
            valid_until: until,
            notice_sha256: enrolment.notice_sha256,
        })
    };
    let grants = enrolment.consents.iter().map(open).collect::<Result<_, _>>()?;
    Ok(InForce { subject: enrolment.subject, grants, until })
}

/// Enrols under the grants that `open` records, one for each consent, in their order: all in one transaction. The models are
/// needed where somebody is to be found.
pub(crate) fn enrol_as(
    ledger: &Ledger,
    engine: Option<(&Models, &mut Worker)>,
    form: Form<'_>,
    progress: &mut dyn FnMut(usize, usize),
    act: Act,
    open: &dyn for<'tx> Fn(&Tx<'tx>) -> Result<InForce, TxError>,
) -> Result<InForce, EnrolError> {
    let hashes: Vec<[u8; 32]> = form.pictures.iter().map(|(_, bytes)| sha256(bytes)).collect();
    let to_be_found = form.to_be_found()?;
    release_is_no_portrait(form.evidence, form.pictures.iter().map(|(name, _)| name.as_str()).zip(&hashes))?;
    let made = match (to_be_found, engine) {
        (false, _) => None,
        (true, None) => return Err(EnrolError::NoModels),
        (true, Some(engine)) => Some(templates(ledger, engine, form.pictures, progress, act.at)?),
    };
    let enrolled = ledger.run_tx("enrol", act, |tx| {
        let opened = open(tx)?;
        tx.note_portraits(opened.subject, hashes.iter())?;
        let Some(made) = &made else { return Ok(opened) };
        let plain: Vec<&[u8]> = made.templates.iter().map(|t| t.as_slice()).collect();
        for (_, grant) in form.consents.iter().zip(&opened.grants).filter(|(consent, _)| consent.purpose.is_find()) {
            let proof = tx.active_grant(*grant)?;
            tx.enrol(&proof, made.model_sha256, &plain)?;
            if let Some(picture) = &made.portrait {
                tx.keep_portrait(&proof, picture)?;
            }
        }
        Ok(opened)
    })?;
    Ok(enrolled.into_inner())
}

/// What somebody is found by.
struct Made {
    model_sha256: [u8; 32],
    templates: Vec<Zeroizing<Vec<u8>>>,
    /// The first face, as a picture.
    portrait: Option<Vec<u8>>,
}

fn templates(
    ledger: &Ledger,
    (models, worker): (&Models, &mut Worker),
    pictures: &[(String, Vec<u8>)],
    progress: &mut dyn FnMut(usize, usize),
    now: Timestamp,
) -> Result<Made, EnrolError> {
    let model_sha256 = models.pack().model_sha256;
    let (mut templates, mut portrait) = (Vec::new(), None);
    for (picture, bytes) in pictures {
        let known = KnownPhotos::off_limits(ledger, model_sha256, now);
        let face = fit_picture(worker, known.as_ref(), (picture, bytes), progress)?;
        portrait = portrait.or_else(|| face.kept.png().ok());
        let unfit = |source| EnrolError::Portrait { picture: picture.clone(), source };
        templates.push(template::encode(&embed_face(worker, face).map_err(unfit)?));
    }
    Ok(Made { model_sha256, templates, portrait })
}

/// The face in a picture that will do as a portrait and, where there are `known` photos, is a copy of none of them.
pub(crate) fn fit_picture(
    worker: &mut Worker,
    known: Option<&KnownPhotos<'_>>,
    (picture, bytes): (&str, &[u8]),
    progress: &mut dyn FnMut(usize, usize),
) -> Result<FitFace, EnrolError> {
    let name = || picture.to_owned();
    if let Some(known) = known
        && known.have_file(bytes)?
    {
        return Err(EnrolError::CopyOfPhoto { picture: name() });
    }
    let face = fit_face(worker, &PortraitGate::default(), bytes)
        .map_err(|source| EnrolError::Portrait { picture: name(), source })?;
    if let Some(known) = known {
        match known.show(worker, &face, progress) {
            Ok(false) => {}
            Ok(true) => return Err(EnrolError::CopyOfPhoto { picture: name() }),
            Err(CompareError::Ledger(e)) => return Err(e.into()),
            Err(CompareError::Inference(source)) => return Err(EnrolError::Comparison { picture: name(), source }),
        }
    }
    Ok(face)
}
