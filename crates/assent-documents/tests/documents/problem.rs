//! What an error is about, as data.

use std::error::Error;
use std::path::PathBuf;

use assent::find::PictureError;
use assent::ledger::{RequestId, RuleError, TxError};
use assent::scan::ScanError;
use assent_documents::problem::fields;
use serde_json::{Value, json};

#[test]
fn an_error_says_as_data_what_it_is_about_and_names_nobody() {
    let check = |name: &str, error: &(dyn Error + 'static), expected: Value| {
        assert_eq!(json!(fields(error)), expected, "{name}");
    };
    let request = RequestId::from_bytes([0xab; 16]);
    let overdue = TxError::Overdue { request, days: 3 };
    check("of the ledger", &overdue, json!({ "request": "ab".repeat(16), "days_overdue": 3 }));
    check("in another one", &ScanError::from(overdue), json!({ "request": "ab".repeat(16), "days_overdue": 3 }));
    let young = RuleError::TooYoung { years: 12, pack: "EU".to_owned() };
    check("of the law", &TxError::from(young), json!({ "years": 12, "law": "EU" }));
    let file = PathBuf::from("a.jpg");
    check("a path", &PictureError::Changed { path: file }, json!({ "file": "a.jpg" }));
    check("about nothing", &TxError::CollectionExists, json!({}));
    check("of somebody else", &std::fmt::Error, json!({}));
}
