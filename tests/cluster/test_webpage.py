"""The page at `/` in a real browser, and the calls that it needs: a real API server, operator and gateway behind it."""

import json
import os
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from devcluster import ALICE, BOB, EXAMPLE, User
from devcluster.users import token
from tests.cluster.storytelling.browser import PHONE, Visit, chromium, visit
from tests.cluster.storytelling.gateway import Caller
from tests.cluster.storytelling.lab import (
    LAB,
    Setting,
    bound,
    namespace,
    product_reference,
    running_lab,
    specification,
    wallet,
)
from tests.cluster.support import eventually
from ucloud_operator.api.wallet import MAX_ALLOCATIONS

LATER_MS = 2_000_000_000_000
"""In the year 2033."""
LARGE = 8_999_999_999_999_999_999
"""JavaScript's numbers would make it 9,000,000,000,000,000,000."""
TREASURY = "treasury"
OBSERVATORY = "observatory"
PICTURES = os.environ.get("PAGE_PICTURES")
LARGEST_PICTURE_BYTES = 200_000
PRICE = 50_000


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    with running_lab(tmp_path_factory.mktemp("webpage"), *treasury()) as setting:
        yield setting


def treasury() -> list[dict[str, object]]:
    """A workspace that Bob is in charge of, as he is of the lab; he may run jobs in both."""
    return [
        namespace(TREASURY),
        in_kroner(wallet(TREASURY, "plenty", 500_000_000)),
        in_kroner(wallet(TREASURY, "gifts", 1_000_000_000)),
        in_kroner(wallet(LAB, "gifts", 0)),
        wallet(TREASURY, "large", LARGE),
        *(bound(each, BOB, role) for each in (LAB, TREASURY) for role in ("ucloud-treasurer", "ucloud-user")),
    ]


def in_kroner(wallet: dict[str, object]) -> dict[str, object]:
    """Count a wallet's credits in millionths of a krone."""
    unit = {"name": "DKK", "namePlural": "DKK", "floatingPoint": True}
    return changed(wallet, paysFor={**spec_of(wallet)["paysFor"], "accountingUnit": unit})  # type: ignore[dict-item]


def changed(wallet: dict[str, object], **changes: object) -> dict[str, object]:
    return {**wallet, "spec": {**spec_of(wallet), **changes}}


def spec_of(wallet: dict[str, object]) -> dict[str, object]:
    spec = wallet["spec"]
    assert isinstance(spec, dict)
    return spec


# The calls


def grant(category: str = "plenty", quota: object = 7, **changes: object) -> dict[str, object]:
    reference = {"name": category, "provider": "lab"}
    start_ms = int(time.time() * 1000)
    return {"category": reference, "quota": quota, "start": start_ms, "end": LATER_MS, **changes}


def test_a_top_up_is_an_allocation_more_in_the_group_without_a_parent(setting: Setting) -> None:
    before = setting.wallet(LAB, "plenty")
    reply = setting.caller(BOB, LAB).post(
        "/api/accounting/v2/rootAllocate", grant(quota=5), grant("dry", 6, start=1, grantedIn=12), grant(quota=7)
    )
    assert reply.status == 200
    one, other, third = (str(each["id"]) for each in reply.items)

    after = setting.wallet(LAB, "plenty")
    (group,), (group_before,) = after.spec.allocation_groups, before.spec.allocation_groups
    assert group.allocations[: len(group_before.allocations)] == group_before.allocations
    added = group.allocations[len(group_before.allocations) :]
    assert [(each.id, each.quota, each.end_date, each.granted_by) for each in added] == [
        (one, 5, LATER_MS, "bob"),
        (third, 7, LATER_MS, "bob"),
    ]
    assert abs((added[0].granted_at or 0) - time.time() * 1000) < 60_000
    (group,) = setting.wallet(LAB, "dry").spec.allocation_groups
    last = group.allocations[-1]
    assert (last.id, last.quota, last.start_date, last.granted_in) == (other, 6, 1, "12")
    eventually(lambda: setting.wallet(LAB, "plenty").status.quota == before.status.quota + 12)


