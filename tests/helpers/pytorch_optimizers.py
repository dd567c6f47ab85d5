"""PyTorch's optimizers in NumPy: the operations of its CPU kernels, in the dtype of the parameters.

Scalars are Python floats that are rounded to the dtype where they meet an array, as in PyTorch.
"""

import numpy as np


def fma(a, b, c):
    """Return a b + c, rounded once (nearly always: the errors of product and sum are added to the sum)."""
    if c.dtype == np.float32:
        return (np.asarray(a, float) * np.asarray(b, float) + c).astype(np.float32)
    product = a * b
    total = product + c
    part = total - product
    error = (product - (total - part)) + (c - part)
    return total + (error + _product_error(a, b, product))


def _product_error(a, b, product):
    """Return a b - product, from halves of the factors (Dekker 1971)."""
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    return a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _halves(a):
    scaled = 134217729.0 * a
    high = scaled - (scaled - a)
    return high, a - high


def lerp(start, end, weight):
    """Return start + weight (end - start), from the nearer end."""
    dtype = start.dtype.type
    if abs(weight) < 0.5:
        return fma(dtype(weight), end - start, start)
    return fma(dtype(weight) - dtype(1), end - start, end)


def mean_square(v, g, decay):
    """Return decay v + (1 - decay) g^2."""
    dtype = v.dtype.type
    return fma(dtype(1 - decay) * g, g, v * dtype(decay))


def sgd(w, g, s, t, lr, momentum=0, dampening=0, nesterov=False, weight_decay=0):
    dtype = w.dtype.type
    g = fma(dtype(weight_decay), w, g)
    if momentum:
        s["m"] = g.copy() if t == 1 else dtype(momentum) * s["m"] + dtype(1 - dampening) * g
        g = g + dtype(momentum) * s["m"] if nesterov else s["m"]
    w -= dtype(lr) * g


def adagrad(w, g, s, t, lr, learning_rate_decay=0, initial_accumulator=0, epsilon=1e-10, weight_decay=0):
    dtype = w.dtype.type
    g = fma(dtype(weight_decay), w, g)
    s["v"] = (np.full_like(w, initial_accumulator) if t == 1 else s["v"]) + g * g
    w -= dtype(lr / (1 + (t - 1) * learning_rate_decay)) * g / (np.sqrt(s["v"]) + dtype(epsilon))


def adadelta(w, g, s, t, lr, rho=0.9, epsilon=1e-6, weight_decay=0):
    dtype = w.dtype.type
    g = fma(dtype(weight_decay), w, g)
    s["v"] = mean_square(s["v"], g, rho)
    step = np.sqrt(s["a"] + dtype(epsilon)) / np.sqrt(s["v"] + dtype(epsilon)) * g
    s["a"] = mean_square(s["a"], step, rho)
    w -= dtype(lr) * step


def rmsprop(w, g, s, t, lr, alpha=0.99, epsilon=1e-8, momentum=0, centered=False, weight_decay=0):
    dtype = w.dtype.type
    g = fma(dtype(weight_decay), w, g)
    s["v"] = v = mean_square(s["v"], g, alpha)
    if centered:
        s["a"] = lerp(s["a"], g, 1 - alpha)
        v = np.maximum(
            fma(-s["a"], s["a"], v), 0
        )  # PyTorch has no maximum: there a negative variance gives nan
    s["m"] = dtype(momentum) * s["m"] + g / (np.sqrt(v) + dtype(epsilon))
    w -= dtype(lr) * s["m"]


def adam(w, g, s, t, lr, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0, amsgrad=False):
    dtype = w.dtype.type
    g = fma(dtype(weight_decay), w, g)
    s["m"] = lerp(s["m"], g, 1 - beta1)
    s["v"] = mean_square(s["v"], g, beta2)
    s["v_max"] = np.maximum(s["v_max"], s["v"])
    root = np.sqrt(s["v_max"] if amsgrad else s["v"]) / dtype((1 - beta2**t) ** 0.5) + dtype(epsilon)
    w -= dtype(lr / (1 - beta1**t)) * s["m"] / root


def adamw(w, g, s, t, lr, weight_decay=0.01, **options):
    w *= w.dtype.type(1 - lr * weight_decay)
    adam(w, g, s, t, lr, **options)


def nadam(w, g, s, t, lr, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0, momentum_decay=4e-3):
    dtype = w.dtype.type
    g = fma(dtype(weight_decay), w, g)
    mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (k * momentum_decay)) for k in (t, t + 1))
    s["product"] = mu if t == 1 else s["product"] * mu  # in PyTorch of type float32
    s["m"] = lerp(s["m"], g, 1 - beta1)
    s["v"] = mean_square(s["v"], g, beta2)
    root = np.sqrt(s["v"] / dtype(1 - beta2**t)) + dtype(epsilon)
    w -= dtype(lr * (1 - mu) / (1 - s["product"])) * g / root
    w -= dtype(lr * mu_next / (1 - s["product"] * mu_next)) * s["m"] / root


STEPS = {step.__name__: step for step in (sgd, adagrad, adadelta, rmsprop, adam, adamw, nadam)}


def run(name, gradients, learning_rate, **options):
    """Return the parameters, all 1 at first, after a step with each row of gradients."""
    w = np.ones(gradients.shape[1], gradients.dtype)
    state = {key: np.zeros_like(w) for key in ("m", "v", "a", "v_max")}
    for t, g in enumerate(gradients, start=1):
        STEPS[name](w, g, state, t, learning_rate, **options)
    return w
