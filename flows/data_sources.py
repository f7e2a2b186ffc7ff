"""Where a config's questions come from: files of this machine, or data sets of the Hugging Face hub.

A named evaluation set is read from its file under `evaluate.data` if there is one, and from the hub otherwise.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from flows.config.evaluation import Benchmark, Evaluation
from flows.config.inputs import HubData
from flows.config.run import RunConfig
from stages.question_files.hub_split import data_set_commits, find_split
from stages.settings.benchmarks import Record
from stages.settings.inputs import HubSplit
from storage.errors import InputError

Source = str | HubData
"""A file or folder, or a data set of the hub."""


def problem_source(evaluation: Evaluation, benchmark: Benchmark) -> Source | None:
    """Return where the problems of a benchmark come from; None if they come from a domain or from the seeds.

    Raises InputError if a named set has no file, and its source is not on the hub.
    """
    record = benchmark.record
    if benchmark.path or not (benchmark.hub or record):
        return benchmark.path
    if benchmark.hub:
        is_record = record is not None and record.repository == benchmark.hub.partition("@")[0]
        config = benchmark.config or (record.configuration if record and is_record else None)
        split = benchmark.split or (record.split if record else None)
        return HubData(hub=benchmark.hub, config=config, split=split)
    assert record is not None
    if file := _file(evaluation.data, benchmark.name):
        return file
    if record.is_file:
        raise InputError(_no_file(evaluation.data, benchmark.name, record, None))
    return HubData(hub=record.repository, config=record.configuration, split=record.split)


def examples_source(evaluation: Evaluation, benchmark: Benchmark) -> Source | None:
    """Return where the worked examples of a benchmark come from; None if there are none.

    Raises InputError if there is no file, and the examples are not on the hub.
    """
    if benchmark.examples or not benchmark.worked_examples:
        return benchmark.examples
    record, name = benchmark.record, f"{benchmark.name}_examples"
    if file := _file(evaluation.data, name):
        return file
    if record is None or record.is_file or record.shots_split is None:
        raise InputError(
            f"{_missing(evaluation.data, name)}; expected the worked examples there, or set `examples`"
            if record is None
            else _no_file(evaluation.data, name, record, record.shots_split)
        )
    is_record = benchmark.hub is None or record.repository == benchmark.hub.partition("@")[0]
    return HubData(
        hub=benchmark.hub or record.repository,
        config=record.configuration if is_record else benchmark.config,
        split=record.shots_split,
    )


def seed_data_sets(config: RunConfig) -> list[tuple[str, HubData]]:
    """Return (setting, data set of the hub) of the seeds and the data set to draw from."""
    settings = {"seeds": config.seeds, "dataset": config.dataset}
    return [(name, data) for name, seeds in settings.items() if seeds and (data := seeds.hub_data)]


def hub_data_commits(config: RunConfig, known: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the commits of all data sets of the hub that a config uses, as `RunConfig.hub_commits` has them.

    `known`: commits that are decided, in the order in which they count. Raises InputError that names every data set
    whose commit is not known and cannot be asked for, and every missing file of an evaluation set.
    """
    commits: dict[str, str] = {}
    errors: list[InputError] = []
    for name, data in seed_data_sets(config):
        try:
            commits |= _commits_of(data, name, (commits, *known))
        except InputError as error:
            errors.append(error)
    for benchmark in config.evaluate.benchmarks:
        try:
            commits |= _benchmark_commits(config.evaluate, benchmark, (commits, *known))
        except InputError as error:
            errors.append(error)
    if errors:
        raise InputError("; and ".join(dict.fromkeys(map(str, errors))))
    return commits


def split_of(data: HubData, label: str, commits: Mapping[str, str]) -> HubSplit:
    """Return a split of a data set, which is downloaded if it is not in the cache.

    `label` says what the data set is for. `commits` is `RunConfig.hub_commits`; a data set that it lacks is taken at
    its newest commit. Raises InputError if the data set cannot be had or has no such split.
    """
    known = _commits_of(data, label, (commits,))
    try:
        return find_split(data.hub, data.config, data.split, known)
    except InputError as error:
        raise InputError(f"{label}: {error}") from None


def with_file_advice(error: InputError, evaluation: Evaluation, benchmark: Benchmark, split: str | None) -> InputError:
    """Return an error about a named set on the hub, with the file that may be used instead."""
    record = benchmark.record
    if record is None or record.is_file or benchmark.hub:
        return error
    name = benchmark.name if split is None else f"{benchmark.name}_examples"
    return InputError(f"{_no_file(evaluation.data, name, record, split)}. From the hub: {error}")


def _benchmark_commits(
    evaluation: Evaluation, benchmark: Benchmark, known: Sequence[Mapping[str, str]]
) -> dict[str, str]:
    commits: dict[str, str] = {}
    label = f"benchmark {benchmark.name}"
    source = problem_source(evaluation, benchmark)
    examples = examples_source(evaluation, benchmark)
    for data, name in ((source, label), (examples, f"examples of {label}")):
        if isinstance(data, HubData):
            try:
                commits |= _commits_of(data, name, (commits, *known))
            except InputError as error:
                raise with_file_advice(error, evaluation, benchmark, None) from None
    return commits


def _commits_of(data: HubData, label: str, known: Sequence[Mapping[str, str]]) -> dict[str, str]:
    try:
        return data_set_commits(data.hub, known)
    except InputError as error:
        raise InputError(f"{label}: {error}") from None


def _file(folder: str, name: str) -> str | None:
    """Return the path of NAME.jsonl or NAME.parquet; None if there is neither."""
    paths = (Path(folder, name + suffix) for suffix in (".jsonl", ".parquet"))
    return next((str(path) for path in paths if path.is_file()), None)


def _missing(folder: str, name: str) -> str:
    return f"{folder}/{name}.jsonl (or .parquet) does not exist"


def _no_file(folder: str, name: str, record: Record, split: str | None) -> str:
    return f"{_missing(folder, name)}; set its `path`, or: {record.download(f'{folder}/{name}', split)}"
