//! `assent jobs`: what runs, how far it is, who asked for it, and how what ran before ended.

use assent::jobs::{self, Jobs};
use assent::ledger::{AskedFor, Collection, Job, JobId, JobKind, JobState, Via};
use assent_documents::json::jobs::{CancelAnswer, JobsAnswer};
use clap::{Args, Subcommand};

use crate::error::CommandError;
use crate::output::{Output, long_time, role_words, shown};
use crate::vault::{self, VaultFlags, act, collection_name, now};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct JobsArgs {
    /// Every job of the last 30 days, not the newest of each kind alone
    #[arg(long)]
    all: bool,
    #[command(subcommand)]
    command: Option<JobsCommand>,
}

#[derive(Debug, Subcommand)]
enum JobsCommand {
    /// Stop a job, in whatever program it runs; what it did until then stays
    Cancel {
        /// The job's number, as `assent jobs` shows it
        #[arg(value_name = "NUMBER")]
        job: i64,
    },
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn run(args: &JobsArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    if let Some(JobsCommand::Cancel { job }) = args.command {
        jobs::cancel(&ledger, JobId(job), act())?;
        return Ok(out.answer(&CancelAnswer { job }, |out| {
            writeln!(out, "Job {job} was told to stop. It ends at its next step, and what it did stays: assent jobs")
        })?);
    }
    let listed = jobs::list(&ledger, args.all, now())?;
    Ok(out.answer(&JobsAnswer::of(&listed), |out| {
        let Jobs { jobs, unreadable, collections } = &listed;
        for job in jobs {
            writeln!(out, "{}", line(job, collections))?;
        }
        for job in unreadable {
            writeln!(out, "{job}\tits record was changed by something other than assent, and says nothing")?;
        }
        if jobs.is_empty() && unreadable.is_empty() {
            writeln!(out, "No job ran yet: no scan, no table of people, no copies.")
        } else {
            Ok(())
        }
    })?)
}

/// What a job does, in words.
fn what(job: &Job, collections: &[Collection]) -> String {
    let name = || shown(job.collection.map_or("?", |id| collection_name(collections, id)));
    match job.task.as_str() {
        "scan" => format!("scan of {}", name()),
        "search-on-request" => format!("search in {}, for somebody who asked", name()),
        "enrolments" => "table of people who agree".to_owned(),
        "renewals" => "table of people who agree again".to_owned(),
        "copies-for-all" => "copies for everybody".to_owned(),
        "copies-for-one" => "copies for one person".to_owned(),
        "proposals" => "page with what is to be confirmed".to_owned(),
        "tick" => "what has to be done every day".to_owned(),
        _ => match job.kind {
            JobKind::Scan => format!("scan of {}", name()),
            JobKind::Import => "table of people".to_owned(),
            JobKind::Export => "copies".to_owned(),
            JobKind::Tick => "what has to be done every day".to_owned(),
        },
    }
}

/// What is counted.
fn things(kind: JobKind) -> &'static str {
    match kind {
        JobKind::Scan => "photos",
        JobKind::Import => "people",
        JobKind::Export => "copies",
        JobKind::Tick => "steps",
    }
}

/// How far it came: `120 of 3000 photos`.
fn reached(job: &Job) -> Option<String> {
    (job.total > 0).then(|| format!("{} of {} {}", job.done, job.total, things(job.kind)))
}

/// Who asked, in words.
fn asker(by: AskedFor) -> String {
    let role = role_words(by.role);
    match by.via {
        Some(Via::Terminal) => format!("{role} at a terminal"),
        Some(Via::Account(_)) => format!("{role} through an account"),
        None => role.to_owned(),
    }
}

/// The results, in words; what has none is left away.
fn results(job: &Job) -> Vec<String> {
    let words = [
        ("photos", "photos"),
        ("looked-at", "new or changed"),
        ("rematched", "compared with newcomers"),
        ("match", "sure"),
        ("review", "to be confirmed"),
        ("enrolled", "enrolled"),
        ("waiting", "waiting for their witnesses"),
        ("done-before", "recorded before"),
        ("problems", "rows with problems"),
        ("people", "people"),
        ("copies", "copies"),
        ("pages", "page"),
        ("ended", "consents ended"),
        ("near", "near their end"),
        ("failed", "left out"),
    ];
    words.iter().filter_map(|(key, word)| job.counts.get(*key).map(|n| format!("{n} {word}"))).collect()
}

