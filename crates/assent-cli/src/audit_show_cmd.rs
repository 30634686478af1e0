//! `assent audit show`: the entries of the log, filtered.

use assent::ledger::{EventKind, Timestamp};
use assent::service::log::{self, Entry, Filter};
use assent_documents::json::log::{LogEntries, LogEntry};
use clap::Args;

use crate::error::CommandError;
use crate::output::{Output, date, parse_date, role_words};
use crate::vault::{self, VaultFlags, now};

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
    let answer = LogEntries { entries: found.iter().map(|entry| LogEntry::new(entry, &collections)).collect() };
    Ok(out.answer(&answer, |out| {
        for (LogEntry { position, kind, collection, purpose, .. }, Entry { leaf, .. }) in
            answer.entries.iter().zip(&found)
        {
            let (collection, purpose) = (collection.as_deref().unwrap_or("-"), purpose.as_deref().unwrap_or("-"));
            let by = leaf.asked.map_or("-", |by| role_words(by.role));
            writeln!(out, "{position}\t{}\t{kind}\t{collection}\t{purpose}\t{by}", date(leaf.time))?;
        }
        if found.is_empty() { writeln!(out, "no entry") } else { Ok(()) }
    })?)
}
