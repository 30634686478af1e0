//! What commands print for machines is as `docs/json.schema.json` says.

use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Value, json};

/// The answers by the words of their commands, and what an answer has to be.
fn answers() -> &'static [(Vec<String>, Validator)] {
    static ANSWERS: OnceLock<Vec<(Vec<String>, Validator)>> = OnceLock::new();
    ANSWERS.get_or_init(|| {
        let all: Value = serde_json::from_str(include_str!("../../../../docs/json.schema.json")).unwrap();
        let word = |word: &&str| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') && !word.starts_with("--");
        let one = |(command, schema): (&String, &Value)| {
            let (words, _) = command.split_once(',').unwrap_or((command, ""));
            let words = words.split(' ').take_while(word).map(str::to_owned).collect();
            // Nothing is printed that the schema does not name.
            let schema = json!({ "$ref": schema["$ref"], "$defs": all["$defs"], "unevaluatedProperties": false });
            (words, jsonschema::options().should_validate_formats(true).build(&schema).unwrap())
        };
        all["commands"].as_object().unwrap().iter().map(one).collect()
    })
}

/// Whether the command of these arguments may print this.
fn allowed(args: &[&str], printed: &Value) -> bool {
    let named = |words: &Vec<String>| args.windows(words.len()).any(|some| some == words);
    let of = || answers().iter().filter(|(words, _)| named(words));
    let longest = of().map(|(words, _)| words.len()).max().unwrap_or(0);
    of().filter(|(words, _)| words.len() == longest).any(|(_, schema)| schema.is_valid(printed))
}

/// Fails where a command printed something else.
pub(super) fn check(args: &[&str], stdout: &str, stderr: &str) {
    if !args.contains(&"--json") {
        return;
    }
    if let Ok(answer @ Value::Object(_)) = serde_json::from_str(stdout) {
        assert!(allowed(args, &answer), "{args:?} printed what its schema does not allow: {answer:#}");
    }
    let errors = stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    for error in errors.filter(Value::is_object) {
        assert!(allowed(&["any", "command", "that", "fails"], &error), "{args:?}: {error:#}");
    }
}

#[test]
fn an_answer_that_no_schema_allows_is_seen() {
    let check = |name: &str, args: &[&str], answer: Value, good: bool| {
        assert_eq!(allowed(args, &answer), good, "{name}");
    };
    let id = "0d9a3c51f6e84b27a1c5e09d7f3b8642";
    let added = json!({ "subject": id, "handle": "m-1" });
    let add = ["--json", "subject", "add", "m-1", "--name", "M"];
    check("as it is", &add, added.clone(), true);
    check("of another command", &["--json", "subject", "list"], added, false);
    check("a field more", &add, json!({ "subject": id, "handle": "m-1", "name": "M" }), false);
    check("a field less", &add, json!({ "subject": id }), false);
    check("no id", &add, json!({ "subject": "m-1", "handle": "m-1" }), false);
    check("no command", &["--json"], json!({}), false);
    let restricted = ["subject", "restrict", "m-1"];
    check("a day", &restricted, json!({ "subject": id, "restricted": "2026-11-22" }), true);
    check("no day", &restricted, json!({ "subject": id, "restricted": "2026-11-31" }), false);
    check("null", &restricted, json!({ "subject": id, "restricted": null }), true);
}
