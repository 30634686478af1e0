//! Model packs.

use std::fs;
use std::path::Path;

use assent_vision::model::{ChannelOrder, DetectorInput};

use super::super::*;
use super::{copy_of, shared};

const DETECTOR: &str = "yunet_s_dynamic.onnx";

fn default_card() -> String {
    fs::read_to_string(shared("models/default/pack.toml")).unwrap()
}

#[test]
fn the_default_pack_loads() {
    let pack = ModelPack::load(&shared("models/default"), &AcceptedLicences::none()).unwrap();
    assert_eq!((pack.name(), pack.version()), ("light", "2026.12"));
    assert_eq!(pack.licences(), ["MIT", "Apache-2.0"]);
    assert_eq!((pack.detector_bytes.len(), pack.embedder_bytes.len()), (237_823, 4_446_573));
    let detector = pack.detector();
    assert_eq!(detector.input, DetectorInput::MultipleOf { px: 32 });
    assert_eq!(detector.strides_px, [8, 16, 32]);
    assert_eq!(detector.output_names, ["cls_{stride}", "obj_{stride}", "bbox_{stride}", "kps_{stride}"]);
    assert_eq!((detector.score_threshold, detector.nms_iou), (0.8, 0.3));
    let embedder = pack.embedder();
    assert_eq!((embedder.side_px, embedder.dimensions), (128, 256));
    assert_eq!(embedder.preprocessing.channels, ChannelOrder::Bgr);
    assert_eq!(embedder.template[4], [0.653_436_5, 0.824_691_96]);
    assert!(pack.calibration().is_some());
    assert!(!format!("{pack:?}").contains("bytes"));
}

#[test]
fn the_pair_of_networks_is_the_models_identity() {
    let card = ModelCard::read(&shared("models/default")).unwrap();
    let mut other = card.clone();
    other.embedder_file.sha256[0] ^= 1;
    assert_ne!(card.model_sha256(), other.model_sha256());
    other = card.clone();
    other.version = "another wording of the card".to_owned();
    assert_eq!(card.model_sha256(), other.model_sha256());
}

/// The card that `assent packs fetch` writes.
#[test]
fn the_opencv_card_only_proposes_and_has_a_fixed_input() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assent-cli/src/packs/opencv-sface.toml");
    let card = ModelCard::parse(&path, &fs::read(&path).unwrap()).unwrap();
    assert_eq!(card.calibration, None);
    assert_eq!(card.detector.input, DetectorInput::Fixed { width_px: 640, height_px: 640 });
    assert_eq!(card.embedder.preprocessing.channels, ChannelOrder::Rgb);
    assert_eq!((card.embedder.side_px, card.embedder.dimensions), (112, 128));
    // The template of InsightFace, in pixels of a crop of 112.
    let pixels = [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]];
    for (part, pixel) in card.embedder.template.as_flattened().iter().zip(pixels.as_flattened()) {
        assert!((part * 112.0 - pixel).abs() < 1e-4, "{part} is not {pixel} px");
    }
    card.check_licences(&AcceptedLicences::none()).unwrap();
}

#[test]
fn a_published_card_is_used_in_its_newest_edition() {
    for (folder, name) in [("models/sface", "sface"), ("models/default", "light")] {
        let path = shared(folder).join(CARD_FILE);
        let bytes = fs::read(&path).unwrap();
        let (older, newer) = (ModelCard::parse(&path, &bytes).unwrap(), ModelCard::read(&shared(folder)).unwrap());
        assert_eq!((newer.name.as_str(), newer.version.as_str()), (name, "2026.12"));
        // It says more about the same networks, run in the same way.
        assert_eq!(newer.model_sha256(), older.model_sha256());
        assert_eq!((&newer.detector, &newer.detector_file), (&older.detector, &older.detector_file));
        assert_eq!((&newer.embedder, &newer.embedder_file), (&older.embedder, &older.embedder_file));
        assert_eq!((newer.groups.len(), older.groups.len()), (4, 0));
        assert!(newer.misses.is_some() && newer.known_limits.is_some());
        // Whoever edited a card means what it says.
        let edited = [bytes.as_slice(), b"\n"].concat();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(CARD_FILE), &edited).unwrap();
        assert_eq!(ModelCard::read(dir.path()).unwrap().groups, []);
    }
}

