"""How right and how fast the rules are on labelled requests: python -m benchmarks.classifier.check FOLDER

FOLDER holds *.jsonl with `request` (a chat completions body), `label`, `accept` (labels that are right too), `source`.
Sources that the rules were tuned on are counted apart: only the figures of the others say what to expect.
"""

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from router.classifiers import AGENTIC, BUILT_IN, CODING, GENERAL, LONG, RESEARCH, STRICT
from router.classifiers.rules import classify
from router.dialects import chat

CLASSES = {
    "coding": CODING,
    "agentic": AGENTIC,
    "long_context": LONG,
    "research": RESEARCH,
    "strict_format": STRICT,
    "general": GENERAL,
}
TUNED_ON = frozenset(
    {
        "Aider-AI/polyglot-benchmark",
        "All-Hands-AI/OpenHands",
        "Ayanami0730/deep_research_bench",
        "LianjiaTech/BELLE",
        "ShishirPatil/gorilla",
        "YJiangcm/FollowBench",
        "guidance-ai/jsonschemabench",
        "openai/grade-school-math",
        "openai/simple-evals",
        "tatsu-lab/alpaca_eval",
        "zjysteven/terminal-bench-env",
        "zliucr/CrossNER",
        "zorazrw/odex",
    }
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One classified request. `counted` is the class it counts as: the label's where the answer is acceptable."""

    source: str
    language: str
    has_tools: bool
    truth: str
    given: str
    counted: str
    took_us: float

    @property
    def right(self) -> bool:
        return self.counted == self.truth


def answers(folder: Path) -> Iterator[Answer]:
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            yield from (answer(json.loads(line)) for line in lines)


def answer(row: dict[str, object]) -> Answer:
    body = row["request"]
    accepted = row.get("accept") or [row["label"]]
    assert isinstance(body, dict)
    assert isinstance(accepted, list)
    request = chat.FACE.decode_request(json.dumps(body).encode())
    start_ns = time.perf_counter_ns()
    given = classify(request).task_class
    took_us = (time.perf_counter_ns() - start_ns) / 1000
    truth = CLASSES[str(row["label"])]
    return Answer(
        source=str(row.get("source", "unknown")),
        language=str(row.get("lang", "unknown")),
        has_tools=bool(request.tools),
        truth=truth,
        given=given,
        counted=truth if given in {CLASSES[name] for name in accepted} else given,
        took_us=took_us,
    )


def accuracy(some: Sequence[Answer]) -> str:
    if not some:
        return "none"
    return f"{sum(one.right for one in some) / len(some):.3f} of {len(some)}"


def report(title: str, some: Sequence[Answer]) -> None:
    print(f"\n## {title}: {len(some)} requests, {len({one.source for one in some})} sources\n")
    strict = sum(one.given == one.truth for one in some) / len(some)
    print(f"accuracy                        {accuracy(some)}; {strict:.3f} when only the first label counts")
    print_classes(some)
    print(f"agentic without tools, recall   {accuracy([a for a in some if a.truth == AGENTIC and not a.has_tools])}")
    print(f"English                         {accuracy([a for a in some if a.language == 'en'])}")
    print(f"other languages                 {accuracy([a for a in some if a.language != 'en'])}")


def print_classes(some: Sequence[Answer]) -> None:
    """Recall, precision and where the rest went. Classes without a request are left out of macro-F1."""
    confusion = Counter((one.truth, one.counted) for one in some)
    truths, counted = Counter(one.truth for one in some), Counter(one.counted for one in some)
    f1 = [2 * confusion[name, name] / (truths[name] + counted[name]) for name in BUILT_IN if truths[name]]
    print(f"macro-F1                        {sum(f1) / len(f1):.3f}\n")
    print(f"{'':26}{'recall':>8}{'prec.':>8}  " + "".join(f"{'> ' + name[:9]:>13}" for name in BUILT_IN))
    for name in BUILT_IN:
        recall, precision = share(confusion[name, name], truths[name]), share(confusion[name, name], counted[name])
        cells = "".join(f"{confusion[name, other]:>13}" for other in BUILT_IN)
        print(f"{name:26}{recall:>8}{precision:>8}  {cells}")
    print()


def share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "-"


def print_sources(some: Sequence[Answer]) -> None:
    by_source: dict[str, list[Answer]] = defaultdict(list)
    for one in some:
        by_source[one.source].append(one)
    print("\n## Sources\n")
    for source, its in sorted(by_source.items()):
        print(f"{source:40}{accuracy(its):>18}{'  tuned on' if source in TUNED_ON else ''}")


def print_latency(some: Sequence[Answer]) -> None:
    took = sorted(one.took_us for one in some)
    print(f"\nlatency p50 {took[len(took) // 2] / 1000:.3f} ms, p99 {took[len(took) * 99 // 100] / 1000:.3f} ms")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    folder: Path = parser.parse_args().folder
    everything = list(answers(folder))
    if not everything:
        parser.error(f"{folder} holds no *.jsonl with requests")
    unseen = [one for one in everything if one.source not in TUNED_ON]
    tuned = [one for one in everything if one.source in TUNED_ON]
    for title, some in (("Unseen sources", unseen), ("Sources tuned on", tuned)):
        if some:
            report(title, some)
    print_sources(everything)
    print_latency(everything)
    return 0


if __name__ == "__main__":
    sys.exit(main())
