# The engine and the primitives for float64: one text for both dtypes, in the files included here.
from cygd.core cimport dispatch
from cygd.core.f64 cimport *
cdef kernels *current() noexcept nogil: return dispatch.kernels_f64
include "program/interpreter.pxi"
include "program/adapters.pxi"
include "primitives.pxi"
include "engine/callbacks.pxi"
include "engine/function_pointers.pxi"
include "engine/engine.pxi"
include "engine/optimizer.pxi"
include "engine/batch_chunks.pxi"
include "engine/weight_gradients.pxi"
include "engine/single_layer.pxi"
include "engine/epochs.pxi"
include "engine/evaluation.pxi"
include "engine/recorder.pxi"
include "engine/per_sample_layout.pxi"
include "engine/per_sample.pxi"
include "engine/trainer.pxi"
include "engine/many_lanes.pxi"
include "engine/many_batches.pxi"
include "engine/many_networks.pxi"
include "engine/timing.pxi"
