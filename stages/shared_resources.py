"""Resources that the stages of one process share: engine, trainer process and answer verifier.

Each is started when it is first used. None of them enters a key: they decide where and how a stage runs, not what its
outputs mean.
"""

import fcntl
import shutil
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING

from stages.commits import LAST_SECONDS, Commits
from stages.settings.compute import Compute
from stages.settings.engines import EngineKind
from stages.settings.trainer import TrainerPlacement
from storage.errors import NotWritable

if TYPE_CHECKING:
    from stages.answers.algebra.verifier import Verifier
    from stages.engines.base import Engine
    from stages.trainer.fake import FakeTrainer
    from stages.trainer.launcher import TrainerProcess


_MAIN_MEMORY = Path("/dev/shm")
"""Where Linux shows main memory as a folder."""


class Resources:
    """Owns the processes and models that stages share. Use as a context manager, or call `close`.

    Raises NotWritable if no scratch folder can be made.
    """

    def __init__(self, settings: Compute, engine: EngineKind) -> None:
        self.settings = settings
        self.engine_kind = engine
        try:
            self.scratch, self._scratch_lock = _make_scratch(Path(settings.scratch or tempfile.gettempdir()))
        except OSError as error:
            raise NotWritable(f"compute.scratch {settings.scratch} cannot be used: {error.strerror}") from None
        _remove_left(_MAIN_MEMORY)
        self._memory: tuple[Path, IO[str]] | None = None
        """A folder in main memory and its lock file."""
        self.commits = Commits()
        """The commit of a stage while later stages compute."""
        self._engine: Engine | None = None
        self._trainer: TrainerProcess | FakeTrainer | None = None
        self._verifier: Verifier | None = None

    @cached_property
    def on_this_machine(self) -> Compute:
        """The settings, with `gpus: all` replaced by the numbers of this machine. Raises InputError without a GPU."""
        from stages.engines.gpu import on_all_gpus

        return on_all_gpus(self.settings)

    @property
    def trainer_placement(self) -> TrainerPlacement:
        """Where and how the update runs on this machine."""
        return self.on_this_machine.trainer

    def engine(self) -> "Engine":
        """Return the engine that generates text."""
        if self._engine is None:
            from stages.engines.loader import make_engine

            self._engine = make_engine(
                self.engine_kind,
                threads=self.settings.threads,
                max_batch_tokens=self.settings.max_batch_tokens,
                vllm=self.on_this_machine.vllm,
                server=self.settings.server,
            )
        return self._engine

    def start_engine(self, folder: Path) -> None:
        """Begin to start the engine, and return at once; the next stage that loads a policy waits for it.

        `folder` is a model folder of the policy's architecture. An error is raised when the policy is loaded.
        """
        self.engine().start(folder)

    def engine_starting(self) -> str:
        """Return what a stage that loads a policy has to wait for, such as "starting vLLM"; empty if nothing."""
        return self.engine().starting

    def engine_counters(self) -> dict[str, float]:
        """Return how often the engine was started and loaded a policy so far, and the seconds it took.

        All are 0 if no engine was used.
        """
        from stages.engines.base import EngineCounters

        return asdict(self._engine.counters if self._engine else EngineCounters())

    def free_gpu(self) -> None:
        """Release the engine's GPU memory for the trainer, until the engine loads the next policy.

        Does nothing with `free_memory: false`, which says that engine and trainer have room for both.
        """
        if self.settings.trainer.free_memory is False:
            return
        if self._engine is not None and self._engine.on_gpu:
            self._engine.sleep()

    def trainer(self) -> "TrainerProcess | FakeTrainer":
        """Return the trainer that updates the policy."""
        if self._trainer is None:
            if self.engine_kind == "fake":
                from stages.trainer.fake import FakeTrainer

                self._trainer = FakeTrainer()
            else:
                from stages.trainer.launcher import TrainerProcess

                self._trainer = TrainerProcess(self.scratch / "trainer")
        return self._trainer

    def verifier(self) -> "Verifier":
        """Return the verifier that compares answers."""
        if self._verifier is None:
            from stages.answers.algebra.verifier import Verifier

            self._verifier = Verifier()
        return self._verifier

    @property
    def on_gpu(self) -> bool:
        """Whether stages that need a model use a GPU of this machine."""
        if self.engine_kind == "fake":
            return False
        from stages.engines.gpu import has_gpu

        return has_gpu()

    def memory(self) -> Path | None:
        """Return a folder in main memory, which is removed with `scratch`; None if files are to lie in `scratch`.

        On a GPU, weights that the trainer writes there reach the engine without the disk. On a CPU, the engine needs
        the main memory itself. `compute.scratch` says where all temporary files lie, and several nodes need it. vLLM
        servers read folders of the run alone.
        """
        if self.settings.scratch is not None or self.engine_kind == "server" or not self.on_gpu:
            return None
        with suppress(OSError):  # such as one that is read-only: the disk is used
            if self._memory is None and _is_memory(_MAIN_MEMORY):
                self._memory = _make_scratch(_MAIN_MEMORY)
        return self._memory and self._memory[0]

    def uncommitted_folder(self, key: str, kind: str) -> Path | None:
        """Return the local folder of an output whose commit is under way; None if there is none, or it is of no use.

        vLLM servers may run on other machines: they read folders of the run alone.
        """
        return None if self.engine_kind == "server" else self.commits.folder(key, kind)

    def close(self, *, patient: bool = True) -> None:
        """Stop engine, trainer and verifier, and remove the scratch folder.

        A commit under way, perhaps of hours of work, ends first; unless `patient`, it has a few seconds.
        """
        engine, trainer, verifier = self._engine, self._trainer, self._verifier
        self._engine = self._trainer = self._verifier = None
        with ExitStack() as stack:  # each step is taken even if an earlier one fails; the last one is the first here
            stack.callback(self._scratch_lock.close)
            stack.callback(shutil.rmtree, self.scratch, ignore_errors=True)
            if self._memory is not None:
                stack.callback(self._memory[1].close)
                stack.callback(shutil.rmtree, self._memory[0], ignore_errors=True)
            for resource in (verifier, trainer, engine):
                if resource is not None:
                    stack.callback(resource.close)
            stack.callback(self.commits.close, None if patient else LAST_SECONDS)

    def __enter__(self) -> "Resources":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(patient=kind is None or issubclass(kind, Exception))  # else a signal ends this process


_PREFIX, _LOCK = "serl-", "owner.lock"


def _make_scratch(parent: Path) -> tuple[Path, IO[str]]:
    """Return a new folder under `parent` and its lock file, which stays locked while this process lives."""
    _remove_left(parent)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        lock_file = (folder / _LOCK).open("w")
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        if (folder / _LOCK).exists():  # another process may have removed the folder before it was locked
            return folder, lock_file
        lock_file.close()


def _remove_left(parent: Path) -> None:
    """Remove the folders of processes that have died.

    A killed process leaves its scratch folder behind, with a policy and an optimiser state in it.
    """
    for lock in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        try:
            with lock.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
        except OSError:  # the owner lives, the folder is another user's, or another process has just removed it
            continue


def _is_memory(folder: Path) -> bool:
    """Return whether files of `folder` lie in main memory, and nowhere else."""
    import psutil

    kinds = {mount.mountpoint: mount.fstype for mount in psutil.disk_partitions(all=True)}
    return kinds.get(str(folder)) == "tmpfs"
