"""The layer as data: facts, joins, measures and dimensions with the words that people use for them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from orchestrator.errors import InvalidInputError

Format = Literal["money", "count", "percent", "number"]
Grain = Literal["day", "week", "month", "quarter", "year", "weekday", "hour", "service"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Labels(_Part):
    """What people say, by language; the first one is shown."""

    en: tuple[str, ...] = Field(min_length=1)
    es: tuple[str, ...] = Field(min_length=1)

    def shown(self, language: Literal["en", "es"]) -> str:
        """Return the label to print."""
        return self.es[0] if language == "es" else self.en[0]


class Said(_Part):
    """Further words for one value of a dimension."""

    en: tuple[str, ...] = ()
    es: tuple[str, ...] = ()


class Fact(_Part):
    """A relation whose rows are counted and summed."""

    #: Name of the relation, and its alias in every expression.
    relation: str
    #: SQL of the day a row counts for; None for what is only true now.
    date: str | None = None
    #: SQL of a point in time, for the hour of the day.
    clock: str | None = None
    #: The last day with rows when the layer was drafted; no later period is offered as an example.
    rows_until: dt.date | None = None
    #: Alias -> the alias before it, where there are several ways and one is meant.
    via: dict[str, str] = Field(default_factory=dict)
    #: Aliases with several ways to them, none of which is meant: a question that only names the thing gets no answer.
    unclear: tuple[str, ...] = ()


class Join(_Part):
    """A way from many rows to one; never the other way, so that nothing is counted twice."""

    start: str
    #: The alias that expressions use.
    to: str
    #: Defaults to the alias.
    relation: str | None = None
    condition: str


class Source(_Part):
    """How a measure is computed over one fact."""

    fact: Name
    #: An aggregate over aliases that the fact reaches.
    sql: str
    where: str | None = None


class Ratio(_Part):
    """A measure that is one measure over another, times `scale`."""

    over: tuple[Name, Name]
    scale: float = 1.0
    #: Dimension -> value that both sides are held to.
    where: dict[Name, str] = Field(default_factory=dict)


class Measure(_Part):
    """A figure. Sources are tried in order; the first whose fact reaches all that the question names is used."""

    labels: Labels
    format: Format
    sources: tuple[Source, ...] = ()
    ratio: Ratio | None = None
    #: Dimensions that would give a figure without meaning.
    not_by: tuple[Name, ...] = ()
    #: Dimension -> the measure that is meant when both are named.
    instead: dict[Name, Name] = Field(default_factory=dict)
    #: Whether "the best" has the least of it.
    lower_is_better: bool = False
    #: The rate that is meant when it is asked for as a percentage.
    percent: Name | None = None
    #: The measure that is meant by "how often" and "most often".
    often: Name | None = None
    #: Dimension -> words that mean this measure beside it: "late" beside "supplier".
    said_of: dict[Name, Said] = Field(default_factory=dict)
    #: Whether it is money that is lost, so that "lost on" goes with it.
    loss: bool = False
    #: Whether its noun also says who does something ("what do guests order").
    subject: bool = False
    #: What it leaves out or counts by, in few words; shown behind every figure.
    note: Labels | None = None
    #: Whether it only serves as a side of a ratio and is not offered.
    hidden: bool = False
    #: Whether its noun also stands for the setting ("discounts on delivery orders").
    context: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Measure:
        if bool(self.sources) == (self.ratio is not None):
            raise ValueError("a measure has either sources or a ratio")
        return self


class Dimension(_Part):
    """Something to group and filter by."""

    labels: Labels
    sql: str
    #: SQL that tells members apart which share their name; groups are made by it, too.
    key: str | None = None
    #: Whether rows may have none; they then make no group.
    nullable: bool = False
    #: Value as stored -> other words for it. Stored values themselves need no entry.
    values: dict[str, Said] = Field(default_factory=dict)
    #: Whether stored values are read from the database.
    fetch: bool = True
    #: Whether one telling word of a longer value is enough ("carbonara").
    partial: bool = False
    #: Measure meant by "how many <value>".
    counts: Name | None = None
    #: Measure meant by "how many <dimension>".
    members: Name | None = None
    #: Measure meant by "how many <value>" where nothing is sold and no time is named.
    lists: Name | None = None
    #: Measure meant when nothing else is named.
    implies: Name | None = None
    #: Measure that "best" and "sold" mean with this dimension.
    ranks: Name | None = None
    #: Dimension that is ranked when one value of this one is: "the three worst pizzas".
    drill: Name | None = None
    #: Endings of values that nobody says.
    drop_endings: tuple[str, ...] = ()
    #: Whether "who" means it.
    person: bool = False
    #: Whether it says where; a share is then taken within it.
    place: bool = False


class Slot(_Part):
    """A hole in a verified query: a value, a number, the first day of a range or the day after its last."""

    kind: Literal["value", "number", "start", "end"]
    dimension: Name | None = None
    default: str | None = None


class Verified(_Part):
    """A statement that a person has checked, with the questions that it answers."""

    name: Name
    en: tuple[str, ...] = Field(min_length=1)
    es: tuple[str, ...] = Field(min_length=1)
    sql: str
    slots: dict[Name, Slot] = Field(default_factory=dict)
    describe: Labels


class SemanticLayer(_Part):
    """Everything that is known about one database's figures. Read from data; checked as a whole when it is made."""

    name: str
    dialect: Literal["postgres", "sqlite", "mysql"] = "postgres"
    #: Sign of all sums of money; empty where figures stand without one.
    currency: str = Field("", max_length=4)
    #: Whether names and types alone made it: what is unclear is then refused sooner.
    drafted: bool = False
    facts: dict[Name, Fact]
    joins: tuple[Join, ...] = ()
    measures: dict[Name, Measure]
    dimensions: dict[Name, Dimension] = Field(default_factory=dict)
    #: Measure meant by "busiest".
    busiest: Name | None = None
    #: Measure meant by "sell" without a unit.
    sold: Name | None = None
    #: Measure meant by "best-selling".
    bestselling: Name | None = None
    #: Dimension meant by "bestsellers".
    bestsellers: Name | None = None
    verified: tuple[Verified, ...] = ()

    @model_validator(mode="after")
    def _known(self) -> SemanticLayer:
        for name, measure in self.measures.items():
            wanted = [
                *(measure.ratio.over if measure.ratio else ()),
                *measure.instead.values(),
                *(other for other in (measure.percent, measure.often) if other is not None),
            ]
            for other in wanted:
                if other not in self.measures:
                    raise ValueError(f"measure {name} names {other}, which is none")
            for beside in measure.said_of:
                if beside not in self.dimensions:
                    raise ValueError(f"measure {name} names dimension {beside}, which is none")
            for source in measure.sources:
                if source.fact not in self.facts:
                    raise ValueError(f"measure {name} names fact {source.fact}, which is none")
        for name, dimension in self.dimensions.items():
            for meant in (dimension.counts, dimension.members, dimension.ranks, dimension.lists):
                if meant is not None and meant not in self.measures:
                    raise ValueError(f"dimension {name} names {meant}, which is no measure")
        for meant in (self.busiest, self.sold, self.bestselling):
            if meant is not None and meant not in self.measures:
                raise ValueError(f"{meant} is no measure")
        return self


def load_layer(path: Path) -> SemanticLayer:
    """Return the layer of a YAML file; `extends` names a file beside it whose entries it changes.

    Raises:
        InvalidInputError: the file is not a layer; the message names the entry.
    """
    try:
        return SemanticLayer.model_validate(_read(path))
    except (OSError, ValueError, yaml.YAMLError) as exc:
        raise InvalidInputError(f"{path.name} is not a semantic layer: {exc}", field=path.name) from exc


def _read(path: Path) -> dict[str, Any]:
    # Any: whatever the file holds, until the model has looked at it.
    content = yaml.safe_load(path.read_text("utf-8"))
    if not isinstance(content, dict):
        raise ValueError("a layer is a mapping")  # noqa: TRY004 - `load_layer` turns it into our own
    base = content.pop("extends", None)
    if base is None:
        return content
    if not isinstance(base, str) or "/" in base:
        raise ValueError("`extends` names a file of the same folder")
    return _merged(_read(path.with_name(base)), content)


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        known = merged.get(key)
        merged[key] = _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged
