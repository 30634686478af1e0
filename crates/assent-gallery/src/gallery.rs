//! The gallery and its search.

use std::collections::{BTreeMap, BTreeSet};

pub use assent_kernels::{Buffer, Protected};
use assent_kernels::{Panel, Probes, SearchKernel, panels};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::impostors::{Impostors, OfOwner, PAIR};
use crate::owners::{MOST_ROWS, OwnerRows};
use crate::rows::{BLOCK_ROWS, Block, Blocks};
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Mutex, RwLockReadGuard, lock, on_threads, read};
use crate::vector::{Scale, VectorError};

/// Whose row it is: an opaque number that the caller gives and gets back. Numbers are taken from 0 upwards: four bytes
/// are kept for each, up to the largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(pub u32);

/// What a row may be searched for: a pair of collection and purpose, which the caller numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Scope(pub u16);

/// The best row of one owner for one probe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The owner of the row that was hit.
    pub owner: Owner,
    /// Its cosine to the probe, -1 to 1, as the 8-bit rows have it (rounding moves it by about a thousandth).
    pub score: f32,
}

/// Why a row was not inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InsertError {
    /// The vector is none.
    #[error(transparent)]
    Vector(#[from] VectorError),
    /// The owner was removed; whoever comes back is another owner.
    #[error("owner {} was removed from the gallery and cannot be inserted again", owner.0)]
    Gone {
        /// The owner whose rows are gone.
        owner: Owner,
    },
    /// Rows cannot be numbered any further.
    #[error("a gallery holds {MOST_ROWS} rows at most; divide it between several machines")]
    Full,
}

/// What is searched for.
#[derive(Debug, Clone)]
pub struct Search {
    /// The least score that is an answer.
    pub least: f32,
    /// Rows of these scopes alone; `None` for every row.
    pub scopes: Option<BTreeSet<Scope>>,
    /// How many threads share the work; 0 is taken as 1. The answer is the same for any number.
    pub threads: usize,
}

impl Search {
    /// Every row that scores `least` or more, on this thread.
    pub fn least(least: f32) -> Search {
        Search { least, scopes: None, threads: 1 }
    }
}

/// Templates as rows of 8-bit numbers, all of which meet every probe: nothing is missed, and a removed row is
/// overwritten.
///
/// Threads share it. A search takes one block of rows after the other, so that a writer waits for a block and no longer,
/// and a reader for the copy of a row.
///
/// # What a search sees
///
/// A row moves only to a place before its own, while both places are locked, and a search takes the blocks from the last
/// to the first: so a row that was there when the search began, and was not removed, is seen, wherever it went. Rows of
/// an owner who was removed before the search ended are taken out of the answer at its end.
pub struct Gallery {
    kernel: SearchKernel,
    scale: Scale,
    pub(crate) blocks: Blocks,
    /// Rows that can be seen. Written under the lock of `owners`.
    rows: AtomicUsize,
    /// Removals that are done. Written under the lock of `owners`.
    removals: AtomicU64,
    /// Held for as long as a row is inserted or an owner removed.
    owners: Mutex<OwnerRows>,
}

impl std::fmt::Debug for Gallery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gallery({} rows of {})", self.len(), self.scale.dimensions)
    }
}

impl Gallery {
    /// An empty gallery for vectors of `dimensions` numbers (at least 1).
    pub fn new(dimensions: usize) -> Gallery {
        Gallery::with_blocks(dimensions, BLOCK_ROWS)
    }

    /// The same, with another size of blocks: a multiple of 16 rows.
    pub(crate) fn with_blocks(dimensions: usize, block_rows: usize) -> Gallery {
        let dimensions = dimensions.max(1);
        Gallery {
            kernel: SearchKernel::detect(),
            scale: Scale::new(dimensions),
            blocks: Blocks::new(dimensions, block_rows),
            rows: AtomicUsize::new(0),
            removals: AtomicU64::new(0),
            owners: Mutex::new(OwnerRows::default()),
        }
    }

    /// How many bytes of memory a gallery of `rows` rows of `dimensions` numbers takes at most, where no owner has more
    /// rows than the others. What is needed to say so before it is filled.
    ///
    /// # Example
    ///
    /// ```
    /// use assent_gallery::gallery::Gallery;
    ///
    /// assert!(Gallery::bytes_needed(10_000_000, 128) <= 10_000_000 * 140);
    /// ```
    pub fn bytes_needed(rows: usize, dimensions: usize) -> u64 {
        // Of each row: its numbers, its owner, its scope and its place in the owner's list. Of each block: its lock, the
        // addresses of three arrays, and the page that the allocator adds. The last block is taken whole.
        let row = (panels(dimensions) * size_of::<Panel>() / assent_kernels::GROUP_ROWS) as u64 + 4 + 2 + 4;
        let blocks = rows.div_ceil(BLOCK_ROWS).max(1) as u64;
        blocks.saturating_mul(BLOCK_ROWS as u64 * row + 128 + 4096)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.load(Ordering::SeqCst)
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers of a vector.
    pub fn dimensions(&self) -> usize {
        self.scale.dimensions
    }

    /// The kernels that it searches with, as figures state them.
    pub fn kernel(&self) -> &'static str {
        self.kernel.name()
    }

