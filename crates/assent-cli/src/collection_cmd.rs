//! `assent collection`: folders of photos, and why the people in them may be looked at.

mod end;

use assent::ledger::{
    Basis, BystanderBasis, Collection, Dpia, Jurisdiction, Ledger, RequiredDocument, RuleError, TxError,
};
use assent::service::collections::{self, CollectionError, New, Photos, Standing};
use assent_documents::json::Id;
use assent_documents::json::collections::{
    self as json, CollectionAdded, CollectionBasis, CollectionList, CollectionShown, Counts, NotListed, NotLooked,
};
use assent_documents::listing;
use assent_documents::prerequisite::{self, what_is_missing};
use clap::{Args, Subcommand};

use crate::error::CommandError;
use crate::output::{Output, count, day, quoted, shown};
use crate::vault::{self, VaultFlags, act, now};

#[derive(Debug, Args)]
pub(crate) struct CollectionArgs {
    #[command(subcommand)]
    command: CollectionCommand,
}

#[derive(Debug, Subcommand)]
enum CollectionCommand {
    /// Name a folder of photos that you hold, or begin a collection whose photos are uploaded
    Add {
        /// The collection's name
        name: String,
        /// The folder
        #[arg(required_unless_present = "uploads")]
        dir: Option<String>,
        /// Its photos are uploaded (assent upload), and kept in the vault's folder
        #[arg(long, conflicts_with = "dir")]
        uploads: bool,
        /// Why the other people in it may be looked at: closed-group, on-request:REF, household, research:REF, law:REF,
        /// or none (faces are then found and covered, never compared). REF says where that is written down, such as
        /// on-request:contract-7
        #[arg(long, value_name = "BASIS")]
        others: Option<BystanderBasis>,
        /// Keep the cut-out pixels of every face that is found, sealed: people who enrol later are found without
        /// rescanning. They are the faces of everybody, also of people who were not asked
        #[arg(long)]
        keep_crops: bool,
    },
    /// State why the other people in it may be looked at, and what the law asks for; what is not named stays as it is
    Basis(Box<BasisArgs>),
    /// Show all collections
    List,
    /// Show one with its numbers
    Show {
        /// The collection's name
        name: String,
    },
    /// Say in which folder the photos lie now; everything that is known of them stays
    Move {
        /// The collection's name
        name: String,
        /// The folder
        folder: String,
        /// Although hardly any of the known photos is there
        #[arg(long)]
        anyway: bool,
    },
    /// Forget the photos whose files are not in the folder any more, with all that was found and decided in them
    ForgetMissing {
        /// The collection's name
        name: String,
        #[command(flatten)]
        how: DestroyArgs,
    },
    /// End a collection: what is known of its photos is deleted, and the permissions for it end. The photo files stay
    Remove {
        /// The collection's name
        name: String,
        #[command(flatten)]
        how: DestroyArgs,
    },
}

