import pytest

from devhost.http.targets import decode_path, encode_path, parse_query


@pytest.mark.parametrize(
    ("sent", "path", "shown"),
    [
        ("/a%20b/%C3%A9", "/a b/é", "/a%20b/%C3%A9"),
        ("/a%2Fb%2fc", "/a%2Fb%2fc", "/a%2Fb%2fc"),
        ("/%FF%C3%A9%C0%AF", "/%FFé%C0%AF", "/%FF%C3%A9%C0%AF"),
        ("/50%25%", "/50%%", "/50%25%25"),
        ("/~%7e|\\", "/~~|\\", "/~~%7C%5C"),
        ("/a/./b/../c", "/a/c", "/a/c"),
        ("/a/..", "/", "/"),
        ("/a/b/.", "/a/b/", "/a/b/"),
        ("/../../a", "/a", "/a"),
        ("/.a/..b", "/.a/..b", "/.a/..b"),
        ("", "", ""),
    ],
)
def test_a_path_is_decoded_and_written_again(sent, path, shown) -> None:
    """Encoded slashes, and bytes that are not UTF-8, stay encoded; dots are resolved."""
    assert decode_path(sent) == path
    assert encode_path(path) == shown


@pytest.mark.parametrize(
    ("query", "parsed"),
    [
        ("a=1&b=2&a=3", {"a": "1,3", "b": "2"}),
        ("Name=1&name=2&NAME=3", {"name": "1,2,3"}),
        ("a=&b&c=%26+", {"c": "& "}),
        ("=x&&", {"": "x"}),
        ("a=%FF%zz", {"a": "%FF%zz"}),
    ],
)
def test_a_query_has_one_value_for_each_name(query, parsed) -> None:
    """Names match in any letter case; empty values are left out."""
    assert parse_query(query) == parsed
