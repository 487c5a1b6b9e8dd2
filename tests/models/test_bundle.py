"""A bundle is whole or it does not open: damage, killing and tampering first, then what it keeps."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.bundle import FORMAT, Bundle, BundleDamaged, GoldenDiffers, write_bundle
from models.calibration import ScoreScale, fit_calibration
from models.qualification import PolicyInvalid
from models.request import ScoreRequest
from models.scoring import score_requests
from tests.trained import copied

ROOT = Path(__file__).parents[2]
FILES = (
    "manifest.json",
    "encoder.json",
    "calibration.json",
    "policy.json",
    "golden.json",
    "reference.parquet",
    "backtest.parquet",
    "MODEL",
)


def flip(path: Path, at: int, bits: int = 0xFF) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= bits
    path.write_bytes(bytes(content))


def reseal(folder: Path, **changes: Any) -> None:
    """What somebody who knows the format could do: change it and make every hash right again."""
    manifest = json.loads((folder / "manifest.json").read_bytes()) | changes
    manifest["files"] = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()}
        for name in manifest["files"]
    }
    del manifest["seal"]
    text = json.dumps(manifest, ensure_ascii=False, indent=1)
    manifest["seal"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=1), encoding="utf-8")


@pytest.fixture
def copy(flat_bundle: Bundle, tmp_path: Path) -> Path:
    return copied(flat_bundle, tmp_path / "bundle")


def parts(bundle: Bundle) -> dict[str, Any]:
    manifest = {name: value for name, value in bundle.manifest.items() if name not in ("kind", "files", "seal", "format", "feature_set")}
    named = {name: getattr(bundle, name) for name in ("model", "encoder", "calibration", "scale", "policy")}
    return named | {"manifest": manifest, "tables": {}}


class TestDamage:
    @pytest.mark.parametrize("place", [0.0, 0.31, 0.5, 0.77, 1.0])
    @pytest.mark.parametrize("name", FILES)
    def test_one_byte_that_differs_is_refused(self, copy: Path, name: str, place: float) -> None:
        path = (
            copy / name
            if name != "MODEL"
            else next(copy / one for one in ("model.txt", "scorecard.json", "logistic.json") if (copy / one).exists())
        )
        flip(path, round(place * (path.stat().st_size - 1)))
        with pytest.raises((BundleDamaged, GoldenDiffers)) as caught:
            Bundle.load(copy)
        assert caught.value.exit_code == 3
        assert "\n" not in str(caught.value)

    def test_no_single_bit_of_the_manifest_may_change(self, copy: Path) -> None:
        """It vouches for the files, and its own seal for itself: even a space made a tab shows."""
        original = (copy / "manifest.json").read_bytes()
        for at in np.random.default_rng(0).choice(len(original), 40, replace=False).tolist():
            flip(copy / "manifest.json", at, 1 << at % 8)
            with pytest.raises(BundleDamaged):
                Bundle.load(copy)
            (copy / "manifest.json").write_bytes(original)
        Bundle.load(copy)

    @pytest.mark.parametrize("name", ["encoder.json", "golden.json", "policy.json", "reference.parquet"])
    def test_a_file_that_is_gone_is_named(self, copy: Path, name: str) -> None:
        (copy / name).unlink()
        with pytest.raises(BundleDamaged, match=name):
            Bundle.load(copy)

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"files": 3}', b"\xff\xfe"])
    def test_a_manifest_that_is_none(self, copy: Path, content: bytes) -> None:
        (copy / "manifest.json").write_bytes(content)
        with pytest.raises(BundleDamaged, match=r"manifest\.json"):
            Bundle.load(copy)

    def test_no_folder_at_all(self, tmp_path: Path) -> None:
        with pytest.raises(BundleDamaged):
            Bundle.load(tmp_path / "nowhere")

    def test_a_truncated_file(self, copy: Path) -> None:
        content = (copy / "calibration.json").read_bytes()
        (copy / "calibration.json").write_bytes(content[: len(content) // 2])
        with pytest.raises(BundleDamaged, match=r"calibration\.json"):
            Bundle.load(copy)

    @pytest.mark.parametrize("changes", [{"format": FORMAT + 1}, {"format": None}, {"kind": "oracle"}])
    def test_another_format_is_named(self, copy: Path, changes: dict[str, Any]) -> None:
        reseal(copy, **changes)
        with pytest.raises(BundleDamaged, match=next(iter(changes))):
            Bundle.load(copy)

    def test_figures_that_are_not_those_it_was_saved_with(self, copy: Path) -> None:
        """Every hash is right, but the model is another one."""
        document = json.loads((copy / "calibration.json").read_bytes())
        key = next(
            key for key, value in document["calibration"].items() if isinstance(value, list) and value and isinstance(value[0], float)
        )
        document["calibration"][key] = [value * 0.9 for value in document["calibration"][key]]
        (copy / "calibration.json").write_text(json.dumps(document))
        reseal(copy)
        with pytest.raises(GoldenDiffers, match="golden-"):
            Bundle.load(copy)

    @pytest.mark.parametrize("name", ["encoder.json", "calibration.json", "policy.json", "golden.json"])
    @pytest.mark.parametrize("nonsense", ['{"signals": 3}', "[]", "7", '"text"', "null", '{"leads": [[]]}', '{"leads": [{"lead": {}}]}'])
    def test_sealed_nonsense_is_damage_too(self, copy: Path, name: str, nonsense: str) -> None:
        (copy / name).write_text(nonsense)
        reseal(copy)
        with pytest.raises((BundleDamaged, PolicyInvalid)):
            Bundle.load(copy)

    @pytest.mark.parametrize("changes", [{"importance": 7}, {"importance": ["size"]}, {"horizon_days": "soon"}, {"reading": []}])
    def test_a_sealed_manifest_of_another_shape_is_damage_too(self, copy: Path, changes: dict[str, Any]) -> None:
        reseal(copy, **changes)
        with pytest.raises(BundleDamaged):
            Bundle.load(copy)

    def test_the_command_says_it_in_one_line(self, copy: Path, tmp_path: Path) -> None:
        flip(copy / "encoder.json", 100)
        (tmp_path / "leads.csv").write_text("visits\n1\n")
        command = [sys.executable, "-m", "tamiz", "score", "--model", str(copy), "--leads", "leads.csv", "--out", "out.csv"]
        done = subprocess.run(command, cwd=tmp_path, env=os.environ | {"TAMIZ_HOME": str(tmp_path / "var")}, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert not (tmp_path / "out.csv").exists()


class TestWriting:
    def test_what_is_read_back_scores_alike(self, flat_bundle: Bundle, tmp_path: Path) -> None:
        again = write_bundle(tmp_path / "again", **parts(flat_bundle))
        requests = [ScoreRequest({"visits": n, "origin": "web", "size": n * 3.7}, as_of=None) for n in range(9)]
        from datetime import UTC, datetime

        for request in requests:
            request.as_of = datetime(2026, 1, 1, tzinfo=UTC)
        first, second = (score_requests(one, requests, flat_bundle.policy) for one in (flat_bundle, again))
        assert first == second

    def test_a_failure_leaves_nothing(self, flat_bundle: Bundle, tmp_path: Path) -> None:
        """The calibration answers NaN: the golden leads cannot be written down."""
        margin = np.linspace(-3, 3, 2_000)
        y = (np.arange(2_000) % 3 == 0).astype(np.float64)
        calibration = fit_calibration(margin, y, np.arange(2_000), 7)

        class Broken:
            offset = None

            def apply(self, margin: np.ndarray[Any, Any]) -> Any:
                return tuple(np.full(len(margin), np.nan) for _ in range(3))

            def to_json(self) -> Any:
                return calibration.to_json()

        with pytest.raises(BundleDamaged):
            write_bundle(tmp_path / "new", **(parts(flat_bundle) | {"calibration": Broken()}))
        assert list(tmp_path.iterdir()) == []

    def test_a_model_that_changed_its_mind_is_not_written(
        self, flat_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("models.bundle._TOLERANCE", -1.0)
        with pytest.raises(GoldenDiffers):
            write_bundle(tmp_path / "new", **parts(flat_bundle))
        assert list(tmp_path.iterdir()) == []

    def test_killed_in_the_middle_nothing_looks_like_a_bundle(self, flat_bundle: Bundle, tmp_path: Path) -> None:
        script = f"""
