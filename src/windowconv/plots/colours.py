"""One colour for each arm, the same in every figure and on every page."""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

from windowconv.errors import InputError

# Okabe & Ito's colours for all kinds of colour vision (https://jfly.uni-koeln.de/color/), less the yellow,
# which is too pale for lines on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def _darker(colour: str) -> str:
    return "#" + "".join(f"{int(colour[i : i + 2], 16) * 11 // 20:02X}" for i in (1, 3, 5))


COLOURS = (*PALETTE, *map(_darker, PALETTE[:-1]))
KNOWN = {
    "3x3": 0,
    "7x7": 1,
    "7x7-hamming": 2,
    "5x5": 3,
    "7x7-shuffled": 4,
    "7x7-hamming-params": 5,
    "7x7-hamming-init": 6,
    "7x7-hamming-rates": 7,
    "7x7-params": 8,
    "7x7-hamming-flops": 9,
    "7x7-hamming-energy": 10,
    "7x7-flops": 11,
    "9x9-hamming": 12,
}
"""The arms of the paper and of the published studies -> their place in `COLOURS`."""
OTHERS = 3
"""The place from which other arms have their colours."""


def arm_colours(names: Iterable[str]) -> dict[str, str]:
    """One colour for each arm's name, the same whatever the order of `names` and whatever else is drawn.

    Known arms have fixed colours. Any other name has one that follows from its letters; where another arm of the
    same figure has that one already, it takes the next that is free, known arms first, then by the alphabet: figures
    that show different arms of one study share their colours by taking `colours=arm_colours(all the names)`. A space
    in a name counts as a hyphen. An `InputError` says when the thirteen colours are used up.

    >>> arm_colours(["7x7", "3x3"])
    {'3x3': '#0072B2', '7x7': '#D55E00'}
    """
    wanted = sorted(set(names))
    if len(wanted) > len(COLOURS):
        raise InputError(f"{len(wanted)} arms; allowed: {len(COLOURS)} or fewer, to tell apart by colour")
    found: dict[str, str] = {}
    for name in sorted(wanted, key=lambda name: _key(name) not in KNOWN):
        found[name] = next(colour for colour in _preferred(_key(name)) if colour not in found.values())
    return {name: found[name] for name in wanted}


def _preferred(key: str) -> tuple[str, ...]:
    """The colours for a name, the best first; those of the paper's arms come last for all others."""
    if key in KNOWN:
        return (COLOURS[KNOWN[key]], *COLOURS[OTHERS:], *COLOURS[:OTHERS])
    first = OTHERS + crc32(key.encode()) % (len(COLOURS) - OTHERS)
    return (*COLOURS[first:], *COLOURS[OTHERS:first], *COLOURS[:OTHERS])


def _key(name: str) -> str:
    return name.replace(" ", "-")
