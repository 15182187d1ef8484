"""Requests made up from the API's description: no answer is outside of it, and none is a 5xx."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.process import Devhost
from tests.receiver import SECRET, Receiver

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


@pytest.mark.verify
@pytest.mark.timeout(300)  # on a machine that has other things to do
def test_thousands_of_requests_are_answered_as_described(tmp_path) -> None:
    """Good ones and bad ones, alone and in sequences."""
    with Receiver() as receiver:
        settings = {"PROCESSING_WEBHOOK_URL": receiver.url, "PROCESSING_WEBHOOK_SECRET": SECRET}
        with Devhost(
            tmp_path / "data", REGISTRY_MAX_ITEMS=5, REGISTRY_OPEN_SECONDS=20, **settings
        ) as host:
            command = [Path(sys.executable).parent / "st", "run", f"{host.url}/api/openapi.json"]
            options = [
                "--checks",
                ",".join(CHECKS),
                "--max-examples",
                "200",
                "--continue-on-failure",
                "--no-color",
            ]
            done = subprocess.run(
                [*command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=280
            )
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) generated", done.stdout)[1]) > 2000
