"""Print the bits of 2/pi in trigonometric.pxi; tools/minimax.py prints its polynomials and the parts of pi/2.

python tools/derive_trigonometric.py
"""

from mpmath import mp


def words(count: int) -> list[int]:
    """Return the first bits of 2/pi after the binary point in `count` words of 32 bits."""
    with mp.workprec(32 * count + 64):
        bits = int(mp.floor(mp.ldexp(2 / mp.pi, 32 * count)))
    return [bits >> 32 * (count - 1 - k) & 0xFFFFFFFF for k in range(count)]


def main() -> None:
    # the largest float64 is m 2^971: the window of 192 bits begins at bit 969 and ends in word 36
    table = [f"0x{word:08x}" for word in words(40)]
    for k in range(0, 40, 8):
        print("    " + ", ".join(table[k : k + 8]) + ("," if k < 32 else ""))


if __name__ == "__main__":
    main()
