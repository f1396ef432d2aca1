"""Unique secrets, specs that carry them, and the search for them in everything that comes out."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proof.commands import Ended, run
from tests.support.workloads import spec

# What a signed token looks like, whoever made it.
_SIGNED = re.compile(rb"eyJ[A-Za-z0-9_-]{12,}\.[A-Za-z0-9_-]{12,}")


class Canaries:
    """Secrets by the place where they are put; made when they are first asked for."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._values = dict(known)

    def __getitem__(self, place: str) -> str:
        """The secret of one place; it survives JSON, YAML, a shell and a URL unchanged."""
        return self._values.setdefault(place, f"canary{secrets.token_hex(12)}")

    def places(self) -> list[str]:
        """Every place that has a secret."""
        return sorted(self._values)

    def hits(self, content: bytes) -> Iterator[str]:
        """The places whose secret is in there, in whatever form."""
        for place, value in self._values.items():
            for form, needle in _forms(value.encode()):
                if needle in content:
                    yield f"{place} ({form})"
        if _SIGNED.search(content):
            yield "an access token (plain)"


def _forms(value: bytes) -> Iterator[tuple[str, bytes]]:
    yield "plain", value
    yield "reversed", value[::-1]
    yield "hexadecimal", value.hex().encode()
    for shift in range(3):
        # Base64 of a text that contains it: only the characters that do not mix with its edges.
        encoded = base64.b64encode(b"\0" * shift + value).rstrip(b"=")
        yield "base64", encoded[4 if shift else 0 : -1]


@dataclass(slots=True)
class Search:
    """The artefacts of one scenario, searched as they come."""

    canaries: Canaries
    folder: Path
    variables: Mapping[str, str]
    title: str
    found: dict[str, list[str]] = field(default_factory=dict)
    artefacts: int = 0
    size: int = 0

    def command(self, *arguments: str, **variables: str) -> Ended:
        """Run a command and search everything that it leaves behind."""
        ended = run(arguments, {**self.variables, **variables}, self.folder)
        what = f"{self.title}: {' '.join(arguments)}"
        self.look(f"{what}: stdout", ended.out.encode())
        self.look(f"{what}: stderr", ended.err.encode())
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and path.suffix != ".json":
                self.look(f"{what}: {path.relative_to(self.folder)}", path.read_bytes())
        return ended

    def succeed(self, *arguments: str) -> None:
        """Run a command that has to do its work: a run that is refused reveals nothing."""
        ended = self.command(*arguments)
        if ended.code != 0:
            raise RuntimeError(f"{self.title}: {' '.join(arguments)}: {ended}")

    def look(self, what: str, content: bytes) -> None:
        """Search one artefact."""
        self.artefacts += 1
        self.size += len(content)
        for hit in self.canaries.hits(content):
            self.found.setdefault(hit, []).append(what)


def secret_specs(canaries: Canaries, project: str, version: int) -> list[dict[str, Any]]:
    """Workloads that carry secrets wherever a manifest can; a new version has new ones."""

    def secret(place: str) -> str:
        return canaries[f"{place} v{version}"]

    plain = spec("plain", project)
    container = plain["manifest"]["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [
        {"name": "HF_TOKEN", "value": secret("an environment value")},
        {"name": "DATABASE_URL", "value": f"postgres://app:{secret('a URL')}@db.example.com/app"},
        {"name": "SETUP", "value": f"login --password {secret('a script')} && start"},
    ]
    container["args"] = ["--api-token", secret("an argument"), f"--password={secret('a flag')}"]
    plain["manifest"]["metadata"]["annotations"] = {
        "example.com/api-token": secret("an annotation"),
        "example.com/config": json.dumps({"clientSecret": secret("JSON in an annotation")}),
    }
    # Drivers of volumes take whatever their authors thought of.
    attributes = {
        "password": secret("an attribute of a volume"),
        "app.ini": f"[db]\npassword = {secret('a file in an attribute')}\n",
    }
    options = {"apiKey": secret("an option of a volume")}
    plain["manifest"]["spec"]["template"]["spec"]["volumes"] = [
        {"name": "csi", "csi": {"driver": "csi.example.com", "volumeAttributes": attributes}},
        {"name": "flex", "flexVolume": {"driver": "example.com/flex", "options": options}},
    ]
    encoded = spec("encoded", project)
    manifest = encoded.pop("manifest")
    inner = manifest["spec"]["template"]["spec"]["containers"][0]
    inner["env"] = [{"name": "WANDB_API_KEY", "value": secret("an encoded manifest")}]
    encoded["manifestBase64Encoded"] = base64.b64encode(json.dumps(manifest).encode()).decode()
    return [plain, encoded]


# Files that no run takes for specs; what goes to the terminal is searched as well.
CHECKED = ("text", "json", "github", "sarif", "junit", "gitlab")
FORMS = ("text", "github", "json=out.json.txt", "html=out.html", "markdown=out.md")
READ = tuple(word for form in CHECKED for word in ("-o", f"{form}=out.{form}.txt"))
APPLIED = (*(word for form in FORMS for word in ("-o", form)), "--metrics-file", "out.prom")
PLANNED = (*APPLIED, "-o", "gitlab=out.gitlab.txt", "-o", "gitlab-plan=out.counts.txt")
