"""The protocol of engines, which generate text with a policy, and the rules that all engines keep. No torch here.

An engine holds at most one policy, named by the key of its artifact. Stages pass token ids, not text, and get token
ids with their log-probabilities back, so that nothing is tokenised twice (docs/explanation/method.md, 4.11).

Rules that every engine keeps (tests/unit/engines/test_conformance.py):
- The randomness of each response comes from its own seed alone: not from the other responses of the call, nor from
  their order. (Batched float arithmetic may still differ in the last bits between batch sizes.)
- The same call to an engine that holds the same policy gives the same responses. From `fake` and `transformers`, whose
  batches follow from the call alone, every byte is the same. `vllm` and `server` group responses by
  arrival: log-probabilities agree within 1e-5 in float32, and token ids, text and finish reason are the same unless two
  tokens are so close that the last bits decide between them. With bfloat16, as on a GPU, last bits are coarser: a
  response may differ from some token on.
- `logprobs` are taken from softmax(logits / temperature) before the presence penalty and the top-p cut: the
  distribution the trainer recomputes. With temperature 0 (greedy) they are taken at temperature 1.
- The presence penalty counts the tokens of the response, not those of the prompt.
- What stands in a question is text, even if it reads like a control token of the policy ("<|im_end|>").
- A prompt begins as the tokenizer begins a text (most often with a BOS token), exactly once.
- A response ends with any token that the policy's files, or its chat template, end an answer with.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from stages.chat.options import PLAIN, ChatOptions
from stages.chat.template import Message, chat_messages
from stages.settings.sample import AnswerPrompt
from storage.errors import InputError

Progress = Callable[[int, int], None]
"""Called with the numbers of responses finished, and of their tokens, since `generate` was called."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplingParams:
    """How tokens are picked. Raises ValueError if a value is outside its range."""

    temperature: float
    """0: always the most probable token."""
    top_p: float = 1.0
    """Sample from the smallest set of tokens whose probability reaches this; in (0, 1]."""
    presence_penalty: float = 0.0
    """Subtracted from the logit of every token that already occurs in the response."""
    max_tokens: int
    """Longest response, in tokens, eos included."""
    stop: tuple[str, ...] = ()
    """A response ends where its text first contains one of these, or with the control token of this text."""

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
    """Decoded without special tokens, cut before the stop string. Thinking stands between <think> and </think>,
    whatever marks the model uses; if the prompt opened it, the text starts with <think>."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Prompts with the same sampling parameters, answered together. Stages subclass it to add fields."""

    prompts: Sequence[Sequence[int]]
    """Token ids."""
    seeds: Sequence[Sequence[int]]
    """For each prompt, one seed (0 <= seed < 2^63) for each requested response."""
    params: SamplingParams


AnyBatch = TypeVar("AnyBatch", bound=Batch)
Responses = list[list[Completion]]
"""For each prompt of a batch, in order, one completion for each of its seeds."""


@dataclass(kw_only=True, slots=True)
class EngineCounters:
    """How often the engine was started and loaded a policy so far, and how many seconds that took."""

    starts: int = 0
    start_seconds: float = 0.0
    loads: int = 0
    """Loaded policies, those loaded by a start included."""
    load_seconds: float = 0.0
    """Seconds of loads, without those that were part of a start."""


