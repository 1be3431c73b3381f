"""The gateway's calls that change nothing of a job's life: searching, sorting, naming, labelling, and products."""

import json
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from devcluster import BOB, Cluster
from tests.cluster.people import Person
from tests.cluster.storytelling.gateway import Caller
from tests.cluster.storytelling.lab import (
    Setting,
    bound,
    namespace,
    product_reference,
    specification,
    unattended_lab,
    wallet,
)

HERE = "library"
"""A workspace of these tests' own, beside the lab, whose products and application it uses."""
LARGEST = 9 * 10**18


@pytest.fixture(scope="module")
def setting(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    """Without an operator: nobody would change these jobs."""
    more = (namespace(HERE), wallet(HERE, "plenty", LARGEST), bound(HERE, BOB, "ucloud-user"))
    with unattended_lab(cluster, tmp_path_factory.mktemp("gateway"), *more) as setting:
        yield setting


@pytest.fixture(scope="module")
def bob(setting: Setting) -> Caller:
    return setting.caller(BOB, HERE)


@pytest.fixture(scope="module")
def jobs(bob: Caller) -> list[str]:
    """The ids of five jobs, in the order of their creation."""
    wanted = [
        specification(name=f"{word} run", labels={"course": f"physics-{number % 2}"})
        for number, word in enumerate(("Night", "day", "NIGHT", "evening", "midnight"))
    ]
    return [str(bob.post("/api/jobs", each).items[0]["id"]) for each in wanted]


def ids(caller: Caller, path: str) -> list[str]:
    return [str(each["id"]) for each in caller.get(path).items]


def found(caller: Caller, **asked: object) -> list[str]:
    reply = caller.ask("POST", "/api/jobs/search", json.dumps(asked).encode())
    assert (reply.status, list(reply.body)) == (200, ["itemsPerPage", "items", "next"])
    return [str(each["id"]) for each in reply.items]


def test_jobs_are_found_by_a_part_of_their_id_name_or_application(bob: Caller, jobs: list[str]) -> None:
    assert found(bob, query="night", flags={}) == [jobs[4], jobs[2], jobs[0]]
    assert found(bob, query=jobs[1]) == [jobs[1]]
    assert found(bob, query="STEADY") == found(bob) == jobs[::-1]
    assert found(bob, query="nothing") == []
    assert found(bob, query="night", flags={"filterLabels": {"course": "physics-1"}}) == []


def test_what_is_found_comes_in_pages_and_as_browse_shows_it(bob: Caller, jobs: list[str]) -> None:
    first = bob.ask("POST", "/api/jobs/search", b'{"query": "night", "itemsPerPage": 2}').body
    assert first["itemsPerPage"] == 2
    assert first["items"] == bob.get(f"/api/jobs/browse?filterIds={jobs[4]},{jobs[2]}").items
    assert found(bob, query="night", itemsPerPage=2, next=first["next"]) == [jobs[0]]


def test_jobs_are_sorted_and_next_is_then_a_number(bob: Caller, jobs: list[str]) -> None:
    path = "/api/jobs/browse?sortBy=createdAt&itemsPerPage=3"
    assert ids(bob, path) == jobs[:3]
    assert bob.get(path).body["next"] == "3"
    assert ids(bob, f"{path}&next=3") == jobs[3:]
    assert ids(bob, f"{path}&sortDirection=descending") == jobs[:1:-1]
    assert found(bob, flags={"sortBy": "timeLeft"}, itemsPerPage=1) == jobs[:1]
    for senseless in (f"{path}&next=soon", path.replace("createdAt", "price"), f"{path}&sortDirection=up"):
        assert bob.get(senseless).status == 400


def test_jobs_are_filtered_by_their_labels(bob: Caller, jobs: list[str]) -> None:
    assert ids(bob, "/api/jobs/browse?filterLabels.course=physics-1") == [jobs[3], jobs[1]]
    assert ids(bob, "/api/jobs/browse?filterLabels.course=physics-1&filterLabels.year=1") == []
    assert ids(bob, "/api/jobs/browse?filterType=VMS_ONLY") == []


def test_a_job_gets_another_name_and_may_have_none(setting: Setting, bob: Caller) -> None:
    (created,) = bob.post("/api/jobs", specification(name="first")).items
    path = f"/api/jobs/retrieve?id={created['id']}"

    def renamed(title: object) -> object:
        content = json.dumps({"items": [{**created, "newTitle": title}]}).encode()
        reply = bob.ask("POST", "/api/jobs/rename", content)
        assert (reply.status, reply.body) == (200, {})
        return bob.get(path).body["specification"]["name"]  # type: ignore[index]

    assert [renamed("Æøå, 2nd"), renamed("")] == ["Æøå, 2nd", None]
    reply = bob.post("/api/jobs/rename", {**created, "newTitle": "x" * 254})
    assert reply.status == 400
    assert "Too long" in reply.why
    assert bob.get(path).body["specification"]["name"] is None  # type: ignore[index]
    assert bob.post("/api/jobs/rename", {"id": created["id"]}).status == 400
    assert setting.alice.post("/api/jobs/rename", {**created, "newTitle": "mine"}).status == 404
    remove(setting, str(created["id"]))


def test_a_job_has_the_labels_it_was_given_last(setting: Setting, bob: Caller) -> None:
    (created,) = bob.post("/api/jobs", specification(labels={"a": "1", "b": "2"})).items

    def labelled(labels: object) -> object:
        content = json.dumps({"items": [{**created, "labels": labels}]}).encode()
        assert bob.ask("POST", "/api/jobs/updateLabels", content).body == {}
        job = bob.get(f"/api/jobs/retrieve?id={created['id']}").body
        return job["specification"].get("labels")  # type: ignore[attr-defined]

    assert [labelled({"b": "3", "c": "4"}), labelled({})] == [{"b": "3", "c": "4"}, None]
    for senseless in ({"a": 1}, None, {str(number): "" for number in range(65)}):
        assert bob.post("/api/jobs/updateLabels", {**created, "labels": senseless}).status == 400
    remove(setting, str(created["id"]))


def remove(setting: Setting, name: str) -> None:
    setting.cluster.kubectl("delete", "ucloudjob", name, f"--namespace={HERE}", "--wait=false")


def test_numbers_of_parameters_come_back_as_they_were(setting: Setting, bob: Caller) -> None:
    numbers = [2**53 + 1, 2**63 - 1, 1 - 2**63, LARGEST, 0.1, 1e300]
    (created,) = bob.post("/api/jobs", specification(parameters={"numbers": numbers})).items
    shown = bob.get(f"/api/jobs/retrieve?id={created['id']}").body["specification"]
    assert isinstance(shown, dict)
    assert shown["parameters"] == {"numbers": numbers}
    assert list(map(type, shown["parameters"]["numbers"])) == list(map(type, numbers))
    remove(setting, str(created["id"]))


# What can be asked


def test_anybody_may_read_what_can_be_asked(setting: Setting) -> None:
    described = Caller(setting.port, None).get("/openapi.json")
    assert described.status == 200
    assert "/api/jobs/search" in described.body["paths"]  # type: ignore[operator]


def test_the_page_about_it_may_load_nothing(setting: Setting) -> None:
    with urlopen(f"http://127.0.0.1:{setting.port}/docs", timeout=60) as page:  # our own
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; ")
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert b"POST /api/jobs/search" in page.read()


# Products


def names(caller: Caller, query: str = "") -> list[str]:
    return [str(each["name"]) for each in caller.get(f"/api/products/v2/browse?filterProvider=lab{query}").items]


def test_products_are_listed_filtered_and_come_in_pages(bob: Caller) -> None:
    assert names(bob) == ["dry", "plenty", "unpaid"]
    assert names(bob, "&filterName=dry&filterCategory=dry") == ["dry"]
    assert names(bob, "&filterProductType=STORAGE") == names(bob, "&filterName=dry&filterCategory=plenty") == []
    path = "/api/products/v2/browse?filterProvider=lab&itemsPerPage=2"
    first = bob.get(path).body
    assert [each["name"] for each in bob.get(f"{path}&next={first['next']}").items] == ["unpaid"]


def test_one_product_is_shown_with_what_the_workspace_has_for_it(setting: Setting, bob: Caller) -> None:
    """A wallet's numbers are written here, as nobody else does: the largest, and more than JavaScript reads exactly."""
    admin = Person(setting.cluster.kubeconfig)
    status = f"/apis/ucloud.dk/v1alpha1/namespaces/{HERE}/wallets/plenty/status"
    numbers = {"quota": LARGEST, "totalUsage": 2**53 + 1, "maxUsable": LARGEST - 2**53 - 1}
    assert admin.patch(status, {"status": numbers}).allowed

    path = "/api/products/v2/retrieve?filterName=plenty&filterCategory=plenty&filterProvider=lab"
    shown = bob.get(f"{path}&includeBalance=true&includeMaxBalance=true").body
    assert (shown["balance"], shown["maxUsableBalance"]) == (LARGEST - 2**53 - 1,) * 2
    assert shown["category"]["accountingFrequency"] == "PERIODIC_MINUTE"  # type: ignore[index]
    plain = bob.get(path).body
    assert plain == {**shown, "balance": None, "maxUsableBalance": None}

    (paying,) = bob.get("/api/accounting/v2/browseWallets").items
    assert {name: paying[name] for name in numbers} == numbers
    assert all(type(paying[name]) is int for name in numbers)
    assert admin.patch(status, {"status": dict.fromkeys(numbers)}).allowed  # other tests have the same cluster

    unknown = bob.get(path.replace("filterName=plenty", "filterName=nothing"))
    assert (unknown.status, unknown.why) == (404, "Unknown product")
    incomplete = bob.get("/api/products/v2/retrieve?filterName=plenty")
    assert (incomplete.status, incomplete.why) == (400, "Name, category and provider must be supplied")


def test_what_jobs_can_run_on_is_shown_by_provider(bob: Caller) -> None:
    by_provider = bob.get("/api/jobs/retrieveProducts").body["productsByProvider"]
    assert isinstance(by_provider, dict)
    shown = {each["product"]["name"]: each for each in by_provider["lab"]}
    assert list(shown) == ["dry", "plenty", "unpaid"]
    assert shown["plenty"]["product"] == bob.get("/api/products/v2/browse?filterName=plenty").items[0]
    assert shown["plenty"]["support"]["product"] == product_reference("plenty")
    assert [name for name, can in shown["plenty"]["support"]["docker"].items() if can] == ["enabled", "timeExtension"]


def test_what_a_job_refers_to_is_shown_where_it_is_asked_for(bob: Caller, jobs: list[str]) -> None:
    wanted = "&includeProduct=true&includeApplication=true&includeSupport=true"
    retrieved = bob.get(f"/api/jobs/retrieve?id={jobs[0]}{wanted}").body["status"]
    assert isinstance(retrieved, dict)
    assert retrieved["resolvedApplication"]["metadata"]["name"] == "steady"
    assert retrieved["resolvedProduct"] == retrieved["resolvedSupport"]["product"]
    assert retrieved["resolvedProduct"] == bob.get("/api/products/v2/browse?filterName=plenty").items[0]
    (browsed,) = bob.get(f"/api/jobs/browse?filterIds={jobs[0]}{wanted}").items
    assert browsed["status"] == retrieved
    plain = bob.get(f"/api/jobs/retrieve?id={jobs[0]}").body["status"]
    assert plain == {**retrieved, "resolvedApplication": None, "resolvedProduct": None, "resolvedSupport": None}
