"""Derive minimax polynomials of the elementary functions by Remez's exchange algorithm in mpmath.

    python tools/minimax.py               all coefficients of the kernels, for both types
    python tools/minimax.py exp           one set of coefficients, named as in cygd/core/kernels/math
    python tools/minimax.py parts         log(2) and pi / 2 split so that n times a part is exact

Coefficients are printed from the lowest power up, rounded to the type. The error is the largest error with
rounded coefficients, relative to the function that the kernel computes, as a power of two.
"""

import struct
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from mpmath import mp, mpf

mp.prec = 200

Function = Callable[[mpf], mpf]


def value(coefficients: Sequence[mpf], x: mpf) -> mpf:
    """Return the value of a polynomial with coefficients from the lowest power up."""
    total = mpf(0)
    for coefficient in reversed(coefficients):
        total = total * x + coefficient
    return total


def minimax(
    f: Function, degree: int, low: float, high: float, weight: Function | None = None
) -> tuple[list[mpf], mpf]:
    """Return the polynomial p that minimizes max |weight (p - f)| over [low, high], and this maximum.

    Remez 1934: solve for p and an error e of alternating sign at degree + 2 points, move the points to the
    extrema of the error, and repeat until the extrema are equal.
    """
    weight = weight or (lambda x: mpf(1))
    low, high = mpf(low), mpf(high)
    n = degree + 2
    points = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * k / (n - 1)) for k in range(n)]
    for _ in range(40):
        a, b = mp.matrix(n, n), mp.matrix(n, 1)
        for i, x in enumerate(points):
            for j in range(degree + 1):
                a[i, j] = x**j
            a[i, degree + 1] = (-1) ** i / weight(x)
            b[i] = f(x)
        solution = mp.lu_solve(a, b)
        coefficients = [solution[j] for j in range(degree + 1)]
        levelled = abs(solution[degree + 1])

        def error(x: mpf, p: list[mpf] = coefficients) -> mpf:
            return weight(x) * (value(p, x) - f(x))

        points = extrema(error, low, high, points)
        worst = max(abs(error(x)) for x in points)
        if worst <= levelled * mpf("1.001"):
            break
    return coefficients, worst


def quotient(f: Function, degree: int, high: float) -> tuple[list[mpf], list[mpf], mpf]:
    """Return p of degree - 1 and q with q(0) = 1 that minimize max |p / (q f) - 1| over [0, high].

    Remez's exchange as above: p(x) = f(x) (1 + e) q(x) at 2 degree + 1 points, where the q multiplied by e is
    that of the previous step. The initial points are those of a polynomial in t = (x - 3) / (x + 3).
    """
    n = 2 * degree + 1
    end = mpf(high)
    t = [(end / (end + 3)) * (1 - mp.cos(mp.pi * k / (n - 1))) - 1 for k in range(n)]
    points = [3 * (1 + a) / (1 - a) for a in t]
    q = [mpf(1)] + [mpf(0)] * degree
    p, worst = [mpf(0)], mpf(0)
    for _ in range(25):
        exact = [f(x) for x in points]
        levelled, before = mpf(0), mpf(1)
        while abs(levelled - before) > abs(levelled) * mpf("1e-10"):
            a, b = mp.matrix(n, n), mp.matrix(n, 1)
            for i, (x, y) in enumerate(zip(points, exact, strict=True)):
                for j in range(degree):
                    a[i, j] = x**j
                    a[i, degree + j] = -y * x ** (j + 1)
                a[i, n - 1] = -((-1) ** i) * y * value(q, x)
                b[i] = y
            solution = [mp.lu_solve(a, b)[j] for j in range(n)]
            p, q = solution[:degree], [mpf(1), *solution[degree:-1]]
            before, levelled = levelled, solution[-1]

        def error(x: mpf, p: list[mpf] = p, q: list[mpf] = q) -> mpf:
            return value(p, x) / (value(q, x) * f(x)) - 1

        points = extrema(error, mpf(0), end, points)
        worst = max(abs(error(x)) for x in points)
        if worst <= abs(levelled) * mpf("1.001"):
            break
    return p, q, worst


