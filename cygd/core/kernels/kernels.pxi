# All kernels of one dtype and one CPU level, and the table that exports them.
#
# A stub (f64_v4.pyx, ...) fixes `real` by its cimport; setup.py fixes the vector size by macros; both then
# include this same text. The module's only attribute is `capsule`, which holds the table.

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
include "large_matmul.pxi"
include "outer_product.pxi"
include "small_batch.pxi"
include "row_net_inputs.pxi"
include "peak_fma.pxi"
include "single_layer.pxi"
include "per_sample_unit.pxi"
include "per_sample_epoch.pxi"
include "gemv.pxi"
include "many_networks.pxi"
include "many_optimizers.pxi"
include "philox.pxi"

cdef kernels table

table.level = 2 if VBYTES <= 16 else 3 if VBYTES == 32 else 4
table.vector_bytes = VBYTES
fill_functions(&table)
fill_ops(&table)
fill_activations(&table)
fill_losses(&table)
fill_reductions(&table)
fill_optimizers(&table)
fill_matmul(&table)
fill_large_matmul(&table)
fill_outer_product(&table)
fill_small_batch(&table)
fill_row_net_inputs(&table)
fill_peak_fma(&table)
fill_single_layer(&table)
fill_per_sample(&table)
fill_gemv(&table)
fill_many_networks(&table)
fill_many_optimizers(&table)
fill_philox(&table)

capsule = PyCapsule_New(&table, "cygd.kernels.v1", NULL)
