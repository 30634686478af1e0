//! The answers that a program reads: the page and the schemas are those of the types, and one thing has one name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use assent_documents::json::{Schemas, schemas};
use serde_json::{Map, Value, json};

/// What a text of this name says, for the examples. One thing has one name, so one example does for it.
const EXAMPLES: &[(&str, &str)] = &[
    ("about", "m-1 (Mia Member): find-my-photos in trip"),
    ("accountable", "Ann"),
    ("age", "2011-04"),
    ("agreed", "trip"),
    ("alternative", "the press officer looks by hand"),
    ("at", "420,180"),
    ("authority", "the supervisory authority of the member state"),
    ("band", "match"),
    ("bands", "match, review"),
    ("basis", "GDPR article 6 (1) (a)"),
    ("because", "the photo is no longer the one that was scanned"),
    ("build", "ORT Build Info: git-branch=HEAD"),
    ("card", "sface"),
    ("categories_of_data", "portraits"),
    ("causes", "cannot read /home/ann/photos/trip"),
    ("certificate", "assent erasure certificate v1"),
    ("code", "no-subject"),
    ("collection", "trip"),
    ("column", "photos"),
    ("contact", "mia@example.org"),
    ("controller", "The Club"),
    ("data", "/mnt/backup/vault"),
    ("data_subjects", "people who consented; everybody else in the photos is found and covered"),
    ("database", "postgres://assent@db.example.org/club"),
    ("dpo", "Dan, dpo@example.org"),
    ("drafts", "/home/ann/.local/share/assent/vault/drafts"),
    ("erasure_list", "assent erasures v1"),
    ("error", "nobody here is called that; list everybody with: assent subject list"),
    ("execution", "CPU"),
    ("exports", "web/dsc_1042-small.jpg"),
    ("fetched", "face_detection_yunet_2023mar.onnx"),
    ("file", "/home/ann/photos/trip/2024/summer/dsc_1042.jpg"),
    ("folder", "/home/ann/photos/trip"),
    ("group", "7B"),
    ("groups_of_the_models", "women"),
    ("handle", "m-1"),
    ("hint", "list everybody with: assent subject list"),
    ("id", "s-1"),
    ("interval", "Wilson, 0.95"),
    ("jurisdiction", "FR"),
    ("key", "assent/1d2c4cf5+c4b2ad1e+AbCdEf"),
    ("key_ring", "/home/ann/.local/share/assent/keys/ring"),
    ("kind", "access"),
    ("language", "en"),
    ("law", "the General Data Protection Regulation"),
    ("left_over", "/home/ann/copies/m-1 Mia Member/dsc_0007.jpg"),
    ("library", "/home/ann/.local/share/assent/runtime/onnxruntime/capi/libonnxruntime.so.1.24.1"),
    ("licences", "Apache-2.0"),
    ("lock", "passphrase"),
    ("locked", "the public notice is missing (EU asks for it)"),
    ("locked_collections", "club"),
    ("locks", "the public notice is missing (EU asks for it)"),
    ("log", "assent/1d2c4cf5"),
    ("look_alikes", "m-2"),
    ("made_from", "2024/summer/dsc_1042.jpg"),
    ("measure", "LuminanceMean"),
    ("message", "nobody here is called that"),
    ("missing", "2024/summer/dsc_1042.jpg"),
    ("moved_to", "sface"),
    ("name", "Mia Member"),
    ("necessity", "too many photos to look through by hand"),
    ("not_copied", "/home/ann/.local/share/assent/vault/uploads/party"),
    ("notes", "these columns were not used: shoe size"),
    ("of", "person"),
    ("open", "the public notice is missing"),
    ("others", "closed-group"),
    ("outcome", "granted"),
    ("overlaps", "club"),
    ("pack", "sface"),
    ("passed", "over 80 %"),
    ("path", "2026/@eaDir"),
    ("person", "andre-kuipers"),
    ("photo", "2024/summer/dsc_1042.jpg"),
    ("prelu", "as they are; its engine is fast at them"),
    ("proof", "c2sp.org/tlog-proof@v1"),
    ("purpose", "find-my-photos"),
    ("reason", "the court says so"),
    ("receipts", "/home/ann/receipts/m-1 trip find-my-photos 2026-11-22.txt"),
    ("recipients", "the person themselves"),
    ("reference", "file 7"),
    ("refused", "the licence was not accepted"),
    ("representatives", "Rob, 1 High Street, London"),
    ("requirement", "R17"),
    ("requirements", "R16"),
    ("role", "operator"),
    ("rule_pack", "EU 2026-11"),
    ("same_picture", "2024/copy of dsc_1042.jpg"),
    ("says", "what there is to say, in a sentence"),
    ("scope", "the whole vault"),
    ("security", "erasure destroys the key, and a signed certificate says so"),
    ("sheet", "/home/ann/assent-demo.html"),
    ("signature", "MEUCIQDx"),
    ("signed_by", "subject"),
    ("stands_for", "0d9a3c51"),
    ("state", "active"),
    ("status", "was there already"),
    ("step", "Scanned 30 photos."),
    ("table", "notices"),
    ("task", "scan"),
    ("taken", "2024-07-14T00:30:00+02:00"),
    ("taken_from", "exif"),
    ("text", "the face is too dark; take a picture in daylight"),
    ("transfers", "none"),
    ("unopened_templates", "4611686018427387904"),
    ("unreadable", "0d9a3c51"),
    ("vault", "/home/ann/.local/share/assent/vault"),
    ("verdict", "confirmed"),
    ("version", "2026-11"),
    ("via", "terminal"),
    ("what", "consent"),
    ("words", "what do you hold of me?"),
    ("Card.version", "2023mar"),
    ("Controller.contact", "office@example.org"),
    ("FaceInCopy.photo", "web/dsc_1042-small.jpg"),
    ("FailedPhoto.photo", "2024/broken.jpg"),
    ("FailedPhoto.reason", "truncated"),
    ("Finding.says", "whole, 12 entries"),
    ("Finding.what", "log"),
    ("JobAnswer.code", "no-subject"),
    ("JobAnswer.kind", "scan"),
    ("JobAnswer.state", "done"),
    ("LogEntry.kind", "scan"),
    ("LogFault.what", "was changed"),
    ("NotListed.path", "private"),
    ("NotListed.reason", "unreadable-folder"),
    ("NotLooked.kind", "system"),
    ("Nothing.code", "withdrew"),
    ("Nothing.collection", "club"),
    ("Notice.name", "notice"),
    ("Order.state", "in force"),
    ("Pack.kind", "models"),
    ("Pack.name", "sface"),
    ("PortraitReason.code", "too-dark"),
    ("ProofHolds.kind", "scan"),
    ("Refusal.purpose", "publish-website"),
    ("ConsentRefused.purpose", "publish-website"),
    ("Request.state", "open"),
    ("RosterProblem.says", "row 2 has the same id"),
    ("StillWaiting.because", "the picture mia.jpg cannot be used"),
    ("Tampered.says", "a notice was changed"),
    ("VaultMade.kind", "organisation"),
    ("Witness.name", "Wanda"),
    ("WitnessAdded.name", "Wanda"),
    ("Engine.because", "the fastest that this machine has for it"),
    ("NotDone.because", "records of theirs do not open"),
];

