//! Why the other people in a collection may be looked at, and what must be there before their faces are compared with
//! anybody's (R10, R16, R17). Covering faces needs none of it.

use std::collections::BTreeSet;
use std::marker::PhantomData;

use super::{Brand, Collection, ReadTx, Tx};
use crate::db::args;
use crate::error::TxError;
use crate::fields::{Reader, Writer};
use crate::id::{CollectionId, Timestamp};
use crate::jurisdiction::Jurisdiction;
use crate::log::EventKind;
use crate::names::is_unfilled;
use crate::rules::{RequiredDocument, RuleError, Rules, day};
use crate::vocabulary::{BystanderBasis, VaultKind};

/// A data protection impact assessment, which lies elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dpia {
    /// Where it is found.
    pub reference: String,
    /// When it was made.
    pub made: Timestamp,
    /// When it has to be looked at again; from then on faces are not compared until it was.
    pub review: Timestamp,
}

/// What the operator states about a collection. Every part may be missing; what the law asks for and is not there keeps
/// faces from being compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// Whose law applies; `None` for that of the controller.
    pub jurisdiction: Option<Jurisdiction>,
    /// When the collection's purpose ends, if that is known.
    pub purpose_ends: Option<Timestamp>,
    /// The impact assessment.
    pub dpia: Option<Dpia>,
    /// Why nothing less intrusive would do.
    pub necessity: Option<String>,
    /// The way that needs no biometrics.
    pub alternative: Option<String>,
    /// Since when the public notice is out.
    pub notice_public: Option<Timestamp>,
}

/// Proof that faces of a collection may be compared with somebody's. [`crate::ReadTx::matching`] makes it, and it is of no use in
/// another transaction.
#[derive(Clone, Debug)]
pub struct Matching<'tx> {
    pub(super) collection: CollectionId,
    /// The model whose templates alone are compared: what was found of people who have none of it stays as it is.
    pub(super) model: Option<[u8; 32]>,
    brand: Brand<'tx>,
}

impl Basis {
    pub(super) fn write(&self, start: Writer) -> Writer {
        let opt = |w: Writer, value: Option<&str>| w.opt(value.map(str::as_bytes));
        let dpia = self.dpia.as_ref();
        let w = opt(start, self.jurisdiction.as_ref().map(Jurisdiction::as_str));
        let w = opt(w.opt_int(self.purpose_ends.map(|at| at.0)), dpia.map(|d| d.reference.as_str()));
        let w = w.opt_int(dpia.map(|d| d.made.0)).opt_int(dpia.map(|d| d.review.0));
        opt(opt(w, self.necessity.as_deref()), self.alternative.as_deref()).opt_int(self.notice_public.map(|at| at.0))
    }

    /// What follows the collection's folder; nothing in a format before 5. `None` if it is not of this format.
    pub(super) fn read(fields: &mut Reader<'_>) -> Option<Self> {
        if fields.at_end() {
            return Some(Self::default());
        }
        let jurisdiction = fields.opt_text()?.map(str::parse).transpose().ok()?;
        let purpose_ends = fields.opt_int()?.map(Timestamp);
        let dpia = (fields.opt_text()?, fields.opt_int()?, fields.opt_int()?);
        let dpia = match dpia {
            (Some(reference), Some(made), Some(review)) => {
                Some(Dpia { reference: reference.to_owned(), made: Timestamp(made), review: Timestamp(review) })
            }
            _ => None,
        };
        Some(Self {
            jurisdiction,
            purpose_ends,
            dpia,
            necessity: fields.opt_text()?.map(str::to_owned),
            alternative: fields.opt_text()?.map(str::to_owned),
            notice_public: fields.opt_int()?.map(Timestamp),
        })
    }
}

/// Letters that a statement has at least; of a script that writes a word with one or two, a quarter.
const STATEMENT_LETTERS: usize = 8;

/// Where the scripts begin that write words with one or two letters.
const CJK: char = '\u{2e80}';

/// Whether a text says something: words, not one letter that fills a field, nor brackets that wait to be filled in.
fn is_statement(text: &str) -> bool {
    let letters: Vec<char> = text.chars().filter(|c| c.is_alphabetic()).collect();
    let kinds: BTreeSet<char> = letters.iter().copied().collect();
    let weight: usize = letters.iter().map(|c| if *c >= CJK { 4 } else { 1 }).sum();
    weight >= STATEMENT_LETTERS && kinds.len() >= 3 && !is_unfilled(text)
}

/// Whether a text may say where a paper is found: more than one letter or two.
fn is_reference(text: &str) -> bool {
    let text = text.trim();
    let kinds: BTreeSet<char> = text.chars().collect();
    text.chars().count() >= 3 && kinds.len() >= 2 && text.chars().any(char::is_alphanumeric) && !is_unfilled(text)
}

