"""Where a config's questions come from: files of this machine, or data sets of the Hugging Face hub. Asks no hub.

A named evaluation set is read from its file under `evaluate.data` if there is one, and from the hub otherwise.
"""

from dataclasses import dataclass
from pathlib import Path

from flows.config.evaluation import Benchmark, Evaluation
from flows.config.inputs import HubData, Seeds
from flows.config.run import RunConfig
from stages.settings.benchmarks import Record
from storage.errors import InputError


@dataclass(frozen=True, kw_only=True, slots=True)
class HubSource:
    """A data set of the hub, and what a config uses it for."""

    label: str
    """What uses the data set, for errors."""
    data: HubData
    without_hub: str = ""
    """Which file may be used instead, for errors."""

    def error(self, message: str) -> InputError:
        """Return an error about the data set."""
        instead = f". Without the hub: {self.without_hub}" if self.without_hub else ""
        return InputError(f"{self.label}: {message}{instead}")


def seeds_source(seeds: Seeds, label: str) -> str | HubSource | None:
    """Return the file or data set that questions come from; None for a built-in domain."""
    if seeds.hub is None:
        return seeds.path
    return HubSource(label=label, data=HubData(hub=seeds.hub, config=seeds.config, split=seeds.split))


def problems_source(evaluation: Evaluation, benchmark: Benchmark) -> str | HubSource | None:
    """Return the file or data set that a benchmark's problems come from; None for a built-in domain and for seeds.

    Raises InputError if a named set has no file, and its record names no data set of the hub.
    """
    record, label = benchmark.record, f"benchmark {benchmark.name}"
    if benchmark.hub:
        split = benchmark.split or (record.split if record else None)
        return HubSource(label=label, data=HubData(hub=benchmark.hub, config=_configuration(benchmark), split=split))
    if benchmark.path or record is None:
        return benchmark.path
    return _file(evaluation.data, benchmark.name) or _of_record(evaluation.data, benchmark, record, label, None)


def examples_source(evaluation: Evaluation, benchmark: Benchmark) -> str | HubSource | None:
    """Return the file or data set that a benchmark's worked examples come from; None if it has none.

    Raises InputError if there is no file, and no record that names a data set of the hub.
    """
    record, label = benchmark.record, f"examples of benchmark {benchmark.name}"
    if isinstance(benchmark.examples, HubData):
        return HubSource(label=label, data=benchmark.examples)
    if benchmark.examples or not benchmark.worked_examples:
        return benchmark.examples
    name = f"{benchmark.name}_examples"
    if file := _file(evaluation.data, name):
        return file
    if record is None or record.shots_split is None:
        raise InputError(f"{_is_missing(evaluation.data, name)}; expected the worked examples there, or set `examples`")
    return _of_record(evaluation.data, benchmark, record, label, record.shots_split)


def hub_sources(config: RunConfig) -> list[HubSource]:
    """Return the data sets of the hub that a config uses. Raises InputError that names every missing file."""
    sources = [seeds_source(config.seeds, "seeds")]
    if config.dataset:
        sources.append(seeds_source(config.dataset, "dataset"))
    errors: dict[str, None] = {}
    for benchmark in config.evaluate.benchmarks:
        for source_of in (problems_source, examples_source):
            try:
                sources.append(source_of(config.evaluate, benchmark))
            except InputError as error:
                errors[str(error)] = None
    if errors:
        raise InputError("; and ".join(errors))
    return [source for source in sources if isinstance(source, HubSource)]


def _configuration(benchmark: Benchmark) -> str | None:
    """Return the configuration of a benchmark's data set; a record knows that of its own data set."""
    record = benchmark.record
    is_records = record is not None and benchmark.hub in (None, record.repository)
    return benchmark.config or (record.configuration if record and is_records else None)


def _of_record(folder: str, benchmark: Benchmark, record: Record, label: str, shots_split: str | None) -> HubSource:
    """Return the data set of a named set that has no file. Raises InputError if the set is not on the hub."""
    name = benchmark.name if shots_split is None else f"{benchmark.name}_examples"
    download = record.download(f"{folder}/{name}", shots_split)
    without_hub = f"{_is_missing(folder, name)}; set its `path`, or: {download}"
    if record.is_file:
        raise InputError(without_hub)
    hub = benchmark.hub or record.repository
    data = HubData(hub=hub, config=_configuration(benchmark), split=shots_split or record.split)
    return HubSource(label=label, data=data, without_hub="" if benchmark.hub else without_hub)


def _file(folder: str, name: str) -> str | None:
    """Return the path of NAME.jsonl or NAME.parquet; None if there is neither."""
    paths = (Path(folder, name + suffix) for suffix in (".jsonl", ".parquet"))
    return next((str(path) for path in paths if path.is_file()), None)


def _is_missing(folder: str, name: str) -> str:
    return f"{folder}/{name}.jsonl (or .parquet) does not exist"
