/* SPDX-License-Identifier: BSD-2-Clause */
/* script.h: scenario scripts: a file of packets, expectations and checks in virtual time, run over
 * a world of its own. docs/scripts.md is the reference of the language.
 *
 * A script's run depends on the file and its configuration alone: same text, same result. */
#ifndef MIRESGA_SCRIPT_H
#define MIRESGA_SCRIPT_H

#include "miresga/base.h"
#include "miresga/frontend.h"
#include "miresga/switch.h"

#define SCRIPT_FILE_SIZE_MAX (1u << 20)

enum script_verdict {
	SCRIPT_PASSED,
	SCRIPT_FAILED, /* the pipeline did something else, or a bound was reached */
	SCRIPT_BROKEN, /* the file cannot be read or is no script */
};

struct script_options {
	const char *pcapng; /* what every port saw, or NULL; "-": stdout */
};

struct script_result {
	enum script_verdict verdict;
	unsigned line, column; /* of the trouble, from 1; 0 where there is none; column only of a broken script */
	char *message;	       /* one line; empty if it passed; NULL if memory is short */
	char *detail;	       /* lines that explain, each with its newline; may be empty */
	char *about;	       /* the first line of the comment that the file opens with; NULL if there is none */
	unsigned expectations; /* packets that were expected and came, and checks that held */
	uint64_t packets;      /* that went over the world's rings */
	uint64_t virtual_ns;   /* from the script's start to its end */
	/* How often each row of the steering table and each cell of the front-ends' FSM was used. */
	uint64_t steering[64];
	uint64_t transitions[FSM_STATE_COUNT][FSM_EVENT_COUNT];
};

/* Reads and runs one file ("-": standard input). *out is filled in any case; free it. */
void script_run_file(const char *path, const struct script_options *options, struct script_result *out);
/* The same for `len` bytes in memory; paths in the script are relative to the folder of `name`. */
void script_run_memory(const char *name, const char *text, size_t len, const struct script_options *options,
		       struct script_result *out);
void script_result_free(struct script_result *r);

#endif
