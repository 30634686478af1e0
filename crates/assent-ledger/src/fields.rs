//! Length-prefixed fields: the one way in which this crate lays several values in one run of bytes.
//!
//! Each field is its length as an unsigned 32-bit big-endian number, then its bytes. An absent field has the length
//! `0xffff_ffff` and no bytes, so that absent and empty differ and no two lists of fields look alike.

use zeroize::Zeroizing;

const ABSENT: u32 = u32::MAX;

/// Collects fields. What it holds is wiped when dropped.
pub(crate) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    pub(crate) fn new() -> Self {
        Self(Zeroizing::new(Vec::with_capacity(256)))
    }

    pub(crate) fn bytes(mut self, value: &[u8]) -> Self {
        let length = u32::try_from(value.len()).unwrap_or(ABSENT - 1);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(&value[..length as usize]);
        self
    }

    pub(crate) fn text(self, value: &str) -> Self {
        self.bytes(value.as_bytes())
    }

    pub(crate) fn int(self, value: i64) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(crate) fn opt(mut self, value: Option<&[u8]>) -> Self {
        if let Some(value) = value {
            return self.bytes(value);
        }
        self.0.extend_from_slice(&ABSENT.to_be_bytes());
        self
    }

    pub(crate) fn opt_int(self, value: Option<i64>) -> Self {
        self.opt(value.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice))
    }

    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    /// The same where the fields are no secret: they are not wiped.
    pub(crate) fn finish_public(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// Reads fields back in the order in which they were written; `None` at the first that is not there as asked.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        self.0 = rest;
        Some(value)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes()?.try_into().ok()
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// A field that may be absent: `Some(None)` if it is.
    #[expect(clippy::option_option, reason = "not there, and there as absent, are two things")]
    pub(crate) fn opt(&mut self) -> Option<Option<&'a [u8]>> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        if u32::from_be_bytes(*length) == ABSENT {
            self.0 = rest;
            return Some(None);
        }
        self.bytes().map(Some)
    }

    pub(crate) fn int(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    #[expect(clippy::option_option, reason = "as of `opt`")]
    pub(crate) fn opt_int(&mut self) -> Option<Option<i64>> {
        match self.opt()? {
            Some(bytes) => bytes.try_into().ok().map(|bytes| Some(i64::from_be_bytes(bytes))),
            None => Some(None),
        }
    }

    #[expect(clippy::option_option, reason = "as of `opt`")]
    pub(crate) fn opt_text(&mut self) -> Option<Option<&'a str>> {
        self.opt()?.map(std::str::from_utf8).transpose().ok()
    }

    pub(crate) fn at_end(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_round_trip_and_a_cut_anywhere_is_noticed() {
        let all = Writer::new().text("a").bytes(&[]).opt(Some(b"xyz")).int(-7).finish();
        let read = |bytes: &[u8]| -> Option<()> {
            let mut r = Reader::new(bytes);
            (r.text()? == "a" && r.bytes()?.is_empty() && r.bytes()? == b"xyz").then_some(())?;
            (r.array()? == (-7i64).to_be_bytes() && r.at_end()).then_some(())
        };
        assert!(read(&all).is_some());
        for cut in 0..all.len() {
            assert!(read(&all[..cut]).is_none(), "cut at {cut}");
        }
        let lists = [Writer::new().opt(None).finish(), Writer::new().bytes(&[]).finish(), Writer::new().finish()];
        assert!(lists[0] != lists[1] && lists[1] != lists[2] && lists[0] != lists[2]);
    }
}
