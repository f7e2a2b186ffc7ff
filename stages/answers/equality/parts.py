"""The parts that `stages.answers.equality.structure` takes an answer apart into."""

from dataclasses import dataclass
from typing import Literal

from stages.answers.equality.regions import Region
from stages.answers.equality.special import Special


@dataclass(frozen=True, slots=True)
class Leaf:
    """A number, an expression, or a form that no rule fits."""

    form: str


@dataclass(frozen=True, slots=True)
class Words:
    """Words, in lower case and without an article."""

    text: str


@dataclass(frozen=True, slots=True)
class Peculiar:
    """A date, a time, a number in a base, or a version number."""

    value: Special


@dataclass(frozen=True, slots=True)
class Ratio:
    """3:2 or 1:2:3."""

    terms: tuple[str, ...]
    time: Special | None
    """The time of day that the form may be as well: 10:30."""


@dataclass(frozen=True, slots=True)
class Percent:
    """50%, which is either 50 or 0.5."""

    number: str


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value with a unit."""

    value: "Structure"
    unit: str


@dataclass(frozen=True, slots=True)
class Members:
    """Several answers in one."""

    kind: Literal["list", "set", "tuple", "sequence", "assignments"]
    """list: 1,2. set: \\{1,2\\}. tuple: (1,2,3) or a vector. sequence: [1,2,3]. assignments: x=1,y=2, by letter."""
    items: tuple["Structure", ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two members in brackets. (1,2) is a point or an interval, [1,2] a list or an interval, [1,2) an interval."""

    opening: str
    closing: str
    items: tuple["Structure", "Structure"]
    region: Region | None
    """The interval, if the members are in order."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A set of real numbers: an inequality, an interval, or a union of them."""

    region: Region


@dataclass(frozen=True, slots=True)
class Equation:
    """Sides with = between them."""

    name: str | None
    """What has the value: x, f(x), m+n. None for an equation of another kind, such as x^2+y^2=1."""
    value: "Structure"
    """The last side."""
    sides: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rounded:
    """\\sqrt{2}\\approx1.41, which is either side."""

    exact: "Structure"
    decimal: "Structure"


@dataclass(frozen=True, slots=True)
class Antiderivative:
    """x^2+C. It equals x^2+1+C, but not x^2: without the constant, the answer is one function and not all of them."""

    form: str
    function: str
    """The form without the constant."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of entries."""

    rows: tuple[tuple["Structure", ...], ...]


Structure = (
    Leaf
    | Words
    | Peculiar
    | Ratio
    | Percent
    | Antiderivative
    | Quantity
    | Rounded
    | Members
    | Pair
    | Numbers
    | Equation
    | Matrix
)
