"""`router priors`: what others have published, and where they disagree."""

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import rich_click as click

from router.cli import CheckFailed, Context, json_option

if TYPE_CHECKING:
    from router.shape import Ordering, Priors, Score


@click.group()
def priors() -> None:
    """Published results: weak evidence until there is your own."""


@priors.command()
@json_option
@click.pass_obj
def show(obj: Context) -> None:
    """Print every published result with the class it speaks for, its source and date."""
    known = obj.settings.priors

    def render() -> None:
        lines = [(s.task_class, f"{s.benchmark}: {s.model} {s.score:.1%}{_origin(s)}") for s in known.scores]
        for item in known.orderings:
            says = f"{item.benchmark}: {item.stronger} over {', '.join(item.than)}{_origin(item)}"
            lines.append((item.task_class, says))
        for task_class in sorted({name for name, _ in lines}):
            click.echo(task_class)
            click.echo("\n".join(f"  {says}" for name, says in lines if name == task_class))

    obj.emit(known.model_dump(mode="json", by_alias=True), render)


def _origin(item: "Score | Ordering") -> str:
    return f"  ({item.source}, {item.published})"


@priors.command()
@json_option
@click.pass_obj
def check(obj: Context) -> None:
    """Say where published results order two models both ways.

    Benchmarks of one class may well differ; one benchmark on which two sources differ is a mistake, and exit code 3.
    """
    found = disagreements(obj.settings.priors)

    def render() -> None:
        for item in found:
            (one, other), (by_one, by_other) = item["models"], item["benchmarks"]
            click.echo(f"{item['class']}: {one} over {other} by {', '.join(by_one)}; not so by {', '.join(by_other)}")
        if not found:
            click.echo("fine: no two results order the same models both ways")

    obj.emit({"disagreements": found}, render)
    if any(set(by_one) & set(by_other) for by_one, by_other in (item["benchmarks"] for item in found)):
        raise CheckFailed("two sources disagree on one benchmark")


class _Claim(NamedTuple):
    task_class: str
    stronger: str
    weaker: str
    benchmark: str


def disagreements(priors: "Priors") -> list[dict[str, Any]]:
    """Each class and pair of models that are ordered both ways, with the benchmarks that say the one and the other."""
    said: dict[tuple[str, str, str], list[str]] = {}
    for claim in _claims(priors):
        said.setdefault(claim[:3], []).append(claim.benchmark)
    return [
        {"class": name, "models": [one, other], "benchmarks": [benchmarks, said[name, other, one]]}
        for (name, one, other), benchmarks in said.items()
        if (name, other, one) in said and one < other
    ]


def _claims(priors: "Priors") -> Iterator[_Claim]:
    for ordering in priors.orderings:
        for weaker in ordering.than:
            yield _Claim(ordering.task_class, ordering.stronger, weaker, ordering.benchmark)
    for one, other in combinations(priors.scores, 2):
        # Figures compare only within one source's run of one benchmark.
        if (one.task_class, one.benchmark, one.source) != (other.task_class, other.benchmark, other.source):
            continue
        if one.score != other.score:
            best, worst = (one, other) if one.score > other.score else (other, one)
            yield _Claim(one.task_class, best.model, worst.model, one.benchmark)
