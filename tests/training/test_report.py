"""The report in the eyes of who opens it: nothing from outside, nothing unescaped, and the hard truths on top."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training import metrics as measures
from training.rejections import GivenReason, Reasons
from training.report import figure_pages, report_html, write_report
from training.result import Block, Cohort, Curves, Importance, SourceRead, TrainingResult
from training.translation import translate
from training.verdict import cautions, drift, headline, sentences


def sample(rows: int = 8239, base: float = -1.0, promised: float = -1.9, **over: Any) -> TrainingResult:
    """A run on something like a bank's campaign: the base rate jumps before test, and one column gives the label away."""
    rng = np.random.default_rng(11)
    truth = base + 0.9 * rng.normal(size=rows)
    y = (rng.random(rows) < 1 / (1 + np.exp(-truth))).astype(np.float64)
    candidates: dict[str, Any] = {}
    curves: dict[str, Curves] = {}
    for name, noise in {"scorecard": 1.1, "logistic": 0.85, "boosted": 0.6}.items():
        raw = truth - base + noise * rng.normal(size=rows)
        margin = promised + raw * 0.81 / (0.81 + noise**2)  # what a calibration would do to so noisy a margin
        p = 1 / (1 + np.exp(-margin))
        candidates[name] = measures.evaluate(y, p, margin, resamples=40)
        curves[name] = Curves.measure(y, p, margin, uncalibrated=1 / (1 + np.exp(-promised - raw)))
    leaky = truth - base + promised + 2.5 * (y - 0.3)
    inputs: dict[str, dict[str, Any]] = {
        name: {"verdict": "ok", "evidence": ""} for name in ("age", "job", "marital", "education", "poutcome", "previous")
    }
    inputs |= {
        "duration": {"verdict": "blocked", "evidence": "alone it reaches AUC 0.82, all others together 0.74; known only after the call"},
        "euribor3m": {"verdict": "drift", "evidence": {"auc_first_half": 0.71, "auc_second_half": 0.58}},
    }
    positives = int(y.sum())
    blocks = (
        Block("fit", 24000, 1150, first="row 1", last="row 24,000"),
        Block("tune", 4400, 402, first="row 24,001", last="row 28,400"),
        Block("calibrate", 4549, 560, first="row 28,401", last="row 32,949"),
        Block("test", rows, positives, first="row 32,950", last="row 41,188"),
    )
    result = TrainingResult(
        metrics={
            "rows": 41188, "positives": 2112 + positives, "base_rate": (2112 + positives) / 41188, "chosen": "boosted", "no_signal": False,
            "split": {"kind": "forward", "train_rows": 32949, "test_rows": rows},
            "candidates": candidates, "inputs": inputs,
            "measured": {"fitted_on_rows": 24000, "until": "row 32,949", "log_loss": 0.61, "log_loss_ci": [0.6, 0.63]},
            "served": {"fitted_on_rows": 41188, "calibration": "Venn–Abers", "rounds": 212},
            "model_version": "7", "bundle": "v7-3f9a1c04be77", "feature_set": "9c1f" * 16, "data_digest": "51ab" * 16,
            "seconds": {"read": 0.4, "audit": 2.2, "scorecard": 0.3, "logistic": 1.1, "boosted": 6.4, "evaluate": 3.0, "report": 0.2},
            "quarantined": 3,
        },
        blocks=blocks,
        sources=(SourceRead("leads", "bank_marketing.csv.gz", 41191, 3, "semicolon, UTF-8, gzip, decimal point"),),
        label="y = yes",
        curves=curves,
        importance=tuple(
            Importance(name, family, share, meaning)
            for name, family, share, meaning in (
                ("poutcome", "fit", 0.31, "What came of the last campaign"), ("euribor3m", "fit", 0.22, ""), ("age", "fit", 0.14, ""),
                ("job", "authority", 0.12, "Occupation"), ("previous", "engagement", 0.11, "Contacts before this campaign"),
                ("education", "fit", 0.06, ""), ("marital", "fit", 0.04, ""),
            )
        ),
        with_left_out=measures.evaluate(y, 1 / (1 + np.exp(-leaky)), leaky, resamples=40),
        notices=("The column `pdays` holds 999 in 96 % of the rows: is it a word for missing?", "12 rows have no label and were left out."),
        baseline={"log_loss": 0.83, "brier": 0.25, "base_rate": 0.05},
        signal_p_value=0.001,
        provenance={"Command": "tamiz train --leads bank_marketing.csv.gz --label y --positive yes --order-by-row", "Git": "3c30e66, clean",
                    "Python": "3.11.7", "lightgbm": "4.7.0", "Seed": "7"},
        title="bank_marketing.csv.gz",
        finished_at="2026-11-23 14:20 UTC",
    )  # fmt: skip
    return replace(result, **over)


