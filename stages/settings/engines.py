"""Settings of the engines that generate text: their names, and where and how they run."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from stages.settings.base import Settings
from stages.settings.vllm_extra import VllmExtra

EngineKind = Literal["fake", "transformers", "vllm", "server"]


class VllmPlacement(Settings):
    """How vLLM runs: in the run's own process (`engine: vllm`), or as a server (`serl serve`, `engine: server`)."""

    tensor_parallel: PositiveInt = 1
    """GPUs that share one copy of the model."""
    data_parallel: PositiveInt = 1
    """Copies of the model: as servers of the run's own, each on its own GPUs, or in one server of `serl serve`."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """auto: bfloat16 on a GPU, float32 on a CPU."""
    quantization: str | None = None
    """A name that vLLM knows, such as fp8; null: none."""
    max_model_tokens: PositiveInt = 4_096
    """Longest prompt and response together, in tokens."""
    max_sequences: PositiveInt | None = None
    """Most responses computed at the same time; null: 1,024 on a GPU, 256 on a CPU."""
    memory_share: PositiveFloat = Field(0.9, le=1)
    """Share of a GPU's memory for weights and cache."""
    cache_gib: PositiveFloat = 1.0
    """GiB of main memory for the cache, if there is no GPU."""
    extra: VllmExtra = Field(default_factory=dict)
    """Further arguments of vLLM for speed and memory, by their names in its EngineArgs, such as
    {max_num_batched_tokens: 16384}. What changes results, loads code or has a setting here is refused."""

    def sequences(self, *, on_gpu: bool) -> int:
        """Return how many responses are computed at the same time at most: `max_sequences`, or its default."""
        return self.max_sequences or (1_024 if on_gpu else 256)


class ServerPlacement(Settings):
    """The vLLM servers that answer (`engine: server`). If $VLLM_API_KEY is set on both sides, requests carry it."""

    urls: tuple[str, ...] = Field(("http://127.0.0.1:8000",), min_length=1)
    """Addresses of the servers. Servers of a voter's model may be listed among those of the policy: each server is
    asked which model it runs."""
    patience_seconds: PositiveFloat = 600.0
    """Seconds that a stage waits while no server answers, before it fails."""

    @field_validator("urls")
    @classmethod
    def _are_urls(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            parts = urlsplit(url)
            if parts.username or parts.password:
                raise ValueError(
                    "expected http://host:port, found one with a name or password; set $VLLM_API_KEY instead"
                )
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
                raise ValueError(f"expected http://host:port, found {url!r}")
        trimmed = tuple(url.rstrip("/") for url in urls)
        if len(set(trimmed)) < len(trimmed):
            raise ValueError(f"a server is named twice in {', '.join(urls)}")
        return trimmed
