"""`tamiz signals`: the catalogue as people read it, and what it says of a customer's own data."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import tamiz
from data.project import load_project
from data.sources import load_tables
from data.synthetic import simulate
from features.bant import DIMENSIONS
from features.catalogue import catalogue
from features.catalogue_table import as_markdown, entries, reads_of
from features.feeding import Check, check
from features.feeding_text import as_text
from features.signal import FAMILIES
from features.topics import TOPICS

ROOT = Path(__file__).resolve().parents[2]
LEADS = "lead_id,created_at,country\n1,2026-01-01T00:00:00Z,ES\n2,2026-01-01T00:00:00Z,PT\n"
ACTIVITIES = "lead_id,occurred_at,type\n1,2026-01-02T10:20:30Z,page_view\n"
OUTCOMES = "lead_id,converted_at\n1,2026-03-01T00:00:00Z\n"

Run = Callable[..., tuple[int, str, str]]
Checked = Callable[..., Check]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Call `tamiz signals` in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TAMIZ_DEBUG", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            tamiz.main(["signals", *arguments])
        said = capsys.readouterr()
        return int(stopped.value.code or 0), said.out, said.err

    return call


def write(folder: Path, toml: str = "", **files: str) -> Path:
    """A project of CSV files; an empty one is not in it."""
    files = {"leads": LEADS, "activities": ACTIVITIES, "outcomes": OUTCOMES} | files
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content, encoding="utf-8")
    queries = "".join(f"{name} = \"SELECT * FROM '{name}.csv'\"\n" for name, content in files.items() if content)
    (folder / "tamiz.toml").write_text(f"[data]\n{queries}{toml}", encoding="utf-8")
    return folder / "tamiz.toml"


@pytest.fixture
def checked(tmp_path: Path) -> Checked:
    """Check a project of CSV files, some of them given."""

    def call(toml: str = "", **files: str) -> Check:
        project = load_project(write(tmp_path, toml, **files))
        return check(project, load_tables(project))

    return call


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated CRM of 300 leads."""
    folder = tmp_path_factory.mktemp("world") / "crm"
    simulate(folder, leads=300, seed=7)
    return folder / "tamiz.toml"


def done(*rows: str, when: str = "2026-01-02T10:20:30Z", columns: str = "type,url,content,value,automated") -> str:
    """Activities of lead 1."""
    return f"lead_id,occurred_at,{columns}\n" + "".join(f"1,{when},{row}\n" for row in rows)


def states(found: Check) -> dict[str, str]:
    return {one.name: one.state for one in found.signals}


def missing(found: Check, name: str) -> str:
    return "; ".join(next(one for one in found.signals if one.name == name).missing)


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--family", "intention"], "error: There is no family of signals called intention: the families are fit, budget,"),
            (["--json", "--markdown"], "error: --json and --markdown are two ways"),
            (["--family", "fit", "check"], "error: options of the catalogue do not apply to `tamiz signals check`"),
            (["tamiz.toml"], "error: No such command 'tamiz.toml'"),
            (["check"], "error: there is no project file"),
            (["check", "nowhere.toml"], "error: there is no project file"),
        ],
    )
    def test_a_mistake_is_one_line_and_exit_2(self, run: Run, arguments: list[str], said: str) -> None:
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith(said)
        assert err.count("\n") == 1

    def test_a_file_that_is_not_there_is_named(self, run: Run, tmp_path: Path) -> None:
        write(tmp_path)
        (tmp_path / "activities.csv").unlink()
        code, out, err = run("check")
        assert (code, out) == (2, "")
        assert "error: the query for activities" in err

    def test_no_leads_at_all(self, run: Run, tmp_path: Path) -> None:
        write(tmp_path, leads="lead_id\n", activities="", outcomes=OUTCOMES)
        code, _, err = run("check")
        assert code == 2
        assert "gives no rows" in err

    def test_rows_that_cannot_be_used_are_counted(self, run: Run, tmp_path: Path) -> None:
        write(tmp_path, "max_bad_share = 0.9\n", activities=ACTIVITIES + "nobody,2026-01-02T10:00:00Z,page_view\n")
        code, _, err = run("check")
        assert code == 0
        assert "1 rows cannot be used" in err


