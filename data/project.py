"""A project: the TOML file that says where the tables come from and what counts as a conversion.

In: the path of a `tamiz.toml`. Out: `Project`, validated; nothing has been read from the sources yet. An unknown section
or key is an error that names the nearest known one. `${NAME}` in SQL is the environment variable of that name; file
names in SQL are relative to the file's own folder. `[settings]` and `[monitor]` belong to the installation (`data/home.py`,
`data/monitor_limits.py`) and are left alone.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from data.contracts import TABLES
from data.errors import BadData, BadUsage
from data.files import nearest
from data.quarantine import DEFAULT_SHARE

__all__ = ["BadProject", "Declared", "Project", "load_declared", "load_project"]

_OWN_SECTIONS = ("settings", "monitor")
_DECLARED = ("bant", "topics")
_DIMENSIONS = ("budget", "authority", "need", "timeline")
_TOPIC = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LONGEST_PATTERN = 200
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class BadProject(BadData, status=422, exit_code=2):
    """{path}: {problem}"""


@dataclass(frozen=True)
class Declared:
    """What `[bant]` and `[topics]` declare about signals."""

    bant: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Dimension → the columns and answers that are evidence on it; the columns of a dimension that is named here are exactly these."""
    not_evidence: tuple[str, ...] = ()
    """Columns and answers that are no evidence, whatever they are called."""
    topics: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Topic → patterns of paths, in the order in which they are tried, before the topics that Tamiz knows."""
    default_topics: bool = True


@dataclass(frozen=True, kw_only=True)
class Project(Declared):
    path: Path
    queries: dict[str, str]
    """Table → SQL with the environment filled in; only the tables that the project has."""
    setup: tuple[str, ...]
    """Statements that run before the queries: ATTACH, LOAD, CREATE SECRET."""
    until: datetime | None
    timezone: str
    missing: tuple[str, ...]
    """Tokens that stand for missing in attributes, besides empty, NULL and NaN."""
    max_bad_share: float
    imported: bool
    """Whether activities were imported later than they happened: `recorded_at` then says nothing and is set to `occurred_at`."""
    static: tuple[str, ...]
    won: tuple[str, ...]
    lost: tuple[str, ...]
    horizon_days: float
    ages_days: tuple[float, ...]
    activity_instants: int

    @property
    def folder(self) -> Path:
        return self.path.parent


class _Data(msgspec.Struct, forbid_unknown_fields=True):
    leads: str
    lead_changes: str | None = None
    activities: str | None = None
    stage_changes: str | None = None
    outcomes: str | None = None
    decisions: str | None = None
    feedback: str | None = None
    until: datetime | None = None
    timezone: str = "UTC"
    setup: str | list[str] = []
    missing: list[str] = []
    max_bad_share: float = DEFAULT_SHARE


class _Leads(msgspec.Struct, forbid_unknown_fields=True):
    static: list[str] = []


class _Activities(msgspec.Struct, forbid_unknown_fields=True):
    imported: bool = False


class _Stages(msgspec.Struct, forbid_unknown_fields=True):
    won: list[str] = []
    lost: list[str] = []


class _Label(msgspec.Struct, forbid_unknown_fields=True):
    horizon_days: float = 90.0


class _Observations(msgspec.Struct, forbid_unknown_fields=True):
    ages_days: list[float] = msgspec.field(default_factory=lambda: [0.0, 1.0, 3.0, 7.0, 14.0, 30.0, 60.0])
    activity_instants: int = 3


class _Bant(msgspec.Struct, forbid_unknown_fields=True):
    budget: str | list[str] | None = None
    authority: str | list[str] | None = None
    need: str | list[str] | None = None
    timeline: str | list[str] | None = None
    not_evidence: str | list[str] = []


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    data: _Data
    leads: _Leads = msgspec.field(default_factory=_Leads)
    activities: _Activities = msgspec.field(default_factory=_Activities)
    stages: _Stages = msgspec.field(default_factory=_Stages)
    label: _Label = msgspec.field(default_factory=_Label)
    observations: _Observations = msgspec.field(default_factory=_Observations)
    bant: _Bant = msgspec.field(default_factory=_Bant)
    topics: dict[str, bool | str | list[str]] = {}


def load_project(path: str | Path, environ: Mapping[str, str] | None = None) -> Project:
    """Read and check the file. `environ` is the process's own unless given."""
    path = Path(path).resolve()
    document = _document(path)
    _known_keys(path, document)
    until = document["data"].get("until")
    if isinstance(until, date) and not isinstance(until, datetime):
        document["data"]["until"] = datetime(until.year, until.month, until.day)  # noqa: DTZ001 - naive as written, the zone comes later
    read = _converted(path, document)
    _sensible(path, read)
    _sensible_declarations(path, read)
    environ = os.environ if environ is None else environ
    sql = {name: getattr(read.data, name) for name in TABLES}
    return Project(
        path=path,
        queries={name: _expanded(path, name, query, environ) for name, query in sql.items() if query is not None},
        setup=tuple(_expanded(path, "setup", statement, environ) for statement in _listed(read.data.setup)),
        until=read.data.until,
        timezone=read.data.timezone,
        missing=tuple(read.data.missing),
        max_bad_share=read.data.max_bad_share,
        imported=read.activities.imported,
        static=tuple(read.leads.static),
        won=tuple(read.stages.won),
        lost=tuple(read.stages.lost),
        horizon_days=read.label.horizon_days,
        ages_days=tuple(sorted(read.observations.ages_days)),
        activity_instants=read.observations.activity_instants,
        **_declared(read),
    )


