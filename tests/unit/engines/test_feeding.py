"""Feeding rows to an engine that answers many at a time."""

from collections.abc import Iterator

from stages.engines.base import Batch, Completion, SamplingParams
from stages.engines.feeding import Request, feed

PARAMS = SamplingParams(temperature=1.0, max_tokens=4)


class Machine:
    """Answers the request that came last, one at a time, and counts how many are under way."""

    def __init__(self) -> None:
        self.under_way: list[Request[Batch]] = []
        self.seen: list[int] = []

    def wait(self) -> list[tuple[Request[Batch], Completion]]:
        self.seen.append(len(self.under_way))
        request = self.under_way.pop()
        ids = [*request.prompt, request.seed]
        return [(request, Completion(token_ids=ids, logprobs=[0.0] * len(ids), finish_reason="stop", text=""))]


def test_the_engine_is_never_short_of_rows_at_the_end_of_a_batch() -> None:
    machine, taken = Machine(), []

    def batches() -> Iterator[Batch]:
        for n in range(6):
            taken.append(n)
            yield Batch(prompts=[[n], [n + 10]], seeds=[[1, 2], [3]], params=PARAMS)

    calls: list[tuple[int, int]] = []
    done = feed(
        batches(),
        max_requests=4,
        check=lambda batch: None,
        submit=machine.under_way.append,
        wait=machine.wait,
        progress=lambda rows, tokens: calls.append((rows, tokens)),
    )
    first, responses = next(done)
    # No more batches are read than are needed, and answers may come in any order.
    assert taken == [0, 1] and first.prompts[0] == [1]
    assert [[c.token_ids for c in row] for row in responses] == [[[1, 1], [1, 2]], [[11, 3]]]
    rest = list(done)
    assert sorted(batch.prompts[0][0] for batch, _ in [(first, responses), *rest]) == list(range(6))
    # Four under way until there are no more to give: 18 - 3 times.
    assert machine.seen == [4] * 15 + [3, 2, 1]
    assert calls == [(n, 2 * n) for n in range(1, 19)]


def test_a_batch_is_refused_when_it_is_reached() -> None:
    machine = Machine()
    checked: list[Batch] = []
    empty = Batch(prompts=[[1]], seeds=[[]], params=PARAMS)
    answered = feed(
        [empty], max_requests=1, check=checked.append, submit=machine.under_way.append, wait=machine.wait, progress=None
    )
    assert list(answered) == [(empty, [[]])] and checked == [empty] and machine.seen == []
