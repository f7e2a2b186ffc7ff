"""Identity by content: canonical JSON, digests of bytes, files and folders, and seeds derived from names."""

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

SHORT = 12  # hex digits of a key in a path; the manifest holds all 64, so a collision is noticed


def canonical_json(value: Any) -> bytes:
    """One spelling per value: sorted keys, no white space, UTF-8. NaN is refused, it equals nothing."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def fingerprint(value: Any) -> str:
    """sha256 (64 hex digits) of the canonical JSON of `value`."""
    return digest(canonical_json(value))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """sha256 of a file, computed once per process for the same size and modification time (weights are large)."""
    stat = path.stat()
    return _digest_file(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4_096)
def _digest_file(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_files(digests: Sequence[tuple[str, str]]) -> str:
    """Identity of a folder from its (name, sha256) pairs; where the folder lies does not enter."""
    return fingerprint(sorted(digests))


def derive_seed(*names: str | int) -> int:
    """A 63-bit seed from names such as (run seed, branch, iteration, stage, row).

    Randomness never comes from a stream, which a restart would lose.
    """
    return int.from_bytes(hashlib.sha256(canonical_json(names)).digest()[:8], "big") >> 1


def short(key: str) -> str:
    """The path form of a key; the letter keeps Hive readers from reading it as a number."""
    return f"k{key[:SHORT]}"
