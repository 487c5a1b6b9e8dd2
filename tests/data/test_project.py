from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.errors import BadUsage, TamizError
from data.project import BadProject, load_declared, load_project

Write = Callable[[str], Path]
SMALL = "[data]\nleads = \"SELECT * FROM 'leads.csv'\"\noutcomes = \"SELECT * FROM 'outcomes.csv'\"\n"


@pytest.fixture
def toml(tmp_path: Path) -> Write:
    def write(content: str) -> Path:
        path = tmp_path / "tamiz.toml"
        path.write_text(content, encoding="utf-8")
        return path

    return write


def test_a_missing_project_is_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match="there is no project file"):
        load_project(tmp_path / "tamiz.toml")
    with pytest.raises(BadUsage, match=r"give the tamiz\.toml in it"):
        load_project(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[data\n", "this is not TOML"),
        ("", r"no leads = .* in \[data\]"),
        ("[data]\nactivities = 'SELECT 1'\n", r"no leads = .* in \[data\]"),
        ("[dta]\nleads = 'SELECT 1'\n", r"unknown section \[dta\]; did you mean 'data'"),
        ("[data]\nleads = 'SELECT 1'\noutcome = 'SELECT 1'\n", r"unknown key 'outcome' in \[data\]; did you mean 'outcomes'"),
        (SMALL + "[label]\nhorizon = 90\n", r"unknown key 'horizon' in \[label\]; did you mean 'horizon_days'"),
        (SMALL + "[label]\nhorizon_days = 'ninety'\n", r"\[label\] horizon_days expected `float`, got `str`"),
        (SMALL + "[label]\nhorizon_days = 0\n", "more than 0"),
        (SMALL + "[observations]\nages_days = []\n", "at least one age"),
        (SMALL + "[observations]\nages_days = [1, -1]\n", "none is negative"),
        (SMALL + "[observations]\nages_days = [1, 1]\n", "an age twice"),
        (SMALL + "[observations]\nactivity_instants = -1\n", "0 or more"),
        (SMALL + "max_bad_share = 1.5\n", "share between 0 and 1"),
        (SMALL + "timezone = 'Europe/Atlantis'\n", "'Europe/Atlantis' is no known zone"),
        (SMALL + "[stages]\nwon = ['Won']\n", r"needs \[data\] stage_changes"),
        (SMALL + "stage_changes = 'SELECT 1'\n[stages]\nwon = ['Over']\nlost = ['Over']\n", "Over is both won and lost"),
        ("[data]\nleads = 'SELECT 1'\n", "nothing says who converted"),
        ("[data]\nleads = 'SELECT 1'\nstage_changes = 'SELECT 1'\n", r"\[stages\] won must name"),
        (
            SMALL + "[bant]\nmoney = 'job_title'\n",
            r"unknown key 'money' in \[bant\]; known are budget, authority, need, timeline, not_evidence",
        ),
        (SMALL + "[bant]\nbudget = ['spend']\nneed = 'spend'\n", r"\[bant\] spend is both budget and need"),
        (SMALL + "[bant]\nbudget = 'spend'\nnot_evidence = ['spend']\n", r"\[bant\] spend is both budget and not_evidence"),
        (SMALL + "[bant]\nbudget = ['']\n", r"\[bant\] budget holds an empty name"),
        (SMALL + "[topics]\npricing = '/precios?utm=1'\n", r"'/precios\?utm=1' is no pattern of a path"),
        (SMALL + "[topics]\npricing = 'https://acme.example/precios'\n", "holds neither host nor query"),
        (SMALL + "[topics]\npricing = []\n", r"\[topics\] pricing needs patterns of paths"),
        (SMALL + "[topics]\n'our prices' = '/precios'\n", "'our prices' is no name for a topic"),
        (SMALL + "[topics]\nother = '/precios'\n", "choose another name"),
        (SMALL + "[topics]\npricing = '/precios'\nplans = '/precios'\n", "stands under both pricing and plans"),
        (SMALL + "[topics]\ndefaults = 'no'\n", "defaults is true or false"),
        (SMALL + "[topics]\npricing = 3\n", r"\[topics\]"),
        ("topics = 3\n" + SMALL, "topics must be a section"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(toml: Write, content: str, words: str) -> None:
    with pytest.raises(BadProject, match=words) as said:
        load_project(toml(content))
    assert said.value.exit_code == 2
    assert "tamiz.toml" in str(said.value)


def test_an_unset_variable_in_sql_is_named(toml: Write) -> None:
    path = toml("[data]\nleads = \"SELECT * FROM '${CRM_FOLDER}/leads.csv'\"\noutcomes = 'SELECT 1'\n")
    with pytest.raises(TamizError, match=r"leads uses .*CRM_FOLDER is not set"):
        load_project(path, {})
    assert load_project(path, {"CRM_FOLDER": "/crm"}).queries["leads"] == "SELECT * FROM '/crm/leads.csv'"


def test_defaults_are_those_of_the_handbook(toml: Write) -> None:
    project = load_project(toml(SMALL))
    assert list(project.queries) == ["leads", "outcomes"]
    assert (project.horizon_days, project.ages_days, project.activity_instants) == (90, (0, 1, 3, 7, 14, 30, 60), 3)
    assert (project.timezone, project.until, project.max_bad_share) == ("UTC", None, 0.01)


def test_everything_that_can_be_said_is_read(toml: Write) -> None:
    project = load_project(
        toml(
            SMALL
            + """stage_changes = "SELECT * FROM 'stages.csv'"
until = 2026-06-30T00:00:00Z
timezone = "Europe/Madrid"
setup = "LOAD icu"
missing = ["n/a"]
[leads]
static = ["country"]
[activities]
imported = true
[stages]
won = ["Closed won"]
[label]
horizon_days = 30
[observations]
ages_days = [7, 0.5]
[bant]
authority = "job_title"
need = ["pain", "use_case"]
budget = []
not_evidence = "need_by_region"
[topics]
pricing = ["/precios", "/tarifas/*"]
stores = "*/tiendas"
[settings]
home = "elsewhere"
"""
        )
    )
    assert project.until == datetime(2026, 6, 30, tzinfo=UTC)
    assert project.ages_days == (0.5, 7)
    assert project.bant == {"budget": (), "authority": ("job_title",), "need": ("pain", "use_case")}
    assert project.not_evidence == ("need_by_region",)
    assert (project.topics, project.default_topics) == ({"pricing": ("/precios", "/tarifas/*"), "stores": ("*/tiendas",)}, True)
    assert project.setup == ("LOAD icu",)
    assert project.imported
    assert project.won == ("Closed won",)


def test_what_is_declared_can_be_read_alone(toml: Write) -> None:
    path = toml("[bant]\nbudget = 'spend'\n[topics]\ndefaults = false\npricing = '/precios'\n")
    declared = load_declared(path)
    assert declared.bant == {"budget": ("spend",)}
    assert (declared.topics, declared.default_topics) == ({"pricing": ("/precios",)}, False)
    with pytest.raises(BadProject, match="did you mean 'budget'"):
        load_declared(toml("[bant]\nbudgets = 'spend'\n"))
