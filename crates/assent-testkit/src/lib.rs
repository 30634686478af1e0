//! Helpers for the tests of the project itself: a clock that stands still, seeded randomness, a vault in a temporary
//! folder, the sample packs, and tiny signed forms.
//!
//! ```no_run
//! let w = assent_testkit::World::new(&["kate-rubins.jpg"]); // A vault with a collection of one photo.
//! let (kate, _) = w.enrol("kate", "kate-rubins");
//! w.scan();
//! assert_eq!(w.find(kate).len(), 1);
//! ```
//!
//! The packs are those of the folder `shared` beside the checkout, the inference library the one that `make runtime`
//! puts into `.runtime`; `ASSENT_RUNTIME` names another.

#![expect(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc, reason = "helpers of tests fail loudly")]

mod database;
mod metadata;
mod packs;
mod pictures;
mod rng;
mod world;

pub use database::on_postgres;
pub use metadata::{commented, held, png, rated, tiff, webp};
pub use packs::{SEARCH, crew, light, light_pack, models, models_of, portrait_names, runtime_dir, with_worker};
pub use pictures::{blurred, darkened, dated, jpeg, mirrored, open, part, pdf, release, shrunk, side_by_side};
pub use rng::SeededRng;
pub use world::{DAY, Home, NOTICE, OPERATOR, T0, World, act, at, lenient, scan_for, scan_with};

use std::fs;
use std::path::Path;

/// All bytes of the files below a folder, one after the other.
pub fn bytes_below(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(bytes_below(&path));
        } else {
            all.extend(fs::read(path).unwrap());
        }
    }
    all
}

/// Whether `needle` stands anywhere in `hay`.
pub fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|w| w == needle)
}
