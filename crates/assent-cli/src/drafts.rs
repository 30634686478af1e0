//! The drafts that a new vault of an organisation gets: the notice, the release form to print, and the impact assessment.
//! What the program knows is filled in; what only the organisation knows stands in square brackets.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use askama::Template;
use assent::ledger::{Ledger, Settings, VaultKind};

use crate::error::CommandError;
use crate::output::date;
use crate::vault::now;

/// In the vault's folder.
const FOLDER: &str = "drafts";

/// The form to print and sign.
pub(crate) const RELEASE: &str = "release.html";

#[derive(Template)]
#[template(path = "notice.txt", escape = "none")]
struct Notice<'a> {
    s: &'a Settings,
}

#[derive(Template)]
#[template(path = "release.html")]
struct Release<'a> {
    s: &'a Settings,
    household: bool,
}

#[derive(Template)]
#[template(path = "dpia.md", escape = "none")]
struct Dpia<'a> {
    s: &'a Settings,
    rules: String,
    pieces: Vec<&'static str>,
    today: String,
}

/// Writes the drafts; for a household the form alone. Returns their folder. Files that are there are left as they are: somebody may have filled them in.
///
/// # Errors
///
/// [`CommandError::Io`] if one cannot be written.
pub(crate) fn write(vault: &Path, ledger: &Ledger) -> Result<PathBuf, CommandError> {
    let folder = vault.join(FOLDER);
    let settings = ledger.settings();
    let seat = settings.seat();
    let rules = ledger.rules().rules(&[&seat]);
    let dpia = Dpia {
        s: &settings,
        rules: rules.labels(),
        pieces: rules.required_documents().map(|(document, _)| document.title()).collect(),
        today: date(now()),
    };
    let household = ledger.kind() == VaultKind::Household;
    let mut drafts = vec![(RELEASE, Release { s: &settings, household }.render()?)];
    if !household {
        drafts.push(("notice.txt", Notice { s: &settings }.render()?));
        drafts.push(("dpia.md", dpia.render()?));
    }
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| CommandError::Io { op: "write", path, source }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(io(&folder))?;
    for (name, text) in drafts {
        let path = folder.join(name);
        if !path.exists() {
            let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(io(&path))?;
        }
    }
    Ok(folder)
}
