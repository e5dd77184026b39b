"""Ids, the memory of recent decisions, and the log."""

import json
import subprocess
import sys
import uuid

from router import ids
from router.decision import Classification, Decision
from router.journal import Journal
from tests.running import CHECKOUT, environment


def test_row_ids_are_version_7_and_sort_by_time() -> None:
    made = [ids.uuid7() for _ in range(100)]
    assert all(uuid.UUID(one).version == 7 for one in made) and len(set(made)) == 100
    assert [one[:13] for one in made] == sorted(one[:13] for one in made)


def test_a_decision_and_its_request_are_known_by_each_other() -> None:
    request_id = ids.request_id()
    decision_id = ids.decision_id(request_id)
    assert decision_id.startswith("dec_")
    assert ids.request_id_of(decision_id) == ids.request_id_of(request_id) == request_id
    assert len(ids.tool_call_id()) <= 40


def test_the_journal_keeps_the_newest() -> None:
    journal = Journal(limit=2)
    decision = Decision(Classification("general", "default"), (), (), "table", "v")
    for name in ("a", "b", "c"):
        journal.open(name, decision)
    assert journal.get("a") is None and journal.get("b") is not None and journal.get("c") is not None


def test_a_line_is_one_json_object_without_any_secret() -> None:
    script = (
        "from router import log\n"
        'log.make("info", ["s3cret\\"quoted", ""]).info("call", text=\'has s3cret"quoted in it\', other="s3cr\\net")'
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    (line,) = done.stderr.splitlines()
    assert json.loads(line)["text"] == "has [redacted] in it"
    assert json.loads(line)["event"] == "call" and json.loads(line)["level"] == "info"
