//! `assent-bench gallery`: how fast a large gallery is searched, and how fast it forgets.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use assent_gallery::gallery::{Gallery, Owner, Scope, Search};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::Error;
use crate::figures::{median, p99, round};
use crate::peers::peer;
use crate::python::{Module, Python, output};
use crate::sealed::open_sealed;
use crate::setup::{cpu, own_memory_bytes};
use crate::synthetic::{Dumped, Sphere, mates};

/// Cosine from which a row is an answer: that of the peers.
const THRESHOLD: f32 = 0.45;

/// How many probes share a pass over the rows.
const BATCHES: [usize; 5] = [1, 8, 32, 64, 256];

/// Rows that are removed while a search runs.
const REMOVALS: usize = 1000;

/// What the peer needs.
const MODULES: &[Module] = &[("numpy", "numpy"), ("faiss", "faiss-cpu")];

/// What `gallery` takes.
#[derive(Debug, Args)]
pub(crate) struct GalleryArgs {
    /// Templates
    #[arg(long, value_name = "N", default_value = "1000000")]
    n: NonZeroUsize,
    /// Numbers of each
    #[arg(long, value_name = "D", default_value = "256")]
    d: NonZeroUsize,
    /// Probes whose mate is looked for
    #[arg(long, value_name = "N", default_value = "1000")]
    probes: NonZeroUsize,
    /// Measure each this many times, in turn; medians are taken
    #[arg(long, value_name = "N", default_value = "5")]
    runs: NonZeroUsize,
    /// Threads that share a search
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,
    /// Sealed records of a vault that are opened, 0 for none [default: as --n, one million at most]
    #[arg(long, value_name = "N")]
    sealed: Option<usize>,
    /// Threads that open them
    #[arg(long, value_name = "N", default_value = "2")]
    open_threads: NonZeroUsize,
    /// Run FAISS as well, on the same numbers
    #[arg(long)]
    vs: bool,
    /// Read `gallery.f32`, `queries.f32` and `mates.i64` from this folder, as the peer's `--dump` writes them
    #[arg(long, value_name = "DIR", conflicts_with = "vs")]
    dump: Option<PathBuf>,
    /// A Python with numpy and faiss [default: bench/.venv, made on first use]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
}

/// Fills a gallery, searches it and removes from it.
///
/// # Errors
///
/// If the peer cannot be run, a file cannot be read, or a mate is not where it was put.
pub(crate) fn run(args: &GalleryArgs) -> Result<Value, Error> {
    let (n, d) = (args.n.get(), args.d.get());
    let mut versions = Value::Null;
    let mut peers = Vec::new();
    let dump_dir;
    let mut dump = args.dump.as_deref();
    if args.vs {
        let python = Python::ready(args.python.as_deref(), MODULES)?;
        dump_dir = tempfile::tempdir()?;
        eprintln!("FAISS: {n} vectors of {d}");
        peers = faiss(&python, dump_dir.path(), args)?;
        versions = python.versions;
        dump = Some(dump_dir.path());
    }
    let before = own_memory_bytes("VmRSS").ok();
    eprintln!("filling a gallery");
    let made = Made::fill(args, dump)?;
    let bytes = own_memory_bytes("VmRSS").ok().zip(before).map(|(after, before)| (after - before) / n as f64);
    let recall = made.recall(args)?;

    let mut took: Vec<Vec<f64>> = vec![Vec::new(); 1 + BATCHES.len()];
    let rows = Streamed::new(n * d);
    for run in 0..args.runs.get() {
        eprintln!("run {} of {}", run + 1, args.runs);
        took[0].push(rows.stream_ms());
        for (took, batch) in took[1..].iter_mut().zip(BATCHES) {
            took.push(made.batch_ms(args, batch)?);
        }
    }
    drop(rows);
    let removal = made.remove_under_search(args)?;
    let (kernel, protection) = (made.gallery.kernel(), made.gallery.protection());
    drop(made);
    let sealed = args.sealed.unwrap_or(n.min(1_000_000));
    let opened = if sealed > 0 { open_sealed(sealed, args.open_threads.get())? } else { Value::Null };

    let mut figures = Map::new();
    let mut put = |name: &str, value: Value| figures.insert(name.to_owned(), value);
    put(
        "caveats",
        json!([
            "random vectors are a hard case for an index and none for an exact scan: they say nothing about accuracy",
            "a machine that others use changes its speed by half from one minute to the next; quote ratios of one run",
        ]),
    );
    put("cpu", json!(cpu()));
    put("kernel", json!(kernel));
    put("threads", json!(args.threads));
    put("n", json!(n));
    put("d", json!(d));
    put("runs", json!(args.runs));
    let names = ["stream_ms", "one_ms", "batch8_ms", "batch32_ms", "batch64_ms", "batch256_ms"];
    for (name, took) in names.iter().zip(&took) {
        put(name, json!(round(median(took), 4)));
    }
    put("probes", json!(args.probes));
    put("recall", json!(recall));
    put("remove_p50_us", json!(round(removal.0, 2)));
    put("remove_p99_us", json!(round(removal.1, 2)));
    put("bytes_per_template", json!(bytes.map(|b| round(b, 1))));
    put("locked_in_memory", json!(protection.locked));
    put("kept_out_of_dumps", json!(protection.kept_out_of_dumps));
    put("open_s", opened["seconds"].clone());
    put("opened", opened);
    put("peers", json!(peers));
    put("peer_versions", versions);
    Ok(Value::Object(figures))
}

