"""Bars and curves as SVG; what they show is said in words beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reconciler.report.curves import Point, thin_out, value_at
from reconciler.report.html.markup import Html, fragment, lines, tag

WIDTH, HEIGHT = 1000.0, 240.0
COLUMNS = 250
SAMPLES = 10
# Thinner than this a mark of something short cannot be seen.
THINNEST = 3.0
ROW = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A line of steps with its name in the legend; `look` is a class of the style sheet."""

    name: str
    look: str
    points: Sequence[Point]
    filled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A value to compare with, as a line across the chart."""

    name: str
    look: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A rectangle from one share of the width to another; `look` is a class of the style sheet."""

    look: str
    begin: float
    end: float
    row: int = 0


def chart(
    *,
    name: str,
    summary: str,
    span: float,
    curves: Sequence[Curve],
    levels: Sequence[Level] = (),
    shades: Sequence[tuple[float, float]] = (),
) -> Html:
    """Curves over the time of a run, with axes, a legend and a table of the same figures.

    `shades` are times in which everyone held back.
    """
    span = max(span, 0.001)
    values = [value for curve in curves for _, value in curve.points]
    top = nice_top(max([*values, *(level.value for level in levels)]))
    drawing = tag(
        "svg",
        tag("title", f"{name}: {summary}"),
        *(_shade(begin, end, span) for begin, end in shades),
        *(_grid(share) for share in (0.0, 0.5, 1.0)),
        *(_level(level, top) for level in levels),
        *(_draw(curve, span, top) for curve in curves),
        role="img",
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        preserveAspectRatio="none",
    )
    plot = tag(
        "div",
        _labels("y", (number(top), number(top / 2), "0")),
        drawing,
        _labels("x", ("0 s", seconds(span / 2), seconds(span))),
        class_="plot",
    )
    legend = tag("figcaption", _legend(curves, levels, shades), tag("p", summary))
    return tag("figure", plot, legend, _figures(name, curves, span), class_="chart")


def bar(pieces: Sequence[Piece], label: str, look: str, rows: int = 1) -> Html:
    """Rectangles as wide as what they stand for, in one row or several."""
    return tag(
        "svg",
        tag("title", label),
        *(_rectangle(piece) for piece in pieces),
        role="img",
        class_=look,
        viewBox=f"0 0 {WIDTH:g} {rows * ROW}",
        preserveAspectRatio="none",
    )


def _rectangle(piece: Piece) -> Html:
    begin = min(piece.begin * WIDTH, WIDTH - THINNEST)
    width = max(THINNEST, min(piece.end, 1.0) * WIDTH - begin)
    return tag(
        "rect",
        class_=piece.look,
        x=round(begin, 1),
        y=piece.row * ROW + 1,
        width=round(width, 1),
        height=ROW - 2,
    )


def nice_top(most: float) -> float:
    """The end of a scale that holds a value, and whose half is a number as easily read."""
    if most <= 0:
        return 1.0
    unit: float = 10.0 ** math.floor(math.log10(most))
    return next(round(step * unit, 9) for step in (1, 2, 3, 4, 5, 6, 8, 10) if most <= step * unit)


def number(value: float) -> str:
    """A number on an axis or in a table."""
    return f"{value:,.6g}"


def seconds(length: float) -> str:
    """A length of time as people say it."""
    if length < 120:
        return f"{length:.1f} s" if length < 10 else f"{length:.0f} s"
    minutes, rest = divmod(round(length), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def _draw(curve: Curve, span: float, top: float) -> Html:
    drawn = _path(thin_out(curve.points, span, COLUMNS), span, top)
    line = tag("path", class_=f"line {curve.look}", d=drawn, vector_effect="non-scaling-stroke")
    if not curve.filled:
        return line
    area = tag("path", class_=f"area {curve.look}", d=f"{drawn}V{HEIGHT:g}H0Z")
    return fragment(area, line)


def _path(points: Sequence[Point], span: float, top: float) -> str:
    def across(at: float) -> str:
        return f"{min(1.0, at / span) * WIDTH:.1f}"

    def up(value: float) -> str:
        return f"{(1 - value / top) * HEIGHT:.1f}"

    first, *rest = points
    steps = "".join(f"H{across(at)}V{up(value)}" for at, value in rest)
    return f"M{across(first[0])} {up(first[1])}{steps}H{WIDTH:g}"


def _grid(share: float) -> Html:
    y = share * HEIGHT
    effect = "non-scaling-stroke"
    return tag("line", class_="grid", x1=0, x2=WIDTH, y1=y, y2=y, vector_effect=effect)


def _level(level: Level, top: float) -> Html:
    y = round((1 - level.value / top) * HEIGHT, 1)
    effect = "non-scaling-stroke"
    look = f"level {level.look}"
    return tag("line", class_=look, x1=0, x2=WIDTH, y1=y, y2=y, vector_effect=effect)


def _shade(begin: float, end: float, span: float) -> Html:
    x = round(begin / span * WIDTH, 1)
    width = round(max(THINNEST, (end - begin) / span * WIDTH), 1)
    return tag("rect", class_="pause", x=x, y=0, width=width, height=HEIGHT)


def _labels(axis: str, words: Sequence[str]) -> Html:
    # The drawing has them in its own words, and the table below in figures.
    return tag("div", *(tag("span", word) for word in words), class_=axis, aria_hidden="true")


def _legend(
    curves: Sequence[Curve], levels: Sequence[Level], shades: Sequence[tuple[float, float]]
) -> Html:
    named = [(f"line {curve.look}", curve.name) for curve in curves]
    named += [(f"level {level.look}", f"{level.name} ({number(level.value)})") for level in levels]
    if shades:
        named.append(("pause", "everyone held back"))
    return tag("ul", *(_key(look, name) for look, name in named), class_="legend")


def _key(look: str, name: str) -> Html:
    shape = (
        tag("rect", class_=look, x=0, y=0, width=24, height=12)
        if look == "pause"
        else tag("line", class_=look, x1=0, x2=24, y1=6, y2=6)
    )
    return tag("li", tag("svg", shape, viewBox="0 0 24 12", aria_hidden="true"), name)


def _figures(name: str, curves: Sequence[Curve], span: float) -> Html:
    heads = ("Time", *(curve.name for curve in curves))
    return tag(
        "details",
        tag("summary", f"{name} in figures"),
        tag(
            "table",
            tag(
                "caption",
                f"From the beginning to the end of the run, which is {seconds(span)} long.",
            ),
            tag("thead", tag("tr", *(tag("th", head, scope="col") for head in heads))),
            tag("tbody", lines(_samples(curves, span))),
        ),
    )


def _samples(curves: Sequence[Curve], span: float) -> Iterator[Html]:
    for step in range(SAMPLES + 1):
        moment = span * step / SAMPLES
        values = (number(value_at(curve.points, moment)) for curve in curves)
        yield tag(
            "tr", tag("th", seconds(moment), scope="row"), *(tag("td", value) for value in values)
        )
