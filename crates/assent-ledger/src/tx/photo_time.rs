//! When photos were taken.

use super::Tx;
use crate::db::{Columns, Row, args};
use crate::error::TxError;
use crate::id::{PhotoId, Timestamp};
use crate::vocabulary::PhotoTimeSource;

/// When a photo was taken, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhotoTime {
    /// The instant. Where the camera's clock has no offset, as if it had shown UTC.
    pub at: Timestamp,
    /// By how much the camera's clock was ahead of UTC, minutes, if it said so.
    pub offset_min: Option<i16>,
    /// Where this is from.
    pub from: PhotoTimeSource,
}

impl PhotoTime {
    /// By the date of the file, for want of anything better.
    pub fn by_file(changed: Timestamp) -> PhotoTime {
        PhotoTime { at: changed, offset_min: None, from: PhotoTimeSource::File }
    }

    /// What a clock on the wall showed there, as if it were UTC: the day that people remember.
    pub fn wall_clock(&self) -> Timestamp {
        Timestamp(self.at.0.saturating_add(i64::from(self.offset_min.unwrap_or(0)) * 60_000))
    }
}

impl Tx<'_> {
    /// Records when a photo was taken.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn set_photo_time(&self, photo: PhotoId, taken: PhotoTime) -> Result<(), TxError> {
        let offset_min = taken.offset_min.map(i64::from);
        let sql = "UPDATE photos SET taken_ms = $1, taken_offset_min = $2, taken_from = $3 WHERE id = $4";
        self.exec(sql, args![taken.at, offset_min, taken.from.as_str(), photo]).map(drop)
    }
}

/// The three columns from `column` on; `None` for a photo that was not looked at since format 6.
pub(super) fn read(row: &Row, column: usize) -> Result<Option<PhotoTime>, TxError> {
    let damaged = || TxError::Damaged { table: "photos" };
    let (Some(at), Some(from)) = (row.opt_int(column)?, row.opt_text(column + 2)?) else { return Ok(None) };
    let offset_min = row.opt_int(column + 1)?.map(i16::try_from).transpose().map_err(|_| damaged())?;
    Ok(Some(PhotoTime { at: Timestamp(at), offset_min, from: from.parse().map_err(|_| damaged())? }))
}
