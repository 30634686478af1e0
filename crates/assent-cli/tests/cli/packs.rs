//! `assent packs`.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use assent::packs::{hex, sha256};
use serde_json::Value;

use super::server::{Answer, found, serve, status, unannounced};
use super::{assent, stderr, stdout};

const CARD: &str = include_str!("../../src/packs/opencv-sface.toml");
const DETECTOR: &str = "face_detection_yunet_2023mar.onnx";
const EMBEDDER: &str = "face_recognition_sface_2021dec.onnx";

fn shared() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/packs")
}

fn content(path: &str) -> Vec<u8> {
    path.rsplit('/').next().unwrap().as_bytes().repeat(3000)
}

/// The pack's card with other files: each holds its own name, many times.
fn card() -> String {
    let mut card = CARD.replace("name = \"opencv-sface\"", "name = \"small\"");
    for (name, bytes, hash) in [
        (DETECTOR, "232_589", "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"),
        (EMBEDDER, "38_696_353", "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79"),
    ] {
        let content = content(name);
        card = card.replace(bytes, &content.len().to_string()).replace(hash, &hex(&sha256(&content)));
    }
    card
}

type Serve = Box<dyn Fn(&str) -> Answer + Send>;

/// Runs `packs fetch` with the small card against `base`; returns the exit code, the error output and the folder.
fn fetch(home: &Path, base: &str) -> (Option<i32>, String, PathBuf) {
    let file = home.join("card.toml");
    fs::write(&file, card()).unwrap();
    let args = ["packs", "fetch", "--base-url", base, "--card", file.to_str().unwrap()];
    let output = assent(home, &args);
    (output.status.code(), stderr(&output), home.join("assent/packs/models/small"))
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn good(path: &str) -> Answer {
    found(content(path).len(), &content(path))
}

#[test]
fn a_fetched_pack_is_whole_and_verifies() {
    let home = tempfile::tempdir().unwrap();
    let (code, error, dir) = fetch(home.path(), &serve(good));
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert_eq!(
        files(&dir),
        ["LICENSE.apache-2.0.txt", "LICENSE.opencv_zoo_yunet.txt", DETECTOR, EMBEDDER, "pack.toml"]
    );
    assert_eq!(fs::read(dir.join(EMBEDDER)).unwrap(), content(EMBEDDER));

    let output = assent(home.path(), &["packs", "verify", "--json"]);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["packs"][0]["name"], "small");
    assert_eq!(value["packs"][0]["bands"], "review");
    assert_eq!(output.status.code(), Some(0));

    // What is there is not fetched again: the server is gone.
    let (code, error, _) = fetch(home.path(), &closed_port());
    assert_eq!((code, error.as_str()), (Some(0), ""));
}

#[test]
fn a_redirect_to_the_same_server_is_followed() {
    let home = tempfile::tempdir().unwrap();
    let base = serve(|path| match path.strip_prefix("/moved") {
        Some(path) => good(path),
        None => status("302 Found", &format!("Location: /moved{path}\r\n")),
    });
    let (code, error, _) = fetch(home.path(), &base);
    assert_eq!((code, error.as_str()), (Some(0), ""));
}

/// A port that nobody listens on.
fn closed_port() -> String {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("http://{address}")
}

