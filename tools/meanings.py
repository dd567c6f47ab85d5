"""Write cygd/config/descriptions.py from the table of keys in docs/configuration.md.

python tools/meanings.py > cygd/config/descriptions.py
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
ROW = re.compile(r"^\| `([a-z_.\[\]0-9]+)` \| [^|]+ \| [^|]+ \| ([^|]*?) *\|$", re.MULTILINE)
WIDTH = 110

HEAD = '''\
"""What each key of an experiment means, in words for editors.

`python tools/meanings.py` writes this file from the table in docs/configuration.md.
"""

from __future__ import annotations

__all__ = ["MEANINGS"]

MEANINGS = {
'''


def text() -> str:
    """Return the module."""
    lines = []
    for key, meaning in ROW.findall(PAGE.read_text(encoding="utf-8")):
        plain = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", meaning).replace("`", "").replace('"', "'")
        if not plain:
            continue
        line = f'    "{key}": "{plain}",'
        lines += [line] if len(line) <= WIDTH else [f'    "{key}": (', f'        "{plain}"', "    ),"]
    return HEAD + "\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    sys.stdout.write(text())
