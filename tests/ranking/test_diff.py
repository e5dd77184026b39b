"""What would change between two tables, in words."""

from router.ranking.diff import diff
from router.table import Cell, Ranking, RoutingTable


def cell(model: str, mean: float, scored: int, per_success: float) -> Cell:
    return Cell(model, scored, scored, mean, scored, cost_per_success_usd=per_success)


def table(classes: dict[str, list[Cell]], *, simulated: bool = False) -> RoutingTable:
    return RoutingTable("seed_rule", {key: Ranking(tuple(cells)) for key, cells in classes.items()}, simulated)


GPT, OPUS = cell("gpt-5.5", 4.2, 12, 0.11), cell("claude-opus-4.7", 3.9, 12, 0.30)


def test_a_change_is_told_with_the_new_evidence_on_both_models() -> None:
    old = table({"coding_deep_review": [Cell("claude-opus-4.7"), Cell("gpt-5.5")]})
    assert diff(old, table({"coding_deep_review": [GPT, OPUS]})) == [
        "coding_deep_review: claude-opus-4.7 -> gpt-5.5: mean score 4.20 of 12 scored runs at $0.11 per success, "
        "against mean score 3.90 of 12 scored runs at $0.30 per success for claude-opus-4.7"
    ]


def test_the_old_evidence_is_used_for_a_model_that_the_new_table_dropped() -> None:
    assert diff(table({"general": [OPUS]}), table({"general": [GPT]})) == [
        "general: claude-opus-4.7 -> gpt-5.5: mean score 4.20 of 12 scored runs at $0.11 per success, "
        "against mean score 3.90 of 12 scored runs at $0.30 per success for claude-opus-4.7"
    ]


def test_what_stays_what_comes_and_what_goes_are_told() -> None:
    old = table({"a": [GPT, OPUS], "b": [GPT, OPUS], "gone": [OPUS]})
    new = table({"a": [GPT, OPUS], "b": [GPT, Cell("gemini-3.1-pro"), OPUS], "new": [Cell("gpt-5.5", rows=3)]})
    assert diff(old, new) == [
        "new: new class, gpt-5.5 first: no scored runs of 3 rows",
        "gone: no longer in the table, claude-opus-4.7 was first",
        "a: gpt-5.5 stays first",
        "b: gpt-5.5 stays first, behind it gemini-3.1-pro, claude-opus-4.7",
    ]


def test_the_same_table_makes_no_difference() -> None:
    assert diff(table({"a": [GPT]}), table({"a": [GPT]})) == ["no difference: it is the same table"]


def test_a_simulated_twin_is_the_same_model_and_the_reader_is_warned() -> None:
    new = table({"a": [Cell("simulated/gpt-5.5")]}, simulated=True)
    assert diff(table({"a": [GPT]}), new) == [
        "the new table rests on simulated runs: its figures say nothing about real models",
        "a: simulated/gpt-5.5 stays first",
    ]
