//! What a scan says of files that could not be used: how many of each kind, which, and what to do about it.

use std::collections::BTreeMap;

use crate::output::{count, shown};

/// How to get the program that decodes HEIC and AVIF.
pub(crate) const GET_HEIF_PROGRAM: &str = "install the system's decoder (on Debian and Ubuntu: apt install \
                                           libheif-examples) and scan again, or export them as JPEG";

/// Files of one kind that are named, at most.
const NAMED_MAX: usize = 20;

/// One line for each kind, followed by the names of its files.
pub(crate) fn lines(failed: &[(String, String)]) -> Vec<String> {
    let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (path, code) in failed {
        kinds.entry(code).or_default().push(path);
    }
    let mut lines = Vec::new();
    for (code, paths) in kinds {
        let (what, advice) = about(code);
        lines.push(format!("left out: {}, {what}: {advice}", count(paths.len(), "file")));
        lines.extend(paths.iter().take(NAMED_MAX).map(|path| format!("  {}", shown(path))));
        if paths.len() > NAMED_MAX {
            lines.push(format!("  and {} more (--json names all)", paths.len() - NAMED_MAX));
        }
    }
    lines
}

/// What files with this code are, and what to do.
fn about(code: &str) -> (&'static str, &'static str) {
    const AS_JPEG: &str = "export them as JPEG";
    match code {
        "unreadable" => {
            ("not readable", "is the disk there, and are you allowed to read them? The next scan tries again")
        }
        "damaged" => {
            ("damaged or cut off", "a part of the picture is missing; copy them again from the camera or from a backup")
        }
        "too-large" => ("too large (more than 250 megapixels, or 2 GB)", "export them smaller"),
        "too-much-memory" => (
            "too large for the memory that photos may take",
            "scan again with more of it (--memory MB), or export them smaller",
        ),
        "too-many-passes" => {
            ("JPEG stored in far more passes than any camera makes", "open them and save them anew as JPEG")
        }
        "heic-not-decoded" => ("HEIC, as iPhones write it", GET_HEIF_PROGRAM),
        "avif-not-decoded" => ("AVIF", GET_HEIF_PROGRAM),
        "decoder-gave-up" => ("HEIC or AVIF that the system's decoder gave up on", AS_JPEG),
        "raw-without-preview" => ("RAW without a preview picture", AS_JPEG),
        "raw-preview-too-small" => ("RAW whose preview picture is too small to find faces in", AS_JPEG),
        "jpeg-xl-not-decoded" => ("JPEG XL", AS_JPEG),
        "jpeg-2000-not-decoded" => ("JPEG 2000", AS_JPEG),
        "photoshop-not-decoded" => ("Photoshop", AS_JPEG),
        "jpeg-12-bit-not-decoded" => ("JPEG of more than 8 bits a colour", "export them as usual JPEG"),
        "jpeg-lossless-not-decoded" | "jpeg-hierarchical-not-decoded" => {
            ("JPEG of a rare kind that is not opened here", "export them as usual JPEG")
        }
        "kind-not-decoded" => ("of a rare kind that is not opened here", AS_JPEG),
        "unknown-format" => {
            ("no picture, whatever their names say", "open them elsewhere; if that works, export them as JPEG")
        }
        _ => ("not usable", "open them elsewhere; if that works, export them as JPEG"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_named_in_words_with_what_to_do() {
        let codes = [
            "unreadable",
            "damaged",
            "too-large",
            "too-much-memory",
            "too-many-passes",
            "heic-not-decoded",
            "avif-not-decoded",
            "decoder-gave-up",
            "raw-without-preview",
            "raw-preview-too-small",
            "jpeg-xl-not-decoded",
            "jpeg-2000-not-decoded",
            "photoshop-not-decoded",
            "jpeg-12-bit-not-decoded",
            "jpeg-lossless-not-decoded",
            "jpeg-hierarchical-not-decoded",
            "kind-not-decoded",
            "unknown-format",
            "something-new",
        ];
        for code in codes {
            let text = lines(&[("a/b.jpg".to_owned(), code.to_owned())]).join("\n");
            assert!(text.starts_with("left out: 1 file, ") && text.ends_with("\n  a/b.jpg"), "{code}: {text}");
            assert!(!text.contains(code) || !code.contains('-'), "{code} is no word for people: {text}");
            assert_ne!(about(code).0 == "not usable", code != "something-new", "{code}");
        }
        let heic = lines(&[("IMG_1.HEIC".to_owned(), "heic-not-decoded".to_owned())]).join("\n");
        assert!(heic.contains("apt install libheif-examples") && heic.contains("as JPEG"), "{heic}");
    }

    #[test]
    fn many_files_of_one_kind_are_counted() {
        let failed: Vec<(String, String)> =
            (0..50).map(|i| (format!("{i}.psd"), "photoshop-not-decoded".to_owned())).collect();
        let lines = lines(&failed);
        assert_eq!(lines.len(), 22);
        assert!(lines[0].starts_with("left out: 50 files, Photoshop"), "{}", lines[0]);
        assert_eq!(lines[21], "  and 30 more (--json names all)");
    }
}
