# Optimizers: one step of each over flat vectors, by the formulas in PyTorch's documentation. So weight decay
# is coupled (added to g), except in adamw and lion.
#
# To add an optimizer, write a step over vectors, the function that computes its scalars s[0], s[1], ... in
# double, once per update, from the parameters p and the step number t = 1, 2, ..., and an entry in
# `fill_optimizers` with the names of its state and parameters. `map_step` is inlined with the step function
# as a literal, so every optimizer is a single pass over w, g and its state.
#
# Subnormal state is set to 0. Where a gradient stays 0, m = beta m would otherwise remain subnormal for many
# updates, at a tenth of the speed.

from libc.math cimport pow, sqrt

ctypedef void (*step_fn)(vec *w, vec g, vec *state, const vec *s) noexcept nogil

cdef enum:
    MAX_SCALARS = 8


cdef inline void map_step(step_fn f, int n_state, real *w, const real *g, real **state, Py_ssize_t n,
                          const double *scalars) noexcept nogil:
    """Apply f to w (n), g (n) and n_state arrays (n)."""
    cdef vec s[MAX_SCALARS]
    cdef vec m[MAX_STATE]
    cdef vec x
    cdef vec smallest_normal = splat(<real> (1.17549435e-38 if REAL_BITS == 32 else 2.2250738585072014e-308))
    cdef Py_ssize_t i
    cdef int k
    for k in range(MAX_SCALARS):
        s[k] = splat(<real> scalars[k])
    for i from 0 <= i < n by LANES:
        x = load_n(w + i, n - i)
        for k in range(n_state):
            m[k] = load_n(state[k] + i, n - i)
        f(&x, load_n(g + i, n - i), m, s)
        store_n(w + i, x, n - i)
        for k in range(n_state):
            store_n(state[k] + i, select(lt(abs_(m[k]), smallest_normal), splat(0), m[k]), n - i)


# sgd ---------------------------------------------------------------------------------------------
# d = g + lambda w;  m = mu m + (1 - tau) d, in the first step and for mu = 0 m = d;  w = w - eta m, or with
# Nesterov momentum w = w - eta (d + mu m)                                  (Sutskever et al. 2013)

cdef inline void sgd_step(vec *w, vec g, vec *m, const vec *s) noexcept nogil:
    cdef vec d = fma_(s[1], w[0], g)
    m[0] = fma_(s[2], m[0], s[3] * d)
    w[0] = w[0] - s[0] * select(eq(s[4], splat(0)), m[0], fma_(s[2], m[0], d))


cdef inline void sgd_step_without_momentum(vec *w, vec g, vec *m, const vec *s) noexcept nogil:
    w[0] = w[0] - s[0] * fma_(s[1], w[0], g)


cdef void sgd(real *w, const real *g, real **state, Py_ssize_t n, const double *s) noexcept nogil:
    if s[2] == 0:           # without momentum, m need not be read and written
        map_step(sgd_step_without_momentum, 0, w, g, state, n, s)
    else:
        map_step(sgd_step, 1, w, g, state, n, s)


cdef void sgd_scalars(const double *p, double eta, long long t, double *memory,
                      double *s) noexcept nogil:
    s[0] = eta
    s[1] = p[3]                             # weight_decay
    s[2] = p[0]                             # momentum
    s[3] = 1 if t == 1 else 1 - p[1]        # 1 - dampening
    s[4] = p[2]                             # nesterov


# adagrad -----------------------------------------------------------------------------------------
# d = g + lambda w;  v = v + d^2;  w = w - eta / (1 + (t - 1) decay) d / (sqrt(v) + epsilon)
#                                                                               (Duchi et al. 2011)

cdef inline void adagrad_step(vec *w, vec g, vec *v, const vec *s) noexcept nogil:
    cdef vec d = fma_(s[1], w[0], g)
    v[0] = fma_(d, d, v[0] + s[3])
    w[0] = w[0] - s[0] * (d / (sqrt_(v[0]) + s[2]))


