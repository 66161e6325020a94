/* SPDX-License-Identifier: BSD-2-Clause */
/* packetdrill_script.h: a packetdrill script as the list of its events (../shared/vectors/packetdrill/json), read. */
#ifndef TESTS_PACKETDRILL_SCRIPT_H
#define TESTS_PACKETDRILL_SCRIPT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "miresga/tcp_options.h"

#define SCRIPT_EVENTS_MAX 128
#define SCRIPT_NAME_MAX 128

enum drill_event_kind {
	SCRIPT_IN,   /* the script sends this segment */
	SCRIPT_OUT,  /* the endpoint must send it */
	SCRIPT_CALL, /* the application calls; the vectors do not tell when: at once, unless a TSval says otherwise */
};

/* Numbers as the script writes them: those of a SYN absolute, others relative to the initial ones. */
struct drill_segment {
	uint8_t flags;
	uint32_t seq, len, ack;
	bool has_win;
	uint16_t win;
	bool any_options;    /* "..." */
	const char *options; /* "" if there must be none */
	struct tcp_options parsed;
};

struct drill_call {
	const char *name, *args;
	int fd;	  /* first argument */
	long ret; /* -1: an error */
	long len; /* third argument of read, write and their kin; 0 without one */
	long set; /* the number in brackets of setsockopt and getsockopt; -1 without one */
};

struct drill_event {
	enum drill_event_kind kind;
	bool any_time;		     /* "*" */
	uint64_t after_ns, until_ns; /* since the event before */
	struct drill_segment segment;
	struct drill_call call;
};

struct drill {
	char name[SCRIPT_NAME_MAX]; /* of the file, without .json */
	const char *source;	    /* PROJECT:PATH of the script that it was made from */
	char tier;		    /* as CLASSIFICATION.tsv has it; G: gVisor's, L: Linux's selftests */
	json_t *root;		    /* owns the strings */
	unsigned count;
	struct drill_event event[SCRIPT_EVENTS_MAX];
};

/* What is added to numbers of the script to get those on the wire. */
struct drill_offsets {
	uint32_t sack, tsval, tsecr;
};

/* False if the file is no script that can be read; `why` says so. The script must be freed in any case. */
bool drill_load(struct drill *s, const char *path, char why[256]);
/* The same of lines in packetdrill's own syntax, NULL at the end:
 *	+.1 < S. 0:0(0) ack 1 win 1000 <mss 1460>
 *	+0 close(3) = 0 */
bool drill_read(struct drill *s, const char *name, const char *const *lines, char why[256]);
void drill_free(struct drill *s);
/* Options as they stand on the wire, in the script's order and with its padding. Returns their length, -1 if the
 * text cannot be read. */
int drill_options_encode(const char *text, const struct drill_offsets *offsets, uint8_t out[TCP_OPTIONS_MAX]);
/* Index of the next event of `kind` from `at` on, or s->count. */
unsigned drill_find(const struct drill *s, enum drill_event_kind kind, unsigned at);

#endif
