"""A data scientist brings tables with planted leaks: they are called out, and honest inputs are left alone."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.leakage import PLANTED, audited
from benchmarks.leakage_events import EVENT_LEAKS, audited_events
from benchmarks.leakage_tables import Table, make_table
from training.leakage import Verdict, audit
from training.leakage_timing import Late

ROWS = np.arange(4000)


def leads(seed: int = 0, rows: int = 4000, base: float = 0.2) -> tuple[np.random.Generator, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng, (rng.random(rows) < base).astype(float)


def honest(rng: np.random.Generator, y: np.ndarray, separations: tuple[float, ...] = (0.9, 0.7, 0.5, 0.2)) -> dict[str, np.ndarray]:
    return {f"honest_{k}": d * y + rng.normal(size=len(y)) for k, d in enumerate(separations)}


def judged(inputs: dict[str, np.ndarray], y: np.ndarray, *, categories: tuple[str, ...] = (), **more: object) -> dict[str, Verdict]:
    kinds = {name: "category" if name in categories else "number" for name in inputs}
    lead = more.pop("lead", np.arange(len(y)))
    cut = int(0.85 * len(y))
    return audit(inputs, kinds, y, np.arange(cut), np.arange(cut, len(y)), lead, **({"forward": True} | more))


class TestOddTables:
    def test_a_label_with_one_class_accuses_nobody(self) -> None:
        rng, _ = leads()
        found = judged({"a": rng.normal(size=400), "b": np.full(400, np.nan)}, np.zeros(400))
        assert {verdict.verdict for verdict in found.values()} == {"ok"}

    def test_constant_empty_and_infinite_columns_are_no_leaks(self) -> None:
        rng, y = leads()
        infinite = rng.normal(size=4000)
        infinite[::50], infinite[1::50] = np.inf, -np.inf
        found = judged({"constant": np.ones(4000), "empty": np.full(4000, np.nan), "infinite": infinite} | honest(rng, y), y)
        assert {verdict.verdict for verdict in found.values()} == {"ok"}
        assert "same value" in found["constant"].evidence

    def test_a_table_with_a_single_honest_input_is_not_accused_of_standing_alone(self) -> None:
        rng, y = leads()
        assert judged({"answer": 1.35 * y + rng.normal(size=4000)}, y)["answer"].verdict == "ok"

    def test_no_tune_rows_and_no_inputs_still_answer(self) -> None:
        rng, y = leads()
        found = audit(honest(rng, y), dict.fromkeys(honest(rng, y), "number"), y, ROWS, ROWS[:0], ROWS, forward=True)
        assert {verdict.verdict for verdict in found.values()} == {"ok"}
        assert audit({}, {}, y, ROWS, ROWS[:0], ROWS, forward=False) == {}


@pytest.mark.parametrize("leak", [leak for leak in PLANTED if leak[1] != "AUC .82–.85"], ids=": ".join)
def test_planted_leaks_of_every_kind_are_called_out_on_fresh_tables(leak: tuple[str, str]) -> None:
    table = make_table(901, leak, rows=3000, base=0.2)
    found = audited(table)
    assert all(found[name].verdict in ("blocked", "suspect") for name in table.leaks), {name: found[name] for name in table.leaks}
    assert not [name for name, verdict in found.items() if verdict.verdict == "blocked" and name not in table.leaks]


def test_honest_inputs_are_left_alone_on_fresh_tables() -> None:
    verdicts = [verdict.verdict for seed in range(910, 917) for verdict in audited(make_table(seed, None, rows=2500)).values()]
    verdicts += [verdict.verdict for seed in range(920, 927) for verdict in audited(make_table(seed, None, rows=400)).values()]
    assert "blocked" not in verdicts
    assert verdicts.count("suspect") <= 0.01 * len(verdicts)


def test_a_strong_honest_input_beside_weak_ones_stays() -> None:
    for seed in range(4):
        rng, y = leads(seed)
        found = judged({"engaged": 1.1 * y + rng.normal(size=4000)} | honest(rng, y, (0.3, 0.2, 0.1)), y)
        assert found["engaged"].verdict == "ok"
        assert found["engaged"].figures["auc"] > 0.75


def test_an_input_that_stands_apart_is_suspect_even_where_many_together_reach_as_far() -> None:
    rng, y = leads()
    others = honest(rng, y, (0.8, 0.8, 0.8, 0.7, 0.7))
    found = judged({"minutes": 1.5 * y + rng.normal(size=4000)} | others, y)
    assert found["minutes"].verdict == "suspect"
    assert {found[name].verdict for name in others} == {"ok"}


def test_a_strong_input_with_strong_peers_or_with_echoes_in_other_inputs_stays() -> None:
    rng, y = leads(3)
    peers = judged({f"answer_{k}": 1.35 * y + rng.normal(size=4000) for k in range(3)} | honest(rng, y, (0.8, 0.7, 0.7, 0.6)), y)
    assert peers["answer_0"].verdict == "ok"
    interest = 1.6 * y + rng.normal(size=4000)
    echoes = {f"visits_{k}": interest + rng.normal(size=4000) * 1.5 for k in range(3)}
    assert judged({"interest": interest} | echoes | honest(rng, y), y)["interest"].verdict == "ok"


def test_two_codes_that_say_nothing_apart_and_everything_together_are_halves_of_one_leak() -> None:
    rng, y = leads()
    one = rng.integers(0, 2, 4000)
    found = judged({"one": one, "other": np.where(y > 0, one, 1 - one)} | honest(rng, y), y, categories=("one", "other"))
    assert [name for name, verdict in found.items() if verdict.verdict == "suspect"] == ["one", "other"]


def test_the_end_of_an_honest_scale_may_hold_conversions_only_where_most_leads_convert() -> None:
    for seed in range(3):
        rng, y = leads(seed, base=0.66)
        found = judged({"strong": 1.2 * y + rng.normal(size=4000)} | honest(rng, y), y)
        assert found["strong"].verdict == "ok"


def test_an_accusation_names_its_figures() -> None:
    rng, y = leads()
    call = np.exp(1.6 * y + rng.normal(size=4000))
    verdict = judged({"seconds": call} | honest(rng, y), y)["seconds"]
    assert verdict.verdict == "suspect"
    assert "better than everything else together: AUC 0." in verdict.evidence


def test_power_that_is_gone_in_later_leads_is_drift_not_a_leak() -> None:
    rng, y = leads(rows=8000)
    effect = np.where(np.arange(8000) < 6000, 0.8, -0.1)
    found = judged({"fashion": effect * y + rng.normal(size=8000)} | honest(rng, y), y)
    assert found["fashion"].verdict == "drift"
    assert found["honest_0"].verdict == "ok"


def test_a_leak_that_began_only_lately_is_seen_in_the_later_rows() -> None:
    rng, y = leads()
    late = np.arange(4000) >= 3400
    code = np.where(late & (y > 0), 2, rng.integers(0, 2, 4000))
    found = judged({"form": code} | honest(rng, y), y, categories=("form",))
    assert found["form"].verdict == "blocked"


def test_support_is_counted_in_leads_not_in_rows() -> None:
    rng, y_of_lead = leads(rows=600)
    lead = np.repeat(np.arange(600), 8)
    y = y_of_lead[lead]
    few = np.flatnonzero(y_of_lead > 0)[:15]
    flag = np.where(np.isin(lead, few), 1, 0)
    inputs = {"vip": flag, **{name: column[lead] for name, column in honest(rng, y_of_lead).items()}}
    assert int(flag.sum()) == 120
    assert judged(inputs, y, categories=("vip",), lead=lead)["vip"].verdict == "ok"


def test_identifiers_are_left_out() -> None:
    rng, y = leads()
    inputs = {"email": rng.permutation(4000), "number": rng.permutation(4000) + 7000.0, "revenue": np.exp(rng.normal(14, 1, 4000))}
    found = judged(inputs | honest(rng, y), y, categories=("email",))
    assert [found[name].verdict for name in inputs] == ["suspect", "suspect", "ok"]
    assert "names the lead" in found["email"].evidence


def test_current_state_without_a_date_is_suspect_and_the_column_to_declare_is_named() -> None:
    rng, y = leads()
    found = judged(honest(rng, y), y, undated={"honest_0": ("job_title",), "honest_1": ("company", "phone")})
    assert [found[name].verdict for name in ("honest_0", "honest_1", "honest_2")] == ["suspect", "suspect", "ok"]
    assert "job_title has no date" in found["honest_0"].evidence
    assert "company and phone have no date" in found["honest_1"].evidence
    assert "[leads] static" in found["honest_0"].evidence
    assert (found["honest_0"].undated, found["honest_2"].undated) == (("job_title",), ())


def test_a_leak_that_has_no_date_either_is_no_matter_of_declaring_it() -> None:
    rng, y = leads()
    found = judged(honest(rng, y) | {"closed": y + rng.normal(0, 0.01, len(y))}, y, undated={"closed": ("closed",)})["closed"]
    assert (found.verdict, found.undated) == ("blocked", ())


def test_values_written_after_the_outcome_are_blocked_however_weak() -> None:
    rng, y = leads()
    found = judged(honest(rng, y), y, late={"honest_3": Late("note", 80, 400), "honest_2": Late("size", 2, 400)})
    assert found["honest_3"].verdict == "blocked"
    assert "80 of the 400" in found["honest_3"].evidence
    assert found["honest_2"].verdict == "ok"


def test_what_everybody_gets_late_is_not_written_because_of_the_outcome() -> None:
    rng, y = leads()
    late = {"honest_1": Late("size", 80, 400, others=0.19), "honest_2": Late("size", 80, 400, others=0.02)}
    found = judged(honest(rng, y), y, late=late)
    assert (found["honest_1"].verdict, found["honest_2"].verdict) == ("ok", "blocked")
    assert "against 2% of the others" in found["honest_2"].evidence


@pytest.mark.parametrize("leak", EVENT_LEAKS)
def test_dates_give_leaks_away_on_event_tables_and_honest_columns_stay(leak: str) -> None:
    """A field filled in at the sale, a day of closing, a column that nothing dates: beside planned dates and slow enrichment."""
    found = audited_events(931, leak, leads=900)
    assert [name for name, (_, _, verdict) in found.items() if verdict.verdict in ("blocked", "suspect")] == [
        name for name, (_, planted, _) in found.items() if planted
    ]


@pytest.mark.parametrize("name", ["fecha_cierre", "Resultado de la llamada", "dealWon", "conversión"])
def test_a_name_that_speaks_of_outcomes_counts_only_together_with_power_out_of_proportion(name: str) -> None:
    rng, y = leads()
    weak, strong = rng.normal(size=4000) + 0.3 * y, rng.normal(size=4000) + 1.1 * y
    others = honest(rng, y, (0.3, 0.2, 0.1))
    assert judged({name: weak} | others, y)[name].verdict == "ok"
    assert judged({name: strong} | others, y)[name].verdict == "suspect"
    assert judged({"tamaño": strong} | others, y)["tamaño"].verdict == "ok"


def test_gaps_follow_the_label_unless_the_engine_says_that_nothing_happened_yet() -> None:
    rng, y = leads()
    visits = np.where(rng.random(4000) < np.where(y > 0, 0.65, 0.15), rng.exponential(5, 4000), np.nan)
    inputs = {"days_since_visit": visits} | honest(rng, y)
    assert judged(inputs, y)["days_since_visit"].verdict == "suspect"
    assert judged(inputs, y, timed={"days_since_visit"})["days_since_visit"].verdict == "ok"


def test_rows_outside_fit_and_tune_change_nothing() -> None:
    rng, y = leads()
    inputs = honest(rng, y)
    kinds = dict.fromkeys(inputs, "number")
    before = audit(inputs, kinds, y, ROWS[:2400], ROWS[2400:2800], ROWS, forward=True)
    spoilt = {name: np.concatenate([column[:2800], 9 * y[2800:]]) for name, column in inputs.items()}
    assert audit(spoilt, kinds, np.concatenate([y[:2800], 1 - y[2800:]]), ROWS[:2400], ROWS[2400:2800], ROWS, forward=True) == before


@pytest.mark.real
@pytest.mark.parametrize(("file", "label", "positive", "leak", "ordered"), [
    ("bank_marketing.csv.gz", "y", "yes", "duration", True),
    ("online_shoppers.csv.gz", "Revenue", "TRUE", "PageValues", False),
    ("b2b_sales.csv.gz", "Status", "Won", None, False),
])  # fmt: skip
def test_real_leaks_are_called_out_and_real_inputs_are_not(file: str, label: str, positive: str, leak: str | None, ordered: bool) -> None:
    folder = os.environ.get("TAMIZ_DATASETS")
    if not folder or not (Path(folder) / file).exists():
        pytest.skip(f"TAMIZ_DATASETS does not name a folder with {file}")
    import pandas as pd

    frame = pd.read_csv(Path(folder) / file, sep=None, engine="python", dtype=str)
    table = Table((frame.pop(label).str.upper() == positive.upper()).to_numpy(float), ordered=ordered)
    for name in frame:
        numbers = pd.to_numeric(frame[name], errors="coerce")
        if numbers.notna().all():
            table.add(str(name), numbers.to_numpy(float), "number", "real")
        else:
            table.add(str(name), pd.factorize(frame[name])[0], "category", "real")
    found = audited(table)
    assert [name for name, verdict in found.items() if verdict.verdict in ("blocked", "suspect")] == ([leak] if leak else [])


def test_a_running_number_is_seen_in_a_table_too_large_to_be_looked_at_whole() -> None:
    rng, y = leads(rows=90_000)
    found = judged({"number": np.arange(90_000.0) + 7, **honest(rng, y, (0.5, 0.3))}, y)
    assert found["number"].verdict == "suspect"
    assert "numbers the leads" in found["number"].evidence


def test_the_steep_end_of_a_strong_honest_scale_is_no_stretch_of_one_class() -> None:
    rng = np.random.default_rng(1)
    interest = rng.normal(size=30_000)
    y = (rng.random(30_000) < 1 / (1 + np.exp(-2.5 * interest))).astype(float)
    shown = {f"shows_{k}": interest + 0.35 * rng.normal(size=30_000) for k in range(3)}
    assert {verdict.verdict for verdict in judged(shown, y).values()} <= {"ok", "suspect"}


def test_a_number_that_stands_for_the_outcome_amid_others_is_blocked() -> None:
    rng, y = leads()
    code = np.where((y > 0) & (rng.random(4000) < 0.4), 0.123, rng.normal(size=4000))
    assert judged({"code": code} | honest(rng, y), y)["code"].verdict == "blocked"
