//! What is held about a person, for programs.

use assent::ledger::{AccessEvent, Pending, PendingConsent, SealedFile, SubjectAccessData, WaitingFiles};
use assent::packs::hex;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{About, Names, PORTRAIT, crop_name, waiting_name};
use crate::dates::date;
use crate::json::AskedBy;

/// What is held. Salt and detail of each event let the person check the entry of the log.
pub(super) fn data(about: &About<'_>, held: &SubjectAccessData, names: &Names<'_>) -> Value {
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
            let (pictures, form) = waiting_files(p);
            json!({
                "id": p.id.to_string(), "consents": p.signed.consents.iter().map(of).collect::<Vec<_>>(),
                "until": date(p.valid_until), "since": date(p.created), "notice_sha256": hex(&p.notice_sha256),
                "evidence": names.evidence(&p.evidence()), "pictures": pictures, "form": form,
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
            "asked_by": AskedBy::of(leaf, None), "leaf": STANDARD.encode(leaf.to_bytes()), "salt": STANDARD.encode(salt), "detail": STANDARD.encode(detail),
        })
    }).collect();
    json!({
        "written": date(about.written),
        "subject": {
            "id": s.id.to_string(), "handle": s.handle, "name": s.name, "contact": s.contact, "group": s.group, "since": date(s.created),
            "age": s.age.to_string(), "jurisdiction": s.jurisdiction.as_str(), "restricted": s.restricted.map(date),
        },
        "recipients": [], "retention": "until a consent ends or you are erased", "refusals": refusals,
        "requests": requests, "waiting": waiting, "records": about.records, "consents": consents, "templates": templates, "portrait": held.portrait.as_ref().map(|_| PORTRAIT), "portrait_tags": held.portrait_tags, "sightings": sightings, "decisions": decisions, "events": events, "log_key": about.key,
    })
}

/// The pictures of what waits, and its form if it is in the vault.
fn waiting_files(pending: &Pending) -> (Vec<Value>, Option<Value>) {
    let file = |one: &SealedFile| json!({ "name": one.name, "sha256": hex(&one.sha256), "file": waiting_name(one) });
    match &pending.files {
        WaitingFiles::Sealed { pictures, release } => (pictures.iter().map(file).collect(), Some(file(release))),
        WaitingFiles::Paths(paths) => {
            let path = |(path, sha256): (&String, _)| json!({ "name": path, "sha256": hex(sha256), "file": null });
            (paths.iter().zip(&pending.signed.pictures).map(path).collect(), None)
        }
    }
}
