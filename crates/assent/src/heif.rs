//! HEIC and AVIF, decoded by a program of the system.
//!
//! No decoder of them can be a part of this program (`docs/photos.md` says why), but most systems have one: Debian's
//! `libheif-examples`, for example, has `heif-convert`. It reads files that come from anywhere, so it runs as a process of
//! its own, with a limit on its memory, its time (the processor's and that of the clock) and what it writes, in a folder that
//! nobody else can read. It is ended when the scan is. No photo's name reaches its command line.

use std::borrow::Cow;
use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use assent_vision::decode::{self, DecodeError, DecodeLimits, DecodeOptions, Decoded, Heif, NotDecoded};

/// Processor time that the program may take for one picture, seconds: one of 48 megapixels takes about two.
const SECONDS_MAX: u64 = 60;

/// Time that it may take for one picture, whatever it waits for.
const TIME_MAX: Duration = Duration::from_mins(3);

/// How often it is looked at whether the program is done, or is to be ended.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(5);

/// What the program takes however small the picture is, bytes: its libraries, and a thread's stack for each of a machine's
/// processors.
const PROGRAM_BYTES: u64 = 256 << 20;

/// What it takes for each pixel, bytes; measured are five.
const PIXEL_BYTES: u64 = 16;

/// What of that is memory that the system really has to give: the libraries are there once for all.
const PIXEL_BYTES_USED: u64 = 8;

/// How good the JPEG is that the program makes, of 100.
const QUALITY: &str = "97";

/// Sets the limits, then becomes the program. Everything comes as an argument.
const LIMITED: &str = r#"ulimit -v "$1" && ulimit -t "$2" && ulimit -f "$3" && shift 3 && exec "$@""#;

/// Ends a group of processes.
const KILL: &str = r#"kill -s KILL -- "-$1""#;

/// A program of the system that makes JPEGs of HEIC and AVIF pictures: `heif-convert`, or `heif-dec` as it is called since
/// libheif 1.18.
#[derive(Debug, Clone)]
pub struct HeifProgram {
    program: PathBuf,
    scratch: PathBuf,
    time_max: Duration,
}

impl HeifProgram {
    /// Takes `program`, which is run in folders of its own below `scratch`.
    pub fn new(program: PathBuf, scratch: PathBuf) -> HeifProgram {
        HeifProgram { program, scratch, time_max: TIME_MAX }
    }

    /// The same, with another limit on the time that it may take for one picture.
    #[must_use]
    pub fn with_time_max(self, time_max: Duration) -> HeifProgram {
        HeifProgram { time_max, ..self }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.program
    }

    /// A JPEG of the picture, turned as its boxes say, with its EXIF data as they were.
    ///
    /// # Errors
    ///
    /// - [`DecodeError::TooLarge`], [`DecodeError::TooMuchMemory`] if the picture is larger than `limits`.
    /// - [`DecodeError::Damaged`] if the program refuses it.
    /// - [`DecodeError::GaveUp`] if the program does not start, or reaches one of its limits.
    /// - [`DecodeError::Stopped`] if `stop` is set while it runs.
    fn jpeg(
        &self,
        heif: Heif,
        bytes: &[u8],
        DecodeOptions { limits, stop }: DecodeOptions<'_>,
    ) -> Result<Vec<u8>, DecodeError> {
        let format = format_of(heif.kind);
        limits.check(heif.size)?;
        let pixels = pixels(heif);
        let needed = used_bytes(heif);
        if needed > limits.memory_bytes {
            return Err(DecodeError::TooMuchMemory { needed_mb: needed.div_ceil(1_000_000) });
        }
        let gave_up = |_: io::Error| DecodeError::GaveUp { format };
        let folder = Private::new(&self.scratch).map_err(gave_up)?;
        let (from, to) = (folder.0.join("in.heic"), folder.0.join("out.jpg"));
        fs::write(&from, bytes).map_err(gave_up)?;
        let kilobytes = (PROGRAM_BYTES + PIXEL_BYTES * pixels) / 1024;
        // Blocks of 512 bytes; a JPEG of this quality has fewer than three bytes a pixel.
        let blocks = (3 * pixels).div_ceil(512) + 2048;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", LIMITED, "sh"])
            .args([kilobytes, SECONDS_MAX, blocks].map(|limit| limit.to_string()))
            .arg(&self.program)
            .args(["-q", QUALITY])
            .args([&from, &to])
            // The C library reserves 64 MB of addresses for each thread otherwise.
            .env("MALLOC_ARENA_MAX", "1")
            .current_dir(&folder.0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let status = self.run(&mut command, stop).map_err(gave_up)?;
        if stop.load(Ordering::Relaxed) {
            return Err(DecodeError::Stopped);
        }
        match status.and_then(|status| status.code()) {
            Some(0) => {}
            // The shell could not set a limit or start the program, a signal ended it, or it took too long.
            Some(2 | 126..) | None => return Err(DecodeError::GaveUp { format }),
            Some(_) => return Err(DecodeError::Damaged { format, source: None }),
        }
        // Of several pictures, the first.
        fs::read(&to).or_else(|_| fs::read(folder.0.join("out-1.jpg"))).map_err(gave_up)
    }

    /// Runs the program to its end. `None`: it took too long, or `stop` was set, and it was ended with all that it started.
    fn run(&self, command: &mut Command, stop: &AtomicBool) -> io::Result<Option<ExitStatus>> {
        // A group of its own, so that what it starts is ended with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        let mut child = command.spawn()?;
        let mut waited = Duration::ZERO;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            if waited >= self.time_max || stop.load(Ordering::Relaxed) {
                let group = child.id().to_string();
                let killed = Command::new("/bin/sh").args(["-c", KILL, "sh", &group]).stderr(Stdio::null()).status();
                child.kill()?;
                child.wait()?;
                return killed.map(|_| None);
            }
            thread::sleep(LOOKED_AT_EVERY);
            waited += LOOKED_AT_EVERY;
        }
    }
}

