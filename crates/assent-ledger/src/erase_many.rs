//! Many erasures at once, on an order's list: one that fails keeps nobody else, and the same list can be used again.

use crate::actor::Origin;
use crate::db::{Columns, args};
use crate::erase::Erasure;
use crate::error::TxError;
use crate::id::{SubjectId, TemplateId, Timestamp};
use crate::ledger::Ledger;
use crate::tx::{Tx, nobody};

/// What became of each of several erasures.
#[derive(Debug, Default)]
pub struct Erasures {
    /// Who is erased, those who were before among them, in the order in which they were named.
    pub done: Vec<Erasure>,
    /// Who is not, and why.
    pub failed: Vec<(SubjectId, TxError)>,
}

impl Ledger {
    /// Erases several people, one after the other, and goes on past one that fails. Who was erased before counts as done.
    /// `forget` is called for each as by [`Self::erase`]; `progress` is told after each.
    pub fn erase_each(
        &self,
        subjects: &[SubjectId],
        origin: impl Into<Origin>,
        forget: &mut dyn FnMut(&[TemplateId]),
        progress: &mut dyn FnMut(),
    ) -> Erasures {
        let origin = origin.into();
        let mut all = Erasures::default();
        for &subject in subjects {
            let outcome = match self.erase(subject, origin, &mut *forget) {
                Err(TxError::Erased { .. }) => self.erasure_of(subject, origin.at),
                outcome => outcome,
            };
            match outcome {
                Ok(erasure) => all.done.push(erasure),
                Err(why) => all.failed.push((subject, why)),
            }
            progress();
        }
        all
    }

    fn erasure_of(&self, subject: SubjectId, now: Timestamp) -> Result<Erasure, TxError> {
        let found = self.read_tx(now, |tx| tx.erasure(subject))?;
        found.ok_or(TxError::NotErased { subject })
    }
}

impl Tx<'_> {
    /// Whom the lines of an order's list name, each by id, the beginning of one, handle or unique name; or why nobody is
    /// named. If all lines name somebody, that is remembered for this very list: used again, it names the same people,
    /// although those who were erased have no name any more. Somebody who was erased before is also named by their id.
    ///
    /// # Errors
    ///
    /// As [`crate::ReadTx::subjects`].
    pub fn named_in_order(&self, lines: &[&str]) -> Result<Vec<Result<SubjectId, TxError>>, TxError> {
        let tag = self.master_mac("assent order v1", lines.join("\n").as_bytes());
        let sql = "SELECT subject_id FROM erasure_orders WHERE tag = $1 ORDER BY line";
        let known = self.rows(sql, args![tag])?;
        if known.len() == lines.len() {
            return known.iter().map(|row| Ok(Ok(SubjectId::from_bytes(row.array(0)?)))).collect();
        }
        let (mut named, mut unreadable) = (Vec::with_capacity(lines.len()), None);
        for line in lines {
            named.push(match self.named(line) {
                Ok(Some(id)) => Ok(id),
                Ok(None) => match (self.find_erased(line)?, unreadable) {
                    (Some(id), _) => Ok(id),
                    (None, Some(counted)) => Err(nobody(counted)),
                    (None, None) => Err(nobody(*unreadable.insert(self.count_unreadable()?))),
                },
                Err(several @ TxError::AmbiguousSubject { .. }) => Err(several),
                Err(e) => return Err(e),
            });
        }
        if named.iter().all(Result::is_ok) {
            self.exec("DELETE FROM erasure_orders WHERE tag = $1", args![tag])?;
            for (line, id) in (0_i64..).zip(named.iter().flatten()) {
                let sql = "INSERT INTO erasure_orders (tag, line, subject_id) VALUES ($1, $2, $3)";
                self.exec(sql, args![tag, line, *id])?;
            }
        }
        Ok(named)
    }
}
