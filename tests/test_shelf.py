"""The shelf of tables: what was built, what is in force, and the way back."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from router.errors import TableError
from router.shelf import Entry, Shelf, open_shelf
from router.table import Cell, Ranking, RoutingTable

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)


def table(model: str) -> RoutingTable:
    return RoutingTable("seed_rule", {"general": Ranking((Cell(model),), "because")})


A, B, C = table("a"), table("b"), table("c")


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    opened = open_shelf(tmp_path / "router.db")
    yield opened
    opened.close()


def publish(shelf: Shelf, *tables: RoutingTable) -> None:
    for each in tables:
        shelf.publish(shelf.put(each, now=NOW), who="ann", why="better", now=NOW)


def in_force(shelf: Shelf) -> str | None:
    entry = shelf.in_force()
    return entry.version if entry else None


def test_a_table_is_found_by_its_version_or_the_beginning_of_it(shelf: Shelf) -> None:
    version = shelf.put(A, now=NOW)
    assert version == A.version
    assert shelf.get(version) == A
    assert shelf.get(version[:5]) == A


def test_an_unknown_or_ambiguous_version_is_refused(shelf: Shelf) -> None:
    for number in range(17):  # 17 versions, 16 hex digits: two begin alike
        shelf.put(table(f"m{number}"), now=NOW)
    with pytest.raises(TableError, match="no table 'zzz' on the shelf"):
        shelf.get("zzz")
    with pytest.raises(TableError, match="no table '' on the shelf"):
        shelf.get("")
    begin = [table(f"m{number}").version[0] for number in range(17)]
    twin = next(digit for digit in begin if begin.count(digit) > 1)
    with pytest.raises(TableError, match="several tables begin with"):
        shelf.get(twin)


def test_the_newest_built_is_what_was_put_last_also_when_it_was_there_before(shelf: Shelf) -> None:
    assert shelf.newest_built() is None
    for each in (A, B, A):
        shelf.put(each, now=NOW)
    assert shelf.newest_built() == A.version


def test_nothing_is_in_force_before_the_first_publication(shelf: Shelf) -> None:
    shelf.put(A, now=NOW)
    assert shelf.in_force() is None
    assert shelf.history() == []
    assert shelf.change_token() == 0


def test_a_publication_says_who_and_why(shelf: Shelf) -> None:
    shelf.put(A, now=NOW)
    shelf.publish(A.version, who="ann", why="cheaper", now=NOW)
    assert shelf.in_force() == Entry(A.version, NOW, "ann", "cheaper", "publish")


def test_rolling_back_walks_through_what_was_in_force(shelf: Shelf) -> None:
    publish(shelf, A, B, C)
    assert shelf.rollback(who="bob", why="worse", now=NOW + timedelta(hours=1)) == B.version
    assert shelf.rollback(who="bob", why="worse still", now=NOW) == A.version
    with pytest.raises(TableError, match="no table to go back to"):
        shelf.rollback(who="bob", why="", now=NOW)
    assert in_force(shelf) == A.version
    assert [(e.version, e.action) for e in shelf.history(3)] == [
        (A.version, "rollback"),
        (B.version, "rollback"),
        (C.version, "publish"),
    ]


def test_rolling_back_after_a_new_publication_undoes_that_one(shelf: Shelf) -> None:
    publish(shelf, A, B)
    shelf.rollback(who="bob", why="", now=NOW)
    publish(shelf, C)
    assert shelf.rollback(who="bob", why="", now=NOW) == A.version


def test_publishing_the_table_in_force_again_is_no_step_to_go_back(shelf: Shelf) -> None:
    publish(shelf, A, B, B)
    assert shelf.rollback(who="bob", why="", now=NOW) == A.version


def test_the_first_publication_can_be_taken_back_to_the_table_of_the_configuration(shelf: Shelf) -> None:
    shelf.put(A, now=NOW)
    shelf.publish(A.version, who="ann", why="first", now=NOW, replacing=C)
    publish(shelf, B)
    assert shelf.rollback(who="bob", why="", now=NOW) == A.version
    assert shelf.rollback(who="bob", why="", now=NOW) == C.version
    assert shelf.get(C.version) == C
    assert shelf.newest_built() == B.version


def test_a_damaged_table_is_refused_and_the_one_before_stays_in_force(shelf: Shelf, tmp_path: Path) -> None:
    publish(shelf, A)
    shelf.put(B, now=NOW)
    other = sqlite3.connect(tmp_path / "router.db")
    other.execute("UPDATE tables SET document = ? WHERE version = ?", (b"{", B.version))
    other.commit()
    other.close()
    with pytest.raises(TableError, match="not JSON"):
        shelf.publish(B.version, who="ann", why="", now=NOW)
    assert in_force(shelf) == A.version


def test_another_process_is_noticed_by_the_change_token(shelf: Shelf, tmp_path: Path) -> None:
    before = shelf.change_token()
    other = open_shelf(tmp_path / "router.db")
    publish(other, A)
    after = shelf.change_token()
    assert after > before
    publish(other, B)
    other.rollback(who="bob", why="", now=NOW)
    other.close()
    assert shelf.change_token() > after
    assert in_force(shelf) == A.version
