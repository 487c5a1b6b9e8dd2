"""What `features/feeding.py` found out, as a page for the terminal: what is missing first.

In: `Check`. Out: text. Names out of the customer's data are shortened and freed of what a terminal would obey.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from textwrap import wrap

from features.feeding import Check, Fed

__all__ = ["as_text"]

_ORDER = ("empty", "partly", "fed", "replaced")
_LONGEST = 72
_MOST = 20
_WIDE = 120


def as_text(found: Check) -> str:
    """The whole page."""
    sections = (_signals(found), _undated(found), _attributes(found), _own_types(found), _pages(found), _answers(found), _bant(found))
    return "\n\n".join("\n".join(lines) for lines in (list(section) for section in sections) if lines)


def _signals(found: Check) -> Iterator[str]:
    counts = {state: sum(one.state == state for one in found.signals) for state in _ORDER}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    yield f"{len(found.signals)} signals over {found.leads:,} leads and {found.activities:,} activities: {told}"
    yield "  (%: leads that give it something at any time; partly: some leads have no value, or something that it reads is nowhere)"
    yield from _empty([one for one in found.signals if one.state == "empty"])
    wide = max(len(one.name) for one in found.signals)
    for state in _ORDER[1:]:
        for one in found.signals:
            if one.state == state:
                yield f"  {state:8}  {_percent(one.share)}  {one.name:{wide}}  {one.family:10}  {_why(one)}".rstrip()


def _empty(signals: Sequence[Fed]) -> Iterator[str]:
    """By what there is to supply, that which feeds most signals first; one that several things would feed stands under each."""
    feeds: dict[str, list[str]] = {}
    for one in signals:
        for what in one.missing or (f"{'; '.join(one.reads)}: there, but it holds nothing that these can use",):
            feeds.setdefault(what, []).append(one.name)
    if feeds:
        yield f"  empty ({len(signals)}), by what would feed them or help to:"
    for what, names in sorted(feeds.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        yield f"    {_short(what, 200)}"
        yield from wrap(", ".join(names), width=_WIDE, initial_indent="        ", subsequent_indent="        ", break_long_words=False)


def _why(one: Fed) -> str:
    reads, missing = "; ".join(one.reads), "; ".join(_short(each, 200) for each in one.missing)
    if one.state == "replaced":
        return "your column of this name is taken as it is"
    return f"{reads}; nowhere: {missing}" if missing else reads


def _undated(found: Check) -> Iterator[str]:
    if found.undated:
        yield "Undated columns: they say what is so today, perhaps since after the outcome, so training's audit leaves these inputs out:"
        wide = max(len(_short(one.column)) for one in found.undated)
        for one in found.undated:
            yield f"  {_short(one.column):{wide}}  {', '.join(_short(name) for name in one.inputs)}"
        yield "  Under [leads] in the TOML file, keep in this line those that never change after creation:"
        wrong = {name for name, _ in found.unknown_static}
        names = (*(name for name in found.static if name not in wrong), *(one.column for one in found.undated))
        yield f"    static = [{', '.join(json.dumps(name, ensure_ascii=False) for name in names)}]"
        yield "  Of those that change, give the history as lead_changes; leave out those that know the end."
    for name, near in found.unknown_static:
        yield f"[leads] static names {_short(name)}, which is no column of leads" + (f": did you mean {_short(near)}?" if near else "")
    if found.unknown_changes:
        yield "Fields of lead_changes that are no column of leads, so nothing reads them: " + _listed(found.unknown_changes)
    if found.ignored:
        yield "Columns of leads that nothing reads (no value at all, or a time): " + _listed(found.ignored)


def _attributes(found: Check) -> Iterator[str]:
    if found.attributes:
        yield f"Columns of leads that the model takes as they are ({len(found.attributes)}):"
        wide = max(len(_short(one.name)) for one in found.attributes)
        for one in found.attributes:
            yield f"  {_short(one.name):{wide}}  {_percent(one.share)}  {one.kind}"


def _own_types(found: Check) -> Iterator[str]:
    if not found.own_types:
        return
    yield f"Activity types that no signal names ({len(found.own_types)}): kept, counted, and inputs where enough leads show them:"
    shown = found.own_types[:_MOST]
    wide = max(len(_short(one.name)) for one in shown)
    for one in shown:
        leads = f"{one.leads:,} {'lead' if one.leads == 1 else 'leads'}"
        taken = "an input of its own" if one.is_input else "too few leads to be an input"
        near = f"; did you mean {one.guess}? Rename it in the query" if one.guess else ""
        yield f"  {_short(one.name):{wide}}  {_activities(one.activities)} of {leads}: {taken}{near}"
    if len(found.own_types) > _MOST:
        yield f"  and {len(found.own_types) - _MOST} more"


def _pages(found: Check) -> Iterator[str]:
    if found.topics:
        yield "Topics found in urls:"
        wide = max(len(one.name) for one in found.topics)
        for topic in found.topics:
            yield f"  {topic.name:{wide}}  {_activities(topic.activities)} on {topic.pages:,} {'page' if topic.pages == 1 else 'pages'}"
    if found.unmatched_pages:
        more = (
            f" (the {len(found.unmatched_pages)} most visited of {found.unmatched:,})"
            if found.unmatched > len(found.unmatched_pages)
            else ""
        )
        yield f"Pages that are about no known topic{more}:"
        wide = max(len(f"{one.activities:,}") for one in found.unmatched_pages)
        for page in found.unmatched_pages:
            yield f"  {page.activities:>{wide},}  {_short(page.path)}"


def _answers(found: Check) -> Iterator[str]:
    if not found.answers:
        return
    yield "Answers, by what they are about:"
    shown = found.answers[:_MOST]
    wide = max(len(_short(one.content)) for one in shown)
    for one in shown:
        if one.field:
            read = f"read as {one.field}"
        else:
            read = "read by no dimension of BANT; kept and counted" + (f"; is it {one.guess}? Name it under [bant]" if one.guess else "")
        yield f"  {_short(one.content):{wide}}  {one.answers:,} {'answer' if one.answers == 1 else 'answers'}, {read}"
    if len(found.answers) > _MOST:
        yield f"  and {len(found.answers) - _MOST} more"


def _bant(found: Check) -> Iterator[str]:
    if found.bant is not None:
        yield 'Columns that are BANT evidence. To correct it, put this into the TOML file; not_evidence = ["COLUMN"] takes one out:'
        yield from (f"  {_short(line, 200)}" for line in found.bant.splitlines())
    yield from (_short(one, 200) for one in found.strangers)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(_short(name) for name in names[:_MOST]) + (f" and {len(names) - _MOST} more" if len(names) > _MOST else "")


def _activities(count: int) -> str:
    return f"{count:,} {'activity' if count == 1 else 'activities'}"


def _percent(share: float) -> str:
    """Rounded, but never to none or to all where there are some or not all."""
    if 0 < share < 0.005:
        return " <1 %"
    return f"{99 if 0.995 <= share < 1 else 100 * share:3.0f} %"


def _short(text: str, longest: int = _LONGEST) -> str:
    shown = "".join(letter if letter.isprintable() else "·" for letter in text[: longest + 1])
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"
