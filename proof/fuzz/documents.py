"""Documents as nobody should write them, each made of a seed and a number alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache
from random import Random
from typing import Any

import yaml

from proof.commands import REPOSITORY

Files = Mapping[str, bytes]

SPEC = """\
metadata: &who {name: llm, projectId: "4501", priority: high}
manifest: &m
  apiVersion: apps/v1
  kind: Deployment
  metadata: {name: llm, labels: {app: "x"}}
  spec:
    replicas: 1
    selector: {matchLabels: {app: x}}
    template:
      metadata: {labels: {app: x}, annotations: {gpu-fraction: "0.5"}}
      spec:
        containers:
          - name: main
            image: registry.example.com/app:1
            ports: [{containerPort: 80, name: http}]
            env: [{name: A, value: "017"}, {name: B, value: "yes"}]
            volumeMounts: [{name: data, mountPath: /data}]
            args: [--a, "b", 'c']
        volumes: [{name: data, emptyDir: {}}]
lifecycle: {protect: true, ignoreChanges: [/manifest/spec], wave: 0}
"""
ENCODED = 'metadata: {name: enc, projectId: "1"}\nmanifestBase64Encoded: "%s"\n'
IN_FILE = 'metadata: {name: file, projectId: "1"}\nmanifestFile: m/job.yaml\n'
JOB = "apiVersion: batch/v1\nkind: Job\nspec: {template: {spec: {restartPolicy: Never}}}\n"
CONFIG = """\
projects: {team-a: "4501"}
limits: {max_delete: 30%, gpus: {team-a: 2}}
suppressions: [{codes: [unknown-kind], files: ["**/*"], reason: known}]
"""
POLICIES = "policies: [p.json]\n"
POLICY = '{"x-id": "p", "properties": {"metadata": {"required": ["priority"], "x-message": "no"}}}'
IGNORE = "old/\n!old/a.yaml\n*.tmp\n[ab]/**/c\n"

FRAGMENTS = (
    *"{}[],:-?&*!|>'\"%@`#~ \t\n\r",
    *(
        "---\n",
        "...\n",
        "<<: ",
        "<<: *m\n",
        "&a ",
        "*a",
        "*m",
        "*who",
        "!!binary ",
        "!x ",
        "!!map ",
    ),
    *("%YAML 1.1\n", "%TAG ! x:\n", "\ufeff", "\x00", "\x85", "\u2028", "\\ud800", "\\u0000"),
    *("0o7", ".nan", "-.inf", "9" * 30, "1e999", "é😀", "- - - ", "? ", "{" * 90, "[" * 120),
    *("metadata: ", "manifest: ", "manifestFile: a.yaml\n", "manifestFile: /dev/zero\n", "null"),
    *(
        "manifestBase64Encoded: ",
        "kind: Pod\n",
        "restartPolicy: ",
        "nvidia.com/gpu: 1.5\n",
        "|2-\n",
    ),
    *(
        "# reconciler:ignore policy, x -- y\n",
        "projectId: 1\n",
        "name: [",
        "lifecycle: 1\n",
        "\udc80",
    ),
)
# How much a document may be blown up: a screenful mostly, as much as people write at the most.
LARGEST = 100_000


@cache
def _examples() -> tuple[str, ...]:
    folder = REPOSITORY / "examples" / "workloads"
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".yaml", ".json"))
    return tuple(path.read_text("utf-8") for path in paths)


def make_repository(seed: int, number: int) -> Files:
    """The files of one repository, one of which is damaged, or two."""
    chance = Random(f"{seed}/{number}")
    files = {"m/job.yaml": JOB.encode(), "p.json": b"{}"}
    for _ in range(1 if chance.random() < 0.9 else 2):
        name, data = chance.choices(_ROLES, _WEIGHTS)[0](chance)
        files[name] = data
    # A policy is judged by a process of its own, which takes as long as fifty documents.
    policies = "" if files["p.json"] == b"{}" else POLICIES
    files.setdefault("reconciler.yaml", (CONFIG + policies).encode())
    if not any(name.startswith(("a.", "e.")) for name in files):
        files["a.yaml"] = (SPEC + "---\n" + IN_FILE).encode()
    return files


def _damage(chance: Random, text: str) -> str:
    """Cut, double, insert and exchange pieces of a text, and sometimes repeat one many times.

    Where that is all that is done to it, the result has a chance to be read to its end.
    """
    if chance.random() < 0.01:
        text = _repeat(chance, text)
        if chance.random() < 0.5:
            return text[:LARGEST]
    for _ in range(chance.randint(1, 6)):
        start = chance.randint(0, len(text))
        end = min(len(text), start + chance.randint(0, 12))
        piece = chance.choice(("", text[start:end] * 2, chance.choice(FRAGMENTS), _cut(chance)))
        text = text[:start] + piece + text[end:]
    return text[:LARGEST]


def _repeat(chance: Random, text: str) -> str:
    """Repeat any piece of a text, or a line that has another number each time."""
    if chance.random() < 0.5:
        start = chance.randint(0, len(text))
        piece = text[start : start + chance.randint(1, 60)]
        return text[:start] + piece * (LARGEST // (len(piece) or 1)) + text[start:]
    lines = text.splitlines(keepends=True) or ["a: 1\n"]
    at = chance.randrange(len(lines))
    head, colon, rest = lines[at].partition(":")
    many = (f"{head}{number}{colon}{rest}" for number in range(LARGEST // (len(lines[at]) + 5)))
    return "".join((*lines[:at], *many, *lines[at:]))


def _cut(chance: Random) -> str:
    """Some lines of another document."""
    lines = chance.choice((SPEC, *_examples())).splitlines(keepends=True)
    start = chance.randrange(len(lines))
    return "".join(lines[start : start + chance.randint(1, 4)])


def _encode(chance: Random, text: str) -> bytes:
    """Mostly UTF-8, also of what is no text; sometimes something else altogether."""
    if chance.random() < 0.02:
        encoding = chance.choice(("utf-16", "utf-32", "utf-16-be", "latin-1"))
        return text.encode(encoding, "replace" if encoding == "latin-1" else "surrogatepass")
    data = text.encode("utf-8", "surrogatepass")
    if chance.random() < 0.02 and data:
        at = chance.randrange(len(data))
        data = data[:at] + chance.randbytes(chance.randint(1, 4)) + data[at + 1 :]
    return data


def _spec(chance: Random) -> tuple[str, bytes]:
    text = chance.choice((SPEC, SPEC, IN_FILE, *_examples()))
    return "a.yaml", _encode(chance, _damage(chance, text))


def _json(chance: Random) -> tuple[str, bytes]:
    """A document as JSON, damaged as a value or as a text; now and then under the other name."""
    value = json.loads(_as_json(chance))
    if chance.random() < 0.5:
        _damage_value(chance, value)
    text = json.dumps(value, indent=chance.choice((None, 1)), ensure_ascii=chance.random() < 0.5)
    if chance.random() < 0.6:
        text = _damage(chance, text)
    return chance.choice(("a.json", "a.json", "a.yaml")), _encode(chance, text)


def _as_json(chance: Random) -> str:
    texts = (SPEC, IN_FILE, *(text for text in _examples() if "\n---" not in text))
    value = yaml.safe_load(chance.choice(texts))
    return json.dumps(value, default=str)


_ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        1e300,
        2**63,
        2**70,
        "",
        " ",
        "no",
        "a b",
        "x" * 300,
        "\u2028",
    ),
    *([], {}, [[]], [None], {"": 1}, {"a": {"b": {"c": []}}}, ["a", 1], "\udfff", "1Gi", "Always"),
)


def _damage_value(chance: Random, value: Any) -> None:
    """Exchange parts of a value for others of any type."""
    for _ in range(chance.randint(1, 4)):
        holder = value
        while True:
            steps = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not steps:
                break
            step = chance.choice(steps)
            below = holder[step]
            if not isinstance(below, dict | list) or not below or chance.random() < 0.2:
                holder[step] = deepcopy(chance.choice(_ODD))
                break
            holder = below


def _defaults(chance: Random) -> tuple[str, bytes]:
    text = "metadata: {priority: low}\nmanifest: {spec: {template: {spec: {tolerations: []}}}}\n"
    return "_defaults.yaml", _encode(chance, _damage(chance, chance.choice((text, SPEC))))


def _manifest(chance: Random) -> tuple[str, bytes]:
    return "m/job.yaml", _encode(chance, _damage(chance, chance.choice((JOB, SPEC))))


def _encoded(chance: Random) -> tuple[str, bytes]:
    data = base64.b64encode(_encode(chance, _damage(chance, JOB))).decode()
    return "e.yaml", (ENCODED % data).encode()


def _config(chance: Random) -> tuple[str, bytes]:
    return "reconciler.yaml", _encode(chance, _damage(chance, CONFIG + POLICIES))


def _policy(chance: Random) -> tuple[str, bytes]:
    return "p.json", _encode(chance, _damage(chance, POLICY))


def _ignore(chance: Random) -> tuple[str, bytes]:
    return ".reconcilerignore", _encode(chance, _damage(chance, IGNORE))


_ROLES: tuple[Callable[[Random], tuple[str, bytes]], ...] = (
    *(_spec, _json, _defaults, _manifest, _encoded, _config, _policy, _ignore),
)
_WEIGHTS = (10, 6, 2, 2, 1, 1, 1, 1)
