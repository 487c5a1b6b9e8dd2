"""The documents against the product: what exists is documented, what is documented exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import fields

import tamiz
from data.contracts import TABLES
from data.home import OF_THE_TESTS, SETTINGS
from data.project import _Document
from serving.app import create_app
from serving.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
LARGEST_IMAGE = 250_000


def tree() -> list[str]:
    """The paths that the README's captioned tree names, each with its folder in front."""
    listing = README.partition("## What is where")[2].partition("```")[2].partition("```")[0]
    named, folder = [], ""
    for line in listing.strip().splitlines():
        names = re.split(r"\s{2,}", line.strip())[0].split()
        if not line.startswith(" "):
            folder = names[0] if names[0].endswith("/") else ""
            named.append(names[0])
        else:
            named += [folder + name for name in names]
    return named


def endpoints(tmp_path: Path) -> set[str]:
    paths = create_app(Settings(home=tmp_path)).openapi()["paths"]
    return {f"{method.upper()} {path}" for path, operations in paths.items() for method in operations}


def test_everything_in_the_tree_exists() -> None:
    assert len(tree()) > 40
    assert [name for name in tree() if not (ROOT / name).exists()] == []


def test_the_tree_names_every_file_and_folder_at_the_top() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone: there is no list of what belongs to the repository")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    tops = {name.partition("/")[0] + ("/" if "/" in name else "") for name in tracked} - {".ci/"}
    assert tops | {".ci/run"} <= set(tree())


def test_every_line_of_the_tree_has_a_caption() -> None:
    listing = README.partition("## What is where")[2].partition("```")[2].partition("```")[0]
    assert [line for line in listing.strip().splitlines() if not re.search(r"\S\s{2,}\w", line)] == []


def test_every_setting_is_in_the_readme() -> None:
    assert {one.variable for one in SETTINGS} | set(OF_THE_TESTS) <= set(re.findall(r"`([A-Z_]+)`", README))


def test_every_endpoint_is_in_the_readme_and_no_other(tmp_path: Path) -> None:
    assert set(re.findall(r"^\| `([A-Z]+ /\S+)` \|", README, flags=re.MULTILINE)) == endpoints(tmp_path)


def test_every_endpoint_is_explained(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "api.md").read_text()
    assert {one for one in endpoints(tmp_path) if one.partition(" ")[2] not in text} == set()


def test_every_table_and_column_is_explained() -> None:
    text = (ROOT / "docs" / "data.md").read_text()
    for table in TABLES.values():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{table.name}` |"))
        assert set(table.columns) <= set(re.findall(r"`(\w+)`", row)), table.name


def test_every_key_of_a_project_is_explained() -> None:
    text = (ROOT / "docs" / "data.md").read_text()
    for section in fields(_Document):
        rows = " ".join(line for line in text.splitlines() if line.startswith(f"| `[{section.name}]"))
        assert rows, f"[{section.name}]"
        for key in fields(section.type) if hasattr(section.type, "__struct_fields__") else ():  # [topics] has the installation's own keys
            assert re.search(rf"[` ]{key.name}`", rows), f"[{section.name}] {key.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_images_lead_somewhere(page: Path) -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)", page.read_text()) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_images_are_small_and_used() -> None:
    text = "".join(page.read_text() for page in PAGES)
    for image in (ROOT / "docs" / "images").iterdir():
        assert image.stat().st_size <= LARGEST_IMAGE, image.name
        assert image.name in text, f"nobody shows {image.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_shows_exists(page: Path) -> None:
    shown = set(re.findall(r"(?:^|`|\(|/)tamiz ([a-z]+)\b", page.read_text(), flags=re.MULTILINE))
    assert shown <= set(tamiz.COMMANDS)
