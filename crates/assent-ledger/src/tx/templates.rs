//! Templates: stored under a grant in force, and read back for the gallery.

use zeroize::Zeroizing;

use super::{ActiveGrant, Tx};
use crate::db::args;
use crate::error::TxError;
use crate::id::{CollectionId, GrantId, SubjectId, TemplateId};
use crate::log::EventKind;
use crate::seal::{self, Place};
use crate::words::Purpose;

const TEMPLATES: &str = "templates";

/// A template that may be searched now.
pub struct SearchableTemplate {
    /// Under which grant.
    pub grant: GrantId,
    /// Whose.
    pub subject: SubjectId,
    /// Its id.
    pub template: TemplateId,
    /// What the engine stored; wiped when dropped.
    pub plain: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for SearchableTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SearchableTemplate").field("template", &self.template).finish_non_exhaustive()
    }
}

/// What may be searched in a collection.
#[derive(Debug)]
pub struct Gallery {
    /// The templates, by id.
    pub templates: Vec<SearchableTemplate>,
    /// Those that did not open and are left out, by id.
    pub unopened: Vec<TemplateId>,
    /// The collection's `template_epoch` at this moment.
    pub epoch: i64,
}

impl<'tx> Tx<'tx> {
    /// Stores the templates of one enrolment, and bumps the collection's `template_epoch`. The only insert there is.
    ///
    /// `model_sha256` names the network that made them; `plain` is what [`SearchableTemplate::plain`] gives back.
    ///
    /// # Errors
    ///
    /// - [`TxError::NotActive`] if the grant was withdrawn in this transaction.
    /// - [`TxError::Frozen`] if the collection is.
    /// - [`TxError::NoBasis`] if its basis is `none`.
    /// - [`TxError::Database`], [`TxError::Seal`], [`TxError::KeyRing`] as everywhere.
    pub fn enrol(
        &self,
        proof: &ActiveGrant<'tx>,
        model_sha256: [u8; 32],
        plain: &[&[u8]],
    ) -> Result<Vec<TemplateId>, TxError> {
        self.still_active(proof)?;
        let collection = self.open_collection(proof.collection)?;
        if !collection.others.allows_matching() {
            return Err(TxError::NoBasis { collection: collection.id });
        }
        let epoch = collection.template_epoch + 1;
        self.exec("UPDATE collections SET template_epoch = $1 WHERE id = $2", args![epoch, collection.id])?;
        let mut ids = Vec::with_capacity(plain.len());
        for bytes in plain {
            // Random, so that no order of enrolment can be read from the ids.
            let id = TemplateId(i64::from_be_bytes(self.random()) & i64::MAX);
            let row = id.0.to_be_bytes();
            let sealed = self.seal_with(&proof.key, &place(proof, &row, model_sha256, epoch), bytes)?;
            self.exec(
                "INSERT INTO templates (id, grant_id, model_sha256, epoch, sealed, created_ms) VALUES ($1, $2, $3, $4, $5, $6)",
                args![id, proof.grant, model_sha256, epoch, sealed, self.now],
            )?;
            ids.push(id);
        }
        let detail = [*proof.subject.as_bytes(), *proof.grant.as_bytes()].concat();
        let public = [proof.collection.as_bytes().as_slice(), &model_sha256].concat();
        self.append_leaf(EventKind::Enrolment, &public, &[(proof.subject, &detail)])?;
        Ok(ids)
    }

    /// Everything that may be searched in a collection now, for a purpose, made by a model. A record that does not open
    /// is reported and left out.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoCollection`] if there is none.
    /// - [`TxError::Frozen`] if it is frozen, [`TxError::NoBasis`] if its basis is `none`.
    /// - [`TxError::Damaged`] if a grant is not of this format, [`TxError::Database`] if the database refuses.
    pub fn searchable_templates(
        &self,
        collection: CollectionId,
        purpose: &Purpose,
        model_sha256: [u8; 32],
    ) -> Result<Gallery, TxError> {
        let about = self.open_collection(collection)?;
        if !about.others.allows_matching() {
            return Err(TxError::NoBasis { collection });
        }
        let sql = "SELECT t.id, t.epoch, t.sealed, g.id, g.subject_id FROM templates t JOIN grants g ON g.id = t.grant_id \
                   WHERE g.collection_id = $1 AND g.purpose = $2 AND t.model_sha256 = $3 AND g.state = 'active' \
                   AND g.valid_from_ms <= $4 AND g.valid_until_ms > $4 ORDER BY t.id";
        let mut gallery = Gallery { templates: Vec::new(), unopened: Vec::new(), epoch: about.template_epoch };
        for row in self.rows(sql, args![collection, purpose.as_str(), model_sha256, self.now])? {
            let template = TemplateId(row.int(0)?);
            let (grant, subject) = (GrantId::from_bytes(row.array(3)?), SubjectId::from_bytes(row.array(4)?));
            let row_key = template.0.to_be_bytes();
            let place = Place {
                table: TEMPLATES,
                subject: Some(subject),
                collection: Some(collection),
                purpose: Some(purpose),
                grant: Some(grant),
                model: Some(model_sha256),
                epoch: Some(row.int(1)?),
                row: Some(&row_key),
            };
            let sealed = row.bytes(2)?;
            match self.key(subject).ok().and_then(|key| seal::open(&key, &place, &sealed).ok()) {
                Some(plain) => gallery.templates.push(SearchableTemplate { grant, subject, template, plain }),
                None => gallery.unopened.push(template),
            }
        }
        Ok(gallery)
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

fn place<'a>(proof: &'a ActiveGrant<'_>, row: &'a [u8], model: [u8; 32], epoch: i64) -> Place<'a> {
    Place {
        table: TEMPLATES,
        subject: Some(proof.subject),
        collection: Some(proof.collection),
        purpose: Some(&proof.purpose),
        grant: Some(proof.grant),
        model: Some(model),
        epoch: Some(epoch),
        row: Some(row),
    }
}
