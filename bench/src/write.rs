//! The stage `write`: what a scan found, into a vault, as `assent scan` does it: one transaction for a batch of photos.

use std::time::{Duration, Instant};

use assent::ledger::{Band, EventKind, NewPhoto, NewSighting, Outcome};
use assent::scan::face_box;
use assent_testkit::T0;
use assent_vision::detect::Detection;

use crate::Error;
use crate::vault::empty_world;

/// Who is seen in every photo that has a face, from the sample portraits.
const PORTRAIT: &str = "julie-payette";

/// What a scan found in a photo.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Width and height, pixels.
    pub(crate) size: (u32, u32),
    /// Its faces, in photo pixels.
    pub(crate) faces: Vec<Detection>,
}

/// Writes the photos of a batch, each with its boxes and one sighting if it has a face, and the batch's leaf of the log;
/// how long the transaction took.
///
/// # Errors
///
/// If the vault refuses.
pub(crate) fn batch(photos: &[Found]) -> Result<Duration, Error> {
    let world = empty_world();
    let (subject, grant) = world.enrol("somebody", PORTRAIT);
    let started = Instant::now();
    world.tx(|tx| {
        let matching = tx.matching(world.collection)?;
        let mut seen = Vec::new();
        for (i, photo) in photos.iter().enumerate() {
            let stored = tx.put_photo(&NewPhoto {
                collection: world.collection,
                path: &format!("2026/photo {i}.jpg").as_str().into(),
                sha256: [i as u8; 32],
                bytes: 1_000_000,
                mtime: T0,
                changed: None,
                picture: None,
                width: photo.size.0,
                height: photo.size.1,
                outcome: &Outcome::read(photo.faces.iter().map(|face| face_box(face, None)).collect()),
                scanned_with: [1; 32],
                matched_epoch: Some(1),
            })?;
            if let Some(&face) = stored.faces.first() {
                let proof = tx.active_grant(grant)?;
                let new = NewSighting { grant: &proof, face, band: Band::Match };
                tx.replace_sightings(&matching, stored.id, &[new])?;
                seen.extend(stored.id.0.to_be_bytes());
            }
        }
        tx.append_leaf(EventKind::Scan, &[], &[(subject, &seen)])?;
        Ok(())
    })?;
    Ok(started.elapsed())
}
