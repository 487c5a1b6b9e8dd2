"""How well and how fast job titles are read, on titles labelled by hand in five languages.

    python -m benchmarks.titles [--wrong]

Four parts of `tests/features/titles_labelled.csv`: `lexicon` was at hand while the lexicon was written, so that its
figures say how well words and rules hang together; `hard` are the traps; `held out` was written after the lexicon was
finished, and `fresh` after that, before German compound nouns were read by their last part. Nothing was changed for a single
title of either, so that their figures are the ones to expect. `--wrong` lists what is misread.
Precision: of the titles read as a class, how many are of it. Recall: of those of it, how many were read so.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from features.titles import FUNCTIONS, SENIORITY, Title, read_title

LABELLED = Path(__file__).parents[1] / "tests" / "features" / "titles_labelled.csv"
PARTS = ("lexicon", "hard", "held out", "fresh")


class Labelled(NamedTuple):
    """A title, and how a person reads it."""

    part: str
    language: str
    seniority: str
    function: str
    title: str


class Figures(NamedTuple):
    """Of one class: how many titles are of it, and how reliably it is said and found; NaN where there is nothing to divide by."""

    titles: int
    precision: float
    recall: float


def labelled(*parts: str) -> list[Labelled]:
    with LABELLED.open(encoding="utf-8", newline="") as file:
        rows = [Labelled(**row) for row in csv.DictReader(file)]
    return [row for row in rows if row.part in (parts or PARTS)]


def by_class(rows: Sequence[Labelled], what: str) -> dict[str, Figures]:
    """Precision and recall of each `seniority` or `function` among these titles."""
    pairs = [(getattr(row, what), getattr(read_title(row.title), what)) for row in rows]
    figures: dict[str, Figures] = {}
    for name in (*(SENIORITY if what == "seniority" else FUNCTIONS), "unknown"):
        right = sum(meant == found == name for meant, found in pairs)
        titles, said = sum(meant == name for meant, _ in pairs), sum(found == name for _, found in pairs)
        figures[name] = Figures(titles, right / said if said else float("nan"), right / titles if titles else float("nan"))
    return figures


def share_right(rows: Sequence[Labelled], what: str) -> float:
    return sum(bool(getattr(row, what) == getattr(read_title(row.title), what)) for row in rows) / len(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wrong", action="store_true", help="list the titles that are misread")
    wrong = parser.parse_args().wrong
    rows = labelled()
    print(f"{'right':<16}{'titles':>8}{'seniority':>11}{'function':>10}")
    for part in PARTS:
        _print_share(part, [row for row in rows if row.part == part])
    for language in ("en", "es", "pt", "fr", "de"):
        _print_share(f"last two, {language}", [row for row in labelled("held out", "fresh") if row.language == language])
    for what in ("seniority", "function"):
        print(f"\n{what:<16}" + "".join(f"{part:>24}" for part in PARTS))
        print(f"{'':<16}" + f"{'titles':>8}{'precis.':>8}{'recall':>8}" * len(PARTS))
        tables = [by_class([row for row in rows if row.part == part], what) for part in PARTS]
        for name in tables[0]:
            print(f"{name:<16}" + "".join(f"{t[name].titles:>8}{t[name].precision:>8.2f}{t[name].recall:>8.2f}" for t in tables))
    if wrong:
        _print_wrong(rows)
    _print_speed([row.title for row in rows])


def _print_share(name: str, rows: Sequence[Labelled]) -> None:
    print(f"{name:<16}{len(rows):>8}{share_right(rows, 'seniority'):>11.1%}{share_right(rows, 'function'):>10.1%}")


def _print_wrong(rows: Sequence[Labelled]) -> None:
    print(f"\n{'misread':<52}{'meant':<26}read as")
    for row in rows:
        found = read_title(row.title)
        if found != Title(row.seniority, row.function):
            print(f"{row.title:<52}{row.seniority + ', ' + row.function:<26}{found.seniority}, {found.function}")


def _print_speed(titles: Sequence[str], repeats: int = 15) -> None:
    """The best of some repeats, in processor time: other work on the machine is none of a title's cost."""
    unread: Callable[[str], Title] = read_title.__wrapped__
    long = ("director " * 1200)[:10_000], "".join(chr(97 + i * 7 % 26) for i in range(10_000)), ("vertriebsleitre/" * 700)[:10_000]
    print(f"\n{'µs a title':<40}{'processor':>10}")
    cases: tuple[tuple[str, Callable[[str], Title], Sequence[str]], ...] = (
        ("every labelled title, not memoised", unread, titles),
        ("the same, memoised", read_title, titles),
        *((f"10,000 characters: {text[:16]}…", unread, (text,)) for text in long),
    )
    for name, read, some in cases:
        print(f"{name:<40}{_fastest(read, some, repeats) * 1e6:>10.2f}")
    slowest = max(titles, key=lambda title: _fastest(unread, (title,), 3))
    print(f"{f'the slowest: {slowest[:24]}…':<40}{_fastest(unread, (slowest,), repeats) * 1e6:>10.2f}")


def _fastest(read: Callable[[str], Title], titles: Sequence[str], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        started = time.process_time()
        for _ in range(20):
            for title in titles:
                read(title)
        times.append((time.process_time() - started) / 20 / len(titles))
    return min(times)


if __name__ == "__main__":
    main()
