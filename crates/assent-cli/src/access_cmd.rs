//! `assent access`: everything that is held about a person, in one file for them.

use std::io::{Cursor, Write as _};
use std::path::PathBuf;

use askama::Template;
use assent::ledger::{
    AccessEvent, Band, Collection, Evidence, Grant, KeyRole, Ledger, PendingConsent, Signer, SubjectAccessData, Witness,
};
use assent::packs::hex;
use assent::service::rights::{self, Access};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::audit_cmd::entries;
use crate::consent_cmd::records;
use crate::error::CommandError;
use crate::files::{refuse_other, write_private};
use crate::output::{Output, asked_by, count, date, purpose_words, role_words, shown};
use crate::vault::{self, VaultFlags, act, collection_name, now};

#[derive(Debug, Args)]
pub(crate) struct AccessArgs {
    /// Id, the beginning of it, handle, or unique name
    subject: String,
    /// The ZIP file to write: a page to read, the same for programs, and the crops of their face if any are kept
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

/// What the page shows. Every field is text, ready to be read.
#[derive(Template)]
#[template(path = "access.html")]
struct Page<'a> {
    controller: &'a str,
    contact: &'a str,
    written: String,
    handle: &'a str,
    name: &'a str,
    reached: &'a str,
    group: &'a str,
    portrait: bool,
    id: String,
    since: String,
    age: String,
    law: &'a str,
    refused: Vec<[String; 3]>,
    asked: Vec<[String; 4]>,
    waits: Vec<[String; 4]>,
    consents: Vec<[String; 8]>,
    templates: Vec<[String; 3]>,
    sightings: Vec<[String; 5]>,
    events: Vec<[String; 5]>,
    key: String,
}

/// # Errors
///
/// [`CommandError`], as the ledger says, or if the file cannot be written.
pub(crate) fn run(args: &AccessArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    let subject = vault::subject(&ledger, &args.subject)?.id;
    // Before the log says that they were answered.
    refuse_other(&args.to, PAGE_NAME)?;
    let Access { held, collections, witnesses } = rights::access(&ledger, subject, act())?;
    let names = Names { collections: &collections, witnesses: &witnesses };
    let key = ledger.log_keys().for_role(KeyRole::Checkpoints).to_string();
    // A consent of before notices were kept has no record; what is held of it stands among the consents.
    let records = records(&ledger, &held.subject)?;
    let records: Vec<Value> = records.into_iter().filter_map(|(_, record)| record.ok()).collect();
    let object = describe(&held, &names, &key, &records);
    let zip = pack(&ledger, &held, &names, &object, key)?;
    write_private(&args.to, &zip)?;
    let seen = held.sightings.len();
    let answer = json!({
        "file": args.to, "consents": held.grants.len(), "templates": held.templates.len(), "sightings": seen,
        "events": held.events.len(),
    });
    Ok(out.answer(&answer, |out| {
        writeln!(
            out,
            "{} holds everything about them: {}, {} of their face, {}, {} of the log.",
            shown(args.to.display()),
            count(held.grants.len(), "consent"),
            count(held.templates.len(), "template"),
            if seen == 1 { "1 place in a photo".to_owned() } else { format!("{seen} places in photos") },
            entries(held.events.len() as u64)
        )?;
        writeln!(out, "It is theirs alone: hand it over in person or encrypted.")
    })?)
}

struct Names<'a> {
    collections: &'a [Collection],
    witnesses: &'a [Witness],
}

impl Names<'_> {
    fn collection(&self, id: assent::ledger::CollectionId) -> &str {
        collection_name(self.collections, id)
    }

    /// What shows that they agreed, on one line.
    fn evidence(&self, evidence: &Evidence) -> String {
        match evidence {
            Evidence::SelfStatement { .. } => self.shown_by(evidence),
            Evidence::Paper { release_sha256, .. } => {
                format!("{} (SHA-256 {})", self.shown_by(evidence), hex(release_sha256))
            }
        }
    }

    /// The same without the form's hash.
    fn shown_by(&self, evidence: &Evidence) -> String {
        match evidence {
            Evidence::SelfStatement { statement } => format!("your own statement: {statement}"),
            Evidence::Paper { witnesses, signed_by, statement, signed, .. } => {
                let name = |id| self.witnesses.iter().find(|w| w.id == id).map_or("?", |w| w.name.as_str());
                let witnesses: Vec<&str> = witnesses.iter().map(|id| name(*id)).collect();
                let note = if statement.is_empty() { String::new() } else { format!("; {statement}") };
                let who = match signed_by {
                    Signer::Subject => " by you",
                    Signer::Parent => " by a parent",
                    Signer::Both => " by you and a parent",
                };
                let seen =
                    if signed.is_some() { "witnessed, with signatures of their own, by" } else { "witnessed by" };
                format!("a form signed{who}, {seen} {}{note}", witnesses.join(" and "))
            }
        }
    }
}

