# SPDX-License-Identifier: BSD-2-Clause
"""The parts of the gdb helper.

    wire.py      frames: bytes to names, values and text; knows no gdb
    program.py   what stands in the program: constants, world, tables, flows, agents
    history.py   what has happened to packets and flows so far
    stops.py     hidden breakpoints; who of them stops
    views.py     what the commands print
    printers.py  pretty-printers
    commands.py  `mi` and its subcommands

The helper reads the program, it never calls into it and never writes: a run under it gives the
same bytes as one without. Arguments are taken where a function begins, so -O2 will do."""
