"""`router table` and `router heatmap`, run as the command line runs them, on the seed's 30 runs typed by hand."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from router.cli import main
from router.evidence.sqlite import open_pool
from router.record import EvidenceRow
from router.table import load

# 10 tasks x 3 models in the seed's mix: 3 coding, 2 agent, 2 long context, 2 research, 1 strict format.
RUNS = """\
task_id,task_type,model,score,time_to_first_useful_s,wall_time_s,input_tokens,output_tokens,cost_usd,manual_corrections,notes
fix-1,coding_deep_review,gpt-5.5,4,6.1,40,9000,2100,0.11,1,
fix-1,coding_deep_review,claude-opus-4.7,5,5.0,35,9100,2000,0.10,0,clean
fix-1,coding_deep_review,gemini-3.1-pro,3,7.7,42,9050,2500,0.05,2,"missed a test, and a type"
ref-2,coding_deep_review,gpt-5.5,3,6.4,44,12000,3100,0.15,2,
ref-2,coding_deep_review,claude-opus-4.7,5,5.2,38,12100,2800,0.13,0,
ref-2,coding_deep_review,gemini-3.1-pro,2,8.1,47,12000,3300,0.06,3,
tst-3,coding_deep_review,gpt-5.5,4,5.9,33,7000,1900,0.09,1,
tst-3,coding_deep_review,claude-opus-4.7,4,4.8,30,7050,1800,0.09,1,
tst-3,coding_deep_review,gemini-3.1-pro,4,7.2,36,7000,2000,0.04,1,
agt-1,agentic_terminal_work,gpt-5.5,5,3.0,80,20000,4000,0.22,0,
agt-1,agentic_terminal_work,claude-opus-4.7,4,4.1,95,22000,5000,0.24,1,
agt-1,agentic_terminal_work,gemini-3.1-pro,3,5.0,99,21000,5200,0.11,2,
agt-2,agentic_terminal_work,gpt-5.5,4,3.3,70,18000,3500,0.20,1,
agt-2,agentic_terminal_work,claude-opus-4.7,4,4.4,90,19000,4500,0.21,1,
agt-2,agentic_terminal_work,gemini-3.1-pro,2,5.5,96,18500,4700,0.10,3,
lng-1,long_context_synthesis,gpt-5.5,4,12.0,60,300000,2000,3.09,1,above 272k
lng-1,long_context_synthesis,claude-opus-4.7,4,11.0,55,310000,2100,1.60,1,
lng-1,long_context_synthesis,gemini-3.1-pro,5,9.0,50,305000,2200,0.65,0,
lng-2,long_context_synthesis,gpt-5.5,4,13.0,66,280000,2400,2.91,1,
lng-2,long_context_synthesis,claude-opus-4.7,3,12.0,58,290000,2300,1.51,2,
lng-2,long_context_synthesis,gemini-3.1-pro,4,9.5,52,285000,2500,0.61,1,
res-1,research_synthesis,gpt-5.5,4,4.0,50,15000,2500,0.15,1,
res-1,research_synthesis,claude-opus-4.7,4,5.0,52,15500,2600,0.14,1,
res-1,research_synthesis,gemini-3.1-pro,4,4.5,49,15200,2700,0.06,1,
res-2,research_synthesis,gpt-5.5,5,4.2,51,16000,2600,0.16,0,
res-2,research_synthesis,claude-opus-4.7,3,5.1,53,16500,2500,0.15,2,
res-2,research_synthesis,gemini-3.1-pro,5,4.6,50,16200,2800,0.07,0,
jsn-1,strict_json_extraction,gpt-5.5,5,0.8,2,900,200,0.0105,0,
jsn-1,strict_json_extraction,claude-opus-4.7,5,1.1,3,950,260,0.01125,0,
jsn-1,strict_json_extraction,gemini-3.1-pro,3,1.5,4,920,300,0.0054,1,trailing text
"""

ROUTES = """\
coding_deep_review -> claude-opus-4.7
agentic_terminal_work -> gpt-5.5
long_context_synthesis -> gemini-3.1-pro
strict_json_extraction -> gpt-5.5
"""

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


def built(run: Run, runs: str = RUNS) -> str:
    """The version of the table built from these runs."""
    Path("runs.csv").write_text(runs)
    run("evidence", "import", "runs.csv")
    return str(json.loads(run("table", "build", "--json")[1])["version"])


def simulated(row_id: str, score: float) -> EvidenceRow:
    return EvidenceRow(
        "t", "general", "simulated/gemini-3.1-pro", score, cost_usd=0.01, row_id=row_id, source="simulated"
    )


def fill(*rows: EvidenceRow) -> None:
    pool = open_pool(Path("router.db"))
    pool.append(rows)
    pool.close()


def first_lines(text: str) -> set[str]:
    return set(text.splitlines())


def test_thirty_runs_typed_by_hand_give_the_routes_of_the_seed(run: Run) -> None:
    version = built(run)
    code, output, _ = run("table", "show", version, "--plain")
    assert code == 0
    assert first_lines(ROUTES) <= first_lines(output)
    assert all(" -> " in line for line in output.splitlines())


def test_the_figures_behind_a_route_are_those_of_the_document(run: Run) -> None:
    version = built(run)
    shown = json.loads(run("table", "show", version, "--json")[1])
    best = shown["classes"]["coding_deep_review"]["models"][0]
    # (5 + 5 + 4) / 3, (0.10 + 0.13 + 0.09) / 3 successes, the middle of 5.0, 5.2, 4.8
    assert best == {
        "model": "claude-opus-4.7", "rows": 3, "scored": 3, "mean_score": 4.66666667, "successes": 3,
        "mean_cost_usd": 0.106666667, "cost_per_success_usd": 0.106666667, "median_first_useful_s": 5.0,
        "quality_per_cost": 43.7499999,
    }  # fmt: skip


def test_building_twice_gives_the_same_version_and_the_same_file(run: Run) -> None:
    version = built(run)
    output = run("table", "build", "-o", "table.json")[1]
    assert output.startswith(f"table {version} built by seed_rule from 30 real rows, 30 of them scored\n")
    assert load(Path("table.json").read_bytes()).version == version
    Path("router.db").unlink()
    assert built(run) == version


def test_without_a_pool_the_table_of_the_configuration_is_shown_and_no_file_is_made(run: Run) -> None:
    code, output, _ = run("table", "show", "--plain")
    assert code == 0
    assert first_lines(ROUTES) <= first_lines(output)
    assert not Path("router.db").exists()
    assert run("table", "history")[1] == "nothing was published yet: the table of the configuration is in force\n"


def test_publishing_puts_the_newest_built_in_force_and_rolling_back_takes_it_back(run: Run) -> None:
    before = json.loads(run("table", "show", "--json")[1])["version"]
    version = built(run)
    assert json.loads(run("table", "show", "--json")[1])["version"] == before  # a candidate only
    assert run("table", "publish", "--why", "weekly runs")[:2] == (0, f"table {version} is in force\n")
    assert json.loads(run("table", "show", "--json")[1])["version"] == version
    assert run("table", "rollback", "--why", "oops")[:2] == (0, f"table {before} is in force again\n")
    code, _, error = run("table", "rollback")
    assert (code, error.startswith("router: no table to go back to")) == (1, True)
    entries = json.loads(run("table", "history", "--json")[1])
    assert [(e["version"], e["action"], e["why"]) for e in entries] == [
        (before, "rollback", "oops"),
        (version, "publish", "weekly runs"),
        (before, "publish", "it was in force until then"),
    ]
    assert all(e["who"] for e in entries)
    assert "weekly runs" in run("table", "history")[1]


def test_a_table_of_a_file_can_be_shown_compared_and_published(run: Run) -> None:
    Path("mine.json").write_text('{"schema": 1, "policy": "mine", "classes": {"general": {"models": ["gpt-5.5"]}}}')
    version = load(Path("mine.json").read_bytes()).version
    assert run("table", "show", "mine.json", "--plain")[1] == "general -> gpt-5.5\n"
    first, *notes = run("table", "publish", "mine.json")[1].splitlines()
    assert first == f"table {version} is in force"
    assert "note: it leaves out coding_deep_review: the table of the configuration goes on routing it" in notes
    built(run)
    output = run("table", "diff")[1]
    assert output.startswith(f"{version} -> ")
    assert "coding_deep_review: new class, claude-opus-4.7 first: mean score 4.67 of 3 scored runs" in output


def test_a_table_that_can_not_be_used_is_refused_with_the_place(run: Run) -> None:
    Path("broken.json").write_text('{"schema": 1,\n oops}')
    assert run("table", "publish", "broken.json")[::2] == (
        1,
        "router: broken.json:2:2: not JSON: Expecting property name enclosed in double quotes\n",
    )
    Path("empty.json").write_text('{"schema": 1, "policy": "x", "classes": {"general": {"models": []}}}')
    assert "empty.json:1:42: general has no models" in run("table", "show", "empty.json")[2]
    Path("typo.json").write_text('{"schema": 1, "policy": "x", "classes": {"general": {"models": ["gtp-5.5"]}}}')
    code, _, error = run("table", "publish", "typo.json")
    assert code == 1
    assert "typo.json:1:65: general names the model 'gtp-5.5', which is not in the catalogue; did you mean" in error
    assert run("table", "publish", "none.json")[::2] == (
        1,
        "router: none.json can't be read: No such file or directory\n",
    )
    assert "no table 'zzz'" in run("table", "show", "zzz")[2]
    assert "no table was built yet" in run("table", "publish")[2]
    assert json.loads(run("table", "history", "--json")[1]) == []


def test_a_class_of_the_file_that_the_configuration_lacks_is_pointed_out(run: Run) -> None:
    table = '{"schema": 1, "policy": "x", "classes": {"genral": {"models": ["gpt-5.5"]}%s}}'
    Path("mine.json").write_text(table % ', "general": {"models": ["gpt-5.5"]}')
    assert "note: genral is no class of the configuration" in run("table", "publish", "mine.json")[1]
    Path("useless.json").write_text(table % "")
    error = run("table", "publish", "useless.json")[2]
    assert "useless.json:1:42: it has none of the configured classes; did you mean 'general'?" in error


def test_rows_of_a_model_outside_the_catalogue_are_left_out_and_named(run: Run) -> None:
    built(run, RUNS.replace("gemini-3.1-pro", "gemini-3.1-por"))
    answer = json.loads(run("table", "build", "--json")[1])
    (sentence,) = answer["left_out"]
    assert sentence.startswith("left out: 10 rows of the model 'gemini-3.1-por', which is not in the catalogue")
    assert run("table", "publish")[0] == 0


def test_simulated_rows_make_a_table_only_where_there_is_no_real_one_and_it_says_so(run: Run) -> None:
    fill(simulated("s1", 5.0), simulated("s2", 4.0))
    output = run("table", "build")[1]
    assert "from 2 SIMULATED rows" in output
    assert "general -> simulated/gemini-3.1-pro" in output
    assert "the new table rests on simulated runs" in output
    assert "(SIMULATED evidence) is in force" in run("table", "publish")[1]
    assert "(SIMULATED evidence)" in run("table", "show")[1]
    built(run)
    assert "from 30 real rows" in run("table", "build")[1]
    assert json.loads(run("table", "build", "--rows", "simulated", "--json")[1])["simulated"] is True


def test_the_heatmap_shows_score_and_count_and_marks_what_is_routed(run: Run) -> None:
    built(run)
    run("table", "publish")
    code, output, _ = run("heatmap", "--svg", "heat.svg")
    assert code == 0
    row = next(line for line in output.splitlines() if "coding_deep_review" in line)
    assert "◆ 4.67 (3)" in row
    assert "3.67 (3)" in row
    assert "real rows" in output
    words = [node.text for node in ElementTree.parse("heat.svg").iter("{http://www.w3.org/2000/svg}text")]
    assert {"◆ 4.67 (3)", "coding_deep_review", "claude-opus-4.7"} <= set(words)


def test_the_heatmap_of_simulated_rows_says_so_everywhere(run: Run) -> None:
    fill(simulated("s1", 5.0))
    assert "SIMULATED rows" in run("heatmap", "--svg", "heat.svg")[1]
    assert "SIMULATED rows" in Path("heat.svg").read_text()
    answer = json.loads(run("heatmap", "--json")[1])
    assert answer["simulated"] is True
    assert answer["cells"] == [
        {"task_class": "general", "model": "simulated/gemini-3.1-pro", "mean_score": 5.0, "scored": 1, "rows": 1}
    ]