/// What is true where everything is as it should be.
const TRUE: &[&str] = &[
    "good",
    "has_key",
    "holds",
    "kept_out_of_dumps",
    "labelled",
    "locked_in_memory",
    "rewritten",
    "there",
    "well",
    "whole",
];

/// The schema that a schema refers to, and of a value that may be null the other one.
fn resolved<'a>(schema: &'a Value, definitions: &'a Map<String, Value>) -> &'a Value {
    let referred = schema["$ref"].as_str().and_then(|at| at.strip_prefix("#/$defs/"));
    let several = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array());
    match (referred, several.and_then(|all| all.iter().find(|one| one["type"] != "null"))) {
        (Some(name), _) => resolved(&definitions[name], definitions),
        (None, Some(one)) => resolved(one, definitions),
        (None, None) => schema,
    }
}

/// The type of a value, null left aside.
fn kind(schema: &Value) -> &str {
    let all = schema["type"].as_array();
    all.and_then(|all| all.iter().find(|one| *one != "null")).unwrap_or(&schema["type"]).as_str().unwrap_or("any")
}

/// The type that a schema refers to, if it does.
fn type_of(schema: &Value) -> Option<&str> {
    match schema["$ref"].as_str() {
        Some(at) => at.strip_prefix("#/$defs/"),
        None => schema["anyOf"].as_array()?.iter().find_map(type_of),
    }
}

/// An answer as this schema allows it, every field filled in. `of` is the type whose field it is.
fn example(of: &str, name: &str, schema: &Value, definitions: &Map<String, Value>) -> Value {
    let inner = type_of(schema).unwrap_or(of);
    let schema = resolved(schema, definitions);
    if let Some(first) = schema["examples"].get(0).or_else(|| schema.get("const")) {
        return first.clone();
    }
    match kind(schema) {
        "object" => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            let mut object: Map<String, Value> =
                fields.map(|(name, schema)| (name.clone(), example(inner, name, schema, definitions))).collect();
            if schema["additionalProperties"].is_object() {
                let value = example(inner, name, &schema["additionalProperties"], definitions);
                object.insert(if name == "purposes" { "find-my-photos" } else { "UK" }.to_owned(), value);
            }
            object.into()
        }
        "array" => {
            let items = schema["minItems"].as_u64().unwrap_or(1);
            (0..items).map(|_| example(of, name, &schema["items"], definitions)).collect()
        }
        "integer" => json!(3),
        "number" => json!(0.25),
        "boolean" => json!(TRUE.contains(&name)),
        "any" => json!({}),
        _ => {
            let whole = format!("{of}.{name}");
            let mut found = EXAMPLES.iter().filter(|(of, _)| *of == whole || *of == name);
            let text = found.clone().find(|(of, _)| *of == whole).or_else(|| found.next());
            assert!(text.is_some(), "no example for {whole}: {schema}");
            json!(text.unwrap().1)
        }
    }
}

