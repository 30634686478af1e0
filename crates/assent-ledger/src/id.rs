//! Names of things: opaque ids, and the instant that every event carries.
//!
//! Ids of people, grants, collections and witnesses are random and say nothing. `Display` writes the whole id (for the
//! person who typed it), `Debug` shortens it (for logs).

use std::fmt;
use std::str::FromStr;

use rand_core::CryptoRng;

/// A text is not an id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("this is not an id: an id is written as 32 hexadecimal digits")]
pub struct IdError;

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        text.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or_default()));
        text
    })
}

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// An id from its 16 bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let [a, b, c, d, ..] = self.0;
                write!(f, "{}:{:08x}", stringify!($name), u32::from_be_bytes([a, b, c, d]))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_hex(text).map(Self).ok_or(IdError)
            }
        }
    };
}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident) => {
        opaque_id! { $(#[$doc])* $name }

        impl $name {
            pub(crate) fn random(rng: &mut dyn CryptoRng) -> Self {
                let mut bytes = [0; 16];
                rng.fill_bytes(&mut bytes);
                Self(bytes)
            }
        }
    };
}

opaque_id! {
    /// An account through which somebody uses the vault. Who that is, whoever keeps the accounts knows.
    AccountId
}

random_id! {
    /// A person on the roster. The id is random; the name is data.
    SubjectId
}
random_id! {
    /// A consent: one subject, one collection, one purpose.
    GrantId
}
random_id! {
    /// Photos held together for one reason.
    CollectionId
}
random_id! {
    /// A registered person who may vouch for a paper release.
    WitnessId
}
random_id! {
    /// An order to stop.
    OrderId
}
random_id! {
    /// Something that somebody asked for.
    RequestId
}
random_id! {
    /// An enrolment that waits for its witnesses.
    PendingId
}
random_id! {
    /// A file that is kept in the vault, sealed.
    BlobId
}
random_id! {
    /// One vault. The key ring and the database carry the same one.
    VaultId
}

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

row_id! {
    /// A photo of a collection.
    PhotoId
}
row_id! {
    /// A box in a photo.
    FaceId
}
row_id! {
    /// An enrolled embedding.
    TemplateId
}
row_id! {
    /// A job, by the number that people call it by.
    JobId
}

/// An instant: milliseconds since 1970-01-01T00:00:00 UTC, leap seconds not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

fn parse_hex(text: &str) -> Option<[u8; 16]> {
    let digits = text.as_bytes();
    if digits.len() != 32 {
        return None;
    }
    let mut out = [0; 16];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = (high * 16 + low) as u8;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_round_trips_and_its_debug_is_short() {
        let id = SubjectId::from_bytes(*b"\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef");
        assert_eq!(id.to_string(), "0123456789abcdef0123456789abcdef");
        assert_eq!(format!("{id:?}"), "SubjectId:01234567");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "0123", "0123456789abcdef0123456789abcdeg", "0123456789abcdef0123456789abcdef0"] {
            assert_eq!(bad.parse::<SubjectId>(), Err(IdError), "{bad}");
        }
    }
}
