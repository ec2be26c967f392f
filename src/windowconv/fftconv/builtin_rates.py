"""Picoseconds for a unit of each kind of work (`cost`); `rates` says what a row is.

Fitted to the times of some 1400 problems, drawn at random and from the tables of the benchmark, with two threads of an
AMD EPYC of family 26 (AVX-512, no AMX), torch 2.15; of torch's own the faster one of both memory formats.
"""

from __future__ import annotations

Row = dict[str, float]
Name = tuple[str, str, str, str]  # way, dtype, family, phase

_DIRECT = """
# dtype    family    phase        call    sample     fresh    weight       tap   product    inside    padded
float32    dense     forward  4.06e7       203       273       431         0         0      4.19    0.0906
float32    dense     step     2.09e8       959         0  1.69e3         0         0      7.88      4.88
float32    strided   forward  1.38e7       162       295       316         0      4.81         0         0
float32    strided   step     6.68e7  1.63e3       379  1.51e3         0      13.9         0         0
float32    grouped   forward  4.07e7       302       481       505       2.9      2.01      1.19     0.741
float32    grouped   step     2.48e8  1.18e3       323  1.31e3      25.2      5.77         4      1.83
float32    depthwise forward  2.66e7       112       338   2.9e3         0         0      8.72         0
float32    depthwise step     1.82e8         0       230  3.12e4       135         0         0         0
bfloat16   dense     forward  3.91e7      87.3         0       239         0         0      1.95     0.284
bfloat16   dense     step     2.62e8       456         0  1.06e3         0      4.24         0      2.76
bfloat16   strided   forward  2.98e7       134         0       176         0      2.31         0         0
bfloat16   strided   step     4.06e8       519       491  1.23e3      12.8      8.21         0         0
bfloat16   grouped   forward  5.01e7       192         0       217         0      1.45         0     0.613
bfloat16   grouped   step     4.02e8       864         0  1.02e3         0      4.57         0      1.88
bfloat16   depthwise forward  3.95e7      34.9         0  1.17e3         0         0         8         0
bfloat16   depthwise step     1.37e8         0         0  1.18e5       129         0         0         0
float64    dense     forward  1.94e7       141         0         0      6.93      30.6         0         0
float64    dense     step     5.56e7       856         0         0      40.7      88.8         0         0
float16    dense     forward         0  1.65e3         0       843       125      26.3      13.5         0
float16    dense     step     2.07e8         0         0  2.47e4         0       458         0         0
float16    depthwise forward  1.57e9  3.29e3         0  2.79e4       164         0         0         0
float16    depthwise step     6.47e9  4.04e3         0         0       908         0         0         0
"""

_NATIVE = """
# dtype    family    phase        call    sample    weight      copy  spectrum    kernel transform   product
float32    dense     forward  2.59e8         0       315         0       124      71.3         0      3.43
float32    dense     step     7.77e8         0       766         0       138      71.2         0      2.92
float32    strided   forward  2.97e8       355       282       623      43.8      60.3      3.45      3.57
float32    strided   step     8.32e8       333  1.02e3  1.45e3      80.5        56         0      3.23
float32    grouped   forward  3.33e8      82.4       387         0       117      73.2         0      1.58
float32    grouped   step     8.95e8         0       926       776       145      76.1         0      1.06
float32    depthwise forward  2.94e8       136         0         0      74.6       139      4.04         0
float32    depthwise step     7.82e8       144  7.52e3         0      69.6      43.5      5.68         0
bfloat16   dense     forward  2.66e8       146       412         0      86.9      58.4      2.17      3.71
bfloat16   dense     step     7.65e8      65.1  1.18e3         0       128      59.9         0      3.47
bfloat16   strided   forward  2.13e8         0       210       325      85.3      66.4      6.37      3.43
bfloat16   strided   step     6.93e8       171  1.05e3  1.01e3       105      59.5         0      3.34
bfloat16   grouped   forward  3.12e8      82.5       355       230       116      66.7         0      2.44
bfloat16   grouped   step     9.86e8         0  1.06e3  1.07e3       141      62.2         0      2.23
bfloat16   depthwise forward  3.24e8       339         0         0      29.6       187       5.1         0
bfloat16   depthwise step     9.62e8       331         0         0      53.9       285      2.92         0
"""

_REFERENCE = """
# dtype    family    phase        call    sample    weight      copy  spectrum    kernel transform   product
float32    dense     forward  1.38e9         0         0         0       371       119      70.7      13.1
float32    dense     step     3.64e9         0         0         0       563       208      43.8      7.48
bfloat16   dense     forward  1.24e9         0       803         0       503      97.4      55.8      11.4
bfloat16   dense     step     2.91e9         0         0         0       479       122      81.5      10.3
float64    dense     forward  1.32e9         0       877         0       734       218      85.8      17.6
float64    dense     step     3.53e9         0       861         0       554       239       122      19.9
float16    dense     forward  1.24e9         0       305         0       503       228      46.6      5.74
float16    dense     step      3.1e9         0  2.14e3         0       564       226      40.4      3.77
float16    depthwise forward  1.12e9       737         0         0       538         0         0         0
float16    depthwise step     3.23e9         0         0         0       460         0      23.5         0
"""


def _parsed(way: str, table: str) -> dict[Name, Row]:
    """The rows of a table, in seconds; work that costs nothing is left out."""
    header, *lines = table.strip().splitlines()
    kinds = header.split()[4:]
    rows: dict[Name, Row] = {}
    for line in lines:
        dtype, family, phase, *values = line.split()
        costs = {kind: 1e-12 * float(value) for kind, value in zip(kinds, values, strict=True)}
        rows[way, dtype, family, phase] = {kind: cost for kind, cost in costs.items() if cost}
    return rows


ROWS = {**_parsed("direct", _DIRECT), **_parsed("native", _NATIVE), **_parsed("reference", _REFERENCE)}
