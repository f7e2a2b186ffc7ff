"""Weights that a run no longer needs are let go after each iteration: old optimiser states, and policies that no rule
of `keep.policies` asks for and that are no voter, no reference and not what the watchdog would go back to.

A 7B policy has 30 GB and its optimiser's state 60 GB; every one of some hundred iterations kept is no run but a fire.
Tables are always kept. A later need of what was let go is met by computing it again (`serl repair`).
"""

from flows.config.run import KeepBest
from flows.iteration import RunProgress
from stages.benchmarks.metrics import WHOLE
from storage.artifact import read_manifest
from storage.retention import prune
from storage.run import Run
from storage.store import Store

UPDATE = "ppo_update"


def prune_weights(ledger: RunProgress, store: Store) -> int:
    """Let go what the settings (`keep`) do not keep; returns the bytes."""
    keep = ledger.config.keep
    # An iteration whose update was skipped goes on with the weights of the one before.
    updated = [number for number, stages in sorted(ledger.stages.items()) if UPDATE in stages]
    last = ledger.finished - 1
    oldest_voter = min((voter.iteration or 0 for voter in ledger.config.voters), default=0)
    voting = set(range(last + oldest_voter, last + 1))
    refresh = ledger.config.refresh_reference
    reference = {last // refresh * refresh if refresh else 0}
    every = set(range(0, last + 1, keep.policies.every)) if keep.policies.every else set()
    best = best_policies(Run(store, ledger.revision()), keep.policies.best) if keep.policies.best else set()
    on_breach = ledger.config.watchdog.on_breach
    good = set()  # what the watchdog may name as the last good policy, or go back to
    if on_breach != "warn" and ledger.states:
        good = _producers(updated, ledger.states[-1].health.rollback_targets(last + 1))
    wanted = {
        "trainer_state": set(updated[-keep.trainer_states :]) | (good if on_breach == "rollback" else set()),
        "policy": set(updated[-keep.policies.last :]) | _producers(updated, every | best | voting | reference) | good,
    }
    # Also what a kill left between the tombstone and the removal.
    there = {kind: {path.split("/")[2] for path in store.listing(kind)} for kind in wanted}
    freed = 0
    for number in updated:
        manifest = None
        for kind, kept in wanted.items():
            if number in kept:
                continue
            if f"key={_key(ledger.stages[number][UPDATE])}" in there[kind]:
                manifest = manifest or read_manifest(store, ledger.stages[number][UPDATE])
                freed += prune(store, manifest, kind)
    for stages in ledger.abandoned:
        if UPDATE in stages and any(f"key={_key(stages[UPDATE])}" in keys for keys in there.values()):
            manifest = read_manifest(store, stages[UPDATE])
            freed += sum(prune(store, manifest, kind) for kind in there)
    return freed


def _key(manifest: str) -> str:
    """The key in a manifest's path, as folders carry it."""
    return manifest.removesuffix(".json").rsplit("-", 1)[1]


def best_policies(run: Run, best: KeepBest) -> set[int]:
    """The iterations whose policies are the best so far, of those measured; of equal ones the earlier."""
    measured: list[tuple[float, int]] = []
    for number in run.iterations:
        if best.signal is None:
            value, policy = _validation(run, number, best.benchmark), number
        else:
            # Its responses were sampled by the policy that the iteration before ended with.
            value, policy = run.metrics(number).get(best.signal), number - 1
        if value is not None:
            measured.append((-value, policy))
    return {policy for _, policy in sorted(measured)[: best.count]}


def _validation(run: Run, iteration: int, benchmark: str | None) -> float | None:
    """Pass@1 on a benchmark, sampled where it is, None where the policy was not evaluated."""
    if "evaluate" not in run.manifests(iteration):
        return None
    values: dict[str, float] = {
        row["metric"]: row["value"]
        for row in run.table("results", iteration=iteration).iter_rows(named=True)
        if row["benchmark"] == benchmark and row["slice"] == WHOLE
    }
    return values.get("pass1_sampled", values.get("pass1_greedy"))


def _producers(updated: list[int], iterations: set[int]) -> set[int]:
    """The iterations whose updates made the policies that `iterations` ended with."""
    return {max((made for made in updated if made <= number), default=0) for number in iterations}