class Engine(Protocol):
    """Generate responses to prompts, with one policy at a time.

    Example::

        engine.load(folder, key)
        params = SamplingParams(temperature=1.0, max_tokens=64)
        batch = Batch(prompts=[engine.encode("1 + 1 =")], seeds=[[7, 8]], params=params)
        for batch, responses in engine.generate([batch]):
            first, second = responses[0]
            print(first.text, second.text)
        engine.sleep()
    """

    # Loading and unloading a policy.

    counters: EngineCounters
    """Starts and loads since the engine was made."""

    @property
    def on_gpu(self) -> bool:
        """Whether the engine holds memory of this machine's GPUs, which the trainer needs too."""

    @property
    def policy_key(self) -> str | None:
        """Key of the policy that the engine holds; None before `load` and after `sleep`."""

    @property
    def starting(self) -> str:
        """What the next `load` has to wait for, such as "starting vLLM"; empty if it is nothing worth saying."""

    def start(self, folder: Path) -> None:
        """Begin to start the engine and return at once, so that it starts while something else works.

        `folder` is a model folder of the architecture that the next `load` will name. That `load` raises the error of
        the start, if there is one. Does nothing if the engine runs already, or starts fast.
        """

    def load(self, folder: Path, key: str, chat: ChatOptions = PLAIN) -> None:
        """Load a policy, unless the engine already holds the policy of this key; from now on, ask as `chat` says.

        Raises InputError, naming the folder, if weights, configuration or tokenizer are missing or unusable.

        Args:
            folder: a Hugging Face model folder.
            key: key of the policy's artifact.
            chat: how the policy is asked as in a chat, and how its responses are read.
        """

    def sleep(self) -> None:
        """Drop the policy and give its memory back; the next `load` brings a policy in again."""

    def close(self) -> None:
        """Release everything; the engine must not be used afterwards."""

    # Generation with that policy. Whatever needs a policy raises RuntimeError if none is loaded.

    @property
    def max_model_tokens(self) -> int:
        """Longest prompt + response, in tokens."""

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a prompt. Names of control tokens in `text` count as such; see `as_text`."""

    def as_text(self, content: str) -> str:
        """Return `content` in a form in which `encode` reads no control token; for parts of a prompt."""

    def encode_chat(self, messages: Sequence[Message]) -> list[int]:
        """Return the token ids of a chat in the policy's own template, up to where the answer starts.

        All contents are text. Raises InputError if the policy has no chat template, or if the template refuses.
        """

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of `token_ids`, without special tokens."""

    def generate(
        self, batches: Iterable[AnyBatch], progress: Progress | None = None
    ) -> Iterator[tuple[AnyBatch, Responses]]:
        """Yield each batch with its responses as soon as the batch is complete, in any order.

        A response that reaches the end of the context is cut there. Raises InputError if a prompt is empty or leaves no
        room for a token; the message gives the prompt's position in its batch.

        Args:
            batches: may be read before earlier batches are complete, so that an engine which works on many responses at
                a time stays busy.
            progress: called now and then, and after the last response.
        """


class Encoder(Protocol):
    """The part of an engine, or of a tokenizer, that makes prompts; see `Engine`."""

    def encode(self, text: str) -> list[int]: ...

    def as_text(self, content: str) -> str: ...

    def encode_chat(self, messages: Sequence[Message]) -> list[int]: ...


def encode_question(engine: Encoder, prompt: AnswerPrompt, question: str, before: str = "") -> list[int]:
    """Return the token ids of a question's prompt, with the text `before` (worked examples) in front of it.

    Questions in `before` are as `Engine.as_text` returns them.
    """
    text = before + prompt.template.replace("{question}", engine.as_text(question))
    return engine.encode_chat(chat_messages(prompt.system, text)) if prompt.chat else engine.encode(text)


def check_request(batch: Batch, max_model_tokens: int) -> None:
    """Raise an error if a batch cannot be answered.

    InputError: a prompt is empty, or leaves no room for a token. ValueError: prompts and seeds differ in number.
    """
    if len(batch.prompts) != len(batch.seeds):
        raise ValueError(f"{len(batch.prompts)} prompts but {len(batch.seeds)} lists of seeds")
    for index, prompt in enumerate(batch.prompts):
        if not prompt:
            raise InputError(f"prompt {index} is empty: expected at least one token")
        if len(prompt) >= max_model_tokens:
            raise InputError(
                f"prompt {index} has {len(prompt)} tokens, but the policy's context is {max_model_tokens} for prompt "
                "and response together: shorten the prompt or use a policy with a longer context"
            )


def find_stop(text: str, stop: Sequence[str]) -> int | None:
    """Return the position of the earliest stop string in `text`, None if there is none."""
    return min((position for s in stop if (position := text.find(s)) >= 0), default=None)


def cut_at_stop(completion: Completion, stop: Sequence[str], decode: Callable[[Sequence[int]], str]) -> Completion:
    """Return the completion, cut at its first stop string.

    The tokens end with the one that completes the string; the text ends before the string. That token is found by
    bisection, with about log2(tokens) decodings. Bisection requires that every prefix of the tokens decodes to a prefix
    of the text, except for an incomplete last character.
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
