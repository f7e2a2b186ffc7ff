"""What cards can do at most, by the vendors' data sheets: operations and bytes per second. Nothing here is measured."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CardSpeed:
    """Upper limits of a card."""

    name: str
    """A part of the name that the driver gives the card."""
    flops: float
    """Dense 16-bit floating-point operations per second, with sums in float32."""
    flops_float32: float
    """The same in float32, without tensor cores."""
    bytes_per_second: float
    """Bytes per second between the chip and its memory."""


CARDS = (
    CardSpeed("B200", 2250e12, 75e12, 8.0e12),
    CardSpeed("GH200", 989e12, 67e12, 4.0e12),
    CardSpeed("H200", 989e12, 67e12, 4.8e12),
    CardSpeed("H100 NVL", 835e12, 60e12, 3.9e12),
    CardSpeed("H100 PCIe", 756e12, 51e12, 2.0e12),
    CardSpeed("H100", 989e12, 67e12, 3.35e12),
    CardSpeed("A100", 312e12, 19.5e12, 1.55e12),
    CardSpeed("L40S", 362e12, 91e12, 0.86e12),
    CardSpeed("L40", 181e12, 90e12, 0.86e12),
    CardSpeed("L4", 121e12, 30e12, 0.3e12),
    CardSpeed("A40", 150e12, 37e12, 0.69e12),
    CardSpeed("A10G", 70e12, 31e12, 0.6e12),
    CardSpeed("A10", 125e12, 31e12, 0.6e12),
    CardSpeed("RTX 5090", 209e12, 104e12, 1.79e12),
    CardSpeed("RTX 4090", 165e12, 82e12, 1.0e12),
    CardSpeed("RTX 3090", 71e12, 35e12, 0.93e12),
    CardSpeed("V100", 125e12, 14e12, 0.9e12),
    CardSpeed("T4", 65e12, 8e12, 0.3e12),
)
"""The first card whose name stands in the driver's name counts, as a word. 16-bit figures of V100 and T4 are float16's,
since they have no bfloat16; the slower figure counts if cards of one name differ."""


def card_speed(name: str) -> CardSpeed | None:
    """Return the limits of a card by the name that the driver gives it, such as "NVIDIA H100 80GB HBM3".

    None for an unknown card, a laptop's (slower than a desktop's of the same name) and a part of a card (MIG).
    """
    if "Laptop" in name or "MIG" in name:
        return None
    return next((card for card in CARDS if re.search(rf"\b{re.escape(card.name)}\b", name)), None)
