"""`router evidence`, run as the command line runs it, on a pool in an empty folder."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from router.cli import main
from router.evidence.sqlite import open_pool
from router.record import EvidenceRow
from tests.running import command

HEADER = (
    "task_id,task_type,model,score,time_to_first_useful_s,wall_time_s,"
    "input_tokens,output_tokens,cost_usd,manual_corrections,notes\n"
)
GOOD = "t1,general,gpt-5.5,4,1.5,9,100,20,0.01,0,fine\n"
BAD = "t2,general,gpt-5.5,six,,,,,,,\n"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `router ...` in an empty folder without keys: gives exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    def invoke(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["router", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        return int(left.value.code or 0), *capsys.readouterr()

    return invoke


def fill(*rows: EvidenceRow) -> None:
    pool = open_pool(Path("router.db"))
    pool.append(rows)
    pool.close()


def row(row_id: str, **changes: object) -> EvidenceRow:
    plain = EvidenceRow("t", "general", "gpt-5.5", row_id=row_id, source="live", at=datetime(2026, 11, 23, tzinfo=UTC))
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_an_import_takes_the_good_lines_and_names_the_bad_ones_in_a_rejects_file(run: Run) -> None:
    Path("runs.csv").write_text(HEADER + GOOD + BAD)
    assert run("evidence", "import", "runs.csv") == (
        0,
        "imported 1, already there 0, rejected 1 (see runs.csv.rejects.csv)\n",
        "",
    )
    assert Path("runs.csv.rejects.csv").read_text() == (
        'line,reason,text\n3,"score is \'six\', not a number","t2,general,gpt-5.5,six,,,,,,,"\n'
    )


def test_importing_twice_adds_nothing(run: Run) -> None:
    Path("runs.csv").write_text(HEADER + GOOD + GOOD)
    run("evidence", "import", "runs.csv")
    assert run("evidence", "import", "runs.csv")[:2] == (0, "imported 0, already there 2, rejected 0\n")


def test_an_import_fails_when_every_line_is_bad_or_the_file_can_not_be_read(run: Run) -> None:
    Path("runs.csv").write_text(HEADER + BAD)
    assert run("evidence", "import", "runs.csv")[0] == 1
    code, _, error = run("evidence", "import", "none.csv")
    assert (code, error) == (1, "router: none.csv can't be read: No such file or directory\n")


def test_an_export_into_an_empty_pool_exports_to_the_same_bytes(run: Run) -> None:
    fill(row("a", notes='=1,\r\n"x"'), row("b", source="simulated", score=4.5, stream=True, at=datetime.now(UTC)))
    assert run("evidence", "export", "one.csv")[:2] == (0, "exported 2 rows to one.csv\n")
    Path("router.db").rename("old.db")
    assert run("evidence", "import", "one.csv")[1] == "imported 2, already there 0, rejected 0\n"
    run("evidence", "export", "two.csv")
    assert Path("two.csv").read_bytes() == Path("one.csv").read_bytes()
    code, output, _ = run("evidence", "export", "-")
    assert (code, output.encode()) == (0, Path("one.csv").read_bytes())


def test_an_export_can_be_of_real_or_simulated_rows_and_from_a_day_on(run: Run) -> None:
    fill(row("old", at=datetime(2026, 11, 1, tzinfo=UTC)), row("new"), row("sim", source="simulated"))

    def ids(*options: str) -> list[str]:
        _, output, _ = run("evidence", "export", "-", *options)
        return [line.split(",")[11] for line in output.splitlines()[1:]]

    assert ids("--source", "real") == ["old", "new"]
    assert ids("--source", "simulated") == ["sim"]
    assert ids("--source", "real", "--since", "2026-11-20") == ["new"]
    assert run("evidence", "export", "-", "--since", "soon")[0] == 2


def test_the_pool_and_the_source_are_never_written_over(run: Run) -> None:
    fill(row("a"))
    assert run("evidence", "export", "router.db")[0] == 2
    Path("runs.csv").write_text(HEADER + BAD)
    assert run("evidence", "import", "runs.csv", "--rejects", "runs.csv")[0] == 2
    assert Path("runs.csv").read_text() == HEADER + BAD
    assert run("evidence", "stats", "--json")[0] == 0


def test_stats_count_per_class_model_and_source_and_name_what_is_simulated(run: Run) -> None:
    fill(
        row("a", score=4.0, cost_usd=0.25, time_to_first_useful_s=1.0),
        row("b", score=5.0, outcome="error"),
        row("c", model="simulated/gpt-5.5", source="simulated"),
    )
    real, simulated = json.loads(run("evidence", "stats", "--json")[1])
    assert real == {
        "task_type": "general", "model": "gpt-5.5", "source": "live", "rows": 2, "errors": 1, "scored": 2,
        "mean_score": 4.5, "successes": 2, "cost_usd": 0.25, "rows_without_cost": 1, "median_first_useful_s": 1.0,
    }  # fmt: skip
    assert (simulated["source"], simulated["cost_usd"], simulated["mean_score"]) == ("simulated", None, None)
    text = run("evidence", "stats")[1]
    assert "3 evidence rows" in text
    assert "SIMULATED" in text


def test_names_that_look_like_markup_are_printed_as_they_are(run: Run) -> None:
    fill(row("a", model="m[/bold]:smile:"))
    assert "m[/bold]:smile:" in run("evidence", "stats")[1]
    assert "m[/bold]:smile:" in run("heatmap")[1]


def test_pruning_deletes_what_is_older(run: Run) -> None:
    fill(row("old", at=datetime(2026, 11, 1, tzinfo=UTC)), row("new"))
    assert run("evidence", "prune", "--before", "2026-11-20")[1] == "deleted 1 rows from before 2026-11-20 00:00 UTC\n"
    assert json.loads(run("evidence", "prune", "--before", "2026-11-20", "--json")[1]) == {"deleted": 0}


def test_without_a_pool_the_error_says_what_fills_it_and_makes_none(run: Run) -> None:
    code, _, error = run("evidence", "stats")
    assert code == 1
    assert error.startswith("router: no evidence yet at router.db: `router serve`")
    assert not Path("router.db").exists()


def test_a_folder_is_no_file_to_import(tmp_path: Path) -> None:
    done = command(tmp_path, "evidence", "import", ".")
    assert done.returncode == 2 and "is a directory" in done.stderr and "Traceback" not in done.stderr


def test_an_export_that_fails_leaves_the_old_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "keep.csv").write_text("old")
    (tmp_path / "router.db").write_text("no database")
    assert command(tmp_path, "evidence", "export", "keep.csv").returncode == 1
    assert (tmp_path / "keep.csv").read_text() == "old"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["keep.csv", "router.db"]


def test_a_terminal_without_the_characters_gets_others(tmp_path: Path) -> None:
    assert command(tmp_path, "evidence", "stats", extra={"PYTHONIOENCODING": "ascii"}).returncode == 1
    done = command(tmp_path, "explain", "Grüße ◆", extra={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and "Traceback" not in done.stderr
