//! The two networks of a pack, loaded, and a worker that takes photos through them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use assent_gallery::calibration::{Calibration, DeclaredRates, Thresholds};
use assent_vision::align::AlignError;
use assent_vision::catch_panic::catch_panic;
use assent_vision::decode::{DecodeError, DecodeLimits, Decoded};
use assent_vision::detect::{Detected, Detection, FaceFinder, Posture, SearchOptions};
use assent_vision::embed::{Aligned, Embedder, Embedding};
use assent_vision::frame::Frame;
use assent_vision::geometry::{Point, QuarterTurn, Rect};
use assent_vision::kept_face::KeptFace;
use assent_vision::machine::Kernel;
use assent_vision::memory::whole_limit_bytes;
use assent_vision::model::DetectorInput;
use assent_vision::quality::{self, Quality};
use assent_vision::refine::LandmarkRefiner;
use assent_vision::runtime::{Execution, InferenceError, Role, Runtime, RuntimeError};
use thiserror::Error;

use crate::heif::{HeifProgram, PhotoDecoder, Readable};
use crate::packs::{self, AcceptedLicences, ModelPack, PackError, Rewrite};
use crate::portrait::PortraitError;

/// From which score a pack without a score-to-FMR table proposes.
///
/// # Source
///
/// `OpenCV` gives 0.363 for `SFace`, measured on LFW; its users report that strangers reach that and that 0.46 to 0.55
/// are needed (the repository `opencv/opencv_zoo`, issues 53 and 54).
pub const UNCALIBRATED_REVIEW_SCORE: f32 = 0.5;

/// A model pack and the library that runs it.
#[derive(Debug)]
pub struct Models {
    runtime: Runtime,
    pack: ModelPack,
    rewrite: Rewrite,
    /// The embedder as its engine is fast at it, where that is not the pack's own file.
    rewritten: Option<Vec<u8>>,
    /// The system's program for HEIC and AVIF.
    heif: Option<HeifProgram>,
    /// Whose weights the embedders of all threads share, once there was one.
    shared: Mutex<Option<Embedder>>,
}

/// Why the models could not be loaded.
#[derive(Debug, Error)]
pub enum ModelsError {
    /// The inference library could not be loaded.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The pack is not whole or not of a known form.
    #[error(transparent)]
    Pack(#[from] PackError),
}

impl Models {
    /// Loads the library from `runtime_dir` and the pack from `pack_dir`. Where ONNX Runtime's own code runs the
    /// embedder, its `PReLU` layers are rewritten; the result is looked for and kept in the first of `keep_in` that
    /// can be written (the pack's own folder, and one of the user's).
    ///
    /// # Errors
    ///
    /// [`ModelsError`], as [`Runtime::load`] and [`ModelPack::load`].
    pub fn load(
        runtime_dir: &Path,
        pack_dir: &Path,
        terms: &AcceptedLicences,
        keep_in: &[PathBuf],
    ) -> Result<Models, ModelsError> {
        let pack = ModelPack::load(pack_dir, terms)?;
        let runtime = Runtime::load(runtime_dir)?;
        let (rewrite, rewritten) = packs::rewritten(&runtime, &pack, keep_in);
        Ok(Models { runtime, pack, rewrite, rewritten, heif: None, shared: Mutex::new(None) })
    }

    /// The same with a program of the system that decodes HEIC and AVIF, if it has one.
    #[must_use]
    pub fn with_heif(self, heif: Option<HeifProgram>) -> Models {
        Models { heif, ..self }
    }

    /// The system's program for HEIC and AVIF, if there is one.
    pub fn heif(&self) -> Option<&HeifProgram> {
        self.heif.as_ref()
    }

    /// The same with another of the processor's kernels, see [`Runtime::with_kernel`].
    #[must_use]
    pub fn with_kernel(self, kernel: Kernel) -> Models {
        Models { runtime: self.runtime.with_kernel(kernel), shared: Mutex::new(None), ..self }
    }

    /// What became of the embedder's `PReLU` layers.
    pub fn rewrite(&self) -> &Rewrite {
        &self.rewrite
    }