/// A gallery, probes, and who is each probe's mate.
struct Made {
    gallery: Gallery,
    probes: Vec<Vec<f32>>,
    mates: Vec<u32>,
}

impl Made {
    /// Each row has an owner of its own, whose number is the row's.
    fn fill(args: &GalleryArgs, dump: Option<&Path>) -> Result<Made, Error> {
        let (n, d, probes) = (args.n.get(), args.d.get(), args.probes.get());
        let gallery = Gallery::new(d);
        let mut sphere = Sphere::new(0, d);
        if let Some(dump) = dump {
            let mut rows = Dumped::open(&dump.join("gallery.f32"), d)?;
            for i in 0..n {
                gallery.insert(Owner(i as u32), Scope::default(), &rows.vector()?)?;
            }
            let mates = mates(&dump.join("mates.i64"))?;
            let mut queries = Dumped::open(&dump.join("queries.f32"), d)?;
            let probes = (0..mates.len().min(probes)).map(|_| queries.vector()).collect::<Result<_, _>>()?;
            return Ok(Made { gallery, probes, mates });
        }
        let mates: Vec<u32> = (0..probes).map(|_| (sphere.bits() % n as u64) as u32).collect();
        let mut vectors = std::collections::BTreeMap::new();
        let wanted: std::collections::BTreeSet<u32> = mates.iter().copied().collect();
        for i in 0..n as u32 {
            let vector = sphere.vector();
            gallery.insert(Owner(i), Scope::default(), &vector)?;
            if wanted.contains(&i) {
                vectors.insert(i, vector);
            }
        }
        let mut probe = |mate: &u32| {
            let cosine = 0.5 + 0.2 * sphere.part() as f32;
            sphere.turned_away(&vectors[mate], cosine)
        };
        let probes = mates.iter().map(&mut probe).collect();
        Ok(Made { gallery, probes, mates })
    }

    fn search(args: &GalleryArgs) -> Search {
        Search { threads: args.threads.get(), ..Search::least(THRESHOLD) }
    }

    /// Part of the probes whose best answer is their mate.
    fn recall(&self, args: &GalleryArgs) -> Result<f64, Error> {
        let mut found = 0;
        for (probes, mates) in self.probes.chunks(256).zip(self.mates.chunks(256)) {
            let probes: Vec<&[f32]> = probes.iter().map(Vec::as_slice).collect();
            let hits = self.gallery.search(&probes, &Made::search(args))?;
            found +=
                hits.iter().zip(mates).filter(|(hits, mate)| hits.first().is_some_and(|h| h.owner.0 == **mate)).count();
        }
        Ok(found as f64 / self.probes.len() as f64)
    }

