"""The routing table: dump and load are inverses, the version is the content, a broken one is refused at its place."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.catalog import Catalog, Model, Provider
from router.errors import TableError
from router.table import Cell, Ranking, RoutingTable, check, dump, load

TABLE = RoutingTable(
    "seed_rule",
    {
        "general": Ranking((Cell("gpt-5.5", rows=3, scored=2, mean_score=4.5, successes=2), Cell("b", note="prior"))),
        "coding": Ranking((Cell("claude-opus-4.7"),), "best mean score"),
    },
)


def document(**changes: Any) -> dict[str, Any]:
    return {"schema": 1, "policy": "seed_rule", "classes": {"general": {"models": ["gpt-5.5"]}}, **changes}


def loaded(**changes: Any) -> RoutingTable:
    return load(json.dumps(document(**changes)).encode())


def refusal(data: bytes) -> TableError:
    with pytest.raises(TableError) as caught:
        load(data)
    assert 0 < len(str(caught.value)) < 400
    return caught.value


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
FIGURES = st.none() | st.floats(0, 1e300) | st.integers(0, 10**6)
COUNTS = st.integers(0, 2**63 - 1)
CELLS = st.builds(
    Cell,
    TEXTS.filter(bool),
    rows=COUNTS,
    scored=COUNTS,
    mean_score=FIGURES,
    successes=COUNTS,
    mean_cost_usd=FIGURES,
    cost_per_success_usd=FIGURES,
    median_first_useful_s=FIGURES,
    quality_per_cost=FIGURES,
    note=st.none() | TEXTS,
)
RANKINGS = st.builds(
    Ranking, st.lists(CELLS, min_size=1, max_size=3, unique_by=lambda cell: cell.model).map(tuple), TEXTS
)
TABLES = st.builds(
    RoutingTable, TEXTS.filter(bool), st.dictionaries(TEXTS, RANKINGS, min_size=1, max_size=3), st.booleans()
)


@given(TABLES)
def test_dump_and_load_are_inverses_and_the_version_stays(table: RoutingTable) -> None:
    again = load(dump(table))

    assert again == table
    assert again.version == table.version and dump(again) == dump(table)


@given(TABLES, TABLES)
def test_the_version_is_the_content(one: RoutingTable, other: RoutingTable) -> None:
    assert (one.version == other.version) == (one == other)


def test_the_version_does_not_hang_on_the_order_of_classes_or_the_kind_of_number() -> None:
    turned = RoutingTable(TABLE.policy, dict(reversed(list(TABLE.classes.items()))))
    whole = RoutingTable("p", {"c": Ranking((Cell("m", mean_score=4),))})
    floating = RoutingTable("p", {"c": Ranking((Cell("m", mean_score=4.0),))})

    assert turned.version == TABLE.version and dump(turned) == dump(TABLE)
    assert whole.version == floating.version


def test_a_table_is_written_without_what_is_unknown() -> None:
    assert json.loads(dump(TABLE)) == {
        "schema": 1,
        "version": TABLE.version,
        "policy": "seed_rule",
        "simulated": False,
        "classes": {
            "coding": {"why": "best mean score", "models": [{"model": "claude-opus-4.7"}]},
            "general": {
                "why": "",
                "models": [
                    {"model": "gpt-5.5", "rows": 3, "scored": 2, "mean_score": 4.5, "successes": 2},
                    {"model": "b", "note": "prior"},
                ],
            },
        },
    }


def test_the_short_form_that_people_write_is_read() -> None:
    table = loaded(classes={"general": {"models": ["a", {"model": "b", "mean_score": 4}]}})

    assert table == RoutingTable("seed_rule", {"general": Ranking((Cell("a"), Cell("b", mean_score=4.0)))})
    assert table.classes["general"].models == ("a", "b")


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [
        (b"", 1, 1),
        (b"{", 1, 2),
        (b'{\n "schema": 1,\n "policy" "x"\n}', 3, 11),
        (b"{} {}", 1, 4),
        (b"<html>", 1, 1),
    ],
)
def test_broken_json_is_refused_at_its_line(data: bytes, line: int, column: int) -> None:
    error = refusal(data)

    assert (error.line, error.column) == (line, column)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe\xfd",
        b'{"schema": 1, "policy": "\xff"}',
        b"[" * 100_000,
        b'{"schema": ' + b"9" * 5000 + b"}",
        json.dumps(document(policy="\ud800")).encode(),
        json.dumps(document(classes={"\udfff": {"models": ["a"]}})).encode(),
        json.dumps(document(classes={"c": {"models": ["a\ud83c"]}})).encode(),
    ],
)
def test_what_is_no_utf_8_json_is_refused(data: bytes) -> None:
    assert "not JSON in UTF-8" in str(refusal(data))


@pytest.mark.parametrize(
    "data",
    [
        b'{"schema":1,"policy":"p","classes":{"c":{"models":["a"]},"c":{"models":["b"]}}}',
        b'{"schema":1,"policy":"p","policy":"q","classes":{"c":{"models":["a"]}}}',
    ],
)
def test_a_key_that_is_there_twice_is_refused(data: bytes) -> None:
    assert "twice" in str(refusal(data))


@pytest.mark.parametrize("data", [b"[]", b"null", b'"x"', b"5"])
def test_a_table_is_an_object(data: bytes) -> None:
    assert "JSON object" in str(refusal(data))


AT = ("classes", "general", "models", 0)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"schema": 2}, ("schema",)),
        ({"schema": None}, ("schema",)),
        ({"schema": "x" * 5000}, ("schema",)),
        ({"schema": []}, ("schema",)),
        ({"extra": 1}, ("extra",)),
        ({"policy": None}, ("policy",)),
        ({"policy": ""}, ("policy",)),
        ({"policy": 5}, ("policy",)),
        ({"simulated": "yes"}, ("simulated",)),
        ({"simulated": None}, ("simulated",)),
        ({"classes": None}, ("classes",)),
        ({"classes": {}}, ("classes",)),
        ({"classes": []}, ("classes",)),
        ({"version": "000000000000"}, ("version",)),
        ({"version": 5}, ("version",)),
        ({"version": "x" * 5000}, ("version",)),
    ],
)
def test_a_broken_document_is_refused_at_its_key(changes: dict[str, Any], path: tuple[str, ...]) -> None:
    assert refusal(json.dumps(document(**changes)).encode()).path == path


@pytest.mark.parametrize(
    ("ranking", "path"),
    [
        (None, AT[:2]),
        (["gpt-5.5"], AT[:2]),
        ({}, AT[:2]),
        ({"models": []}, AT[:2]),
        ({"models": "gpt-5.5"}, AT[:2]),
        ({"models": ["a"], "why": 5}, AT[:2]),
        ({"models": ["a"], "because": "x"}, AT[:2]),
        ({"models": ["a", "a"]}, AT[:2]),
        ({"models": ["a", {"model": "a"}]}, AT[:2]),
        ({"models": [None]}, AT),
        ({"models": [[]]}, AT),
        ({"models": [""]}, AT),
        ({"models": [{"rows": 1}]}, AT),
        ({"models": [{"model": ""}]}, AT),
        ({"models": [{"model": 5}]}, (*AT, "model")),
        ({"models": [{"model": "a", "rank": 1}]}, (*AT, "rank")),
        ({"models": [{"model": "a", "rows": -1}]}, (*AT, "rows")),
        ({"models": [{"model": "a", "rows": 1.5}]}, (*AT, "rows")),
        ({"models": [{"model": "a", "rows": None}]}, (*AT, "rows")),
        ({"models": [{"model": "a", "rows": True}]}, (*AT, "rows")),
        ({"models": [{"model": "a", "rows": 2**64}]}, (*AT, "rows")),
        ({"models": [{"model": "a", "mean_score": "4"}]}, (*AT, "mean_score")),
        ({"models": [{"model": "a", "mean_score": False}]}, (*AT, "mean_score")),
        ({"models": [{"model": "a", "mean_score": float("nan")}]}, (*AT, "mean_score")),
        ({"models": [{"model": "a", "mean_score": float("inf")}]}, (*AT, "mean_score")),
        ({"models": [{"model": "a", "mean_score": 10**400}]}, (*AT, "mean_score")),
        ({"models": [{"model": "a", "mean_cost_usd": -0.1}]}, (*AT, "mean_cost_usd")),
        ({"models": [{"model": "a", "note": 5}]}, (*AT, "note")),
    ],
)
def test_a_broken_ranking_is_refused_at_its_place(ranking: object, path: tuple[str | int, ...]) -> None:
    assert refusal(json.dumps(document(classes={"general": ranking})).encode()).path == path


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["models", "model", "why", "rows", "mean_score", "note"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from(["schema", "policy", "simulated", "classes", "version"]), JSON)
def test_any_value_is_a_table_or_a_table_error(key: str, value: Any) -> None:
    data = json.dumps(document(**{key: value})).encode()
    try:
        table = load(data)
    except TableError:
        return
    assert load(dump(table)) == table


def test_an_edited_table_is_refused_until_its_version_goes() -> None:
    edited = dump(TABLE).replace(b"gpt-5.5", b"gpt-9.9")

    assert "remove version" in str(refusal(edited))
    assert load(edited.replace(TABLE.version.encode(), b"").replace(b'"version": "",', b"")).version != TABLE.version


def test_a_model_that_the_catalogue_lacks_is_named_with_its_place() -> None:
    provider = Provider("openai", "openai", "https://openai.test/v1")
    catalog = Catalog([Model("gpt-5.5", provider, "x"), Model("b", provider, "b")])

    with pytest.raises(TableError, match=r"claude-opus-4\.7") as caught:
        check(TABLE, catalog, ["coding"])
    assert caught.value.path == ("classes", "coding", "models", 0)

    check(RoutingTable("p", {"c": Ranking((Cell("gpt-5.5"), Cell("b")))}), catalog, ["c"])
    with pytest.raises(TableError, match="none of the configured classes; did you mean 'general'"):
        check(RoutingTable("p", {"generl": Ranking((Cell("b"),))}), catalog, ["general"])
