/* SPDX-License-Identifier: BSD-2-Clause */
/* packetdrill_play.h: plays a packetdrill script against an endpoint of tcp.h. */
#ifndef TESTS_PACKETDRILL_PLAY_H
#define TESTS_PACKETDRILL_PLAY_H

#include "packetdrill_script.h"

/* How an endpoint may differ from a script at one event, so that the rest of it can still be played. */
enum play_leave {
	PLAY_LEAVE_NONE,
	PLAY_LEAVE_TIME,    /* the expected segment comes at another time */
	PLAY_LEAVE_EXTRA,   /* another segment comes before the expected one */
	PLAY_LEAVE_MISSING, /* the expected segment does not come */
	PLAY_LEAVE_OPTIONS, /* it has other options */
};

/* What a script leaves open, so that it can be played with several. */
struct play_options {
	uint32_t remote_isn; /* of the script's side */
	uint64_t seed;	     /* of the endpoint */
	/* The endpoint must differ from the script in this way at that event. */
	enum play_leave leave;
	unsigned leave_event;
};

struct play_result {
	bool as_written;
	unsigned event; /* else: index of the event where it differed */
	char why[256];
};

void drill_play(const struct drill *s, const struct play_options *o, struct play_result *result);

#endif
