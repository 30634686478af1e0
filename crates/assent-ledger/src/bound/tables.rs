//! Which tables are bound, and by which of their columns.

/// A table whose rows decide something.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// What one row is, in everyday words.
    pub(crate) row: &'static str,
    pub(crate) key: &'static [&'static str],
    /// What is bound besides the key, in the order of the MAC. What is left out decides nothing and changes often.
    pub(crate) columns: &'static [&'static str],
    /// Columns that a later format added: where they are NULL the MAC is that of before.
    pub(crate) added: &'static [&'static str],
    /// Whether a row keeps its own MAC. Where it does not, the sum alone says that a row is as it was written.
    pub(crate) own_mac: bool,
    /// Whether the rows are counted whenever the vault is opened, and not in an audit alone.
    pub(crate) at_opening: bool,
}

const fn table(
    name: &'static str,
    row: &'static str,
    key: &'static [&'static str],
    columns: &'static [&'static str],
) -> Table {
    Table { name, row, key, columns, added: &[], own_mac: true, at_opening: true }
}

/// The boxes of the faces belong to the row of their photo.
pub(crate) const PHOTOS: &str = "photos";
pub(crate) const FACES: &str = "faces";

/// The columns of a face, in the order of the MAC.
pub(crate) const FACE_COLUMNS: &[&str] =
    &["id", "x", "y", "w", "h", "quarter_turn", "score", "size_px", "sharpness", "luminance"];

pub(crate) const TABLES: &[Table] = &[
    table(
        "vault",
        "the vault's own record",
        &["one"],
        &["id", "format_version", "kind", "ring_check", "sealed", "created_ms", "ring_slots"],
    ),
    table(
        "collections",
        "a collection",
        &["id"],
        &["state", "others", "template_epoch", "keep_crops", "sealed", "created_ms", "removed_ms"],
    ),
    table("witnesses", "a witness", &["id"], &["sealed", "registered_ms"]),
    table("notices", "a notice", &["sha256"], &["name", "version", "language", "text", "created_ms"]),
    table(
        "orders",
        "an order to stop",
        &["id"],
        &["collection_id", "jurisdiction", "sealed", "from_ms", "until_ms", "lifted_ms"],
    ),
    Table {
        added: &["handle_tag", "name_tag"],
        ..table("subjects", "a person", &["id"], &["owner", "sealed", "created_ms", "restricted_ms"])
    },
    table(
        "grants",
        "a consent",
        &["id"],
        &[
            "subject_id",
            "collection_id",
            "purpose",
            "state",
            "notice_sha256",
            "valid_from_ms",
            "valid_until_ms",
            "sealed",
            "created_ms",
            "renews",
        ],
    ),
    table("refusals", "a refusal", &["id"], &["subject_id", "collection_id", "purpose", "notice_sha256", "created_ms"]),
    table(
        "requests",
        "a request",
        &["id"],
        &[
            "kind",
            "subject_id",
            "collection_id",
            "sealed",
            "received_ms",
            "due_ms",
            "first_due_ms",
            "paused_ms",
            "answered_ms",
            "outcome",
        ],
    ),
    table(
        "objections",
        "a face that was set apart",
        &["id"],
        &["collection_id", "content_tag", "picture_tag", "x", "y", "w", "h", "quarter_turn", "created_ms"],
    ),
    table(
        "pending_enrolments",
        "an enrolment that waits for its witnesses",
        &["id"],
        &["subject_id", "valid_until_ms", "sealed", "created_ms"],
    ),
    table(
        "tombstones",
        "the record of an erasure",
        &["subject_id"],
        &["erased_ms", "intent_leaf", "intent_salt", "done_leaf"],
    ),
    table("erasure_orders", "a list of people to erase", &["tag", "line"], &["subject_id"]),
    table("used_releases", "the mark of a form that was used", &["tag"], &[]),
    table("used_portraits", "the mark of a picture that was used", &["tag"], &["subject_id"]),
    Table {
        at_opening: false,
        ..table(
            PHOTOS,
            "a photo with its faces",
            &["id"],
            &[
                "collection_id",
                "path_tag",
                "content_tag",
                "picture_tag",
                "sealed",
                "bytes",
                "width",
                "height",
                "orientation",
                "outcome",
                "failure",
                "scanned_with",
                "searched_side_px",
                "searched_any_way_up",
                "searched_exhaustive",
                "taken_ms",
                "taken_offset_min",
                "taken_from",
            ],
        )
    },
    Table {
        own_mac: false,
        at_opening: false,
        ..table(
            "templates",
            "what somebody is recognised by",
            &["id"],
            &["grant_id", "model_sha256", "epoch", "sealed", "created_ms"],
        )
    },
    Table {
        own_mac: false,
        at_opening: false,
        ..table(
            "decisions",
            "what somebody decided about a photo",
            &["collection_id", "pseudonym", "face_id"],
            &["picture_tag", "content_tag", "x", "y", "w", "h", "quarter_turn", "sealed"],
        )
    },
    Table {
        own_mac: false,
        at_opening: false,
        ..table("log_openings", "what somebody is told of the log", &["pseudonym", "seq", "slot"], &["sealed"])
    },
    Table {
        own_mac: false,
        at_opening: false,
        ..table("log_accounts", "through which account something was asked for", &["seq"], &["sealed"])
    },
    Table {
        own_mac: false,
        at_opening: false,
        ..table(
            "blobs",
            "a part of a picture or a form that waits",
            &["id", "piece"],
            &["subject_id", "pending_id", "kind", "sealed", "created_ms"],
        )
    },
];

impl Table {
    /// Its place in [`TABLES`].
    pub(crate) fn find(name: &str) -> Option<usize> {
        TABLES.iter().position(|table| table.name == name)
    }

    /// The bound columns: the key, the others, those that were added.
    pub(crate) fn bound(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.key.iter().chain(self.columns).chain(self.added).copied()
    }

    pub(crate) fn width(&self) -> usize {
        self.first_added() + self.added.len()
    }

    /// Where among the bound columns those begin that were added.
    pub(crate) fn first_added(&self) -> usize {
        self.key.len() + self.columns.len()
    }

    pub(crate) fn has_faces(&self) -> bool {
        self.name == PHOTOS
    }

    /// `SELECT` of the bound columns, and of the MAC if it is kept, up to the table's name.
    pub(super) fn select(&self) -> String {
        let mac = if self.own_mac { ", mac" } else { "" };
        format!("SELECT {}{mac} FROM {}", self.bound().collect::<Vec<_>>().join(", "), self.name)
    }

    /// Conditions for the key, `$1` and on.
    pub(super) fn key_is(&self, first: usize) -> String {
        let all = self.key.iter().enumerate().map(|(i, column)| format!("{column} = ${}", i + first));
        all.collect::<Vec<_>>().join(" AND ")
    }
}