    /// The inference library that runs the networks.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Which engine runs the detector and the embedder of this pack, and why.
    ///
    /// # Errors
    ///
    /// [`InferenceError`] if the library refuses a network.
    pub fn engines(&self) -> Result<[(Execution, &'static str); 2], InferenceError> {
        let worker = self.worker(SearchOptions::default())?;
        let engine = |role, runs| match self.runtime.choose(role) {
            (chosen, why) if chosen == runs => (runs, why),
            _ => (runs, "this network is not of a family that Assent's own kernels know"),
        };
        let runs = [(Role::Detector, worker.finder.execution()), (Role::Embedder, worker.embedder.execution())];
        Ok(runs.map(|(role, runs)| engine(role, runs)))
    }

    /// The pack from which the networks were loaded.
    pub fn pack(&self) -> &ModelPack {
        &self.pack
    }

    /// A worker for one thread.
    ///
    /// # Errors
    ///
    /// [`InferenceError::Load`] if the library refuses a network.
    pub fn worker(&self, search: SearchOptions) -> Result<Worker, InferenceError> {
        Ok(Worker {
            finder: FaceFinder::new(&self.runtime, self.pack.detector().clone(), &self.pack.detector_bytes)?,
            embedder: self.embedder()?,
            refine: match self.pack.detector().input {
                DetectorInput::MultipleOf { .. } => Some(LandmarkRefiner::new(&self.pack.embedder().template)),
                DetectorInput::Fixed { .. } => None,
            },
            decoder: PhotoDecoder { heif: self.heif.clone(), ..PhotoDecoder::default() },
            search,
            spare: Vec::new(),
        })
    }

    /// Runs each network once, on a picture that shows nothing.
    ///
    /// # Errors
    ///
    /// [`InferenceError`] if a network cannot be loaded or run, or answers with what is no number.
    pub fn try_out(&self) -> Result<(), InferenceError> {
        let absurd = |role, what| InferenceError::Absurd { role, what };
        let mut worker = self.worker(SearchOptions { posture: Posture::Upright, ..SearchOptions::default() })?;
        let spec = self.pack.embedder();
        let side = spec.side_px.max(TRIED_SIDE_PX);
        let blank = Frame::filled(side, side, [0; 3]);
        catch_panic(|| worker.finder.find(&blank, worker.search).map(drop))
            .unwrap_or(Err(absurd(Role::Detector, "it breaks off in the middle of a blank picture")))?;
        let landmarks = spec.template.map(|[x, y]| Point { x: x * side as f32, y: y * side as f32 });
        let face = Detection { landmarks, ..Detection::default() };
        let crop = worker.embedder.align(&blank, 1.0, &face);
        let crop = crop.map_err(|_| absurd(Role::Embedder, "its card puts the landmarks where no face has them"))?;
        let answer = catch_panic(|| worker.embedder.embed(&[crop]))
            .unwrap_or(Err(absurd(Role::Embedder, "it breaks off in the middle of a blank picture")))?;
        match answer.as_slice() {
            [Some(_)] => Ok(()),
            _ => Err(absurd(Role::Embedder, "its answer to a blank picture is no number")),
        }
    }

    /// As many workers as `threads`, at least one.
    ///
    /// # Errors
    ///
    /// As [`worker`](Self::worker).
    pub fn workers(&self, search: SearchOptions, threads: usize) -> Result<Vec<Worker>, InferenceError> {
        (0..threads.max(1)).map(|_| self.worker(search)).collect()
    }

    fn embedder(&self) -> Result<Embedder, InferenceError> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(embedder) = shared.as_ref().and_then(Embedder::sharing) {
            return Ok(embedder);
        }
        let onnx = self.rewritten.as_ref().unwrap_or(&self.pack.embedder_bytes);
        let embedder = Embedder::new(&self.runtime, self.pack.embedder().clone(), onnx)?;
        *shared = embedder.sharing();
        Ok(embedder)
    }
}

/// The thresholds by a table, for faces that may meet `templates` templates (invariant I9).
pub(crate) fn thresholds(table: Option<&Calibration>, rates: DeclaredRates, templates: usize) -> Thresholds {
    match table {
        Some(table) => table.thresholds(rates, templates),
        None => Thresholds { certain: None, review: UNCALIBRATED_REVIEW_SCORE },
    }
}

/// Detector and embedder of one thread.
#[derive(Debug)]
pub struct Worker {
    pub(crate) finder: FaceFinder,
    pub(crate) embedder: Embedder,
    pub(crate) refine: Option<LandmarkRefiner>,
    pub(crate) decoder: PhotoDecoder,
    pub(crate) search: SearchOptions,
    /// Where the last photo's pixels were.
    spare: Vec<u8>,
}

/// The side of the blank picture on which networks are tried out, pixels.
const TRIED_SIDE_PX: u32 = 320;

/// The most memory, bytes, that a worker keeps for the pixels of the next photo.
const SPARE_BYTES_MAX: usize = 16 << 20;

/// A photo that was decoded and searched for faces.
#[derive(Debug)]
pub struct DetectedPhoto<'b> {
    /// The file's bytes, in a form that a decoder reads.
    pub(crate) file: Readable<'b>,
    /// The picture, upright, no larger than the search needed.
    pub(crate) decoded: Decoded,
    /// Its faces, in photo pixels.
    pub detected: Detected,
    /// Which of them were set apart, by their index: nothing is made of these.
    pub(crate) apart: BTreeSet<usize>,
}