#[test]
fn i9_a_card_names_groups_with_rates_of_their_own() {
    const GROUP: &str = "[[calibration.group]]\nname = \"n\"\ndata = \"d\"\nscore = [0.4, 0.5]\nfmr = [1e-3, 1e-4]\n";
    let with = |format: &str, group: &str| {
        let card = default_card().replacen("format = 1", format, 1) + group;
        ModelCard::parse(Path::new("p/pack.toml"), card.as_bytes())
    };
    let good = with("format = 2", GROUP).unwrap();
    assert_eq!((good.groups.len(), good.groups[0].people), (1, None));
    let check = |flaw: &str, format: &str, (from, to): (&str, &str), message: &str| {
        let error = with(format, &GROUP.replace(from, to)).map(|_| ()).expect_err(flaw).to_string();
        assert!(error.contains(message), "{flaw}: {error}");
    };
    check("in the format before", "format = 1", ("", ""), "unknown key calibration.group");
    check("no name", "format = 2", ("name = \"n\"\n", ""), "lacks the key calibration.group[0].name");
    check("unknown key", "format = 2", ("data", "tmr = [1]\ndata"), "unknown key calibration.group[0].tmr");
    check("nobody", "format = 2", ("data", "people = 0\ndata"), "calibration.group[0].people must be a whole number");
    check("rates that rise", "format = 2", ("[1e-3, 1e-4]", "[1e-4, 1e-3]"), "[calibration] of the card");
    check("no list", "format = 2", ("[[calibration.group]]", "[calibration.group]"), "must be a list of tables");
}

/// Checks that the default card, with `from` replaced by `to`, is refused with a message that ends in `message`.
fn check_card(flaw: &str, from: &str, to: &str, message: &str) {
    let card = default_card();
    assert!(card.contains(from), "{flaw}: the card no longer has {from}");
    let result = ModelCard::parse(Path::new("p/pack.toml"), card.replacen(from, to, 1).as_bytes());
    let error = result.map(|_| ()).expect_err(flaw).to_string();
    assert!(error.contains(message), "{flaw}: {error}");
}

/// The flaw, what is replaced in the default card, by what, and a part of the refusal.
const BROKEN_CARDS: &[(&str, &str, &str, &str)] = &[
    ("not toml", "format = 1", "format 1", "is not TOML"),
    ("newer format", "format = 1", "format = 3", "has format 3, and this program reads formats up to 2"),
    ("format as text", "format = 1", "format = \"1\"", "format must be a whole number"),
    ("format missing", "format = 1\n", "", "lacks the key format"),
    ("photos for models", "kind = \"models\"", "kind = \"photos\"", "kind \"photos\", and \"models\" was asked for"),
    ("unknown key at the top", "name = ", "nickname = \"x\"\nname = ", "unknown key nickname"),
    ("unknown key of the detector", "nms_iou", "soft_nms = true\nnms_iou", "unknown key detector.soft_nms"),
    ("unknown output", "outputs = { ", "outputs = { pose = \"x\", ", "unknown key detector.outputs.pose"),
    ("unknown key of the table", "tmr = ", "tnr = ", "unknown key calibration.tnr"),
    ("missing licence", "licence = \"MIT\"", "", "lacks the key detector.licence"),
    ("missing template", "template = ", "mould = ", "unknown key embedder.mould"),
    (
        "unknown preprocessing",
        "scale = 1.0,",
        "scale = 1.0, gamma = 2.2,",
        "unknown preprocessing detector.input.gamma",
    ),
    ("layout of another framework", "\"NCHW\"", "\"NHWC\"", "detector.input.layout must be \"NCHW\""),
    ("grey input", "\"BGR\"", "\"GREY\"", "detector.input.channels must be \"BGR\" or \"RGB\""),
    ("range of 0 to 1", "range = [0, 255]", "range = [0, 1]", "detector.input.range must be [0, 255]"),
    ("scale of zero", "scale = 1.0", "scale = 0", "detector.input.scale must be greater than 0"),
    ("infinite mean", "mean = [0.0", "mean = [inf", "detector.input.mean must be a list of numbers"),
    ("two sizes", "multiple_of_px = 32", "multiple_of_px = 32, size_px = [640, 640]", "must be left out where"),
    ("no size", ", multiple_of_px = 32", "", "lacks the key detector.input.multiple_of_px"),
    ("size of one number", "multiple_of_px = 32", "size_px = [640]", "detector.input.size_px must be [width, height]"),
    ("score over 1", "score_threshold = 0.8", "score_threshold = 1.8", "must be a number between 0 and 1"),
    ("another score", "sqrt(class * objectness)", "class", "detector.score must be \"sqrt(class * objectness)\""),
    (
        "landmarks in the subject's view",
        "[\"left eye\", \"right eye\"",
        "[\"right eye\", \"left eye\"",
        "in this order",
    ),
    ("four landmarks in the template", "[0.65343646, 0.82469196],", "", "embedder.template must be five pairs"),
    ("output per stride without one", "cls_{stride}", "cls", "detector.outputs.class must be a name with {stride}"),
    ("no strides", "[8, 16, 32]", "[]", "detector.strides_px must be a list with at least one number"),
    ("unnormalised", "normalise = true", "normalise = false", "embedder.output.normalise must be true"),
    ("no dimensions", "dimensions = 256", "dimensions = 0", "embedder.output.dimensions must be a whole number from"),
    ("file of no bytes", "bytes = 237_823", "bytes = 0", "detector.bytes must be a whole number from"),
    ("short hash", "daede24", "daede2", "detector.sha256 must be 64 lower-case hexadecimal digits"),
    ("parent folder", "\"yunet_s", "\"../yunet_s", "which is no plain file name"),
    ("absolute path", "\"yunet_s", "\"/yunet_s", "which is no plain file name"),
    ("folder within", "\"yunet_s", "\"a/yunet_s", "which is no plain file name"),
    ("windows drive", "\"yunet_s", "\"C:yunet_s", "which is no plain file name"),
    ("licence text elsewhere", "\"LICENSE.open", "\"../LICENSE.open", "detector.licence_files names"),
    ("table out of order", "score = [0.30, 0.35", "score = [0.35, 0.30", "[calibration] of the card p/pack.toml"),
    ("table of mirrored crops", "enrolment = \"plain\"", "enrolment = \"mirrored\"", "enrolment must be \"plain\""),
];

