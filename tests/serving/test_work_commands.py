"""Jobs, webhooks and receivers from the shell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import tamiz
from serving.examples import PUSHED, RECEIVER

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Calls a command for this installation: its exit code, stdout and stderr."""
    for name in ("TAMIZ_DATABASE_URL", "TAMIZ_WEBHOOK_ALLOW", "TAMIZ_NIGHTLY", "TAMIZ_WORKER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TAMIZ_HOME", str(home))

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            tamiz.main(words)
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("jobs", "create", "dance"), "dance"),
        (("jobs", "watch", "job_x"), "no job 'job_x'"),
        (("jobs", "cancel", "job_x"), "no job 'job_x'"),
        (("worker", "--nightly", "late"), "no time of day"),
        (("webhooks", "create", "http://crm.example/"), "not https"),
        (("webhooks", "test", "we_x"), "no webhook 'we_x'"),
        (("webhooks", "remove", "we_x"), "no webhook 'we_x'"),
        (("receivers", "create"), "either --mapping FILE or --preset NAME"),
        (("receivers", "create", "--preset", "sap"), "no preset 'sap'"),
        (("receivers", "retry", "rc_x"), "no receiver 'rc_x'"),
        (("receivers", "revoke", "rc_x"), "no receiver 'rc_x'"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, words: tuple[str, ...], says: str) -> None:
    code, _, said = run(*words)
    assert code == 2
    assert says in said


def test_a_job_from_its_creation_to_its_end(run: Run) -> None:
    code, out, said = run("jobs", "create", "rescore")
    job_id = out.strip()
    assert (code, "No worker" in said) == (0, True)
    assert run("worker", "--once")[0] == 0
    code, _, said = run("jobs", "watch", job_id)
    assert (code, said.strip()) == (0, "done: 0 of 0 leads")
    assert job_id in run("jobs", "list")[1]


def test_one_that_was_cancelled_is_not_done(run: Run) -> None:
    job_id = run("jobs", "create", "decay", "--older-than", "0")[1].strip()
    assert "cancelled" in run("jobs", "cancel", job_id)[2]
    code, _, said = run("jobs", "watch", job_id)
    assert (code, "is cancelled" in said) == (1, True)


def test_a_webhook_and_its_secret(run: Run) -> None:
    code, out, _ = run("webhooks", "create", "https://crm.example/", "--decision", "mql", "--note", "CRM")
    webhook_id, secret = out.split()
    assert (code, secret.startswith("whsec_")) == (0, True)
    listed = run("webhooks", "list")[1]
    assert webhook_id in listed
    assert secret not in listed
    assert run("webhooks", "messages", webhook_id) == (0, "", "")
    assert "0 messages" in run("webhooks", "replay", webhook_id)[1]
    assert run("webhooks", "remove", webhook_id)[0] == 0


def test_a_mapping_is_tried_before_it_is_used(run: Run, tmp_path: Path) -> None:
    mapping, payload = tmp_path / "mapping.json", tmp_path / "payload.json"
    mapping.write_text(json.dumps(RECEIVER["mapping"]))
    payload.write_text(json.dumps(PUSHED))
    code, out, _ = run("receivers", "try", "--mapping", str(mapping), str(payload))
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["lead", "activity"]
    payload.write_text("{}")
    code, _, said = run("receivers", "try", "--mapping", str(mapping), str(payload))
    assert (code, "whose is it?" in said) == (1, True)
    receiver_id, path = run("receivers", "create", "--mapping", str(mapping))[1].split()
    assert path.startswith("/v1/hooks/")
    assert receiver_id in run("receivers", "list")[1]
    assert run("receivers", "change", receiver_id, "--preset", "odoo")[0] == 0
    assert run("receivers", "revoke", receiver_id)[0] == 0
