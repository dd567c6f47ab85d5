# The primitives and the engine for float64.
from cygd.core cimport dispatch
from cygd.core.f64 cimport *
cdef kernels *current() noexcept nogil: return dispatch.kernels_f64
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
