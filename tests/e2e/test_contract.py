"""The HTTP contract, row by row, over HTTP."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import requests

from registry import __version__
from tests.e2e.conftest import MAX_ITEM_LENGTH, MAX_ITEMS

UNKNOWN = "0" * 32


def open_registry(base: str) -> str:
    response = requests.post(f"{base}/open", headers={"Accept": "text/plain"})
    assert response.status_code == 201, response.text
    return response.text


@pytest.fixture
def id(base_url) -> str:
    """A new registry."""
    return open_registry(base_url)


def ok(response: requests.Response, status: int = 200) -> dict:
    """The JSON of an answer that is a success; what may be kept has a tag to ask with."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == (
        "private, no-cache" if "ETag" in response.headers else "no-store"
    )
    assert response.content.endswith(b"}\n")
    return response.json()


def problem(response: requests.Response, status: int, name: str = "") -> str:
    """The detail of an error, which is of the kind of this name."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.content.endswith(b"}\n")
    body = response.json()
    assert body["type"].startswith("/api/docs#")
    assert body["type"].endswith(name)
    assert set(body) >= {"type", "title", "status", "detail"}
    assert body["status"] == status
    return body["detail"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_open(base_url, method) -> None:
    """201, Location, times and links that work."""
    response = requests.request(method, f"{base_url}/open")
    opened = ok(response, 201)
    assert set(opened) == {"id", "status", "openedAt", "closesAt", "links"}
    assert opened["status"] == "Open"
    assert opened["openedAt"].endswith("Z")
    assert abs(datetime.fromisoformat(opened["openedAt"]) - datetime.now(UTC)) < timedelta(
        minutes=1
    )
    assert response.headers["Location"] == opened["links"]["peek"]
    assert ok(requests.get(opened["links"]["peek"]))["registry"]["openedAt"] == opened["openedAt"]
    assert ok(requests.post(opened["links"]["add"], params={"item": "Bike"}))["itemsCount"] == 1
    assert ok(requests.post(opened["links"]["finish"]))["registry"]["items"] == ["Bike"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_add_by_query(base_url, id, method) -> None:
    """Either method."""
    added = ok(requests.request(method, f"{base_url}/add/{id}", params={"item": "Commodore 64"}))
    assert added == {"id": id, "item": "Commodore 64", "itemKey": added["itemKey"], "itemsCount": 1}


def test_add_by_body(base_url, id) -> None:
    """JSON, a form or text; what curl -d sends is a form by its Content-Type, whatever it is."""
    assert ok(requests.post(f"{base_url}/add/{id}", json={"item": "Zork"}))["item"] == "Zork"
    text = {"Content-Type": "text/plain"}
    assert (
        ok(requests.post(f"{base_url}/add/{id}", data=" Träum\n".encode(), headers=text))["item"]
        == " Träum\n"
    )
    latin = {"Content-Type": "text/plain; charset=iso-8859-1"}
    assert ok(requests.post(f"{base_url}/add/{id}", data=b"B\xe4r", headers=latin))["item"] == "Bär"
    assert (
        ok(requests.post(f"{base_url}/add/{id}", data={"item": "Bücher & mehr"}))["item"]
        == "Bücher & mehr"
    )
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (
        ok(requests.post(f"{base_url}/add/{id}", data='{"item": "Bike"}', headers=form))["item"]
        == "Bike"
    )
    items = ok(requests.get(f"{base_url}/peek/{id}"))["registry"]["items"]
    assert items == ["Zork", " Träum\n", "Bär", "Bücher & mehr", "Bike"]


STRANGE = [
    "<script>alert('x')</script>",
    '"; DROP TABLE items; --',
    "🎁 ä ß \u202e",
    "a\u0000b",
    "2026-12-24T18:00:00+01:00",
    '{"__class__": "x", "__module__": "os", "__data__": 1}',
    "  both ends  ",
    "null",
    "1e400",
]


def test_items_are_kept_verbatim_and_in_order(base_url, id) -> None:
    """Whatever text it is."""
    for item in STRANGE:
        assert ok(requests.post(f"{base_url}/add/{id}", json={"item": item}))["item"] == item
    assert ok(requests.get(f"{base_url}/peek/{id}"))["registry"]["items"] == STRANGE


def test_add_with_a_key_is_one_item(base_url, id) -> None:
    """A retry is answered as before; another item under the key is 422."""
    url, key = f"{base_url}/add/{id}", {"Idempotency-Key": "retry-1"}
    first = ok(requests.post(url, params={"item": "Bike"}, headers=key))
    assert first["itemKey"] == "retry-1"
    assert ok(requests.post(url, params={"item": "Bike"}, headers=key)) == first
    problem(requests.post(url, params={"item": "Book"}, headers=key), 422)
    requests.post(f"{base_url}/finish/{id}")
    assert ok(requests.post(url, params={"item": "Bike"}, headers=key)) == first


def test_the_same_add_at_once_is_one_item(base_url, id) -> None:
    """However many clients retry at the same time."""

    def add(number: int) -> dict:
        headers = {"Idempotency-Key": f"key-{number % 2}"}
        return ok(requests.post(f"{base_url}/add/{id}", params={"item": "Bike"}, headers=headers))

    with ThreadPoolExecutor(8) as clients:
        list(clients.map(add, range(16)))
    assert ok(requests.get(f"{base_url}/peek/{id}"))["registry"]["items"] == ["Bike", "Bike"]


def test_add_what_is_no_item(base_url, id) -> None:
    """400 says what is wrong."""
    url = f"{base_url}/add/{id}"
    json_type = {"Content-Type": "application/json"}
    assert "missing" in problem(requests.post(url), 400, "invalid-item")
    assert "blank" in problem(requests.post(url, params={"item": " "}), 400)
    assert "string" in problem(requests.post(url, json={"item": 64}), 400)
    assert "JSON" in problem(requests.post(url, data="{", headers=json_type), 400)
    assert "Content-Type" in problem(
        requests.post(url, data="x", headers={"Content-Type": "text/csv"}), 400
    )
    assert "item= once" in problem(requests.post(url, data={"gift": "Bike"}), 400)
    assert "in chunks" in problem(
        requests.post(url, data=iter([b"Bike"]), headers={"Content-Type": "text/plain"}), 400
    )
    klingon = {"Content-Type": "text/plain; charset=klingon"}
    assert "charset" in problem(requests.post(url, data="x", headers=klingon), 400)
    bad_key = {"Idempotency-Key": "a b"}
    assert "1 to 128" in problem(
        requests.post(url, params={"item": "x"}, headers=bad_key), 400, "invalid-key"
    )
    assert ok(requests.get(f"{base_url}/peek/{id}"))["registry"]["items"] == []


def test_add_what_is_too_long(base_url, id) -> None:
    """413 names the limit; what is just not too long is taken."""
    url = f"{base_url}/add/{id}"
    assert str(MAX_ITEM_LENGTH) in problem(
        requests.post(url, json={"item": "x" * (MAX_ITEM_LENGTH + 1)}), 413, "too-long"
    )
    ok(requests.post(url, json={"item": "🎁" * MAX_ITEM_LENGTH}))


def test_add_until_it_is_full(base_url, id) -> None:
    """Exactly as many as it takes, however many come at once; then 409."""

    def add(number: int) -> int:
        return requests.post(f"{base_url}/add/{id}", params={"item": str(number)}).status_code

    with ThreadPoolExecutor(8) as clients:
        statuses = list(clients.map(add, range(MAX_ITEMS + 8)))
    assert sorted(statuses) == [200] * MAX_ITEMS + [409] * 8
    assert str(MAX_ITEMS) in problem(
        requests.post(f"{base_url}/add/{id}", params={"item": "more"}), 409, "full"
    )
    assert len(ok(requests.get(f"{base_url}/peek/{id}"))["registry"]["items"]) == MAX_ITEMS


def test_add_until_its_texts_take_64_kib(base_url, id) -> None:
    """An emoji is twelve bytes of it; then the registry is full for good, with few items."""
    url, item = f"{base_url}/add/{id}", "🎁" * min(1000, MAX_ITEM_LENGTH)
    fitting = 64 * 1024 // (12 * len(item) + len('["", ""], ') + 4)
    if fitting >= MAX_ITEMS:
        pytest.skip("the host takes too few or too short items to come to this bound")
    for number in range(fitting):
        assert ok(
            requests.post(url, json={"item": item}, headers={"Idempotency-Key": f"{number:04}"})
        )
    for text in (item, "x"):
        assert "64 KiB" in problem(requests.post(url, json={"item": text}), 409, "registry-full")
    ok(requests.post(f"{base_url}/remove/{id}", params={"itemKey": "0000"}))
    problem(requests.post(url, json={"item": "x"}), 409, "registry-full")
    assert len(ok(requests.get(f"{base_url}/peek/{id}"))["registry"]["items"]) == fitting - 1


def test_remove_by_query(base_url, id) -> None:
    """200, twice too: the item is gone, and an add with its key is refused from then on."""
    for item in ("Bike", "Book"):
        ok(
            requests.post(
                f"{base_url}/add/{id}", params={"item": item}, headers={"Idempotency-Key": item}
            )
        )
    for _ in range(2):
        removed = ok(requests.post(f"{base_url}/remove/{id}", params={"itemKey": "Bike"}))
        assert removed == {"id": id, "itemKey": "Bike", "itemsCount": 1}
    again = requests.post(
        f"{base_url}/add/{id}", params={"item": "Bike"}, headers={"Idempotency-Key": "Bike"}
    )
    assert "taken back" in problem(again, 409, "gift-removed")
    assert ok(requests.get(f"{base_url}/peek/{id}"))["registry"]["items"] == ["Book"]


def test_remove_by_json(base_url, id) -> None:
    """The key is that which the add was answered with."""
    key = ok(requests.post(f"{base_url}/add/{id}", params={"item": "Bike"}))["itemKey"]
    assert ok(requests.post(f"{base_url}/remove/{id}", json={"itemKey": key}))["itemsCount"] == 0


def test_remove_by_form(base_url, id) -> None:
    """As curl -d sends it."""
    key = ok(requests.post(f"{base_url}/add/{id}", params={"item": "Bike"}))["itemKey"]
    assert ok(requests.post(f"{base_url}/remove/{id}", data={"itemKey": key}))["itemsCount"] == 0


def test_remove_what_was_never_added(base_url, id) -> None:
    """200: if its add is still on its way, it comes too late."""
    assert (
        ok(requests.post(f"{base_url}/remove/{id}", params={"itemKey": "later"}))["itemsCount"] == 0
    )
    late = requests.post(
        f"{base_url}/add/{id}", params={"item": "Bike"}, headers={"Idempotency-Key": "later"}
    )
    problem(late, 409, "gift-removed")


def test_remove_without_a_key(base_url, id) -> None:
    """400 says what is wrong."""
    url = f"{base_url}/remove/{id}"
    assert "itemKey" in problem(requests.post(url), 400, "invalid-key")
    assert "itemKey" in problem(requests.post(url, params={"itemKey": "a b"}), 400, "invalid-key")
    assert "itemKey" in problem(requests.post(url, json={"itemKey": 1}), 400, "invalid-key")


def test_remove_from_a_closed_registry(base_url, id) -> None:
    """200 for a key that is not in it, 409 for one that is: nothing leaves a closed registry."""
    for item in ("Bike", "Book"):
        ok(
            requests.post(
                f"{base_url}/add/{id}", params={"item": item}, headers={"Idempotency-Key": item}
            )
        )
    ok(requests.post(f"{base_url}/remove/{id}", params={"itemKey": "Bike"}))
    finished = ok(requests.post(f"{base_url}/finish/{id}"))
    for key in ("Bike", "other"):
        assert (
            ok(requests.post(f"{base_url}/remove/{id}", params={"itemKey": key}))["itemsCount"] == 1
        )
    problem(
        requests.post(f"{base_url}/remove/{id}", params={"itemKey": "Book"}), 409, "registry-closed"
    )
    assert ok(requests.get(f"{base_url}/peek/{id}")) == finished


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_finish(base_url, id, method) -> None:
    """The closed registry as peek shows it; twice is 200 again; an add is 409."""
    ok(requests.post(f"{base_url}/add/{id}", params={"item": "Bike"}))
    finished = ok(requests.request(method, f"{base_url}/finish/{id}"))
    assert finished["status"] == "Closed"
    assert finished["registry"]["closedBy"] == "user"
    assert finished["registry"]["items"] == ["Bike"]
    assert ok(requests.request(method, f"{base_url}/finish/{id}")) == finished
    assert ok(requests.get(f"{base_url}/peek/{id}")) == finished
    late = requests.post(f"{base_url}/add/{id}", params={"item": "Book"})
    assert finished["registry"]["closedAt"] in problem(late, 409, "registry-closed")


def test_finish_and_add_at_once(base_url) -> None:
    """What is answered 200 is in the closed registry, and nothing else is."""
    for _ in range(5):
        id = open_registry(base_url)

        def add(number: int, id: str = id) -> tuple[int, str]:
            url = f"{base_url}/{'finish' if number == 6 else 'add'}/{id}"
            return requests.post(url, params={"item": str(number)}).status_code, str(number)

        with ThreadPoolExecutor(6) as clients:
            answers = list(clients.map(add, range(12)))
        accepted = {item for status, item in answers if status == 200 and item != "6"}
        unknown = {item for status, item in answers if status == 202}
        assert {status for status, _ in answers} <= {200, 202, 409}
        items = ok(requests.get(f"{base_url}/peek/{id}"))["registry"]["items"]
        assert len(items) == len(set(items))
        assert accepted <= set(items) <= accepted | unknown


@pytest.mark.parametrize(
    ("method", "call"), [("GET", "add"), ("POST", "remove"), ("GET", "finish"), ("GET", "peek")]
)
@pytest.mark.parametrize(
    "id", [UNKNOWN, "A" * 32, "0" * 31, "0" * 33, "..%2Finstances", "%0A", f"{UNKNOWN}%0A"]
)
def test_an_unknown_id(base_url, method, call, id) -> None:
    """404, of the right form or not."""
    asked = {"item": "Bike", "itemKey": "k"}
    problem(
        requests.request(method, f"{base_url}/{call}/{id}", params=asked), 404, "unknown-registry"
    )


def test_peek_right_after_open(base_url) -> None:
    """Open and empty, and an add right after open works."""
    for _ in range(5):
        id = open_registry(base_url)
        shown = ok(requests.get(f"{base_url}/peek/{id}"))
        assert shown["status"] == "Open"
        assert set(shown["registry"]) == {
            "id",
            "items",
            "openedAt",
            "closesAt",
            "closedAt",
            "closedBy",
            "processing",
        }
        assert (shown["registry"]["items"], shown["registry"]["closedAt"]) == ([], None)
        assert ok(
            requests.post(f"{base_url}/add/{open_registry(base_url)}", params={"item": "Bike"})
        )


@pytest.mark.parametrize("accept", ["application/json", "text/plain"])
def test_peek_at_what_is_known(base_url, id, accept) -> None:
    """304 without a body while nothing has changed, for any form of If-None-Match, and with or
    without gzip.
    """
    url, text = f"{base_url}/peek/{id}", {"Accept": accept}
    tag = requests.get(url, headers=text).headers["ETag"]
    with requests.Session() as session:
        for names in (tag, tag.removeprefix("W/"), f'"x", {tag}', "*"):
            for coding in ("gzip", "identity"):
                headers = text | {"If-None-Match": names, "Accept-Encoding": coding}
                same = session.get(url, headers=headers)
                assert (same.status_code, same.content) == (304, b"")
                assert (same.headers["ETag"], same.headers["Cache-Control"]) == (
                    tag,
                    "private, no-cache",
                )
    ok(requests.post(f"{base_url}/add/{id}", params={"item": "Bike"}))
    assert requests.get(url, headers=text | {"If-None-Match": tag}).status_code == 200


def test_peek_in_plain_text(base_url, id) -> None:
    """An item a line: a break within one is a space."""
    for item in ("Bike", "Zork\nTrilogy"):
        ok(requests.post(f"{base_url}/add/{id}", json={"item": item}))
    peeked = requests.get(f"{base_url}/peek/{id}", headers={"Accept": "text/plain"})
    assert peeked.text == "Bike\nZork Trilogy\n"
    assert peeked.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("path", ["/peek/{id}", "/stats", "/openapi.json", "/docs", "/home"])
def test_what_is_read_has_a_tag(base_url, id, path) -> None:
    """By which a client asks again."""
    url = base_url + path.format(id=id)
    answer = requests.get(url)
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    again = requests.get(url, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code in (
        (200, 304) if path == "/stats" else (304,)
    )  # others may be counted meanwhile


@pytest.mark.parametrize(
    "path", ["/peek/{id}", "/stats", "/health", "/openapi.json", "/docs", "/home", "", "/.."]
)
def test_head_of_what_is_read(base_url, id, path) -> None:
    """What GET has, without a body."""
    head = requests.head(base_url + path.format(id=id))
    get = requests.get(base_url + path.format(id=id))
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    assert requests.head(f"{base_url}/peek/{UNKNOWN}").status_code == 404


@pytest.mark.parametrize("path", ["/peek/{id}", "/openapi.json", "/docs", "/home"])
def test_text_is_compressed(base_url, id, path) -> None:
    """For clients that take gzip, from a kilobyte on; it is the same text."""
    url = base_url + path.format(id=id)
    assert "Content-Encoding" not in requests.get(f"{base_url}/health").headers
    ok(requests.post(f"{base_url}/add/{id}", json={"item": "x" * MAX_ITEM_LENGTH}))
    answers = {
        coding: requests.get(url, headers={"Accept-Encoding": coding})
        for coding in ("gzip", "gzip;q=0")
    }
    assert answers["gzip"].headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in answers["gzip;q=0"].headers
    assert answers["gzip"].content == answers["gzip;q=0"].content
    assert answers["gzip"].headers["ETag"] == answers["gzip;q=0"].headers["ETag"]


def test_routes_match_in_any_letter_case(base_url, id) -> None:
    """As on the real host."""
    assert ok(requests.get(f"{base_url}/PEEK/{id}"))["registry"]["id"] == id


@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("PUT", "add"),
        ("DELETE", "finish"),
        ("GET", "remove"),
        ("GET", "process"),
        ("POST", "peek"),
        ("POST", "stats"),
    ],
)
def test_other_methods_are_not_found(base_url, id, method, call) -> None:
    """As the real host answers for a method that no function takes."""
    path = call if call == "stats" else f"{call}/{id}"
    assert requests.request(method, f"{base_url}/{path}", params={"item": "x"}).status_code == 404


def counted(stats: dict) -> dict:
    """Without what becomes of the closed ones, which depends on the host."""
    return {name: count for name, count in stats.items() if name != "processing"}


@pytest.mark.parametrize("path", ["", "/", "/api", "/api/", "/api/home", "/API/Home"])
def test_the_page(base_url, path) -> None:
    """At the root, where the start of the app leads, at /api, and where it has always been."""
    answer = requests.get(base_url.removesuffix("/api") + path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<h1>Holiday Registry</h1>" in answer.text


def test_problems_lead_to_the_documentation(base_url) -> None:
    """To their anchors there."""
    type = requests.get(f"{base_url}/peek/{UNKNOWN}").json()["type"]
    address, _, anchor = type.partition("#")
    docs = requests.get(base_url.removesuffix("/api") + address)
    assert docs.headers["Content-Type"] == "text/html; charset=utf-8"
    assert f'<section id="{anchor}">' in docs.text


def test_health(base_url) -> None:
    """The host is well, and says which version it has."""
    assert ok(requests.get(f"{base_url}/health")) == {"status": "Healthy", "version": __version__}


@pytest.mark.parametrize("id", [UNKNOWN, "A" * 32, "..%2Finstances"])
def test_process_of_an_unknown_id(base_url, id) -> None:
    """404, or 409 where nothing is sent at all."""
    assert requests.post(f"{base_url}/process/{id}").status_code in (404, 409)


def test_process_once_a_minute(sending_url) -> None:
    """409 while the registry is open; then 202 with the closed registry, and 429 until a minute has
    passed.
    """
    id = open_registry(sending_url)
    url = f"{sending_url}/process/{id}"
    problem(requests.post(url), 409, "registry-open")
    ok(requests.post(f"{sending_url}/finish/{id}"))
    wait_until_at_rest(sending_url, id)
    shown = ok(requests.post(url), 202)
    assert (shown["status"], shown["registry"]["id"]) == ("Closed", id)
    wait_until_at_rest(sending_url, id)
    refused = requests.post(url)
    problem(refused, 429, "sent-just-now")
    assert 0 < int(refused.headers["Retry-After"]) <= 60


def wait_until_at_rest(base: str, id: str) -> None:
    """Until what was sent has come to an end."""
    for _ in range(100):
        if ok(requests.get(f"{base}/peek/{id}"))["registry"]["processing"] != "pending":
            return
        time.sleep(0.05)
    raise AssertionError("it is still pending")


def test_process_where_nothing_is_sent(base_url, id) -> None:
    """409, unless the host has a webhook."""
    ok(requests.post(f"{base_url}/finish/{id}"))
    answer = requests.post(f"{base_url}/process/{id}")
    assert answer.status_code == 202 or problem(answer, 409, "processing-off")


def stats_at_rest(base_url: str) -> dict:
    """The stats, once what other tests have added is in them: they are up to about a second old."""
    after = ok(requests.get(f"{base_url}/stats"))
    while True:
        before = after
        time.sleep(1.5)
        after = ok(requests.get(f"{base_url}/stats"))
        if before == after:
            return after


def test_stats(base_url) -> None:
    """They grow by what is opened and added here, and are exact once it has closed."""
    before = stats_at_rest(base_url)
    assert set(before) == {"registryCount", "itemsCount", "openCount", "closedCount", "processing"}
    id = open_registry(base_url)
    for item in ("Bike", "Book"):
        ok(requests.post(f"{base_url}/add/{id}", params={"item": item}))
    ok(requests.post(f"{base_url}/finish/{id}"))
    expected = {
        "registryCount": before["registryCount"] + 1,
        "itemsCount": before["itemsCount"] + 2,
        "openCount": before["openCount"],
        "closedCount": before["closedCount"] + 1,
    }
    for _ in range(100):
        after = ok(requests.get(f"{base_url}/stats"))
        if counted(after) == expected:
            break
        time.sleep(0.1)  # the stats learn of the close after it
    assert counted(after) == expected
    assert sum(after["processing"].values()) == after["closedCount"]


def test_nobody_finishes_it(hasty_url) -> None:
    """It closes by itself, at closesAt."""
    opened = requests.post(f"{hasty_url}/open").json()
    url = f"{hasty_url}/peek/{opened['id']}"
    ok(requests.post(opened["links"]["add"], params={"item": "Bike"}))
    while (shown := ok(requests.get(url)))["status"] == "Open":
        assert datetime.now(UTC) < datetime.fromisoformat(opened["closesAt"]) + timedelta(seconds=5)
        time.sleep(0.1)
    assert shown["registry"]["closedBy"] == "timeout"
    assert shown["registry"]["closedAt"] == opened["closesAt"]
    assert shown["registry"]["items"] == ["Bike"]
    problem(requests.post(opened["links"]["add"], params={"item": "Book"}), 409)
    assert ok(requests.post(opened["links"]["finish"])) == shown
