//! `assent-bench stages`: where a photo's time goes, on one thread, one stage after the other.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

use assent::{Posture, SearchOptions, Thresholds, fit_within, resize};
use assent_gallery::assign::assign;
use assent_gallery::gallery::{Gallery, Owner};
use assent_vision::decode::Decoded;
use assent_vision::detect::{Detected, FaceFinder};
use assent_vision::embed::{Aligned, Embedder, Embedding};
use assent_vision::frame::Frame;
use assent_vision::quality;
use clap::Args;
use serde_json::{Value, json};

use crate::Error;
use crate::figures::{median, round};
use crate::scan::THRESHOLD;
use crate::setup::{self, Places, Setup, caveats, cpu, decoded_at_least, read};

/// Multiplications with an addition that the detector takes for one pixel of the searched picture.
///
/// # Source
///
/// Counted from the layers of the pack's network: `docs/performance.md`.
const DETECTOR_MACS_PER_PIXEL: u32 = 840;

/// The stages, in their order.
const STAGES: [&str; 7] = ["read", "decode", "resize", "detect", "align", "embed", "match"];
const READ: usize = 0;
const DECODE: usize = 1;
const RESIZE: usize = 2;
const DETECT: usize = 3;
const ALIGN: usize = 4;
const EMBED: usize = 5;
const MATCH: usize = 6;

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
}

/// What one photo took.
#[derive(Default)]
struct Photo {
    took: [Duration; STAGES.len()],
    searched_pixels: u64,
    faces: usize,
    /// 1 if a face asked for the photo at full size.
    decoded_whole: usize,
    embeddings: Vec<EmbeddingOfFace>,
}

/// A face's surface, pixels, and its embedding.
type EmbeddingOfFace = (f32, Embedding);

/// Measures.
///
/// # Errors
///
/// If something is missing or a network fails; the message says what to do.
pub(crate) fn run(args: &StagesArgs) -> Result<Value, Error> {
    let setup = args.places.load()?;
    let caveats = stages_caveats(args, &setup);
    let side_px = args.side.unwrap_or(SearchOptions::default().side_px);
    let search = SearchOptions { side_px, posture: Posture::Upright };
    let mut pieces = Pieces { search, finder: setup.finder()?, embedder: setup.embedder()? };
    eprintln!("enrolling the portraits");
    let gallery = pieces.gallery(&setup)?;
    let photos = &setup.sample.photos;
    let mut rounds: [Vec<f64>; STAGES.len()] = Default::default();
    let (mut faces, mut searched_pixels, mut decoded_whole) = (0, 0, 0);
    for number in 1..=args.repeat.get() {
        let mut took = [Duration::ZERO; STAGES.len()];
        (faces, searched_pixels, decoded_whole) = (0, 0, 0);
        for path in photos {
            let photo = pieces.photo(path, Some(&gallery))?;
            took.iter_mut().zip(photo.took).for_each(|(sum, one)| *sum += one);
            faces += photo.faces;
            searched_pixels += photo.searched_pixels;
            decoded_whole += photo.decoded_whole;
        }
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
    let pixels = searched_pixels as f64 / photos.len() as f64;
    let detect_ms = ms[DETECT];
    Ok(json!({
        "caveats": caveats,
        "cpu": cpu(),
        "engines": setup.engines(),
        "side_px": side_px,
        "repeat": args.repeat,
        "photos": photos.len(),
        "faces_per_photo": round(faces as f64 / photos.len() as f64, 3),
        "photos_decoded_again_whole": decoded_whole,
        "searched_pixels_per_photo": pixels.round(),
        "stages": stages,
        "total_ms_per_photo": round(total, 3),
        "multiply_adds_per_pixel": DETECTOR_MACS_PER_PIXEL,
        "detect_gmac_per_second": round(pixels * f64::from(DETECTOR_MACS_PER_PIXEL) / (detect_ms * 1e6), 2),
    }))
}

impl Pieces {
    /// The largest face of each portrait, as `assent enrol` takes it.
    fn gallery(&mut self, setup: &Setup) -> Result<Gallery, Error> {
        let mut gallery = Gallery::new(setup.models.pack().embedder().dimensions);
        for (person, path) in setup.sample.portraits.iter().enumerate() {
            let faces = self.photo(path, None)?.embeddings;
            if let Some((_, embedding)) = faces.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)) {
                gallery.insert(Owner(person as u64), embedding.values())?;
            }
        }
        Ok(gallery)
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
        let size = fit_within((frame.width(), frame.height()), self.search.side_px);
        let resized = (size != (frame.width(), frame.height())).then(|| resize(frame, size));
        done.took[RESIZE] = clock.lap();
        // The searched picture is a whole photo to the finder; its faces are then brought to the real one.
        let detected = self.finder.find(resized.as_ref().unwrap_or(frame), self.search)?;
        let factor = decoded.size.0.max(decoded.size.1) as f32 / size.0.max(size.1) as f32;
        let detected = detected.in_larger(factor);
        done.took[DETECT] = clock.lap();
        let Cuts { crops, areas, whole } = self.cut(&bytes, &decoded, &detected)?;
        done.took[ALIGN] = clock.lap().saturating_sub(whole.unwrap_or_default());
        done.took[DECODE] += whole.unwrap_or_default();
        let embeddings = self.embedder.embed(&crops)?;
        done.took[EMBED] = clock.lap();
        if let Some(gallery) = gallery {
            let probes: Vec<&[f32]> = embeddings.iter().flatten().map(Embedding::values).collect();
            let hits = gallery.search(&probes, THRESHOLD)?;
            let thresholds = Thresholds { certain: Some(THRESHOLD), review: THRESHOLD };
            std::hint::black_box(assign(&hits, thresholds));
            done.took[MATCH] = clock.lap();
        }
        done.faces = detected.faces.len();
        done.decoded_whole = usize::from(whole.is_some());
        done.searched_pixels = u64::from(size.0) * u64::from(size.1);
        done.embeddings = areas.into_iter().zip(embeddings).filter_map(|(area, e)| Some((area, e?))).collect();
        Ok(done)
    }

    /// Cuts out and measures every face as `assent::models::Worker::cut` does: from the picture that was searched, or
    /// from the photo at full size for faces that are small in it.
    fn cut(&self, bytes: &[u8], decoded: &Decoded, detected: &Detected) -> Result<Cuts, Error> {
        let mut whole: Option<(Frame, Duration)> = None;
        let (mut crops, mut areas) = (Vec::new(), Vec::new());
        for face in &detected.faces {
            let Ok(magnification) = self.embedder.magnification(face) else { continue };
            let (picture, scale) = if detected.scale * magnification <= 1.0 {
                (&detected.searched, detected.scale)
            } else if decoded.scale() <= 1.0 {
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
                std::hint::black_box(quality::measure(face, &crop, size));
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
         stages. `decode` has decoding once more at full size where a small face asks for it; `detect` begins with the \
         resized picture and has what the detector does around its network; `align` has the measuring of quality; \
         `match` is an exact search over the portraits."
            .to_owned(),
    );
    caveats.push(
        "`detect_gmac_per_second` counts the pixels of the searched picture alone, not the rim that is added to fill the \
         network's grid."
            .to_owned(),
    );
    if args.repeat.get() < 3 {
        caveats.push("Too few rounds to know how much the figures vary: a try, not a measurement.".to_owned());
    }
    caveats
}
