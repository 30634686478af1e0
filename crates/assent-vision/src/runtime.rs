//! The inference library, and which of its engines runs which network.
//!
//! ONNX Runtime is loaded from a folder when the program starts; nothing is linked. Every network runs through
//! [`Network`], with one thread of its own: photos, not the insides of one, are what is done in parallel.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::ep::{self, ExecutionProvider as _};
use ort::memory::Allocator;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{OutputSelector, RunOptions, Session};
use ort::value::{Tensor, TensorRef};
use thiserror::Error;

use crate::machine::{Kernel, Machine, has_amx_bf16};
use crate::wire;

pub use crate::onnx::refuse_absurd;

/// Which engine of the library runs a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    /// Assent's own kernels; the same bits with each.
    Own(Kernel),
    /// ONNX Runtime's own CPU code, 32-bit floats.
    Cpu,
    /// `OpenVINO` on the CPU, 32-bit floats.
    OpenVinoF32,
    /// `OpenVINO` on the CPU with bfloat16 multiplications, for processors with AMX.
    OpenVinoBf16,
    /// ONNX Runtime's CUDA code on the first NVIDIA GPU, 32-bit floats.
    Cuda,
}

impl Execution {
    /// Its name as `assent runtime status` prints it.
    pub fn name(self) -> String {
        match self {
            Execution::Own(kernel) => return format!("assent-{}", kernel.name()),
            Execution::Cpu => "onnxruntime-cpu-f32",
            Execution::OpenVinoF32 => "openvino-cpu-f32",
            Execution::OpenVinoBf16 => "openvino-cpu-bf16",
            Execution::Cuda => "onnxruntime-cuda-f32",
        }
        .to_owned()
    }
}

/// What a network is for; the choice of engine depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The detector: it finds the faces of a picture.
    Detector,
    /// Turns an aligned face into numbers.
    Embedder,
}

impl Role {
    fn deed(self) -> &'static str {
        match self {
            Self::Detector => "finds faces",
            Self::Embedder => "compares faces",
        }
    }
}

/// The library that was loaded first, and its environment: the library allows a process one of them.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// The loaded library and what it can do on this processor.
#[derive(Debug)]
pub struct Runtime {
    environment: Environment,
    library: PathBuf,
    machine: Machine,
}

