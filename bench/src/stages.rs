//! `assent-bench stages`: where a photo's time goes, on one thread, one stage after the other.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use assent::{Posture, SearchOptions, Thoroughness, Thresholds, fit_within, resize};
use assent_gallery::assign::assign;
use assent_gallery::gallery::{Gallery, Owner, Scope, Search};
use assent_vision::decode::Decoded;
use assent_vision::detect::{Detected, FaceFinder};
use assent_vision::embed::{Aligned, Embedder, Embedding};
use assent_vision::frame::Frame;
use assent_vision::quality;
use assent_vision::refine::LandmarkRefiner;
use clap::Args;
use serde_json::{Value, json};

use crate::Error;
use crate::figures::{median, round};
use crate::scan::THRESHOLD;
use crate::setup::{self, Places, Setup, caveats, cpu, decoded_at_least, read};
use crate::write::{self, Found};

/// Multiplications with an addition that the detector takes for one pixel of the searched picture.
///
/// # Source
///
/// Counted from the layers of the pack's network: `docs/performance.md`.
const DETECTOR_MACS_PER_PIXEL: u32 = 840;

/// Multiplications with an addition that the default pack's embedder takes for one face.
///
/// # Source
///
/// 0.588 GFLOP, two for each: the model card of face-reidentification-retail-0095 in Open Model Zoo.
const EMBEDDER_MACS: f64 = 0.294e9;

/// The stages, in their order.
const STAGES: [&str; 8] = ["read", "decode", "resize", "detect", "align", "embed", "match", "write"];
const READ: usize = 0;
const DECODE: usize = 1;
const RESIZE: usize = 2;
const DETECT: usize = 3;
const ALIGN: usize = 4;
const EMBED: usize = 5;
const MATCH: usize = 6;
const WRITE: usize = 7;

/// What `stages` takes.
#[derive(Debug, Args)]
pub(crate) struct StagesArgs {
    /// A photo's longest side while it is searched, pixels [default: as `assent scan` has it]
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(64..=16_000))]
    side: Option<u32>,
    /// Go through the photos this many times; medians are taken over the rounds
    #[arg(long, value_name = "N", default_value = "10")]
    repeat: NonZeroUsize,
    #[command(flatten)]
    places: Places,
}

/// The pieces of a scan, for one thread.
struct Pieces {
    search: SearchOptions,
    finder: FaceFinder,
    embedder: Embedder,
    refine: LandmarkRefiner,
}

/// What one photo took.
#[derive(Default)]
struct Photo {
    took: [Duration; STAGES.len()],
    /// 1 if a face asked for the photo at full size.
    decoded_whole: usize,
    embeddings: Vec<EmbeddingOfFace>,
    found: Found,
}

/// A face's surface, pixels, and its embedding.
type EmbeddingOfFace = (f32, Embedding);

