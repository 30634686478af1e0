//! The detector on Assent's own kernels, against the same network on the inference library.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may its helpers")]

use std::fs;

use assent_testkit::{crew, light, light_pack};
use assent_vision::decode::{DecodeLimits, decode};
use assent_vision::detect::{FaceFinder, Posture, SearchOptions, Thoroughness};
use assent_vision::embed::Embedder;
use assent_vision::machine::Kernel;
use assent_vision::model::{ChannelOrder, DetectorSpec};
use assent_vision::runtime::{Execution, InferenceError};

fn spec() -> DetectorSpec {
    light().pack().detector().clone()
}

fn detector() -> Vec<u8> {
    fs::read(light_pack().join("yunet_s_dynamic.onnx")).unwrap()
}

/// Our own kernels, the best of this processor.
fn own() -> Execution {
    Execution::Own(Kernel::detect())
}

fn finder(spec: DetectorSpec, onnx: &[u8], execution: Execution) -> Result<FaceFinder, InferenceError> {
    FaceFinder::with_execution(light().runtime(), spec, onnx, execution)
}

/// Pictures of odd sizes, a wide and a tall one, one without a face; a card with means, a scale and another order of
/// colours (the network then sees other numbers, but both engines the same).
#[test]
fn own_kernels_find_what_the_library_finds() {
    let plain = spec();
    let mut other = spec();
    other.preprocessing.channels = ChannelOrder::Rgb;
    other.preprocessing.mean = [3.0, 20.0, -7.0];
    other.preprocessing.scale = 0.9;
    let mut found = 0;
    for (name, spec) in [("the card", plain), ("another card", other)] {
        let mut own = finder(spec.clone(), &detector(), own()).unwrap();
        let mut library = finder(spec, &detector(), Execution::Cpu).unwrap();
        assert_eq!((own.execution(), library.execution()), (self::own(), Execution::Cpu));
        for (file, side_px) in [
            ("photos/carl-walz.jpg", 640),
            ("photos/expedition-1-crew.jpg", 1013),
            ("photos/expedition-38-crew.jpg", 1600),
            ("photos/great-sandy-desert--australia.jpg", 500),
            ("portraits/julie-payette.jpg", 321),
            ("portraits/julie-payette.jpg", 17),
        ] {
            let photo = decode(&fs::read(crew().join(file)).unwrap(), DecodeLimits::default()).unwrap();
            let search = SearchOptions { side_px, posture: Posture::Upright, thoroughness: Thoroughness::Exhaustive };
            let (own, library) = (own.find(&photo, search).unwrap(), library.find(&photo, search).unwrap());
            let scores = |d: &assent_vision::detect::Detected| d.faces.iter().map(|f| f.score).collect::<Vec<_>>();
            let case = format!("{name}, {file} at {side_px}: {:?} and {:?}", scores(&own), scores(&library));
            assert_eq!(own.faces.len(), library.faces.len(), "{case}");
            for (a, b) in own.faces.iter().zip(&library.faces) {
                found += 1;
                let near = |x: f32, y: f32, least: f32| (x - y).abs() <= least;
                let px = 0.002 * b.bounds.width.max(b.bounds.height) + 0.05;
                assert!(near(a.score, b.score, 2e-3), "{case}");
                for (p, q) in a.landmarks.iter().zip(&b.landmarks) {
                    assert!(near(p.x, q.x, px) && near(p.y, q.y, px), "{case}: {p:?} and {q:?}");
                }
                let (a, b) = (a.bounds, b.bounds);
                assert!(
                    near(a.x, b.x, px) && near(a.y, b.y, px) && near(a.width, b.width, px),
                    "{case}: {a:?} and {b:?}"
                );
            }
        }
    }
    assert!(found >= 12, "only {found} faces were compared");
}

#[test]
fn every_kernel_finds_the_same_to_the_bit() {
    let bytes = fs::read(crew().join("photos/expedition-1-crew.jpg")).unwrap();
    let photo = decode(&bytes, DecodeLimits::default()).unwrap();
    let faces = |kernel| {
        let search = SearchOptions { side_px: 480, ..SearchOptions::default() };
        let mut finder = finder(spec(), &detector(), Execution::Own(kernel)).unwrap();
        assert_eq!(finder.execution(), Execution::Own(kernel));
        finder.find(&photo, search).unwrap().faces
    };
    let expected = faces(Kernel::Scalar);
    assert!(expected.len() > 1);
    for kernel in Kernel::all() {
        assert_eq!(faces(kernel), expected, "{}", kernel.name());
    }
}

/// One buffer is used for picture after picture: none of them may see what the one before left.
#[test]
fn a_picture_gives_the_same_faces_whatever_came_before() {
    let mut finder = finder(spec(), &detector(), own()).unwrap();
    let mut faces = |file: &str, side_px| {
        let photo = decode(&fs::read(crew().join(file)).unwrap(), DecodeLimits::default()).unwrap();
        finder.find(&photo, SearchOptions { side_px, ..SearchOptions::default() }).unwrap().faces
    };
    let first = faces("portraits/julie-payette.jpg", 400);
    assert!(!first.is_empty());
    for (file, side_px) in [("photos/expedition-1-crew.jpg", 900), ("photos/great-sandy-desert--australia.jpg", 200)] {
        faces(file, side_px);
        assert_eq!(faces("portraits/julie-payette.jpg", 400), first, "after {file}");
    }
}

#[test]
fn a_network_that_is_not_recognised_runs_through_the_library() {
    let mut spec = spec();
    spec.strides_px.swap(0, 2);
    assert_eq!(finder(spec, &detector(), own()).unwrap().execution(), Execution::Cpu);
}

/// In an ONNX file, a message that follows another is added to it: this gives a network one output more.
fn with_output(mut onnx: Vec<u8>, name: &str) -> Vec<u8> {
    let field = |number: u8, content: &[u8]| [&[number << 3 | 2, content.len() as u8], content].concat();
    onnx.extend(field(7, &field(12, &field(1, name.as_bytes()))));
    onnx
}

#[test]
fn i8_a_network_with_another_head_is_not_loaded() {
    let refused = |result: Result<(), InferenceError>| match result {
        Err(InferenceError::OtherHead { name, .. }) => name,
        other => format!("{other:?}"),
    };
    for execution in [own(), Execution::Cpu] {
        let onnx = with_output(detector(), "age");
        assert_eq!(refused(finder(spec(), &onnx, execution).map(drop)), "age");
        assert_eq!(refused(finder(spec(), &with_output(detector(), "cls_8"), execution).map(drop)), "Ok(())");
    }
    let embedder = fs::read(light_pack().join("face-reidentification-retail-0095.onnx")).unwrap();
    let spec = light().pack().embedder().clone();
    let loaded = Embedder::new(light().runtime(), spec, &with_output(embedder, "gender"));
    assert_eq!(refused(loaded.map(drop)), "gender");
}
