"""Promotion and rollback: the gates are asked, the alias moves, and the local bundle follows.

In: a model (challenger, version or bundle folder) and an installation; out: what was decided and what serves now. A
comparison of exactly these two models that `tamiz compare` made is applied; without one, and with raw rows always, it is
made now. A bundle that is not registered yet (MLflow was away when it was trained) is uploaded first. Every promotion
leaves its gates and its reason on the registered version.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.errors import BadUsage, GateSaidNo, TamizError
from models.registry import CHALLENGER, CHAMPION, NoSuchVersion, Registry, resolve_model
from training.compare import Comparison, keep, kept, of_folders, tags
from training.gates import Decision
from training.mlflow_log import upload

if TYPE_CHECKING:
    from pathlib import Path

    from data.home import Home
    from training.raw import Source

__all__ = ["NothingToPromote", "Promotion", "promote", "rollback"]

Say = Callable[[str], None]


class NothingToPromote(NoSuchVersion, status=409, exit_code=2):
    """There is no challenger to promote: run `tamiz train` first, or name a version with `--model`."""


class Held(GateSaidNo):
    """HOLD: {gates}. {stays} {next}"""


class NoMapping(BadUsage):
    """There are no thresholds to accept: {cause}."""


@dataclass(frozen=True)
class Promotion:
    """What was decided, and what serves now."""

    version: int
    replaced: int | None
    decision: Decision
    folder: Path
    why: str = ""
    policy: str = ""
    """What was published of the offered thresholds, in words; empty where nothing was."""


def promote(
    home: Home, model: str = CHALLENGER, *, why: str = "", source: Source | None = None, accept_mapping: bool = False,
    tracking_uri: str | None = None, say: Say = lambda text: None, show: Callable[[Decision], None] = lambda decision: None,
) -> Promotion:  # fmt: skip
    """Ask the gates; on PROMOTE, or with a `why` that overrules HOLD, move the alias and pull. `show` sees the gates either way.

    With `accept_mapping` the thresholds that keep each volume are published with it; without, no policy is touched.
    """
    registry = Registry(home, tracking_uri, say)
    try:
        folder = resolve_model(model, home, tracking_uri=tracking_uri, say=say)
    except NoSuchVersion as nothing:
        raise NothingToPromote from nothing
    version = registry.find_version(folder)
    if version is None:
        say(f"uploading {folder}")
        uploaded = upload(registry, folder)
        version, folder = uploaded.version, uploaded.folder
    current = registry.get_alias(CHAMPION)
    champion = None if current in (None, version) else registry.download_bundle(int(current or 0))
    comparison = _compared(home, folder, champion, source, say)
    show(comparison.decision)
    _refuse(comparison.decision, why, current)
    publish = _mapping(home, comparison) if accept_mapping else None
    replaced = registry.promote(version, tags(comparison, why))
    overruled = why.strip() if not comparison.decision.promote else None
    _audited(home, say, "model.promoted", version, replaced=replaced, overruled=overruled)
    published = publish(version) if publish else ""
    return Promotion(version, replaced, comparison.decision, registry.pull(), why, published)


def rollback(home: Home, *, why: str = "", tracking_uri: str | None = None, say: Say = lambda text: None) -> tuple[int, int, Path]:
    """The champion before this one serves again: (version now, version left, folder)."""
    registry = Registry(home, tracking_uri, say)
    now, left = registry.rollback(why)
    _audited(home, say, "model.rolled-back", now, left=left, why=why.strip() or None)
    return now, left, registry.pull()


def _audited(home: Home, say: Say, action: str, version: int, **detail: object) -> None:
    """Right after the registry, which is another database: what has been promoted stays so if the store does not take the entry."""
    from data.audit import note, whoever_is_here
    from data.store import Store

    try:
        store = Store.open(home.root, home.database)
        try:
            with store.writing() as connection:
                note(connection, whoever_is_here(), action, version, **detail)
        finally:
            store.close()
    except TamizError as error:
        say(f"not in the audit: {error}")


def _compared(home: Home, challenger: Path, champion: Path | None, source: Source | None, say: Say) -> Comparison:
    if source is None and champion is not None:
        found = kept(home, challenger, champion)
        if found is not None:
            say(f"as compared on {found.at}: {found.said}")
            return found
    made = of_folders(home, challenger, champion, source=source, say=say)
    if made.said:
        say(made.said)
    keep(home, made, challenger, champion)
    return made


def _refuse(decision: Decision, why: str, current: int | None) -> None:
    if decision.promote or (why.strip() and not decision.final):
        return
    failed = "; ".join(f"{gate.name}: {gate.figures}" for gate in decision.gates if gate.verdict == "fail")
    following = (
        "No reason can overrule that." if decision.final else 'Overrule it with `tamiz promote --why "…"`, which is kept on the version.'
    )
    stays = "There is still no champion." if current is None else f"The champion, version {current}, stays."
    raise Held(gates=failed, stays=stays, next=following)


def _mapping(home: Home, comparison: Comparison) -> Callable[[int], str]:
    """How to publish the offered thresholds, once it is sure that they are offered for the policy in force."""
    from data.audit import whoever_is_here
    from data.store import Store

    mapped, before = comparison.mapped, comparison.policy
    if mapped is None or before is None:
        raise NoMapping(cause="no leads were seen under both models; give `--project FILE` or `--leads FILE`")
    row = Store.open(home.root, home.database).policy()
    if (row.version if row else None) != comparison.policy_version:
        raise NoMapping(cause="the policy changed after the models were compared; run `tamiz compare` again")

    def publish(version: int) -> str:
        said = f"MQL {before.mql.enter:.4g} → {mapped.mql.enter:.4g}, SQL {before.sql.enter:.4g} → {mapped.sql.enter:.4g}"
        note = f"{_MAPPED.format(version=version)}: {said}"
        me = whoever_is_here()
        done = Store.open(home.root, home.database).publish(mapped.to_json(), author=me, note=note, expected=comparison.policy_version)
        return f"policy version {done.version} is in force, with the thresholds that keep each volume: {said}"

    return publish


_MAPPED = "mapped for model version {version}"


def mapped_for(home: Home, version: int) -> bool:
    """Whether the policy in force was mapped for this version, and so means little under another."""
    from data.store import Store

    if not home.database and not home.db_path.exists():
        return False
    row = Store.open(home.root, home.database).policy()
    return row is not None and row.note.startswith(_MAPPED.format(version=version) + ":")
