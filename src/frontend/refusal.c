/* SPDX-License-Identifier: BSD-2-Clause */
/* refusal.c: why a front-end refuses: the key and the words that report it, the HTTP status that tells the client. */
#include "frontend_internal.h"

static const char *const keys[REFUSAL_COUNT] = {
#define X(name, key, text) key,
	REFUSALS(X)
#undef X
};

static const char *const texts[REFUSAL_COUNT] = {
#define X(name, key, text) text,
	REFUSALS(X)
#undef X
};

static const uint16_t statuses[REFUSAL_COUNT] = {
	[REFUSAL_MALFORMED] = 400,	 [REFUSAL_TOO_LARGE] = 431,	  [REFUSAL_NO_RULE] = 404,
	[REFUSAL_VERSION] = 505,	 [REFUSAL_NOT_IMPLEMENTED] = 501, [REFUSAL_REQUEST_TIMEOUT] = 408,
	[REFUSAL_BACKEND_REFUSED] = 503, [REFUSAL_BACKEND_TIMEOUT] = 504,
};

const char *refusal_key(enum refusal r)
{
	return keys[r];
}

const char *refusal_text(enum refusal r)
{
	return texts[r];
}

unsigned refusal_status(enum refusal r)
{
	return statuses[r];
}

bool refusal_to_head(const struct flow *f)
{
	bool head_read = f->refusal == REFUSAL_NO_RULE || f->refusal == REFUSAL_BACKEND_REFUSED ||
			 f->refusal == REFUSAL_BACKEND_TIMEOUT;

	return head_read && f->request.is_head;
}

enum refusal refusal_from_status(unsigned status)
{
	for (unsigned r = 0; r < REFUSAL_COUNT; r++)
		if (statuses[r] == status)
			return (enum refusal)r;
	return REFUSAL_MALFORMED;
}
