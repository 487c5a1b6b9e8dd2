"""What the serving process loads: a service that starts in a second cannot afford pandas."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_IN_THE_SERVICE = {"pandas", "sklearn", "lightgbm", "mlflow", "pyarrow", "duckdb", "plotly", "scipy", "matplotlib"}


@pytest.mark.skipif(not (ROOT / "serving" / "app.py").exists(), reason="serving/app.py does not exist yet")
def test_the_service_imports_no_table_and_no_estimator_library() -> None:
    assert modules_after("import serving.app") & NOT_IN_THE_SERVICE == set()


@pytest.mark.skipif(not (ROOT / "models" / "scoring.py").exists(), reason="models/scoring.py does not exist yet")
def test_scoring_a_request_imports_no_table_and_no_estimator_library() -> None:
    assert modules_after("import models.scoring") & NOT_IN_THE_SERVICE == set()


def test_the_check_sees_a_library_that_was_imported() -> None:
    assert "pandas" in modules_after("import pandas")


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in done.stdout.split()}
