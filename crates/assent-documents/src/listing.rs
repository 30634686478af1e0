//! What to say of a folder of photos beside its photos: what could not be listed, and what is left out on purpose.

use assent::ledger::PhotoPath;
use assent::source::{LeftOut, Leftover, Problem, ProblemKind};

use crate::vocabulary::shown;

/// Paths that a line names, at most.
const NAMED_MAX: usize = 5;

/// One line for each kind of problem and of what was left out; none where there is nothing to say.
pub fn lines(problems: &[Problem], left_out: &[LeftOut]) -> Vec<String> {
    let kinds = [
        ProblemKind::UnreadableFolder,
        ProblemKind::UnreadableFile,
        ProblemKind::BrokenLink,
        ProblemKind::LinkOutside,
        ProblemKind::NoFile,
        ProblemKind::Vanished,
    ];
    let problem = |kind: ProblemKind| {
        let paths: Vec<&PhotoPath> = problems.iter().filter(|p| p.kind == kind).map(|p| &p.path).collect();
        problem_line(&paths, problem_text(kind, paths.len() == 1))
    };
    let leftover = |kind: Leftover| {
        let paths: Vec<&PhotoPath> = left_out.iter().filter(|l| l.kind == kind).map(|l| &l.path).collect();
        problem_line(&paths, leftover_text(kind, paths.len() == 1))
    };
    let leftovers = [Leftover::System, Leftover::Library, Leftover::Hidden];
    kinds.into_iter().filter_map(problem).chain(leftovers.into_iter().filter_map(leftover)).collect()
}

/// What is wrong, and what to do about it.
fn problem_text(kind: ProblemKind, one: bool) -> (&'static str, &'static str) {
    match (kind, one) {
        (ProblemKind::UnreadableFolder, true) => {
            ("folder may not be read", "Nothing in it was looked at; allow reading it, and scan again.")
        }
        (ProblemKind::UnreadableFolder, false) => {
            ("folders may not be read", "Nothing in them was looked at; allow reading them, and scan again.")
        }
        (ProblemKind::UnreadableFile, true) => ("name may not be read", "Allow reading it, and scan again."),
        (ProblemKind::UnreadableFile, false) => ("names may not be read", "Allow reading them, and scan again."),
        (ProblemKind::BrokenLink, true) => ("link leads nowhere", "Is a disk away?"),
        (ProblemKind::BrokenLink, false) => ("links lead nowhere", "Is a disk away?"),
        (ProblemKind::LinkOutside, true) => (
            "link leads out of the folder and is not followed",
            "Put the photos into the folder, or add the other folder as a collection of its own.",
        ),
        (ProblemKind::LinkOutside, false) => (
            "links lead out of the folder and are not followed",
            "Put the photos into the folder, or add the other folders as collections of their own.",
        ),
        (ProblemKind::NoFile, true) => ("name of a photo belongs to no file but to a pipe or a device", ""),
        (ProblemKind::NoFile, false) => ("names of photos belong to no files but to pipes or devices", ""),
        (ProblemKind::Vanished, true) => ("file went away while the folder was read", ""),
        (ProblemKind::Vanished, false) => ("files went away while the folder was read", ""),
    }
}

fn leftover_text(kind: Leftover, one: bool) -> (&'static str, &'static str) {
    match (kind, one) {
        (Leftover::System, true) => ("folder of a NAS, a recycle bin or the system is left out", ""),
        (Leftover::System, false) => ("folders of a NAS, a recycle bin or the system are left out", ""),
        (Leftover::Library, true) => {
            ("library of a program for photos is left out", "Export its photos into a folder to have them found.")
        }
        (Leftover::Library, false) => {
            ("libraries of programs for photos are left out", "Export their photos into a folder to have them found.")
        }
        (Leftover::Hidden, true) => ("hidden name is left out", ""),
        (Leftover::Hidden, false) => ("hidden names are left out", ""),
    }
}

/// "2 links lead nowhere (a.jpg, b.jpg). Is a disk away?"
fn problem_line(paths: &[&PhotoPath], (what, advice): (&str, &str)) -> Option<String> {
    if paths.is_empty() {
        return None;
    }
    let name = |path: &&PhotoPath| match path.to_string() {
        root if root.is_empty() => "the collection's own folder".to_owned(),
        path => shown(path),
    };
    let mut named: Vec<String> = paths.iter().take(NAMED_MAX).map(name).collect();
    if paths.len() > NAMED_MAX {
        named.push(format!("and {} more", paths.len() - NAMED_MAX));
    }
    let line = format!("{} {what} ({}). {advice}", paths.len(), named.join(", "));
    Some(line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_line_that_counts_and_names() {
        let problem = |path: &str, kind| Problem { path: path.into(), kind };
        let found = [
            problem("private", ProblemKind::UnreadableFolder),
            problem("a.jpg", ProblemKind::BrokenLink),
            problem("usb", ProblemKind::BrokenLink),
            problem("out", ProblemKind::LinkOutside),
        ];
        let left: Vec<LeftOut> =
            (0..7).map(|i| LeftOut { path: format!("{i}/@eaDir").as_str().into(), kind: Leftover::System }).collect();
        let expected = [
            "1 folder may not be read (private). Nothing in it was looked at; allow reading it, and scan again.",
            "2 links lead nowhere (a.jpg, usb). Is a disk away?",
            "1 link leads out of the folder and is not followed (out). Put the photos into the folder, or add the other \
             folder as a collection of its own.",
            "7 folders of a NAS, a recycle bin or the system are left out (0/@eaDir, 1/@eaDir, 2/@eaDir, 3/@eaDir, \
             4/@eaDir, and 2 more).",
        ];
        assert_eq!(lines(&found, &left), expected);
        assert_eq!(lines(&[], &[]), [""; 0]);
    }
}
