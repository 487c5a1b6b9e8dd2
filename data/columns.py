"""What a column holds, decided over all its values: number, boolean or category.

In: an Arrow column, mostly text as a file has it. Out: float64 with NaN for missing, or dictionary codes with -1 for
missing. A column is a number only when every value is one, under one decimal sign; a thousands separator is never
guessed. Work is done on whole columns or on their distinct values, never cell by cell in Python.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from data.sizes import Scale, read_size

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from data.frames import Arrow, Kind

__all__ = [
    "MISSING_WORDS",
    "TypedColumn",
    "as_objects",
    "as_text",
    "boolean_words",
    "encode",
    "parse_numbers",
    "parse_sizes",
    "type_columns",
    "uses_sign",
]

MISSING_WORDS = ("", "NULL", "null", "Null", "NaN", "nan", "NAN")
"""Missing is empty, NULL or NaN; other tokens only where declared."""

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_INFINITE = r"^[+-]?(?i:inf|infinity)$"
_WHOLE = r"^[+-]?\d+$"
_COMMA = r"^[+-]?\d*,\d+([eE][+-]?\d+)?$"
_MAYBE_THOUSANDS = r"^[+-]?[1-9]\d{0,2},\d{3}$"
_THOUSANDS = r"^[+-]?\d{1,3}([,. ' ]\d{3})+([,.]\d+)?$"
_ISO_DAY = r"^\d{4}-\d{2}-\d{2}([T ]|$)"
_PADDED = r"^[+-]?0\d+$"
_WORDS: tuple[dict[str, float], ...] = (
    {"yes": 1.0, "no": 0.0},
    {"true": 1.0, "false": 0.0},
    {"sí": 1.0, "si": 1.0, "no": 0.0},
)
_MIXED_SHARE = 0.8


@dataclass(frozen=True)
class TypedColumn:
    kind: Kind
    numbers: npt.NDArray[np.float64] | None = None
    codes: npt.NDArray[np.int32] | None = None
    values: tuple[str, ...] = ()
    decimal: str | None = None
    """The decimal sign that was seen, where one was."""
    infinite: int = 0
    notice: str = ""
    undecided: bool = False
    """Commas that may be decimal or may part thousands: the file's other columns, or the user, decide."""


@dataclass(frozen=True)
class ParsedNumbers:
    values: npt.NDArray[np.float64]
    bad: npt.NDArray[np.bool_] | None
    """Present but no number; None when there is none."""
    infinite: int


def type_columns(columns: dict[str, Arrow], *, decimal: str | None = None) -> tuple[dict[str, TypedColumn], list[str]]:
    """Every column typed by its values, and what the reader of the report should know about that.

    `columns` is left empty: a whole file as text and as figures at once would be the most memory that training ever takes.
    """
    typed: dict[str, TypedColumn] = {}
    undecided: dict[str, Arrow] = {}
    for name in list(columns):
        array = columns.pop(name)
        typed[name] = _typed(array, decimal)
        if typed[name].undecided:
            undecided[name] = array
    if decimal == "," or any(column.decimal == "," for column in typed.values()):
        typed |= {name: _typed(array, ",") for name, array in undecided.items()}
    notices = [f"{name}: {column.notice}" for name, column in typed.items() if column.notice]
    infinite = {name: column.infinite for name, column in typed.items() if column.infinite}
    if infinite:
        listed = ", ".join(f"{name} ({count:,})" for name, count in infinite.items())
        notices.append(f"infinite numbers were read as missing: {listed}")
    with_comma = [name for name, column in typed.items() if column.decimal == ","]
    if with_comma:
        notices.append("decimal comma in " + ", ".join(with_comma))
    return typed, notices


