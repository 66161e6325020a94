/* SPDX-License-Identifier: BSD-2-Clause */
/* names.c: the texts of drop reasons and quirks, from the same X-macro lines as their enums.
 *
 * Constant tables and pure look-ups; every string is static. */
#include "miresga/base.h"
#include "miresga/drop.h"
#include "miresga/quirk.h"

const char *drop_key(enum drop_reason reason)
{
	static const char *const keys[] = {
#define X(name, room, key, text) [DROP_##name] = key,
		DROP_REASONS(X)
#undef X
	};

	MUST((unsigned)reason < DROP_COUNT);
	return keys[reason];
}

const char *drop_text(enum drop_reason reason)
{
	static const char *const texts[] = {
#define X(name, room, key, text) [DROP_##name] = text,
		DROP_REASONS(X)
#undef X
	};

	MUST((unsigned)reason < DROP_COUNT);
	return texts[reason];
}

const char *quirk_id(enum quirk q)
{
	static const char *const ids[] = {
#define X(id, text) [QUIRK_##id] = #id,
		QUIRKS(X)
#undef X
	};

	MUST((unsigned)q < QUIRK_COUNT);
	return ids[q];
}

const char *quirk_text(enum quirk q)
{
	static const char *const texts[] = {
#define X(id, text) [QUIRK_##id] = text,
		QUIRKS(X)
#undef X
	};

	MUST((unsigned)q < QUIRK_COUNT);
	return texts[q];
}

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

int quirk_from_id(const char *id, unsigned long len)
{
	for (int q = 0; q < QUIRK_COUNT; q++) {
		const char *want = quirk_id(q);
		unsigned long i = 0;

		while (i < len && want[i] && upper(id[i]) == want[i])
			i++;
		if (i == len && !want[i])
			return q;
	}
	return -1;
}
