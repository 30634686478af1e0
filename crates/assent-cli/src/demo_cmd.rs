//! `assent demo`: the whole way on the sample photos, in a vault that is gone afterwards.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use assent::budget::MEMORY_MB_PER_THREAD;
use assent::enrol::{Consent, Enrolment};
use assent::export::{Audience, Mark, check_page};
use assent::find::{Disclosure, FoundPhoto, find};
use assent::ledger::{
    Age, Basis, Certificate, Database, Dpia, Evidence, Ledger, NewFile, NewSubject, Purpose, Settings, Signer,
    SubjectId, Timestamp, VaultKind, VaultPlace,
};
use assent::models::Models;
use assent::packs::{PhotoPack, sha256};
use assent::release::open_release;
use assent::scan::{Progress, ScanOptions, ScanWatch, scan};
use assent::service::consents::{self, Meant};
use assent::service::demonstration::{self, Prepared, Sample};
use assent::service::enrolment::{complete, record};
use assent::service::subjects;
use assent::{CoverStyle, DeclaredRates, Frame};
use assent_documents::error::DocumentError;
use assent_documents::json::rounded;
use assent_documents::json::status::{DemoStep, Demonstrated};
use assent_documents::sheet::About;
use clap::Args;

use crate::audit_cmd::entries;
use crate::enrol_cmd::PORTRAIT_SEARCH;
use crate::error::CommandError;
use crate::files::read_bytes;
use crate::models_arg::{LoadModelsError, ModelPlaces};
use crate::output::{Output, count, long_date};
use crate::scan_cmd::{Expected, lines};
use crate::search_args::SearchArgs;
use crate::{pages, progress, vault};

/// The person whose photos are looked for: the pack has two of him, and one of them is a crew of thirteen.
const PERSON: &str = "oleg-kotov";

/// What he is called on the page.
const NAME: &str = "Oleg Kotov";

/// What the people of the demonstration are told.
const NOTICE: &str = "This is a demonstration.";

/// What the witnesses of the demonstration type.
const PASSPHRASE: &[u8] = b"nobody else knows this sentence";

const ONE_DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where the contact sheet is left
    #[arg(long, value_name = "FILE.html", default_value = "assent-demo.html")]
    sheet: PathBuf,
    #[command(flatten)]
    search: SearchArgs,
}

/// The steps, each with the time it took.
struct StepPrinter<'a, 'b> {
    out: &'a mut Output<'b>,
    began: Instant,
    /// Seconds and text of each step, for machines.
    steps: Vec<DemoStep>,
}

impl<'a, 'b> StepPrinter<'a, 'b> {
    fn begin(out: &'a mut Output<'b>) -> StepPrinter<'a, 'b> {
        StepPrinter { out, began: now(), steps: Vec::new() }
    }

