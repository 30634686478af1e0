//! `assent init`: make a vault, and for an organisation the drafts of what it needs on paper.

use assent::household;
use assent::ledger::{Database, Jurisdiction, Settings, VaultKind};
use assent_documents::drafts::RELEASE;
use assent_documents::json::status::VaultMade;
use assent_documents::json::{Id, text};
use clap::Args;

use crate::controller_cmd::named;
use crate::database::DatabaseArgs;
use crate::drafts;
use crate::error::CommandError;
use crate::output::{Output, ask, quoted};
use crate::vault::{self, VaultFlags, act};

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// A vault for oneself and one's household: at most 25 people, nothing is published
    #[arg(long)]
    household: bool,
    /// Household: your name. Otherwise: the accountable person
    #[arg(long)]
    name: Option<String>,
    /// The controller: the organisation that answers for the photos
    #[arg(long, conflicts_with = "household")]
    controller: Option<String>,
    /// How people reach the controller
    #[arg(long, conflicts_with = "household")]
    contact: Option<String>,
    /// Where the controller is established, such as FR, UK, CH, US-IL: its law applies to everything here
    #[arg(long, conflicts_with = "household")]
    jurisdiction: Option<String>,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// # Errors
///
/// [`CommandError`] if an answer is missing or the vault cannot be made.
pub(crate) fn run(args: &InitArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    vault::refuse_existing(flags)?;
    let answer = |given: &Option<String>, flag: &'static str, question: &str| -> Result<String, CommandError> {
        let asked = || ask(question).map_err(CommandError::Output);
        let text = match given.clone() {
            Some(text) => text,
            None => asked()?.ok_or(CommandError::Missing { flag })?,
        };
        named(flag, &text).map(|()| text)
    };
    let (kind, settings) = if args.household {
        let name = answer(&args.name, "--name", "What is your name?")?;
        (VaultKind::Household, Settings { controller: name.clone(), accountable: name, ..Settings::default() })
    } else {
        let settings = Settings {
            controller: answer(&args.controller, "--controller", "Which organisation answers for the photos?")?,
            accountable: answer(&args.name, "--name", "Who is accountable in it (a natural person)?")?,
            contact: answer(&args.contact, "--contact", "How do people reach it (address or e-mail)?")?,
            jurisdiction: {
                let code =
                    answer(&args.jurisdiction, "--jurisdiction", "In which country is it (FR, UK, CH, US-IL, ...)?")?;
                code.parse::<Jurisdiction>()?.to_string()
            },
            ..Settings::default()
        };
        (VaultKind::Organisation, settings)
    };
    let (ledger, place) = vault::create(flags, &args.database, kind, &settings)?;
    if kind == VaultKind::Household {
        household::owner(&ledger, act())?;
    }
    let (folder, ring) = (place.folder.display().to_string(), place.ring.display().to_string());
    let database = match &place.database {
        Database::Sqlite => None,
        Database::Postgres(database) => Some(database.address.to_string()),
    };
    let drafts = drafts::write(&place.folder, &ledger)?;
    let answer = VaultMade {
        vault: folder.clone(),
        vault_id: Id::of(ledger.id()),
        database: database.clone(),
        key_ring: ring.clone(),
        kind: kind.as_str().to_owned(),
        drafts: text(&drafts),
    };
    out.answer(&answer, |out| {
        writeln!(
            out,
            "Made a vault for {} in {folder}",
            if args.household { "a household" } else { "an organisation" }
        )?;
        if let Some(database) = &database {
            writeln!(out, "Its tables are in the database {database}.")?;
        }
        writeln!(out, "Its keys are in {ring}: keep that file apart from every copy of the vault.")?;
        if args.household {
            let form = drafts.join(RELEASE);
            writeln!(out, "Others of your household agree on paper; the form to print: {}", form.display())?;
        } else {
            writeln!(out, "Drafts of the notice, the consent form and the impact assessment: {}", drafts.display())?;
        }
        if flags.vault.is_some() {
            let whole = place.folder.canonicalize().unwrap_or_else(|_| place.folder.clone());
            let whole = quoted(&whole.display().to_string());
            writeln!(out, "Every command needs --vault too, or once in this terminal: export ASSENT_VAULT={whole}")?;
        }
        let basis = if args.household { "" } else { " --others closed-group" };
        writeln!(out, "Next: assent collection add NAME FOLDER{basis}")
    })?;
    Ok(())
}
