//! `assent doctor`: what is missing, each with the next command.

use assent::ledger::{Collection, Ledger, Purpose, TxError};
use assent::models::Models;
use serde_json::json;

use crate::audit_cmd::entries;
use crate::collection_cmd::{describe_prerequisite, is_chosen};
use crate::doctor_keys;
use crate::error::CommandError;
use crate::models_arg::{LoadModelsError, ModelPlaces};
use crate::output::{Output, are, count, quoted, shown};
use crate::pending_cmd::enrolments_wait;
use crate::places;
use crate::refused::GET_HEIF_PROGRAM;
use crate::search_args::all_threads;
use crate::vault::{self, VaultFlags, now};

/// One line of the examination.
struct Finding {
    what: &'static str,
    good: bool,
    says: String,
}

/// # Errors
///
/// [`CommandError::Doctor`] if something is missing.
pub(crate) fn run(flags: &VaultFlags, models: &ModelPlaces, out: &mut Output<'_>) -> Result<(), CommandError> {
    let opened = vault::open(flags);
    let loaded = opened.as_ref().map_or_else(|_| models.load(), |ledger| models.load_for(ledger));
    let model = loaded.as_ref().ok().map(|loaded| loaded.pack().model_sha256);
    let mut findings = vec![formats(), models_found(&loaded)];
    match opened {
        Ok(ledger) => {
            let whose = if ledger.kind().as_str() == "household" { "a household" } else { "an organisation" };
            findings.push(Finding { what: "vault", good: true, says: format!("a vault of {whose}") });
            let audit = ledger.audit_verify(None, now())?;
            let says = match audit.fault {
                None => format!("whole, {}", entries(audit.size)),
                Some((position, _)) => format!("not whole from entry {position}: assent audit verify"),
            };
            findings.push(Finding { what: "log", good: audit.fault.is_none(), says });
            findings.extend(other_models(&ledger)?);
            let collections = vault::collections(&ledger)?;
            findings.extend(of_the_vault(&ledger, &collections)?);
            if collections.is_empty() {
                let says = "none yet: assent collection add NAME FOLDER".to_owned();
                findings.push(Finding { what: "collections", good: false, says });
            }
            for c in &collections {
                let folder = assent::source::Folder::open(&c.directory);
                let missing = ledger.read_tx(now(), |tx| tx.missing_prerequisites(c.id))?;
                let n = ledger.read_tx(now(), |tx| tx.counts(c.id))?;
                let unopened = match model {
                    Some(model) if missing.is_empty() && !c.frozen => {
                        let find = Purpose::find_my_photos();
                        let opened = ledger.read_tx(now(), |tx| {
                            let what = tx.searchable(c.id, &find, model)?;
                            tx.open_templates(&what, all_threads(), &|open| vec![true; open.len()], &mut |_| {})
                        });
                        match opened {
                            Ok(unopened) => unopened.len(),
                            // An order to stop, or a request that is overdue: no reason to say nothing of the rest.
                            Err(refused) => {
                                let says = format!("{}: {}", c.name, chain(&refused));
                                findings.push(Finding { what: "search", good: false, says });
                                0
                            }
                        }
                    }
                    _ => 0,
                };
                findings.extend(missing.iter().map(|lock| basis(lock, c)));
                let over = describe_past_end(&ledger, c, n.templates == 0)?;
                let (good, says) = match folder {
                    Err(e) => (false, format!("{}: {}", c.name, chain(&e))),
                    Ok(_) if unopened > 0 => (
                        false,
                        format!(
                            "{}: {} did not open; is this the vault's key ring?",
                            c.name,
                            count(unopened, "template")
                        ),
                    ),
                    Ok(_) if over.is_some() => over.unwrap_or_default(),
                    Ok(_) if n.templates == 0 => (
                        true,
                        format!("{}: nobody asks to be found; faces are not compared (assent enrol --help)", c.name),
                    ),
                    Ok(_) if n.photos == 0 => {
                        (false, format!("{}: not scanned yet: assent scan {}", shown(&c.name), quoted(&c.name)))
                    }
                    Ok(_) => (
                        true,
                        format!(
                            "{}: {}, {} to find people by",
                            shown(&c.name),
                            photos(n.photos, n.missing),
                            count(n.templates as usize, "picture")
                        ),
                    ),
                };
                findings.push(Finding { what: "collection", good, says });
            }
        }
        Err(e) => findings.push(Finding { what: "vault", good: false, says: chain(&e) }),
    }
    let objects: Vec<_> = findings.iter().map(|f| json!({ "what": f.what, "good": f.good, "says": f.says })).collect();
    let well = findings.iter().all(|f| f.good);
    out.answer(&json!({ "well": well, "findings": objects }), |out| {
        for f in &findings {
            writeln!(out, "{}\t{}: {}", if f.good { "good" } else { "MISSING" }, f.what, f.says)?;
        }
        Ok(())
    })?;
    if well { Ok(()) } else { Err(CommandError::Doctor) }
}

/// What keeps faces of a collection from being compared; good where that was chosen.
fn basis(lock: &TxError, c: &Collection) -> Finding {
    let says = describe_prerequisite(lock, &c.name);
    let named = matches!(lock, TxError::OnRequest { .. });
    let says = if named { says } else { format!("{}: {says}", c.name) };
    Finding { what: "basis", good: is_chosen(lock), says }
}

/// Which pictures need a program of the system. Without it they are left out and named: no reason to call a vault unwell
/// that may have none of them.
fn formats() -> Finding {
    let says = match places::heif_program() {
        Some(program) => format!("HEIC and AVIF pictures are decoded by {}", program.path().display()),
        None => format!("HEIC and AVIF pictures are left out: {GET_HEIF_PROGRAM}"),
    };
    Finding { what: "formats", good: true, says }
}