def parse_numbers(array: Arrow, decimal: str = ".") -> ParsedNumbers:
    """Numbers out of an Arrow column; ±inf becomes NaN and is counted, what is no number becomes NaN and is marked."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    bad = None
    if not _is_text(array.type):
        values = _floats(array.cast(pa.float64(), safe=False))
    else:
        try:
            values = _floats(pc.cast(array if decimal == "." else _with_points(array), pa.float64()))
        except pa.ArrowInvalid:
            codes, uniques = encode(array)
            parsed, wrong = _parse_distinct(uniques, decimal)
            values = np.append(parsed, np.nan)[codes]
            marks = np.append(wrong, False)[codes]
            bad = marks if marks.any() else None
    infinite = np.isinf(values)
    count = int(infinite.sum())
    if count:
        values = np.where(infinite, np.nan, values)
    return ParsedNumbers(values, bad, count)


def parse_sizes(array: Arrow, scale: Scale) -> ParsedNumbers:
    """Sizes of companies out of an Arrow column of text, as `data/sizes.py` reads them; what is none becomes NaN and is marked."""
    import numpy as np

    codes, uniques = encode(array)
    values = np.array([*(read_size(text, scale) for text in uniques.to_pylist()), np.nan])[codes]
    bad = np.isnan(values) & (codes >= 0)
    return ParsedNumbers(values, bad if bad.any() else None, 0)


def uses_sign(array: Arrow, sign: str) -> bool:
    """Whether some value holds this decimal sign where it cannot be a thousands separator."""
    import pyarrow.compute as pc

    if not _is_text(array.type):
        return False
    found = array.filter(pc.fill_null(pc.match_substring(array, sign), False))
    if not len(found):
        return False
    texts = pc.replace_substring(pc.utf8_trim_whitespace(found), ".", ",") if sign == "." else pc.utf8_trim_whitespace(found)
    return bool((_like(texts, _COMMA) & ~_like(texts, _MAYBE_THOUSANDS)).any())


def encode(array: Arrow) -> tuple[npt.NDArray[np.int32], Arrow]:
    """Dictionary codes (-1 missing; whitespace alone is missing) and the distinct values as one Arrow array."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(array.type):
        encoded = array.cast(pa.dictionary(pa.int32(), pa.string()))
    else:
        encoded = pc.dictionary_encode(array if _is_text(array.type) else as_text(array))
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    indices = pc.fill_null(encoded.indices, -1) if encoded.indices.null_count else encoded.indices
    codes = np.asarray(indices.to_numpy(zero_copy_only=False), dtype=np.int32)
    uniques = encoded.dictionary
    blank = np.asarray(pc.equal(pc.utf8_trim_whitespace(uniques), "").to_numpy(zero_copy_only=False), dtype=bool)
    if blank.any():
        keep = np.where(blank, -1, np.cumsum(~blank) - 1).astype(np.int32)
        codes = np.append(keep, np.int32(-1))[codes]
        uniques = uniques.filter(pa.array(~blank))
    return codes, uniques


def boolean_words(values: Collection[str]) -> dict[str, float] | None:
    """Each distinct value → 1 or 0, when all of them are words of one language's yes and no."""
    folded = {value: value.strip().casefold() for value in values}
    for words in _WORDS:
        if folded and set(folded.values()) <= words.keys():
            return {value: words[word] for value, word in folded.items()}
    return None


def as_objects(codes: npt.NDArray[np.int32], values: Collection[str]) -> npt.NDArray[np.object_]:
    """The texts themselves, None for missing; equal texts share one object."""
    import numpy as np

    pool = np.empty(len(values) + 1, dtype=object)
    pool[:-1] = list(values)
    pool[-1] = None
    return pool[codes]


