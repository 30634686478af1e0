//! The key of each grant: what hangs on the grant is sealed under it, and ending the grant destroys it.

use std::collections::BTreeMap;

use super::grants::GRANTS;
use super::templates::sealed_to;
use super::{ReadTx, Tx};
use crate::db::{Columns, Row, args};
use crate::error::TxError;
use crate::id::{CollectionId, GrantId, SubjectId};
use crate::keyring::{KeyReader, KeyRingError};
use crate::seal;
use crate::secret::Key;
use crate::vocabulary::Purpose;

/// A grant to be found, with its key.
pub(super) struct GrantKey {
    pub(super) grant: GrantId,
    pub(super) subject: SubjectId,
    pub(super) collection: CollectionId,
    pub(super) key: Key,
}

/// Gives `take` the key of each of these grants that can be read, with its index.
pub(super) fn each_grant_key(ring: KeyReader<'_>, grants: &[(GrantId, SubjectId)], take: &mut dyn FnMut(usize, Key)) {
    let mut secrets: Vec<Option<Key>> = grants.iter().map(|_| None).collect();
    ring.each_secret(grants.iter().map(|(grant, _)| *grant), &mut |i, secret| {
        secrets[i] = Some(Key::from_bytes(secret.expose()));
    });
    ring.each(grants.iter().map(|(_, subject)| *subject), &mut |i, owner| {
        if let Some(secret) = &secrets[i] {
            take(i, owner.of_grant(secret));
        }
    });
}

impl ReadTx<'_> {
    /// The key of a grant; `None` if it was destroyed, because the grant ended.
    pub(super) fn grant_key(&self, grant: GrantId, subject: SubjectId) -> Result<Option<Key>, TxError> {
        let secret = self.ring().secret(grant)?;
        secret.map(|secret| Ok(self.key(subject)?.of_grant(&secret))).transpose()
    }

    /// The key of a grant; `None` if it was destroyed, or it or the key of its person is damaged or missing.
    pub(super) fn whole_grant_key(&self, grant: GrantId, subject: SubjectId) -> Result<Option<Key>, TxError> {
        let Some(secret) = self.whole_secret(grant)? else { return Ok(None) };
        Ok(self.whole_key(subject)?.map(|owner| owner.of_grant(&secret)))
    }

    fn whole_secret(&self, grant: GrantId) -> Result<Option<Key>, TxError> {
        let secret = self.ring().secret(grant);
        match secret {
            Ok(secret) => Ok(secret),
            Err(KeyRingError::Damaged { .. } | KeyRingError::NoSecret { .. }) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// The keys of a person's grants to be found that were not ended, and whether one of them is damaged or missing.
    pub(super) fn finding_of(&self, subject: SubjectId) -> Result<(Vec<GrantKey>, bool), TxError> {
        let sql = "SELECT id, subject_id, collection_id FROM grants WHERE subject_id = $1 AND purpose = $2 \
                   AND state = 'active' ORDER BY id";
        self.grant_keys(&self.rows(sql, args![subject, Purpose::FIND])?)
    }

    /// The same of everybody in a collection.
    pub(super) fn finding_in(&self, collection: CollectionId) -> Result<(Vec<GrantKey>, bool), TxError> {
        let sql = "SELECT id, subject_id, collection_id FROM grants WHERE collection_id = $1 AND purpose = $2 \
                   AND state = 'active' ORDER BY id";
        self.grant_keys(&self.rows(sql, args![collection, Purpose::FIND])?)
    }

    fn grant_keys(&self, rows: &[Row]) -> Result<(Vec<GrantKey>, bool), TxError> {
        let (mut keys, mut damaged) = (Vec::with_capacity(rows.len()), false);
        for row in rows {
            let (grant, subject) = (GrantId::from_bytes(row.array(0)?), SubjectId::from_bytes(row.array(1)?));
            match self.whole_grant_key(grant, subject)? {
                Some(key) => {
                    keys.push(GrantKey { grant, subject, collection: CollectionId::from_bytes(row.array(2)?), key });
                }
                None => damaged = true,
            }
        }
        Ok((keys, damaged))
    }

    /// Grants in force whose own key is damaged or missing, and not that of their person.
    pub(crate) fn grants_without_key(&self) -> Result<Vec<(SubjectId, GrantId)>, TxError> {
        let rows = self.rows("SELECT id, subject_id FROM grants WHERE state = 'active' ORDER BY id", args![])?;
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            all.push((GrantId::from_bytes(row.array(0)?), SubjectId::from_bytes(row.array(1)?)));
        }
        let mut read = vec![false; all.len()];
        self.ring().reader()?.each_secret(all.iter().map(|(grant, _)| *grant), &mut |i, _| read[i] = true);
        let mut without = Vec::new();
        for (grant, subject) in all.iter().zip(read).filter(|(_, read)| !read).map(|(of, _)| *of) {
            let secret = self.ring().secret(grant);
            let lost = matches!(secret, Err(KeyRingError::NoSecret { .. } | KeyRingError::Damaged { .. }));
            if lost && self.whole_key(subject)?.is_some() {
                without.push((subject, grant));
            }
        }
        Ok(without)
    }

    /// Whether a grant is known and over.
    pub(crate) fn is_over(&self, grant: GrantId) -> Result<bool, TxError> {
        Ok(self.count("SELECT COUNT(*) FROM grants WHERE id = $1 AND state <> 'active'", args![grant])? > 0)
    }

    pub(crate) fn has_templates(&self, grant: GrantId) -> Result<bool, TxError> {
        Ok(self.count("SELECT COUNT(*) FROM templates WHERE grant_id = $1", args![grant])? > 0)
    }

    /// Whether a key opens a template of a grant.
    pub(crate) fn opens_template(&self, grant: GrantId, subject: SubjectId, key: &Key) -> Result<bool, TxError> {
        let sql = "SELECT t.id, t.model_sha256, t.epoch, t.sealed, g.collection_id, g.purpose \
                   FROM templates t JOIN grants g ON g.id = t.grant_id WHERE t.grant_id = $1 ORDER BY t.id LIMIT 1";
        let Some(row) = self.row(sql, args![grant])? else { return Ok(false) };
        let purpose = Purpose::new(&row.text(5)?).map_err(|_| TxError::Damaged { table: GRANTS })?;
        let row_key = row.int(0)?.to_be_bytes();
        let of = (subject, CollectionId::from_bytes(row.array(4)?), grant);
        let context = sealed_to(of, &purpose, &row_key, (row.array(1)?, row.int(2)?));
        Ok(seal::open(key, &context, &row.bytes(3)?).is_ok())
    }

    /// Grants that are over and whose key nothing needs any more: but for those that were renewed, until their date, because
    /// in an older backup they are in force.
    pub(super) fn keys_to_destroy(&self) -> Result<Vec<GrantId>, TxError> {
        let sql = "SELECT g.id FROM grants g LEFT JOIN grants r ON r.renews = g.id \
                   WHERE g.state <> 'active' AND (g.valid_until_ms <= $1 OR r.id IS NULL)";
        let rows = self.rows(sql, args![self.now])?;
        let ids: Vec<_> =
            rows.iter().map(|row| Ok(GrantId::from_bytes(row.array(0)?))).collect::<Result<_, TxError>>()?;
        let mut ring = self.ring();
        let mut left = Vec::new();
        for grant in ids {
            if ring.has_secret(grant) && !matches!(ring.secret(grant), Ok(None)) {
                left.push(grant);
            }
        }
        Ok(left)
    }
}

