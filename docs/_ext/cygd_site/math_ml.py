"""Formulas as MathML, which every browser draws by itself.

MathJax would be a script of more than a megabyte, or a request to another host; images of formulas cannot be
read aloud and keep their color in the dark theme. docutils has the converter.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml


def inline(translator: Any, node: Any) -> None:
    """Write a formula within a line."""
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def block(translator: Any, node: Any) -> None:
    """Write a formula on lines of its own, with its number if it has one."""
    number = f'<span class="eqno">({node["number"]})</span>' if node["number"] else ""
    translator.body.append(
        translator.starttag(node, "div", CLASS="math", tabindex="0")
        + f"{number}{tex2mathml(node.astext(), as_block=True)}</div>\n"
    )
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Register the renderer under the name `mathml`."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