impl DetectedPhoto<'_> {
    /// The photo's width and height as it is seen, pixels.
    pub fn size(&self) -> (u32, u32) {
        self.decoded.size
    }
}

/// A face cut out, with its measurements.
#[derive(Debug)]
pub struct FaceCrop {
    /// The crop; `None` where the landmarks give none.
    pub aligned: Option<Aligned>,
    /// Measured on the crop; `None` without one.
    pub quality: Option<Quality>,
}

/// Why a photo could not be looked at.
#[derive(Debug, Error)]
pub enum DetectError {
    /// The file could not be decoded.
    #[error(transparent)]
    Decode(DecodeError),
    /// The detector or the embedder failed.
    #[error(transparent)]
    Inference(#[from] InferenceError),
}

impl From<DecodeError> for DetectError {
    fn from(e: DecodeError) -> DetectError {
        match e {
            DecodeError::Stopped => DetectError::Inference(InferenceError::Stopped),
            e => DetectError::Decode(e),
        }
    }
}

impl Worker {
    /// From now on, a search ends in the middle of a photo once `stop` is set.
    pub fn stop_by(&mut self, stop: Arc<AtomicBool>) {
        self.decoder.stop = Arc::clone(&stop);
        self.finder.stop_by(stop);
    }

    /// Sets the most memory, bytes, that one photo may take; one that needs more is refused.
    pub fn limit_memory(&mut self, bytes: u64) {
        self.decoder.limits.memory_bytes = bytes;
    }

    /// The most memory, bytes, that looking at this photo and cutting its faces out takes, see
    /// [`assent_vision::memory::bytes_needed`].
    pub fn bytes_needed(&self, bytes: &[u8]) -> u64 {
        let needed = assent_vision::memory::bytes_needed(bytes, self.search, self.decoder.limits.memory_bytes);
        needed.max(self.decoder.convert_bytes(bytes))
    }

