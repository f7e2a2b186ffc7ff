"""`python -m tests.gpu --small`: the code of all parts, on a CPU with a tiny policy."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands import python
from tests.gpu.policies import parameters
from tests.gpu.registry import REGULAR
from tests.gpu.runner import read_results


def results_of(out: Path, *names: str) -> dict[str, dict[str, Any]]:
    """Run parts, all of which have to pass; return their results."""
    python("-m", "tests.gpu", "--small", "--out", str(out), "--minutes", "25", *names, expect=0)
    results = read_results(out)
    assert [name for name, result in results.items() if not result["passed"]] == []
    return results


@pytest.mark.slow
def test_all_parts_pass_and_say_what_only_a_gpu_can_show(tmp_path: Path) -> None:
    results = results_of(tmp_path)
    assert list(results) == [part.name for part in REGULAR]
    for name, result in results.items():
        assert result["small"] and result["figures"] and result["left_out"], name
    assert "utilisation" in " ".join(results["trainer"]["left_out"])
    assert results["engine"]["figures"]["gap_to_float32_tokens"] > 100
    assert results["trainer"]["figures"]["first_step_ratio"]["mean"] == "1.0000"
    [made] = (tmp_path / "parts/trainer").glob("done-write_random_policies-*.json")
    assert json.loads(made.read_text())["parameters"] == {"toy": parameters("toy")}
    summary = (tmp_path / "summary.md").read_text()
    assert "nothing about a GPU" in summary and "## Left out" in summary and "not done" not in summary


@pytest.mark.slow
def test_a_policy_is_trained_and_evaluated_before_and_after(tmp_path: Path) -> None:
    result = results_of(tmp_path, "learning")["learning-majority"]
    assert result["small"] and result["unfinished"] is None and result["left_out"]
    figures = result["figures"]
    assert figures["passes"] == "2 of 2" and figures["pass 2"]["optimiser_steps"] > 0
    assert {"greedy gain, points", "sampled gain, points", "maj@2 end", "stage_s"} <= figures.keys()
    assert "| majority | 2 of 2 | greedy |" in (tmp_path / "summary.md").read_text()


@pytest.mark.vllm
def test_the_engine_and_a_run_pass_on_vllm(tmp_path: Path) -> None:
    results = results_of(tmp_path, "engine", "iteration", "rules")
    assert results["rules"]["figures"]["bare_tokens_per_second"] > 0
    assert results["engine"]["figures"]["share_of_own_llm_generate"] > 0
    rules = [check for check in results["rules"]["checks"] if check["name"] == "conformance"]
    assert rules and rules[0]["passed"]
