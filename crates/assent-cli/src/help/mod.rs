//! The command line as a person meets it: an example in each help, and hints that never offer a command that destroys.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory as _};

/// The heading of what every command takes.
pub(crate) const GLOBAL: &str = "Global options";

/// An example for each command. A test runs all of them through the parser.
const EXAMPLES: &[&str] = &[
    "assent demo",
    "assent init --household",
    "assent controller show",
    "assent controller set --contact office@club.example",
    "assent collection add photos ~/Pictures",
    "assent collection add party --uploads",
    "assent collection basis photos --purpose-ends 2027-07-31",
    "assent collection list",
    "assent collection move photos /mnt/photos",
    "assent collection remove photos --dry-run",
    "assent collection forget-missing photos",
    "assent collection show photos",
    "assent upload party IMG_0001.jpg IMG_0002.jpg",
    "assent notice add notice.txt --language en",
    "assent notice list",
    "assent subject add anna --name \"Anna Novak\" --born adult",
    "assent subject set anna --contact anna@club.example",
    "assent subject restrict anna",
    "assent subject count",
    "assent subject list --group 5b",
    "assent subject show anna",
    "assent witness add \"First Witness\"",
    "assent witness sign \"First Witness\" --look forms",
    "assent witness list",
    "assent enrol anna --photo anna.jpg --release anna.pdf --witness \"First Witness\" --witness \"Second Witness\" --notice notice.txt",
    "assent consent list anna",
    "assent consent renew anna --collection photos --release anna.pdf --witness \"First Witness\" --notice notice.txt",
    "assent consent refuse anna --collection photos --notice notice.txt",
    "assent consent record anna",
    "assent consent receipt anna --to receipts",
    "assent consent withdraw anna --dry-run",
    "assent scan photos",
    "assent find anna --sheet anna.html",
    "assent review anna --sheet review.html",
    "assent gallery status photos",
    "assent gallery calibrate photos",
    "assent gallery move --pack sface --dry-run",
    "assent access anna --to anna.zip",
    "assent request open access --subject anna",
    "assent request list",
    "assent request blur photos 2026/team.jpg --at 420,180",
    "assent report register",
    "assent report evidence --to evidence.zip",
    "assent erase anna --dry-run",
    "assent rotate anna",
    "assent keys wrap --passphrase",
    "assent keys unwrap",
    "assent keys check",
    "assent keys adopt",
    "assent keys repair --from key-ring.backup",
    "assent audit verify",
    "assent audit show --since 2026-11-01",
    "assent audit prove 12 --to proof.txt",
    "assent audit key",
    "assent audit checkpoint --to checkpoint.txt",
    "assent audit export log",
    "assent freeze --collection photos --reason \"a complaint of 3 May\"",
    "assent freeze list",
    "assent jobs",
    "assent jobs cancel 7",
    "assent due",
    "assent tick",
    "assent backup --to /mnt/data --key-ring-to /mnt/keys/key-ring.backup",
    "assent restore --from /mnt/data --key-ring-from /mnt/keys/key-ring.backup",
    "assent evaluate find --photos photos --enrol portraits --labels labels.csv",
    "assent evaluate verify --pairs pairs.csv --images images",
    "assent packs list",
    "assent packs fetch",
    "assent packs verify",
    "assent runtime status",
    "assent runtime fetch",
    "assent doctor",
    "assent completions bash",
];

/// What somebody may have meant who typed one of these. No command that destroys is proposed; it is named, with what it does.
const MEANT: &[(&str, &str)] = &[
    ("delete", DELETE),
    ("remove", DELETE),
    ("destroy", DELETE),
    ("withdraw", "`assent consent withdraw NAME` ends a person's consent"),
    ("revoke", "`assent consent withdraw NAME` ends a person's consent"),
    ("list", "`assent collection list`, `assent subject list` and `assent request list` show what there is"),
    ("ls", "`assent collection list`, `assent subject list` and `assent request list` show what there is"),
    ("show", "`assent collection show NAME` and `assent subject show NAME` show one"),
    ("add", "`assent collection add NAME FOLDER` adds a folder, `assent enrol --help` says how to add a person"),
    ("export", "`assent find NAME --copy-to FOLDER` copies a person's photos"),
    ("people", PEOPLE),
    ("persons", PEOPLE),
    ("members", PEOPLE),
    ("photos", "`assent collection list` shows the folders of photos, `assent scan` looks at their photos"),
    ("folders", "`assent collection list` shows the folders of photos"),
    ("cancel", JOBS),
    ("stop", JOBS),
    ("ps", JOBS),
    ("progress", JOBS),
    ("renew", "`assent consent renew NAME` records a new form of the same person"),
    ("verify", "`assent audit verify` checks the log, `assent packs verify` the models"),
];

const JOBS: &str = "`assent jobs` shows what runs, and `assent jobs cancel NUMBER` stops one; to stop everything at once, see: \
                    assent freeze --help";

const PEOPLE: &str = "`assent subject list` shows everybody, `assent subject add --help` says how to add somebody";

const DELETE: &str = "`assent collection list` and `assent subject list` show what there is; to delete everything about a \
                      person, see: assent erase --help";

/// Commands that end or delete something: nobody is led to them by a slip of the finger.
const DESTROY: &[&str] = &[
    "erase",
    "withdraw",
    "refuse",
    "freeze",
    "rotate",
    "restore",
    "remove",
    "tick",
    "unwrap",
    "repair",
    "forget-missing",
];

/// The commands, each with its example.
pub(crate) fn command() -> Command {
    EXAMPLES.iter().fold(crate::Cli::command(), |all, example| with_example(all, &words(example)[1..], example))
}

fn with_example(command: Command, path: &[String], example: &str) -> Command {
    match path.first() {
        Some(name) if command.find_subcommand(name).is_some() => {
            command.mut_subcommand(name, |inner| with_example(inner, &path[1..], example))
        }
        _ => command.after_help(format!("Example: {example}")),
    }
}

/// The words of an example, as a shell reads them.
fn words(line: &str) -> Vec<String> {
    let plain = line.split('"').enumerate();
    plain
        .flat_map(
            |(i, part)| {
                if i % 2 == 1 { vec![part.to_owned()] } else { part.split_whitespace().map(str::to_owned).collect() }
            },
        )
        .collect()
}

/// What somebody meant who typed a word too many.
const SPACES: &str = "a name or a path with spaces is written in quotation marks: \"Summer photos\"";

/// A message about wrong usage, without a hint at a command that destroys, and with one at what was probably meant.
pub(crate) fn harmless(mut usage: clap::Error) -> clap::Error {
    let near = match usage.remove(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::Strings(all)) => all,
        Some(ContextValue::String(one)) => vec![one],
        _ => Vec::new(),
    };
    let near: Vec<String> = near.into_iter().filter(|name| !DESTROY.contains(&name.as_str())).collect();
    let hint = match usage.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(typed)) => MEANT.iter().find(|(word, _)| word == typed).map(|(_, hint)| *hint),
        _ => None,
    };
    let word_too_many = match usage.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(arg)) => usage.kind() == ErrorKind::UnknownArgument && !arg.starts_with('-'),
        _ => false,
    };
    let hint = hint.or(word_too_many.then_some(SPACES));
    if let Some(hint) = hint {
        usage.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(hint)]));
    } else if !near.is_empty() {
        usage.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(near));
    }
    usage
}

#[cfg(test)]
mod tests;
