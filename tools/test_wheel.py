"""Builds the wheel and uses it where the checkout cannot be seen."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def main() -> int:
    """Build, install beside the checkout, check the schemas and the examples, run a plan's help."""
    with tempfile.TemporaryDirectory(prefix="reconciler-wheel-") as name:
        folder = Path(name)
        _run(
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            name,
            cwd=REPOSITORY,
        )
        wheel = next(folder.glob("*.whl"))
        home = folder / "venv"
        # The pinned packages of this environment serve; only our own code must come from the wheel.
        venv.create(home, with_pip=False)
        _borrow_packages(home)
        _run(
            sys.executable,
            "-m",
            "pip",
            "--python",
            home / "bin" / "python",
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            wheel,
            cwd=folder,
        )
        program = home / "bin" / "reconciler"
        shutil.copytree(REPOSITORY / "examples" / "workloads", folder / "workloads")
        where = _run(
            home / "bin" / "python",
            "-c",
            "import reconciler; print(reconciler.__file__)",
            cwd=folder,
        )
        if not Path(where.strip()).is_relative_to(home):
            raise SystemExit(f"the wheel was not used: {where}")
        for arguments in (["--version"], ["schema", "check"], ["validate", "workloads"]):
            print(_run(program, *arguments, cwd=folder), end="")
    print("the wheel works on its own")
    return 0


def _borrow_packages(home: Path) -> None:
    """Let the new environment see this one's packages, but not the editable install among them."""
    site = next((home / "lib").glob("python*/site-packages"))
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "workload_reconciler" not in entry.name and entry.name not in ("pip", "__pycache__"):
            (site / entry.name).symlink_to(entry)


def _run(*command: object, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
