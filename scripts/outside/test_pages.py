# SPDX-License-Identifier: Apache-2.0
"""The status pages in a real browser, before a cluster of real processes. The tests are one story: they run in this order."""

import json
import os
import re

import pytest
from browser import DESKTOP, PHONE, Browser
from cluster import running
from selenium.webdriver.common.keys import Keys

# Names that have broken pages elsewhere. A user's id has up to 256 bytes, without control characters.
HOSTILE = [
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'-alert(1)-'", "</title><svg/onload=alert(1)>",
    "javascript:alert(1)", "{{7*7}}${7*7}", "<!--", "]]>", "&lt;b&gt;", "&#x3c;script&#x3e;", "a\u202egpj.exe",
    "\u200f\u05d0\u05d1\u05d2 \u202b(1)", "\u200b\u00ad", "`${alert(1)}`", "<bdi>", "</main></body>",
    "onmouseover=\"alert(1)\"", "日本語 \U0001f469\u200d\U0001f467", "%3Cscript%3E", "a/../b?c#d",
    "Z\u0351\u036b" * 25, "=cmd|' /C calc'!A0", "W" * 256, "word " * 50 + "end",
]


@pytest.fixture(scope="module")
def cluster(programs, work):
    with running(
        programs, os.path.join(work, "cluster"), users=3, objects=240,
        LOCKSTEP_LIMITS="slack.tier2=100/s burst 100,slack.tier3=100/s burst 100",
    ) as cluster:
        # What happens is what the story does.
        cluster.query("UPDATE lockstep.schedules SET enabled = false")
        yield cluster


@pytest.fixture(scope="module")
def browser(work, cluster):
    browser = Browser(os.path.join(work, "profile"))
    yield browser
    browser.quit()


@pytest.fixture
def shoot(request, browser):
    """Keeps what the browser shows, when screenshots are asked for."""
    directory = request.config.getoption("--screenshots")

    def shoot(name):
        if directory:
            browser.screenshot(os.path.join(directory, f"{name}.png"))

    return shoot


def open_page(browser, cluster, path):
    browser.open(cluster.private_url + path)


def account(cluster, user="u_1"):
    return cluster.query(f"SELECT id FROM lockstep.integrations WHERE user_id = '{user}' AND service = 'slack'")


def connect(browser, cluster, link):
    """Follows a link to the provider's page, and says yes there."""
    browser.open(link)
    assert "/slack/oauth/v2/authorize" in browser.driver.current_url
    browser.type("user", "u_1")
    browser.press("Allow")
    assert browser.heading == "● Slack is connected" or browser.heading == "Slack is connected"
    assert browser.driver.current_url.startswith(cluster.public_url)
    # The provider's page is none of ours.
    browser.check(expected=[f"{cluster.sandbox}/favicon.ico"])


def test_the_checks_find_what_they_are_for(browser, cluster):
    # An image that would be fetched might complain only while the next of these is looked at.
    for script, words in [
        ("part.style.width = '5000px'; part.style.height = '1px'", "too wide"),
        ("part.innerHTML = '<img src=data:,x onerror=alert(1)>'", "forbidden by the policy|console says"),
        ("part.textContent = 'faint'; part.style.color = '#ccc'", "color-contrast"), ("console.error('x')", "console says"),
    ]:
        open_page(browser, cluster, "/signin")
        browser.driver.execute_script(
            f"const part = document.querySelector('main').appendChild(document.createElement('div')); {script}")
        with pytest.raises(AssertionError, match=words):
            browser.check()


def test_nobody_is_let_in_without_the_token(browser, cluster):
    open_page(browser, cluster, "/integrations")
    assert browser.driver.current_url.endswith("/signin")
    browser.check()

    browser.type("token", "wrong")
    browser.press("Sign in")

    assert "This is not the admin token." in browser.text
    assert browser.cookie("lockstep_operator") is None
    browser.check(expected=["status of 401"])


def test_the_token_signs_in(browser, cluster):
    open_page(browser, cluster, "/signin")
    cluster.until(
        "the field has the focus", lambda: browser.driver.switch_to.active_element.get_attribute("name") == "token", 5)
    browser.type("token", cluster.token)
    browser.press("Sign in")

    assert browser.heading == "Fleet"
    cookie = browser.cookie("lockstep_operator")
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and cookie["path"] == "/"
    assert cluster.token not in cookie["value"]
    assert "lockstep_operator" not in browser.driver.execute_script("return document.cookie")
    browser.check()


