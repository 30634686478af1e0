//! Templates: stored under a grant in force, and read back for the gallery.

use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use super::opening::OpenTemplate;
use super::{ActiveGrant, ReadTx, Tx};
use crate::db::{Columns, args};
use crate::error::TxError;
use crate::id::{CollectionId, GrantId, SubjectId, TemplateId};
use crate::log::EventKind;
use crate::seal::SealContext;
use crate::vocabulary::{ChangeKind, Purpose};

pub(super) const TEMPLATES: &str = "templates";

/// A template that may be searched now.
pub struct SearchableTemplate {
    /// Under which grant.
    pub grant: GrantId,
    /// The id of the subject who gave the grant.
    pub subject: SubjectId,
    /// The template's id: its row number in the vault.
    pub template: TemplateId,
    /// What the engine stored; wiped when dropped.
    pub plain: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for SearchableTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SearchableTemplate").field("template", &self.template).finish_non_exhaustive()
    }
}

/// What may be searched in a collection, open.
#[derive(Debug)]
pub struct Gallery {
    /// The templates, by id.
    pub templates: Vec<SearchableTemplate>,
    /// Those that did not open and are left out, by id.
    pub unopened: Vec<TemplateId>,
    /// The collection's `template_epoch` at this moment.
    pub epoch: i64,
}

impl ReadTx<'_> {
    /// Everything that may be searched in a collection now, for a purpose, made by a model, all at once. A record that
    /// does not open is reported and left out. For very many, see [`crate::ReadTx::open_templates`].
    ///
    /// # Errors
    ///
    /// As [`crate::ReadTx::searchable`] and [`crate::ReadTx::open_templates`].
    pub fn searchable_templates(
        &self,
        collection: CollectionId,
        purpose: &Purpose,
        model_sha256: [u8; 32],
    ) -> Result<Gallery, TxError> {
        let searchable = self.searchable(collection, purpose, model_sha256)?;
        let templates = Mutex::new(Vec::new());
        let take = |open: &[OpenTemplate<'_>]| {
            let mut templates = templates.lock().unwrap_or_else(PoisonError::into_inner);
            templates.extend(open.iter().map(|open| {
                let (grant, subject) = searchable.grants[open.grant];
                let plain = Zeroizing::new(open.plain.to_vec());
                SearchableTemplate { grant, subject, template: open.template, plain }
            }));
            vec![true; open.len()]
        };
        let unopened = self.open_templates(&searchable, 1, &take, &mut |_| {})?;
        let templates = templates.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Gallery { templates, unopened, epoch: searchable.epoch })
    }

    /// The models by whose templates people can be found now, in a collection or in all, with how many people each; the
    /// model of most people comes first.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn template_models(&self, collection: Option<CollectionId>) -> Result<Vec<([u8; 32], u64)>, TxError> {
        let rows = match collection {
            None => self.rows(
                "SELECT t.model_sha256, COUNT(DISTINCT g.subject_id) FROM templates t JOIN grants g ON g.id = t.grant_id \
                 WHERE g.state = 'active' GROUP BY t.model_sha256",
                args![],
            ),
            Some(collection) => self.rows(
                "SELECT t.model_sha256, COUNT(DISTINCT g.subject_id) FROM templates t JOIN grants g ON g.id = t.grant_id \
                 WHERE g.state = 'active' AND g.collection_id = $1 GROUP BY t.model_sha256",
                args![collection],
            ),
        }?;
        let model = |row: &crate::db::Row| Ok::<_, TxError>((row.array(0)?, row.int(1)? as u64));
        let mut models: Vec<([u8; 32], u64)> = rows.iter().map(model).collect::<Result<_, _>>()?;
        models.sort_by_key(|(model, people)| (std::cmp::Reverse(*people), *model));
        Ok(models)
    }
}

impl<'tx> Tx<'tx> {
    /// Stores the templates of one enrolment, and bumps the collection's `template_epoch`. The only insert there is.
    ///
    /// `model_sha256` names the network that made them; `plain` is what [`SearchableTemplate::plain`] gives back.
    ///
    /// # Errors
    ///
    /// - [`TxError::NotActive`] if the grant was withdrawn in this transaction.
    /// - [`TxError::Frozen`] if the collection is, or the first of [`crate::ReadTx::missing_prerequisites`] if it forbids matching.
    /// - [`TxError::Database`], [`TxError::Seal`], [`TxError::KeyRing`] as everywhere.
    pub fn enrol(
        &self,
        proof: &ActiveGrant<'tx>,
        model_sha256: [u8; 32],
        plain: &[&[u8]],
    ) -> Result<Vec<TemplateId>, TxError> {
        self.still_active(proof)?;
        let collection = self.matched_collection(proof.collection)?;
        let epoch = collection.template_epoch + 1;
        self.exec("UPDATE collections SET template_epoch = $1 WHERE id = $2", args![epoch, collection.id])?;
        let mut ids = Vec::with_capacity(plain.len());
        for bytes in plain {
            // Random, so that no order of enrolment can be read from the ids.
            let id = TemplateId(i64::from_be_bytes(self.random()) & i64::MAX);
            let row = id.0.to_be_bytes();
            let sealed = self.seal_with(&proof.key, &seal_context(proof, &row, model_sha256, epoch), bytes)?;
            self.exec(
                "INSERT INTO templates (id, grant_id, model_sha256, epoch, sealed, created_ms) VALUES ($1, $2, $3, $4, $5, $6)",
                args![id, proof.grant, model_sha256, epoch, sealed, self.now],
            )?;
            ids.push(id);
        }
        self.grant_changed(ChangeKind::Enrolled, proof.collection, proof.grant);
        let detail = [*proof.subject.as_bytes(), *proof.grant.as_bytes()].concat();
        let public = [proof.collection.as_bytes().as_slice(), &model_sha256].concat();
        self.append_leaf(EventKind::Enrolment, &public, &[(proof.subject, &detail)])?;
        Ok(ids)
    }

    /// The templates of a grant, by id.
    ///
    /// # Errors
    ///
    /// [`TxError::NotActive`] if the grant was withdrawn in this transaction, [`TxError::Database`] as everywhere.
    pub fn templates_of(&self, proof: &ActiveGrant<'tx>) -> Result<Vec<TemplateId>, TxError> {
        self.still_active(proof)?;
        let rows = self.rows("SELECT id FROM templates WHERE grant_id = $1 ORDER BY id", args![proof.grant])?;
        rows.iter().map(|row| Ok(TemplateId(row.int(0)?))).collect()
    }
}

pub(super) fn seal_context<'a>(
    proof: &'a ActiveGrant<'_>,
    row: &'a [u8],
    model: [u8; 32],
    epoch: i64,
) -> SealContext<'a> {
    sealed_to((proof.subject, proof.collection, proof.grant), &proof.purpose, row, (model, epoch))
}

/// What a template is sealed to: whose it is, for what, its row, and the model and the epoch that it was made with.
pub(super) fn sealed_to<'a>(
    (subject, collection, grant): (SubjectId, CollectionId, GrantId),
    purpose: &'a Purpose,
    row: &'a [u8],
    (model, epoch): ([u8; 32], i64),
) -> SealContext<'a> {
    SealContext {
        table: TEMPLATES,
        subject: Some(subject),
        collection: Some(collection),
        purpose: Some(purpose),
        grant: Some(grant),
        model: Some(model),
        epoch: Some(epoch),
        row: Some(row),
    }
}
