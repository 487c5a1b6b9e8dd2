"""Whatever is sent, merged and erased in whatever order: no row is lost, none doubled, and nothing erased comes back."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from data.crm import ActivityRow, Crm, LeadPut
from data.erasure import NothingHeld, erase
from data.merging import BothUnknown, MergedWithItself, merge
from data.store import Store

NAMES = st.sampled_from(["ana", "bea", "cleo", "dora"])
EVENTS = st.sampled_from(["e1", "e2", "e3"])


class Stories(RuleBasedStateMachine):
    """A store beside a model of it that keeps sets: of each lead its activities, of each name the lead that it stands for."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="tamiz-stories-"))
        self.store = Store.open(self.folder)
        self.crm = Crm(self.store)
        self.clock = 1_000
        self.did: dict[str, dict[str, str]] = {}
        self.stands_for: dict[str, str] = {}
        self.erased: dict[str, int] = {}

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    def lead(self, name: str) -> str:
        return self.stands_for.get(name, name)

    def refused(self, name: str, at: int) -> bool:
        return at < max(self.erased.get(name, 0), self.erased.get(self.lead(name), 0))

    @rule(name=NAMES, event=EVENTS, late=st.integers(0, 5))
    def act(self, name: str, event: str, late: int) -> None:
        self.clock += 1
        at = self.clock - late
        (taken,) = self.crm.add_activities([ActivityRow(name, at, self.clock, "page_view", event, url=f"/{self.clock}")])
        if self.refused(name, at):
            assert taken == "erased"
            return
        mine = self.did.setdefault(self.lead(name), {})
        assert taken == ("known" if event in mine else "new")
        mine.setdefault(event, f"/{self.clock}")

    @rule(name=NAMES, title=st.sampled_from(["CFO", "CEO"]))
    def put(self, name: str, title: str) -> None:
        self.clock += 1
        (taken,) = self.crm.put_leads([LeadPut(name, {"job_title": title}, self.clock, self.clock)])
        assert taken != "erased", "who comes anew is welcome"
        self.did.setdefault(self.lead(name), {})

    @rule(one=NAMES, other=NAMES)
    def merge(self, one: str, other: str) -> None:
        self.clock += 1
        into, merged = self.lead(one), self.lead(other)
        try:
            done = merge(self.store, one, other, at=self.clock, author="test")
        except MergedWithItself:
            assert one == other
            return
        except BothUnknown:
            assert not {into, merged} & self.did.keys()
            return
        assert (done.lead_id, done.known) == (into, into == merged)
        if into != merged:
            self.did[into] = self.did.pop(merged, {}) | self.did.get(into, {})
            self.stands_for |= {name: into for name, lead in self.stands_for.items() if lead == merged} | {merged: into}

    @rule(name=NAMES)
    def erase(self, name: str) -> None:
        self.clock += 1
        one = self.lead(name)
        try:
            done = erase(self.store, name, at=self.clock, author="test")
        except NothingHeld:
            assert one not in self.did
            assert name not in self.erased
            return
        if done.known:
            assert one not in self.did
            assert done.erased_at == self.erased[name]
            return
        del self.did[one]
        family = {one, *(known for known, lead in self.stands_for.items() if lead == one)}
        self.erased |= dict.fromkeys(family, self.clock)
        self.stands_for = {known: lead for known, lead in self.stands_for.items() if lead != one}

    @invariant()
    def what_is_held_is_what_was_told(self) -> None:
        names = ["ana", "bea", "cleo", "dora"]
        for name, held in zip(names, self.crm.held(names, self.clock + 1), strict=True):
            one = self.lead(name)
            assert (held is None) == (one not in self.did)
            if held is not None:
                assert held.lead_id == one
                assert {row.activity_id: row.url for row in held.activities} == self.did[one]
                assert held.merged == sorted(known for known, lead in self.stands_for.items() if lead == one)


TestStories = Stories.TestCase
TestStories.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
