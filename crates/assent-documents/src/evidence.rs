//! Evidence for an authority: everything that it asks for, as files of one ZIP file. The form is described in
//! `docs/formats/evidence.md`.

use std::collections::BTreeMap;

use assent::ledger::{EntryName, EventKind, EvidenceError, Order, Request, Timestamp};
use assent::packs::hex;
use assent::service::evidence::Records;
use assent::service::log::Occurrences;
use assent::service::lookup::collection_name;
use serde_json::{Value, json};

use crate::archive::zipped;
use crate::dates::date;
use crate::error::DocumentError;
use crate::json::pretty;
use crate::register::{self, register};

/// The signed list of the other files.
pub const LIST: &str = "list.txt";

/// Below it lies the log, as it is exported for anybody.
pub const LOG: &str = "log/";

/// Below it lie the certificates of erasures.
pub const CERTIFICATES: &str = "certificates/";

/// What the files of one evidence may be together, bytes.
pub const BYTES_MAX: u64 = 1 << 30;

/// The files of the evidence, by their names.
pub type Files = BTreeMap<EntryName, Vec<u8>>;

/// The files, but for the signed list. `beside` are the files of the log and those that somebody adds, each by its name.
///
/// # Errors
///
/// [`EvidenceError::Name`] if a name is none for a file of the evidence.
pub fn files(
    about: &register::About<'_>,
    records: Records,
    beside: Vec<(String, Vec<u8>)>,
) -> Result<Files, EvidenceError> {
    let Records { register: processing, notices, requests, orders, collections, events, certificates } = records;
    let name = |id| collection_name(&collections, id);
    let requests: Vec<Value> = requests.iter().map(|r| request(r, about.made, r.collection.map(name))).collect();
    let orders: Vec<Value> = orders.iter().map(|o| order(o, o.collection.map(name))).collect();
    let event = |(kind, seen): (EventKind, Occurrences)| {
        (kind.as_str().to_owned(), json!({ "times": seen.times, "last": date(seen.last) }))
    };
    let events: Value = Value::Object(events.into_iter().map(event).collect());
    let text = |value: &Value| format!("{value:#}\n").into_bytes();
    let mut files = vec![
        (
            "register.json".to_owned(),
            pretty(&register(about, &processing)).map_or_else(|_| Vec::new(), |text| format!("{text}\n").into_bytes()),
        ),
        ("requests.json".to_owned(), text(&json!({ "requests": requests }))),
        ("orders.json".to_owned(), text(&json!({ "orders": orders }))),
        ("events.json".to_owned(), text(&events)),
    ];
    files.extend(notices.into_iter().map(|n| (format!("notices/{}.txt", hex(&n.sha256)), n.text.into_bytes())));
    let certificate = |(erased, text): (_, String)| (format!("{CERTIFICATES}{erased}.txt"), text.into_bytes());
    files.extend(certificates.into_iter().map(certificate));
    files.extend(beside);
    let entry = |(name, bytes): (String, Vec<u8>)| match EntryName::new(&name) {
        Ok(entry) => Ok((entry, bytes)),
        Err(source) => Err(EvidenceError::Name { name, source }),
    };
    files.into_iter().map(entry).collect()
}

/// That something was asked, and when it was answered, is evidence. What somebody asked and who they are is theirs.
fn request(r: &Request, now: Timestamp, collection: Option<&str>) -> Value {
    json!({
        "request": r.id.to_string(), "kind": r.kind.as_str(), "received": date(r.received), "due": date(r.due),
        "answered": r.answered.map(|(at, _)| date(at)), "outcome": r.answered.map(|(_, o)| o.as_str()),
        "days_overdue": r.days_overdue(now), "collection": collection,
    })
}

fn order(o: &Order, collection: Option<&str>) -> Value {
    json!({
        "order": o.id.to_string(), "collection": collection, "from": date(o.from),
        "jurisdiction": o.jurisdiction.as_ref().map(|code| code.as_str().to_owned()),
        "until": o.until.map(date), "lifted": o.lifted.map(date), "reason": o.reason,
    })
}

/// The ZIP file: the signed list first.
///
/// # Errors
///
/// [`DocumentError::Zip`] if it cannot be put together.
pub fn file(list: &str, files: &Files) -> Result<Vec<u8>, DocumentError> {
    let rest = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    zipped(std::iter::once((LIST, list.as_bytes())).chain(rest))
}
