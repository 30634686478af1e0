//! `assent subject`: the people of a vault.

use std::collections::BTreeMap;

use assent::ledger::{Age, Correction, Jurisdiction, Ledger, NewSubject, Subject};
use assent::service::subjects::{self, Everybody, Person};
use clap::{Args, Subcommand};
use serde_json::json;

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
            out.answer(&json!({ "subject": id.to_string(), "handle": handle }), |out| {
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
            out.answer(&json!({ "subject": s.id.to_string() }), |out| {
                writeln!(out, "Changed what is held about {}.", vault::person(&s))
            })?;
        }
        SubjectCommand::Restrict { subject, lift } => {
            let id = vault::subject_id(&ledger, subject)?;
            subjects::restrict(&ledger, id, !lift, act())?;
            out.answer(&json!({ "subject": id.to_string(), "restricted": !lift }), |out| {
                let says = if *lift { "is used again" } else { "is kept and not used: nobody finds them" };
                writeln!(out, "What is held about {subject} {says}.")
            })?;
            vault::warn_of_unwritten_notes(&ledger);
        }
        SubjectCommand::Count => {
            let counted = subjects::count_by_law(&ledger, now())?;
            let total: usize = counted.values().sum();
            let object: serde_json::Map<_, _> = counted.iter().map(|(j, n)| (j.to_string(), json!(n))).collect();
            out.answer(&json!({ "jurisdictions": object, "total": total }), |out| {
                for (jurisdiction, n) in &counted {
                    writeln!(out, "{jurisdiction}\t{n}")?;
                }
                writeln!(out, "all\t{total}")
            })?;
        }
        SubjectCommand::List { group } => list(&ledger, group.as_deref(), out)?,
        SubjectCommand::Show { subject } => {
            let id = vault::subject(&ledger, subject)?.id;
            let Person { subject: s, grants, pending, refusals, collections } = subjects::person(&ledger, id, now())?;
            let objects: Vec<_> = grants.iter().map(|g| crate::consent_cmd::describe(g, &collections)).collect();
            let object = json!({
                "subject": s.id.to_string(), "handle": s.handle, "name": s.name, "contact": s.contact, "age": s.age.to_string(),
                "group": s.group, "jurisdiction": s.jurisdiction.as_str(), "restricted": s.restricted.map(date), "added": date(s.created),
                "consents": objects, "waiting": pending.iter().map(|p| p.id.to_string()).collect::<Vec<_>>(),
                "refusals": refusals.iter().map(|r| r.id.to_string()).collect::<Vec<_>>(),
            });
            out.answer(&object, |out| {
                writeln!(out, "{}", vault::person(&s))?;
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
                for g in &grants {
                    writeln!(out, "{}", crate::consent_cmd::line(g, &collections))?;
                }
                for p in &pending {
                    let signed = p.missing().is_empty();
                    let next = if signed {
                        "to be completed: assent enrol --complete"
                    } else {
                        "for its witnesses: assent witness sign NAME"
                    };
                    writeln!(out, "a form until {} waits {next}", date(p.valid_until))?;
                }
                for r in &refusals {
                    let place = vault::collection_name(&collections, r.collection);
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
    let one = |s: &Subject| json!({ "subject": s.id.to_string(), "handle": s.handle, "name": s.name, "group": s.group, "owner": s.owner });
    let objects: Vec<_> = all.iter().map(one).collect();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for s in &all {
        *names.entry(fold_name(&s.name)).or_default() += 1;
    }
    // Where two people have one name, more is said of both.
    let namesakes = |s: &Subject| names.get(&fold_name(&s.name)).is_some_and(|n| *n > 1);
    let without: Vec<_> = unreadable.iter().map(|u| u.subject.to_string()).collect();
    Ok(out.answer(&json!({ "subjects": objects, "unreadable": without }), |out| {
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
