"""One function over many arguments: here, in processes of this machine, or on a Dask cluster; and the way to such a cluster.

In: a function of a module, and arguments made one by one. Out: its results as they come, in any order. Only a few
arguments are made ahead, so memory does not grow with their number. Where there are several processes, this one works too.
An error in one stops the rest and is raised here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from data.errors import BadUsage, DependencyFailed

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

__all__ = ["connected", "mapped", "processes"]

A = TypeVar("A")
R = TypeVar("R")


class DaskMissing(BadUsage, status=503, exit_code=3):
    """--scheduler needs Dask, which is not installed: install it with `pip install 'tamiz[cluster]'`, or leave --scheduler out
    to use this machine alone"""


@contextmanager
def processes(others: int, ready: Callable[[], object]) -> Iterator[ProcessPoolExecutor | None]:
    """So many processes beside this one, which call `ready` at once: they start while this one still prepares. None for none."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    if others < 1:
        yield None
        return
    pool = ProcessPoolExecutor(others, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent)
    try:
        for _ in range(others):
            pool.submit(ready)
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def mapped(
    function: Callable[[A], R],
    arguments: Iterable[A],
    *,
    pool: ProcessPoolExecutor | None = None,
    workers: int = 1,
    scheduler: str | None = None,
) -> Iterator[R]:
    """Results of every argument: from this process and those of `pool`, or from a Dask cluster.

    `workers` counts this process too; `scheduler` is a Dask scheduler's address, or `local` for a cluster of `workers` on
    this machine.
    """
    if scheduler is not None:
        yield from _on_dask(function, arguments, workers, scheduler)
    elif pool is not None:
        yield from _shared(function, arguments, pool, workers - 1)
    else:
        yield from map(function, arguments)


def _shared(function: Callable[[A], R], arguments: Iterable[A], pool: ProcessPoolExecutor, others: int) -> Iterator[R]:
    """This process takes one argument after another; the others always have one more waiting than they can work on."""
    from concurrent.futures import Future, as_completed
    from concurrent.futures.process import BrokenProcessPool

    waiting = iter(arguments)
    try:
        pending: set[Future[R]] = {pool.submit(function, one) for one in islice(waiting, 2 * others)}
        for mine in waiting:
            yield function(mine)
            done = {one for one in pending if one.done()}
            pending -= done
            pending |= {pool.submit(function, one) for one in islice(waiting, len(done))}
            for one in done:
                yield one.result()
        for one in as_completed(pending):
            yield one.result()
    except BrokenProcessPool as error:
        raise DependencyFailed(
            "a worker was ended from outside, most likely for want of memory: give less with --memory, or fewer --workers, and run it again"
        ) from error


def _end_with_parent() -> None:
    """A worker whose parent was killed must not linger: nobody will ever ask it again."""
    import multiprocessing
    import os

    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def connected(scheduler: str, workers: int = 1) -> Iterator[Any]:
    """A Dask client of this scheduler; `local` starts a cluster of so many workers on this machine and ends it afterwards."""
    try:
        import distributed
    except ImportError as error:
        raise DaskMissing from error
    dask: Any = distributed  # which has annotations for some of its functions only
    with ExitStack() as stack:
        address: Any = scheduler
        if scheduler == "local":
            address = stack.enter_context(
                dask.LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=40)
            )
        try:
            client = stack.enter_context(dask.Client(address, timeout="20s", set_as_default=False))
        except (OSError, TimeoutError, ValueError) as error:
            raise DependencyFailed(f"no Dask scheduler answers at {scheduler}: {' '.join(str(error).split())[:200]}") from error
        yield client


def _on_dask(function: Callable[[A], R], arguments: Iterable[A], workers: int, scheduler: str) -> Iterator[R]:
    with connected(scheduler, workers) as client:
        import distributed

        as_completed: Any = distributed.as_completed
        waiting = iter(arguments)
        ahead = 2 * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))

        def sent(argument: A) -> object:
            return client.submit(function, client.scatter(argument, hash=False), pure=False)

        running = as_completed([sent(one) for one in islice(waiting, ahead)], loop=client.loop)
        for done in running:
            yield done.result()
            for one in islice(waiting, 1):
                running.add(sent(one))