/// The same for programs. Salt and detail of each event let the person check the entry of the log.
fn describe(held: &SubjectAccessData, names: &Names<'_>, key: &str, records: &[Value]) -> Value {
    let s = &held.subject;
    let consents: Vec<Value> = held
        .grants
        .iter()
        .map(|g| {
            json!({
                "id": g.id.to_string(), "collection": names.collection(g.collection), "purpose": g.purpose.as_str(),
                "state": g.state.as_str(), "from": date(g.valid_from), "until": date(g.valid_until),
                "notice_sha256": hex(&g.notice_sha256), "evidence": names.evidence(&g.evidence),
                "rules": g.rules, "renews": g.renews.map(|id| id.to_string()),
            })
        })
        .collect();
    let refusals: Vec<Value> = held
        .refusals
        .iter()
        .map(|r| json!({ "collection": names.collection(r.collection), "purpose": r.purpose.as_str(), "on": date(r.created) }))
        .collect();
    let requests: Vec<Value> = held
        .requests
        .iter()
        .map(|r| {
            json!({
                "id": r.id.to_string(), "kind": r.kind.as_str(), "words": r.words, "received": date(r.received),
                "due": date(r.due), "answered": r.answered.map(|(at, _)| date(at)),
                "outcome": r.answered.map(|(_, outcome)| outcome.as_str()),
            })
        })
        .collect();
    let waiting: Vec<Value> = held
        .pending
        .iter()
        .map(|p| {
            let of = |c: &PendingConsent| json!({ "collection": names.collection(c.collection), "purpose": c.purpose.as_str() });
            let pictures: Vec<Value> =
                p.pictures.iter().map(|one| json!({ "path": one.path, "sha256": hex(&one.sha256) })).collect();
            json!({
                "id": p.id.to_string(), "consents": p.signed.consents.iter().map(of).collect::<Vec<_>>(),
                "until": date(p.valid_until), "since": date(p.created), "notice_sha256": hex(&p.notice_sha256),
                "evidence": names.evidence(&p.evidence()), "pictures": pictures,
            })
        })
        .collect();
    let templates: Vec<Value> = held
        .templates
        .iter()
        .map(|t| {
            json!({
                "id": t.id.to_string(), "consent": t.grant.to_string(), "model_sha256": hex(&t.model_sha256),
                "created": date(t.created), "base64": STANDARD.encode(&t.plain),
            })
        })
        .collect();
    let decisions: Vec<Value> = held
        .decisions
        .iter()
        .map(|d| json!({ "collection": names.collection(d.collection), "verdict": d.verdict.as_str(), "time": date(d.time) }))
        .collect();
    let sightings: Vec<Value> = held
        .sightings
        .iter()
        .enumerate()
        .map(|(i, seen)| {
            json!({
                "collection": names.collection(seen.collection), "path": seen.path.to_string(),
                "box": { "x": seen.at.x, "y": seen.at.y, "width": seen.at.w, "height": seen.at.h },
                "band": seen.band.as_str(), "said": seen.verdict.map(|(verdict, _)| verdict.as_str()),
                "said_on": seen.verdict.map(|(_, at)| date(at)), "crop": seen.crop.as_ref().map(|_| crop_name(i)),
            })
        })
        .collect();
    let events: Vec<Value> = held.events.iter().map(|AccessEvent { leaf, opening }| {
        let (salt, detail) = opening.split_at_checked(32).unwrap_or_default();
        json!({
            "position": leaf.position, "time_ms": leaf.time.0, "date": date(leaf.time), "kind": leaf.kind.as_str(),
            "asked_by": asked_by(leaf, None), "leaf": STANDARD.encode(leaf.to_bytes()), "salt": STANDARD.encode(salt), "detail": STANDARD.encode(detail),
        })
    }).collect();
    json!({
        "written": date(now()),
        "subject": {
            "id": s.id.to_string(), "handle": s.handle, "name": s.name, "contact": s.contact, "group": s.group, "since": date(s.created),
            "age": s.age.to_string(), "jurisdiction": s.jurisdiction.as_str(), "restricted": s.restricted.map(date),
        },
        "recipients": [], "retention": "until a consent ends or you are erased", "refusals": refusals,
        "requests": requests, "waiting": waiting, "records": records, "consents": consents, "templates": templates, "portrait": held.portrait.as_ref().map(|_| PORTRAIT_NAME), "portrait_tags": held.portrait_tags, "sightings": sightings, "decisions": decisions, "events": events, "log_key": key,
    })
}

