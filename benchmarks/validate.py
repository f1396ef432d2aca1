"""Validating many spec files, beside check-jsonschema and kubeconform on the same in one run.

Whole processes, in turns; each ratio stands beside the one to reach. check-jsonschema checks the
shape of a spec only, without positions, and kubeconform the bare manifests.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import Peer, PeerError, find_peer
from benchmarks.sandboxes import as_installed
from reconciler.resources import schema_text

# One argument list has to hold the names of all files.
MOST = 20_000
LARGE = 50_000
# What to reach: processor time to check-jsonschema's and to a cold run's, seconds to kubeconform's.
TO_JSONSCHEMA, TO_COLD, TO_KUBECONFORM, LARGE_PEAK = 0.12, 0.12, 0.6, 300
# Younger files are read again, since a later change may have the same time.
SETTLED_SECONDS = 2.5
VALIDATE = [sys.executable, "-m", "reconciler", "validate", "--deadline", "1h"]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One whole process: seconds by the clock and of a processor, megabytes at the most."""

    seconds: float
    processor: float
    peak: float
    output: str


def measure(command: Sequence[str], environ: Mapping[str, str] | None = None) -> Measured:
    """Run a command to its end, whatever it finds."""
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environ)
        _, _, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = 0
        output.seek(0)
        return Measured(
            seconds=seconds,
            processor=used.ru_utime + used.ru_stime,
            peak=used.ru_maxrss / 1024,
            output=output.read(),
        )


def spec_text(index: int, *, wrong: bool) -> str:
    """A spec of 1 to 3 KB: a server, a job with a script, or a distributed training."""
    name = f"wl-{index}"
    variables = "".join(
        f'              - name: VAR_{number}\n                value: "value-{number}-{index}"\n'
        for number in range(3 + index % 15)
    )
    pod = f"""\
          containers:
            - name: main
              image: registry.example.com/team/app:{index}
              command: ["python", "-m", "train", "--seed={index}"]
              env:
{variables}              resources:
                requests:
                  cpu: 500m
                  memory: 2Gi
                limits:
                  nvidia.com/gpu: {1 + index % 8}
"""
    kinds = (_server, _job, _training)
    return f"""\
# Workload {index}, owned by team {index % 50}
metadata:
  name: {name}
  projectId: "{4500 + index % 50}"
  priority: {"urgent" if wrong else "low"}
  category: Train
lifecycle:
  protect: {"true" if index % 7 == 0 else "false"}
  wave: {index % 3}
manifest:
{kinds[index % len(kinds)](name, pod)}"""


def _server(name: str, pod: str) -> str:
    return f"""\
  apiVersion: apps/v1
  kind: Deployment
  metadata:
    name: {name}
    labels: {{app: {name}, tier: serving}}
  spec:
    replicas: 3
    selector:
      matchLabels:
        app: {name}
    template:
      metadata:
        labels:
          app: {name}
        annotations:
          example.com/purpose: "a server, like many others"
      spec:
{_shifted(pod, -2)}"""


def _job(name: str, pod: str) -> str:
    return f"""\
  apiVersion: batch/v1
  kind: Job
  metadata:
    name: {name}
    annotations:
      example.com/notes: |
        Trains once.

        Started by hand.
  spec:
    backoffLimit: 2
    template:
      spec:
        restartPolicy: Never
{_shifted(pod, -2)}"""


def _training(name: str, pod: str) -> str:
    return f"""\
  apiVersion: kubeflow.org/v1
  kind: PyTorchJob
  metadata:
    name: {name}
  spec:
    pytorchReplicaSpecs:
      Worker:
        replicas: 4
        restartPolicy: OnFailure
        template:
          spec:
{_shifted(pod.replace("- name: main", "- name: pytorch"), 2)}"""


def _shifted(text: str, by: int) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(" " * by + line if by > 0 else line[-by:] for line in lines)


def write_files(root: Path, count: int, wrong: float) -> list[Path]:
    """Write specs into fifty folders, a share of them with a warning."""
    every = round(100 / wrong) if wrong else 0
    paths = []
    for index in range(count):
        path = root / f"team-{index % 50}" / f"wl-{index}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(spec_text(index, wrong=bool(every) and index % every == 0))
        paths.append(path)
    return paths


def check_out_again(paths: Sequence[Path]) -> None:
    """Give each file its bytes as another file, as a pipeline's checkout does."""
    for path in paths:
        copy = path.with_name(".copy")
        copy.write_bytes(path.read_bytes())
        copy.replace(path)


def write_manifests(folder: Path, paths: Sequence[Path]) -> None:
    """What stands below `manifest` of each spec, in a file of its own."""
    folder.mkdir()
    for path in paths:
        manifest = path.read_text().partition("\nmanifest:\n")[2]
        (folder / path.name).write_text(textwrap.dedent(manifest))


