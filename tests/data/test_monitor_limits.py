from __future__ import annotations

from pathlib import Path

import pytest

from data.monitor_limits import BadLimit, Limits, read_limits

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[monitor]\npsy = 0.1", "unknown field `psy`"),
        ('[monitor]\npsi = "high"', "Expected `float`"),
        ("[monitor]\nlag_hours = -1", "cannot be negative"),
        ("[monitor]\nscore_psi = nan", "cannot be negative"),
        ("[monitor]\ndays = 0", "more than 0"),
        ("monitor = 3", "Expected `object`"),
        ("[monitor", "tamiz.toml"),
    ],
)
def test_what_is_no_limit_is_named_with_the_file(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "tamiz.toml").write_text(text)
    with pytest.raises(BadLimit) as refusal:
        read_limits(tmp_path)
    assert says in str(refusal.value)
    assert "tamiz.toml" in str(refusal.value)


def test_without_a_file_or_a_table_the_defaults_hold(tmp_path: Path) -> None:
    assert read_limits(tmp_path) == Limits()
    (tmp_path / "tamiz.toml").write_text("[settings]\nhome = 'var'\n")
    assert read_limits(tmp_path) == Limits()


def test_what_is_written_holds_and_the_rest_stays(tmp_path: Path) -> None:
    (tmp_path / "tamiz.toml").write_text("[monitor]\npsi = 0.1\ndead_messages = 5\n")
    assert read_limits(tmp_path) == Limits(psi=0.1, dead_messages=5)


def test_every_limit_is_explained() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    assert [name for name in Limits.__struct_fields__ if f"`{name}`" not in text] == []
