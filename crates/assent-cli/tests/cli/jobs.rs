//! `assent jobs`: what runs in other programs and how it ended, from outside.

use std::fs;
use std::process::{Child, Output, Stdio};

use serde_json::Value;

use super::database;
use super::rights::ClubFixture;
use super::walk::{packs, runtime};
use super::witnesses::club;
use super::{command, stderr, stdout};

fn jobs(club: &ClubFixture, more: &[&str]) -> Vec<Value> {
    club.run(&[&["jobs"], more].concat())["jobs"].as_array().unwrap().clone()
}

#[test]
fn whatever_takes_long_is_a_job_and_each_is_told_in_everyday_words() {
    let club = club();
    assert_eq!(club.says(&["jobs"]), "No job ran yet: no scan, no table of people, no copies.\n");
    club.run(&["tick"]);
    let table = "id,name,photos,release,witnesses,born,jurisdiction\nm-7,Max Member,1.jpg,5.jpg,Nobody,adult,EU\n";
    fs::write(club.file("people.csv"), table).unwrap();
    let (people, notice) = (club.file("people.csv"), club.file("notice.txt"));
    let refused = club.try_run(&["enrol", "--roster", &people, "--notice", &notice]);
    assert!(!refused.status.success());
    assert!(club.try_run(&["enrol", "--roster", &people, "--notice", &notice, "--dry-run"]).status.code() == Some(1));
    club.run(&["find", "m-1", "--copy-to", &club.file("copies")]);
    club.run(&["find", "--all", "--copy-to", &club.file("for all")]);
    club.run(&["find", "m-1"]);
    let told = |jobs: &[Value]| {
        let words = |job: &Value| ["job", "task", "state"].map(|key| job[key].to_string().replace('"', ""));
        jobs.iter().map(words).collect::<Vec<_>>()
    };
    let all = jobs(&club, &["--all"]);
    let expected = [
        ["4", "copies-for-all", "done"],
        ["3", "copies-for-one", "done"],
        ["2", "enrolments", "failed"],
        ["1", "tick", "done"],
    ];
    assert_eq!(told(&all), expected);
    assert_eq!(all[2]["code"], "roster-problems");
    assert_eq!((&all[3]["done"], &all[3]["total"]), (&4.into(), &4.into()));
    let asker = (&all[0]["asked_by"]["role"], &all[0]["asked_by"]["via"], &all[0]["asked_by"]["account"]);
    assert_eq!(asker, (&"operator".into(), &"terminal".into(), &Value::Null));
    assert_eq!(told(&jobs(&club, &[])), [expected[0], expected[2], expected[3]], "the newest of each kind");
    let says = club.says(&["jobs", "--all"]);
    for part in ["4\tcopies for everybody\tdone on ", "3\tcopies for one person\t", "(problems in the table)"] {
        assert!(says.contains(part), "{part}: {says}");
    }
    assert!(!says.contains("m-1") && !says.contains("Mia"), "a record names nobody: {says}");
    let refused = |number: &str| stderr(&club.try_run(&["jobs", "cancel", number]));
    assert!(refused("4").contains("job 4 does not run any more; nothing was stopped"), "{}", refused("4"));
    assert!(refused("9").contains("there is no job 9; `assent jobs --all` shows"), "{}", refused("9"));
}

/// A club with photos to scan, for which models are needed.
struct Scanned {
    club: ClubFixture,
}

impl Scanned {
    fn new(photos: usize) -> Self {
        let club = ClubFixture::new();
        let crew = packs().join("photos/crew/photos");
        let mut all: Vec<_> = fs::read_dir(crew).unwrap().map(|entry| entry.unwrap().path()).collect();
        all.sort();
        for (n, photo) in all.iter().cycle().take(photos).enumerate() {
            fs::copy(photo, club.file(&format!("photos/{n}.jpg"))).unwrap();
        }
        Self { club }
    }

    fn start(&self) -> Child {
        let vault = self.club.vault();
        let args = database::placed(self.club.home(), &["--vault", &vault, "--json", "scan", "trip", "--threads", "1"]);
        let mut command = command(self.club.home(), args);
        command.env("ASSENT_PACKS", packs()).env("ASSENT_RUNTIME", runtime());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The newest job, when it is so.
    fn job_when(&self, is: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(job) = jobs(&self.club, &[]).into_iter().next().filter(&is) {
                return job;
            }
        }
    }

    fn runs(&self) -> Value {
        self.job_when(|job| job["state"] == "running" && job["done"].as_u64() > Some(0))
    }
}

fn answer(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_str(&stdout(output)).unwrap()
}

#[test]
fn a_scan_is_watched_stopped_killed_and_goes_on_from_other_programs() {
    let photos = 60;
    let w = Scanned::new(photos);
    let scan = w.start();
    let running = w.runs();
    assert_eq!((&running["total"], &running["collection"]), (&photos.into(), &"trip".into()));
    let number = running["job"].to_string();
    let second = w.start().wait_with_output().unwrap();
    let says = stderr(&second);
    assert!(says.contains("\"job-runs\"") && says.contains(&format!("assent jobs cancel {number}")), "{says}");
    let told = w.club.says(&["jobs"]);
    assert!(told.contains(&format!("{number}\tscan of trip\trunning since ")), "{told}");
    w.club.says(&["jobs", "cancel", &number]);
    let stopped = answer(&scan.wait_with_output().unwrap());
    assert_eq!(stopped["stopped"], true, "{stopped}");
    let record = w.job_when(|_| true);
    assert_eq!((&record["state"], &record["cancelled_by"]["role"]), (&"cancelled".into(), &"operator".into()));
    assert_eq!(record["counts"]["looked-at"], stopped["looked_at"], "what the record says is what was done");

    let mut scan = w.start();
    w.runs();
    scan.kill().unwrap();
    scan.wait().unwrap();
    let killed = w.job_when(|job| job["state"] == "interrupted");
    assert!(killed["ended"].is_string(), "{killed}");
    let before = stopped["looked_at"].as_u64().unwrap();
    let rest = answer(&w.start().wait_with_output().unwrap());
    let (looked_at, unchanged) = (rest["looked_at"].as_u64().unwrap(), rest["unchanged"].as_u64().unwrap());
    assert_eq!(looked_at + unchanged, photos as u64, "{rest}");
    assert!(unchanged > before, "what the killed scan had stored is kept: {rest}");
    let states: Vec<_> = jobs(&w.club, &["--all"]).iter().map(|job| job["state"].to_string()).collect();
    assert_eq!(states, ["\"done\"", "\"interrupted\"", "\"cancelled\""]);
}
