//! A picture's bytes, until somebody says stop: a decoder that asks for more of them then gets an error, and gives up.

use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, Ordering};

/// A decoder gets at most so many bytes at once, so that it asks often.
const PIECE_BYTES: usize = 64 << 10;

/// Reads `bytes` until `stop` is set.
pub(super) struct StoppableReader<'a> {
    bytes: Cursor<&'a [u8]>,
    stop: &'a AtomicBool,
}

impl<'a> StoppableReader<'a> {
    pub(super) fn new(bytes: &'a [u8], stop: &'a AtomicBool) -> StoppableReader<'a> {
        StoppableReader { bytes: Cursor::new(bytes), stop }
    }

    fn check(&self) -> io::Result<()> {
        // Not `Interrupted`: whoever reads would try again.
        if self.stop.load(Ordering::Relaxed) { Err(io::Error::other("stopped")) } else { Ok(()) }
    }
}

impl Read for StoppableReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        let piece = buf.len().min(PIECE_BYTES);
        self.bytes.read(&mut buf[..piece])
    }
}

impl BufRead for StoppableReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.check()?;
        let rest = self.bytes.fill_buf()?;
        Ok(&rest[..rest.len().min(PIECE_BYTES)])
    }

    fn consume(&mut self, amount: usize) {
        self.bytes.consume(amount);
    }
}

impl Seek for StoppableReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_in_pieces_until_somebody_says_stop() {
        let (bytes, stop) = (vec![7; 3 * PIECE_BYTES], AtomicBool::new(false));
        let mut reader = StoppableReader::new(&bytes, &stop);
        assert_eq!(reader.fill_buf().unwrap().len(), PIECE_BYTES);
        reader.consume(PIECE_BYTES);
        let mut all = vec![0; 2 * PIECE_BYTES];
        assert_eq!(reader.read(&mut all).unwrap(), PIECE_BYTES);
        stop.store(true, Ordering::Relaxed);
        assert!(reader.read_exact(&mut all[..1]).is_err(), "nor is it tried again");
        assert!(reader.fill_buf().is_err());
        stop.store(false, Ordering::Relaxed);
        assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap(), PIECE_BYTES);
    }
}
