"""Secrets in messages: values that look like passwords or keys by their names are not written to log.txt."""

from __future__ import annotations

import re

HIDDEN = "***"
_STEMS = ("pass", "secret", "token", "key", "credential", "://")  # one of them is in whatever matches
_NAMED = (
    r"((?:pass(?:word|wd|phrase)?|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)"
    r"['\"]?\s*[=:]\s*)('[^']*'|\"[^\"]*\"|[^\s,;&}\]]+)"
)
_IN_URL = r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/@]+(?=@)"


def redact(text: str) -> str:
    """Replace secrets by ***: what follows a name such as `password=` or `token:`, and passwords in URLs.

    >>> redact("source: sql, url: postgres://ann:tiger@host/db, api_key=abc123, epochs: 5")
    'source: sql, url: postgres://ann:***@host/db, api_key=***, epochs: 5'
    """
    folded = text.casefold()
    if not any(stem in folded for stem in _STEMS):
        return text
    for pattern in (_NAMED, _IN_URL):
        text = re.sub(pattern, rf"\1{HIDDEN}", text, flags=re.IGNORECASE)
    return text
