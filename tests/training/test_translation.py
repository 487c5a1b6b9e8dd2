"""The report in Spanish: a language nobody speaks, names that must not be touched, and no English sentence left in a real report."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import training.translation as module
from features.catalogue import catalogue as catalogue_of_signals
from models.bundle import Bundle
from training.measure import meaning_of
from training.train import Trained
from training.translation import UnknownLanguage, translate, units

ENGLISH = re.compile(r"\b(the|of|and|is|are|was|were|which|than|its|they|from|has|have|with|for)\b")


def spanish(text: str) -> str:
    return translate(f"<p>{text}</p>", "es").removeprefix("<p>").removesuffix("</p>")


def catalogue() -> dict[str, str]:
    return tomllib.loads(Path(module.__file__).with_name("report_es.toml").read_text(encoding="utf-8"))


class TestWhatItLeavesAlone:
    def test_a_language_nobody_speaks_is_bad_usage(self) -> None:
        with pytest.raises(UnknownLanguage, match="en or es"):
            translate("<p>AUC</p>", "fr")

    def test_english_is_the_page_as_it_is(self) -> None:
        assert translate("<p>Candidates 1,234.5</p>", "en") == "<p>Candidates 1,234.5</p>"

    @pytest.mark.parametrize(
        "text", ["visits_30d", "days_<wbr>since_<wbr>last", "2026-05", "numpy 2.4.6", "<code>1,234.5</code>", "v1-6c5f"]
    )
    def test_names_versions_dates_and_code(self, text: str) -> None:
        assert spanish(text) == text

    def test_a_command_and_a_style(self) -> None:
        page = '<style>a { width: 0.5em }</style><td class="mono">tamiz train 0.25</td>'
        assert translate(page, "es") == page

    def test_a_sentence_that_nobody_translated_stays_with_its_neighbours_translated(self) -> None:
        said = spanish("Nobody has seen this. The inputs could not announce such a change.")
        assert said == "Nobody has seen this. Los datos no podían anunciar ese cambio."

    def test_what_is_escaped_stays_escaped(self) -> None:
        assert spanish("source: &lt;script&gt;alert(1)&lt;/script&gt;") == "fuente: &lt;script&gt;alert(1)&lt;/script&gt;"


class TestNumbers:
    @pytest.mark.parametrize(
        ("english", "told"),
        [("0.856", "0,856"), ("24,448", "24.448"), ("1,234,567.8", "1.234.567,8"), ("0.795–0.899", "0,795–0,899"), ("86 %", "86 %")],
    )
    def test_are_written_as_in_spain(self, english: str, told: str) -> None:
        assert spanish(english) == told

    def test_inside_sentences_too(self) -> None:
        assert spanish("Test holds 1,112 rows, of which 60 converted.") == "La prueba tiene 1.112 filas, de las que convirtieron 60."


class TestTheCatalogue:
    def test_every_place_of_a_translation_is_one_of_its_sentence(self) -> None:
        for english, told in catalogue().items():
            assert set(re.findall(r"\{#?(\w+)\}", told)) == set(re.findall(r"\{#?(\w+)\}", english)), english

    def test_a_pattern_never_swallows_the_next_sentence(self) -> None:
        said = spanish("Corrected: no coverage guarantee, so read the intervals as estimates. The inputs could not announce such a change.")
        assert said == "Corregido: sin garantía de cobertura; los intervalos son estimaciones. Los datos no podían anunciar ese cambio."


def headings() -> list[str]:
    """Of tables and sections, as the template has them."""
    page = (Path(__file__).resolve().parents[2] / "training" / "report_template.html").read_text(encoding="utf-8")
    return sorted({text.strip() for text in re.findall(r"<(?:th|h2|h3)\b[^>]*>([^<{]*[a-z][^<{]*)</", page)})


@pytest.mark.parametrize("heading", headings())
def test_every_heading_of_the_template_is_told_in_spanish(heading: str) -> None:
    assert spanish(heading) != heading or heading in {"Leads", "Brier", "Total"}


class TestARealReport:
    @pytest.mark.parametrize("kind", ["flat", "events"])
    def test_has_no_english_sentence_left(self, kind: str, flat_trained: Trained, event_trained: Trained) -> None:
        trained = flat_trained if kind == "flat" else event_trained
        page = trained.report.read_text(encoding="utf-8")
        told = translate(page, "es")
        assert '<html lang="es">' in told
        names = {one.name for one in Bundle.load(trained.folder).encoder.inputs}
        same = set(units(page)) & set(units(told)) - names
        assert [one for one in same if ENGLISH.search(re.sub(r"<code>.*?</code>", "", one))] == []


@pytest.mark.parametrize("name", sorted(catalogue_of_signals()))
def test_every_signal_is_told_in_spanish(name: str) -> None:
    meaning = meaning_of(catalogue_of_signals()[name]).replace("\N{NO-BREAK SPACE}", " ")
    assert spanish(meaning) != meaning