/// What a field is, for the page.
fn kind_words(schema: &Value, definitions: &Map<String, Value>) -> String {
    let of = resolved(schema, definitions);
    let nullable = schema["type"].as_array().is_some_and(|all| all.contains(&json!("null")))
        || schema["anyOf"].as_array().is_some_and(|all| all.iter().any(|one| one["type"] == "null"));
    let one = |schema: &Value| -> String {
        let name =
            |schema: &Value| schema["$ref"].as_str().and_then(|at| Some(at.strip_prefix("#/$defs/")?.to_owned()));
        let inner = schema["anyOf"].as_array().and_then(|all| all.iter().find_map(name));
        if let Some(name) = name(schema).or(inner) {
            return format!("[{name}](#{})", name.to_lowercase());
        }
        match (kind(schema), schema["format"].as_str(), schema["pattern"].as_str()) {
            (_, Some("date"), _) => "day".to_owned(),
            (_, Some("date-time"), _) => "moment".to_owned(),
            (_, _, Some(pattern)) => if pattern.contains("64") { "SHA-256" } else { "id" }.to_owned(),
            ("string", ..) => "text".to_owned(),
            (kind, ..) => kind.to_owned(),
        }
    };
    let words = match kind(of) {
        "array" if of["minItems"].is_null() => format!("list of {}", one(&of["items"])),
        "array" => "four numbers".to_owned(),
        "object" if of["additionalProperties"].is_object() => format!("{} by name", one(&of["additionalProperties"])),
        _ => one(schema),
    };
    if nullable { format!("{words} or null") } else { words }
}

/// The fields of an object as a table.
fn table(schema: &Value, definitions: &Map<String, Value>) -> String {
    let mut text = "| field | what it is | |\n|---|---|---|\n".to_owned();
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let variants = schema["oneOf"].as_array().into_iter().flatten().filter_map(|one| one["properties"].as_object());
    for (name, field) in schema["properties"].as_object().into_iter().chain(variants).flatten() {
        let says = field["description"].as_str().unwrap_or_default().replace('\n', " ");
        let may = if required.contains(&name.as_str()) { "" } else { "; may be missing" };
        writeln!(text, "| `{name}` | {says} | {}{may} |", kind_words(field, definitions)).unwrap();
    }
    text
}

fn page(Schemas { commands, definitions }: &Schemas) -> String {
    let mut text = "# What `--json` prints\n\n\
        One object on one line. A test makes this page and [json.schema.json](json.schema.json) of the types in\n\
        `crates/assent-documents/src/json`, and fails where they differ; the tests of the commands hold what these print against the schemas.\n\n\
        One thing has one name everywhere:\n\n"
        .to_owned();
    let conventions = include_str!("../../src/json/mod.rs").lines().filter_map(|line| line.strip_prefix("//! - "));
    conventions.for_each(|line| writeln!(text, "- {line}").unwrap());
    let mut answers: Vec<(&str, Vec<&str>)> = Vec::new();
    for (command, schema) in commands {
        let name = schema["$ref"].as_str().unwrap().strip_prefix("#/$defs/").unwrap();
        match answers.iter_mut().find(|(known, _)| *known == name) {
            Some((_, of)) => of.push(command),
            None => answers.push((name, vec![command])),
        }
    }
    text += "\nA number of an answer about single faces, such as a score, is in none but those of `evaluate`.\n\n# Commands\n";
    for (name, of) in &answers {
        let schema = &definitions[*name];
        let heading: Vec<String> = of.iter().map(|command| format!("`{command}`")).collect();
        let says = schema["description"].as_str().unwrap_or_default();
        let example = serde_json::to_string_pretty(&example(name, name, schema, definitions)).unwrap();
        write!(text, "\n## {}\n\n{says}\n\n", heading.join(", ")).unwrap();
        write!(text, "{}\n```json\n{example}\n```\n", table(schema, definitions)).unwrap();
    }
    text += "\n# Parts of answers\n";
    for (name, schema) in definitions.iter().filter(|(name, _)| answers.iter().all(|(answer, _)| answer != name)) {
        let says = schema["description"].as_str().unwrap_or_default();
        write!(text, "\n## {name}\n\n{says}\n\n{}", table(schema, definitions)).unwrap();
    }
    text
}

