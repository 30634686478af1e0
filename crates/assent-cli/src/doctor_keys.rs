//! What `assent doctor` says of people whose key is damaged, of the clock, and of consents that are over.

use std::collections::BTreeSet;

use assent::ledger::{Collection, GrantId, PastEndDate, SubjectId, Unreadable};

use crate::output::{count, date, long_date};
use crate::vault::{collection_name, short};

/// One person, for people: what can still be said of them, and what can be done.
pub(crate) fn describe(who: &Unreadable, collections: &[Collection]) -> String {
    let consents = if who.consents.is_empty() {
        "without a permission in force".to_owned()
    } else {
        let of = |c: &assent::ledger::PlainConsent| {
            let name = collection_name(collections, c.collection);
            format!("{} in {name} until {}", c.purpose, date(c.valid_until))
        };
        let all: Vec<String> = who.consents.iter().map(of).collect();
        format!("with {} ({})", count(all.len(), "permission"), all.join(", "))
    };
    let (number, owner) = (&who.number, if who.owner { ", the owner" } else { "" });
    format!(
        "the key of one person is damaged: {number}{owner}, on the list since {}, {consents}. Their name cannot be read, and \
         nobody finds them; everybody else is as before. From a backup of the key ring: assent keys repair --from FILE. If \
         they want to leave: assent consent withdraw {number}, or: assent erase {number}",
        date(who.added)
    )
}

/// Permissions whose own key is damaged, for people.
pub(crate) fn describe_grants(grants: &[(SubjectId, GrantId)]) -> String {
    let people: BTreeSet<String> = grants.iter().map(|(who, _)| short(who)).collect();
    let people = Vec::from_iter(people).join(", ");
    format!(
        "the key of {} is damaged, so that nobody is found by it: of {people}. From a backup of the key ring: assent keys \
         repair --from FILE. Without one: assent consent withdraw, and enrol them again",
        count(grants.len(), "permission")
    )
}

/// Consents that are over by their date, for people: some were not ended yet, or nobody asks to be found any more.
pub(crate) fn describe_past_end(over: &PastEndDate, collection: &str) -> String {
    let last = long_date(over.last);
    if over.waiting > 0 {
        let (permissions, are) = (count(over.waiting, "permission"), if over.waiting == 1 { "is" } else { "are" });
        return format!(
            "{collection}: {permissions} {are} over by the date, the last on {last}; nobody is found by that any more. \
             `assent tick` deletes everything stored under it; whoever agrees again is enrolled again"
        );
    }
    let permissions = count(over.all, "permission");
    format!("{collection}: nobody asks to be found any more; {permissions} ended by the date, the last on {last}")
}
