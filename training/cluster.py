"""Training beyond one machine: trees fitted by `lightgbm.dask` on all rows, everything else decided on a sample of whole accounts.

In: a project, a folder that every worker sees under the same path, and a Dask scheduler. Out: the sample's `Dataset`, whose
`cluster` fits the boosted model on the rows of all leads that lie in the same block of time. Labels and signals of all rows
are computed on the workers by `tamiz features build`; the sample is the same rows, to the last bit, read here.
Early stopping does not run on a cluster, so rounds and settings, and the calibration, come from the sample.

Rows are dealt to the workers in slices, so that each holds about as many, old and new: LightGBM ends without a word where a
worker has next to none. The sample, and all that is chosen on it, is the same for the same seed. The trees are not, bit for
bit: an input's bins are found on the rows of one worker, and `lightgbm.dask` deals inputs to workers anew in each run.
"""

from __future__ import annotations

import logging
import re
import tempfile
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from data.errors import BadUsage, DependencyFailed
from data.frames import Tables
from data.project import Project, load_project
from data.sources import load_tables
from features.history import DAY
from models.boosted import Boosted, parameters
from models.build import build
from models.encoder import Encoder
from models.inputs import Floats
from models.partition import read_part
from models.tables import account_codes
from models.workers import connected
from training.splits import Window

if TYPE_CHECKING:
    from training.candidates import Recipe

__all__ = ["Cluster", "ClusterOptions", "Sampled", "sampled"]

Say = Callable[[str], None]
_EVERY_SECONDS = 0.5
_NETWORK_MINUTES = 5
_SLICES = 16
_FEWEST_ROWS = 2_000
_OF_THIS_RUN = re.compile(r"^\[(?:machines|local_listen_port): [^\]]*\]\n", re.MULTILINE)
"""Addresses, which differ from run to run and are nobody's business."""


class WorkerLost(DependencyFailed, status=503, exit_code=3):
    """a Dask worker was lost while the model was fitted ({worker}), most likely for want of memory: nothing was registered. Give the
    cluster more workers or memory and run the same command again; the signals that were built are kept."""


class TooSmallForCluster(BadUsage):
    """the sample of {leads:,} leads has too few rows or conversions to choose rounds and calibrate on: leave --scheduler out, or
    give more with --sample-leads"""


@dataclass(frozen=True)
class ClusterOptions:
    """How to train on a cluster, as given on the command line."""

    scheduler: str
    """A Dask scheduler's address, or `local` for a cluster of `workers` on this machine."""
    folder: Path
    """Where the signals are built; every worker sees it under this path."""
    workers: int = 2
    sample_leads: int = 100_000
    memory: int = 1_000_000_000


@dataclass(frozen=True)
class Cluster:
    """Where all rows are, of which a dataset is a sample."""

    options: ClusterOptions
    files: tuple[Path, ...]
    sizes: tuple[int, ...]
    """Rows of each file."""
    rows: int
    leads: int
    horizon: int
    """In microseconds."""
    say: Say

    def slices(self, workers: int) -> list[list[tuple[Path, int, int]]]:
        """For each worker which rows of which files are its own: every so many-th slice of all rows."""
        edges = np.linspace(0, sum(self.sizes), _SLICES * workers + 1).astype(int).tolist()
        ends = np.cumsum(self.sizes).tolist()
        dealt: list[list[tuple[Path, int, int]]] = [[] for _ in range(workers)]
        for file, end, size in zip(self.files, ends, self.sizes, strict=True):
            first = end - size
            for number, (start, stop) in enumerate(pairwise(edges)):
                inside = max(start, first) - first, min(stop, end) - first
                if inside[0] < inside[1]:
                    dealt[number % workers].append((file, *inside))
        return dealt

    def fit(self, recipe: Recipe, encoder: Encoder, window: Window | None, seed: int) -> Boosted:
        """The boosted model of this recipe on the rows of all leads within the window."""
        if window is None or recipe.rounds is None:
            raise BadUsage("--scheduler needs event tables with enough rows for a tune block: leave it out")
        with connected(self.options.scheduler, self.options.workers) as client:
            return _fit(client, self, recipe, encoder, window, seed)


