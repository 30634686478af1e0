//! The key ring slot by slot: which are damaged, whom that concerns, and how they are mended.
//!
//! A key is taken over when it opens the profile of the person, and no other is: so no key comes back of somebody who was
//! erased, and none from before a rotation. What else a slot said is taken from the same slot of a backup, and never as a key.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use crate::db::{Columns, args};
use crate::error::TxError;
use crate::id::{CollectionId, GrantId, SubjectId, Timestamp};
use crate::keyring::{KeyRing, KeyRingError, RingSecret, SlotContent};
use crate::ledger::Ledger;
use crate::secret::Key;
use crate::tx::{ReadTx, Tx, Unreadable, crops_slot};

/// Whom a damaged slot concerns, as far as its id can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotOwner {
    /// Somebody on the roster.
    Subject(SubjectId),
    /// Somebody who was erased: there was no key in it any more.
    Erased(SubjectId),
    /// A consent of somebody on the roster.
    Grant(SubjectId),
    /// The crops that a collection keeps.
    Crops(CollectionId),
    /// Nobody whom this vault knows by that id.
    Unknown,
}

/// A damaged slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedSlot {
    /// Which, from 0.
    pub slot: u64,
    /// Whom it concerns.
    pub owner: SlotOwner,
}

/// What a look at every slot found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCheck {
    /// How many slots there are.
    pub slots: u64,
    /// Slots that are whole and hold a key of nobody in this vault; they do no harm.
    pub foreign: Vec<u64>,
    /// Slots that are not whole.
    pub damaged: Vec<DamagedSlot>,
    /// The people on the roster who have no key that opens what is held of them.
    pub people: Vec<Unreadable>,
    /// Consents in force of other people whose own key is damaged or missing: by these they are not found.
    pub grants: Vec<(SubjectId, GrantId)>,
}

impl KeyCheck {
    /// Whether everybody has their key, and every slot is whole.
    pub fn is_whole(&self) -> bool {
        self.damaged.is_empty() && self.people.is_empty() && self.grants.is_empty()
    }
}

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRepair {
    /// The people who have their key again.
    pub people: Vec<SubjectId>,
    /// How many slots were mended, those of these people among them.
    pub mended: u64,
    /// What is damaged still.
    pub left: Vec<DamagedSlot>,
    /// Who is still without a key: the backup has none of theirs, or one from before a rotation.
    pub without: Vec<Unreadable>,
}

impl Ledger {
    /// Looks at every slot of the key ring, and at everybody's key.
    ///
    /// # Errors
    ///
    /// [`TxError::KeyRing`] if the ring cannot be read; as [`Self::run_tx`].
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method's path has one lifetime, the closure all"
    )]
    pub fn check_keys(&self, now: Timestamp) -> Result<KeyCheck, TxError> {
        self.read_tx(now, |tx| tx.check_keys())
    }

    /// Mends damaged slots of the key ring: from what can still be read of them, and from a backup of the ring with the secrets
    /// that open it. Whoever has their key again is looked for anew by the next scan.
    ///
    /// # Errors
    ///
    /// - [`TxError::KeyRing`] if a ring cannot be read or written, or the backup is another vault's.
    /// - As [`Self::run_tx`].
    pub fn repair_keys(&self, from: Option<(&Path, &[RingSecret])>, now: Timestamp) -> Result<KeyRepair, TxError> {
        let backup = RefCell::new(from.map(|(path, secrets)| KeyRing::open(path, secrets, &self.hook)).transpose()?);
        let done = self.run_tx("repair keys", now, |tx| tx.repair_keys(backup.borrow_mut().as_mut()));
        // Every transaction begins with giving up what another key took the place of.
        let check = self.check_keys(now)?;
        Ok(KeyRepair { left: check.damaged, without: check.people, ..done?.into_inner() })
    }
}

