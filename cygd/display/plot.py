"""A drawing that notebooks show and that can be saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cygd.display.html import block
from cygd.errors import CygdError
from cygd.files import write_user_file

# a file has no page around it that sets the colors
FILE_STYLE = (
    "<style>:root {color: #222; background: #fff; color-scheme: light dark} text {fill: currentColor; "
    "font: 11px system-ui, sans-serif} @media (prefers-color-scheme: dark) {:root {color: #ddd; "
    "background: #1b1b1b}}</style>"
)


@dataclass(frozen=True, repr=False)
class Plot:
    """One or several drawings.

    Attributes
    ----------
    title : str
    drawings : tuple of str
        The markup of each, an `<svg>` element.
    """

    title: str
    drawings: tuple[str, ...]

    def save(self, path: str | Path) -> Path:
        """Write the drawings to a file: .svg, or .html.

        Raises
        ------
        CygdError
            If the suffix is another one, if .svg should hold several drawings, or the file cannot be written.
        """
        file = Path(path)
        suffix = file.suffix.lower()
        if suffix not in (".svg", ".html"):
            raise CygdError(f"expected a .svg or .html file, got {str(path)!r}")
        if suffix == ".svg":
            if len(self.drawings) != 1:
                message = f"expected one drawing for {str(path)!r}, got {len(self.drawings)}"
                raise CygdError(message, hint="save them as .html")
            start, end = self.drawings[0].split(">", 1)
            text = f"{start}>{FILE_STYLE}{end}\n"
        else:
            page = '<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
            text = f"{page}{self._repr_html_()}\n"
        try:
            return write_user_file(file, text.encode())
        except OSError as error:
            raise CygdError(f"cannot write {file}: {error.strerror or error}") from error

    def _repr_html_(self) -> str:
        return block(self.title, markup=self.drawings)

    def __repr__(self) -> str:
        count = len(self.drawings)
        return (
            f"Plot({self.title!r}, {count} drawing{'' if count == 1 else 's'}; .save('plot.html') writes it)"
        )
