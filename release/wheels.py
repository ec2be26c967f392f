"""Build the source distribution and a wheel for each platform, all from one machine, by zig's C++ compiler.

    python release/wheels.py                      # into dist/
    python release/wheels.py --platforms linux-x86_64

Zig (`pip install ziglang`) carries the headers and libraries of every platform, down to a chosen glibc.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLATFORMS = {
    "linux-x86_64": ("x86_64-linux-gnu.2.28", "manylinux_2_28_x86_64"),
    "linux-aarch64": ("aarch64-linux-gnu.2.28", "manylinux_2_28_aarch64"),
    "macos-arm64": ("aarch64-macos.11.0", "macosx_11_0_arm64"),
}
"""Zig's target and the wheel's tag; torch's own wheels ask for the same glibc."""


def main() -> None:
    """Build what was asked for, and print the wheels' names and sizes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--platforms", nargs="*", choices=PLATFORMS, default=list(PLATFORMS), help="all if not given")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="the folder for what is built")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    build(given.out, ["--sdist"])
    for name in given.platforms:
        target, tag = PLATFORMS[name]
        compiler = f"{sys.executable} -m ziglang c++ -target {target}"
        shutil.rmtree(ROOT / "build", ignore_errors=True)  # which keeps another platform's library
        build(given.out, ["--wheel", f"-C--build-option=--plat-name={tag}"], WINDOWCONV_COMPILER=compiler)
    for path in sorted(given.out.iterdir()):
        print(f"{path.stat().st_size / 2**20:6.2f} MiB  {path.name}")


def build(out: Path, options: list[str], **variables: str) -> None:
    """One distribution, by `python -m build` in this environment."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), *options, str(ROOT)]
    subprocess.run(command, check=True, env={**os.environ, **variables}, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