impl<'tx> ReadTx<'tx> {
    /// The rules that hold in a collection: those of its own jurisdiction and of the controller's.
    pub(super) fn rules_of(&self, about: &Collection) -> Rules<'_> {
        let seat = self.settings().seat();
        self.rules.rules(&[about.basis.jurisdiction.as_ref().unwrap_or(&seat), &seat])
    }

    /// What keeps faces of a collection from being compared with anybody's, at this time: its own basis first, then each
    /// missing or overdue document. Nothing does in a household.
    ///
    /// # Errors
    ///
    /// As [`Self::collection`].
    pub fn missing_prerequisites(&self, id: CollectionId) -> Result<Vec<TxError>, TxError> {
        Ok(self.prerequisites_of(&self.collection(id)?))
    }

    fn prerequisites_of(&self, about: &Collection) -> Vec<TxError> {
        let id = about.id;
        let mut missing = Vec::new();
        match about.others {
            BystanderBasis::None => missing.push(TxError::NoBasis { collection: id }),
            BystanderBasis::OnRequest(_) => missing.push(TxError::OnRequest { collection: id }),
            _ => {}
        }
        if self.kind() == VaultKind::Household {
            return missing;
        }
        for (document, pack) in self.rules_of(about).required_documents() {
            let since = match document {
                RequiredDocument::Dpia => {
                    about.basis.dpia.as_ref().filter(|d| is_reference(&d.reference)).map(|d| d.made)
                }
                RequiredDocument::Necessity => {
                    about.basis.necessity.as_ref().filter(|t| is_statement(t)).map(|_| self.now)
                }
                RequiredDocument::Alternative => {
                    about.basis.alternative.as_ref().filter(|t| is_statement(t)).map(|_| self.now)
                }
                RequiredDocument::PublicNotice => about.basis.notice_public,
                RequiredDocument::RetentionPolicy => self.settings().retention_policy_public,
            };
            if since.is_none_or(|since| since > self.now) {
                missing.push(RuleError::Missing { document, collection: id, pack: pack.label() }.into());
            }
        }
        if let Some(dpia) = about.basis.dpia.as_ref().filter(|d| d.review <= self.now) {
            let since = day(dpia.review);
            missing.push(RuleError::ReviewOverdue { document: RequiredDocument::Dpia, collection: id, since }.into());
        }
        missing
    }

    /// Proof that what matching gives may be stored in a collection now.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoCollection`] if there is none.
    /// - [`TxError::Frozen`], [`TxError::Stopped`], [`TxError::ClockSetBack`] and the like if nothing new may be stored in it.
    /// - The first of [`Self::missing_prerequisites`] if it forbids matching.
    /// - [`TxError::Database`] if the database refuses.
    pub fn matching(&self, id: CollectionId) -> Result<Matching<'tx>, TxError> {
        let about = self.matched_collection(id)?;
        Ok(Matching { collection: about.id, model: None, brand: PhantomData })
    }

    /// A collection in which faces may be compared: always, or when somebody asks.
    pub(super) fn matched_collection(&self, id: CollectionId) -> Result<Collection, TxError> {
        let about = self.open_collection(id)?;
        match self.prerequisites_of(&about).into_iter().find(|lock| !matches!(lock, TxError::OnRequest { .. })) {
            Some(lock) => Err(lock),
            None => Ok(about),
        }
    }
}

impl<'tx> Tx<'tx> {
    /// Writes down anew why the other people in a collection may be looked at.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoCollection`] if there is none.
    /// - [`TxError::NoStatement`] if a statement says nothing in words.
    /// - [`TxError::BasisForm`] if a reference is none, or a review is not after what it reviews.
    /// - [`TxError::Database`], [`TxError::Seal`] as everywhere.
    pub fn set_basis(&self, id: CollectionId, basis: &Basis) -> Result<(), TxError> {
        let about = self.collection(id)?;
        let unsaid = |text: &Option<String>| text.as_ref().is_some_and(|t| !is_statement(t));
        if unsaid(&basis.necessity) || unsaid(&basis.alternative) {
            return Err(TxError::NoStatement);
        }
        if basis.dpia.as_ref().is_some_and(|d| d.review <= d.made || !is_reference(&d.reference)) {
            return Err(TxError::BasisForm);
        }
        let sealed = self.seal_collection(id, &about.name, about.place(), basis)?;
        self.exec("UPDATE collections SET sealed = $1 WHERE id = $2", args![sealed, id])?;
        self.append_leaf(EventKind::Basis, id.as_bytes(), &[]).map(drop)
    }

    /// The same where templates of one model alone are compared: what was found of people who have none of it stays.
    ///
    /// # Errors
    ///
    /// As [`crate::ReadTx::matching`].
    pub fn matching_by(&self, id: CollectionId, model_sha256: [u8; 32]) -> Result<Matching<'tx>, TxError> {
        Ok(Matching { model: Some(model_sha256), ..self.matching(id)? })
    }
}
