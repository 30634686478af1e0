//! `assent-bench memory`: how much memory a scan of large photos takes at most.

use std::fs;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use assent::budget::MEMORY_MB_PER_THREAD;
use assent::{Frame, Posture, SearchOptions, encode, resize};
use assent_testkit::{crew, models};
use clap::Args;
use serde_json::{Value, json};

use crate::Error;
use crate::figures::round;
use crate::setup::{cpu, decoded, engines, own_memory_bytes, read};
use crate::vault::{empty_world, scan};

/// Width and height of the photos: 24 megapixels, pixels.
const SIZE: (u32, u32) = (6000, 4000);

/// The sample photo that they are made of: a group.
const SAMPLE: &str = "expedition-38-crew.jpg";

/// Who is searched for, from the sample portraits.
const PORTRAIT: &str = "julie-payette";

/// Quality of the JPEGs; about 6 MB each, as cameras write them.
const QUALITY: u8 = 92;

/// What `memory` takes.
#[derive(Debug, Args)]
pub(crate) struct MemoryArgs {
    /// Photos
    #[arg(long, value_name = "N", default_value = "200")]
    photos: NonZeroUsize,
    /// Photos that are looked at at once
    #[arg(long, value_name = "N", default_value = "2")]
    threads: NonZeroUsize,
    /// What photos may take together, MB [default: as `assent scan` has it]
    #[arg(long, value_name = "MB")]
    memory: Option<NonZeroU64>,
    /// Find upright faces alone
    #[arg(long)]
    upright: bool,
    /// Scan the photos of this folder, for the process that is measured
    #[arg(long, hide = true)]
    scan: Option<PathBuf>,
}

impl MemoryArgs {
    fn budget_mb(&self) -> u64 {
        self.memory.map_or(MEMORY_MB_PER_THREAD * self.threads.get() as u64, NonZeroU64::get)
    }
}

/// Makes the photos, and has them scanned by a process of its own, whose peak is then its own.
///
/// # Errors
///
/// If a photo cannot be made or the scan fails.
pub(crate) fn run(args: &MemoryArgs) -> Result<Value, Error> {
    if let Some(folder) = &args.scan {
        return scanned(args, folder);
    }
    let folder = tempfile::tempdir()?;
    eprintln!("making {} photos", args.photos);
    make(folder.path(), args.photos.get())?;
    eprintln!("scanning them");
    let mut child = Command::new(std::env::current_exe()?);
    child.args(["memory", "--threads", &args.threads.to_string(), "--memory", &args.budget_mb().to_string()]);
    child.arg("--scan").arg(folder.path());
    if args.upright {
        child.arg("--upright");
    }
    let done = child.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !done.status.success() {
        return Err(format!("the scan failed ({})", done.status).into());
    }
    let mut figures: Value = serde_json::from_slice(&done.stdout)?;
    figures["cpu"] = cpu();
    Ok(figures)
}

/// Scans the folder and reads the peak of this process.
fn scanned(args: &MemoryArgs, folder: &Path) -> Result<Value, Error> {
    let world = empty_world();
    world.enrol("somebody", PORTRAIT);
    let before_mb = peak_rss_mb()?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        // The vault has a folder of photos of its own, and no scan follows a link out of it.
        let own = world.home.photos.join(name);
        fs::hard_link(&path, &own).or_else(|_| fs::copy(&path, &own).map(drop))?;
    }
    let posture = if args.upright { Posture::Upright } else { Posture::AnyWayUp };
    let search = SearchOptions { posture, ..SearchOptions::default() };
    let started = Instant::now();
    let summary = scan(&world, search, args.threads.get(), args.budget_mb())?;
    let seconds = started.elapsed().as_secs_f64();
    if let Some((path, code)) = summary.failed.first() {
        return Err(format!("{path} could not be looked at ({code})").into());
    }
    Ok(json!({
        "photos": summary.looked_at,
        "engines": engines(models()),
        "megapixels": SIZE.0 * SIZE.1 / 1_000_000,
        "threads": args.threads,
        "upright": args.upright,
        "faces": summary.faces,
        "budget_mb": args.budget_mb(),
        "peak_rss_mb": round(peak_rss_mb()?, 1),
        "peak_rss_before_the_scan_mb": round(before_mb, 1),
        "photos_per_second": round(summary.looked_at as f64 / seconds, 2),
    }))
}

/// The most memory that this process ever had, millions of bytes.
fn peak_rss_mb() -> Result<f64, Error> {
    Ok(own_memory_bytes("VmHWM")? / 1e6)
}

/// Writes photos that differ in a comment. In turn: the sample photo enlarged, so that its faces are large; many copies of
/// it side by side, so that small faces ask for the photo at full size; and both with an EXIF that turns them.
fn make(folder: &Path, count: usize) -> Result<(), Error> {
    let sample = decoded(&read(&crew().join("photos").join(SAMPLE))?)?;
    let height = (u64::from(sample.height()) * u64::from(SIZE.0)).div_ceil(u64::from(sample.width())) as u32;
    let pictures = [resize(&sample, (SIZE.0, height.max(SIZE.1))), sample];
    let mut files = Vec::new();
    for picture in &pictures {
        files.push(encode::jpeg(&tiled(picture)?, QUALITY)?);
    }
    for i in 0..count {
        let (file, turned) = (&files[i % 2], i % 4 >= 2);
        let mut bytes = file[..2].to_vec();
        if turned {
            // A TIFF header and a directory of one entry: tag 0x0112, type SHORT, one value, a quarter turn.
            bytes.extend(segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"));
        }
        bytes.extend(segment(0xFE, format!("photo {i}").as_bytes()));
        bytes.extend(&file[2..]);
        fs::write(folder.join(format!("{i:05}.jpg")), bytes)?;
    }
    Ok(())
}

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&[0xFF, marker], &length[..], content].concat()
}

/// A picture of the size of the photos, filled with copies of this one.
fn tiled(picture: &Frame) -> Result<Frame, Error> {
    let row = |y: u32| {
        let from = (y % picture.height()) as usize * picture.width() as usize * 3;
        picture.rgb()[from..][..picture.width() as usize * 3].iter().cycle().take(SIZE.0 as usize * 3).copied()
    };
    Frame::new(SIZE.0, SIZE.1, (0..SIZE.1).flat_map(row).collect()).ok_or_else(|| "the tiles do not fit".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_photos_are_large_distinct_and_some_of_them_turned() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), 4).unwrap();
        let files: Vec<Vec<u8>> =
            (0..4).map(|i| fs::read(folder.path().join(format!("{i:05}.jpg"))).unwrap()).collect();
        let sizes: Vec<(u32, u32)> =
            files.iter().map(|f| decoded(f).unwrap()).map(|frame| (frame.width(), frame.height())).collect();
        assert_eq!(sizes, [(6000, 4000), (6000, 4000), (4000, 6000), (4000, 6000)]);
        assert!(files[0] != files[2]);
    }
}
