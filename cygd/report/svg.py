"""Charts by matplotlib as SVG that takes the colors and the font of the page around it.

Black becomes `currentColor`, so that a chart can be read on a light and on a dark page. Identifiers get a
prefix of their own, because several charts share a document.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Callable
from typing import Any

from cygd.errors import CygdError, abbreviate, escape_controls

INK = "#000000"  # the color of the page's text, in place of matplotlib's black
PAPER = "#fefefe"  # the color of the page, for what stands behind a text
TRAINING, VALIDATION, TEST = "#2f7ed8", "#e07b00", "#2a9d5c"  # readable on white and on black
COLORS = (TRAINING, VALIDATION, TEST, "#b5508f", "#8a7a00", "#5b6ee1", "#c0504d", "#4bacc6")
FONT_SIZE = 9
MAX_LABEL = 22  # characters of a name in a chart
SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "cygd",
    "text.parse_math": False,  # a name may contain dollar signs
    "axes.unicode_minus": False,
    "font.size": FONT_SIZE,
    "axes.titlesize": FONT_SIZE,
    "axes.labelsize": FONT_SIZE,
    "legend.fontsize": FONT_SIZE - 1,
    "xtick.labelsize": FONT_SIZE - 1,
    "ytick.labelsize": FONT_SIZE - 1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": False,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.5,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


def dots(count: int) -> dict[str, float]:
    """Return the style of a scatter of some points: few are large, many are small and transparent.

    >>> dots(4)
    {'s': 36, 'alpha': 0.9, 'linewidth': 0}
    """
    area, alpha = (36, 0.9) if count <= 30 else (14, 0.6) if count <= 300 else (6, 0.55)
    return {"s": area, "alpha": alpha, "linewidth": 0}


def shorten(name: str, length: int = MAX_LABEL) -> str:
    """Return a name that fits into a chart."""
    return abbreviate(escape_controls(name, one_line=True), length)


def require_matplotlib() -> None:
    """Raise a CygdError if matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        hint = 'pip install "cygd[report]"'
        raise CygdError("a report needs matplotlib, which is not installed", hint=hint) from None


def render_svg(draw: Callable[[Any], None], size: tuple[float, float], prefix: str, label: str) -> str:
    """Return an `<svg>` element for an HTML page.

    Parameters
    ----------
    draw : callable
        Draws on the axes that it receives.
    size : tuple
        Width and height in inches.
    prefix : str
        Begins the identifiers in the element; unique in the page.
    label : str
        The text for those who do not see the chart, already escaped for HTML.
    """
    from cycler import cycler
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # of glyphs that the font lacks
    file = io.StringIO()
    settings: Any = {**SETTINGS, "axes.prop_cycle": cycler(color=COLORS)}
    with rc_context(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the page's font has the glyphs, and layouts adapt
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        for axes in figure.axes:
            _label_powers(axes)
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=metadata)
    return adapt_svg(file.getvalue(), prefix, label)


def _label_powers(axes: Any) -> None:
    """Label a logarithmic axis with plain numbers: names have dollar signs, so markup of powers is off."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() != "log":
            continue
        low, high = sorted(axis.get_view_interval())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        digits = "123456789" if high < 5 * low else "125" if high < 1000 * low else ""
        axis.set_minor_formatter(_of_digits(digits) if digits else NullFormatter())


def _of_digits(digits: str) -> Any:
    """Return a formatter that leaves numbers without a label unless they begin with one of some digits."""
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, _: f"{value:g}" if f"{value:.0e}"[0] in digits else "")


def count_ticks(axis: Any) -> None:
    """Label an axis of counts or epochs at whole numbers only, without signs."""
    axis.get_major_locator().set_params(integer=True)
    axis.set_major_formatter(lambda value, _: f"{abs(round(value))}" if abs(value % 1) < 1e-6 else "")


def adapt_svg(text: str, prefix: str, label: str) -> str:
    """Return matplotlib's document as an element of a page.

    Examples
    --------
    >>> text = '<?xml?><svg width="9pt" viewBox="0 0 9 9"><path id="a" d="M 0.123 1" style="fill: #000000"/>'
    >>> adapt_svg(text, "f1", "a line")
    '<svg viewBox="0 0 9 9" role="img" aria-label="a line"><path d="M 0.12 1" style="fill: currentColor"/>'
    """
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>\s*|<!--.*?-->\s*", "", text, flags=re.DOTALL)
    # a rule for all elements would apply to the whole page: the page has it for its charts
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", text, flags=re.DOTALL)
    used = {*re.findall(r'(?:href="|url\()#([\w-]+)', text)}
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", text)
    text = re.sub(r'(href="|url\()#', rf"\1#{prefix}-", text)
    text = re.sub(r"#000000\b", "currentColor", text).replace(PAPER, "var(--paper)")
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    text = re.sub(r' (?:d|points|transform|x|y)="[^"]*"', lambda m: _round_numbers(m[0]), text)
    head, rest = text.split(">", 1)
    view = re.search(r'viewBox="[^"]*"', head)
    namespace = ' xmlns:xlink="http://www.w3.org/1999/xlink"' if "xlink:" in rest else ""
    begin = f'<svg{namespace} {view[0] if view else ""} role="img" aria-label="{label}">'
    return begin + re.sub(r">\s+<", "><", re.sub(r"\s*\n\s*", " ", rest)).replace(' "', '"')


def _round_numbers(text: str) -> str:
    """Return a text with its decimal numbers to hundredths, which is less than a pixel.

    >>> _round_numbers("M 12.34567 -0.001 L 3.50 7")
    'M 12.35 0 L 3.5 7'
    """
    return re.sub(r"-?\d+\.\d+", lambda m: f"{round(float(m[0]), 2) + 0.0:g}", text)
