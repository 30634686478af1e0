//! Names that are left out of a listing: what NAS devices, systems and programs for photos keep beside the photos.

/// What is left out although it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leftover {
    /// Thumbnails, versions and bins of a NAS or an operating system: copies of photos, or photos that were deleted.
    System,
    /// The library of a program for photos: previews, and originals that the program alone may touch.
    Library,
    /// A name that begins with a dot.
    Hidden,
}

impl Leftover {
    /// A word for counting: `system`, `library` or `hidden`.
    pub fn code(self) -> &'static str {
        match self {
            Leftover::System => "system",
            Leftover::Library => "library",
            Leftover::Hidden => "hidden",
        }
    }
}

/// Whole names, in any case.
///
/// # Source
///
/// Synology: `@eaDir`, `#recycle`, `#snapshot`, `@tmp`, `@SynoResource`. QNAP: `@Recycle`, `@Recently-Snapshot`,
/// `.@__thumb`, `.@__qini`. Windows: `$RECYCLE.BIN`, `RECYCLER`, `RECYCLED`, `System Volume Information`, `FOUND.000`.
/// Linux: `lost+found`. macOS on shares: `Network Trash Folder`, `Temporary Items`.
const SYSTEM: [&str; 17] = [
    "@eadir",
    "#recycle",
    "#snapshot",
    "@tmp",
    "@synoresource",
    "@recycle",
    "@recently-snapshot",
    ".@__thumb",
    ".@__qini",
    "$recycle.bin",
    "recycler",
    "recycled",
    "system volume information",
    "found.000",
    "lost+found",
    "network trash folder",
    "temporary items",
];

/// Endings of folders that are one library, in any case: Lightroom, Photos, Aperture, iPhoto, Capture One.
const LIBRARIES: [&str; 9] = [
    ".lrdata",
    ".lrlibrary",
    ".lrcat-data",
    ".photoslibrary",
    ".photolibrary",
    ".migratedphotolibrary",
    ".aplibrary",
    ".apvault",
    ".cocatalog",
];

/// What a file or a folder of this name is left out as.
pub(super) fn leftover(name: &[u8]) -> Option<Leftover> {
    let name = name.to_ascii_lowercase();
    let is_bin = name.starts_with(b".trash") || SYSTEM.iter().any(|known| known.as_bytes() == name);
    if is_bin {
        return Some(Leftover::System);
    }
    if LIBRARIES.iter().any(|ending| name.ends_with(ending.as_bytes())) {
        return Some(Leftover::Library);
    }
    name.starts_with(b".").then_some(Leftover::Hidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_known_by_name_in_any_case() {
        let check = |name: &str, expected: Option<Leftover>| assert_eq!(leftover(name.as_bytes()), expected, "{name}");
        for name in ["@eaDir", "#recycle", "#Recycle", "$RECYCLE.BIN", "$Recycle.Bin", "System Volume Information"] {
            check(name, Some(Leftover::System));
        }
        for name in ["lost+found", ".Trash-1000", ".Trashes", "@Recycle", ".@__thumb", "@Recently-Snapshot"] {
            check(name, Some(Leftover::System));
        }
        for name in ["Catalog Previews.lrdata", "Trip.lrlibrary", "Photos Library.photoslibrary", "Old.aplibrary"] {
            check(name, Some(Leftover::Library));
        }
        for name in [".thumbnails", "._IMG_0001.jpg", ".git", "."] {
            check(name, Some(Leftover::Hidden));
        }
        for name in ["2026", "eaDir", "recycle", "lost and found", "IMG_0001.jpg", "lrdata", "a.b", ""] {
            check(name, None);
        }
    }
}
