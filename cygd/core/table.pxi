# The kernel table: what one (dtype, CPU level) build of the kernels exports, a struct of function pointers.
#
# f32.pxd and f64.pxd define `real` and include this file, so the struct is typed once per dtype. A kernel
# stub fills one table (kernels/kernels.pxi), dispatch.pyx selects one, and all code above the kernels calls
# through it. Kernels propagate NaN, never allocate, and take their outputs last.
#
# Blocks have the shape (units, rows): element (unit j, row r) is at j * ld + r. The vector axis runs along
# the rows of a chunk, so a layer of any width fills whole vectors. `rows` is a multiple of WIDTH: the caller
# pads and gives the padding the weight 0, so that it adds nothing. Elementwise kernels see a block as a flat
# array.

from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    MAX_PARAMETERS = 4      # of one activation or loss
    MAX_ENTRIES = 64        # of one table
    MAX_OPERANDS = 5        # of one instruction of a formula
    PANEL = 256 // sizeof(real)     # rows of a panel: four vectors at the highest CPU level

# elementwise: out = f(h) and out = f'(h); out may be h. data: the parameters as `const real *`, or NULL for
# the defaults
ctypedef void (*block_t)(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil
ctypedef void (*derivative_t)(const real *h, const real *y_hat, real *out, Py_ssize_t n,
                              void *data) noexcept nogil
# y_hat = f(h) and derivative = f'(h) in one pass; derivative may be h
ctypedef void (*value_and_derivative_t)(const real *h, real *y_hat, real *derivative, Py_ssize_t n,
                                        void *data) noexcept nogil
# row-wise (softmax): out (units, rows) = f(h), delta (units, rows) = J^T g; ld = rows
ctypedef void (*rowwise_t)(const real *h, real *out, Py_ssize_t units, Py_ssize_t rows,
                           void *data) noexcept nogil
ctypedef void (*rowwise_backward_t)(const real *h, const real *y_hat, const real *g, real *delta,
                                    Py_ssize_t units, Py_ssize_t rows, void *data) noexcept nogil
# elementwise: out = l(y, y_hat) and out = dl/dy_hat, before the reduction
ctypedef void (*loss_block_t)(const real *y, const real *y_hat, real *out, Py_ssize_t n,
                              void *data) noexcept nogil
# an activation fused with a loss in a numerically stable form: out = l from the net input h. The loss of a
# row is the sum of `out` over its units; how a kernel distributes it over the units is not specified
ctypedef void (*fused_loss_t)(const real *h, const real *y, real *out, Py_ssize_t units,
                              Py_ssize_t rows, void *data) noexcept nogil
# delta = -dl/dh of rows of weight 1
ctypedef void (*fused_delta_t)(const real *y, const real *y_hat, real *delta, Py_ssize_t units,
                               Py_ssize_t rows, void *data) noexcept nogil

cdef struct activation_entry:
    const char *name
    block_t f
    derivative_t df
    value_and_derivative_t value_and_derivative     # NULL where calling f, then df costs the same
    bint df_reads_y_hat                             # otherwise df accepts any pointer for y_hat
    rowwise_t f_rows                                # row-wise activations have these two, and f = df = NULL
    rowwise_backward_t backward_rows
    int n_parameters
    const char *parameters[MAX_PARAMETERS]
    double defaults[MAX_PARAMETERS]

cdef enum:
    SUM = 0                             # sum over samples and outputs
    MEAN = 1                            # mean over samples and outputs
    MEAN_ROWS = 2                       # mean over samples of the sum over outputs

cdef struct loss_entry:
    const char *name
    loss_block_t f
    loss_block_t df
    int reduction
    int n_parameters
    const char *parameters[MAX_PARAMETERS]
    double defaults[MAX_PARAMETERS]

cdef struct fused_loss_entry:
    const char *activation
    const char *loss
    fused_loss_t f
    fused_delta_t delta

cdef struct function_entry:             # elementary functions by name: exp, log1p, tanh, ...
    const char *name
    block_t f

# One instruction of a formula over a block of n elements, n a multiple of WIDTH. Element i of an operand is
# at p + i * step: step is 1 for a block and 0 for a scalar, which is stored as WIDTH equal copies, so that
# one loop serves both. out may be an operand. An instruction with two outputs takes the second one after its
# operands.
cdef struct operand:
    const real *p
    Py_ssize_t step

ctypedef void (*op_t)(const operand *x, real *out, Py_ssize_t n) noexcept nogil

cdef struct op_entry:
    const char *name
    op_t f
    int operands, outputs

# One update of n parameters in place. state: n_state arrays of the shape of w. s: the scalars of this step,
# computed once per step from the optimizer's parameters and the step number
ctypedef void (*update_t)(real *w, const real *g, real **state, Py_ssize_t n,
                          const double *s) noexcept nogil
ctypedef void (*step_scalars_t)(const double *parameters, double learning_rate, long long step,
                                double *carried, double *s) noexcept nogil
# the same update of many networks: w, g and state (n, networks), s (8, networks)
ctypedef void (*many_update_t)(real *w, const real *g, real **state, Py_ssize_t n, Py_ssize_t networks,
                               const real *s) noexcept nogil

cdef enum:
    MAX_OPTIMIZER_PARAMETERS = 8
    MAX_STATE = 4

cdef struct optimizer_entry:
    const char *name
    update_t f
    step_scalars_t scalars
    many_update_t many
    int selector                        # the scalar that selects the form of the update by being 0, or -1
    bint steady                         # the scalars are those of the step before, from the third step on
    int n_state
    const char *state[MAX_STATE]
    int n_parameters
    const char *parameters[MAX_OPTIMIZER_PARAMETERS]
    double defaults[MAX_OPTIMIZER_PARAMETERS]

# How a chunk of rows is cut into panels: n panels of `width` rows each, except the last, which has `last`
# rows, `filled` of them without padding. The block of a chunk is a sequence of panels, each (units, rows of
# the panel); a product may read only the units from `first` on.
cdef struct panels:
    Py_ssize_t n, width, last, filled

cdef struct panel_block:
    const real *p
    Py_ssize_t units, first

# A panel of rows in the sum of the gradient of a wide layer: x (units, width) and the error terms in blocks
# (width, WIDTH units), as `transpose_rows` writes them. Rows from `filled` on are padding.
cdef struct gradient_panel:
    const real *x
    const real *delta
    Py_ssize_t width, filled

# A single unit trained row by row (kernels/per_sample_epoch.pxi).
cdef enum:
    UNIT_IDENTITY                       # identity with a squared error
    UNIT_SIGMOID                        # sigmoid with a squared error
    UNIT_LOGISTIC                       # sigmoid with binary_cross_entropy
    UNIT_OTHER                          # any other combination, through the function `error_term`

cdef enum:
    MAX_PACKED_LINES = 4                # cache lines of 64 bytes in a row that is packed
    UNIT_MEMORY_LINES = 3 * (2 * 8 * MAX_PACKED_LINES + 4)
    UNIT_PREFETCH_ROWS = 16

# return -dl/dh of a row from its net input, and store its output
ctypedef real (*error_term_t)(void *data, Py_ssize_t row, real h, real *y_hat) noexcept nogil

cdef struct unit_rows:
    Py_ssize_t n, d
    bint exceeds_cache                  # all rows of the epoch together
    const real **x                      # (n + UNIT_PREFETCH_ROWS) rows of d elements; past n only prefetched
    const real *y                       # (n)
    const real *step                    # (n): the factor of -dl/dh in the update
    real *w                             # (d)
    real *b                             # one element, or NULL
    real *h                             # (n): net inputs, for the loss
    real *y_hat                         # (n): outputs
    real *memory                        # UNIT_MEMORY_LINES cache lines, for copies of a few rows
    error_term_t error_term
    void *data

cdef struct kernels:
    int level                           # 2 (base), 3, 4
    int vector_bytes
    int n_activations, n_losses, n_fused_losses, n_functions, n_ops, n_optimizers
    activation_entry activations[MAX_ENTRIES]
    loss_entry losses[MAX_ENTRIES]
    fused_loss_entry fused_losses[MAX_ENTRIES]
    function_entry functions[MAX_ENTRIES]
    op_entry ops[MAX_ENTRIES]
    optimizer_entry optimizers[MAX_ENTRIES]

    # matrix products (kernels/matmul.pxi)
    # c (m, n) = [c +] a (m, k) b (k, n) [+ bias (m)], vectors along n; a has arbitrary strides
    void (*matmul)(const real *a, Py_ssize_t a_row, Py_ssize_t a_column, const real *b,
                   Py_ssize_t ldb, const real *bias, bint accumulate, real *c, Py_ssize_t ldc,
                   Py_ssize_t m, Py_ssize_t n, Py_ssize_t k) noexcept nogil
    # the same without a bias for large matrices, with a workspace of large_workspace(n) elements
    void (*large_matmul)(const real *a, Py_ssize_t a_row, Py_ssize_t a_column, const real *b,
                         Py_ssize_t ldb, bint accumulate, real *c, Py_ssize_t ldc, Py_ssize_t m,
                         Py_ssize_t n, Py_ssize_t k, real *workspace) noexcept nogil
    Py_ssize_t (*large_workspace)(Py_ssize_t n) noexcept nogil
    # c = [c +] sum over n elements of a * b
    void (*dot)(const real *a, const real *b, bint accumulate, real *c, Py_ssize_t n) noexcept nogil
    # c = a (m, k) b [+ bias (m)] in every panel: b is a block of k units, c one of m
    void (*panel_matmul)(const real *a, Py_ssize_t a_row, Py_ssize_t a_column, const panels *q,
                         const panel_block *b, const real *bias, real *c, Py_ssize_t m,
                         Py_ssize_t k) noexcept nogil
    # c (m, n) = [c +] x delta^T over the rows of some panels
    void (*panel_outer)(const gradient_panel *q, Py_ssize_t panels, bint accumulate, real *c, Py_ssize_t m,
                        Py_ssize_t n) noexcept nogil
    # the same with x a single row of ones: c (n) = [c +] sum_r delta_r
    void (*panel_outer_ones)(const gradient_panel *q, Py_ssize_t panels, bint accumulate, real *c,
                             Py_ssize_t n) noexcept nogil
    # panel_outer for few units: d is a block (units, rows) like x. With d NULL and n = 1: the row sums of x
    void (*panel_dots)(const panels *q, const panel_block *x, const panel_block *d, bint accumulate, real *c,
                       Py_ssize_t m, Py_ssize_t n) noexcept nogil
    # out (n, ldo): column i is rows[i] (n elements), i < m; the rest of each row of `out` is 0
    void (*transpose_rows)(const real **rows, Py_ssize_t m, Py_ssize_t n, real *out,
                           Py_ssize_t ldo) noexcept nogil

    # fewer than WIDTH rows: vectors along the units (kernels/small_batch.pxi)
    # c (rows, n) = x^T w + bias, x (k, WIDTH), w (k, n); c has room for WIDTH rows
    void (*small_batch_net_inputs)(const real *x, Py_ssize_t rows, const real *w, const real *bias, real *c,
                                   Py_ssize_t n, Py_ssize_t k) noexcept nogil
    # g (m, WIDTH) = w d, as panel_matmul writes it; w (m, n), d in blocks (WIDTH rows, WIDTH units)
    void (*small_batch_errors)(const real *w, const real *d, Py_ssize_t rows, real *g, Py_ssize_t m,
                               Py_ssize_t n) noexcept nogil

    # a wide layer over m rows of k elements, each at its own address and read in place
    # (kernels/row_net_inputs.pxi): h (m, n) = x w [+ bias], w (k, n)
    void (*row_net_inputs)(const real **x, Py_ssize_t m, const real *w, const real *bias, real *h,
                           Py_ssize_t n, Py_ssize_t k) noexcept nogil

    # one layer with few outputs over n rows of d elements, each at its own address and read in place
    # (kernels/single_layer.pxi). w and g are packed: (outputs, inputs), ld a multiple of WIDTH. The rows of
    # the next chunk, `next`, are prefetched: 1 / share of every WIDTH rows by the first kernel, the second
    # half of them by the second; unless `next` is NULL
    # h (m, n) = w x^T [+ bias], n a multiple of WIDTH
    void (*single_layer_net_inputs)(const real *const *x, const real *const *next, Py_ssize_t share,
                                    Py_ssize_t n, Py_ssize_t d, const real *w, Py_ssize_t ldw,
                                    const real *bias, real *h, Py_ssize_t m) noexcept nogil
    # g (m, ldg) = [g +] delta x
    void (*single_layer_gradient)(const real *const *x, const real *const *next, Py_ssize_t n, Py_ssize_t d,
                                  const real *delta, Py_ssize_t ldd, Py_ssize_t m, bint accumulate, real *g,
                                  Py_ssize_t ldg) noexcept nogil
    # out (m, ldo) = a (d, m) transposed and padded with zeros; and the way back: out (d, m) from a (m, lda)
    void (*pack_weights)(const real *a, Py_ssize_t d, Py_ssize_t m, real *out, Py_ssize_t ldo) noexcept nogil
    void (*unpack_weights)(const real *a, Py_ssize_t lda, Py_ssize_t d, Py_ssize_t m,
                           real *out) noexcept nogil

    # reductions and elementwise operations (kernels/reductions.pxi)
    # out (m) = [out +] sum over k of a (m, k)
    void (*sum_rows)(const real *a, Py_ssize_t lda, bint accumulate, real *out, Py_ssize_t m,
                     Py_ssize_t k) noexcept nogil
    # sum over units j and rows r of a (units, rows) * weight (rows), in a fixed order; without rows of weight
    # 0
    double (*weighted_sum)(const real *a, const real *weight, Py_ssize_t units,
                           Py_ssize_t rows) noexcept nogil
    # out (units, rows) = a * weight (rows); 0 for a row of weight 0, even where a is NaN
    void (*scale_rows)(const real *a, const real *weight, real *out, Py_ssize_t units,
                       Py_ssize_t rows) noexcept nogil
    # out = a * b, out = a + b, out = a - b, out = factor * a over n elements
    void (*multiply)(const real *a, const real *b, real *out, Py_ssize_t n) noexcept nogil
    void (*add)(const real *a, const real *b, real *out, Py_ssize_t n) noexcept nogil
    void (*subtract)(const real *a, const real *b, real *out, Py_ssize_t n) noexcept nogil
    void (*scale)(double factor, const real *a, real *out, Py_ssize_t n) noexcept nogil
    # sum of squares of n elements, in a fixed order; NaN or inf when an element is
    double (*square_sum)(const real *a, Py_ssize_t n) noexcept nogil
    # return 1 if all n elements are finite; copy_finite copies them as well
    bint (*all_finite)(const real *a, Py_ssize_t n) noexcept nogil
    bint (*copy_finite)(const real *a, real *out, Py_ssize_t n) noexcept nogil
    # g += l1 * sign(w) + l2 * w, and the penalty sum(l1 |w| + l2 w^2 / 2) itself
    void (*penalty_gradient)(const real *w, double l1, double l2, real *g, Py_ssize_t n) noexcept nogil
    double (*penalty)(const real *w, double l1, double l2, Py_ssize_t n) noexcept nogil
    # g = clip(g, -limit, limit); return 1 if g was finite
    bint (*clip)(double limit, real *g, Py_ssize_t n) noexcept nogil
    # run fused multiply-adds on registers only; return the number of operations, two per multiply-add
    double (*peak_fma)(Py_ssize_t rounds) noexcept nogil

    # per-sample training
    # one unit, row by row; kind: UNIT_IDENTITY ... (kernels/per_sample_epoch.pxi)
    void (*train_unit)(int kind, const unit_rows *u) noexcept nogil
    # one row through a layer (kernels/gemv.pxi): n and every row of w (m, n) are multiples of WIDTH
    # out (n) = [bias +] sum_i a_i w_i
    void (*gemv_transposed)(const real *w, const real *a, const real *bias, real *out, Py_ssize_t m,
                            Py_ssize_t n) noexcept nogil
    # out_i = [bias_i +] w_i . v
    void (*gemv)(const real *w, const real *v, const real *bias, real *out, Py_ssize_t m,
                 Py_ssize_t n) noexcept nogil
    # out_i = w_i . v, then w_i += rate a_i v
    void (*gemv_and_update)(real *w, const real *v, const real *a, real rate, real *out, Py_ssize_t m,
                            Py_ssize_t n) noexcept nogil
    # out (n) = sum_i a_i w_i, then w_i += rate a_i v
    void (*gemv_transposed_and_update)(real *w, const real *v, const real *a, real rate, real *out,
                                       Py_ssize_t m, Py_ssize_t n) noexcept nogil
    # w_i = [w_i +] rate a_i v
    void (*rank_1_update)(const real *v, const real *a, real rate, bint accumulate, real *w, Py_ssize_t m,
                          Py_ssize_t n) noexcept nogil

    # many networks side by side: blocks (rows, units, networks), networks a multiple of WIDTH, and the bits
    # of the kernels of one network (kernels/many_networks.pxi)
    # c (rows, m) = b (rows, k) a^T [+ bias (m)], a (m, k) with strides in elements of one network
    void (*many_matmul)(const real *a, Py_ssize_t a_row, Py_ssize_t a_step, const real *b, const real *bias,
                        real *c, Py_ssize_t rows, Py_ssize_t m, Py_ssize_t k,
                        Py_ssize_t networks) noexcept nogil
    # out (m, n) = [out +] x^T d, x (rows, m), d (rows, n), in the order of panel_outer, which `accumulate`
    # continues; and panel_outer_ones
    void (*many_outer)(const real *x, const real *d, bint accumulate, real *out, Py_ssize_t rows,
                       Py_ssize_t m, Py_ssize_t n, Py_ssize_t networks) noexcept nogil
    void (*many_outer_ones)(const real *d, bint accumulate, real *out, Py_ssize_t rows, Py_ssize_t n,
                            Py_ssize_t networks) noexcept nogil
    # out (m, n) = x^T d in the order of panel_dots; x NULL, m 1: the sums of d. More than WIDTH rows are a
    # multiple of WIDTH
    void (*many_dots)(const real *x, const real *d, real *out, Py_ssize_t rows, Py_ssize_t m, Py_ssize_t n,
                      Py_ssize_t networks) noexcept nogil
    # out (networks) += weighted_sum of a (rows, units), at most PANEL rows
    void (*many_weighted_sums)(const real *a, const real *weight, double *out, Py_ssize_t units,
                               Py_ssize_t rows, Py_ssize_t networks) noexcept nogil
    # penalty_gradient with l1, l2 and whether to penalize (networks)
    void (*many_penalty_gradient)(const real *w, const real *l1, const real *l2, const real *penalized,
                                  real *g, Py_ssize_t n, Py_ssize_t networks) noexcept nogil
    # out (networks) += 0 if all n numbers of a network are finite, else NaN
    void (*many_infinite)(const real *a, real *out, Py_ssize_t n, Py_ssize_t networks) noexcept nogil

    # out (64): the random words of sixteen blocks of a stream, from `block` on (kernels/philox.pxi)
    void (*philox_words)(uint64_t seed, uint64_t index, uint32_t place, uint64_t block,
                         uint32_t *out) noexcept nogil
