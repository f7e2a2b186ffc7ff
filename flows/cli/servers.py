"""Commands for servers: a vLLM server, and the set-up of a Prefect server."""

import argparse
from pathlib import Path

from flows.cli.arguments import ON_A_CONFIG, Command, CommandGroup, load, option, print_line
from flows.orchestration.environment import set_prefect_defaults
from storage.errors import InputError
from storage.store import Store


def _serve(options: argparse.Namespace) -> None:
    from flows.models.commits import known_commits
    from flows.models.folders import newest_policy_folder
    from stages.engines.gpu import on_all_gpus
    from stages.engines.loader import check_installed
    from stages.engines.vllm_server import serve
    from stages.hub.models import local_model
    from stages.import_inputs import content_of_policy

    config = load(options)
    check_installed("vllm")
    config = config.model_copy(update={"hub_commits": known_commits(config, Store(config.uri))})
    if options.model:
        folder: Path | None = local_model(options.model, config.hub_commits).folder
    else:
        folder = newest_policy_folder(config)
    if folder is None:
        raise InputError(
            f"the policy of {options.config} is made by its warm start; run it first "
            "(`serl run` with `--set iterations=0 --set engine=transformers`), or name a model folder with --model"
        )
    content_of_policy(str(folder))
    compute = on_all_gpus(config.compute)
    print(f"vLLM server for {folder} at http://{options.host}:{options.port}", flush=True)
    serve(folder, compute.vllm, host=options.host, port=options.port, threads=compute.threads)


def _setup_prefect(options: argparse.Namespace) -> None:
    set_prefect_defaults()
    from flows.orchestration.provision import setup_prefect

    setup_prefect({"cpu": options.cpu_limit, "gpu": options.gpu_limit}, print_line)


GROUP = CommandGroup(
    "serve",
    (
        Command(
            "serve",
            "start a vLLM server for runs with `engine: server`",
            _serve,
            (
                *ON_A_CONFIG,
                option(
                    "--model",
                    help="model folder, or a name of the hub (default: the policy of the run, or of the config)",
                ),
                option("--host", default="127.0.0.1", help="address to listen at (default 127.0.0.1)"),
                option("--port", type=int, default=8000, help="port to listen at (default 8000)"),
            ),
        ),
        Command(
            "setup-prefect",
            "make work pools and automations on a Prefect server",
            _setup_prefect,
            (
                option("--cpu-limit", type=int, help="how many flow runs of pool cpu may run at once"),
                option("--gpu-limit", type=int, help="how many flow runs of pool gpu may run at once"),
            ),
        ),
    ),
)
