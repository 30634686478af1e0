//! What every answer is made of: ids, days, moments, hashes, boxes.

use std::borrow::Cow;
use std::fmt::{self, Display};

use assent::ledger::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::dates::{date, moment};

/// An id: 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Id(String);

impl Id {
    /// The id of something.
    pub fn of(id: impl Display) -> Id {
        Id(id.to_string())
    }
}

impl Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A SHA-256 hash: 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sha256(pub String);

/// A day in UTC: `2026-11-22`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day(pub Timestamp);

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&date(self.0))
    }
}

/// A moment in UTC: `2026-11-22T08:30:00.5Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&moment(self.0))
    }
}

/// Where a face is: left, top, width and height, in pixels of the upright photo.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FaceBox(pub [f32; 4]);

/// The schemas of types that are written where they stand.
macro_rules! schemas {
    ($($kind:ident: $schema:tt),+ $(,)?) => {
        $(impl JsonSchema for $kind {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($kind).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        })+
    };
}

schemas! {
    Id: { "type": "string", "pattern": "^[0-9a-f]{32}$", "examples": ["0d9a3c51f6e84b27a1c5e09d7f3b8642"] },
    Sha256: {
        "type": "string", "pattern": "^[0-9a-f]{64}$",
        "examples": ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    },
    Day: { "type": "string", "format": "date", "examples": ["2026-11-22"] },
    Moment: { "type": "string", "format": "date-time", "examples": ["2026-11-22T08:30:00.5Z"] },
    FaceBox: {
        "type": "array", "items": { "type": "number" }, "minItems": 4, "maxItems": 4, "examples": [[420, 180, 96, 128]],
    },
}
