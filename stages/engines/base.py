"""What every stage that generates text asks of an engine, and the few rules all engines share. No torch here.

An engine holds at most one policy, named by the key of its artifact. Stages hand it token ids, not text, and get
token ids with their log-probabilities back, so that nothing is tokenised twice (docs/explanation/method.md, 4.11).

Rules that every engine keeps (tests/unit/engines/test_conformance.py):
- A row is one wanted response. Its randomness comes from its own seed and nothing else: not from the other rows of
  the call, nor from their order. (Batched float arithmetic may still differ in the last bits between batch sizes.)
- The same call to an engine that holds the same policy gives the same responses. From `fake` and `transformers`, whose
  batches follow from the call alone, every byte is the same. `vllm` and `server` compute together what happens to be
  there: log-probabilities agree within 1e-5 in float32, and token ids, text and finish reason are the same unless two
  tokens are so close that the last bits decide between them.
- `logprobs` are taken from softmax(logits / temperature) before the presence penalty and the top-p cut: the
  distribution the trainer recomputes. With temperature 0 (greedy) they are taken at temperature 1.
- The presence penalty counts the tokens of the response, not those of the prompt.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from stages.settings.sample import AnswerPrompt
from storage.errors import InputError

# Called with (responses finished, their tokens) since `generate` was called.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplingParams:
    """How to pick tokens. Raises ValueError on a value outside its range."""

    temperature: float
    """0 takes the most probable token."""
    top_p: float = 1.0
    """Sample from the smallest set of tokens whose probability reaches this; in (0, 1]."""
    presence_penalty: float = 0.0
    """Taken from the logit of every token that already occurs in the response."""
    max_tokens: int
    """Longest response, in tokens, eos included."""
    stop: tuple[str, ...] = ()
    """A response ends where its text first contains one of these."""

    def __post_init__(self) -> None:
        if self.temperature < 0 or not 0 < self.top_p <= 1 or self.max_tokens < 1 or "" in self.stop:
            raise ValueError(f"expected temperature >= 0, 0 < top_p <= 1, max_tokens >= 1, no empty stop; found {self}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Completion:
    """One response."""

    token_ids: list[int]
    """Every sampled token, the eos token included when the response ends with one."""
    logprobs: list[float]
    """Log-probability of each token (see the rules above); as long as `token_ids`."""
    finish_reason: Literal["stop", "length"]
    """"stop": an eos token or a stop string; "length": cut by max_tokens or by the end of the context."""
    text: str
    """Decoded without special tokens, cut before the stop string."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Prompts that are answered alike, and whose responses are wanted together. Stages add fields of their own."""

    prompts: Sequence[Sequence[int]]
    """Token ids."""
    seeds: Sequence[Sequence[int]]
    """For each prompt one seed (0 <= seed < 2^63) for each response wanted."""
    params: SamplingParams


AnyBatch = TypeVar("AnyBatch", bound=Batch)
Responses = list[list[Completion]]
"""Of every prompt of a batch, in order: one completion for each of its seeds."""


@dataclass(kw_only=True, slots=True)
class EngineUse:
    """What an engine's readiness has cost so far."""

    starts: int = 0
    start_seconds: float = 0.0
    loads: int = 0
    """Policies loaded, those of a start included."""
    load_seconds: float = 0.0
    """Without those of a start."""


class Engine(Protocol):
    """Generates responses with one policy at a time."""

    use: EngineUse

    @property
    def on_gpu(self) -> bool:
        """Whether it holds memory of this machine's GPUs, which the trainer wants too."""

    @property
    def policy_key(self) -> str | None:
        """Key of the policy whose weights are held, None before `load` and after `sleep`."""

    @property
    def max_model_tokens(self) -> int:
        """Longest prompt + response, in tokens."""

    def load(self, folder: Path, key: str) -> None:
        """Load the Hugging Face model in `folder`; nothing happens when `key` is what the engine holds already.

        Raises InputError, naming the folder, where weights, configuration or tokenizer are missing or unusable.
        """

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`, no special tokens added."""

    def encode_chat(self, messages: list[dict[str, str]]) -> list[int]:
        """Token ids of a chat in the policy's own template, ending where the answer starts.

        Raises InputError when the policy has no chat template.
        """

    def decode(self, token_ids: Sequence[int]) -> str:
        """Text of `token_ids`, special tokens left out."""

    def generate(
        self, batches: Iterable[AnyBatch], progress: Progress | None = None
    ) -> Iterator[tuple[AnyBatch, Responses]]:
        """Each batch with its responses, as soon as it is complete, in any order.

        Batches are taken while others are under way, so an engine that works on many responses at a time never waits
        for the last ones of a batch. A response that reaches the end of the context is cut there. Raises InputError,
        naming the prompt, when a prompt is empty or leaves no room for a token.
        """

    def sleep(self) -> None:
        """Give the memory back; the next `load` brings a policy in again."""

    def close(self) -> None:
        """Release everything; the engine is not used afterwards."""


def encode_question(engine: Engine, prompt: AnswerPrompt, question: str, before: str = "") -> list[int]:
    """Return the token ids of a question's prompt; `before` is text in front of the question (worked examples)."""
    text = before + prompt.template.replace("{question}", question)
    if not prompt.chat:
        return engine.encode(text)
    messages = [{"role": "system", "content": prompt.system}] if prompt.system else []
    return engine.encode_chat([*messages, {"role": "user", "content": text}])


def check_request(batch: Batch, max_model_tokens: int) -> None:
    """Refuse, before any work is done, prompts that cannot be answered (InputError) and uneven lists (ValueError)."""
    if len(batch.prompts) != len(batch.seeds):
        raise ValueError(f"{len(batch.prompts)} prompts but {len(batch.seeds)} lists of seeds")
    for row, prompt in enumerate(batch.prompts):
        if not prompt:
            raise InputError(f"prompt {row} is empty: expected at least one token")
        if len(prompt) >= max_model_tokens:
            raise InputError(
                f"prompt {row} has {len(prompt)} tokens, but the policy's context is {max_model_tokens} for prompt and "
                "response together: shorten the prompt or use a policy with a longer context"
            )


def find_stop(text: str, stop: Sequence[str]) -> int | None:
    """Where the earliest stop string starts in `text`, None when there is none."""
    return min((position for s in stop if (position := text.find(s)) >= 0), default=None)


def cut_at_stop(completion: Completion, stop: Sequence[str], decode: Callable[[Sequence[int]], str]) -> Completion:
    """The completion ended at the token that completes its first stop string, the text cut before the string.

    `decode` must be such that a prefix of the tokens gives (up to a broken last character) a prefix of the text: the
    token is found by bisection, in log2(tokens) decodings.
    """
    if find_stop(completion.text, stop) is None:
        return completion
    low, high = 1, len(completion.token_ids)
    while low < high:
        middle = (low + high) // 2
        if find_stop(decode(completion.token_ids[:middle]), stop) is None:
            low = middle + 1
        else:
            high = middle
    text = decode(completion.token_ids[:low])
    return Completion(
        token_ids=completion.token_ids[:low],
        logprobs=completion.logprobs[:low],
        finish_reason="stop",
        text=text[: find_stop(text, stop)],
    )
