"""`router explain` and `router classify`, run as the command line runs them, in an empty folder without keys."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from router.cli import main
from router.cli.explain import EXCLUDED
from router.decision import Exclusion
from router.evidence.sqlite import open_pool
from router.record import EvidenceRow

CHECKOUT = Path(__file__).resolve().parents[2]
CODING = "Fix the bug in this function and write unit tests for it"
BODY = {
    "messages": [{"role": "user", "content": "Berg & Co, 1,840.50 EUR"}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "invoice", "schema": {"type": "object"}}},
}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `router ...`: gives exit code, standard output, standard error."""
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


def piped(*arguments: str, text: str) -> str:
    """What a process of its own prints when `text` comes in on its standard input."""
    return subprocess.run(
        [sys.executable, "-c", "from router.cli import main; main()", *arguments],
        env={"PYTHONPATH": str(CHECKOUT)},
        input=text.encode(),
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout.decode()


def remember(*rows: EvidenceRow) -> None:
    pool = open_pool(Path("router.db"))
    pool.append(rows)
    pool.close()


def test_a_prompt_is_explained_with_class_reasons_choice_table_and_cost_and_leaves_no_file(run: Run) -> None:
    code, output, error = run("explain", CODING)
    assert (code, error) == (0, "")
    lines = output.splitlines()
    assert lines[0] == "class      coding_deep_review (by rules, runner-up general)"
    assert lines[1].startswith("           a coding task +")
    model = "simulated/claude-opus-4.7 because it stands first for this class in the routing table (SIMULATED)"
    assert f"model      {model}" in lines
    assert "candidates 1. simulated/claude-opus-4.7, $0.025" in output
    assert "           2. simulated/gpt-5.5, $0.03" in output
    assert "by estimate, for about 15 tokens in" in output
    assert list(Path().iterdir()) == []


def test_the_json_is_the_document_of_the_dry_run(run: Run) -> None:
    document = json.loads(run("explain", CODING, "--json")[1])
    assert document["task_class"] == "coding_deep_review"
    assert document["model"] == "simulated/claude-opus-4.7"
    assert document["fallbacks"] == ["simulated/gpt-5.5", "simulated/gemini-3.1-pro"]
    assert document["table_version"] == json.loads(run("table", "show", "--json")[1])["version"]
    assert document["attempts"] == []


def test_models_that_are_ruled_out_come_last_with_the_reason_in_words(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "not-a-real-one")
    output = run("explain", CODING)[1]
    assert "gemini-3.1-pro because the table's first choice has no key" in output
    assert "SIMULATED" not in output
    assert output.splitlines()[-2:] == [
        "           -  claude-opus-4.7, ruled out: no key: provider anthropic has no key",
        "           -  gpt-5.5, ruled out: no key: provider openai has no key",
    ]


def test_every_exclusion_has_its_words() -> None:
    assert set(EXCLUDED) == set(get_args(Exclusion))


def test_options_say_what_the_request_headers_and_the_model_field_say(run: Run) -> None:
    assert (
        "gemini-3.1-pro because the objective asked for ranks it first"
        in run("explain", "hi", "--objective", "thrift")[1]
    )
    assert run("explain", CODING, "--task-class", "general")[1].startswith("class      general (explicit choice)\n")
    assert run("explain", CODING, "--model", "auto:general")[1].startswith("class      general (explicit choice)\n")
    assert "gpt-5.5 because the caller named it" in run("explain", CODING, "--model", "gpt-5.5")[1]
    assert (
        "gpt-5.5, ruled out: it would cost too much: about $0.030" in run("explain", "hi", "--max-cost-usd", "0.026")[1]
    )


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("hi", "--task-class", "poetry"), 1, "router: x-router-task-class is 'poetry'; it can be coding_deep_review"),
        (("hi", "--max-cost-usd", "nan"), 1, "router: x-router-max-cost-usd is 'nan'; it can be a number of dollars"),
        (("hi", "--model", "gtp-5.5"), 1, "router: the model 'gtp-5.5' does not exist"),
        (("hi", "--max-cost-usd", "0.0000001"), 1, "router: no model can take this request: simulated/"),
        (("--body", "none.json"), 2, "No such file"),
        (("hi", "--body", "none.json"), 2, "No such file"),
        ((), 2, "give either a PROMPT or --body FILE"),
    ],
)
def test_a_wrong_wish_is_one_sentence(run: Run, arguments: tuple[str, ...], code: int, sentence: str) -> None:
    left, output, error = run("explain", *arguments)
    assert (left, output) == (code, "")
    assert sentence in error


