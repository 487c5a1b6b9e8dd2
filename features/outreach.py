"""Which activities are ours: mails we sent, calls nobody took. They are done to the lead, and so no sign of its interest.

In: the type of an activity, and for a call what its `value` says. Out: whether it is ours. They are counted where a signal
names their type; "any activity" of a lead leaves them out, and a person's first deed after them is a reaction.
"""

from __future__ import annotations

from functools import lru_cache

from features.words import plain

__all__ = ["CALL", "CALL_ATTEMPT", "OUTREACH", "is_ours", "not_reached"]

CALL, CALL_ATTEMPT = "call", "call_attempt"
"""A call that nobody took is read as the type `call_attempt`, whichever of the two it is recorded as."""

OUTREACH = ("email_sent", "email_delivered", "sms_sent", "message_sent", CALL_ATTEMPT)
"""What we do to be heard: messages, then calls."""

_OURS = frozenset({*OUTREACH, "email_bounce", "missed_call", "voicemail", "note", "task"})
_ENDINGS = ("_sent", "_delivered", "_bounced")
_NOT_REACHED = frozenset(
    {
        "no answer",
        "not answered",
        "unanswered",
        "no response",
        "not reached",
        "unreachable",
        "not connected",
        "no contact",
        "missed",
        "missed call",
        "busy",
        "voicemail",
        "left voicemail",
        "answering machine",
        "wrong number",
        "failed",
        "cancelled",
        "canceled",
        "no contesta",
        "sin respuesta",
        "no responde",
        "no contestada",
        "perdida",
        "llamada perdida",
        "ocupado",
        "comunica",
        "buzon",
        "buzon de voz",
        "contestador",
        "numero erroneo",
        "fallida",
        "pas de reponse",
        "messagerie",
        "occupe",
        "nicht erreicht",
        "keine antwort",
        "besetzt",
        "mailbox",
        "nao atendeu",
        "sem resposta",
        "caixa postal",
    }
)


@lru_cache(maxsize=4_096)
def is_ours(type_: str) -> bool:
    """Whether activities of this type are done by us.

    >>> is_ours("email_delivered"), is_ours("O_SENT"), is_ours("email_click")
    (True, True, False)
    """
    name = type_[:200].lower()
    return name in _OURS or name.endswith(_ENDINGS)


@lru_cache(maxsize=16_384)
def _says_not_reached(value: str) -> bool:
    return plain(value).replace("_", " ").replace("-", " ").strip(" .") in _NOT_REACHED


def not_reached(value: str) -> bool:
    """Whether this is what a call's `value` says when nobody took it.

    >>> not_reached("No answer"), not_reached("buzón de voz"), not_reached("connected")
    (True, True, False)
    """
    return _says_not_reached(value[:200])
