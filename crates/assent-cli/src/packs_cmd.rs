//! `assent packs`: which packs there are, whether they are whole, and fetching one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::output::write_line;
use assent::models::{Models, ModelsError};
use assent::packs::{
    AcceptedLicences, CARD_FILE, FileRef, FindPacksError, FoundPack, ModelCard, ModelPack, PackError, PackKind,
    PhotoPack, find_packs, hex, sha256_of,
};
use assent_documents::json::packs::{Card, Pack, PackFetched, PackList};
use assent_documents::json::{self, Sha256};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use thiserror::Error;

use crate::fetch::{FetchError, Wanted, fetch, place};
use crate::hints::chain;
use crate::models_arg::ModelPlaces;
use crate::places::{PlacesError, network_dirs, pack_roots, runtime_dir};

/// The card of the pack `opencv-sface`.
const OPENCV_CARD: &str = include_str!("packs/opencv-sface.toml");

/// OpenCV Zoo at the commit that the card names. Its networks lie in Git LFS, hence the host.
const OPENCV_ZOO: &str =
    "https://media.githubusercontent.com/media/opencv/opencv_zoo/47534e27c9851bb1128ccc0102f1145e27f23f98/models";

/// Where OpenCV Zoo keeps each file.
const ZOO_FOLDERS: [(&str, &str); 2] = [
    ("face_detection_yunet_2023mar.onnx", "face_detection_yunet/"),
    ("face_recognition_sface_2021dec.onnx", "face_recognition_sface/"),
];

/// The texts of the licences, which are written beside the networks.
const LICENCE_TEXTS: [(&str, &str); 2] = [
    ("LICENSE.opencv_zoo_yunet.txt", include_str!("packs/LICENSE.opencv_zoo_yunet.txt")),
    ("LICENSE.apache-2.0.txt", include_str!("packs/LICENSE.apache-2.0.txt")),
];

/// `assent packs`.
#[derive(Debug, Args)]
pub(crate) struct PacksArgs {
    #[command(subcommand)]
    command: PacksCommand,
}

#[derive(Debug, Subcommand)]
enum PacksCommand {
    /// List the packs, with version and licences
    List,
    /// Fetch the model pack `opencv-sface` from OpenCV Zoo (39 MB)
    Fetch(FetchArgs),
    /// Compare every file of the packs with their cards, and run each network once
    Verify {
        /// Only the packs of these names
        names: Vec<String>,
        /// Accept a licence that may not allow every use, exactly as the card writes it
        #[arg(long, value_name = "LICENCE")]
        accept_licence: Vec<String>,
    },
}

#[derive(Debug, Args)]
struct FetchArgs {
    /// The pack
    #[arg(default_value = "opencv-sface", value_parser = ["opencv-sface"])]
    name: String,
    /// Another server with the same files, for mirrors and tests
    #[arg(long, hide = true, default_value = OPENCV_ZOO)]
    base_url: String,
    /// Another card, whose files lie directly under the base address
    #[arg(long, hide = true, requires = "base_url")]
    card: Option<PathBuf>,
}

