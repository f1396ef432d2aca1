"""Security settings of pods and containers, and the namespaces of the node that they share."""

from __future__ import annotations

import re
from typing import Any

from reconciler.specs.kubernetes.bodies import Manifest
from reconciler.specs.kubernetes.paths import Path
from reconciler.specs.kubernetes.podspec.view import ContainerView, PodView
from reconciler.specs.kubernetes.podspec.volumes import check_relative_path
from reconciler.specs.kubernetes.problems import (
    Problem,
    Problems,
    entries,
    find_repeated,
    given,
    is_number,
    mapping,
)
from reconciler.specs.schema.compiled_schema import quote_value

_LARGEST_ID = 2**31 - 1
_SYSCTL = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
)
_IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")
_HOST_NAMESPACES = ("hostNetwork", "hostPID", "hostIPC")
# What only Linux knows, of the pod and of its security settings.
_LINUX_POD = ("hostUsers", "hostPID", "hostIPC", "shareProcessNamespace")
_LINUX_SECURITY = (
    *("appArmorProfile", "fsGroup", "fsGroupChangePolicy", "runAsGroup", "runAsUser"),
    *("seLinuxChangePolicy", "seLinuxOptions", "seccompProfile", "supplementalGroups"),
    *("supplementalGroupsPolicy", "sysctls"),
)
_LINUX_CONTAINER = (
    *("allowPrivilegeEscalation", "appArmorProfile", "capabilities", "privileged", "procMount"),
    *("readOnlyRootFilesystem", "runAsGroup", "runAsUser", "seLinuxOptions", "seccompProfile"),
)


def check_pod_security(view: PodView, path: Path, security: Any) -> Problems:
    """The settings of a pod agree with each other and with what it shares with its node."""
    if not isinstance(security, dict):
        return
    yield from _check_profiles(path, security)
    groups = security.get("supplementalGroups")
    for index, group in enumerate(groups if isinstance(groups, list) else ()):
        if is_number(group) and not 0 <= group <= _LARGEST_ID:
            message = f"a group is a number from 0 to {_LARGEST_ID}, not {group}"
            yield Problem((*path, "supplementalGroups", index), message)
    yield from _check_sysctls(view, path, security)


def _check_sysctls(view: PodView, path: Path, security: Manifest) -> Problems:
    sysctls = [
        ((*sysctl_path, "name"), sysctl["name"])
        for sysctl_path, sysctl in entries(security.get("sysctls"), (*path, "sysctls"))
        if isinstance(sysctl.get("name"), str)
    ]
    yield from find_repeated(iter(sysctls), "the sysctl")
    for name_path, name in sysctls:
        dotted = name.replace("/", ".")
        if not _SYSCTL.fullmatch(name):
            yield Problem(name_path, f"{quote_value(name)} is no name of a sysctl")
        elif dotted.startswith("net.") and view.spec.get("hostNetwork") is True:
            yield Problem(name_path, f"'{name}' is the node's own on its network")
        elif dotted.startswith(_IPC_SYSCTLS) and view.spec.get("hostIPC") is True:
            yield Problem(name_path, f"'{name}' is the node's own with hostIPC")


def _check_profiles(path: Path, security: Manifest) -> Problems:
    for name in given(security, "seccompProfile", "appArmorProfile"):
        profile, profile_path = security[name], (*path, name)
        if not isinstance(profile, dict):
            continue
        kind, local = profile.get("type"), profile.get("localhostProfile")
        if not kind:
            # Left out, the schema misses it.
            if kind == "":
                yield Problem((*profile_path, "type"), "the type is empty")
        elif kind == "Localhost" and not local:
            message = f"'{name}' of the type Localhost needs a localhostProfile"
            yield Problem(profile_path, message, at_key=True)
        elif kind != "Localhost" and local is not None:
            message = f"'localhostProfile' is for the type Localhost, not for {quote_value(kind)}"
            yield Problem((*profile_path, "localhostProfile"), message, at_key=True)
        elif name == "seccompProfile":
            yield from check_relative_path((*profile_path, "localhostProfile"), local)
        elif isinstance(local, str) and local != local.strip():
            message = f"the profile {quote_value(local)} has blanks around it"
            yield Problem((*profile_path, "localhostProfile"), message)


def check_container_security(view: ContainerView, path: Path, security: Any) -> Problems:
    """The settings of a container do not contradict each other."""
    if not isinstance(security, dict):
        return
    yield from _check_profiles(path, security)
    escalation = (*path, "allowPrivilegeEscalation")
    if security.get("allowPrivilegeEscalation") is False:
        added = mapping(security, "capabilities").get("add")
        if security.get("privileged") is True:
            message = "a privileged container cannot do without allowPrivilegeEscalation"
            yield Problem(escalation, message, "remove one of both")
        elif isinstance(added, list) and "CAP_SYS_ADMIN" in added:
            message = "a container with CAP_SYS_ADMIN cannot do without allowPrivilegeEscalation"
            yield Problem(escalation, message, "remove one of both")
    if security.get("procMount") == "Unmasked" and view.view.spec.get("hostUsers") is not False:
        message = "the procMount Unmasked needs a pod with hostUsers: false"
        yield Problem((*path, "procMount"), message)


def check_host_users(view: PodView, path: Path, value: Any) -> Problems:
    """A pod with users of its own shares no other namespace with the node."""
    for field in _HOST_NAMESPACES if value is False else ():
        if view.spec.get(field) is True:
            yield Problem((*path[:-1], field), f"hostUsers: false excludes {field}", at_key=True)


def check_shared_processes(view: PodView, path: Path, value: Any) -> Problems:
    """Processes are shared inside the pod or with the node."""
    if value is True and view.spec.get("hostPID") is True:
        yield Problem(path, "'shareProcessNamespace' and 'hostPID' exclude each other", at_key=True)


def check_os(view: PodView, path: Path, system: Any) -> Problems:
    """A pod for one operating system has no settings of the other."""
    name, spec, pod_path = mapping(system).get("name"), view.spec, path[:-1]
    if name not in ("linux", "windows"):
        return
    windows = name == "windows"
    contexts = [((*pod_path, "securityContext"), mapping(spec, "securityContext"))]
    contexts += [
        ((*container_path, "securityContext"), mapping(container, "securityContext"))
        for container_path, container in view.pod.containers
    ]
    found = [(*pod_path, field) for field in given(spec, *_LINUX_POD) if windows and spec[field]]
    for index, (context_path, context) in enumerate(contexts):
        fields = _LINUX_CONTAINER if index else _LINUX_SECURITY
        foreign = given(context, *(fields if windows else ("windowsOptions",)))
        found += [(*context_path, field) for field in foreign]
    for field_path in found:
        yield Problem(field_path, f"a pod for {name} has no '{field_path[-1]}'", at_key=True)