cdef void adagrad(real *w, const real *g, real **state, Py_ssize_t n, const double *s) noexcept nogil:
    map_step(adagrad_step, 1, w, g, state, n, s)


cdef void adagrad_scalars(const double *p, double eta, long long t, double *memory,
                          double *s) noexcept nogil:
    s[0] = eta / (1 + (t - 1) * p[0])       # learning_rate_decay
    s[1] = p[3]                             # weight_decay
    s[2] = p[2]                             # epsilon
    s[3] = p[1] if t == 1 else 0            # initial_accumulator


# adadelta ----------------------------------------------------------------------------------------
# d = g + lambda w;  v = rho v + (1 - rho) d^2;  u = sqrt(a + epsilon) / sqrt(v + epsilon) d;
# a = rho a + (1 - rho) u^2;  w = w - eta u                                           (Zeiler 2012)

cdef inline void adadelta_step(vec *w, vec g, vec *m, const vec *s) noexcept nogil:
    cdef vec d = fma_(s[1], w[0], g), u
    m[0] = fma_(s[2], m[0], s[3] * d * d)
    u = sqrt_(m[1] + s[4]) / sqrt_(m[0] + s[4]) * d
    m[1] = fma_(s[2], m[1], s[3] * u * u)
    w[0] = w[0] - s[0] * u


cdef void adadelta(real *w, const real *g, real **state, Py_ssize_t n, const double *s) noexcept nogil:
    map_step(adadelta_step, 2, w, g, state, n, s)


cdef void adadelta_scalars(const double *p, double eta, long long t, double *memory,
                           double *s) noexcept nogil:
    s[0] = eta
    s[1] = p[2]                             # weight_decay
    s[2] = p[0]                             # rho
    s[3] = 1 - p[0]
    s[4] = p[1]                             # epsilon


# rmsprop -----------------------------------------------------------------------------------------
# d = g + lambda w;  v = alpha v + (1 - alpha) d^2;  centered: a = alpha a + (1 - alpha) d and
# v - a^2 in place of v below;  m = mu m + d / (sqrt(v) + epsilon);  w = w - eta m
#                                                             (Tieleman & Hinton 2012, Graves 2013)
#
# Where gradients hardly vary, v - a^2 cancels and its rounding decides the step. So the centered form rounds
# as PyTorch's does on a CPU with fused multiply-adds, with a as a + (1 - alpha) (d - a).

cdef inline void rmsprop_step(vec *w, vec g, vec *m, const vec *s) noexcept nogil:
    cdef vec d = fma_(s[1], w[0], g)
    m[0] = fma_(s[2], m[0], s[3] * d * d)
    m[1] = fma_(s[2], m[1], s[3] * d)
    m[2] = fma_(s[5], m[2], d / (sqrt_(m[0]) + s[4]))
    w[0] = w[0] - s[0] * m[2]


cdef inline void centered_rmsprop_step(vec *w, vec g, vec *m, const vec *s) noexcept nogil:
    cdef vec d = fma_(s[1], w[0], g), v
    m[0] = fma_(s[3] * d, d, s[2] * m[0])
    m[1] = select(lt(s[3], splat(0.5)), fma_(s[3], d - m[1], m[1]), fma_(s[3] - splat(1), d - m[1], d))
    v = fma_(-m[1], m[1], m[0])
    v = select(lt(v, splat(0)), splat(0), v)    # by rounding
    m[2] = fma_(s[5], m[2], d / (sqrt_(v) + s[4]))
    w[0] = w[0] - s[0] * m[2]


cdef void rmsprop(real *w, const real *g, real **state, Py_ssize_t n, const double *s) noexcept nogil:
    if s[6] == 0:
        map_step(rmsprop_step, 3, w, g, state, n, s)
    else:
        map_step(centered_rmsprop_step, 3, w, g, state, n, s)


cdef void rmsprop_scalars(const double *p, double eta, long long t, double *memory,
                          double *s) noexcept nogil:
    s[0] = eta
    s[1] = p[4]                             # weight_decay
    s[2] = p[0]                             # alpha
    s[3] = 1 - p[0]
    s[4] = p[1]                             # epsilon
    s[5] = p[2]                             # momentum
    s[6] = p[3]                             # centered


