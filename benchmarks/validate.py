"""Reading and checking many spec files, beside check-jsonschema on the same files in one run.

Whole processes, in turns. check-jsonschema is taken from the path, or installed into an
environment of its own that is thrown away; it checks the shape of a spec only, without positions.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from reconciler.resources import schema_text

OURS, PEER = "this program", "check-jsonschema"
# Without its compiled part, the peer's YAML reader would take many times as long.
PARTS = (PEER, "ruamel.yaml.clib")
# One argument list has to hold the names of all files.
MOST = 20_000

# What the product does for `validate`, and what it found.
LOAD = """
import json, os, sys
from pathlib import Path
from reconciler.specs.config import config_file, load_config
from reconciler.specs.loading import load_specs
root = Path(sys.argv[1])
config = load_config(config_file(root), root=root)
loaded = load_specs([root], root=root, config=config)
print(json.dumps([loaded.files, len(loaded.desired), [str(one) for one in loaded.diagnostics]]))
sys.stdout.flush()
os._exit(0)
"""


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
    """Write specs into fifty folders, a share of them with a mistake."""
    every = round(100 / wrong) if wrong else 0
    paths = []
    for index in range(count):
        path = root / f"team-{index % 50}" / f"wl-{index}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(spec_text(index, wrong=bool(every) and index % every == 0))
        paths.append(path)
    return paths


def find_peer(folder: Path) -> str | None:
    """The peer from the path, else from a new environment; None where it is not to be had."""
    found = which(PEER)
    if found is not None:
        return found
    venv.create(folder, with_pip=True)
    installer = [str(folder / "bin" / "pip"), "install", "--quiet", *PARTS]
    done = subprocess.run(installer, capture_output=True, check=False)
    return str(folder / "bin" / PEER) if done.returncode == 0 else None


def report(label: str, runs: Sequence[Measured]) -> float:
    """Print the median of some runs; returns its seconds of a processor."""
    seconds = statistics.median(one.seconds for one in runs)
    processor = statistics.median(one.processor for one in runs)
    peak = max(one.peak for one in runs)
    print(f"{label:<26} {seconds:7.2f} s  processor {processor:7.2f} s  {peak:5.0f} MB peak")
    return processor


def main() -> None:
    """Take turns, so that a slow moment of the machine hits all; print ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help=f"files, {MOST:,} at most")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--wrong", type=float, default=1, help="percent of files with a mistake")
    parser.add_argument("--alone", action="store_true", help="without check-jsonschema")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        compare(Path(name), arguments)


def compare(folder: Path, arguments: argparse.Namespace) -> None:
    """Measure all in a folder of their own."""
    root = folder / "specs"
    paths = write_files(root, min(arguments.count, MOST), arguments.wrong)
    size = sum(path.stat().st_size for path in paths)
    print(f"{len(paths):,} files, {size / 1e6:.1f} MB, {os.cpu_count()} processors, load", end=" ")
    print(f"{os.getloadavg()[0]:.1f}")
    peer = None if arguments.alone else find_peer(folder / "peer")
    schema = folder / "spec.schema.json"
    schema.write_text(schema_text("spec"))
    ours = [sys.executable, "-c", LOAD, str(root)]
    # Bytecode as an installation has it, whatever the present environment says of writing any.
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environ["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    measure(ours, environ)
    runs: dict[str, list[Measured]] = {OURS: [], PEER: []}
    for _ in range(arguments.rounds):
        runs[OURS].append(measure(ours, environ))
        if peer is not None:
            check = [peer, "--no-cache", "--schemafile", str(schema), *map(str, paths)]
            runs[PEER].append(measure(check))
    answers = {one.output for one in runs[OURS]}
    if len(answers) != 1:
        raise SystemExit("the runs of this program differ in what they found")
    files, sound, found = json.loads(answers.pop())
    print(f"{files:,} files read, {sound:,} sound specs, {len(found):,} findings, all runs alike")
    used = {label: report(label, given) for label, given in runs.items() if given}
    if peer is None:
        print(f"{PEER} was not asked for, or is not to be had here")
    else:
        print(f"ratio {used[OURS] / used[PEER]:.3f}")
    repeat(folder / "sound", arguments, environ)


def repeat(root: Path, arguments: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Validate specs without a mistake as a user does, and again with nothing changed."""
    write_files(root, min(arguments.count, MOST), 0)
    environ = {**environ, "XDG_CACHE_HOME": str(root.parent / "cache")}
    again = [sys.executable, "-m", "reconciler", "validate", str(root)]
    first = measure(again, environ)
    cold, warm = [], []
    for _ in range(arguments.rounds):
        cold.append(measure([*again, "--no-cache"], environ))
        warm.append(measure(again, environ))
    if {one.output for one in (*cold, *warm)} != {first.output}:
        raise SystemExit("a run with nothing changed says something else")
    print(first.output.strip())
    used = [report(label, runs) for label, runs in (("validate", cold), ("again", warm))]
    print(f"ratio {used[1] / used[0]:.3f}")


if __name__ == "__main__":
    main()
