import pytest

from devhost.http.texts import of_text


@pytest.mark.parametrize(
    ("text", "response"),
    [
        ("plain sträng", (200, {}, "plain sträng")),
        ('{"a":', (200, {}, '{"a":')),
        ("{not json}", (200, {}, "{not json}")),
        ("", (200, {}, "")),
        ("null", (200, {}, "")),
        ("<p>it's</p>", (200, {}, "<p>it's</p>")),
        ("[" * 100_000, (200, {}, "[" * 100_000)),
        ("/* c */ 5", (200, {}, "5")),
        ("true", (200, {}, "True")),
        ("1.0", (200, {}, "1")),
        ('"x"', (200, {}, "x")),
        ("[1,{}]", (200, {}, "[\n  1,\n  {}\n]")),
        ("{'a': 'it\\'s \"ä\"'} // c", (200, {}, '{\n  "a": "it\'s \\"ä\\""\n}')),
        ("{a: 1, b: [2,],}", (200, {}, '{\n  "a": 1,\n  "b": [\n    2\n  ]\n}')),
        ('{"headers": {"X-A": "1"}}', (200, {}, '{\n  "headers": {\n    "X-A": "1"\n  }\n}')),
        ('{"statusCode": 201, "body": {"x": 1}}', (201, {}, '{"x":1}')),
        ('{"STATUS": "202", "Body": 5, "headers": 5}', ("202", {}, "5")),
        ('{"body": [1]}', (200, {}, "System.Collections.Generic.List`1[System.Object]")),
        (
            '{"body": "b", "headers": {"Content-Type": "text/csv", "X-A": 1}}',
            (200, {"Content-Type": "text/csv; charset=utf-8", "X-A": "1"}, "b"),
        ),
        (
            '{"body": null, "headers": {"content-type": "text/csv; charset=x"}}',
            (200, {"content-type": "text/csv; charset=x"}, ""),
        ),
    ],
)
def test_a_text_is_a_response(text, response) -> None:
    """JSON is indented, and an object with a body describes the response."""
    assert of_text(text) == response
