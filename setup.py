"""Builds the native operator where a compiler is found; without one the installation succeeds and says why.

Everything else about the package is in pyproject.toml.
"""

import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

NATIVE = Path("src/windowconv/fftconv/native")
FAILURE = "build_failure.txt"  # read by windowconv.fftconv.native.library


class BuildNative(build_ext):
    """`build_ext` that writes down why an extension could not be built, instead of failing."""

    def build_extension(self, ext: Extension) -> None:
        places = [NATIVE, Path(self.build_lib, *NATIVE.parts[1:])]
        for place in places:
            (place / FAILURE).unlink(missing_ok=True)
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
                for stale in place.glob("_kernels*"):  # of an earlier installation
                    stale.unlink()
                if place.is_dir():
                    (place / FAILURE).write_text(said + "\n")


kernels = Extension(
    "windowconv.fftconv.native._kernels",
    sources=[str(path) for path in sorted(NATIVE.glob("*.cpp"))],
    depends=[str(path) for path in sorted(NATIVE.glob("*.h"))],
    language="c++",
    # NaN and infinities have a meaning: no -ffast-math
    extra_compile_args=["-std=c++17", "-O3", "-g0", "-ffp-contract=fast", "-fvisibility=hidden", "-Wno-psabi"],
    libraries=["dl", "pthread"] if sys.platform.startswith("linux") else [],
    optional=True,
)

setup(ext_modules=[kernels], cmdclass={"build_ext": BuildNative})
