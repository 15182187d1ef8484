import pytest

from devhost.http.routing.templates import Template, TemplateError


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("gifts/{id}", "/GIFTS/Bär/", {"id": "Bär"}),
        ("gifts/{id}", "/gifts/a/b", None),
        ("/gifts", "/gifts", {}),
        ("~/gifts/", "/gifts", {}),
        ("", "/", {}),
        ("", "//", None),
        ("{a?}", "/", {}),
        ("{a?}/b", "/b", None),
        ("{a=1}/{b:int=2}", "/", {"a": "1", "b": "2"}),
        ("{a=1}/{b:int=2}", "/x/y", None),
        ("{*rest}", "/a//b/", {"rest": "a//b/"}),
        ("x/{**rest}", "/x/", {}),
        ("x/{*rest}", "/x//a", None),
        ("x/{*rest:alpha=none}", "/x", {"rest": "none"}),
        ("x/{*rest:alpha}", "/x/a/b", None),
        ("{a}-{b}", "/1-2-3", {"a": "1-2", "b": "3"}),
        ("{file}.{kind?}", "/a.b.c", {"file": "a.b", "kind": "c"}),
        ("{file}.{kind?}", "/a", {"file": "a"}),
        ("v{{1}}/{id}", "/V{1}/x", {"id": "x"}),
        ("{id:regex(^\\d{{2}}/?$)}", "/12", {"id": "12"}),
        ("{id:regex(^(a|b)+:?$):maxlength(3)}", "/ABBA", None),
    ],
)
def test_a_template_gives_the_values_of_a_path(template, path, values) -> None:
    """Literals match in any letter case; one slash at the end does not count."""
    assert Template(template).match(path) == values


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("a//b", "two slashes follow each other"),
        ("{a", "it cannot be read from '{a' on"),
        ("a?b", "it cannot be read from '?b' on"),
        ("{a}{b}", "two parameters need a literal between them"),
        ("{*rest}/x", "a catch-all parameter can only be the last segment"),
        ("x{*rest}", "a catch-all parameter can only be the last segment"),
        ("{a}/{A}", "the parameter 'A' comes twice"),
        ("{:int}", "the parameter ':int' has no name"),
        ("{a:nosuch}", "there is no constraint 'nosuch'"),
        ("{a=1?}", "the parameter 'a=1?' cannot be read from '=1?' on"),
        ("{a:int?x}", "the parameter 'a:int?x' cannot be read from '?x' on"),
        ("{*a?}", "the catch-all parameter '*a?' cannot be optional"),
        ("{a?}x", "in a segment with others, an optional parameter comes last and after a period"),
        (
            "{a}-{b?}",
            "in a segment with others, an optional parameter comes last and after a period",
        ),
    ],
)
def test_an_invalid_template_is_refused_with_the_reason(template, reason) -> None:
    """The real host would not start with it."""
    with pytest.raises(TemplateError) as error:
        Template(template)
    assert str(error.value) == reason
