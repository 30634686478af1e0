//! Which engine runs which network on which machine: a choice from facts, without the machine.

use assent_kernels::Kernel;

use crate::runtime::{Execution, Role};

/// What the processor has that the choice of an engine depends on. Each has what the one before it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Processor {
    /// Nothing of it.
    Plain,
    /// The instructions that Assent's own kernels are written for.
    Vectorised,
    /// Multiplications of bfloat16 tiles (AMX) as well.
    Amx,
}

impl Processor {
    /// The one that this runs on.
    pub fn detect() -> Processor {
        match (has_amx_bf16(), Kernel::detect().is_vectorised()) {
            (true, _) => Processor::Amx,
            (_, true) => Processor::Vectorised,
            _ => Processor::Plain,
        }
    }
}

/// What decides which engine runs a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// Whether the library has `OpenVINO`.
    pub has_openvino: bool,
    /// Whether the library runs networks on a GPU here.
    pub has_cuda: bool,
    /// What the processor has.
    pub processor: Processor,
}

impl Machine {
    /// Which engine runs `role`, and why.
    ///
    /// # Source
    ///
    /// Measured (`docs/performance.md`): our own kernels are the fastest, also beside bfloat16 on `OpenVINO` where the
    /// processor has AMX. The GPU was not measured.
    pub fn choose(self, role: Role) -> (Execution, &'static str) {
        let library = self.choose_library(role);
        if self.processor >= Processor::Vectorised && library.0 != Execution::Cuda {
            return (
                Execution::Own,
                "of the engines here, Assent's own kernels are the fastest for networks of the families they know",
            );
        }
        library
    }

    /// Which engine of the library runs `role`, for a network that our own kernels do not know, and why.
    ///
    /// # Source
    ///
    /// Measured (`docs/performance.md`): `OpenVINO` is slower than ONNX Runtime for the detector, with AMX too, since a
    /// search looks at pictures of many sizes. It is as fast for an embedder whose `PReLU`s were rewritten
    /// ([`crate::prelu`]), and with AMX nearly twice as fast as that. The GPU was not measured.
    pub fn choose_library(self, role: Role) -> (Execution, &'static str) {
        match (self.has_cuda, self.has_openvino, self.processor, role) {
            (true, _, _, _) => (Execution::Cuda, "the library runs networks on an NVIDIA GPU here"),
            (_, true, Processor::Amx, Role::Embedder) => {
                (Execution::OpenVinoBf16, "OpenVINO is there and the processor has AMX")
            }
            (_, true, _, Role::Embedder) => {
                (Execution::OpenVinoF32, "no AMX: OpenVINO is the faster one for embedders in 32-bit floats")
            }
            (_, true, _, Role::Detector) => (Execution::Cpu, "ONNX Runtime's own code is the faster one for detectors"),
            (_, false, _, _) => (Execution::Cpu, "the library has no OpenVINO"),
        }
    }
}

/// Whether the processor multiplies bfloat16 tiles (AMX).
///
/// # Source
///
/// Intel SDM, volume 2A, CPUID leaf 7: EDX bit 22 is AMX-BF16, bit 24 AMX-TILE.
fn has_amx_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{__cpuid, __cpuid_count};
        if __cpuid(0).eax < 7 {
            return false;
        }
        let edx = __cpuid_count(7, 0).edx;
        edx & (1 << 22) != 0 && edx & (1 << 24) != 0
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_follows_from_library_processor_and_role() {
        use Execution::{Cpu, Cuda, OpenVinoBf16, OpenVinoF32, Own};
        use Processor::{Amx, Plain, Vectorised};
        let roles = [Role::Detector, Role::Embedder];
        let check = |name: &str, (has_openvino, has_cuda), processor, expected, of_library| {
            let machine = Machine { has_openvino, has_cuda, processor };
            assert_eq!(roles.map(|role| machine.choose(role).0), expected, "{name}");
            assert_eq!(roles.map(|role| machine.choose_library(role).0), of_library, "{name}, of the library's");
        };
        check("the usual wheel, AMX", (true, false), Amx, [Own, Own], [Cpu, OpenVinoBf16]);
        check("the usual wheel, AVX2", (true, false), Vectorised, [Own, Own], [Cpu, OpenVinoF32]);
        check("the usual wheel, neither", (true, false), Plain, [Cpu, OpenVinoF32], [Cpu, OpenVinoF32]);
        check("plain, AMX", (false, false), Amx, [Own, Own], [Cpu, Cpu]);
        check("plain, AVX2", (false, false), Vectorised, [Own, Own], [Cpu, Cpu]);
        check("plain, neither", (false, false), Plain, [Cpu, Cpu], [Cpu, Cpu]);
        check("a GPU", (false, true), Vectorised, [Cuda, Cuda], [Cuda, Cuda]);
        check("a GPU and AMX", (true, true), Amx, [Cuda, Cuda], [Cuda, Cuda]);
        check("a GPU, an old processor", (false, true), Plain, [Cuda, Cuda], [Cuda, Cuda]);
    }
}