    /// What the system did to keep the rows from leaving the memory.
    pub fn protection(&self) -> Protected {
        self.blocks.protection()
    }

    /// Adds a row for `owner`; an owner may have several.
    ///
    /// # Errors
    ///
    /// - [`InsertError::Vector`] if `vector` is not of length 1 or of another dimension.
    /// - [`InsertError::Gone`] if `owner` was removed.
    /// - [`InsertError::Full`] at about four billion rows.
    pub fn insert(&self, owner: Owner, scope: Scope, vector: &[f32]) -> Result<(), InsertError> {
        let numbers = Zeroizing::new(self.scale.row(vector)?);
        self.add(&mut lock(&self.owners), owner, scope, &numbers)
    }

    /// [`insert`](Self::insert) for several rows at once, which stand side by side: threads that fill a gallery together
    /// wait for each other less. What became of each, in their order.
    pub fn insert_all(&self, rows: &[(Owner, Scope, &[f32])]) -> Vec<Result<(), InsertError>> {
        let mut numbers = Buffer::<i8>::default();
        let places = numbers.resized(rows.len() * self.scale.dimensions).chunks_exact_mut(self.scale.dimensions);
        let made: Vec<_> = rows.iter().zip(places).map(|((.., vector), to)| self.scale.write_row(vector, to)).collect();
        let mut owners = lock(&self.owners);
        let each = rows.iter().zip(made);
        let added = each.map(|(&(owner, scope, _), row)| self.add(&mut owners, owner, scope, row?)).collect();
        drop(owners);
        numbers.wipe();
        added
    }

    fn add(&self, owners: &mut OwnerRows, owner: Owner, scope: Scope, numbers: &[i8]) -> Result<(), InsertError> {
        if owners.is_gone(owner) {
            return Err(InsertError::Gone { owner });
        }
        let row = self.len();
        if row == MOST_ROWS {
            return Err(InsertError::Full);
        }
        self.blocks.write(row, owner, scope, numbers);
        owners.add(owner, row);
        self.rows.store(row + 1, Ordering::SeqCst);
        Ok(())
    }

    /// Removes every row of `owner`, for good, and returns how many there were. Each is overwritten with the last row, and
    /// the freed last row with zeros, before this returns; no search that ends after that names the owner.
    pub fn remove(&self, owner: Owner) -> usize {
        let mut owners = lock(&self.owners);
        let mut removed = 0;
        while let Some(row) = owners.first(owner) {
            let last = self.len() - 1;
            owners.drop_first(owner);
            if let Some(moved) = self.blocks.remove(row, last) {
                owners.moved(moved, last, row);
            }
            self.rows.store(last, Ordering::SeqCst);
            removed += 1;
        }
        owners.close(owner);
        // Only now: a search that began meanwhile and ends after this has to look again.
        self.removals.fetch_add(1, Ordering::SeqCst);
        removed
    }

    /// For each probe, every owner whose best row scores enough, best first; equal scores in the order of owners. One by
    /// one or in a batch, on one thread or on many, a probe's answer is the same to the bit.
    ///
    /// # Errors
    ///
    /// [`VectorError`] if a probe is not of length 1 or of another dimension; nothing was searched then.
    pub fn search(&self, probes: &[&[f32]], search: &Search) -> Result<Vec<Vec<Hit>>, VectorError> {
        let removals = self.removals.load(Ordering::SeqCst);
        let rows = probes.iter().map(|probe| Ok(Zeroizing::new(self.scale.row(probe)?)));
        let rows: Vec<Zeroizing<Vec<i8>>> = rows.collect::<Result<_, VectorError>>()?;
        let packed = self.pack(&rows, self.scale.least(search.least));
        let next = Mutex::new(self.blocks.count(self.len()));
        let take_blocks = || {
            let mut found: Vec<Vec<Found>> = vec![Vec::new(); probes.len()];
            while let Some(block) = self.claim(&next) {
                scan_block(&block, &packed, search, &mut found);
            }
            found
        };
        let mut found: Vec<Vec<Found>> = vec![Vec::new(); probes.len()];
        for part in on_threads(search.threads, take_blocks) {
            found.iter_mut().zip(part).for_each(|(all, more)| all.extend(more));
        }
        if self.removals.load(Ordering::SeqCst) != removals {
            let owners = lock(&self.owners);
            for found in &mut found {
                found.retain(|f| !owners.is_gone(f.owner));
            }
        }
        let unit = self.scale.unit();
        Ok(found.into_iter().map(|found| best_per_owner(found, unit)).collect())
    }

    /// The pairs of owners, the lower one first, who have rows that come so near to each other's that a face of the one
    /// could be taken for the other: twins, and others who look alike. Every row meets every other.
    pub fn look_alikes(&self, least: f32, threads: usize) -> BTreeSet<(Owner, Owner)> {
        let add = |alike: &mut BTreeSet<_>, one: Owner, other: Owner, _| {
            alike.insert((one.min(other), one.max(other)));
        };
        self.meet(least, threads, BTreeSet::new, add).into_iter().flatten().collect()
    }

