//! Who can be found in a collection, what its thresholds promise, how harsh its people are for the models, and who moved to
//! others.

use assent_gallery::calibration::{Calibration, DeclaredRates};
use assent_ledger::{CollectionId, Ledger, SubjectId, Timestamp, TxError};
use thiserror::Error;

use crate::calibrate::{Calibrated, Expected, Measured};
use crate::change_models::Behind;
use crate::models::Models;
use crate::open_gallery::{NotEnoughMemory, OpenGallery, OpenOptions};

/// The sizes of galleries for which it is said what is to be expected, templates.
const SIZES: [usize; 4] = [100, 1_000, 5_000, 10_000];

/// A rate is higher than another one if it is higher by more than rounding is.
const HIGHER: f64 = 1.0 + 1e-6;

/// Why a gallery was not opened.
#[derive(Debug, Error)]
pub enum GalleryError {
    /// It does not fit into memory.
    #[error(transparent)]
    NotEnoughMemory(#[from] NotEnoughMemory),
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] TxError),
}

/// Who can be found in a collection.
#[derive(Debug)]
pub struct GalleryStatus {
    /// What is compared, in memory.
    pub gallery: OpenGallery,
    /// The handles of people who look alike.
    pub look_alikes: Vec<[String; 2]>,
    /// People of the collection who are enrolled with other models.
    pub people_of_other_models: u64,
    /// The rates that the thresholds promise by the table that holds here: of `match`, and of both bands together.
    pub promised: Option<(Option<f64>, f64)>,
    /// What is to be expected of the gallery as it is.
    pub expected: Option<Expected>,
    /// What is to be expected of galleries of some sizes: by what is known of these people now, and of average people.
    pub by_size: Vec<(Expected, Expected)>,
    /// Up to how many templates a face can be sure.
    pub supported: Option<usize>,
}

/// Opens what may be searched in a collection.
///
/// # Errors
///
/// As [`OpenGallery::open`].
pub fn open(
    ledger: &Ledger,
    models: &Models,
    (collection, rates): (CollectionId, DeclaredRates),
    options: &mut OpenOptions<'_>,
    now: Timestamp,
) -> Result<OpenGallery, GalleryError> {
    Ok(ledger.read_tx(now, |tx| OpenGallery::open(tx, models, collection, rates, options))??)
}

/// The same, with who looks like whom.
///
/// # Errors
///
/// As [`open`].
pub fn status(
    ledger: &Ledger,
    models: &Models,
    (collection, rates): (CollectionId, DeclaredRates),
    options: &mut OpenOptions<'_>,
    now: Timestamp,
) -> Result<GalleryStatus, GalleryError> {
    let read = ledger.read_tx(now, |tx| {
        let gallery = match OpenGallery::open(tx, models, collection, rates, options)? {
            Ok(gallery) => gallery,
            Err(not_enough_memory) => return Ok(Err(not_enough_memory)),
        };
        let handle = |id: SubjectId| Ok::<_, TxError>(tx.subject(id)?.handle);
        let pairs = gallery.look_alikes().into_iter().map(|(a, b)| Ok([handle(a)?, handle(b)?]));
        let look_alikes = pairs.collect::<Result<Vec<_>, TxError>>()?;
        let in_use = tx.template_models(Some(collection))?;
        let others = in_use.iter().filter(|(model, _)| *model != models.pack().model_sha256);
        Ok(Ok((gallery, look_alikes, others.map(|(_, people)| people).sum())))
    });
    let (gallery, look_alikes, people_of_other_models) = read??;
    let (pack, table) = (models.pack(), gallery.table());
    let expected = |table: &Calibration, templates| Expected::of(table, pack, rates, templates);
    let by_size = table.zip(pack.calibration()).map(|(here, average)| {
        SIZES.map(|templates| (expected(here, templates), expected(average, templates))).to_vec()
    });
    Ok(GalleryStatus {
        promised: table.map(|table| table.promised(gallery.thresholds(), gallery.templates())),
        expected: table.map(|table| expected(table, gallery.templates())),
        by_size: by_size.unwrap_or_default(),
        supported: table.map(|table| table.templates_supported(rates)),
        gallery,
        look_alikes,
        people_of_other_models,
    })
}

