"""What a qualification policy asks of a lead's history beside its probability.

In: a history. Out: a row a question and a column an observation, NaN where nothing is known: days since a hand was raised,
days since the last activity, whether the lead unsubscribed within a year (0 or 1), whether its title is a student's (0 or 1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.history import History
from features.intent import HAND_RAISES
from features.titles import SENIORITY, read_title

__all__ = ["HAND_RAISED", "SILENT", "STUDENT", "UNSUBSCRIBED", "routing"]

HAND_RAISED, SILENT, UNSUBSCRIBED, STUDENT = range(4)


def routing(history: History) -> NDArray[np.float64]:
    """(question, observation)."""
    return np.array(
        [
            history.activities(*HAND_RAISES).days_since_last(),
            history.activities().days_since_last(),
            np.minimum(history.within(365).activities("email_unsubscribe", machine=None).count(), 1.0),
            history.text("job_title").map(_student),
        ]
    )


def _student(title: str) -> float:
    seniority = read_title(title).seniority
    return np.nan if seniority == "unknown" else float(seniority == SENIORITY[0])
