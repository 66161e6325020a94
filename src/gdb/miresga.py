# SPDX-License-Identifier: BSD-2-Clause
"""miresga.py: the gdb helper's door: `source src/gdb/miresga.py` inside gdb (13 or later).

It finds the package miresga_gdb beside itself, registers the command `mi` and the
pretty-printers. Sourcing it again loads changed code anew. docs/debugging.md is the manual."""
import os
import sys

# Not __file__: while one script sources another, that is still the outer one's.
HERE = os.path.dirname(os.path.realpath(sys._getframe().f_code.co_filename))
if HERE not in sys.path:
    sys.path.insert(0, HERE)
if "miresga_gdb.stops" in sys.modules:
    sys.modules["miresga_gdb.stops"].unload()
for name in [name for name in sys.modules if name.split(".")[0] == "miresga_gdb"]:
    del sys.modules[name]

_written, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # no __pycache__ beside the sources
import miresga_gdb.commands  # noqa: E402
import miresga_gdb.printers  # noqa: E402
sys.dont_write_bytecode = _written

miresga_gdb.commands.register()
miresga_gdb.printers.register()
