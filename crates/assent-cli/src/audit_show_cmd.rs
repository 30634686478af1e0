//! `assent audit show`: the entries of the log, filtered.

use assent::ledger::{Collection, EventKind, Purpose, ScanEntry, SearchEntry, Timestamp};
use assent::packs::hex;
use assent::service::log::{self, Entry, Filter};
use assent_documents::json::AskedBy;
use clap::Args;
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::output::{Output, date, parse_date, role_words};
use crate::vault::{self, VaultFlags, collection_name, now};

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Entries of this kind alone, such as `search` or `erasure-done`
    #[arg(long, value_parser = kind)]
    kind: Option<EventKind>,
    /// From this date on, such as 2027-07-31
    #[arg(long, value_name = "DATE", value_parser = day)]
    since: Option<Timestamp>,
    /// Before this date
    #[arg(long, value_name = "DATE", value_parser = day)]
    until: Option<Timestamp>,
    /// About this collection alone
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// That concern this person alone
    #[arg(long)]
    subject: Option<String>,
    /// So many, the newest
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

/// A kind, its words joined by hyphens.
fn kind(text: &str) -> Result<EventKind, String> {
    let word = |kind: &EventKind| kind.as_str().replace(' ', "-");
    let found = EventKind::ALL.iter().find(|kind| word(kind) == text);
    found.copied().ok_or_else(|| {
        let all: Vec<String> = EventKind::ALL.iter().map(word).collect();
        format!("one of: {}", all.join(", "))
    })
}

fn day(text: &str) -> Result<Timestamp, String> {
    parse_date(text).ok_or_else(|| "write a date such as 2027-07-31 or 31.07.2027".to_owned())
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn run(args: &ShowArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    let collections = vault::collections_ever(&ledger)?;
    let only = args.collection.as_deref().map(|name| vault::collection(&ledger, name)).transpose()?.map(|c| c.id);
    let subject = args.subject.as_deref().map(|who| vault::subject(&ledger, who)).transpose()?.map(|s| s.id);
    let ShowArgs { kind, since, until, limit, .. } = *args;
    let found = log::entries(&ledger, &Filter { kind, since, until, collection: only, subject, limit }, now())?;
    let objects: Vec<Value> = found.iter().map(|entry| describe(entry, &collections)).collect();
    Ok(out.answer(&json!({ "entries": objects }), |out| {
        for (object, entry) in objects.iter().zip(&found) {
            let word = |key: &str| object[key].as_str().unwrap_or("-").to_owned();
            let by = entry.leaf.asked.map_or("-", |by| role_words(by.role)).to_owned();
            let words = [word("date"), word("kind"), word("collection"), word("purpose"), by];
            writeln!(out, "{}\t{}", object["position"], words.join("\t"))?;
        }
        if objects.is_empty() { writeln!(out, "no entry") } else { Ok(()) }
    })?)
}

fn describe(Entry { leaf, account }: &Entry, collections: &[Collection]) -> Value {
    let (collection, purpose) = leaf.about();
    let name = collection.map(|id| collection_name(collections, id));
    let scan = ScanEntry::of(leaf).map(|scan| {
        let compared = scan.reference.map(|r| {
            json!({ "epoch": r.epoch, "templates": r.templates, "match_from": r.certain, "review_from": r.review })
        });
        json!({
            "began_ms": scan.began.0, "photos": scan.photos, "model_sha256": hex(&scan.model_sha256), "compared": compared,
        })
    });
    let find = SearchEntry::of(leaf).map(|find| {
        let name = |id| collection_name(collections, id);
        let looked_at: Vec<Value> =
            find.collections.iter().map(|(id, epoch)| json!({ "collection": name(*id), "epoch": epoch })).collect();
        json!({ "found": find.found, "looked_at": looked_at })
    });
    let purpose = SearchEntry::of(leaf).map(|find| find.purpose).or(purpose);
    json!({
        "scan": scan, "find": find,
        "position": leaf.position, "date": date(leaf.time), "time_ms": leaf.time.0, "kind": leaf.kind.as_str(),
        "asked_by": AskedBy::of(leaf, *account),
        "collection": name, "purpose": purpose.as_ref().map(Purpose::as_str), "concerns": leaf.commitments.len(),
    })
}
