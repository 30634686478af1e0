//! What no text for people holds: ids, numbers of requirements, names of types, codes. Every answer that a test here gets
//! as text is looked at.

use serde_json::Value;

/// Codes that stand in answers for machines, and words for them in texts.
const CODES: [&str; 12] = [
    "heic-not-decoded",
    "avif-not-decoded",
    "unknown-format",
    "too-much-memory",
    "raw-without-preview",
    "not-scanned",
    "photos-not-scanned",
    "never-agreed",
    "other-collections",
    "no-portrait",
    "too-small",
    "unreadable-folder",
];

/// These print what a program reads, keys, certificates, records, or checksums that people compare with those of a download.
const DOCUMENTS: [&[&str]; 9] = [
    &["packs"],
    &["runtime"],
    &["audit", "key"],
    &["audit", "checkpoint"],
    &["audit", "certificate"],
    &["audit", "prove"],
    &["consent", "record"],
    &["report", "register"],
    &["completions"],
];

/// What in a text is none of a person's business.
fn wrong_with(text: &str) -> Option<String> {
    let hexadecimal = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    // The names of the files of certificates are ids.
    let is_file = |word: &&str| {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        bare.rsplit_once('.').is_some_and(|(_, ending)| ending == "txt")
    };
    let mut words = text
        .split_whitespace()
        .filter(|word| !is_file(word))
        .flat_map(|word| word.split(|c: char| !c.is_ascii_alphanumeric()));
    if let Some(id) = words.find(|word| word.len() >= 32 && word.chars().all(hexadecimal)) {
        return Some(format!("the id {id}"));
    }
    let numbered = |word: &&str| {
        word.strip_prefix('R').is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit()))
    };
    if let Some(requirement) = text.split_whitespace().filter_map(|word| word.strip_suffix(':')).find(numbered) {
        return Some(format!("the number of a requirement, {requirement}"));
    }
    let named = |word: &str| {
        let (name, rest) = word.split_once(':')?;
        (name.ends_with("Id") && rest.starts_with(hexadecimal)).then(|| word.to_owned())
    };
    let of_a_type = |word: &str| {
        let (before, _) = word.split_once("::")?;
        before.ends_with(|c: char| c.is_ascii_alphanumeric()).then(|| word.to_owned())
    };
    let debug = |word: &str| {
        let shown = ["Some(", "Ok(", "Err("].iter().any(|start| word.starts_with(start));
        shown.then(|| word.to_owned())
    };
    let mut all = text.split_whitespace();
    if let Some(word) = all.find_map(|word| named(word).or_else(|| of_a_type(word)).or_else(|| debug(word))) {
        return Some(format!("the name of a type, {word}"));
    }
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned();
    let code = text.split_whitespace().map(bare).find(|word| CODES.contains(&word.as_str()));
    code.map(|code| format!("the code {code}"))
}

/// Looks at what a command printed, if it is for people; of an error for machines, at the sentences in it.
pub(super) fn check(args: &[&str], out: &str, err: &str) {
    let command: Vec<&str> = args.iter().copied().skip_while(|arg| arg.starts_with('-') || arg.contains('/')).collect();
    let document = DOCUMENTS.iter().any(|document| command.starts_with(document));
    if document {
        return;
    }
    let mut texts = vec![err.to_owned()];
    if args.contains(&"--json") {
        if let Ok(object) = serde_json::from_str::<Value>(err) {
            let causes = object["causes"].as_array().into_iter().flatten();
            texts = causes.chain([&object["error"]]).filter_map(|text| text.as_str().map(str::to_owned)).collect();
        }
    } else {
        texts.push(out.to_owned());
    }
    for text in texts {
        assert_eq!(wrong_with(&text), None, "{args:?} says:\n{text}");
    }
}

#[test]
fn what_is_no_text_for_people_is_seen() {
    let check = |name: &str, text: &str, wrong: bool| assert_eq!(wrong_with(text).is_some(), wrong, "{name}");
    check("an id", "Added anna (000102030405060708090a0b0c0d0e0f).", true);
    check("the file of a certificate", "cannot read HOME/000102030405060708090a0b0c0d0e0f.txt.", false);
    check("a hash", &format!("release {}", "ab".repeat(32)), true);
    check("a beginning of an id", "assent request show 00010203", false);
    check("a requirement", "assent: R17: faces are locked", true);
    check("a vitamin", "R17 is a room", false);
    check("a short id of a type", "the collection CollectionId:11f6f94a is locked", true);
    check("a path of a module", "TxError::NoSubject", true);
    check("a shell's words", "see http://localhost and 12:30", false);
    check("a debug form", "said Some(3)", true);
    check("a code", "left out: a.heic (heic-not-decoded)", true);
    check("a purpose", "yes to find-my-photos in trip", false);
}
