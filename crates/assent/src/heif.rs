//! HEIC and AVIF, decoded by a program of the system.
//!
//! No decoder of them can be a part of this program (`docs/photos.md` says why), but most systems have one: Debian's
//! `libheif-examples`, for example, has `heif-convert`. It reads files that come from anywhere, so it runs as a process of
//! its own, with a limit on its memory, its time and what it writes, in a folder that nobody else can read. No photo's
//! name reaches its command line.

use std::borrow::Cow;
use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use assent_vision::decode::{self, DecodeError, DecodeLimits, Decoded, Heif, NotDecoded};

/// Processor time that the program may take for one picture, seconds: one of 48 megapixels takes about two.
const SECONDS_MAX: u64 = 60;

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

/// A program of the system that makes JPEGs of HEIC and AVIF pictures: `heif-convert`, or `heif-dec` as it is called since
/// libheif 1.18.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeifProgram {
    program: PathBuf,
    scratch: PathBuf,
}

impl HeifProgram {
    /// Takes `program`, which is run in folders of its own below `scratch`.
    pub fn new(program: PathBuf, scratch: PathBuf) -> HeifProgram {
        HeifProgram { program, scratch }
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
    fn jpeg(&self, heif: Heif, bytes: &[u8], limits: DecodeLimits) -> Result<Vec<u8>, DecodeError> {
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
        let status = Command::new("/bin/sh")
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
            .stderr(Stdio::null())
            .status()
            .map_err(gave_up)?;
        match status.code() {
            Some(0) => {}
            // The shell could not set a limit or start the program, or a signal ended it.
            Some(2 | 126..) | None => return Err(DecodeError::GaveUp { format }),
            Some(_) => return Err(DecodeError::Damaged { format, source: None }),
        }
        // Of several pictures, the first.
        fs::read(&to).or_else(|_| fs::read(folder.0.join("out-1.jpg"))).map_err(gave_up)
    }
}

/// Decodes pictures of every format, with the system's program where it needs one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhotoDecoder {
    /// The program, if the system has one.
    pub heif: Option<HeifProgram>,
    /// What is refused.
    pub limits: DecodeLimits,
}

/// A photo's file as [`PhotoDecoder`] can decode it again and again.
#[derive(Debug)]
pub struct Readable<'b> {
    bytes: Cow<'b, [u8]>,
    /// The HEIC or AVIF picture that another program made it of.
    converted: Option<Heif>,
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
        let Some((program, kind)) = self.heif.as_ref().zip(Heif::kind(bytes)) else {
            return Ok(Readable { bytes: Cow::Borrowed(bytes), converted: None });
        };
        let damaged = DecodeError::Damaged { format: format_of(kind), source: None };
        let heif = Heif::read(bytes).ok_or(damaged)?;
        let jpeg = program.jpeg(heif, bytes, self.limits)?;
        Ok(Readable { bytes: Cow::Owned(jpeg), converted: Some(heif) })
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
        match self.converted {
            // The program copies the EXIF data as they were, although it turned the picture.
            Some(heif) if heif.is_turned => decode::decode_as_stored(&self.bytes, limits, side_px, spare),
            _ => decode::decode_into(&self.bytes, limits, side_px, spare),
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
