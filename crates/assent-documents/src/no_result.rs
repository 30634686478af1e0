//! Why a search found nothing, for people.

use assent::find::NoResultReason;

use crate::dates::date;
use crate::vocabulary::{count, number_of, shown};

/// Why nobody was found in a collection: a clause about the person who was looked for, without a full stop.
pub fn reason(why: &NoResultReason) -> String {
    match why {
        NoResultReason::Withdrew { on } => {
            format!("they withdrew their permission on {}, so nobody looks for them", date(*on))
        }
        NoResultReason::Expired { on } => {
            format!("their permission expired on {}, so nobody looks for them", date(*on))
        }
        NoResultReason::Waiting => "their form waits for the signatures of its witnesses".to_owned(),
        NoResultReason::NotYet { from } => format!("their permission begins on {}", date(*from)),
        NoResultReason::Refused { on } => format!("they were asked and said no on {}", date(*on)),
        NoResultReason::OtherCollections { agreed } => {
            let agreed: Vec<String> = agreed.iter().map(shown).collect();
            format!("they agreed for {}, and not for this collection", agreed.join(", "))
        }
        NoResultReason::NeverAgreed => "they never agreed to be looked for here".to_owned(),
        NoResultReason::Restricted => {
            "what is held about them is set apart at their request: it is kept and not used".to_owned()
        }
        NoResultReason::NoBasis => "faces are covered here and never compared with anybody".to_owned(),
        NoResultReason::OnRequest => "searched only when somebody asks".to_owned(),
        NoResultReason::Asked { on } => {
            format!("they asked, and nothing was found for them (answered on {})", date(*on))
        }
        NoResultReason::MissingDocuments { missing } => {
            let one = "part of the papers that the law asks for is";
            let parts = number_of(missing.len(), one, "parts of the papers that the law asks for are");
            format!("faces may not be compared yet, because {parts} missing or overdue")
        }
        NoResultReason::NoTemplate => "they agreed, but no portrait of theirs is kept".to_owned(),
        NoResultReason::NotScanned => "not scanned yet".to_owned(),
        NoResultReason::PhotosNotScanned { photos } => {
            format!("{} not scanned yet", number_of(*photos, "photo is", "photos are"))
        }
        NoResultReason::NotCompared { photos } => {
            let were = number_of(*photos, "photo was", "photos were");
            format!("{were} scanned before they joined; the next scan compares them")
        }
        NoResultReason::ToConfirm { photos } => {
            format!("{} to be confirmed", number_of(*photos, "photo waits", "photos wait"))
        }
        NoResultReason::SetApart { photos, faces } => {
            let apart = number_of(*faces, "face there was", "faces there were");
            let photos = count(*photos, "photo");
            format!("none of {photos} shows them; {apart} set apart and never compared with anybody")
        }
        NoResultReason::NotThere { photos, unread } => {
            let unread = if *unread > 0 { format!(" ({unread} could not be read)") } else { String::new() };
            format!("none of {} shows them{unread}", count(*photos, "photo"))
        }
    }
}
