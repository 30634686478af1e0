//! `request` and `freeze`: what people and authorities ask for, and orders to stop.

use assent::ledger::{self, Collection, Timestamp};
use assent::service::lookup::collection_name;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Day, Id};
use crate::dates::date;

/// What somebody asked for.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Request {
    /// The request.
    pub request: Id,
    /// What for: `access`, `erase` and the like.
    pub kind: String,
    /// Who, if they are on the list.
    pub subject: Option<Id>,
    /// The collection that it is about, if it is about one.
    pub collection: Option<String>,
    /// Who asks and what they say.
    pub words: Option<String>,
    /// Where it stands, in words.
    pub state: String,
    /// The day on which it came.
    pub received: Day,
    /// The day by which it is answered.
    pub due: Day,
    /// Whether that day was put off.
    pub extended: bool,
    /// How many days it is overdue.
    pub days_overdue: i64,
    /// The day on which it was answered.
    pub answered: Option<Day>,
    /// What the answer was: `granted`, `refused` or `nothing-held`.
    pub outcome: Option<String>,
}

impl Request {
    /// A request as it stands `now`, with the name of its collection.
    pub fn new(r: &ledger::Request, collections: &[Collection], now: Timestamp) -> Request {
        let overdue = r.days_overdue(now);
        let state = match (r.answered, r.paused) {
            (Some((at, outcome)), _) => format!("{outcome} on {}", date(at)),
            (None, Some(since)) => format!("paused since {}", date(since)),
            (None, None) if overdue == 1 => "overdue by 1 day".to_owned(),
            (None, None) if overdue > 1 => format!("overdue by {overdue} days"),
            (None, None) => "open".to_owned(),
        };
        Request {
            request: Id::of(r.id),
            kind: r.kind.as_str().to_owned(),
            subject: r.subject.map(Id::of),
            collection: r.collection.map(|id| collection_name(collections, id).to_owned()),
            words: r.words.clone(),
            state,
            received: Day(r.received),
            due: Day(r.due),
            extended: r.due != r.first_due,
            days_overdue: overdue,
            answered: r.answered.map(|(at, _)| Day(at)),
            outcome: r.answered.map(|(_, outcome)| outcome.as_str().to_owned()),
        }
    }
}

/// What people and authorities asked for.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RequestList {
    /// Each, the most urgent first.
    pub requests: Vec<Request>,
}

/// A face that is never compared again.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FaceSetApart {
    /// The number of the face.
    pub number: i64,
    /// The photo's path in the collection's folder.
    pub photo: String,
    /// Photos that show the same picture.
    pub same_picture: Vec<String>,
    /// Photos that were made from this one; null where nobody looked.
    pub exports: Option<Vec<String>>,
}

/// An order to stop.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Order {
    /// The order.
    pub order: Id,
    /// Where it stands: `in force`, `over` or `lifted`.
    pub state: String,
    /// What it stops, in words.
    pub scope: String,
    /// The first day.
    pub from: Day,
    /// The first day on which it is over.
    pub until: Option<Day>,
    /// The day on which it was lifted.
    pub lifted: Option<Day>,
    /// Why.
    pub reason: String,
}

impl Order {
    /// An order as it stands `now`, with the name of its collection.
    pub fn new(order: &ledger::Order, collections: &[Collection], now: Timestamp) -> Order {
        let state = match order.lifted {
            Some(_) => "lifted",
            None if order.in_force(now) => "in force",
            None => "over",
        };
        let scope = match (order.collection, &order.jurisdiction) {
            (Some(id), _) => collection_name(collections, id).to_owned(),
            (None, Some(code)) => format!("everything under {code}"),
            (None, None) => "the whole vault".to_owned(),
        };
        Order {
            order: Id::of(order.id),
            state: state.to_owned(),
            scope,
            from: Day(order.from),
            until: order.until.map(Day),
            lifted: order.lifted.map(Day),
            reason: order.reason.clone(),
        }
    }
}

/// All orders to stop.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct OrderList {
    /// Each.
    pub orders: Vec<Order>,
}

/// A new order to stop.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct OrderGiven {
    /// The order.
    pub order: Id,
    /// What it stops, in words.
    pub scope: String,
}

/// An order that was lifted.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct OrderLifted {
    /// The order.
    pub order: Id,
    /// The day on which it was lifted.
    pub lifted: Day,
}
