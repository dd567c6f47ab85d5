"""Secrets in messages: values that look like passwords or keys by their names are not written to log.txt."""

from __future__ import annotations

import re

HIDDEN = "***"
_NAMED = re.compile(
    r"((?:pass(?:word|wd|phrase)?|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)"
    r"['\"]?\s*[=:]\s*)('[^']*'|\"[^\"]*\"|[^\s,;&}\]]+)",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/@]+(?=@)", re.IGNORECASE)


def redact(text: str) -> str:
    """Replace secrets by ***: what follows a name such as `password=` or `token:`, and passwords in URLs.

    >>> redact("source: sql, url: postgres://ann:tiger@host/db, api_key=abc123, epochs: 5")
    'source: sql, url: postgres://ann:***@host/db, api_key=***, epochs: 5'
    """
    return _IN_URL.sub(rf"\1{HIDDEN}", _NAMED.sub(rf"\1{HIDDEN}", text))
