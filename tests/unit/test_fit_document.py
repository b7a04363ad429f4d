"""A stored fit judges exactly as the one that was made."""

import json
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from alarms.trends.fit_document import document_of, fit_of
from alarms.trends.hydrostatic import DAY_US, hydrostatic_model
from alarms.trends.regression import Fit, Validity, fit
from alarms.trends.residuals import residuals
from alarms.trends.seasons import SeasonalModel

AT_US = 1_577_836_800_000_000 + np.arange(4 * 365) * DAY_US
LEVEL = 60 + 6 * np.sin(np.arange(4 * 365) / 61.0)[:, np.newaxis]
VALID = Validity(version=7, from_us=int(AT_US[0]), until_us=int(AT_US[-1]))


def fits() -> list[Fit]:
    random = np.random.default_rng(1)
    value = LEVEL.T + random.normal(0, 0.2, (3, len(AT_US)))
    value[1] = np.nan
    seasonal = SeasonalModel(began_us=int(AT_US[0]), day_harmonics=0, others=("level",))
    constant = np.full(LEVEL.shape, 60.0)
    return [
        fit(hydrostatic_model(LEVEL[:, 0], AT_US), value, AT_US, LEVEL, VALID),
        fit(seasonal, value, AT_US, LEVEL, VALID),
        fit(hydrostatic_model(constant[:, 0], AT_US), value, AT_US, constant, VALID),
    ]


@pytest.mark.parametrize("made", fits(), ids=["hydrostatic", "seasonal", "degenerate"])
def test_a_fit_survives_its_document(made: Fit) -> None:
    text = json.dumps(document_of(made), allow_nan=False)
    taken = fit_of(json.loads(text))
    assert taken.model == made.model
    assert taken.validity == made.validity
    for one in (*fields(made), *fields(made.seen)):
        mine = getattr(made, one.name, getattr(made.seen, one.name, None))
        theirs = getattr(taken, one.name, getattr(taken.seen, one.name, None))
        if isinstance(mine, np.ndarray):
            assert mine.dtype == theirs.dtype
            assert np.array_equal(mine, theirs, equal_nan=mine.dtype.kind == "f")
    value = np.zeros((3, len(AT_US)))
    before = residuals(made, value, AT_US, LEVEL)
    after = residuals(taken, value, AT_US, LEVEL)
    assert np.array_equal(before.in_sigma, after.in_sigma, equal_nan=True)
    assert np.array_equal(before.extrapolated, after.extrapolated)


@pytest.mark.parametrize("name", ["kind", "seen", "verdict", "coefficient"])
def test_half_a_document_is_refused(name: str) -> None:
    document = document_of(fits()[0])
    del document[name]
    with pytest.raises(ValueError, match=f"no stored fit.*{name}"):
        fit_of(document)


def test_a_model_of_nobody_is_not_stored() -> None:
    class Oracle:
        effects, span_min_us = ("constant",), 0

        def columns(self, at_us: Any, drivers: Any) -> Any:
            return np.ones((len(at_us), 1)) + 0 * drivers[:, :1]

    made = fit(Oracle(), np.ones((1, 99)), AT_US[:99], LEVEL[:99], VALID)
    with pytest.raises(TypeError, match="fit of Oracle can't be stored"):
        document_of(made)


def test_another_kind_of_model_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no stored fit.*oracle"):
        fit_of({**document_of(fits()[0]), "kind": "oracle"})
