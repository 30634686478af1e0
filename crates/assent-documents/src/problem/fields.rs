//! What an error is about, as data: numbers, ids, paths, words. Nobody's name is among it, and no key.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

use assent::enrol::EnrolError;
use assent::export::HandOutError;
use assent::find::PictureError;
use assent::ledger::{
    BackupError, CollectionId, ExportError, FaceId, GrantId, KeyRingError, OpenError, OrderId, PendingId, PhotoId,
    RequestId, RestoreError, RuleError, SealError, SubjectId, TxError, WitnessId,
};
use assent::packs::PackError;
use assent::scan::ScanError;
use assent::service::collections::CollectionError;
use assent::service::requests::RequestError;
use assent::set_apart::SetApartError;
use assent::source::SourceError;
use serde_json::{Number, Value};

use crate::json::text;

/// What an error is about, by the names that answers use.
pub type Fields = BTreeMap<&'static str, Value>;

/// Something that an error is about.
trait Field {
    fn value(&self) -> Value;
}

macro_rules! field {
    ($($kind:ty),+: $value:expr) => {
        $(impl Field for $kind {
            fn value(&self) -> Value {
                let value: fn(&$kind) -> Value = $value;
                value(self)
            }
        })+
    };
}

field!(CollectionId, GrantId, OrderId, PendingId, RequestId, SubjectId, WitnessId: |id| id.to_string().into());
field!(FaceId, PhotoId: |id| id.0.into());
field!(String: |text| text.clone().into());
field!(&'static str: |text| (*text).into());
field!(PathBuf: |path| text(path).into());
field!(u8, u32, u64, usize, i64: |n| Value::Number(Number::from(*n)));

macro_rules! fields {
    ($($kind:ident [$($inner:ident),*] {
        $($variant:ident { $($field:ident: $name:literal),+ })*
    })+) => {
        #[allow(unreachable_patterns, reason = "some errors are listed whole")]
        /// What an error is about. Of an error that is another one, as a refusal of the ledger is, that of the other.
        pub fn fields(error: &(dyn Error + 'static)) -> Fields {
            $(if let Some(error) = error.downcast_ref::<$kind>() {
                return match error {
                    $($kind::$inner(inner) => fields(inner),)*
                    $($kind::$variant { $($field,)+ .. } => Fields::from([$(($name, $field.value())),+]),)*
                    _ => Fields::new(),
                };
            })+
            Fields::new()
        }
    };
}

fields! {
    TxError [KeyRing, Seal, Rule] {
        CommitUnknown { transaction: "transaction" }
        Damaged { table: "table" }
        NoLeaf { position: "position" }
        NotErased { subject: "subject" }
        NoCollection { collection: "collection_id" }
        NobodyReadable { people: "people" }
        AmbiguousSubject { count: "people" }
        NoGrant { grant: "consent" }
        NoWitness { witness: "witness" }
        NoFace { face: "number" }
        RequestsOpen { count: "requests" }
        Frozen { collection: "collection_id" }
        Stopped { order: "order" }
        NoOrder { order: "order" }
        NoBasis { collection: "collection_id" }
        OnRequest { collection: "collection_id" }
        NotAsked { request: "request" }
        Restricted { subject: "subject" }
        ClockAhead { now: "now", latest: "latest" }
        ClockSetBack { now: "now", latest: "latest" }
        Overdue { request: "request", days: "days_overdue" }
        NoRequest { request: "request" }
        RequestStep { request: "request" }
        NoCrops { collection: "collection_id" }
        Witnesses { needed: "needed", given: "given" }
        NoWitnessKey { witness: "witness" }
        WitnessHasKey { witness: "witness" }
        WitnessPassphrase { witness: "witness" }
        NotSigned { witness: "witness" }
        SignedTwice { witness: "witness" }
        WrongSignature { witness: "witness" }
        NothingToSign { witness: "witness" }
        OtherWitness { pending: "pending", witness: "witness" }
        NoPending { pending: "pending" }
        PendingExists { pending: "pending" }
        NotActive { grant: "consent" }
        OtherPurpose { grant: "consent" }
        OtherCollection { grant: "consent" }
        NotProposed { face: "number" }
        Erased { subject: "subject" }
    }
    RuleError [] {
        TooYoung { years: "years", pack: "law" }
        ParentMissing { years: "years" }
        TooLong { latest: "until", pack: "law" }
        NoRepresentative { pack: "law" }
        Missing { collection: "collection_id", pack: "law" }
        ReviewOverdue { collection: "collection_id", since: "since" }
    }
    SealError [] {
        Newer { table: "table", version: "format" }
        DoesNotOpen { table: "table" }
    }
    KeyRingError [] {
        Missing { path: "key_ring" }
        Exists { path: "key_ring" }
        NotARing { path: "key_ring" }
        Newer { path: "key_ring", version: "format" }
        WrongVault { path: "key_ring" }
        TooOpen { path: "key_ring" }
        Locked { path: "key_ring" }
        WrongSecret { path: "key_ring" }
        NotLocked { path: "key_ring" }
        Damaged { path: "key_ring", slot: "slot" }
        NoKey { subject: "subject" }
        NoSecret { grant: "consent" }
        Destroyed { subject: "subject" }
        Io { op: "operation", path: "file" }
    }
    OpenError [KeyRing] {
        NoVault { folder: "folder" }
        VaultExists { folder: "folder" }
        Busy { folder: "folder" }
        HalfRestored { folder: "folder" }
        Newer { folder: "folder", format: "format" }
        RingInside { ring: "key_ring" }
        RingElsewhere { ring: "key_ring" }
        Io { op: "operation", path: "file" }
        Database { folder: "folder" }
        OtherKeys { folder: "folder", people: "people" }
        Tampered { folder: "folder" }
        Resume { folder: "folder" }
    }
    BackupError [Ledger, KeyRing] {
        RingInside { ring: "key_ring" }
        Copy { folder: "folder" }
        Io { op: "operation", path: "file" }
    }
    RestoreError [] {
        NoBackup { folder: "folder" }
        OldRing { signed: "signed", known: "known" }
        Io { op: "operation", path: "file" }
    }
    ExportError [] {
        Io { path: "file" }
        OtherLog { folder: "folder" }
    }
    EnrolError [Ledger] {
        Portrait { picture: "picture" }
        CopyOfPhoto { picture: "picture" }
        OtherPerson { picture: "picture" }
        ReleaseIsPortrait { picture: "picture" }
        Comparison { picture: "picture" }
    }
    ScanError [Ledger, Source] {
        EmptyFolder { folder: "folder", known: "known" }
    }
    CollectionError [Ledger, Source] {
        AllMissing { folder: "folder", known: "known" }
        NotScanned { new: "photos" }
        SameFolder { folder: "folder", name: "collection" }
        WrongFolder { folder: "folder", there: "known_there", known: "known" }
    }
    RequestError [Ledger, Source] {
        NoAlbum { album: "album", collection: "collection" }
    }
    SetApartError [Ledger, Picture] {
        NoPhoto { path: "photo" }
    }
    SourceError [] {
        Unreadable { path: "folder" }
        NotText { path: "file" }
    }
    HandOutError [] {
        InsideCollection { path: "file", collection: "collection" }
        AroundCollection { path: "file", collection: "collection" }
        Foreign { folder: "folder", file: "file" }
        Exists { path: "file" }
        Io { op: "operation", path: "file" }
    }
    PictureError [] {
        Missing { path: "file" }
        Unreadable { path: "file" }
        Decode { path: "file" }
        Changed { path: "file" }
    }
    PackError [] {
        NoCard { dir: "folder" }
        LicenceNotAccepted { card: "file", licence: "licence" }
        FileMissing { path: "file" }
        FileSize { path: "file", expected: "expected", got: "got" }
        FileHash { path: "file" }
        Unlisted { path: "file" }
    }
}
