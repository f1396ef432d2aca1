"""Claims: of storage, by templates, and of devices, by the pod and its containers."""

from __future__ import annotations

from typing import Any

from reconciler.specs.kubernetes.bodies import Manifest
from reconciler.specs.kubernetes.paths import Path
from reconciler.specs.kubernetes.podspec.view import ContainerView, PodView
from reconciler.specs.kubernetes.problems import Problem, Problems, entries, given, mapping, texts
from reconciler.specs.kubernetes.syntax import problem_of_label, problem_of_name, read_quantity
from reconciler.specs.schema.compiled_schema import did_you_mean, quote_value

_ACCESS_MODES = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")
_ONE_POD = "ReadWriteOncePod"


def check_claim_template(path: Path, source: Manifest) -> Problems:
    """The claim of an ephemeral volume asks for storage in a way that can be given."""
    template = source.get("volumeClaimTemplate")
    if isinstance(template, dict):
        yield from check_claim_spec((*path, "volumeClaimTemplate", "spec"), template.get("spec"))


def check_claim_spec(path: Path, spec: Any) -> Problems:
    """A claim of storage says how it is used and how much it is."""
    if not isinstance(spec, dict):
        yield Problem(path, "a claim of storage needs a 'spec'", at_key=True)
        return
    modes = [mode for _, mode in texts(spec.get("accessModes"), ())]
    if not modes:
        hint = "such as accessModes: [ReadWriteOnce]"
        yield Problem(path, "a claim of storage needs 'accessModes'", hint, at_key=True)
    for mode_path, mode in texts(spec.get("accessModes"), (*path, "accessModes")):
        if mode not in _ACCESS_MODES:
            hint = did_you_mean(mode, _ACCESS_MODES) or f"one of {', '.join(_ACCESS_MODES)}"
            yield Problem(mode_path, f"{quote_value(mode)} is no access mode", hint)
    if _ONE_POD in modes and len(set(modes)) > 1:
        yield Problem((*path, "accessModes"), f"{_ONE_POD} excludes other access modes")
    storage = mapping(spec, "resources", "requests").get("storage")
    amount = read_quantity(storage)
    if storage is None:
        hint = "write resources: {requests: {storage: 10Gi}}"
        yield Problem(path, "a claim of storage needs an amount of it", hint, at_key=True)
    elif amount is not None and amount <= 0:
        storage_path = (*path, "resources", "requests", "storage")
        yield Problem(storage_path, f"storage must be above 0, not {quote_value(storage)}")
    name = spec.get("storageClassName")
    if isinstance(name, str) and name and (problem := problem_of_name(name)):
        message = f"the name of the storage class {quote_value(name)} {problem}"
        yield Problem((*path, "storageClassName"), message)


def check_resource_claims(_: PodView, path: Path, claims: Any) -> Problems:
    """A pod's claims of devices have names of their own, and each is of one object."""
    names: set[str] = set()
    for claim_path, claim in entries(claims, path):
        name = claim.get("name")
        if isinstance(name, str):
            if problem := problem_of_label(name):
                message = f"the claim's name {quote_value(name)} {problem}"
                yield Problem((*claim_path, "name"), message)
            elif name in names:
                yield Problem((*claim_path, "name"), f"two claims are named '{name}'")
            names.add(name)
        kinds = given(claim, "resourceClaimName", "resourceClaimTemplateName")
        if len(kinds) != 1:
            message = "a claim is of a resourceClaimName or a resourceClaimTemplateName"
            yield Problem(claim_path, message, "remove one of them" if kinds else "write one")
        for kind in kinds:
            text = claim[kind]
            if isinstance(text, str) and (problem := problem_of_name(text)):
                yield Problem((*claim_path, kind), f"the name {quote_value(text)} {problem}")


def check_used_claims(view: ContainerView, path: Path, resources: Any) -> Problems:
    """A container uses claims that its pod has, each once."""
    claims = entries(view.view.spec.get("resourceClaims"), ())
    known = {claim["name"] for _, claim in claims if isinstance(claim.get("name"), str)}
    used: set[tuple[str, str]] = set()
    for claim_path, claim in entries(mapping(resources).get("claims"), (*path, "claims")):
        name, request = claim.get("name"), str(claim.get("request") or "")
        if not isinstance(name, str):
            continue
        if name not in known:
            hint = did_you_mean(name, known) or "add it under 'resourceClaims' of the pod"
            yield Problem((*claim_path, "name"), f"the pod has no claim '{name}'", hint)
        elif (name, request) in used:
            yield Problem((*claim_path, "name"), f"the claim '{name}' is used twice")
        used.add((name, request))
