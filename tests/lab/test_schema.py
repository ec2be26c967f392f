"""JSON that is read back: what it must hold is said in the user's words, the key first."""

from typing import Any, NotRequired, TypedDict

import pytest

from windowconv.errors import InputError
from windowconv.lab.schema import Grid, check_types, parse_json


class Inner(TypedDict):
    n: int
    rate: NotRequired[float | None]


class Outer(TypedDict):
    inner: Inner
    names: list[str]
    sizes: dict[str, dict[str, float]]


class Grids(TypedDict):
    a: Grid
    b: Grid | None


GOOD: dict[str, Any] = {"inner": {"n": 1}, "names": ["a"], "sizes": {"a": {"b": 1}}, "later": [1]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"inner": {}}, "'inner.n' is missing"),
        ({"inner": {"n": True}}, "'inner.n': expected a whole number, got true or false"),
        ({"inner": {"n": 1.0}}, "'inner.n': expected a whole number, got a number"),
        ({"inner": {"n": 1, "rate": "x"}}, "'inner.rate': expected a number or null, got text"),
        ({"inner": [1]}, "'inner': expected an object, got a list"),
        ({"names": ["a", None]}, "'names[1]': expected text, got null"),
        ({"sizes": {"a": {"b": {}}}}, "'sizes[...][...]': expected a number, got an object"),
    ],
)
def test_the_key_and_what_it_should_be_are_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        check_types({**GOOD, **change}, Outer)
    assert str(caught.value) == said


def test_what_fits_is_left_as_it_is() -> None:
    check_types(GOOD, Outer)
    check_types({**GOOD, "inner": {"n": 2, "rate": None}}, Outer)
    assert GOOD["sizes"]["a"]["b"] == 1
    assert type(GOOD["sizes"]["a"]["b"]) is int
    with pytest.raises(InputError, match="expected an object, got a list"):
        check_types([], Outer)
    with pytest.raises(InputError, match="'names' is missing"):
        check_types({"inner": {"n": 1}}, Outer)


@pytest.mark.parametrize("text", ["", "{", "NaN", '{"a": Infinity}', "1e999", "[" * 10**5, "\xff", "1 2"])
def test_what_is_no_json_is_refused_in_a_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_json(text.encode("latin-1"))
    assert str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [[[1.0], [1.0, 2.0]], [1.0], [["x"]], None, {}, [], [[]]])
def test_a_grid_has_rows_of_numbers_and_of_one_length(value: Any) -> None:
    check_types({"a": [[1, 2.5], [3.0, 4]], "b": None}, Grids)
    with pytest.raises(InputError, match=r"^'a'.*: expected "):
        check_types({"a": value, "b": None}, Grids)
