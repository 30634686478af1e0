//! The card of a model pack: every key is read, checked, and turned into the numbers that the arithmetic needs.

use std::path::{Path, PathBuf};

use assent_gallery::calibration::{Calibration, MissRates};
use assent_vision::model::{ChannelOrder, DetectorInput, DetectorSpec, EmbedderSpec, Preprocessing};

use super::digest::{parse_sha256, sha256};
use super::editions;
use super::table::{Keys, parse_card, read_card};
use super::{AcceptedLicences, PackError, PackKind};

/// The landmarks that `YuNet` gives, in its order.
const LANDMARKS: [&str; 5] = ["left eye", "right eye", "nose tip", "left mouth corner", "right mouth corner"];

const TOP_KEYS: &[&str] =
    &["format", "kind", "name", "version", "intended_use", "not_for", "detector", "embedder", "calibration"];
const FILE_KEYS: [&str; 8] = ["kind", "file", "bytes", "sha256", "licence", "licence_files", "source", "training_data"];
const DETECTOR_KEYS: [&str; 8] =
    ["input", "outputs", "strides_px", "score", "score_threshold", "nms_iou", "landmarks", "face_px"];
const EMBEDDER_KEYS: [&str; 4] = ["input", "output", "template", "alignment"];
const INPUT_KEYS: [&str; 6] = ["name", "layout", "channels", "range", "mean", "scale"];
const CALIBRATION_KEYS: &[&str] = &[
    "data",
    "enrolment",
    "score",
    "fmr",
    "tmr",
    "impostor_pairs",
    "lfw_accuracy",
    "lfw_accuracy_mirrored",
    "known_limits",
];
const GROUP_KEYS: &[&str] = &["name", "data", "people", "score", "fmr"];
/// The most people that a card may say were compared.
const PEOPLE_MAX: u32 = 1_000_000_000;

/// The largest side of a picture that a card may ask for, pixels.
const SIDE_PX_MAX: u32 = 4096;
/// The most numbers in an embedding that a card may ask for.
const DIMENSIONS_MAX: u32 = 4096;
/// The largest file that a card may name, bytes.
const FILE_BYTES_MAX: u64 = 4 << 30;

/// A file of a pack, as its card describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    /// Plain name in the pack's folder.
    pub name: String,
    /// Size, bytes.
    pub bytes: u64,
    /// SHA-256 of the content.
    pub sha256: [u8; 32],
    /// Licence, as the card writes it.
    pub licence: String,
    /// Plain names of the texts of the licence.
    pub licence_files: Vec<String>,
    /// Where the file comes from, for people.
    pub source: String,
    /// What is known of the training data, for people.
    pub training_data: String,
}

/// How often people of one group look alike to the models.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupRates {
    /// What people call the group.
    pub name: String,
    /// Where the rates come from, for people.
    pub data: String,
    /// How many people were compared, if that is known.
    pub people: Option<u32>,
    /// The false match rate within the group.
    pub rates: Calibration,
}

/// The card of a model pack, checked; no other file has been opened.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelCard {
    /// The pack's name.
    pub name: String,
    /// The pack's version.
    pub version: String,
    /// What it is for, for people.
    pub intended_use: String,
    /// What it is not for, for people.
    pub not_for: String,
    /// SHA-256 of the card itself.
    pub card_sha256: [u8; 32],
    /// The detector's arithmetic.
    pub detector: DetectorSpec,
    /// The detector's file.
    pub detector_file: FileRef,
    /// The embedder's arithmetic.
    pub embedder: EmbedderSpec,
    /// The embedder's file.
    pub embedder_file: FileRef,
    /// The score-to-FMR table; without one the pack only proposes (band `review`).
    pub calibration: Option<Calibration>,
    /// The part of an enrolled person's faces that is missed, by score.
    pub misses: Option<MissRates>,
    /// Groups of people for whom the rates were measured apart.
    pub groups: Vec<GroupRates>,
    /// Limits of the accuracy that are known, for people.
    pub known_limits: Option<String>,
    path: PathBuf,
}

