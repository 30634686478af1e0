//! Enrolment: one or several pictures of a person, and the consent that lets them be found.

use assent_ledger::{
    CollectionId, Evidence, Grant, GrantId, GrantState, Ledger, NewGrant, Purpose, SubjectId, Timestamp, Tx, TxError,
};
use assent_vision::runtime::InferenceError;
use thiserror::Error;

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
    /// When the consents end.
    pub valid_until: Timestamp,
    /// Pictures of them alone: a name for messages and the file's bytes.
    pub pictures: &'a [(String, Vec<u8>)],
}

impl Enrolment<'_> {
    /// Whether it is to be found by pictures, which then are there; refused if nothing was agreed to.
    pub(crate) fn to_be_found(&self) -> Result<bool, EnrolError> {
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
    #[error("to be found, a person needs at least one picture (--photo FILE)")]
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
    /// The known photos could not be compared with a picture: the detector failed.
    #[error("the picture {picture} could not be compared with the photos in the collections")]
    Comparison {
        /// Its name, as given.
        picture: String,
        /// The error of the network.
        #[source]
        source: InferenceError,
    },
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] TxError),
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
    let mut given = ledger.read_tx(now, |tx| tx.grants_of(subject))?;
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
    now: Timestamp,
) -> Result<Vec<GrantId>, EnrolError> {
    enrol_as(ledger, (models, worker), enrolment, progress, now, &|tx| {
        let open = |consent: &Consent| {
            tx.open_grant(&NewGrant {
                subject: enrolment.subject,
                collection: consent.collection,
                purpose: &consent.purpose,
                evidence: enrolment.evidence,
                // The ledger's time: it does not run back although this machine's clock did a little.
                valid_from: tx.now(),
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
    (models, worker): (&Models, &mut Worker),
    enrolment: &Enrolment<'_>,
    progress: &mut dyn FnMut(usize, usize),
    now: Timestamp,
    open: &dyn for<'tx> Fn(&Tx<'tx>) -> Result<Vec<GrantId>, TxError>,
) -> Result<Vec<GrantId>, EnrolError> {
    let consents = enrolment.consents;
    let to_be_found = enrolment.to_be_found()?;
    let hashes: Vec<[u8; 32]> = enrolment.pictures.iter().map(|(_, bytes)| sha256(bytes)).collect();
    release_is_no_portrait(enrolment.evidence, enrolment.pictures.iter().map(|(name, _)| name.as_str()).zip(&hashes))?;
    let (mut templates, mut portrait) = (Vec::new(), None);
    if to_be_found {
        for (picture, bytes) in enrolment.pictures {
            let known = KnownPhotos::off_limits(ledger, models.pack().model_sha256, now);
            let face = fit_picture(worker, known.as_ref(), (picture, bytes), progress)?;
            portrait = portrait.or_else(|| face.kept.png().ok());
            let unfit = |source| EnrolError::Portrait { picture: picture.clone(), source };
            templates.push(template::encode(&embed_face(worker, face).map_err(unfit)?));
        }
    }
    let plain: Vec<&[u8]> = templates.iter().map(|t| t.as_slice()).collect();
    let grants = ledger.run_tx("enrol", now, |tx| {
        let grants = open(tx)?;
        tx.note_portraits(enrolment.subject, hashes.iter())?;
        for (consent, grant) in consents.iter().zip(&grants) {
            if consent.purpose.is_find() {
                let proof = tx.active_grant(*grant)?;
                tx.enrol(&proof, models.pack().model_sha256, &plain)?;
                if let Some(picture) = &portrait {
                    tx.keep_portrait(&proof, picture)?;
                }
            }
        }
        Ok(grants)
    })?;
    Ok(grants.into_inner())
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