@dataclass(frozen=True)
class Sampled:
    """What is read here: whole accounts, drawn by the seed."""

    project: Project
    tables: Tables
    cluster: Cluster
    feature_set: Any
    notice: str


def sampled(path: Path, options: ClusterOptions, *, seed: int, drop: Sequence[str] = (), say: Say) -> Sampled:
    """Builds the signals of all leads on the cluster, and reads the tables of a sample of them."""
    project, now = load_project(path), datetime.now(UTC)
    with connected(options.scheduler, options.workers):
        pass  # no scheduler, no work: better told before the tables are read
    built = build(
        project, options.folder, seed=seed, memory=options.memory, workers=options.workers, scheduler=options.scheduler,
        now=now, drop=drop, say=say, progress=lambda done, total: say(f"signals: {done:,} of {total:,} parts"),
    )  # fmt: skip
    known = replace(project, until=built.until.to_pydatetime())
    leads = load_tables(replace(known, queries=_without_activities(known.queries)), now=now)
    drawn = _drawn(leads, options.sample_leads, seed)
    if len(drawn) == len(leads.leads):
        tables = load_tables(known, now=now, progress=say)
    else:
        with tempfile.TemporaryDirectory(prefix="tamiz-") as folder:
            ids = Path(folder) / "sample.parquet"
            pd.DataFrame({"lead_id": drawn}).to_parquet(ids)
            tables = load_tables(replace(known, queries=_only(known.queries, ids)), now=now, progress=say)
    files = tuple(sorted(built.folder.glob("part-*.parquet")))
    sizes = tuple(pq.ParquetFile(file).metadata.num_rows for file in files)
    notice = (
        f"Trained on a cluster: trees were fitted on the {built.rows:,} looks at all {built.leads:,} leads that lie in the fit block; "
        f"everything else, and every figure here, rests on a sample of {len(drawn):,} leads."
    )
    cluster = Cluster(options, files, sizes, built.rows, built.leads, round(project.horizon_days * DAY), say)
    return Sampled(project, tables, cluster, built.feature_set, notice)


def _without_activities(queries: Mapping[str, str]) -> dict[str, str]:
    return {name: query for name, query in queries.items() if name != "activities"}


def _only(queries: Mapping[str, str], ids: Path) -> dict[str, str]:
    """The same tables with these leads alone."""
    among = f"IN (SELECT lead_id FROM '{ids}')"
    return {name: f"SELECT * FROM ({query}) WHERE trim(lead_id::VARCHAR) {among}" for name, query in queries.items()}


def _drawn(tables: Tables, most: int, seed: int) -> list[str]:
    """Ids of leads of accounts drawn at random, until there are `most`; an account is drawn whole."""
    account = account_codes(tables)
    own = account.max(initial=-1) + 1 + np.arange(len(account))
    _, code = np.unique(np.where(account >= 0, account, own), return_inverse=True)
    sizes = np.bincount(code)
    order = np.random.default_rng([seed, 12]).permutation(len(sizes))
    taken = np.zeros(len(sizes), dtype=np.bool_)
    taken[order[: int(np.searchsorted(np.cumsum(sizes[order]), most, side="right")) or 1]] = True
    found: list[str] = tables.leads["lead_id"].to_numpy(dtype=object)[taken[code]].tolist()
    return found


