"""Which engines there are, and where and how they run. No torch here."""

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from stages.settings import Settings

EngineKind = Literal["fake", "transformers", "vllm"]


class VllmPlacement(Settings):
    """How vLLM runs on this machine (`engine: vllm`)."""

    tensor_parallel: PositiveInt = Field(1, description="GPUs that share one copy of the model.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: bfloat16 on a GPU, float32 on a CPU."
    )
    quantization: str | None = Field(None, description="As vLLM names them, such as fp8; none when not set.")
    max_model_tokens: PositiveInt = Field(4_096, description="Longest prompt and response together.")
    max_sequences: PositiveInt = Field(256, description="Responses computed at the same time.")
    memory_share: PositiveFloat = Field(0.9, le=1, description="Share of a GPU's memory for weights and cache.")
    cache_gib: PositiveFloat = Field(1.0, description="GiB of main memory for the cache, where there is no GPU.")