/// Why the library could not be loaded.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// No `libonnxruntime.so*` (or the platform's name of it) in the folder.
    #[error("no ONNX Runtime library in {}", folder.display())]
    Missing {
        /// The folder that was searched.
        folder: PathBuf,
    },
    /// The file is there but cannot be used: damaged, for another processor, or of too old a version.
    #[error("cannot load the ONNX Runtime library {}", library.display())]
    Load {
        /// The path of the inference library.
        library: PathBuf,
        /// What the loader says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why a network could not be loaded or run.
#[derive(Debug, Error)]
pub enum InferenceError {
    /// The library refused the network.
    #[error("the inference library refuses the pack's network that {}", role.deed())]
    Load {
        /// The network's role: detector or embedder.
        role: Role,
        /// What the library says.
        #[source]
        source: ort::Error,
    },
    /// The network gives something that its card does not name.
    #[error("the pack's network that {} also gives {name}, which its card does not name; use a pack without it", role.deed())]
    OtherHead {
        /// The network's role: detector or embedder.
        role: Role,
        /// The output's name.
        name: String,
    },
    /// What the network computes depends on itself, or is more than any network is.
    #[error("the pack's network that {} cannot be run: {what}; use another pack", role.deed())]
    Absurd {
        /// The network's role: detector or embedder.
        role: Role,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Somebody asked to stop.
    #[error("stopped in the middle of a picture")]
    Stopped,
    /// The library failed while it ran.
    #[error("the pack's network that {} failed while it ran", role.deed())]
    Run {
        /// The network's role: detector or embedder.
        role: Role,
        /// What the library says.
        #[source]
        source: ort::Error,
    },
    /// An output is not of the shape that the pack's card promises.
    #[error("output {name} of the pack's network that {} has another shape than the pack's card says", role.deed())]
    Shape {
        /// The network's role: detector or embedder.
        role: Role,
        /// The output's name.
        name: String,
    },
}

impl Runtime {
    /// Loads the library from `folder/onnxruntime/capi`, or from `folder` itself.
    ///
    /// The library stays loaded for the life of the process; a second call with another folder keeps the first.
    ///
    /// # Errors
    ///
    /// - [`RuntimeError::Missing`] if neither folder holds a library.
    /// - [`RuntimeError::Load`] if the system's loader or the library's own version check refuses it.
    pub fn load(folder: &Path) -> Result<Runtime, RuntimeError> {
        let wheel = folder.join("onnxruntime").join("capi");
        let library = find_library(&wheel)
            .or_else(|| find_library(folder))
            .ok_or_else(|| RuntimeError::Missing { folder: folder.to_path_buf() })?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        let (library, environment) = if let Some((library, environment)) = &*loaded {
            (library.clone(), environment.clone())
        } else {
            let environment = start(&library)?;
            *loaded = Some((library.clone(), environment.clone()));
            (library, environment)
        };
        drop(loaded);
        // The provider is a library of its own beside the first: without the file there is no OpenVINO.
        let has_openvino =
            library.with_file_name(format!("{DLL_PREFIX}onnxruntime_providers_openvino{DLL_SUFFIX}")).exists();
        let (has_amx, kernel) = (has_amx_bf16(), Kernel::detect());
        let machine = Machine { has_openvino, has_cuda: false, has_amx, kernel };
        let mut runtime = Runtime { environment, library, machine };
        // A library made for CUDA also loads where no GPU is.
        runtime.machine.has_cuda = ep::CUDA::is_available().unwrap_or(false) && runtime.can_run(Execution::Cuda);
        Ok(runtime)
    }

    /// The library's file.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// The library's description of itself.
    pub fn build_info(&self) -> &'static str {
        ort::info()
    }

    /// What the choice of engines depends on, of this library on this machine.
    pub fn machine(&self) -> Machine {
        self.machine
    }

    /// The same with another of the processor's kernels; for measuring one against the other. With [`Kernel::Scalar`], the
    /// library runs the networks.
    #[must_use]
    pub fn with_kernel(mut self, kernel: Kernel) -> Runtime {
        self.machine.kernel = kernel;
        self
    }

    /// Which engine runs `role` on this machine, and why, see [`Machine::choose`].
    pub fn choose(&self, role: Role) -> (Execution, &'static str) {
        self.machine.choose(role)
    }

    /// Whether the library runs a network of one operation with this engine.
    pub fn can_run(&self, execution: Execution) -> bool {
        self.network_with(Role::Embedder, &smallest_network(), execution).is_ok_and(|mut network| {
            let mut answer = None;
            let ran = network.run(("x", [1; 4], &[-1.0]), &[("y", vec![1; 4])], |_, y| answer = y.first().copied());
            ran.is_ok() && answer == Some(0.0)
        })
    }

    /// Loads a network with a named engine of the library. In place of [`Execution::Own`], for a network that our own
    /// kernels do not know, it is the one that [`Machine::choose_library`] names.
    ///
    /// # Errors
    ///
    /// [`InferenceError::Load`] if the library refuses `onnx` or has no such engine.
    pub fn network_with(&self, role: Role, onnx: &[u8], execution: Execution) -> Result<Network, InferenceError> {
        let execution = match execution {
            Execution::Own(_) => self.machine.choose_library(role).0,
            library => library,
        };
        let load = || -> ort::Result<Session> {
            let providers = match execution {
                Execution::Own(_) | Execution::Cpu => vec![],
                Execution::OpenVinoF32 => vec![openvino("f32")],
                Execution::OpenVinoBf16 => vec![openvino("bf16")],
                Execution::Cuda => vec![cuda()],
            };
            Session::builder(&self.environment)?
                .with_no_environment_execution_providers()?
                .with_optimization_level(GraphOptimizationLevel::All)?
                .with_intra_threads(1)?
                .with_inter_threads(1)?
                .with_execution_providers(providers)?
                .commit_from_memory(onnx)
        };
        let session = load().map_err(|source| InferenceError::Load { role, source })?;
        Ok(Network { session, role, execution })
    }
}

/// One network, ready to run on one thread.
#[derive(Debug)]
pub struct Network {
    session: Session,
    role: Role,
    execution: Execution,
}

impl Network {
    /// The engine that runs it.
    pub fn execution(&self) -> Execution {
        self.execution
    }

    /// Runs the network on `input` (`[batch][channel][height][width]`, row by row) and hands each output to `read`.
    ///
    /// Outputs are written to buffers made here and overwritten with zeros once `read` has seen them: an
    /// embedding leaves no copy behind that this process could reach (invariant I2).
    ///
    /// `outputs` are names and shapes; `read` gets them in that order.
    ///
    /// # Errors
    ///
    /// - [`InferenceError::Run`] if the library refuses the input or fails.
    /// - [`InferenceError::Shape`] if the network's output is not of the promised shape.
    pub fn run(
        &mut self,
        (input_name, input_shape, input): (&str, [usize; 4], &[f32]),
        outputs: &[(&str, Vec<usize>)],
        mut read: impl FnMut(usize, &[f32]),
    ) -> Result<(), InferenceError> {
        let role = self.role;
        let failed = |source| InferenceError::Run { role, source };
        let mut selector = OutputSelector::no_default();
        for (name, shape) in outputs {
            let buffer = Tensor::<f32>::new(&Allocator::default(), shape.clone()).map_err(failed)?;
            selector = selector.with(*name).preallocate(*name, buffer);
        }
        let options = RunOptions::new().map_err(failed)?.with_outputs(selector);
        let input = TensorRef::from_array_view((input_shape, input)).map_err(failed)?;
        let mut results = self.session.run_with_options(ort::inputs![input_name => input], &options).map_err(failed)?;
        for (i, (name, shape)) in outputs.iter().enumerate() {
            let wrong = || InferenceError::Shape { role, name: (*name).to_owned() };
            let (_, values) =
                results.get_mut(*name).ok_or_else(wrong)?.try_extract_tensor_mut::<f32>().map_err(failed)?;
            if values.len() != shape.iter().product::<usize>() {
                return Err(wrong());
            }
            read(i, values);
            zeroize::Zeroize::zeroize(values);
        }
        Ok(())
    }
}

fn start(library: &Path) -> Result<Environment, RuntimeError> {
    let failed = |source| RuntimeError::Load { library: library.to_path_buf(), source };
    let builder = ort::init_from(library).map_err(|e| failed(e.into()))?;
    let environment = builder.with_name("assent").with_telemetry(false).build().map_err(|e| failed(e.into()))?;
    environment.set_log_level(ort::logging::LogLevel::Error);
    Ok(environment)
}

fn openvino(precision: &str) -> ep::ExecutionProviderDispatch {
    use ort::ep::ArbitrarilyConfigurableExecutionProvider as _;
    let load_config = format!(r#"{{"CPU":{{"INFERENCE_PRECISION_HINT":"{precision}","INFERENCE_NUM_THREADS":"1"}}}}"#);
    ep::OpenVINO::default()
        .with_device_type("CPU")
        .with_arbitrary_config("load_config", load_config)
        .build()
        .error_on_failure()
}

/// Full 32-bit multiplications and no search for the fastest algorithm: the same input gives the same numbers from run to
/// run (invariant I9).
fn cuda() -> ep::ExecutionProviderDispatch {
    ep::CUDA::default()
        .with_tf32(false)
        .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Default)
        .build()
        .error_on_failure()
}

/// An ONNX file with a `Relu` from `x` to `y`, both `[1][1][1][1]`.
///
/// # Source
///
/// The field numbers of `onnx/onnx.proto3` at v1.17.0. Format 8 with operations 13 is what the default pack has.
fn smallest_network() -> Vec<u8> {
    let message = |fields: &[(u64, &[u8])]| {
        let mut bytes = Vec::new();
        for (number, content) in fields {
            wire::put(&mut bytes, *number, content);
        }
        bytes
    };
    let one = [0x08, 1]; // dim_value, or elem_type FLOAT
    let shape = message(&[(1, &one[..]); 4]);
    let tensor = [&one[..], &message(&[(2, &shape)])].concat();
    let value = |name: &str| message(&[(1, name.as_bytes()), (2, &message(&[(1, &tensor)]))]);
    let node = message(&[(1, b"x"), (2, b"y"), (4, b"Relu")]);
    let graph = message(&[(1, &node), (2, b"g"), (11, &value("x")), (12, &value("y"))]);
    let (ir_version, operations) = ([0x08, 8], [0x10, 13]);
    [&ir_version[..], &message(&[(7, &graph), (8, &operations)])].concat()
}

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};

/// The library in `folder`: its plain name, or the one with a version behind it, as wheels carry it.
fn find_library(folder: &Path) -> Option<PathBuf> {
    let stem = format!("{DLL_PREFIX}onnxruntime");
    let plain = folder.join(format!("{stem}{DLL_SUFFIX}"));
    if plain.is_file() {
        return Some(plain);
    }
    let versioned = |name: &str| {
        name.strip_prefix(stem.as_str())
            .is_some_and(|rest| rest.starts_with(DLL_SUFFIX) || (rest.starts_with('.') && rest.ends_with(DLL_SUFFIX)))
    };
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().and_then(|n| n.to_str()).is_some_and(versioned))
        .collect();
    names.sort();
    names.pop()
}
