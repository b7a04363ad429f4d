"""Fits as documents: what is stored of a fit, as JSON, and taken up again exactly."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alarms.trends.hydrostatic import HydrostaticModel
from alarms.trends.regression import Fit, FitVerdict, Model, SeenRange, Validity
from alarms.trends.seasons import SeasonalModel

MODELS: Final[dict[str, type[HydrostaticModel] | type[SeasonalModel]]] = {
    "hydrostatic": HydrostaticModel,
    "seasonal": SeasonalModel,
}
ROWS: Final = ("coefficient", "error", "sigma", "r_squared", "entanglement")
SEEN: Final = ("low", "high", "leverage_root")


def document_of(fitted: Fit) -> dict[str, Any]:
    """Write a fit down; NaN becomes null, because JSON has no NaN."""
    kind = next((name for name, one in MODELS.items() if type(fitted.model) is one), None)
    if kind is None:
        raise TypeError(f"a fit of {type(fitted.model).__name__} can't be stored: it is in no list")
    seen = fitted.seen
    return {
        "kind": kind,
        "model": asdict(fitted.model),  # type: ignore[call-overload]
        "validity": asdict(fitted.validity),
        **{name: _plain(getattr(fitted, name)) for name in ROWS},
        "count": fitted.count.tolist(),
        "verdict": [FitVerdict(one).name.lower() for one in fitted.verdict],
        "seen": {name: _plain(getattr(seen, name)) for name in SEEN}
        | {"leverage_max": seen.leverage_max if np.isfinite(seen.leverage_max) else None},
    }


def fit_of(document: Mapping[str, Any]) -> Fit:
    """Take a fit up again; raise ValueError where the document is none, naming what is wrong."""
    try:
        seen = document["seen"]
        most = seen["leverage_max"]
        return Fit(
            model=_model_of(document),
            validity=Validity(**document["validity"]),
            count=np.array(document["count"], dtype=np.int64),
            seen=SeenRange(
                leverage_max=np.inf if most is None else float(most),
                **{name: _numbers(seen[name]) for name in SEEN},
            ),
            verdict=np.array(
                [FitVerdict[name.upper()] for name in document["verdict"]], dtype=np.int8
            ),
            **{name: _numbers(document[name]) for name in ROWS},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no stored fit of version 1: {error!r}") from error


def _model_of(document: Mapping[str, Any]) -> Model:
    words = dict(document["model"])
    words["others"] = tuple(words["others"])
    return MODELS[document["kind"]](**words)


def _plain(numbers: NDArray[np.float64]) -> list[Any]:
    plain = numbers.astype(object)
    plain[np.isnan(numbers)] = None
    whole: list[Any] = plain.tolist()
    return whole


def _numbers(plain: list[Any]) -> NDArray[np.float64]:
    return np.array(plain, dtype=np.float64)  # None becomes NaN.
