"""The commands as a user runs them: in another folder, by what they print and how they end."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from serving.settings import Settings
from tamiz import main

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., "Done"]


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TAMIZ_")}
    return kept | {"TAMIZ_HOME": str(home), "PYTHONPATH": str(ROOT)}


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def tamiz(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command as its user would, but in this process, which is quicker."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAMIZ_HOME", str(home))
    monkeypatch.delenv("TAMIZ_AUTH", raising=False)

    def run(*words: str, text: str = "", auth: str | None = None) -> Done:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        if auth:
            monkeypatch.setenv("TAMIZ_AUTH", auth)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(words)
        out, err = capsys.readouterr()
        return Done(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Any]]:
    running: list[subprocess.Popen[str]] = []

    def begin(*words: str, port: int, **more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tamiz", "serve", "--port", str(port), *words]
        one = subprocess.Popen(command, env=environment | more, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        running.append(one)
        end = time.monotonic() + 20
        while time.monotonic() < end and one.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=1).close()
                return one
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"the service did not start: {one.stderr.read() if one.stderr and one.poll() is not None else ''}")

    yield begin
    for one in running:
        if one.poll() is None:
            one.kill()
        one.wait()
        if one.stderr:
            one.stderr.close()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class TestServe:
    def test_a_port_in_use_is_named(self, tamiz: Run) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            done = tamiz("serve", "--port", str(port))
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: Port {port} on 127.0.0.1 is in use")

    def test_does_not_listen_beyond_this_machine_without_keys(self, tamiz: Run) -> None:
        done = tamiz("serve", "--host", "0.0.0.0", "--port", str(free_port()))
        assert (done.returncode, "tamiz keys create" in done.stderr) == (2, True)

    def test_without_keys_asked_for_never_listens_beyond_this_machine(self, tamiz: Run) -> None:
        tamiz("keys", "create", "--scope", "score")
        done = tamiz("serve", "--host", "0.0.0.0", "--port", str(free_port()), auth="dev")
        assert (done.returncode, "TAMIZ_AUTH=dev" in done.stderr) == (2, True)

    def test_an_unknown_way_to_authenticate_is_refused(self, tamiz: Run) -> None:
        done = tamiz("serve", "--port", str(free_port()), auth="none")
        assert done.returncode == 2
        assert "required or dev" in done.stderr

    def test_two_on_one_folder_share_policy_and_ledger_and_stop_on_ctrl_c(self, start: Any) -> None:
        ports = free_port(), free_port()
        both = [start(port=port, TAMIZ_AUTH="dev") for port in ports]
        first = call(ports[0], "/v1/score", {"lead": {"lead_id": "ana"}})
        call(ports[0], "/v1/policy", {"policy": {"mql": {"enter": 0, "exit": 0}, "sql": {"enter": 0, "exit": 0}}}, "PUT")
        second = call(ports[1], "/v1/score", {"lead": {"lead_id": "ana"}})
        assert second["previous_decision"] == first["decision"]
        assert (second["decision"], second["receipt"]["policy_version"]) == ("sql", "1")
        for one in both:
            one.send_signal(signal.SIGINT)
        said = [one.communicate(timeout=15)[1] for one in both]
        assert [one.returncode for one in both] == [0, 0]
        assert not any("Traceback" in text for text in said)

    def test_several_workers_answer_on_one_port(self, start: Any) -> None:
        port = free_port()
        service = start("--workers", "2", port=port, TAMIZ_AUTH="dev")
        assert call(port, "/v1/score", {"lead": {"lead_id": "ana"}})["receipt"]["model_version"] == "1"
        service.send_signal(signal.SIGINT)
        _, said = service.communicate(timeout=20)
        assert service.returncode == 0
        assert "Traceback" not in said


class TestKeys:
    def test_an_unknown_scope_is_named(self, tamiz: Run) -> None:
        done = tamiz("keys", "create", "--scope", "everything")
        assert (done.returncode, "everything" in done.stderr) == (2, True)

    @pytest.mark.parametrize("expires", ["yesterday", "2001-01-01", "0d", "-3d"])
    def test_an_expiry_that_is_none_is_refused(self, tamiz: Run, expires: str) -> None:
        assert tamiz("keys", "create", "--scope", "score", "--expires", expires).returncode == 2

    def test_an_unknown_key_cannot_be_revoked(self, tamiz: Run) -> None:
        assert tamiz("keys", "revoke", "tmz_00000000").returncode == 2

    def test_a_key_is_shown_once_listed_without_its_secret_and_revoked(self, tamiz: Run, home: Path) -> None:
        key = tamiz("keys", "create", "--scope", "score", "--scope", "read", "--expires", "30d", "--note", "CRM").stdout.strip()
        prefix, secret = key.split(".")
        listed = tamiz("keys", "list", "--json").stdout
        (found,) = json.loads(listed)
        assert (found["prefix"], found["scopes"], found["state"], found["note"]) == (prefix, "read score", "in force", "CRM")
        assert secret not in listed
        assert secret.encode() not in (home / "tamiz.db").read_bytes()
        assert tamiz("keys", "revoke", prefix).returncode == 0
        assert "revoked" in tamiz("keys", "list").stdout


class TestRotation:
    def test_an_unknown_key_and_an_unreadable_grace_are_refused(self, tamiz: Run) -> None:
        assert "tmz_0" in tamiz("keys", "rotate", "tmz_0").stderr
        assert tamiz("keys", "rotate", "tmz_0", "--grace", "soon").stderr.startswith("error: 'soon' is no time to go on")

    def test_old_and_new_key_work_until_the_grace_is_over(self, tamiz: Run, home: Path) -> None:
        old = tamiz("keys", "create", "--scope", "read", "--note", "CRM", "--rate", "600").stdout.strip()
        kept = tamiz("keys", "rotate", old.partition(".")[0])
        new = kept.stdout.strip()
        assert "ends 20" in kept.stderr
        assert works(home, old)
        assert works(home, new)
        ended = tamiz("keys", "rotate", new, "--grace", "0d").stdout.strip()
        assert not works(home, new)
        assert works(home, ended)
        listed = json.loads(tamiz("keys", "list", "--json").stdout)
        assert [one["replaces"] for one in listed] == ["", old.partition(".")[0], new.partition(".")[0]]
        assert {(one["scopes"], one["rate"], one["note"]) for one in listed} == {("read", "600 a minute", "CRM")}
        assert tamiz("keys", "rotate", new).returncode == 2

    def test_the_audit_tells_who_did_it_and_no_secret(self, tamiz: Run) -> None:
        key = tamiz("keys", "create", "--scope", "read").stdout.strip()
        tamiz("keys", "revoke", key)
        told = tamiz("audit").stdout
        assert [line.split()[2] for line in told.splitlines()] == ["key.revoked", "key.created"]
        assert key.partition(".")[0] in told
        assert key.partition(".")[2] not in told
        assert json.loads(tamiz("audit", "--json", "--limit", "1").stdout)["action"] == "key.revoked"
        assert tamiz("audit", "--action", "policy").stdout == ""


def works(home: Path, key: str) -> bool:
    with TestClient(create_app(Settings(home)), base_url="http://tamiz.example") as client:
        return bool(client.get("/v1/policy", headers={"Authorization": f"Bearer {key}"}).status_code == 200)


class TestPolicy:
    def test_a_policy_that_cannot_be_is_refused(self, tamiz: Run, tmp_path: Path) -> None:
        (tmp_path / "p.json").write_text('{"mql": {"enter": 0.2, "exit": 0.3}, "sql": {"enter": 0.5, "exit": 0.4}}')
        done = tamiz("policy", "set", "p.json")
        assert done.returncode == 2
        assert "exit 0.3 is above enter 0.2" in done.stderr
        assert tamiz("policy", "set", "absent.json").returncode == 2

    def test_going_back_from_nothing_or_from_the_first_says_so(self, tamiz: Run) -> None:
        none = tamiz("policy", "rollback")
        assert (none.returncode, "no policy has been published yet" in none.stderr) == (2, True)
        publish(tamiz, 0.3)
        first = tamiz("policy", "rollback")
        assert first.returncode == 2
        assert first.stderr.startswith("error: There is nothing to go back to: version 1 says what the first published policy said.")

    def test_the_first_publication_shows_what_differs_from_the_default(self, tamiz: Run) -> None:
        done = publish(tamiz, 0.3)
        assert done.stdout.strip() == "version 1 is in force"
        assert "mql.enter: 0.2 -> 0.3" in done.stderr

    def test_what_is_in_force_already_is_not_published_again(self, tamiz: Run) -> None:
        publish(tamiz, 0.3)
        again = publish(tamiz, 0.3)
        assert (again.returncode, again.stdout.strip()) == (0, "version 1 is in force")
        assert "nothing changed" in again.stderr
        assert len(tamiz("policy", "history").stdout.splitlines()) == 1

    def test_going_back_twice_goes_back_two_steps(self, tamiz: Run) -> None:
        for threshold in (0.3, 0.35, 0.4):
            publish(tamiz, threshold)
        once = tamiz("policy", "rollback")
        assert "mql.enter: 0.4 -> 0.35" in once.stderr
        assert once.stdout.strip() == "version 4 is in force, with what version 2 said"
        assert tamiz("policy", "rollback").stdout.strip() == "version 5 is in force, with what version 1 said"
        assert json.loads(tamiz("policy", "show").stdout)["mql"]["enter"] == 0.3

    def test_what_is_shown_can_be_changed_set_and_rolled_back(self, tamiz: Run) -> None:
        policy = json.loads(tamiz("policy", "show").stdout)
        assert policy["mql"]["enter"] == 0.2
        publish(tamiz, 0.3, "--author", "ana", "--note", "fewer")
        publish(tamiz, 0.4, "--author", "bea")
        assert tamiz("policy", "rollback", "--author", "cleo").returncode == 0
        assert json.loads(tamiz("policy", "show").stdout)["mql"]["enter"] == 0.3
        history = tamiz("policy", "history").stdout.splitlines()
        assert [line.split()[0] for line in history] == ["3", "2", "1"]
        assert ("cleo" in history[0], "bea" in history[1], "ana  fewer" in history[2]) == (True, True, True)


def publish(tamiz: Run, mql: float, *words: str) -> Done:
    policy = {"mql": {"enter": mql, "exit": 0.1}, "sql": {"enter": 0.5, "exit": 0.45}}
    return tamiz("policy", "set", "-", *words, text=json.dumps(policy))


def call(port: int, path: str, body: dict[str, Any], method: str = "POST") -> Any:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), {"If-Match": "*"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())
