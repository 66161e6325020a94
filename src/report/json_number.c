/* SPDX-License-Identifier: BSD-2-Clause */
/* json_number.c: what is too large for jansson's integers goes into the document as a string with a
 * mark that no other text begins with, and out of it without mark and quotes.
 *
 * Refuses nothing: what looks like a mark but holds anything but digits stays a string. */
#include "miresga/json_number.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A control character, as a string has it, and as it is written (RFC 8259 §7). */
#define MARK "\x01u64:"
#define MARK_WRITTEN "\"\\u0001u64:"
#define DIGITS "0123456789"

json_t *json_number(uint64_t n)
{
	char text[sizeof(MARK) + 20];

	if (n <= INT64_MAX)
		return json_integer((json_int_t)n);
	snprintf(text, sizeof(text), MARK "%" PRIu64, n);
	return json_string(text);
}

int json_number_write(const json_t *document, FILE *out, size_t flags)
{
	char *text = json_dumps(document, flags), *rest = text, *mark;
	int rc = text ? 0 : -1;

	while (!rc && (mark = strstr(rest, MARK_WRITTEN))) {
		char *digits = mark + strlen(MARK_WRITTEN);
		size_t len = strspn(digits, DIGITS);

		fwrite(rest, 1, (size_t)(mark - rest), out);
		if (len > 0 && digits[len] == '"')
			fwrite(digits, 1, len++, out);
		else
			fwrite(mark, 1, (size_t)(digits + len - mark), out);
		rest = digits + len;
	}
	if (!rc)
		fputs(rest, out);
	free(text);
	return rc || ferror(out) ? -1 : 0;
}
