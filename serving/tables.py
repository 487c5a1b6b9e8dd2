"""A table as CSV, for whoever asks for one: `?format=csv`, or `Accept: text/csv`.

In: names of columns and rows of cells. Out: UTF-8 with a header and CRLF. Null is empty, numbers keep every digit, instants are
RFC 3339 with `Z`. A text that a spreadsheet would take for a formula (it begins with = + - @, a tab or a line end) is led by
an apostrophe, so that opening the file runs nothing; numbers are numbers and stay as they are.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from serving.pages import one_of

__all__ = ["CSV", "csv_answer", "wants_csv"]

CSV = "text/csv"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def wants_csv(request: Request) -> bool:
    """Whether the answer is to be a table. `?format=` decides before `Accept`; a format that is neither csv nor json is a 422."""
    asked = one_of(request, "format", ("csv", "json"))
    if asked is not None:
        return asked == "csv"
    weights = _weights(request.headers.get("accept", ""))
    return weights.get(CSV, 0.0) > max(weights.get("application/json", 0.0), 0.0)


def csv_answer(name: str, columns: Sequence[str], rows: Iterable[Iterable[object]]) -> Response:
    """The table under a file name that a browser will offer."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([_cell(column) for column in columns])
    writer.writerows([_cell(value) for value in row] for row in rows)
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Vary": "Accept"}
    return Response(text.getvalue().encode(), headers=headers, media_type=f"{CSV}; charset=utf-8")


def _cell(value: object) -> str:
    if value is None or value is msgspec.UNSET:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value) if math.isfinite(value) else ""
    if isinstance(value, datetime):
        at = value if value.tzinfo else value.replace(tzinfo=UTC)
        return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f"'{text}" if text.startswith(_FORMULA) else text


def _weights(accept: str) -> dict[str, float]:
    """Media types of an Accept header with how much each is wanted; what says nothing sensible is not wanted."""
    found: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (piece.strip() for piece in part.lower().split(";"))
        weight = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        try:
            found[kind] = float(weight)
        except ValueError:
            found[kind] = 0.0
    return found
