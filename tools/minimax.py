"""Derive the minimax polynomials of cygd/core/kernels: the coefficients stand there, this is why.

    python tools/minimax.py               every set, for both dtypes
    python tools/minimax.py exp 64        one set: name and bits of the type
    python tools/minimax.py parts         ln(2) and pi / 2 in parts that n times a part holds exactly

Each set is the polynomial of its degree with the smallest largest error, by Remez' exchange: solve
for the polynomial whose weighted error alternates at the current points, move the points to the
extrema of that error, repeat until all extrema are level. The work is done in 60 digits; the
error printed is that of the coefficients after rounding to the type, as -log2, relative to the
function that the kernel computes from the polynomial.
"""

import struct
import sys
from collections.abc import Callable
from typing import NamedTuple

import mpmath as mp

mp.mp.dps = 60


class Fit(NamedTuple):
    """Approximate f(x) by a polynomial on [low, high], the error weighted by weight(x)."""

    what: str
    f: Callable
    weight: Callable
    low: Callable
    high: Callable
    degree: dict[int, int]  # bits of the type -> degree


def exp_tail(r):
    return mp.fsum(r**k / mp.factorial(k + 2) for k in range(40))


def atanh_tail(z):  # (2 atanh(s) / s - 2) / z with z = s^2
    return 2 * mp.fsum(z**k / (2 * k + 3) for k in range(80))


def sin_tail(z):  # (sin(x) / x - 1) / z with z = x^2
    return mp.fsum((-1) ** (k + 1) * z**k / mp.factorial(2 * k + 3) for k in range(40))


def cos_tail(z):  # (cos(x) - 1 + z / 2) / z^2
    return mp.fsum((-1) ** k * z**k / mp.factorial(2 * k + 4) for k in range(40))


def erf_tail(z):  # erf(x) / x - 2 / sqrt(pi), over z
    return 2 / mp.sqrt(mp.pi) * mp.fsum((-1) ** (k + 1) * z**k / mp.factorial(k + 1) / (2 * k + 3) for k in range(60))


ERFC_CENTRE = {32: 2, 64: 4}
ERFC_END = {32: mp.mpf("10.1"), 64: mp.mpf("27.3")}


def erfcx(x):
    if x < 40:
        with mp.workdps(60 + int(x * x)):
            return mp.exp(x * x) * mp.erfc(x)
    raise ValueError(x)


def scaled_erfc(bits):
    """(1 + 2 x) exp(x^2) erfc(x) over t = (x - K) / (x + K): smooth and between 1 and 1.3."""
    k = ERFC_CENTRE[bits]

    def f(t):
        x = k * (1 + t) / (1 - t)
        return (1 + 2 * x) * erfcx(x)

    return f


def one(x):
    return mp.mpf(1)


LN2_HALF = mp.log(2) / 2 * mp.mpf("1.001")
QUARTER_PI = mp.pi / 4 * mp.mpf("1.001")
S_MAX = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * mp.mpf("1.001")


def fits(bits: int) -> dict[str, Fit]:
    k = ERFC_CENTRE[bits]
    end = ERFC_END[bits]
    return {
        "exp": Fit("(e^r - 1 - r) / r^2, |r| <= ln(2) / 2", exp_tail, lambda r: max(abs(r), LN2_HALF / 1000),
                   -LN2_HALF, LN2_HALF, {32: 5, 64: 9}),
        "log": Fit("(2 atanh(s) / s - 2) / z over z = s^2, s = f / (2 + f)", atanh_tail, lambda z: z / 2,
                   mp.mpf(0), S_MAX, {32: 2, 64: 6}),
        "sin": Fit("(sin(x) / x - 1) / z over z = x^2, x <= pi / 4", sin_tail, lambda z: z,
                   mp.mpf(0), QUARTER_PI**2, {32: 2, 64: 5}),
        "cos": Fit("(cos(x) - 1 + z / 2) / z^2 over z = x^2, x <= pi / 4", cos_tail, lambda z: z**2,
                   mp.mpf(0), QUARTER_PI**2, {32: 2, 64: 5}),
        "erf": Fit("(erf(x) / x - 2 / sqrt(pi)) / z over z = x^2, x <= 1", erf_tail, lambda z: z,
                   mp.mpf(0), mp.mpf("1.001"), {32: 7, 64: 11}),
        "erfc": Fit(f"(1 + 2 x) e^(x^2) erfc(x) over t = (x - {k}) / (x + {k})", scaled_erfc(bits), one,
                    mp.mpf(-1), (end - k) / (end + k), {32: 11, 64: 23}),
    }