def _fit(client: Any, cluster: Cluster, recipe: Recipe, encoder: Encoder, window: Window, seed: int) -> Boosted:  # noqa: ANN401 - Dask has no annotations
    import distributed
    from lightgbm.basic import LightGBMError

    gone: Any = (distributed.scheduler.KilledWorker, distributed.CancelledError)
    workers = sorted(client.scheduler_info(n_workers=-1)["workers"].items(), key=lambda one: (str(one[1].get("name")).zfill(8), one[0]))
    if not workers:
        raise DependencyFailed(f"the Dask scheduler at {cluster.options.scheduler} has no workers: start some, and run it again")
    addresses = [address for address, _ in workers[: max(1, cluster.rows // _FEWEST_ROWS)]]
    _quiet()
    client.run(_quiet, workers=addresses)
    document, slices = encoder.to_json(), cluster.slices(len(addresses))
    blocks = {
        address: client.submit(_block, slices[place], document, window, cluster.horizon, workers=[address], pure=False)
        for place, address in enumerate(addresses)
    }
    done: list[Any] = []

    def work() -> None:
        try:
            sizes = client.gather({address: client.submit(_size, block, workers=[address]) for address, block in blocks.items()})
            rows, won = sum(size[0] for size in sizes.values()), sum(size[1] for size in sizes.values())
            cluster.say(f"fitting {recipe.rounds} rounds on {rows:,} rows by {len(addresses)} workers")
            settings = parameters(rows, int(min(won, rows - won)), encoder.inputs, seed) | dict(recipe.overrides)
            held = {address: (block, sizes[address][0]) for address, block in blocks.items() if sizes[address][0]}
            model: Any = _by_lightgbm(client, held, settings, recipe.rounds or 1, encoder)
            done.append(model.booster_.model_to_string())
        except Exception as error:  # noqa: BLE001 - raised again by whoever waits for this thread
            done.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_EVERY_SECONDS)
        # The library would wait for hours for a worker that is gone.
        lost = sorted(set(addresses) - set(client.scheduler_info(n_workers=-1)["workers"]))
        if lost and not done:
            client.cancel(list(blocks.values()), force=True)
            raise WorkerLost(worker=", ".join(lost))
    if isinstance(done[0], gone) or (isinstance(done[0], LightGBMError) and "Socket" in str(done[0])):
        raise WorkerLost(worker="the others no longer hear it") from done[0]
    if isinstance(done[0], Exception):
        raise done[0]
    return Boosted.from_string(_OF_THIS_RUN.sub("", done[0]))


def _quiet() -> None:
    """LightGBM prints to stdout how its network comes up, where a command's answer belongs."""
    import lightgbm

    lightgbm.register_logger(logging.getLogger("lightgbm"))


def _by_lightgbm(client: Any, blocks: Mapping[str, tuple[Any, int]], settings: Mapping[str, Any], rounds: int, encoder: Encoder) -> Any:  # noqa: ANN401 - as above
    """A regressor with the binary objective: the classifier would recode labels worker by worker."""
    from dask import array as dask_array
    from dask.delayed import delayed
    from lightgbm.dask import DaskLGBMRegressor

    array: Any = dask_array  # which has annotations for some of its functions only

    def part(address: str, block: Any, member: int, shape: tuple[int, ...]) -> Any:  # noqa: ANN401 - as above
        future = client.submit(itemgetter(member), block, workers=[address], pure=False)
        return array.from_delayed(delayed(future), shape, float)

    width = len(encoder.inputs)
    X = array.concatenate([part(address, block, 0, (rows, width)) for address, (block, rows) in blocks.items()])
    y = array.concatenate([part(address, block, 1, (rows,)) for address, (block, rows) in blocks.items()])
    known = {name: value for name, value in settings.items() if name not in ("num_threads", "seed")}
    model: Any = DaskLGBMRegressor(client=client, n_estimators=rounds, random_state=settings["seed"], time_out=_NETWORK_MINUTES, **known)
    categorical = [place for place, spec in enumerate(encoder.inputs) if spec.kind == "category"]
    with warnings.catch_warnings(), client.as_current():
        warnings.filterwarnings("ignore", message="Parameter n_jobs will be ignored")
        return model.fit(X, y, categorical_feature=categorical)


def _block(slices: Sequence[tuple[Path, int, int]], encoder: Mapping[str, Any], window: Window, horizon: int) -> tuple[Floats, Floats]:
    """On a worker: the matrix and labels of its rows within the window."""
    known = Encoder.from_json(encoder)
    names = [one.name for one in known.inputs]
    matrices, labels = [np.empty((0, len(names)))], [np.empty(0)]
    for file, own in groupby(slices, key=itemgetter(0)):
        seen, table = read_part(file, names)
        inside = np.zeros(len(table), dtype=np.bool_)
        for _, start, stop in own:
            inside[start:stop] = True
        inside &= (seen["created_at"] < window.created_before) & (seen["as_of"] + horizon <= window.known_by)
        matrices.append(known.encode(table)[inside])
        labels.append(seen["y"][inside].astype(np.float64))
    return np.concatenate(matrices), np.concatenate(labels)


def _size(block: tuple[Floats, Floats]) -> tuple[int, int]:
    return len(block[1]), int(block[1].sum())
