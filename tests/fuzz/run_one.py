"""Run targets under atheris: `run_one.py NAME[,NAME…] [--folder=FOLDER [--short]] [OPTION|FILE…]`.

With a folder the target's seeds and words are put there, and its corpus, its ledger, its log and
what is found; options are libFuzzer's. With files alone, those are read and nothing is changed.

Only what is ours is instrumented. Several targets are imported once and run one after the other,
each in a process of its own, because libFuzzer ends the process that it runs in.
"""

import hashlib
import os
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import atheris
from fuzz.ledger import Ledger
from fuzz.target import INSTRUMENTED, Target, target_of

FOLDER = "--folder="
SHORT = "--short"
SEED_BYTES_MAX = 1 << 16


def mutator_of(target: Target, seeds: Sequence[bytes]) -> Callable[[bytes, int, int], bytes] | None:
    """Let libFuzzer change bytes every fourth time, and the target what they mean otherwise.

    Every sixth time it begins again with a seed: what is refused is read so fast, and in so many
    ways, that hardly anything else would be tried after a while.
    """
    inner = target.mutated
    if inner is None:
        return None
    small = [seed for seed in seeds if len(seed) < SEED_BYTES_MAX]

    def change(data: bytes) -> bytes:
        return bytes(atheris.Mutate(data, len(data) + 32))

    def mutate(data: bytes, size_max: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.randrange(6) == 0:
            data = chance.choice(small)
        made = data if chance.randrange(4) == 0 else inner(data, chance, change)
        return bytes(atheris.Mutate(data, size_max)) if made == data else made[:size_max]

    return mutate


def counting(target: Target, ledger: Ledger) -> Callable[[bytes], None]:
    """Count what comes of inputs."""
    read, count = target.read, ledger.count
    return lambda data: count(read(data))


def prepared(name: str, target: Target, seeds: Sequence[bytes], folder: Path) -> list[str]:
    """Put seeds and words where libFuzzer finds them; return the options that say so."""
    corpus, findings, words = (
        folder / "corpus" / name,
        folder / "findings",
        folder / f"{name}.words",
    )
    for one in (corpus, findings):
        one.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (corpus / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
    lines = ['"{}"\n'.format("".join(f"\\x{byte:02x}" for byte in word)) for word in target.words]
    words.write_text("".join(lines) or "# no words\n", encoding="ascii")
    return [
        f"-dict={words}",
        f"-max_len={target.bytes_max}",
        f"-artifact_prefix={findings / name}-",
        str(corpus),
    ]


def fuzz(name: str, target: Target, options: Sequence[str]) -> None:
    """Hand everything over to libFuzzer, which does not come back."""
    read: Callable[[bytes], object] = target.read
    seeds = list(target.seeds())
    kept = [one for one in options if not one.startswith((FOLDER, SHORT))]
    if folders := [one.removeprefix(FOLDER) for one in options if one.startswith(FOLDER)]:
        folder = Path(folders[0])
        kept += prepared(name, target, seeds, folder)
        read = counting(target, Ledger(folder / f"{name}.ledger", target.outcomes))
        if SHORT in options:
            kept.append(f"-runs={target.short_runs}")
        log = os.open(folder / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
    mutator = mutator_of(target, seeds)
    further = {} if mutator is None else {"custom_mutator": mutator}
    atheris.Setup([sys.argv[0], *kept], read, **further)
    atheris.Fuzz()


def main() -> int:
    names, options = sys.argv[1].split(","), sys.argv[2:]
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        targets = {name: target_of(name) for name in names}
    if len(targets) == 1:
        fuzz(names[0], targets[names[0]], options)
    codes = []
    for name, target in targets.items():
        child = os.fork()
        if child == 0:
            fuzz(name, target, options)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    return max(map(abs, codes))


if __name__ == "__main__":
    sys.exit(main())