/// Measures each stage on the sample photos.
///
/// # Errors
///
/// If something is missing or a network fails; the message says what to do.
pub(crate) fn run(args: &StagesArgs) -> Result<Value, Error> {
    let setup = args.places.load()?;
    let caveats = stages_caveats(args, &setup);
    let side_px = args.side.unwrap_or(SearchOptions::default().side_px);
    let search = SearchOptions { side_px, posture: Posture::Upright, ..SearchOptions::default() };
    let refine = LandmarkRefiner::new(&setup.models.pack().embedder().template);
    let mut pieces = Pieces { search, finder: setup.finder()?, embedder: setup.embedder()?, refine };
    eprintln!("enrolling the portraits");
    let gallery = pieces.gallery(&setup)?;
    let photos = &setup.sample.photos;
    let mut rounds: [Vec<f64>; STAGES.len()] = Default::default();
    let (mut faces, mut decoded_whole) = (0, 0);
    for number in 1..=args.repeat.get() {
        let mut took = [Duration::ZERO; STAGES.len()];
        (faces, decoded_whole) = (0, 0);
        let mut found = Vec::new();
        for path in photos {
            let photo = pieces.photo(path, Some(&gallery))?;
            took.iter_mut().zip(photo.took).for_each(|(sum, one)| *sum += one);
            faces += photo.found.faces.len();
            decoded_whole += photo.decoded_whole;
            found.push(photo.found);
        }
        took[WRITE] = write::batch(&found)?;
        let ms = took.map(|t| t.as_secs_f64() * 1e3 / photos.len() as f64);
        rounds.iter_mut().zip(ms).for_each(|(round, ms)| round.push(ms));
        eprintln!("round {number} of {}: {:.1} ms a photo", args.repeat, ms.iter().sum::<f64>());
    }
    let ms = rounds.map(|round| median(&round));
    let total: f64 = ms.iter().sum();
    let stages: Vec<Value> = STAGES
        .iter()
        .zip(ms)
        .map(|(stage, ms)| json!({ "stage": stage, "ms_per_photo": round(ms, 3), "share": round(ms / total, 4) }))
        .collect();
    let embed_gmac = faces as f64 * EMBEDDER_MACS / 1e9;
    let embed_s = ms[EMBED] * photos.len() as f64 / 1e3;
    Ok(json!({
        "caveats": caveats,
        "cpu": cpu(),
        "engines": setup.engines(),
        "side_px": side_px,
        "repeat": args.repeat,
        "photos": photos.len(),
        "faces_per_photo": round(faces as f64 / photos.len() as f64, 3),
        "photos_decoded_again_whole": decoded_whole,
        "stages": stages,
        "total_ms_per_photo": round(total, 3),
        "detector_gmac_per_second": round(pieces.detector_gmac_per_second(photos)?, 2),
        "embedder_gmac_per_second": round(embed_gmac / embed_s, 2),
    }))
}