impl ModelCard {
    /// Reads and checks the card in `dir`, and gives the newest edition of it that the program knows.
    ///
    /// # Errors
    ///
    /// - [`PackError::NoCard`] if `dir` holds no `pack.toml`.
    /// - [`PackError::CardUnreadable`] if it cannot be read, is larger than 1 MiB or is not UTF-8.
    /// - As [`ModelCard::parse`].
    pub fn read(dir: &Path) -> Result<Self, PackError> {
        let (path, bytes) = read_card(dir)?;
        let card = Self::parse(&path, &bytes)?;
        match editions::after(&card.card_sha256) {
            None => Ok(card),
            Some(newer) => Self::parse(&path, newer.as_bytes()),
        }
    }

    /// Checks the card `bytes`; `path` is for the messages.
    ///
    /// # Errors
    ///
    /// - [`PackError::CardNotToml`], [`PackError::Format`], [`PackError::Kind`] as their names say.
    /// - [`PackError::UnsupportedHead`] if there is a part beside the detector, the embedder and the calibration, or
    ///   one of another kind.
    /// - [`PackError::UnknownPreprocessing`] if an `input` has an unknown key; [`PackError::UnknownKey`] for any other.
    /// - [`PackError::MissingKey`], [`PackError::BadValue`] if a key is missing or not as `docs/formats/pack.md` says.
    /// - [`PackError::FileNameLeaves`] if a file's name is not a plain one.
    /// - [`PackError::Calibration`] if the score-to-FMR table is out of order.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, PackError> {
        let table = parse_card(path, bytes, PackKind::Models)?;
        let top = Keys::top(path, &table);
        no_other_heads(&top)?;
        top.only(TOP_KEYS)?;
        let (detector, detector_file) = detector(&top.table("detector")?)?;
        let (embedder, embedder_file) = embedder(&top.table("embedder")?)?;
        let measured = if top.has("calibration") { Some(top.table("calibration")?) } else { None };
        let (calibration, misses, groups, known_limits) = match &measured {
            None => (None, None, Vec::new(), None),
            Some(keys) => (
                Some(calibration(keys, top.integer("format")?)?),
                misses(keys)?,
                keys.tables("group")?.iter().map(group).collect::<Result<_, _>>()?,
                optional_text(keys, "known_limits")?,
            ),
        };
        Ok(Self {
            name: top.file_name("name")?,
            version: top.text("version")?,
            intended_use: top.text("intended_use")?,
            not_for: top.text("not_for")?,
            card_sha256: sha256(bytes),
            detector,
            detector_file,
            embedder,
            embedder_file,
            calibration,
            misses,
            groups,
            known_limits,
            path: path.to_owned(),
        })
    }

    /// The identity of the pair of networks: SHA-256 over `"assent model pair v1\n"`, the detector's hash and the
    /// embedder's. Templates are comparable only under the same pair.
    pub fn model_sha256(&self) -> [u8; 32] {
        let mut text = b"assent model pair v1\n".to_vec();
        text.extend(self.detector_file.sha256);
        text.extend(self.embedder_file.sha256);
        sha256(&text)
    }

    /// Refuses a licence that neither allows every use nor was accepted.
    ///
    /// # Errors
    ///
    /// - [`PackError::LicenceNotAccepted`] for the first such part.
    pub fn check_licences(&self, terms: &AcceptedLicences) -> Result<(), PackError> {
        for (key, file) in [("detector", &self.detector_file), ("embedder", &self.embedder_file)] {
            if !terms.allow(&file.licence) {
                return Err(PackError::LicenceNotAccepted {
                    card: self.path.clone(),
                    key: key.to_owned(),
                    licence: file.licence.clone(),
                });
            }
        }
        Ok(())
    }
}

