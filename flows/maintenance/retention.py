"""Prune the weights that a run no longer needs, after each iteration.

Deletes old optimiser states, and policies that neither `keep.policies` nor the run needs (as voter, as reference, or as
the watchdog's last good policy). A 7B policy has 30 GB and its optimiser state 60 GB, so a run of a hundred iterations
cannot keep them all. Tables are always kept. If pruned weights are needed later, `serl repair` computes them again.
"""

from flows.config.retention import KeepBest
from flows.run_progress import RunProgress
from stages.benchmarks.metrics import WHOLE
from stages.evaluate import EVALUATE
from stages.ppo_update import PPO_UPDATE
from storage.artifact import read_manifest
from storage.prune import prune
from storage.run import Run
from storage.store import Store


def prune_weights(progress: RunProgress, store: Store) -> int:
    """Remove the weights that neither `keep` nor the run needs; return the number of bytes freed."""
    update = PPO_UPDATE.name
    # An iteration whose update was skipped continues with the weights of the iteration before.
    updated = [number for number, stages in sorted(progress.stages.items()) if update in stages]
    kept_by_kind = _iterations_to_keep(progress, store, updated)
    # Folders that still have files, even if they have a tombstone: a process may have been killed after it wrote the
    # tombstone and before it deleted the files.
    existing = {kind: {path.split("/")[2] for path in store.listing(kind)} for kind in kept_by_kind}
    freed = 0
    for number in updated:
        path, manifest = progress.stages[number][update], None
        for kind, kept in kept_by_kind.items():
            if number not in kept and f"key={_key(path)}" in existing[kind]:
                manifest = manifest or read_manifest(store, path)
                freed += prune(store, manifest, kind)
    for stages in progress.abandoned:
        if update in stages and any(f"key={_key(stages[update])}" in keys for keys in existing.values()):
            manifest = read_manifest(store, stages[update])
            freed += sum(prune(store, manifest, kind) for kind in existing)
    return freed


def best_policies(run: Run, best: KeepBest) -> set[int]:
    """Return the iterations whose policies are the best so far; among equal ones, the earliest."""
    measured: list[tuple[float, int]] = []
    for number in run.iterations:
        if best.signal is None:
            value, policy = _validation_accuracy(run, number, best.benchmark), number
        else:
            # Iteration k samples with the policy that iteration k - 1 ended with, so its signal measures that policy.
            value, policy = run.metrics(number).get(best.signal), number - 1
        if value is not None:
            measured.append((-value, policy))
    return {policy for _, policy in sorted(measured)[: best.count]}


def _iterations_to_keep(progress: RunProgress, store: Store, updated: list[int]) -> dict[str, set[int]]:
    """Return the iterations whose weights are kept, for each kind of weights."""
    config, keep = progress.config, progress.config.keep
    last = progress.finished - 1
    oldest_voter_offset = min((voter.iteration or 0 for voter in config.voters), default=0)
    voter_iterations = set(range(last + oldest_voter_offset, last + 1))
    refresh = config.refresh_reference
    reference = {last // refresh * refresh if refresh else 0}
    every_nth = set(range(0, last + 1, keep.policies.every)) if keep.policies.every else set()
    best = best_policies(Run(store, progress.revision()), keep.policies.best) if keep.policies.best else set()
    on_breach = config.watchdog.on_breach
    last_good = set()  # the policies that the watchdog may name as the last good one, or roll back to
    if on_breach != "warn" and progress.states:
        last_good = _producers(updated, progress.states[-1].health.rollback_targets(last + 1))
    return {
        "trainer_state": set(updated[-keep.trainer_states :]) | (last_good if on_breach == "rollback" else set()),
        "policy": set(updated[-keep.policies.last :])
        | _producers(updated, every_nth | best | voter_iterations | reference)
        | last_good,
    }


def _key(manifest_path: str) -> str:
    """Return the key in a manifest's path, in the form that folder names have."""
    return manifest_path.removesuffix(".json").rsplit("-", 1)[1]


def _validation_accuracy(run: Run, iteration: int, benchmark: str | None) -> float | None:
    """Return pass@1 on a benchmark, of sampled responses if there are any, else of greedy ones.

    None if the policy was not evaluated on it.
    """
    if EVALUATE.name not in run.manifests(iteration):
        return None
    values: dict[str, float] = {
        row["metric"]: row["value"]
        for row in run.table("results", iteration=iteration).iter_rows(named=True)
        if row["benchmark"] == benchmark and row["slice"] == WHOLE
    }
    return values.get("pass1_sampled", values.get("pass1_greedy"))


def _producers(updated: list[int], iterations: set[int]) -> set[int]:
    """Return the iterations that made the policies of `iterations`: for each, the last one up to it with an update.

    0 (the starting policy) if there was no update.
    """
    return {max((update for update in updated if update <= iteration), default=0) for iteration in iterations}
