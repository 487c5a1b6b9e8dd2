"""Where nothing may be missing, what skips fails; elsewhere it says why it skipped."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("required", "exit_code", "says"), [("1", 1, "may not be skipped"), ("0", 0, "1 skipped")])
def test_a_missing_browser_fails_only_where_everything_is_required(tmp_path: Path, required: str, exit_code: int, says: str) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path / "conftest.py")
    (tmp_path / "test_page.py").write_text("import pytest\n\n@pytest.mark.skip(reason='no browser here')\ndef test_page(): pass\n")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path)],
        env=os.environ | {"TAMIZ_REQUIRE_ALL": required},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == exit_code, done.stdout
    assert says in done.stdout
    assert "no browser here" in done.stdout
