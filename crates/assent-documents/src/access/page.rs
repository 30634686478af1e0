//! What is held about a person, to be read.

use askama::Template;
use assent::ledger::{AccessEvent, Band, Evidence, Grant, SubjectAccessData};
use assent::packs::hex;

use super::{About, Names};
use crate::dates::date;
use crate::error::DocumentError;
use crate::vocabulary::{purpose_words, role_words};

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
    key: &'a str,
}

/// How sure the program is, for the person.
fn band_words(band: Band) -> &'static str {
    match band {
        Band::Match => "sure",
        Band::Review => "suggested",
    }
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

/// # Errors
///
/// [`DocumentError::Page`] if it cannot be put together.
pub(super) fn page(about: &About<'_>, held: &SubjectAccessData, names: &Names<'_>) -> Result<String, DocumentError> {
    let s = &held.subject;
    let page = Page {
        controller: &about.settings.controller,
        contact: &about.settings.contact,
        written: date(about.written),
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
        key: about.key,
    };
    Ok(page.render()?)
}
