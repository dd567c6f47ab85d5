# What one (dtype, CPU level) build of the kernels offers: a struct of function pointers.
#
# Included by f32.pxd and f64.pxd after `real` is defined, so that the struct is typed once per
# dtype. A kernel stub fills it (kernels/kernels.pxi), dispatch picks one, everybody above calls
# through it. Kernels are total (NaN in, NaN out), never allocate, and name their outputs last.
#
# Blocks lie "units x rows": element (unit j, row r) of a block stands at j * ld + r. The rows of a
# chunk are the vector axis, so a layer of any width wastes no lane, and `rows` is a multiple of
# WIDTH (the caller pads and gives padded rows the weight 0). Elementwise kernels see a flat block.

cdef enum:
    MAX_PARAMETERS = 4      # of one activation or loss
    MAX_ROWS = 64           # rows of one table
    MAX_OPERANDS = 5        # of one instruction of a formula
    PANEL = 256 // sizeof(real)     # rows of a panel: four vectors at the highest level

# elementwise: out = f(h) and out = f'(h); out may be h. data: the parameters as `const real *`, or
# NULL for the defaults
ctypedef void (*block_t)(const real *h, real *out, Py_ssize_t n, void *data) noexcept nogil
ctypedef void (*derivative_t)(const real *h, const real *y_hat, real *out, Py_ssize_t n,
                            void *data) noexcept nogil
# both in one pass; slope may be h
ctypedef void (*both_t)(const real *h, real *y_hat, real *slope, Py_ssize_t n, void *data) noexcept nogil
# row-wise (softmax): out (units, rows) and delta = J^T g (units, rows), ld = rows
ctypedef void (*rowwise_t)(const real *h, real *out, Py_ssize_t units, Py_ssize_t rows,
                         void *data) noexcept nogil
ctypedef void (*rowwise_backward_t)(const real *h, const real *y_hat, const real *g, real *delta,
                                  Py_ssize_t units, Py_ssize_t rows, void *data) noexcept nogil
# elementwise: out = l(y, y_hat) and out = dl/dy_hat, before the reduction
ctypedef void (*loss_block_t)(const real *y, const real *y_hat, real *out, Py_ssize_t n,
                            void *data) noexcept nogil
# an activation and a loss in one stable form: out = l from the net input h; the sum of `out` over
# the units is the loss of a row (how it is spread over the units is the kernel's own business)
ctypedef void (*joint_block_t)(const real *h, const real *y, real *out, Py_ssize_t units,
                             Py_ssize_t rows, void *data) noexcept nogil
# delta = -dE/dh of one row of weight 1
ctypedef void (*joint_delta_t)(const real *y, const real *y_hat, real *delta, Py_ssize_t units,
                             Py_ssize_t rows, void *data) noexcept nogil

cdef struct activation_row:
    const char *name
    block_t f
    derivative_t df
    both_t both                           # NULL where f and df one after the other are as cheap
    bint df_reads_y_hat                   # else it may be given anything
    rowwise_t f_rows                      # both NULL but for row-wise activations, whose f and df are NULL
    rowwise_backward_t backward_rows
    int n_parameters
    const char *parameters[MAX_PARAMETERS]
    double defaults[MAX_PARAMETERS]

cdef enum:
    SUM = 0                             # over samples and outputs
    MEAN = 1                            # over samples and outputs
    MEAN_ROWS = 2                       # over samples; sum over outputs

cdef struct loss_row:
    const char *name
    loss_block_t f
    loss_block_t df
    int reduction
    int n_parameters
    const char *parameters[MAX_PARAMETERS]
    double defaults[MAX_PARAMETERS]

cdef struct joint_row:
    const char *activation
    const char *loss
    joint_block_t f
    joint_delta_t delta

cdef struct function_row:               # elementary functions, by name: exp, log1p, tanh, ...
    const char *name
    block_t f

# One instruction of a formula over a block of n elements, n a multiple of WIDTH. Element i of an operand
# stands at p + i * step: step is 1 for a block, and 0 for a scalar, of which there are WIDTH equal copies, so
# that one loop serves both. out may be a block operand. What has two outputs is given the second behind
# its operands.
cdef struct operand:
    const real *p
    Py_ssize_t step

ctypedef void (*op_t)(const operand *x, real *out, Py_ssize_t n) noexcept nogil

cdef struct op_row:
    const char *name
    op_t f
    int operands, outputs

# One update of n parameters in place. state: n_state arrays like w. s: the scalars of this step,
# which the optimizer's row in updates.pxi computes from its parameters and the step number
ctypedef void (*update_block_t)(real *w, const real *g, real **state, Py_ssize_t n,
                              const double *s) noexcept nogil
ctypedef void (*update_scalars_t)(const double *parameters, double learning_rate, long long step,
                                double *memory, double *s) noexcept nogil

cdef enum:
    MAX_OPTIMIZER_PARAMETERS = 8
    MAX_STATE = 4

