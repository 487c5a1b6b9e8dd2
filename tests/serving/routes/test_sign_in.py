from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data.store import Store, now
from serving.app import create_app
from serving.identity import SESSION
from serving.routes import sign_in
from serving.security import new_key
from serving.settings import Settings
from tests.serving.conftest import TestClient

THERE = "https://tamiz.example"


@pytest.fixture
def browser(home: Path) -> Iterator[Any]:
    """Somebody at a browser, over TLS, who follows no redirect by themselves."""
    sign_in.attempts.cache_clear()
    with TestClient(create_app(Settings(home)), base_url=THERE, follow_redirects=False, raise_server_exceptions=False) as browser:
        yield browser


@pytest.fixture
def key(home: Path) -> str:
    return made(home, "read", note="Ines, sales")


def made(home: Path, *scopes: str, note: str = "", expires_at: int | None = None) -> str:
    key, stored = new_key(scopes, note=note, expires_at=expires_at)
    store = Store.open(home)
    store.add_key(stored)
    store.close()
    return key


def signed_in(browser: Any, key: str, **more: str) -> Any:
    token = re.search(r'name="token" value="(\w+)"', browser.get("/sign-in").text)
    assert token is not None
    return browser.post("/sign-in", data={"key": key, "token": token[1], **more})


def token_of(browser: Any, path: str = "/queue") -> str:
    found = re.search(r'data-token="(\w+)"', browser.get(path).text)
    assert found is not None
    return found[1]


class TestSigningIn:
    @pytest.mark.parametrize("wrong", ["", "tmz_00000000.nothing", "x" * 500, "\N{SNOWMAN}.\N{SNOWMAN}"])
    def test_a_key_that_is_none_opens_nothing(self, browser: Any, wrong: str) -> None:
        answer = signed_in(browser, wrong)
        assert answer.status_code == 401
        assert "This key is not valid here" in answer.text
        assert SESSION not in browser.cookies

    def test_a_form_of_another_site_signs_nobody_in(self, browser: Any, key: str) -> None:
        for token in ("", "0" * 64):
            answer = browser.post("/sign-in", data={"key": key, "token": token})
            assert answer.status_code == 403
        browser.get("/sign-in")
        assert browser.post("/sign-in", data={"key": key}).status_code == 403
        assert SESSION not in browser.cookies

    def test_guessing_is_slowed_down(self, browser: Any, key: str) -> None:
        answers = [signed_in(browser, "tmz_00000000.guess").status_code for _ in range(sign_in.ATTEMPTS + 1)]
        assert answers == [401] * sign_in.ATTEMPTS + [429]
        last = signed_in(browser, key)
        assert last.status_code == 429
        assert 0 < int(last.headers["retry-after"]) <= 61

    def test_goes_on_to_the_page_that_was_asked_for(self, browser: Any, key: str) -> None:
        assert signed_in(browser, key, next="/leads/L-1?lang=es").headers["location"] == "/leads/L-1?lang=es"
        assert browser.get("/sign-in").headers["location"] == "/"

    @pytest.mark.parametrize(
        "away", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\t/evil.example", "evil"]
    )
    def test_leads_nowhere_else(self, browser: Any, key: str, away: str) -> None:
        assert signed_in(browser, key, next=away).headers["location"] == "/"

    def test_the_cookie_is_out_of_reach_and_goes_over_tls_alone_and_holds_no_key(self, browser: Any, key: str) -> None:
        kept = next(one for one in signed_in(browser, key).headers.get_list("set-cookie") if one.startswith(SESSION))
        assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= {part.strip() for part in kept.split(";")}
        assert "Max-Age=43200" in kept
        assert key.partition(".")[2] not in kept

    def test_where_no_key_is_needed_nobody_is_asked(self, client: Any) -> None:
        assert client.get("/sign-in", follow_redirects=False).headers["location"] == "/"
        assert "this machine only" in client.get("/queue").text


