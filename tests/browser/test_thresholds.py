"""What a marketer does on the thresholds page, in a real browser."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.store import Store
from serving.security import new_key
from tests.browser.conftest import trained


def score(address: str, lead_id: str) -> Any:
    body = {
        "lead": {"lead_id": lead_id, "job_title": "Chief Operating Officer", "employees": 200},
        "activities": [{"type": "demo_request", "occurred_at": "2026-10-20T10:00:00Z"}],
        "as_of": "2026-10-21T09:00:00Z",
    }
    request = urllib.request.Request(f"{address}/v1/score", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def figure(page: Any, queue: str, name: str) -> str:
    text: str = page.locator(f'#{queue}-figures [data-figure="{name}"]').inner_text()
    return text


def test_a_marketer_moves_the_threshold_publishes_and_the_next_score_obeys(serve: Callable[[str], str], visit: Callable[..., Any]) -> None:
    address = serve("dev")
    page = visit(address)
    page.wait_for_selector("#work:not([hidden])")
    assert page.locator("#publish-button").is_disabled()
    before = [figure(page, "mql", name) for name in ("volume", "precision", "caught")]
    assert score(address, "before")["decision"] == "nurture"

    page.locator("#mql-slider").fill("0.01")
    after = [figure(page, "mql", name) for name in ("volume", "precision", "caught")]
    assert all(one != other for one, other in zip(before, after, strict=True))
    assert float(after[0].replace(",", "")) > float(before[0].replace(",", ""))
    assert "MQL: 20% → 1%" in page.locator("#changes").inner_text()

    page.locator("#author").fill("Ana")
    page.locator("#note").fill("After the fair")
    page.locator("#publish-button").click()
    page.get_by_text("Published as version 1. The next score obeys.").wait_for()
    decision = score(address, "after")
    assert (decision["decision"], decision["receipt"]["policy_version"]) == ("mql", "1")
    assert "After the fair" in page.locator("#history").inner_text()

    page.locator("#mql-slider").fill("0.3")
    page.locator("#publish-button").click()
    page.get_by_text("Published as version 2.").wait_for()
    assert score(address, "later")["decision"] == "nurture"
    page.get_by_role("button", name="Publish version 1 again").click()
    page.get_by_text("Version 3 is in force again.").wait_for()
    assert score(address, "again")["decision"] == "mql"


def test_keyboard_alone_moves_a_threshold_and_sql_never_falls_below_mql(looked_at: str, visit: Callable[..., Any]) -> None:
    page = visit(looked_at)
    page.wait_for_selector("#work:not([hidden])")
    page.locator("#mql-slider").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#mql-number").input_value() == "20.1"
    assert page.locator("#mql-slider").get_attribute("aria-valuetext") == "20.1%"
    page.locator("#mql-number").fill("70")
    assert page.locator("#sql-number").input_value() == "70"
    page.locator("#sql-number").fill("40")
    assert page.locator("#mql-number").input_value() == "40"
    page.locator("#mql-exit").fill("90")
    page.keyboard.press("Tab")
    assert page.locator("#mql-exit").input_value() == "40"
    page.locator("#reset").click()
    assert page.locator("#mql-number").input_value() == "20"
    page.locator("#spoken", has_text="MQL 20%").wait_for(state="attached")


def test_two_marketers_at_once_do_not_overwrite_each_other(serve: Callable[[str], str], visit: Callable[..., Any]) -> None:
    address = serve("dev")
    ana, bea = visit(address), visit(address)
    for page, threshold in ((ana, "0.1"), (bea, "0.3")):
        page.wait_for_selector("#work:not([hidden])")
        page.locator("#mql-slider").fill(threshold)
    ana.locator("#author").fill("Ana")
    ana.locator("#publish-button").click()
    ana.get_by_text("Published as version 1.").wait_for()
    bea.locator("#publish-button").click()
    bea.get_by_text("Version 1 was published by Ana meanwhile.").wait_for()
    assert bea.locator("#mql-number").input_value() == "30"
    assert "MQL: 10% → 30%" in bea.locator("#changes").inner_text()
    bea.locator("#publish-button").click()
    bea.get_by_text("Published as version 2.").wait_for()


def test_where_keys_are_required_one_is_asked_for_and_then_publishes(
    serve: Callable[[str], str], visit: Callable[..., Any], home: Path
) -> None:
    address = serve("required")
    page = visit(address)
    page.locator("#key").fill("tmz_wrong.key")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("This key is not valid here").wait_for()
    key, stored = new_key(["policy"])
    Store.open(home).add_key(stored)
    page.locator("#key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector("#work:not([hidden])")
    page.locator("#mql-slider").fill("0.01")
    page.locator("#publish-button").click()
    page.get_by_text("Published as version 1.").wait_for()
    page.reload()
    page.get_by_text(f"{key.partition('.')[0]},").first.wait_for()


def test_the_line_of_the_chart_says_at_the_handle_what_the_tile_says(looked_at: str, visit: Callable[..., Any]) -> None:
    page = visit(looked_at)
    page.wait_for_selector("#chart .main-svg")
    with urllib.request.urlopen(f"{looked_at}/v1/policy/curves", timeout=10) as answer:
        curves = json.loads(answer.read())
    edges, caught = curves["thresholds"], curves["caught"]["value"]
    steepest = sorted(range(len(edges) - 1), key=lambda i: caught[i + 1] - caught[i])[:4]
    for i in steepest:  # where a slope would be furthest from a step
        threshold = round((edges[i] + edges[i + 1]) / 2, 4)
        page.locator("#mql-number").fill(f"{threshold * 100:g}")
        drawn = page.evaluate(LINE_AT, ["share of all conversions caught", threshold])
        tile = float(figure(page, "mql", "caught").removesuffix("%")) / 100
        assert drawn == pytest.approx(tile, abs=0.005)
    shapes = page.evaluate("document.getElementById('chart').data.filter(t => t.name).map(t => t.line.shape)")
    assert shapes == ["vh"] * 3


LINE_AT = """([name, at]) => {
  const chart = document.getElementById("chart");
  const place = chart._fullData.findIndex((trace) => trace.name === name);
  const { xaxis } = chart._fullLayout;
  const yaxis = chart._fullLayout[chart._fullData[place].yaxis.replace("y", "yaxis")];
  const path = chart.querySelector(`.trace.scatter.trace${chart._fullData[place].uid} path.js-line`);
  let [low, high] = [0, path.getTotalLength()];
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (path.getPointAtLength(middle).x < xaxis.l2p(at)) low = middle; else high = middle;
  }
  return yaxis.p2l(path.getPointAtLength(low).y);
}"""
"""The value that is drawn, in pixels turned back into shares: where the line's path crosses this threshold."""


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "No lead of the backtest reached this probability."),
        ("es", "Ningún lead de la prueba retrospectiva alcanzó esta probabilidad."),
    ],
)
def test_a_threshold_above_all_that_was_measured_is_said_in_words_and_not_as_nothing(
    looked_at: str, visit: Callable[..., Any], language: str, said: str
) -> None:
    page = visit(looked_at, language=language)
    page.wait_for_selector("#work:not([hidden])")
    assert not page.locator("#sql-nobody").is_visible()
    page.locator("#sql-number").fill("99.5")
    assert page.locator("#sql-nobody").inner_text() == said
    assert [figure(page, "sql", name) for name in ("volume", "precision", "caught")] == ["–"] * 3
    assert "0" not in page.locator("#sql-figures").inner_text()
    assert not page.locator("#mql-nobody").is_visible()
    page.locator("#sql-number").fill("40")
    assert not page.locator("#sql-nobody").is_visible()
    assert "–" not in page.locator("#sql-figures").inner_text()


