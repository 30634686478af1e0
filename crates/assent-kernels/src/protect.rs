//! Keeping memory out of swap and out of core dumps.

/// What the system did for a piece of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protected {
    /// It is never written to swap.
    pub locked: bool,
    /// It is in no core dump.
    pub kept_out_of_dumps: bool,
}

impl Protected {
    /// Whether it may be written elsewhere.
    pub fn is_exposed(self) -> bool {
        !(self.locked && self.kept_out_of_dumps)
    }
}

/// Asks the system to keep the pages of `memory` in memory and out of core dumps, until they are given back.
///
/// The first is refused beyond the limit of locked memory (`ulimit -l`), the second where there is no such call.
pub fn protect<T>(memory: &[T]) -> Protected {
    let bytes = size_of_val(memory);
    let address = memory.as_ptr().cast_mut().cast();
    // SAFETY: the range is that of a live slice; locking its pages changes none of its bytes.
    let locked = bytes == 0 || unsafe { rustix::mm::mlock(address, bytes) }.is_ok();
    Protected { locked, kept_out_of_dumps: bytes == 0 || out_of_dumps(address, bytes) }
}

#[cfg(target_os = "linux")]
fn out_of_dumps(address: *mut std::ffi::c_void, bytes: usize) -> bool {
    let before = address.addr() % rustix::param::page_size();
    // SAFETY: from the page in which a live slice begins to its end; the advice changes no byte of them.
    unsafe { rustix::mm::madvise(address.byte_sub(before), bytes + before, rustix::mm::Advice::LinuxDontDump) }.is_ok()
}

#[cfg(not(target_os = "linux"))]
fn out_of_dumps(_: *mut std::ffi::c_void, _: usize) -> bool {
    false
}
