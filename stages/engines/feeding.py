"""Keeps an engine busy that works on many responses at a time, across the borders of batches. No torch here."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic

from stages.engines.base import AnyBatch, Completion, Progress, Responses, SamplingParams


@dataclass(eq=False, slots=True)
class Open(Generic[AnyBatch]):
    """A batch of which responses are missing."""

    batch: AnyBatch
    missing: int = field(init=False)
    _done: dict[tuple[int, int], Completion] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.missing = sum(map(len, self.batch.seeds))

    def put(self, prompt: int, sample: int, completion: Completion) -> None:
        """Fill in one response."""
        self._done[prompt, sample] = completion
        self.missing -= 1

    @property
    def responses(self) -> Responses:
        """All of them, once none is missing."""
        return [[self._done[i, j] for j in range(len(seeds))] for i, seeds in enumerate(self.batch.seeds)]


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Request(Generic[AnyBatch]):
    """One response that is wanted."""

    open: Open[AnyBatch]
    place: int
    """Of its prompt in the batch."""
    sample: int

    @property
    def prompt(self) -> Sequence[int]:
        return self.open.batch.prompts[self.place]

    @property
    def seed(self) -> int:
        return self.open.batch.seeds[self.place][self.sample]

    @property
    def params(self) -> SamplingParams:
        return self.open.batch.params


def feed(
    batches: Iterable[AnyBatch],
    *,
    ahead: int,
    check: Callable[[AnyBatch], None],
    submit: Callable[[Request[AnyBatch]], None],
    wait: Callable[[], list[tuple[Request[AnyBatch], Completion]]],
    progress: Progress | None,
) -> Iterator[tuple[AnyBatch, Responses]]:
    """See `Engine.generate`. Keeps `ahead` requests under way as long as there are any.

    `check` sees every batch before it is begun, `submit` begins a request, `wait` returns those that have ended since
    it was called last, at least one.
    """
    requests = _requests(batches, check)
    under_way = rows = tokens = 0
    more = True
    while more or under_way:
        while more and under_way < ahead:
            match next(requests, None):
                case None:
                    more = False
                case Open() as empty:
                    yield empty.batch, empty.responses
                case request:
                    submit(request)
                    under_way += 1
        ended = wait() if under_way else []
        for request, completion in ended:
            request.open.put(request.place, request.sample, completion)
            under_way, rows, tokens = under_way - 1, rows + 1, tokens + len(completion.token_ids)
        if ended and progress is not None:
            progress(rows, tokens)
        for opened in {request.open: None for request, _ in ended}:
            if not opened.missing:
                yield opened.batch, opened.responses


def _requests(
    batches: Iterable[AnyBatch], check: Callable[[AnyBatch], None]
) -> Iterator[Request[AnyBatch] | Open[AnyBatch]]:
    """The requests of every batch, those of a prompt side by side; a batch that wants nothing stands for itself."""
    for batch in batches:
        check(batch)
        opened = Open(batch)
        if not opened.missing:
            yield opened
        for place, seeds in enumerate(batch.seeds):
            for sample in range(len(seeds)):
                yield Request(open=opened, place=place, sample=sample)
