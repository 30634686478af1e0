//! How much memory is free.

/// Bytes that programs can still take without swapping; `None` where Linux does not say so.
pub(crate) fn free_memory_bytes() -> Option<u64> {
    let about = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = about.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kb| kb * 1024)
}