def remez(fit: Fit, degree: int, grid: int = 40) -> list:
    """Return the coefficients, lowest first. A weight of zero at an end is stepped around."""
    n = degree + 2
    centre, radius = (fit.low + fit.high) / 2, (fit.high - fit.low) / 2
    points = [centre - radius * mp.cos(mp.pi * (2 * i + 1) / (2 * n)) for i in range(n)]
    dense = [centre - radius * mp.cos(mp.pi * (2 * i + 1) / (2 * n * grid)) for i in range(n * grid)]
    values = {x: (fit.f(x), fit.weight(x)) for x in dense}
    for _ in range(30):
        a = mp.matrix(n, n)
        b = mp.matrix(n, 1)
        for i, x in enumerate(points):
            f, w = values.get(x) or (fit.f(x), fit.weight(x))
            for j in range(degree + 1):
                a[i, j] = x**j
            a[i, degree + 1] = (-1) ** i / w
            b[i] = f
        solution = mp.lu_solve(a, b)
        c = [solution[j] for j in range(degree + 1)]
        error = [(values[x][0] - mp.polyval(c[::-1], x)) * values[x][1] for x in dense]
        # the extremum of every run of one sign; the n in a row that hold the largest
        runs = [[0]]
        for i in range(1, len(dense)):
            if mp.sign(error[i]) == mp.sign(error[runs[-1][-1]]):
                runs[-1].append(i)
            else:
                runs.append([i])
        best = [max(run, key=lambda i: abs(error[i])) for run in runs]
        while len(best) > n:
            best.pop(0 if abs(error[best[0]]) < abs(error[best[-1]]) else -1)
        if len(best) < n:
            raise ArithmeticError(f"{fit.what}: {len(best)} alternations, wanted {n}")
        points = [dense[i] for i in best]
        sizes = [abs(error[i]) for i in best]
        if max(sizes) < min(sizes) * mp.mpf("1.01"):
            break
    return c


def rounded(x, bits: int) -> float:
    """Return x in the type, to nearest."""
    return float(x) if bits == 64 else struct.unpack("f", struct.pack("f", float(x)))[0]


def error_bits(fit: Fit, c: list) -> float:
    xs = [fit.low + (fit.high - fit.low) * (i + mp.mpf("0.5")) / 997 for i in range(997)]
    return float(-mp.log(max(abs((fit.f(x) - mp.polyval(c[::-1], x)) * fit.weight(x)) for x in xs), 2))


def parts(x, widths: list[int], bits: int) -> list[float]:
    """Cut x into parts of so many significant bits each, the last one rounded to the type."""
    found = []
    for width in widths:
        unit = mp.ldexp(1, int(mp.floor(mp.log(abs(x), 2))) + 1 - width)
        found.append(float(mp.floor(x / unit) * unit))
        x -= mp.mpf(found[-1])
    return [*found, rounded(x, bits)]


def main(name: str | None = None, bits: str | None = None) -> None:
    for b in [int(bits)] if bits else [32, 64]:
        if name in (None, "parts"):     # n has 11 and 8 bits in exp and log, 20 and 8 in sin and cos
            print(f"ln(2) {b}:", *parts(mp.log(2), [42 if b == 64 else 15], b))
            print(f"pi / 2 {b}:", *parts(mp.pi / 2, [33 if b == 64 else 16] * 3, b))
        for key, fit in fits(b).items():
            if name not in (None, key):
                continue
            c = [rounded(x, b) for x in remez(fit, fit.degree[b])]
            print(f"{key} {b}: {fit.what}")
            print(f"    degree {len(c) - 1}, error 2^-{error_bits(fit, [mp.mpf(x) for x in c]):.1f}")
            digits = 9 if b == 32 else 17
            for x in c:
                print(f"    {x:.{digits}g}")


if __name__ == "__main__":
    main(*sys.argv[1:])
