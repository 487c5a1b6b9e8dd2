"""Which inputs are made from columns of current state, whose date nobody knows: they may have been written after the outcome.

In: the tables, the columns that are dated (declared static, covered by `lead_changes`) and the signals as evaluated. Out: for each
such input the undated columns behind it. A signal that reads dated rows too, such as BANT from titles and answers, is one
only if the undated columns make a difference to it: it is evaluated once more as if they were not there.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from data.frames import Tables
from features.catalogue_table import reads_of
from features.engine import Plan, SignalTable, evaluate
from features.history import ActivityLog, Leads, Observations
from features.signal import FeatureSet
from models.tables import account_codes, colleagues_of

__all__ = ["undated_inputs"]

_OF_ACCOUNTS = frozenset({"company_domain", "email"})
"""Columns that say who is whose colleague."""


def undated_inputs(
    plan: Plan, table: SignalTable, tables: Tables, leads: Leads, log: ActivityLog, observations: Observations, dated: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Inputs by name with the columns; `tables.kinds` holds the columns that are read at all."""
    loose = set(tables.kinds) - set(dated)
    found: dict[str, tuple[str, ...]] = {one.name: (one.name,) for one in plan.feature_set.attributes if one.name in loose}
    mixed: dict[str, tuple[str, ...]] = {}
    for one in plan.signals:
        need = plan.needs[one.name]
        # Not of `need`: the dimensions of BANT are computed together, and each rests on its own facts only.
        columns = frozenset(reads_of(one, plan.declared).columns) | (
            _OF_ACCOUNTS if any(each in plan.colleagues.position for each in need.aggregates) else frozenset()
        )
        if behind := tuple(sorted(columns & loose)):
            (mixed if need.activities else found)[one.name] = behind
    if mixed:
        without = _without(loose, plan, tuple(mixed), tables, leads, log, observations)
        same = {name for name in mixed if np.array_equal(without.column(name), table.column(name), equal_nan=True)}
        found |= {name: columns for name, columns in mixed.items() if name not in same}
    return found


def _without(
    loose: Collection[str], plan: Plan, names: Collection[str], tables: Tables, leads: Leads, log: ActivityLog, observations: Observations
) -> SignalTable:
    """These signals where nobody knows the loose columns."""
    account = account_codes(replace(tables, leads=tables.leads.drop(columns=[name for name in loose if name in tables.leads])))
    kept = replace(
        leads,
        numbers={name: column for name, column in leads.numbers.items() if name not in loose},
        texts={name: column for name, column in leads.texts.items() if name not in loose},
        times={name: column for name, column in leads.times.items() if name not in loose},
        account=account,
    )
    some = Plan(FeatureSet(tuple(one for one in plan.signals if one.name in names), (), (), plan.feature_set.declared))
    return evaluate(some, kept, log, observations, colleagues_of(some, account, log))