# adam, adamw -------------------------------------------------------------------------------------
# d = g + lambda w (adamw: w = (1 - eta lambda) w and d = g);  m = beta1 m + (1 - beta1) d;
# v = beta2 v + (1 - beta2) d^2;
# w = w - eta / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon); amsgrad: the maximum of v so far
#                            (Kingma & Ba 2015, Loshchilov & Hutter 2019, Reddi, Kale & Kumar 2018)

cdef inline void adam_step(vec *w, vec g, vec *m, const vec *s) noexcept nogil:
    cdef vec d = fma_(s[1], w[0], g)
    m[0] = fma_(s[2], m[0], (splat(1) - s[2]) * d)
    m[1] = fma_(s[3], m[1], (splat(1) - s[3]) * d * d)
    w[0] = s[6] * w[0] - s[0] * (m[0] / fma_(sqrt_(m[1]), s[5], s[4]))


cdef inline void amsgrad_step(vec *w, vec g, vec *m, const vec *s) noexcept nogil:
    cdef vec d = fma_(s[1], w[0], g)
    m[0] = fma_(s[2], m[0], (splat(1) - s[2]) * d)
    m[1] = fma_(s[3], m[1], (splat(1) - s[3]) * d * d)
    m[2] = select(lt(m[2], m[1]), m[1], m[2])
    w[0] = s[6] * w[0] - s[0] * (m[0] / fma_(sqrt_(m[2]), s[5], s[4]))


cdef void adam(real *w, const real *g, real **state, Py_ssize_t n, const double *s) noexcept nogil:
    if s[7] == 0:
        map_step(adam_step, 2, w, g, state, n, s)
    else:
        map_step(amsgrad_step, 3, w, g, state, n, s)


cdef void adam_scalars(const double *p, double eta, long long t, double *memory,
                       double *s) noexcept nogil:
    s[0] = eta / (1 - pow(p[0], t))
    s[1] = p[3]                             # weight_decay
    s[2] = p[0]                             # beta1
    s[3] = p[1]                             # beta2
    s[4] = p[2]                             # epsilon
    s[5] = 1 / sqrt(1 - pow(p[1], t))
    s[6] = 1
    s[7] = p[4]                             # amsgrad


cdef void adamw_scalars(const double *p, double eta, long long t, double *memory,
                        double *s) noexcept nogil:
    adam_scalars(p, eta, t, memory, s)
    s[1] = 0
    s[6] = 1 - eta * p[3]


# nadam -------------------------------------------------------------------------------------------
# mu_t = beta1 (1 - 0.96^(t psi) / 2);  m and v as in adam;  with M_t = mu_1 ... mu_t
# w = w - eta ((1 - mu_t) / (1 - M_t) d + mu_(t+1) / (1 - M_(t+1)) m) / (sqrt(v / (1 - beta2^t)) + epsilon)
#                                                                                      (Dozat 2016)

cdef inline void nadam_step(vec *w, vec g, vec *m, const vec *s) noexcept nogil:
    cdef vec d = fma_(s[1], w[0], g), root
    m[0] = fma_(s[2], m[0], (splat(1) - s[2]) * d)
    m[1] = fma_(s[3], m[1], (splat(1) - s[3]) * d * d)
    root = fma_(sqrt_(m[1]), s[5], s[4])
    w[0] = w[0] - fma_(s[6], m[0], s[0] * d) / root


cdef void nadam(real *w, const real *g, real **state, Py_ssize_t n, const double *s) noexcept nogil:
    map_step(nadam_step, 2, w, g, state, n, s)


