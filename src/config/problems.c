/* SPDX-License-Identifier: BSD-2-Clause */
/* problems.c: collects what is wrong with a configuration file.
 *
 * The passes over a file (syntax, keys and values, references) each find errors in their own
 * order; a reader wants them from top to bottom. So they are kept, sorted by position (equal
 * positions in the order of discovery) and reported once. The number kept is bounded, and
 * running out of memory becomes an error of its own: never is a broken file reported as valid. */
#include "problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct problem {
	unsigned line, column, serial;
	char *text;
};

static bool problems_grow(struct problems *p)
{
	unsigned capacity = p->capacity ? p->capacity * 2 : 16;
	struct problem *list;

	if (p->count < p->capacity)
		return true;
	list = realloc(p->list, capacity * sizeof(*list));
	if (!list)
		return false;
	p->list = list;
	p->capacity = capacity;
	return true;
}

void problems_add(struct problems *p, unsigned line, unsigned column, const char *format, ...)
{
	char text[PROBLEM_TEXT_MAX];
	va_list ap;
	char *copy;

	if (p->count > PROBLEMS_MAX)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (p->count == PROBLEMS_MAX) {
		snprintf(text, sizeof(text), "too many errors; the rest are not shown");
		line = column = UINT32_MAX; /* sorts last */
	}
	copy = strdup(text);
	if (!copy || !problems_grow(p)) {
		free(copy);
		p->out_of_memory = true;
		return;
	}
	p->list[p->count] = (struct problem){ .line = line, .column = column, .serial = p->count, .text = copy };
	p->count++;
}

static bool is_before(const unsigned place[2], const unsigned other[2])
{
	return place[0] < other[0] || (place[0] == other[0] && place[1] < other[1]);
}

bool problems_within(const struct problems *p, const unsigned first[2], const unsigned last[2])
{
	for (unsigned i = 0; i < p->count; i++) {
		const unsigned place[] = { p->list[i].line, p->list[i].column };

		if (!is_before(place, first) && !is_before(last, place))
			return true;
	}
	return false;
}

static int problem_compare(const void *left, const void *right)
{
	const struct problem *a = left, *b = right;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	if (a->column != b->column)
		return a->column < b->column ? -1 : 1;
	return a->serial < b->serial ? -1 : 1;
}

int problems_tell(struct problems *p, const char *file, config_error_fn *report, void *ctx)
{
	int told = (int)p->count;

	if (p->count > 1)
		qsort(p->list, p->count, sizeof(*p->list), problem_compare);
	for (unsigned i = 0; i < p->count; i++) {
		struct problem *e = &p->list[i];
		bool nowhere = e->line == UINT32_MAX;

		report(ctx, file, nowhere ? 0 : e->line, nowhere ? 0 : e->column, e->text);
		free(e->text);
	}
	if (p->out_of_memory) {
		report(ctx, file, 0, 0, "out of memory");
		told++;
	}
	free(p->list);
	*p = (struct problems){ 0 };
	return told;
}

const char *config_quote(char buf[QUOTE_MAX], const char *text, size_t len)
{
	size_t at = 0;

	buf[at++] = '"';
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		bool plain = c >= 0x20 && c < 0x7f;

		/* Room for this character, "...", the closing quote and the terminator. */
		if (at + (plain ? 1 : 4) + 5 > QUOTE_MAX) {
			memcpy(buf + at, "...", 3);
			at += 3;
			break;
		}
		if (plain)
			buf[at++] = (char)c;
		else
			at += (size_t)snprintf(buf + at, QUOTE_MAX - at, "\\x%02x", c);
	}
	buf[at++] = '"';
	buf[at] = '\0';
	return buf;
}