/// Invariant I8: a card has no part that does anything else than detect, embed and calibrate.
fn no_other_heads(top: &Keys<'_>) -> Result<(), PackError> {
    let refuse = |head: String| Err(PackError::UnsupportedHead { card: top.card(), head });
    if let Some(key) = top.unknown(TOP_KEYS)
        && top.is_table(key)
    {
        return refuse(format!("[{key}]"));
    }
    for (key, only) in [("detector", "yunet"), ("embedder", "embedding")] {
        let kind = top.table(key)?.text("kind")?;
        if kind != only {
            return refuse(format!("{key}.kind = \"{kind}\""));
        }
    }
    Ok(())
}

fn detector(keys: &Keys<'_>) -> Result<(DetectorSpec, FileRef), PackError> {
    keys.only(&[FILE_KEYS, DETECTOR_KEYS].concat())?;
    let input = keys.table("input")?;
    let (input_name, preprocessing) = preprocessing(&input, &["multiple_of_px", "size_px"])?;
    let size = match (input.has("multiple_of_px"), input.has("size_px")) {
        (true, true) => return Err(input.bad("size_px", "left out where multiple_of_px is given")),
        (false, true) => match input.counts("size_px", SIDE_PX_MAX)?[..] {
            [width_px, height_px] => DetectorInput::Fixed { width_px, height_px },
            _ => return Err(input.bad("size_px", "[width, height]")),
        },
        (_, false) => DetectorInput::MultipleOf { px: input.count("multiple_of_px", SIDE_PX_MAX)? },
    };
    let outputs = keys.table("outputs")?;
    outputs.only(&["class", "objectness", "box", "landmarks"])?;
    let strided = |key: &str| {
        let name = outputs.text(key)?;
        if name.contains("{stride}") { Ok(name) } else { Err(outputs.bad(key, "a name with {stride} in it")) }
    };
    let strides_px = keys.counts("strides_px", 1024)?;
    if strides_px.is_empty() {
        return Err(keys.bad("strides_px", "a list with at least one number"));
    }
    keys.exactly("score", "sqrt(class * objectness)")?;
    if keys.texts("landmarks")? != LANDMARKS {
        return Err(keys.bad("landmarks", format!("{LANDMARKS:?}, in this order")));
    }
    if !matches!(keys.counts("face_px", SIDE_PX_MAX)?[..], [least, most] if least < most) {
        return Err(keys.bad("face_px", "[least, most]"));
    }
    let spec = DetectorSpec {
        input_name,
        preprocessing,
        input: size,
        strides_px,
        output_names: [strided("class")?, strided("objectness")?, strided("box")?, strided("landmarks")?],
        score_threshold: keys.fraction("score_threshold")?,
        nms_iou: keys.fraction("nms_iou")?,
    };
    Ok((spec, file(keys)?))
}

fn embedder(keys: &Keys<'_>) -> Result<(EmbedderSpec, FileRef), PackError> {
    keys.only(&[&FILE_KEYS[..], &EMBEDDER_KEYS].concat())?;
    let input = keys.table("input")?;
    let (input_name, preprocessing) = preprocessing(&input, &["side_px"])?;
    let output = keys.table("output")?;
    output.only(&["name", "dimensions", "normalise", "compare"])?;
    output.exactly("compare", "cosine")?;
    if !output.truth("normalise")? {
        return Err(output.bad("normalise", "true"));
    }
    keys.exactly("alignment", "similarity")?;
    let spec = EmbedderSpec {
        input_name,
        output_name: output.text("name")?,
        preprocessing,
        side_px: input.count("side_px", SIDE_PX_MAX)?,
        dimensions: output.count("dimensions", DIMENSIONS_MAX)? as usize,
        template: keys.landmarks("template")?,
    };
    Ok((spec, file(keys)?))
}

