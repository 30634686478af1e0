//! What the log says in public of each use of the search: what article 12 (3) of the AI Act asks of a log (R48). Whose
//! photos were found stands in the commitments of the leaf, one for each person.

use crate::fields::{Reader, Writer};
use crate::id::{CollectionId, Timestamp};
use crate::log::{EventKind, Leaf};
use crate::vocabulary::Purpose;

/// A batch of photos whose faces were compared, or only found.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanEntry {
    /// Which photos' collection.
    pub collection: CollectionId,
    /// SHA-256 of the embedder.
    pub model_sha256: [u8; 32],
    /// How many photos.
    pub photos: u32,
    /// When the use began; it ended at the leaf's time.
    pub began: Timestamp,
    /// What they were compared with; `None` if with nothing.
    pub reference: Option<GalleryReference>,
}

/// The gallery that faces were compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GalleryReference {
    /// The collection's `template_epoch`: which state of its templates.
    pub epoch: i64,
    /// How many templates.
    pub templates: u64,
    /// The least score of a `match`; `None` if everything is proposed at most.
    pub certain: Option<f32>,
    /// The least score of a `review`.
    pub review: f32,
}

/// A question for a person's photos, or a copy of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchEntry {
    /// How many photos were answered.
    pub found: u32,
    /// Under which purpose.
    pub purpose: Purpose,
    /// Which collections were looked at, each with its `template_epoch`.
    pub collections: Vec<(CollectionId, i64)>,
}

impl ScanEntry {
    /// The public detail of a leaf.
    pub fn to_bytes(&self) -> Vec<u8> {
        // The collection comes first and plain, as in every leaf about one.
        let mut bytes =
            [self.collection.as_bytes().as_slice(), &self.model_sha256, &self.photos.to_be_bytes()].concat();
        bytes.extend_from_slice(&self.began.0.to_be_bytes());
        if let Some(r) = self.reference {
            bytes.extend_from_slice(&r.epoch.to_be_bytes());
            bytes.extend_from_slice(&r.templates.to_be_bytes());
            bytes.extend_from_slice(&r.certain.unwrap_or(f32::NAN).to_be_bytes());
            bytes.extend_from_slice(&r.review.to_be_bytes());
        }
        bytes
    }

    /// What a leaf says; `None` if it is of no scan, or of one before format 5 of the vault.
    pub fn of(leaf: &Leaf) -> Option<Self> {
        if leaf.kind != EventKind::Scan {
            return None;
        }
        let (collection, rest) = leaf.public.split_first_chunk::<16>()?;
        let (model_sha256, rest) = rest.split_first_chunk::<32>()?;
        let (photos, rest) = rest.split_first_chunk()?;
        let (began, rest) = rest.split_first_chunk()?;
        let reference = match rest.split_first_chunk::<8>() {
            None => None,
            Some((epoch, rest)) => {
                let (templates, rest) = rest.split_first_chunk::<8>()?;
                let (certain, rest) = rest.split_first_chunk::<4>()?;
                let certain = f32::from_be_bytes(*certain);
                Some(GalleryReference {
                    epoch: i64::from_be_bytes(*epoch),
                    templates: u64::from_be_bytes(*templates),
                    certain: (!certain.is_nan()).then_some(certain),
                    review: f32::from_be_bytes(*rest.first_chunk()?),
                })
            }
        };
        Some(Self {
            collection: CollectionId::from_bytes(*collection),
            model_sha256: *model_sha256,
            photos: u32::from_be_bytes(*photos),
            began: Timestamp(i64::from_be_bytes(*began)),
            reference,
        })
    }
}

impl SearchEntry {
    /// The public detail of a leaf.
    pub fn to_bytes(&self) -> Vec<u8> {
        let start = Writer::new().bytes(&self.found.to_be_bytes()).text(self.purpose.as_str());
        let all = self.collections.iter().fold(start, |w, (id, epoch)| w.bytes(id.as_bytes()).int(*epoch));
        all.finish().to_vec()
    }

    /// What a leaf says; `None` if it is of no search or export, or of one before format 5 of the vault.
    pub fn of(leaf: &Leaf) -> Option<Self> {
        if !matches!(leaf.kind, EventKind::Search | EventKind::Export) {
            return None;
        }
        let mut fields = Reader::new(&leaf.public);
        let found = u32::from_be_bytes(fields.array()?);
        let purpose = Purpose::new(fields.text()?).ok()?;
        let mut collections = Vec::new();
        while !fields.at_end() {
            collections.push((CollectionId::from_bytes(fields.array()?), fields.int()?));
        }
        Some(Self { found, purpose, collections })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(kind: EventKind, public: Vec<u8>) -> Leaf {
        Leaf { kind, position: 0, time: Timestamp(9), asked: None, public, commitments: Vec::new() }
    }

    #[test]
    fn r48_a_leaf_says_when_with_what_and_how_much_was_searched() {
        let collection = CollectionId::from_bytes([1; 16]);
        let reference = GalleryReference { epoch: 3, templates: 78, certain: Some(0.4), review: 0.3 };
        for reference in [None, Some(reference), Some(GalleryReference { certain: None, ..reference })] {
            let scan = ScanEntry { collection, model_sha256: [2; 32], photos: 31, began: Timestamp(5), reference };
            let leaf = leaf(EventKind::Scan, scan.to_bytes());
            assert_eq!(ScanEntry::of(&leaf), Some(scan));
            assert_eq!(leaf.about().0, Some(collection));
        }
        let purpose = Purpose::find_my_photos();
        let find = SearchEntry { found: 2, purpose, collections: vec![(collection, 3)] };
        assert_eq!(SearchEntry::of(&leaf(EventKind::Export, find.to_bytes())), Some(find));
        assert_eq!(SearchEntry::of(&leaf(EventKind::Search, vec![0, 0, 0, 2])), None, "of a format before");
        assert_eq!(ScanEntry::of(&leaf(EventKind::Scan, vec![1; 52])), None, "of a format before");
        assert_eq!(ScanEntry::of(&leaf(EventKind::Grant, vec![1; 80])), None);
    }
}
