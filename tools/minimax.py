"""Minimax polynomials of the elementary functions, by Remez's exchange in mpmath.

    python tools/minimax.py            derive and print every coefficient set of elementary.pxi

A set is printed with the largest relative error that it makes before rounding to the type, as the
negative power of two. `minimax` is for other scripts in this folder.
"""

from collections.abc import Callable, Sequence

from mpmath import mp, mpf

mp.prec = 200

Function = Callable[[mpf], mpf]


def value(coefficients: Sequence[mpf], x: mpf) -> mpf:
    """Return a polynomial's value, coefficients from the lowest power up."""
    total = mpf(0)
    for coefficient in reversed(coefficients):
        total = total * x + coefficient
    return total


def minimax(
    f: Function, degree: int, low: float, high: float, weight: Function | None = None
) -> tuple[list[mpf], mpf]:
    """Return the polynomial p that makes max |weight (p - f)| over [low, high] smallest, and that maximum.

    Remez 1934: solve for p and the error e at degree + 2 points with alternating signs, move the points
    to the extrema of the error, and repeat until they level out.
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


def extrema(error: Function, low: mpf, high: mpf, points: list[mpf]) -> list[mpf]:
    """Return the point of largest error on each side of the error's sign changes."""
    roots = [bisect(error, a, b) for a, b in zip(points, points[1:], strict=False)]
    ends = [low, *roots, high]
    return [peak(error, a, b) for a, b in zip(ends, ends[1:], strict=False)]


def bisect(error: Function, a: mpf, b: mpf) -> mpf:
    """Return where the error changes its sign."""
    below = error(a) < 0
    for _ in range(60):
        middle = (a + b) / 2
        if (error(middle) < 0) == below:
            a = middle
        else:
            b = middle
    return (a + b) / 2


def peak(error: Function, a: mpf, b: mpf) -> mpf:
    """Return the point of the largest error between two of its zeros (golden section)."""
    golden = (mp.sqrt(5) - 1) / 2
    for _ in range(60):
        c, d = b - golden * (b - a), a + golden * (b - a)
        if abs(error(c)) > abs(error(d)):
            b = d
        else:
            a = c
    return (a + b) / 2


def show(name: str, coefficients: Sequence[mpf], error: mpf) -> None:
    """Print a set, lowest power first."""
    print(f"{name}: error 2^{float(mp.log(error, 2)):.1f}")
    for k, coefficient in enumerate(coefficients):
        print(f"    {k:2d}  {mp.nstr(coefficient, 20)}")



def exp_tail(r: mpf) -> mpf:
    """(exp(r) - 1 - r) / r^2, by its series, which does not cancel."""
    total = mpf(0)
    for k in range(40, -1, -1):
        total = total * r + 1 / mp.factorial(k + 2)
    return total


def log_tail(z: mpf) -> mpf:
    """(log((1 + s) / (1 - s)) - 2 s) / s^3 with s^2 = z: 2/3 + 2/5 z + 2/7 z^2 + ..."""
    total = mpf(0)
    for k in range(60, -1, -1):
        total = total * z + mpf(2) / (2 * k + 3)
    return total


def main() -> None:
    """Derive the sets of elementary.pxi."""
    half = mp.log(2) / 2 * mpf("1.0001")

    # the tail is multiplied by r^2: what counts is r^2 (p - tail) against exp(r) - 1, about |r|
    for bits, degree in ((32, 4), (64, 9)):
        found = minimax(exp_tail, degree, -half, half, lambda r: abs(r) + mpf("0.01"))
        show(f"exp, float{bits}: exp(r) = 1 + r + r^2 p(r) on [-log(2)/2, log(2)/2]", *found)
    edge = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * mpf("1.0001")
    for bits, degree in ((32, 3), (64, 6)):
        found = minimax(log_tail, degree, 0, edge, lambda z: z + mpf("0.0001"))
        show(f"log, float{bits}: log((1 + s) / (1 - s)) = 2 s + s^3 p(s^2) on s^2 < {float(edge):.4f}", *found)


if __name__ == "__main__":
    main()
