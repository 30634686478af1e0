//! Why a search found nothing, in words.

use assent::find::{Found, NothingIn, WhyNothing};
use serde_json::{Value, json};

use crate::output::{count, date, quoted, shown};

/// For programs.
pub(crate) fn describe(nothing: &NothingIn) -> Value {
    let mut object = json!({ "collection": nothing.collection, "code": nothing.why.code() });
    let (key, value) = match &nothing.why {
        WhyNothing::Withdrew { on }
        | WhyNothing::Expired { on }
        | WhyNothing::Refused { on }
        | WhyNothing::Asked { on } => ("on", json!(date(*on))),
        WhyNothing::NotYet { from } => ("from", json!(date(*from))),
        WhyNothing::OtherCollections { agreed } => ("agreed", json!(agreed)),
        WhyNothing::PhotosNotScanned { photos }
        | WhyNothing::NotCompared { photos }
        | WhyNothing::ToConfirm { photos }
        | WhyNothing::SetApart { photos, .. }
        | WhyNothing::NotThere { photos, .. } => ("photos", json!(photos)),
        _ => return object,
    };
    object[key] = value;
    object
}

/// For people: a line for each reason, with the collections that it holds in. Where something was found elsewhere, nobody
/// has to read of collections that the person never agreed to.
pub(crate) fn lines(found: &Found, subject: &str) -> Vec<String> {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for NothingIn { collection, why } in &found.nothing {
        let beside = matches!(why, WhyNothing::NeverAgreed | WhyNothing::OtherCollections { .. });
        // How many wait to be confirmed is told once for all collections.
        if matches!(why, WhyNothing::ToConfirm { .. }) || (beside && !found.photos.is_empty()) {
            continue;
        }
        let reason = says(why, collection, subject);
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

fn says(why: &WhyNothing, collection: &str, subject: &str) -> String {
    let (name, who) = (quoted(collection), quoted(subject));
    match why {
        WhyNothing::Withdrew { on } => {
            format!("they withdrew their permission on {}, so nobody looks for them.", date(*on))
        }
        WhyNothing::Expired { on } => format!("their permission expired on {}, so nobody looks for them.", date(*on)),
        WhyNothing::Waiting => {
            "their form waits for the signatures of its witnesses (assent witness sign NAME).".to_owned()
        }
        WhyNothing::NotYet { from } => format!("their permission begins on {}.", date(*from)),
        WhyNothing::Refused { on } => format!("they were asked and said no on {}.", date(*on)),
        WhyNothing::OtherCollections { agreed } => {
            let agreed: Vec<String> = agreed.iter().map(shown).collect();
            format!("they agreed for {}, and not for this collection.", agreed.join(", "))
        }
        WhyNothing::NeverAgreed => "they never agreed to be looked for here.".to_owned(),
        WhyNothing::Restricted => {
            format!(
                "what is held about them is set apart at their request: it is kept and not used (assent subject show {who})."
            )
        }
        WhyNothing::NoBasis => "faces are covered here and never compared with anybody.".to_owned(),
        WhyNothing::OnRequest => format!(
            "searched only when somebody asks: assent request open search --subject {who} --collection {name}, then scan for that request."
        ),
        WhyNothing::Asked { on } => format!(
            "they asked, and nothing was found for them (answered on {}). To search once more: assent request open search --subject {who} --collection {name}",
            date(*on)
        ),
        WhyNothing::MissingDocuments { missing } => format!(
            "faces may not be compared yet, because {} of the papers that the law asks for is missing or overdue: assent doctor",
            count(missing.len(), "part")
        ),
        WhyNothing::NoTemplate => "they agreed, but no portrait of theirs is kept: enrol them again.".to_owned(),
        WhyNothing::NotScanned => format!("not scanned yet: assent scan {name}"),
        WhyNothing::PhotosNotScanned { photos } => {
            format!("{} not scanned yet: assent scan {name}", are(*photos, "photo is", "photos are"))
        }
        WhyNothing::NotCompared { photos } => {
            let were = are(*photos, "photo was", "photos were");
            format!("{were} scanned before they joined; the next scan compares them: assent scan {name}")
        }
        WhyNothing::ToConfirm { photos } => {
            let wait = are(*photos, "photo waits", "photos wait");
            format!("{wait} to be confirmed: assent review {who}")
        }
        WhyNothing::SetApart { photos, faces } => {
            let apart = are(*faces, "face there was", "faces there were");
            format!(
                "none of {} shows them; {apart} set apart and never compared with anybody.",
                count(*photos, "photo")
            )
        }
        WhyNothing::NotThere { photos, unread } => {
            let unread = if *unread > 0 { format!(" ({unread} could not be read)") } else { String::new() };
            format!("none of {} shows them{unread}.", count(*photos, "photo"))
        }
    }
}

fn are(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