#[test]
fn broken_cards_are_refused() {
    for (flaw, from, to, message) in BROKEN_CARDS {
        check_card(flaw, from, to, message);
    }
}

#[test]
fn i8_no_head_but_detection_embedding_and_quality() {
    let age = "[age]\nkind = \"age\"\nfile = \"age.onnx\"\n[detector]";
    let cases = [
        ("age", "[detector]", age, "has a part [age]"),
        ("several at once", "[detector]", "[[attributes]]\nfile = \"x\"\n[detector]", "has a part [attributes]"),
        ("gender as detector", "kind = \"yunet\"", "kind = \"gender\"", "a part detector.kind = \"gender\""),
        ("emotion as embedder", "kind = \"embedding\"", "kind = \"emotion\"", "a part embedder.kind = \"emotion\""),
        ("age beside the boxes", "outputs = { ", "outputs = { age = \"age_{stride}\", ", "key detector.outputs.age"),
        ("sex beside the embedding", "output = { ", "output = { sex = \"sex\", ", "key embedder.output.sex"),
    ];
    for (flaw, from, to, message) in cases {
        check_card(flaw, from, to, message);
    }
    // Nothing comes before it: a card with another head is refused for that, even where its files are missing.
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(CARD_FILE), default_card().replacen("[detector]", age, 1)).unwrap();
    let error = ModelPack::load(dir.path(), &AcceptedLicences::none()).unwrap_err();
    assert!(matches!(error, PackError::UnsupportedHead { .. }), "{error}");
}

#[test]
fn licences_that_do_not_allow_every_use_are_accepted_by_name_alone() {
    let card = default_card().replacen("licence = \"MIT\" ", "licence = \"CC-BY-NC-4.0\" ", 1);
    let card = ModelCard::parse(Path::new("p/pack.toml"), card.as_bytes()).unwrap();
    let check =
        |accepted: &[&str]| card.check_licences(&AcceptedLicences::naming(accepted.iter().map(ToString::to_string)));
    check(&["CC-BY-NC-4.0"]).unwrap();
    for accepted in [&[][..], &["CC-BY-NC-3.0"], &["CC"], &["cc-by-nc-4.0"]] {
        let error = check(accepted).unwrap_err().to_string();
        assert_eq!(error, "detector in the card p/pack.toml is under \"CC-BY-NC-4.0\", which may not allow your use");
    }
    for (licence, allowed) in [
        ("MIT", true),
        ("Apache-2.0 OR LicenseRef-research", true),
        ("Apache-2.0 AND LicenseRef-research", false),
        ("mit", false),
        ("research only", false),
        ("", false),
    ] {
        assert_eq!(AcceptedLicences::none().allow(licence), allowed, "{licence}");
    }
}

#[test]
fn broken_model_files_are_refused() {
    type Break = fn(&Path);
    let cases: [(&str, Break, &str); 7] = [
        ("no card", |dir| fs::remove_file(dir.join(CARD_FILE)).unwrap(), "has no pack.toml"),
        ("no folder", |dir| fs::remove_dir_all(dir).unwrap(), "has no pack.toml"),
        ("card of bytes", |dir| fs::write(dir.join(CARD_FILE), [0xff; 8]).unwrap(), "cannot read the card"),
        ("no network", |dir| fs::remove_file(dir.join(DETECTOR)).unwrap(), "the pack lacks"),
        ("no licence text", |dir| fs::remove_file(dir.join("LICENSE.open_model_zoo.txt")).unwrap(), "the pack lacks"),
        (
            "truncated",
            |dir| fs::write(dir.join(DETECTOR), b"short").unwrap(),
            "has 5 bytes, and the card says 237823: fetch the pack again",
        ),
        (
            "one bit flipped",
            |dir| {
                let mut bytes = fs::read(dir.join(DETECTOR)).unwrap();
                bytes[1000] ^= 1;
                fs::write(dir.join(DETECTOR), bytes).unwrap();
            },
            ", and daede24002cc8590f457998cc5e6c9e8b82f45f6bd969506a8913cd4ed10a2d3 was expected",
        ),
    ];
    for (flaw, break_it, message) in cases {
        let dir = copy_of("models/default");
        break_it(dir.path());
        let error = ModelPack::load(dir.path(), &AcceptedLicences::none()).expect_err(flaw).to_string();
        assert!(error.contains(message), "{flaw}: {error}");
    }
}