/// How something is destroyed.
#[derive(Debug, Clone, Copy, Args)]
struct DestroyArgs {
    /// Say what would be deleted, and delete nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
struct BasisArgs {
    /// The collection's name
    name: String,
    /// Whose law applies, if it is not the controller's: a code such as FR, UK, US-IL
    #[arg(long, value_name = "CODE")]
    jurisdiction: Option<Jurisdiction>,
    /// The last day of what the photos are for: the season, the event
    #[arg(long, value_name = "DATE")]
    purpose_ends: Option<String>,
    /// Where the data protection impact assessment is found
    #[arg(long, value_name = "REF", requires = "dpia_date", requires = "dpia_review")]
    dpia: Option<String>,
    /// When it was made
    #[arg(long, value_name = "DATE", requires = "dpia")]
    dpia_date: Option<String>,
    /// When it is looked at again; from then on nothing is compared until it was
    #[arg(long, value_name = "DATE", requires = "dpia")]
    dpia_review: Option<String>,
    /// Why nothing less intrusive would do
    #[arg(long, value_name = "TEXT")]
    necessity: Option<String>,
    /// The alternative: how people get their photos without biometrics
    #[arg(long, value_name = "TEXT")]
    alternative: Option<String>,
    /// Since when the public notice is out
    #[arg(long, value_name = "DATE")]
    notice_public: Option<String>,
}

/// # Errors
///
/// [`CommandError`], as the folder and the ledger say.
pub(crate) fn run(args: &CollectionArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    match &args.command {
        CollectionCommand::Add { name, dir, uploads, others, keep_crops } => {
            let folder = dir.as_deref().filter(|_| !uploads);
            let photos = folder.map_or(Photos::Uploads, Photos::Folder);
            let new = New { name, photos, others: others.clone(), keep_crops: *keep_crops };
            add(&ledger, &new, out)?;
        }
        CollectionCommand::Basis(args) => basis(args, &ledger, out)?,
        CollectionCommand::Move { name, folder, anyway } => {
            end::move_to(&ledger, &vault::collection(&ledger, name)?, (folder, *anyway), out)?;
        }
        CollectionCommand::ForgetMissing { name, how } => {
            end::forget_missing(&ledger, &vault::collection(&ledger, name)?, *how, out)?;
        }
        CollectionCommand::Remove { name, how } => {
            end::remove(&ledger, &vault::collection(&ledger, name)?, *how, out)?;
        }
        CollectionCommand::List => list(&ledger, out)?,
        CollectionCommand::Show { name } => {
            let c = vault::collection(&ledger, name)?;
            let Standing { counts: n, missing } = collections::standing(&ledger, c.id, now())?;
            let locks = missing.iter().map(|lock| describe_prerequisite(lock, name)).collect();
            let answer = CollectionShown {
                about: json::Collection::from(&c),
                locks,
                counts: Counts::from(&n),
                no_face: n.no_face,
                failed: n.failed,
                missing: n.missing,
            };
            let missing = &answer.locks;
            out.answer(&answer, |out| {
                writeln!(out, "{}: {}", shown(&c.name), place(&c))?;
                writeln!(out, "others: {}", c.others)?;
                for line in prerequisite::basis(&c.basis) {
                    writeln!(out, "{line}")?;
                }
                for lock in missing {
                    writeln!(out, "faces are not compared: {lock}")?;
                }
                let missing = if n.missing > 0 { format!(", {} missing", n.missing) } else { String::new() };
                writeln!(out, "photos: {} ({} without a face, {} unusable{missing})", n.photos, n.no_face, n.failed)?;
                writeln!(out, "faces: {}, of them {} of people who agreed, or suggested", n.faces, n.sightings)?;
                writeln!(
                    out,
                    "permissions in force: {}, pictures to find people by: {}",
                    n.active_grants, n.templates
                )?;
                let crops = if c.keep_crops { n.crops.to_string() } else { "none".to_owned() };
                writeln!(out, "faces that are cut out and kept: {crops}")
            })?;
        }
    }
    Ok(())
}

/// Where the photos of a collection are, for people.
fn place(c: &Collection) -> String {
    let folder = shown(&c.directory);
    if c.uploads { format!("uploaded photos, kept in {folder}") } else { folder }
}

/// Adds a collection.
///
/// # Errors
///
/// [`CommandError`], as the folder and the ledger say.
fn add(ledger: &Ledger, new: &New<'_>, out: &mut Output<'_>) -> Result<(), CommandError> {
    let &New { name, photos: place, keep_crops, .. } = new;
    let added = collections::add(ledger, new, act()).map_err(|refused| match refused {
        CollectionError::NoBystanderBasis => CommandError::Missing { flag: "--others" },
        other => other.into(),
    })?;
    let (listing, around) = (&added.listing, &added.overlapping);
    let photos = listing.files.len();
    let asked = added.missing.iter().any(|lock| matches!(lock, TxError::Rule(_)));
    let answer = CollectionAdded {
        collection: name.to_owned(),
        collection_id: Id::of(added.id),
        photos,
        keep_crops,
        not_listed: listing.problems.iter().map(NotListed::from).collect(),
        left_out: listing.left_out.iter().map(NotLooked::from).collect(),
        overlaps: around.clone(),
    };
    out.answer(&answer, |out| {
        match place {
            Photos::Uploads => {
                writeln!(out, "Added {}. Upload its photos with: assent upload {} FILES", shown(name), quoted(name))?;
            }
            Photos::Folder(dir) if photos == 0 => writeln!(
                out,
                "Added {}, but there is no photo in {}. Is it the right folder? If not: assent collection move {} FOLDER",
                shown(name),
                shown(dir),
                quoted(name)
            )?,
            Photos::Folder(_) => writeln!(out, "Added {name} with {}.", count(photos, "photo"))?,
        }
        for line in listing::lines(&listing.problems, &listing.left_out) {
            writeln!(out, "{line}")?;
        }
        for other in around {
            let (name, other) = (shown(name), shown(other));
            writeln!(
                out,
                "Careful: the folders of {name} and {other} lie in each other, so the same photos are in both. Whoever agreed \
                 for one of them is looked for in that one alone."
            )?;
        }
        if asked {
            writeln!(out, "What the law asks for before faces are compared: assent collection basis {}", quoted(name))?;
        }
        let scan = format!("assent scan {}", quoted(name));
        match added.others {
            BystanderBasis::Household => writeln!(out, "Next: assent enrol --self --photo FILE, a picture of you alone; then: {scan}"),
            BystanderBasis::OnRequest(_) => writeln!(
                out,
                "Next: enrol somebody who said yes (assent enrol --help); and when they ask for their photos: assent request \
                 open search --subject NAME --collection {}",
                quoted(name)
            ),
            _ => writeln!(out, "Next: enrol somebody who said yes (assent enrol --help), then: {scan}"),
        }
    })?;
    Ok(())
}

fn list(ledger: &Ledger, out: &mut Output<'_>) -> Result<(), CommandError> {
    let all = vault::collections(ledger)?;
    out.answer(&CollectionList { collections: all.iter().map(json::Collection::from).collect() }, |out| {
        for c in &all {
            let frozen = if c.frozen { ", frozen" } else { "" };
            writeln!(out, "{}\t{}\tothers: {}{frozen}", shown(&c.name), place(c), c.others)?;
        }
        if all.is_empty() {
            writeln!(out, "No collection yet. Next: assent collection add NAME FOLDER")
        } else {
            Ok(())
        }
    })?;
    Ok(())
}

fn basis(args: &BasisArgs, ledger: &Ledger, out: &mut Output<'_>) -> Result<(), CommandError> {
    let collection = vault::collection(ledger, &args.name)?;
    let name = collection.name.as_str();
    let given = |text: &Option<String>| text.as_deref().map(day).transpose();
    let dpia = match (&args.dpia, given(&args.dpia_date)?, given(&args.dpia_review)?) {
        (Some(reference), Some(made), Some(review)) => Some(Dpia { reference: reference.clone(), made, review }),
        _ => None,
    };
    let change = Basis {
        jurisdiction: args.jurisdiction.clone(),
        purpose_ends: given(&args.purpose_ends)?,
        dpia,
        necessity: args.necessity.clone(),
        alternative: args.alternative.clone(),
        notice_public: given(&args.notice_public)?,
    };
    let missing = collections::state_basis(ledger, collection.id, &change, act())?;
    let requirements = missing.iter().map(|lock| lock.requirement().map(str::to_owned)).collect();
    let (chosen, open): (Vec<&TxError>, Vec<&TxError>) = missing.iter().partition(|lock| is_chosen(lock));
    let says = |missing: &[&TxError]| missing.iter().map(|lock| describe_prerequisite(lock, name)).collect::<Vec<_>>();
    let (chosen, open) = (says(&chosen), says(&open));
    let locks = open.iter().chain(&chosen).cloned().collect();
    Ok(out.answer(&CollectionBasis { collection: name.to_owned(), locks, requirements }, |out| {
        for lock in &open {
            writeln!(out, "still open: {lock}")?;
        }
        if open.is_empty() {
            writeln!(out, "{name}: every required field is filled in. Whether it is lawful is for you to judge.")?;
        }
        chosen.iter().try_for_each(|says| writeln!(out, "{says}"))
    })?)
}

/// What keeps faces of a collection from being compared, and the command that gives what is missing.
pub(crate) fn describe_prerequisite(lock: &TxError, collection: &str) -> String {
    let name = quoted(collection);
    let document = match lock {
        TxError::Rule(RuleError::Missing { document, .. } | RuleError::ReviewOverdue { document, .. }) => document,
        TxError::OnRequest { .. } => {
            let says = what_is_missing(lock, collection);
            let command = format!("assent request open search --subject NAME --collection {name}");
            return format!("{says}. Open a request: {command}");
        }
        other => return crate::hints::sentence(other),
    };
    let command = match document {
        RequiredDocument::Dpia => {
            format!("assent collection basis {name} --dpia REF --dpia-date DATE --dpia-review DATE")
        }
        RequiredDocument::Necessity => format!("assent collection basis {name} --necessity TEXT"),
        RequiredDocument::Alternative => format!("assent collection basis {name} --alternative TEXT"),
        RequiredDocument::PublicNotice => format!("assent collection basis {name} --notice-public DATE"),
        RequiredDocument::RetentionPolicy => "assent controller set --retention-policy-public DATE".to_owned(),
    };
    format!("{}\n  {command}", what_is_missing(lock, collection))
}

/// Whether it is no gap but was chosen that nobody is compared, or only who asks.
pub(crate) fn is_chosen(lock: &TxError) -> bool {
    matches!(lock, TxError::NoBasis { .. } | TxError::OnRequest { .. })
}
