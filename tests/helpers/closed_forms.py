"""Formulas of the built-in activations and losses that have a closed form, as a user may write them."""

SELU = {"scale": 1.0507009873554805, "alpha": 1.6732632423543772}

# name -> [(formula, parameters), ...]: all spellings are the same function
ACTIVATIONS = {
    "identity": [("h", {}), ("+h", {}), ("(2 * h) / 2", {})],
    "step": [("where(h >= 0, 1, 0)", {}), ("where(h < 0, 0, 1)", {}), ("where(not h < 0, 1, 0)", {})],
    "sigmoid": [
        ("sigmoid(h)", {}),
        ("1 / (1 + exp(-h))", {}),
        ("exp(h) / (1 + exp(h))", {}),
        ("exp(h) / (exp(h) + 1)", {}),
        ("0.5 * (1 + tanh(h / 2))", {}),
        ("(1 + exp(-h))**-1", {}),
        ("exp(h / 2) / (exp(h / 2) + exp(-h / 2))", {}),
        ("1 - 1 / (1 + exp(h))", {}),
        ("exp(-softplus(-h))", {}),
    ],
    "tanh": [
        ("tanh(h)", {}),
        ("(exp(h) - exp(-h)) / (exp(h) + exp(-h))", {}),
        ("(exp(2 * h) - 1) / (exp(2 * h) + 1)", {}),
        ("(1 - exp(-2 * h)) / (1 + exp(-2 * h))", {}),
        ("sinh(h) / cosh(h)", {}),
        ("expm1(2 * h) / (expm1(2 * h) + 2)", {}),
    ],
    "relu": [
        ("relu(h)", {}),
        ("maximum(h, 0)", {}),
        ("maximum(0, h)", {}),
        ("where(h > 0, h, 0)", {}),
        ("clip(h, 0, 9**9**9)", {}),
    ],
    "leaky_relu": [
        ("where(h > 0, h, slope * h)", {"slope": 0.01}),
        ("maximum(slope * h, h)", {"slope": 0.01}),
        ("where(h <= 0, 0.01 * h, h)", {}),
    ],
    "elu": [
        ("where(h > 0, h, alpha * (exp(h) - 1))", {"alpha": 1.0}),
        ("where(h > 0, h, expm1(h))", {}),
        ("where(h < 0, alpha * expm1(h), h)", {"alpha": 1.0}),
    ],
    "selu": [("scale * where(h > 0, h, alpha * (exp(h) - 1))", SELU)],
    "celu": [("where(h > 0, h, alpha * (exp(h / alpha) - 1))", {"alpha": 1.0})],
    "softplus": [
        ("softplus(h)", {}),
        ("log(1 + exp(h))", {}),
        ("log1p(exp(h))", {}),
        ("log(exp(h) + 1)", {}),
        ("h + log(1 + exp(-h))", {}),
        ("-log(sigmoid(-h))", {}),
        ("-log(1 - sigmoid(h))", {}),
        ("log(2 + 2 * exp(h)) - log(2)", {}),
    ],
    "softsign": [("h / (1 + abs(h))", {}), ("h / (abs(h) + 1)", {}), ("h / (1 + sqrt(h**2))", {})],
    "gelu": [
        ("0.5 * h * (1 + erf(h / sqrt(2)))", {}),
        ("h * erfc(-h / sqrt(2)) / 2", {}),
        ("h * (1 - 0.5 * erfc(h * 2**-0.5))", {}),
    ],
    "gelu_tanh": [
        ("0.5 * h * (1 + tanh(sqrt(2 / pi) * (h + 0.044715 * h**3)))", {}),
        ("h * sigmoid(2 * sqrt(2 / pi) * (h + 0.044715 * h**3))", {}),
        ("h / (1 + exp(-2 * sqrt(2 / pi) * h * (1 + 0.044715 * h * h)))", {}),
    ],
    "silu": [
        ("h * sigmoid(h)", {}),
        ("h / (1 + exp(-h))", {}),
        ("h * exp(h) / (1 + exp(h))", {}),
        ("h * sigmoid(beta * h)", {"beta": 1.0}),
    ],
    "mish": [
        ("h * tanh(log1p(exp(h)))", {}),
        ("h * tanh(softplus(h))", {}),
        ("h * tanh(log(1 + exp(h)))", {}),
    ],
    "hard_sigmoid": [
        ("clip(h / 6 + 0.5, 0, 1)", {}),
        ("minimum(1, maximum(0, (h + 3) / 6))", {}),
        ("relu(1 - relu(0.5 - h / 6))", {}),
    ],
    "hard_tanh": [("clip(h, -1, 1)", {}), ("maximum(-1, minimum(1, h))", {})],
    "hard_swish": [("h * clip(h / 6 + 0.5, 0, 1)", {}), ("h * minimum(maximum(h + 3, 0), 6) / 6", {})],
    "sin": [("sin(h)", {}), ("-sin(-h)", {})],
    "gaussian": [("exp(-h**2)", {}), ("exp(-h * h)", {}), ("1 / exp(h**2)", {}), ("e**(-h**2)", {})],
}

LOSSES = {
    "sse": [("(y - y_hat)**2 / 2", {}), ("0.5 * (y_hat - y) * (y_hat - y)", {})],
    "squared_error": [("(y - y_hat)**2", {})],
    "mse": [("(y_hat - y)**2", {})],
    "mae": [("abs(y - y_hat)", {}), ("sqrt((y - y_hat)**2)", {}), ("(y_hat - y) * sign(y_hat - y)", {})],
    "huber": [
        (
            "where(abs(y - y_hat) <= delta, (y - y_hat)**2 / 2, delta * (abs(y - y_hat) - delta / 2))",
            {"delta": 1.0},
        ),
    ],
    "log_cosh": [
        ("log(cosh(y_hat - y))", {}),
        ("log((exp(y_hat - y) + exp(y - y_hat)) / 2)", {}),
    ],
    "quantile": [
        ("maximum(tau * (y - y_hat), (tau - 1) * (y - y_hat))", {"tau": 0.5}),
        ("where(y > y_hat, tau, tau - 1) * (y - y_hat)", {"tau": 0.5}),
    ],
    "poisson": [("y_hat - y * log(y_hat)", {})],
    "binary_cross_entropy": [
        ("-y * log(y_hat) - (1 - y) * log(1 - y_hat)", {}),
        ("-(y * log(y_hat) + (1 - y) * log1p(-y_hat))", {}),
    ],
    "cross_entropy": [("-y * log(y_hat)", {})],
    "hinge": [("maximum(0, 1 - y * y_hat)", {}), ("relu(1 - y * y_hat)", {})],
    "squared_hinge": [("maximum(0, 1 - y * y_hat)**2", {}), ("relu(1 - y_hat * y)**2", {})],
}