def test_who_may_not_mint_is_told_by_the_api_server_what_is_missing(setting: Setting) -> None:
    setting.apply(bound(TREASURY, ALICE, "ucloud-project-admin"))
    reply = setting.caller(ALICE, TREASURY).post("/api/accounting/v2/rootAllocate", grant())
    assert reply.status == 403
    assert "need the verb mint on wallets/plenty in namespace treasury" in reply.why

    reply = setting.alice.post("/api/accounting/v2/rootAllocate", grant())
    assert reply.status == 403
    assert 'cannot patch resource "wallets"' in reply.why


def test_credits_are_given_to_another_workspace(setting: Setting) -> None:
    owner = {"type": "project", "projectId": LAB}
    reply = setting.caller(BOB, TREASURY).post("/api/accounting/v2/subAllocate", grant("gifts", 9, owner=owner))
    assert reply.status == 200
    (given,) = (str(each["id"]) for each in reply.items)
    again = setting.caller(BOB, TREASURY).post("/api/accounting/v2/subAllocate", grant("gifts", 8, owner=owner))

    from_nowhere, from_treasury = setting.wallet(LAB, "gifts").spec.allocation_groups
    assert from_nowhere.parent is None
    assert from_treasury.parent is not None
    assert from_treasury.parent.key == f"{TREASURY}/gifts"
    assert [(each.id, each.quota) for each in from_treasury.allocations] == [(given, 9), (again.items[0]["id"], 8)]


@pytest.mark.parametrize(
    ("call", "items", "status", "why"),
    [
        (
            "rootAllocate",
            [grant(), grant("none")],
            400,
            "Items.1: The workspace 'lab' has no wallet for 'none' of 'lab'",
        ),
        ("rootAllocate", [grant(quota=0)], 400, "quota: Input should be greater than or equal to 1"),
        ("rootAllocate", [grant(quota=9 * 10**18 + 1)], 400, "less than or equal to 9000000000000000000"),
        ("rootAllocate", [grant(start=5, end=5)], 400, "end must be later than start"),
        ("subAllocate", [grant(owner={"type": "project", "projectId": LAB})], 400, "can't give credits to itself"),
        ("subAllocate", [grant(owner={"type": "user", "username": "a@b"})], 400, "must be named as its workspace is"),
        ("subAllocate", [grant(owner={"type": "user", "username": "elsewhere"})], 403, 'in the namespace "elsewhere"'),
    ],
)
def test_what_makes_no_sense_changes_nothing(
    setting: Setting, call: str, items: list[object], status: int, why: str
) -> None:
    before = setting.wallet(LAB, "plenty").spec
    reply = setting.caller(BOB, LAB).post(f"/api/accounting/v2/{call}", *items)
    assert reply.status == status
    assert why in reply.why
    assert setting.wallet(LAB, "plenty").spec == before


def test_what_was_added_of_a_bulk_that_fails_is_named(setting: Setting) -> None:
    during = {"startDate": "2026-01-01T00:00:00Z", "endDate": "2036-01-01T00:00:00Z"}
    allocations = [{"id": str(number), "quota": 1, **during} for number in range(MAX_ALLOCATIONS)]
    setting.apply(changed(wallet(LAB, "full", 0), allocationGroups=[{"allocations": allocations}]))

    reply = setting.caller(BOB, LAB).post("/api/accounting/v2/rootAllocate", grant("dry", 1), grant("full", 1))

    assert reply.status == 400
    assert reply.why.startswith("Items.1: ")
    _, _, added = reply.why.partition("; these allocations were added all the same: ")
    assert setting.wallet(LAB, "dry").spec.allocation_groups[0].allocations[-1].id == added
    setting.cluster.kubectl("delete", "wallet", "full", f"--namespace={LAB}", "--wait=false")


def test_what_a_token_may_is_what_the_api_server_says(setting: Setting) -> None:
    nothing = dict.fromkeys(("createJobs", "changeJobs", "changeWallets", "mint", "fund"), False)
    for user, project, may in (
        (BOB, LAB, dict.fromkeys(nothing, True)),
        (ALICE, LAB, nothing | {"createJobs": True, "changeJobs": True}),
        (EXAMPLE, LAB, nothing),
    ):
        reply = setting.caller(user, project).get("/api/workspace")
        assert reply.body == {"username": user.username, "workspace": project, "may": may}
    assert setting.caller(EXAMPLE).get("/api/workspace").body["workspace"] == "user"


