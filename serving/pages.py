"""Pages of a list: how many a page holds, of which kind, and the opaque cursor at which the next one begins.

In: `limit` and `cursor` of a query. Out: checked values, or a 422 that says what is allowed; a cursor that this service did
not give is refused, whatever it decodes to.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request

from serving.problems import Unprocessable

__all__ = ["LARGEST", "MOST", "cursor_at", "limit_of", "one_of", "place_of"]

Word = TypeVar("Word", bound=str)
MOST = 500
LARGEST = 2**63 - 1
"""What a database's integer can hold."""


def limit_of(request: Request) -> int:
    """How many rows a page is to have."""
    given = request.query_params.get("limit", "50")
    if not (given.isascii() and given.isdigit() and len(given) <= 9 and 0 < int(given) <= MOST):
        raise Unprocessable(f"`limit` is a whole number from 1 to {MOST}.")
    return int(given)


def one_of(request: Request, name: str, known: Sequence[Word]) -> Word | None:
    """The word that a query parameter has to be, if it is given."""
    given = request.query_params.get(name)
    if given is None:
        return None
    for word in known:
        if word == given:
            return word
    raise Unprocessable(f"`{name}` is one of {', '.join(known)}.")


def cursor_at(*place: Any) -> str:  # noqa: ANN401 - numbers and texts, as the list is sorted
    """The cursor of the page that begins after this place."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def place_of(request: Request, *kinds: type | tuple[type, ...]) -> Sequence[Any] | None:
    """The place that the cursor names, a value of each kind; None without a cursor."""
    given = request.query_params.get("cursor")
    if not given:
        return None
    try:
        place = msgspec.json.decode(base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)), type=list[int | float | str])
        if len(place) != len(kinds) or not all(_is(value, kind) for value, kind in zip(place, kinds, strict=True)):
            raise ValueError
    except (ValueError, binascii.Error, msgspec.DecodeError, UnicodeError):
        raise Unprocessable("`cursor` is not one that this service gave: begin without one.") from None
    return place


def _is(value: object, kind: type | tuple[type, ...]) -> bool:
    sane = "\0" not in value if isinstance(value, str) else not isinstance(value, int) or -LARGEST <= value <= LARGEST
    return isinstance(value, kind) and sane
