"""What a finding costs, as a multiple of what reading and checking its file costs without one.

    python -m benchmarks.findings [--files 300] [--rounds 5]

Both are measured in the same run, in turns, and in time of the processor, so that a machine that is
busy with something else says nearly the same.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from reconciler.specs.config import config_file, load_config
from reconciler.specs.loading import load_specs

_SPEC = """\
metadata:
  name: w-{number}
  projectId: "4501"
  priority: high
manifest:
  apiVersion: apps/v1
  kind: Deployment
  metadata:
    name: w-{number}
    labels: {{app: w-{number}, team: research}}
  spec:
    replicas: 2
    selector: {{matchLabels: {{app: w-{number}}}}}
    template:
      metadata: {{labels: {{app: w-{number}}}}}
      spec:
        containers:
          - name: main
            image: registry.example.com/serve:1
{field}            command: [serve, --port, "8080"]
            env:
{env}
            resources:
              requests: {{cpu: 4, memory: 16Gi}}
              limits: {{nvidia.com/gpu: 1, memory: 16Gi}}
            volumeMounts: [{{name: data, mountPath: /data}}]
        volumes: [{{name: data, persistentVolumeClaim: {{claimName: data}}}}]
"""
# How many variables stand twice in a file, and a field that there is not: by a rule, by a schema.
_CASES = {
    "none": (0, ""),
    "a rule, 1 in a file": (1, ""),
    "a rule, 10 in a file": (10, ""),
    "a schema, 1 in a file": (0, "            imagePulPolicy: Always\n"),
}
_VARIABLES = 10


def main() -> None:
    """Print the cost of a file and of a finding, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Formatter)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        roots = {
            name: _write(Path(folder) / str(number), *_CASES[name], options.files)
            for number, name in enumerate(_CASES)
        }
        seconds: dict[str, list[float]] = {name: [] for name in _CASES}
        for _ in range(options.rounds):
            for name, root in roots.items():
                seconds[name].append(_measure(root, _count(name) * options.files))
    least = {name: min(times) / options.files for name, times in seconds.items()}
    clean = least.pop("none")
    print(f"a file without findings: {1000 * clean:.2f} ms")
    ratios = []
    for name, took in least.items():
        each = (took - clean) / _count(name)
        ratios.append(each / clean)
        print(f"{name}: {1000 * each:.2f} ms for a finding, {ratios[-1]:.2f} times a file without")
    print(f"mean of the ratios: {statistics.fmean(ratios):.2f}")


def _count(name: str) -> int:
    repeated, field = _CASES[name]
    return repeated + bool(field)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the description."""


def _write(root: Path, count: int, field: str, files: int) -> Path:
    root.mkdir()
    for number in range(files):
        names = [f"VAR_{index}" for index in range(_VARIABLES)]
        # A name that stands twice is the finding, and all else stays as it is.
        names += names[:count] + [f"MORE_{index}" for index in range(_VARIABLES - count)]
        env = "\n".join(f'              - {{name: {name}, value: "on"}}' for name in names)
        text = _SPEC.format(number=number, env=env, field=field)
        (root / f"{number:05}.yaml").write_text(text, encoding="utf-8")
    return root


def _measure(root: Path, expected: int) -> float:
    config = load_config(config_file(root), root=root)
    begun = time.process_time()
    loaded = load_specs([root], root=root, config=config)
    seconds = time.process_time() - begun
    if len(loaded.diagnostics) != expected:
        raise SystemExit(f"{len(loaded.diagnostics)} findings instead of {expected}")
    return seconds


if __name__ == "__main__":
    main()