def extrema(error: Function, low: mpf, high: mpf, points: list[mpf]) -> list[mpf]:
    """Return the point of largest error between the sign changes of the error."""
    roots = [bisect(error, a, b) for a, b in pairwise(points)]
    ends = [low, *roots, high]
    return [peak(error, a, b) for a, b in pairwise(ends)]


def bisect(error: Function, a: mpf, b: mpf) -> mpf:
    """Return the zero of the error between a and b."""
    negative = error(a) < 0
    for _ in range(60):
        middle = (a + b) / 2
        if (error(middle) < 0) == negative:
            a = middle
        else:
            b = middle
    return (a + b) / 2


def peak(error: Function, a: mpf, b: mpf) -> mpf:
    """Return the point of the largest error between two zeros, by golden-section search."""
    golden = (mp.sqrt(5) - 1) / 2
    for _ in range(60):
        c, d = b - golden * (b - a), a + golden * (b - a)
        if abs(error(c)) > abs(error(d)):
            b = d
        else:
            a = c
    return (a + b) / 2


def series(term: Callable[[int], mpf], x: mpf) -> mpf:
    """Return the sum of term(k) x^k: the remainder of a series, without cancellation of its first terms."""
    return value([term(k) for k in range(60)], x)


class Fit(NamedTuple):
    """An approximation of f on [low, high] that minimizes weight * error."""

    description: str
    f: Function
    weight: Function
    low: mpf
    high: mpf
    degree: int


def fits(bits: int) -> dict[str, Fit]:
    """Return the approximations of the kernels for one type."""
    single = bits == 32
    margin = mpf("1.001")  # the reduced argument may exceed its interval by rounding
    half = mp.log(2) / 2 * margin
    s_squared = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * margin
    third_squared = mpf(1) / 9 * margin
    quarter = (mp.pi / 4 * margin) ** 2
    half_squared = half**2
    below_half = margin / 4
    k, end = (2, mpf("10.1")) if single else (4, mpf("27.3"))

    def scaled_erfc(t: mpf) -> mpf:
        x = k * (1 + t) / (1 - t)
        return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)

    return {
        "exp": Fit(
            "(e^r - 1 - r) / r^2, |r| <= log(2) / 2",
            lambda r: series(lambda k: 1 / mp.factorial(k + 2), r),
            lambda r: abs(r) + half / 1000,  # r^2 relative to e^r - 1
            *(-half, half, 5 if single else 9),
        ),
        "exp_near": Fit(
            "(e^r - 1 - r) / r^2, |r| <= 0.7",
            lambda r: series(lambda k: 1 / mp.factorial(k + 2), r),
            lambda r: (r * r + mpf("0.001")) / mp.exp(r),  # r^2 relative to e^r
            *(mpf("-0.7"), mpf("0.7"), 6 if single else 11),
        ),
        "sinh": Fit(
            "(sinh(r) / r - 1) / z, z = r^2, |r| <= log(2) / 2",
            lambda z: series(lambda k: 1 / mp.factorial(2 * k + 3), z),
            lambda z: z + half_squared / 1000,
            *(mpf(0), half_squared, 2 if single else 4),
        ),
        "cosh": Fit(
            "(cosh(r) - 1 - z / 2) / z^2, z = r^2, |r| <= log(2) / 2",
            lambda z: series(lambda k: 1 / mp.factorial(2 * k + 4), z),
            lambda z: z**2 + half_squared / 1000,
            *(mpf(0), half_squared, 1 if single else 3),
        ),
        "log": Fit(
            "(log((1 + s) / (1 - s)) / s - 2) / z, z = s^2, s = f / (2 + f)",
            lambda z: series(lambda k: mpf(2) / (2 * k + 3), z),
            lambda z: z / 2 + s_squared / 1000,
            *(mpf(0), s_squared, 2 if single else 6),
        ),
        "softplus": Fit(
            "(log((1 + s) / (1 - s)) / s - 2) / z, z = s^2, s = e / (2 + e), 0 <= e <= 1",
            lambda z: series(lambda k: mpf(2) / (2 * k + 3), z),
            lambda z: z / 2 + third_squared / 1000,
            *(mpf(0), third_squared, 4 if single else 9),
        ),
        "sin": Fit(
            "(sin(x) / x - 1) / z, z = x^2, x <= pi / 4",
            lambda z: series(lambda k: (-1) ** (k + 1) / mp.factorial(2 * k + 3), z),
            lambda z: z + quarter / 1000,
            *(mpf(0), quarter, 2 if single else 5),
        ),
        "cos": Fit(
            "(cos(x) - 1 + z / 2) / z^2, z = x^2, x <= pi / 4",
            lambda z: series(lambda k: (-1) ** k / mp.factorial(2 * k + 4), z),
            lambda z: z**2 + quarter / 1000,
            *(mpf(0), quarter, 2 if single else 5),
        ),
        "arctan": Fit(
            "(arctan(x) / x - 1) / z, z = x^2, x <= 1 / 2",
            lambda z: series(lambda k: (-1) ** (k + 1) / mpf(2 * k + 3), z),
            lambda z: z + below_half / 1000,
            *(mpf(0), below_half, 4 if single else 11),
        ),
        "erf": Fit(
            "(erf(x) / x - 2 / sqrt(pi)) / z, z = x^2, x <= 1",
            lambda z: series(
                lambda k: 2 / mp.sqrt(mp.pi) * (-1) ** (k + 1) / mp.factorial(k + 1) / (2 * k + 3), z
            ),
            lambda z: z + mpf("0.001"),
            *(mpf(0), margin, 7 if single else 11),
        ),
        "erfc": Fit(
            f"(1 + 2 x) e^(x^2) erfc(x), t = (x - {k}) / (x + {k}), 0 <= x <= {mp.nstr(end, 3)}",
            scaled_erfc,
            lambda t: mpf(1),
            *(mpf(-1), (end - k) / (end + k), 11 if single else 23),
        ),
    }


