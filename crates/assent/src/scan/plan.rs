//! What is to be done in a collection, and why: the folder as it is against what is known of it.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use assent_ledger::{Absences, Album, Collection, KnownPhoto, Lease, Ledger, PhotoId, PhotoPath, Timestamp, TxError};

use crate::packs::sha256;
use crate::source::{Listing, PhotoFile, Source, Unread};

/// One photo to be done.
#[derive(Debug)]
pub(super) struct Task<'f> {
    /// The photo's file, as the folder lists it.
    pub(super) file: &'f PhotoFile,
    /// What is to be done with it.
    pub(super) work: Work,
    /// When it was taken, as far as that is known before it is read.
    pub(super) taken: Timestamp,
    /// Whether nobody looked yet when it was taken.
    pub(super) undated: bool,
}

/// What is to be done with a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// It is new, or changed, or was scanned by other networks: it is searched for faces. `known` is what has this path.
    Detect { known: Option<PhotoId> },
    /// It is known, and its file was touched, or has another date: does it hold what it held? If not, it is searched for
    /// faces.
    Check { photo: PhotoId },
    /// Its faces are known and have not met the newest templates.
    Rematch { photo: PhotoId },
    /// The same, and the crops of all its `faces` are kept.
    RematchCrops { photo: PhotoId, faces: usize },
}

impl Work {
    /// The photo that is known under this path.
    pub(super) fn known(self) -> Option<PhotoId> {
        match self {
            Work::Detect { known } => known,
            Work::Check { photo } | Work::Rematch { photo } | Work::RematchCrops { photo, .. } => Some(photo),
        }
    }
}

/// What is to be done, and what is not.
#[derive(Debug)]
pub(super) struct Plan<'f> {
    /// Photos to be done, the newest first; of equally old ones, by path.
    pub(super) todo: Vec<Task<'f>>,
    /// Known, unchanged photos that have to meet nobody: they have no face, or there is nobody to meet.
    pub(super) without_faces: usize,
    /// Known, unchanged photos with nothing to be done.
    pub(super) unchanged: usize,
    /// Of these, the ones that could not be used, with the reason's code.
    pub(super) failed: Vec<(String, String)>,
    /// Known photos that have another path now.
    pub(super) moved: usize,
    /// How many known photos' files are not there.
    pub(super) absences: Absences,
    /// Which they are.
    pub(super) absent: BTreeSet<PhotoId>,
    /// Known photos in parts of the folder that could not be listed.
    pub(super) unlisted: BTreeSet<PhotoId>,
    /// Whether there are new files that are not looked at: one may be a photo that is absent.
    pub(super) passes_over_new: bool,
}

