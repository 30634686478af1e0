//! A vault whose tables are in PostgreSQL, as whoever runs the program meets it. Without a server for the tests nothing is
//! looked at. And the means by which all other tests are run on such vaults (`ASSENT_TEST_DATABASE=postgres`).

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use assent::ledger::{ClockSource, Database, Postgres};
use tempfile::TempDir;

use super::{command, plain, stderr, stdout};

/// A password that must not be seen.
const PASSWORD: &str = "three-herons-by-the-lock";

/// The address of the server that is there for the tests.
fn server() -> Option<String> {
    variable("ASSENT_TEST_POSTGRES")
}

#[expect(clippy::disallowed_methods, reason = "a test may read its environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Runs statements as the owner of everything.
fn psql(sql: &str) {
    let output = Command::new("psql")
        .args(["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--dbname", &server().unwrap(), "--command", sql])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

/// The address of a schema that nobody else uses.
fn fresh_schema() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("c_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    psql(&format!("CREATE SCHEMA {name}"));
    format!("{}?options=-csearch_path%3D{name}", server().unwrap())
}

/// Whether all tests are to be run on vaults in PostgreSQL.
pub(super) fn on_postgres() -> bool {
    variable("ASSENT_TEST_DATABASE").is_some_and(|database| database == "postgres")
}

/// The arguments of a command; where it makes a vault and all tests are to be run on PostgreSQL, there.
pub(super) fn placed(home: &Path, args: &[&str]) -> Vec<String> {
    let mut placed: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let makes = args.contains(&"init") || args.contains(&"restore");
    if on_postgres() && makes && !args.contains(&"--database") {
        let named = args.iter().position(|arg| *arg == "--vault").map(|at| PathBuf::from(args[at + 1]));
        let folder = named.unwrap_or_else(|| home.join("assent/vault"));
        if !folder.join("database").exists() {
            placed.extend(["--database".to_owned(), fresh_schema()]);
        }
    }
    placed
}

/// The database of the vault in a folder, as its file says.
pub(super) fn of(folder: &Path) -> Database {
    let Ok(record) = fs::read_to_string(folder.join("database")) else { return Database::Sqlite };
    let address = record.lines().find_map(|line| line.strip_prefix("address ")).unwrap();
    at(address)
}

/// A place for a new vault whose time the test says, in a folder.
pub(super) fn fresh(folder: &Path) -> Database {
    if !on_postgres() {
        return Database::Sqlite;
    }
    let address = fresh_schema();
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("database"), format!("assent database v1\naddress {address}\n")).unwrap();
    at(&address)
}

/// Tests say what time it is, and the commands ask the server.
fn at(address: &str) -> Database {
    let (address, clock) = (address.parse().unwrap(), ClockSource::Caller);
    Database::Postgres(Box::new(Postgres { address, password: None, certificates: None, clock }))
}

/// Whose clock counts, in the words of a message.
pub(super) fn whose_clock() -> &'static str {
    if on_postgres() { "he clock of the database's server says " } else { "his machine's clock says " }
}

/// Somebody who makes a vault on a server.
struct Owner {
    home: TempDir,
    address: String,
    password: Option<&'static str>,
}