def with_metrics(result: TrainingResult, **over: Any) -> TrainingResult:
    return replace(result, metrics=dict(result.metrics) | over)


@pytest.fixture(scope="module")
def bank() -> TrainingResult:
    return sample()


class Page(HTMLParser):
    """Counts tags, keeps the text, and complains about what is left open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "img", "link", "wbr"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    @property
    def first_screen(self) -> str:
        return self.text.split("What the ranking is worth")[0]


class TestHardTruths:
    def test_no_signal_is_the_headline_and_no_grade_is_promised(self, bank: TrainingResult) -> None:
        page = Page(report_html(with_metrics(replace(bank, signal_p_value=0.4), no_signal=True, chosen=None)))
        assert "No signal" in page.text
        assert "nothing is promoted" in page.text
        assert "ranks leads" not in page.text

    def test_a_leak_is_on_the_first_screen_with_its_evidence_and_both_sets_of_figures(self, bank: TrainingResult) -> None:
        first = Page(report_html(bank)).first_screen
        assert "duration was left out" in first
        assert "known only after the call" in first
        without, leaky = bank.metrics["candidates"]["boosted"]["auc"], (bank.with_left_out or {})["auc"]
        assert f"{without:.3f}" in first
        assert f"{leaky:.3f}" in first

    def test_columns_without_a_date_are_named_once_each_and_no_leak_is_alleged(self, bank: TrainingResult) -> None:
        entry = {"verdict": "suspect", "evidence": "job_title has no date: what it says may be new.", "undated": ["job_title"]}
        undated = with_metrics(bank, inputs={"seniority": entry, "decision_maker": entry, "age": {"verdict": "ok", "evidence": "fine"}})
        page = Page(report_html(undated))
        assert "2 inputs were left out because nobody knows when their values were written" in page.first_screen
        assert re.search(r"job_ ?title read by seniority, decision_maker", page.first_screen)
        assert 'static = ["job_title"]' in page.first_screen
        assert "known too late" not in page.first_screen
        assert f"{(bank.with_left_out or {})['auc']:.3f}" in page.first_screen
        assert page.text.count("job_title has no date") == 1

    def test_an_allowed_leak_is_a_warning_instead(self, bank: TrainingResult) -> None:
        titles = [caution.title for caution in cautions(replace(bank, allowed=("duration",)))]
        assert titles[0] == "duration kept in against the audit's advice"
        assert not any("left out" in title for title in titles)

    def test_the_drift_of_the_base_rate_is_said_in_words(self, bank: TrainingResult) -> None:
        assert drift(bank).startswith("The share of leads that convert rose from 4.8\N{NO-BREAK SPACE}% in the training rows to 3")
        assert "promise too little" in Page(report_html(bank)).first_screen

    def test_a_base_rate_that_wobbles_by_chance_is_no_drift(self, bank: TrainingResult) -> None:
        assert drift(replace(bank, blocks=(Block("fit", 1000, 100), Block("test", 300, 33)))) == ""

    def test_a_random_split_flatters_and_the_report_says_so(self, bank: TrainingResult) -> None:
        page = Page(report_html(with_metrics(bank, split={"kind": "random"})))
        assert "flatters" in page.first_screen
        assert "drawn at random" in page.text

    def test_small_data_says_how_sure_it_is(self) -> None:
        small = sample(rows=150)
        low, high = small.metrics["candidates"]["boosted"]["auc_ci"]
        assert f"from {low:.2f} to {high:.2f}" in Page(report_html(small)).first_screen

    def test_on_few_rows_a_gap_that_chance_explains_is_not_held_against_the_model(self) -> None:
        assert "chance alone" in sentences(sample(rows=150, promised=-1.0))[2]
        assert "chance alone" not in sentences(sample(rows=150, promised=-4.0))[2]

    def test_percentages_that_are_not_kept_are_not_called_reliable(self, bank: TrainingResult) -> None:
        assert "Believe its order, not yet its percentages" in sentences(sample(promised=-4.0))[2]
        assert "at their word" in sentences(sample(promised=-1.1))[2]

    def test_an_offset_carries_no_guarantee(self, bank: TrainingResult) -> None:
        measured = replace(bank, offset={"delta": 0.8, "se": 0.1})
        served = with_metrics(bank, served={"offset": {"delta": 0.5, "se": 0.1}})
        for corrected in (measured, served):
            assert any("no coverage guarantee" in caution.text for caution in cautions(corrected))
        assert any("shifted up: the odds are multiplied by 2.23 (+0.80 ± 0.10" in caution.text for caution in cautions(measured))
        assert not any("no coverage guarantee" in caution.text for caution in cautions(bank))


class TestThePage:
    def test_it_needs_nothing_from_outside(self, bank: TrainingResult) -> None:
        html = report_html(bank)
        page = Page(html)
        assert not [tag for tag, _ in page.tags if tag in ("script", "link", "img", "iframe")]
        assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//|url\(|@import", html)
        assert len(html) < 200_000

    def test_every_tag_is_closed_and_every_link_inside_leads_somewhere(self, bank: TrainingResult) -> None:
        page = Page(report_html(bank))
        assert page.open == []
        ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
        assert {str(attributes["href"])[1:] for tag, attributes in page.tags if tag == "a"} <= ids

    def test_charts_have_words_and_tables_have_headers_for_who_cannot_see(self, bank: TrainingResult) -> None:
        page = Page(report_html(bank))
        charts = [attributes for tag, attributes in page.tags if tag == "svg"]
        assert len(charts) == 6
        assert all(chart["role"] == "img" and len(chart["aria-label"] or "") > 20 for chart in charts)
        assert all(attributes.get("scope") in ("col", "row") for tag, attributes in page.tags if tag == "th")

    def test_a_column_name_cannot_smuggle_markup_in(self, bank: TrainingResult) -> None:
        evil = "<script>alert(1)</script>"
        hostile = with_metrics(
            replace(
                bank, title=evil, notices=(evil,), importance=(Importance(evil, evil, 1.0, evil),), label=evil, provenance={evil: evil}
            ),
            inputs={evil: {"verdict": "blocked", "evidence": evil}},
            candidates={evil: bank.metrics["candidates"]["boosted"], "boosted": bank.metrics["candidates"]["boosted"]},
        )
        html = report_html(replace(hostile, curves=dict(bank.curves) | {evil: bank.curves["boosted"]}))
        assert "<script" not in html
        assert "&lt;script&gt;" in html

    def test_the_barest_result_still_makes_a_page(self, bank: TrainingResult) -> None:
        bare = TrainingResult(
            metrics={key: bank.metrics[key] for key in ("rows", "positives", "base_rate", "chosen", "candidates")}, blocks=bank.blocks
        )
        page = Page(report_html(bare))
        assert page.open == []
        assert headline(bare) in page.text

    def test_event_data_show_their_cohorts(self, bank: TrainingResult) -> None:
        page = Page(report_html(replace(bank, cohorts=(Cohort("2026-05", 900, 900, 81), Cohort("2026-06", 400, 0, 0)))))
        assert "2026-06" in page.text
        assert "flatter" in page.text


class TestFiles:
    def test_both_files_are_written_and_the_figures_are_the_same(self, bank: TrainingResult, tmp_path: Path) -> None:
        path = write_report(bank, tmp_path / "reports" / "7")
        assert path == tmp_path / "reports" / "7" / "report.html"
        assert json.loads((path.parent / "metrics.json").read_text())["candidates"]["boosted"] == bank.metrics["candidates"]["boosted"]
        assert sorted(entry.name for entry in path.parent.iterdir()) == ["metrics.json", "report.html"]

    def test_what_was_not_measured_is_null_in_json_and_a_dash_on_the_page(self, bank: TrainingResult, tmp_path: Path) -> None:
        blank = dict(bank.metrics["candidates"]["scorecard"]) | {"auc": math.nan, "auc_ci": [None, None], "brier": np.float64(0.1)}
        path = write_report(with_metrics(bank, candidates=dict(bank.metrics["candidates"]) | {"scorecard": blank}), tmp_path)
        scorecard = json.loads((tmp_path / "metrics.json").read_text())["candidates"]["scorecard"]
        assert (scorecard["auc"], scorecard["brier"]) == (None, 0.1)
        assert not re.search(r"\b(nan|none|inf)\b", Page(path.read_text()).text.lower())


def test_why_sales_says_no_is_a_part_only_where_it_said_so(bank: TrainingResult) -> None:
    assert "Why sales says no" not in report_html(bank)
    grown = GivenReason("no_budget", 30, 0.6, 0.4, 0.8, "more often")
    page = report_html(replace(bank, rejections=(Reasons("rejections", 50, 80, "2026-05-01", (grown,)),)))
    assert 'id="rejections"' in page
    assert "Since 2026-05-01 no_budget is given more often" in page
    spanish = translate(page, "es")
    assert "Por qué ventas dice que no" in spanish
    assert "«no_budget» se da más a menudo" in spanish


def test_each_figure_is_a_page_that_stands_alone() -> None:
    pages = figure_pages(sample())
    assert {"gain.html", "lift.html", "calibration.html", "base_rates.html"} <= set(pages)
    for page in pages.values():
        assert page.count("<svg") == page.count("</svg>") == 1
        assert "<style>" in page
        assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
