"""Alerts look for what the host and the app really write."""

import json
import re

import pytest

from registry.durable.entities import EVENTS
from registry.durable.messages import AddItem, RecordDelivery
from registry.telemetry import record
from tests.infra.deployment import EVERYTHING, Resource, deployed
from tests.support.program import ROOT

# Bicep evaluates the template anew for each set of parameters.
pytestmark = pytest.mark.verify

RULE = "Microsoft.Insights/scheduledQueryRules"
LEVELS = ["Trace", "Debug", "Information", "Warning", "Error", "Critical", "None"]


def rule(what: str) -> Resource:
    (found,) = [
        found for found in deployed().all(RULE) if found["name"].startswith(f"failed-{what}-")
    ]
    return found["properties"]


def query(what: str) -> str:
    (criterion,) = rule(what)["criteria"]["allOf"]
    return " ".join(criterion["query"].split())


@pytest.mark.parametrize("what", ["orchestrations", "deliveries"])
def test_one_failure_raises_one_alert(what) -> None:
    """Every five minutes the traces of the last fifteen are searched.

    The query is not validated: a new component has no `traces` yet.
    """
    (criterion,) = rule(what)["criteria"]["allOf"]
    criterion = {name: value for name, value in criterion.items() if name != "query"}
    assert criterion == {"timeAggregation": "Count", "operator": "GreaterThan", "threshold": 0}
    assert (rule(what)["evaluationFrequency"], rule(what)["windowSize"]) == ("PT5M", "PT15M")
    assert rule(what)["autoMitigate"]
    assert rule(what)["scopes"] == [deployed().one("Microsoft.Insights/components")["id"]]
    assert rule(what)["enabled"]
    assert rule(what)["skipQueryValidation"]
    assert query(what).split()[0] == "traces"


def test_the_trace_of_a_failed_orchestration_is_found() -> None:
    """The extension writes an error of this category, in EndToEndTraceHelper.FunctionFailed.

    https://github.com/Azure/azure-functions-durable-extension/blob/a7c6d69/src/WebJobs.Extensions.DurableTask/EndToEndTraceHelper.cs
    """
    category = "Host.Triggers.DurableTask"
    assert query("orchestrations") == (
        f"traces | where customDimensions.Category == '{category}' "
        "| where customDimensions.prop__functionType == 'Orchestrator' "
        "and customDimensions.prop__state == 'Failed'"
    )

    logging = json.loads((ROOT / "host.json").read_text())["logging"]
    assert LEVELS.index(logging["logLevel"][category]) <= LEVELS.index("Error")
    assert "Trace" in logging["applicationInsights"]["samplingSettings"]["excludedTypes"].split(";")


def test_the_line_of_a_failed_delivery_is_found(caplog) -> None:
    """Neither that of a delivery that succeeded, nor that of another event."""
    pattern = r"traces \| where message startswith '(.+?)' and message contains '(.+?)'"
    beginning, part = re.fullmatch(pattern, query("deliveries")).groups()

    with caplog.at_level("INFO"):
        record(EVENTS[RecordDelivery], "8e3b2f1c", "", items=2, outcome="failed")
        record(EVENTS[RecordDelivery], "8e3b2f1c", "", items=2, outcome="delivered")
        record(EVENTS[AddItem], "8e3b2f1c", "", items=2)

    found = [line.startswith(beginning) and part in line for line in caplog.messages]
    assert found == [True, False, False]
    levels = json.loads((ROOT / "host.json").read_text())["logging"]["logLevel"]
    assert not levels.keys() & {"default", "Function"}, "Information would not be written"


def test_health_is_probed_from_outside() -> None:
    """Without a key, from three continents, and linked to the component that shows the result."""
    test = deployed().one("Microsoft.Insights/webtests")
    insights = deployed().one("Microsoft.Insights/components")["id"]
    app = deployed().one("Microsoft.Web/sites")["id"]
    url = f"[format('https://{{0}}/api/health', reference('{app}', '2024-04-01').defaultHostName)]"
    assert test["kind"] == "standard"
    assert test["tags"] == {"azd-env-name": "test", f"hidden-link:{insights}": "Resource"}
    assert test["properties"] == {
        "Name": "health",
        "SyntheticMonitorId": test["name"],
        "Kind": "standard",
        "Enabled": True,
        "Frequency": 900,
        "Timeout": 60,
        "RetryEnabled": True,
        # https://learn.microsoft.com/azure/azure-monitor/app/availability#location-population-tags
        "Locations": [
            {"Id": "emea-nl-ams-azr"},
            {"Id": "us-va-ash-azr"},
            {"Id": "apac-sg-sin-azr"},
        ],
        "Request": {
            "RequestUrl": url,
            "HttpVerb": "GET",
            "FollowRedirects": False,
            "ParseDependentRequests": False,
        },
        "ValidationRules": {
            "ExpectedHttpStatusCode": 200,
            "SSLCheck": True,
            "SSLCertRemainingLifetimeCheck": 7,
        },
    }


def test_an_app_that_does_not_answer_raises_an_alert() -> None:
    """When two of the three places say so within a round of probes."""
    test = deployed().one("Microsoft.Insights/webtests")
    insights = deployed().one("Microsoft.Insights/components")["id"]
    alert = deployed().one("Microsoft.Insights/metricAlerts")["properties"]
    assert alert["enabled"]
    assert (alert["evaluationFrequency"], alert["windowSize"]) == ("PT5M", "PT15M")
    assert alert["scopes"] == [test["id"], insights]
    assert alert["criteria"] == {
        "odata.type": "Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria",
        "webTestId": test["id"],
        "componentId": insights,
        "failedLocationCount": 2,
    }


def test_alerts_go_to_the_given_address() -> None:
    """Without one they are only shown in the portal."""
    assert deployed().all("Microsoft.Insights/actionGroups") == []
    assert [found["properties"]["actions"] for found in deployed().all(RULE)] == [
        {"actionGroups": []}
    ] * 2
    assert deployed().one("Microsoft.Insights/metricAlerts")["properties"]["actions"] == []
    with_address = deployed(**EVERYTHING)
    group = with_address.one("Microsoft.Insights/actionGroups")
    assert group["properties"]["enabled"]
    receiver = {
        "name": "email",
        "emailAddress": EVERYTHING["alertEmail"],
        "useCommonAlertSchema": True,
    }
    assert group["properties"]["emailReceivers"] == [receiver]
    assert [found["properties"]["actions"] for found in with_address.all(RULE)] == [
        {"actionGroups": [group["id"]]}
    ] * 2
    assert with_address.one("Microsoft.Insights/metricAlerts")["properties"]["actions"] == [
        {"actionGroupId": group["id"]}
    ]
