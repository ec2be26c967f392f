"""What the parser refuses and what the memory cannot hold, as one line in the form of all other errors."""

from __future__ import annotations

import re

RULE = re.compile(r"^[─-]+$")
MISSING = re.compile(r"Missing from windowconv [\w-]+:")
NAME = " " * 4  # the indent of a missing option's name; its description has more
FORMS = (
    (r"[Ii]nvalid choice (.+) for argument '--([\w.-]+)'\. Expected one of \((.+?),?\)\.", r"\2=\1; allowed: \3"),
    (r"Error parsing --([\w.-]+): invalid literal for int\(\) with base 10: (.+)", r"\1=\2; allowed: a whole number"),
    (r"Error parsing --([\w.-]+): could not convert string to float: (.+)", r"\1=\2; allowed: a number"),
    (r"Missing value for argument '(--[\w.-]+)'\. Expected 1 values\.", r"\1 needs a value"),
    (r"Missing value for argument '(--[\w.-]+)'\. Expected (\d+) values\.", r"\1 needs \2 values"),
    (r"Unrecognized options: (-\S+?)(?:, .*)?", r"there is no option \1"),
    (r"Unrecognized options: (\S+?)(?:, .*)?", r"'\1' is one argument too many"),
)


def one_line(box: str, command: str) -> str:
    """The parser's message in a line.

    Args:
        box: what tyro prints: a frame, the message, perhaps what was meant, where there is help.
        command: such as "train".

    >>> print(one_line('''╭─ Value error ───────╮
    ... │ Error parsing --epochs: invalid literal for int() with base 10: 'x' │
    ... │ ─────────────────── │
    ... │ For full helptext, see windowconv --help │
    ... ╰─────────────────────╯''', "train"))
    epochs='x'; allowed: a whole number (see windowconv train --help)
    """
    lines = box.splitlines()
    lines = lines[1:] if box.startswith("╭") else lines[2:]  # without the title; the frame is of spaces in ASCII
    parts: list[list[str]] = [[]]
    for line in (line[2:].rstrip(" │") for line in lines if not line.startswith("╰")):
        if RULE.match(line.strip()):
            parts.append([])
        else:
            parts[-1].append(line)
    meant = re.search(r"Perhaps you meant:\s+(--[\w.-]+)", " ".join(line for part in parts[1:] for line in part))
    hint = f"; did you mean {meant[1]}?" if meant else ""
    return f"{_message(parts[0])}{hint} (see windowconv {command} --help)"


def _message(lines: list[str]) -> str:
    if lines and MISSING.match(lines[0]):
        names = [line.split()[0] for line in lines if re.match(rf"{NAME}\S", line)]
        return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} missing"
    text = " ".join(" ".join(lines).split())
    for pattern, form in FORMS:
        if found := re.fullmatch(pattern, text):
            given, allowed, choices = found.expand(form).partition("; allowed: ")
            return given + allowed + choices.replace("'", "")
    return text


def out_of_memory(error: Exception) -> str | None:
    """A line for an error by which Python or torch says that memory is lacking; None for any other.

    >>> out_of_memory(RuntimeError("[enforce fail at alloc_cpu.cpp:127] can't allocate memory: 640 GB. Error code 12"))
    "out of memory; use a smaller network, batch or image (can't allocate memory: 640 GB)"
    """
    text = " ".join(str(error).split())
    found = re.search(r"can't allocate memory[^.]*|Storage size calculation overflowed[^.]*|.*out of memory[^.]*", text)
    if found is None and not isinstance(error, MemoryError):
        return None
    return f"out of memory; use a smaller network, batch or image ({found[0] if found else text or 'MemoryError'})"
