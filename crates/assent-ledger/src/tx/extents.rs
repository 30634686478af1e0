//! How each photo was searched for faces: what its scan could see.

use crate::db::Columns;
use crate::error::TxError;

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

/// The three columns from `column` on.
pub(super) fn read(row: &impl Columns, column: usize) -> Result<Option<SearchExtent>, TxError> {
    let Some(side_px) = row.opt_int(column)? else { return Ok(None) };
    let is = |column| Ok::<_, TxError>(row.opt_int(column)? == Some(1));
    Ok(Some(SearchExtent { side_px: side_px as u32, any_way_up: is(column + 1)?, exhaustive: is(column + 2)? }))
}