/// The part of an `input` table that both networks share; `sizes` are the keys that only one of them has.
fn preprocessing(keys: &Keys<'_>, sizes: &[&str]) -> Result<(String, Preprocessing), PackError> {
    if let Some(key) = keys.unknown(&[&INPUT_KEYS[..], sizes].concat()) {
        return Err(PackError::UnknownPreprocessing { card: keys.card(), key: keys.path(key) });
    }
    keys.exactly("layout", "NCHW")?;
    if keys.numbers("range")? != [0.0, 255.0] {
        return Err(keys.bad("range", "[0, 255]"));
    }
    let channels = match keys.text("channels")?.as_str() {
        "BGR" => ChannelOrder::Bgr,
        "RGB" => ChannelOrder::Rgb,
        _ => return Err(keys.bad("channels", "\"BGR\" or \"RGB\"")),
    };
    let mean = match keys.numbers("mean")?[..] {
        [first, second, third] => [first as f32, second as f32, third as f32],
        _ => return Err(keys.bad("mean", "three numbers, one for each plane")),
    };
    let scale = keys.number("scale")? as f32;
    if scale <= 0.0 {
        return Err(keys.bad("scale", "greater than 0"));
    }
    Ok((keys.text("name")?, Preprocessing { channels, mean, scale }))
}

fn calibration(keys: &Keys<'_>, format: i64) -> Result<Calibration, PackError> {
    let from_format_2: &[&str] = if format >= 2 { &["group"] } else { &[] };
    keys.only(&[CALIBRATION_KEYS, from_format_2].concat())?;
    keys.text("data")?;
    keys.exactly("enrolment", "plain")?;
    keys.integer("impostor_pairs")?;
    for key in ["lfw_accuracy", "lfw_accuracy_mirrored"] {
        if keys.has(key) {
            keys.fraction(key)?;
        }
    }
    rates(keys)
}

/// The columns `score` and `fmr`.
fn rates(keys: &Keys<'_>) -> Result<Calibration, PackError> {
    Calibration::new(&scores(keys)?, &keys.numbers("fmr")?)
        .map_err(|source| PackError::Calibration { card: keys.card(), source })
}

fn scores(keys: &Keys<'_>) -> Result<Vec<f32>, PackError> {
    Ok(keys.numbers("score")?.into_iter().map(|score| score as f32).collect())
}

fn misses(keys: &Keys<'_>) -> Result<Option<MissRates>, PackError> {
    if !keys.has("tmr") {
        return Ok(None);
    }
    let refused = |source| PackError::Calibration { card: keys.card(), source };
    MissRates::new(&scores(keys)?, &keys.numbers("tmr")?).map(Some).map_err(refused)
}

fn group(keys: &Keys<'_>) -> Result<GroupRates, PackError> {
    keys.only(GROUP_KEYS)?;
    Ok(GroupRates {
        name: keys.text("name")?,
        data: keys.text("data")?,
        people: if keys.has("people") { Some(keys.count("people", PEOPLE_MAX)?) } else { None },
        rates: rates(keys)?,
    })
}

fn optional_text(keys: &Keys<'_>, key: &str) -> Result<Option<String>, PackError> {
    if keys.has(key) { keys.text(key).map(Some) } else { Ok(None) }
}

fn file(keys: &Keys<'_>) -> Result<FileRef, PackError> {
    let bytes = u64::try_from(keys.integer("bytes")?).ok().filter(|bytes| (1..=FILE_BYTES_MAX).contains(bytes));
    let hash = parse_sha256(&keys.text("sha256")?);
    Ok(FileRef {
        name: keys.file_name("file")?,
        bytes: bytes.ok_or_else(|| keys.bad("bytes", format!("a whole number from 1 to {FILE_BYTES_MAX}")))?,
        sha256: hash.ok_or_else(|| keys.bad("sha256", "64 lower-case hexadecimal digits"))?,
        licence: keys.text("licence")?,
        licence_files: keys.file_names("licence_files")?,
        source: keys.text("source")?,
        training_data: keys.text("training_data")?,
    })
}
