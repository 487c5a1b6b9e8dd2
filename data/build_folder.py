"""The folder that a build writes: one Parquet file a part, and a manifest that says of what and proves each file.

In: what the build is of (its identity: a digest of every input by name). Out: `BuildFolder`, in which finished parts are
kept and found again after a kill: a part counts as finished when its entry names the SHA-256 that its file has. Every
file appears whole or not at all. Another build's folder, or a folder with other things in it, is left alone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import BadData, BadUsage, DependencyFailed

__all__ = ["BuildFolder", "NotOurFolder", "file_digest", "finish_part", "open_build"]

_FORMAT = 1
_MANIFEST = "manifest.json"
_DONE, _SPILL = ".done", ".spill"


class NotOurFolder(BadUsage, status=409, exit_code=2):
    """{folder} {what}: nothing in it was touched; choose another folder, or delete it first"""


class BuildRunning(BadUsage, status=409, exit_code=2):
    """another build is writing to {folder}: wait for it, or choose another folder"""


class DiskFailed(DependencyFailed, status=503, exit_code=3):
    """{path} could not be written: {reason}. Finished parts are kept: make room and run the same command again."""


@dataclass(frozen=True)
class BuildFolder:
    path: Path
    changed: tuple[str, ...]
    """Inputs that are not what they were when the folder was last built; its parts were thrown away."""
    kept_plan: Mapping[str, Any] | None
    """What the interrupted or finished build of the same inputs had planned; None when this one starts afresh."""

    @property
    def spill(self) -> Path:
        return self.path / _SPILL

    def plan(self, plan: Mapping[str, Any], identity: Mapping[str, str]) -> None:
        """Notes what will be built, before the first part."""
        with _writing(self.path):
            (self.path / _DONE).mkdir(exist_ok=True)
            _replace(self.path / _MANIFEST, {"format": _FORMAT, "identity": dict(identity), "plan": dict(plan), "complete": False})

    def file(self, part: int) -> Path:
        return self.path / f"part-{part:05d}.parquet"

    def finished(self, part: int) -> dict[str, Any] | None:
        """What is known of a part that is on the disk as it was written, else None."""
        entry = self.path / _DONE / f"part-{part:05d}.json"
        try:
            known: dict[str, Any] = json.loads(entry.read_text())
            return known if file_digest(self.file(part)) == known["sha256"] else None
        except (OSError, ValueError, KeyError):
            return None

    def complete(self, parts: int, facts: Mapping[str, Any]) -> None:
        """Lists all parts in the manifest and clears what only an unfinished build needs."""
        entries = [json.loads((self.path / _DONE / f"part-{part:05d}.json").read_text()) for part in range(parts)]
        manifest = json.loads((self.path / _MANIFEST).read_text())
        files = [{key: entry[key] for key in ("file", "rows", "leads", "sha256")} for entry in entries]
        with _writing(self.path):
            _replace(self.path / _MANIFEST, {**manifest, **facts, "complete": True, "parts": files})
        shutil.rmtree(self.spill, ignore_errors=True)


@contextlib.contextmanager
def open_build(folder: Path, identity: Mapping[str, str]) -> Iterator[BuildFolder]:
    """The folder for a build of these inputs, locked while it is open. `identity["project"]` says whose it is."""
    manifest = _manifest(folder)
    theirs = None if manifest is None else manifest["identity"]
    if theirs is not None and theirs.get("project") != identity["project"]:
        raise NotOurFolder(folder=folder, what=f"holds the build of another project ({theirs.get('project')})")
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BuildRunning(folder=folder) from error
        changed: tuple[str, ...] = ()
        if theirs is not None and theirs != dict(identity):
            changed = tuple(sorted(name for name in {*theirs, *identity} if theirs.get(name) != identity.get(name)))
            _clear(folder)
            manifest = None
        for partial in folder.glob("*.partial"):
            partial.unlink()
        yield BuildFolder(folder, changed, None if manifest is None else manifest["plan"])


def finish_part(file: Path, write: Callable[[Path], None], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Has `write` write the part's file, and notes it as finished once all of it is on the disk."""
    partial = file.with_name(file.name + ".partial")
    with _writing(file):
        try:
            write(partial)
            with partial.open("rb+") as written:
                os.fsync(written.fileno())
            entry = {"file": file.name, "sha256": file_digest(partial), **facts}
            partial.replace(file)
            _replace(file.parent / _DONE / f"{file.stem}.json", entry)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
    return entry


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _manifest(folder: Path) -> dict[str, Any] | None:
    """The folder's manifest; None for a folder that is empty or not there."""
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise NotOurFolder(folder=folder, what="is a file")
    try:
        manifest = json.loads((folder / _MANIFEST).read_text())
    except FileNotFoundError:
        others = sorted(path.name for path in folder.iterdir() if path.name not in (".lock", _DONE, _SPILL))
        if others:
            raise NotOurFolder(folder=folder, what=f"holds other things ({', '.join(others[:3])})") from None
        return None
    except (OSError, ValueError) as error:
        raise BadData(f"{folder / _MANIFEST} cannot be read ({error}): delete the folder and build again") from error
    if not isinstance(manifest, dict) or "identity" not in manifest or "plan" not in manifest:
        raise NotOurFolder(folder=folder, what="holds a manifest.json of something else")
    if manifest.get("format") != _FORMAT:
        raise NotOurFolder(folder=folder, what="was written by another version of Tamiz")
    return manifest


def _clear(folder: Path) -> None:
    """Removes what a build wrote, and nothing else."""
    for path in [*folder.glob("part-*.parquet"), folder / _MANIFEST]:
        path.unlink(missing_ok=True)
    for name in (_DONE, _SPILL):
        shutil.rmtree(folder / name, ignore_errors=True)


def _replace(path: Path, content: Mapping[str, Any]) -> None:
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        raise DiskFailed(path=path, reason=reason) from error
