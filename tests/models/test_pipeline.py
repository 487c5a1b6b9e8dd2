"""A pipeline told as a person would tell it, and by simulation whether what is called a bottleneck is one."""

from __future__ import annotations

import numpy as np
import pytest

from models.pipeline import DAY, LOST, WON, Events, Pipeline, pipeline

NOW = 20_000 * DAY
OUTCOMES = {"won": WON, "lost": LOST}


def told(*leads: str) -> Events:
    """Each lead as its stages, each with its days before now: `new 40, proposal 12, won 3=500`."""
    rows = []
    for number, story in enumerate(leads):
        for part in story.split(","):
            name, when = part.split()
            days, _, amount = when.partition("=")
            rows.append((number, NOW - round(float(days) * DAY), name, float(amount or "nan")))
    names = sorted({name for _, _, name, _ in rows} - OUTCOMES.keys())
    codes = {name: code for code, name in enumerate(names)} | OUTCOMES
    return Events(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        np.array([codes[row[2]] for row in rows], np.int64),
        np.array([row[3] for row in rows], float),
        names,
    )


def simulated(seed: int, *, share_now: float = 0.5, share_before: float = 0.5, days_now: float = 8.0, each: int = 400) -> Pipeline:
    """Leads that come evenly for 180 days, go from new to proposal, and win or lose."""
    rng = np.random.default_rng(seed)
    stories = []
    for born in rng.uniform(1, 180, 2 * each):
        recent = born <= 90
        left = born - rng.exponential(days_now if recent else 8.0)
        story = f"new {born}"
        if left > 0:
            if rng.random() < (share_now if recent else share_before):
                story += f",proposal {left}"
                closed = left - rng.exponential(10)
                if closed > 0:
                    story += f",won {closed}=100" if rng.random() < 0.4 else f",lost {closed}"
            else:
                story += f",lost {left}"
        stories.append(story)
    return pipeline(told(*stories), NOW, 90)


class TestLittleToTell:
    def test_nothing_has_happened(self) -> None:
        none = np.zeros(0, np.int64)
        found = pipeline(Events(none, none, none, np.zeros(0), []), NOW)
        assert (found.leads, found.stages, found.bottlenecks, found.cohorts, found.time_of_wins) == (0, [], [], [], {})
        assert found.deals.win_rate is None
        assert found.deals.won_per_week.high is not None

    def test_only_outcomes_and_no_stages(self) -> None:
        found = pipeline(told("won 3=500", "lost 4"), NOW)
        assert found.stages == []
        assert (found.deals.won, found.deals.lost, found.deals.amount) == (1, 1, 500)
        assert sum(one.won for one in found.cohorts) == 1

    def test_one_stage_only(self) -> None:
        found = pipeline(told("new 10", "new 20", "new 5,won 2"), NOW)
        (stage,) = found.stages
        assert (stage.now.entered, stage.now.moved_on, stage.now.open, stage.waiting) == (3, 1, 2, 2)
        assert found.bottlenecks == []

    def test_no_amounts_no_average_and_no_velocity(self) -> None:
        found = pipeline(told(*["new 20,proposal 10,won 2"] * 6), NOW)
        assert (found.deals.amount, found.deals.average_deal, found.deals.velocity) == (None, None, None)

    def test_what_lies_in_the_future_is_not_looked_at(self) -> None:
        found = pipeline(told("new 10,won -5=100"), NOW)
        assert (found.open, found.deals.won, found.stages[0].now.open) == (1, 0, 1)