impl Pieces {
    /// The largest face of each portrait, as `assent enrol` takes it.
    fn gallery(&mut self, setup: &Setup) -> Result<Gallery, Error> {
        let gallery = Gallery::new(setup.models.pack().embedder().dimensions);
        for (person, path) in setup.sample.portraits.iter().enumerate() {
            let faces = self.photo(path, None)?.embeddings;
            if let Some((_, embedding)) = faces.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)) {
                gallery.insert(Owner(person as u32), Scope::default(), embedding.values())?;
            }
        }
        Ok(gallery)
    }

    /// How fast the detector is at pictures whose every pixel it looks at.
    fn detector_gmac_per_second(&mut self, photos: &[PathBuf]) -> Result<f64, Error> {
        let search = SearchOptions { thoroughness: Thoroughness::Exhaustive, ..self.search };
        let (mut pixels, mut took) = (0.0, Duration::ZERO);
        for path in photos {
            let decoded = decoded_at_least(&read(path)?, self.search.side_px)?;
            let size = fit_within((decoded.frame.width(), decoded.frame.height()), self.search.side_px);
            let picture = resize(&decoded.frame, size);
            let started = Instant::now();
            std::hint::black_box(self.finder.find(&picture, search)?);
            took += started.elapsed();
            pixels += f64::from(size.0) * f64::from(size.1);
        }
        Ok(pixels * f64::from(DETECTOR_MACS_PER_PIXEL) / took.as_secs_f64() / 1e9)
    }

    /// Takes one photo through all stages; without a gallery the last one is left out.
    fn photo(&mut self, path: &Path, gallery: Option<&Gallery>) -> Result<Photo, Error> {
        let mut done = Photo::default();
        let mut clock = Clock::start();
        let bytes = read(path)?;
        done.took[READ] = clock.lap();
        let decoded = decoded_at_least(&bytes, self.search.side_px)?;
        done.took[DECODE] = clock.lap();
        let frame = &decoded.frame;
        // What the finder does first, once more to know how long it takes.
        let size = fit_within((frame.width(), frame.height()), self.search.side_px / 2);
        std::hint::black_box(resize(frame, size));
        done.took[RESIZE] = clock.lap();
        let mut detected = self.finder.find(frame, self.search)?.in_larger(decoded.scale());
        for face in &mut detected.faces {
            let copy = (frame, decoded.scale());
            if let Some(landmarks) = self.refine.landmarks(&mut self.finder, copy, face.bounds, face.turn)? {
                face.landmarks = landmarks;
            }
        }
        done.took[DETECT] = clock.lap().saturating_sub(done.took[RESIZE]);
        let Cuts { crops, areas, whole } = self.cut(&bytes, &decoded, &detected)?;
        done.took[ALIGN] = clock.lap().saturating_sub(whole.unwrap_or_default());
        done.took[DECODE] += whole.unwrap_or_default();
        let embeddings = self.embedder.embed(&crops)?;
        done.took[EMBED] = clock.lap();
        if let Some(gallery) = gallery {
            let probes: Vec<&[f32]> = embeddings.iter().flatten().map(Embedding::values).collect();
            let hits = gallery.search(&probes, &Search::least(THRESHOLD))?;
            let thresholds = Thresholds { certain: Some(THRESHOLD), review: THRESHOLD };
            std::hint::black_box(assign(&hits, thresholds, |_| false));
            done.took[MATCH] = clock.lap();
        }
        done.decoded_whole = usize::from(whole.is_some());
        done.embeddings = areas.into_iter().zip(embeddings).filter_map(|(area, e)| Some((area, e?))).collect();
        done.found = Found { size: decoded.size, faces: detected.faces };
        Ok(done)
    }

    /// Cuts out and measures every face as `assent::models::Worker::cut` does: from the photo as it was decoded, or at
    /// full size for faces that are small in it.
    fn cut(&self, bytes: &[u8], decoded: &Decoded, detected: &Detected) -> Result<Cuts, Error> {
        let mut whole: Option<(Frame, Duration)> = None;
        let (mut crops, mut areas) = (Vec::new(), Vec::new());
        for face in &detected.faces {
            let Ok(magnification) = self.embedder.magnification(face) else { continue };
            let (picture, scale) = if decoded.scale() <= 1.0 || decoded.scale() * magnification <= 1.0 {
                (&decoded.frame, decoded.scale())
            } else {
                if whole.is_none() {
                    let started = Instant::now();
                    whole = Some((setup::decoded(bytes)?, started.elapsed()));
                }
                (whole.as_ref().map_or(&decoded.frame, |(frame, _)| frame), 1.0)
            };
            if let Ok(crop) = self.embedder.align(picture, scale, face) {
                let size = (decoded.size.0 as f32, decoded.size.1 as f32);
                std::hint::black_box(quality::measure(face, (&crop, quality::EYES_PX), size));
                crops.push(crop);
                areas.push(face.bounds.area());
            }
        }
        Ok(Cuts { crops, areas, whole: whole.map(|(_, took)| took) })
    }
}

/// The faces of a photo, cut out.
struct Cuts {
    crops: Vec<Aligned>,
    /// The surface of each face, photo pixels.
    areas: Vec<f32>,
    /// How long the photo took to decode at full size, if a face asked for that.
    whole: Option<Duration>,
}

/// Gives the time since it was last asked.
struct Clock {
    last: Instant,
}

impl Clock {
    fn start() -> Clock {
        Clock { last: Instant::now() }
    }

    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        let took = now - self.last;
        self.last = now;
        took
    }
}

/// What is to be known before the figures of the stages are read.
fn stages_caveats(args: &StagesArgs, setup: &Setup) -> Vec<String> {
    let mut caveats = caveats(setup);
    caveats.push(
        "The stages are called one after the other from outside, on one thread; a scan runs several threads and may join \
         stages. `decode` has decoding once more at full size where a small face asks for it; `resize` is the picture of \
         the first look; `detect` has all other looks, also the two at each face alone; `align` has the measuring of \
         quality; `match` is an exact search over the portraits; `write` is one transaction for all photos, with the \
         boxes and one sighting of each, into a new SQLite vault."
            .to_owned(),
    );
    caveats.push(
        "`detector_gmac_per_second` is of searches of every pixel, and counts the pixels of the picture alone, not the \
         rim that is added to fill the network's grid."
            .to_owned(),
    );
    if args.repeat.get() < 3 {
        caveats.push("Too few rounds to know how much the figures vary: a try, not a measurement.".to_owned());
    }
    caveats
}
