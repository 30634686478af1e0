//! What is to be done in a collection, and why: the folder as it is against what is known of it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use assent_ledger::{Album, Collection, KnownPhoto, Ledger, PhotoId, Timestamp, TxError};

use crate::packs::sha256;
use crate::searched::Searched;
use crate::source::{Folder, PhotoFile, Unread};

/// One photo to be done.
#[derive(Debug)]
pub(super) struct Task<'f> {
    /// Its file.
    pub(super) file: &'f PhotoFile,
    /// What is to be done with it.
    pub(super) work: Work,
}

/// What is to be done with a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// It is new, or changed, or was scanned by other networks: it is searched for faces. `known` is what has this path.
    Look { known: Option<PhotoId> },
    /// Its faces are known and have not met the newest templates.
    Rematch { photo: PhotoId },
    /// The same, and the crops of all its `faces` are kept.
    RematchCrops { photo: PhotoId, faces: usize },
}

impl Work {
    /// The photo that is known under this path.
    pub(super) fn known(self) -> Option<PhotoId> {
        match self {
            Work::Look { known } => known,
            Work::Rematch { photo } | Work::RematchCrops { photo, .. } => Some(photo),
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
    /// Known photos whose files are gone.
    pub(super) removed: usize,
}

impl<'f> Plan<'f> {
    /// Compares the folder with what is known. Moved photos get their new paths, and those whose files are gone are
    /// forgotten.
    ///
    /// # Errors
    ///
    /// [`TxError`] if the ledger refuses either.
    pub(super) fn make(
        ledger: &Ledger,
        folder: &Folder,
        about: &Collection,
        known: &[KnownPhoto],
        files: &'f [PhotoFile],
        (searched, album, model): (Option<&Searched>, Option<&Album>, [u8; 32]),
        now: Timestamp,
    ) -> Result<Plan<'f>, TxError> {
        let moved = follow_moves(ledger, folder, about, known, files, now)?;
        let mut by_path: BTreeMap<&str, &KnownPhoto> = known.iter().map(|k| (k.path.as_str(), k)).collect();
        let by_id: BTreeMap<PhotoId, &KnownPhoto> = known.iter().map(|k| (k.id, k)).collect();
        for (path, photo) in &moved {
            if let Some(k) = by_id.get(photo) {
                by_path.remove(k.path.as_str());
                by_path.insert(path, k);
            }
        }
        let present: BTreeSet<&str> = files.iter().map(|f| f.path.as_str()).collect();
        let gone = by_path.iter().filter(|(path, _)| !present.contains(*path)).map(|(_, k)| k.id).collect();
        let removed = ledger.run_tx("forget photos", now, |tx| tx.remove_photos(about.id, &gone))?.into_inner();
        let mut plan = Plan {
            todo: Vec::new(),
            without_faces: 0,
            unchanged: 0,
            failed: Vec::new(),
            moved: moved.len(),
            removed: removed as usize,
        };
        for file in files {
            plan.add(file, by_path.get(file.path.as_str()).copied(), about, (searched, album, model));
        }
        plan.todo
            .sort_by(|a, b| (Reverse(a.file.modified), &a.file.path).cmp(&(Reverse(b.file.modified), &b.file.path)));
        Ok(plan)
    }

    fn add(
        &mut self,
        file: &'f PhotoFile,
        known: Option<&KnownPhoto>,
        about: &Collection,
        (searched, album, model): (Option<&Searched>, Option<&Album>, [u8; 32]),
    ) {
        // A request is about its album alone, and meets every photo of it: whom others met there says nothing of them.
        if album.is_some_and(|album| !album.holds(&file.path, file.modified)) {
            self.unchanged += 1;
            return;
        }
        let Some(k) = known.filter(|k| is_as_scanned(k, file, model)) else {
            self.todo.push(Task { file, work: Work::Look { known: known.map(|k| k.id) } });
            return;
        };
        let met = searched.is_none_or(|s| album.is_none() && k.matched_epoch.is_some_and(|met| met >= s.epoch()));
        if let Some(code) = &k.failure {
            self.failed.push((file.path.clone(), code.clone()));
            self.unchanged += 1;
        } else if met {
            self.unchanged += 1;
        } else if k.faces == 0 || searched.is_none_or(Searched::is_empty) {
            self.without_faces += 1;
        } else {
            let (photo, faces) = (k.id, k.faces as usize);
            let all_kept = about.keep_crops && k.crops == k.faces;
            let work = if all_kept { Work::RematchCrops { photo, faces } } else { Work::Rematch { photo } };
            self.todo.push(Task { file, work });
        }
    }
}

/// Whether what is known of a photo is about this file, by these networks.
fn is_as_scanned(known: &KnownPhoto, file: &PhotoFile, model: [u8; 32]) -> bool {
    // A moved file was recognised by its content, whatever its date.
    let same_content = (known.bytes == file.bytes && known.mtime == file.modified) || known.path != file.path;
    same_content && known.scanned_with == model && known.failure.as_deref() != Some(Unread::Unreadable.code())
}

/// Recognises known photos under new paths by their content and records the new paths. Returns new path and photo.
fn follow_moves(
    ledger: &Ledger,
    folder: &Folder,
    about: &Collection,
    known: &[KnownPhoto],
    files: &[PhotoFile],
    now: Timestamp,
) -> Result<Vec<(String, PhotoId)>, TxError> {
    let present: BTreeSet<&str> = files.iter().map(|f| f.path.as_str()).collect();
    let missing: Vec<&KnownPhoto> = known.iter().filter(|k| !present.contains(k.path.as_str())).collect();
    let lengths: BTreeSet<u64> = missing.iter().map(|k| k.bytes).collect();
    let paths: BTreeSet<&str> = known.iter().map(|k| k.path.as_str()).collect();
    let mut candidates: Vec<(&PhotoFile, [u8; 32])> = Vec::new();
    for file in files.iter().filter(|f| !paths.contains(f.path.as_str())) {
        if lengths.contains(&file.bytes)
            && let Ok(bytes) = folder.read(file)
        {
            candidates.push((file, sha256(&bytes)));
        }
    }
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let moved = ledger.run_tx("follow moved photos", now, |tx| {
        let mut free: BTreeSet<PhotoId> = missing.iter().map(|k| k.id).collect();
        let mut moved = Vec::new();
        for (file, hash) in &candidates {
            let same = tx.photos_with_content(about.id, *hash)?;
            if let Some(photo) = same.into_iter().find(|p| free.remove(p)) {
                tx.move_photo(about.id, photo, &file.path, file.modified)?;
                moved.push((file.path.clone(), photo));
            }
        }
        Ok(moved)
    })?;
    Ok(moved.into_inner())
}
