# All arithmetic of one dtype and one CPU level: the subjects, and the table that exports them.
#
# Every stub includes this one text after it has fixed `real` (by its cimport) and the vector's
# size (by setup.py's macros). The module offers nothing but a capsule with its table.

from cpython.pycapsule cimport PyCapsule_New

include "vec.pxi"
include "reductions.pxi"
include "elementary.pxi"
include "trigonometric.pxi"
include "error_function.pxi"
include "functions.pxi"
include "formulas.pxi"
include "formula_functions.pxi"
include "activations.pxi"
include "losses.pxi"
include "updates.pxi"
include "products.pxi"
include "few_rows.pxi"
include "peak.pxi"
include "rows.pxi"
include "chain.pxi"
include "units.pxi"
include "lines.pxi"

cdef kernels table

table.level = 2 if VBYTES <= 16 else 3 if VBYTES == 32 else 4
table.vector_bytes = VBYTES
fill_functions(&table)
fill_ops(&table)
fill_activations(&table)
fill_losses(&table)
fill_reductions(&table)
fill_updates(&table)
fill_products(&table)
fill_few_rows(&table)
fill_peak(&table)
fill_rows(&table)
fill_units(&table)
fill_lines(&table)

capsule = PyCapsule_New(&table, "cygd.kernels.v1", NULL)
