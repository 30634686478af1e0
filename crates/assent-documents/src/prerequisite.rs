//! Why faces of a collection may be compared, and what keeps them from being.

use assent::ledger::{Basis, RuleError, TxError};

use crate::dates::long_date;
use crate::vocabulary::shown;

/// What keeps faces of a collection from being compared, without a full stop.
pub fn what_is_missing(lock: &TxError, collection: &str) -> String {
    match lock {
        TxError::Rule(RuleError::Missing { document, pack, .. }) => {
            format!("{} is missing ({pack} asks for it)", document.title())
        }
        TxError::Rule(RuleError::ReviewOverdue { document, since, .. }) => {
            format!("the review of {} is overdue since {since}", document.title())
        }
        TxError::OnRequest { .. } => format!("{} is searched only when someone asks", shown(collection)),
        other => other.to_string(),
    }
}

/// What was stated of a collection, as far as anything was: a line for each.
pub fn basis(basis: &Basis) -> Vec<String> {
    let law = basis.jurisdiction.as_ref().map(|code| format!("law: {code}"));
    let ends = basis.purpose_ends.map(|at| format!("what the photos are for ends on {}", long_date(at)));
    let dpia = basis.dpia.as_ref().map(|d| {
        let (made, review) = (long_date(d.made), long_date(d.review));
        format!("impact assessment: {}, made on {made}, to be reviewed by {review}", shown(&d.reference))
    });
    let text = |what: &str, text: &Option<String>| text.as_ref().map(|text| format!("{what}: {}", shown(text)));
    let notice = basis.notice_public.map(|at| format!("public notice since {}", long_date(at)));
    let necessity = text("why nothing less intrusive would do", &basis.necessity);
    let alternative = text("without biometrics", &basis.alternative);
    [law, ends, dpia, necessity, alternative, notice].into_iter().flatten().collect()
}
