/* SPDX-License-Identifier: BSD-2-Clause */
/* manual_script.c: miresga-script(5). The language of scripts has no tables that its page could be made from, so the
 * page is a file, docs/man/miresga-script.5; the assembler puts its text into the program (the Makefile knows that it
 * depends on it). The text is read, never written. */
#include "manual.h"

__asm__(".pushsection .rodata\n"
	"manual_script_text:\n"
	".incbin \"docs/man/miresga-script.5\"\n"
	".byte 0\n"
	".popsection\n");
extern const char manual_script_text[];

void manual_script(FILE *out)
{
	fputs(manual_script_text, out);
}
