"""Ports of containers, and the ports of the node that they take."""

from __future__ import annotations

import re
from typing import Any

from reconciler.specs.kubernetes.paths import Path
from reconciler.specs.kubernetes.podspec.view import ContainerView, PodView
from reconciler.specs.kubernetes.problems import Problem, Problems, entries
from reconciler.specs.schema.compiled_schema import quote_value

_PORT_NAME = re.compile(r"(?=[a-z0-9-]{1,15}\Z)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")


def is_port_name(text: str) -> bool:
    """Whether a text can name a port (RFC 6335)."""
    return _PORT_NAME.fullmatch(text) is not None


def check_ports(_: ContainerView, path: Path, ports: Any) -> Problems:
    """The ports of a container have names that Kubernetes takes, each once."""
    names: set[str] = set()
    for port_path, port in entries(ports, path):
        name = port.get("name")
        if not isinstance(name, str) or not name:
            continue
        if not is_port_name(name):
            message = f"the port's name {quote_value(name)} is not one that Kubernetes takes"
            hint = "at most 15 lower case letters, digits and single '-' inside, one a letter"
            yield Problem((*port_path, "name"), message, hint)
        elif name in names:
            message = f"two ports of the container are named '{name}'"
            yield Problem((*port_path, "name"), message)
        names.add(name)


def check_host_ports(view: PodView, path: Path, containers: Any) -> Problems:
    """A port of the node is taken once by a pod; on the node's network it is the port itself."""
    taken: set[tuple[Any, ...]] = set()
    on_host = view.spec.get("hostNetwork") is True
    for container_path, container in entries(containers, path):
        if path[-1] == "initContainers":
            # They run one after the other.
            taken = set()
        for port_path, port in entries(container.get("ports"), (*container_path, "ports")):
            number = port.get("hostPort")
            if not number:
                continue
            key = (port.get("protocol") or "TCP", port.get("hostIP") or "", number)
            if key in taken:
                message = f"two containers take the port {number} of the node"
                yield Problem((*port_path, "hostPort"), message)
            taken.add(key)
            own = port.get("containerPort")
            if on_host and path[-1] == "containers" and own is not None and number != own:
                message = f"on the node's network hostPort is the containerPort, {own}"
                yield Problem((*port_path, "hostPort"), message, "remove it")
