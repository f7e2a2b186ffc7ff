"""Part `ppo`: the other forms of the update, one after the other in one trainer process."""

import contextlib
import math
import shutil
from typing import Any

from stages.trainer.launcher import TrainerProcess
from storage.errors import TrainerError
from tests.gpu.parts.engine import rollout_of
from tests.gpu.parts.trainer import check_ratio, do, first_job, following, metrics_of, update_config, wait_saved
from tests.gpu.record import Record

FORMS: dict[str, dict[str, Any]] = {
    "ppo_critic": {"algorithm": "ppo", "kl_coef": 1e-3},
    "grpo_kl_in_loss": {"algorithm": "grpo", "kl_in": "loss", "kl_coef": 1e-3},
    "lora": {"algorithm": "reinforce_pp", "lora": {"rank": 8}, "learning_rate": 1e-4},
}


def run(record: Record) -> None:
    rollout = rollout_of(record)
    with TrainerProcess(record.folder / "scratch") as process:
        for name, settings in FORMS.items():
            with record.measuring(f"update {name}"):
                config = update_config(record, **settings)
                base = record.options.model if config.lora else None
                job = first_job(record, rollout, name, config=config, base=base)
                result, seconds = do(record, process, job)
                record.figure(f"{name}_s", {"whole": seconds, **result.seconds})
                check_ratio(record, f"{name}_first_step_ratio", job)
                steps = metrics_of(job)
                _check_finite(record, name, steps, "loss", "grad_norm")
                if config.algorithm == "ppo":
                    _check_finite(record, name, steps, "value_loss", "critic_grad_norm", "explained_variance")
                    record.figure("value_loss", [step["value_loss"] for step in steps])
                    again = following(job, f"{name}-2")
                    _, seconds = do(record, process, again)
                    record.figure(f"{name}_second_s", seconds)
                    _check_finite(record, f"{name}_second", metrics_of(again), "loss", "value_loss")
            with contextlib.suppress(TrainerError):  # an update that failed has been recorded
                wait_saved(process)
            shutil.rmtree(record.folder / "updates", ignore_errors=True)  # more than ten gigabytes
    if record.small:
        record.leave_out("the same on a GPU in bfloat16", "only a GPU can show it")


def _check_finite(record: Record, name: str, steps: list[dict[str, Any]], *columns: str) -> None:
    for column in columns:
        values = [step[column] for step in steps]
        finite = bool(values) and all(value is not None and math.isfinite(value) for value in values)
        record.check(f"{name}: {column}", finite, values, "finite")