def test_forecasts_costs_and_applications_are_those_of_the_cluster(setting: Setting) -> None:
    (created,) = setting.alice.post("/api/jobs", specification(name="forecast")).items
    job_id = str(created["id"])

    def forecast(name: str) -> dict[str, object]:
        return found(setting.alice, "/api/accounting/v2/browseForecasts", name=name)

    def cost() -> dict[str, object]:
        return found(setting.alice, "/api/jobs/browseCosts", id=job_id)

    eventually(lambda: forecast("plenty")["ratePerMinute"] == PRICE, within_seconds=60)
    status = setting.wallet(LAB, "plenty").status
    running = forecast("plenty")
    assert (running["exhaustsAt"], running["locked"], running["reason"]) == (status.exhausts_at, False, "Usable")

    job = setting.alice.get(f"/api/jobs/retrieve?id={job_id}").body
    began_ms: int = job["status"]["startedAt"]  # type: ignore[index]
    eventually(lambda: cost()["usage"])
    seen = cost()
    assert seen["usage"] == PRICE * (int(str(seen["at"])) - began_ms) // 60_000
    setting.alice.post("/api/jobs/terminate", created)
    eventually(lambda: cost()["ratePerMinute"] == 0)
    total, later = cost(), cost()
    assert (total["usage"], total["at"]) != (0, later["at"])
    assert total["usage"] == later["usage"]

    (application,) = setting.alice.get("/api/applications/browse").items
    assert application == {"metadata": {"name": "steady", "version": "1", "title": "steady", "description": None}}


def test_forecasts_are_in_the_order_of_the_wallets(setting: Setting) -> None:
    wallets, forecasts = (
        setting.alice.get(f"/api/accounting/v2/{call}").items for call in ("browseWallets", "browseForecasts")
    )
    keys = [
        [(each["paysFor"]["name"], each["paysFor"]["provider"]) for each in listed]  # type: ignore[index]
        for listed in (wallets, forecasts)
    ]
    assert len(keys[0]) >= 3
    assert keys[0] == keys[1]


def found(caller: Caller, path: str, **fields: object) -> dict[str, object]:
    """The one item of a list that has these fields."""
    (item,) = (each for each in caller.get(path).items if fields.items() <= each.items())
    return item


# The files


def fetched(port: int, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def test_the_page_needs_no_token_and_says_what_it_may_load(setting: Setting) -> None:
    status, headers, content = fetched(setting.port, "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert content.startswith(b"<!doctype html>")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")

    again, _, nothing = fetched(setting.port, "/", **{"If-None-Match": headers["etag"]})
    assert (again, nothing) == (304, b"")
    assert fetched(setting.port, "/page/page.js")[1]["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize("path", ["/page/none.js", "/page/", "/page/%2e%2e/app.py", "/page/..%2fapp.py", "/index.html"])
def test_what_is_no_part_of_the_page_is_not_found(setting: Setting, path: str) -> None:
    status, _, content = fetched(setting.port, path)
    assert (status, json.loads(content)["why"]) == (404, "Not found")


# The page


@pytest.fixture(scope="module")
def browser(setting: Setting) -> Iterator[Browser]:  # noqa: ARG001  # it ends before the cluster does
    with chromium() as browser:
        yield browser


@pytest.fixture
def tab(browser: Browser, setting: Setting) -> Iterator[Visit]:
    with visit(browser, setting.port) as tab:
        yield tab


def secret(setting: Setting, user: User) -> str:
    return token(setting.cluster.state, user)


def wallet_card(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name)


def job_card(page: Page, name: str) -> Locator:
    return page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=name, exact=True))


