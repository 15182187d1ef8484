"""The alerts, beside what the host and the app write."""

import json
import re

import pytest

from registry.durable.entities import EVENTS
from registry.telemetry import record
from tests.infra.deployment import EVERYTHING, Resource, deployed
from tests.support.program import ROOT

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
def test_one_failure_is_enough(what) -> None:
    """Each five minutes the traces of the last fifteen are looked through, and what is found is
    told once.

    A component that is new does not know `traces` yet, so the query cannot be tried then.
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


def test_a_failed_orchestration_leaves_the_trace_that_is_looked_for() -> None:
    """The extension writes it as an error of this category, with its values beside the text
    (FunctionFailed in
    https://github.com/Azure/azure-functions-durable-extension/blob/a7c6d69/src/WebJobs.Extensions.DurableTask/EndToEndTraceHelper.cs).
    """
    category = "Host.Triggers.DurableTask"
    assert query("orchestrations") == (
        f"traces | where customDimensions.Category == '{category}' "
        "| where customDimensions.prop__functionType == 'Orchestrator' and customDimensions.prop__state == 'Failed'"
    )
    logging = json.loads((ROOT / "host.json").read_text())["logging"]
    assert LEVELS.index(logging["logLevel"][category]) <= LEVELS.index("Error")
    assert "Trace" in logging["applicationInsights"]["samplingSettings"]["excludedTypes"].split(";")


def test_a_delivery_that_was_given_up_leaves_the_line_that_is_looked_for(caplog) -> None:
    """And one that succeeded does not, nor does another event."""
    beginning, part = re.fullmatch(
        r"traces \| where message startswith '(.+?)' and message contains '(.+?)'",
        query("deliveries"),
    ).groups()
    with caplog.at_level("INFO"):
        record(EVENTS["delivered"], "8e3b2f1c", "", items=2, outcome="failed")
        record(EVENTS["delivered"], "8e3b2f1c", "", items=2, outcome="delivered")
        record(EVENTS["add"], "8e3b2f1c", "", items=2)
    found = [line.startswith(beginning) and part in line for line in caplog.messages]
    assert found == [True, False, False]
    levels = json.loads((ROOT / "host.json").read_text())["logging"]["logLevel"]
    assert not levels.keys() & {"default", "Function"}  # Information is written then


def test_health_is_asked_for_from_outside() -> None:
    """Without a key, from places far from each other, and linked to the component that shows it."""
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


def test_an_app_that_does_not_answer_is_told_of() -> None:
    """Where two of the three places say so, within the time in which each has asked."""
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


def test_alerts_go_to_an_address_that_is_given() -> None:
    """Without one they are shown in the portal, and nothing is sent."""
    assert deployed().all("Microsoft.Insights/actionGroups") == []
    assert [found["properties"]["actions"] for found in deployed().all(RULE)] == [
        {"actionGroups": []}
    ] * 2
    assert deployed().one("Microsoft.Insights/metricAlerts")["properties"]["actions"] == []
    told = deployed(**EVERYTHING)
    group = told.one("Microsoft.Insights/actionGroups")
    assert group["properties"]["enabled"]
    receiver = {
        "name": "email",
        "emailAddress": EVERYTHING["alertEmail"],
        "useCommonAlertSchema": True,
    }
    assert group["properties"]["emailReceivers"] == [receiver]
    assert [found["properties"]["actions"] for found in told.all(RULE)] == [
        {"actionGroups": [group["id"]]}
    ] * 2
    assert told.one("Microsoft.Insights/metricAlerts")["properties"]["actions"] == [
        {"actionGroupId": group["id"]}
    ]
