//! When photos were taken.

use super::Tx;
use crate::db::{Columns, ForEach, args};
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
    /// Records when photos were taken.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn set_photo_times(&self, photos: &[(PhotoId, PhotoTime)]) -> Result<(), TxError> {
        let sql = "UPDATE photos SET taken_ms = CASE id WHEN $1 THEN $2 ELSE taken_ms END, \
                   taken_offset_min = CASE id WHEN $1 THEN $3 ELSE taken_offset_min END, \
                   taken_from = CASE id WHEN $1 THEN $4 ELSE taken_from END WHERE id IN ($1)";
        let row = |(photo, taken): &(PhotoId, PhotoTime)| {
            args![*photo, taken.at, taken.offset_min.map(i64::from), taken.from.as_str()].to_vec()
        };
        self.exec_for(ForEach::row(sql), &[], &photos.iter().map(row).collect::<Vec<_>>()).map(drop)
    }
}

/// The three columns from `column` on; `None` for a photo that was not looked at since format 6.
pub(super) fn read(row: &impl Columns, column: usize) -> Result<Option<PhotoTime>, TxError> {
    let damaged = || TxError::Damaged { table: "photos" };
    let (Some(at), Some(from)) = (row.opt_int(column)?, row.opt_text(column + 2)?) else { return Ok(None) };
    let offset_min = row.opt_int(column + 1)?.map(i16::try_from).transpose().map_err(|_| damaged())?;
    Ok(Some(PhotoTime { at: Timestamp(at), offset_min, from: from.parse().map_err(|_| damaged())? }))
}
