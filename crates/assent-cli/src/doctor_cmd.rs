//! `assent doctor`: what is missing, each with the next command.

use assent::ledger::{Collection, DatabaseStatus, Ledger, TxError, Witness};
use assent::models::Models;
use assent::service::status::{self, CollectionState, CollectionStatus, Status};
use assent_documents::failed_files::GET_HEIF_PROGRAM;
use assent_documents::json::status::{self as json, Examined};

use crate::audit_cmd::entries;
use crate::collection_cmd::{describe_prerequisite, is_chosen};
use crate::doctor_keys;
use crate::error::CommandError;
use crate::hints::chain;
use crate::models_arg::{LoadModelsError, ModelPlaces};
use crate::output::{Output, count, number_of, quoted, shown};
use crate::pending_cmd::enrolments_wait;
use crate::places;
use crate::search_args::all_threads;
use crate::vault::{self, VaultFlags, now};

/// So many minutes the clocks of this machine and of the database's server may differ.
const CLOCKS_DIFFER_MIN: i64 = 5;

/// One line of the examination.
struct Finding {
    what: &'static str,
    good: bool,
    says: String,
}

impl From<&Finding> for json::Finding {
    fn from(Finding { what, good, says }: &Finding) -> Self {
        Self { what: (*what).to_owned(), good: *good, says: says.clone() }
    }
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
            let status = status::examine(&ledger, model, all_threads(), now())?;
            findings.extend(of_the_vault(&ledger, &status));
            if status.collections.is_empty() {
                let says = "none yet: assent collection add NAME FOLDER".to_owned();
                findings.push(Finding { what: "collections", good: false, says });
            }
            findings.extend(status.collections.iter().flat_map(of_collection));
        }
        Err(e) => findings.push(Finding { what: "vault", good: false, says: chain(&e) }),
    }
    let well = findings.iter().all(|f| f.good);
    let answer = Examined { well, findings: findings.iter().map(json::Finding::from).collect() };
    out.answer(&answer, |out| {
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

/// What there is to say of the vault as a whole.
fn of_the_vault(ledger: &Ledger, status: &Status) -> Vec<Finding> {
    let says = match status.audit.fault {
        None => format!("whole, {}", entries(status.audit.size)),
        Some((position, _)) => format!("not whole from entry {position}: assent audit verify"),
    };
    let mut findings = vec![Finding { what: "log", good: status.audit.fault.is_none(), says }];
    findings.extend(status.audit.tampered.iter().map(|found| {
        let found = shown(found);
        let says =
            format!("changed by something other than assent: {found}. Keep a copy, and restore it: assent restore");
        Finding { what: "database", good: false, says }
    }));
    findings.extend(status.database.as_ref().map(database));
    findings.extend(other_models(status.people_of_other_models));
    findings.extend(undone(status));
    findings.extend(left_behind(ledger, status));
    findings.extend(status.clock.as_ref().map(|doubt| Finding { what: "clock", good: false, says: doubt.to_string() }));
    findings.extend(keys(status));
    findings
}

/// How the database is reached, where it is PostgreSQL.
fn database(about: &DatabaseStatus) -> Finding {
    let way =
        about.tls.as_ref().map_or("nothing is encrypted on the way, which stays on this machine".to_owned(), |tls| {
            format!("the way there is encrypted ({tls}), and the server proved its name")
        });
    let DatabaseStatus { server, schema, read_only, .. } = about;
    let says = format!("PostgreSQL {server}, schema {}; {way}", shown(schema));
    if *read_only {
        let says =
            format!("{says}; it can only be read: it is a standby, or was set so, and nothing can be changed in it");
        return Finding { what: "database", good: false, says };
    }
    let ahead_min = now().0.saturating_sub(about.clock.0) / 60_000;
    if ahead_min.abs() > CLOCKS_DIFFER_MIN {
        let side = if ahead_min > 0 { "ahead of" } else { "behind" };
        let minutes = ahead_min.abs();
        let says = format!(
            "{says}; this machine's clock is {minutes} minutes {side} the server's, which counts: set it right"
        );
        return Finding { what: "database", good: false, says };
    }
    Finding { what: "database", good: true, says }
}

/// What there is to say of one collection.
fn of_collection(about: &CollectionStatus) -> Vec<Finding> {
    let (c, n) = (&about.collection, &about.counts);
    let mut findings = Vec::new();
    if let Some(refused) = &about.refused {
        // No reason to say nothing of the rest.
        findings.push(Finding { what: "search", good: false, says: format!("{}: {}", c.name, chain(refused)) });
    }
    findings.extend(about.missing.iter().map(|lock| basis(lock, c)));
    let state = about.state();
    let says = match &state {
        CollectionState::FolderAway(away) => format!("{}: {}", c.name, chain(*away)),
        CollectionState::Unopened(unopened) => {
            format!("{}: {} did not open; is this the vault's key ring?", c.name, count(*unopened, "template"))
        }
        CollectionState::PastEnd(over) => doctor_keys::describe_past_end(over, &c.name),
        CollectionState::NobodyAsks => {
            format!("{}: nobody asks to be found; faces are not compared (assent enrol --help)", c.name)
        }
        CollectionState::NotScanned => {
            format!("{}: not scanned yet: assent scan {}", shown(&c.name), quoted(&c.name))
        }
        CollectionState::Ready => format!(
            "{}: {}, {} to find people by",
            shown(&c.name),
            photos(n.photos, n.missing),
            count(n.templates as usize, "picture")
        ),
    };
    findings.push(Finding { what: "collection", good: state.is_good(), says });
    findings
}

/// What an interruption, or a full disk, left to do.
fn left_behind(ledger: &Ledger, status: &Status) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(says) = vault::older_ring(ledger) {
        findings.push(Finding { what: "key ring", good: false, says });
    }
    if status.notes_due > 0 {
        let says =
            "what was withdrawn, ordered or asked for lately is not noted in it, so that an old backup of the vault \
                    would not know it; make room on its disk, then run any command"
                .to_owned();
        findings.push(Finding { what: "key ring", good: false, says });
    }
    if status.unfinished_erasures > 0 {
        let says = format!(
            "{} began and could not be finished; make room on the disks of the vault and of the key ring, then run any command",
            count(status.unfinished_erasures, "erasure")
        );
        findings.push(Finding { what: "erasures", good: false, says });
    }
    findings
}

/// Whose key is damaged, and how many slots are that concern nobody who can be named.
fn keys(status: &Status) -> Vec<Finding> {
    let check = &status.keys;
    let collections: Vec<Collection> = status.collections.iter().map(|about| about.collection.clone()).collect();
    let finding = |says| Finding { what: "keys", good: false, says };
    let mut findings: Vec<Finding> =
        check.people.iter().map(|who| finding(doctor_keys::describe(who, &collections))).collect();
    if !check.grants.is_empty() {
        findings.push(finding(doctor_keys::describe_grants(&check.grants)));
    }
    if findings.is_empty() && !check.damaged.is_empty() {
        let places = count(check.damaged.len(), "place");
        findings.push(finding(format!("{places} in the key ring damaged; everybody has their key: assent keys check")));
    }
    findings
}

/// What people wait for.
fn undone(status: &Status) -> Vec<Finding> {
    let wait = |n: usize, then: String| {
        let says = format!("{} {then}", enrolments_wait(n));
        Finding { what: "enrolments", good: false, says }
    };
    let sign =
        |(witness, n): &(Witness, usize)| wait(*n, format!("for witnesses: assent witness sign \"{}\"", witness.name));
    let mut findings: Vec<Finding> = status.waiting.witnesses.iter().map(sign).collect();
    let signed = status.waiting.signed;
    if signed > 0 {
        findings.push(wait(signed, "although both witnesses have signed: assent enrol --complete".to_owned()));
    }
    if status.overdue_requests > 0 {
        let number = count(status.overdue_requests, "request");
        let says = format!("{number} overdue, and nothing new is done until then: assent request list");
        findings.push(Finding { what: "requests", good: false, says });
    }
    findings
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
fn other_models(people: u64) -> Option<Finding> {
    let says = format!(
        "{} enrolled with other models than most people here, and looked for only by a scan with their pack (--pack); \
         to have one for all: assent gallery move",
        number_of(people as usize, "person is", "people are")
    );
    (people > 0).then_some(Finding { what: "models", good: false, says })
}
