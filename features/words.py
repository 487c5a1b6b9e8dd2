"""Text as people type it, made comparable: lower case, without accents, one space between words."""

from __future__ import annotations

import unicodedata

__all__ = ["plain"]


def plain(text: str, longest: int = 200) -> str:
    """The first `longest` characters of a text in lower case, without accents.

    >>> plain("  Dirección   de TI ")
    'direccion de ti'
    """
    lower = text[:longest].lower()
    if lower.isascii():
        return " ".join(lower.split())
    letters = unicodedata.normalize("NFKD", lower)
    return " ".join("".join(letter for letter in letters if not unicodedata.combining(letter)).split())