impl<'f> Plan<'f> {
    /// Compares the folder with what is known; `enrolled` says up to which epoch everybody is in the gallery, and whether that
    /// is nobody. Moved photos get their new paths, and those whose files are not there are
    /// missing from now on ([`assent_ledger::Tx::note_listing`]).
    ///
    /// # Errors
    ///
    /// [`TxError`] if the ledger refuses either.
    pub(super) fn make(
        (ledger, lease): (&Ledger, &Lease),
        source: &Source,
        about: &Collection,
        known: &[KnownPhoto],
        listing: &'f Listing,
        (enrolled, album, model): (Option<(i64, bool)>, Option<&Album>, [u8; 32]),
        now: Timestamp,
    ) -> Result<Plan<'f>, TxError> {
        let moved = follow_moves((ledger, lease), source, about, known, listing, now)?;
        let mut by_path: BTreeMap<&PhotoPath, &KnownPhoto> = known.iter().map(|k| (&k.path, k)).collect();
        let by_id: BTreeMap<PhotoId, &KnownPhoto> = known.iter().map(|k| (k.id, k)).collect();
        for (path, photo) in &moved {
            if let Some(k) = by_id.get(photo) {
                by_path.remove(&k.path);
                by_path.insert(path, k);
            }
        }
        let present: BTreeSet<&PhotoPath> = listing.files.iter().map(|f| &f.path).collect();
        let not_there = || by_path.iter().filter(|(path, _)| !present.contains(*path));
        // What could not be looked at is not missing.
        let (absent, unlisted): (Vec<_>, Vec<_>) = not_there().partition(|(path, _)| listing.is_complete_at(path));
        let ids = |photos: Vec<(&&PhotoPath, &&KnownPhoto)>| photos.into_iter().map(|(_, k)| k.id).collect();
        let (absent, unlisted): (BTreeSet<PhotoId>, BTreeSet<PhotoId>) = (ids(absent), ids(unlisted));
        let said = ledger.run_tx("note missing photos", now, |tx| {
            tx.renew_lease(lease)?;
            tx.note_listing(about.id, &absent, &unlisted)
        })?;
        let mut plan = Plan {
            todo: Vec::new(),
            without_faces: 0,
            unchanged: 0,
            failed: Vec::new(),
            moved: moved.len(),
            absences: said.into_inner(),
            absent,
            unlisted,
            passes_over_new: false,
        };
        for file in &listing.files {
            plan.add(file, by_path.get(&file.path).copied(), about, (enrolled, album, model));
        }
        plan.todo.sort_by(|a, b| (Reverse(a.taken), &a.file.path).cmp(&(Reverse(b.taken), &b.file.path)));
        Ok(plan)
    }

    fn add(
        &mut self,
        file: &'f PhotoFile,
        known: Option<&KnownPhoto>,
        about: &Collection,
        (enrolled, album, model): (Option<(i64, bool)>, Option<&Album>, [u8; 32]),
    ) {
        let untouched = known.is_some_and(|k| is_untouched(k, file));
        let scanned = known.filter(|k| is_as_scanned(k, file, untouched, model));
        let dated = scanned.and_then(|k| k.taken);
        // A request is about its album alone, and meets every photo of it: whom others met there says nothing of them. When
        // a photo was taken of which that is not known, its file says.
        let holds = |album: &Album| dated.map_or_else(|| album.may_hold(&file.path), |at| album.holds(&file.path, &at));
        if album.is_some_and(|album| !holds(album)) {
            self.unchanged += 1;
            self.passes_over_new |= known.is_none();
            return;
        }
        let (taken, undated) = (known.map_or(file.modified, |k| k.taken().at), dated.is_none());
        let Some(k) = scanned else {
            self.todo.push(Task { file, work: Work::Detect { known: known.map(|k| k.id) }, taken, undated });
            return;
        };
        let met = enrolled.is_none_or(|(epoch, _)| album.is_none() && k.matched_epoch.is_some_and(|met| met >= epoch));
        let nobody = enrolled.is_none_or(|(_, nobody)| nobody);
        let photo = k.id;
        if let Some(code) = &k.failure {
            self.failed.push((file.path.to_string(), code.clone()));
            self.unchanged += 1;
        } else if (met || k.faces == 0 || nobody) && !untouched {
            self.todo.push(Task { file, work: Work::Check { photo }, taken, undated });
        } else if met {
            self.unchanged += 1;
        } else if k.faces == 0 || nobody {
            self.without_faces += 1;
        } else if untouched && about.keep_crops && k.crops == k.faces && !(undated && album.is_some()) {
            let work = Work::RematchCrops { photo, faces: k.faces as usize };
            self.todo.push(Task { file, work, taken, undated });
        } else {
            self.todo.push(Task { file, work: Work::Rematch { photo }, taken, undated });
        }
    }
}

/// Whether a file is the one that was scanned as far as the file system knows.
fn is_untouched(known: &KnownPhoto, file: &PhotoFile) -> bool {
    // A moved file was recognised by its content, whatever its dates.
    let dates = (known.mtime, known.changed) == (file.modified, file.changed);
    (known.bytes == file.bytes && dates) || known.path != file.path
}

/// Whether what is known of a photo may be about this file, by these networks.
fn is_as_scanned(known: &KnownPhoto, file: &PhotoFile, untouched: bool, model: [u8; 32]) -> bool {
    let length = known.bytes == file.bytes || known.path != file.path;
    let read = match known.failure.as_deref() {
        Some(code) => untouched && code != Unread::Unreadable.code(),
        // Before format 6 it was not known what a photo shows.
        None => known.recognised,
    };
    length && read && known.scanned_with == model
}

