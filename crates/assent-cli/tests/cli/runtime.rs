//! `assent runtime`.

use std::fs;

use serde_json::Value;

use super::{assent, stderr, stdout};

#[test]
fn an_installation_is_recognised_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let capi = home.path().join("assent/runtime/onnxruntime/capi");
    fs::create_dir_all(&capi).unwrap();
    fs::write(capi.join("libonnxruntime.so.1.24.1"), "library").unwrap();
    let output = assent(home.path(), &["runtime", "fetch"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("was put there by hand and is left as it is"), "{}", stdout(&output));

    fs::write(capi.join("../INSTALLED"), "assent runtime 1\nwheel 00\n7  capi/libonnxruntime.so.1.24.1\n").unwrap();
    let output = assent(home.path(), &["runtime", "fetch", "--json"]);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["status"], "was there already");
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn another_wheel_is_refused_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let wheel = home.path().join("other.whl");
    fs::write(&wheel, "no wheel").unwrap();
    let to = home.path().join("to");
    let args = ["runtime", "fetch", "--to", to.to_str().unwrap(), "--wheel", wheel.to_str().unwrap()];
    let output = assent(home.path(), &args);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("has 8 bytes, and 84433207 were expected"), "{}", stderr(&output));
    assert_eq!(fs::read_dir(&to).unwrap().count(), 0);

    // The right size and another content.
    fs::File::create(&wheel).unwrap().set_len(84_433_207).unwrap();
    let output = assent(home.path(), &args);
    assert!(stderr(&output).contains("d617fac2f59a6ab5ea59a788c3e1592240a129642519aaeaa774761dfe35150e was expected"));
    assert_eq!(fs::read_dir(&to).unwrap().count(), 0);
}

#[test]
fn a_missing_wheel_is_named() {
    let home = tempfile::tempdir().unwrap();
    let output = assent(home.path(), &["runtime", "fetch", "--unpinned", "--wheel", "absent.whl"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).starts_with("assent: cannot read the wheel absent.whl\n  because: "),
        "{}",
        stderr(&output)
    );
}
