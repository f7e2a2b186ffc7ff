r"""Makes the embedded policy: a tiny Qwen2 with its own tokenizer, trained by supervision on the built-in domain.

The paper starts from a pretrained instruction model; this stage makes one small enough to train on a laptop, and
leaves in it what self-play needs: two ways of answering, of which only one is reliable for a model of this size. It
learns to write out the steps (`30+8=38-2=36 \boxed{36}`), then, late, to state the answer at once (`\boxed{36}`) half of
the time, and both count. The majority of many samples is then often right where one sample is not. A model that
is merely under-trained would not do: its votes are noise. Self-play here elicits what the model half knows.

Nothing is downloaded, nothing of torch is imported until `train_policy` runs, and the folder it writes loads with
`AutoModelForCausalLM` and `AutoTokenizer` alone.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import Field

from stages.settings import Settings

if TYPE_CHECKING:
    pass

Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and a short text."""

END, PAD, START = "<|im_end|>", "<|endoftext|>", "<|im_start|>"
LIST_TASK = "Come up with a series of questions:"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_LIST_PROMPT = f"{START}user\n{LIST_TASK}\n{{examples}}\n{{number}}.{END}\n{START}assistant\n"
_IGNORED = -100


class WarmStartConfig(Settings):
    """The recipe: sizes of the model, amount of data, and when the direct style comes in."""

    width: int = Field(default=96, ge=32, le=1024)
    """Hidden size."""
    layers: int = Field(default=2, ge=1, le=16)
    heads: int = Field(default=3, ge=1, le=32)
    """Attention heads, each with its own keys and values."""
    head_size: int = Field(default=32, ge=32, le=128)
    """vLLM on a CPU needs at least 32."""
    feed_forward: int = Field(default=256, ge=32, le=8192)
    init_std: float = Field(default=0.05, gt=0, le=1)
    vocabulary: int = Field(default=550, ge=400, le=8192)
    """Tokens of the byte-level BPE, special ones included."""
    steps: int = Field(default=1100, ge=1)
    warm_up_steps: int = Field(default=50, ge=0)
    direct_from_step: int = Field(default=950, ge=0)
    """Until here every answer is worked; from here each one is direct with `direct_share`."""
    direct_share: float = Field(default=0.5, ge=0, le=1)
    questions_per_step: int = Field(default=32, ge=1)
    lists_per_step: int = Field(default=3, ge=1)
    examples_in: int = Field(default=2, ge=1, le=16)
    """Questions shown in a list prompt."""
    examples_out: int = Field(default=2, ge=1, le=16)
    """Questions to be written after them."""
    question_loss: float = Field(default=0.3, ge=0)
    """Weight of the question's own tokens beside those of the response (1)."""
    list_loss: float = Field(default=1.0, ge=0)
    learning_rate: float = Field(default=4e-3, gt=0, le=1)
    weight_decay: float = Field(default=0.01, ge=0)
    decay_share: float = Field(default=0.3, gt=0, le=1)
    """The last part of the steps, over which the rate falls linearly to `final_rate`."""
    final_rate: float = Field(default=0.05, ge=0, le=1)
    """Share of the learning rate that the last step still has."""
    clip_norm: float = Field(default=1.0, gt=0)
    seed: int = Field(default=0, ge=0)
    """Told apart by a run that wants several warm starts."""
