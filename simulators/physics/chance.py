"""Chance that can be asked about any instant: random numbers by counter, not by sequence.

A generator that is stepped gives a device another past after every restart. Here a number
depends on nothing but its key (seed and name) and its counter, so every process computes
the same noise for the same instant, whenever it was started and whatever it was asked before.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counters = NDArray[np.int64]

# SplitMix64 (Steele, Lea and Flood 2014): a bijection of 64 bits that mixes them well.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_UNIT = 2.0**-53


def key_of(seed: int, name: str) -> int:
    """Name a stream of random numbers."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def uniform(key: int, counter: Counters) -> Floats:
    """Draw evenly from (0, 1), one number for each counter."""
    with np.errstate(over="ignore"):
        z = counter.astype(np.uint64) * _GOLDEN + np.uint64(key)
        z = (z ^ (z >> np.uint64(30))) * _MIX_1
        z = (z ^ (z >> np.uint64(27))) * _MIX_2
        z ^= z >> np.uint64(31)
    return ((z >> np.uint64(11)).astype(np.float64) + 0.5) * _UNIT


def normal(key: int, counter: Counters) -> Floats:
    """Draw from the standard normal distribution (Box and Muller), one for each counter."""
    radius = np.sqrt(-2.0 * np.log(uniform(key, 2 * counter)))
    return radius * np.cos(2.0 * np.pi * uniform(key, 2 * counter + 1))


def wander(key: int, at_s: Floats, *, every_s: float) -> Floats:
    """Wander smoothly about zero: normal draws every so often, eased from one to the next."""
    place = at_s / every_s
    before = np.floor(place)
    along = place - before
    eased = along * along * (3.0 - 2.0 * along)
    node = before.astype(np.int64)
    return normal(key, node) * (1.0 - eased) + normal(key, node + 1) * eased


def poisson(key: int, counter: Counters, mean: Floats) -> NDArray[np.int64]:
    """Draw how many independent things happen, by inverting the distribution function."""
    left = uniform(key, counter)
    term = np.exp(-mean)
    count = np.zeros(len(counter), np.int64)
    going = left > term
    number = 0
    while going.any() and number < 10_000:
        number += 1
        left = np.where(going, left - term, left)
        term = term * mean / number
        count = np.where(going, number, count)
        going &= left > term
    return count
