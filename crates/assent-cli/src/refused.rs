//! What a scan says of files that could not be used: how many of each kind, which, and what to do about it.

use assent_documents::failed_files::{FailedKind, by_kind};

use crate::output::{count, shown};

/// Files of one kind that are named, at most.
const NAMED_MAX: usize = 20;

/// One line for each kind, followed by the names of its files.
pub(crate) fn lines(failed: &[(String, String)]) -> Vec<String> {
    let mut lines = Vec::new();
    for FailedKind { code, what, advice, files } in by_kind(failed) {
        let option = if code == "too-much-memory" { " (--memory MB)" } else { "" };
        lines.push(format!("left out: {}, {what}: {advice}{option}", count(files.len(), "file")));
        lines.extend(files.iter().take(NAMED_MAX).map(|path| format!("  {}", shown(path))));
        if files.len() > NAMED_MAX {
            lines.push(format!("  and {} more (--json names all)", files.len() - NAMED_MAX));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_one_line_and_its_files_one_each() {
        let of = |code: &str| lines(&[("a/b.jpg".to_owned(), code.to_owned())]);
        assert_eq!(of("avif-not-decoded").len(), 2);
        assert!(of("jpeg-xl-not-decoded")[0].starts_with("left out: 1 file, JPEG XL: export them as JPEG"));
        assert_eq!(of("damaged")[1], "  a/b.jpg");
        assert!(of("too-much-memory")[0].ends_with("or export them smaller (--memory MB)"));
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
