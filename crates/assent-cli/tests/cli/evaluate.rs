//! `assent evaluate verify`: what it refuses before any model is loaded, and that nobody is named.

use std::fs;

use crate::{assent, stderr, stdout};

#[test]
fn pairs_that_cannot_be_used_are_refused_by_line() {
    let home = tempfile::tempdir().unwrap();
    let (pairs, images) = (home.path().join("pairs.txt"), home.path().join("images"));
    fs::create_dir(&images).unwrap();
    let check = |name: &str, text: Option<&str>, expected: &str| {
        if let Some(text) = text {
            fs::write(&pairs, text).unwrap();
        }
        let (pairs, images) = (pairs.to_str().unwrap(), images.to_str().unwrap());
        let output = assent(home.path(), &["evaluate", "verify", "--pairs", pairs, "--images", images]);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""), "{name}");
        assert!(stderr(&output).contains(expected), "{name}: {}", stderr(&output));
        assert!(!stderr(&output).contains("anna"), "{name}: {}", stderr(&output));
    };
    check("no file", None, "cannot read the pairs from");
    check("no first line", Some("anna\t1\t2\n"), "the first line of the pairs is not: number of folds");
    check("a bad line", Some("1\t1\nanna\t1\n"), "line 2 of the pairs is not: name, tab, number");
    let few = "1\t1\nanna\t1\t2\nanna\t1\tberta\t1\n";
    check("too few", Some(few), "2 people in 2 different pairs are too few: 30 and 40 are needed");
}