def rounded(x: mpf, bits: int) -> float:
    """Return x rounded to nearest in the type."""
    return float(x) if bits == 64 else struct.unpack("f", struct.pack("f", float(x)))[0]


def show(name: str, fit: Fit, bits: int) -> None:
    """Derive and print the coefficients of an approximation."""
    coefficients = [rounded(c, bits) for c in minimax(fit.f, fit.degree, fit.low, fit.high, fit.weight)[0]]
    points = [fit.low + (fit.high - fit.low) * (k + mpf("0.5")) / 997 for k in range(997)]
    worst = max(abs(fit.weight(x) * (value(coefficients, x) - fit.f(x))) for x in points)
    print(f"{name}, float{bits}: {fit.description}; error 2^{float(mp.log(worst, 2)):.1f}")
    for coefficient in coefficients:
        print(f"    {coefficient:.{9 if bits == 32 else 17}g}")


def show_normal(bits: int) -> None:
    """Derive and print the tail of the normal distribution as a quotient: p, then q."""
    p, q, error = quotient(
        lambda x: mp.exp(x * x / 2) * mp.erfc(x / mp.sqrt(2)) / 2,
        *((5, 14.5) if bits == 32 else (11, 38.65)),
    )
    print(f"normal, float{bits}: e^(x^2 / 2) Phi(-x), x >= 0; error 2^{float(mp.log(error, 2)):.1f}")
    for coefficients in (p, q):
        print("   ", ", ".join(f"{rounded(c, bits):.{9 if bits == 32 else 17}g}" for c in coefficients))


def parts(x: mpf, width: int, count: int, bits: int) -> list[float]:
    """Split x into `count` parts of `width` significant bits each and a rest rounded to the type."""
    split = []
    for _ in range(count):
        unit = mp.ldexp(1, int(mp.floor(mp.log(x, 2))) + 1 - width)
        split.append(float(mp.floor(x / unit) * unit))
        x -= mpf(split[-1])
    return [*split, rounded(x, bits)]


def main(name: str | None = None) -> None:
    for bits in (32, 64):
        if name in (None, "parts"):  # n has up to 11 or 9 bits in exp and log, 20 or 8 in sin and cos
            print(f"log(2), float{bits}:", *parts(mp.log(2), 42 if bits == 64 else 15, 1, bits))
            print(f"pi / 2, float{bits}:", *parts(mp.pi / 2, 33 if bits == 64 else 16, 3, bits))
        if name in (None, "normal"):
            show_normal(bits)
        for key, fit in fits(bits).items():
            if name in (None, key):
                show(key, fit, bits)


if __name__ == "__main__":
    main(*sys.argv[1:])