import sys, time
from pathlib import Path
import models.bundle as b
bundle = b.Bundle.load({str(flat_bundle.folder)!r})
def wait(folder):
    print("written", flush=True); time.sleep(60)
b.Bundle.load = wait
b.write_bundle(Path({str(tmp_path / "new")!r}), model=bundle.model, encoder=bundle.encoder, calibration=bundle.calibration,
    scale=bundle.scale, policy=bundle.policy, manifest=dict(bundle.manifest), tables={{}})
"""
        with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"written\n"
            process.send_signal(signal.SIGKILL)
        assert not (tmp_path / "new").exists()
        (left,) = tmp_path.iterdir()
        assert left.name.startswith(".building-")

        write_bundle(tmp_path / "new", **parts(flat_bundle))
        assert left.exists()  # perhaps somebody is still at it
        os.utime(left, (time.time() - 2 * 86_400,) * 2)
        write_bundle(tmp_path / "newer", **parts(flat_bundle))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "newer"]

    def test_nothing_in_it_is_a_pickle_or_code(self, flat_bundle: Bundle, event_bundle: Bundle) -> None:
        for bundle in (flat_bundle, event_bundle):
            for path in bundle.folder.iterdir():
                assert path.suffix in (".json", ".txt", ".parquet")
                assert b"\x80\x04\x95" not in path.read_bytes()[:3]

    def test_the_manifest_says_what_it_is(self, event_bundle: Bundle) -> None:
        manifest = event_bundle.manifest
        assert (manifest["format"], manifest["horizon_days"]) == (FORMAT, 30)
        assert manifest["feature_set"] == event_bundle.feature_set == event_bundle.encoder.feature_set.fingerprint
        assert set(manifest["files"]) == {path.name for path in event_bundle.folder.iterdir()} - {"manifest.json"}

    def test_a_copy_elsewhere_is_the_same_bundle(self, copy: Path, tmp_path: Path) -> None:
        moved = Path(shutil.move(copy, tmp_path / "moved"))
        assert Bundle.load(moved).folder == moved


def test_the_score_scale_of_a_bundle_is_read_back(flat_bundle: Bundle) -> None:
    margin = np.linspace(-4, 4, 50)
    again = ScoreScale.from_json(json.loads(json.dumps(flat_bundle.scale.to_json())))
    assert again.apply(margin).tolist() == flat_bundle.scale.apply(margin).tolist()