#[test]
fn bad_answers_leave_nothing_behind() {
    let length = content(DETECTOR).len();
    let cases: Vec<(&str, Serve, &str)> = vec![
        ("another file", Box::new(move |_| found(length, &vec![b'x'; length])), "has sha256 "),
        ("announced longer", Box::new(move |_| found(length + 1, &vec![b'x'; length + 1])), "were expected"),
        ("announced shorter", Box::new(move |_| found(5, b"short")), "gave 5 bytes"),
        ("longer than announced", Box::new(move |_| unannounced(&vec![b'x'; length * 2])), "were expected"),
        ("closed early", Box::new(move |path| found(length, &content(path)[..1000])), "broke after 1000 of"),
        ("closed early, no length", Box::new(|path| unannounced(&content(path)[..1000])), "gave 1000 bytes"),
        ("no answer", Box::new(|_| Vec::new()), "cannot reach"),
        ("absent", Box::new(|_| status("404 Not Found", "")), "answered with HTTP status 404"),
        ("server error", Box::new(|_| status("503 Service Unavailable", "")), "answered with HTTP status 503"),
        (
            "redirected to plain http elsewhere",
            Box::new(|_| status("302 Found", "Location: http://example.org/x\r\n")),
            "http://example.org/x is no https address",
        ),
        ("redirected for ever", Box::new(|path| status("302 Found", &format!("Location: {path}\r\n"))), "too often"),
        ("redirected to nowhere", Box::new(|_| status("302 Found", "")), "too often or to nowhere"),
    ];
    for (flaw, answer, message) in cases {
        let home = tempfile::tempdir().unwrap();
        let (code, error, dir) = fetch(home.path(), &serve(answer));
        assert_eq!(code, Some(1), "{flaw}");
        assert!(error.contains(message), "{flaw}: {error}");
        assert_eq!(files(&dir), Vec::<String>::new(), "{flaw}");
    }
}

#[test]
fn plain_http_elsewhere_is_never_asked() {
    let home = tempfile::tempdir().unwrap();
    let (code, error, _) = fetch(home.path(), "http://example.org");
    assert_eq!(code, Some(1));
    assert!(error.contains("is no https address, so nothing was fetched from it"), "{error}");
}

#[test]
fn without_a_network_the_error_names_files_and_folder() {
    let home = tempfile::tempdir().unwrap();
    let output = assent(home.path(), &["packs", "fetch", "--base-url", &closed_port()]);
    assert_eq!(output.status.code(), Some(1));
    let error = stderr(&output);
    let dir = home.path().join("assent/packs/models/opencv-sface");
    for part in [
        dir.to_str().unwrap(),
        "face_detection_yunet_2023mar.onnx (232589 bytes, sha256 8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4)",
        "face_recognition_sface_2021dec.onnx (38696353 bytes, sha256 0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79)",
        "/face_detection_yunet/face_detection_yunet_2023mar.onnx",
        "because: cannot reach http://127.0.0.1:",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    assert_eq!(error.matches("cannot reach").count(), 1, "{error}");
}

#[test]
fn files_put_there_by_hand_are_taken() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("assent/packs/models/small");
    fs::create_dir_all(&dir).unwrap();
    for name in [DETECTOR, EMBEDDER] {
        fs::write(dir.join(name), content(name)).unwrap();
    }
    let (code, error, _) = fetch(home.path(), &closed_port());
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(dir.join("pack.toml").is_file());
}

#[test]
fn the_shared_packs_are_listed_and_verified() {
    let home = tempfile::tempdir().unwrap();
    let root = shared();
    let root = root.to_str().unwrap();
    let text = stdout(&assent(home.path(), &["packs", "list", "--packs", root]));
    assert!(text.contains("models/default") && text.contains("bands: match, review"), "{text}");
    assert!(text.contains("photos/crew"), "{text}");
    let output = assent(home.path(), &["packs", "verify", "--packs", root]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
}

#[test]
fn a_broken_pack_is_named_and_fails_the_check() {
    let home = tempfile::tempdir().unwrap();
    let (_, _, dir) = fetch(home.path(), &serve(good));
    fs::write(dir.join(DETECTOR), "x").unwrap();
    let output = assent(home.path(), &["packs", "verify"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("refused: "), "{}", stdout(&output));
    assert!(stdout(&output).contains("has 1 bytes"), "{}", stdout(&output));
    assert!(stderr(&output).contains("1 of 1 packs cannot be used"), "{}", stderr(&output));

    let output = assent(home.path(), &["packs", "verify", "absent"]);
    assert!(stderr(&output).contains("there is no such pack in"), "{}", stderr(&output));
}

#[test]
fn an_empty_place_says_how_to_fill_it() {
    let home = tempfile::tempdir().unwrap();
    let output = assent(home.path(), &["packs", "list"]);
    assert!(stdout(&output).contains("`assent packs fetch` gets one"), "{}", stdout(&output));
    let output = assent(home.path(), &["packs", "list", "--json"]);
    assert_eq!(stdout(&output), "{\"packs\":[]}\n");
}
