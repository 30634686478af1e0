//! What is done with a collection as a whole: it is added, and why its people may be looked at is stated; photos that are
//! gone for good are forgotten, its folder lies elsewhere, and it ends.

use std::collections::BTreeSet;
use std::path::Path;

use assent_ledger::{
    Act, Basis, BystanderBasis, Collection, CollectionCounts, CollectionId, Forgotten, LeaseName, Ledger,
    NewCollection, PhotoId, Timestamp, TxError, UPLOADS, VaultKind,
};
use thiserror::Error;

use super::lookup;
use crate::scan::moved_photos;
use crate::source::{Folder, Listing, PhotoFile, Source, SourceError, UploadError, Uploads};

/// A folder where fewer than one in so many known photos lie is taken for the wrong one.
const THERE_AT_LEAST: usize = 2;

/// Why nothing was done with a collection.
#[derive(Debug, Error)]
pub enum CollectionError {
    /// The folder could not be opened or listed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The folder for photos that are handed in could not be made.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] TxError),
    /// An organisation has to say why the other people in its photos may be looked at.
    #[error("it is not said why the other people in these photos may be looked at")]
    NoBystanderBasis,
    /// Not one known photo is there, so that the disk is away rather than they.
    #[error("not one of the {known} known photos is in {folder}, so nothing was changed")]
    AllMissing {
        /// The path of the folder, as it is shown.
        folder: String,
        /// The number of photos that are known of the collection.
        known: usize,
    },
    /// There are files that were not scanned yet.
    #[error(
        "the folder has files that were not scanned yet ({new}); they may be missing photos under other names, so \
         nothing was changed"
    )]
    NotScanned {
        /// Files that were not scanned yet.
        new: usize,
    },
    /// A folder is one collection.
    #[error("the folder {folder} is the collection {name} already; nothing was changed")]
    SameFolder {
        /// The path of the folder, as it is shown.
        folder: String,
        /// The collection that has it.
        name: String,
    },
    /// The photos are not in the folder that they are said to lie in.
    #[error("only {there} of the {known} known photos are in {folder}, by path and length, so nothing was changed")]
    WrongFolder {
        /// The path of the folder, as it is shown.
        folder: String,
        /// Photos that are there.
        there: usize,
        /// The number of photos that are known of the collection.
        known: usize,
    },
}

/// The collections whose folders lie in this one, or hold it: the same photos are in both.
///
/// # Errors
///
/// [`CollectionError::SameFolder`] if the folder is that of one of them.
pub fn overlapping_collections<'c>(
    all: &'c [Collection],
    folder: &Folder,
) -> Result<Vec<&'c Collection>, CollectionError> {
    let path = folder.path();
    if let Some(same) = all.iter().find(|c| Path::new(&c.directory) == path) {
        return Err(CollectionError::SameFolder { folder: folder.text().to_owned(), name: same.name.clone() });
    }
    let overlaps = |c: &&Collection| {
        let other = Path::new(&c.directory);
        other.starts_with(path) || path.starts_with(other)
    };
    Ok(all.iter().filter(overlaps).collect())
}

/// Where the photos of a new collection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Photos<'a> {
    /// In the folder with this path.
    Folder(&'a str),
    /// They are handed in, and kept in a folder of the vault's own.
    Uploads,
}

/// A collection to be added.
#[derive(Debug, Clone)]
pub struct New<'a> {
    /// The name of the collection.
    pub name: &'a str,
    /// Where its photos are.
    pub photos: Photos<'a>,
    /// Why the other people in it may be looked at; a household need not say.
    pub others: Option<BystanderBasis>,
    /// Whether the faces of people who agreed are cut out and kept.
    pub keep_crops: bool,
}

/// A collection that was added.
#[derive(Debug)]
pub struct Added {
    /// Its id.
    pub id: CollectionId,
    /// Why the other people in it may be looked at.
    pub others: BystanderBasis,
    /// What is in the folder.
    pub listing: Listing,
    /// The names of collections that share photos with it, because their folders lie in each other.
    pub overlapping: Vec<String>,
    /// What keeps its faces from being compared.
    pub missing: Vec<TxError>,
}