/// The first file of the ZIP file, for the person to read.
const PAGE_NAME: &str = "about-you.html";

/// The face that was cut out of a picture of the enrolment, in the ZIP file.
const PORTRAIT_NAME: &str = "portrait.png";

/// How sure the program is, for the person.
fn band_words(band: Band) -> &'static str {
    match band {
        Band::Match => "sure",
        Band::Review => "suggested",
    }
}

fn crop_name(sighting: usize) -> String {
    format!("faces/{:05}.png", sighting + 1)
}

/// A consent on the page: what for, where, its state, from when until when, what shows it, the notice and the form.
fn consent_row(g: &Grant, names: &Names<'_>) -> [String; 8] {
    let form = match &g.evidence {
        Evidence::SelfStatement { .. } => String::new(),
        Evidence::Paper { release_sha256, .. } => hex(release_sha256),
    };
    [
        purpose_words(&g.purpose).to_owned(),
        names.collection(g.collection).to_owned(),
        g.state.to_string(),
        date(g.valid_from),
        date(g.valid_until),
        names.shown_by(&g.evidence),
        hex(&g.notice_sha256),
        form,
    ]
}

fn pack(
    ledger: &Ledger,
    held: &SubjectAccessData,
    names: &Names<'_>,
    object: &Value,
    key: String,
) -> Result<Vec<u8>, CommandError> {
    let s = &held.subject;
    let settings = ledger.settings();
    let page = Page {
        controller: &settings.controller,
        contact: &settings.contact,
        written: date(now()),
        handle: &s.handle,
        name: &s.name,
        reached: &s.contact,
        group: &s.group,
        portrait: held.portrait.is_some(),
        id: s.id.to_string(),
        since: date(s.created),
        age: s.age.to_string(),
        law: s.jurisdiction.as_str(),
        refused: held
            .refusals
            .iter()
            .map(|r| [purpose_words(&r.purpose).to_owned(), names.collection(r.collection).to_owned(), date(r.created)])
            .collect(),
        asked: held
            .requests
            .iter()
            .map(|r| {
                let answer = r
                    .answered
                    .map_or_else(|| "not yet".to_owned(), |(at, outcome)| format!("{outcome} on {}", date(at)));
                [r.kind.to_string(), date(r.received), date(r.due), answer]
            })
            .collect(),
        waits: held
            .pending
            .iter()
            .flat_map(|p| p.signed.consents.iter().map(move |c| (p, c)))
            .map(|(p, c)| {
                let place = names.collection(c.collection).to_owned();
                [purpose_words(&c.purpose).to_owned(), place, date(p.created), date(p.valid_until)]
            })
            .collect(),
        consents: held.grants.iter().map(|g| consent_row(g, names)).collect(),
        templates: held
            .templates
            .iter()
            .map(|t| [date(t.created), format!("{} bytes", t.plain.len()), hex(&t.model_sha256)])
            .collect(),
        sightings: held
            .sightings
            .iter()
            .map(|seen| {
                let said = seen.verdict.map_or_else(String::new, |(verdict, at)| format!("{verdict} on {}", date(at)));
                let b = seen.at;
                let place = format!("{:.0} × {:.0} pixels at {:.0}, {:.0}", b.w, b.h, b.x, b.y);
                [
                    names.collection(seen.collection).to_owned(),
                    seen.path.to_string(),
                    place,
                    band_words(seen.band).to_owned(),
                    said,
                ]
            })
            .collect(),
        events: held
            .events
            .iter()
            .map(|AccessEvent { leaf, .. }| {
                let about = leaf.about().0.map_or("", |id| names.collection(id)).to_owned();
                let by = leaf.asked.map_or("", |by| role_words(by.role)).to_owned();
                [leaf.position.to_string(), date(leaf.time), leaf.kind.as_str().to_owned(), about, by]
            })
            .collect(),
        key,
    };
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut put = |name: &str, bytes: &[u8]| -> Result<(), CommandError> {
        zip.start_file(name, SimpleFileOptions::default())?;
        Ok(zip.write_all(bytes)?)
    };
    put(PAGE_NAME, page.render()?.as_bytes())?;
    put("about-you.json", format!("{object:#}\n").as_bytes())?;
    if let Some(portrait) = &held.portrait {
        put(PORTRAIT_NAME, portrait)?;
    }
    for (i, crop) in held.sightings.iter().enumerate().filter_map(|(i, seen)| Some((i, seen.crop.as_ref()?))) {
        put(&crop_name(i), crop)?;
    }
    Ok(zip.finish()?.into_inner())
}