def test_in_spanish_numbers_are_written_and_read_with_a_comma(looked_at: str, visit: Callable[..., Any]) -> None:
    page = visit(looked_at, language="es")
    page.wait_for_selector("#work:not([hidden])")
    for typed in ("15,79", "15.79", " 15,79 %"):
        page.locator("#mql-number").fill("20")
        page.locator("#mql-number").fill(typed)
        page.keyboard.press("Tab")
        assert page.locator("#mql-number").input_value() == "15,79"
        assert page.locator("#mql-slider").get_attribute("aria-valuetext") == "15,8\N{NO-BREAK SPACE}%"
    for nonsense in ("", "mucho", "1,2,3", "-4"):
        page.locator("#mql-number").fill(nonsense)
        page.keyboard.press("Tab")
        assert page.locator("#mql-number").input_value() == "15,79"
    page.locator("#mql-number").press("ArrowUp")
    assert page.locator("#mql-number").input_value() == "15,89"
    assert "intervalo del 95" in page.locator("#mql-figures").inner_text()


def test_nothing_is_wider_than_the_window(looked_at: str, visit: Callable[..., Any]) -> None:
    for width, language in ((390, "es"), (1280, "en")):  # Spanish is the longer of the two
        page = visit(looked_at, width=width, language=language)
        page.wait_for_selector("#chart .main-svg")
        for now in (width, 390, 700):
            page.set_viewport_size({"width": now, "height": 700})
            end = time.monotonic() + 5
            while abs(page.evaluate(TOO_WIDE)) >= 1 and time.monotonic() < end:
                page.wait_for_timeout(20)
            assert abs(page.evaluate(TOO_WIDE)) < 1, (width, language, now)
            assert page.evaluate("document.scrollingElement.scrollWidth - document.documentElement.clientWidth") <= 0