/// One score of the table, or beyond its end.
#[derive(Debug, Clone, Copy)]
pub struct CalibratedRow {
    /// What was measured among the people of the collection.
    pub here: Measured,
    /// The models' rate.
    pub own: Option<f64>,
    /// That of the harshest group on which the models were measured.
    pub harshest: Option<f64>,
    /// The rate that holds.
    pub now: Option<f64>,
}

/// What was measured among the people of a collection, beside what the models say.
#[must_use]
pub fn calibrated_rows(calibrated: &Calibrated, models: &Models) -> Vec<CalibratedRow> {
    let own = models.pack().calibration().map_or(&[][..], Calibration::rows);
    let harshest = models.pack().harshest();
    let harshest = harshest.as_ref().map_or(&[][..], Calibration::rows);
    let rate_at = |rows: &[(f32, f64)], score: f32| rows.iter().find(|(s, _)| *s == score).map(|(_, rate)| *rate);
    let row = |here: &Measured| CalibratedRow {
        here: *here,
        own: rate_at(own, here.score),
        harshest: rate_at(harshest, here.score),
        now: rate_at(calibrated.table.rows(), here.score),
    };
    calibrated.measured.iter().map(row).collect()
}

/// What the people of a collection changed about the models' table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harshness {
    /// They are too few to tell, and the models name no groups.
    UnknownWithoutGroups,
    /// They are too few to tell, so the rule for the harshest group of the models holds.
    Unknown,
    /// They are harder to tell apart than any group of the models.
    AboveEveryGroup,
    /// They are harder to tell apart than people are on average.
    AboveAverage,
    /// They are no harder to tell apart than people are on average.
    Average,
}

/// How hard the people of a collection are to tell apart; `None` where the models have no table.
#[must_use]
pub fn harshness(calibrated: &Calibrated, models: &Models) -> Option<Harshness> {
    let pack = models.pack();
    let (own, harshest) = (pack.calibration()?, pack.harshest()?);
    let is_above =
        |of: &Calibration| calibrated.table.rows().iter().zip(of.rows()).any(|((_, now), (_, fmr))| now / fmr > HIGHER);
    Some(if !calibrated.enough && pack.card.groups.is_empty() {
        Harshness::UnknownWithoutGroups
    } else if !calibrated.enough {
        Harshness::Unknown
    } else if is_above(&harshest) {
        Harshness::AboveEveryGroup
    } else if is_above(own) {
        Harshness::AboveAverage
    } else {
        Harshness::Average
    })
}

/// What people and collections are called that a move to other models concerns.
#[derive(Debug)]
pub struct MoveNames {
    /// The handles of those who need a picture, sorted.
    pub need_picture: Vec<String>,
    /// The collections that forbid matching now.
    pub locked: Vec<String>,
    /// The others.
    pub collections: Vec<String>,
}

/// What those are called whom a move to other models concerns.
///
/// # Errors
///
/// [`TxError`] if the ledger cannot be read.
pub fn move_names(ledger: &Ledger, behind: &Behind, now: Timestamp) -> Result<MoveNames, TxError> {
    ledger.read_tx(now, |tx| {
        let handle = |subject: &SubjectId| Ok(tx.subject(*subject)?.handle);
        let mut need_picture = behind.need_picture.iter().map(handle).collect::<Result<Vec<String>, TxError>>()?;
        need_picture.sort();
        let name = |id: &CollectionId| Ok(tx.collection(*id)?.name);
        let locked = behind.locked.iter().map(name).collect::<Result<Vec<String>, TxError>>()?;
        let collections = tx.collections()?.into_iter().map(|c| c.name).filter(|c| !locked.contains(c)).collect();
        Ok(MoveNames { need_picture, locked, collections })
    })
}