class TestWhatIsEmpty:
    def test_without_activities_only_columns_feed_anything(self, checked: Checked) -> None:
        found = checked(activities="", leads="lead_id,created_at,annual_revenue\n1,2026-01-01,5e7\n2,2026-01-01,6e7\n")
        fed = {name for name, state in states(found).items() if state != "empty"}

        assert fed == {"company_revenue", "revenue_band", "lead_age"}
        assert "activities of type page_view with a url about pricing" in missing(found, "budget_strength")

    def test_a_column_under_another_name_is_guessed(self, checked: Checked) -> None:
        found = checked(leads="lead_id,title\n1,CEO\n2,CTO\n")
        assert states(found)["seniority"] == "empty"
        assert missing(found, "seniority") == "the column job_title in leads (is it your title?)"

    def test_a_column_that_holds_nothing_is_as_good_as_none(self, checked: Checked) -> None:
        found = checked(leads="lead_id,created_at,job_title,signed\n1,2026-01-01,,2026-02-01\n2,2026-01-01,,2026-02-01\n")
        assert missing(found, "seniority") == "the column job_title in leads"
        assert found.ignored == ("job_title", "signed")

    def test_titles_that_nobody_understands_are_there_and_say_nothing(self, checked: Checked) -> None:
        found = checked(leads="lead_id,job_title\n1,Wizard 🧙\n2,\u202erotceriD\n")
        assert (states(found)["seniority"], missing(found, "seniority")) == ("empty", "")
        assert "job_title: there, but it holds nothing" in as_text(found)

    def test_a_type_under_another_name_is_guessed_and_kept(self, checked: Checked) -> None:
        found = checked(activities=done("demo_requested,,,,"))
        assert missing(found, "hand_raises_7d").endswith("(is it your demo_requested?)")
        (own,) = found.own_types
        assert (own.name, own.activities, own.leads, own.is_input, own.guess) == ("demo_requested", 1, 1, False, "demo_request")

    def test_opens_by_machines_do_not_feed_interest(self, checked: Checked) -> None:
        found = states(checked(activities=done("email_open,,,,true")))
        assert (found["email_opens_30d"], found["machine_activities_90d"]) == ("empty", "fed")
        found = states(checked(activities=done("email_open,,,,false")))
        assert (found["email_opens_30d"], found["machine_activities_90d"]) == ("fed", "empty")

    def test_nobody_has_a_colleague_without_a_domain(self, checked: Checked) -> None:
        assert "company_domain" in missing(checked(), "colleagues_active_7d")
        leads = "lead_id,email\n1,ana@acme.example\n2,bo@acme.example\n"
        assert states(checked(leads=leads))["colleagues_active_7d"] == "fed"

    def test_what_happened_long_ago_is_there_all_the_same(self, checked: Checked) -> None:
        old = done("page_view,/pricing,,,", when="2016-01-02T10:20:30Z") + "2,2026-03-01T00:00:00Z,call,,,,\n"
        found = {one.name: one for one in checked(activities=old).signals}
        for name in ("activities_1d", "activities_decayed_3d", "acceleration_7d"):
            assert (found[name].state, found[name].leads) == ("fed", 2), name
        assert (found["pricing_visits_7d"].leads, found["pricing_decayed_14d"].leads, found["budget_known"].leads) == (1, 1, 1)

    def test_some_leads_without_a_value_are_partly(self, checked: Checked) -> None:
        found = {one.name: one for one in checked(leads="lead_id,employees\n1,50\n2,\n").signals}
        assert (found["company_size"].state, found["company_size"].share) == ("partly", 0.5)
        assert found["profile_completeness"].state == "partly"
        assert "the column phone in leads" in found["profile_completeness"].missing

    def test_a_column_called_like_a_signal_takes_its_place(self, checked: Checked) -> None:
        found = checked(leads="lead_id,page_views_7d\n1,50\n2,3\n")
        assert states(found)["page_views_7d"] == "replaced"
        assert [one.name for one in found.attributes] == ["page_views_7d"]


