//! A vault with many sealed templates, and how long they take to be opened into memory.

use std::time::Instant;

use assent::DeclaredRates;
use assent::ledger::{NewGrant, NewSubject, Purpose};
use assent::searched::{Opening, Searched};
use assent_testkit::{T0, at, models};
use half::f16;
use serde_json::{Value, json};

use crate::Error;
use crate::figures::{median, round};
use crate::synthetic::Sphere;
use crate::vault::empty_world;

/// Templates of one person. A key is read for each person.
const EACH: usize = 4;

/// How often they are opened.
const RUNS: usize = 5;

/// People in one transaction.
const TOGETHER: usize = 2500;

/// Opens `templates` sealed records (whole people) into a gallery, as a scan does when it starts.
///
/// # Errors
///
/// If the vault cannot be written, or a record does not open.
pub(crate) fn open_sealed(templates: usize, threads: usize) -> Result<Value, Error> {
    let people = (templates / EACH).max(1);
    let world = empty_world();
    let (find, pack) = (Purpose::find_my_photos(), models().pack());
    let mut sphere = Sphere::new(11, pack.embedder().dimensions);
    let mut made = 0;
    while made < people {
        eprintln!("sealing templates of {made} of {people} people");
        let next = (made + TOGETHER).min(people);
        let papers: Vec<_> = (made..next).map(|_| world.paper()).collect();
        world.tx(|tx| {
            for (i, evidence) in (made..next).zip(&papers) {
                let handle = format!("person-{i}");
                let subject = tx.add_subject(&NewSubject { handle: &handle, name: "", contact: "", owner: false })?;
                let grant = tx.open_grant(&NewGrant {
                    subject,
                    collection: world.collection,
                    purpose: &find,
                    evidence,
                    valid_from: T0,
                    valid_until: at(30),
                    notice_sha256: [0; 32],
                })?;
                let bytes =
                    |vector: Vec<f32>| vector.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect::<Vec<u8>>();
                let plain: Vec<Vec<u8>> = (0..EACH).map(|_| bytes(sphere.vector())).collect();
                let plain: Vec<&[u8]> = plain.iter().map(Vec::as_slice).collect();
                tx.enrol(&tx.active_grant(grant)?, pack.model_sha256, &plain)?;
            }
            Ok(())
        })?;
        made = next;
    }
    let mut took = Vec::new();
    for _ in 0..RUNS {
        let started = Instant::now();
        let opened = world.tx(|tx| {
            let mut opening = Opening { threads, available_bytes: None, progress: &mut |_, _| {} };
            Searched::open(tx, models(), world.collection, DeclaredRates::default(), &mut opening)
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
