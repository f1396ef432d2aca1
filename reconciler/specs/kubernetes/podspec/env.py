"""The variables of a container, and the objects and fields that they come from."""

from __future__ import annotations

import re
from collections.abc import Collection
from decimal import Decimal
from typing import Any

from reconciler.core.diagnostics import Severity
from reconciler.specs.kubernetes.bodies import Manifest
from reconciler.specs.kubernetes.paths import Path
from reconciler.specs.kubernetes.podspec.view import ContainerView
from reconciler.specs.kubernetes.problems import Problem, Problems, entries, given, mapping
from reconciler.specs.kubernetes.syntax import problem_of_key, problem_of_name, read_quantity
from reconciler.specs.schema.compiled_schema import did_you_mean, quote_value

# Of the pod, what a variable may be; `spec.host` is an older name that is still converted.
ENV_FIELDS = (
    *("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.host"),
    *("spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP"),
    "status.podIPs",
)
_SUBSCRIPTED = r"(?s)metadata\.(annotations|labels)\['(.*)'\]"
_RESOURCE = r"(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.+)"
_RESOURCES = tuple(
    f"{part}.{name}"
    for part in ("limits", "requests")
    for name in ("cpu", "memory", "ephemeral-storage")
)
_PRINTABLE = re.compile(r"[ -<>-~]+")
_CONFIG_KEY = r"[-._a-zA-Z0-9]{1,253}"
# One, a thousandth, and the units of bytes: a value is divided by nothing else.
_BYTE_UNITS = frozenset(
    {
        *(Decimal(1000) ** power for power in range(7)),
        *(Decimal(1024) ** power for power in range(1, 7)),
    }
)
_CORE_UNITS = frozenset({Decimal(1), Decimal("0.001")})


def check_env(_: ContainerView, path: Path, variables: Any) -> Problems:
    """A variable has a name and one value, from a source that exists."""
    names: set[str] = set()
    # There are many of them, so that even a path is only made where it is needed.
    for index, variable in enumerate(variables if isinstance(variables, list) else ()):
        if not isinstance(variable, dict):
            continue
        name, source = variable.get("name"), variable.get("valueFrom")
        if isinstance(name, str):
            if name in names:
                message = f"'{name}' is given twice, and the later one counts"
                yield Problem((*path, index, "name"), message, severity=Severity.WARNING)
            elif not _PRINTABLE.fullmatch(name):
                message = f"{quote_value(name)} cannot name a variable"
                yield Problem((*path, index, "name"), message)
            names.add(name)
        if isinstance(source, dict):
            yield from _check_source((*path, index, "valueFrom"), variable, source)


def _check_source(path: Path, variable: Manifest, source: Manifest) -> Problems:
    # A null is a field that was left out, and an empty value none at all.
    kinds = [key for key, reference in source.items() if reference is not None]
    if variable.get("value") not in (None, ""):
        message = "'value' and 'valueFrom' exclude each other"
        yield Problem(path, message, at_key=True)
    elif len(kinds) != 1:
        listed = f"one source, not {' and '.join(kinds)}" if kinds else "a source"
        yield Problem(path, f"'valueFrom' needs {listed}", at_key=True)
    for kind in given(source, "configMapKeyRef", "secretKeyRef"):
        yield from _check_reference((*path, kind), mapping(source, kind))
        yield from _check_key((*path, kind, "key"), mapping(source, kind).get("key"))
    yield from check_field_reference((*path, "fieldRef"), source.get("fieldRef"), ENV_FIELDS)
    yield from check_resource_reference((*path, "resourceFieldRef"), source.get("resourceFieldRef"))


def check_env_from(_: ContainerView, path: Path, sources: Any) -> Problems:
    """Each source of variables is one object that has a name."""
    for source_path, source in entries(sources, path):
        kinds = given(source, "configMapRef", "secretRef")
        if len(kinds) != 1:
            message = "a source of variables is a configMapRef or a secretRef"
            hint = "write two of them" if kinds else "write one of both"
            yield Problem(source_path, message, hint)
        prefix = source.get("prefix")
        if isinstance(prefix, str) and prefix and not _PRINTABLE.fullmatch(prefix):
            message = f"{quote_value(prefix)} cannot begin the name of a variable"
            yield Problem((*source_path, "prefix"), message)
        for kind in kinds:
            yield from _check_reference((*source_path, kind), mapping(source, kind))


def _check_reference(path: Path, reference: Manifest) -> Problems:
    name = reference.get("name")
    if name is None or name == "":
        yield Problem(path, f"'{path[-1]}' needs the name of an object", at_key=True)
    elif isinstance(name, str) and (problem := problem_of_name(name)):
        yield Problem((*path, "name"), f"the name {quote_value(name)} {problem}")


def _check_key(path: Path, key: Any) -> Problems:
    if key == "":
        yield Problem(path, "the key is empty")
    elif isinstance(key, str) and (
        not re.fullmatch(_CONFIG_KEY, key) or key == "." or key.startswith("..")
    ):
        message = f"{quote_value(key)} is no key of a Secret or ConfigMap"
        yield Problem(path, message, "letters, digits, '-', '_' and '.' only")


def check_field_reference(path: Path, reference: Any, fields: Collection[str]) -> Problems:
    """A reference to a field of the pod names one that can be referred to."""
    field = mapping(reference).get("fieldPath")
    if not isinstance(field, str) or field in fields:
        return
    subscripted = re.fullmatch(_SUBSCRIPTED, field)
    if subscripted is None:
        hint = did_you_mean(field, fields) or f"such as {', '.join(sorted(fields)[:3])}"
        yield Problem((*path, "fieldPath"), f"{quote_value(field)} is no field to refer to", hint)
    elif problem := problem_of_key(subscripted[2].lower()):
        message = f"the key in {quote_value(field)} {problem}"
        yield Problem((*path, "fieldPath"), message)


def check_resource_reference(path: Path, reference: Any, *, needs_name: bool = False) -> Problems:
    """A reference to an amount of a container names one that can be divided as asked."""
    if not isinstance(reference, dict):
        return
    if needs_name and not reference.get("containerName"):
        message = "'resourceFieldRef' in a volume needs a containerName"
        yield Problem(path, message, at_key=True)
    resource, divisor = reference.get("resource"), reference.get("divisor")
    written = re.fullmatch(_RESOURCE, resource) if isinstance(resource, str) else None
    if isinstance(resource, str) and written is None:
        hint = did_you_mean(resource, _RESOURCES) or "such as limits.cpu or requests.memory"
        message = f"{quote_value(resource)} is no amount to refer to"
        yield Problem((*path, "resource"), message, hint)
    amount = read_quantity(divisor)
    if written is None or amount is None or amount == 0:
        return
    if amount not in (_CORE_UNITS if written[2] == "cpu" else _BYTE_UNITS):
        units = "1 or 1m" if written[2] == "cpu" else "one unit, such as 1, 1M or 1Mi"
        yield Problem((*path, "divisor"), f"the divisor is {units}, not {quote_value(divisor)}")
