"""Values for JSON Schemas: each satisfies its schema, checked by hand-written expectations."""

from typing import Any

import pytest

from router.simulated.schemas import malformed
from router.simulated.values import value_for

CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "const": ({"const": {"a": 1}}, {"a": 1}),
    "enum of one": ({"enum": ["only"]}, "only"),
    "null": ({"type": "null"}, None),
    "string": ({"type": "string"}, "simulated value"),
    "no type at all": ({"description": "anything"}, "simulated value"),
    "type in upper case": ({"type": "STRING"}, "simulated value"),
    "list of types": ({"type": ["null", "string"]}, "simulated value"),
    "bounds": ({"type": "integer", "minimum": 7, "maximum": 7}, 7),
    "exclusive bounds": ({"type": "integer", "exclusiveMinimum": 7, "exclusiveMaximum": 9}, 8),
    "draft 4 bounds": (
        {"type": "integer", "minimum": 7, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": True},
        8,
    ),
    "multiple": ({"type": "integer", "minimum": 8, "maximum": 14, "multipleOf": 7}, 14),
    "negative maximum": ({"type": "integer", "maximum": -3, "minimum": -3}, -3),
    "fraction": ({"type": "number", "minimum": 0.5, "maximum": 0.5}, 0.5),
    "longest string": ({"type": "string", "maxLength": 3}, "sim"),
    "shortest string": ({"type": "string", "minLength": 17}, "simulated value.."),
    "date": ({"type": "string", "format": "date"}, "2026-01-15"),
    "array": (
        {"type": "array", "items": {"type": "string"}},
        ["simulated value 1", "simulated value 2"],
    ),
    "least items": ({"type": "array", "items": {"const": 0}, "minItems": 3}, [0, 0, 0]),
    "most items": ({"type": "array", "items": {"const": 0}, "maxItems": 1}, [0]),
    "fixed items": ({"prefixItems": [{"const": 1}, {"const": 2}], "items": False}, [1, 2]),
    "object": (
        {"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}}, "required": ["a"]},
        {"a": 1, "b": 2},
    ),
    "required without a property": ({"type": "object", "required": ["a"]}, {"a": "simulated a"}),
    "nested": (
        {"properties": {"a": {"type": "array", "maxItems": 1, "items": {"properties": {"b": {"const": 1}}}}}},
        {"a": [{"b": 1}]},
    ),
    "first branch of anyOf": ({"anyOf": [{"const": 1}, {"const": 2}]}, 1),
    "first branch of oneOf": ({"oneOf": [{"const": 1}, {"const": 2}]}, 1),
    "allOf": (
        {"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]},
        {"a": 1, "b": 2},
    ),
    "anyOf beside properties": (
        {"type": "object", "properties": {"a": {"const": 1}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {"a": 1},
    ),
    "reference": (
        {"properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"$ref": "#/$defs/m"}, "m": {"const": 1}}},
        {"a": 1},
    ),
    "escaped reference": ({"properties": {"a": {"$ref": "#/$defs/x~1y"}}, "$defs": {"x/y": {"const": 1}}}, {"a": 1}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_value_satisfies_its_schema(case: str) -> None:
    schema, expected = CASES[case]
    assert value_for(schema, 12345) == expected


def test_luck_chooses_among_the_allowed_values() -> None:
    schema = {"enum": ["a", "b", "c"]}
    assert {value_for(schema, luck) for luck in range(50)} == {"a", "b", "c"}


def test_numbers_stay_within_their_bounds_for_any_luck() -> None:
    for luck in range(200):
        assert -2 <= value_for({"type": "integer", "minimum": -2, "maximum": 2}, luck) <= 2
        assert 0 < value_for({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, luck) <= 1


def test_a_recursive_schema_ends() -> None:
    tree = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
        "required": ["name"],
    }
    chain = {
        "properties": {"next": {"anyOf": [{"$ref": "#/$defs/link"}, {"type": "null"}]}},
        "$defs": {
            "link": {
                "properties": {"next": {"anyOf": [{"$ref": "#/$defs/link"}, {"type": "null"}]}},
                "required": ["next"],
            }
        },
    }
    assert value_for(tree, 1)["name"] == "simulated name"
    link, depth = value_for(chain, 1), 0
    while link is not None:
        link, depth = link["next"], depth + 1
    assert depth < 20


def test_a_schema_that_refers_only_to_itself_ends_too() -> None:
    value_for({"$ref": "#"}, 1)
    value_for({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, 1)


def test_a_schema_that_branches_without_end_is_answered_all_the_same() -> None:
    wide = {f"p{n}": {"$ref": "#"} for n in range(20)}
    value = value_for({"type": "object", "properties": wide, "required": list(wide)}, 1)
    assert set(value) == set(wide)


def test_huge_minimums_make_no_huge_answer() -> None:
    assert len(value_for({"type": "array", "items": {"const": 0}, "minItems": 10**12}, 1)) == 1000
    assert len(value_for({"type": "string", "minLength": 10**12}, 1)) == 1000


MALFORMED: dict[str, dict[str, Any]] = {
    "type": {"type": 3},
    "type of none": {"type": []},
    "properties": {"properties": ["a"]},
    "properties of no schemas": {"properties": {"a": 1}},
    "required": {"required": "a"},
    "enum": {"enum": "a"},
    "anyOf": {"anyOf": []},
    "items": {"items": [{}]},
    "minimum": {"minimum": "1"},
    "minItems": {"minItems": -1},
    "multipleOf": {"multipleOf": 0},
    "reference": {"$ref": 1},
    "what a reference leads to": {"$ref": "#/x", "x": {"type": 3}},
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_schema_is_found_by_its_keyword_also_deep_within(case: str) -> None:
    schema = MALFORMED[case]
    assert malformed(schema)
    deep = {"type": "object", "properties": {"a": {"items": schema}}}
    assert case == "what a reference leads to" or str(malformed(deep)).startswith("properties.a.items.")


def test_sound_schemas_are_not_malformed() -> None:
    for schema, _ in CASES.values():
        assert malformed(schema) is None


def test_a_schema_nested_too_deep_is_malformed() -> None:
    schema: dict[str, Any] = {}
    for _ in range(60):
        schema = {"items": schema}
    assert str(malformed(schema)).endswith("nested too deep")