def test_a_body_is_explained_with_its_tools_and_formats(run: Run) -> None:
    Path("body.json").write_text(json.dumps(BODY, indent=2))
    document = json.loads(run("explain", "--body", "body.json", "--json")[1])
    assert (document["task_class"], document["method"]) == ("strict_json_extraction", "structure")
    assert document["why_class"] == ["response_format json_schema"]
    Path("body.json").write_text('{"messages": [')
    assert run("explain", "--body", "body.json")[::2] == (
        1,
        "router: body.json: not valid JSON: Input data was truncated\n",
    )


def test_standard_input_is_a_prompt(tmp_path: Path) -> None:
    assert piped("explain", "-", text=CODING).startswith("class      coding_deep_review ")
    assert piped("classify", "-", text=CODING) == "coding_deep_review\n"


def test_a_published_table_is_the_one_that_explains(run: Run) -> None:
    table = {"schema": 1, "policy": "mine", "classes": {"general": {"models": ["gemini-3.1-pro"]}}}
    Path("mine.json").write_text(json.dumps(table))
    version = json.loads(run("table", "publish", "mine.json", "--json")[1])["version"]
    document = json.loads(run("explain", "hello", "--json")[1])
    assert (document["model"], document["table_version"]) == ("simulated/gemini-3.1-pro", version)


def test_a_past_call_is_explained_from_its_rows(run: Run) -> None:
    first = EvidenceRow(
        "req_01", "general", "gpt-5.5", row_id="a", source="live", at=datetime(2026, 11, 23, tzinfo=UTC),
        request_id="req_01", attempt=1, outcome="error", error_kind="timeout", reason="table", table_version="abc",
        policy="balanced",
    )  # fmt: skip
    second = EvidenceRow(
        "req_01", "general", "claude-opus-4.7", row_id="b", source="live", at=datetime(2026, 11, 23, tzinfo=UTC),
        request_id="req_01", attempt=2, reason="fallback", table_version="abc", policy="balanced",
        time_to_first_useful_s=0.75, input_tokens=12, output_tokens=34, cost_usd=0.0025,
    )  # fmt: skip
    remember(first, second)
    assert run("explain", "dec_01")[1].splitlines() == [
        "class      general",
        "model      gpt-5.5, for the reason table",
        "table      abc, objective balanced",
        "call 1     gpt-5.5, timeout, unknown cost",
        "call 2     claude-opus-4.7, ok, first useful output after 0.750 s, 12 tokens in, 34 out, $0.0025",
    ]
    document = json.loads(run("explain", "req_01", "--json")[1])
    assert (document["decision"], len(document["attempts"])) == ("dec_01", 2)
    code, _, error = run("explain", "dec_02")
    assert (code, error.startswith("router: router.db has no call dec_02;")) == (1, True)


def test_a_past_call_without_a_pool_says_what_fills_it(run: Run) -> None:
    code, _, error = run("explain", "dec_01")
    assert (code, error.startswith("router: no evidence yet at router.db")) == (1, True)


def test_a_text_is_classified_in_one_word_and_explained_on_demand(run: Run) -> None:
    assert run("classify", CODING) == (0, "coding_deep_review\n", "")
    explained = run("classify", CODING, "--explain")[1]
    assert explained.startswith("coding_deep_review (by rules, runner-up general): a coding task +")
    assert run("classify", "hello", "--explain")[1] == "general (by default): nothing speaks for another class\n"
    document = json.loads(run("classify", CODING, "--json")[1])
    assert (document["task_class"], document["method"], document["confidence"]) == ("coding_deep_review", "rules", None)


def test_a_file_is_classified_line_by_line_or_as_one_body(run: Run) -> None:
    plain = {"messages": [{"role": "user", "content": "hello"}]}
    Path("many.jsonl").write_text(f"{json.dumps(plain)}\n\n{json.dumps({'label': 'x', 'request': BODY})}\n")
    assert run("classify", "--file", "many.jsonl")[1] == "general\nstrict_json_extraction\n"
    assert len(json.loads(run("classify", "--file", "many.jsonl", "--json")[1])) == 2
    Path("one.json").write_text(json.dumps(BODY, indent=2))
    assert run("classify", "--file", "one.json")[1] == "strict_json_extraction\n"


def test_a_bad_line_of_a_file_is_named_by_its_number(run: Run) -> None:
    good = json.dumps({"messages": [{"role": "user", "content": "hello"}]})
    for bad, reason in (
        ('{"messages": 3}', "messages is an array"),
        ("{", "not valid JSON: Input data was truncated"),
        ("[]", "not a chat completions body: a JSON object with messages"),
    ):
        Path("many.jsonl").write_text(f"{good}\n{bad}\n")
        assert run("classify", "--file", "many.jsonl")[::2] == (1, f"router: many.jsonl:2: {reason}\n")
    Path("many.jsonl").write_text("")
    assert run("classify", "--file", "many.jsonl")[0] == 1
    assert run("classify")[0] == run("classify", "text", "--file", "many.jsonl")[0] == 2
