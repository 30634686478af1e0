//! The options that say how photos are searched; every command that scans has them.

use std::num::{NonZeroU32, NonZeroUsize};

use assent::budget::{MEMORY_MB_MIN, MEMORY_MB_PER_THREAD};
use assent::{Posture, SearchOptions, Thoroughness};
use clap::Args;

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct SearchArgs {
    /// A photo's longest side while it is searched, pixels; larger finds smaller faces and takes longer
    #[arg(long, value_name = "PX", default_value_t = SearchOptions::default().side_px, value_parser = clap::value_parser!(u32).range(64..=16_000))]
    side: u32,
    /// Find upright faces only: faster
    #[arg(long, conflicts_with = "any_way_up")]
    upright: bool,
    /// Find faces whichever way up they are (the default)
    #[arg(long)]
    any_way_up: bool,
    /// Look at every pixel at the full side, not only where a smaller picture shows something: slower
    #[arg(long)]
    exhaustive: bool,
    /// Photos to process in parallel [default: the number of processors]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl SearchArgs {
    pub(crate) fn options(&self) -> SearchOptions {
        let posture = if self.upright { Posture::Upright } else { Posture::AnyWayUp };
        let thoroughness = if self.exhaustive { Thoroughness::Exhaustive } else { Thoroughness::CoarseToFine };
        SearchOptions { side_px: self.side, posture, thoroughness }
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads.map_or_else(all_threads, NonZeroUsize::get)
    }
}

/// As many threads as the machine has processors for this program.
pub(crate) fn all_threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// How much memory a scan's photos may take.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct MemoryArgs {
    /// What photos may take together while they are read, decoded and searched, MB; a photo that needs more is left out and
    /// named [default: 256 for each thread, and 1024 at the least]
    #[arg(long = "memory", value_name = "MB")]
    megabytes: Option<NonZeroU32>,
}

impl MemoryArgs {
    pub(crate) fn megabytes(self, threads: usize) -> u64 {
        let usual = (MEMORY_MB_PER_THREAD * threads as u64).max(MEMORY_MB_MIN);
        self.megabytes.map_or(usual, |megabytes| megabytes.get().into())
    }
}