cdef void nadam_scalars(const double *p, double eta, long long t, double *memory,
                        double *s) noexcept nogil:
    cdef double mu = p[0] * (1 - 0.5 * pow(0.96, t * p[4]))
    cdef double next_mu = p[0] * (1 - 0.5 * pow(0.96, (t + 1) * p[4]))
    memory[0] = mu if t == 1 else memory[0] * mu        # M_t
    s[0] = eta * (1 - mu) / (1 - memory[0])
    s[1] = p[3]                             # weight_decay
    s[2] = p[0]                             # beta1
    s[3] = p[1]                             # beta2
    s[4] = p[2]                             # epsilon
    s[5] = 1 / sqrt(1 - pow(p[1], t))
    s[6] = eta * next_mu / (1 - memory[0] * next_mu)


# lion --------------------------------------------------------------------------------------------
# w = (1 - eta lambda) w - eta sign(beta1 m + (1 - beta1) g);  m = beta2 m + (1 - beta2) g
#                                                                                (Chen et al. 2023)

cdef inline void lion_step(vec *w, vec g, vec *m, const vec *s) noexcept nogil:
    w[0] = s[3] * w[0] - s[0] * sign(fma_(s[1], m[0], (splat(1) - s[1]) * g))
    m[0] = fma_(s[2], m[0], (splat(1) - s[2]) * g)


cdef void lion(real *w, const real *g, real **state, Py_ssize_t n, const double *s) noexcept nogil:
    map_step(lion_step, 1, w, g, state, n, s)


cdef void lion_scalars(const double *p, double eta, long long t, double *memory,
                       double *s) noexcept nogil:
    s[0] = eta
    s[1] = p[0]                             # beta1
    s[2] = p[1]                             # beta2
    s[3] = 1 - eta * p[2]                   # weight_decay


# table -------------------------------------------------------------------------------------------

cdef void register_optimizer(kernels *t, const char *name, update_t f, step_scalars_t scalars,
                             tuple state, tuple parameters):
    """Append an entry to the table. The names are literals, so they live as long as the module."""
    cdef optimizer_entry *entry = &t.optimizers[t.n_optimizers]
    entry.name = name
    entry.f = f
    entry.scalars = scalars
    entry.n_state = len(state)
    entry.n_parameters = len(parameters)
    for k, key in enumerate(state):
        entry.state[k] = key
    for k, (key, default) in enumerate(parameters):
        entry.parameters[k] = key
        entry.defaults[k] = default
    t.n_optimizers += 1


cdef void fill_optimizers(kernels *t):
    betas = ((b"beta1", 0.9), (b"beta2", 0.999), (b"epsilon", 1e-8))
    register_optimizer(t, "sgd", sgd, sgd_scalars, (b"m",),
                       ((b"momentum", 0), (b"dampening", 0), (b"nesterov", 0), (b"weight_decay", 0)))
    register_optimizer(t, "adagrad", adagrad, adagrad_scalars, (b"v",),
                       ((b"learning_rate_decay", 0), (b"initial_accumulator", 0), (b"epsilon", 1e-10),
                        (b"weight_decay", 0)))
    register_optimizer(t, "adadelta", adadelta, adadelta_scalars, (b"v", b"a"),
                       ((b"rho", 0.9), (b"epsilon", 1e-6), (b"weight_decay", 0)))
    register_optimizer(t, "rmsprop", rmsprop, rmsprop_scalars, (b"v", b"a", b"m"),
                       ((b"alpha", 0.99), (b"epsilon", 1e-8), (b"momentum", 0), (b"centered", 0),
                        (b"weight_decay", 0)))
    register_optimizer(t, "adam", adam, adam_scalars, (b"m", b"v", b"v_max"),
                       (*betas, (b"weight_decay", 0), (b"amsgrad", 0)))
    register_optimizer(t, "adamw", adam, adamw_scalars, (b"m", b"v", b"v_max"),
                       (*betas, (b"weight_decay", 0.01), (b"amsgrad", 0)))
    register_optimizer(t, "nadam", nadam, nadam_scalars, (b"m", b"v"),
                       (*betas, (b"weight_decay", 0), (b"momentum_decay", 4e-3)))
    register_optimizer(t, "lion", lion, lion_scalars, (b"m",),
                       ((b"beta1", 0.9), (b"beta2", 0.99), (b"weight_decay", 0)))
