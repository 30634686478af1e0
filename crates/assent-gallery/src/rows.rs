//! The rows in memory: blocks behind a lock each, that never move.

use std::sync::OnceLock;

use assent_kernels::{GROUP_ROWS, Panel, Protected, panels, protect, write_row};
use zeroize::{Zeroize, Zeroizing};

use crate::gallery::{Owner, Scope};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{RwLock, write};

/// Rows of a block. So long as a block is searched, a removal in it waits: at 256 dimensions and one probe, less than a
/// tenth of a millisecond. A smaller block would be searched sooner, and what the allocator adds to each (a page) would
/// take more of a row's bytes.
pub(crate) const BLOCK_ROWS: usize = 256 * GROUP_ROWS;

/// Rows, whose they are, and what they are for.
#[derive(Default)]
pub(crate) struct Block {
    pub(crate) panels: Vec<Panel>,
    /// Steps of a group.
    group: usize,
    pub(crate) owners: Vec<Owner>,
    pub(crate) scopes: Vec<Scope>,
}

/// A row on its way to another place. Wiped when dropped.
struct PhotoTime {
    numbers: Zeroizing<Vec<i8>>,
    owner: Owner,
    scope: Scope,
}

impl Block {
    fn group_mut(&mut self, lane: usize) -> &mut [Panel] {
        &mut self.panels[lane / GROUP_ROWS * self.group..][..self.group]
    }

    /// The groups that hold rows.
    pub(crate) fn groups(&self) -> &[Panel] {
        &self.panels[..self.owners.len().div_ceil(GROUP_ROWS) * self.group]
    }

    /// A copy of a row, filled up to whole panels.
    pub(crate) fn row(&self, lane: usize) -> Zeroizing<Vec<i8>> {
        let group = &self.panels[lane / GROUP_ROWS * self.group..][..self.group];
        Zeroizing::new(group.iter().flat_map(|panel| panel.0[lane % GROUP_ROWS]).collect())
    }

    /// Takes the last row out.
    fn pop(&mut self, lane: usize) -> PhotoTime {
        let numbers = self.row(lane);
        write_row(self.group_mut(lane), lane % GROUP_ROWS, &[]);
        let (owner, scope) = (self.owners[lane], self.scopes[lane]);
        self.owners.truncate(lane);
        self.scopes.truncate(lane);
        PhotoTime { numbers, owner, scope }
    }

    fn replace(&mut self, lane: usize, taken: &PhotoTime) {
        write_row(self.group_mut(lane), lane % GROUP_ROWS, &taken.numbers);
        self.owners[lane] = taken.owner;
        self.scopes[lane] = taken.scope;
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.panels.zeroize();
    }
}

/// All blocks: the n-th array holds 2^n of them, so that more can be added and none ever moves, and no copy of a row
/// stays behind in memory that was given back.
pub(crate) struct Blocks {
    panels: usize,
    block_rows: usize,
    arrays: [OnceLock<Box<[RwLock<Block>]>>; 32],
    unlocked: AtomicUsize,
    dumpable: AtomicUsize,
}

impl Blocks {
    pub(crate) fn new(dimensions: usize, block_rows: usize) -> Blocks {
        Blocks {
            panels: panels(dimensions),
            block_rows,
            arrays: [const { OnceLock::new() }; 32],
            unlocked: AtomicUsize::new(0),
            dumpable: AtomicUsize::new(0),
        }
    }

    /// How many blocks `rows` rows fill.
    pub(crate) fn count(&self, rows: usize) -> usize {
        rows.div_ceil(self.block_rows)
    }

    pub(crate) fn get(&self, block: usize) -> &RwLock<Block> {
        let array = (block + 1).ilog2();
        let blocks = self.arrays[array as usize]
            .get_or_init(|| (0..1 << array).map(|_| RwLock::new(Block::default())).collect());
        &blocks[block + 1 - (1 << array)]
    }

    fn at(&self, row: usize) -> (&RwLock<Block>, usize) {
        (self.get(row / self.block_rows), row % self.block_rows)
    }

    pub(crate) fn write(&self, row: usize, owner: Owner, scope: Scope, numbers: &[i8]) {
        let (block, lane) = self.at(row);
        let block = &mut *write(block);
        if block.panels.is_empty() {
            block.panels = vec![Panel::ZERO; self.block_rows / GROUP_ROWS * self.panels];
            block.group = self.panels;
            block.owners.reserve_exact(self.block_rows);
            block.scopes.reserve_exact(self.block_rows);
            let protected = protect(&block.panels);
            self.unlocked.fetch_add(usize::from(!protected.locked), Ordering::Relaxed);
            self.dumpable.fetch_add(usize::from(!protected.kept_out_of_dumps), Ordering::Relaxed);
        }
        write_row(block.group_mut(lane), lane % GROUP_ROWS, numbers);
        block.owners.push(owner);
        block.scopes.push(scope);
    }

    /// Overwrites a row with the last one, and the last one with zeros. Returns whose row was moved.
    ///
    /// Both blocks are locked throughout, the later one first, as a search takes them.
    pub(crate) fn remove(&self, row: usize, last: usize) -> Option<Owner> {
        let (last_block, last_lane) = self.at(last);
        let (block, lane) = self.at(row);
        let mut from = write(last_block);
        let taken = from.pop(last_lane);
        if row == last {
            return None;
        }
        if std::ptr::eq(block, last_block) {
            from.replace(lane, &taken);
        } else {
            write(block).replace(lane, &taken);
        }
        Some(taken.owner)
    }

    /// What keeps the rows from leaving the memory.
    pub(crate) fn protection(&self) -> Protected {
        Protected {
            locked: self.unlocked.load(Ordering::Relaxed) == 0,
            kept_out_of_dumps: self.dumpable.load(Ordering::Relaxed) == 0,
        }
    }
}
