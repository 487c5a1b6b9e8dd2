"""The bundle: one folder that holds everything needed to score, written once and verified whenever it is opened.

In: the parts of a trained model. Out: a folder of JSON, LightGBM's text format and Parquet with a manifest of sizes and
SHA-256 sums; and back, a `Bundle` ready to score. No pickle and no code. Opening one checks every file against the
manifest and then scores the golden leads: synthetic people whose figures were written down when the bundle was made.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.errors import BadData
from models.blend import SINGLES, Blend, Model, load_model
from models.calibration import Calibration, ScoreScale, calibration_from_json
from models.encoder import Encoder
from models.golden import invent, read_golden
from models.horizons import ByDay
from models.inputs import Floats
from models.qualification import Policy
from models.request import ScoreRequest
from models.scorer import Scorer
from models.scoring import score_requests
from models.together import Together
from models.value import Value

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMAT", "Bundle", "BundleDamaged", "GoldenDiffers", "read_manifest", "verify_files", "write_bundle"]

FORMAT = 1
MANIFEST = "manifest.json"
_BY_DAY = "by_day.json"
_TOLERANCE = 1e-9
"""Golden figures may differ by this much: another processor or NumPy build rounds `exp` and `log` differently."""
_LITTLE = "over half of what this model goes by is missing: this is little more than the base rate"
_STALE_SECONDS = 86_400
_MALFORMED = (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError)
"""What reading JSON of another shape than ours raises."""

_KINDS = (*SINGLES, Blend.kind)


class BundleDamaged(BadData, exit_code=3):
    """The bundle {folder} is damaged: {why}. Fetch it again with `tamiz pull`, or restore it from a backup."""


class GoldenDiffers(BadData, exit_code=3):
    """The bundle {folder} does not give its golden lead {lead} the figures it was saved with ({name}: {got!r} instead of
    {expected!r}): it must not serve."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model that is ready to score, with all that it was saved with."""

    folder: Path
    manifest: Mapping[str, Any]
    model: Model
    encoder: Encoder
    calibration: Calibration
    scale: ScoreScale
    policy: Policy
    scorer: Scorer
    value: Value | None = None
    """What a conversion is worth; None where outcomes carried no amounts."""
    by_day: ByDay | None = None
    """None where conversions have no dates, and in bundles that were made before there was one."""

    @classmethod
    def load(cls, folder: Path | str) -> Bundle:
        """Opens and verifies a bundle. Raises BundleDamaged or GoldenDiffers; what it raises is never to be served."""
        folder = Path(folder)
        manifest = verify_files(folder)
        if (folder / MANIFEST).read_bytes() != _sealed(manifest):
            raise BundleDamaged(folder=str(folder), why=f"its {MANIFEST} is not as it was written")
        bundle = cls._read(folder, manifest)
        bundle.verify_golden()
        return bundle

    @classmethod
    def _read(cls, folder: Path, manifest: Mapping[str, Any]) -> Bundle:
        if manifest.get("format") != FORMAT:
            raise BundleDamaged(folder=str(folder), why=f"its format is {manifest.get('format')!r} and this version reads {FORMAT}")
        kind = str(manifest.get("kind"))
        if kind not in _KINDS:
            raise BundleDamaged(folder=str(folder), why=f"its kind is {manifest.get('kind')!r}")
        if absent := {"model_version", "horizon_days", "no_signal"} - manifest.keys():
            raise BundleDamaged(folder=str(folder), why=f"its manifest lacks {', '.join(sorted(absent))}")
        try:
            encoder = Encoder.from_json(_json(folder / "encoder.json"))
            calibration = _json(folder / "calibration.json")
            return cls(
                folder=folder,
                manifest=manifest,
                model=load_model(kind, folder),
                encoder=encoder,
                calibration=calibration_from_json(calibration["calibration"]),
                scale=ScoreScale.from_json(calibration["scale"]),
                policy=Policy.read((folder / "policy.json").read_bytes()),
                scorer=_scorer(encoder, manifest),
                value=Value.load(folder),
                by_day=ByDay.from_json(_json(folder / _BY_DAY)) if _BY_DAY in manifest["files"] else None,
            )
        except _MALFORMED as error:  # every hash is right, so somebody made it so
            raise BundleDamaged(folder=str(folder), why=f"its parts cannot be read ({type(error).__name__}: {error})") from error

    def score(
        self,
        leads: pd.DataFrame,
        activities: pd.DataFrame | None = None,
        *,
        lead_changes: pd.DataFrame | None = None,
        as_of: datetime | str | None = None,
        reasons: int = 3,
    ) -> pd.DataFrame:
        """Scores of pandas frames, for notebooks: a row for each lead, as `tamiz score` writes it."""
        from models.frames import score_frames

        return score_frames(self, leads, activities, lead_changes=lead_changes, as_of=as_of, reasons=reasons)

    def verify_golden(self) -> None:
        """Scores the golden leads. Raises GoldenDiffers, and BundleDamaged where they cannot be scored."""
        try:
            self._compare_golden()
        except _MALFORMED as error:
            raise BundleDamaged(
                folder=str(self.folder), why=f"its golden leads cannot be scored ({type(error).__name__}: {error})"
            ) from error

    def _compare_golden(self) -> None:
        golden = _json(self.folder / "golden.json")
        requests = read_golden(golden["leads"])
        for lead, got in zip(golden["leads"], _figures(self, requests), strict=True):
            for name, expected in lead["expected"].items():
                if not abs(got[name] - expected) <= _TOLERANCE:  # NaN is no figure either
                    raise GoldenDiffers(folder=str(self.folder), lead=lead["lead"]["lead_id"], name=name, got=got[name], expected=expected)

    @cached_property
    def model_version(self) -> str:
        return str(self.manifest["model_version"])

    @property
    def feature_set(self) -> str:
        """Fingerprint of the ordered inputs."""
        return self.encoder.feature_set.fingerprint

    @cached_property
    def horizon_days(self) -> int | None:
        horizon = self.manifest["horizon_days"]
        return None if horizon is None else int(horizon)

    @cached_property
    def no_signal(self) -> bool:
        return bool(self.manifest["no_signal"])

    @property
    def default_policy(self) -> dict[str, Any]:
        return self.policy.model_dump(mode="json")

    @cached_property
    def reads_activities(self) -> bool:
        plan = self.scorer.plan
        return bool(plan.own.needs or plan.colleagues.needs or plan.answers)

    @cached_property
    def families(self) -> dict[str, NDArray[np.intp]]:
        """Columns of the matrix by family."""
        found: dict[str, list[int]] = {}
        for i, one in enumerate(self.encoder.inputs):
            found.setdefault(one.family, []).append(i)
        return {family: np.array(columns) for family, columns in found.items()}

    def columns_of(self, families: tuple[str, ...]) -> NDArray[np.intp]:
        """Columns of the matrix that belong to some families."""
        found = self._columns.get(families)
        if found is None:
            parts = [self.families[family] for family in families if family in self.families]
            found = self._columns[families] = np.concatenate([np.zeros(0, dtype=np.intp), *parts])
        return found

    @cached_property
    def _columns(self) -> dict[tuple[str, ...], NDArray[np.intp]]:
        return {}

    @cached_property
    def _weights(self) -> Floats:
        """Each input's share of the importance where it stands for an attribute: a gap is not known, silence is."""
        importance: Mapping[str, float] = self.manifest.get("importance", {})
        known = self.scorer.kinds.keys()
        reading = known | {name for name, needs in self.scorer.plan.needs.items() if needs.columns & known}
        return np.array([float(importance.get(one.name, 0.0)) if one.name in reading else 0.0 for one in self.encoder.inputs])

    def explain(self, X: Floats, *, exact: bool = False) -> tuple[Floats, Floats, Floats | None]:
        """Contributions, margins, and the worth of a conversion where it is known; `exact` asks for Shapley values, by TreeSHAP."""
        if exact:
            return self.model.shap(X)[0], self.model.margin(X), self.worth(X)
        model, value = self.model, self.value
        if value is None or value.linear is None:
            contributions, _, margin = model.explain(X)
            return contributions, margin, self.worth(X)
        found, told = self._together.told(X)
        _, log_amount = told.pop()
        contributions, _, margin = model.blended(found[:-1], told) if isinstance(model, Blend) else (found[0], *told[0])
        return contributions, margin, value.of_log(log_amount)

    def worth(self, X: Floats) -> Floats | None:
        """What each lead would be worth, should it convert."""
        return None if self.value is None else self.value.given_conversion(X)

    @cached_property
    def _together(self) -> Together:
        """The model's members, or it alone, and what a conversion is worth."""
        members = [model for model, _ in self.model.members] if isinstance(self.model, Blend) else [self.model]
        assert self.value is not None
        assert self.value.linear is not None
        return Together([*members, self.value.linear])

    @cached_property
    def _remarkable(self) -> tuple[NDArray[np.intp], NDArray[np.bool_], Floats]:
        """Inputs of which something may be said: their places, which are categories, and beyond what the others are told of."""
        attributes = {one.name for one in self.encoder.feature_set.attributes}
        oldest = self.manifest.get("oldest_observed_days")
        limit = np.inf if oldest is None else 1.5 * oldest + 1.0
        inputs = self.encoder.inputs
        places = [i for i, one in enumerate(inputs) if (one.kind == "category" and one.name in attributes) or one.name == "lead_age"]
        categories = [inputs[i].kind == "category" for i in places]
        return np.array(places, dtype=np.intp), np.array(categories, dtype=np.bool_), np.array([limit] * len(places))

    def unseen(self, X: Floats) -> list[list[str]]:
        """What is to be said of each lead's inputs: too little known, categories that training never saw, ages beyond those it saw."""
        places, categories, limits = self._remarkable
        little = np.add.reduce(np.where(np.isnan(X), self._weights, 0.0), axis=1) > 0.5
        inputs = X.take(places, axis=1)
        told = np.where(categories, inputs == 0.0, inputs > limits)
        notes: list[list[str]] = [[_LITTLE] if one else [] for one in little.tolist()]
        for row, i in np.argwhere(told).tolist() if told.any() else ():
            notes[row].append(self._remark(int(places[i]), inputs[row, i]))
        return notes

    def _remark(self, place: int, value: float) -> str:
        one = self.encoder.inputs[place]
        if one.kind == "category":
            return f"{one.name}: this value was rare or absent in training"
        oldest = self.manifest["oldest_observed_days"]
        return f"the lead is {value:.0f} days old and training observed leads up to {oldest:.0f} days: the probability is extrapolated"


