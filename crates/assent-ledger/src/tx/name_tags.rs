//! Finding people by their names, without opening everybody's profile.
//!
//! Beside each profile stand keyed tags of the handle and of the name, without regard to case and Unicode form. Whoever has
//! a tag that is asked for is opened, and counts only if the profile says that name. Somebody whose key was damaged when the
//! tags were made has none until it is mended ([`Tx::tag_names`]); they are always opened.

use super::roster::{Subject, read_subject, select_subjects};
use super::{ReadTx, Tx};
use crate::db::{Columns, args};
use crate::error::TxError;
use crate::id::SubjectId;
use crate::names::fold_name;

/// So many digits of an id are enough to name somebody.
const DIGITS_MIN: usize = 8;

const ID_DIGITS: usize = 32;

/// The keyed tags of somebody's names.
pub(super) struct NameTags {
    pub(super) handle: [u8; 32],
    pub(super) name: [u8; 32],
}

impl ReadTx<'_> {
    pub(super) fn name_tags(&self, handle: &str, name: &str) -> NameTags {
        let tag = |label, text| self.master_mac(label, fold_name(text).as_bytes());
        NameTags { handle: tag("assent handle v1", handle), name: tag("assent name v1", name) }
    }

    /// Whether a handle is somebody's. Of somebody whose key is damaged only the tag is known, so it is taken whatever its case.
    ///
    /// # Errors
    ///
    /// As [`Self::subjects`].
    pub fn has_handle(&self, handle: &str) -> Result<bool, TxError> {
        let tag = self.name_tags(handle, "").handle;
        let sql = "SELECT id, owner, sealed, created_ms, restricted_ms, handle_tag FROM subjects \
                   WHERE handle_tag = $1 OR handle_tag IS NULL";
        let rows = self.rows(sql, args![tag])?;
        let (people, unreadable) = self.read_people(&rows)?;
        if people.iter().any(|who| who.handle == handle) {
            return Ok(true);
        }
        for row in &rows {
            if row.opt_bytes(5)?.is_some() && unreadable.contains(&SubjectId::from_bytes(row.array(0)?)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The people whose handle or name is this, without regard to case and Unicode form, by handle. Of those whose key is
    /// damaged nothing is said.
    ///
    /// # Errors
    ///
    /// As [`Self::subjects`].
    pub fn people_called(&self, name: &str) -> Result<Vec<Subject>, TxError> {
        let tags = self.name_tags(name, name);
        let sql = select_subjects!("WHERE handle_tag = $1 OR name_tag = $2 OR handle_tag IS NULL");
        let (mut people, _) = self.read_people(&self.rows(sql, args![tags.handle, tags.name])?)?;
        let wanted = fold_name(name);
        people.retain(|who| fold_name(&who.handle) == wanted || fold_name(&who.name) == wanted);
        Ok(people)
    }

    /// Finds a person by id, handle, name, or the first 8 or more digits of the id, in this order. Only those are opened who
    /// may be meant.
    ///
    /// # Errors
    ///
    /// - As [`Self::find_subject_id`]; [`TxError::KeyRing`] if their key is damaged or missing.
    pub fn find_subject(&self, reference: &str) -> Result<Subject, TxError> {
        self.subject(self.find_subject_id(reference)?)
    }

    /// The same, also for somebody whose key is damaged or missing: their name and handle cannot be read, their id can.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoSubject`] if nobody answers to `reference`, [`TxError::NobodyReadable`] if there are people whose
    ///   names cannot be read.
    /// - [`TxError::AmbiguousSubject`] if several share the name or the digits.
    /// - As [`Self::subjects`].
    pub fn find_subject_id(&self, reference: &str) -> Result<SubjectId, TxError> {
        match self.named(reference)? {
            Some(id) => Ok(id),
            // Whoever types a whole id means nobody by name.
            None if reference.to_ascii_lowercase().parse::<SubjectId>().is_ok() => Err(TxError::NoSubject),
            None => Err(nobody(self.count_unreadable()?)),
        }
    }

    /// Whom on the roster a reference names; `None` if it is nobody.
    ///
    /// # Errors
    ///
    /// [`TxError::AmbiguousSubject`] if several are meant; as [`Self::subjects`].
    pub(crate) fn named(&self, reference: &str) -> Result<Option<SubjectId>, TxError> {
        let digits = reference.to_ascii_lowercase();
        if let Ok(id) = digits.parse() {
            return Ok(self.on_roster(id)?.then_some(id));
        }
        let (people, wanted) = (self.people_called(reference)?, fold_name(reference));
        let is: [&dyn Fn(&Subject) -> bool; 4] =
            [&|s| s.handle == reference, &|s| s.name == reference, &|s| fold_name(&s.handle) == wanted, &|s| {
                fold_name(&s.name) == wanted
            }];
        for is in is {
            let found: Vec<SubjectId> = people.iter().filter(|s| is(s)).map(|s| s.id).collect();
            if !found.is_empty() {
                return only(&found);
            }
        }
        let sql = "SELECT id FROM subjects WHERE id >= $1 AND id <= $2";
        only(&self.ids_between(sql, &digits)?)
    }

    /// Who was erased here and has an id that begins with these digits, 8 or more; `None` if it is nobody, or several.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn find_erased(&self, digits: &str) -> Result<Option<SubjectId>, TxError> {
        let sql = "SELECT subject_id FROM tombstones WHERE subject_id >= $1 AND subject_id <= $2";
        Ok(only(&self.ids_between(sql, &digits.to_ascii_lowercase())?).unwrap_or_default())
    }

    /// Asks for the ids that begin with these digits.
    fn ids_between(&self, sql: &'static str, digits: &str) -> Result<Vec<SubjectId>, TxError> {
        let Some((first, last)) = range_of(digits) else { return Ok(Vec::new()) };
        let rows = self.rows(sql, args![first, last])?;
        rows.iter().map(|row| Ok(SubjectId::from_bytes(row.array(0)?))).collect()
    }

    /// How many people there are whose names cannot be read.
    pub(crate) fn count_unreadable(&self) -> Result<usize, TxError> {
        Ok(self.without_key(&self.subject_ids()?)?.len())
    }

    /// Who has no tags, and can be read.
    pub(crate) fn untagged(&self) -> Result<Vec<Subject>, TxError> {
        let rows = self.rows(select_subjects!("WHERE handle_tag IS NULL"), args![])?;
        let ids =
            rows.iter().map(|row| Ok(SubjectId::from_bytes(row.array(0)?))).collect::<Result<Vec<_>, TxError>>()?;
        let mut read = Vec::with_capacity(rows.len());
        self.each_key(&ids, &mut |i, key| read.push(read_subject(&rows[i], key)))?;
        // Whose profile their key does not open are told of elsewhere.
        read.retain(|who| !matches!(who, Err(TxError::Seal(_))));
        read.into_iter().collect()
    }
}

impl Tx<'_> {
    /// Gives tags to those who have none and can be read: people of an older format, and whose key was mended.
    pub(crate) fn tag_names(&self) -> Result<(), TxError> {
        for who in self.untagged()? {
            let tags = self.name_tags(&who.handle, &who.name);
            let sql = "UPDATE subjects SET handle_tag = $1, name_tag = $2 WHERE id = $3";
            self.exec(sql, args![tags.handle, tags.name, who.id])?;
        }
        Ok(())
    }
}

