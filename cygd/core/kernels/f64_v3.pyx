from cygd.core.f64 cimport *
include "kernels.pxi"
