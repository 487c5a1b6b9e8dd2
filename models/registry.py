"""The model registry: MLflow as Tamiz uses it, and the local bundle folders that everything else reads.

In: a bundle folder and what the run found out; out: a registered version, an alias, a local folder. The store is
`mlflow.db` with `mlartifacts/` under TAMIZ_HOME unless MLFLOW_TRACKING_URI names another. This is the only module
outside `training/` that imports mlflow, and it does so late: finding a folder that is already here costs nothing.

A local bundle is `bundles/v<version>-<first 12 of the manifest's SHA-256>`; the manifest holds the SHA-256 of every
other file, so that name vouches for the content. `bundles/champion.json` points at the one that serves. Both appear
by renaming: whoever reads sees the old state or the new one, never half of either.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import BadUsage, DependencyFailed, TamizError
from data.home import Home, resolve
from models.bundle import MANIFEST, BundleDamaged, verify_files
from models.pyfunc_model import columns_in, columns_out
from models.value import FILE as VALUE

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

__all__ = [
    "CHALLENGER", "CHAMPION", "EXPERIMENT", "MODEL", "DatasetRecord", "MlflowFailed", "ModelNotRegistered", "NoPrevious",
    "NoSuchModel", "NoSuchVersion", "Pointer", "Registered", "Registry", "RunRecord", "Sample", "read_pointer", "resolve_model",
]  # fmt: skip

EXPERIMENT = "tamiz"
MODEL = "tamiz-lead-conversion"
CHAMPION = "champion"
CHALLENGER = "challenger"

_HISTORY = "tamiz.champion_history"
_BUNDLE_SHA = "tamiz.bundle_sha256"
_POINTER = "champion.json"
_CHALLENGER_POINTER = "challenger.json"
_MODEL_FOLDER, _BUNDLE_FOLDER = "model", "bundle"
"""Among a run's artifacts: MLflow's descriptor, and beneath it the bundle."""
_LOADER = "models.pyfunc_model"
_NEEDS = ("numpy", "pandas", "lightgbm", "msgspec", "pydantic")


_ABOUT = """How likely a sales lead converts.

The alias `champion` is what serves, `challenger` what was trained last. Each version's page says in words what it is worth, and its run has
the figures, the charts and the report. `tamiz compare` says whether the challenger should replace the champion; `tamiz promote`, `tamiz
rollback` and `tamiz pull` move between them."""


class NoSuchVersion(TamizError, status=503, exit_code=2):
    """No model is registered as {alias}: run `tamiz train`, then `tamiz promote`."""


class NoSuchModel(BadUsage, exit_code=2):
    """There is no model {model!r}: give `champion`, `challenger`, a version number, or a bundle's folder (it holds a manifest.json)."""


class NoPrevious(BadUsage, exit_code=2):
    """There is no champion before version {version} to go back to."""


class MlflowFailed(DependencyFailed):
    """MLflow at {uri} does not answer as it should: {reason}. Check that it runs and that MLFLOW_TRACKING_URI is right."""


class ModelNotRegistered(DependencyFailed):
    """MLflow at {uri} did not take the model: {reason}. The model is not lost: it is kept in {folder}, and
    `tamiz register {folder}` uploads it later."""


@dataclass(frozen=True)
class DatasetRecord:
    """A data set as MLflow shows it: its description alone, never its rows."""

    name: str
    digest: str
    source: str
    rows: int
    columns: Mapping[str, str] = field(default_factory=dict)
    """Column → MLflow type: double, string, boolean, datetime."""
    context: str = "training"


@dataclass(frozen=True)
class Sample:
    """Figures of one moment of a run, such as how much memory was in use."""

    at: int
    """Milliseconds since 1970."""
    values: Mapping[str, float]


@dataclass(frozen=True)
class RunRecord:
    """Everything that is logged of one training run."""

    name: str
    params: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[DatasetRecord, ...] = ()
    note: str = ""
    """Markdown, shown on the run's page."""
    samples: tuple[Sample, ...] = ()
    children: tuple[RunRecord, ...] = ()
    """Runs nested under this one: the trials of a search."""
    started: int | None = None
    """Milliseconds since 1970; None is now."""