def load_declared(path: str | Path) -> Declared:
    """What `[bant]` and `[topics]` of a file declare; its other sections are left alone."""
    path = Path(path).resolve()
    document = {name: table for name, table in _document(path).items() if name in _DECLARED}
    _known_keys(path, document | {"data": {"leads": ""}})
    read = _converted(path, document | {"data": {"leads": ""}})
    _sensible_declarations(path, read)
    return Declared(**_declared(read))


def _declared(read: _Document) -> dict[str, Any]:
    own = {name: patterns for name, patterns in read.topics.items() if not isinstance(patterns, bool)}
    return {
        "bant": {name: tuple(_listed(found)) for name in _DIMENSIONS if (found := getattr(read.bant, name)) is not None},
        "not_evidence": tuple(_listed(read.bant.not_evidence)),
        "topics": {name: tuple(_listed(patterns)) for name, patterns in own.items()},
        "default_topics": read.topics.get("defaults", True) is True,
    }


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise BadUsage(f"there is no project file {path}") from error
    except IsADirectoryError as error:
        raise BadUsage(f"{path} is a folder: give the tamiz.toml in it") from error
    except OSError as error:
        raise BadUsage(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadProject(path=path, problem=f"this is not TOML: {error}") from error


def _converted(path: Path, document: dict[str, Any]) -> _Document:
    try:
        return msgspec.convert(document, _Document)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).replace("[...]", "").partition(" - at `$")
        where = "[" + place.strip("`.").replace(".", "] ", 1) + (" " if "." in place.strip("`.") else "]") if place else ""
        raise BadProject(path=path, problem=f"{where.strip()} {problem[0].lower()}{problem[1:]}".strip()) from error


def _known_keys(path: Path, document: dict[str, Any]) -> None:
    """Say which key is unknown before anything else, and which known one it may have meant."""
    sections = {member.name: member.type for member in msgspec.structs.fields(_Document)}
    for section, table in document.items():
        if section in _OWN_SECTIONS:
            continue
        if section not in sections:
            raise BadProject(path=path, problem=f"unknown section [{section}]{_meant(section, [*sections, *_OWN_SECTIONS])}")
        if not isinstance(table, dict):
            raise BadProject(path=path, problem=f"{section} must be a section, written [{section}]")
        if section == "topics":  # its keys are the installation's own
            continue
        keys = [member.name for member in msgspec.structs.fields(sections[section])]
        for key in table:
            if key not in keys:
                raise BadProject(path=path, problem=f"unknown key {key!r} in [{section}]{_meant(key, keys)}")
    for section in _OWN_SECTIONS:
        document.pop(section, None)
    if "data" not in document or "leads" not in document["data"]:
        raise BadProject(path=path, problem='there is no leads = "SELECT …" in [data]: it says where the leads come from')


