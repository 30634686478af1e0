//! What ends when, and who asks for what, for people.

use std::collections::BTreeMap;

use assent::ledger::{self, Alarm, Due, Request, RequestId, Subject, SubjectId, Timestamp};
use assent::service::lookup::collection_name;
use assent::service::status::Deadlines;

use crate::dates::date;
use crate::json::status::{Deadline, DeadlineList};
use crate::json::{Day, Id};
use crate::vocabulary::{person, short};

const DAY_MS: i64 = 86_400_000;

/// People by what they are called.
#[derive(Debug, Clone, Default)]
pub struct People(BTreeMap<SubjectId, String>);

impl People {
    /// Everybody whose name can be read.
    pub fn of(all: &[Subject]) -> Self {
        Self(all.iter().map(|s| (s.id, person(s))).collect())
    }

    /// Who asks for something.
    pub fn who_asks(&self, request: &Request) -> String {
        let Some(id) = request.subject else { return "somebody who is not enrolled".to_owned() };
        let unknown = || format!("somebody who was erased, or whose name cannot be read ({})", short(&id));
        self.0.get(&id).cloned().unwrap_or_else(unknown)
    }
}

/// What has an end, of which so much of the time has passed; the nearest first, and of one day by what it is about.
pub fn list(all: &Deadlines, now: Timestamp, which: impl Fn(Alarm) -> bool) -> DeadlineList {
    let people = People::of(&all.people);
    let shown = all.deadlines.iter().filter(|deadline| which(deadline.alarm(now)));
    let mut deadlines: Vec<Deadline> = shown.map(|deadline| describe(deadline, all, &people, now)).collect();
    deadlines.sort_by_key(|deadline| (date(deadline.until.0), deadline.about.clone()));
    DeadlineList { deadlines }
}

fn describe(deadline: &ledger::Deadline, all: &Deadlines, people: &People, now: Timestamp) -> Deadline {
    let name = |id| collection_name(&all.collections, id);
    let (what, id, about) = match &deadline.what {
        Due::Consent { grant, subject, collection, purpose } => {
            let who = people.0.get(subject).map_or("somebody whose key is damaged", String::as_str);
            ("consent", Id::of(grant), format!("{who}: {purpose} in {}", name(*collection)))
        }
        Due::Request(id) => ("request", Id::of(id), request(*id, all, people)),
        Due::Review(id) => ("review", Id::of(id), format!("impact assessment of {}", name(*id))),
        Due::Purpose(id) => ("purpose", Id::of(id), format!("what {} is for", name(*id))),
        Due::Order(id) => ("order", Id::of(id), "an order to stop".to_owned()),
    };
    let passed = match deadline.alarm(now) {
        Alarm::None => "under 50 %",
        Alarm::Half => "over 50 %",
        Alarm::Soon => "over 80 %",
        Alarm::Due => "due",
    };
    let days_overdue = (now.0 - deadline.until.0).div_euclid(DAY_MS) + 1;
    Deadline {
        what: what.to_owned(),
        id,
        about,
        from: Day(deadline.from),
        until: Day(deadline.until),
        passed: passed.to_owned(),
        days_overdue: days_overdue.max(0),
    }
}

/// What was asked for, and by whom.
fn request(id: RequestId, all: &Deadlines, people: &People) -> String {
    let request = all.requests.iter().find(|request| request.id == id);
    let who = request.and_then(|request| people.0.get(&request.subject?));
    let kind = request.map_or("request", |request| request.kind.as_str());
    who.map_or_else(|| kind.to_owned(), |who| format!("{kind} by {who}"))
}
