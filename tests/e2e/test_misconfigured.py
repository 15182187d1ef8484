"""Invalid settings, on a host whose console nobody sees: each answer says what is wrong."""

import pytest
import requests

from tests.e2e.process import Devhost


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The app with a reference that Azure could not resolve in place of a secret."""
    settings = {
        "PROCESSING_WEBHOOK_SECRET": "@Microsoft.KeyVault(VaultName=v;SecretName=s)",
        "AZURE_FUNCTIONS_ENVIRONMENT": "Production",
    }
    with Devhost(tmp_path_factory.mktemp("misconfigured") / "data", **settings) as host:
        yield host.url


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "DELETE"])
@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/health", "/api/open", "/api/add/0?item=Bike", "/robots.txt"]
)
def test_everything_is_answered(url, method, path) -> None:
    """With 503, and with what must be mended; a probe of any kind sees it."""
    response = requests.request(method, f"{url}{path}")
    assert response.status_code == 503
    assert response.headers["Content-Type"] == "application/problem+json"
    if method != "HEAD":
        assert "PROCESSING_WEBHOOK_SECRET must be whsec_" in response.json()["detail"]
        assert "KeyVault" not in response.text
