"""The example calls work as they are."""

import json
import re
import subprocess

import requests

from registry.settings import Settings
from registry.web.pages import describe
from tests.e2e.process import ROOT

EXAMPLES = ROOT / "examples"


def test_the_walk_through(base_url) -> None:
    """Each call is answered as the script says."""
    command = [EXAMPLES / "walkthrough.sh", base_url.removesuffix("/api")]
    lines = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=True
    ).stdout.splitlines()
    said = [line for line in lines if re.match("[A-Z].* ", line) and line[-1] in ":."]
    assert len(said) == 7
    answers = [json.loads(line) for line in lines if line.startswith("{")]
    items = ["Commodore 64", "Zork & Trilogy", "Bike", "Socks", "Socks"]
    assert [(each["item"], each["itemsCount"]) for each in answers[:5]] == list(
        zip(items, (1, 2, 3, 4, 4), strict=True)
    )
    assert answers[5]["itemsCount"] == 3
    peeked = lines.index("Peek, just at the gifts:") + 1
    assert lines[peeked : peeked + 3] == answers[6]["registry"]["items"] == items[:3]
    assert answers[7]["type"] == "/api/docs#registry-closed"
    assert len(answers) == 8


def test_the_requests(base_url) -> None:
    """One after the other; and there is one for each call of the API."""
    text = (EXAMPLES / "registry.http").read_text()
    id, called = "", set()
    for block in text.split("\n###")[1:]:
        request = re.sub(r"^#.*\n", "", block.partition("\n")[2], flags=re.MULTILINE)
        head, _, body = request.partition("\n\n")
        (method, address), headers = head.splitlines()[0].split(" "), head.splitlines()[1:]
        url = address.replace("{{api}}", base_url).replace("{{id}}", id)
        sent = dict(line.split(": ") for line in headers)
        answer = requests.request(method, url, data=body.strip(), headers=sent)
        assert answer.status_code in ((202, 409) if "/process/" in url else (200, 201)), answer.text
        id = id or answer.json()["id"]
        called.add(address.partition("?")[0].replace("{{api}}", "").replace("{{id}}", "{id}"))
    assert called == set(describe(Settings())["paths"])
