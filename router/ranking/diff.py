"""What would change between two routing tables, in words and on what evidence. Not a rule: it builds no table."""

from collections.abc import Iterator

from router.ranking import bare, figures
from router.table import Cell, Ranking, RoutingTable


def diff(old: RoutingTable, new: RoutingTable) -> list[str]:
    """One sentence a class: what changes first, then what stays."""
    if old.version == new.version:
        return ["no difference: it is the same table"]
    both = [key for key in new.classes if key in old.classes]
    moved = [key for key in both if _first(old.classes[key]) != _first(new.classes[key])]
    return [
        *_simulated(old, new),
        *(_moved(key, old.classes[key], new.classes[key]) for key in moved),
        *(_added(key, new.classes[key]) for key in new.classes if key not in old.classes),
        *(_removed(key, old.classes[key]) for key in old.classes if key not in new.classes),
        *(_kept(key, old.classes[key], new.classes[key]) for key in both if key not in moved),
    ]


def _simulated(old: RoutingTable, new: RoutingTable) -> Iterator[str]:
    if new.simulated:
        yield "the new table rests on simulated runs: its figures say nothing about real models"
    elif old.simulated:
        yield "the old table rests on simulated runs, the new one on real ones"


def _moved(task_class: str, old: Ranking, new: Ranking) -> str:
    before, after = old.cells[0], new.cells[0]
    return (
        f"{task_class}: {before.model} -> {after.model}: {figures(after)}, "
        f"against {figures(_same_model(new, before))} for {before.model}"
    )


def _added(task_class: str, new: Ranking) -> str:
    return f"{task_class}: new class, {new.cells[0].model} first: {figures(new.cells[0])}"


def _removed(task_class: str, old: Ranking) -> str:
    return f"{task_class}: no longer in the table, {old.cells[0].model} was first"


def _kept(task_class: str, old: Ranking, new: Ranking) -> str:
    text = f"{task_class}: {new.cells[0].model} stays first"
    if [bare(model) for model in old.models] != [bare(model) for model in new.models]:
        return f"{text}, behind it {', '.join(new.models[1:]) or 'nobody'}"
    return text


def _first(ranking: Ranking) -> str:
    return bare(ranking.cells[0].model)


def _same_model(ranking: Ranking, wanted: Cell) -> Cell:
    """The model's cell in this ranking, so that both figures come from the same evidence; else the one it had."""
    return next((cell for cell in ranking.cells if bare(cell.model) == bare(wanted.model)), wanted)