/// Adds a collection.
///
/// # Errors
///
/// - [`CollectionError::Source`] if there is no such folder, or it cannot be listed.
/// - [`CollectionError::Upload`] if the folder for photos that are handed in cannot be made; the collection is there, and the next
///   upload makes it.
/// - [`CollectionError::NoBystanderBasis`] if an organisation does not say why others may be looked at.
/// - [`CollectionError::SameFolder`] if it is the folder of another collection.
/// - [`CollectionError::Ledger`] as [`assent_ledger::Tx::add_collection`] and [`assent_ledger::Tx::keep_crops`].
pub fn add(ledger: &Ledger, new: &New<'_>, act: Act) -> Result<Added, CollectionError> {
    let folder = match new.photos {
        Photos::Folder(path) => Some(Folder::open(path)?),
        Photos::Uploads => None,
    };
    let others = match (&new.others, ledger.kind()) {
        (Some(others), _) => others.clone(),
        (None, VaultKind::Household) => BystanderBasis::Household,
        (None, VaultKind::Organisation) => return Err(CollectionError::NoBystanderBasis),
    };
    let (mut listing, mut overlapping) = (Listing::default(), Vec::new());
    if let Some(folder) = &folder {
        listing = folder.list()?;
        let all = lookup::collections(ledger, act.at)?;
        overlapping = overlapping_collections(&all, folder)?.into_iter().map(|c| c.name.clone()).collect();
    }
    let directory = folder.as_ref().map_or(UPLOADS, Folder::text);
    let collection = NewCollection { name: new.name, directory, others: others.clone() };
    let added = ledger.run_tx("add a collection", act, |tx| {
        let id = tx.add_collection(&collection)?;
        if new.keep_crops {
            tx.keep_crops(id)?;
        }
        Ok((tx.collection(id)?, tx.missing_prerequisites(id)?))
    });
    let (Collection { id, directory, .. }, missing) = added?.into_inner();
    if folder.is_none() {
        Uploads::open(&directory, act.at)?;
    }
    Ok(Added { id, others, listing, overlapping, missing })
}

/// What a collection holds, and what keeps its faces from being compared.
#[derive(Debug)]
pub struct Standing {
    /// The rows of it.
    pub counts: CollectionCounts,
    /// What keeps its faces from being compared.
    pub missing: Vec<TxError>,
}

/// How a collection stands.
///
/// # Errors
///
/// [`TxError`] if there is no such collection, or the ledger cannot be read.
pub fn standing(ledger: &Ledger, collection: CollectionId, now: Timestamp) -> Result<Standing, TxError> {
    ledger.read_tx(now, |tx| {
        Ok(Standing { counts: tx.counts(collection)?, missing: tx.missing_prerequisites(collection)? })
    })
}

/// States why the people of a collection may be looked at; what `change` does not say stays. Returns what still keeps its
/// faces from being compared.
///
/// # Errors
///
/// As [`assent_ledger::Tx::set_basis`].
pub fn state_basis(
    ledger: &Ledger,
    collection: CollectionId,
    change: &Basis,
    act: Act,
) -> Result<Vec<TxError>, TxError> {
    let missing = ledger.run_tx("state the basis", act, |tx| {
        let (then, change) = (tx.collection(collection)?.basis, change.clone());
        let basis = Basis {
            jurisdiction: change.jurisdiction.or(then.jurisdiction),
            purpose_ends: change.purpose_ends.or(then.purpose_ends),
            dpia: change.dpia.or(then.dpia),
            necessity: change.necessity.or(then.necessity),
            alternative: change.alternative.or(then.alternative),
            notice_public: change.notice_public.or(then.notice_public),
        };
        tx.set_basis(collection, &basis)?;
        tx.missing_prerequisites(collection)
    });
    Ok(missing?.into_inner())
}

/// Known photos of a collection whose files are not in its folder, neither under their path nor under another.
#[derive(Debug)]
pub struct Missing {
    collection: CollectionId,
    photos: BTreeSet<PhotoId>,
    /// Their paths below the collection's folder.
    pub paths: Vec<String>,
    /// Photos that are known.
    pub known: usize,
    /// What is known of those that are missing.
    pub held: Forgotten,
}

