# The kernel table for float64.
ctypedef double real
include "table.pxi"
