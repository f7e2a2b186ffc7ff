"""Which engines there are, and where and how they run. No torch here."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from stages.settings import Settings

EngineKind = Literal["fake", "transformers", "vllm", "server"]

OWNER = "SERL_VLLM_OWNER"
"""Environment variable of vLLM's processes: the run or server that started them."""


class VllmPlacement(Settings):
    """How vLLM runs: in the run's own process (`engine: vllm`), or as a server (`serl serve`, `engine: server`)."""

    tensor_parallel: PositiveInt = Field(1, description="GPUs that share one copy of the model.")
    data_parallel: PositiveInt = Field(1, description="Copies of the model that one server has.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: bfloat16 on a GPU, float32 on a CPU."
    )
    quantization: str | None = Field(None, description="As vLLM names them, such as fp8; none when not set.")
    max_model_tokens: PositiveInt = Field(4_096, description="Longest prompt and response together.")
    max_sequences: PositiveInt = Field(256, description="Responses computed at the same time.")
    memory_share: PositiveFloat = Field(0.9, le=1, description="Share of a GPU's memory for weights and cache.")
    cache_gib: PositiveFloat = Field(1.0, description="GiB of main memory for the cache, where there is no GPU.")


class ServerPlacement(Settings):
    """The vLLM servers that answer (`engine: server`). With $VLLM_API_KEY set, on both sides, it is asked for."""

    urls: tuple[str, ...] = Field(
        ("http://127.0.0.1:8000",),
        min_length=1,
        description="Where they listen. Servers of a voter's model may stand among those of the policy: each is asked "
        "which model it runs.",
    )
    patience_seconds: PositiveFloat = Field(
        600.0, description="How long a stage waits while no server answers, before it fails."
    )

    @field_validator("urls")
    @classmethod
    def _are_urls(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            found = urlsplit(url)
            if found.username or found.password:
                raise ValueError(
                    "expected http://host:port, found one with a name or password; set $VLLM_API_KEY instead"
                )
            if found.scheme not in ("http", "https") or not found.hostname or found.query:
                raise ValueError(f"expected http://host:port, found {url!r}")
        trimmed = tuple(url.rstrip("/") for url in urls)
        if len(set(trimmed)) < len(trimmed):
            raise ValueError(f"a server is named twice in {', '.join(urls)}")
        return trimmed
