//! A Python with what a peer needs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Error;

/// A module: how it is imported, and how `pip` calls it.
pub(crate) type Module = (&'static str, &'static str);

/// An interpreter that has some modules.
#[derive(Debug)]
pub(crate) struct Python {
    program: PathBuf,
    /// Their versions, by the name of the import.
    pub(crate) versions: Value,
}

impl Python {
    /// The interpreter `program`, or that of the environment `bench/.venv`, which is made on first use.
    ///
    /// # Errors
    ///
    /// If `program` lacks a module, or the environment cannot be made.
    pub(crate) fn ready(program: Option<&Path>, modules: &[Module]) -> Result<Python, Error> {
        if let Some(program) = program {
            let versions = versions(program, modules).map_err(|e| missing_modules(program, modules, &e))?;
            return Ok(Python { program: program.to_owned(), versions });
        }
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv");
        let program = dir.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
        if !program.is_file() {
            eprintln!("making a Python environment for the peers in {}", dir.display());
            output(Command::new("python3").args(["-m", "venv"]).arg(&dir)).map_err(|e| {
                format!(
                    "{e}\ninstall python3 with its module venv (Debian: python3-venv), or name a Python with --python"
                )
            })?;
        }
        if versions(&program, modules).is_err() {
            eprintln!("installing {} there", names(modules).join(", "));
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
            output(Command::new(&program).args(pip).args(names(modules))).map_err(|e| {
                let dir = dir.display();
                format!("{e}\ncheck the network, delete {dir} and run this again, or name a Python with --python")
            })?;
        }
        let versions = versions(&program, modules).map_err(|e| missing_modules(&program, modules, &e))?;
        Ok(Python { program, versions })
    }

    /// A run of a script, whose arguments are to be added.
    pub(crate) fn script(&self, script: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(script);
        command
    }
}

fn names(modules: &[Module]) -> Vec<&'static str> {
    modules.iter().map(|(_, name)| *name).collect()
}

fn versions(program: &Path, modules: &[Module]) -> Result<Value, Error> {
    let imports: Vec<&str> = modules.iter().map(|(import, _)| *import).collect();
    let script = format!(
        "import json, {0}; print(json.dumps({{m.__name__: m.__version__ for m in ({0},)}}))",
        imports.join(", ")
    );
    Ok(serde_json::from_str(output(Command::new(program).args(["-c", &script]))?.trim())?)
}

fn missing_modules(program: &Path, modules: &[Module], error: &Error) -> String {
    let (program, modules) = (program.display(), names(modules).join(" "));
    format!("{error}\nthe peers cannot run on {program}; `{program} -m pip install {modules}` installs what they need")
}

/// Runs a program and gives what it prints; its complaints are part of the error.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let done = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot start {program} ({e}); check that it is installed"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        return Err(format!("{program} failed ({}): {}", done.status, said.trim()).into());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
