//! The embedder on Assent's own kernels against the same file in the inference library.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may its helpers")]

use std::fs;

use assent_testkit::{SEARCH, crew, light, light_pack};
use assent_vision::embed::{Embedder, Embedding};
use assent_vision::machine::Kernel;
use assent_vision::model::EmbedderSpec;
use assent_vision::runtime::Execution;

fn embedder(spec: EmbedderSpec, execution: Execution) -> Embedder {
    let onnx = fs::read(light_pack().join("face-reidentification-retail-0095.onnx")).unwrap();
    Embedder::with_execution(light().runtime(), spec, &onnx, execution).unwrap()
}

/// Our own kernels, the best of this processor.
fn own() -> Execution {
    Execution::Own(Kernel::detect())
}

fn cosine(a: &Embedding, b: &Embedding) -> f32 {
    a.values().iter().zip(b.values()).map(|(a, b)| a * b).sum()
}

#[test]
fn own_embeddings_are_those_of_the_library() {
    let mut worker = light().worker(SEARCH).unwrap();
    let mut own = embedder(light().pack().embedder().clone(), own());
    let mut library = embedder(light().pack().embedder().clone(), Execution::Cpu);
    assert_eq!((own.execution(), library.execution()), (self::own(), Execution::Cpu));
    let mut compared = 0;
    for file in ["photos/expedition-1-crew.jpg", "portraits/julie-payette.jpg", "portraits/carl-walz.jpg"] {
        let bytes = fs::read(crew().join(file)).unwrap();
        let photo = worker.detect(&bytes).unwrap();
        let crops: Vec<_> = worker.crop_faces(&photo).into_iter().filter_map(|cut| cut.aligned).collect();
        let (ours, theirs) = (own.embed(&crops).unwrap(), library.embed(&crops).unwrap());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let cosine = cosine(ours.as_ref().unwrap(), theirs.as_ref().unwrap());
            assert!(cosine > 0.9999, "{file}: {cosine}");
            compared += 1;
        }
        // One buffer is used for face after face: none may see what the one before left.
        let again = own.embed(&crops).unwrap();
        for (first, second) in ours.iter().zip(&again) {
            assert_eq!(first.as_ref().unwrap().values(), second.as_ref().unwrap().values(), "{file}");
        }
    }
    assert!(compared >= 5, "only {compared} faces were compared");
}

#[test]
fn every_kernel_gives_the_same_embedding_to_the_bit() {
    let mut worker = light().worker(SEARCH).unwrap();
    let bytes = fs::read(crew().join("portraits/julie-payette.jpg")).unwrap();
    let photo = worker.detect(&bytes).unwrap();
    let crops: Vec<_> = worker.crop_faces(&photo).into_iter().filter_map(|cut| cut.aligned).collect();
    let embeddings = |kernel| {
        let mut embedder = embedder(light().pack().embedder().clone(), Execution::Own(kernel));
        let embeddings = embedder.embed(&crops).unwrap();
        embeddings.iter().flatten().flat_map(|e| e.values().iter().map(|v| v.to_bits())).collect::<Vec<_>>()
    };
    let expected = embeddings(Kernel::Scalar);
    assert!(!expected.is_empty());
    for kernel in Kernel::all() {
        assert!(embeddings(kernel) == expected, "{}", kernel.name());
    }
}

#[test]
fn a_network_that_is_not_recognised_runs_through_the_library() {
    let known = || light().pack().embedder().clone();
    let check = |name: &str, spec: EmbedderSpec| {
        assert_ne!(embedder(spec, own()).execution(), own(), "{name}");
    };
    check("another side", EmbedderSpec { side_px: 112, ..known() });
    check("other dimensions", EmbedderSpec { dimensions: 128, ..known() });
    check("another input", EmbedderSpec { input_name: "data".into(), ..known() });
}
