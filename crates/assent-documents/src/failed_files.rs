//! Files of a collection that could not be used, for people: of which kind they are, and what to do about it.

use std::collections::BTreeMap;

/// How to get the program that decodes HEIC and AVIF.
pub const GET_HEIF_PROGRAM: &str = "install the system's decoder (on Debian and Ubuntu: apt install libheif-examples) and scan \
                                    again, or export them as JPEG";

/// Files that could not be used for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedKind<'a> {
    /// The reason, as a word for programs.
    pub code: &'a str,
    /// What the files are.
    pub what: &'static str,
    /// What to do.
    pub advice: &'static str,
    /// Their paths below the collection's folder.
    pub files: Vec<&'a str>,
}

/// The files by their kinds; each file with its path and the word of its reason.
pub fn by_kind(failed: &[(String, String)]) -> Vec<FailedKind<'_>> {
    let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (path, code) in failed {
        kinds.entry(code).or_default().push(path);
    }
    let kind = |(code, files)| {
        let (what, advice) = about(code);
        FailedKind { code, what, advice, files }
    };
    kinds.into_iter().map(kind).collect()
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
        "too-much-memory" => {
            ("too large for the memory that photos may take", "scan again with more of it, or export them smaller")
        }
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
            let failed = [("a/b.jpg".to_owned(), code.to_owned())];
            let [kind] = <[_; 1]>::try_from(by_kind(&failed)).unwrap();
            assert_eq!((kind.code, kind.files), (code, vec!["a/b.jpg"]));
            for text in [kind.what, kind.advice] {
                assert!(!text.contains(code) || !code.contains('-'), "{code} is no word for people: {text}");
            }
            assert_eq!(kind.what == "not usable", code == "something-new", "{code}");
        }
        let heic = about("heic-not-decoded").1;
        assert!(heic.contains("apt install libheif-examples") && heic.contains("as JPEG"), "{heic}");
    }
}
