"""Engagement: how much, how recently and how a lead deals with us. People only; machines are counted apart."""

from __future__ import annotations

import numpy as np

from features.history import Column, History
from features.signal import signal

__all__: list[str] = []  # signals are found by `features.catalogue`, not imported by name


@signal(family="engagement", unit="activities", within="1d", fill=0.0)
def activities_1d(history: History) -> Column:
    """Was active {value:.0f} times in the last 24 hours."""
    return history.activities().count()


@signal(family="engagement", unit="activities", within="7d", fill=0.0)
def activities_7d(history: History) -> Column:
    """Was active {value:.0f} times in the last 7 days."""
    return history.activities().count()


@signal(family="engagement", unit="activities", within="30d", fill=0.0)
def activities_30d(history: History) -> Column:
    """Was active {value:.0f} times in the last 30 days."""
    return history.activities().count()


@signal(family="engagement", unit="activities", within="90d", fill=0.0)
def activities_90d(history: History) -> Column:
    """Was active {value:.0f} times in the last 90 days."""
    return history.activities().count()


@signal(family="engagement", unit="activities", within="90d", fill=0.0)
def machine_activities_90d(history: History) -> Column:
    """Mail scanners and privacy proxies caused {value:.0f} activities in the last 90 days, which do not count as interest."""
    return history.activities(machine=True).count()


@signal(family="engagement", unit="activities", fill=0.0)
def activities_decayed_3d(history: History) -> Column:
    """Activity weighted by freshness (half-life 3 days) is {value:.1f}."""
    return history.activities().decayed(3)


@signal(family="engagement", unit="activities", fill=0.0)
def activities_decayed_14d(history: History) -> Column:
    """Activity weighted by freshness (half-life 14 days) is {value:.1f}."""
    return history.activities().decayed(14)


@signal(family="engagement", unit="activities", fill=0.0)
def activities_decayed_45d(history: History) -> Column:
    """Activity weighted by freshness (half-life 45 days) is {value:.1f}."""
    return history.activities().decayed(45)


@signal(family="engagement", unit="days")
def days_since_last_activity(history: History) -> Column:
    """Was last active {value:.0f} days ago."""
    return history.activities().days_since_last()


@signal(family="engagement", unit="days", within="30d", fill=0.0)
def active_days_30d(history: History) -> Column:
    """Was active on {value:.0f} different days of the last 30."""
    return history.activities().days()


@signal(family="engagement", unit="sessions", within="30d", fill=0.0)
def sessions_30d(history: History) -> Column:
    """Came back for {value:.0f} separate sessions in the last 30 days."""
    return history.activities().sessions()


@signal(family="engagement", unit="topics", within="30d", fill=0.0)
def topics_30d(history: History) -> Column:
    """Read about {value:.0f} different topics in the last 30 days."""
    return history.activities("page_view").topics()


@signal(family="engagement", unit="pages", within="7d", fill=0.0)
def page_views_7d(history: History) -> Column:
    """Viewed {value:.0f} pages in the last 7 days."""
    return history.activities("page_view").count()


@signal(family="engagement", unit="pages", within="30d", fill=0.0)
def page_views_30d(history: History) -> Column:
    """Viewed {value:.0f} pages in the last 30 days."""
    return history.activities("page_view").count()


@signal(family="engagement", unit="pages", within="90d", fill=0.0)
def content_views_90d(history: History) -> Column:
    """Read {value:.0f} articles or resources in the last 90 days."""
    return history.activities("page_view", topic="content").count()


@signal(family="engagement", unit="opens", within="30d", fill=0.0)
def email_opens_30d(history: History) -> Column:
    """Opened {value:.0f} mails in the last 30 days."""
    return history.activities("email_open").count()


@signal(family="engagement", unit="clicks", within="30d", fill=0.0)
def email_clicks_30d(history: History) -> Column:
    """Clicked in {value:.0f} mails in the last 30 days."""
    return history.activities("email_click").count()


@signal(family="engagement", unit="share")
def email_response_90d(history: History) -> Column:
    """Clicked or replied to {value:.0%} of the mails of the last 90 days.

    Not known while no mail was delivered. Where both sending and delivery are recorded, a mail counts once; several
    clicks in one mail make no more than all of them.
    """
    recent = history.within(90)
    mails = np.maximum(recent.activities("email_delivered", machine=None).count(), recent.activities("email_sent", machine=None).count())
    answered = recent.activities("email_click", "email_reply").count()
    share: Column = np.minimum(answered, mails) / np.where(mails > 0, mails, np.nan)
    return share


@signal(family="engagement", unit="mails", within="90d", fill=0.0)
def unsubscribes_90d(history: History) -> Column:
    """Unsubscribed from {value:.0f} mailings in the last 90 days."""
    return history.activities("email_unsubscribe", machine=None).count()


@signal(family="engagement", unit="forms", within="90d", fill=0.0)
def forms_90d(history: History) -> Column:
    """Filled in {value:.0f} forms in the last 90 days."""
    return history.activities("form_submit").count()


@signal(family="engagement", unit="webinars", within="90d", fill=0.0)
def webinars_90d(history: History) -> Column:
    """Attended {value:.0f} webinars in the last 90 days."""
    return history.activities("webinar_attended").count()


@signal(family="engagement", unit="conversations", within="30d", fill=0.0)
def conversations_30d(history: History) -> Column:
    """Spoke with us {value:.0f} times in the last 30 days."""
    return history.activities("call", "meeting", "chat", "email_reply").count()


@signal(family="engagement", unit="conversations", fill=0.0)
def conversations_decayed_14d(history: History) -> Column:
    """Conversations weighted by freshness (half-life 14 days) come to {value:.1f}."""
    return history.activities("call", "meeting", "chat", "email_reply").decayed(14)


@signal(family="engagement", unit="ratio")
def trend_7_28(history: History) -> Column:
    """Was {value:.1f} times as active in the last 7 days as in an average week of the 28 before.

    One activity is added to either side, so that a first visit is not an infinite trend; not known before any activity.
    """
    week = history.within(7).activities().count()
    both = history.within(35).activities().count()
    trend: Column = (week + 1.0) / ((both - week) / 4.0 + 1.0)
    trend[both == 0] = np.nan
    return trend


@signal(family="engagement", unit="days")
def lead_age(history: History) -> Column:
    """Has been a lead for {value:.0f} days."""
    return history.age_of("created_at")
