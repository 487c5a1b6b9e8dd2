"""The facts that a policy goes by, gathered from columns: the same for a file and for a request.

In: leads and their rows, the routing questions' answers (`features/routing.py`), BANT evidence. Out: `Facts`, an entry a row.
A segment goes by columns that the model reads, and a company by its domain as accounts are known: what is not read is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from data.accounts import account_of
from features import bant
from features.history import Leads
from features.routing import HAND_RAISED, SILENT, STUDENT, UNSUBSCRIBED
from models.decision import BantStatus, Outcome
from models.qualification import Facts, Policy

__all__ = ["facts_of"]

Evidence = Mapping[bant.Dimension, bant.DimensionEvidence]


def facts_of(
    policy: Policy,
    leads: Leads,
    rows: Sequence[int],
    *,
    evidence: Sequence[Evidence],
    answers: NDArray[np.float64] | None = None,
    consent: Sequence[bool | None] | None = None,
    previous: Mapping[str, Outcome] | None = None,
) -> list[Facts]:
    """What is known of each of `rows`; `answers` are needed where the policy is not plain, and only then."""
    columns = [one.column for one in policy.segments]
    before = previous or {}
    found: list[Facts] = []
    for i, row in enumerate(rows):
        status: dict[str, BantStatus] = {name: one.status for name, one in evidence[i].items()} if evidence else {}
        name = leads.ids[row]
        agreed = consent[i] if consent is not None else _yes(leads, "consent", row)
        if answers is None:
            found.append(Facts(name, before.get(name), bant=status, consent=agreed))
            continue
        raised, silent, gone, student = (_known(answers[question, i]) for question in (HAND_RAISED, SILENT, UNSUBSCRIBED, STUDENT))
        found.append(
            Facts(
                name,
                before.get(name),
                bant=status,
                consent=agreed,
                account=account_of(_text(leads, "company_domain", row), _text(leads, "email", row)),
                student=None if student is None else student > 0,
                unsubscribed=None if gone is None else gone > 0,
                hand_raised_days=raised,
                silent_days=silent,
                attributes={column: _value(leads, column, row) for column in columns},
            )
        )
    return found


def _known(value: float) -> float | None:
    return None if value != value else float(value)  # NaN is not equal to itself


def _yes(leads: Leads, name: str, row: int) -> bool | None:
    column = leads.numbers.get(name)
    known = None if column is None else _known(column[row])
    return None if known is None else known > 0


def _text(leads: Leads, name: str, row: int) -> str | None:
    column = leads.texts.get(name)
    return None if column is None else column.text(row)


def _value(leads: Leads, name: str, row: int) -> str | float | None:
    """Text as it is; a number without a needless fraction, as people write it in a list."""
    if name in leads.texts:
        return _text(leads, name, row)
    column = leads.numbers.get(name)
    number = None if column is None else _known(column[row])
    return number if number is None or not number.is_integer() else int(number)