fn photos(known: u64, missing: u64) -> String {
    let missing = if missing > 0 { format!(" ({missing} missing)") } else { String::new() };
    format!("{}{missing}", count(known as usize, "photo"))
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(c) = cause {
        text.push_str(": ");
        text.push_str(&c.to_string());
        cause = c.source();
    }
    text
}

/// What there is to say of the vault as a whole.
fn of_the_vault(ledger: &Ledger, collections: &[Collection]) -> Result<Vec<Finding>, TxError> {
    let mut findings = undone(ledger)?;
    findings.extend(left_behind(ledger)?);
    findings.extend(clock(ledger)?);
    findings.extend(keys(ledger, collections)?);
    Ok(findings)
}

/// What an interruption, or a full disk, left to do.
fn left_behind(ledger: &Ledger) -> Result<Vec<Finding>, TxError> {
    let mut findings = Vec::new();
    if ledger.scrub_is_due(now())? {
        let says =
            "traces of deleted rows are left in the vault's file, because there was no room to write it anew; make as \
                    much room as the vault takes, then run any command"
                .to_owned();
        findings.push(Finding { what: "disk", good: false, says });
    }
    if let Some(says) = vault::older_ring(ledger) {
        findings.push(Finding { what: "key ring", good: false, says });
    }
    if ledger.notes_due(now())? > 0 {
        let says =
            "what was withdrawn, ordered or asked for lately is not noted in it, so that an old backup of the vault \
                    would not know it; make room on its disk, then run any command"
                .to_owned();
        findings.push(Finding { what: "key ring", good: false, says });
    }
    let unfinished = ledger.unfinished_erasures(now())?;
    if unfinished > 0 {
        let says = format!(
            "{} began and could not be finished; make room on the disks of the vault and of the key ring, then run any command",
            count(unfinished, "erasure")
        );
        findings.push(Finding { what: "erasures", good: false, says });
    }
    Ok(findings)
}

/// Whether all is well with the consents of a collection that are over by their date, and what there is to say of them.
fn describe_past_end(ledger: &Ledger, c: &Collection, nobody_left: bool) -> Result<Option<(bool, String)>, TxError> {
    let over = ledger.read_tx(now(), |tx| tx.past_end_date(c.id))?;
    Ok(over.and_then(|over| Some((over.waiting == 0, doctor_keys::describe_past_end(&over, &c.name, nobody_left)?))))
}

/// What is wrong with the clock.
fn clock(ledger: &Ledger) -> Result<Option<Finding>, TxError> {
    let doubt = ledger.clock(now())?;
    Ok(doubt.map(|doubt| Finding { what: "clock", good: false, says: doubt.to_string() }))
}

/// Whose key is damaged, and how many slots are that concern nobody who can be named.
fn keys(ledger: &Ledger, collections: &[Collection]) -> Result<Vec<Finding>, TxError> {
    let check = ledger.check_keys(now())?;
    let finding = |says| Finding { what: "keys", good: false, says };
    let mut findings: Vec<Finding> =
        check.people.iter().map(|who| finding(doctor_keys::describe(who, collections))).collect();
    if findings.is_empty() && !check.damaged.is_empty() {
        let places = count(check.damaged.len(), "place");
        findings.push(finding(format!("{places} in the key ring damaged; everybody has their key: assent keys check")));
    }
    Ok(findings)
}

/// What people wait for.
fn undone(ledger: &Ledger) -> Result<Vec<Finding>, TxError> {
    let now = now();
    let found = ledger.read_tx(now, |tx| {
        let overdue = tx.requests()?.iter().filter(|request| request.days_overdue(now) > 0).count();
        Ok((tx.all_pending()?, tx.witnesses()?, overdue))
    })?;
    let (waiting, witnesses, overdue) = found;
    let mut findings = Vec::new();
    let mut wait = |n: usize, command: String| {
        let says = format!("{} for witnesses: {command}", enrolments_wait(n));
        findings.push(Finding { what: "enrolments", good: false, says });
    };
    for witness in witnesses {
        let n = waiting.iter().filter(|p| p.missing().contains(&witness.id)).count();
        if n > 0 {
            wait(n, format!("assent witness sign \"{}\"", witness.name));
        }
    }
    let signed = waiting.iter().filter(|p| p.missing().is_empty()).count();
    if signed > 0 {
        let says = format!("{} although both witnesses have signed: assent enrol --complete", enrolments_wait(signed));
        findings.push(Finding { what: "enrolments", good: false, says });
    }
    if overdue > 0 {
        let number = count(overdue, "request");
        let says = format!("{number} overdue, and nothing new is done until then: assent request list");
        findings.push(Finding { what: "requests", good: false, says });
    }
    Ok(findings)
}

/// Whether there are models, and what runs them.
fn models_found(loaded: &Result<Models, LoadModelsError>) -> Finding {
    let (good, says) = match loaded {
        Ok(loaded) => {
            let (pack, library) = (loaded.pack(), loaded.runtime().library());
            (true, format!("{} {}, run by {}", pack.name(), pack.version(), library.display()))
        }
        Err(e) => (false, chain(e)),
    };
    Finding { what: "models", good, says }
}

/// People who are enrolled with other models than most are.
fn other_models(ledger: &Ledger) -> Result<Option<Finding>, CommandError> {
    let in_use = ledger.read_tx(now(), |tx| tx.template_models(None))?;
    let people: u64 = in_use.iter().skip(1).map(|(_, people)| people).sum();
    let says = format!(
        "{} enrolled with other models than most people here, and looked for only by a scan with their pack (--pack); \
         to have one for all: assent gallery move",
        are(people as usize, "person", "people")
    );
    Ok((people > 0).then_some(Finding { what: "models", good: false, says }))
}
