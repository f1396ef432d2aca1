"""Bars and curves as SVG; a text beside each says what it shows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reconciler.core.history.time_series import Point, thin_out, value_at
from reconciler.report.html.markup import Html, fragment, lines, tag
from reconciler.values import dataclass

WIDTH, HEIGHT = 1000.0, 240.0
COLUMNS = 250
SAMPLES = 10
# Thinner than this a mark of something short cannot be seen.
THINNEST = 3.0
ROW = 10
# Drawings are stretched to the width of the page; without this their lines would be as well.
EVEN = "non-scaling-stroke"


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
class BarPart:
    """A rectangle from one share of the width to another; `look` is a class of the style sheet."""

    look: str
    begin: float
    end: float
    row: int = 0


def chart(
    *,
    name: str,
    summary: str,
    duration: float,
    curves: Sequence[Curve],
    levels: Sequence[Level] = (),
    pauses: Sequence[tuple[float, float]] = (),
) -> Html:
    """Curves over the time of a run, with axes, a legend and a table of the same figures."""
    # A run may begin and end in the same millisecond.
    duration = max(duration, 0.001)
    values = [value for curve in curves for _, value in curve.points]
    top = nice_top(max([*values, *(level.value for level in levels)]))
    # Drawn first, so that curves and levels lie above them.
    shades = []
    for begin, end in pauses:
        width = round(max(THINNEST, (end - begin) / duration * WIDTH), 1)
        x = round(begin / duration * WIDTH, 1)
        shades.append(tag("rect", class_="pause", x=x, y=0, width=width, height=HEIGHT))
    heights = [("grid", share * HEIGHT) for share in (0.0, 0.5, 1.0)]
    heights += [(f"level {v.look}", round((1 - v.value / top) * HEIGHT, 1)) for v in levels]
    drawing = tag(
        "svg",
        tag("title", f"{name}: {summary}"),
        *shades,
        *(
            tag("line", class_=look, x1=0, x2=WIDTH, y1=y, y2=y, vector_effect=EVEN)
            for look, y in heights
        ),
        *(_curve_paths(curve, duration, top) for curve in curves),
        role="img",
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        preserveAspectRatio="none",
    )
    plot = tag(
        "div",
        axis_labels("y", number(top), number(top / 2), "0"),
        drawing,
        axis_labels("x", "0 s", seconds(duration / 2), seconds(duration)),
        class_="plot",
    )
    legend = tag("figcaption", _legend(curves, levels, bool(pauses)), tag("p", summary))
    return tag("figure", plot, legend, _figures_table(name, curves, duration), class_="chart")


def bar(parts: Sequence[BarPart], label: str, look: str, rows: int = 1) -> Html:
    """Rectangles as wide as what they stand for, in one row or several."""
    rectangles = []
    for part in parts:
        # What ends with the run is moved to the left until it can be seen.
        begin = min(part.begin * WIDTH, WIDTH - THINNEST)
        width = max(THINNEST, min(part.end, 1.0) * WIDTH - begin)
        rectangles.append(
            tag(
                "rect",
                class_=part.look,
                x=round(begin, 1),
                y=part.row * ROW + 1,
                width=round(width, 1),
                height=ROW - 2,
            )
        )
    return tag(
        "svg",
        tag("title", label),
        *rectangles,
        role="img",
        class_=look,
        viewBox=f"0 0 {WIDTH:g} {rows * ROW}",
        preserveAspectRatio="none",
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
    minutes, left = divmod(round(length), 60)
    if minutes < 120:
        return f"{minutes} min {left} s" if left else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def axis_labels(look: str, *labels: str) -> Html:
    """The labels along an axis; the drawing's title and the table say the same to a reader."""
    return tag("div", *(tag("span", label) for label in labels), class_=look, aria_hidden="true")


def _curve_paths(curve: Curve, duration: float, top: float) -> Html:
    points = [
        (f"{min(1.0, at / duration) * WIDTH:.1f}", f"{(1 - value / top) * HEIGHT:.1f}")
        for at, value in thin_out(curve.points, duration, COLUMNS)
    ]
    # A value holds until the next one: across to its moment first, then up or down.
    steps = "".join(f"H{x}V{y}" for x, y in points[1:])
    path = f"M{points[0][0]} {points[0][1]}{steps}H{WIDTH:g}"
    line = tag("path", class_=f"line {curve.look}", d=path, vector_effect=EVEN)
    if not curve.filled:
        return line
    return fragment(tag("path", class_=f"area {curve.look}", d=f"{path}V{HEIGHT:g}H0Z"), line)


def _legend(curves: Sequence[Curve], levels: Sequence[Level], has_pauses: bool) -> Html:
    key = [(f"line {curve.look}", curve.name) for curve in curves]
    key += [(f"level {level.look}", f"{level.name} ({number(level.value)})") for level in levels]
    key += [("pause", "all requests paused")] if has_pauses else []
    items = []
    for look, name in key:
        shape = (
            tag("rect", class_=look, x=0, y=0, width=24, height=12)
            if look == "pause"
            else tag("line", class_=look, x1=0, x2=24, y1=6, y2=6)
        )
        sample = tag("svg", shape, viewBox="0 0 24 12", aria_hidden="true")
        items.append(tag("li", sample, name))
    return tag("ul", *items, class_="legend")


def _figures_table(name: str, curves: Sequence[Curve], duration: float) -> Html:
    heads = ("Time", *(curve.name for curve in curves))
    # Whoever cannot see the curves reads these.
    rows = []
    for step in range(SAMPLES + 1):
        moment = duration * step / SAMPLES
        values = (tag("td", number(value_at(curve.points, moment))) for curve in curves)
        rows.append(tag("tr", tag("th", seconds(moment), scope="row"), *values))
    caption = f"From the beginning to the end of the run, {seconds(duration)} in all."
    table = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *(tag("th", head, scope="col") for head in heads))),
        tag("tbody", lines(rows)),
    )
    return tag("details", tag("summary", f"{name} in figures"), table)
