"""The alerts, beside what the host and the app write."""

import json
import re

import pytest

from registry.durable.entities import EVENTS
from registry.telemetry import record
from tests.infra.deployment import EVERYTHING, Resource, deployed
from tests.support.bicep import ROOT

RULE = "Microsoft.Insights/scheduledQueryRules"
LEVELS = ["Trace", "Debug", "Information", "Warning", "Error", "Critical", "None"]


def rule(what: str) -> Resource:
    (found,) = [found for found in deployed().all(RULE) if found["name"].startswith(f"failed-{what}-")]
    return found["properties"]


def query(what: str) -> str:
    (criterion,) = rule(what)["criteria"]["allOf"]
    return criterion["query"]


@pytest.mark.parametrize("what", ["orchestrations", "deliveries"])
def test_one_failure_is_enough(what) -> None:
    """Each five minutes the traces of the last fifteen are looked through, and what is found is told once.

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
    """The extension writes it as an error of this category, with its values beside the text (FunctionFailed in
    https://github.com/Azure/azure-functions-durable-extension/blob/a7c6d69/src/WebJobs.Extensions.DurableTask/EndToEndTraceHelper.cs).
    """
    conditions = dict(re.findall(r"customDimensions\.(\w+) == '([\w.]+)'", query("orchestrations")))
    assert conditions == {
        "Category": "Host.Triggers.DurableTask",
        "prop__functionType": "Orchestrator",
        "prop__state": "Failed",
    }
    logging = json.loads((ROOT / "host.json").read_text())["logging"]
    assert LEVELS.index(logging["logLevel"][conditions["Category"]]) <= LEVELS.index("Error")
    assert "Trace" in logging["applicationInsights"]["samplingSettings"]["excludedTypes"].split(";")


def test_a_delivery_that_was_given_up_leaves_the_line_that_is_looked_for(caplog) -> None:
    """And one that succeeded does not, nor does another event."""
    beginning, part = re.search(
        r"message startswith '(.+?)' and message contains '(.+?)'", query("deliveries")
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
    """Without a key, and linked to the component that shows it; two of five places may fail."""
    test = deployed().one("Microsoft.Insights/webtests")
    insights = deployed().one("Microsoft.Insights/components")["id"]
    app = deployed().one("Microsoft.Web/sites")["id"]
    url = f"[format('https://{{0}}/api/health', reference('{app}', '2024-04-01').defaultHostName)]"
    assert test["kind"] == test["properties"]["Kind"] == "standard"
    assert test["tags"] == {"azd-env-name": "test", f"hidden-link:{insights}": "Resource"}
    assert test["properties"]["Request"]["RequestUrl"] == url
    assert test["properties"]["Request"]["HttpVerb"] == "GET"
    assert test["properties"]["ValidationRules"]["ExpectedHttpStatusCode"] == 200
    assert test["properties"]["Enabled"]
    assert test["properties"]["Frequency"] == 900
    alert = deployed().one("Microsoft.Insights/metricAlerts")["properties"]
    assert alert["enabled"]
    assert (alert["evaluationFrequency"], alert["windowSize"]) == ("PT5M", "PT15M")  # in which each place has asked
    assert alert["scopes"] == [test["id"], insights]
    assert alert["criteria"] == {
        "odata.type": "Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria",
        "webTestId": test["id"],
        "componentId": insights,
        "failedLocationCount": 3,
    }
    assert len(test["properties"]["Locations"]) == 5


def test_alerts_go_to_an_address_that_is_given() -> None:
    """Without one they are shown in the portal, and nothing is sent."""
    assert deployed().all("Microsoft.Insights/actionGroups") == []
    assert [found["properties"]["actions"] for found in deployed().all(RULE)] == [{"actionGroups": []}] * 2
    assert deployed().one("Microsoft.Insights/metricAlerts")["properties"]["actions"] == []
    told = deployed(**EVERYTHING)
    group = told.one("Microsoft.Insights/actionGroups")
    (receiver,) = group["properties"]["emailReceivers"]
    assert receiver["emailAddress"] == EVERYTHING["alertEmail"]
    assert [found["properties"]["actions"] for found in told.all(RULE)] == [{"actionGroups": [group["id"]]}] * 2
    assert told.one("Microsoft.Insights/metricAlerts")["properties"]["actions"] == [{"actionGroupId": group["id"]}]
