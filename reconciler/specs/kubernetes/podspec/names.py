"""Names of other objects in a pod, its own names in the network, and how names are looked up."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.specs.kubernetes.paths import Path
from reconciler.specs.kubernetes.podspec.view import PodView
from reconciler.specs.kubernetes.problems import (
    Problem,
    Problems,
    entries,
    find_repeated,
    mapping,
    texts,
)
from reconciler.specs.kubernetes.syntax import problem_of_key, problem_of_label, problem_of_name
from reconciler.specs.schema.compiled_schema import quote_value

_MOST_NAMESERVERS, _MOST_SEARCHES, _LONGEST_SEARCHES = 3, 32, 2048
_SEARCH = re.compile(r"[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*")

# By field of the pod: what it names, and the grammar of that.
NAMES: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "hostname": ("the hostname", problem_of_label),
    "nodeName": ("the node's name", problem_of_name),
    "priorityClassName": ("the name of the priority class", problem_of_name),
    "runtimeClassName": ("the name of the runtime class", problem_of_name),
    "serviceAccountName": ("the name of the service account", problem_of_name),
    "subdomain": ("the subdomain", problem_of_label),
}


def check_name_field(_: PodView, path: Path, name: Any) -> Problems:
    """A name of the pod's specification follows its grammar."""
    noun, problem_of = NAMES[str(path[-1])]
    if isinstance(name, str) and name and (problem := problem_of(name)):
        hint = "fill in the variable" if "$" in name else ""
        yield Problem(path, f"{noun} {quote_value(name)} {problem}", hint)


def check_dns_policy(view: PodView, path: Path, policy: Any) -> Problems:
    """A pod that is told nothing by the cluster brings its own name servers."""
    if policy == "None" and not mapping(view.spec, "dnsConfig").get("nameservers"):
        message = "the dnsPolicy None needs name servers of the pod's own"
        yield Problem(path, message, "write dnsConfig: {nameservers: [...]}")


def check_dns_config(_: PodView, path: Path, config: Any) -> Problems:
    """Name servers are addresses, and there are as many as a resolver reads."""
    servers, searches = (mapping(config).get(field) for field in ("nameservers", "searches"))
    if isinstance(servers, list) and len(servers) > _MOST_NAMESERVERS:
        message = f"a pod has {_MOST_NAMESERVERS} name servers at most, not {len(servers)}"
        yield Problem((*path, "nameservers"), message, at_key=True)
    for server_path, server in texts(servers, (*path, "nameservers")):
        yield from check_address(server_path, server)
    words = [search for _, search in texts(searches, ())]
    if len(words) > _MOST_SEARCHES or len(" ".join(words)) > _LONGEST_SEARCHES:
        message = f"'searches' holds {_MOST_SEARCHES} domains of {_LONGEST_SEARCHES} characters"
        yield Problem((*path, "searches"), f"{message} at most", at_key=True)
    for search_path, search in texts(searches, (*path, "searches")):
        if search != "." and not _SEARCH.fullmatch(search.removesuffix(".")):
            yield Problem(search_path, f"{quote_value(search)} is no domain to search")
    for option_path, option in entries(mapping(config).get("options"), (*path, "options")):
        if not option.get("name"):
            yield Problem(option_path, "an option of the resolver needs a name")


def check_host_aliases(_: PodView, path: Path, aliases: Any) -> Problems:
    """A line of /etc/hosts is an address and names for it."""
    for alias_path, alias in entries(aliases, path):
        if isinstance(alias.get("ip"), str):
            yield from check_address((*alias_path, "ip"), alias["ip"])
        for name_path, name in texts(alias.get("hostnames"), (*alias_path, "hostnames")):
            if problem := problem_of_name(name):
                yield Problem(name_path, f"the name {quote_value(name)} {problem}")


def check_address(path: Path, text: str) -> Problems:
    """An address of IPv4 or IPv6."""
    # Few pods write one, and the module takes as long to load as all of these rules.
    from ipaddress import ip_address

    try:
        ip_address(text)
    except ValueError:
        yield Problem(path, f"{quote_value(text)} is no IP address")


def check_readiness_gates(_: PodView, path: Path, gates: Any) -> Problems:
    """A gate of readiness is a condition with a name of its own."""
    for gate_path, gate in entries(gates, path):
        kind = gate.get("conditionType")
        if isinstance(kind, str) and (problem := problem_of_key(kind)):
            message = f"the condition {quote_value(kind)} {problem}"
            yield Problem((*gate_path, "conditionType"), message)


def check_scheduling_gates(view: PodView, path: Path, gates: Any) -> Problems:
    """A pod waits for gates with names, each once, and is on no node while it does."""
    names = [
        ((*gate_path, "name"), gate["name"])
        for gate_path, gate in entries(gates, path)
        if isinstance(gate.get("name"), str)
    ]
    yield from find_repeated(iter(names), "the gate")
    for name_path, name in names:
        if problem := problem_of_key(name):
            yield Problem(name_path, f"the gate {quote_value(name)} {problem}")
    if names and view.is_bare and view.spec.get("nodeName"):
        message = "a pod that waits for 'schedulingGates' is on no node yet"
        yield Problem((*path[:-1], "nodeName"), message, at_key=True)


def check_ephemeral(_: PodView, path: Path, containers: Any) -> Problems:
    """Containers for debugging are added to a pod that runs."""
    if containers:
        message = "'ephemeralContainers' are only added to a pod that runs"
        yield Problem(path, message, "write them under 'containers'", at_key=True)
