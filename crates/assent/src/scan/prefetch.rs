//! Prefetch: files and kept crops are read before a worker asks for them.

use std::collections::BTreeMap;

use assent_ledger::{FaceId, PhotoId, ReadTx, TxError};

use super::plan::{Task, Work};
use super::process::PhotoProcessor;
use crate::source::Unread;

/// Faces whose crops are opened in one transaction at most, unless a single photo has more: about 2 MB.
const FACES_AT_ONCE: usize = 64;

/// What a kept crop may take, bytes, sealed or open: 128 x 128 pixels of three colours, which a PNG rarely exceeds.
const CROP_BYTES: u64 = 128 * 128 * 3;

/// What was read of one photo.
pub(super) enum Content {
    /// The bytes of the photo's file, or why it could not be read.
    File(Result<Vec<u8>, Unread>),
    /// The kept crops of its faces, as they were stored.
    Crops(Vec<(FaceId, Vec<u8>)>),
}

/// Prefetches the photos of a scan, in their order.
pub(super) struct Prefetcher<'a> {
    processor: &'a PhotoProcessor<'a>,
    todo: &'a [Task<'a>],
    /// Crops that were opened and not yet asked for.
    opened: BTreeMap<PhotoId, Vec<(FaceId, Vec<u8>)>>,
}

impl<'a> Prefetcher<'a> {
    /// Nothing is read yet of `todo`.
    pub(super) fn new(processor: &'a PhotoProcessor<'a>, todo: &'a [Task<'a>]) -> Prefetcher<'a> {
        Prefetcher { processor, todo, opened: BTreeMap::new() }
    }

    /// What the content of this photo takes until it is looked at, bytes.
    pub(super) fn size(task: &Task<'_>) -> u64 {
        match task.work {
            Work::Detect { .. } | Work::Check { .. } | Work::Rematch { .. } => task.file.bytes,
            Work::RematchCrops { faces, .. } => faces as u64 * CROP_BYTES,
        }
    }

    /// The content of photo number `i`.
    ///
    /// # Errors
    ///
    /// [`TxError`] if crops are needed and the ledger refuses to be read; a file that cannot be read is none.
    pub(super) fn read(&mut self, i: usize) -> Result<Content, TxError> {
        let task = &self.todo[i];
        let Work::RematchCrops { photo, .. } = task.work else {
            return Ok(Content::File(self.processor.source.read(task.file)));
        };
        if !self.opened.contains_key(&photo) {
            self.open_crops(i)?;
        }
        Ok(Content::Crops(self.opened.remove(&photo).unwrap_or_default()))
    }

    /// Opens the crops of photo number `first`, and in the same transaction those of the photos that come next.
    fn open_crops(&mut self, first: usize) -> Result<(), TxError> {
        let photos = together(&self.todo[first..]);
        let PhotoProcessor { ledger, about, models, now, .. } = *self.processor;
        let model = models.pack().model_sha256;
        let open = |tx: &ReadTx<'_>| photos.map(|photo| Ok((photo, tx.crops_of(about.id, photo, model)?))).collect();
        self.opened = ledger.read_tx(now, open)?;
        Ok(())
    }
}

/// The first of these photos and those after it whose crops are opened with its own.
fn together<'a>(todo: &'a [Task<'_>]) -> impl Iterator<Item = PhotoId> + use<'a> {
    let mut faces_of_all = 0;
    todo.iter().enumerate().map_while(move |(i, task)| {
        let Work::RematchCrops { photo, faces } = task.work else { return None };
        faces_of_all += faces;
        (i == 0 || faces_of_all <= FACES_AT_ONCE).then_some(photo)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::PhotoFile;

    #[test]
    fn crops_are_opened_together_up_to_a_number_of_faces() {
        let file = PhotoFile { path: "a.jpg".into(), bytes: 1, modified: assent_ledger::Timestamp(0), changed: None };
        // So many faces have kept crops; none means that the file is read.
        let check = |name: &str, faces: &[Option<usize>], expected: usize| {
            let task = |(i, faces): (usize, &Option<usize>)| {
                let photo = PhotoId(i as i64);
                let work = faces.map_or(Work::Rematch { photo }, |faces| Work::RematchCrops { photo, faces });
                Task { file: &file, work, taken: file.modified, undated: false }
            };
            let todo: Vec<Task<'_>> = faces.iter().enumerate().map(task).collect();
            let photos: Vec<PhotoId> = together(&todo).collect();
            assert_eq!(photos, (0..expected as i64).map(PhotoId).collect::<Vec<_>>(), "{name}");
        };
        check("all of them", &[Some(1), Some(2), Some(3)], 3);
        check("as many as it may be", &[Some(60), Some(4), Some(1)], 2);
        check("one more than it may be", &[Some(60), Some(5), Some(1)], 1);
        check("a crowd alone", &[Some(500), Some(1)], 1);
        check("up to a photo that is read", &[Some(1), None, Some(1)], 1);
        check("from a photo that is read", &[None, Some(1)], 0);
    }
}
