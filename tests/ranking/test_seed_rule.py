"""The seed's decision rule, against figures worked out by hand."""

from dataclasses import replace

import pytest

from router.ranking import usd
from router.ranking.seed_rule import build
from router.record import CellSummary, Source
from router.table import Cell, Ranking, RoutingTable

BASE = RoutingTable(
    "seed",
    {
        "general": Ranking(
            (Cell("gpt-5.5", note="seed"), Cell("claude-opus-4.7", note="prior")), "by published figures"
        ),
        "coding_deep_review": Ranking((Cell("claude-opus-4.7", note="seed"), Cell("gpt-5.5", note="seed")), "the seed"),
    },
)
CLASSES = ("coding_deep_review", "general")


def cell(
    model: str,
    scores: list[float],
    spent: float | None,
    *,
    source: Source = "import",
    times: tuple[float, ...] = (),
    task_type: str = "general",
) -> CellSummary:
    """A cell whose rows are all scored; `spent` None: no cost is known."""
    count = len(scores)
    return CellSummary(
        task_type, model, source, rows=count, errors=0, scored=count, score_sum=sum(scores),
        successes=sum(score >= 4 for score in scores), unpriced=count if spent is None else 0,
        spent_usd=spent or 0.0, priced=0 if spent is None else count, cost_usd=spent or 0.0, first_useful_s=times,
    )  # fmt: skip


def ranking(*cells: CellSummary, simulated: bool = False) -> Ranking:
    return build(cells, CLASSES, BASE, simulated=simulated).classes["general"]


def test_the_best_quality_per_cost_comes_first() -> None:
    # a: mean 4, $0.30 over 2 successes -> 0.15 -> 26.7;  b: mean 4.5, $0.90 over 2 -> 0.45 -> 10
    result = ranking(cell("b", [4, 5], 0.90), cell("a", [5, 4, 3], 0.30, times=(9.0, 1.0, 2.0)))
    assert result.models[:2] == ("a", "b")
    assert result.cells[0] == Cell(
        "a", rows=3, scored=3, mean_score=4.0, successes=2, mean_cost_usd=0.1, cost_per_success_usd=0.15,
        median_first_useful_s=2.0, quality_per_cost=26.6666667,
    )  # fmt: skip
    assert result.why == (
        "best quality per cost of 2 models: mean score 4.00 of 3 scored runs at $0.15 per success; "
        "next b: mean score 4.50 of 2 scored runs at $0.45 per success"
    )


def test_a_score_of_four_is_a_success_and_less_is_not() -> None:
    result = ranking(cell("a", [4, 3.99], 0.5))
    assert (result.cells[0].successes, result.cells[0].cost_per_success_usd) == (1, 0.5)


def test_free_comes_first_then_known_costs_then_unknown_ones_then_no_success() -> None:
    result = ranking(
        cell("never", [3, 3], 0.01),
        cell("worse_never", [2], None),
        cell("unknown", [5], None),
        cell("dear", [4], 9.0),
        cell("free", [4], 0.0),
    )
    assert result.models[:3] == ("free", "dear", "unknown")
    assert result.models[-2:] == ("never", "worse_never")  # behind those of the base that were never tried
    by_name = {c.model: c for c in result.cells}
    assert by_name["unknown"].cost_per_success_usd is None
    assert by_name["never"].cost_per_success_usd is None
    assert by_name["free"].cost_per_success_usd == 0.0


def test_one_scored_run_of_unknown_cost_makes_the_cost_per_success_unknown() -> None:
    partly = replace_unpriced(cell("a", [5, 5], 0.2), 1)
    assert ranking(partly).cells[0].cost_per_success_usd is None


def replace_unpriced(summary: CellSummary, unpriced: int) -> CellSummary:
    return summary._replace(unpriced=unpriced)


