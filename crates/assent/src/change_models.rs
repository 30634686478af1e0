//! A change of models without new forms. A person's consent to be found stays; the templates under it are made anew, from the
//! face that was kept at the enrolment, or from a new picture that shows the same person.
//!
//! ```text
//! kept face      -> crop for the new embedder -> template      (nobody is asked for anything)
//! a new picture  -> as for an enrolment, and it has to look like the templates that are there, to the models that made them
//! ```
//!
//! People of both models stand side by side until the last one has moved, each found by a scan with their own models.

use std::collections::BTreeSet;

use assent_gallery::calibration::DeclaredRates;
use assent_ledger::{Act, CollectionId, GrantId, Ledger, OwnTemplate, SubjectId, Timestamp, Tx, TxError};
use assent_vision::embed::Embedding;
use assent_vision::kept_face::KeptFace;
use assent_vision::runtime::InferenceError;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::copies::KnownPhotos;
use crate::enrol::{EnrolError, fit_picture};
use crate::models::{Models, Worker, thresholds};
use crate::packs::sha256;
use crate::portrait::{PortraitError, PortraitGate, embed_face, embed_portrait};
use crate::template::{self, Decoder};

/// Who is not looked for by some models yet.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// People of whom a face was kept that templates can be made from, and their consents.
    pub movable: Vec<(SubjectId, Vec<GrantId>)>,
    /// People who need a new picture: the face that was kept of them is cut too closely, or none was kept.
    pub need_picture: Vec<SubjectId>,
    /// People whose key or records are damaged.
    pub unreadable: Vec<SubjectId>,
    /// Collections that forbid matching now; their people are in none of the lists.
    pub locked: Vec<CollectionId>,
}