/// Why a job failed, in words.
fn why(code: &str) -> String {
    match code {
        "stopped" => "an order to stop",
        "roster-problems" => "problems in the table",
        "not-all" => "some photos could not be used",
        "disk-full" => "the disk is full",
        "io" => "a file could not be read or written",
        "frozen" => "the collection is frozen",
        "empty-folder" => "the folder is empty",
        // Its words say enough.
        code => return code.replace('-', " "),
    }
    .to_owned()
}

/// A job on one line: number, what it does, how it is.
fn line(job: &Job, collections: &[Collection]) -> String {
    let (number, what, by) = (job.id, what(job, collections), asker(job.by));
    let at = long_time(job.ended.unwrap_or(job.started));
    let far = reached(job).map_or_else(String::new, |far| format!(" at {far}"));
    let kept = results(job);
    let kept = if kept.is_empty() { String::new() } else { format!(": {}", kept.join(", ")) };
    let state = match job.state {
        JobState::Running => {
            let far = reached(job).map_or_else(|| "getting ready".to_owned(), |far| format!("{far} done"));
            match job.cancel {
                Some(_) => format!("running since {at}: {far}, and told to stop"),
                None => format!("running since {at}: {far}. To stop it: assent jobs cancel {number}"),
            }
        }
        JobState::Done => format!("done on {at}{kept}"),
        JobState::Cancelled => {
            let who = job.cancel.and_then(|(_, by)| by).map_or_else(|| by.clone(), asker);
            format!("stopped on {at}{far} by {who}{kept}")
        }
        JobState::Failed => format!("failed on {at}{far} ({})", why(job.error.as_deref().unwrap_or("?"))),
        JobState::Interrupted => {
            let next = if job.kind == JobKind::Scan { "The next scan goes on there" } else { "Run it again" };
            format!("interrupted on {at}{far}: its program ended before it was done. {next}")
        }
    };
    format!("{number}\t{what}\t{state}\tasked for by {by}")
}

#[cfg(test)]
mod tests {
    use assent::ledger::{CollectionId, JobCounts, Role, Timestamp};

    use super::*;

    #[test]
    fn each_job_is_one_line_of_everyday_words() {
        let operator = AskedFor { role: Role::Operator, via: Some(Via::Terminal) };
        let job = Job {
            id: JobId(7),
            kind: JobKind::Scan,
            task: "scan".to_owned(),
            collection: Some(CollectionId::from_bytes([1; 16])),
            state: JobState::Running,
            by: operator,
            done: 120,
            total: 3000,
            started: Timestamp(1_800_000_000_000),
            heard: Timestamp(1_800_000_060_000),
            ended: None,
            cancel: None,
            counts: JobCounts::new(),
            error: None,
        };
        let ended = |state| Job { state, ended: Some(job.heard), ..job.clone() };
        let member = Some((job.heard, Some(AskedFor { role: Role::Admin, via: None })));
        let counts = JobCounts::from([("photos".to_owned(), 3000), ("failed".to_owned(), 2)]);
        let check = |name: &str, job: &Job, says: &str| {
            let line = line(job, &[]);
            assert!(line.contains(says), "{name}: {line}");
        };
        check(
            "runs",
            &job,
            "running since 15 January 2027, 08:00 UTC: 120 of 3000 photos done. To stop it: assent jobs cancel 7",
        );
        check("by whom", &job, "asked for by the operator at a terminal");
        check("begins", &Job { total: 0, ..job.clone() }, "getting ready");
        check("told to stop", &Job { cancel: member, ..job.clone() }, "3000 photos done, and told to stop");
        check(
            "done",
            &Job { counts, ..ended(JobState::Done) },
            "done on 15 January 2027, 08:01 UTC: 3000 photos, 2 left out",
        );
        check(
            "stopped there",
            &ended(JobState::Cancelled),
            "stopped on 15 January 2027, 08:01 UTC at 120 of 3000 photos by the operator",
        );
        check(
            "by another",
            &Job { cancel: member, ..ended(JobState::Cancelled) },
            &format!("by {}", role_words(Role::Admin)),
        );
        let failed = Job { error: Some("empty-folder".to_owned()), ..ended(JobState::Failed) };
        check("failed", &failed, "failed on 15 January 2027, 08:01 UTC at 120 of 3000 photos (the folder is empty)");
        check(
            "killed",
            &ended(JobState::Interrupted),
            "its program ended before it was done. The next scan goes on there",
        );
    }
}
