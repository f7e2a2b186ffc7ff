"""Seconds to grade 100,000 responses, and whether the reference answers of evaluation sets equal themselves.

    python -m tests.benchmarks.grading [FOLDER]

FOLDER (default: shared/data next to the repository) holds `seeds/math_seed_500.jsonl` and `benchmarks/NAME*.jsonl`.
There are 16 responses to each question: solutions of MATH questions that end in the right answer (respelled), in a near
but wrong answer, in the answer to another question, or in no answer. Grading is all that the evaluation does with
responses: extraction, the vote and the grade. The peer is math-verify's own metric, one response at a time, on a part
of them. We use all cores, the peer uses one. The last line is one JSON object: `seconds_per_100k`, `self_agreement` and
`false_positives` per benchmark, `ratio` to the peer, and `agree`, the share of responses to which the peer gives the
same grade.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from math_verify import ExprExtractionConfig, LatexExtractionConfig
from math_verify.metric import math_metric

from stages.answers.algebra.verifier import Verifier
from stages.answers.kinds import answer_config, load_kind
from stages.answers.marks import gold_answer
from stages.benchmarks.catalogue import CATALOGUE
from stages.benchmarks.reference_check import ReferenceCheck, check_references
from stages.engines.base import Completion
from stages.evaluate import _Completed, _grade
from stages.import_problems import problems_of
from stages.settings.inputs import ProblemSet
from tests.benchmarks.voting import RESPONSES, make_groups

FOLDER = Path(__file__).resolve().parents[2] / "../shared/data"
RESPONSES_GRADED = 100_000
RESPONSES_OF_PEER = 2_000
"""Few, because the peer takes some milliseconds for each."""


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    seeds = folder / "seeds/math_seed_500.jsonl"
    if not seeds.is_file():
        raise SystemExit(f"{seeds} does not exist; expected a JSONL file with the fields problem, solution and answer")
    with Verifier() as verifier:
        checks = {name: reference_check(name, path, verifier) for name, path in files(folder / "benchmarks").items()}
        for name, result in checks.items():
            print(
                f"{name:15} {result.problems - len(result.unequal_to_itself):5} of {result.problems:5} equal themselves"
            )
            for gold, status in result.unequal_to_itself:
                print(f"{'':15} not equal to itself ({status}): {gold}")
            for gold, next_gold in result.false_positives:
                print(f"{'':15} counted as equal: {gold!r} and the next problem's {next_gold!r}")

    problems = [json.loads(line) for line in seeds.read_text(encoding="utf-8").splitlines()]
    completed = completions(problems)
    with Verifier() as verifier:
        started = time.perf_counter()
        settings = answer_config(CATALOGUE["math_500"].answers)
        rows = _grade(completed, {"math": load_kind(settings)}, {"math": settings}, verifier)
        seconds = time.perf_counter() - started
    per_100k = seconds * 100_000 / len(rows)
    print(f"{len(rows):,} responses graded in {seconds:.1f} s: {per_100k:.1f} s per 100,000")

    sample = [(item, index) for item in completed for index in range(RESPONSES)][:: len(rows) // RESPONSES_OF_PEER]
    started = time.perf_counter()
    theirs = [peer(item.problem["answer"], item.completions[index].text) for item, index in sample]
    peer_seconds = time.perf_counter() - started
    mine = [row["status"] == "correct" for row in rows][:: len(rows) // RESPONSES_OF_PEER]
    agree = sum(our_grade == peer_grade for our_grade, peer_grade in zip(mine, theirs, strict=True)) / len(mine)
    ratio = (peer_seconds / len(sample)) / (seconds / len(rows))
    print(f"math-verify's metric: {peer_seconds / len(sample) * 100_000:.0f} s per 100,000, {ratio:.1f} x")
    for (item, index), our_grade, peer_grade in zip(sample, mine, theirs, strict=True):
        if our_grade != peer_grade:
            answer = item.completions[index].text[-60:]
            print(
                f"  {'correct' if our_grade else 'wrong'} here, not there: gold {item.problem['answer']!r}, …{answer!r}"
            )
    print(
        json.dumps(
            {
                "seconds_per_100k": round(per_100k, 1),
                "ratio": round(ratio, 1),
                "agree": round(agree, 4),
                "self_agreement": {name: result.self_agreement for name, result in checks.items()},
                "false_positives": {name: len(result.false_positives) for name, result in checks.items()},
            }
        )
    )


def files(folder: Path) -> dict[str, Path]:
    """Return the file of each benchmark of the catalogue that the folder has: NAME.jsonl, or a sample of it."""
    return {
        name: path for name in CATALOGUE for path in sorted(folder.glob("*.jsonl")) if path.name.split(".")[0] == name
    }


def reference_check(name: str, path: Path, verifier: Verifier) -> ReferenceCheck:
    """Compare the reference answers of a benchmark with themselves, and each with that of the next problem."""
    record = CATALOGUE[name]
    rows = problems_of(ProblemSet(name=name, path=str(path), format=record.format))
    return check_references(rows, load_kind(answer_config(record.answers)), verifier)


def completions(problems: list[dict[str, Any]]) -> list[_Completed]:
    """Return RESPONSES_GRADED responses to the problems, in groups of one problem each."""
    times = -(-RESPONSES_GRADED // (RESPONSES * len(problems)))
    groups = make_groups(problems, times)[: RESPONSES_GRADED // RESPONSES]
    return [
        _Completed(
            problem={
                "benchmark": "math",
                "problem_id": str(number),
                "question": problem["problem"],
                "answer": gold_answer(problem["answer"]),
            },
            mode="sampled",
            completions=[Completion(token_ids=[], logprobs=[], finish_reason="stop", text=text) for text in group],
            seeds=[0] * len(group),
        )
        for number, (problem, group) in enumerate(zip([*problems] * times, groups, strict=False))
    ]


def peer(gold: str, response: str) -> bool:
    """Return the grade of math-verify's metric, set up as its documentation does for mathematics in LaTeX."""
    grade, _ = METRIC([f"\\boxed{{{gold}}}"], [response])
    return bool(grade == 1.0)


METRIC = math_metric(
    gold_extraction_target=(LatexExtractionConfig(),),
    pred_extraction_target=(ExprExtractionConfig(), LatexExtractionConfig()),
)

if __name__ == "__main__":
    main()
