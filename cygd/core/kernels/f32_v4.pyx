from cygd.core.f32 cimport *
include "kernels.pxi"