impl Tx<'_> {
    /// Deletes where somebody was seen, and what they said of it. Whether the key of one of their grants is damaged or missing,
    /// so that what hangs on it cannot be told from others'.
    pub(crate) fn delete_seen_of(&self, subject: SubjectId) -> Result<bool, TxError> {
        let (keys, damaged) = self.finding_of(subject)?;
        keys.iter().try_for_each(|of| self.delete_sightings_of(of.collection, of.key.pseudonym(of.collection)))?;
        Ok(damaged)
    }

    /// A new grant's key.
    pub(crate) fn new_grant_key(&self, grant: GrantId, subject: SubjectId) -> Result<Key, TxError> {
        let secret = Key::random(&mut **self.rng());
        if !self.ring().add_secret(grant, &secret)? {
            return Err(TxError::NotActive { grant });
        }
        Ok(self.key(subject)?.of_grant(&secret))
    }

    /// [`ReadTx::whole_grant_key`], after a slot of the person in which the key is whole was mended.
    pub(super) fn salvaged_grant_key(&self, grant: GrantId, subject: SubjectId) -> Result<Option<Key>, TxError> {
        let owner = self.salvaged_key(subject)?;
        Ok(owner.zip(self.whole_secret(grant)?).map(|(owner, secret)| owner.of_grant(&secret)))
    }
}

/// Keys of grants by the pseudonym that each gives.
pub(super) fn by_pseudonym(keys: Vec<GrantKey>) -> BTreeMap<[u8; 16], GrantKey> {
    keys.into_iter().map(|of| (of.key.pseudonym(of.collection), of)).collect()
}
