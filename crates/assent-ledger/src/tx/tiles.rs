//! Tiles: the log's hashes in runs of 256, so that a proof reads a few hundred of them and not the whole log.
//!
//! ```text
//! level 0   the hashes of the leaves
//! level n   each the root of a complete run of 256 at the level below
//! ```
//!
//! Level 0 stands in `log_leaves`, the others in `log_tiles`: they are made when somebody asks for a proof, from what is
//! missing, and are no more than a shortcut.
//!
//! # Source
//!
//! C2SP tlog-tiles v1 (c2sp.org/tlog-tiles): tiles of 2^8 hashes.

use super::{LeafPosition, ReadTx, Tx};
use crate::db::{Columns, DbError, args};
use crate::error::TxError;
use crate::log::Leaf;
use crate::merkle::{Hash, Peaks, leaf_hash};
use crate::proof::{consistency, includes, inclusion, is_consistent, root};

/// A tile has `2^TILE_BITS` hashes.
pub(crate) const TILE_BITS: u32 = 8;

impl ReadTx<'_> {
    /// The hashes of a level from one place to before another.
    pub(crate) fn hashes(&self, level: u32, from: u64, to: u64) -> Result<Vec<Hash>, TxError> {
        let rows = if level == 0 {
            let sql = "SELECT hash FROM log_leaves WHERE seq >= $1 AND seq < $2 ORDER BY seq";
            self.rows(sql, args![from as i64, to as i64])?
        } else {
            let sql = "SELECT hash FROM log_tiles WHERE level = $1 AND place >= $2 AND place < $3 ORDER BY place";
            self.rows(sql, args![level, from as i64, to as i64])?
        };
        if rows.len() as u64 != to - from {
            return Err(TxError::Damaged { table: if level == 0 { "log_leaves" } else { "log_tiles" } });
        }
        Ok(rows.iter().map(|row| row.array(0)).collect::<Result<_, _>>()?)
    }

    /// The root of a complete subtree of `2^height` leaves.
    fn subtree(&self, height: u32, index: u64) -> Result<Hash, TxError> {
        let (level, above) = (height / TILE_BITS, height % TILE_BITS);
        Ok(root_of(&self.hashes(level, index << above, (index + 1) << above)?))
    }

    /// Leaves as they stand, from one position on, at most so many.
    ///
    /// # Errors
    ///
    /// - [`TxError::Damaged`] if one is no leaf.
    /// - [`TxError::Database`] if the database refuses.
    pub fn leaves(&self, from: LeafPosition, most: usize) -> Result<Vec<Leaf>, TxError> {
        let sql = "SELECT bytes FROM log_leaves WHERE seq >= $1 ORDER BY seq LIMIT $2";
        let rows = self.rows(sql, args![from as i64, most as i64])?;
        rows.iter().map(|row| read_leaf(&row.bytes(0)?)).collect()
    }
}

impl Tx<'_> {
    /// A leaf, and the path from it to the root of the whole log.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoLeaf`] if the log has no such leaf.
    /// - [`TxError::Damaged`] if the leaves do not make the log's root.
    /// - [`TxError::Database`] if the database refuses.
    pub(crate) fn prove(&self, position: LeafPosition) -> Result<(Leaf, Vec<Hash>), TxError> {
        let head = self.peaks()?;
        let leaf = self.row("SELECT bytes FROM log_leaves WHERE seq = $1", args![position as i64])?;
        let bytes = leaf.ok_or(TxError::NoLeaf { position })?.bytes(0)?;
        for again in [false, true] {
            if again {
                // The shortcuts are not those of these leaves.
                self.exec("DELETE FROM log_tiles", args![])?;
            }
            self.complete_tiles(head.size())?;
            let path = inclusion(position, head.size(), &mut |level, index| self.subtree(level, index))?;
            if includes(leaf_hash(&bytes), position, head.size(), &path, &head.root()) {
                return Ok((read_leaf(&bytes)?, path));
            }
        }
        Err(TxError::Damaged { table: "log_leaves" })
    }

    /// What shows that the log only grew since it had so many leaves: 1 or more, and no more than there are.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoLeaf`] if it never had so many, or none.
    /// - [`TxError::Damaged`] if the leaves do not make the log's root.
    /// - [`TxError::Database`] if the database refuses.
    pub(crate) fn prove_growth(&self, from: u64) -> Result<Vec<Hash>, TxError> {
        let head = self.peaks()?;
        if from == 0 || from > head.size() {
            return Err(TxError::NoLeaf { position: from.saturating_sub(1) });
        }
        let before = self.root_at(from)?;
        let path = consistency(from, head.size(), &mut |level, index| self.subtree(level, index))?;
        let holds = is_consistent((from, &before), (head.size(), &head.root()), &path);
        if holds { Ok(path) } else { Err(TxError::Damaged { table: "log_leaves" }) }
    }

    /// The root of the log when it had so many leaves: 1 or more, and no more than there are.
    pub(crate) fn root_at(&self, size: u64) -> Result<Hash, TxError> {
        self.complete_tiles(self.peaks()?.size())?;
        root(size, &mut |level, index| self.subtree(level, index))
    }

    /// Makes the hashes of complete tiles that are not there yet.
    pub(crate) fn complete_tiles(&self, size: u64) -> Result<(), TxError> {
        for level in 1.. {
            let due = size >> (TILE_BITS * level);
            if due == 0 {
                break;
            }
            let sql = "SELECT COUNT(*), COALESCE(MAX(place) + 1, 0) FROM log_tiles WHERE level = $1";
            let made =
                self.row(sql, args![level])?.map_or(Ok((0, 0)), |row| Ok::<_, DbError>((row.int(0)?, row.int(1)?)))?;
            let made = match made {
                (count, next) if count == next => count as u64,
                _ => {
                    // One between them was lost.
                    self.exec("DELETE FROM log_tiles WHERE level >= $1", args![level])?;
                    0
                }
            };
            for place in made..due {
                let first = place << TILE_BITS;
                let root = root_of(&self.hashes(level - 1, first, first + (1 << TILE_BITS))?);
                let sql = "INSERT INTO log_tiles (level, place, hash) VALUES ($1, $2, $3)";
                self.exec(sql, args![level, place as i64, root])?;
            }
        }
        Ok(())
    }
}

/// A leaf as it stands in the table.
pub(super) fn read_leaf(bytes: &[u8]) -> Result<Leaf, TxError> {
    Leaf::from_bytes(bytes).ok_or(TxError::Damaged { table: "log_leaves" })
}

fn root_of(hashes: &[Hash]) -> Hash {
    let mut peaks = Peaks::default();
    for hash in hashes {
        peaks.push(*hash);
    }
    peaks.root()
}
