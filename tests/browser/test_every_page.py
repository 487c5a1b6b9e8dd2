"""What holds of every page, in both languages, light and dark, wide and narrow. A new page joins by its path in PAGES."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from data.store import Store
from serving.console.language import catalogue
from serving.security import new_key
from tests.browser.conftest import installed, serving

Visit = Callable[..., Any]

PAGES = ["/", "/queue", "/leads/lead-00", "/model", "/pipeline", "/health"]
PLAIN = "/thresholds/plain"  # forms alone: no script shows it
LOOKS = [(1280, "light"), (1280, "dark"), (390, "dark"), (390, "light")]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[tuple[str, str]]:
    """A service that asks people to sign in, and a key that opens it."""
    home = installed(tmp_path_factory.mktemp("door"), bundle)
    with serving(home) as start:
        there = start("required")
        key, stored = new_key(["read"], note="Ines, sales")
        store = Store.open(home)
        store.add_key(stored)
        store.close()
        yield there, key


def opened(visit: Visit, address: str, path: str, **how: Any) -> Any:
    page = visit(f"{address}{path}", **how)
    if path != PLAIN:
        page.wait_for_selector("#work:not([hidden])")
    if path == "/queue":
        page.locator("label[for=decision-nurture]").click()
        page.wait_for_selector("#rows > tr")
    page.wait_for_load_state("networkidle")
    return page


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("path", [*PAGES, PLAIN])
def test_everybody_can_read_and_use_it(visit: Visit, looked_at: str, path: str, language: str) -> None:
    page = opened(visit, looked_at, path, language=language)
    for width, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.evaluate(SETTLED)
        complaints = faults(page, width, language)
        assert {what: found for what, found in complaints.items() if found} == {}, (width, scheme)
    if language == "es":
        assert untranslated(page) == []


def faults(page: Any, width: int, language: str) -> dict[str, Any]:
    return {
        "its language": page.evaluate("document.documentElement.lang") != language,
        "one heading of the first rank": page.evaluate("[...document.querySelectorAll('h1')].filter(e => e.checkVisibility()).length") != 1,
        "landmarks": [one for one in ("header", "main", "nav[aria-label]", "title") if not page.locator(one).count()],
        "wider than the window": max(0, page.evaluate("document.documentElement.scrollWidth") - width),
        "without a name": page.evaluate(UNNAMED),
        "too small to hit": page.evaluate(SMALL),
        "too pale to read": page.evaluate(PALE),
        "the same id twice": page.evaluate(TWICE),
        "out of the order of reading": page.evaluate("[...document.querySelectorAll('[tabindex]')].filter(e => e.tabIndex > 0).length"),
        "headings that skip a rank": page.evaluate(SKIPPED),
    }


@pytest.mark.parametrize("path", [*PAGES, PLAIN])
def test_the_keyboard_goes_through_it_in_the_order_of_reading_and_shows_where_it_is(visit: Visit, looked_at: str, path: str) -> None:
    page = opened(visit, looked_at, path)
    page.evaluate("document.activeElement.blur()")
    met = []
    for _ in range(25):
        page.keyboard.press("Tab")
        step = page.evaluate(STEP)
        if step is None:
            break
        met.append(step)
    assert len(met) > 6
    assert [one["what"] for one in met if not one["after"]] == []
    assert [one["what"] for one in met if not one["shown"]] == []


def test_on_a_phone_the_menu_opens_and_escape_puts_it_away(visit: Visit, looked_at: str) -> None:
    page = opened(visit, looked_at, "/model", width=390)
    link = page.locator("#all-pages a").first
    assert not link.is_visible()
    page.locator("#menu").click()
    assert page.locator("#menu").get_attribute("aria-expanded") == "true"
    assert link.is_visible()
    page.keyboard.press("Escape")
    assert not link.is_visible()
    assert page.evaluate("document.activeElement.id") == "menu"


def test_the_language_is_switched_and_stays(visit: Visit, looked_at: str) -> None:
    page = opened(visit, looked_at, "/model")
    page.get_by_role("link", name="Español").click()
    page.wait_for_selector("#work:not([hidden])")
    assert page.locator("h1").inner_text() == "Modelo"
    page.get_by_role("link", name="Cola").click()
    page.wait_for_selector("#work:not([hidden])")
    assert page.locator("h1").inner_text() == "Cola"


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_door_is_as_readable_as_what_is_behind_it(visit: Visit, door: tuple[str, str], language: str) -> None:
    there, key = door
    page = visit(f"{there}/queue", language=language)
    page.locator("#key").fill("tmz_wrong.key")
    page.locator("form button").click()
    page.locator("[role=alert]").wait_for()
    for width, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.evaluate(SETTLED)
        assert [page.evaluate(check) for check in (UNNAMED, SMALL, PALE, TWICE)] == [[]] * 4
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert language == "en" or untranslated(page) == []
    page.locator("#key").fill(key)
    page.locator("form button").click()
    page.wait_for_selector("#work:not([hidden])")
    page.locator("#menu").click()
    page.get_by_text("Ines, sales").wait_for()


def untranslated(page: Any) -> list[str]:
    """What the page says in English although the catalogue has it in Spanish."""
    return [text for text in page.evaluate(SAID) if any(one.fullmatch(text) for one in _english())]


@lru_cache(maxsize=1)
def _english() -> list[re.Pattern[str]]:
    found = []
    for one in catalogue("es"):
        pairs = [(one.id, one.string)] if isinstance(one.id, str) else list(zip(one.id, one.string or (), strict=True))
        for text, told in pairs:
            if text and text != told and len(re.sub(r"\{\w+\}|\W", "", text)) > 3:  # `{n} s` and the like are the same in both
                found.append(re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(text.strip()))))
    return found


UNNAMED = """[...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a, [role=img], [role=region]')]
  .filter(e => !e.closest('[hidden]'))
  .filter(e => !(e.labels?.length || e.ariaLabel || e.getAttribute('aria-labelledby') || e.textContent.trim() || e.title))
  .map(e => e.outerHTML)"""
SMALL = "[...document.querySelectorAll('button, select')].filter(e => e.offsetParent && e.offsetHeight < 24).map(e => e.outerHTML)"
TWICE = "[...document.querySelectorAll('[id]')].map(e => e.id).filter((id, place, all) => all.indexOf(id) !== place)"
SKIPPED = """[...document.querySelectorAll('h1, h2, h3, h4')].filter(e => e.checkVisibility()).map(e => Number(e.tagName[1]))
  .filter((rank, place, all) => place && rank > all[place - 1] + 1)"""
SETTLED = "new Promise((done) => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 150))"
"""Charts follow the window, and colours fade for a moment."""
SAID = """() => {
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const [text, parent] = [walker.currentNode.textContent.trim().replace(/\\s+/g, " "), walker.currentNode.parentElement];
    if (text && !parent.closest("script, [lang=en], [hidden]") && parent.checkVisibility()) texts.push(text);
  }
  for (const e of document.querySelectorAll("[aria-label], [placeholder], [title]")) {
    if (e.closest("[lang=en], [hidden]")) continue;
    texts.push(...["aria-label", "placeholder", "title"].map((name) => e.getAttribute(name)).filter(Boolean));
  }
  return texts;
}"""
"""Every text that can be seen or is read aloud, but what the page itself says is English."""
STEP = """() => {
  const [now, before] = [document.activeElement, window.metBefore];
  window.metBefore = now;
  if (!now || now === document.body) return null;
  const shownBy = now.matches(".pill input") ? now.nextElementSibling : now;
  const style = getComputedStyle(shownBy);
  const shown = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const after = !before || Boolean(before.compareDocumentPosition(now) & Node.DOCUMENT_POSITION_FOLLOWING);
  return { what: now.outerHTML.slice(0, 90), shown, after };
}"""
PALE = """() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const paint = (colors) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const color of colors) { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); }
    const linear = (one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((one) => linear(one / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => (e ? [...behind(e.parentElement), getComputedStyle(e).backgroundColor] : []);
  const pale = [];
  for (const e of document.querySelectorAll("main *, header *")) {
    const own = [...e.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !e.checkVisibility() || e.closest(".visually-hidden, .skip, thead, :disabled")) continue;
    const layers = behind(e);
    const [a, b] = [paint(layers), paint([...layers, getComputedStyle(e).color])].sort((one, other) => other - one);
    if ((a + 0.05) / (b + 0.05) < 4.5) pale.push(`${((a + 0.05) / (b + 0.05)).toFixed(2)} ${e.outerHTML.slice(0, 120)}`);
  }
  return pale;
}"""
"""Texts whose contrast with what lies behind them is below 4.5 to 1."""