/// Whether a file of the docs is what it is to be; where it is not, it is written anew.
fn is_current(file: &str, expected: &str) -> bool {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(file);
    let current = fs::read_to_string(&path).is_ok_and(|written| written == expected);
    if !current {
        fs::write(&path, expected).unwrap();
    }
    current
}

#[test]
fn the_page_and_the_schemas_are_those_of_the_types() {
    let all = schemas();
    let Schemas { commands, definitions } = &all;
    let commands: Map<String, Value> = commands.iter().map(|(c, schema)| ((*c).to_owned(), schema.clone())).collect();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What each command prints with --json",
        "commands": commands,
        "$defs": definitions,
    });
    let current = [is_current("json.schema.json", &format!("{schema:#}\n")), is_current("json.md", &page(&all))];
    assert_eq!(
        current,
        [true, true],
        "docs/json.schema.json and docs/json.md were made anew: look at them, and commit them"
    );
}

#[test]
fn every_example_is_as_its_schema_says() {
    let Schemas { commands, definitions } = schemas();
    for (command, schema) in &commands {
        let whole = json!({ "$ref": schema["$ref"], "$defs": definitions, "unevaluatedProperties": false });
        let validator = jsonschema::options().should_validate_formats(true).build(&whole).unwrap();
        let example = example(command, command, schema, &definitions);
        assert!(validator.is_valid(&example), "{command}: {example:#}");
    }
    assert!(commands.len() > 80, "{}", commands.len());
}

/// The fields of all objects: of which object, name, schema.
fn fields(definitions: &Map<String, Value>) -> Vec<(String, String, Value)> {
    let of = |(name, schema): (&String, &Value)| {
        let fields = schema["properties"].as_object().into_iter().flatten();
        fields.map(|(field, schema)| (name.clone(), field.clone(), schema.clone())).collect::<Vec<_>>()
    };
    definitions.iter().flat_map(of).collect()
}

/// The objects that an answer is made of.
fn reached(schema: &Value, definitions: &Map<String, Value>, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            let name = schema["$ref"].as_str().and_then(|at| at.strip_prefix("#/$defs/"));
            if let Some(name) = name.filter(|name| found.insert((*name).to_owned())) {
                reached(&definitions[name], definitions, found);
            }
            object.values().for_each(|value| reached(value, definitions, found));
        }
        Value::Array(all) => all.iter().for_each(|value| reached(value, definitions, found)),
        _ => {}
    }
}

fn of_evaluate(Schemas { commands, definitions }: &Schemas) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, schema) in commands.iter().filter(|(command, _)| command.starts_with("evaluate")) {
        reached(schema, definitions, &mut found);
    }
    found
}

#[test]
fn scores_are_in_no_answer_but_those_of_evaluate() {
    let all = schemas();
    let evaluate = of_evaluate(&all);
    let scored = |field: &str| {
        ["score", "similarity", "cosine", "distance", "embedding"].iter().any(|word| field.contains(word))
    };
    let fields = fields(&all.definitions);
    let found: Vec<_> = fields.iter().filter(|(_, field, _)| scored(field)).collect();
    assert!(found.iter().any(|(of, ..)| of == "ListedAnswer"), "it is seen where it is");
    let elsewhere: Vec<_> = found.iter().filter(|(of, ..)| !evaluate.contains(of)).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    let mut others = BTreeSet::new();
    for (command, schema) in all.commands.iter().filter(|(command, _)| !command.starts_with("evaluate")) {
        reached(schema, &all.definitions, &mut others);
        assert!(others.is_disjoint(&evaluate), "{command} has a part of evaluate");
    }
}

#[test]
fn one_name_is_one_thing_in_all_answers() {
    let all = schemas();
    let evaluate = of_evaluate(&all);
    let mut kinds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, field, schema) in fields(&all.definitions).into_iter().filter(|(of, ..)| !evaluate.contains(of)) {
        let words = kind_words(&schema, &all.definitions);
        kinds.entry(field).or_default().insert(words.trim_end_matches(" or null").to_owned());
    }
    // A plural is a list of things, or how many they are; of the same things one answer says more, and another less.
    let plural = |kind: &String| kind == "integer" || kind.starts_with("list of ");
    let several = |kinds: &BTreeSet<String>| kinds.len() > 1 && !kinds.iter().all(plural);
    kinds.retain(|name, kinds| several(kinds) && !SEVERAL.iter().any(|(of, _)| of == name));
    assert!(kinds.is_empty(), "{kinds:#?}");
}

/// Names of several things, each with why.
const SEVERAL: &[(&str, &str)] = &[("version", "of a notice it is counted; a pack states its own")];
