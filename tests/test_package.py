"""The package's front door: lazy names, a light import, documented names."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import windowconv

SOURCE = Path(windowconv.__file__).parent
HOME: dict[str, str] = vars(windowconv)["_HOME"]
PUBLIC = sorted(HOME)
LIBRARY = sorted(p.stem for p in SOURCE.glob("*.py") if p.stem != "__init__")


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_import_is_light():
    heavy = "{'torch', 'numpy', 'scipy', 'matplotlib', 'safetensors', 'torchvision', 'timm'}"
    assert run(f"import sys, windowconv; dir(windowconv); print({heavy} & set(sys.modules))") == "set()"


@pytest.mark.parametrize("name", PUBLIC)
def test_lazy_names_are_those_of_their_modules_and_documented(name):
    value = getattr(windowconv, name)
    home = importlib.import_module(f"windowconv.{HOME[name]}")
    assert value is getattr(home, name)
    assert name in dir(windowconv)
    assert inspect.getdoc(value)
    if inspect.isclass(value):
        for key, member in vars(value).items():
            if not key.startswith("_") and inspect.isfunction(member):
                assert inspect.getdoc(member), f"{name}.{key}"


def test_a_star_import_brings_every_public_name():
    names: dict[str, object] = {}
    exec("from windowconv import *", names)
    assert {name: names[name] for name in PUBLIC} == {name: getattr(windowconv, name) for name in PUBLIC}
    assert set(names) - {"__builtins__"} == set(PUBLIC)


def test_the_stub_names_the_same():
    tree = ast.parse((SOURCE / "__init__.pyi").read_text())
    imports = {
        alias.name: str(node.module).removeprefix("windowconv.")
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imports == HOME
    assert all(alias.asname == alias.name for n in tree.body if isinstance(n, ast.ImportFrom) for alias in n.names)


@pytest.mark.parametrize("module", LIBRARY)
def test_modules_have_docstrings_and_so_have_their_public_functions(module):
    tree = ast.parse((SOURCE / f"{module}.py").read_text())
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{module}.{node.name}"


@pytest.mark.parametrize("module", LIBRARY)
def test_the_library_does_not_import_the_laboratory(module):
    text = (SOURCE / f"{module}.py").read_text()
    names = {
        str(getattr(node, "module", None) or node.names[0].name)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert not {name for name in names if name.startswith("windowconv.lab")}


def test_unknown_names():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        windowconv.__getattr__("nothing")
    assert not hasattr(windowconv, "WindowedConv4d")


def test_the_version_is_that_of_the_package():
    assert windowconv.__version__ == importlib.import_module("importlib.metadata").version("windowconv")


def test_what_is_missing_is_named_with_an_extra_that_installs_it():
    """Every `require` and `check_installed` in the source, against the package's own metadata."""
    packages = {"art": "adversarial-robustness-toolbox", "PIL": "pillow", "lightning_fabric": "lightning-fabric"}
    packages["imagecorruptions"] = "imagecorruptions-imaug"
    extras = extras_of(importlib.import_module("importlib.metadata").requires("windowconv"))
    asked = 0
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("require", "check_installed"):
                words = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                if len(words) != len(node.args):
                    continue  # decided at run time
                extra = words[-1] if node.func.id == "require" else words[0]  # pyright: ignore[reportAttributeAccessIssue]
                for module in set(words) - {extra} or {extra}:
                    name = str(module).partition(".")[0]
                    assert packages.get(name, name) in extras[extra], (path, module, extra)
                    asked += 1
    assert asked > 20


def extras_of(requirements):
    """The packages of each extra, those of the extras that it includes too."""
    found: dict[str, set[str]] = {}
    for text in requirements:
        wanted, _, marker = text.partition(";")
        if "extra ==" in marker:
            name = re.split(r"[<>=!~\s]", wanted.strip())[0]
            found.setdefault(marker.partition("extra ==")[2].strip(" \"'"), set()).add(name)
    for _ in found:
        for held in found.values():
            for name in [name for name in held if name.startswith("windowconv[")]:
                for other in name[len("windowconv[") : -1].split(","):
                    held |= found[other]
    return found


def test_typed():
    assert (SOURCE / "py.typed").is_file()