def test_an_empty_cluster_says_so(browser, cluster):
    for path, words in [
        ("/", "No account is connected yet."), ("/", "No alert is open."), ("/integrations", "There is no such account."),
        ("/actions", "There is no such action."),
        ("/dead-letters", "There is none."), ("/sweeps", "Nothing waits for a decision."),
    ]:
        open_page(browser, cluster, path)
        assert words in browser.text
        browser.check()


def test_a_link_connects_an_account_at_the_provider(browser, cluster, shoot):
    # The first sync takes as long as a person looks.
    cluster.control("faults?kind=slow&service=slack&milliseconds=400&times=1000")
    link = cluster.lockstep("connect-link", "--user", "u_1", "--service", "slack")
    assert link.startswith(f"{cluster.public_url}/connect/slack?link=")

    connect(browser, cluster, link)

    # It connects once.
    browser.open(link)
    assert browser.heading != "Slack is connected"
    browser.check(expected=["status of 4"])


def test_a_link_shows_a_form_for_a_key(browser, cluster, shoot):
    browser.look(PHONE)
    browser.open(cluster.lockstep("connect-link", "--user", "u_3", "--service", "stripe"))
    assert browser.heading == "Connect Stripe"
    browser.check()
    shoot("connect-form")
    browser.type("field.api_key", "sk_test_u_3")
    browser.press("Connect")
    assert "Stripe is connected" in browser.heading
    browser.check()
    browser.look(DESKTOP)
    cluster.until_rows("sync_log WHERE user_id = 'u_3' AND status = 'succeeded'", 1)
    cluster.lockstep("integrations", "erase", cluster.query(
        "SELECT id FROM lockstep.integrations WHERE user_id = 'u_3'"), "--yes")


def test_the_first_sync_moves_while_one_looks(browser, cluster, shoot):
    open_page(browser, cluster, f"/integrations/{account(cluster)}")
    browser.waits_for("Syncing now")
    first = re.search(r"(\d+) records read", browser.text)
    assert first, browser.text
    browser.driver.execute_script("window.__stays = true")
    cluster.until(
        "the number of records rises",
        lambda: int(re.search(r"(\d+) records read|$", browser.text).group(1) or 0) > int(first.group(1)))
    shoot("syncing")
    cluster.control("faults", method="DELETE")

    browser.waits_for("succeeded")

    browser.waits_for("Last synced")
    assert browser.driver.execute_script("return window.__stays") is True
    assert "Connected" in browser.text
    browser.check()


def test_a_token_that_is_revoked_is_told_in_a_sentence(browser, cluster, shoot):
    cluster.control("revoke?user=u_1")
    open_page(browser, cluster, f"/integrations/{account(cluster)}")
    browser.press("Sync now")

    browser.waits_for("Needs to be connected again")

    sentence = browser.find("[data-live] .card .bad:not(.state)").text
    assert re.fullmatch(r"[A-Z].*\.", sentence), sentence
    assert "API" not in sentence and "token_revoked" not in sentence
    assert browser.has("form[action$='/link'] button")
    browser.check()
    shoot("reconnect")


def test_the_user_connects_again(browser, cluster):
    cluster.control("restore?user=u_1")
    browser.press("Reconnect")
    assert browser.heading.startswith("Reconnect Slack")
    browser.check()
    link = browser.find("main a[href*='/connect/slack?link=']").get_attribute("href")

    connect(browser, cluster, link)

    open_page(browser, cluster, f"/integrations/{account(cluster)}")
    browser.waits_for("Last synced just now")
    cluster.until("the error is gone", lambda: "Needs to be connected again" not in browser.text)


