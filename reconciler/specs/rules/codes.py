"""Every diagnostic that reading specs and configuration can give, by its stable code."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.errors import Where


class Code(NamedTuple):
    """What a code means, and how bad it is where the diagnostic does not say otherwise.

    A `suppressible` one is about what a spec asks for. The others say that the spec was not
    understood, or not as a whole: to accept that would be to apply something else. `accepted` is
    how bad it still is where it is suppressed; None does not tell it then.
    """

    meaning: str
    severity: Severity = Severity.ERROR
    suppressible: bool = False
    accepted: Severity | None = None


_WARNING = Severity.WARNING


def _about_content(meaning: str, severity: Severity = Severity.ERROR) -> Code:
    return Code(meaning=meaning, severity=severity, suppressible=True)


CODES: dict[str, Code] = {
    # files and folders
    "no-such-path": Code(meaning="a path that was given, or that a spec names, does not exist"),
    "unreadable": Code(meaning="the operating system does not let a file or folder be read"),
    "not-a-file": Code(meaning="a pipe, device, socket or folder stands where a file is expected"),
    "broken-symlink": Code(meaning="a symbolic link leads nowhere"),
    "symlink-loop": Code(meaning="a symbolic link leads back to itself or to a folder above it"),
    "too-many-links": Code(meaning="symbolic links to folders multiply the tree beyond reason"),
    "outside-root": Code(
        meaning="a path leads out of the git checkout, or of the root where there is none"
    ),
    "too-large": Code(meaning="a file is larger than 16 MiB"),
    "bad-ignore-file": Code(meaning="a line of a .reconcilerignore is not a gitignore pattern"),
    "misnamed-spec": Code(
        meaning="a file would be a spec, if its name did not end in other letters"
    ),
    "empty-submodule": Code(
        meaning="a git submodule is not checked out: its specs would look removed"
    ),
    "misnamed-defaults": Code(
        "a file looks like defaults but is not named _defaults.yaml", _WARNING
    ),
    "no-configuration": Code(
        meaning="a folder without a reconciler.yaml holds more than 50 files that are no specs"
    ),
    "misplaced-patches": Code(
        meaning="a file looks like patches, and is not read: not _patches.yaml of a root"
    ),
    "bad-include": Code(meaning="a folder that `include` names cannot be included"),
    "nested-config": Code("a reconciler.yaml below the root is not read in this run", _WARNING),
    # text and notation
    "not-text": Code(meaning="a file is not UTF-8 text"),
    "control-character": Code(meaning="a character that YAML does not allow"),
    "lone-surrogate": Code(meaning="half of a surrogate pair, which no UTF-8 text can hold"),
    "yaml-syntax": Code(meaning="the text is not YAML"),
    "json-syntax": Code(meaning="the text of a .json file is not JSON"),
    "duplicate-key": Code(meaning="a key appears twice in one mapping"),
    "non-string-key": Code(meaning="a key is not a string"),
    "unsupported-tag": Code(meaning="a YAML tag that has no counterpart in JSON"),
    "unsupported-number": Code(meaning="a number that JSON or a 64-bit reader cannot hold"),
    "unknown-alias": Code(meaning="a YAML alias without an anchor before it, or inside its own"),
    "bad-merge": Code(meaning="a merge key (<<) whose value is not a mapping"),
    "too-deep": Code(meaning="a document is nested more than 100 levels deep"),
    "too-big": Code(
        meaning="a document has more than 100,000 values, or 16 Mi characters, once aliases are"
        " expanded"
    ),
    "too-many-documents": Code(meaning="a file holds more than 10,000 documents"),
    "too-many-findings": Code(meaning="a document or spec has more than 1,000 diagnostics"),
    "ambiguous-yaml": _about_content(
        "a plain value that YAML 1.1 and 1.2 read differently; an error in a base64 manifest",
        _WARNING,
    ),
    # documents
    "empty-file": Code(meaning="a file holds no document"),
    "empty-document": Code("a document between two separators holds nothing", _WARNING),
    "many-documents": Code(meaning="several documents where exactly one is expected"),
    "not-a-mapping": Code(meaning="a document is not a mapping"),
    "not-a-spec": Code(meaning="a document is something else than a spec"),
    # schema
    "unknown-field": Code(meaning="a field that does not exist"),
    "missing-field": Code(meaning="a required field is missing"),
    "wrong-type": Code(meaning="a value of the wrong type"),
    "invalid-value": Code(meaning="a value of the right type that is not allowed"),
    "policy": _about_content("a spec does not satisfy a policy of reconciler.yaml"),
    "bad-policy": Code(meaning="a policy cannot be used"),
    "bad-schema": Code(meaning="a schema of the folder that `schemas` names cannot be used"),
    "newer-version": Code(
        "api_version is one that this program does not know yet; it works as with the newest known",
        _WARNING,
    ),
    "unused-patch": Code("a patch matches no spec", _WARNING),
    "patch-overlap": _about_content("two patches write one field of a spec", _WARNING),
    "patch-misses": Code(meaning="a pointer of a patch leads nowhere in a spec that it matches"),
    "bad-suppression": Code(meaning="a suppression without a reason, or of what cannot be"),
    "unused-suppression": Code("a suppression of a diagnostic that does not occur", _WARNING),
    # workloads
    "project-choice": Code(meaning="not exactly one of `project` and `projectId`"),
    "unknown-project": Code(
        meaning="a project that neither reconciler.yaml nor the server knows by this name"
    ),
    "ambiguous-project": Code(meaning="several projects of the server have this name"),
    "unresolved-project": Code(
        meaning="a project is given by its name, and the server cannot be asked for it"
    ),
    "renamed-project": Code("a project has another name on the server by now", _WARNING),
    "project-being-deleted": Code(meaning="the server is deleting the project of a spec"),
    "project-not-ready": Code("the server says that a project is not ready", _WARNING),
    "other-namespace": Code(
        "a manifest names a namespace that is not the one of its project", _WARNING
    ),
    "manifest-choice": Code(
        meaning="not exactly one of `manifest`, `manifestFile` and `manifestBase64Encoded`"
    ),
    "bad-duration": Code(meaning="a `ttl` or `maxRuntime` is not a length of time"),
    "lifecycle-conflict": Code(meaning="settings of a lifecycle that contradict each other"),
    "idle-lifecycle": _about_content("a setting of a lifecycle that never takes effect", _WARNING),
    "empty-manifest": Code(meaning="a manifest holds nothing"),
    "bad-base64": Code(meaning="manifestBase64Encoded is not strict base64"),
    "encoded-too-long": Code(
        meaning="a base64 manifest is longer than the server takes, our annotations included"
    ),
    "unusable-field": Code(
        meaning="a field of the API with which a workload would have no address of its own"
    ),
    "unknown-priority": _about_content(
        "a priority that is not among those that every server has", _WARNING
    ),
    "unknown-category": _about_content(
        "a category that is not among those that every server has", _WARNING
    ),
    "reserved-annotation": Code(
        meaning="an annotation that the reconciler writes itself, to know its own workloads"
    ),
    "duplicate-address": Code(meaning="two specs declare the same workload"),
    "duplicate-manifest-name": Code(
        meaning="two workloads of a project whose manifests are one and the same object"
    ),
    "gpu-budget": Code(meaning="a project asks for more GPUs than limits.gpus allows it"),
    "unrendered-template": _about_content(
        "a template that is not rendered, where a name, image, label or quantity is expected"
    ),
    "wave-order": _about_content(
        "a workload is created no later than another one that it refers to", _WARNING
    ),
    "name-mismatch": _about_content("the manifest's name differs from the workload's", _WARNING),
    "unused-ignore": _about_content(
        "an ignoreChanges rule points at nothing that the spec declares", _WARNING
    ),
    "unknown-kind": _about_content(
        "a kind that the platform does not register out of the box", _WARNING
    ),
    # the server's own word
    "refused-by-server": Code(
        meaning="the server refuses a new workload when `validate --server` asks it"
    ),
    # the manifest as a Kubernetes object
    "bad-kind": _about_content("apiVersion or kind are not those of one Kubernetes object"),
    "bad-name": _about_content(
        "a name of an object or container that Kubernetes refuses, or makes no pods for"
    ),
    "object-too-large": _about_content("a manifest is larger than what Kubernetes stores, 1.5 MiB"),
    "bad-label": _about_content("a label that Kubernetes refuses"),
    "bad-annotation": _about_content("an annotation that Kubernetes refuses"),
    "server-field": _about_content("a field that only the cluster writes", _WARNING),
    "no-containers": _about_content("a pod without containers"),
    "no-image": _about_content("a container without an image"),
    "bad-restart-policy": _about_content("a restartPolicy that the kind does not allow"),
    "bad-selector": _about_content("a selector that does not find the pods of its own template"),
    "bad-count": _about_content("a number of pods that is no number, or negative"),
    "bad-volume": _about_content("volumes and mounts of a pod that do not fit together"),
    "bad-port": _about_content("a port whose name Kubernetes refuses, or that two ports have"),
    "bad-env": _about_content("a variable that is given twice, in two ways, or from nowhere"),
    "bad-probe": _about_content("a probe that cannot look, or stands where none is asked"),
    "bad-lifecycle": _about_content(
        "a handler, gate or container that cannot be part of a pod's life"
    ),
    "bad-security": _about_content("security settings that contradict each other"),
    "bad-dns": _about_content("name servers, domains or hosts that a pod cannot have"),
    "bad-claim": _about_content("a claim of storage or devices that cannot be fulfilled"),
    "bad-placement": _about_content(
        "a toleration, affinity or spread that contradicts itself, or asks for no label"
    ),
    "bad-rollout": _about_content("pods are replaced or counted in a way that cannot work"),
    "bad-role": _about_content(
        "a role of a training job that its operator does not know, or does not find its way in"
    ),
    "bad-job": _about_content("modes, limits or policies of a job that do not fit together"),
    "bad-group": _about_content("groups of pods that cannot be made, or that nothing finds"),
    "bad-scale": _about_content("bounds of a scale, or shares of traffic, that cannot hold"),
    "bad-schedule": _about_content("a schedule that the CronJob controller cannot read"),
    "bad-quantity": _about_content(
        "an amount of a resource that cannot be read, or above its limit"
    ),
    "unknown-resource": _about_content(
        "a resource that Kubernetes does not have, or a name that is nearly one of its own"
    ),
    "bad-gpu-request": _about_content("GPUs that are not asked for in whole numbers, as a limit"),
    "bad-gpu-share": _about_content("gpu-fraction or gpu-memory that the scheduler refuses"),
    "misplaced-gpu-share": _about_content(
        "gpu-fraction or gpu-memory where no pod gets to see it", _WARNING
    ),
    "kubernetes-unknown-field": Code(
        meaning="a field that the kind does not have; a warning where it is suppressed, or where"
        " `lenient` is set",
        suppressible=True,
        accepted=_WARNING,
    ),
    "kubernetes-missing-field": _about_content("a field that Kubernetes requires is missing"),
    "kubernetes-wrong-type": _about_content("a value of another type than Kubernetes takes"),
    "kubernetes-invalid-value": _about_content("a value that Kubernetes does not allow"),
}


# Some messages quote a file: nobody reads a longer one, and some logs are cut by size.
LONGEST_SENTENCE = 1000

# Nobody reads more of them, and each takes time: a place, a suggestion.
MOST_DIAGNOSTICS = 1000


def too_many_diagnostics(where: Where, address: str = "") -> Diagnostic:
    """Make the diagnostic that ends a list; an error, since more may be wrong."""
    message = f"more than {MOST_DIAGNOSTICS:,} diagnostics; the check stopped here"
    hint = "check that this is the right file"
    return make_diagnostic("too-many-findings", message, where, hint=hint, address=address)


def make_diagnostic(
    code: str,
    message: str,
    where: Where,
    *,
    hint: str = "",
    pointer: str = "",
    address: str = "",
    severity: Severity | None = None,
) -> Diagnostic:
    """Make a diagnostic with the severity of its code, unless another is passed."""
    return Diagnostic(
        severity=severity or CODES[code].severity,
        code=code,
        message=message[:LONGEST_SENTENCE],
        where=where,
        hint=hint[:LONGEST_SENTENCE],
        pointer=pointer,
        address=address,
    )