@dataclass(frozen=True)
class Registered:
    """A version in the registry and the local folder of its bundle."""

    version: int
    folder: Path
    run_id: str


@dataclass(frozen=True)
class Pointer:
    """What `bundles/champion.json` says."""

    bundle: str
    """Folder name inside `bundles/`."""
    model_version: str
    version: int
    bundle_sha256: str


class Registry:
    """One installation's registry. Nothing is imported, created or asked before the first call that needs it."""

    def __init__(self, home: Home, tracking_uri: str | None = None, say: Callable[[str], None] = lambda text: None) -> None:
        self.home = home
        elsewhere = tracking_uri or resolve("tracking").value
        self.uri = elsewhere or f"sqlite:///{home.mlflow_db}"
        self.local = not elsewhere
        self.say = say
        self._opened: MlflowClient | None = None
        self._looked_at: tuple[tuple[str, int, int], ...] | None = None
        self._was_whole = False

    # ---- runs

    def log_run(self, record: RunRecord, artifacts: Mapping[str, Path] | None = None) -> str:
        """Log a finished run: parameters, figures, tags, data sets, and files or folders by artifact path ("" is the root)."""
        with self._talking() as client:
            experiment = self._experiment(client)
            run_id: str = client.create_run(experiment, run_name=record.name, start_time=record.started).info.run_id
            try:
                _log_batches(client, run_id, record)
                for child in record.children:
                    own = client.create_run(experiment, run_name=child.name, start_time=child.started, tags={"mlflow.parentRunId": run_id})
                    _log_batches(client, own.info.run_id, child)
                    client.set_terminated(own.info.run_id)
                for where, path in (artifacts or {}).items():
                    self._upload(client, run_id, path, where)
            except BaseException:
                client.set_terminated(run_id, "FAILED")
                raise
            client.set_terminated(run_id)
            return run_id

    def add_artifacts(self, run_id: str, path: Path, where: str = "") -> None:
        """Add a file or a folder to a run that is already logged (the report names the version, so it comes last)."""
        with self._talking() as client:
            self._upload(client, run_id, path, where)

    # ---- versions

    def register_bundle(
        self, folder: Path, run_id: str | None = None, *, tags: Mapping[str, str] | None = None, description: str = ""
    ) -> Registered:
        """Upload a bundle, register it as the next version, and give it its place under `bundles/`.

        A folder that already lies directly in `bundles/` is renamed; any other is copied. The version is created last,
        so that a run that is killed in the middle leaves an unregistered run and nothing else.
        """
        manifest = verify_files(folder)
        digest = manifest_digest(folder)
        try:
            with self._talking() as client:
                if run_id is None:
                    run_id = self.log_run(RunRecord(name=f"upload {folder.name}", tags={"tamiz.kind": "upload"}))
                with tempfile.TemporaryDirectory() as described:
                    _describe(Path(described), folder, run_id)
                    self._upload(client, run_id, Path(described), _MODEL_FOLDER)
                self._upload(client, run_id, folder, f"{_MODEL_FOLDER}/{_BUNDLE_FOLDER}")
                source = f"{client.get_run(run_id).info.artifact_uri}/{_MODEL_FOLDER}"
                self._registered_model(client)
                known = {key: str(manifest[key]) for key in ("feature_set", "data_digest", "kind") if manifest.get(key)}
                about = known | dict(tags or {}) | {_BUNDLE_SHA: digest}
                with self._locked():  # two trainings that end together would both be given the same number
                    version = client.create_model_version(
                        MODEL, source=source, run_id=run_id, tags=about, description=description or None, await_creation_for=0
                    )
        except MlflowFailed as error:
            raise ModelNotRegistered(folder=folder, uri=error.values["uri"], reason=error.values["reason"]) from error
        number = int(version.version)
        return Registered(number, self._settle(folder, number, digest), run_id)

    def find_version(self, folder: Path) -> int | None:
        """The version that this bundle is registered as, if it is (told by the hash of its manifest)."""
        digest = manifest_digest(folder)
        with self._talking() as client:
            self._registered_model(client)
            versions = client.search_model_versions(f"name='{MODEL}'")
        return max((int(version.version) for version in versions if version.tags.get(_BUNDLE_SHA) == digest), default=None)

    def tag_version(self, version: int, tags: Mapping[str, str]) -> None:
        """What is known about a version, beside it."""
        with self._talking() as client:
            for key, value in tags.items():
                client.set_model_version_tag(MODEL, str(version), key, value[:4900])

    def add_to_version(self, version: int, path: str, document: Mapping[str, object]) -> None:
        """A JSON document among the artifacts of the run that a version comes from."""
        with self._talking() as client:
            client.log_dict(_version(client, version).run_id or "", dict(document), path)

    def get_alias(self, alias: str) -> int | None:
        """The version behind `champion` or `challenger`, or None."""
        with self._talking() as client:
            return _alias(client, alias)

    def set_alias(self, alias: str, version: int) -> None:
        with self._talking() as client:
            client.set_registered_model_alias(MODEL, alias, str(version))

    def promote(self, version: int, tags: Mapping[str, str] | None = None) -> int | None:
        """Make a version the champion; returns the version it replaces. The history is written first: a kill in between is harmless."""
        with self._talking() as client, self._locked():
            before = _alias(client, CHAMPION)
            self.tag_version(version, tags or {})
            if before == version:
                return None
            history = _history(client)
            if before is not None and before not in history:
                history.append(before)
            client.set_registered_model_tag(MODEL, _HISTORY, json.dumps([*history, version][-100:]))
            client.set_registered_model_alias(MODEL, CHAMPION, str(version))
            if _alias(client, CHALLENGER) == version:
                client.delete_registered_model_alias(MODEL, CHALLENGER)
            return before

    def previous_champion(self) -> int | None:
        """The version that a rollback would bring back."""
        with self._talking() as client:
            return _before(_history(client), _alias(client, CHAMPION))

    def rollback(self, why: str = "") -> tuple[int, int]:
        """Bring back the champion before this one; returns (version now, version left)."""
        with self._talking() as client, self._locked():
            now = _alias(client, CHAMPION)
            if now is None:
                raise NoSuchVersion(alias=CHAMPION)
            history = _history(client)
            previous = _before(history, now)
            if previous is None:
                raise NoPrevious(version=now)
            client.set_model_version_tag(MODEL, str(now), "tamiz.rolled_back", why or "yes")
            client.set_registered_model_alias(MODEL, CHAMPION, str(previous))
            client.set_registered_model_tag(MODEL, _HISTORY, json.dumps(history[: _last_index(history, previous) + 1]))
            return previous, now

    # ---- local folders

    def download_bundle(self, version: int) -> Path:
        """The local folder of a version, downloaded and verified where it is not here yet."""
        with self._talking() as client:
            entry = _version(client, version)
            digest = entry.tags.get(_BUNDLE_SHA, "")
            final = self.home.bundles / _folder_name(version, digest)
            if digest and _intact(final, digest):
                return final
            self.say(f"downloading model version {version}")
            with self._staging() as staging:
                from mlflow.artifacts import download_artifacts

                uri = client.get_model_version_download_uri(MODEL, str(version))
                fetched = Path(download_artifacts(artifact_uri=uri, dst_path=str(staging), tracking_uri=self.uri)) / _BUNDLE_FOLDER
                verify_files(fetched)
                if digest and manifest_digest(fetched) != digest:
                    raise BundleDamaged(folder=str(fetched), why="its manifest is not the one that was registered")
                return _put(fetched, self.home.bundles / _folder_name(version, digest or manifest_digest(fetched)))

    def pull(self, alias: str = CHAMPION) -> Path:
        """Turn an alias into a local bundle folder; for the champion, let `champion.json` point at it once it is verified."""
        version = self.get_alias(alias)
        if version is None:
            raise NoSuchVersion(alias=alias)
        folder = self.download_bundle(version)
        if alias == CHAMPION:
            _write_pointer(self.home.bundles / _POINTER, folder, version)
        return folder

    def pull_if_new(self) -> Path | None:
        """As `pull`, but None where `champion.json` already points at the champion and its folder is whole.

        A look costs one query; files are hashed again only when one of them was touched since the last look.
        """
        version = self.get_alias(CHAMPION)
        if version is None:
            raise NoSuchVersion(alias=CHAMPION)
        pointer = read_pointer(self.home.bundles)
        if pointer is not None and pointer.version == version:
            with self._talking() as client:
                same = _version(client, version).tags.get(_BUNDLE_SHA) == pointer.bundle_sha256
            if same and self._whole(self.home.bundles / pointer.bundle, pointer.bundle_sha256):
                return None
        return self.pull()

    def show_challenger(self) -> Path | None:
        """Lets `challenger.json` point at the challenger's bundle, brought here if need be, or at nothing where there is none."""
        version, pointer = self.get_alias(CHALLENGER), self.home.bundles / _CHALLENGER_POINTER
        if version is None:
            pointer.unlink(missing_ok=True)
            return None
        known = read_pointer(self.home.bundles, CHALLENGER)
        if known is not None and known.version == version:
            return None
        folder = self.download_bundle(version)
        _write_pointer(pointer, folder, version)
        return folder

    # ---- inside

    def _whole(self, folder: Path, digest: str) -> bool:
        """Whether the files are what they were registered as; damage is said once, however often it is found."""
        touched = _touched(folder)
        if touched != self._looked_at:
            self._looked_at, self._was_whole = touched, _intact(folder, digest)
            if not self._was_whole:
                self.say(f"the local folder {folder} is damaged and is downloaded again")
        return self._was_whole

    @contextmanager
    def _talking(self) -> Iterator[MlflowClient]:
        """Whatever MLflow, its database or its server raises becomes one error that says which MLflow it was."""
        try:
            yield self._client()
        except TamizError:
            raise
        except Exception as error:  # MLflow lets through what requests, SQLAlchemy, boto3, … raise
            raise MlflowFailed(uri=_without_secrets(self.uri), reason=_first_line(error)) from error

    def _client(self) -> MlflowClient:
        if self._opened is None:
            _quiet()
            if self.local:
                self.home.root.mkdir(parents=True, exist_ok=True)
                if not self.home.mlflow_db.exists():
                    self.say("creating the MLflow store (once, a few seconds)")
            with self._locked():
                from mlflow.tracking import MlflowClient

                client = MlflowClient(tracking_uri=self.uri, registry_uri=os.environ.get("MLFLOW_REGISTRY_URI") or self.uri)
                self._experiment(client)
            self._opened = client
        return self._opened

    def _experiment(self, client: MlflowClient) -> str:
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        # A server has its own place for artifacts; a bare database would put them into ./mlruns of whoever calls.
        served = self.uri.startswith(("http://", "https://", "databricks"))
        place = None if served else self.home.mlartifacts.absolute().as_uri()
        return str(client.create_experiment(EXPERIMENT, artifact_location=place))

    def _registered_model(self, client: MlflowClient) -> None:
        from mlflow.exceptions import MlflowException

        try:
            client.create_registered_model(MODEL, description=_ABOUT)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _upload(self, client: MlflowClient, run_id: str, path: Path, where: str) -> None:
        if path.is_dir():
            client.log_artifacts(run_id, str(path), where or None)
        else:
            client.log_artifact(run_id, str(path), where or None)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time creates the store or moves an alias: two first trainings at once would both create the tables."""
        self.home.root.mkdir(parents=True, exist_ok=True)
        with (self.home.root / "mlflow.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _staging(self) -> Iterator[Path]:
        self.home.bundles.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".incoming-", dir=self.home.bundles))
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _settle(self, folder: Path, version: int, digest: str) -> Path:
        final = self.home.bundles / _folder_name(version, digest)
        if folder.resolve().parent == self.home.bundles.resolve():
            return _put(folder, final)
        with self._staging() as staging:
            return _put(Path(shutil.copytree(folder, staging / "bundle")), final)


def resolve_model(model: str, home: Home, *, tracking_uri: str | None = None, say: Callable[[str], None] = lambda text: None) -> Path:
    """`champion`, `challenger`, a version number or a bundle's folder → the folder. MLflow is asked only for what is not here."""
    if (Path(model) / MANIFEST).is_file():
        return Path(model)
    if model == CHAMPION:
        pointer = read_pointer(home.bundles)
        if pointer is not None:
            return home.bundles / pointer.bundle
        return Registry(home, tracking_uri, say).pull(CHAMPION)
    if model == CHALLENGER:
        registry = Registry(home, tracking_uri, say)
        version = registry.get_alias(CHALLENGER)
        if version is None:
            raise NoSuchVersion(alias=CHALLENGER)
        return registry.download_bundle(version)
    if re.fullmatch(r"v?\d+", model):
        number = int(model.lstrip("v"))
        here = [path for path in home.bundles.glob(f"v{number}-*") if (path / MANIFEST).is_file()]
        return here[0] if len(here) == 1 else Registry(home, tracking_uri, say).download_bundle(number)
    raise NoSuchModel(model=model)


