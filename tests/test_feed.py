"""The feed: the shelf's newest publication is in force; one that can't be used changes nothing."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from router import log
from router.feed import Feed
from router.metrics import Metrics
from router.shelf import open_shelf
from router.table import Cell, Ranking, RoutingTable

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def table(model: str) -> RoutingTable:
    return RoutingTable("seed_rule", {"general": Ranking((Cell(model),))})


def test_a_publication_is_in_force_at_the_next_look_and_a_rollback_too(tmp_path: Path) -> None:
    first, second = table("a"), table("b")
    with closing(open_shelf(tmp_path / "router.db")) as shelf:
        metrics = Metrics()
        feed = Feed(first, shelf, metrics, log.make("warning", []))
        feed.refresh()
        assert feed.table == first and feed.since is None
        shelf.put(second, now=NOW)
        shelf.publish(second.version, who="me", why="better", now=NOW, replacing=feed.initial)
        feed.refresh()
        assert feed.table == second and feed.since == NOW
        assert metrics.registry.get_sample_value("llm_router_table_info", {"version": second.version}) == 1
        assert metrics.registry.get_sample_value("llm_router_table_info", {"version": first.version}) is None
        shelf.rollback(who="me", why="worse", now=NOW)
        feed.refresh()
        assert feed.table == first


def test_a_broken_publication_leaves_the_table_before_in_force_and_is_counted(tmp_path: Path) -> None:
    good, bad = table("a"), table("b")
    with closing(open_shelf(tmp_path / "router.db")) as shelf:
        metrics = Metrics()
        feed = Feed(good, shelf, metrics, log.make("warning", []))
        shelf.put(bad, now=NOW)
        shelf.publish(bad.version, who="me", why="?", now=NOW)
        with closing(sqlite3.connect(tmp_path / "router.db")) as direct, direct:
            direct.execute("UPDATE tables SET document = '{'")
        feed.refresh()
        assert feed.table == good
        assert metrics.registry.get_sample_value("llm_router_table_publications_total", {"result": "refused"}) == 1


def test_a_publication_that_something_speaks_against_leaves_the_configurations_table_in_force(tmp_path: Path) -> None:
    good, other = table("a"), table("b")
    with closing(open_shelf(tmp_path / "router.db")) as shelf:
        feed = Feed(good, shelf, Metrics(), log.make("warning", []), lambda found: "no" if found == other else None)
        shelf.put(other, now=NOW)
        shelf.publish(other.version, who="me", why="?", now=NOW)
        feed.refresh()
        assert feed.table == good