def show(label: str, runs: Sequence[Measured]) -> Measured:
    """Print the median of some runs, and return it; the peak is the highest."""
    middle = Measured(
        seconds=statistics.median(one.seconds for one in runs),
        processor=statistics.median(one.processor for one in runs),
        peak=max(one.peak for one in runs),
        output=runs[0].output,
    )
    print(
        f"{label:<28} {middle.seconds:7.2f} s  processor {middle.processor:7.2f} s  "
        f"{middle.peak:5.0f} MB peak",
        flush=True,
    )
    return middle


def verdict_of(output: str) -> str:
    """The last line of a validation; a run that ended otherwise is no measurement."""
    verdict = output.strip().rpartition("\n")[2]
    if "valid" not in verdict:
        raise SystemExit(f"this was no validation: {verdict}")
    return verdict


def tell(label: str, ratio: float, most: float) -> None:
    """Print a ratio beside the one to reach."""
    print(f"{'':<28} {label}: {ratio:.3f}, {'within' if ratio <= most else 'ABOVE'} {most}")


def find_peers(names: Sequence[str]) -> dict[str, Peer]:
    """Those that are to be had; says which, and in which version."""
    peers = {}
    for name in names:
        try:
            peers[name] = find_peer(name)
            print(peers[name])
        except PeerError as error:
            print(error)
    return peers


def main() -> None:
    """Take turns, so that a slow moment of the machine hits all; print ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help=f"files, {MOST:,} at most")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--wrong", type=float, default=1, help="percent of files with a warning")
    parser.add_argument("--alone", action="store_true", help="without other programs")
    parser.add_argument("--large", action="store_true", help=f"the peak of {LARGE:,} files as well")
    parser.add_argument("--schemas", help="where kubeconform finds schemas (-schema-location)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        compare(Path(name), arguments)


def peer_commands(folder: Path, paths: Sequence[Path], schemas: str | None) -> dict[str, list[str]]:
    """How each peer that is to be had checks the same."""
    peers = find_peers(("check-jsonschema", "kubeconform"))
    commands = {}
    if peer := peers.get("check-jsonschema"):
        schema = folder / "spec.schema.json"
        schema.write_text(schema_text("spec"))
        options = ["--no-cache", "--schemafile", str(schema)]
        commands[peer.name] = [str(peer.path), *options, *map(str, paths)]
    if peer := peers.get("kubeconform"):
        manifests = folder / "manifests"
        write_manifests(manifests, paths)
        options = ["-ignore-missing-schemas", "-n", str(os.cpu_count() or 1)]
        options += ["-schema-location", schemas] if schemas else []
        commands[peer.name] = [str(peer.path), *options, str(manifests)]
    return commands


def compare(folder: Path, arguments: argparse.Namespace) -> None:
    """Measure all in a folder of their own."""
    root = folder / "specs"
    paths = write_files(root, min(arguments.count, MOST), arguments.wrong)
    size = sum(path.stat().st_size for path in paths)
    print(f"{len(paths):,} files, {size / 1e6:.1f} MB, {os.cpu_count()} processors, load", end=" ")
    print(f"{os.getloadavg()[0]:.1f}")
    peers = {} if arguments.alone else peer_commands(folder, paths, arguments.schemas)
    environ = {**as_installed(), "XDG_CACHE_HOME": str(folder / "cache")}
    again = [*VALIDATE, str(root)]
    measure(again, environ)
    names = ("cold", "nothing changed", "one file changed", "checked out again")
    own: dict[str, list[Measured]] = {name: [] for name in names}
    others: dict[str, list[Measured]] = {name: [] for name in peers}
    for number in range(arguments.rounds):
        own["cold"].append(measure([*again, "--no-cache"], environ))
        time.sleep(SETTLED_SECONDS)
        measure(again, environ)
        own["nothing changed"].append(measure(again, environ))
        with paths[-1].open("a") as file:
            file.write(f"  # round {number}\n")
        own["one file changed"].append(measure(again, environ))
        check_out_again(paths)
        own["checked out again"].append(measure(again, environ))
        for name, command in peers.items():
            others[name].append(measure(command, environ))
    said = {one.output for runs in own.values() for one in runs}
    if len(said) != 1:
        raise SystemExit("the runs of this program differ in what they found")
    print(verdict_of(said.pop()))
    cold = show("validate, cold", own.pop("cold"))
    for name, runs in own.items():
        ratio = show(f"validate, {name}", runs).processor / cold.processor
        # Another file with the same bytes is read, which is most of what a cold run does by now.
        tell("processor / cold", ratio, TO_COLD if name != "checked out again" else 1)
    for name, runs in others.items():
        other = show(name, runs)
        if name == "kubeconform":
            tell("cold / this, seconds", cold.seconds / other.seconds, TO_KUBECONFORM)
        else:
            tell("cold / this, processor", cold.processor / other.processor, TO_JSONSCHEMA)
    if arguments.large:
        large = folder / "large"
        write_files(large, LARGE, arguments.wrong)
        runs = [measure([*VALIDATE, str(large)], environ)]
        print(verdict_of(runs[0].output))
        tell("MB", show(f"validate, {LARGE:,} files", runs).peak, LARGE_PEAK)


if __name__ == "__main__":
    main()
