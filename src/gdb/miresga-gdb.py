# SPDX-License-Identifier: BSD-2-Clause
"""miresga-gdb.py: what gdb loads by itself for an installed miresga; `make install` puts it where
gdb looks. It sources the helper that was installed beside the program it is loaded for."""
import os

import gdb

_program = os.path.realpath(gdb.current_objfile().filename)
_helper = os.path.join(os.path.dirname(_program), "..", "share", "miresga", "gdb", "miresga.py")
gdb.execute("source " + os.path.normpath(_helper))
