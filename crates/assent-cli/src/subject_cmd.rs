//! `assent subject`: the people of a vault.

use std::collections::BTreeMap;

use assent::ledger::{Age, Correction, Jurisdiction, Ledger, NewSubject, Subject};
use assent::service::subjects::{self, Everybody, Person};
use assent_documents::json::subjects::{
    SubjectAdded, SubjectChanged, SubjectCount, SubjectList, SubjectRestricted, SubjectShown,
};
use assent_documents::json::{Day, Id};
use clap::{Args, Subcommand};

use crate::error::CommandError;
use crate::lookup::fold_name;
use crate::output::{Output, date, shown};
use crate::vault::{self, VaultFlags, act, now};

#[derive(Debug, Args)]
pub(crate) struct SubjectArgs {
    #[command(subcommand)]
    command: SubjectCommand,
}

#[derive(Debug, Subcommand)]
enum SubjectCommand {
    /// Put a person on the list; nobody looks for them by that
    Add {
        /// A short name of your own for them, unique in the vault
        handle: String,
        /// Their name
        #[arg(long)]
        name: String,
        /// How to reach them
        #[arg(long, default_value = "")]
        contact: String,
        /// The class or group that they belong to
        #[arg(long, default_value = "")]
        group: String,
        /// Their month of birth as they stated it, such as 2011-04, or adult
        #[arg(long, default_value = "unknown", value_name = "AGE")]
        born: Age,
        /// Whose law protects them: where they live, such as FR, UK, US-IL; unknown means the strictest of all
        #[arg(long, default_value = "unknown", value_name = "CODE")]
        jurisdiction: Jurisdiction,
    },
    /// Change what is held about a person; what is not named stays as it is
    Set {
        /// Id, the beginning of it, handle, or unique name
        subject: String,
        /// Their name
        #[arg(long)]
        name: Option<String>,
        /// How to reach them
        #[arg(long)]
        contact: Option<String>,
        /// The class or group that they belong to
        #[arg(long)]
        group: Option<String>,
        /// adult, or the month of birth such as 2011-04
        #[arg(long, value_name = "AGE")]
        born: Option<Age>,
        /// Whose law protects them
        #[arg(long, value_name = "CODE")]
        jurisdiction: Option<Jurisdiction>,
    },
    /// Keep what is held about a person and do not use it: nobody finds them
    Restrict {
        /// Id, the beginning of it, handle, or unique name
        subject: String,
        /// Use it again
        #[arg(long)]
        lift: bool,
    },
    /// How many people are under which law
    Count,
    /// Show everybody on the list
    List {
        /// Of this class or group alone
        #[arg(long)]
        group: Option<String>,
    },
    /// Show one person and their consents
    Show {
        /// Id, the beginning of it, handle, or unique name
        subject: String,
    },
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn run(args: &SubjectArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    match &args.command {
        SubjectCommand::Add { handle, name, contact, group, born, jurisdiction } => {
            let jurisdiction = jurisdiction.clone();
            let new = NewSubject { handle, name, contact, group, owner: false, age: *born, jurisdiction };
            let id = subjects::add(&ledger, &new, act())?;
            let added = SubjectAdded { subject: Id::of(id), handle: handle.clone() };
            out.answer(&added, |out| {
                writeln!(
                    out,
                    "Added {} ({}). Nobody looks for them before they are enrolled. How: assent enrol --help",
                    shown(name),
                    shown(handle)
                )
            })?;
        }
        SubjectCommand::Set { subject, name, contact, group, born, jurisdiction } => {
            let s = vault::subject(&ledger, subject)?;
            let right = Correction {
                name: name.clone(),
                contact: contact.clone(),
                group: group.clone(),
                age: *born,
                jurisdiction: jurisdiction.clone(),
            };
            let s = subjects::rectify(&ledger, s.id, &right, act())?;
            out.answer(&SubjectChanged { subject: Id::of(s.id) }, |out| {
                writeln!(out, "Changed what is held about {}.", vault::person(&s))
            })?;
        }
        SubjectCommand::Restrict { subject, lift } => {
            let id = vault::subject_id(&ledger, subject)?;
            let act = act();
            subjects::restrict(&ledger, id, !lift, act)?;
            let restricted = (!lift).then_some(Day(act.at));
            out.answer(&SubjectRestricted { subject: Id::of(id), restricted }, |out| {
                let says = if *lift { "is used again" } else { "is kept and not used: nobody finds them" };
                writeln!(out, "What is held about {subject} {says}.")
            })?;
            vault::warn_of_unwritten_notes(&ledger);
        }
        SubjectCommand::Count => {
            let counted = subjects::count_by_law(&ledger, now())?;
            let answer = SubjectCount::new(&counted);
            out.answer(&answer, |out| {
                for (jurisdiction, n) in &counted {
                    writeln!(out, "{jurisdiction}\t{n}")?;
                }
                writeln!(out, "all\t{}", answer.total)
            })?;
        }
        SubjectCommand::List { group } => list(&ledger, group.as_deref(), out)?,
        SubjectCommand::Show { subject } => {
            let id = vault::subject(&ledger, subject)?.id;
            let person = subjects::person(&ledger, id, now())?;
            let Person { subject: s, grants, pending, refusals, collections } = &person;
            out.answer(&SubjectShown::from(&person), |out| {
                writeln!(out, "{}", vault::person(s))?;
                if !s.contact.is_empty() {
                    writeln!(out, "contact: {}", s.contact)?;
                }
                if !s.group.is_empty() {
                    writeln!(out, "class or group: {}", s.group)?;
                }
                writeln!(out, "on the list since {}; {}; law: {}", date(s.created), age_says(s.age), s.jurisdiction)?;
                if let Some(since) = s.restricted {
                    writeln!(out, "restricted since {}: kept and not used", date(since))?;
                }
                for g in grants {
                    writeln!(out, "{}", crate::consent_cmd::line(g, collections))?;
                }
                for p in pending {
                    let signed = p.missing().is_empty();
                    let next = if signed {
                        "to be completed: assent enrol --complete"
                    } else {
                        "for its witnesses: assent witness sign NAME"
                    };
                    writeln!(out, "a form until {} waits {next}", date(p.valid_until))?;
                }
                for r in refusals {
                    let place = vault::collection_name(collections, r.collection);
                    writeln!(out, "said no\t{}\t{}\ton {}", r.purpose, shown(place), date(r.created))?;
                }
                if grants.is_empty() { writeln!(out, "no consent: they are not looked for") } else { Ok(()) }
            })?;
        }
    }
    Ok(())
}

fn age_says(age: Age) -> String {
    match age {
        Age::Adult => "adult".to_owned(),
        Age::Born { .. } => format!("born {age}"),
        Age::Unknown => "age not known".to_owned(),
    }
}

/// Everybody on the roster, or everybody of one group; those whose name cannot be read may be of any.
fn list(ledger: &Ledger, group: Option<&str>, out: &mut Output<'_>) -> Result<(), CommandError> {
    let Everybody { people: mut all, unreadable } = subjects::everybody(ledger, now())?;
    all.retain(|s| group.is_none_or(|group| s.group.to_lowercase() == group.to_lowercase()));
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for s in &all {
        *names.entry(fold_name(&s.name)).or_default() += 1;
    }
    // Where two people have one name, more is said of both.
    let namesakes = |s: &Subject| names.get(&fold_name(&s.name)).is_some_and(|n| *n > 1);
    let answer = SubjectList::new(&all, unreadable.iter().map(|who| &who.subject));
    Ok(out.answer(&answer, |out| {
        for s in &all {
            let group = if s.group.is_empty() { String::new() } else { format!("\t{}", shown(&s.group)) };
            if namesakes(s) {
                writeln!(out, "{}", vault::disambiguated(s))?;
            } else {
                writeln!(out, "{}\t{}{group}", shown(&s.handle), shown(&s.name))?;
            }
        }
        for u in &unreadable {
            writeln!(out, "?\ta name that cannot be read, because the key is damaged: assent doctor\t{}", u.number)?;
        }
        if all.is_empty() && unreadable.is_empty() {
            writeln!(out, "Nobody yet. Next: assent subject add HANDLE --name NAME")
        } else {
            Ok(())
        }
    })?)
}
