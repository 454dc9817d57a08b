"""What a statement may be made of: node types with their arguments, functions, casts and units.

Everything that is not named here is refused: a list of what is dangerous would have to know every
engine's next release.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlglot import exp

_NODES: Final[dict[type[exp.Expr], str]] = {
    exp.Select: "with_ expressions distinct limit from_ joins where group having order offset",
    exp.Union: "with_ this expression distinct order limit offset",
    exp.Except: "with_ this expression distinct order limit offset",
    exp.Intersect: "with_ this expression distinct order limit offset",
    exp.Subquery: "this alias",
    exp.With: "expressions",
    exp.CTE: "this alias",
    exp.From: "this",
    exp.Join: "this side kind on using",
    exp.Table: "this alias",
    exp.TableAlias: "this",
    exp.Where: "this",
    exp.Group: "expressions",
    exp.Having: "this",
    exp.Order: "expressions",
    exp.Ordered: "this desc nulls_first",
    exp.Limit: "expression",
    exp.Offset: "expression",
    exp.Distinct: "expressions",
    exp.Alias: "this alias",
    exp.Identifier: "this quoted",
    exp.Column: "this table",
    exp.Star: "",
    exp.Literal: "this is_string",
    exp.Boolean: "this",
    exp.Null: "",
    exp.Var: "this",
    exp.Interval: "this unit",
    exp.DataType: "this expressions nested",
    exp.DataTypeParam: "this",
    exp.Cast: "this to",
    exp.Paren: "this",
    exp.Neg: "this",
    exp.Not: "this",
    exp.And: "this expression",
    exp.Or: "this expression",
    exp.EQ: "this expression",
    exp.NEQ: "this expression",
    exp.GT: "this expression",
    exp.GTE: "this expression",
    exp.LT: "this expression",
    exp.LTE: "this expression",
    exp.Is: "this expression negate",
    exp.NullSafeEQ: "this expression",
    exp.NullSafeNEQ: "this expression",
    exp.Between: "this low high",
    exp.In: "this expressions query",
    exp.Exists: "this",
    exp.Like: "this expression",
    exp.ILike: "this expression",
    exp.Add: "this expression",
    exp.Sub: "this expression",
    exp.Mul: "this expression",
    exp.Div: "this expression typed safe",
    exp.Mod: "this expression",
    exp.DPipe: "this expression safe",
    exp.Case: "this ifs default",
    exp.If: "this true false",
    exp.Filter: "this expression",
    exp.Window: "this partition_by order spec over",
    exp.WindowSpec: "kind start start_side end end_side",
    exp.WithinGroup: "this expression",
    exp.AtTimeZone: "this zone",
    # Functions, as sqlglot names them in every dialect.
    exp.Count: "this big_int",
    exp.Sum: "this",
    exp.Avg: "this",
    exp.Min: "this",
    exp.Max: "this",
    exp.Stddev: "this",
    exp.StddevSamp: "this",
    exp.StddevPop: "this",
    exp.Variance: "this",
    exp.Corr: "this expression",
    exp.PercentileCont: "this",
    exp.PercentileDisc: "this",
    exp.Mode: "",
    exp.RowNumber: "",
    exp.Rank: "",
    exp.DenseRank: "",
    exp.PercentRank: "",
    exp.Ntile: "this",
    exp.Lag: "this offset default",
    exp.Lead: "this offset default",
    exp.FirstValue: "this",
    exp.LastValue: "this",
    exp.Abs: "this",
    exp.Round: "this decimals",
    exp.Ceil: "this",
    exp.Floor: "this",
    exp.Sqrt: "this",
    exp.Sign: "this",
    exp.Coalesce: "this expressions",
    exp.Nullif: "this expression",
    exp.Greatest: "this expressions ignore_nulls",
    exp.Least: "this expressions ignore_nulls",
    exp.Lower: "this",
    exp.Upper: "this",
    exp.Length: "this",
    exp.Trim: "this",
    exp.Substring: "this start length",
    exp.Left: "this expression",
    exp.Right: "this expression",
    exp.StrPosition: "this substr",
    exp.Concat: "expressions safe coalesce",
    exp.Extract: "this expression",
    exp.TimestampTrunc: "this unit",
    exp.DateTrunc: "this unit",
    exp.TimeToStr: "this format",
    exp.ToChar: "this format",
    exp.TsOrDsToTimestamp: "this",
    exp.TsOrDsToDate: "this",
    exp.Date: "this",
    exp.Year: "this",
    exp.Month: "this",
    exp.Day: "this",
    exp.CurrentDate: "",
    exp.CurrentTimestamp: "",
}
#: Node type -> the arguments that may be present. An argument that is absent, None, False or [] needs no entry.
NODES: Final[Mapping[type[exp.Expr], frozenset[str]]] = {node: frozenset(keys.split()) for node, keys in _NODES.items()}

#: Functions that sqlglot has no class for, by dialect and lower-case name -> most arguments.
NAMED: Final[Mapping[str, Mapping[str, int]]] = {
    "postgres": {"age": 2, "make_date": 3, "isfinite": 1},
    "sqlite": {"date": 4, "datetime": 4, "time": 4, "julianday": 4, "unixepoch": 4, "strftime": 5, "total": 1},
    "mysql": {"yearweek": 2, "makedate": 2},
}

#: Types that a cast may name. Object identifiers (`::regclass`) and row types are the ones that matter here.
CASTS: Final = frozenset(
    {
        exp.DataType.Type.BOOLEAN,
        exp.DataType.Type.TINYINT,
        exp.DataType.Type.SMALLINT,
        exp.DataType.Type.INT,
        exp.DataType.Type.BIGINT,
        exp.DataType.Type.DECIMAL,
        exp.DataType.Type.FLOAT,
        exp.DataType.Type.DOUBLE,
        exp.DataType.Type.TEXT,
        exp.DataType.Type.VARCHAR,
        exp.DataType.Type.CHAR,
        exp.DataType.Type.DATE,
        exp.DataType.Type.TIME,
        exp.DataType.Type.TIMESTAMP,
        exp.DataType.Type.TIMESTAMPTZ,
        exp.DataType.Type.DATETIME,
        exp.DataType.Type.INTERVAL,
    }
)

#: Words that may stand bare: parts of a date.
UNITS: Final = frozenset(
    unit + plural
    for unit in ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "DOW", "ISODOW", "DOY", "EPOCH")
    for plural in ("", "S")
)

#: (node, argument) -> the plain strings that it may hold. Others are refused: a generator prints them as they are.
WORDS: Final[Mapping[tuple[type[exp.Expr], str], frozenset[str]]] = {
    (exp.Join, "side"): frozenset({"LEFT", "RIGHT", "FULL"}),
    (exp.Join, "kind"): frozenset({"INNER", "OUTER", "CROSS"}),
    (exp.Window, "over"): frozenset({"OVER"}),
    (exp.WindowSpec, "kind"): frozenset({"ROWS", "RANGE"}),
    (exp.WindowSpec, "start"): frozenset({"UNBOUNDED", "CURRENT ROW"}),
    (exp.WindowSpec, "end"): frozenset({"UNBOUNDED", "CURRENT ROW"}),
    (exp.WindowSpec, "start_side"): frozenset({"PRECEDING", "FOLLOWING"}),
    (exp.WindowSpec, "end_side"): frozenset({"PRECEDING", "FOLLOWING"}),
}