def write_bundle(
    folder: Path,
    *,
    model: Model,
    encoder: Encoder,
    calibration: Calibration,
    scale: ScoreScale,
    policy: Policy,
    manifest: Mapping[str, Any],
    tables: Mapping[str, Any],
    value: Value | None = None,
    by_day: ByDay | None = None,
) -> Bundle:
    """Writes a bundle into `folder`, which must not exist, and opens it again to prove it. `tables` are pandas frames by
    file stem (`reference`, `backtest`), written as Parquet. The folder appears whole or not at all."""
    building = folder.with_name(f".building-{folder.name}-{os.getpid()}")
    _sweep(folder.parent)
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        names = [
            *model.save(building),
            *(value.save(building) if value is not None else ()),
            _write_json(building / "encoder.json", encoder.to_json()),
            _write_json(building / "calibration.json", {"calibration": calibration.to_json(), "scale": scale.to_json()}),
            _write_json(building / "policy.json", json.loads(policy.to_json())),
        ]
        if by_day is not None:
            names.append(_write_json(building / _BY_DAY, by_day.to_json()))
        for stem, table in tables.items():
            table.to_parquet(building / f"{stem}.parquet", index=False)
            names.append(f"{stem}.parquet")
        stated = {"format": FORMAT, "kind": model.kind, "feature_set": encoder.feature_set.fingerprint, **manifest}
        unproved = Bundle(building, stated, model, encoder, calibration, scale, policy, _scorer(encoder, stated), value, by_day)
        names.append(_write_json(building / "golden.json", {"leads": _golden(unproved)}))
        (building / MANIFEST).write_bytes(_sealed({**stated, "files": {name: _seal(building / name) for name in sorted(names)}}))
        Bundle.load(building)
        building.rename(folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return Bundle.load(folder)


def verify_files(folder: Path) -> dict[str, Any]:
    """The manifest, after every file's size and SHA-256 have been compared with it. Raises BundleDamaged."""
    manifest = read_manifest(folder)
    for name, stated in manifest["files"].items():
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise BundleDamaged(folder=str(folder), why=f"its manifest names a file outside: {name}")
        try:
            actual = _seal(folder / name)
        except OSError as error:
            raise BundleDamaged(folder=str(folder), why=f"{name} cannot be read ({error.strerror})") from error
        if actual != stated:
            raise BundleDamaged(folder=str(folder), why=f"{name} is not the file that its manifest describes")
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, with its form checked but not the files it speaks of."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        for stated in manifest["files"].values():
            int(stated["bytes"]), str(stated["sha256"])
    except _MALFORMED as error:
        raise BundleDamaged(folder=str(folder), why=f"its {MANIFEST} cannot be read ({type(error).__name__})") from error
    return dict(manifest)


def _golden(bundle: Bundle) -> list[dict[str, Any]]:
    """Synthetic leads for this model's inputs, each with the figures that it gives them."""
    leads = invent(bundle.encoder, reads_activities=bundle.reads_activities)
    figures = _figures(bundle, read_golden(leads))
    return [{**lead, "expected": one} for lead, one in zip(leads, figures, strict=True)]


def _figures(bundle: Bundle, requests: Sequence[ScoreRequest]) -> Iterable[dict[str, float]]:
    for answer in score_requests(bundle, requests, bundle.policy, reasons=3):
        if isinstance(answer, Exception):
            raise BundleDamaged(folder=str(bundle.folder), why=f"a golden lead cannot be scored: {answer}") from answer
        yield {
            "probability": answer.probability,
            "probability_low": answer.probability_low,
            "probability_high": answer.probability_high,
            "contributions": float(sum(reason.contribution for reason in answer.reasons)),
        } | _worth(bundle, answer.expected_value)


def _worth(bundle: Bundle, expected: float | None) -> dict[str, float]:
    """In means of a deal, so that one tolerance suits every currency."""
    return {} if expected is None or bundle.value is None or not bundle.value.mean else {"worth": expected / bundle.value.mean}


def _sealed(manifest: Mapping[str, Any]) -> bytes:
    """The manifest's bytes, with a SHA-256 over all the rest of it: a manifest vouches for the files, this for the manifest."""
    document = {name: value for name, value in manifest.items() if name != "seal"}
    seal = hashlib.sha256(_text(document).encode()).hexdigest()
    return _text({**document, "seal": seal}).encode()


def _sweep(folder: Path) -> None:
    """Removes what a run that was killed while writing left behind: hidden, never opened, and a day old."""
    for left in folder.glob(".building-*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _scorer(encoder: Encoder, manifest: Mapping[str, Any]) -> Scorer:
    return Scorer.of(encoder, manifest.get("columns"), tuple(manifest.get("reading", {}).get("missing", ())))


def _seal(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _json(path: Path) -> Any:  # noqa: ANN401 - parsed JSON, read by who knows its form
    return json.loads(path.read_bytes())


def _write_json(path: Path, document: object) -> str:
    path.write_text(_text(document), encoding="utf-8")
    return path.name


def _text(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