cdef struct update_row:
    const char *name
    update_block_t f
    update_scalars_t scalars
    int n_state
    const char *state[MAX_STATE]
    int n_parameters
    const char *parameters[MAX_OPTIMIZER_PARAMETERS]
    double defaults[MAX_OPTIMIZER_PARAMETERS]

# A chunk of rows: n panels of `width` rows each but for the `last` one, where `filled` rows are no padding.
# A block of a chunk: its panels one behind the other, each of `units` x (rows of the panel) elements, of
# which a product may take some from the unit `first` on.
cdef struct panels:
    Py_ssize_t n, width, last, filled

cdef struct panel_block:
    const real *p
    Py_ssize_t units, first

# One unit and rows to train on, one after the other (kernels/per_sample_epoch.pxi).
cdef enum:
    UNIT_IDENTITY                       # with a squared error
    UNIT_SIGMOID                        # the same
    UNIT_LOGISTIC                       # a sigmoid with binary_cross_entropy
    UNIT_OTHER                          # everything else, by `pull`

cdef enum:
    MOST_LINES = 4                      # of 64 bytes, that a row may take to be copied
    UNIT_LINES = 3 * (2 * 8 * MOST_LINES + 4)
    UNIT_AHEAD = 16

# -dl/dh of a row from its net input, and its output
ctypedef real (*pull_t)(void *data, Py_ssize_t row, real h, real *y_hat) noexcept nogil

cdef struct unit_rows:
    Py_ssize_t n, d
    const real **x                      # (n + UNIT_AHEAD) rows of d elements; those behind n are fetched only
    const real *y                       # (n)
    const real *step                    # (n): what -dl/dh is multiplied by
    real *w                             # (d)
    real *b                             # one, or NULL
    real *h                             # (n): net inputs, for the loss
    real *y_hat                         # (n): outputs
    real *memory                        # UNIT_LINES lines, for copies of a few rows
    pull_t pull
    void *data

