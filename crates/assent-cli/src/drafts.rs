//! The drafts that a new vault gets, as files.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use assent::ledger::Ledger;
use assent_documents::dates::date;
use assent_documents::drafts::Drafts;

use crate::error::CommandError;
use crate::vault::now;

/// In the vault's folder.
const FOLDER: &str = "drafts";

/// Writes the drafts; for a household the form alone. Returns their folder. Files that are there are left as they are: somebody may have filled them in.
///
/// # Errors
///
/// [`CommandError::Io`] if one cannot be written.
pub(crate) fn write(vault: &Path, ledger: &Ledger) -> Result<PathBuf, CommandError> {
    let folder = vault.join(FOLDER);
    let settings = ledger.settings();
    let rules = ledger.rules();
    let drafts = Drafts {
        kind: ledger.kind(),
        settings: &settings,
        rules: &rules.rules(&[&settings.seat()]),
        today: now(),
        how_to_note: &how_to_note(&date(now())),
    };
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| CommandError::Io { op: "write", path, source }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(io(&folder))?;
    for (name, text) in drafts.files()? {
        let path = folder.join(name);
        if !path.exists() {
            let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(io(&path))?;
        }
    }
    Ok(folder)
}

/// The command that says where the impact assessment is kept.
fn how_to_note(today: &str) -> [String; 2] {
    [
        format!(
            "assent collection basis NAME --dpia \"WHERE IT IS\" --dpia-date {today} --dpia-review [A DAY WITHIN A YEAR] \\"
        ),
        "    --necessity \"[SEE 3]\" --alternative \"[SEE 3]\" --notice-public [THE DAY]".to_owned(),
    ]
}
