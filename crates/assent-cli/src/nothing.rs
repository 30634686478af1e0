//! Why a search found nothing, in words.

use assent::find::{Found, NoResult, NoResultReason};
use assent_documents::no_result::reason;

use crate::output::{quoted, shown};

/// For people: a line for each reason, with the collections that it holds in. Where something was found elsewhere, nobody
/// has to read of collections that the person never agreed to.
pub(crate) fn lines(found: &Found, subject: &str) -> Vec<String> {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for NoResult { collection, why } in &found.nothing {
        let beside = matches!(why, NoResultReason::NeverAgreed | NoResultReason::OtherCollections { .. });
        // How many wait to be confirmed is told once for all collections.
        if matches!(why, NoResultReason::ToConfirm { .. }) || (beside && !found.photos.is_empty()) {
            continue;
        }
        let reason = sentence(why, collection, subject);
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(shown(collection)),
            None => reasons.push((reason, vec![shown(collection)])),
        }
    }
    let lines = reasons.into_iter().map(|(reason, names)| format!("{}: {reason}", names.join(", ")));
    if found.photos.is_empty() && found.nothing.is_empty() {
        return vec!["There is no collection yet. Next: assent collection add NAME FOLDER".to_owned()];
    }
    lines.collect()
}

/// The reason, and what to do about it.
fn sentence(why: &NoResultReason, collection: &str, subject: &str) -> String {
    let (name, who) = (quoted(collection), quoted(subject));
    let search = format!("assent request open search --subject {who} --collection {name}");
    let next = match why {
        NoResultReason::Waiting => " (assent witness sign NAME).".to_owned(),
        NoResultReason::Restricted => format!(" (assent subject show {who})."),
        NoResultReason::OnRequest => format!(": {search}, then scan for that request."),
        NoResultReason::Asked { .. } => format!(". To search once more: {search}"),
        NoResultReason::MissingDocuments { .. } => ": assent doctor".to_owned(),
        NoResultReason::NoTemplate => ": enrol them again.".to_owned(),
        NoResultReason::NotScanned | NoResultReason::PhotosNotScanned { .. } | NoResultReason::NotCompared { .. } => {
            format!(": assent scan {name}")
        }
        NoResultReason::ToConfirm { .. } => format!(": assent review {who}"),
        _ => ".".to_owned(),
    };
    format!("{}{next}", reason(why))
}