    fn step(&mut self, text: &str) -> Result<(), CommandError> {
        let seconds = self.began.elapsed().as_secs_f64();
        if self.out.json {
            self.steps.push(DemoStep { seconds: rounded(seconds, 1), step: text.to_owned() });
        } else {
            writeln!(self.out.out, "{seconds:>6.1} s  {text}")?;
        }
        self.began = now();
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the binary is the only reader of the clock (I10)")]
fn now() -> Instant {
    Instant::now()
}

/// # Errors
///
/// [`CommandError`] if the sample photos or the models are missing, or a step does not show what it should.
pub(crate) fn run(args: &DemoArgs, places: &ModelPlaces, out: &mut Output<'_>) -> Result<(), CommandError> {
    let folder = match places.sample_photos() {
        Err(LoadModelsError::NoPack { kind, name, roots, next }) => {
            if !out.json {
                own_photos(out.out)?;
            }
            return Err(LoadModelsError::NoPack { kind, name, roots, next }.into());
        }
        other => other?,
    };
    check_page(&args.sheet, mark(), &[])?;
    let models = places.load()?;
    let pack =
        PhotoPack::load(&folder).and_then(|pack| Ok((pack.verify()?, pack))).map_err(assent::models::ModelsError::from);
    let (verified, pack) = pack.map_err(LoadModelsError::from)?;
    if !verified.is_sample_set() {
        return Err(CommandError::Demo { what: "the sample photos are not the ones it is made for" });
    }
    let temporary = tempfile::tempdir()?;
    let mut printer = StepPrinter::begin(out);
    printer.step("Loaded the models. Each photo pack and each network was compared with its card.")?;

    let place = VaultPlace {
        folder: temporary.path().join("vault"),
        ring: temporary.path().join("keys"),
        database: Database::Sqlite,
    };
    let ledger = vault::create_at(&place, VaultKind::Organisation, &settings())?;
    let photos = pack.photos_dir.display().to_string();
    let sample = Sample {
        name: "missions",
        photos: &photos,
        basis: &basis(vault::now()),
        notice: NOTICE,
        witnesses: ["First witness", "Second witness"],
    };
    let prepared = demonstration::prepare(&ledger, &sample, PASSPHRASE, vault::act())?;
    let collection = prepared.collection;
    printer.step("Made a vault in a temporary folder, its keys apart from it.")?;

    let (people, person) = enrol_everybody(&ledger, &models, &verified.portraits, &prepared)?;
    printer.step(&format!(
        "Enrolled {people} people from one portrait each, when two witnesses had signed all of it with one signature each. \
         (The demonstration stands in for the releases and for the witnesses.)"
    ))?;

    let threads = args.search.threads();
    let memory_mb = MEMORY_MB_PER_THREAD * threads as u64;
    let options = ScanOptions {
        search: args.search.options(),
        threads,
        rates: DeclaredRates::default(),
        memory_mb,
        free_bytes: None,
        request: None,
        by: vault::OPERATOR,
    };
    let bar = progress::bar(0, "photos");
    let mut tick = |p: Progress| {
        bar.set_length(p.of as u64);
        bar.set_position(p.done as u64);
    };
    let never = Arc::default();
    let mut watch = ScanWatch { now: &vault::now, stop: &never, progress: &mut tick };
    let summary = scan(&ledger, &models, collection, options, &mut watch)?;
    bar.finish_and_clear();
    printer.step(&lines(&summary, "missions", Expected::of(&summary)).join(" "))?;

    let found = find(&ledger, person, Some(collection), Disclosure::Export, vault::act())?.photos;
    if found.is_empty() {
        return Err(CommandError::Demo { what: "the enrolled person was not found" });
    }
    write_page(&args.sheet, &found)?;
    let paths: Vec<String> = found.iter().map(|f| f.path.to_string()).collect();
    printer.step(&format!("{NAME} is in {}: {}.", count(found.len(), "photo"), paths.join(", ")))?;
    let covered: usize = found.iter().map(|f| f.covered.len()).sum();
    printer.step(&format!(
        "Wrote a page with these photos, a ring around {NAME}, {} of other people blurred.",
        count(covered, "face")
    ))?;

    consents::withdraw(&ledger, &Meant { subject: person, collection: Some(collection), purpose: None }, vault::act())?;
    if !find(&ledger, person, None, Disclosure::Search, vault::act())?.photos.is_empty() {
        return Err(CommandError::Demo { what: "a person who withdrew was found" });
    }
    printer.step(&format!("{NAME} withdrew: the same question now finds nothing."))?;

    let erased = ledger.erase(person, vault::act(), |_| ())?;
    printer.step(&format!(
        "Erased {NAME}: all that was held is deleted, the key destroyed; entries {} and {} of the log say so.",
        erased.intent, erased.done
    ))?;
    Certificate::verify(&ledger.certificate(person, vault::now())?, &ledger.log_keys())?;
    printer.step("Checked the certificate of the erasure, with nothing but the log's public key.")?;
    let audit = ledger.audit_verify(None, vault::now())?;
    if audit.fault.is_some() {
        return Err(CommandError::Demo { what: "the log is not whole" });
    }
    printer.step(&format!("Verified the log: {}, whole.", entries(audit.size)))?;
    drop(ledger);
    temporary.close()?;
    let sheet = args.sheet.display().to_string();
    let answer = Demonstrated { steps: printer.steps, sheet: sheet.clone() };
    printer.out.answer(&answer, |out| writeln!(out, "The vault is gone again. Left behind: {sheet}"))?;
    Ok(())
}

/// Of the page, so that the next demonstration may write it anew: its person is another one each time.
fn mark() -> Mark {
    Mark::new(SubjectId::from_bytes(*b"assent demo page"), Audience::Subject)
}

/// The page that stays.
fn write_page(file: &Path, found: &[FoundPhoto]) -> Result<(), CommandError> {
    let title = format!("Photos of {NAME}");
    let made = format!("Made on {} by the demonstration of Assent, from its sample photos.", long_date(vault::now()));
    let about = About { mark: mark(), title: &title, made: &made, style: CoverStyle::default() };
    let unseen = pages::write_sheet(file, &about, None, found)?;
    unseen.into_iter().next().map_or(Ok(()), |(_, error)| Err(error.into()))
}

/// What to do without the sample photos.
fn own_photos(out: &mut dyn Write) -> Result<(), CommandError> {
    writeln!(out, "The sample photos are not here. With photos of your own:")?;
    for line in [
        "assent init --household",
        "assent collection add photos FOLDER",
        "assent enrol --self --photo A-PICTURE-OF-YOU.jpg",
        "assent scan photos",
        "assent find me --sheet found.html",
    ] {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

fn settings() -> Settings {
    Settings {
        controller: "Demonstration".to_owned(),
        accountable: "Demonstration".to_owned(),
        contact: "nobody".to_owned(),
        jurisdiction: "EU".to_owned(),
        ..Settings::default()
    }
}

/// What an organisation would state. The demonstration stands in for its documents, too.
fn basis(now: Timestamp) -> Basis {
    let text = Some("demonstration".to_owned());
    let dpia = Dpia { reference: "demonstration".to_owned(), made: now, review: Timestamp(now.0 + ONE_DAY_MS) };
    Basis { dpia: Some(dpia), necessity: text.clone(), alternative: text, notice_public: Some(now), ..Basis::default() }
}

/// Enrols everybody with a portrait; returns how many, and who [`PERSON`] is.
fn enrol_everybody(
    ledger: &Ledger,
    models: &Models,
    portraits: &[PathBuf],
    Prepared { collection, witnesses }: &Prepared,
) -> Result<(usize, SubjectId), CommandError> {
    let mut worker = models.worker(PORTRAIT_SEARCH)?;
    let consents = [Consent { collection: *collection, purpose: Purpose::find_my_photos() }];
    let bar = progress::bar(portraits.len() as u64, "people");
    let (mut person, mut waiting) = (None, Vec::new());
    for (i, path) in portraits.iter().enumerate() {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let jurisdiction = "EU".parse()?;
        let new = NewSubject { handle: &name, name: &name, age: Age::Adult, jurisdiction, ..NewSubject::default() };
        let subject = subjects::add(ledger, &new, vault::act())?;
        if name == PERSON {
            person = Some(subject);
        }
        let form = release(i)?;
        let evidence = Evidence::Paper {
            release_sha256: open_release(&form)?,
            witnesses: witnesses.clone(),
            signed_by: Signer::Subject,
            statement: "demonstration".to_owned(),
            signed: None,
        };
        let bytes = read_bytes(path)?;
        let enrolment = Enrolment {
            subject,
            consents: &consents,
            evidence: &evidence,
            notice_sha256: sha256(NOTICE.as_bytes()),
            valid_until: Timestamp(vault::now().0 + ONE_DAY_MS),
            pictures: &[(path.display().to_string(), bytes)],
        };
        // No photo was scanned yet that a portrait could be compared with.
        let recorded = record(
            ledger,
            None,
            (&enrolment, NewFile { name: "form.jpg", bytes: &form }),
            &mut |_, _| {},
            vault::act(),
        )?;
        waiting.push(recorded.form.pending.id);
    }
    for pending in demonstration::sign(ledger, witnesses, &waiting, PASSPHRASE, vault::act())? {
        complete(ledger, Some((models, &mut worker)), &pending, &mut |_, _| {}, vault::act())?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok((portraits.len(), person.ok_or(CommandError::Demo { what: "the person is not among the portraits" })?))
}

/// A picture that stands for the `number`-th signed form; no two are alike.
fn release(number: usize) -> Result<Vec<u8>, CommandError> {
    let form = Frame::filled(64 + number as u32, 64, [250; 3]);
    Ok(assent::encode::jpeg(&form, 80).map_err(DocumentError::from)?)
}
