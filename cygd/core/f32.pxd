# The kernel table for float32.
ctypedef float real
include "table.pxi"
