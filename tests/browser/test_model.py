"""What a data scientist does on the model page, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.promotions import begin, finish
from data.store import Store
from serving.security import new_key


def test_without_the_right_one_may_only_look_on(serve: Callable[[str], str], visit: Callable[..., Any], home: Path) -> None:
    address = serve("required")
    key, stored = new_key(["read"])
    store = Store.open(home)
    store.add_key(stored)
    store.close()
    page = visit(f"{address}/model")
    page.locator("#key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("To promote or to roll back, sign in with a key that has the scope admin.").wait_for()
    assert page.locator("#promote").is_disabled()
    assert page.locator("#rollback").is_disabled()


def test_a_promotion_is_queued_with_its_reason_and_confirmed_by_whoever_follows(
    serve: Callable[[str], str], visit: Callable[..., Any], home: Path
) -> None:
    (home / "bundles" / "challenger.json").write_text(json.dumps({"bundle": "first", "version": 8}))
    page = visit(f"{serve('dev')}/model")
    page.get_by_role("heading", name="version 8").wait_for()
    page.locator("#why").fill("Sales asked for it")
    page.locator("#promote").click()
    page.locator("#requests").get_by_text("queued").wait_for()
    assert "Sales asked for it" in page.locator("#requests").inner_text()
    assert page.locator("#promote").is_disabled()
    store = Store.open(home)
    begun = begin(store)
    assert begun is not None
    (home / "bundles" / "champion.json").write_text(json.dumps({"bundle": "first", "version": 8}))
    finish(store, begun, "done", "champion is now version 8")
    store.close()
    page.get_by_text("Confirmed: version 8 serves.").wait_for()
    assert page.locator("#requests").get_by_text("champion is now version 8").is_visible()