def read_pointer(bundles: Path, alias: str = CHAMPION) -> Pointer | None:
    """What `champion.json` (or `challenger.json`) points at, or None where there is none or its folder is gone."""
    try:
        content = json.loads((bundles / f"{alias}.json").read_text(encoding="utf-8"))
        pointer = Pointer(str(content["bundle"]), str(content["model_version"]), int(content["version"]), str(content["bundle_sha256"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pointer if (bundles / pointer.bundle / MANIFEST).is_file() else None


def manifest_digest(folder: Path) -> str:
    """SHA-256 of the manifest, which vouches for every other file."""
    try:
        return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    except OSError as error:
        raise BundleDamaged(folder=str(folder), why="it has no manifest.json") from error


def _folder_name(version: int, digest: str) -> str:
    return f"v{version}-{digest[:12]}"


def _intact(folder: Path, digest: str) -> bool:
    try:
        verify_files(folder)
        return manifest_digest(folder) == digest
    except BundleDamaged:
        return False


def _touched(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and last change of every file: what a change of contents cannot but change."""
    try:
        found = [(path.name, path.stat()) for path in sorted(folder.iterdir())]
    except OSError:
        return ()
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in found)


def _put(folder: Path, final: Path) -> Path:
    """Rename into place. A damaged folder of that name is moved aside first; an intact one wins (somebody else was faster)."""
    if folder.resolve() == final.resolve():
        return final
    if final.exists():
        if _intact(final, manifest_digest(folder)):
            return final
        aside = Path(tempfile.mkdtemp(prefix=".damaged-", dir=final.parent))
        final.rename(aside / final.name)
        shutil.rmtree(aside, ignore_errors=True)
    final.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(final)
    return final


def _write_pointer(pointer: Path, folder: Path, version: int) -> None:
    manifest = json.loads((folder / MANIFEST).read_bytes())
    digest = manifest_digest(folder)
    name = str(manifest.get("model_version") or version)
    content = {"bundle": folder.name, "model_version": name, "version": version, "bundle_sha256": digest}
    handle, temporary = tempfile.mkstemp(prefix=f".{pointer.stem}-", dir=pointer.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(pointer)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _quiet() -> None:
    """Before mlflow is imported: no telemetry, no bars, no log lines of migrations; a dead server is found out soon, not after minutes."""
    for name, value in {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_LOGGING_LEVEL": "ERROR",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout is for figures that machines read
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
        "GIT_PYTHON_REFRESH": "quiet",
    }.items():
        os.environ.setdefault(name, value)


def _alias(client: MlflowClient, alias: str) -> int | None:
    from mlflow.exceptions import MlflowException

    try:
        return int(client.get_registered_model(MODEL).aliases[alias])
    except KeyError:
        return None
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _version(client: MlflowClient, version: int) -> ModelVersion:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version(MODEL, str(version))
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise NoSuchModel(model=str(version)) from error
        raise


def _history(client: MlflowClient) -> list[int]:
    return [int(version) for version in json.loads(client.get_registered_model(MODEL).tags.get(_HISTORY, "[]"))]


def _before(history: list[int], now: int | None) -> int | None:
    """The champion before `now`. Where the alias was moved by hand and `now` is no part of the history, its last entry."""
    if now is None:
        return None
    earlier = history[: _last_index(history, now)] if now in history else history
    return next((version for version in reversed(earlier) if version != now), None)


def _last_index(history: list[int], version: int) -> int:
    return len(history) - 1 - history[::-1].index(version)


def _log_batches(client: MlflowClient, run_id: str, record: RunRecord) -> None:
    from mlflow.entities import Metric, Param, RunTag

    now = client.get_run(run_id).info.start_time
    params = [Param(key, str(value)[:6000]) for key, value in record.params.items()]
    metrics = [Metric(key, float(value), now, 0) for key, value in record.metrics.items()]
    tags = [RunTag(key, str(value)[:8000]) for key, value in record.tags.items() if value]
    metrics += [Metric(name, value, one.at, step) for step, one in enumerate(record.samples) for name, value in one.values.items()]
    if record.note:
        tags.append(RunTag("mlflow.note.content", record.note))
    for start in range(0, max(len(params), len(tags)), 100):  # MLflow's limits on one request: 100 parameters, 100 tags, 1000 metrics
        client.log_batch(run_id, params=params[start : start + 100], tags=tags[start : start + 100])
    for start in range(0, len(metrics), 1000):
        client.log_batch(run_id, metrics=metrics[start : start + 1000])
    if record.datasets:
        client.log_inputs(run_id, [_dataset(entry) for entry in record.datasets])


def _describe(folder: Path, bundle: Path, run_id: str) -> None:
    """MLflow's descriptor of a bundle: which module loads it, and what goes in and comes out. Nothing is pickled."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of type hints of its own
        import mlflow.pyfunc
        from mlflow.models import Model
        from mlflow.models.signature import ModelSignature
        from mlflow.types import ColSpec, DataType, Schema

    model = Model(run_id=run_id)
    if (bundle / "encoder.json").is_file():
        columns = columns_in(json.loads((bundle / "encoder.json").read_bytes()))
        told = columns_out(amounts=(bundle / VALUE).is_file())
        model.signature = ModelSignature(
            Schema([ColSpec(DataType[kind], name, required=False) for name, kind in columns.items()]),
            Schema([ColSpec(DataType.double, name) for name in told]),
        )
    mlflow.pyfunc.add_to_model(model, loader_module=_LOADER, data=_BUNDLE_FOLDER)
    model.save(str(folder / "MLmodel"))
    needs = [f"{name}=={version(name)}" for name in _NEEDS]
    (folder / "requirements.txt").write_text(
        "# and Tamiz itself, whose module loads the bundle\n" + "\n".join(needs) + "\n", encoding="utf-8"
    )


def _dataset(record: DatasetRecord) -> DatasetInput:
    """Built by hand: `mlflow.data.from_pandas` would want the whole frame just to describe it."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    schema = json.dumps({"mlflow_colspec": [{"type": kind, "name": name, "required": False} for name, kind in record.columns.items()]})
    profile = json.dumps({"num_rows": record.rows, "num_elements": record.rows * len(record.columns)})
    digest = record.digest.removeprefix("sha256:")[:36]
    entity = Dataset(
        name=record.name[:500], digest=digest, source_type="local", source=json.dumps({"uri": record.source}),
        schema=schema if len(schema) < 60_000 else None, profile=profile,
    )  # fmt: skip
    return DatasetInput(entity, [InputTag("mlflow.data.context", record.context)])


def _first_line(error: Exception) -> str:
    """The reason in a line. A failed connection is buried in three layers of libraries: only its core is news."""
    core = re.search(
        r"connection refused|name or service not known|name resolution|timed out|no route to host|unreachable", str(error), re.IGNORECASE
    )
    if core:
        return f"no connection ({core.group().lower()})"
    text = (str(error).strip() or error.__class__.__name__).splitlines()[0]
    return _without_secrets(text if len(text) <= 240 else text[:237] + "…").rstrip(".")


def _without_secrets(text: str) -> str:
    return re.sub(r"://[^/@\s]+@", "://***@", text)