class TestASession:
    def test_shows_who_it_is_and_reads_what_the_key_may_read(self, browser: Any, key: str) -> None:
        signed_in(browser, key)
        page = browser.get("/queue")
        assert "Ines, sales" in page.text
        assert 'data-rights="read"' in page.text
        assert browser.get("/v1/leads").status_code == 200

    def test_changes_nothing_without_the_pages_token(self, browser: Any, home: Path) -> None:
        signed_in(browser, made(home, "policy"))
        tag = browser.get("/v1/policy").headers["etag"]
        body = {"policy": browser.get("/v1/policy").json()["policy"] | {"mql": {"enter": 0.4, "exit": 0.3}}, "note": "n"}
        for wrong in ({}, {"X-CSRF-Token": "0" * 64}, {"X-CSRF-Token": "\N{LATIN SMALL LETTER E WITH ACUTE}".encode("latin-1")}):
            refused = browser.put("/v1/policy", json=body, headers={"If-Match": tag, **wrong})
            assert (refused.status_code, refused.json()["code"]) == (403, "token-missing")
        done = browser.put("/v1/policy", json=body, headers={"If-Match": tag, "X-CSRF-Token": token_of(browser, "/")})
        assert done.status_code == 200

    def test_has_the_rights_of_its_key_and_the_page_says_which_is_missing(self, browser: Any, key: str, home: Path) -> None:
        signed_in(browser, key)
        page = browser.get("/")
        assert "sign in with a key that has the scope policy" in page.text
        refused = browser.put("/v1/policy", json={}, headers={"If-Match": "*", "X-CSRF-Token": token_of(browser)})
        assert (refused.status_code, refused.json()["code"]) == (403, "scope-missing")
        browser.cookies.clear()
        signed_in(browser, made(home, "ingest"))
        page = browser.get("/queue")
        assert "it lacks the scope read" in page.text
        assert 'id="work"' not in page.text

    def test_ends_with_its_key(self, browser: Any, key: str, home: Path) -> None:
        signed_in(browser, key)
        store = Store.open(home)
        store.revoke_key(key.partition(".")[0])
        store.close()
        assert browser.get("/v1/leads").status_code == 401
        assert browser.get("/queue").status_code == 303

    def test_of_a_key_that_expires_ends_then(self, browser: Any, home: Path) -> None:
        assert signed_in(browser, made(home, "read", expires_at=now() - 1)).status_code == 401

    @pytest.mark.parametrize("forged", ["", "x", "eyJrZXkiOiJ0bXpfMSJ9.aaaa.bbbb"])
    def test_that_nobody_here_began_is_none(self, browser: Any, forged: str) -> None:
        browser.cookies.set(SESSION, forged, domain="tamiz.example")
        assert browser.get("/v1/leads").status_code == 401

    def test_of_another_installation_is_none(self, browser: Any, key: str, home: Path) -> None:
        signed_in(browser, key)
        assert browser.get("/v1/leads").status_code == 200
        with TestClient(create_app(Settings(home, secret="another secret, of 32 characters")), base_url=THERE) as other:
            other.cookies.update(browser.cookies)
            assert other.get("/v1/leads").status_code == 401

    def test_is_over_after_its_hours(self, browser: Any, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
        from itsdangerous import TimestampSigner

        begun = TimestampSigner.get_timestamp
        with monkeypatch.context() as earlier:
            earlier.setattr(TimestampSigner, "get_timestamp", lambda signer: begun(signer) - 12 * 3600 - 60)
            signed_in(browser, key)
        assert browser.get("/v1/leads").status_code == 401

    def test_a_key_that_is_sent_counts_before_it(self, browser: Any, key: str, home: Path) -> None:
        signed_in(browser, key)
        assert browser.get("/v1/leads", headers={"Authorization": "Bearer wrong.key"}).status_code == 401
        admin = {"Authorization": f"Bearer {made(home, 'admin')}"}
        assert browser.get("/v1/audit", headers=admin).status_code == 200


class TestSigningOut:
    def test_by_another_site_does_not_happen(self, browser: Any, key: str) -> None:
        signed_in(browser, key)
        assert browser.post("/sign-out", data={"token": "0"}).status_code == 403
        assert browser.get("/v1/leads").status_code == 200

    def test_forgets_who_sat_there(self, browser: Any, key: str) -> None:
        signed_in(browser, key)
        answer = browser.post("/sign-out", data={"token": token_of(browser)})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        assert browser.get("/v1/leads").status_code == 401


class TestBehindAProxyThatSignsPeopleIn:
    PASSWORD = "a password that only the proxy has"

    @pytest.fixture
    def behind(self, home: Path) -> Iterator[Any]:
        rights = {"*": frozenset({"read"}), "ana@acme.example": frozenset({"read", "policy"})}
        settings = Settings(home, proxy_password=self.PASSWORD, proxy_rights=rights)
        with TestClient(create_app(settings), base_url=THERE, follow_redirects=False) as client:
            yield client

    def test_a_name_without_its_password_is_nobodys(self, behind: Any, browser: Any) -> None:
        assert behind.get("/v1/leads", auth=("ana@acme.example", "guess")).status_code == 401
        assert behind.get("/v1/leads", headers={"Authorization": "Basic %%%"}).status_code == 401
        assert behind.get("/v1/leads", headers={"X-Forwarded-User": "ana@acme.example"}).status_code == 401
        assert browser.get("/v1/leads", auth=("ana@acme.example", self.PASSWORD)).status_code == 401

    def test_people_have_the_rights_that_were_written_down(self, behind: Any) -> None:
        ana, other = ("ana@acme.example", self.PASSWORD), ("bo@acme.example", self.PASSWORD)
        assert 'data-rights="read policy"' in behind.get("/", auth=ana).text
        assert 'data-rights="read"' in behind.get("/", auth=other).text
        assert "Sign out" not in behind.get("/", auth=ana).text
        assert behind.post("/v1/policy/preview", json={"mql": 0.1, "sql": 0.5}, auth=ana).status_code == 403
