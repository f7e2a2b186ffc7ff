"""Sizes and times of a run before it starts: parameters, disk, seconds per iteration.

Sizes follow from the settings and assume that every response has its greatest length. They leave out all tables but
those of questions and responses, and weights that are kept only as voters, as reference or for a rollback. Times are
measured if the run has finished iterations. Otherwise they are estimated from floating-point operations, and may be
wrong by a factor of three.
"""

import shutil
from pathlib import Path

from flows.config.run import RunConfig
from flows.models.folders import policy_folder
from flows.reporting.number_format import duration_text, size_text
from flows.reporting.results import stage_seconds
from stages.hub.models import weight_files
from stages.model_folder import read_model_config
from storage.run import newest_revision, open_run
from storage.store import Store
from storage.writer import files_under

CPU_FLOPS_PER_THREAD = 1.5e10
"""Assumed floating-point operations per second on one thread of a recent server, for small matrices."""
GPU_FLOPS_DECODE, GPU_FLOPS_TRAIN = 2e13, 2e14
"""Assumed floating-point operations per second of one H100. Decoding is far below the peak, because memory bandwidth
limits it; training reaches about a fifth of the peak."""
BYTES_OF_STATE = 8
"""AdamW's two float32 moments, per parameter."""
TABLE_BYTES_PER_TOKEN = 9
"""Assumed bytes per generated token: its id, log-probability and text, in compressed Parquet."""


def generated_tokens(config: RunConfig) -> int:
    """Return the largest number of tokens that the policy can write for new questions in one iteration.

    0 if the policy writes no questions.
    """
    return config.generate.prompts * config.generate.max_tokens if config.instructions == "self" else 0


def responses_per_question(config: RunConfig) -> int:
    """Return how many responses vote on a question: the policy's and those of other voters."""
    return config.sample.responses + sum(voter.responses for voter in config.voters)


def sampled_tokens(config: RunConfig) -> int:
    """Return the largest number of tokens that the responses of one iteration can have."""
    return config.generate.questions * responses_per_question(config) * config.sample.max_tokens


def count_parameters(config: RunConfig) -> int:
    """Return the number of the policy's parameters; 0 if the run has no model (fake engine).

    The number follows from the file sizes of a folder, or from the settings of a warm start.
    """
    if config.policy is None:
        return 0
    if warm := config.policy.warm_start:
        attention = 4 * warm.width * warm.heads * warm.head_size
        return warm.vocabulary * warm.width + warm.layers * (attention + 3 * warm.width * warm.feed_forward)
    folder = policy_folder(config)
    assert folder is not None  # only a warm start has none
    return count_folder_parameters(folder)


def count_folder_parameters(folder: Path) -> int:
    """Return the number of a model's parameters, which follows from the sizes of its files."""
    weights = sum((folder / name).stat().st_size for name in weight_files(files_under(folder)))
    return weights // read_model_config(folder).bytes_per_weight


def disk_line(config: RunConfig, parameters: int) -> str:
    """Return the disk space of an iteration and of the whole run, and how much is free."""
    tokens = generated_tokens(config) + sampled_tokens(config)
    policy, state, tables = 4 * parameters, BYTES_OF_STATE * parameters, tokens * TABLE_BYTES_PER_TOKEN
    keep = config.keep.policies
    kept = keep.last + (config.iterations // keep.every if keep.every else 0) + (keep.best.count if keep.best else 0)
    policies = min(config.iterations, kept)
    states = min(config.iterations, config.keep.trainer_states)
    whole = policy * (1 + policies) + state * states + tables * config.iterations
    text = (
        f"about {size_text(policy + state + tables)} per iteration (policy, trainer state, tables), {size_text(whole)} "
        f"for the whole run (`keep` leaves {policies} policies, {states} trainer states)"
    )
    if not Store(config.uri).is_local:
        return text
    free = shutil.disk_usage(_nearest_existing(Path(config.root).resolve())).free
    return f"{text}; {size_text(free)} free" + (": NOT ENOUGH" if free < whole else "")


def time_line(config: RunConfig, store: Store, parameters: int) -> str:
    """Return the time of an iteration: measured if the run has finished one, else a rough estimate."""
    if newest_revision(store) is not None:
        run = open_run(config.uri)
        seconds = [
            sum(stage_seconds(run.table("timings", iteration=number)).values())
            for number in run.iterations
            if number > 0
        ]
        if seconds:
            mean = sum(seconds) / len(seconds)
            whole = duration_text(mean * config.iterations)
            return f"{duration_text(mean)} per iteration (measured over {len(seconds)}), {whole} in all"
    generated, sampled = generated_tokens(config), sampled_tokens(config)
    on_gpu = config.compute.trainer.dtype == "bfloat16"
    decode = GPU_FLOPS_DECODE if on_gpu else CPU_FLOPS_PER_THREAD * config.compute.threads
    train = GPU_FLOPS_TRAIN if on_gpu else CPU_FLOPS_PER_THREAD * config.compute.trainer.threads
    # A forward pass takes 2 operations per parameter and token. An update of one epoch takes 10: old log-probabilities
    # (2), reference log-probabilities (2), forward pass (2) and backward pass (4).
    estimate = 2 * parameters * (generated + sampled) / decode + 10 * parameters * sampled / train
    device = "one H100" if on_gpu else "this CPU"
    return (
        f"about {duration_text(estimate)} per iteration on {device} if every response has full length, without "
        "evaluation and start-up (rough: may be wrong by a factor of three)"
    )


def _nearest_existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return folder if folder.exists() else _nearest_existing(folder.parent)
