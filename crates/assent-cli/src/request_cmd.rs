//! `assent request`: the register of what people and authorities ask for.

use assent::SearchOptions;
use assent::ledger::{Album, Collection, Ledger, NewRequest, Request, RequestKind, RequestOutcome, Subject};
use assent::service::requests::{self, NextStep, Register, next_step};
use assent::set_apart::{Pointed, SetApartError, set_apart, set_apart_in_exports};
use assent_documents::deadlines::People;
use assent_documents::json::requests::{self as json, FaceSetApart, RequestList};
use clap::{Args, Subcommand};

use crate::error::CommandError;
use crate::models_arg::ModelPlaces;
use crate::output::{Output, date, day, quoted};
use crate::progress;
use crate::vault::{self, VaultFlags, act, collection_name, now, short};

#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    #[command(subcommand)]
    command: RequestCommand,
}

#[derive(Debug, Subcommand)]
enum RequestCommand {
    /// Enter what somebody asks for; they need not be on the list
    Open {
        /// access, rectify, erase, restrict, object, port, complaint, search (which photos of an album am I in?), or
        /// authority for a letter of one
        kind: RequestKind,
        /// Who asks, if they are on the list
        #[arg(long)]
        subject: Option<String>,
        /// The collection that it is about, if it is about one
        #[arg(long, value_name = "NAME")]
        collection: Option<String>,
        /// Who asks and what they say, for whoever answers
        #[arg(long, default_value = "", value_name = "TEXT")]
        words: String,
        /// The day on which it came [default: today]
        #[arg(long, value_name = "DATE")]
        received: Option<String>,
        /// Until when an authority wants its answer
        #[arg(long, value_name = "DATE")]
        due: Option<String>,
        /// Of a search: the beginning of the photos' paths, such as a folder
        #[arg(long, default_value = "", value_name = "PATH")]
        album: String,
        /// Of a search: photos that were taken from this day on
        #[arg(long, value_name = "DATE")]
        from: Option<String>,
        /// Of a search: photos that were taken before this day
        #[arg(long, value_name = "DATE")]
        until: Option<String>,
    },
    /// Show what is open, the most urgent first
    List {
        /// Also what was answered
        #[arg(long)]
        all: bool,
    },
    /// Show one
    Show {
        /// The request, as `assent request list` shows it
        request: String,
    },
    /// Put the answer off as far as the law allows; the person is told why before it is due
    Extend {
        /// The request's number, as `assent request list` shows it
        request: String,
        /// The reasons, as the person is told them
        #[arg(long)]
        reasons: String,
    },
    /// Pause the deadline while you wait for the person's reply, where the law allows it
    Pause {
        /// The request's number, as `assent request list` shows it
        request: String,
    },
    /// Let the deadline run on
    Resume {
        /// The request's number, as `assent request list` shows it
        request: String,
    },
    /// Note that it was answered
    Answer {
        /// The request's number, as `assent request list` shows it
        request: String,
        /// granted, refused (with reasons and where to complain), or nothing-held
        outcome: RequestOutcome,
    },
    /// Set a face in a photo apart for good: it is never compared and always covered
    ///
    /// This holds for the picture and its exact copies, whatever is written into the files. A resized or edited export is
    /// another picture: --also-copies looks for those in the collection.
    Blur {
        /// The collection's name
        collection: String,
        /// The photo's path in it
        photo: String,
        /// A point in the face, pixels from the left and from the top, such as 420,180
        #[arg(long, value_name = "X,Y")]
        at: String,
        /// Also in photos of the collection that were made from this one: resized, cropped or edited
        #[arg(long)]
        also_copies: bool,
    },
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn run(
    args: &RequestArgs,
    flags: &VaultFlags,
    models: &ModelPlaces,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    let Register { requests: known, collections, people } = requests::register(&ledger, now())?;
    let who = People::of(&people);
    let request = match &args.command {
        RequestCommand::List { all } => {
            let listed: Vec<&Request> = known.iter().filter(|r| *all || r.answered.is_none()).collect();
            let now = now();
            let answer =
                RequestList { requests: listed.iter().map(|r| json::Request::new(r, &collections, now)).collect() };
            return Ok(out.answer(&answer, |out| {
                for (r, json::Request { state, .. }) in listed.iter().zip(&answer.requests) {
                    writeln!(out, "{}\t{}\t{}\t{state}\tdue {}", short(&r.id), r.kind, who.who_asks(r), date(r.due))?;
                }
                if listed.is_empty() { writeln!(out, "Nothing is open.") } else { Ok(()) }
            })?);
        }
        RequestCommand::Blur { collection, photo, at, also_copies } => {
            let collection = vault::collection(&ledger, collection)?;
            let models = also_copies.then_some(models);
            return blur((&ledger, &collection, models), (photo.as_str(), at.as_str()), out);
        }
        RequestCommand::Open { kind, subject, collection, words, received, due, album, from, until } => {
            let subject = subject.as_deref().map(|s| vault::subject_id(&ledger, s)).transpose()?;
            let collection = collection.as_deref().map(|c| vault::collection(&ledger, c)).transpose()?;
            let received = received.as_deref().map_or(Ok(now()), day)?;
            let due = due.as_deref().map(day).transpose()?;
            let (from, until) = (from.as_deref().map(day).transpose()?, until.as_deref().map(day).transpose()?);
            let album = Album { prefix: album.clone(), from, until };
            let about = collection.as_ref().map(|c| c.id);
            let new = NewRequest { kind: *kind, subject, collection: about, words, received, due, album };
            requests::open(&ledger, &new, collection.as_ref(), act())?
        }
        RequestCommand::Show { request } => requests::request(&ledger, vault::request(&ledger, request)?, now())?,
        RequestCommand::Extend { request, reasons } => {
            requests::extend(&ledger, vault::request(&ledger, request)?, reasons, act())?
        }
        RequestCommand::Pause { request } => requests::pause(&ledger, vault::request(&ledger, request)?, act())?,
        RequestCommand::Resume { request } => requests::resume(&ledger, vault::request(&ledger, request)?, act())?,
        RequestCommand::Answer { request, outcome } => {
            requests::answer(&ledger, vault::request(&ledger, request)?, *outcome, act())?
        }
    };
    vault::warn_of_unwritten_notes(&ledger);
    let answer = json::Request::new(&request, &collections, now());
    Ok(out.answer(&answer, |out| {
        let state = &answer.state;
        writeln!(out, "Request {}: {} by {}, {state}", short(&request.id), request.kind, who.who_asks(&request))?;
        writeln!(out, "received {}, due {}", date(request.received), date(request.due))?;
        if let Some(words) = request.words.as_deref().filter(|words| !words.is_empty()) {
            writeln!(out, "{words}")?;
        }
        if request.answered.is_none() {
            writeln!(out, "Next: {}", next(&request, &people, &collections))
        } else {
            Ok(())
        }
    })?)
}

/// What a command calls whoever asks.
fn word(request: &Request, people: &[Subject]) -> String {
    let Some(id) = request.subject else { return "NAME".to_owned() };
    people.iter().find(|s| s.id == id).map_or_else(|| short(&id), |s| quoted(&s.handle))
}

/// What answers a request, for people.
fn next(request: &Request, people: &[Subject], collections: &[Collection]) -> String {
    let (who, id) = (word(request, people), short(&request.id));
    let place = request.collection.map_or_else(|| "COLLECTION".to_owned(), |c| quoted(collection_name(collections, c)));
    let act = match next_step(request.kind, request.subject.is_some()) {
        NextStep::SetApart => format!("assent request blur {place} PHOTO --at X,Y"),
        NextStep::Reply => "answer it in writing".to_owned(),
        NextStep::NothingHeld => {
            return format!("tell them that nothing is held about them, then: assent request answer {id} nothing-held");
        }
        NextStep::Search => return format!("assent scan {place} --request {id}, which answers it"),
        NextStep::Access => format!("assent access {who} --to FILE.zip"),
        NextStep::Rectify => format!("assent subject set {who}"),
        NextStep::Erase => return format!("assent erase {who} --certificate FILE, which answers it"),
        NextStep::Restrict => format!("assent subject restrict {who}"),
        NextStep::Withdraw => format!("assent consent withdraw {who}"),
    };
    format!("{act}, then: assent request answer {id} granted")
}

/// With `models`, also in the exports of the photo.
fn blur(
    (ledger, collection, models): (&Ledger, &Collection, Option<&ModelPlaces>),
    (path, at): (&str, &str),
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let point = at.split_once(',').and_then(|(x, y)| Some((x.trim().parse().ok()?, y.trim().parse().ok()?)));
    let at = point.ok_or(CommandError::Point)?;
    let set = set_apart(ledger, &Pointed { collection: collection.id, path, at }, act())?;
    vault::warn_of_unwritten_notes(ledger);
    let exports = match models {
        None => None,
        Some(models) => {
            let models = models.load_for(ledger)?;
            let mut worker = models.worker(SearchOptions::default()).map_err(SetApartError::Inference)?;
            let bar = progress::bar(0, "photos compared");
            let mut shown = |done: usize, of: usize| {
                bar.set_length(of as u64);
                bar.set_position(done as u64);
            };
            let tools = (&models, &mut worker);
            let found = set_apart_in_exports(ledger, tools, (collection.id, &set), &mut shown, act())?;
            bar.finish_and_clear();
            Some(found)
        }
    };
    let answer = FaceSetApart {
        number: set.face.0,
        photo: path.to_owned(),
        same_picture: set.same.clone(),
        exports: exports.clone(),
    };
    Ok(out.answer(&answer, |out| {
        writeln!(out, "That face is never compared again, and always covered: in this picture and its exact copies,")?;
        writeln!(out, "whatever is written into their files.")?;
        for same in &set.same {
            writeln!(out, "Also in {same}: the same picture.")?;
        }
        match &exports {
            None => writeln!(
                out,
                "A smaller or edited export is another picture. With --also-copies, this command looks for such exports \
                 in the collection and sets the face apart there, too; a scan names those that come later."
            ),
            Some(found) if found.is_empty() => writeln!(out, "No other photo of the collection was made from this one."),
            Some(found) => {
                for export in found {
                    writeln!(out, "Also in {export}: made from this picture.")?;
                }
                writeln!(out, "Exports that come later are other pictures: a scan names those that it recognises.")
            }
        }
    })?)
}