class TestWhatIsAStage:
    def test_stages_stand_in_the_order_in_which_leads_go(self) -> None:
        found = pipeline(told("z 30,a 20,m 10", "z 9,a 8", "a 7,z 6", "z 5,m 2"), NOW)
        assert [stage.name for stage in found.stages] == ["z", "a", "m"]

    def test_a_stage_that_comes_with_the_outcome_is_the_outcome(self) -> None:
        found = pipeline(told("new 30,Closed 10,won 10=5", "new 20,Closed 9.99,lost 10", "new 5"), NOW)
        assert found.ends == ["Closed"]
        assert [stage.name for stage in found.stages] == ["new"]
        assert (found.stages[0].now.moved_on, found.stages[0].now.lost) == (1, 1)

    def test_entering_the_stage_that_one_is_in_is_no_move(self) -> None:
        found = pipeline(told("new 30,new 20,proposal 10"), NOW)
        assert found.stages[0].now.entered == 1
        assert found.stages[0].now.median_days is not None
        assert found.stages[0].now.median_days.value == pytest.approx(20)

    def test_parking_a_lead_is_not_moving_on(self) -> None:
        wins = ["new 60,proposal 50,won 40"] * 30
        parked = ["new 60,proposal 50,parked 45,lost 20"] * 30
        found = pipeline(told(*wins, *parked), NOW)
        aside = {stage.name: stage.aside for stage in found.stages}
        assert aside == {"new": False, "proposal": False, "parked": True}
        proposal = next(stage for stage in found.stages if stage.name == "proposal")
        assert (proposal.now.moved_on, proposal.now.set_back) == (30, 30)

    def test_a_lead_that_was_lost_and_came_back_is_open_again(self) -> None:
        found = pipeline(told("new 50,lost 40,new 30"), NOW)
        assert found.open == 1
        assert (found.stages[0].now.entered, found.stages[0].now.lost, found.stages[0].now.open) == (2, 1, 1)


class TestFigures:
    def test_wins_are_counted_in_the_period_in_which_they_were_won(self) -> None:
        found = pipeline(told("new 200,won 100=30", "new 80,won 20=10", "new 80,lost 10", "new 70,won 1=20"), NOW)
        assert (found.deals.won, found.deals.lost, found.deals_before.won) == (2, 1, 1)
        assert found.deals.average_deal is not None
        assert found.deals.average_deal.value == 15
        assert found.deals.median_days_to_win == pytest.approx(64.5)

    def test_days_of_wins_are_shared_out_among_stages(self) -> None:
        found = pipeline(told(*["new 50,proposal 20,won 10"] * 8), NOW)
        assert found.time_of_wins["new"].value == pytest.approx(0.75)
        assert sum(one.value for one in found.time_of_wins.values()) == pytest.approx(1)

    def test_a_cohort_is_the_month_in_which_leads_came(self) -> None:
        found = pipeline(told("new 40,won 1=9", "new 40", "new 2"), NOW)
        assert [(one.leads, one.won, one.open) for one in found.cohorts] == [(2, 1, 1), (1, 0, 1)]
        assert found.cohorts[0].reached == {"new": 2}


class TestBottlenecks:
    def test_nothing_changed_and_nothing_is_called_out(self) -> None:
        called = sum(len(simulated(seed, each=150).bottlenecks) for seed in range(20))
        assert called <= 2  # at one in twenty, all stages and kinds considered

    def test_fewer_move_on(self) -> None:
        found = simulated(1, share_now=0.3).bottlenecks
        worst = found[0]
        assert (worst.stage, worst.kind) == ("new", "fewer")
        assert worst.high is not None
        assert worst.high < 0
        assert worst.value < worst.before

    def test_leads_stay_for_longer(self) -> None:
        found = [one for one in simulated(2, days_now=20.0).bottlenecks if one.kind == "longer"]
        assert [one.stage for one in found] == ["new"]
        assert found[0].value > found[0].before
        assert found[0].p < 0.01

    def test_who_is_still_there_is_not_taken_for_slow_or_lost(self) -> None:
        """The youngest leads are nearly all open; their stage converts as it always did."""
        stage = simulated(3).stages[0]
        assert stage.now.conversion is not None
        assert stage.now.conversion.low is not None
        assert stage.now.conversion.high is not None
        assert stage.now.conversion.low <= 0.5 <= stage.now.conversion.high
        assert stage.now.moved_on / stage.now.entered < 0.5
