"""The little SVG that the drawings need: elements as text, numbers as short as they can be."""

from html import escape
from typing import Final

_RENAMED: Final = {"class_": "class", "for_": "for"}


def number(value: float) -> str:
    """A coordinate to a tenth of a pixel."""
    return f"{value:.1f}".rstrip("0").rstrip(".") if value else "0"


def tag(name: str, content: str = "", /, **attributes: str | float | None) -> str:
    """One element; `content` is markup, values are escaped, None leaves an attribute out."""
    parts = [name]
    for key, value in attributes.items():
        if value is None:
            continue
        written = value if isinstance(value, str) else number(value)
        parts.append(f'{_RENAMED.get(key, key.replace("_", "-"))}="{escape(written)}"')
    return f"<{' '.join(parts)}>{content}</{name}>"


def text(x: float, y: float, words: str, kind: str = "", anchor: str | None = None) -> str:
    """A line of text; `kind`: its classes."""
    return tag("text", escape(words), x=x, y=y, class_=kind or None, text_anchor=anchor)


def rect(
    x: float, y: float, width: float, height: float, kind: str, detail: int | None = None
) -> str:
    """A rectangle, never thinner than a hair."""
    return tag(
        "rect", x=x, y=y, width=max(width, 0.8), height=max(height, 0.0), class_=kind,
        data_d=detail,
    )  # fmt: skip


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def path(points: str, kind: str, detail: int | None = None) -> str:
    """A path from its commands."""
    return tag("path", d=points, class_=kind, data_d=detail)


def dot(x: float, y: float, radius: float, kind: str, detail: int | None = None) -> str:
    """A round mark."""
    return tag("circle", cx=x, cy=y, r=radius, class_=kind, data_d=detail)


def diamond(x: float, y: float, size: float) -> str:
    """Commands of a diamond around a point."""
    a, b = number(size), number(-size)
    return f"M{number(x)} {number(y - size)}l{a} {a}l{b} {a}l{b} {b}z"


def cross(x: float, y: float, size: float) -> str:
    """Commands of a cross around a point."""
    a, d = number(2 * size), number(-2 * size)
    left, top = number(x - size), number(y - size)
    return f"M{left} {top}l{a} {a}M{left} {number(y + size)}l{a} {d}"


def triangle(x: float, y: float, size: float, *, is_down: bool = False) -> str:
    """Commands of a triangle whose tip points up, or down."""
    height = size if is_down else -size
    return (
        f"M{number(x - size)} {number(y - height)}L{number(x + size)} {number(y - height)}"
        f"L{number(x)} {number(y + height)}z"
    )


def steps(points: list[tuple[float, float]], to_x: float, base_y: float | None = None) -> str:
    """Commands of a line that keeps its value until the next point; `base_y`: closed as an area."""
    if not points:
        return ""
    first_x, first_y = points[0]
    commands = [f"M{number(first_x)} {number(first_y)}"]
    if base_y is not None:
        commands = [f"M{number(first_x)} {number(base_y)}V{number(first_y)}"]
    for x, y in points[1:]:
        commands.append(f"H{number(x)}V{number(y)}")
    commands.append(f"H{number(to_x)}")
    if base_y is not None:
        commands.append(f"V{number(base_y)}z")
    return "".join(commands)


def figure(width: float, height: float, content: str, about: str, kind: str) -> str:
    """A drawing with what it shows in words."""
    return tag(
        "svg", content, viewBox=f"0 0 {number(width)} {number(height)}", role="img", class_=kind,
        aria_label=about, width=width, height=height,
    )  # fmt: skip