def test_a_job_is_started_followed_and_stopped(setting: Setting, tab: Visit) -> None:
    page, name = tab.page, "night run"
    tab.log_in(secret(setting, ALICE), LAB)
    page.get_by_role("button", name="Start a job").click()
    page.get_by_label("Application").select_option("steady 1")
    page.get_by_label("Paid by").select_option("plenty of lab")
    expect(page.get_by_label("Product")).to_have_value("plenty")
    expect(page.get_by_role("dialog")).to_contain_text("50,000 Credits per minute")
    page.get_by_label("Replicas").fill("2")
    expect(page.get_by_role("dialog")).to_contain_text("100,000 Credits per minute")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Parameters").fill('{"input": 1234567890123456789}')
    page.get_by_role("dialog").get_by_role("button", name="Start", exact=True).click()

    card = job_card(page, name)
    expect(card).to_contain_text("Running")
    expect(card).to_contain_text("steady 1 on plenty \u00d7 2, running since")
    expect(card).to_contain_text("100,000 Credits per minute")
    card.get_by_role("button", name="Details").click()
    updates = card.get_by_role("listitem")
    expect(updates.last).to_contain_text("Your job is now running!")
    (stored_job,) = [each for each in setting.jobs() if each["spec"].get("name") == name]
    assert stored_job["spec"]["parameters"] == {"input": 1234567890123456789}

    plenty = wallet_card(page, "plenty")
    expect(plenty.locator("figcaption")).to_contain_text("at 100,000 Credits per minute: lasts until")
    expect(plenty.get_by_role("img")).to_have_accessible_name(plenty.locator("figcaption").text_content() or "")

    card.get_by_role("button", name="Stop").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop it").click()
    expect(updates.last).to_contain_text("Your job has been cancelled!")
    expect(page.get_by_role("status")).to_contain_text(f"{name}: Ended")
    expect(card.get_by_role("button", name="Stop")).to_be_hidden()
    tab.assert_all_is_well(secret(setting, ALICE))


def test_a_job_gets_more_time_and_is_suspended(setting: Setting, tab: Visit) -> None:
    (created,) = setting.alice.post("/api/jobs", specification(name="short", timeAllocation={"hours": 1})).items
    tab.log_in(secret(setting, ALICE), LAB)
    card = job_card(tab.page, "short")
    card.get_by_role("button", name="Extend").click()
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_label("Hours").fill("2")
    dialog.get_by_label("Minutes").fill("30")
    dialog.get_by_role("button", name="Extend").click()
    card.get_by_role("button", name="Details").click()
    expect(card).to_contain_text("3 h 30 min")
    card.get_by_role("button", name="Suspend").click()
    expect(card).to_contain_text("Suspended")
    card.get_by_role("button", name="Resume").click()
    expect(card).to_contain_text("Running")
    setting.alice.post("/api/jobs/terminate", created)
    expect(card).to_contain_text("Ended")


@pytest.mark.parametrize("cut_off", ["browse", "follow"])
def test_an_open_job_is_followed_by_its_stream_and_without_that_by_the_list(
    setting: Setting, tab: Visit, cut_off: str
) -> None:
    name = f"without {cut_off}"
    (created,) = setting.alice.post("/api/jobs", specification(name=name)).items
    tab.log_in(secret(setting, ALICE), LAB)
    card = job_card(tab.page, name)
    expect(card).to_contain_text("Running")
    with tab.page.expect_request("**/api/jobs/follow?*"):
        tab.page.route(f"**/api/jobs/{cut_off}?*", lambda route: route.fulfill(status=404, body="{}"))
        card.get_by_role("button", name="Details").click()
    setting.alice.post("/api/jobs/terminate", created)
    expect(card.get_by_role("listitem").last).to_contain_text("Your job has been cancelled!")
    expect(card).to_contain_text("Ended")


def test_a_refusal_is_a_sentence(setting: Setting, tab: Visit) -> None:
    tab.log_in(secret(setting, ALICE), LAB)
    page = tab.page
    page.get_by_role("button", name="Start a job").click()
    page.get_by_label("Paid by").select_option("plenty of lab")
    page.get_by_label("Product").fill("nothing")
    page.get_by_label("Application").select_option("steady 1")
    send = page.get_by_role("dialog").get_by_role("button", name="Start", exact=True)
    send.click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("Bad machine type requested: ")
    page.get_by_label("Parameters").fill("{")
    send.click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_have_text("The parameters aren't JSON.")


def test_a_treasurer_tops_up_and_gives_and_others_see_no_such_button(setting: Setting, tab: Visit) -> None:
    page = tab.page
    tab.log_in(secret(setting, BOB), TREASURY)
    card = wallet_card(page, "plenty")
    expect(card).to_contain_text("500 DKK left")
    card.get_by_role("button", name="Top up").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Amount").fill("12,5")
    dialog.get_by_role("button", name="Top up").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Write the amount in digits")
    dialog.get_by_label("Amount").fill("1 000.5")
    dialog.get_by_role("button", name="Top up").click()
    expect(card).to_contain_text("1,500.50 DKK left")
    added = setting.wallet(TREASURY, "plenty").spec.allocation_groups[0].allocations[-1]
    assert (added.quota, added.granted_by) == (1_000_500_000, "bob")

    wallet_card(page, "gifts").get_by_role("button", name="Give").click()
    dialog.get_by_label("Workspace").fill(LAB)
    dialog.get_by_label("Amount").fill("0.000125")
    dialog.get_by_role("button", name="Give").click()
    expect(dialog).to_be_hidden()
    assert setting.wallet(LAB, "gifts").spec.allocation_groups[-1].allocations[-1].quota == 125

    page.goto(f"{tab.address}/#project={LAB}")
    expect(page.get_by_role("banner")).to_contain_text("lab bob")
    page.get_by_role("button", name="Log out").click()
    tab.log_in(secret(setting, ALICE), LAB)
    expect(wallet_card(page, "plenty")).to_be_visible()
    expect(page.get_by_role("button", name="Top up")).to_be_hidden()
    expect(page.get_by_role("button", name="Give to another workspace")).to_be_hidden()