TOO_WIDE = "document.querySelector('#chart .main-svg').getBoundingClientRect().width - document.getElementById('chart').clientWidth"
"""By how much the plot is wider than its card leaves room for."""


def test_without_a_model_the_page_says_what_to_do(serve: Callable[[str], str], visit: Callable[..., Any], home: Path) -> None:
    (home / "bundles" / "champion.json").unlink()
    address = serve("dev")
    page = visit(address)
    page.get_by_text("No model serves yet.").wait_for()
    assert "tamiz promote" in page.locator("#notice").inner_text()


@pytest.mark.parametrize(
    ("language", "title", "said"),
    [("en", "There is no backtest yet", "train one with"), ("es", "Aún no hay prueba retrospectiva", "entrene uno con")],
)
def test_without_a_backtest_the_page_says_what_is_missing_and_how_to_get_it(
    serve: Callable[[str], str], visit: Callable[..., Any], home: Path, language: str, title: str, said: str
) -> None:
    (home / "bundles" / "first").unlink()
    trained(home / "bundles" / "first", backtest=False)
    page = visit(serve("dev"), language=language)
    page.get_by_text(title).wait_for()
    assert "tamiz train" in page.locator("#notice").inner_text()
    assert said in page.locator("#notice").inner_text()
    assert not page.locator("#work").is_visible()


def test_a_segment_by_a_column_that_the_model_does_not_know_is_named_with_those_that_there_are(
    serve: Callable[[str], str], visit: Callable[..., Any]
) -> None:
    address = serve("dev")
    bands = {"mql": {"enter": 0.3, "exit": 0.2}, "sql": {"enter": 0.6, "exit": 0.5}}
    theirs = {**bands, "segments": [{"name": "large shoes", "column": "shoe_size", "values": ["45"], **bands}]}
    request = urllib.request.Request(
        f"{address}/v1/policy", json.dumps({"policy": theirs}).encode(), {"Content-Type": "application/json", "If-Match": "*"}, method="PUT"
    )
    urllib.request.urlopen(request, timeout=10).close()
    page = visit(address)
    page.wait_for_selector("#work:not([hidden])")
    page.get_by_text("There is no column “shoe_size”").first.wait_for()
    assert "source" in page.locator("#ahead-wrong").inner_text()
    page.get_by_role("tab", name="large shoes").click()
    page.locator("#segment-wrong", has_text="shoe_size").wait_for()
    assert page.get_by_role("tab", name="Everyone").get_attribute("aria-selected") == "true"


def test_thresholds_that_were_made_for_another_model_are_not_published(
    serve: Callable[[str], str], visit: Callable[..., Any], home: Path
) -> None:
    address = serve("dev")
    page = visit(address)
    page.wait_for_selector("#work:not([hidden])")
    page.locator("#mql-slider").fill("0.3")
    page.route("**/v1/policy", lambda route: route.continue_(post_data=_of_another(route.request)) if _puts(route) else route.continue_())
    page.locator("#publish-button").click()
    page.get_by_text("Another model serves by now").wait_for()
    assert page.locator("#mql-number").input_value() == "30"
    with urllib.request.urlopen(f"{address}/v1/policy", timeout=10) as answer:
        assert json.loads(answer.read())["version"] == "default"


def _puts(route: Any) -> bool:
    return bool(route.request.method == "PUT")


def _of_another(request: Any) -> str:
    """As from a page that was opened when another model served."""
    return json.dumps(json.loads(request.post_data) | {"feature_set": "f" * 64})


def test_thresholds_that_cannot_be_are_taken_back_where_they_are_typed(looked_at: str, visit: Callable[..., Any]) -> None:
    page = visit(looked_at)
    page.wait_for_selector("#work:not([hidden])")
    for typed, taken in (("130", "100"), ("-5", "100"), ("0", "0")):
        page.locator("#mql-number").fill(typed)
        page.keyboard.press("Tab")
        assert page.locator("#mql-number").input_value() == taken
    page.locator("#mql-exit").fill("50")
    page.keyboard.press("Tab")
    assert page.locator("#mql-exit").input_value() == "0"


