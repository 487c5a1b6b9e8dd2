"""Engagement: how much, how recently and how a lead deals with us.

Only what a person did: machines are counted apart (`features/machines.py`), and what we do to be heard is only what the
lead's reactions are measured by (`features/outreach.py`).
"""

from __future__ import annotations

import numpy as np

from features.forms import added, ratio
from features.history import Column, History, Together, select
from features.outreach import CALL_ATTEMPT, OUTREACH
from features.signal import signal

__all__: list[str] = []  # signals are found by `features.catalogue`, not imported by name

_ANSWERED_MAIL = ("email_click", "email_reply")
_CHANNELS = {
    "web": ("page_view", "form_submit", "download"),
    "mail": ("email_open", *_ANSWERED_MAIL),
    "phone": ("call",),
    "meetings": ("meeting",),
    "chat": ("chat",),
    "events": ("webinar_attended", "event_attended"),
}
"""The ways in which a lead can deal with us, by the types of activity that go over them."""
_MAILED = OUTREACH[: OUTREACH.index(CALL_ATTEMPT)]


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


@signal(family="engagement", unit="opens", within="30d", fill=0.0)
def machine_opens_30d(history: History) -> Column:
    """Privacy proxies and scanners opened {value:.0f} mails in the last 30 days, which says nothing of the person."""
    return history.activities("email_open", machine=True).count()


@signal(family="engagement", unit="clicks", within="30d", fill=0.0)
def machine_clicks_30d(history: History) -> Column:
    """Scanners followed {value:.0f} links in mails in the last 30 days, which says nothing of the person."""
    return history.activities("email_click", machine=True).count()


@signal(family="engagement", unit="share", revision=2)
def email_response_90d(history: History) -> Column:
    """Clicked or replied to {value:.0%} of the mails of the last 90 days.

    Not known while no mail was delivered. A mail that is both sent and delivered counts once; several clicks in one mail
    make no more than all of them.
    """
    quarter = history.within(90)
    return ratio(quarter.activities(*_ANSWERED_MAIL).count(), _mails(quarter), at_most=1.0)


def _mails(history: History) -> Column:
    """How many mails there were: one that is both sent and delivered is one."""
    return history.activities(*_MAILED, machine=None).sessions()


@signal(family="engagement", unit="contacts", within="30d", fill=0.0)
def contacts_30d(history: History) -> Column:
    """We sought contact {value:.0f} times in the last 30 days, by mail or calls that nobody took."""
    return _mails(history) + history.activities(CALL_ATTEMPT, machine=None).count()


@signal(family="engagement", unit="share")
def reaction_share_90d(history: History) -> Column:
    """Reacted within three days to {value:.0%} of our mails and attempted calls of the last 90 days.

    A reaction is whatever the person did first: opened, clicked, visited, took the next call.
    """
    quarter = history.within(90)
    sought = _mails(quarter) + quarter.activities(CALL_ATTEMPT, machine=None).count()
    return ratio(quarter.activities().reactions(), sought, at_most=1.0)


@signal(family="engagement", unit="hours", within="90d")
def reaction_hours_90d(history: History) -> Column:
    """Reacted to our mails and attempted calls after {value:.1f} hours on average, where within three days."""
    return ratio(history.activities().delay(), history.activities().reactions())


@signal(family="engagement", unit="calls", within="30d", fill=0.0)
def unanswered_calls_30d(history: History) -> Column:
    """Did not take {value:.0f} of our calls in the last 30 days."""
    return history.activities(CALL_ATTEMPT, machine=None).count()


@signal(family="engagement", unit="share")
def call_connect_90d(history: History) -> Column:
    """Took {value:.0%} of our calls in the last 90 days.

    Not known while we did not call. What a call's `value` says ("no answer", "voicemail") tells; without it, it was taken.
    """
    quarter = history.within(90)
    return ratio(quarter.activities("call").count(), quarter.activities("call", CALL_ATTEMPT, machine=None).count(), at_most=1.0)


@signal(family="engagement", unit="channels", fill=0.0)
def channels_90d(history: History) -> Column:
    """Dealt with us in {value:.0f} of 6 ways in the last 90 days (web, mail, phone, meetings, chat, events)."""
    used: Column = np.add.reduce(history.together(_ON_CHANNELS) > 0.0, axis=0, dtype=np.float64)
    return used


_ON_CHANNELS = Together(("count", select(types, None, None, False, False), 90.0) for types in _CHANNELS.values())


def _channel_share(history: History, *names: str) -> Column:
    """How much of what they did with us in 90 days went over these channels."""
    quarter = history.within(90)
    return ratio(
        added(quarter.activities(*_CHANNELS[name]).count() for name in names),
        added(quarter.activities(*types).count() for types in _CHANNELS.values()),
        at_most=1.0,
    )


@signal(family="engagement", unit="share")
def web_share_90d(history: History) -> Column:
    """{value:.0%} of what they did with us in the last 90 days was on the website.

    Not known while nothing was done, as with mail and conversations.
    """
    return _channel_share(history, "web")


@signal(family="engagement", unit="share")
def mail_share_90d(history: History) -> Column:
    """{value:.0%} of what they did with us in the last 90 days was in mails."""
    return _channel_share(history, "mail")


@signal(family="engagement", unit="share")
def spoken_share_90d(history: History) -> Column:
    """{value:.0%} of what they did with us in the last 90 days was by phone, in meetings or in chats."""
    return _channel_share(history, "phone", "meetings", "chat")


@signal(family="engagement", unit="mails", within="90d", fill=0.0)
def unsubscribes_90d(history: History) -> Column:
    """Unsubscribed from {value:.0f} mailings in the last 90 days."""
    return history.activities("email_unsubscribe", machine=None).count()


@signal(family="engagement", unit="forms", within="90d", fill=0.0)
def forms_90d(history: History) -> Column:
    """Filled in {value:.0f} forms in the last 90 days."""
    return history.activities("form_submit").count()


@signal(family="engagement", unit="forms", within="90d", fill=0.0)
def newsletter_forms_90d(history: History) -> Column:
    """Signed up for the newsletter {value:.0f} times in the last 90 days."""
    return history.activities("form_submit", topic="newsletter").count()


@signal(family="engagement", unit="forms", within="90d", fill=0.0)
def content_forms_90d(history: History) -> Column:
    """Asked for {value:.0f} guides, papers or other downloads in the last 90 days."""
    return history.activities("form_submit", "download", topic="content").count()


@signal(family="engagement", unit="answers", within="90d", fill=0.0)
def answers_90d(history: History) -> Column:
    """Answered {value:.0f} of our questions in the last 90 days."""
    return history.activities("answer").count()


@signal(family="engagement", unit="webinars", within="90d", fill=0.0)
def webinars_90d(history: History) -> Column:
    """Attended {value:.0f} webinars in the last 90 days."""
    return history.activities("webinar_attended").count()


@signal(family="engagement", unit="conversations", within="30d", fill=0.0)
def conversations_30d(history: History) -> Column:
    """Spoke with us {value:.0f} times in the last 30 days."""
    return history.activities("call", "meeting", "chat", "email_reply").count()


@signal(family="engagement", unit="meetings", within="90d", fill=0.0)
def meetings_90d(history: History) -> Column:
    """Met with us {value:.0f} times in the last 90 days."""
    return history.activities("meeting").count()


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
    return ratio(week + 1.0, (both - week) / 4.0 + 1.0, known=both)


@signal(family="engagement", unit="days")
def lead_age(history: History) -> Column:
    """Has been a lead for {value:.0f} days."""
    return history.age_of("created_at")
