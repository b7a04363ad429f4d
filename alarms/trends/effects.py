"""Effects: which columns of a fit belong together, and can one be told from the others?

A pond that is full each spring rises with the season. A fit may then be right in what it expects
and wrong in what it ascribes to whom, and nothing in its residuals shows that.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from alarms.trends.least_squares import TELLABLE, Floats, orthogonalised

CONSTANT: Final = "constant"
AGE: Final = "age"  # Never repeats, so that nothing about it is unusual.


def parts(
    names: tuple[str, ...],  # [column] the effect that each column belongs to
    columns: Floats,  # [bin, column]
    coefficient: Floats,  # [channel, column]
) -> tuple[tuple[str, ...], Floats]:  # names, [effect, channel, bin]
    """Split what a fit expects into what each effect contributes, for a chart of its parts."""
    each = tuple(dict.fromkeys(names))
    belongs = np.array([[name == one for name in names] for one in each])
    return each, np.stack([coefficient[:, own] @ columns[:, own].T for own in belongs])


def entanglement(
    names: tuple[str, ...], columns: Floats, has: NDArray[np.bool_]
) -> Floats:  # [channel] NaN where no column but the constant varies
    """Return the largest canonical correlation of an effect's columns with all others.

    Hotelling 1936; 1 / (1 - r²) is by how much the variance of an effect is inflated.
    """
    if not len(columns):
        return np.full(len(has), np.nan)
    moving = [one for one in dict.fromkeys(names) if one != CONSTANT]
    grounds = [
        orthogonalised(centred - np.mean(centred, axis=0))
        for centred in (columns[:, [name == one for name in names]] for one in moving)
    ]
    if len(moving) < 2 or any(ground is None for ground in grounds):
        return np.full(len(has), np.nan)
    base = np.concatenate([ground[0] for ground in grounds if ground is not None], axis=1)
    owner = np.repeat(np.arange(len(moving)), [names.count(one) for one in moving])
    gram = _centred_gram(base, has)
    told = np.linalg.eigvalsh(gram)[:, 0] > TELLABLE
    gram[~told] = np.eye(len(owner))
    inverse, worst = np.linalg.inv(gram), np.zeros(len(has))
    for effect in range(len(moving)):
        own = np.ix_(np.arange(len(has)), owner == effect, owner == effect)
        # What the others leave of an effect's columns (Schur), as a share of what they are.
        left = np.linalg.solve(gram[own], np.linalg.inv(inverse[own]))
        worst = np.maximum(worst, 1 - np.min(np.linalg.eigvals(left).real, axis=1))
    return np.where(told, np.sqrt(np.clip(worst, 0.0, 1.0)), np.nan)


def _centred_gram(base: Floats, has: NDArray[np.bool_]) -> Floats:  # [channel, column, column]
    size, mask = base.shape[1], has.astype(np.float64)
    outer = (base[:, :, np.newaxis] * base[:, np.newaxis, :]).reshape(len(base), -1)
    count = np.maximum(np.count_nonzero(has, axis=1), 1)[:, np.newaxis, np.newaxis]
    total = mask @ base
    product = total[:, :, np.newaxis] * total[:, np.newaxis, :] / count
    return np.asarray((mask @ outer).reshape(-1, size, size) - product)