impl ReadTx<'_> {
    fn check_keys(&self) -> Result<KeyCheck, TxError> {
        let damaged = self.ring().damaged()?;
        let slots = self.ring().slots();
        let (people, grants) = (self.unreadable()?, self.grants_without_key()?);
        let mut check = KeyCheck { slots, foreign: Vec::new(), damaged: Vec::new(), people, grants };
        for (slot, id) in damaged {
            check.damaged.push(DamagedSlot { slot, owner: self.owner_of(id)? });
        }
        let known: BTreeSet<SubjectId> =
            self.subject_ids()?.into_iter().chain(self.collection_ids()?.into_iter().map(crops_slot)).collect();
        for slot in 0..slots {
            let said = self.ring().content(slot)?;
            if let Some(SlotContent::Key(subject, _)) = said
                && !known.contains(&subject)
            {
                check.foreign.push(slot);
            }
        }
        Ok(check)
    }

    fn owner_of(&self, id: SubjectId) -> Result<SlotOwner, TxError> {
        if self.on_roster(id)? {
            return Ok(SlotOwner::Subject(id));
        }
        if self.was_erased(id)? {
            return Ok(SlotOwner::Erased(id));
        }
        if let Some(row) = self.row("SELECT subject_id FROM grants WHERE id = $1", args![id])? {
            return Ok(SlotOwner::Grant(SubjectId::from_bytes(row.array(0)?)));
        }
        let crops = self.collection_ids()?.into_iter().find(|collection| crops_slot(*collection) == id);
        Ok(crops.map_or(SlotOwner::Unknown, SlotOwner::Crops))
    }

    fn was_erased(&self, id: SubjectId) -> Result<bool, TxError> {
        Ok(self.count("SELECT COUNT(*) FROM tombstones WHERE subject_id = $1", args![id])? > 0)
    }

    /// What a damaged slot said that holds nobody's key now; `None` if that cannot be told.
    fn what_it_said(
        &self,
        (slot, id): (u64, SubjectId),
        backup: Option<&mut KeyRing>,
    ) -> Result<Option<SlotContent>, TxError> {
        let leaves = self.log_head()?.0;
        // Nothing is needed of the slot of somebody who is erased, or who has another key that opens.
        let done_with = |id| -> Result<Option<SlotContent>, TxError> {
            if self.was_erased(id)? {
                return Ok(Some(SlotContent::Destroyed(id)));
            }
            let grant = GrantId::from_bytes(*id.as_bytes());
            // Where its secret was stands another slot, this one noted that it was withdrawn.
            if self.is_over(grant)? && !self.ring().has_whole_secret(grant) {
                return Ok(Some(SlotContent::Ended(grant)));
            }
            let has_another = self.on_roster(id)? && self.whole_key(id)?.is_some();
            Ok(has_another.then_some(SlotContent::Retired(id, leaves)))
        };
        if let Some(says) = done_with(id)? {
            return Ok(Some(says));
        }
        let Some(backup) = backup else { return Ok(None) };
        let alike = self.ring().is_same_slot(backup, slot)?;
        Ok(match backup.content(slot)?.filter(|_| alike) {
            Some(SlotContent::Key(of, _)) if !self.on_roster(of)? => {
                // Of a transaction that did not commit, or of crops that are gone: nobody has to have it.
                let crops = matches!(self.owner_of(of)?, SlotOwner::Crops(_));
                done_with(of)?.or((!crops).then_some(SlotContent::Retired(of, leaves)))
            }
            Some(SlotContent::Key(of, _)) => done_with(of)?,
            Some(SlotContent::Secret(grant, _)) if self.is_over(grant)? => Some(SlotContent::Ended(grant)),
            // It would have been taken over if it opened anything.
            Some(SlotContent::Secret(..)) => None,
            Some(SlotContent::Destroyed(of)) if self.on_roster(of)? => None,
            said => said,
        })
    }
}