/// Decodes pictures of every format, with the system's program where it needs one.
#[derive(Debug, Clone, Default)]
pub struct PhotoDecoder {
    /// The program, if the system has one.
    pub heif: Option<HeifProgram>,
    /// What is refused.
    pub limits: DecodeLimits,
    /// Ends what is being decoded once it is set.
    pub stop: Arc<AtomicBool>,
}

/// A photo's file as [`PhotoDecoder`] can decode it again and again.
#[derive(Debug)]
pub struct Readable<'b> {
    bytes: Cow<'b, [u8]>,
    /// The HEIC or AVIF picture that another program made it of.
    converted: Option<Heif>,
    stop: Arc<AtomicBool>,
}

impl PhotoDecoder {
    /// The most memory, bytes, that [`readable`](Self::readable) takes; 0 for what needs no other program.
    pub fn convert_bytes(&self, bytes: &[u8]) -> u64 {
        let fits = |needed: &u64| *needed <= self.limits.memory_bytes;
        self.heif.as_ref().and_then(|_| Heif::read(bytes)).map(used_bytes).filter(fits).unwrap_or(0)
    }

    /// Makes a JPEG of a HEIC or AVIF picture where there is a program for that; any other file stays as it is.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the program cannot.
    pub fn readable<'b>(&self, bytes: &'b [u8]) -> Result<Readable<'b>, DecodeError> {
        let stop = Arc::clone(&self.stop);
        let Some((program, kind)) = self.heif.as_ref().zip(Heif::kind(bytes)) else {
            return Ok(Readable { bytes: Cow::Borrowed(bytes), converted: None, stop });
        };
        let damaged = DecodeError::Damaged { format: format_of(kind), source: None };
        let heif = Heif::read(bytes).ok_or(damaged)?;
        let jpeg = program.jpeg(heif, bytes, DecodeOptions { limits: self.limits, stop: &stop })?;
        Ok(Readable { bytes: Cow::Owned(jpeg), converted: Some(heif), stop })
    }

    /// Decodes a photo whole, upright.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], as [`decode::decode`] and [`readable`](Self::readable).
    pub fn decode(&self, bytes: &[u8]) -> Result<Decoded, DecodeError> {
        self.readable(bytes)?.decode(self.limits, |_| u32::MAX, Vec::new())
    }
}

impl Readable<'_> {
    /// The file, or the JPEG that was made of it.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// As [`decode::decode_into`].
    pub(crate) fn decode(
        &self,
        limits: DecodeLimits,
        side_px: impl Fn((u32, u32)) -> u32,
        spare: Vec<u8>,
    ) -> Result<Decoded, DecodeError> {
        let options = DecodeOptions { limits, stop: &self.stop };
        match self.converted {
            // The program copies the EXIF data as they were, although it turned the picture.
            Some(heif) if heif.is_turned => decode::decode_as_stored(&self.bytes, options, side_px, spare),
            _ => decode::decode_into(&self.bytes, options, side_px, spare),
        }
    }

    /// The photo at the largest size for which `limits` has the memory, see [`decode::largest_side_px`].
    pub(crate) fn decode_largest(&self, limits: DecodeLimits) -> Result<Decoded, DecodeError> {
        let side_px = decode::largest_side_px(&self.bytes, limits);
        self.decode(limits, |_| side_px, Vec::new())
    }
}

fn pixels(heif: Heif) -> u64 {
    u64::from(heif.size.0) * u64::from(heif.size.1)
}

fn used_bytes(heif: Heif) -> u64 {
    (16 << 20) + PIXEL_BYTES_USED * pixels(heif)
}

fn format_of(kind: NotDecoded) -> &'static str {
    if kind == NotDecoded::Avif { "AVIF picture" } else { "HEIC picture" }
}

/// A folder that nobody else may read; it goes when this is dropped.
struct Private(PathBuf);

impl Private {
    fn new(parent: &Path) -> io::Result<Private> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let folder = parent.join(format!("assent-heif-{}-{number}", std::process::id()));
            // One that is there already is somebody else's, or of a process that was killed.
            match builder.create(&folder) {
                Ok(()) => return Ok(Private(folder)),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // What cannot be removed lies where the system cleans up, and nobody else can read it.
        drop(fs::remove_dir_all(&self.0));
    }
}
