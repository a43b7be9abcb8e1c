"""The geometry of a chart as inline SVG: pure. Colours, dashes and text sizes are the stylesheet's."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

Values = Sequence[float | None]
_TOP, _BOTTOM, _RIGHT = 10, 26, 8
_TICKS = 4
_HALVES = 2.5
_NICE = (1, 2, _HALVES, 5, 10)
_GAP = 0.25
"""The part of a step's width that is left free beside a bar."""


@dataclass(frozen=True)
class Size:
    """A drawing's width and height, the room for its scale, and how many steps it names."""

    name: str
    width: int
    height: int
    left: int
    labels: int


WIDE, NARROW = Size("wide", 960, 300, 76, 9), Size("narrow", 340, 240, 62, 4)


@dataclass(frozen=True)
class Tick:
    """A value of the scale, and how high it is."""

    value: float
    y: float


@dataclass(frozen=True)
class Label:
    """A step that is named, and where."""

    step: int
    x: float


@dataclass(frozen=True)
class Bar:
    """A bar of one series at one step."""

    series: int
    step: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Path:
    """A part of a series without a gap, as the points of a polyline. One point alone is a dot."""

    series: int
    points: tuple[tuple[float, float], ...]
    is_running: bool = False
    """Whether it leads to a step that isn't complete."""

    @property
    def text(self) -> str:
        return " ".join(f"{x},{y}" for x, y in self.points)


@dataclass(frozen=True)
class Chart:
    """Everything that is drawn. `zero` is the height of nothing."""

    size: Size
    ticks: tuple[Tick, ...]
    labels: tuple[Label, ...]
    zero: float
    bars: tuple[Bar, ...] = ()
    paths: tuple[Path, ...] = ()


def line_chart(
    series: Sequence[Values], size: Size, *, least: float, running: int | None = None
) -> Chart:
    """Each series as a line. `least`: what a scale's values are multiples of. `running` is the first step that isn't
    complete.
    """
    known = [value for values in series for value in values if value is not None]
    steps = max((len(values) for values in series), default=0)
    scale = _Scale.of(known, size, steps, least)
    paths = [
        path for number, values in enumerate(series) for path in _paths(number, values, scale, running)
    ]  # fmt: skip
    return Chart(size, scale.ticks, scale.labels, scale.y(0), paths=tuple(paths))


def bar_chart(series: Sequence[Values], size: Size, *, least: float) -> Chart:
    """The series of each step on top of one another; what is below nothing goes down from there. `least` as in
    `line_chart`.
    """
    steps = max((len(values) for values in series), default=0)
    sums = [
        sum(value for values in series if (value := values[step]) is not None and value * sign > 0)
        for step in range(steps)
        for sign in (1, -1)
    ]
    scale = _Scale.of(sums, size, steps, least)
    bars: list[Bar] = []
    for step in range(steps):
        above = below = 0.0
        for number, values in enumerate(series):
            value = values[step]
            if not value:
                continue
            start = above if value > 0 else below
            if value > 0:
                above += value
            else:
                below += value
            top, foot = scale.y(max(start, start + value)), scale.y(min(start, start + value))
            width = scale.width * (1 - _GAP)
            x = scale.x(step) - width / 2
            bars.append(Bar(number, step, _r(x), top, _r(width), _r(foot - top)))
    return Chart(size, scale.ticks, scale.labels, scale.y(0), bars=tuple(bars))


@dataclass(frozen=True)
class _Scale:
    size: Size
    low: float
    high: float
    step: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float], size: Size, count: int, least: float) -> "_Scale":
        low, high = min((0.0, *values)), max((0.0, *values))
        if low == high:
            high = least
        step = _nice((high - low) / _TICKS, least)
        return cls(size, floor(low / step) * step, ceil(high / step) * step, step, max(count, 1))

    @property
    def width(self) -> float:
        return (self.size.width - self.size.left - _RIGHT) / self.count

    @property
    def ticks(self) -> tuple[Tick, ...]:
        count = round((self.high - self.low) / self.step)
        values = (self.low + number * self.step for number in range(count + 1))
        return tuple(Tick(value, self.y(value)) for value in values)

    @property
    def labels(self) -> tuple[Label, ...]:
        every = ceil(self.count / self.size.labels)
        return tuple(Label(step, _r(self.x(step))) for step in range(0, self.count, every))

    def x(self, step: int) -> float:
        """The middle of a step."""
        return self.size.left + self.width * (step + 0.5)

    def y(self, value: float) -> float:
        room = self.size.height - _TOP - _BOTTOM
        return _r(_TOP + room * (self.high - value) / (self.high - self.low))


def _paths(number: int, values: Values, scale: _Scale, running: int | None) -> list[Path]:
    found: list[Path] = []
    points: list[tuple[float, float]] = []
    for step, value in enumerate([*values, None]):
        if value is None:
            if points:
                found.append(Path(number, tuple(points)))
            points = []
            continue
        point = (_r(scale.x(step)), scale.y(value))
        if running is not None and step >= running:
            before = points[-1:] or ([found[-1].points[-1]] if found and step > running else [])
            if points:
                found.append(Path(number, tuple(points)))
                points = []
            found.append(Path(number, (*before, point), is_running=True))
            continue
        points.append(point)
    return found


def _nice(step: float, least: float) -> float:
    """The next rounder multiple of `least`."""
    steps = max(step / least, 1)
    power = 10.0 ** floor(log10(steps))
    nice = (each * power for each in _NICE if power > 1 or each != _HALVES)
    return least * next(each for each in nice if each >= steps * (1 - 1e-9))


def _r(value: float) -> float:
    return round(value, 1)