def test_actions_say_what_became_of_them(browser, cluster, shoot):
    # What users are asked for does not suffice for actions, unless an operator says so; this token has everything.
    cluster.lockstep("integrations", "add", "u_2", "slack", text="access_token=xoxb-u_2")
    objects = cluster.control("objects?user=u_2&service=slack&stream=channels", method="GET")
    channel = json.loads(objects.split("\n")[0])["external_id"]
    for target in (channel, "C0NONE"):
        cluster.lockstep(
            "action", "post_message", "--user", "u_2", "--service", "slack", "--no-wait", "--input",
            json.dumps({"channel": target, "text": "Your report is ready."}))
    cluster.until_rows("actions WHERE status = 'succeeded'", 1)
    cluster.until_rows("actions WHERE status = 'failed'", 1)

    open_page(browser, cluster, f"/integrations/{account(cluster, 'u_2')}")
    browser.waits_for("This Slack channel does not exist")
    browser.follow("2")
    assert browser.heading == "Action 2: post_message"
    assert "Nothing was changed at the provider." in browser.text
    assert "Your report" not in browser.driver.page_source
    browser.check()
    browser.follow("Show it")
    assert '"text": "Your report is ready."' in browser.text
    browser.check()
    shoot("action")
    browser.follow("Actions")
    assert browser.heading == "Actions" and "succeeded" in browser.text and "failed" in browser.text
    browser.check()
    shoot("actions")


def test_too_many_deletions_wait_for_a_person(browser, cluster, shoot):
    cluster.lockstep("integrations", "add", "u_2", "stripe", text="api_key=sk_test_u_2")
    cluster.lockstep("sync", "u_2/stripe", "--full")
    cluster.until_rows("sync_log WHERE service = 'stripe' AND status = 'succeeded'", 1)
    before = int(cluster.query("SELECT count(*) FROM lockstep.records WHERE stream = 'customers' AND deleted_at IS NULL"))
    cluster.control("edit?user=u_2&service=stripe&stream=customers&deletes=200")
    # The list does not say what was deleted, and the events that would are forgotten.
    cluster.control("expire?user=u_2&tokens=sync")
    cluster.lockstep("sync", "u_2/stripe", "--full")
    cluster.until_rows("sync_log WHERE service = 'stripe' AND status = 'succeeded'", 2)

    open_page(browser, cluster, "/sweeps")

    assert f"200 of {before}" in browser.text
    browser.check()
    shoot("held-deletions")
    assert browser.answer("Delete them", accept=False) == "Delete 200 records of the copy?"
    assert cluster.query("SELECT count(*) FROM lockstep.deletions WHERE reason = 'absence'") == "0"
    browser.answer("Delete them", accept=True)
    assert "Nothing waits for a decision." in browser.text
    assert cluster.query(
        "SELECT count(*) FROM lockstep.deletions WHERE reason = 'absence' AND stream = 'customers'") == "200"
    browser.check()


def test_dead_letters_say_why_and_are_replayed(browser, cluster, shoot):
    payloads = [
        '{"user":"u_1","service":"slack","type":"full"}', "not JSON", '{"user_id":"u_9","service":"slack","type":"full"}',
        '{"user_id":"<img src=x onerror=alert(1)>","service":"slack","type":"full"}',
    ]
    for payload in payloads:
        cluster.push(payload)
    cluster.until("four dead letters", lambda: cluster.redis("LLEN", "lockstep:dead") == "4")

    open_page(browser, cluster, "/dead-letters")

    assert browser.heading == "Dead letters: 4"
    for payload in payloads:
        assert payload in browser.text
    assert "did you mean `user_id`?" in browser.text or "user_id" in browser.text
    browser.check()
    shoot("dead-letters")
    browser.press("Replay")
    assert browser.heading.startswith("Dead letters")
    cluster.until("the job comes back", lambda: cluster.redis("LLEN", "lockstep:dead") == "4")
    browser.check()


def test_schedules_show_their_next_slots(browser, cluster, shoot):
    cluster.query("UPDATE lockstep.schedules SET enabled = true")
    open_page(browser, cluster, "/schedules")
    cluster.query("UPDATE lockstep.schedules SET enabled = false")

    names = cluster.query("SELECT name FROM lockstep.schedules").split("\n")
    for name in names:
        assert name in browser.text
    assert len(browser.driver.find_elements("css selector", "td time")) >= 3 * len(names)
    browser.check()