def test_the_tables_of_the_page_are_saved_as_they_are_shown(looked_at: str, visit: Callable[..., Any]) -> None:
    page = visit(looked_at)
    page.wait_for_selector("#segments:not([hidden])")
    for button, name, row in (
        ("#segments-csv", "preview.csv", "mql,source,fair"),
        ("#curves-csv", "curves.csv", "threshold,tested,volume"),
    ):
        with page.expect_download() as downloading:
            page.locator(button).click()
        assert downloading.value.suggested_filename == name
        assert row in Path(downloading.value.path()).read_text()


def put(address: str, path: str, body: object, method: str = "POST") -> Any:
    request = urllib.request.Request(f"{address}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def test_who_moves_today_and_what_to_choose_are_said_in_words(serve: Callable[[str], str], visit: Callable[..., Any]) -> None:
    address = serve("dev")
    put(address, "/v1/leads/ana", {"job_title": "Chief Operating Officer", "company": "Ana works", "employees": 200}, "PUT")
    put(address, "/v1/leads/ana/score", {})
    page = visit(address)
    page.wait_for_selector("#mql-today h3")
    page.get_by_text("Nobody moves.").first.wait_for()
    page.locator("#mql-slider").fill("0.001")
    page.get_by_text("1 lead enters").wait_for()
    page.get_by_text("Who enters").click()
    assert page.get_by_role("link", name="Ana works").get_attribute("href") == "/leads/ana"

    page.locator("#calls").fill("40")
    page.locator("#cost").fill("25")
    page.locator("#worth").fill("500")
    page.get_by_text("fills 40 calls a week").wait_for()
    page.get_by_text("is worth most").wait_for()
    page.get_by_role("button", name="Set MQL to").first.click()
    assert page.locator("#mql-number").input_value() != "0.1"


def test_after_publishing_everybody_can_be_scored_again_at_once(serve: Callable[[str], str], visit: Callable[..., Any]) -> None:
    address = serve("dev")
    put(address, "/v1/leads/ana", {"job_title": "Chief Operating Officer", "company": "Ana works", "employees": 200}, "PUT")
    put(address, "/v1/leads/ana/score", {})
    page = visit(address)
    page.wait_for_selector("#mql-today h3")
    page.locator("#mql-slider").fill("0.001")
    page.locator("#publish-button").click()
    page.get_by_text("Published as version 1.").wait_for()
    page.locator("#rescore").click()
    page.get_by_text("1 lead was scored again.").wait_for()
    page.locator("#mql-today", has_text="1 lead in it now").wait_for()
    with urllib.request.urlopen(f"{address}/v1/leads/ana/decision", timeout=10) as answer:
        assert json.loads(answer.read())["decision"] == "mql"


def test_places_a_week_are_drawn_and_their_use_is_said(looked_at: str, visit: Callable[..., Any]) -> None:
    page = visit(looked_at)
    page.wait_for_selector("#chart .main-svg")
    page.locator("#mql-places").fill("30")
    page.get_by_text("of the places used").wait_for()
    assert "places a week" in page.locator("#chart").inner_text()
    assert "MQL places a week: unlimited → 30" in page.locator("#changes").inner_text()
    page.locator("#mql-places").fill("0")
    page.get_by_text("No places: nobody enters.").wait_for()
    page.locator("#mql-places").fill("")
    page.get_by_text("Nothing differs from what is published.").wait_for()


def test_what_sales_promises_is_published_with_the_thresholds_and_taken_back(
    serve: Callable[[str], str], visit: Callable[..., Any]
) -> None:
    address = serve("dev")
    page = visit(address, language="es")
    page.wait_for_selector("#work:not([hidden])")
    for nonsense in ("pronto", "0", "721", "-4"):
        page.locator("#promise").fill(nonsense)
        page.keyboard.press("Tab")
        assert page.locator("#promise").input_value() == ""
    page.locator("#promise").fill("4,5")
    page.get_by_text("Ventas promete llamar en: sin promesa → 4,5 h").wait_for()
    page.locator("#publish-button").click()
    page.get_by_text("Publicado como versión 1.").wait_for()
    with urllib.request.urlopen(f"{address}/v1/policy", timeout=10) as answer:
        assert json.loads(answer.read())["policy"]["hand_off"]["within_hours"] == 4.5
    assert page.locator("#promise").input_value() == "4,5"
    page.locator("#promise").fill("")
    page.get_by_text("Ventas promete llamar en: 4,5 h → sin promesa").wait_for()


def test_a_segment_gets_thresholds_of_its_own(serve: Callable[[str], str], visit: Callable[..., Any]) -> None:
    address = serve("dev")
    page = visit(address)
    page.wait_for_selector("#work:not([hidden])")
    whole = figure(page, "mql", "volume")
    page.locator("#segment-value").select_option("fair")
    with page.expect_response("**/v1/policy/curves?**"):
        page.get_by_role("button", name="Add segment").click()
    page.get_by_role("tab", name="source fair", selected=True).wait_for()
    end = time.monotonic() + 10
    while figure(page, "mql", "volume") == whole and time.monotonic() < end:
        page.wait_for_timeout(20)
    assert figure(page, "mql", "volume") != whole
    page.locator("#mql-number").fill("33")
    assert "New segment source fair: MQL 33%" in page.locator("#changes").inner_text()
    page.keyboard.press("Tab")
    page.locator("#tab-0").focus()
    page.keyboard.press("ArrowLeft")
    page.get_by_role("tab", name="Everyone", selected=True).wait_for()
    assert page.locator("#mql-number").input_value() == "20"
    page.locator("#publish-button").click()
    page.get_by_text("Published as version 1.").wait_for()
    with urllib.request.urlopen(f"{address}/v1/policy", timeout=10) as answer:
        (segment,) = json.loads(answer.read())["policy"]["segments"]
    assert (segment["column"], segment["values"], segment["mql"]["enter"]) == ("source", ["fair"], 0.33)


def test_an_experiment_is_set_up_and_says_that_it_is_too_early(serve: Callable[[str], str], visit: Callable[..., Any]) -> None:
    page = visit(serve("dev"))
    page.wait_for_selector("#work:not([hidden])")
    page.get_by_role("button", name="Put it into the draft").click()
    page.get_by_text("Give the experiment a name.").wait_for()
    for field, text in (("name", "Bolder"), ("mql", "5"), ("sql", "40")):
        page.locator(f"#trial-{field}").fill(text)
    page.get_by_role("button", name="Put it into the draft").click()
    assert "Experiment Bolder begins" in page.locator("#changes").inner_text()
    page.locator("#publish-button").click()
    page.get_by_text("B: too early to say.").wait_for()
    page.get_by_role("button", name="End the experiment").click()
    assert "Experiment Bolder ends" in page.locator("#changes").inner_text()


def test_theirs_and_yours_stand_side_by_side(serve: Callable[[str], str], visit: Callable[..., Any]) -> None:
    address = serve("dev")
    page = visit(address)
    page.wait_for_selector("#work:not([hidden])")
    page.locator("#mql-slider").fill("0.3")
    theirs = {"mql": {"enter": 0.1, "exit": 0.09}, "sql": {"enter": 0.5, "exit": 0.45}}
    request = urllib.request.Request(
        f"{address}/v1/policy",
        json.dumps({"policy": theirs, "author": "Ana"}).encode(),
        {"Content-Type": "application/json", "If-Match": "*"},
    )
    request.get_method = lambda: "PUT"  # type: ignore[method-assign]  # urllib's own way of naming a method
    urllib.request.urlopen(request, timeout=10).close()
    page.locator("#publish-button").click()
    page.get_by_text("Theirs (Ana)").wait_for()
    said = page.locator("#conflict").inner_text()
    assert "MQL: 20% → 10%" in said
    assert "MQL: 20% → 30%" in said
    page.get_by_role("button", name="Take theirs").click()
    assert page.locator("#mql-number").input_value() == "10"
    assert not page.locator("#conflict").is_visible()


def test_forms_alone_look_publish_and_go_back(serve: Callable[[str], str], browser: Any) -> None:
    address = serve("dev")
    context = browser.new_context(java_script_enabled=False, locale="en", viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.goto(address)
    page.get_by_role("link", name="The plain page does the same with forms.").click()
    page.locator("#mql").fill("10")
    page.get_by_role("button", name="Show what they would do").click()
    page.get_by_text("MQL 10%").wait_for()
    assert "of them convert" in page.locator("table").inner_text()
    page.locator("#author").fill("Ana")
    page.get_by_role("button", name="Publish", exact=True).click()
    page.get_by_text("Published. The next score obeys.").wait_for()
    page.goto(f"{address}/thresholds/plain?mql=90&sql=10")
    page.get_by_text("SQL not below MQL").wait_for()
    page.goto(f"{address}/thresholds/plain?mql=30&sql=60")
    page.get_by_role("button", name="Publish", exact=True).click()
    page.get_by_role("button", name="Publish version 1 again").click()
    with urllib.request.urlopen(f"{address}/v1/policy", timeout=10) as answer:
        policy = json.loads(answer.read())
    assert (policy["version"], policy["policy"]["mql"]["enter"]) == ("3", 0.1)
    context.close()