    /// Decodes a photo and finds its faces, with the landmarks of a second look at each. No embedding is made.
    ///
    /// # Errors
    ///
    /// [`DetectError`] if the file is no photo or the detector fails. A photo without a face is no error.
    pub fn detect<'b>(&mut self, bytes: &'b [u8]) -> Result<DetectedPhoto<'b>, DetectError> {
        let (file, decoded) = self.decode(bytes)?;
        let side_px = self.search.side_of(decoded.size);
        let found = self.finder.find_at(&decoded.frame, side_px, self.search)?;
        let mut detected = found.in_larger(decoded.scale());
        for face in &mut detected.faces {
            if let Some(landmarks) = self.landmarks(&decoded, face.bounds, face.turn)? {
                face.landmarks = landmarks;
            }
        }
        Ok(DetectedPhoto { file, decoded, detected, apart: BTreeSet::new() })
    }

    /// Decodes a photo at the size that a search needs, where the last one was.
    pub(crate) fn decode<'b>(&mut self, bytes: &'b [u8]) -> Result<(Readable<'b>, Decoded), DecodeError> {
        let (search, limits) = (self.search, self.decoder.limits);
        let file = self.decoder.readable(bytes)?;
        let decoded = file.decode(limits, |size| search.side_of(size), std::mem::take(&mut self.spare))?;
        Ok((file, decoded))
    }

    /// Takes the memory of a photo that is done with, for the next one.
    pub fn reuse(&mut self, photo: DetectedPhoto) {
        self.spare = photo.decoded.frame.into_rgb();
        if self.spare.capacity() > SPARE_BYTES_MAX {
            self.spare = Vec::new();
        }
    }

    /// The landmarks of a face whose box (photo pixels) and quarter turn are known, by a second look at it; `None` if it
    /// is not found there, or the detector takes pictures of one size alone: that would be a whole pass for each face.
    pub(crate) fn landmarks(
        &mut self,
        decoded: &Decoded,
        bounds: Rect,
        turn: QuarterTurn,
    ) -> Result<Option<[Point; 5]>, InferenceError> {
        let Some(look) = self.refine else { return Ok(None) };
        look.landmarks(&mut self.finder, (&decoded.frame, decoded.scale()), bounds, turn)
    }

    /// Cuts out and measures every face of a photo, in the order of its detections. One that was set apart is not cut out.
    ///
    /// A face is cut from the photo as it was decoded if that has all the detail its crop can hold, else from the photo
    /// at full size (or the largest for which there is memory), which is decoded when the first face asks for it. (A half-size decode has the detail of a crop of
    /// its own size on paper; measured, such crops are only half as sharp.)
    pub fn crop_faces(&self, photo: &DetectedPhoto) -> Vec<FaceCrop> {
        let DetectedPhoto { decoded, detected, apart, .. } = photo;
        let size = (decoded.size.0 as f32, decoded.size.1 as f32);
        let mut whole: Option<Option<Decoded>> = None;
        let mut align = |face| -> Result<Aligned, AlignError> {
            if decoded.scale() > 1.0
                && decoded.scale() * self.embedder.magnification(face)? > 1.0
                && let Some(whole) = whole.get_or_insert_with(|| self.larger(photo))
            {
                return self.embedder.align(&whole.frame, whole.scale(), face);
            }
            self.embedder.align(&decoded.frame, decoded.scale(), face)
        };
        let mut one = |(i, face)| {
            let aligned = if apart.contains(&i) { None } else { align(face).ok() };
            let quality = aligned.as_ref().map(|crop| quality::measure(face, (crop, self.embedder.eyes_px()), size));
            FaceCrop { aligned, quality }
        };
        detected.faces.iter().enumerate().map(&mut one).collect()
    }

    /// A face of a photo, by its number, as it is kept of an enrolment; from the photo at full size as [`Self::crop_faces`] has it.
    ///
    /// # Errors
    ///
    /// [`AlignError`] if its landmarks give no alignment.
    pub(crate) fn keep_face(&self, photo: &DetectedPhoto, face: usize) -> Result<KeptFace, AlignError> {
        let (decoded, face) = (&photo.decoded, &photo.detected.faces[face]);
        let scale = decoded.scale();
        if scale > 1.0
            && scale * KeptFace::magnification(face)? > 1.0
            && let Some(larger) = self.larger(photo)
        {
            return KeptFace::cut(&larger.frame, larger.scale(), face);
        }
        KeptFace::cut(&decoded.frame, scale, face)
    }

    /// The embedding of a kept face.
    ///
    /// # Errors
    ///
    /// [`PortraitError::Inference`], [`PortraitError::Unmeasurable`].
    pub(crate) fn embed_kept(&mut self, kept: &KeptFace) -> Result<Embedding, PortraitError> {
        let crop = kept.align(&self.embedder).map_err(|_| PortraitError::Unmeasurable)?;
        self.embedder.embed(&[crop])?.pop().flatten().ok_or(PortraitError::Unmeasurable)
    }

    /// The photo at full size, or the largest for which there is memory; `None` where that is no larger than it was decoded.
    fn larger(&self, photo: &DetectedPhoto) -> Option<Decoded> {
        let DetectedPhoto { file, decoded, .. } = photo;
        let copy = (decoded.frame.width(), decoded.frame.height());
        let memory_bytes = whole_limit_bytes(decoded.size, copy, self.search, self.decoder.limits.memory_bytes);
        let limits = DecodeLimits { memory_bytes, ..self.decoder.limits };
        file.decode_largest(limits).ok().filter(|whole| whole.scale() < decoded.scale())
    }

    /// The embeddings of cut-out faces, in their order; `None` for a face without a crop.
    ///
    /// # Errors
    ///
    /// [`InferenceError`] if the network fails.
    pub fn embed(&mut self, faces: Vec<FaceCrop>) -> Result<Vec<Option<Embedding>>, InferenceError> {
        let (places, crops): (Vec<usize>, Vec<Aligned>) =
            faces.into_iter().enumerate().filter_map(|(i, cut)| cut.aligned.map(|crop| (i, crop))).unzip();
        let count = places.last().map_or(0, |last| last + 1);
        let mut embeddings: Vec<Option<Embedding>> = (0..count).map(|_| None).collect();
        for (place, embedding) in places.into_iter().zip(self.embedder.embed(&crops)?) {
            embeddings[place] = embedding;
        }
        Ok(embeddings)
    }
}
