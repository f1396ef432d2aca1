"""Probes and the handlers of a container's life: how they look, and where they may stand."""

from __future__ import annotations

import re
from typing import Any

from reconciler.specs.kubernetes.bodies import Manifest
from reconciler.specs.kubernetes.paths import Path
from reconciler.specs.kubernetes.podspec.ports import is_port_name
from reconciler.specs.kubernetes.podspec.view import ContainerView
from reconciler.specs.kubernetes.problems import Problem, Problems, entries, given, is_number
from reconciler.specs.schema.compiled_schema import quote_value

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
PROBE_HANDLERS = ("exec", "grpc", "httpGet", "tcpSocket")
_LIFE_HANDLERS = ("exec", "httpGet", "sleep", "tcpSocket")
# Knative takes a probe without a handler for one of its own port, and fills that in.
_FILLED_IN = frozenset({"serving.knative.dev"})
_USUAL_GRACE = 30
_HEADER = re.compile(r"[-A-Za-z0-9]+")


def check_probe(view: ContainerView, path: Path, probe: Any) -> Problems:
    """A probe looks in one way that works, and where there is something to look at."""
    if not isinstance(probe, dict):
        return
    name = str(path[-1])
    if view.is_init and not view.is_sidecar:
        yield _no_place(path)
        return
    yield from _check_handlers(view, path, probe, PROBE_HANDLERS)
    threshold, grace = probe.get("successThreshold"), probe.get("terminationGracePeriodSeconds")
    if name != "readinessProbe" and is_number(threshold) and threshold > 1:
        message = f"the successThreshold of a {name} is always 1"
        yield Problem((*path, "successThreshold"), message, "remove it")
    grace_path = (*path, "terminationGracePeriodSeconds")
    if name == "readinessProbe" and grace is not None:
        message = "a readinessProbe ends nothing, and has no terminationGracePeriodSeconds"
        yield Problem(grace_path, message, "remove it", at_key=True)
    elif is_number(grace) and grace < 1:
        yield Problem(grace_path, f"terminationGracePeriodSeconds must be above 0, not {grace}")


def check_lifecycle(view: ContainerView, path: Path, lifecycle: Any) -> Problems:
    """What is called after the start and before the end is one handler that works."""
    if not isinstance(lifecycle, dict):
        return
    if view.is_init and not view.is_sidecar:
        yield _no_place(path)
        return
    for name in given(lifecycle, "postStart", "preStop"):
        if isinstance(handler := lifecycle[name], dict):
            yield from _check_handlers(view, (*path, name), handler, _LIFE_HANDLERS)
            yield from _check_sleep(view, (*path, name), handler)


def _no_place(path: Path) -> Problem:
    message = f"an init container has no {path[-1]}, unless it stays as a sidecar"
    return Problem(path, message, "remove it, or write restartPolicy: Always", at_key=True)


def _check_handlers(
    view: ContainerView, path: Path, holder: Manifest, names: tuple[str, ...]
) -> Problems:
    handlers = given(holder, *names)
    if len(handlers) != 1 and not (view.view.group in _FILLED_IN and not handlers):
        listed = f"one handler, not {' and '.join(handlers)}" if handlers else "a handler"
        hint = f"write one of {', '.join(names)}"
        yield Problem(path, f"the {path[-1]} needs {listed}", hint, at_key=True)
    for name in handlers:
        action, action_path = holder[name], (*path, name)
        if not isinstance(action, dict):
            continue
        if name == "exec" and not action.get("command"):
            yield Problem(action_path, "'exec' needs a command", at_key=True)
        if name in ("httpGet", "tcpSocket"):
            yield from _check_port(view, (*action_path, "port"), action.get("port"))
        for header_path, header in entries(
            action.get("httpHeaders"), (*action_path, "httpHeaders")
        ):
            text = header.get("name")
            if isinstance(text, str) and not _HEADER.fullmatch(text):
                message = f"{quote_value(text)} is no name of an HTTP header"
                yield Problem((*header_path, "name"), message)


def _check_port(view: ContainerView, path: Path, port: Any) -> Problems:
    if not isinstance(port, str) or (not port and view.view.group in _FILLED_IN):
        # A number is held to its range by the schema.
        return
    if not is_port_name(port):
        hint = f"write the number: {port}" if port.isdecimal() else ""
        yield Problem(path, f"the port {quote_value(port)} is no name of a port", hint)


def _check_sleep(view: ContainerView, path: Path, handler: Manifest) -> Problems:
    sleep = handler.get("sleep")
    seconds = sleep.get("seconds") if isinstance(sleep, dict) else None
    grace = view.view.spec.get("terminationGracePeriodSeconds", _USUAL_GRACE)
    if is_number(seconds) and is_number(grace) and not 0 <= seconds <= max(grace, 1):
        message = f"it sleeps {seconds} seconds, and the pod has {grace} to end"
        hint = "raise terminationGracePeriodSeconds of the pod, or sleep less"
        yield Problem((*path, "sleep", "seconds"), message, hint)
