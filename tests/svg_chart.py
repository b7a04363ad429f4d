"""A chart as an SVG file: a few shapes over two axes, enough for pictures in the documents."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
from numpy.typing import ArrayLike

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 300, 62, 14, 40, 46
BLUE, ORANGE, GREEN, RED, GREY = "#1f6fb2", "#d9730d", "#2f8f4e", "#c62828", "#8a8f98"


@dataclass
class Chart:
    """Shapes in the units of the axes, drawn in the order in which they were added."""

    title: str
    x_name: str
    y_name: str
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    shapes: list[str] = field(default_factory=list)
    legend: list[tuple[str, str]] = field(default_factory=list)

    def x(self, values: ArrayLike) -> np.ndarray:
        low, high = self.x_range
        return LEFT + (np.asarray(values) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, values: ArrayLike) -> np.ndarray:
        low, high = self.y_range
        inside = np.clip(np.asarray(values, dtype=float), low, high)
        return HEIGHT - BOTTOM - (inside - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def line(
        self, xs: ArrayLike, ys: ArrayLike, colour: str, name: str = "", *, dash: str = ""
    ) -> None:
        points, pen_is_down = [], False
        for x, y in zip(self.x(xs), self.y(ys), strict=True):
            if np.isnan(y):
                pen_is_down = False
                continue
            points.append(f"{'L' if pen_is_down else 'M'}{x:.1f} {y:.1f}")
            pen_is_down = True
        style = f' stroke-dasharray="{dash}"' if dash else ""
        self.shapes.append(
            f'<path d="{"".join(points)}" fill="none" stroke="{colour}" stroke-width="1.6"{style}/>'
        )
        self._name(colour, name)

    def dots(
        self, xs: ArrayLike, ys: ArrayLike, colour: str, name: str = "", r: float = 1.8
    ) -> None:
        inside = (np.asarray(xs) >= self.x_range[0]) & (np.asarray(xs) <= self.x_range[1])
        ys = np.where(inside, ys, np.nan)
        pairs = zip(self.x(xs), self.y(ys), strict=True)
        circles = "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}"/>' for x, y in pairs if not np.isnan(y)
        )
        self.shapes.append(f'<g fill="{colour}">{circles}</g>')
        self._name(colour, name)

    def band(
        self, xs: ArrayLike, lows: ArrayLike, highs: ArrayLike, colour: str, name: str = ""
    ) -> None:
        xs, lows, highs = self.x(xs), self.y(lows), self.y(highs)
        there = [f"{x:.1f},{y:.1f}" for x, y in zip(xs, highs, strict=True)]
        back = [f"{x:.1f},{y:.1f}" for x, y in zip(xs[::-1], lows[::-1], strict=True)]
        points = " ".join([*there, *back])
        self.shapes.append(f'<polygon points="{points}" fill="{colour}" fill-opacity="0.18"/>')
        self._name(colour, name)

    def _name(self, colour: str, name: str) -> None:
        if name:
            self.legend.append((colour, name))

    def svg(self) -> str:
        words = 'font-family="sans-serif" font-size="11" fill="#33383f"'
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
            f"<title>{escape(self.title)}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            *self._grid(words),
            *self.shapes,
            f'<text x="{LEFT}" y="15" {words} font-weight="bold">{escape(self.title)}</text>',
            *self._names(words),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def _grid(self, words: str) -> list[str]:
        parts = []
        for x in ticks(*self.x_range):
            at = float(self.x(x))
            parts += [
                f'<path d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#e3e6ea"/>',
                f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle" {words}>'
                f"{x:g}</text>",
            ]
        for y in ticks(*self.y_range):
            at = float(self.y(y))
            parts += [
                f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#e3e6ea"/>',
                f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end" {words}>{y:g}</text>',
            ]
        middle, centre = (TOP + HEIGHT - BOTTOM) / 2, (LEFT + WIDTH - RIGHT) / 2
        return [
            *parts,
            f'<text x="{centre}" y="{HEIGHT - 12}" text-anchor="middle" {words}>'
            f"{escape(self.x_name)}</text>",
            f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle" {words}>'
            f"{escape(self.y_name)}</text>",
        ]

    def _names(self, words: str) -> list[str]:
        parts, at = [], float(LEFT)
        for colour, name in self.legend:
            parts.append(f'<rect x="{at:.0f}" y="23" width="14" height="4" fill="{colour}"/>')
            parts.append(f'<text x="{at + 18:.0f}" y="30" {words}>{escape(name)}</text>')
            at += 34 + 6.1 * len(name)
        return parts


def ticks(low: float, high: float, about: int = 6) -> Sequence[float]:
    """Round numbers from low to high, about so many."""
    rough = (high - low) / about
    size = 10 ** np.floor(np.log10(rough))
    step = size * min((1, 2, 5, 10), key=lambda n: abs(n * size - rough))
    first = np.ceil(low / step - 1e-9)
    return [
        float(round(n * step, 10)) + 0.0 for n in np.arange(first, np.floor(high / step + 1e-9) + 1)
    ]