/// Why a change of models broke off. Who was moved before stays moved.
#[derive(Debug, Error)]
pub enum MoveError {
    /// The ledger refused to be read or written.
    #[error(transparent)]
    Ledger(#[from] TxError),
    /// The network failed.
    #[error(transparent)]
    Inference(#[from] InferenceError),
}

/// Who would move to `models`, and who cannot. Nothing is changed.
///
/// # Errors
///
/// As [`assent_ledger::ReadTx::people_without_model`].
pub fn behind(ledger: &Ledger, models: &Models, now: Timestamp) -> Result<Behind, TxError> {
    let read = ledger.run_tx("list who is to move", now, |tx| {
        let without = tx.people_without_model(models.pack().model_sha256)?;
        let mut behind = Behind { locked: without.locked, ..Behind::default() };
        for (subject, grants) in without.people {
            match kept_face(tx, &grants) {
                Ok(Some(_)) => behind.movable.push((subject, grants)),
                Ok(None) => behind.need_picture.push(subject),
                Err(TxError::KeyRing(_) | TxError::Seal(_)) => behind.unreadable.push(subject),
                Err(e) => return Err(e),
            }
        }
        Ok(behind)
    })?;
    Ok(read.into_inner())
}

/// The face that was kept of the person of these grants, in the form that any embedder can use.
fn kept_face(tx: &Tx<'_>, grants: &[GrantId]) -> Result<Option<KeptFace>, TxError> {
    let Some(grant) = grants.first() else { return Ok(None) };
    let kept = tx.portrait(&tx.active_grant(*grant)?)?;
    Ok(kept.and_then(|png| KeptFace::read(&png).ok().flatten()))
}

/// Moves people to `models`: a template of the kept face takes the place of those of other models, for each person in one
/// transaction. `progress` is told how many people are done. Those who could not be moved after all come back: whose kept face gave
/// no template, or whose consent ended meanwhile.
///
/// # Errors
///
/// [`MoveError`]; it can be run again, and goes on.
pub fn move_people(
    ledger: &Ledger,
    (models, worker): (&Models, &mut Worker),
    people: &[(SubjectId, Vec<GrantId>)],
    progress: &mut dyn FnMut(usize),
    act: Act,
) -> Result<BTreeSet<SubjectId>, MoveError> {
    let mut left = BTreeSet::new();
    for (done, (subject, grants)) in people.iter().enumerate() {
        if !move_one(ledger, (models, &mut *worker), grants, act)? {
            left.insert(*subject);
        }
        progress(done + 1);
    }
    Ok(left)
}

fn move_one(
    ledger: &Ledger,
    (models, worker): (&Models, &mut Worker),
    grants: &[GrantId],
    act: Act,
) -> Result<bool, MoveError> {
    let kept = ledger.run_tx("open a kept face", act, |tx| kept_face(tx, grants));
    let kept = match kept {
        Ok(kept) => kept.into_inner(),
        Err(TxError::NotActive { .. } | TxError::NoGrant { .. }) => None,
        Err(e) => return Err(e.into()),
    };
    let Some(kept) = kept else { return Ok(false) };
    let embedding = match worker.embed_kept(&kept) {
        Ok(embedding) => embedding,
        Err(PortraitError::Inference(e)) => return Err(e.into()),
        Err(_) => return Ok(false),
    };
    let plain = template::encode(&embedding);
    let exchanged = ledger.run_tx("move a person to other models", act, |tx| {
        for grant in grants {
            tx.exchange_templates(&tx.active_grant(*grant)?, models.pack().model_sha256, &[&plain])?;
        }
        Ok(())
    });
    match exchanged {
        Ok(_) => Ok(true),
        Err(TxError::NotActive { .. } | TxError::NoGrant { .. }) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// One person who is not looked for by some models yet.
#[derive(Debug, PartialEq, Eq)]
pub struct OneBehind {
    /// Their consents under which no template of these models stands.
    pub grants: Vec<GrantId>,
    /// The models of the templates that stand there.
    pub models: Vec<[u8; 32]>,
}

/// Whether a person is to be found somewhere, and has templates of other models alone there. `None` if not.
///
/// # Errors
///
/// As [`assent_ledger::ReadTx::people_without_model`] and [`Tx::own_templates`].
pub fn is_behind(
    ledger: &Ledger,
    models: &Models,
    subject: SubjectId,
    now: Timestamp,
) -> Result<Option<OneBehind>, TxError> {
    let read = ledger.run_tx("look for a person's models", now, |tx| {
        let mut without = tx.people_without_model(models.pack().model_sha256)?;
        let Some(grants) = without.people.remove(&subject) else { return Ok(None) };
        let models: BTreeSet<[u8; 32]> = own_templates(tx, &grants)?.iter().map(|t| t.model_sha256).collect();
        Ok((!models.is_empty()).then(|| OneBehind { grants, models: models.into_iter().collect() }))
    })?;
    Ok(read.into_inner())
}

fn own_templates(tx: &Tx<'_>, grants: &[GrantId]) -> Result<Vec<OwnTemplate>, TxError> {
    let mut all = Vec::new();
    for grant in grants {
        all.extend(tx.own_templates(&tx.active_grant(*grant)?)?);
    }
    Ok(all)
}

/// Moves a person to other models by new pictures (a name for messages and the file's bytes), without a new form. What the
/// witnesses of the form saw is that this person's picture was enrolled; so each new picture has to look like the templates
/// that were made of that one, to the models that made them (`before`): as much as one stranger in a thousand does.
///
/// # Errors
///
/// - [`EnrolError::NoPicture`] without a picture, [`EnrolError::OtherPerson`] if a picture shows somebody else.
/// - [`EnrolError`] as for an enrolment otherwise.
pub fn renew_pictures(
    ledger: &Ledger,
    (models, worker): (&Models, &mut Worker),
    before: (&Models, &mut Worker),
    (subject, grants): (SubjectId, &[GrantId]),
    pictures: &[(String, Vec<u8>)],
    progress: &mut dyn FnMut(usize, usize),
    act: Act,
) -> Result<(), EnrolError> {
    let model = models.pack().model_sha256;
    let known_by = ledger.run_tx("open a person's templates", act, |tx| own_templates(tx, grants))?.into_inner();
    let (before, by_before) = before;
    let least = least_likeness(before);
    let (mut plain, mut portrait): (Vec<Zeroizing<Vec<u8>>>, Option<Vec<u8>>) = (Vec::new(), None);
    for (picture, bytes) in pictures {
        let known = KnownPhotos::off_limits(ledger, model, act.at);
        let face = fit_picture(worker, known.as_ref(), (picture, bytes), progress)?;
        let unfit = |source| EnrolError::Portrait { picture: picture.clone(), source };
        let seen = embed_portrait(by_before, &PortraitGate::default(), bytes).map_err(unfit)?;
        let templates = known_by.iter().filter(|t| t.model_sha256 == before.pack().model_sha256);
        if !templates.map(|t| likeness(&seen, &t.plain)).any(|likeness| likeness >= least) {
            return Err(EnrolError::OtherPerson { picture: picture.clone() });
        }
        portrait = portrait.or_else(|| face.kept.png().ok());
        plain.push(template::encode(&embed_face(worker, face).map_err(unfit)?));
    }
    let plain: Vec<&[u8]> = plain.iter().map(|p| p.as_slice()).collect();
    if plain.is_empty() {
        return Err(EnrolError::NoPicture);
    }
    let hashes: Vec<[u8; 32]> = pictures.iter().map(|(_, bytes)| sha256(bytes)).collect();
    ledger.run_tx("exchange a person's picture", act, |tx| {
        tx.note_portraits(subject, hashes.iter())?;
        for grant in grants {
            let proof = tx.active_grant(*grant)?;
            tx.exchange_templates(&proof, model, &plain)?;
            if let Some(picture) = &portrait {
                tx.keep_portrait(&proof, picture)?;
            }
        }
        Ok(())
    })?;
    Ok(())
}

/// How much two pictures of one person look alike at the least, as one stranger in a thousand does to the people for whom these
/// models are worst.
fn least_likeness(models: &Models) -> f32 {
    let asked = thresholds(models.pack().harshest().as_ref(), DeclaredRates::default(), 1);
    asked.certain.unwrap_or(asked.review)
}

/// The cosine of an embedding to a template; of one that cannot be read, 0.
fn likeness(seen: &Embedding, template: &[u8]) -> f32 {
    let mut decoder = Decoder::new(seen.values().len());
    let numbers = decoder.decode([template].into_iter()).next();
    numbers.map_or(0.0, |numbers| numbers.iter().zip(seen.values()).map(|(a, b)| a * b).sum())
}
