"""The parts of stages/engines that need no model: parameters, stop strings, laziness of the imports."""

import subprocess
import sys

import pytest

from stages.engines.base import Completion, SamplingParams, cut_at_stop


@pytest.mark.parametrize(
    "wrong", [{"temperature": -0.1}, {"top_p": 0.0}, {"top_p": 1.1}, {"max_tokens": 0}, {"stop": ("",)}]
)
def test_sampling_params_out_of_range(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected temperature"):
        SamplingParams(**({"temperature": 1.0, "max_tokens": 1} | wrong))  # type: ignore[arg-type]


def test_cut_at_the_earliest_stop() -> None:
    words = ["one ", "two ", "thr", "ee fo", "ur five"]
    whole = Completion(
        token_ids=[0, 1, 2, 3, 4], logprobs=[-1.0, -2.0, -3.0, -4.0, -5.0], finish_reason="length", text="".join(words)
    )
    cut = cut_at_stop(whole, ("five", "three"), lambda ids: "".join(words[i] for i in ids))
    assert cut == Completion(
        token_ids=[0, 1, 2, 3], logprobs=[-1.0, -2.0, -3.0, -4.0], finish_reason="stop", text="one two "
    )


def test_base_fake_and_loader_import_no_torch() -> None:
    code = (
        "import sys, stages.engines.base, stages.engines.loader; stages.engines.loader.make_engine('fake');"
        "print([m for m in ('torch', 'transformers', 'numpy') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
