"""Identities are the same on all machines and in all versions: the JSON that is hashed is written out here."""

import hashlib
import os
from pathlib import Path

import pytest

import storage.fingerprint
from storage.fingerprint import canonical_json, derive_seed, digest_file, digest_files, fingerprint, short


def test_canonical_json_has_one_spelling() -> None:
    assert (
        canonical_json({"b": [1, 2.5, None, True], "a": {"é": "x y"}})
        == '{"a":{"é":"x y"},"b":[1,2.5,null,true]}'.encode()
    )
    assert canonical_json({"a": 1, "b": 2}) == canonical_json({"b": 2, "a": 1})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_lacks_are_refused(value: float) -> None:
    with pytest.raises(ValueError):
        canonical_json({"a": value})


def test_fingerprint_is_the_sha256_of_canonical_json() -> None:
    literal = b'{"iteration":1,"seed":3,"stage":"vote_rewards"}'
    assert fingerprint({"stage": "vote_rewards", "seed": 3, "iteration": 1}) == hashlib.sha256(literal).hexdigest()


def test_a_folders_identity_is_its_names_and_digests(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    digest_a, digest_b = hashlib.sha256(b"one").hexdigest(), hashlib.sha256(b"two").hexdigest()
    assert digest_file(tmp_path / "a") == digest_a
    expected = hashlib.sha256(f'[["a","{digest_a}"],["b","{digest_b}"]]'.encode()).hexdigest()
    assert digest_files([("b", digest_b), ("a", digest_a)]) == expected


@pytest.mark.parametrize(("large", "reads"), [(4, 1), (5, 2)])
def test_a_link_to_a_large_file_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: int, reads: int
) -> None:
    """Weights that a stage has stored were digested under the trainer's name for them."""
    read: list[str] = []
    file_digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda file, kind: read.append(file.name) or file_digest(file, kind))
    monkeypatch.setattr(storage.fingerprint, "LARGE_BYTES", large)
    (tmp_path / "trained").write_bytes(b"good")
    (tmp_path / "stored").hardlink_to(tmp_path / "trained")
    expected = hashlib.sha256(b"good").hexdigest()
    assert [digest_file(tmp_path / name) for name in ("trained", "stored", "stored")] == [expected] * 3
    assert len(read) == reads
    # Damage is seen through either name.
    os.utime(tmp_path / "stored", ns=(1, 1))
    (tmp_path / "stored").write_bytes(b"evil")
    assert digest_file(tmp_path / "trained") == hashlib.sha256(b"evil").hexdigest()


def test_derived_seeds_fit_into_63_bits_and_differ() -> None:
    seeds = {derive_seed(run, "sampling", row) for run in range(10) for row in range(1_000)}
    assert len(seeds) == 10_000
    assert all(0 <= seed < 2**63 for seed in seeds)
    # Uniform: about half of them above 2^62 (standard deviation 50).
    assert abs(sum(seed >= 2**62 for seed in seeds) - 5_000) < 250


def test_derived_seed_is_the_hash_of_the_names() -> None:
    first_eight = hashlib.sha256(b'[3,0,1,"vote_rewards","q1"]').digest()[:8]
    assert derive_seed(3, 0, 1, "vote_rewards", "q1") == int.from_bytes(first_eight, "big") // 2


def test_names_of_a_seed_are_kept_apart() -> None:
    assert (
        len({derive_seed("a", "bc"), derive_seed("ab", "c"), derive_seed("abc"), derive_seed(1, 2), derive_seed(12)})
        == 5
    )


def test_a_key_in_a_path_is_no_number() -> None:
    assert short("0123456789abcdef" * 4) == "k0123456789ab"
