//! Why a search found nothing, in words.

use assent::find::{Found, NoResult, NoResultReason};
use serde_json::{Value, json};

use crate::output::{count, date, quoted, shown};

/// The reason as JSON, for programs.
pub(crate) fn describe(nothing: &NoResult) -> Value {
    let mut object = json!({ "collection": nothing.collection, "code": nothing.why.code() });
    let (key, value) = match &nothing.why {
        NoResultReason::Withdrew { on }
        | NoResultReason::Expired { on }
        | NoResultReason::Refused { on }
        | NoResultReason::Asked { on } => ("on", json!(date(*on))),
        NoResultReason::NotYet { from } => ("from", json!(date(*from))),
        NoResultReason::OtherCollections { agreed } => ("agreed", json!(agreed)),
        NoResultReason::PhotosNotScanned { photos }
        | NoResultReason::NotCompared { photos }
        | NoResultReason::ToConfirm { photos }
        | NoResultReason::SetApart { photos, .. }
        | NoResultReason::NotThere { photos, .. } => ("photos", json!(photos)),
        _ => return object,
    };
    object[key] = value;
    object
}

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

fn sentence(why: &NoResultReason, collection: &str, subject: &str) -> String {
    let (name, who) = (quoted(collection), quoted(subject));
    match why {
        NoResultReason::Withdrew { on } => {
            format!("they withdrew their permission on {}, so nobody looks for them.", date(*on))
        }
        NoResultReason::Expired { on } => {
            format!("their permission expired on {}, so nobody looks for them.", date(*on))
        }
        NoResultReason::Waiting => {
            "their form waits for the signatures of its witnesses (assent witness sign NAME).".to_owned()
        }
        NoResultReason::NotYet { from } => format!("their permission begins on {}.", date(*from)),
        NoResultReason::Refused { on } => format!("they were asked and said no on {}.", date(*on)),
        NoResultReason::OtherCollections { agreed } => {
            let agreed: Vec<String> = agreed.iter().map(shown).collect();
            format!("they agreed for {}, and not for this collection.", agreed.join(", "))
        }
        NoResultReason::NeverAgreed => "they never agreed to be looked for here.".to_owned(),
        NoResultReason::Restricted => {
            format!(
                "what is held about them is set apart at their request: it is kept and not used (assent subject show {who})."
            )
        }
        NoResultReason::NoBasis => "faces are covered here and never compared with anybody.".to_owned(),
        NoResultReason::OnRequest => format!(
            "searched only when somebody asks: assent request open search --subject {who} --collection {name}, then scan for that request."
        ),
        NoResultReason::Asked { on } => format!(
            "they asked, and nothing was found for them (answered on {}). To search once more: assent request open search --subject {who} --collection {name}",
            date(*on)
        ),
        NoResultReason::MissingDocuments { missing } => format!(
            "faces may not be compared yet, because {} of the papers that the law asks for is missing or overdue: assent doctor",
            count(missing.len(), "part")
        ),
        NoResultReason::NoTemplate => "they agreed, but no portrait of theirs is kept: enrol them again.".to_owned(),
        NoResultReason::NotScanned => format!("not scanned yet: assent scan {name}"),
        NoResultReason::PhotosNotScanned { photos } => {
            format!("{} not scanned yet: assent scan {name}", are(*photos, "photo is", "photos are"))
        }
        NoResultReason::NotCompared { photos } => {
            let were = are(*photos, "photo was", "photos were");
            format!("{were} scanned before they joined; the next scan compares them: assent scan {name}")
        }
        NoResultReason::ToConfirm { photos } => {
            let wait = are(*photos, "photo waits", "photos wait");
            format!("{wait} to be confirmed: assent review {who}")
        }
        NoResultReason::SetApart { photos, faces } => {
            let apart = are(*faces, "face there was", "faces there were");
            format!(
                "none of {} shows them; {apart} set apart and never compared with anybody.",
                count(*photos, "photo")
            )
        }
        NoResultReason::NotThere { photos, unread } => {
            let unread = if *unread > 0 { format!(" ({unread} could not be read)") } else { String::new() };
            format!("none of {} shows them{unread}.", count(*photos, "photo"))
        }
    }
}

fn are(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
