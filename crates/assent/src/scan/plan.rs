//! What is to be done in a collection, and why: the folder as it is against what is known of it.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use assent_ledger::{Absences, Album, Collection, KnownPhoto, Lease, Ledger, PhotoId, PhotoPath, Timestamp, TxError};
use assent_vision::detect::SearchOptions;

use super::extent::{Extents, tries_again};
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

/// What a scan is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aim<'a> {
    /// Up to which epoch everybody is in the gallery, and whether that is nobody; `None` if nobody is looked for.
    pub(super) enrolled: Option<(i64, bool)>,
    /// The photos that a request is about.
    pub(super) album: Option<&'a Album>,
    /// The networks.
    pub(super) model: [u8; 32],
    /// How photos are searched for faces.
    pub(super) extents: Extents,
    /// Whether HEIC and AVIF can be decoded.
    pub(super) has_heif: bool,
}

/// What is to be done, and what is not.
#[derive(Debug)]
pub(super) struct Plan<'f> {
    about: &'f Collection,
    aim: Aim<'f>,
    /// Photos to be done, the newest first; of equally old ones, by path.
    pub(super) todo: Vec<Task<'f>>,
    /// Known, unchanged photos that have to meet nobody: they have no face, or there is nobody to meet.
    pub(super) without_faces: usize,
    /// Known, unchanged photos with nothing to be done.
    pub(super) unchanged: usize,
    /// Photos that were searched for more than now, and stay as they are.
    pub(super) searched_better: usize,
    /// How those are searched that were searched for more in any respect than this scan searches for.
    pub(super) searches: BTreeMap<PhotoId, SearchOptions>,
    /// Of the unchanged ones, those that could not be used, with the reason's code.
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
    /// What is known goes by one photo at a time. Only of those whose files are not there more is kept than what is to be done.
    ///
    /// # Errors
    ///
    /// [`TxError`] if the ledger refuses either.
    pub(super) fn make(
        (ledger, lease): (&Ledger, &Lease),
        source: &Source,
        about: &'f Collection,
        listing: &'f Listing,
        aim: Aim<'f>,
        now: Timestamp,
    ) -> Result<Plan<'f>, TxError> {
        let mut plan = Plan {
            about,
            aim,
            todo: Vec::new(),
            without_faces: 0,
            unchanged: 0,
            searched_better: 0,
            searches: BTreeMap::new(),
            failed: Vec::new(),
            moved: 0,
            absences: Absences::default(),
            absent: BTreeSet::new(),
            unlisted: BTreeSet::new(),
            passes_over_new: false,
        };
        let mut away = Vec::new();
        let mut is_known = vec![false; listing.files.len()];
        ledger.read_tx(now, |tx| {
            tx.each_photo(about.id, &mut |mut known| {
                plan.mark(&mut known);
                match listing.files.binary_search_by(|file| file.path.cmp(&known.path)) {
                    Ok(at) => {
                        is_known[at] = true;
                        plan.add(&listing.files[at], Some(&known));
                    }
                    Err(_) => away.push(known),
                }
                true
            })
        })?;
        // What could not be looked at is not missing.
        let (mut away, unlisted): (Vec<_>, Vec<_>) =
            away.into_iter().partition(|known| listing.is_complete_at(&known.path));
        plan.unlisted = unlisted.into_iter().map(|known| known.id).collect();
        let new = listing.files.iter().zip(is_known).filter(|(_, is_known)| !is_known).map(|(file, _)| file);
        let new: Vec<&PhotoFile> = new.collect();
        let moved = follow_moves((ledger, lease), source, about, (&away, &new), now)?;
        let by_id: BTreeMap<PhotoId, &KnownPhoto> = away.iter().map(|known| (known.id, known)).collect();
        for file in new {
            plan.add(file, moved.get(&file.path).and_then(|photo| by_id.get(photo)).copied());
        }
        let found: BTreeSet<PhotoId> = moved.values().copied().collect();
        away.retain(|known| !found.contains(&known.id));
        plan.moved = found.len();
        plan.absent = away.into_iter().map(|known| known.id).collect();
        let said = ledger.run_tx("note missing photos", now, |tx| {
            tx.renew_lease(lease)?;
            tx.note_listing(about.id, &plan.absent, &plan.unlisted)
        })?;
        plan.absences = said.into_inner();
        plan.todo.sort_by(|a, b| (Reverse(a.taken), &a.file.path).cmp(&(Reverse(b.taken), &b.file.path)));
        Ok(plan)
    }

    /// Takes up how a photo was searched before. One that is looked at again although its file is as it was, because this scan
    /// would see more, or because it could not be read then, is done as those are that other networks scanned.
    fn mark(&mut self, known: &mut KnownPhoto) {
        let compared = self.aim.extents.compare(known);
        let again = compared.is_more && self.aim.album.is_none();
        self.searched_better += usize::from(compared.is_less && !again);
        self.searches.extend(compared.no_less.map(|search| (known.id, search)));
        if again || tries_again(known, self.aim.has_heif) {
            known.scanned_with = [0; 32];
        }
    }

    fn add(&mut self, file: &'f PhotoFile, known: Option<&KnownPhoto>) {
        let Aim { enrolled, album, model, .. } = self.aim;
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
        } else if untouched && self.about.keep_crops && k.crops == k.faces && !(undated && album.is_some()) {
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

/// Recognises known photos under new paths by their content and records the new paths. Returns which photo lies where.
fn follow_moves(
    (ledger, lease): (&Ledger, &Lease),
    source: &Source,
    about: &Collection,
    (away, new): (&[KnownPhoto], &[&PhotoFile]),
    now: Timestamp,
) -> Result<BTreeMap<PhotoPath, PhotoId>, TxError> {
    let moved = moved_photos(ledger, source, about, (away, new), now)?;
    if !moved.is_empty() {
        ledger.run_tx("follow moved photos", now, |tx| {
            tx.renew_lease(lease)?;
            let one = |(file, photo): &(&PhotoFile, PhotoId)| {
                tx.move_photo(about.id, *photo, &file.path, (file.modified, file.changed))
            };
            moved.iter().try_for_each(one)
        })?;
    }
    Ok(moved.into_iter().map(|(file, photo)| (file.path.clone(), photo)).collect())
}

/// Which of the `new` files are known photos under another path, by their content: of those that are `away`, whose own files
/// are not there.
///
/// # Errors
///
/// [`TxError`] if the ledger refuses to be read.
pub(crate) fn moved_photos<'f>(
    ledger: &Ledger,
    source: &Source,
    about: &Collection,
    (away, new): (&[KnownPhoto], &[&'f PhotoFile]),
    now: Timestamp,
) -> Result<Vec<(&'f PhotoFile, PhotoId)>, TxError> {
    let lengths: BTreeSet<u64> = away.iter().map(|k| k.bytes).collect();
    let mut candidates: Vec<(&PhotoFile, [u8; 32])> = Vec::new();
    for file in new.iter().filter(|file| lengths.contains(&file.bytes)) {
        if let Ok(bytes) = source.read(file) {
            candidates.push((file, sha256(&bytes)));
        }
    }
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let found = ledger.read_tx(now, |tx| {
        let free: BTreeSet<PhotoId> = away.iter().map(|k| k.id).collect();
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
