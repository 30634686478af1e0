//! A vault with many sealed templates, and how long they take to be opened into memory.

use std::time::Instant;

use assent::DeclaredRates;
use assent::open_gallery::{OpenGallery, OpenOptions};
use assent_testkit::models;
use half::f16;
use serde_json::{Value, json};

use crate::Error;
use crate::figures::{median, round};
use crate::synthetic::Sphere;
use crate::vault::{empty_world, enrol};

/// Templates of one person. A key is read for each person.
const EACH: usize = 4;

/// How often they are opened.
const RUNS: usize = 5;

/// Opens `templates` sealed records (whole people) into a gallery, as a scan does when it starts.
///
/// # Errors
///
/// If the vault cannot be written, or a record does not open.
pub(crate) fn open_sealed(templates: usize, threads: usize) -> Result<Value, Error> {
    let people = (templates / EACH).max(1);
    let world = empty_world();
    let pack = models().pack();
    let mut sphere = Sphere::new(11, pack.embedder().dimensions);
    let mut template = || sphere.vector().into_iter().flat_map(|v| f16::from_f32(v).to_le_bytes()).collect::<Vec<u8>>();
    enrol(&world, people, pack.model_sha256, &mut || (0..EACH).map(|_| template()).collect())?;
    let mut took = Vec::new();
    for _ in 0..RUNS {
        let started = Instant::now();
        let opened = world.tx(|tx| {
            let mut options = OpenOptions { threads, available_bytes: None, progress: &mut |_, _| {} };
            OpenGallery::open(tx, models(), world.collection, DeclaredRates::default(), &mut options)
        })??;
        took.push(round(started.elapsed().as_secs_f64(), 3));
        if opened.templates() != people * EACH {
            return Err(format!("{} of {} templates opened", opened.templates(), people * EACH).into());
        }
    }
    Ok(
        json!({ "templates": people * EACH, "people": people, "threads": threads, "seconds": median(&took), "runs": took }),
    )
}