def test_names_from_outside_are_text(browser, cluster):
    for number, name in enumerate(HOSTILE):
        cluster.lockstep("integrations", "add", name, "stripe", "--account", name, text="api_key=sk_test_u_3")
        ids = cluster.query(
            "SELECT id FROM lockstep.integrations WHERE user_id <> 'u_1' AND user_id <> 'u_2' ORDER BY id").split("\n")
        assert len(ids) == number + 1
    for size in (DESKTOP, PHONE):
        browser.look(size)
        open_page(browser, cluster, "/integrations")
        shown = [part.get_property("textContent") for part in browser.driver.find_elements("css selector", "td bdi")]
        for name in HOSTILE:
            assert name in shown, f"{name!r} is not shown as it is"
        browser.check()
    for id, name in zip(ids, HOSTILE):
        open_page(browser, cluster, f"/integrations/{id}")
        assert browser.find("h1").get_property("textContent") == f"Stripe of {name} ({name})"
        assert browser.driver.title.startswith("Stripe of ")
        browser.check(axe=False)
    browser.look(DESKTOP)
    open_page(browser, cluster, "/")
    for id in ids:
        cluster.lockstep("integrations", "erase", id, "--yes")


def test_the_fleet_shows_services_alerts_and_figures(browser, cluster, shoot):
    open_page(browser, cluster, "/")

    assert browser.heading == "Fleet"
    for words in ("Slack", "Stripe", "Living workers", "Alerts", "Runs in the last 24 hours"):
        assert words in browser.text
    browser.check()
    shoot("fleet")


# Screenshots of the pages as they are in the end.
KEPT = {
    ("/integrations/{id}", DESKTOP, True): "account-dark", ("/integrations/{id}", PHONE, False): "account-phone",
    ("/", PHONE, True): "fleet-phone-dark",
}
PAGES = ["/", "/integrations", "/integrations/{id}", "/runs/{run}", "/actions", "/actions/2", "/dead-letters", "/sweeps", "/schedules"]


@pytest.fixture
def paths(cluster):
    run = cluster.query("SELECT id FROM lockstep.sync_log WHERE status = 'failed' ORDER BY id LIMIT 1")
    return [path.format(id=account(cluster), run=run) for path in PAGES]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_is_readable(browser, cluster, paths, shoot, size, dark):
    browser.look(size, dark)
    for path, name in zip(paths, PAGES):
        open_page(browser, cluster, path)
        browser.check()
        if (name, size, dark) in KEPT:
            shoot(KEPT[name, size, dark])
    browser.look(DESKTOP)


def test_the_keyboard_reaches_what_can_be_done(browser, cluster, paths):
    wanted = {
        "/": {"Fleet", "Accounts", "Actions", "Dead letters", "Held deletions", "Schedules", "Sign out", "Slack", "Stripe"},
        "/integrations": {"user_id", "service", "Show"},
        "/integrations/{id}": {"Sync now", "Read everything again", "Pause", "Reconnect", "Disconnect"},
        "/actions": {"user_id", "service", "Show"}, "/actions/2": {"Show it"}, "/dead-letters": {"Replay"},
    }
    for path, name in zip(paths, PAGES):
        open_page(browser, cluster, path)
        stops = browser.tab_stops()
        assert {words for _, words, _ in stops} >= wanted.get(name, set()), f"{path}: {stops}"
        hidden = [(tag, words) for tag, words, is_seen in stops if not is_seen]
        assert hidden == [], f"{path}: the focus is not seen on {hidden}"
    # Enter does what a click does.
    open_page(browser, cluster, paths[2])
    browser.press("Pause", Keys.ENTER)
    assert "Paused" in browser.find("[data-live]").text
    browser.press("Resume", Keys.ENTER)
    assert "Paused" not in browser.find("[data-live]").text
    browser.check()


def test_pages_work_without_scripts(browser, cluster, paths):
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    runs = int(cluster.query("SELECT count(*) FROM lockstep.sync_log"))
    open_page(browser, cluster, paths[2])
    browser.button("Sync now").click()
    cluster.until_rows("sync_log", runs + 1)
    open_page(browser, cluster, paths[2])
    assert browser.heading == "Slack of u_1" and "incremental" in browser.text
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_signing_out_ends_the_session(browser, cluster):
    open_page(browser, cluster, "/")
    browser.press("Sign out")
    assert browser.driver.current_url.endswith("/signin")
    assert browser.cookie("lockstep_operator") is None
    open_page(browser, cluster, "/")
    assert browser.driver.current_url.endswith("/signin")
    browser.check()
