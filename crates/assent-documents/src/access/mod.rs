//! Everything that is held about a person, in one ZIP file for them: a page to read, the same for programs, and the pictures
//! of their face that are kept, and what waits for its witnesses.

mod data;
mod page;

use assent::ledger::{BlobKind, CollectionId, Evidence, SealedFile, Settings, Signer, Timestamp, file_name_of};
use assent::packs::hex;
use assent::service::lookup::collection_name;
use assent::service::rights::Access;
use serde_json::Value;

use crate::archive::zipped;
use crate::error::DocumentError;

/// The first file of the ZIP file, for the person to read.
pub const PAGE: &str = "about-you.html";

/// The same for programs.
const DATA: &str = "about-you.json";

/// The face that was cut out of a picture of the enrolment.
const PORTRAIT: &str = "portrait.png";

/// What the file says beside what is held.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// Who answers for it.
    pub settings: &'a Settings,
    /// When it was written.
    pub written: Timestamp,
    /// The public key that the log's entries are checked with.
    pub key: &'a str,
    /// The records of the person's consents.
    pub records: &'a [Value],
}

/// The ZIP file.
///
/// # Errors
///
/// - [`DocumentError::Page`] if the page cannot be put together.
/// - [`DocumentError::Zip`] if the file cannot be.
pub fn file(about: &About<'_>, access: &Access) -> Result<Vec<u8>, DocumentError> {
    let names = Names(access);
    let held = &access.held;
    let page = page::page(about, held, &names)?;
    let data = format!("{:#}\n", data::data(about, held, &names));
    let mut files = vec![(PAGE.to_owned(), page.as_bytes()), (DATA.to_owned(), data.as_bytes())];
    files.extend(held.portrait.as_deref().map(|portrait| (PORTRAIT.to_owned(), portrait)));
    let crops = held.sightings.iter().enumerate().filter_map(|(i, seen)| Some((crop_name(i), seen.crop.as_deref()?)));
    files.extend(crops);
    files.extend(held.files.iter().map(|file| (waiting_name(&file.about), file.bytes.as_slice())));
    zipped(files.iter().map(|(name, bytes)| (name.as_str(), *bytes)))
}

fn crop_name(sighting: usize) -> String {
    format!("faces/{:05}.png", sighting + 1)
}

/// A picture or a form that waits.
fn waiting_name(file: &SealedFile) -> String {
    let what = match file.kind {
        BlobKind::Portrait => "picture",
        BlobKind::Release => "form",
    };
    format!("waiting/{what} {} {}", &file.id.to_string()[..8], file_name_of(&file.name))
}

/// What ids are called.
struct Names<'a>(&'a Access);

impl Names<'_> {
    fn collection(&self, id: CollectionId) -> &str {
        collection_name(&self.0.collections, id)
    }

    /// What shows that they agreed, on one line.
    fn evidence(&self, evidence: &Evidence) -> String {
        match evidence {
            Evidence::SelfStatement { .. } => self.shown_by(evidence),
            Evidence::Paper { release_sha256, .. } => {
                format!("{} (SHA-256 {})", self.shown_by(evidence), hex(release_sha256))
            }
        }
    }

    /// The same without the form's hash.
    fn shown_by(&self, evidence: &Evidence) -> String {
        match evidence {
            Evidence::SelfStatement { statement } => format!("your own statement: {statement}"),
            Evidence::Paper { witnesses, signed_by, statement, signed, .. } => {
                let name = |id| self.0.witnesses.iter().find(|w| w.id == id).map_or("?", |w| w.name.as_str());
                let witnesses: Vec<&str> = witnesses.iter().map(|id| name(*id)).collect();
                let note = if statement.is_empty() { String::new() } else { format!("; {statement}") };
                let who = match signed_by {
                    Signer::Subject => " by you",
                    Signer::Parent => " by a parent",
                    Signer::Both => " by you and a parent",
                };
                let seen =
                    if signed.is_some() { "witnessed, with signatures of their own, by" } else { "witnessed by" };
                format!("a form signed{who}, {seen} {}{note}", witnesses.join(" and "))
            }
        }
    }
}