def _meant(name: str, known: list[str]) -> str:
    close = nearest(name, known)
    return f"; did you mean {close!r}?" if close else f"; known are {', '.join(known)}"


def _sensible(path: Path, read: _Document) -> None:
    def need(right: bool, problem: str) -> None:
        if not right:
            raise BadProject(path=path, problem=problem)

    try:
        ZoneInfo(read.data.timezone)
    except (ValueError, OSError, KeyError):
        need(False, f'[data] timezone {read.data.timezone!r} is no known zone; write for example "Europe/Madrid"')
    need(0 <= read.data.max_bad_share <= 1, "[data] max_bad_share is a share between 0 and 1, 0.01 for 1 %")
    need(read.label.horizon_days > 0, "[label] horizon_days must be more than 0")
    ages = read.observations.ages_days
    need(bool(ages), "[observations] ages_days must name at least one age")
    need(all(age >= 0 for age in ages), "[observations] ages_days are days after creation: none is negative")
    need(len(set(ages)) == len(ages), "[observations] ages_days names an age twice")
    need(read.observations.activity_instants >= 0, "[observations] activity_instants must be 0 or more")
    both = set(read.stages.won) & set(read.stages.lost)
    need(not both, f"[stages] {', '.join(sorted(both))} is both won and lost")
    need(
        read.data.outcomes is not None or read.data.stage_changes is not None,
        "nothing says who converted: [data] needs outcomes, or stage_changes with [stages] won",
    )
    need(
        read.data.outcomes is not None or bool(read.stages.won),
        "without [data] outcomes, [stages] won must name the stages of a conversion",
    )
    need(read.data.stage_changes is not None or not (read.stages.won or read.stages.lost), "[stages] needs [data] stage_changes")


def _sensible_declarations(path: Path, read: _Document) -> None:
    def need(right: bool, problem: str) -> None:
        if not right:
            raise BadProject(path=path, problem=problem)

    declared = _declared(read)
    whose: dict[str, str] = {}
    for dimension, names in [*declared["bant"].items(), ("not_evidence", declared["not_evidence"])]:
        for name in names:
            need(bool(name.strip()), f"[bant] {dimension} holds an empty name")
            other = whose.setdefault(name, dimension)
            need(other == dimension, f"[bant] {name} is both {other} and {dimension}: one column or answer is evidence on one dimension")
    defaults = read.topics.get("defaults", True)
    need(isinstance(defaults, bool), "[topics] defaults is true or false: whether the topics that Tamiz knows apply as well")
    patterns: dict[str, str] = {}
    for topic, value in read.topics.items():
        if topic == "defaults":
            continue
        need(bool(_TOPIC.fullmatch(topic)), f"[topics] {topic!r} is no name for a topic: write small letters, digits and _")
        need(topic != "other", "[topics] other is what a page is about that fits no pattern: choose another name")
        need(not isinstance(value, bool) and bool(value), f'[topics] {topic} needs patterns of paths, such as ["/precios", "/tarifas/*"]')
        for pattern in declared["topics"][topic]:
            right = (
                pattern.startswith(("/", "*"))
                and len(pattern) <= _LONGEST_PATTERN
                and not set(pattern) & set("?#")
                and "://" not in pattern
            )
            need(right, f"[topics] {topic}: {pattern!r} is no pattern of a path: it starts with / or *, and holds neither host nor query")
            other = patterns.setdefault(pattern, topic)
            need(other == topic, f"[topics] {pattern!r} stands under both {other} and {topic}")


def _expanded(path: Path, name: str, sql: str, environ: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        variable = found.group(1)
        if not environ.get(variable):
            raise BadUsage(f"{path}: {name} uses ${{{variable}}}, but the environment variable {variable} is not set")
        return environ[variable]

    return _VARIABLE.sub(value, sql)


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
