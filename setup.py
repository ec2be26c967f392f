"""Builds the native operator where a compiler is found; without one the installation succeeds and says why.

The operator is reached through ctypes and knows nothing of Python, so that one wheel serves every Python of a platform.
`WINDOWCONV_COMPILER` names a compiler with its options, such as one for another platform, in place of this machine's
own; then a build that fails is an error. Everything else about the package is in pyproject.toml.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

NATIVE = Path("src/windowconv/fftconv/native")
LIBRARY = "_kernels.so"
FAILURE = "build_failure.txt"  # read by windowconv.fftconv.native.library
COMPILER = "WINDOWCONV_COMPILER"
# NaN and infinities have a meaning: no -ffast-math
FLAGS = ["-std=c++17", "-O3", "-g0", "-ffp-contract=fast", "-fvisibility=hidden", "-Wno-psabi"]


class BuildNative(build_ext):
    """`build_ext` that writes down why an extension could not be built, instead of failing."""

    def build_extension(self, ext: Extension) -> None:
        places = [NATIVE, Path(self.build_lib, *NATIVE.parts[1:])]
        for place in places:
            (place / FAILURE).unlink(missing_ok=True)
        _remove(NATIVE, but=LIBRARY)  # which earlier versions named after a Python
        if os.environ.get(COMPILER):
            self._build_with(shlex.split(os.environ[COMPILER]), ext)
            return
        try:
            if sys.platform == "win32":
                raise RuntimeError("the native operator is not available on Windows yet")
            try:
                super().build_extension(ext)
            except Exception:  # an assembler that is older than its compiler does not know AMX's instructions
                ext.define_macros = [("WC_WITHOUT_AMX", None)]
                super().build_extension(ext)
        except Exception as error:  # whatever a compiler or its absence raises: the package works without
            said = f"it could not be built when windowconv was installed: {error}"
            self.announce(f"windowconv's native operator: {said}", level=3)
            for place in places:
                _remove(place)
                if place.is_dir():
                    (place / FAILURE).write_text(said + "\n")

    def _build_with(self, compiler: list[str], ext: Extension) -> None:
        """Build with another compiler, all sources at once."""
        target = Path(self.get_ext_fullpath(ext.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        command = [*compiler, *FLAGS, "-shared", "-fPIC", "-s", "-o", str(target), *ext.sources]
        subprocess.run(command, check=True)

    def get_ext_filename(self, fullname: str) -> str:
        """Without the tag of a Python: the library has nothing of one."""
        return str(Path(*fullname.split(".")).with_name(LIBRARY))


class AnyPython(bdist_wheel):
    """A wheel for every Python of a platform."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


def _remove(place: Path, but: str = "") -> None:
    for stale in place.glob("_kernels*"):
        if stale.name != but:
            stale.unlink()


kernels = Extension(
    "windowconv.fftconv.native._kernels",
    sources=[str(path) for path in sorted(NATIVE.glob("*.cpp"))],
    depends=[str(path) for path in sorted(NATIVE.glob("*.h"))],
    language="c++",
    extra_compile_args=FLAGS,
    libraries=["dl", "pthread"] if sys.platform.startswith("linux") else [],
    optional=True,
)

setup(ext_modules=[kernels], cmdclass={"build_ext": BuildNative, "bdist_wheel": AnyPython})
