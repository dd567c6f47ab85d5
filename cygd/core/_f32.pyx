# The primitives and the engine for float32.
from cygd.core cimport dispatch
from cygd.core.f32 cimport *
cdef kernels *current() noexcept nogil: return dispatch.kernels_f32
include "program.pxi"
include "formula.pxi"
include "primitives.pxi"
include "components.pxi"
include "pointers.pxi"
include "engine.pxi"
include "updater.pxi"
include "chunk.pxi"
include "gradients.pxi"
include "rows.pxi"
include "epochs.pxi"
include "plan.pxi"
include "samples.pxi"
include "training.pxi"
include "timing.pxi"
