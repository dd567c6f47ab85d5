"""Elementary functions as nodes that runtimes have in float32 and float64.

ONNX has no expm1, log1p and erfc, and onnxruntime computes Erf, Tan, Atan, Sinh and Cosh in float32 only.
They are composed of exp, log, tanh, sin and cos in forms in which nothing cancels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cygd.export.onnx.graph import Graph, Operand, Value

ARCTAN_TERMS = 10  # of its series up to tan(pi / 16)

# erf(a) = a + a ((2 / sqrt(pi) - 1) + z p(z)), z = a^2 <= 1: tools/minimax.py erf
ERF_SMALL = (-0.37612638903183748, 0.11283791670954935, -0.026866170645085233, 0.0052239776248877035,
             -0.00085483269843531005, 0.00012055331226953182, -1.4925597793907168e-05, 1.6461037856177768e-06,
             -1.6350680898490553e-07, 1.4662090959701496e-08, -1.1381258688675888e-09,
             5.9705936491383062e-11)  # fmt: skip
# erfc(a) = e^(-a^2) g(t) / (1 + 2 a), t = (a - 4) / (a + 4): tools/minimax.py erfc
ERFC = (1.2329951186255526, -0.13962111684056253, 0.015379652102619688, 0.068097054254695408,
        -0.10103906603630146, 0.093732834998251899, -0.06633036581227772, 0.037167515539079633,
        -0.016197734057118038, 0.0050319699636246851, -0.00075777329361513112, -0.0001992566165566252,
        0.00015062170335945342, -2.4399480824731787e-05, -1.1222143730375053e-05, 5.7102980877338699e-06,
        2.9413313435557912e-07, -8.261233167421852e-07, 7.4073634762053375e-08, 1.1045992555404461e-07,
        -1.7395487129708188e-08, -1.4103869218261524e-08, 1.6373616824295015e-09,
        1.1885975554651269e-09)  # fmt: skip
ERFC_LIMIT = 28.0  # erfc is 0 above


class Functions:
    """Functions over the values of a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.largest = float(np.finfo(graph.dtype).max)

    def polynomial(self, x: Value, coefficients: Sequence[float]) -> Value:
        """Return c0 + c1 x + c2 x^2 + ..."""
        result: Operand = coefficients[-1]
        for coefficient in reversed(coefficients[:-1]):
            result = result * x + coefficient
        assert isinstance(result, Value)
        return result

    def clamp(self, x: Value, low: float | None, high: float | None) -> Value:
        """Return x in [low, high]; NaN stays."""
        where = self.graph.where
        x = x if low is None else where(x < low, low, x)
        return x if high is None else where(x > high, high, x)

    def finite(self, x: Value) -> Value:
        """Return x with the largest finite number in place of infinity."""
        return self.clamp(x, -self.largest, self.largest)

    def keep_nan(self, x: Value, value: Value) -> Value:
        """Return a value, or NaN where x is NaN."""
        return self.graph.where(x.equals(x), value, x)

    def sign(self, x: Value) -> Value:
        """Return -1, 1, or x itself if it is 0 or NaN."""
        return self.graph.where(x > 0.0, 1.0, self.graph.where(x < 0.0, -1.0, x))

    def exp(self, x: Operand) -> Value:
        """Return e^x."""
        return self.graph.node("Exp", x)

    def log(self, x: Operand) -> Value:
        """Return log x."""
        return self.graph.node("Log", x)

    def sqrt(self, x: Operand) -> Value:
        """Return the square root."""
        return self.graph.node("Sqrt", x)

    def tanh(self, x: Operand) -> Value:
        """Return tanh x."""
        return self.graph.node("Tanh", x)

    def expm1(self, x: Value) -> Value:
        """Return e^x - 1 = 2 t / (1 - t), t = tanh(x / 2), for small x."""
        t = self.tanh(self.clamp(x * 0.5, -1.0, 1.0))
        return self.graph.where(abs(x) < 1.0, 2.0 * t / (1.0 - t), self.exp(x) - 1.0)

    def log1p(self, x: Value) -> Value:
        """Return log(1 + x): the rounding error of u = 1 + x is undone by x / (u - 1)."""
        u = 1.0 + x
        d = u - 1.0
        corrected = self.log(u) * (x / self.graph.where(d.equals(0.0), 1.0, d))
        return self.graph.where(abs(x) < 1.0, self.graph.where(d.equals(0.0), x, corrected), self.log(u))

    def sigmoid_parts(self, x: Value) -> tuple[Value, Value]:
        """Return 1 / (1 + e^-x) and 1 / (1 + e^x)."""
        e = self.exp(-abs(x))
        q = 1.0 / (1.0 + e)
        return self.graph.where(x < 0.0, e * q, q), self.graph.where(x < 0.0, q, e * q)

    def sigmoid(self, x: Value) -> Value:
        """Return 1 / (1 + e^-x)."""
        return self.sigmoid_parts(x)[0]

    def softplus(self, x: Value) -> Value:
        """Return log(1 + e^x)."""
        return self.clamp(x, 0.0, None) + self.log1p(self.exp(-abs(x)))

    def sinh(self, x: Value) -> Value:
        """Return sinh x from expm1, or from e^(|x| / 2), which overflows later than e^|x|."""
        m, e = self.expm1(x), self.exp(abs(x) * 0.5)
        large = self.sign(x) * (0.5 * e * e - 0.5 / e / e)
        return self.graph.where(abs(x) < 1.0, 0.5 * (m + m / (m + 1.0)), large)

    def cosh(self, x: Value) -> Value:
        """Return cosh x."""
        e = self.exp(abs(x) * 0.5)
        return 0.5 * e * e + 0.5 / e / e

    def sin(self, x: Operand) -> Value:
        """Return sin x."""
        return self.graph.node("Sin", x)

    def cos(self, x: Operand) -> Value:
        """Return cos x."""
        return self.graph.node("Cos", x)

    def tan(self, x: Operand) -> Value:
        """Return tan x."""
        return self.sin(x) / self.cos(x)

    def arctan(self, x: Value) -> Value:
        """Return arctan x = pi/2 - arctan(1 / x) above 1; arctan t = 2 arctan(t / (1 + sqrt(1 + t^2)))."""
        a = abs(x)
        t = self.graph.where(a > 1.0, 1.0 / a, a)
        for _ in range(2):
            t = t / (1.0 + self.sqrt(1.0 + t * t))
        series = [(-1) ** k / (2 * k + 1) for k in range(ARCTAN_TERMS)]
        y = 4.0 * t * self.polynomial(t * t, series)
        return self.sign(x) * self.graph.where(a > 1.0, math.pi / 2 - y, y)

    def erf(self, x: Value) -> Value:
        """Return erf x."""
        if self.graph.dtype == np.float32:
            return self.graph.node("Erf", x)
        a = abs(x)
        y = self.graph.where(a < 1.0, self._erf_small(a), 1.0 - self._erfc_positive(a))
        return self.sign(x) * y

    def erfc(self, x: Value) -> Value:
        """Return 1 - erf x, accurate in the tail."""
        a = abs(x)
        y = self.graph.where(a < 0.5, 1.0 - self._erf_small(a), self._erfc_positive(a))
        return self.graph.where(x < 0.0, 2.0 - y, y)

    def _erf_small(self, a: Value) -> Value:
        z = self.clamp(a * a, None, 1.0)
        return a + a * (2 / math.sqrt(math.pi) - 1 + z * self.polynomial(z, ERF_SMALL))

    def _erfc_positive(self, a: Value) -> Value:
        c = self.clamp(a, None, ERFC_LIMIT)
        t = (c - 4.0) / (c + 4.0)
        return self.exp(-(c * c)) * self.polynomial(t, ERFC) / (1.0 + 2.0 * c)

    def where_compared(self, op: str, a: Operand, b: Operand, x: Operand, y: Operand) -> Value:
        """Return x where a op b holds, else y, and NaN where a or b is NaN."""
        graph = self.graph
        first, second = graph.operand(a), graph.operand(b)
        holds = {"lt": first < second, "le": first <= second, "eq": first.equals(second)}[op]
        comparable = graph.node("And", first.equals(first), second.equals(second))
        return graph.where(comparable, graph.where(holds, x, y), math.nan)

    def minimum(self, a: Operand, b: Operand) -> Value:
        """Return the smaller number, NaN where one is NaN."""
        return self.where_compared("lt", a, b, a, b)

    def maximum(self, a: Operand, b: Operand) -> Value:
        """Return the larger number, NaN where one is NaN."""
        return self.where_compared("lt", a, b, b, a)