def as_text(array: Arrow) -> Arrow:
    """Any Arrow column as text: numbers and instants as they print, nested values as JSON."""
    import json

    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_dictionary(kind):
        array, kind = array.cast(kind.value_type), kind.value_type
    if _is_text(kind):
        return array
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        texts = [None if value is None else json.dumps(value, default=str, ensure_ascii=False) for value in array.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    return pc.cast(array, pa.string())


def _typed(array: Arrow, decimal: str | None) -> TypedColumn:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_dictionary(kind):
        array, kind = array.cast(kind.value_type), kind.value_type
    if array.null_count == len(array):
        return TypedColumn("number", np.full(len(array), np.nan), notice="every value is missing")
    if pa.types.is_boolean(kind):
        return TypedColumn("boolean", _floats(array.cast(pa.float64())))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        parsed = parse_numbers(array)
        return TypedColumn("number", parsed.values, infinite=parsed.infinite)
    text = as_text(array)
    if decimal != ",":
        try:
            values = _floats(pc.cast(text, pa.float64()))
        except pa.ArrowInvalid:
            pass
        else:
            if not _zero_padded(text):
                infinite = np.isinf(values)
                return TypedColumn("number", np.where(infinite, np.nan, values), infinite=int(infinite.sum()))
    return _typed_by_distinct(text, decimal)


def _typed_by_distinct(text: Arrow, decimal: str | None) -> TypedColumn:
    """The careful way, over the distinct values, for what is not plainly numbers."""
    import numpy as np
    import pyarrow.compute as pc

    codes, uniques = encode(text)
    if not len(uniques):
        return TypedColumn("number", np.full(len(codes), np.nan), notice="every value is missing")
    trimmed = pc.utf8_trim_whitespace(uniques)
    number, whole, comma = _like(trimmed, _NUMBER) | _like(trimmed, _INFINITE), _like(trimmed, _WHOLE), _like(trimmed, _COMMA)
    category = TypedColumn("category", codes=codes, values=tuple(uniques.to_pylist()))
    if _like(trimmed, _PADDED).any() and (number | comma).all():
        example = next(value for value, padded in zip(category.values, _like(trimmed, _PADDED), strict=True) if padded)
        return replace(category, notice=f"digits with leading zeros ({example!r}): a code, read as a category")
    if number.all() and not (decimal == "," and (number & ~whole).any()):
        return _number_from(codes, trimmed, ".")
    if comma.any() and (comma | whole).all():
        if decimal == "," or (comma & ~_like(trimmed, _MAYBE_THOUSANDS)).any():
            return _number_from(codes, trimmed, ",")
        example = category.values[int(np.argmax(comma))]
        return replace(
            category,
            undecided=True,
            notice=f"a comma that may be decimal or may part thousands ({example!r}): not guessed, read as a category",
        )
    if _like(trimmed, _ISO_DAY).all():
        return replace(category, notice="dates, read as a category: a flat table has no history, so no signal uses them")
    words = boolean_words(category.values) if len(uniques) <= 12 else None
    if words is not None:
        pool = np.array([words[value] for value in category.values] + [np.nan])
        return TypedColumn("boolean", pool[codes])
    return replace(category, notice=_near_number(codes, category.values, number, number | _like(trimmed, _THOUSANDS)))


def _near_number(
    codes: npt.NDArray[np.int32], values: tuple[str, ...], number: npt.NDArray[np.bool_], grouped: npt.NDArray[np.bool_]
) -> str:
    """A few words among numbers make a category of them all: worth a sentence."""
    import numpy as np

    if grouped.all():
        example = values[int(np.argmax(~number))]
        return f"numbers with thousands separators ({example!r}): not guessed, read as a category"
    counts = np.bincount(codes[codes >= 0], minlength=len(values))
    share = int(counts[number].sum()) / max(1, int(counts.sum()))
    if share < _MIXED_SHARE:
        return ""
    odd = sorted(np.flatnonzero(~number), key=lambda i: (-counts[i], values[i]))[:3]
    shown = ", ".join(f"{values[i]!r} ({counts[i]:,})" for i in odd)
    said = f"{100 * share:.3g} % of the values are numbers, but not {shown}: read as a category"
    return f"{said}; declare the token as missing if it stands for that"


def _number_from(codes: npt.NDArray[np.int32], trimmed: Arrow, decimal: str) -> TypedColumn:
    import numpy as np

    parsed, _ = _parse_distinct(trimmed, decimal)
    values = np.append(parsed, np.nan)[codes]
    infinite = np.isinf(values)
    return TypedColumn("number", np.where(infinite, np.nan, values), decimal="," if decimal == "," else None, infinite=int(infinite.sum()))


def _parse_distinct(uniques: Arrow, decimal: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Distinct texts → numbers and which are none. Under a decimal comma a point is no decimal sign."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim_whitespace(uniques)
    if decimal == ",":
        right = _like(trimmed, _WHOLE) | _like(trimmed, _COMMA) | _like(trimmed, _INFINITE)
        trimmed = pc.replace_substring(trimmed, ",", ".")
    else:
        right = _like(trimmed, _NUMBER) | _like(trimmed, _INFINITE)
    values = np.full(len(trimmed), np.nan)
    if right.any():
        values[right] = _floats(pc.cast(trimmed.filter(pa.array(right)), pa.float64()))
    nan_words = np.asarray(pc.equal(pc.utf8_lower(trimmed), "nan").to_numpy(zero_copy_only=False), dtype=bool)
    return values, ~right & ~nan_words


def _with_points(array: Arrow) -> Arrow:
    """Decimal commas as points, for the fast way; where points occur already, it is not this simple."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pc.any(pc.match_substring(array, ".")).as_py():
        raise pa.ArrowInvalid("points and commas")
    return pc.replace_substring(array, ",", ".")


def _zero_padded(text: Arrow) -> bool:
    import pyarrow.compute as pc

    starts = pc.starts_with(text, "0")
    return bool(pc.any(starts).as_py()) and bool(pc.any(pc.match_substring_regex(text.filter(starts), _PADDED)).as_py())


def _like(texts: Arrow, pattern: str) -> npt.NDArray[np.bool_]:
    import numpy as np
    import pyarrow.compute as pc

    return np.asarray(pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False), dtype=bool)


def _floats(array: Arrow) -> npt.NDArray[np.float64]:
    """An Arrow float64 column as NumPy, NaN for null."""
    import numpy as np
    import pyarrow.compute as pc

    return np.asarray(pc.fill_null(array, float("nan")).to_numpy(zero_copy_only=False), dtype=np.float64)


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