def test_amounts_that_javascript_cannot_count_are_exact(setting: Setting, tab: Visit) -> None:
    tab.log_in(secret(setting, BOB), TREASURY)
    expect(wallet_card(tab.page, "large")).to_contain_text("8,999,999,999,999,999,999 Credits left")


def test_amounts_are_read_and_shown_in_the_unit_of_their_category(tab: Visit) -> None:
    tab.page.goto(tab.address)
    unit = {"name": "DKK", "namePlural": "DKK", "floatingPoint": True, "displayFrequencySuffix": False}
    kroner = {"accountingUnit": unit, "accountingFrequency": "PERIODIC_MINUTE"}
    core = {"name": "Core", "namePlural": "Cores", "floatingPoint": False, "displayFrequencySuffix": True}
    cores = {"accountingUnit": core, "accountingFrequency": "PERIODIC_MINUTE"}
    days = {"accountingUnit": core, "accountingFrequency": "PERIODIC_DAY"}

    def called(function: str, *arguments: object) -> object:
        call = (
            "async ([name, first, category]) => {"
            " const found = await import(new URL('page/amounts.js', location));"
            " try { return String(found[name](first, category)); } catch (error) { return error.message; } }"
        )
        return tab.page.evaluate(call, [function, *arguments])

    for amount, category, shown in (
        ("500000000", kroner, "500 DKK"),
        ("57584", kroner, "0.057584 DKK"),
        ("499999999", kroner, "499.99 DKK"),
        ("9000000000000000000", kroner, "9,000,000,000,000 DKK"),
        ("90", cores, "1.50 Core-hours"),
        ("2", days, "48 Core-hours"),
    ):
        assert called("show", amount, category) == shown
    for text, category, units in (("500", kroner, "500000000"), ("0.000001", kroner, "1"), ("1.5", cores, "90")):
        assert called("read", text, category) == units
    for text in ("", "1,5", "-1", "1e3", "0", "0.0000001"):
        assert str(called("read", text, kroner)).endswith("."), text


def test_a_wrong_token_gets_a_sentence_and_a_refused_one_logs_out(setting: Setting, tab: Visit) -> None:
    page = tab.page
    tab.log_in("wrong")
    expect(page.get_by_role("alert")).to_have_text("Bad token supplied, or it has expired")
    page.get_by_label("Token").fill(secret(setting, EXAMPLE))
    page.get_by_role("textbox", name="Workspace").fill(LAB)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text('User "user" cannot list resource "wallets"')
    expect(page.get_by_role("button", name="Start a job")).to_be_hidden()


def test_the_token_stays_in_the_tab_and_goes_with_it(setting: Setting, tab: Visit) -> None:
    page, mine = tab.page, secret(setting, ALICE)
    tab.log_in(mine, LAB)
    expect(wallet_card(page, "plenty")).to_be_visible()
    page.reload()
    expect(wallet_card(page, "plenty")).to_be_visible()
    assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    other = tab.context.new_page()
    other.goto(tab.address)
    expect(other.get_by_label("Token")).to_have_value("")
    other.close()

    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Token")).to_have_value("")
    assert page.evaluate("sessionStorage.length") == 0
    assert mine not in page.content()
    page.reload()
    expect(page.get_by_label("Token")).to_be_visible()
    expect(wallet_card(page, "plenty")).to_be_hidden()
    tab.assert_all_is_well(mine)


