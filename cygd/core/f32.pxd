# The table of kernels for float32.
ctypedef float real
include "table.pxi"
