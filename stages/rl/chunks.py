"""How many logits are in memory at a time. No torch here."""

CHUNK_LOGITS = {"cpu": 2**25, "cuda": 2**29}
"""Type of device -> logits per chunk: 128 MiB in float32 on a CPU, whose caches are small, and 2 GiB on a GPU, where
few large products are faster than many small ones. On a CPU, a micro-batch of a single chunk is kept and not computed
again."""