class TestWhatNoSignalKnows:
    def test_undated_columns_go_once_their_line_is_in_the_file(self, checked: Checked) -> None:
        leads = (
            'lead_id,created_at,email,"odd ""name"" ñ",job_title\n1,2026-01-01,a@acme.example,x,CEO\n2,2026-01-01,b@acme.example,y,CTO\n'
        )
        changes = "lead_id,field,value,changed_at\n1,job_title,CEO,2026-01-05\n1,shoe_size,42,2026-01-05\n"
        found = checked('[leads]\nstatic = ["emial"]\n', leads=leads, lead_changes=changes)
        assert [one.column for one in found.undated] == ["email", 'odd "name" ñ']
        assert found.undated[0].inputs[:2] == ("corporate_email", "personal_mailbox")
        assert found.unknown_static == (("emial", "email"),)
        assert found.unknown_changes == ("shoe_size",)

        line = next(line.strip() for line in as_text(found).splitlines() if line.strip().startswith("static = "))
        assert tomllib.loads(line)["static"] == ["email", 'odd "name" ñ']
        again = checked(f"[leads]\n{line}\n", leads=leads, lead_changes=changes)
        assert (again.undated, again.unknown_static) == ((), ())

    def test_pages_are_told_by_path_and_shortened(self, checked: Checked) -> None:
        urls = ["https://x.example/odd?visit=1", "https://x.example/odd?visit=2", "/pricing/" + "x" * 10_000, "/" + "y" * 10_000]
        found = checked(activities=done(*(f"page_view,{url},,," for url in [*urls, *(f"/p{i}" for i in range(20))])))

        assert [(one.name, one.activities, one.pages) for one in found.topics] == [("pricing", 1, 1)]
        assert (found.unmatched_pages[0].path, found.unmatched_pages[0].activities) == ("/odd", 2)
        assert (len(found.unmatched_pages), found.unmatched) == (10, 22)
        assert max(len(line) for line in as_text(found).splitlines()) < 700

    def test_a_name_cannot_command_the_terminal(self, checked: Checked) -> None:
        found = checked(activities=done("\x1b[31mnps 😀\u202e,,,,", "answer,,\x1b[2Jcolour,red,"))
        text = as_text(found)
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "nps 😀" in text

    def test_answers_to_unknown_fields_come_with_a_guess(self, checked: Checked) -> None:
        rows = ["answer,,Budget owner,Ana,", "answer,,shoe size,42,", "answer,,Presupuesto,si,", "answer,,timelien,soon,"]
        found = {one.content: (one.field, one.guess) for one in checked(activities=done(*rows)).answers}

        assert list(found)[-1] == "Presupuesto"
        assert found == {
            "Budget owner": (None, "budget"),
            "shoe size": (None, None),
            "timelien": (None, "timeline"),
            "Presupuesto": ("budget", None),
        }

    def test_evidence_is_printed_as_a_section_to_paste_and_strangers_are_named(self, checked: Checked) -> None:
        leads = "lead_id,created_at,presupuesto,urgencia\n1,2026-01-01,sí,alta\n2,2026-01-02,no,baja\n"
        found = checked('[leads]\nstatic = ["urgencia"]\n[bant]\nneed = "pian"\n', leads=leads, activities=done("answer,,Pain,slow,"))
        assert found.bant == (
            '[bant]\n# budget = ["presupuesto"]  # not taken: nobody knows when it was written\n'
            'timeline = ["urgencia"]  # guessed from the name'
        )
        assert found.strangers == ("[bant] need names pian, which is no column of leads and no answer in the data: did you mean Pain?",)
        assert all(line in as_text(found) for line in (*found.bant.splitlines(), *found.strangers))
        fed = {one.name: one for one in found.signals}
        assert fed["timeline_strength"].leads == 2
        assert "urgencia" in fed["timeline_strength"].reads
        assert fed["budget_strength"].leads == 0


class TestAgainstTraining:
    """What the check foretells is what training then does."""

    def test_from_an_empty_signal_training_can_learn_nothing(self, world: Path) -> None:
        from training.dataset import from_project

        data = from_project(world)
        project = load_project(world)
        found = check(project, load_tables(project))

        assert {one.name for one in data.feature_set.signals} <= set(states(found))
        for one in data.feature_set.signals:
            column = data.table.column(one.name)
            if states(found)[one.name] == "empty":
                assert (np.isnan(column) | (column == one.fill)).all(), one.name
        assert {one.name for one in found.attributes} == {one.name for one in data.feature_set.attributes}
        assert {name for one in found.undated for name in one.inputs} == set(data.undated)
        assert sum(state == "empty" for state in states(found).values()) < 5

    def test_own_types_are_those_that_training_takes(self, tmp_path: Path) -> None:
        from training.dataset import _own_types

        leads = "lead_id,created_at\n" + "".join(f"{i},2026-01-01\n" for i in range(40))
        shown = {"nps_survey": 40, "badge_scan": 10, "fax": 9} | {f"kind_{i}": 11 for i in range(45)}
        rows = "".join(f"{i},2026-01-02,{name}\n" for name, count in shown.items() for i in range(count))
        project = load_project(write(tmp_path, leads=leads, activities=f"lead_id,occurred_at,type\n{rows}"))
        tables = load_tables(project, now=datetime(2026, 4, 1, tzinfo=UTC))

        taken = [one.name for one in check(project, tables).own_types if one.is_input]
        assert len(taken) == 40
        assert taken == list(_own_types(tables))

    def test_leads_without_an_activity_signal_are_left_out_by_training_too(self, tmp_path: Path) -> None:
        from models.tables import signals_that_apply

        leads = "lead_id,created_at,job_title,annual_revenue\n1,2026-01-01,CEO,5e7\n2,2026-01-01,CTO,5e7\n"
        project = load_project(write(tmp_path, leads=leads, activities=""))
        tables = load_tables(project)
        applying = {one.name for one in signals_that_apply(catalogue(), tables.kinds.keys(), activities=False)}
        assert {name for name, state in states(check(project, tables)).items() if state != "empty"} <= applying


