"""What sales does on the queue and on a lead's page, in a real browser."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.store import Store
from serving.security import new_key
from tests.browser.conftest import ask, feed

Serve = Callable[[str], str]
Visit = Callable[..., Any]
EVERYONE = "#everyone"


def put(address: str, path: str, body: object) -> None:
    headers = {"Content-Type": "application/json", "If-Match": "*"}
    request = urllib.request.Request(f"{address}{path}", json.dumps(body).encode(), headers, method="PUT")
    urllib.request.urlopen(request, timeout=15).close()


def sign_in(page: Any, key: str) -> None:
    page.locator("#key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def rows(page: Any) -> Any:
    return page.locator("#rows > tr")


def until_rows(page: Any, count: int) -> None:
    page.wait_for_function("count => document.querySelectorAll('#rows > tr').length === count", arg=count)


def everyone(page: Any) -> None:
    page.wait_for_selector("#work:not([hidden])")
    for name in ("nurture", "disqualified"):
        page.locator(f"label[for=decision-{name}]").click()
    rows(page).first.wait_for()


def test_where_no_lead_was_ever_sent_the_queue_says_how_to_send_one(serve: Serve, visit: Visit) -> None:
    page = visit(f"{serve('dev')}/queue")
    page.get_by_text("No leads yet").wait_for()
    assert "/v1/leads/L-2041" in page.locator("#nobody-at-all pre").inner_text()
    assert not page.locator("#table").is_visible()


def test_filters_that_leave_nobody_are_not_an_empty_installation(serve: Serve, visit: Visit) -> None:
    address = serve("dev")
    feed(address, 3)
    page = visit(f"{address}/queue")
    page.wait_for_selector("#work:not([hidden])")
    page.locator("#least").fill("99,9")
    page.locator("#least").press("Enter")
    page.get_by_text("Nobody under these filters").wait_for()
    page.locator(EVERYONE).click()
    rows(page).nth(2).wait_for()


def test_a_rep_reads_accepts_and_rejects_with_a_reason_and_it_is_kept(serve: Serve, visit: Visit) -> None:
    address = serve("dev")
    feed(address, 3)
    page = visit(f"{address}/queue")
    everyone(page)
    listed = ask(address, "/v1/leads")["leads"]
    first, second = rows(page).nth(0), rows(page).nth(1)
    assert listed[0]["reasons"][0]["sentence"] in first.inner_text()
    assert f"Budget: {'not known' if listed[0]['bant']['budget']['status'] == 'unknown' else ''}" in first.locator(".marks").inner_text()
    first.get_by_role("button", name="Accept").click()
    first.locator(".verdict").get_by_text("Accepted").wait_for()
    first.get_by_text("Accepted by sales").wait_for()
    second.get_by_role("button", name="Reject").click()
    assert second.locator("select").evaluate("e => e === document.activeElement")
    second.locator("select").select_option("no_budget")
    second.locator("input").fill("Frozen until spring")
    second.locator("form button.primary").click()
    second.locator(".verdict").get_by_text("Rejected").wait_for()
    second.get_by_text("Rejected by sales").wait_for()
    said = {one["lead_id"]: one["feedback"] for one in ask(address, "/v1/leads")["leads"]}
    assert said[listed[0]["lead_id"]]["verdict"] == "accepted"
    assert (said[listed[1]["lead_id"]]["reason"], said[listed[1]["lead_id"]]["note"]) == ("no_budget", "Frozen until spring")
    page.reload()
    until_rows(page, 2)  # whom somebody has said no to is not to be called
    page.locator("#state").select_option("")
    rows(page).nth(2).wait_for()
    rows(page).nth(1).get_by_text("Frozen until spring").wait_for()
    second.get_by_role("button", name="Change").click()
    second.get_by_role("button", name="Accept").click()
    second.locator(".verdict").get_by_text("Accepted").wait_for()
    assert {one["feedback"] and one["feedback"]["verdict"] for one in ask(address, "/v1/leads")["leads"]} == {"accepted", None}


def test_what_the_crm_has_made_a_customer_of_is_not_saless_to_judge(serve: Serve, visit: Visit) -> None:
    address = serve("dev")
    feed(address, 2)
    ask(address, "/v1/outcomes", [{"lead_id": "lead-00", "converted_at": datetime.now(UTC).isoformat()}], "POST")
    page = visit(f"{address}/leads/lead-00")
    page.locator("#track [aria-current=step]").get_by_text("Customer").wait_for()
    assert "in the CRM's hands" in page.locator("#verdict").inner_text()
    assert page.locator("#verdict button").count() == 0
    page = visit(f"{address}/queue")
    everyone(page)
    assert page.locator("#rows .id").all_inner_texts() == ["lead-01"]  # nobody calls a customer to sell what is sold
    page.locator("#state").select_option("customer")
    page.locator("#rows .id", has_text="lead-00").wait_for()
    until_rows(page, 1)


def test_who_waits_too_long_is_counted_listed_and_taken_care_of(serve: Serve, visit: Visit) -> None:
    address = serve("dev")
    everybody = {"mql": {"enter": 0.0, "exit": 0.0}, "sql": {"enter": 1.0, "exit": 1.0}, "hand_off": {"within_hours": 0.5 / 3600}}
    put(address, "/v1/policy", {"policy": everybody})
    feed(address, 3)
    time.sleep(0.6)
    page = visit(f"{address}/queue")
    page.get_by_text("3 leads wait for sales longer than promised.").wait_for()
    rows(page).first.get_by_text("overdue by 1 minute").wait_for()
    page.get_by_role("button", name="Show those that wait too long").click()
    page.wait_for_function("() => document.getElementById('sla').value === 'breached'")
    rows(page).nth(2).wait_for()
    rows(page).nth(0).get_by_role("button", name="Accept").click()
    rows(page).nth(0).get_by_text("taken care of too late").wait_for()
    page.get_by_text("2 leads wait for sales longer than promised.").wait_for()
    page.reload()
    until_rows(page, 2)
    page.locator("#sla").select_option("late")
    until_rows(page, 1)


def test_a_lead_shows_its_course_and_what_would_move_it_up(serve: Serve, visit: Visit) -> None:
    address = serve("dev")
    feed(address, 2)
    page = visit(f"{address}/leads/lead-00")
    page.locator("#course svg").wait_for()
    told = ask(address, "/v1/leads/lead-00/what-if")
    better = [one for one in told["what_if"] if f"{one['probability']:.1%}" != f"{told['probability']:.1%}"]
    page.locator("#what-if li").first.wait_for()
    assert page.locator("#what-if .entry").count() == len([one for one in better if one["probability"] > told["probability"]])
    machines = [one["machine"] for one in ask(address, "/v1/leads/lead-00")["activities"]]
    assert page.locator("#course .did.machine").count() == machines.count(True)
    assert "now" in page.locator("#course svg").get_attribute("aria-label")
    page.get_by_text("How it came here").click()
    assert "In nurture" in page.locator("#moves").inner_text() or "Handed to sales" in page.locator("#moves").inner_text()


def test_pages_are_turned_forth_and_back_and_hold_everyone_once(serve: Serve, visit: Visit) -> None:
    address = serve("dev")
    feed(address, 30)
    page = visit(f"{address}/queue")
    everyone(page)
    met = page.locator("#rows .id").all_inner_texts()
    assert len(met) == 25
    page.locator("#next").click()
    page.get_by_text("Leads 26 to 30").wait_for()
    rest = page.locator("#rows .id").all_inner_texts()
    assert sorted(met + rest) == [f"lead-{i:02d}" for i in range(30)]
    page.go_back()
    page.get_by_text("Leads 1 to 25").wait_for()
    assert page.locator("#rows .id").all_inner_texts() == met


def test_a_lead_shows_what_was_decided_what_is_known_and_which_activities_were_a_machines(serve: Serve, visit: Visit) -> None:
    address = serve("dev")
    feed(address, 2)
    page = visit(f"{address}/queue")
    page.locator("#lead-id").fill("lead-00")
    page.locator("#lead-id").press("Enter")
    page.wait_for_selector("#timeline > li")
    held = ask(address, "/v1/leads/lead-00")
    assert page.locator("h1").inner_text() == "Head of Sales"
    assert [one["machine"] for one in held["activities"]].count(True) == 1
    assert page.locator("#timeline .machine").count() == 1
    assert "Opened an e-mail" in page.locator("#timeline .machine").inner_text()
    authority = page.locator("#bant .dimension").nth(1)
    assert "contradicts the strongest fact" in authority.inner_text()
    assert held["decision"]["bant"]["authority"]["question"] in authority.inner_text()
    before = page.locator("#decisions > li").count()
    page.locator("#again").click()
    page.get_by_text("Scored as of now.").wait_for()
    assert page.locator("#decisions > li").count() == before + 1
    page.locator("#decisions summary").first.click()
    newest = ask(address, "/v1/leads/lead-00/decisions")["decisions"][0]
    assert newest["receipt"]["decision_id"] in page.locator("#decisions > li").first.inner_text()


def test_a_lead_that_nobody_sent_is_said_to_be_none(serve: Serve, visit: Visit) -> None:
    page = visit(f"{serve('dev')}/leads/nobody")
    page.get_by_text("There is no such lead.").wait_for()
    assert not page.locator("#work").is_visible()


def test_one_key_opens_every_page_and_one_without_the_scope_is_refused(serve: Serve, visit: Visit, home: Path) -> None:
    address = serve("required")
    store = Store.open(home)
    blind, seeing = new_key(["ingest"]), new_key(["read"])
    for _, stored in (blind, seeing):
        store.add_key(stored)
    feed_with = new_key(["admin"])
    store.add_key(feed_with[1])
    feed(address, 2, feed_with[0])
    page = visit(f"{address}/queue")
    sign_in(page, blind[0])
    page.get_by_text("lacks the scope read").wait_for()
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, seeing[0])
    page.get_by_role("link", name="Queue").click()
    everyone(page)
    rows(page).first.locator("a").click()
    page.wait_for_selector("#decisions > li")
    page.get_by_role("link", name="Thresholds").click()
    page.wait_for_selector("#work:not([hidden])")
    page.get_by_text("To publish them, sign in with a key that has the scope policy.").wait_for()
    page.locator("#mql-slider").fill("0.01")
    assert page.locator("#publish-button").is_disabled()
    rest = page.locator("#mql-figures").inner_text()
    page.locator("#reset").click()
    assert page.locator("#mql-figures").inner_text() != rest


def test_in_spanish_shares_have_a_comma_and_the_model_asks_in_spanish(serve: Serve, visit: Visit) -> None:
    address = serve("dev")
    feed(address, 3)
    page = visit(f"{address}/queue", language="es")
    everyone(page)
    assert "," in page.locator(".chance-line strong").first.inner_text()
    assert "Presupuesto:" in page.locator(".marks").first.inner_text()
    page = visit(f"{address}/leads/lead-00", language="es")
    page.wait_for_selector("#work:not([hidden])")
    assert "UTC" in page.locator("#decisions").inner_text()
    assert "¿" in page.locator("#bant .ask").first.inner_text()
    said = page.locator("#reasons li > span:first-child, #bant .evidence > li > span:first-child").all_inner_texts()
    assert len(said) > 4
    assert page.locator("#reasons [lang=en], #bant [lang=en], #missing [lang=en]").count() == 0
    assert any(text.startswith("Cargo: Head of Sales") for text in said)
    assert any("demo" in text and ("Pidió" in text or "petición" in text) for text in said)


def test_the_keyboard_alone_reaches_everything_in_the_order_that_is_read(serve: Serve, visit: Visit) -> None:
    address = serve("dev")
    feed(address, 1)
    page = visit(f"{address}/queue")
    everyone(page)
    page.reload()  # nothing has the focus yet, and what was asked for is asked again
    rows(page).first.wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    seen = []
    for _ in range(14):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    filters = [f"decision-{name}" for name in ("sql", "mql", "nurture", "disqualified")]
    assert seen == ["lead-id", "Open", *filters, "state", "sla", "owner", "sort", "least", "csv", "Head of Sales", "Accept"]