/// Recognises known photos under new paths by their content and records the new paths. Returns new path and photo.
fn follow_moves(
    (ledger, lease): (&Ledger, &Lease),
    source: &Source,
    about: &Collection,
    known: &[KnownPhoto],
    listing: &Listing,
    now: Timestamp,
) -> Result<Vec<(PhotoPath, PhotoId)>, TxError> {
    let moved = moved_photos(ledger, source, about, known, listing, now)?;
    if moved.is_empty() {
        return Ok(Vec::new());
    }
    ledger.run_tx("follow moved photos", now, |tx| {
        tx.renew_lease(lease)?;
        moved
            .iter()
            .try_for_each(|(file, photo)| tx.move_photo(about.id, *photo, &file.path, (file.modified, file.changed)))
    })?;
    Ok(moved.into_iter().map(|(file, photo)| (file.path.clone(), photo)).collect())
}

/// Known photos that have another path now, by their content.
///
/// # Errors
///
/// [`TxError`] if the ledger refuses to be read.
pub(crate) fn moved_photos<'f>(
    ledger: &Ledger,
    source: &Source,
    about: &Collection,
    known: &[KnownPhoto],
    listing: &'f Listing,
    now: Timestamp,
) -> Result<Vec<(&'f PhotoFile, PhotoId)>, TxError> {
    let present: BTreeSet<&PhotoPath> = listing.files.iter().map(|f| &f.path).collect();
    let is_missing = |k: &&KnownPhoto| !present.contains(&k.path) && listing.is_complete_at(&k.path);
    let missing: Vec<&KnownPhoto> = known.iter().filter(is_missing).collect();
    let lengths: BTreeSet<u64> = missing.iter().map(|k| k.bytes).collect();
    let paths: BTreeSet<&PhotoPath> = known.iter().map(|k| &k.path).collect();
    let mut candidates: Vec<(&PhotoFile, [u8; 32])> = Vec::new();
    for file in listing.files.iter().filter(|f| !paths.contains(&f.path)) {
        if lengths.contains(&file.bytes)
            && let Ok(bytes) = source.read(file)
        {
            candidates.push((file, sha256(&bytes)));
        }
    }
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let found = ledger.read_tx(now, |tx| {
        let free: BTreeSet<PhotoId> = missing.iter().map(|k| k.id).collect();
        let hashes = candidates.iter().map(|(_, hash)| *hash);
        let photos = match_by_content(hashes, &free, |hash| tx.photos_with_content(about.id, hash))?;
        let moved: Vec<(&PhotoFile, PhotoId)> =
            candidates.iter().zip(photos).filter_map(|((file, _), photo)| Some((*file, photo?))).collect();
        Ok(moved)
    })?;
    Ok(found)
}

/// Which of the `free` photos each file is by its content, each photo once. Each content is asked for once, however many
/// files have it: many copies of one file cost what as many files cost.
fn match_by_content<E>(
    hashes: impl Iterator<Item = [u8; 32]>,
    free: &BTreeSet<PhotoId>,
    mut photos_with: impl FnMut([u8; 32]) -> Result<Vec<PhotoId>, E>,
) -> Result<Vec<Option<PhotoId>>, E> {
    let mut of_content: BTreeMap<[u8; 32], VecDeque<PhotoId>> = BTreeMap::new();
    let one = |hash| {
        let same = match of_content.entry(hash) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let photos = photos_with(hash)?;
                new.insert(photos.into_iter().filter(|photo| free.contains(photo)).collect())
            }
        };
        Ok(same.pop_front())
    };
    hashes.map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_copies_of_one_file_cost_what_as_many_files_cost() {
        let copies = 5_000;
        // Every second of the known copies is missing.
        let free: BTreeSet<PhotoId> = (0..copies).step_by(2).map(PhotoId).collect();
        let mut read = 0;
        let hashes = (0..copies).map(|i| if i == 7 { [7; 32] } else { [0; 32] });
        let given = match_by_content(hashes, &free, |hash| {
            let photos: Vec<PhotoId> = if hash == [7; 32] { vec![] } else { (0..copies).map(PhotoId).collect() };
            read += photos.len();
            Ok::<_, ()>(photos)
        });
        let given = given.unwrap();
        assert_eq!(read, copies as usize, "each known photo is read once");
        assert_eq!(given[7], None, "another content");
        let photos: Vec<PhotoId> = given.into_iter().flatten().collect();
        assert_eq!(photos, free.iter().copied().collect::<Vec<_>>(), "each once, in their order");
    }
}
