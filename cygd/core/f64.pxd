# The table of kernels for float64.
ctypedef double real
include "table.pxi"
