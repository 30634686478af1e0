//! `assent-bench hands`: how long people wait for a vault that a scan works on, and the scan for them.

use std::fs;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use assent::budget::MEMORY_MB_PER_THREAD;
use assent::find::{Disclosure, find};
use assent::ledger::{BystanderBasis, EventKind, Ledger, NewCollection, NewGrant, Purpose, SubjectId, Timestamp};
use assent::packs::sha256;
use assent::scan::{ScanOptions, ScanWatch, scan};
use assent::{DeclaredRates, SearchOptions};
use assent_testkit::{NOTICE, OPERATOR, T0, World, act, at, crew, models};
use clap::Args;
use serde_json::{Value, json};

use crate::Error;
use crate::figures::{median, p99, round};
use crate::setup::cpu;
use crate::vault::{empty_world, enrol, put_photos};

/// Photos in which each of those who are looked for was seen.
const SEEN: usize = 50;

/// How many people are looked for in turn.
const WANTED: usize = 20;

/// Who is searched for in the photos that are scanned, from the sample portraits.
const PORTRAIT: &str = "julie-payette";

/// Calls beside the scan in a second.
const CALLS: u64 = 50;

#[derive(Debug, Args)]
pub(crate) struct HandsArgs {
    /// Photos in the vault
    #[arg(long, value_name = "N", default_value = "100000")]
    photos: NonZeroUsize,
    /// People in the vault
    #[arg(long, value_name = "N", default_value = "20000")]
    people: NonZeroUsize,
    /// Scans of the sample photos alone, and as many beside the calls
    #[arg(long, value_name = "N", default_value = "6")]
    scans: NonZeroUsize,
}

/// # Errors
///
/// If the vault cannot be written, or a scan or an answer fails.
pub(crate) fn run(args: &HandsArgs) -> Result<Value, Error> {
    let world = empty_world();
    let people = enrol(&world, args.people.get(), [1; 32], &mut || vec![vec![7; 256]])?;
    let (wanted, leaving) = people.split_at(WANTED.min(people.len()));
    let few = args.photos.get() / 10;
    put_photos(&world, 0..few, 2, |n| wanted.get(n / SEEN).copied())?;
    let find_few = finds(&world.ledger, &world, wanted, 200)?;
    put_photos(&world, few..args.photos.get(), 2, |_| None)?;
    let find_all = finds(&world.ledger, &world, wanted, 200)?;

    let scans = Scans { world: &world, made: AtomicUsize::new(0), sought: sought(&world)? };
    scans.once(&world.ledger)?;
    let alone = scans.timed(args.scans.get())?;
    let (other, over) = (world.open_again(), AtomicBool::new(false));
    let (beside, calls) = thread::scope(|scope| {
        let calls = scope.spawn(|| call(&other, &world, wanted, leaving, &over));
        let beside = scans.timed(args.scans.get());
        over.store(true, Ordering::Relaxed);
        (beside, calls.join())
    });
    let (beside, calls) = (beside?, calls.map_err(|_| "a call panicked")??);
    let leaves = leaves_beside(&scans, &world)?;
    Ok(json!({
        "caveats": ["every write waits for the disk of this machine, and its disk is not yours"],
        "cpu": cpu(),
        "photos": args.photos,
        "people": args.people,
        "withdrawals": calls.withdraw.len(),
        "withdraw_p50_ms": round(median(&calls.withdraw), 2),
        "withdraw_p99_ms": round(p99(&calls.withdraw), 2),
        "finds": calls.find.len(),
        "find_p50_ms": round(median(&calls.find), 2),
        "find_p99_ms": round(p99(&calls.find), 2),
        "find_growth": round(median(&find_all) / median(&find_few), 2),
        "find_alone_ms": round(median(&find_all), 2),
        "leaves_per_s": round(leaves, 0),
        "scan_alone_s": round(median(&alone), 3),
        "scan_beside_s": round(median(&beside), 3),
        "scan_slowdown": round(median(&beside) / median(&alone), 2),
    }))
}

/// Somebody of the sample photos, enrolled, and their template as it is stored.
fn sought(world: &World) -> Result<(SubjectId, Vec<u8>), Error> {
    let (subject, _) = world.enrol(PORTRAIT, PORTRAIT);
    let model = models().pack().model_sha256;
    let gallery =
        world.ledger.read_tx(T0, |tx| tx.searchable_templates(world.collection, &Purpose::find_my_photos(), model))?;
    let template = gallery.templates.into_iter().find(|t| t.subject == subject).ok_or("nobody was enrolled")?;
    Ok((subject, template.plain.to_vec()))
}

/// Scans of the sample photos, each of a collection of its own.
struct Scans<'w> {
    world: &'w World,
    made: AtomicUsize,
    /// Who is looked for in the photos, and their template.
    sought: (SubjectId, Vec<u8>),
}

