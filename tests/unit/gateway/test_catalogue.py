"""Products and applications as UCloud's HTTP API shows them."""

from pydantic import JsonValue

from ucloud_operator.api import Application, ComputeProduct, UCloudJob, Wallet
from ucloud_operator.gateway.asked import JobFlags
from ucloud_operator.gateway.catalogue import render_application, render_product, render_support, resolve
from ucloud_operator.gateway.render import Resolved
from ucloud_operator.gateway.verdict import Surroundings


def product(**spec: JsonValue) -> ComputeProduct:
    usual = {"category": {"name": "cpu", "provider": "us"}, "price": 50_000, "memoryInGigs": 16}
    return ComputeProduct.model_validate({"metadata": {"name": "small"}, "spec": {**usual, **(spec or {"cpu": 4})}})


WALLET = Wallet.model_validate(
    {
        "metadata": {"name": "cpu", "namespace": "lab"},
        "spec": {
            "owner": {"type": "project", "projectId": "lab"},
            "paysFor": {"name": "cpu", "provider": "us", "accountingFrequency": "PERIODIC_HOUR"},
        },
        "status": {"quota": 9 * 10**18, "totalUsage": 1, "maxUsable": 7},
    }
)
APPLICATION = Application.model_validate(
    {
        "metadata": {"name": "app-1", "creationTimestamp": "1970-01-01T00:00:01Z"},
        "spec": {"name": "app", "version": "1", "image": "busybox"},
    }
)
JOB = UCloudJob.model_validate(
    {
        "metadata": {"name": "1"},
        "spec": {
            "application": {"name": "app", "version": "1"},
            "product": {"id": "small", "category": "cpu", "provider": "us"},
        },
    }
)
AROUND = Surroundings((product(),), (APPLICATION,), (WALLET,))


def test_a_product_has_all_of_ucloud_s_fields_in_ucloud_s_order() -> None:
    shown = render_product(product(cpu=4, gpu=2, name="large", description="Large."), WALLET)
    assert list(shown.items()) == [
        ("type", "compute"),
        (
            "category",
            {
                "name": "cpu",
                "provider": "us",
                "productType": "COMPUTE",
                "accountingUnit": {
                    "name": "Credit",
                    "namePlural": "Credits",
                    "floatingPoint": False,
                    "displayFrequencySuffix": False,
                },
                "accountingFrequency": "PERIODIC_HOUR",
                "freeToUse": False,
                "allowSubAllocations": True,
            },
        ),
        ("name", "large"),
        ("description", "Large."),
        ("productType", "COMPUTE"),
        ("price", 50_000),
        ("fraction", {"numerator": 1, "denominator": 1}),
        ("hiddenInGrantApplications", False),
        ("usage", None),
        ("cpu", 4),
        ("cpuModel", None),
        ("memoryInGigs", 16),
        ("memoryModel", None),
        ("gpu", 2),
        ("gpuModel", None),
        ("balance", None),
        ("maxUsableBalance", None),
    ]


def test_parts_of_a_core_are_no_number_of_cores() -> None:
    assert [render_product(product(cpuMillis=millis), None)["cpu"] for millis in (500, 2000)] == [None, 2]


def test_balances_are_shown_where_they_are_asked_for_and_there_is_a_wallet() -> None:
    def balances(wallet: Wallet | None) -> list[object]:
        shown = render_product(product(), wallet, balance=True, max_balance=True)
        return [shown["balance"], shown["maxUsableBalance"]]

    assert balances(WALLET) == [9 * 10**18 - 1, 7]
    assert balances(None) == [None, None]


def test_how_a_category_is_counted_is_not_known_without_a_wallet() -> None:
    category = render_product(product(), None)["category"]
    assert isinstance(category, dict)
    assert list(category) == list(render_product(product(), WALLET)["category"])  # type: ignore[call-overload]
    assert {name for name, value in category.items() if value is None} == {
        "accountingUnit",
        "accountingFrequency",
        "freeToUse",
        "allowSubAllocations",
    }


def test_what_a_job_refers_to_is_shown_as_far_as_it_is_asked_for_and_there() -> None:
    everything = JobFlags(include_application=True, include_product=True, include_support=True)
    assert resolve(JOB, JobFlags(), AROUND) == Resolved()
    assert resolve(JOB, everything, Surroundings((), (), ())) == Resolved()
    assert resolve(JOB, everything, AROUND) == Resolved(
        application=render_application(APPLICATION),
        support=render_support(product(), WALLET),
        product=render_product(product(), WALLET),
    )
    assert resolve(JOB, JobFlags(include_product=True), AROUND) == Resolved(product=render_product(product(), WALLET))


def test_an_application_without_a_title_is_called_by_its_name() -> None:
    metadata = render_application(APPLICATION)["metadata"]
    assert isinstance(metadata, dict)
    assert (metadata["title"], metadata["description"], metadata["createdAt"]) == ("app", "", 1000)