/// Looks which known photos are not in the folder. Nothing is changed.
///
/// # Errors
///
/// - [`CollectionError::Source`] if the folder cannot be listed.
/// - [`CollectionError::AllMissing`] if none of them is there.
/// - [`CollectionError::NotScanned`] if some are missing and files are there that were not scanned yet.
/// - [`CollectionError::Ledger`] if there is no such collection, or the ledger refuses.
pub fn missing(ledger: &Ledger, collection: CollectionId, now: Timestamp) -> Result<Missing, CollectionError> {
    let about = ledger.read_tx(now, |tx| tx.collection(collection))?;
    let source = Source::of(&about)?;
    let listing = source.list()?;
    let (mut known, mut away, mut is_known) = (0, Vec::new(), vec![false; listing.files.len()]);
    ledger.read_tx(now, |tx| {
        tx.each_photo(collection, &mut |photo| {
            known += 1;
            match listing.files.binary_search_by(|file| file.path.cmp(&photo.path)) {
                Ok(at) => is_known[at] = true,
                // What could not be looked at is not missing.
                Err(_) if listing.is_complete_at(&photo.path) => away.push(photo),
                Err(_) => {}
            }
            true
        })
    })?;
    let new = listing.files.iter().zip(is_known).filter(|(_, is_known)| !is_known).map(|(file, _)| file);
    let new: Vec<&PhotoFile> = new.collect();
    let moved = moved_photos(ledger, &source, &about, (&away, &new), now)?;
    let new = new.len() - moved.len();
    let moved: BTreeSet<PhotoId> = moved.into_iter().map(|(_, photo)| photo).collect();
    away.retain(|photo| !moved.contains(&photo.id));
    away.sort_by(|a, b| a.path.cmp(&b.path));
    let photos: BTreeSet<PhotoId> = away.iter().map(|photo| photo.id).collect();
    let paths = away.iter().map(|photo| photo.path.to_string()).collect();
    if known > 0 && photos.len() == known {
        return Err(CollectionError::AllMissing { folder: about.directory, known });
    }
    if new > 0 && !photos.is_empty() {
        return Err(CollectionError::NotScanned { new });
    }
    let held = ledger.read_tx(now, |tx| tx.would_forget(collection, &photos))?;
    Ok(Missing { collection, photos, paths, known, held })
}

/// Forgets photos that are missing, with all that is known of them. Returns how many.
///
/// # Errors
///
/// [`TxError`] if the ledger refuses.
pub fn forget_missing(ledger: &Ledger, missing: &Missing, act: Act) -> Result<u64, TxError> {
    // A scan may be about to find one of them under another name.
    ledger.under_lease(LeaseName::Scan(missing.collection), act.at, |lease| {
        let forget = ledger.run_tx("forget missing photos", act, |tx| {
            tx.renew_lease(lease)?;
            tx.remove_photos(missing.collection, &missing.photos)
        });
        Ok(forget?.into_inner())
    })
}

/// A folder in which a collection is said to lie, and how much of it is there.
#[derive(Debug)]
pub struct Place {
    about: Collection,
    folder: Folder,
    /// The number of photos that are known of the collection.
    pub known: usize,
    /// Those of them that lie there under their path and with their length.
    pub there: usize,
}

/// Looks whether the known photos of a collection lie in a folder. Nothing is changed.
///
/// # Errors
///
/// - [`CollectionError::Source`] if it is no folder, or cannot be listed.
/// - [`CollectionError::SameFolder`] if it is the folder of another collection.
/// - [`CollectionError::Ledger`] if there is no such collection, or the ledger refuses.
pub fn place(
    ledger: &Ledger,
    collection: CollectionId,
    folder: &str,
    now: Timestamp,
) -> Result<Place, CollectionError> {
    let folder = Folder::open(folder)?;
    let read = ledger.read_tx(now, |tx| Ok((tx.collection(collection)?, tx.collections()?)));
    let (about, mut others) = read?;
    others.retain(|other| other.id != collection);
    overlapping_collections(&others, &folder)?;
    let listing = folder.list()?;
    let (mut known, mut there) = (0, 0);
    ledger.read_tx(now, |tx| {
        tx.each_photo(collection, &mut |photo| {
            let at = listing.files.binary_search_by(|file| file.path.cmp(&photo.path));
            there += usize::from(at.is_ok_and(|at| listing.files[at].bytes == photo.bytes));
            known += 1;
            true
        })
    })?;
    Ok(Place { about, folder, known, there })
}

/// Records that a collection lies there from now on. All that is known of its photos stays.
///
/// # Errors
///
/// - [`CollectionError::WrongFolder`] if less than half of its photos are there, unless `anyway`.
/// - [`CollectionError::Ledger`] if the ledger refuses.
pub fn move_to(ledger: &Ledger, place: &Place, anyway: bool, act: Act) -> Result<(), CollectionError> {
    let Place { about, folder, known, there } = place;
    if !anyway && there * THERE_AT_LEAST < *known {
        let folder = folder.text().to_owned();
        return Err(CollectionError::WrongFolder { folder, there: *there, known: *known });
    }
    // A scan would look for its photos in the old folder.
    ledger.under_lease(LeaseName::Scan(about.id), act.at, |lease| {
        ledger.run_tx("move a collection", act, |tx| {
            tx.renew_lease(lease)?;
            tx.move_collection(about.id, folder.text())
        })?;
        Ok(())
    })
}

/// Ends a collection ([`assent_ledger::Tx::remove_collection`]). Returns what it held.
///
/// # Errors
///
/// [`TxError`] if the ledger refuses.
pub fn remove(ledger: &Ledger, collection: CollectionId, act: Act) -> Result<CollectionCounts, TxError> {
    Ok(ledger.run_tx("remove a collection", act, |tx| tx.remove_collection(collection))?.into_inner())
}
