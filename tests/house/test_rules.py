"""The rules of the house that no linter knows, read from the syntax of every file, each with proof that it can say no."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.home import OF_THE_TESTS, SETTINGS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("data", "features", "models", "training", "serving")
SOURCES = [*(path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))), ROOT / "tamiz.py"]

CODE_CARRIERS = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "skops", "marshal", "shelve"}
CLOCKS = {"now", "utcnow", "today", "localtime", "gmtime", "time_ns", "perf_counter", "monotonic"}
DISTORTIONS = {
    "class_weight",
    "class_weights",
    "auto_class_weights",
    "compute_class_weight",
    "compute_sample_weight",
    "pos_weight",
    "resample",
    "unbalance",
    "is_unbalance",
    "scale_pos_weight",
    "pos_bagging_fraction",
    "neg_bagging_fraction",
    "imblearn",
    "SMOTE",
    "SMOTENC",
    "ADASYN",
    "RandomOverSampler",
    "RandomUnderSampler",
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def each(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=name_of(path)) for path in paths]


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every module that a file imports, wherever in the file it does so."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if called in {"import_module", "__import__"} and node.args and isinstance(node.args[0], ast.Constant):
                yield node.lineno, str(node.args[0].value)


def imported_of(tree: ast.AST, libraries: set[str]) -> list[str]:
    return [f"line {line}: imports {module}" for line, module in imports(tree) if module.split(".")[0] in libraries]


def clock_reads(tree: ast.AST) -> list[str]:
    found = imported_of(tree, {"time"})
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS:
            found.append(f"line {node.lineno}: .{node.attr}")
        if isinstance(node, ast.Call) and any(isinstance(value, ast.Constant) and value.value in {"now", "today"} for value in node.args):
            found.append(f'line {node.lineno}: a call with "now" or "today"')
    return found


def distortions(tree: ast.AST) -> list[str]:
    found = imported_of(tree, {"imblearn"})
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg=str(word)) | ast.Name(id=word) | ast.Attribute(attr=word) | ast.arg(arg=word):
                pass
            case ast.Constant(value=str(word)):
                pass
            case _:
                continue
        if word in DISTORTIONS:
            found.append(f"line {getattr(node, 'lineno', '?')}: {word}")
    return found


def code_loads(tree: ast.AST) -> list[str]:
    found = imported_of(tree, CODE_CARRIERS)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in {"read_pickle", "to_pickle"}:
            found.append(f"line {node.lineno}: .{node.attr}")
        if (
            isinstance(node, ast.keyword)
            and node.arg == "allow_pickle"
            and not (isinstance(node.value, ast.Constant) and node.value.value is False)
        ):
            found.append(f"line {node.value.lineno}: allow_pickle")
    return found


def silenced_without_reason(source: str) -> list[str]:
    found = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or not re.search(r"#\s*(noqa|type:\s*ignore)", token.string):
            continue
        reason = re.sub(r"#\s*(noqa(:\s*[A-Z]+[0-9]+([,\s]+[A-Z]+[0-9]+)*)?|type:\s*ignore(\[[\w, -]*\])?)", "", token.string)
        if len(re.findall(r"[A-Za-z]{2,}", reason)) < 2:
            found.append(f"line {token.start[0]}: {token.string}")
    return found


@pytest.mark.parametrize("path", each(SOURCES))
def test_nothing_that_is_loaded_can_run_code(path: Path) -> None:
    assert code_loads(ast.parse(path.read_text())) == []


@pytest.mark.parametrize("path", each(SOURCES))
def test_no_class_weights_and_no_resampling_distort_the_probability(path: Path) -> None:
    assert distortions(ast.parse(path.read_text())) == []


@pytest.mark.parametrize("path", each([path for path in SOURCES if path.is_relative_to(ROOT / "features")]))
def test_no_signal_reads_a_clock(path: Path) -> None:
    assert clock_reads(ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    "path",
    each([path for path in SOURCES if not path.is_relative_to(ROOT / "training") and path != ROOT / "models" / "registry.py"]),
)
def test_only_training_and_the_registry_import_mlflow(path: Path) -> None:
    assert imported_of(ast.parse(path.read_text()), {"mlflow"}) == []


@pytest.mark.parametrize("path", each([*SOURCES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "benchmarks").rglob("*.py"))]))
def test_whoever_silences_a_checker_says_why_on_the_same_line(path: Path) -> None:
    assert silenced_without_reason(path.read_text()) == []


@pytest.mark.parametrize("path", each([path for path in SOURCES if path != ROOT / "data" / "home.py"]))
def test_every_variable_that_the_code_speaks_of_is_a_setting_that_tamiz_config_shows(path: Path) -> None:
    spoken_of = set(re.findall(r"\bTAMIZ_[A-Z][A-Z_]*[A-Z]\b", path.read_text()))
    assert spoken_of <= {setting.variable for setting in SETTINGS} | OF_THE_TESTS


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "def load():\n    from joblib import load",
        "import_module('cloudpickle')",
        "pd.read_pickle(path)",
        "np.load(path, allow_pickle=True)",
        "import skops.io",
    ],
)
def test_the_check_sees_what_could_run_code(source: str) -> None:
    assert code_loads(ast.parse(source))


@pytest.mark.parametrize(
    "source",
    ["datetime.now(UTC)", "date.today()", "import time", "from time import time", "np.datetime64('now')", "pd.Timestamp.utcnow()"],
)
def test_the_check_sees_a_clock(source: str) -> None:
    assert clock_reads(ast.parse(source))


@pytest.mark.parametrize(
    "source",
    [
        "LogisticRegression(class_weight='balanced')",
        "{'is_unbalance': True}",
        "params['scale_pos_weight'] = 9",
        "CatBoostClassifier(auto_class_weights='Balanced')",
        "SMOTE().fit(X, y)",
        "resample(X[y == 1], n_samples=len(X))",
    ],
)
def test_the_check_sees_a_distorted_probability(source: str) -> None:
    assert distortions(ast.parse(source))


def test_the_check_sees_a_silenced_checker_without_a_reason() -> None:
    silent = "x = f()  # " + "noqa: BLE001\ny = g()  # " + "type: ignore[attr-defined]\n"
    spoken = "x = f()  # " + "noqa: BLE001 - the last resort\ny = g()  # " + "type: ignore[attr-defined]  # the stubs lack it\n"

    assert len(silenced_without_reason(silent)) == 2
    assert silenced_without_reason(spoken) == []
