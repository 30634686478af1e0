//! `assent jobs`: what runs, and how what ran before ended.

use std::collections::BTreeMap;

use assent::jobs::Jobs;
use assent::ledger::{AskedFor, Collection, Job, Via};
use assent::service::lookup::collection_name;
use schemars::JsonSchema;
use serde::Serialize;

use super::{AskedBy, Id, Moment};

/// All jobs that were asked for, the newest first.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct JobsAnswer {
    /// One for each.
    pub jobs: Vec<JobAnswer>,
    /// The numbers of those whose record was changed by something else, and says nothing.
    pub unreadable: Vec<i64>,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct JobAnswer {
    /// Its number.
    pub job: i64,
    /// `scan`, `import`, `export` or `tick`.
    pub kind: &'static str,
    /// What of its kind it does: `scan`, `search-on-request`, `enrolments`, `renewals`, `copies-for-all`, `copies-for-one`,
    /// `proposals` or `tick`.
    pub task: String,
    /// The name of the collection, if it is about one.
    pub collection: Option<String>,
    /// `running`, `done`, `failed`, `cancelled`, or `interrupted` if its process is gone.
    pub state: &'static str,
    /// Who asked for it.
    pub asked_by: AskedBy,
    /// How much is done.
    pub done: u64,
    /// How much there is to do; 0 while that is not known.
    pub total: u64,
    /// When it began.
    pub started: Moment,
    /// When its process was heard of last.
    pub heard: Moment,
    /// When it ended.
    pub ended: Option<Moment>,
    /// When somebody asked it to stop.
    pub cancel_asked: Option<Moment>,
    /// Who asked it to stop.
    pub cancelled_by: Option<AskedBy>,
    /// Its results: how many of what.
    pub counts: BTreeMap<String, u64>,
    /// The code of the error with which it ended.
    pub code: Option<String>,
}

/// A job that was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CancelAnswer {
    /// Its number.
    pub job: i64,
}

impl From<AskedFor> for AskedBy {
    fn from(by: AskedFor) -> AskedBy {
        let (via, account) = match by.via {
            Some(Via::Terminal) => ("terminal", None),
            Some(Via::Account(id)) => ("account", Some(Id::of(id))),
            None => ("account", None),
        };
        AskedBy { role: by.role.as_str(), via, account }
    }
}

impl JobsAnswer {
    /// Jobs, with what their collections are called.
    pub fn of(Jobs { jobs, unreadable, collections }: &Jobs) -> JobsAnswer {
        JobsAnswer {
            jobs: jobs.iter().map(|job| JobAnswer::of(job, collections)).collect(),
            unreadable: unreadable.iter().map(|id| id.0).collect(),
        }
    }
}

impl JobAnswer {
    /// A job, with what its collection is called.
    pub fn of(job: &Job, collections: &[Collection]) -> JobAnswer {
        JobAnswer {
            job: job.id.0,
            kind: job.kind.as_str(),
            task: job.task.clone(),
            collection: job.collection.map(|id| collection_name(collections, id).to_owned()),
            state: job.state.as_str(),
            asked_by: job.by.into(),
            done: job.done,
            total: job.total,
            started: Moment(job.started),
            heard: Moment(job.heard),
            ended: job.ended.map(Moment),
            cancel_asked: job.cancel.map(|(at, _)| Moment(at)),
            cancelled_by: job.cancel.and_then(|(_, by)| by).map(AskedBy::from),
            counts: job.counts.clone(),
            code: job.error.clone(),
        }
    }
}
