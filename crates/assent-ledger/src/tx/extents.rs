//! How each photo was searched for faces: what its scan could see.

use std::collections::BTreeMap;

use super::ReadTx;
use crate::db::{Columns, Row, args};
use crate::error::TxError;
use crate::id::{CollectionId, PhotoId};

/// How a photo was searched for faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchExtent {
    /// Its longest side while it was searched, pixels; 0 for a photo that could not be read.
    pub side_px: u32,
    /// Whether faces were found whichever way up they are.
    pub any_way_up: bool,
    /// Whether every pixel was looked at, and not only where a smaller picture showed something.
    pub exhaustive: bool,
}

impl SearchExtent {
    /// Whether a search like this finds everything that one like `other` finds.
    pub fn includes(self, other: SearchExtent) -> bool {
        self.side_px >= other.side_px
            && (self.any_way_up || !other.any_way_up)
            && (self.exhaustive || !other.exhaustive)
    }
}

impl ReadTx<'_> {
    /// How the photos of a collection were searched; those are left out of which that is not known, because they were
    /// scanned before format 6.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn search_extents(&self, collection: CollectionId) -> Result<BTreeMap<PhotoId, SearchExtent>, TxError> {
        let sql = "SELECT id, searched_side_px, searched_any_way_up, searched_exhaustive FROM photos \
                   WHERE collection_id = $1 AND searched_side_px IS NOT NULL";
        let rows = self.rows(sql, args![collection])?;
        let read = |row: &Row| {
            let extent = SearchExtent {
                side_px: row.int(1)? as u32,
                any_way_up: row.int(2)? != 0,
                exhaustive: row.int(3)? != 0,
            };
            Ok((PhotoId(row.int(0)?), extent))
        };
        rows.iter().map(read).collect()
    }
}
