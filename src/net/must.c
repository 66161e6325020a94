/* SPDX-License-Identifier: BSD-2-Clause */
/* must.c: what happens when our own code breaks its word.
 *
 * A broken MUST() means that the state of the program can no longer be believed, so it stops at
 * once, with the place on stderr and a core for the debugger. This is the one spot where the
 * core writes anywhere. Never reached because of a peer's bytes. */
#include <stdio.h>
#include <stdlib.h>

#include "miresga/base.h"

_Noreturn void must_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: internal error: must hold: %s\n", file, line, what);
	abort();
}
