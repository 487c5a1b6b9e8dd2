"""What a stranger finds on cloning: locked packages, targets and commands that explain themselves, no trace of one machine."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# Written apart, so that this file does not find itself.
INDEXES = re.compile(
    "|".join(
        [
            r"\bpypi\.(org|io)\b",
            r"python[h]osted\.org",
            r"npm[j]s\.",
            r"js[d]elivr",
            r"un[p]kg\.com",
            r"cdn[j]s",
            r"/[s]imple\b",
            r"--(extra-)?[i]ndex-url",
            r"--[f]ind-links",
        ]
    )
)
MACHINES = re.compile(r"(?<![\w.}~-])/(?:work|root|tmp|Users/\w+|home/\w+)(?=[/\s\"'`):,;]|$)|\.\./" + "shared", re.MULTILINE)


def files() -> list[Path]:
    """Every text file of the repository, those not yet added too; without git, whatever is not built or kept."""
    if (ROOT / ".git").exists():
        listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
        paths = [ROOT / name for name in names if name]
    else:
        built = {"var", "build", "tamiz.egg-info"}
        tops = [top for top in ROOT.iterdir() if top.name not in built and (not top.name.startswith(".") or top.is_file())]
        paths = [path for top in tops for path in [top, *top.rglob("*")] if "__pycache__" not in path.parts]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:8192]]


def places(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in files():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    return found


def requirements() -> list[str]:
    """The lock's requirements, each with its hashes on one line."""
    lines = (ROOT / "requirements.lock").read_text().replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def targets() -> dict[str, str]:
    """The Makefile's targets and what `make help` says of them."""
    rules = re.findall(r"^([a-zA-Z][\w-]*):(?!=)(.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    return {name: rest.partition("## ")[2] for name, rest in rules}


def test_every_locked_package_is_pinned_and_hashed() -> None:
    assert len(requirements()) > 50
    for requirement in requirements():
        assert re.match(r"[a-z0-9][a-z0-9._-]*==\S+ ", requirement), requirement
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", requirement), requirement


def test_the_lock_holds_what_the_project_asks_for_and_what_building_it_needs() -> None:
    locked = {requirement.split("==")[0] for requirement in requirements()}
    asked = PYPROJECT["project"]["dependencies"] + PYPROJECT["project"]["optional-dependencies"]["dev"]
    names = {re.split(r"[<>=!~;\[ ]", text)[0].lower() for text in asked}

    assert names | {"setuptools", "wheel"} <= locked


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml", "Makefile", ".ci/run"])
def test_how_packages_are_installed_names_no_address(name: str) -> None:
    assert "://" not in (ROOT / name).read_text()


def test_no_file_names_a_package_index_or_a_cdn() -> None:
    assert places(INDEXES) == []


def test_no_file_names_a_folder_of_somebodys_machine() -> None:
    assert places(MACHINES) == []


@pytest.mark.parametrize(
    "line", ["open('/" + "tmp/x')", "cd /" + "work/main", "see ../" + "shared/notes", "`/" + "home/ana/leads.csv`", "/" + "root/.cache"]
)
def test_the_check_sees_a_folder_of_somebodys_machine(line: str) -> None:
    assert MACHINES.search(line)


@pytest.mark.parametrize("line", ["GET /v1/policy", "var/tmp/x", "https://example.org/home", "a/work/b", '@router.get("/")'])
def test_the_check_leaves_other_paths_alone(line: str) -> None:
    assert not MACHINES.search(line)


@pytest.mark.parametrize(
    "line", ["https://py" + "pi.org/", "pip install --extra-" + "index-url x", "https://cdn.js" + "delivr.net/x.js", "--" + "find-links x"]
)
def test_the_check_sees_an_index_or_a_cdn(line: str) -> None:
    assert INDEXES.search(line)


@pytest.mark.parametrize("name", sorted(targets()))
def test_make_help_explains_every_target(name: str) -> None:
    assert len(targets()[name].split()) >= 3
    assert f".PHONY: {name}\n" in (ROOT / "Makefile").read_text()


def test_make_offers_what_the_documents_promise() -> None:
    promised = {"help", "env", "lint", "format", "test", "test-slow", "check-real", "bench", "run", "lock", "clean"}
    assert promised <= set(targets())


def test_make_help_lists_every_target() -> None:
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[0] for line in said.splitlines()} == set(targets())


def test_real_data_without_a_folder_is_refused_with_what_to_do() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("check-real: env")[2]
    assert "make check-real TAMIZ_DATASETS=DIR" in recipe


def test_the_layers_have_no_exceptions() -> None:
    layers = [contract for contract in PYPROJECT["tool"]["importlinter"]["contracts"] if contract["type"] == "layers"]

    assert [contract["layers"] for contract in layers] == [["serving | training", "models", "features", "data"]]
    assert not {"ignore_imports", "allow_indirect_imports"} & set(layers[0])


def test_every_package_is_installed() -> None:
    installed = set(PYPROJECT["tool"]["setuptools"]["packages"])
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for package in ("data", "features", "models", "training", "serving")
        for path in (ROOT / package).rglob("__init__.py")
    }
    assert found == installed


def test_an_installation_has_every_page_and_template_of_the_repository() -> None:
    packages: list[str] = PYPROJECT["tool"]["setuptools"]["packages"]
    patterns: dict[str, list[str]] = PYPROJECT["tool"]["setuptools"]["package-data"]
    packaged = {
        path
        for package in packages
        for pattern in patterns["*"] + patterns.get(package, [])
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    tops = tuple(f"{package}/" for package in packages if "." not in package)
    owned = {path for path in files() if path.relative_to(ROOT).as_posix().startswith(tops) and path.suffix != ".py"}
    assert owned - packaged == set()


def test_the_tests_are_no_package() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_every_test_file_mirrors_a_source_or_names_a_behaviour() -> None:
    free = {"house", "behaviour", "browser", "faults", "fuzz"}
    strays = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests").rglob("test_*.py")
        if path.relative_to(ROOT).parts[1] not in free | {"data", "features", "models", "training", "serving", "benchmarks"}
    ]
    assert strays == []


def test_the_licence_is_the_one_that_the_project_states() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert PYPROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_changelog_tells_of_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in text
    assert PYPROJECT["project"]["version"] in text


def test_decisions_are_numbered_once_and_say_why() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    numbers = [path.name[:4] for path in records]

    assert numbers[0] == "0001"
    assert len(set(numbers)) == len(numbers)
    for path in records:
        assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name)
        for heading in ("## Context", "## Decision", "## Consequences"):
            assert heading in path.read_text(), f"{path.name} lacks {heading}"
