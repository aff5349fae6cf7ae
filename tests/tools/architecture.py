"""Draws docs/img/architecture.svg, the packages and who imports whom: `python -m tests.tools.architecture`.

Everything comes from the imports: a package stands above all that it imports, and an arrow that follows from
others is left out. The same imports always give the same bytes.
"""

import ast
from collections import defaultdict
from itertools import pairwise
from typing import Final, NamedTuple

from tests.support.modules import ROOT, modules_of

# Each module, or box, with those it imports.
Graph = dict[str, set[str]]

PICTURE: Final = ROOT / "docs" / "img" / "architecture.svg"
# These parts are drawn by the packages in them; every other part is one box.
DIVIDED: Final = {"db"}
# Pages know what they share, not the other way round, so that is a box of its own.
APART: Final = {"handlers.http"}
# Everything may use it, so arrows to it would say nothing.
LEFT_OUT: Final = {"messages"}

COLUMN, ROW, BOX_WIDTH, BOX_HEIGHT, MARGIN = 168, 74, 148, 34, 20
# So often are boxes put below what is above them, and above what is below, for fewer crossings.
SWEEPS: Final = 8
PICTURE_OF: Final = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>The packages of Gatehouse: each stands above what it imports</title>
<style>
  .ground {{ fill: #f8f5ef; }}
  .box {{ fill: #fffdfa; stroke: #625b51; }}
  .db {{ fill: #e4efe8; stroke: #2e6b4f; }}
  text {{ fill: #1d1a16; font: 15px system-ui, sans-serif; text-anchor: middle; }}
  .arrow {{ fill: none; stroke: #8a8276; marker-end: url(#head); }}
</style>
<marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="9" markerHeight="9" orient="auto">
  <path d="M 0 0 L 8 4 L 0 8 z" fill="#8a8276"/>
</marker>
<rect class="ground" width="100%" height="100%"/>
{drawn}
</svg>
"""


class Spot(NamedTuple):
    """A place in a row: of a box, or of an arrow that passes by (from a box, to a box)."""

    row: int
    box: str
    to: str = ""


def graph_of_the_imports() -> Graph:
    """Each of our modules with what it imports of ours, by its full name: a module, or a name in one."""
    files = modules_of(ROOT)
    parts = {module.partition(".")[0] for module in files}
    return {
        module: {name for name in imported_by(file.read_text("utf-8")) if name.partition(".")[0] in parts}
        for module, file in files.items()
    }


def imported_by(source: str) -> set[str]:
    """The names that a source imports from anywhere but its own package."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def box_of(module: str) -> str:
    """The box that a module, or a name in one, is drawn in."""
    part, *rest = module.split(".")
    if part in DIVIDED and rest:
        return f"{part}.{rest[0]}"
    return next((package for package in APART if module == package or module.startswith(f"{package}.")), part)


def boxes_of(graph: Graph) -> Graph:
    """Each box with the boxes it imports from."""
    boxes: Graph = {box_of(module): set() for module in sorted(graph)}
    for module, targets in graph.items():
        boxes[box_of(module)] |= {box_of(target) for target in targets}
    kept = set(boxes) - LEFT_OUT - DIVIDED
    return {box: (boxes[box] & kept) - {box} for box in sorted(kept)}


def without_detours(boxes: Graph) -> Graph:
    """The arrows that don't follow from others."""
    reach: Graph = {}

    def reached(box: str) -> set[str]:
        if box not in reach:
            reach[box] = boxes[box].union(*(reached(target) for target in boxes[box]))
        return reach[box]

    return {
        box: {one for one in targets if not any(one in reached(other) for other in targets - {one})}
        for box, targets in boxes.items()
    }


def rows_of(arrows: Graph) -> dict[str, int]:
    """The row of each box: right below the lowest of those that import it."""
    rows: dict[str, int] = {}

    def row(box: str) -> int:
        if box not in rows:
            above = [other for other, targets in arrows.items() if box in targets]
            rows[box] = max((row(other) + 1 for other in above), default=0)
        return rows[box]

    for box in arrows:
        row(box)
    return rows


def courses_of(arrows: Graph) -> list[list[Spot]]:
    """The spots that each arrow goes through, from its box to the box it points to."""
    rows = rows_of(arrows)
    return [
        [
            Spot(rows[box], box),
            *(Spot(between, box, target) for between in range(rows[box] + 1, rows[target])),
            Spot(rows[target], target),
        ]
        for box in sorted(arrows)
        for target in sorted(arrows[box])
    ]


def places_of(courses: list[list[Spot]]) -> dict[Spot, float]:
    """Where each spot is in its row, in columns from the middle: near the spots that it is joined to."""
    joined: dict[Spot, set[Spot]] = defaultdict(set)
    for course in courses:
        for upper, lower in pairwise(course):
            joined[upper].add(lower)
            joined[lower].add(upper)
    rows: dict[int, list[Spot]] = defaultdict(list)
    for spot in sorted(joined):
        rows[spot.row].append(spot)
    places = {spot: at - (len(row) - 1) / 2 for row in rows.values() for at, spot in enumerate(row)}

    def middle(spot: Spot, step: int) -> float:
        near = [places[other] for other in joined[spot] if other.row == spot.row + step]
        return sum(near) / len(near) if near else places[spot]

    for sweep in range(SWEEPS):
        step = 1 if sweep % 2 else -1
        for number in sorted(rows, reverse=step > 0):
            row = sorted(rows[number], key=lambda spot: (middle(spot, step), spot))
            places |= {spot: at - (len(row) - 1) / 2 for at, spot in enumerate(row)}
    return places


def draw(graph: Graph) -> str:
    """The picture of a graph of modules."""
    arrows = without_detours(boxes_of(graph))
    courses = courses_of(arrows)
    places = places_of(courses)
    columns = 2 * max(abs(place) for place in places.values()) + 1
    width = round(columns * COLUMN + 2 * MARGIN)
    height = (max(spot.row for spot in places) + 1) * ROW - (ROW - BOX_HEIGHT) + 2 * MARGIN

    def at(spot: Spot) -> tuple[float, float]:
        return width / 2 + places[spot] * COLUMN, MARGIN + spot.row * ROW

    drawn = [_arrow([at(spot) for spot in course]) for course in courses]
    drawn += [_box(spot.box, *at(spot)) for spot in sorted(places) if not spot.to]
    return PICTURE_OF.format(width=width, height=height, drawn="\n".join(drawn))


def _arrow(through: list[tuple[float, float]]) -> str:
    """A line from the lower edge of the first box to the upper edge of the last."""
    x, y = through[0]
    path = [f"M {x:g} {y + BOX_HEIGHT:g}"]
    y += BOX_HEIGHT
    for number, (to_x, to_y) in enumerate(through[1:], 2):
        half = (to_y - y) / 2
        path.append(f"C {x:g} {y + half:g} {to_x:g} {to_y - half:g} {to_x:g} {to_y:g}")
        x, y = to_x, to_y
        if number < len(through):
            # Straight past the boxes of a row.
            y += BOX_HEIGHT
            path.append(f"L {x:g} {y:g}")
    return f'<path class="arrow" d="{" ".join(path)}"/>'


def _box(name: str, x: float, y: float) -> str:
    kind = "box db" if name.partition(".")[0] in DIVIDED else "box"
    size = f'width="{BOX_WIDTH}" height="{BOX_HEIGHT}"'
    return (
        f'<rect class="{kind}" x="{x - BOX_WIDTH / 2:g}" y="{y:g}" {size} rx="6"/>\n'
        f'<text x="{x:g}" y="{y + 22:g}">{name.replace(".", "/")}</text>'
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(graph_of_the_imports()), encoding="utf-8")
