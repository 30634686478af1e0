//! Which rows are whose.

use crate::gallery::Owner;

/// Stands for "no row" where the number of a row is expected.
const NONE: u32 = u32::MAX;
/// No row, and none ever again.
const GONE: u32 = u32::MAX - 1;
/// As many rows can be told apart.
pub(crate) const MOST_ROWS: usize = GONE as usize;

/// A list of rows for each owner: its head by owner, the links by row. While every owner has one row, there are no links:
/// four bytes a row less.
#[derive(Default)]
pub(crate) struct OwnerRows {
    heads: Vec<u32>,
    links: Vec<u32>,
}

impl OwnerRows {
    fn head(&mut self, owner: Owner) -> &mut u32 {
        let i = owner.0 as usize;
        if i >= self.heads.len() {
            self.heads.resize(i + 1, NONE);
        }
        &mut self.heads[i]
    }

    fn link(&self, row: u32) -> u32 {
        self.links.get(row as usize).copied().unwrap_or(NONE)
    }

    fn set_link(&mut self, row: u32, next: u32) {
        let i = row as usize;
        if i < self.links.len() {
            self.links[i] = next;
        } else if next != NONE {
            self.links.resize(i + 1, NONE);
            self.links[i] = next;
        }
    }

    /// Whether this owner was removed.
    pub(crate) fn is_gone(&self, owner: Owner) -> bool {
        self.heads.get(owner.0 as usize) == Some(&GONE)
    }

    /// A row of this owner that is there.
    pub(crate) fn first(&self, owner: Owner) -> Option<usize> {
        self.heads.get(owner.0 as usize).copied().filter(|&row| row < GONE).map(|row| row as usize)
    }

    /// This owner, who is not gone, has one more row.
    pub(crate) fn add(&mut self, owner: Owner, row: usize) {
        let head = self.head(owner);
        let next = std::mem::replace(head, row as u32);
        self.set_link(row as u32, next);
    }

    /// This owner's [`first`](Self::first) row is no more.
    pub(crate) fn drop_first(&mut self, owner: Owner) {
        if let Some(row) = self.first(owner) {
            *self.head(owner) = self.link(row as u32);
            self.set_link(row as u32, NONE);
        }
    }

    /// This owner's row is now another.
    pub(crate) fn moved(&mut self, owner: Owner, from: usize, to: usize) {
        let (from, to) = (from as u32, to as u32);
        self.set_link(to, self.link(from));
        self.set_link(from, NONE);
        let mut at = *self.head(owner);
        if at == from {
            *self.head(owner) = to;
            return;
        }
        while at < GONE {
            let next = self.link(at);
            if next == from {
                self.set_link(at, to);
                return;
            }
            at = next;
        }
    }

    /// This owner has no row any more and will have none.
    pub(crate) fn close(&mut self, owner: Owner) {
        *self.head(owner) = GONE;
    }
}