def test_equal_ratios_are_decided_by_score_then_speed_then_name() -> None:
    # 5 / 0.5 = 4 / 0.4 = 10
    by_score = ranking(cell("a", [4], 0.4), cell("z", [5], 0.5))
    by_speed = ranking(cell("a", [4], 0.4, times=(2.0,)), cell("y", [4], 0.4, times=(1.0,)), cell("x", [4], 0.4))
    by_name = ranking(cell("b", [4], 0.4), cell("a", [4], 0.4))
    assert by_score.models[:2] == ("z", "a")
    assert by_speed.models[:3] == ("y", "a", "x")
    assert by_name.models[:2] == ("a", "b")


def test_the_real_sources_of_a_cell_are_one_and_simulated_rows_stay_out() -> None:
    cells = [
        cell("a", [5], 0.25, source="benchmark", times=(1.0,)),
        cell("a", [4], 0.50, source="live", times=(3.0,)),
        cell("a", [0, 0, 0], 99.0, source="simulated"),
    ]
    (first, *_) = ranking(*cells).cells
    assert (first.scored, first.mean_score, first.cost_per_success_usd) == (2, 4.5, 0.375)
    assert first.median_first_useful_s == 2.0


def test_a_table_of_simulated_rows_says_so() -> None:
    table = build([cell("simulated/gpt-5.5", [5], 0.1, source="simulated")], CLASSES, BASE, simulated=True)
    assert table.simulated
    assert table.classes["general"].why.startswith("simulated runs: ")
    assert table.classes["general"].models == ("simulated/gpt-5.5", "claude-opus-4.7")
    assert table.classes["coding_deep_review"].models == ("claude-opus-4.7", "simulated/gpt-5.5")


def test_models_of_the_base_without_a_scored_run_follow_as_fallbacks() -> None:
    result = ranking(cell("claude-opus-4.7", [5], 0.1))
    assert result.models == ("claude-opus-4.7", "gpt-5.5")
    assert result.cells[1] == Cell("gpt-5.5", note="seed")


def test_a_failed_run_does_not_put_its_model_before_one_that_was_never_tried() -> None:
    result = ranking(cell("claude-opus-4.7", [1], 0.1))
    assert result.models == ("gpt-5.5", "claude-opus-4.7")
    assert result.why == "no successful run yet, those without a success go last: by published figures"


def test_a_class_without_a_scored_run_keeps_the_base_order_with_fresh_counts() -> None:
    unscored = replace(BASE.classes["general"].cells[1], rows=7, mean_cost_usd=0.5, median_first_useful_s=2.0)
    live = CellSummary("general", "claude-opus-4.7", "live", 7, 1, 0, 0.0, 0, 0, 0.0, 4, 2.0, (1.0, 2.0, 3.0))
    result = ranking(live)
    assert result.cells == (Cell("gpt-5.5", note="seed"), unscored)
    assert result.why == "no scored run yet, order kept: by published figures"


def test_a_class_that_neither_the_base_nor_the_evidence_knows_is_left_out() -> None:
    table = build([], ("general", "contract_review"), BASE, simulated=False)
    assert list(table.classes) == ["general"]


def test_a_new_class_with_evidence_is_ranked() -> None:
    table = build([cell("a", [5], 0.1, task_type="contract_review")], ("contract_review",), BASE, simulated=False)
    assert table.classes["contract_review"].why == (
        "the only model with scored runs: mean score 5.00 of 1 scored run at $0.10 per success"
    )


def test_the_same_evidence_gives_the_same_version_in_whatever_order_it_comes() -> None:
    cells = [cell(model, [5, 4, 3], 0.1 + 0.2, source=source) for model in "ab" for source in ("live", "import")]
    summed_otherwise = [summary._replace(spent_usd=0.3, cost_usd=0.3) for summary in reversed(cells)]
    forward = build(cells, CLASSES, BASE, simulated=False)
    assert forward.version == build(summed_otherwise, CLASSES, BASE, simulated=False).version


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "$0.00"), (1234.5, "$1,234.50"), (0.5, "$0.50"), (0.031, "$0.031"), (0.00042, "$0.00042"), (0.9999, "$1.00")],
)
def test_amounts_show_three_digits_and_at_least_cents(amount: float, text: str) -> None:
    assert usd(amount) == text
