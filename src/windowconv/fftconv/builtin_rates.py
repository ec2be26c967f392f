"""Picoseconds for a unit of each kind of work (`cost`), in rows that `rates` explains.

Fitted to the times of about 1400 problems, drawn at random and from the benchmark's tables, with two threads of an
AMD EPYC of family 26 (AVX-512, no AMX) and torch 2.15; of torch's two memory formats the faster one counts.
"""

from __future__ import annotations

Row = dict[str, float]
Name = tuple[str, str, str, str]  # method, dtype, family, phase

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
float64    dense     forward  1.94e7       144         0         0       7.3      30.2         0         0
float64    dense     step     5.68e7       858         0         0      41.8      87.6         0         0
float64    grouped   forward         0         0         0         0       341         0      23.3      5.16
float64    grouped   step     1.81e8         0         0         0       928         0        71      17.4
float64    depthwise forward  8.54e8         0         0  1.57e5       288         0         0         0
float64    depthwise step     2.21e9  1.58e3         0  3.29e5  1.34e3         0         0         0
float16    dense     forward  3.74e7  1.27e3         0       331       130      24.5      15.7         0
float16    dense     step     2.15e8         0         0  2.23e4         0       456         0         0
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
float32    dense     forward  1.41e9         0         0         0       413       163      59.7      9.88
float32    dense     step     3.59e9         0         0         0       543       187      49.5      9.07
float32    strided   forward         0         0         0         0       378         0       104      15.5
float32    strided   step            0         0         0         0       437       121      58.8      14.2
float32    depthwise forward  1.08e9       835         0         0         0   1.5e3      85.2         0
float32    depthwise step     3.21e9  1.06e3         0         0         0     1e3        90         0
bfloat16   dense     forward  1.25e9         0       794         0       507      98.6      55.3      11.3
bfloat16   dense     step     2.87e9         0         0         0       449       116      85.5      10.9
bfloat16   depthwise forward  9.95e8         0         0         0       368  4.68e3      34.9         0
bfloat16   depthwise step        3e9         0         0         0  1.11e3       629         0         0
float64    dense     forward  1.33e9         0       894         0       684       187      97.1      18.1
float64    dense     step     3.55e9         0       968         0       495       201       136      20.7
float64    grouped   forward  1.04e9         0       718  5.72e3         0       361         0       205
float64    grouped   step     3.36e9         0         0  1.74e4      68.8         0       250         0
float64    depthwise forward  1.34e9         0  1.58e4         0       294         0       110         0
float64    depthwise step     3.48e9   2.1e3  4.32e4         0       144         0      74.3         0
float16    dense     forward  1.27e9         0         0         0       401       202      65.7      7.59
float16    dense     step     3.15e9         0  1.47e3         0       456       197      59.4       5.6
float16    depthwise forward  1.12e9       737         0         0       538         0         0         0
float16    depthwise step     3.23e9         0         0         0       460         0      23.5         0
"""


def _parsed(method: str, table: str) -> dict[Name, Row]:
    """The rows of a table, in seconds, without the kinds of work that cost nothing."""
    header, *lines = table.strip().splitlines()
    kinds = header.split()[4:]
    rows: dict[Name, Row] = {}
    for line in lines:
        dtype, family, phase, *values = line.split()
        costs = {kind: 1e-12 * float(value) for kind, value in zip(kinds, values, strict=True)}
        rows[method, dtype, family, phase] = {kind: cost for kind, cost in costs.items() if cost}
    return rows


ROWS = {**_parsed("direct", _DIRECT), **_parsed("native", _NATIVE), **_parsed("reference", _REFERENCE)}