cdef struct kernels:
    int level                           # 2 (base), 3, 4
    int vector_bytes
    int n_activations, n_losses, n_joints, n_functions, n_ops, n_updates
    activation_row activations[MAX_ROWS]
    loss_row losses[MAX_ROWS]
    joint_row joints[MAX_ROWS]
    function_row functions[MAX_ROWS]
    op_row ops[MAX_ROWS]
    update_row updates[MAX_ROWS]

    # c (m, n) = [c +] a (m, k) b (k, n) [+ bias (m)], vectors along n; a has free strides
    void (*product)(const real *a, Py_ssize_t a_row, Py_ssize_t a_column, const real *b,
                    Py_ssize_t ldb, const real *bias, bint accumulate, real *c, Py_ssize_t ldc,
                    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k) noexcept nogil
    # c = [c +] sum over n elements of a * b
    void (*dot)(const real *a, const real *b, bint accumulate, real *c, Py_ssize_t n) noexcept nogil
    # c = a (m, k) b [+ bias (m)] in every panel: b a block of k units, c one of m
    void (*panel_product)(const real *a, Py_ssize_t a_row, Py_ssize_t a_column, const panels *q,
                          const panel_block *b, const real *bias, real *c, Py_ssize_t m,
                          Py_ssize_t k) noexcept nogil
    # c (m, n) = [c +] x d^T over the rows of a chunk: x a block of units x rows, d one of rows x units in
    # blocks of PANEL units (as `turn` leaves them); outer_ones: the same with one row of x that is 1
    void (*outer)(const panels *q, const panel_block *x, const panel_block *d, bint accumulate, real *c,
                  Py_ssize_t m, Py_ssize_t n) noexcept nogil
    void (*outer_ones)(const panels *q, const panel_block *d, bint accumulate, real *c,
                       Py_ssize_t n) noexcept nogil
    # for fewer rows than WIDTH, with vectors along the units: c (rows, n) = x^T w + bias for x (k, WIDTH) and
    # w (k, n), where c has room for WIDTH rows
    void (*few_net_inputs)(const real *x, Py_ssize_t rows, const real *w, const real *bias, real *c,
                           Py_ssize_t n, Py_ssize_t k) noexcept nogil
    # g (m, WIDTH) = w d, as panel_product's; w (m, n), d in blocks of WIDTH rows x PANEL units
    void (*few_errors)(const real *w, const real *d, Py_ssize_t rows, real *g, Py_ssize_t m,
                       Py_ssize_t n) noexcept nogil
    # outer with d a block of units x rows, for few units; d NULL: the sums of x, n = 1
    void (*dots)(const panels *q, const panel_block *x, const panel_block *d, bint accumulate, real *c,
                 Py_ssize_t m, Py_ssize_t n) noexcept nogil
    # out (n, ldo): rows 0 ... m - 1, of n elements each, as columns; zeros behind them
    void (*turn)(const real **rows, Py_ssize_t m, Py_ssize_t n, real *out, Py_ssize_t ldo) noexcept nogil
    # a layer of few outputs over n rows of d elements, each row where its pointer says, read as they lie
    # (single_layer.pxi); w and g turned: (outputs, inputs), ld a multiple of WIDTH. h (m, n) = w x^T [+ bias], n a
    # multiple of WIDTH; g (m, ldg) = [g +] delta x. The rows at `next` are fetched meanwhile: by the first
    # the elements before `fetch`, by the second the others
    void (*row_products)(const real *const *x, const real *const *next, Py_ssize_t fetch, Py_ssize_t n,
                         Py_ssize_t d, const real *w, Py_ssize_t ldw, const real *bias, real *h,
                         Py_ssize_t m) noexcept nogil
    void (*row_gradient)(const real *const *x, const real *const *next, Py_ssize_t fetch, Py_ssize_t n,
                         Py_ssize_t d, const real *delta, Py_ssize_t ldd, Py_ssize_t m, bint accumulate,
                         real *g, Py_ssize_t ldg) noexcept nogil
    # out (m, ldo) = a (d, m) turned, zeros behind it; and back, a (d, m) from out
    void (*turn_weights)(const real *a, Py_ssize_t d, Py_ssize_t m, real *out, Py_ssize_t ldo) noexcept nogil
    void (*turn_back)(const real *a, Py_ssize_t lda, Py_ssize_t d, Py_ssize_t m, real *out) noexcept nogil
    # out (m) = [out +] sum over k of a (m, k)
    void (*sum_rows)(const real *a, Py_ssize_t lda, bint accumulate, real *out, Py_ssize_t m,
                     Py_ssize_t k) noexcept nogil
    # sum over units j and rows r of a (units, rows) * weight (rows), in a fixed order
    double (*weighted_sum)(const real *a, const real *weight, Py_ssize_t units,
                           Py_ssize_t rows) noexcept nogil
    # out (units, rows) = a * weight (rows)
    void (*scale_rows)(const real *a, const real *weight, real *out, Py_ssize_t units,
                       Py_ssize_t rows) noexcept nogil
    # out = a * b, out = a + b, out = a - b, out = factor * a over n elements
    void (*multiply)(const real *a, const real *b, real *out, Py_ssize_t n) noexcept nogil
    void (*add)(const real *a, const real *b, real *out, Py_ssize_t n) noexcept nogil
    void (*subtract)(const real *a, const real *b, real *out, Py_ssize_t n) noexcept nogil
    void (*scale)(double factor, const real *a, real *out, Py_ssize_t n) noexcept nogil
    # sum of squares of n elements, in a fixed order; NaN or inf when an element is
    double (*square_sum)(const real *a, Py_ssize_t n) noexcept nogil
    # 1 when all n elements are finite
    bint (*all_finite)(const real *a, Py_ssize_t n) noexcept nogil
    bint (*copy_finite)(const real *a, real *out, Py_ssize_t n) noexcept nogil
    # g += l1 * sign(w) + l2 * w, and the penalty sum(l1 |w| + l2 w^2 / 2) itself
    void (*penalty_gradient)(const real *w, double l1, double l2, real *g, Py_ssize_t n) noexcept nogil
    double (*penalty)(const real *w, double l1, double l2, Py_ssize_t n) noexcept nogil
    # g = clip(g, -limit, limit)
    void (*clip)(double limit, real *g, Py_ssize_t n) noexcept nogil
    # multiply-adds on registers alone; returns how many operations that were, two each
    double (*peak)(Py_ssize_t rounds) noexcept nogil
    # one unit trained on rows one after the other; kind: UNIT_IDENTITY ...
    void (*train_unit)(int kind, const unit_rows *u) noexcept nogil
    # one row at a time through a layer, in lines: n is a multiple of WIDTH, and so is every row of w (m, n)
    # out (n) = bias + sum over i of a_i w_i
    void (*combine_lines)(const real *w, const real *a, const real *bias, real *out, Py_ssize_t m,
                          Py_ssize_t n) noexcept nogil
    # out_i = [bias_i +] w_i . v
    void (*line_products)(const real *w, const real *v, const real *bias, real *out, Py_ssize_t m,
                      Py_ssize_t n) noexcept nogil
    # out_i = w_i . v, then w_i += rate a_i v
    void (*dot_and_update)(real *w, const real *v, const real *a, real rate, real *out, Py_ssize_t m,
                           Py_ssize_t n) noexcept nogil
    # out (n) = sum over i of a_i w_i, then w_i += rate a_i v
    void (*combine_and_update)(real *w, const real *v, const real *a, real rate, real *out, Py_ssize_t m,
                               Py_ssize_t n) noexcept nogil
    # w_i = [w_i +] rate a_i v
    void (*add_outer)(const real *v, const real *a, real rate, bint accumulate, real *w, Py_ssize_t m,
                  Py_ssize_t n) noexcept nogil
