"""Line charts as SVG, both axes logarithmic; no more than the figures of benchmarks need."""

from collections.abc import Callable, Iterable
from math import log10
from typing import NamedTuple

WIDTH, HEIGHT, GAP = 400, 310, 30
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 34, 90


class Line(NamedTuple):
    """Points (x, y), a colour, and whether they are joined or marked."""

    title: str
    points: list[tuple[float, float]]
    colour: str
    joined: bool = True


class Panel(NamedTuple):
    """One chart: y from `low` to `high`, x from `first` up."""

    title: str
    unit: str
    lines: list[Line]
    low: float
    high: float
    across: str = "nodes"
    first: float = 1.0


def draw(panels: list[Panel]) -> str:
    """The charts beside each other."""
    width = len(panels) * (WIDTH + GAP)
    body = [
        f'<g transform="translate({place * (WIDTH + GAP)} 0)">{_panel(panel)}</g>' for place, panel in enumerate(panels)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" font-family="sans-serif" '
        'font-size="11">\n<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _panel(panel: Panel) -> str:
    sizes = [x for line in panel.lines for x, _ in line.points]
    last = 10.0 ** _ceil_log(max(sizes))
    x_of = _scale(panel.first, last, _LEFT, WIDTH - _RIGHT)
    y_of = _scale(panel.low, panel.high, HEIGHT - _BOTTOM, _TOP)
    out = [f'<text x="{_LEFT}" y="14" font-weight="bold">{panel.title}</text>']
    for x in _decades(panel.first, last):
        out.append(f'<line x1="{x_of(x):.1f}" x2="{x_of(x):.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}" stroke="#ddd"/>')
        out.append(f'<text x="{x_of(x):.1f}" y="{HEIGHT - _BOTTOM + 14}" text-anchor="middle">{_label(x)}</text>')
    for y in _decades(panel.low, panel.high):
        out.append(f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y_of(y):.1f}" y2="{y_of(y):.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{_LEFT - 5}" y="{y_of(y) + 4:.1f}" text-anchor="end">{_label(y)}</text>')
    out.append(
        f'<text x="{(_LEFT + WIDTH) / 2}" y="{HEIGHT - _BOTTOM + 30}" text-anchor="middle">{panel.across}</text>'
    )
    out.append(f'<text x="{_LEFT}" y="{_TOP - 7}" fill="#555">{panel.unit}</text>')
    for place, line in enumerate(panel.lines):
        out += _line(line, x_of, y_of, panel)
        out.append(_legend(line, place))
    return "\n".join(out)


def _line(line: Line, x_of: Callable[[float], float], y_of: Callable[[float], float], panel: Panel) -> Iterable[str]:
    places = [(x_of(x), y_of(min(max(y, panel.low), panel.high))) for x, y in line.points]
    if line.joined:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield f'<polyline points="{path}" fill="none" stroke="{line.colour}" stroke-width="1.5"/>'
    else:
        for x, y in places:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="none" stroke="{line.colour}" stroke-width="1.5"/>'


def _legend(line: Line, place: int) -> str:
    """Below the chart, in columns of three."""
    x, y = _LEFT + 170 * (place // 3), HEIGHT - _BOTTOM + 50 + 14 * (place % 3)
    return f'<text x="{x}" y="{y}" fill="{line.colour}">{"—" if line.joined else "○"} {line.title}</text>'


def _scale(low: float, high: float, first: float, last: float) -> Callable[[float], float]:
    return lambda value: first + (last - first) * (log10(value) - log10(low)) / (log10(high) - log10(low))


def _label(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _ceil_log(value: float) -> int:
    power = 0
    while 10**power < value:
        power += 1
    return power


def _decades(low: float, high: float) -> Iterable[float]:
    value = low
    while value <= high * 1.001:
        yield value
        value *= 10