impl Owner {
    fn new() -> Option<Self> {
        server()?;
        let home = tempfile::tempdir().unwrap();
        let address = fresh_schema();
        Some(Self { home, address, password: None })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn vault(&self, vault: &str, args: &[&str]) -> Output {
        let folder = self.path(vault);
        let mut command = command(self.home.path(), [&["--vault", folder.to_str().unwrap()], args].concat());
        if let Some(password) = self.password {
            command.env("ASSENT_DATABASE_PASSWORD", password);
        }
        let output = command.output().unwrap();
        let (out, err) = (stdout(&output), stderr(&output));
        plain::check(args, &out, &err);
        assert!(!out.contains(PASSWORD) && !err.contains(PASSWORD), "{args:?}: {out}{err}");
        output
    }

    fn says(&self, args: &[&str]) -> String {
        let output = self.vault("vault", args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        stdout(&output)
    }

    fn refused(&self, args: &[&str]) -> String {
        self.refused_in("vault", args)
    }

    fn refused_in(&self, vault: &str, args: &[&str]) -> String {
        let output = self.vault(vault, args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", stdout(&output));
        stderr(&output)
    }

    fn init(address: &str) -> Vec<String> {
        ["init", "--household", "--name", "Ann", "--database", address].map(str::to_owned).to_vec()
    }

    fn record(&self) -> PathBuf {
        self.path("vault/database")
    }

    /// The database is somewhere else now, the folder says.
    fn moved(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.record()).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(self.record(), text.replacen(from, to, 1)).unwrap();
    }
}

fn words(line: &[String]) -> Vec<&str> {
    line.iter().map(String::as_str).collect()
}

#[test]
fn a_vault_on_a_server_is_found_there_by_every_command_and_is_the_only_one_there() {
    let Some(owner) = Owner::new() else { return };
    let init = Owner::init(&owner.address);
    let said = owner.says(&words(&init));
    assert!(said.contains("Its tables are in the database postgres at 127.0.0.1:"), "{said}");
    let record = fs::read_to_string(owner.record()).unwrap();
    assert_eq!(record, format!("assent database v1\naddress {}\n", owner.address));
    assert!(!owner.path("vault/assent.db").exists());
    owner.says(&["subject", "add", "mo", "--name", "Mo"]);
    assert!(owner.says(&["subject", "list"]).contains("mo\tMo"));
    let doctor = stdout(&owner.vault("vault", &["doctor"]));
    assert!(doctor.contains("good\tdatabase: PostgreSQL 1") && doctor.contains("nothing is encrypted"), "{doctor}");

    assert!(owner.refused(&words(&init)).contains("there is a vault at"), "the same again");
    let second = owner.refused_in("other", &words(&init));
    assert!(second.contains("holds a vault already; name another database, or another schema"), "{second}");
    assert!(!owner.path("other/database").exists(), "nothing leads to somebody else's vault");
    let another = Owner::init("postgres://ann@localhost/another");
    let another = words(&another);
    assert!(owner.refused(&another).contains("there is a vault at"), "another one in its folder");
    assert!(owner.says(&["subject", "list"]).contains("mo\tMo"), "and nothing happened to the first one");
    // What is left of a vault that was never made names its database.
    owner.moved(&owner.address, &fresh_schema());
    let other = owner.refused(&another);
    assert!(other.contains("says that the vault's tables are in") && other.contains("leave --database out"), "{other}");
    owner.says(&["init", "--household", "--name", "Ann", "--key-ring", owner.path("ring").to_str().unwrap()]);
}

#[test]
fn a_password_is_never_in_an_address_and_never_shown() {
    let Some(mut owner) = Owner::new() else { return };
    let cases = [
        owner.address.replacen('@', &format!(":{PASSWORD}@"), 1),
        format!("{}&password={PASSWORD}", owner.address),
        owner.address.replacen('@', &format!(":{PASSWORD}@@"), 1),
    ];
    for address in &cases {
        for json in [false, true] {
            let mut args = Owner::init(address);
            args.extend(json.then(|| "--json".to_owned()));
            let said = owner.refused(&words(&args));
            assert!(said.contains("holds a password") && said.contains("ASSENT_DATABASE_PASSWORD_FILE"), "{said}");
            assert!(!owner.record().exists());
        }
    }
    // A role for whom the server wants a password; another test may make it, too.
    psql(&format!(
        "DO $$ BEGIN CREATE ROLE asked_too LOGIN SUPERUSER PASSWORD '{PASSWORD}'; EXCEPTION WHEN OTHERS THEN NULL; END $$"
    ));
    let user = owner.address.split_once('@').unwrap().0.to_owned();
    let init = Owner::init(&owner.address.replacen(&user, "postgres://asked_too", 1));
    let said = owner.refused(&words(&init));
    assert!(
        said.contains("without a password: put it into the environment variable ASSENT_DATABASE_PASSWORD"),
        "{said}"
    );
    owner.password = Some("swans");
    let said = owner.refused(&words(&init));
    assert!(said.contains("is the password right? It was taken from ASSENT_DATABASE_PASSWORD"), "{said}");
    assert!(!said.contains("swans") && !owner.record().exists(), "{said}");
    owner.password = Some(PASSWORD);
    owner.says(&words(&init));
    owner.says(&["doctor", "--help"]);
    for entry in fs::read_dir(owner.path("vault")).unwrap() {
        let path = entry.unwrap().path();
        assert!(
            path.is_dir() || !fs::read_to_string(&path).unwrap_or_default().contains(PASSWORD),
            "{}",
            path.display()
        );
    }
    owner.password = None;
    let said = owner.refused(&["subject", "list"]);
    assert!(said.contains("without a password"), "{said}");
    fs::write(owner.path("word"), format!("{PASSWORD}\n")).unwrap();
    let by_file = |file: &str| {
        command(owner.home.path(), ["--vault", owner.path("vault").to_str().unwrap(), "subject", "list"])
            .env("ASSENT_DATABASE_PASSWORD_FILE", owner.path(file))
            .output()
            .unwrap()
    };
    assert!(by_file("word").status.success(), "{}", stderr(&by_file("word")));
    let said = stderr(&by_file("nowhere"));
    assert!(said.contains("the password of the database cannot be read"), "{said}");
}

#[test]
fn what_is_wrong_with_the_server_is_one_sentence_and_the_next_command_goes_on() {
    let Some(owner) = Owner::new() else { return };
    owner.says(&words(&Owner::init(&owner.address)));
    let before = fs::read_to_string(owner.record()).unwrap();
    let port = owner.address.split_once("@127.0.0.1:").unwrap().1.split_once('/').unwrap().0.to_owned();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let cases = [
        ("no server", port.as_str(), nobody.as_str(), "no database server answers there"),
        ("no database", "/postgres?", "/nothing?", "the server has no database of this name"),
        ("no schema", "search_path%3Dc_", "search_path%3Dx_", "the database has no such schema"),
        ("another machine", "@127.0.0.1:", "@db.assent.test:", "no database server answers there"),
        ("no TLS asked for", "options=", "hostaddr=192.0.2.1&sslmode=disable&options=", "proves its name by TLS"),
        ("no address", "address postgres", "address x", "this is no address of a PostgreSQL database"),
        ("a line of something", "address", "colour blue\naddress", "does not say where the database is"),
        ("a newer file", "v1", "v2", "was written by a newer assent"),
    ];
    for (flaw, from, to, sentence) in cases {
        owner.moved(from, to);
        let said = owner.refused(&["subject", "list"]);
        assert!(said.lines().next().unwrap().contains(sentence), "{flaw}: {said}");
        let doctor = owner.vault("vault", &["doctor"]);
        assert_eq!(doctor.status.code(), Some(1));
        assert!(stdout(&doctor).contains("MISSING\tvault: "), "{flaw}: {}", stdout(&doctor));
        assert!(stdout(&doctor).contains(sentence), "{flaw}: {}", stdout(&doctor));
        fs::write(owner.record(), &before).unwrap();
        owner.says(&["subject", "list"]);
    }
    // A schema with nothing in it.
    let empty = fresh_schema();
    owner.moved(&owner.address, &empty);
    let said = owner.refused(&["subject", "list"]);
    assert!(said.contains("holds no vault, although") && said.contains("is it the right database?"), "{said}");
}

#[test]
fn a_standby_answers_and_refuses_what_writes() {
    let Some(owner) = Owner::new() else { return };
    owner.says(&words(&Owner::init(&owner.address)));
    owner.says(&["subject", "add", "mo", "--name", "Mo"]);
    owner.moved("search_path", "default_transaction_read_only%3Don%20-csearch_path");
    assert!(owner.says(&["subject", "list"]).contains("mo\tMo"));
    let said = owner.refused(&["subject", "add", "zoe", "--name", "Zoe"]);
    assert!(said.contains("the database can only be read: it is a standby"), "{said}");
    let doctor = stdout(&owner.vault("vault", &["doctor"]));
    assert!(doctor.contains("MISSING\tdatabase: ") && doctor.contains("it can only be read"), "{doctor}");
    owner.moved("default_transaction_read_only%3Don%20-csearch_path", "search_path");
    assert!(!owner.says(&["subject", "list"]).contains("Zoe"));
    owner.says(&["subject", "add", "zoe", "--name", "Zoe"]);
}

#[test]
fn over_a_network_the_server_proves_its_name() {
    let Some(owner) = Owner::new() else { return };
    let folder = PathBuf::from(variable("ASSENT_TEST_CERTIFICATES").unwrap());
    let far = owner.address.replacen("@127.0.0.1:", "@db.assent.test:", 1) + "&hostaddr=127.0.0.1";
    let with = |authority: &str| {
        let mut init = Owner::init(&far);
        let file = folder.join(authority).to_str().unwrap().to_owned();
        init.extend(["--database-ca".to_owned(), file]);
        init
    };
    for init in [with("other.pem"), Owner::init(&far)] {
        let said = owner.refused(&words(&init));
        assert!(said.contains("did not prove that it is the right one"), "{said}");
        assert!(!owner.record().exists(), "nothing half-done");
    }
    owner.says(&words(&with("ca.pem")));
    let doctor = stdout(&owner.vault("vault", &["doctor"]));
    assert!(doctor.contains("the way there is encrypted (TLSv1."), "{doctor}");
    owner.moved("ca.pem", "other.pem");
    let said = owner.refused(&["subject", "list"]);
    assert!(said.contains("did not prove that it is the right one"), "{said}");
}

#[test]
fn a_copy_of_the_key_ring_on_another_machine_is_refused_until_somebody_says_that_it_counts() {
    let Some(owner) = Owner::new() else { return };
    owner.says(&words(&Owner::init(&owner.address)));
    owner.says(&["subject", "add", "mo", "--name", "Mo"]);
    // Another machine: the file that names the database, and a copy of the keys.
    fs::create_dir(owner.path("other")).unwrap();
    fs::copy(owner.record(), owner.path("other/database")).unwrap();
    let name = fs::read_to_string(owner.path("vault/key-ring-name")).unwrap();
    let copy = owner.path("copy").to_str().unwrap().to_owned();
    fs::copy(owner.path("assent/keys").join(name.trim()), &copy).unwrap();
    let at = |args: &[&'static str]| [args, &["--key-ring", copy.as_str()]].concat();
    let said = owner.refused_in("other", &at(&["subject", "list"]));
    assert!(
        said.contains("is a copy of the one that this vault is used with") && said.contains("assent keys adopt"),
        "{said}"
    );
    let doctor = owner.vault("other", &at(&["doctor"]));
    assert!(stdout(&doctor).contains("assent keys adopt"), "{}", stdout(&doctor));
    owner.says(&["erase", "mo", "--yes"]);
    // The first machine burns down.
    let adopted = owner.vault("other", &at(&["keys", "adopt"]));
    assert!(adopted.status.success(), "{}", stderr(&adopted));
    assert!(stdout(&adopted).contains("is used with the key ring"), "{}", stdout(&adopted));
    assert!(stderr(&adopted).contains("had to be destroyed in it again"), "{}", stderr(&adopted));
    let listed = owner.vault("other", &at(&["subject", "list"]));
    assert!(listed.status.success() && !stdout(&listed).contains("Mo"), "{}", stderr(&listed));
    assert!(owner.refused(&["subject", "list"]).contains("is a copy of the one"), "and did not");
}

#[test]
fn several_folders_lead_to_one_vault_by_one_key_ring() {
    let Some(owner) = Owner::new() else { return };
    owner.says(&words(&Owner::init(&owner.address)));
    let name = fs::read_to_string(owner.path("vault/key-ring-name")).unwrap();
    fs::create_dir(owner.path("other")).unwrap();
    fs::copy(owner.record(), owner.path("other/database")).unwrap();
    // By another name of the same file.
    let link = owner.path("link").to_str().unwrap().to_owned();
    std::os::unix::fs::symlink(owner.path("assent/keys").join(name.trim()), &link).unwrap();
    let other = |args: &[&str]| {
        let output = owner.vault("other", &[args, &["--key-ring", link.as_str()]].concat());
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        stdout(&output)
    };
    owner.says(&["subject", "add", "mo", "--name", "Mo"]);
    other(&["subject", "add", "zoe", "--name", "Zoe"]);
    assert!(other(&["subject", "list"]).contains("mo\tMo") && owner.says(&["subject", "list"]).contains("zoe\tZoe"));
    owner.says(&["rotate", "--all"]);
    assert!(other(&["subject", "show", "mo"]).contains("Mo (mo)"), "with the key of the other one's rotation");
    other(&["erase", "mo", "--yes"]);
    assert!(!owner.says(&["subject", "list"]).contains("Mo"));
    let log = owner.says(&["--json", "audit", "show", "--kind", "erasure-done"]);
    assert_eq!(log.matches("\"kind\":\"erasure done\"").count(), 1, "{log}");
    owner.says(&["audit", "verify"]);
}