/// Why `assent packs` failed.
#[derive(Debug, Error)]
pub(crate) enum PacksError {
    /// There is no folder to look in.
    #[error(transparent)]
    Places(#[from] PlacesError),
    /// A folder with packs cannot be listed.
    #[error(transparent)]
    Find(#[from] FindPacksError),
    /// There are no packs (of the names that were asked for).
    #[error("there is no such pack in {looked_in}: run `assent packs fetch`, or name the folder with --packs")]
    NoPack {
        /// The folders that were searched, as they are shown.
        looked_in: String,
    },
    /// Some packs are not whole; each was named in the output.
    #[error("{refused} of {all} packs cannot be used: fetch them again, or remove them")]
    Refused {
        /// Packs that cannot be used.
        refused: usize,
        /// Packs that were looked at.
        all: usize,
    },
    /// The card of the pack to fetch cannot be used.
    #[error("the card of the pack to fetch cannot be used")]
    Card {
        /// The error of the pack.
        #[source]
        source: Box<PackError>,
    },
    /// The pack's folder cannot be made, or a file in it not be read.
    #[error("cannot use {}: name another folder with --packs", path.display())]
    Folder {
        /// The folder or the file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// A file was not fetched.
    #[error(
        "could not fetch {file} of the pack {pack}. Without a network, put these files into {} and run \
         `assent packs fetch` again:\n{by_hand}", dir.display()
    )]
    NotFetched {
        /// The name of the file.
        file: String,
        /// The name of the pack.
        pack: String,
        /// The folder in which the pack was looked for.
        dir: PathBuf,
        /// One line for each file that is missing: name, size, hash, address.
        by_hand: String,
        /// The error of the download.
        #[source]
        source: Box<FetchError>,
    },
    /// A licence's text or the card was not written.
    #[error("could not finish the pack {pack}")]
    NotWritten {
        /// The name of the pack.
        pack: String,
        /// The error of the download.
        #[source]
        source: Box<FetchError>,
    },
    /// The output could not be written.
    #[error("cannot write the output")]
    Output(#[from] io::Error),
}

/// Runs `assent packs`.
///
/// # Errors
///
/// Each variant of [`PacksError`] says when.
pub(crate) fn run(args: &PacksArgs, models: &ModelPlaces, json: bool, out: &mut dyn Write) -> Result<(), PacksError> {
    let roots = pack_roots(models.packs.as_deref())?;
    match &args.command {
        PacksCommand::List => list(&roots, json, out),
        PacksCommand::Verify { names, accept_licence } => {
            verify(&roots, (names, accept_licence), models.runtime.as_deref(), json, out)
        }
        PacksCommand::Fetch(args) => {
            let root = roots.first().map_or(Path::new("."), PathBuf::as_path);
            fetch_pack(args, &root.join("models"), models.runtime.as_deref(), json, out)
        }
    }
}

fn list(roots: &[PathBuf], json: bool, out: &mut dyn Write) -> Result<(), PacksError> {
    let found = find_packs(roots)?;
    let rows: Vec<Pack> = found.iter().map(|pack| row(pack, describe(pack).map_err(|e| chain(&e)))).collect();
    if json {
        write_line(&PackList { packs: rows }, out)?;
    } else if found.is_empty() {
        writeln!(out, "No packs in {}. `assent packs fetch` gets one.", names(roots))?;
    } else {
        print_rows(&found, &rows, "", out)?;
    }
    Ok(())
}

fn verify(
    roots: &[PathBuf],
    (wanted, accept): (&[String], &[String]),
    runtime: Option<&Path>,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), PacksError> {
    let mut found = find_packs(roots)?;
    found.retain(|pack| wanted.is_empty() || wanted.contains(&pack.name));
    if found.is_empty() || wanted.iter().any(|name| found.iter().all(|pack| pack.name != *name)) {
        return Err(PacksError::NoPack { looked_in: names(roots) });
    }
    let terms = AcceptedLicences::naming(accept.iter().cloned());
    let runtime = runtime_dir(runtime).ok();
    let check = |pack: &FoundPack| -> Result<Option<bool>, String> {
        let refused = |e: PackError| chain(&e);
        match pack.kind {
            PackKind::Models => {
                ModelPack::load(&pack.dir, &terms).map_err(refused)?;
                ran(runtime.as_deref(), &pack.dir, &terms).map(Some)
            }
            PackKind::Photos => {
                PhotoPack::load(&pack.dir).and_then(|photos| photos.verify()).map_err(refused)?;
                Ok(None)
            }
        }
    };
    let verified = |pack: &FoundPack| match check(pack) {
        Ok(ran) => Pack { ran, ..row(pack, describe(pack).map_err(|e| chain(&e))) },
        Err(reason) => row(pack, Err(reason)),
    };
    let rows: Vec<Pack> = found.iter().map(verified).collect();
    let (refused, all) = (rows.iter().filter(|row| row.refused.is_some()).count(), rows.len());
    if json {
        write_line(&PackList { packs: rows }, out)?;
    } else {
        print_rows(&found, &rows, "whole: ", out)?;
    }
    if refused == 0 { Ok(()) } else { Err(PacksError::Refused { refused, all }) }
}

/// Runs each network of a pack once; `false` where the library is missing that runs them.
///
/// # Errors
///
/// Why a network does not run.
fn ran(runtime: Option<&Path>, dir: &Path, terms: &AcceptedLicences) -> Result<bool, String> {
    let Some(runtime) = runtime else { return Ok(false) };
    match Models::load(runtime, dir, terms, &[]) {
        Ok(models) => models.try_out().map(|()| true).map_err(|e| chain(&e)),
        Err(ModelsError::Runtime(_)) => Ok(false),
        Err(ModelsError::Pack(e)) => Err(chain(&e)),
    }
}

/// What a card says, without the files it names.
fn describe(pack: &FoundPack) -> Result<Card, PackError> {
    Ok(match pack.kind {
        PackKind::Models => {
            let card = ModelCard::read(&pack.dir)?;
            let bands = if card.calibration.is_some() { "match, review" } else { "review" };
            Card {
                model_sha256: Some(Sha256(hex(&card.model_sha256()))),
                card: Some(card.name),
                version: card.version,
                licences: vec![card.detector_file.licence, card.embedder_file.licence],
                bands: Some(bands.to_owned()),
                digest: None,
            }
        }
        PackKind::Photos => {
            let photos = PhotoPack::load(&pack.dir)?;
            Card {
                digest: Some(Sha256(hex(&photos.digest))),
                version: photos.version,
                licences: vec![photos.licence],
                card: None,
                model_sha256: None,
                bands: None,
            }
        }
    })
}

/// What is said of a pack, with its name and folder.
fn row(pack: &FoundPack, described: Result<Card, String>) -> Pack {
    let (card, refused) = match described {
        Ok(card) => (Some(card), None),
        Err(reason) => (None, Some(reason)),
    };
    let (kind, name) = (pack.kind.word().to_owned(), pack.name.clone());
    Pack { kind, name, folder: json::text(&pack.dir), refused, card, ran: None }
}

/// One line for each pack; `before` stands before the folder of one that is not refused.
fn print_rows(found: &[FoundPack], rows: &[Pack], before: &str, out: &mut dyn Write) -> io::Result<()> {
    for (pack, row) in found.iter().zip(rows) {
        let name = format!("{}/{}", pack.kind, pack.name);
        if let Some(reason) = &row.refused {
            writeln!(out, "{name:24} refused: {reason}")?;
            continue;
        }
        let Some(Card { version, card, bands, .. }) = &row.card else { continue };
        let bands = bands.as_ref().map_or_else(String::new, |bands| format!(", bands: {bands}"));
        let also = match card {
            Some(card) if *card != pack.name => format!(", also called {card}"),
            _ => String::new(),
        };
        let ran = match row.ran {
            Some(true) => ", each network ran once",
            Some(false) => ", the networks were not run: there is no inference library yet (assent runtime fetch)",
            None => "",
        };
        writeln!(out, "{name:24} {version:10} {before}{}{also}{bands}{ran}", pack.dir.display())?;
    }
    Ok(())
}

fn names(roots: &[PathBuf]) -> String {
    roots.iter().map(|root| root.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn fetch_pack(
    args: &FetchArgs,
    models: &Path,
    runtime: Option<&Path>,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), PacksError> {
    let text = match &args.card {
        None => OPENCV_CARD.to_owned(),
        Some(path) => fs::read_to_string(path).map_err(|source| PacksError::Folder { path: path.clone(), source })?,
    };
    let card = ModelCard::parse(Path::new(CARD_FILE), text.as_bytes())
        .map_err(|source| PacksError::Card { source: Box::new(source) })?;
    let dir = models.join(&card.name);
    let folder_error = |source| PacksError::Folder { path: dir.clone(), source };
    fs::create_dir_all(&dir).map_err(folder_error)?;

    let files = [&card.detector_file, &card.embedder_file];
    let mut missing = Vec::new();
    for file in files {
        if !is_there(&dir, file)? {
            missing.push(wanted(file, &args.base_url));
        }
    }
    let bar = progress(missing.iter().map(|file| file.bytes).sum(), json);
    for (index, file) in missing.iter().enumerate() {
        fetch(file, &dir, &bar).map_err(|source| PacksError::NotFetched {
            file: file.name.clone(),
            pack: card.name.clone(),
            dir: dir.clone(),
            by_hand: by_hand(&missing[index..]),
            source: Box::new(source),
        })?;
    }
    bar.finish_and_clear();
    let not_written = |source| PacksError::NotWritten { pack: card.name.clone(), source: Box::new(source) };
    for (name, text) in LICENCE_TEXTS {
        if files.iter().any(|file| file.licence_files.iter().any(|listed| listed == name)) {
            place(&dir, name, text.as_bytes()).map_err(not_written)?;
        }
    }
    // The card comes last: without it the folder is no pack.
    place(&dir, CARD_FILE, text.as_bytes()).map_err(not_written)?;
    // Makes what a first use would make, where the library is there already. If it is not, the first use does.
    drop(
        runtime_dir(runtime)
            .map(|runtime| Models::load(&runtime, &dir, &AcceptedLicences::none(), &network_dirs(&dir))),
    );

    if json {
        let fetched = missing.iter().map(|file| file.name.clone()).collect();
        write_line(&PackFetched { pack: card.name.clone(), folder: json::text(&dir), fetched }, out)?;
    } else {
        for file in files {
            let how = if missing.iter().any(|one| one.name == file.name) { "fetched" } else { "was there" };
            writeln!(out, "{how:10} {} ({} bytes, {}, sha256 checked)", file.name, file.bytes, file.licence)?;
        }
        writeln!(out, "The pack {} is in {}.", card.name, dir.display())?;
        if card.calibration.is_none() {
            writeln!(out, "It has no measured thresholds: it only proposes, and a person confirms (`assent review`).")?;
        }
    }
    Ok(())
}

/// Whether the right file is there already, fetched before or put there by hand.
fn is_there(dir: &Path, file: &FileRef) -> Result<bool, PacksError> {
    let path = dir.join(&file.name);
    let failed = |source| PacksError::Folder { path: path.clone(), source };
    match File::open(&path) {
        Ok(open) => Ok(sha256_of(open).map_err(failed)? == file.sha256),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(failed(source)),
    }
}

fn wanted(file: &FileRef, base_url: &str) -> Wanted {
    let folder = ZOO_FOLDERS.iter().find(|(name, _)| *name == file.name).map_or("", |(_, folder)| folder);
    Wanted {
        url: format!("{}/{folder}{}", base_url.trim_end_matches('/'), file.name),
        name: file.name.clone(),
        bytes: file.bytes,
        sha256: file.sha256,
    }
}

fn by_hand(missing: &[Wanted]) -> String {
    let line = |file: &Wanted| {
        format!("  {} ({} bytes, sha256 {})\n    from {}", file.name, file.bytes, hex(&file.sha256), file.url)
    };
    missing.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A bar on the terminal's error output; none where that is no terminal, or where a program reads the output.
fn progress(bytes: u64, json: bool) -> ProgressBar {
    if json || bytes == 0 {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(bytes);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
        bar.set_style(style);
    }
    bar
}