/// Why a name means nobody, where so many names cannot be read.
pub(crate) fn nobody(unreadable: usize) -> TxError {
    if unreadable == 0 { TxError::NoSubject } else { TxError::NobodyReadable { people: unreadable } }
}

fn only(found: &[SubjectId]) -> Result<Option<SubjectId>, TxError> {
    match found {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        several => Err(TxError::AmbiguousSubject { count: several.len() }),
    }
}

/// The first and the last id that begin with these digits, in lower case; `None` if these are too few, or none.
fn range_of(digits: &str) -> Option<(SubjectId, SubjectId)> {
    let fits = (DIGITS_MIN..=ID_DIGITS).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let filled = |with: &str| [digits, &with.repeat(ID_DIGITS - digits.len())].concat().parse().ok();
    if fits { filled("0").zip(filled("f")) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_for_all_ids_that_begin_with_them() {
        let check = |digits: &str, expected: Option<(&str, &str)>| {
            let found = range_of(digits).map(|(first, last)| (first.to_string(), last.to_string()));
            assert_eq!(found, expected.map(|(first, last)| (first.to_owned(), last.to_owned())), "{digits}");
        };
        let whole = "0123456789abcdef0123456789abcdef";
        check("0123456", None);
        check("0123456g", None);
        check("01234567\u{308}", None);
        check("012345678", Some(("01234567800000000000000000000000", "012345678fffffffffffffffffffffff")));
        check(whole, Some((whole, whole)));
        check(&[whole, "0"].concat(), None);
    }
}