impl Tx<'_> {
    /// [`Ledger::repair_keys`], but for what is left.
    pub(crate) fn repair_keys(&self, mut backup: Option<&mut KeyRing>) -> Result<KeyRepair, TxError> {
        if let Some(backup) = &backup {
            let ring = self.ring();
            if backup.vault() != ring.vault() || backup.master().expose() != ring.master().expose() {
                return Err(KeyRingError::WrongVault { path: backup.path().to_owned() }.into());
            }
        }
        let before = self.ring().damaged()?.len() as u64;
        let mut done = KeyRepair::default();
        // Somebody whose key was destroyed is erased again before anything else, and gets no key.
        let destroyed: BTreeSet<SubjectId> = self.ring().destroyed().into_iter().collect();
        let mut living = self.subject_ids()?;
        living.retain(|subject| !destroyed.contains(subject));
        for subject in self.without_key(&living)? {
            let opens = |key: &Key| -> Result<bool, TxError> { Ok(self.opens_profile(subject, key)? == Some(true)) };
            let kept = backup.as_deref_mut().map(|backup| backup.keys_of(subject)).transpose()?.unwrap_or_default();
            if self.take_key(subject, kept, &opens, &|key| SlotContent::Key(subject, key))? {
                self.give_grant_keys_of(subject)?;
                self.look_for_again(subject)?;
                done.people.push(subject);
            }
        }
        self.tag_names()?;
        for (subject, grant) in self.grants_without_key()? {
            if self.mend_grant(subject, grant, backup.as_deref_mut())? {
                self.look_for_again(subject)?;
                done.people.push(subject);
            }
        }
        for collection in self.collection_ids()? {
            let sql = "SELECT COUNT(*) FROM collections WHERE id = $1 AND keep_crops = 1";
            if self.count(sql, args![collection])? > 0 && self.crops_key(collection)?.is_none() {
                let opens =
                    |key: &Key| -> Result<bool, TxError> { Ok(self.opens_crop(collection, key)? == Some(true)) };
                let id = crops_slot(collection);
                let kept = backup.as_deref_mut().map(|backup| backup.keys_of(id)).transpose()?.unwrap_or_default();
                self.take_key(id, kept, &opens, &|key| SlotContent::Key(id, key))?;
            }
        }
        let damaged = self.ring().damaged()?;
        for (slot, id) in damaged {
            if let Some(says) = self.what_it_said((slot, id), backup.as_deref_mut())? {
                self.ring().write_content(Some(slot), &says)?;
                if matches!(says, SlotContent::Withdrawn(..)) {
                    self.withdraw_again()?;
                }
            }
        }
        done.mended = before - self.ring().damaged()?.len() as u64;
        Ok(done)
    }

    /// Takes over the first key that `opens` what it has to, from a damaged slot or from the backup, as what `says` makes of it.
    /// Whether there was one.
    fn take_key(
        &self,
        id: SubjectId,
        kept: Vec<(u64, Key)>,
        opens: &dyn Fn(&Key) -> Result<bool, TxError>,
        says: &dyn Fn(Key) -> SlotContent,
    ) -> Result<bool, TxError> {
        let mut ring = self.ring();
        let damaged = ring.damaged()?;
        let claimed = damaged.iter().find(|(_, of)| *of == id).map(|(slot, _)| *slot);
        let mut found: Vec<_> = ring.salvaged(id)?.into_iter().map(|(slot, key)| (Some(slot), key)).collect();
        for (slot, key) in kept {
            // Slots keep their places, so this is the one whose id cannot be read.
            let same = damaged.iter().any(|(at, _)| *at == slot).then_some(slot);
            found.push((claimed.or(same), key));
        }
        drop(ring);
        for (slot, key) in found {
            if opens(&key)? {
                self.ring().write_content(slot, &says(key))?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Mends the key of a grant. One on which nothing hangs gets another.
    fn mend_grant(&self, subject: SubjectId, grant: GrantId, backup: Option<&mut KeyRing>) -> Result<bool, TxError> {
        if !self.has_templates(grant)? {
            self.new_grant_key(grant, subject)?;
            return Ok(true);
        }
        let Some(owner) = self.whole_key(subject)? else { return Ok(false) };
        let opens = |secret: &Key| self.opens_template(grant, subject, &owner.of_grant(secret));
        let kept = backup.map(|backup| backup.secrets_of(grant)).transpose()?.unwrap_or_default();
        let id = SubjectId::from_bytes(*grant.as_bytes());
        self.take_key(id, kept, &opens, &|secret| SlotContent::Secret(grant, secret))
    }

    /// The next scan compares every photo with this person: those that came while their key was damaged did not meet them.
    fn look_for_again(&self, subject: SubjectId) -> Result<(), TxError> {
        let collections: BTreeSet<CollectionId> = self
            .consents_of(subject)?
            .into_iter()
            .filter(|consent| consent.purpose.is_find())
            .map(|consent| consent.collection)
            .collect();
        for collection in collections {
            self.exec("UPDATE collections SET template_epoch = template_epoch + 1 WHERE id = $1", args![collection])?;
        }
        Ok(())
    }
}
