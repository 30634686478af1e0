//! `assent access`: everything that is held about a person, in one file for them.

use std::path::PathBuf;

use assent::ledger::KeyRole;
use assent::service::rights;
use assent_documents::access::{self, About};
use assent_documents::json::rights::AccessGiven;
use assent_documents::json::text;
use clap::Args;

use crate::audit_cmd::entries;
use crate::consent_cmd::records;
use crate::error::CommandError;
use crate::files::{refuse_other, write_private};
use crate::output::{Output, count, number_of, shown};
use crate::vault::{self, VaultFlags, act, now};

#[derive(Debug, Args)]
pub(crate) struct AccessArgs {
    /// Id, the beginning of it, handle, or unique name
    subject: String,
    /// The ZIP file to write: a page to read, the same for programs, the crops of their face if any are kept, and the pictures
    /// and the form of what waits for its witnesses
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

/// # Errors
///
/// [`CommandError`], as the ledger says, or if the file cannot be written.
pub(crate) fn run(args: &AccessArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    let subject = vault::subject(&ledger, &args.subject)?.id;
    // Before the log says that they were answered.
    refuse_other(&args.to, access::PAGE)?;
    let answer = rights::access(&ledger, subject, act())?;
    let held = &answer.held;
    let key = ledger.log_keys().for_role(KeyRole::Checkpoints).to_string();
    // A consent of before notices were kept has no record; what is held of it stands among the consents.
    let records = records(&ledger, &held.subject)?;
    let records: Vec<_> = records.into_iter().filter_map(|(_, record)| record.ok()).collect();
    let about = About { settings: &ledger.settings(), written: now(), key: &key, records: &records };
    write_private(&args.to, &access::file(&about, &answer)?)?;
    let seen = held.sightings.len();
    let answer = AccessGiven {
        file: text(&args.to),
        consents: held.grants.len(),
        templates: held.templates.len(),
        sightings: seen,
        events: held.events.len(),
    };
    Ok(out.answer(&answer, |out| {
        writeln!(
            out,
            "{} holds everything about them: {}, {} of their face, {}, {} of the log.",
            shown(args.to.display()),
            count(held.grants.len(), "consent"),
            count(held.templates.len(), "template"),
            number_of(seen, "place in a photo", "places in photos"),
            entries(held.events.len() as u64)
        )?;
        writeln!(out, "It is theirs alone: hand it over in person or encrypted.")
    })?)
}