impl Scans<'_> {
    fn timed(&self, times: usize) -> Result<Vec<f64>, Error> {
        (0..times).map(|_| self.once(&self.world.ledger)).collect()
    }

    /// How long a scan takes, seconds.
    fn once(&self, ledger: &Ledger) -> Result<f64, Error> {
        let name = format!("crew-{}", self.made.fetch_add(1, Ordering::Relaxed));
        let folder = self.world.home.dir.path().join(&name);
        fs::create_dir(&folder)?;
        for photo in fs::read_dir(crew().join("photos"))? {
            let photo = photo?;
            fs::copy(photo.path(), folder.join(photo.file_name()))?;
        }
        let directory = folder.to_str().ok_or("the temporary folder is not UTF-8")?;
        let new = NewCollection { name: &name, directory, others: BystanderBasis::ClosedGroup };
        let (subject, template) = &self.sought;
        let evidence = self.world.paper();
        let purpose = Purpose::find_my_photos();
        let added = ledger.run_tx("add", T0, |tx| {
            let collection = tx.add_collection(&new)?;
            let grant = tx.open_grant(&NewGrant {
                subject: *subject,
                collection,
                purpose: &purpose,
                evidence: &evidence,
                valid_from: tx.now(),
                valid_until: at(30),
                notice_sha256: sha256(NOTICE.as_bytes()),
            })?;
            tx.enrol(&tx.active_grant(grant)?, models().pack().model_sha256, &[template])?;
            Ok(collection)
        });
        let collection = added?.into_inner();
        let options = ScanOptions {
            search: SearchOptions::default(),
            threads: 2,
            rates: DeclaredRates::default(),
            memory_mb: 2 * MEMORY_MB_PER_THREAD,
            free_bytes: None,
            request: None,
            by: OPERATOR,
        };
        let begun = Instant::now();
        let now = || Timestamp(T0.0 + begun.elapsed().as_millis() as i64);
        let mut watch = ScanWatch { now: &now, stop: &Arc::default(), progress: &mut |_| {} };
        let summary = scan(ledger, models(), collection, options, &mut watch)?;
        if summary.matches == 0 {
            return Err("the scan found nobody".into());
        }
        Ok(begun.elapsed().as_secs_f64())
    }
}

/// What people waited, ms.
#[derive(Default)]
struct Calls {
    find: Vec<f64>,
    withdraw: Vec<f64>,
}

/// So many calls a second, each other one a withdrawal.
fn call(
    ledger: &Ledger,
    world: &World,
    wanted: &[SubjectId],
    leaving: &[SubjectId],
    over: &AtomicBool,
) -> Result<Calls, Error> {
    let mut calls = Calls::default();
    let begun = Instant::now();
    for (n, leaves) in (0..).zip(leaving) {
        let due = Duration::from_millis(n * 1000 / CALLS * 2);
        thread::sleep(due.saturating_sub(begun.elapsed()));
        if over.load(Ordering::Relaxed) {
            break;
        }
        calls.find.extend(finds(ledger, world, &wanted[n as usize % wanted.len()..][..1], 1)?);
        let started = Instant::now();
        ledger.run_tx("withdraw", T0, |tx| {
            let proof = tx.active_grant_for(*leaves, world.collection, &Purpose::find_my_photos())?;
            proof.map_or(Ok(()), |proof| tx.withdraw(proof))
        })?;
        calls.withdraw.push(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(calls)
}

fn finds(ledger: &Ledger, world: &World, wanted: &[SubjectId], times: usize) -> Result<Vec<f64>, Error> {
    let mut took = Vec::with_capacity(times);
    for subject in wanted.iter().cycle().take(times) {
        let started = Instant::now();
        let found = find(ledger, *subject, Some(world.collection), Disclosure::Search, act(T0))?;
        took.push(started.elapsed().as_secs_f64() * 1e3);
        if found.photos.len() != SEEN {
            return Err(format!("{} photos were found, not {SEEN}", found.photos.len()).into());
        }
    }
    Ok(took)
}

/// Leaves that eight threads append in a second while scans run.
fn leaves_beside(scans: &Scans<'_>, world: &World) -> Result<f64, Error> {
    let over = AtomicBool::new(false);
    let appended = AtomicUsize::new(0);
    thread::scope(|scope| {
        let appending: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| -> Result<(), Error> {
                    while !over.load(Ordering::Relaxed) {
                        world.ledger.run_tx("append", T0, |tx| tx.append_leaf(EventKind::Search, b"bench", &[]))?;
                        appended.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        let begun = Instant::now();
        let scanned = scans.timed(2);
        let rate = appended.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
        over.store(true, Ordering::Relaxed);
        for thread in appending {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        scanned.map(|_| rate)
    })
}
