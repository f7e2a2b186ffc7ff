"""Identities are stable across machines and versions: the spelling that is hashed is written out here."""

import hashlib
from pathlib import Path

import pytest

from storage.fingerprint import canonical_json, derive_seed, digest_file, digest_files, fingerprint, short


def test_canonical_json_has_one_spelling() -> None:
    assert (
        canonical_json({"b": [1, 2.5, None, True], "a": {"é": "x y"}})
        == '{"a":{"é":"x y"},"b":[1,2.5,null,true]}'.encode()
    )
    assert canonical_json({"a": 1, "b": 2}) == canonical_json({"b": 2, "a": 1})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_know_is_refused(value: float) -> None:
    with pytest.raises(ValueError):
        canonical_json({"a": value})


def test_fingerprint_is_sha256_of_that_spelling() -> None:
    literal = b'{"iteration":1,"seed":3,"stage":"vote_rewards"}'
    assert fingerprint({"stage": "vote_rewards", "seed": 3, "iteration": 1}) == hashlib.sha256(literal).hexdigest()


def test_a_folder_is_known_by_names_and_digests_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    one, two = hashlib.sha256(b"one").hexdigest(), hashlib.sha256(b"two").hexdigest()
    assert digest_file(tmp_path / "a") == one
    expected = hashlib.sha256(f'[["a","{one}"],["b","{two}"]]'.encode()).hexdigest()
    assert digest_files([("b", two), ("a", one)]) == expected


def test_derived_seeds_fit_into_63_bits_and_differ() -> None:
    seeds = {derive_seed(run, "sampling", row) for run in range(10) for row in range(1_000)}
    assert len(seeds) == 10_000
    assert all(0 <= seed < 2**63 for seed in seeds)
    # Uniform: about half of them above 2^62 (standard deviation 50).
    assert abs(sum(seed >= 2**62 for seed in seeds) - 5_000) < 250


def test_derived_seed_is_the_hash_of_the_names() -> None:
    first_eight = hashlib.sha256(b'[3,0,1,"vote_rewards","q1"]').digest()[:8]
    assert derive_seed(3, 0, 1, "vote_rewards", "q1") == int.from_bytes(first_eight, "big") // 2


def test_names_do_not_run_together() -> None:
    assert (
        len({derive_seed("a", "bc"), derive_seed("ab", "c"), derive_seed("abc"), derive_seed(1, 2), derive_seed(12)})
        == 5
    )


def test_a_key_in_a_path_is_no_number() -> None:
    assert short("0123456789abcdef" * 4) == "k0123456789ab"
