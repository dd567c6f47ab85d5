# All arithmetic of one dtype and one CPU level: the subjects, and the table that exports them.
#
# Every stub includes this one text after it has fixed `real` (by its cimport) and the vector's
# size (by setup.py's macros). The module offers nothing but a capsule with its table.

from cpython.pycapsule cimport PyCapsule_New

include "vec.pxi"
include "reductions.pxi"
include "math/exp_log_tanh.pxi"
include "math/trigonometric.pxi"
include "math/erf.pxi"
include "math/table.pxi"
include "formula_ops.pxi"
include "formula_table.pxi"
include "activations.pxi"
include "losses.pxi"
include "optimizers.pxi"
include "matmul.pxi"
include "small_batch.pxi"
include "peak_fma.pxi"
include "single_layer.pxi"
include "per_sample_unit.pxi"
include "per_sample_epoch.pxi"
include "gemv.pxi"

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