    /// How many pairs of owners reach each of `scores`, which rise. Every row meets every other.
    pub fn impostors(&self, scores: &[f32], threads: usize) -> Impostors {
        let Some(&least) = scores.first() else { return Impostors::default() };
        let mut rows: BTreeMap<Owner, u64> = BTreeMap::new();
        for block in 0..self.blocks.count(self.len()) {
            for owner in &read(self.blocks.get(block)).owners {
                *rows.entry(*owner).or_default() += 1;
            }
        }
        let count = |reached: &mut BTreeMap<Owner, Vec<u64>>, one: Owner, other: Owner, score: f32| {
            let part = PAIR / [one, other].iter().filter_map(|owner| rows.get(owner)).product::<u64>();
            for owner in [one, other] {
                let reached = reached.entry(owner).or_insert_with(|| vec![0; scores.len()]);
                reached.iter_mut().zip(scores).filter(|(_, s)| score >= **s).for_each(|(n, _)| *n += part);
            }
        };
        let mut reached: BTreeMap<Owner, Vec<u64>> = BTreeMap::new();
        for (owner, more) in self.meet(least, threads, BTreeMap::new, count).into_iter().flatten() {
            let reached = reached.entry(owner).or_insert_with(|| vec![0; scores.len()]);
            reached.iter_mut().zip(more).for_each(|(n, more)| *n += more);
        }
        let of = |owner| OfOwner { reached: reached.remove(owner).unwrap_or_else(|| vec![0; scores.len()]) };
        let owners = rows.keys().map(of).collect();
        Impostors { scores: scores.to_vec(), owners }
    }

    /// Calls `each` once for each pair of rows of different owners whose score is `least` or more, with what `new` made
    /// for the thread, and gives what became of that.
    fn meet<A: Send>(
        &self,
        least: f32,
        threads: usize,
        new: impl Fn() -> A + Sync,
        each: impl Fn(&mut A, Owner, Owner, f32) + Sync,
    ) -> Vec<A> {
        let (least, unit) = (self.scale.least(least), self.scale.unit());
        let blocks = self.blocks.count(self.len());
        let next = AtomicUsize::new(0);
        let work = || {
            let mut made = new();
            loop {
                let mine = next.fetch_add(1, Ordering::Relaxed);
                if mine >= blocks {
                    return made;
                }
                let (rows, owners) = {
                    let block = read(self.blocks.get(mine));
                    let row = |lane| {
                        let mut row = block.row(lane);
                        row.truncate(self.scale.dimensions);
                        row
                    };
                    ((0..block.owners.len()).map(row).collect::<Vec<_>>(), block.owners.clone())
                };
                let packed = self.pack(&rows, least);
                // The blocks before this one have met it already, and of two rows of this one, the first meets the second.
                for other in mine..blocks {
                    let block = read(self.blocks.get(other));
                    packed.scan(block.groups(), |hit| {
                        let one = owners[hit.probe];
                        let met = other == mine && hit.row <= hit.probe;
                        match block.owners.get(hit.row) {
                            Some(&other) if other != one && !met => {
                                each(&mut made, one, other, (f64::from(hit.dot) / unit) as f32);
                            }
                            _ => {}
                        }
                    });
                }
            }
        };
        on_threads(threads, work)
    }

    /// Rows as probes.
    fn pack(&self, rows: &[Zeroizing<Vec<i8>>], least: i32) -> Probes {
        let rows: Vec<&[i8]> = rows.iter().map(|row| row.as_slice()).collect();
        Probes::new(self.kernel, self.scale.dimensions, &rows, least, self.scale.longest_row())
    }

    /// The next block of a search, from the last to the first. Whoever claims a block holds its lock before anyone can
    /// claim the one before it.
    fn claim(&self, next: &Mutex<usize>) -> Option<RwLockReadGuard<'_, Block>> {
        let mut next = lock(next);
        *next = next.checked_sub(1)?;
        Some(read(self.blocks.get(*next)))
    }
}

/// A row that scored enough.
#[derive(Clone, Copy)]
struct Found {
    owner: Owner,
    dot: i32,
}

fn scan_block(block: &Block, probes: &Probes, search: &Search, found: &mut [Vec<Found>]) {
    probes.scan(block.groups(), |hit| {
        let Some(owner) = block.owners.get(hit.row) else { return };
        if search.scopes.as_ref().is_none_or(|scopes| scopes.contains(&block.scopes[hit.row])) {
            found[hit.probe].push(Found { owner: *owner, dot: hit.dot });
        }
    });
}

fn best_per_owner(mut found: Vec<Found>, unit: f64) -> Vec<Hit> {
    found.sort_unstable_by_key(|f| (f.owner, std::cmp::Reverse(f.dot)));
    found.dedup_by_key(|f| f.owner);
    found.sort_unstable_by_key(|f| (std::cmp::Reverse(f.dot), f.owner));
    found.iter().map(|f| Hit { owner: f.owner, score: (f64::from(f.dot) / unit) as f32 }).collect()
}
