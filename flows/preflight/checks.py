"""Checks before anything is computed. The stages would find the same faults, but hours later."""

import importlib.util

from flows.config.run import RunConfig
from flows.config.tracking import TrackerSettings
from flows.models.folders import policy_folder, voter_folders
from flows.preflight.cards import check_cards
from flows.preflight.prompts import check_prompts
from flows.stage_settings import StageSettings
from stages.engines.gpu import on_all_gpus
from stages.engines.loader import check_installed
from stages.import_inputs import DATA_SET, SEED_FILE, seed_file, seed_rows
from stages.import_problems import problems_of, shots_of
from stages.trainer.deepspeed_config import read_deepspeed_settings
from storage.errors import InputError


def check_inputs(resolved: StageSettings) -> None:
    """Raise InputError if an engine, package or file that a run needs is missing or cannot be used."""
    config = resolved.config
    seeds = seed_rows(seed_file(resolved.import_seeds, SEED_FILE)) if resolved.import_seeds.source else []
    if resolved.import_dataset and resolved.import_dataset.source:
        seed_file(resolved.import_dataset, DATA_SET)
    for problem_set in resolved.import_problems.sets:
        problems_of(problem_set, seeds)
        shots_of(problem_set)
    check_prompts(config)
    if config.gpu == "inline":
        check_engine(config)
    read_deepspeed_settings(config.compute.trainer)
    _check_trackers(config.trackers)


def check_engine(config: RunConfig) -> None:
    """Raise InputError if the engine is missing, or is known not to run the model of the policy or of a voter, or if
    this machine's GPUs cannot do what the config asks of them."""
    check_installed(config.engine)
    check_cards(config)
    compute = on_all_gpus(config.compute)
    models = {f"voter {name}": folder for name, folder in voter_folders(config).items()}
    if folder := policy_folder(config):
        models["policy"] = folder  # later policies have the same architecture
    if config.engine == "vllm":
        from stages.engines.vllm import check_models

        check_models(compute.vllm, models)
    if config.engine == "server":
        from stages.engines.vllm_client import ServerEngine

        engine = ServerEngine(config.compute.server)
        try:
            engine.check(models, config.longest_sequence)
        finally:
            engine.close()


def _check_trackers(trackers: TrackerSettings) -> None:
    for name, settings in (("wandb", trackers.wandb), ("mlflow", trackers.mlflow)):
        if settings and importlib.util.find_spec(name) is None:
            raise InputError(f"trackers.{name}: {name} is not installed here; pip install 'serl[{name}]'")
