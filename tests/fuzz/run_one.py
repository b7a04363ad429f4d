"""Run targets under atheris: `run_one.py NAME[,NAME…] --folder=FOLDER [--short] [OPTION…]`.

The target's seeds and words are put into the folder, and its corpus, its ledger, its log and what
is found; options are libFuzzer's. `run_one.py NAME FILE…` reads files, and writes nothing.

Only what is ours is instrumented. Several targets are imported once and run one after the other,
each in a process of its own, because libFuzzer ends the process that it runs in.
"""

import hashlib
import os
import random
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import atheris
from fuzz.ledger import Ledger
from fuzz.target import INSTRUMENTED, Target, target_of

FOLDER = "--folder="
SHORT = "--short"
SEED_BYTES_MAX = 1 << 16
FOUND = 77  # As libFuzzer ends.


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
        try:
            return mutated(data, size_max, seed)
        except Exception:
            end_with_traceback()
            raise

    def mutated(data: bytes, size_max: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.randrange(6) == 0:
            data = chance.choice(small)
        made = data if chance.randrange(4) == 0 else inner(data, chance, change)
        return bytes(atheris.Mutate(data, size_max)) if made == data else made[:size_max]

    return mutate


def watched(read: Callable[[bytes], object], findings: str | None) -> Callable[[bytes], None]:
    """Keep an input that makes a reader break its contract, and end.

    libFuzzer would do so as well, but only after Python has torn itself down, and its own alarm
    may kill the process before that is done.
    """

    def one(data: bytes) -> None:
        try:
            read(data)
        except Exception:  # noqa: BLE001 - whatever it is, it is a finding
            if findings is not None:
                digest = hashlib.sha1(data, usedforsecurity=False).hexdigest()
                Path(f"{findings}crash-{digest}").write_bytes(data)
            end_with_traceback()

    return one


def end_with_traceback() -> None:
    traceback.print_exc()
    sys.stderr.flush()
    os._exit(FOUND)


def prepare(name: str, target: Target, seeds: Sequence[bytes], folder: Path) -> list[str]:
    """Put seeds and words where libFuzzer finds them; return the options that say so."""
    corpus, words = folder / "corpus" / name, folder / f"{name}.words"
    for one in (corpus, folder / "findings"):
        one.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (corpus / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
    lines = ['"{}"\n'.format("".join(f"\\x{byte:02x}" for byte in word)) for word in target.words]
    words.write_text("".join(lines) or "# no words\n", encoding="ascii")
    return [f"-dict={words}", f"-max_len={target.bytes_max}", str(corpus)]


def fuzz(name: str, target: Target, options: list[str], folder: Path) -> None:
    """Fuzz with everything that is written going into a folder."""
    seeds = list(target.seeds())
    options = [*options, *prepare(name, target, seeds, folder)]
    if SHORT in options:
        options[options.index(SHORT)] = f"-runs={target.short_runs}"
    findings = f"{folder / 'findings' / name}-"
    log = os.open(folder / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    ledger = Ledger(folder / f"{name}.ledger", target.outcomes)
    begin(
        [f"-artifact_prefix={findings}", *options],
        watched(lambda data: ledger.count(target.read(data)), findings),
        mutator_of(target, seeds),
    )


def begin(
    options: Sequence[str],
    read: Callable[[bytes], None],
    mutator: Callable[[bytes, int, int], bytes] | None = None,
) -> None:
    """Hand everything over to libFuzzer, which does not come back."""
    further = {} if mutator is None else {"custom_mutator": mutator}
    atheris.Setup([sys.argv[0], *options], read, **further)
    atheris.Fuzz()


def main() -> int:
    """Run one target here, or several in children."""
    names, options = sys.argv[1].split(","), sys.argv[2:]
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        targets = {name: target_of(name) for name in names}
    if not options or not options[0].startswith(FOLDER):
        begin(options, watched(targets[names[0]].read, None))
    folder = Path(options.pop(0).removeprefix(FOLDER))
    if len(targets) == 1:
        fuzz(names[0], targets[names[0]], options, folder)
    codes = []
    for name, target in targets.items():
        child = os.fork()
        if child == 0:
            fuzz(name, target, options, folder)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    return max(map(abs, codes))


if __name__ == "__main__":
    sys.exit(main())
