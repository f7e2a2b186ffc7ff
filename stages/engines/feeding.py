"""Keeps engines busy that work on many responses at a time: a batch begins before the previous batch is complete.

No torch here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic

from stages.engines.base import AnyBatch, Completion, Progress, Responses, SamplingParams


@dataclass(eq=False, slots=True)
class PartialBatch(Generic[AnyBatch]):
    """A batch and the responses to it that have come so far."""

    batch: AnyBatch
    missing: int = field(init=False)
    """Number of responses that have not come."""
    _completions: dict[tuple[int, int], Completion] = field(default_factory=dict)
    """(prompt's index in the batch, response's index among those of the prompt) -> response."""

    def __post_init__(self) -> None:
        self.missing = sum(map(len, self.batch.seeds))

    def add(self, prompt_index: int, response_index: int, completion: Completion) -> None:
        """Add one response."""
        self._completions[prompt_index, response_index] = completion
        self.missing -= 1

    @property
    def responses(self) -> Responses:
        """All responses, in the batch's order. Raises KeyError while one is missing."""
        return [[self._completions[i, j] for j in range(len(seeds))] for i, seeds in enumerate(self.batch.seeds)]


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Request(Generic[AnyBatch]):
    """A request for one response."""

    partial: PartialBatch[AnyBatch]
    """The batch that the response belongs to."""
    prompt_index: int
    """Index of the prompt in the batch."""
    response_index: int
    """Index of the response among those of its prompt."""

    @property
    def prompt(self) -> Sequence[int]:
        return self.partial.batch.prompts[self.prompt_index]

    @property
    def seed(self) -> int:
        return self.partial.batch.seeds[self.prompt_index][self.response_index]

    @property
    def params(self) -> SamplingParams:
        return self.partial.batch.params


def feed(
    batches: Iterable[AnyBatch],
    *,
    max_requests: int,
    check: Callable[[AnyBatch], None],
    submit: Callable[[Request[AnyBatch]], None],
    wait: Callable[[], list[tuple[Request[AnyBatch], Completion]]],
    progress: Progress | None,
) -> Iterator[tuple[AnyBatch, Responses]]:
    """Yield each batch with its responses as soon as the batch is complete, as `Engine.generate` promises.

    Args:
        batches: read only as far as requests are needed.
        max_requests: number of requests to keep under way, while there are enough.
        check: raises an error if a batch cannot be answered; called before the batch begins.
        submit: begins a request.
        wait: returns the requests that ended since the last call, at least one.
        progress: called with the numbers of responses and of their tokens so far.
    """
    requests = _requests(batches, check)
    under_way = rows = tokens = 0
    more = True
    while more or under_way:
        while more and under_way < max_requests:
            match next(requests, None):
                case None:
                    more = False
                case PartialBatch() as empty:
                    yield empty.batch, empty.responses
                case request:
                    submit(request)
                    under_way += 1
        ended = wait() if under_way else []
        for request, completion in ended:
            request.partial.add(request.prompt_index, request.response_index, completion)
            under_way, rows, tokens = under_way - 1, rows + 1, tokens + len(completion.token_ids)
        if ended and progress is not None:
            progress(rows, tokens)
        for partial in {request.partial: None for request, _ in ended}:
            if not partial.missing:
                yield partial.batch, partial.responses


def _requests(
    batches: Iterable[AnyBatch], check: Callable[[AnyBatch], None]
) -> Iterator[Request[AnyBatch] | PartialBatch[AnyBatch]]:
    """Yield the requests of every batch, prompt after prompt; for a batch without requests, its PartialBatch."""
    for batch in batches:
        check(batch)
        partial = PartialBatch(batch)
        if not partial.missing:
            yield partial
        for prompt_index, seeds in enumerate(batch.seeds):
            for response_index in range(len(seeds)):
                yield Request(partial=partial, prompt_index=prompt_index, response_index=response_index)
