"""`tamiz serve` in a process of its own, and callers that ask without pause, for the tests of what it survives."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count as count_from
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
Ask = Callable[[http.client.HTTPConnection, int, int], None]


class Service:
    """A running service and its port."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """Status and decoded answer of one request on a connection of its own."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            status, content = ask(connection, method, path, body, **headers)
        return status, json.loads(content) if content[:1] in (b"{", b"[") else content.decode()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait(10) == -signal.SIGKILL


def begin(home: Path, *options: str, log: Path | None = None, **environment: str) -> Service:
    """Starts the service without keys and waits until it answers."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    command = [sys.executable, "-m", "tamiz", "serve", "--port", str(port), *options]
    settings = {"TAMIZ_HOME": str(home), "TAMIZ_AUTH": "dev"} | environment
    with (log or Path(os.devnull)).open("ab") as errors:
        process = subprocess.Popen(command, env=os.environ | settings, cwd=ROOT, stderr=errors, start_new_session=True)
    service = Service(process, port)
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            if service.ask("GET", "/livez")[0] == 200:
                return service
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)
    stop(service)
    raise AssertionError("the service did not start")


def stop(service: Service) -> None:
    """Ends it and whatever it started."""
    with suppress(ProcessLookupError):
        os.killpg(service.process.pid, signal.SIGKILL)
    service.process.wait(10)


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
    """Status and bytes of one request."""
    sent = body if isinstance(body, str | bytes) or body is None else json.dumps(body)
    connection.request(method, path, sent, {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.read()


@contextmanager
def callers(port: int, count: int, act: Ask, *, again: bool = False) -> Iterator[list[BaseException]]:
    """`count` connections that call `act(connection, caller, turn)` again and again until the block ends or the connection breaks.

    With `again`, a broken one is opened anew. Gives the list of what broke them; anything but the connection itself is raised at the end.
    """
    over = threading.Event()
    broken: list[BaseException] = []

    def run(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for turn in count_from(0):
            if over.is_set():
                break
            try:
                act(connection, number, turn)
            except Exception as error:  # noqa: BLE001 - a thread's error would otherwise be lost
                broken.append(error)
                connection.close()
                if not (again and isinstance(error, OSError | http.client.HTTPException)):
                    break
                time.sleep(0.01)
        connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for one in threads:
        one.start()
    try:
        yield broken
    finally:
        over.set()
        for one in threads:
            one.join(40)
    for error in broken:
        if not isinstance(error, OSError | http.client.HTTPException):
            raise error


def wait_until(what: Callable[[], object], seconds: float = 20, says: str = "it did not come about") -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, says
        time.sleep(0.02)
