"""Evaluates the part of PromQL that the example's alerts are written in, at one instant."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import promql_parser
from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]
Vector = Mapping[Labels, float]
"""A value for each set of labels, without the name of the metric."""

_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "-": operator.sub,
    "*": operator.mul,
}
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "!=": operator.ne,
    "==": operator.eq,
}


def evaluate(expression: str, exposition: str, *, now: float) -> Vector:
    """What an alert's expression gives for metrics in the text format; empty: it does not fire."""
    samples = [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
    ]
    result = _value(promql_parser.parse(expression), samples, now)
    assert isinstance(result, Mapping), f"{expression} is no vector"
    return result


def _value(node: Any, samples: list[tuple[str, dict[str, str], float]], now: float) -> Any:
    match type(node).__name__:
        case "NumberLiteral":
            return node.val
        case "ParenExpr":
            return _value(node.expr, samples, now)
        case "VectorSelector":
            return {
                frozenset(labels.items()): value
                for name, labels, value in samples
                if name == node.name and all(_matches(m, labels) for m in node.matchers.matchers)
            }
        case "Call" if node.func.name == "time":
            return now
        case "Call" if node.func.name == "absent":
            return {} if _value(node.args[0], samples, now) else {frozenset(): 1.0}
        case "BinaryExpr":
            left, right = (_value(side, samples, now) for side in (node.lhs, node.rhs))
            return _combine(str(node.op), left, right)
        case other:
            raise NotImplementedError(other)


def _matches(matcher: Any, labels: Mapping[str, str]) -> bool:
    value = labels.get(matcher.name, "")
    match str(matcher.op):
        case "MatchOp.Equal":
            return bool(value == matcher.value)
        case "MatchOp.NotEqual":
            return bool(value != matcher.value)
        case "MatchOp.Re":
            return re.fullmatch(matcher.value, value) is not None
        case "MatchOp.NotRe":
            return re.fullmatch(matcher.value, value) is None
        case other:
            raise NotImplementedError(other)


def _combine(op: str, left: Any, right: Any) -> Any:
    if op == "and":
        return {labels: value for labels, value in left.items() if labels in right}
    if not isinstance(left, Mapping) and not isinstance(right, Mapping):
        return _ARITHMETIC[op](left, right)
    result: dict[Labels, float] = {}
    for labels in left if isinstance(left, Mapping) else right:
        first = left.get(labels) if isinstance(left, Mapping) else left
        second = right.get(labels) if isinstance(right, Mapping) else right
        if first is None or second is None:
            continue
        if op in _ARITHMETIC:
            result[labels] = _ARITHMETIC[op](first, second)
        elif _COMPARISONS[op](first, second):
            result[labels] = first if isinstance(left, Mapping) else second
    return result