class TestCheck:
    def test_the_simulated_world_feeds_nearly_everything(self, run: Run, world: Path) -> None:
        code, out, err = run("check", str(world))
        assert code == 0
        assert "300 leads" in err
        assert out.startswith(f"{len(catalogue())} signals over 300 leads and ")
        assert "Undated columns" not in out
        assert "Topics found in urls:" in out

    def test_json_holds_the_same(self, run: Run, world: Path) -> None:
        code, out, _ = run("check", str(world), "--json")
        said = json.loads(out)
        assert code == 0
        assert {one["name"] for one in said["signals"]} == set(catalogue())
        assert {one["name"] for one in said["topics"]} <= set(TOPICS)
        assert {one["field"] for one in said["answers"]} == set(DIMENSIONS)


class TestCatalogue:
    def test_docs_signals_md_is_what_the_code_says(self) -> None:
        page = (ROOT / "docs" / "signals.md").read_text(encoding="utf-8")
        assert page == as_markdown(entries()), "stale: run `tamiz signals --markdown > docs/signals.md`"

    def test_the_page_is_printed_as_it_is(self, run: Run) -> None:
        assert run("--markdown") == (0, as_markdown(entries()), "")

    @pytest.mark.parametrize("family", FAMILIES)
    def test_a_family_alone(self, run: Run, family: str) -> None:
        code, out, err = run("--family", family.upper(), "--json")
        assert (code, err) == (0, "")
        assert {one["name"] for one in json.loads(out)} == {one.name for one in catalogue().values() if one.family == family}

    def test_the_table_is_aligned_and_says_every_sentence(self, run: Run) -> None:
        _, out, _ = run()
        heading, *lines = out.splitlines()
        assert len(lines) == 2 * len(catalogue())
        for facts in lines[::2]:
            assert facts[heading.index("family") :].startswith(catalogue()[facts.split()[0]].family)
        assert "  Visited pricing pages … times in the last 7 days." in lines
        assert "  [Left no / Left a] phone number." in lines

    def test_not_known_is_no_number_in_json(self, run: Run) -> None:
        said = {one["name"]: one for one in json.loads(run("--json")[1])}
        assert (said["company_size"]["fill"], said["activities_1d"]["fill"]) == (None, 0.0)
        assert (said["activities_1d"]["within"], said["activities_1d"]["window"]) == (1.0, "1 d")
        assert said["budget_strength"]["monotone"] == 1
        assert said["pricing_visits_7d"]["meaning"] == "Visited pricing pages … times in the last 7 days."

    def test_every_signal_reads_something(self) -> None:
        assert [one.signal.name for one in entries() if not one.reads.words()] == []

    def test_each_dimension_of_bant_reads_its_own_facts_only(self) -> None:
        assert reads_of(catalogue()["authority_strength"]).words() == ("job_title", "answers about authority")
        assert reads_of(catalogue()["timeline_stated"]).words() == ("answers about timeline",)
        assert "job_title" not in reads_of(catalogue()["budget_strength"]).words()

    def test_windows_inside_a_signal_are_shown_too(self) -> None:
        windows = {one.signal.name: one.window for one in entries()}
        assert windows["trend_7_28"] == "7 d, 35 d"
        assert windows["email_response_90d"] == "90 d"
        assert windows["activities_decayed_3d"] == "half-life 3 d"
        assert windows["authority_strength"] == "half-life 365 d"
        assert (windows["budget_stated"], windows["company_size"], windows["days_since_hand_raise"]) == ("latest", "now", "ever")