    /// Milliseconds a probe, in batches of this many.
    fn batch_ms(&self, args: &GalleryArgs, batch: usize) -> Result<f64, Error> {
        // A single probe is quick and read off several times.
        let rounds = if batch == 1 { 5 } else { 1 };
        let mut took = Vec::new();
        for round in 0..rounds {
            let probes: Vec<&[f32]> = self.probes.iter().cycle().skip(round).take(batch).map(Vec::as_slice).collect();
            let started = Instant::now();
            std::hint::black_box(self.gallery.search(&probes, &Made::search(args))?);
            took.push(started.elapsed().as_secs_f64() * 1e3 / batch as f64);
        }
        Ok(median(&took))
    }

    /// Removes some rows, one after the other, while another thread searches for one probe and for 64 in turn. Median
    /// and 99th percentile of the time that a removal takes, microseconds.
    fn remove_under_search(&self, args: &GalleryArgs) -> Result<(f64, f64), Error> {
        eprintln!("removing {REMOVALS} rows under a running search");
        let n = args.n.get();
        let done = AtomicBool::new(false);
        let mut took = Vec::with_capacity(REMOVALS);
        std::thread::scope(|scope| -> Result<(), Error> {
            let searching = scope.spawn(|| {
                let probes: Vec<&[f32]> = self.probes.iter().cycle().take(64).map(Vec::as_slice).collect();
                while !done.load(Ordering::Relaxed) {
                    self.gallery.search(&probes[..1], &Search::least(THRESHOLD))?;
                    self.gallery.search(&probes, &Search::least(THRESHOLD))?;
                }
                Ok::<_, assent_gallery::vector::VectorError>(())
            });
            let mut sphere = Sphere::new(7, 2);
            while took.len() < REMOVALS.min(n) {
                // Spread over some seconds, so that they meet the search at many places.
                std::thread::sleep(Duration::from_millis(5));
                let owner = Owner((sphere.bits() % n as u64) as u32);
                let started = Instant::now();
                let removed = self.gallery.remove(owner);
                let elapsed = started.elapsed();
                if removed > 0 {
                    took.push(elapsed.as_secs_f64() * 1e6);
                }
            }
            done.store(true, Ordering::Relaxed);
            searching.join().map_err(|_| "the search panicked")??;
            Ok(())
        })?;
        Ok((median(&took), p99(&took)))
    }
}

/// As many bytes as the rows have.
struct Streamed(Vec<u64>);

impl Streamed {
    fn new(bytes: usize) -> Streamed {
        Streamed((0..bytes as u64 / 8).collect())
    }

    /// Milliseconds that one thread takes to read them all once: the median of five, as for a single probe.
    fn stream_ms(&self) -> f64 {
        let read = |_| {
            let started = Instant::now();
            let mut sums = [0_u64; 16];
            for line in self.0.as_chunks::<16>().0 {
                sums.iter_mut().zip(line).for_each(|(sum, number)| *sum ^= number);
            }
            std::hint::black_box(sums);
            started.elapsed().as_secs_f64() * 1e3
        };
        median(&(0..5).map(read).collect::<Vec<f64>>())
    }
}

/// Runs the peer, which writes its numbers into `dir`, and gives its lines.
fn faiss(python: &Python, dir: &Path, args: &GalleryArgs) -> Result<Vec<Value>, Error> {
    let mut command = python.script(&peer("gallery_faiss.py")?);
    command.args(["--n", &args.n.to_string(), "--d", &args.d.to_string()]);
    command.args(["--queries", &args.probes.to_string(), "--indexes", "Flat,SQ8,PQ"]).arg("--dump").arg(dir);
    let printed = output(&mut command)?;
    let lines = printed.lines().map(|line| {
        eprintln!("{line}");
        serde_json::from_str(line).map_err(|e| format!("the peer did not print a line of JSON ({e}): {line}").into())
    });
    lines.collect()
}