def test_everything_can_be_done_with_the_keyboard(setting: Setting, tab: Visit) -> None:
    page, name = tab.page, "by keyboard"
    keyboard = page.keyboard
    page.goto(f"{tab.address}/#project={LAB}")
    expect(page.get_by_label("Token")).to_be_focused()
    keyboard.type(secret(setting, ALICE))
    keyboard.press("Enter")
    expect(page.get_by_role("button", name="Start a job")).to_be_visible()
    go_to(page, page.get_by_role("button", name="Start a job"))
    keyboard.press("Enter")
    expect(page.get_by_label("Application")).to_have_value('{"name":"steady","version":"1"}')
    go_to(page, page.get_by_label("Paid by"))
    keyboard.type("plenty")
    go_to(page, page.get_by_label("Product"))
    keyboard.press("ControlOrMeta+A")
    keyboard.type("plenty")
    go_to(page, page.get_by_label("Name"))
    keyboard.type(name)
    keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_hidden()
    card = job_card(page, name)
    expect(card).to_contain_text("Running")
    go_to(page, card.get_by_role("button", name="Details"))
    keyboard.press("Space")
    expect(card.get_by_role("listitem").last).to_be_visible()
    go_to(page, card.get_by_role("button", name="Stop"))
    keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(card.get_by_role("button", name="Stop")).to_be_focused()
    keyboard.press("Enter")
    go_to(page, page.get_by_role("button", name="Stop it"))
    keyboard.press("Enter")
    expect(card).to_contain_text("Ended")


def go_to(page: Page, target: Locator) -> None:
    """Press Tab until it has the focus."""
    for _ in range(60):
        if target.evaluate("node => node === document.activeElement"):
            outline: str = target.evaluate("node => getComputedStyle(node).outlineStyle")
            assert outline == "solid"
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab doesn't lead to {target}")


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_nothing_keeps_people_out_and_a_phone_is_wide_enough(
    setting: Setting, browser: Browser, colours: Literal["light", "dark"]
) -> None:
    long = colours * 40
    (created,) = setting.alice.post("/api/jobs", specification(name=long, timeAllocation={"hours": 1})).items
    with visit(browser, setting.port, size=PHONE, colours=colours) as tab:
        page = tab.page
        page.goto(tab.address)
        look_around(tab)
        tab.log_in(secret(setting, BOB), LAB)
        card = job_card(page, long)
        expect(card).to_contain_text("Running")
        card.get_by_role("button", name="Details").click()
        look_around(tab)
        for opens in ("Start a job", "Top up", "Give to another workspace", "Extend", "Stop"):
            page.get_by_role("button", name=opens).first.click()
            expect(page.get_by_role("dialog")).to_be_visible()
            look_around(tab)
            page.keyboard.press("Escape")
    setting.alice.post("/api/jobs/terminate", created)


def look_around(tab: Visit) -> None:
    assert tab.barriers() == []
    assert tab.overflow() <= 0


def test_what_others_wrote_is_text(setting: Setting, tab: Visit) -> None:
    name = '<img src=x onerror="window.bad = 1"><script>window.bad = 1</script>'
    (created,) = setting.alice.post("/api/jobs", specification(name=name, labels={})).items
    tab.log_in(secret(setting, ALICE), LAB)
    expect(job_card(tab.page, name)).to_contain_text("Running")
    assert tab.page.locator("img, main script").count() == 0
    assert tab.page.evaluate("window.bad") is None
    setting.alice.post("/api/jobs/terminate", created)


def test_the_page_runs_nothing_and_loads_nothing_from_elsewhere(tab: Visit) -> None:
    tab.page.goto(tab.address)
    refused = tab.page.evaluate("fetch('http://127.0.0.2:9/').then(() => 'sent', () => 'refused')")
    assert refused == "refused"
    tab.page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.bad = 1'}))")
    assert tab.page.evaluate("window.bad") is None
    said = " ".join(tab.complaints)
    assert said.count("Content Security Policy") >= 2, tab.complaints
    tab.complaints.clear()
    tab.requested[:] = [each for each in tab.requested if "127.0.0.2" not in each]


