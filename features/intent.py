"""Intent: hands raised, prices and rivals compared, interest that comes back or speeds up, colleagues who join in."""

from __future__ import annotations

from features.forms import added, ratio
from features.history import Column, History
from features.signal import signal

__all__ = ["HAND_RAISES"]

HAND_RAISES = ("demo_request", "contact_sales", "trial_start")
"""Activities by which a lead asks for sales."""

_BUYING_PAGES = ("pricing", "demo", "comparison", "trial")


@signal(family="intent", unit="requests", within="7d", fill=0.0)
def hand_raises_7d(history: History) -> Column:
    """Asked for a demo, a trial or a call {value:.0f} times in the last 7 days."""
    return history.activities(*HAND_RAISES).count()


@signal(family="intent", unit="requests", within="90d", fill=0.0)
def hand_raises_90d(history: History) -> Column:
    """Asked for a demo, a trial or a call {value:.0f} times in the last 90 days."""
    return history.activities(*HAND_RAISES).count()


@signal(family="intent", unit="requests", fill=0.0)
def hand_raises_decayed_14d(history: History) -> Column:
    """Requests for a demo, a trial or a call, weighted by freshness (half-life 14 days), come to {value:.1f}."""
    return history.activities(*HAND_RAISES).decayed(14)


@signal(family="intent", unit="days")
def days_since_hand_raise(history: History) -> Column:
    """Last asked for a demo, a trial or a call {value:.0f} days ago."""
    return history.activities(*HAND_RAISES).days_since_last()


@signal(family="intent", unit="visits", within="7d", fill=0.0)
def pricing_visits_7d(history: History) -> Column:
    """Visited pricing pages {value:.0f} times in the last 7 days."""
    return history.activities("page_view", topic="pricing").count()


@signal(family="intent", unit="visits", within="30d", fill=0.0)
def pricing_visits_30d(history: History) -> Column:
    """Visited pricing pages {value:.0f} times in the last 30 days."""
    return history.activities("page_view", topic="pricing").count()


@signal(family="intent", unit="visits", fill=0.0)
def pricing_decayed_14d(history: History) -> Column:
    """Visits to pricing pages, weighted by freshness (half-life 14 days), come to {value:.1f}."""
    return history.activities("page_view", topic="pricing").decayed(14)


@signal(family="intent", unit="visits", within="30d", fill=0.0)
def comparison_visits_30d(history: History) -> Column:
    """Read comparisons with competitors {value:.0f} times in the last 30 days."""
    return history.activities("page_view", topic="comparison").count()


@signal(family="intent", unit="visits", within="30d", fill=0.0)
def terms_visits_30d(history: History) -> Column:
    """Read terms, privacy or security pages {value:.0f} times in the last 30 days, as people do before they sign."""
    return history.activities("page_view", topic="legal").count()


@signal(family="intent", unit="visits", within="30d", fill=0.0)
def career_visits_30d(history: History) -> Column:
    """Looked at job openings {value:.0f} times in the last 30 days, as people do who look for work."""
    return history.activities("page_view", topic="careers").count()


@signal(family="intent", unit="returns", within="7d", fill=0.0)
def returns_after_silence_7d(history: History) -> Column:
    """Came back {value:.0f} times this week after 30 days of silence or more."""
    return history.activities().returns()


@signal(family="intent", unit="activities", fill=0.0)
def acceleration_7d(history: History) -> Column:
    """Was active {value:+.0f} times more this week than the week before."""
    this_week = history.within(7).activities().count()
    return 2.0 * this_week - history.within(14).activities().count()


@signal(family="intent", unit="colleagues", within="7d")
def colleagues_active_7d(history: History) -> Column:
    """{value:.0f} colleagues at the same company were active this week."""
    return history.colleagues().people()


@signal(family="intent", unit="activities", within="30d")
def colleague_activities_30d(history: History) -> Column:
    """Colleagues at the same company were active {value:.0f} times in the last 30 days."""
    return history.colleagues().count()


@signal(family="intent", unit="colleagues", within="90d")
def colleagues_raising_hands_90d(history: History) -> Column:
    """{value:.0f} colleagues asked for a demo, a trial or a call in the last 90 days."""
    return history.colleagues(*HAND_RAISES).people()


@signal(family="intent", unit="share", revision=2)
def intent_share_30d(history: History) -> Column:
    """{value:.0%} of the pages viewed in the last 30 days were about prices, demos or comparisons.

    Not known while no page was viewed.
    """
    month = history.within(30)
    buying = added(month.activities("page_view", topic=topic).count() for topic in _BUYING_PAGES)
    return ratio(buying, month.activities("page_view").count(), at_most=1.0)
