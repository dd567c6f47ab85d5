# The kernel tables in use, one per dtype; selected at import.
from cygd.core cimport f32, f64

cdef f32.kernels *kernels_f32
cdef f64.kernels *kernels_f64