def test_a_wallet_that_runs_dry_is_shown_so_at_once(setting: Setting, tab: Visit) -> None:
    quota, price = PRICE // 6, {"price": PRICE, "cpu": 1, "memoryInGigs": 1}
    product = {"metadata": {"name": "brief"}, "spec": {"category": {"name": "brief", "provider": "lab"}, **price}}
    setting.apply(
        wallet(TREASURY, "brief", quota), {"apiVersion": "ucloud.dk/v1alpha1", "kind": "ComputeProduct", **product}
    )
    eventually(lambda: setting.wallet(TREASURY, "brief").status.max_usable == quota)
    tab.log_in(secret(setting, BOB), TREASURY)
    card = wallet_card(tab.page, "brief")
    expect(card).to_contain_text(f"{quota:,} Credits left, and nothing is being spent.")
    ten_seconds = specification(product=product_reference("brief"), name="ten seconds")
    assert setting.caller(BOB, TREASURY).post("/api/jobs", ten_seconds).status == 200
    expect(card).to_contain_text("at 50,000 Credits per minute: lasts until")
    expect(card).to_contain_text("Locked")
    expect(card).to_contain_text("Nothing left")
    expect(job_card(tab.page, "ten seconds")).to_contain_text("Your job has been terminated (No more credits)")


# Pictures


@pytest.mark.skipif(PICTURES is None, reason="PAGE_PICTURES names no folder to put pictures of the page into")
def test_it_looks_as_the_documentation_shows_it(setting: Setting, browser: Browser) -> None:
    """Make the pictures, in the folder that PAGE_PICTURES names; docs/gateway.md says how."""
    setting.apply(*observatory())
    bob = setting.caller(BOB, OBSERVATORY)
    notebook = {"name": "jupyterlab", "version": "4.4"}
    eventually(lambda: setting.wallet(OBSERVATORY, "cpu").status.max_usable)
    cpu = {"id": "cpu-16", "category": "cpu", "provider": "lab"}
    spec = {"application": notebook, "product": cpu}
    (ended,) = bob.post("/api/jobs", {**spec, "name": "Calibration, 29 November"}).items
    bob.post("/api/jobs", {**spec, "name": "Light curves of TOI-700", "replicas": 4, "timeAllocation": {"hours": 8}})
    are_running(bob, 2)
    bob.post("/api/jobs/terminate", ended)
    bob.post("/api/jobs", {**spec, "name": "Notebook"})
    are_running(bob, 2)
    views: tuple[tuple[str, tuple[int, int], Literal["light", "dark"]], ...] = (
        ("desktop", (1040, 800), "light"),
        ("dark", (1040, 800), "dark"),
        ("phone", (375, 812), "light"),
    )
    for name, size, colours in views:
        with visit(browser, setting.port, size=size, colours=colours) as tab:
            tab.log_in(secret(setting, BOB), OBSERVATORY)
            expect(wallet_card(tab.page, "cpu")).to_contain_text("DKK per minute: lasts until")
            card = job_card(tab.page, "Light curves of TOI-700")
            card.get_by_role("button", name="Details").click()
            expect(card.get_by_role("listitem").last).to_contain_text("Your job is now running!")
            tab.page.mouse.move(0, 0)
            path = Path(PICTURES or "") / f"page-{name}.png"
            tab.page.screenshot(path=path, full_page=True)
            assert path.stat().st_size < LARGEST_PICTURE_BYTES


def are_running(caller: Caller, jobs: int) -> None:
    eventually(lambda: len(caller.get("/api/jobs/browse?filterState=RUNNING").items) == jobs, within_seconds=60)


def observatory() -> list[dict[str, object]]:
    """A workspace as it may look in the middle of a month."""
    cpu = changed(in_kroner(wallet(OBSERVATORY, "cpu", 12_500_000_000)), openingUsage=12_379_411_000)
    gpu = changed(in_kroner(wallet(OBSERVATORY, "gpu", 4_000_000_000)), openingUsage=4_000_000_000)
    kind = {"apiVersion": "ucloud.dk/v1alpha1"}
    machine = {"price": 640_000, "cpu": 16, "memoryInGigs": 64, "category": {"name": "cpu", "provider": "lab"}}
    application = {"name": "jupyterlab", "version": "4.4", "title": "JupyterLab", "image": "jupyterlab"}
    return [
        namespace(OBSERVATORY),
        {**kind, "kind": "ComputeProduct", "metadata": {"name": "cpu-16"}, "spec": machine},
        {**kind, "kind": "Application", "metadata": {"name": "jupyterlab-4.4"}, "spec": application},
        cpu,
        gpu,
        *(bound(OBSERVATORY, BOB, role) for role in ("ucloud-treasurer", "ucloud-user")),
    ]
