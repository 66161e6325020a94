/* SPDX-License-Identifier: BSD-2-Clause */
/* progress.c: how far a long run is, as one line of a terminal. What matters least goes first
 * where the line is narrow: the bar, then the parts in the order of first_to_go[]. */
#include "miresga/progress.h"

#include <stdio.h>
#include <string.h>

#include "miresga/base.h"
#include "miresga/text.h"

/* Before that, rate and time left are mere noise. */
#define SETTLED_NS (NS_PER_S / 2)
#define BAR_MIN 10
#define BAR_MAX 40

#define PART_MAX 64
/* In the order of the line. */
enum part {
	PART_SHARE,
	PART_BAR,
	PART_COUNT,
	PART_RATE,
	PART_LEFT,
	PARTS,
};

static const enum part first_to_go[] = { PART_COUNT, PART_RATE, PART_LEFT, PART_SHARE };

static void describe_left(const struct progress *p, char part[PART_MAX])
{
	double ns = (double)p->elapsed_ns * (double)(p->total - p->done) / (double)p->done;
	/* Rounded up: 0:00 is when nothing is left. */
	uint64_t s = (uint64_t)(ns / NS_PER_S + 0.999);

	if (s >= 3600)
		snprintf(part, PART_MAX, "ETA %llu:%02u:%02u", (unsigned long long)s / 3600, (unsigned)(s / 60 % 60),
			 (unsigned)(s % 60));
	else
		snprintf(part, PART_MAX, "ETA %u:%02u", (unsigned)(s / 60), (unsigned)(s % 60));
}

static void describe(const struct progress *p, char parts[PARTS][PART_MAX])
{
	char number[TEXT_NUMBER_MAX];

	if (p->total > 0)
		snprintf(parts[PART_SHARE], PART_MAX, "%7s", text_share(p->done, p->total, number));
	snprintf(parts[PART_COUNT], PART_MAX, "%s %s", text_count(p->count, number), p->unit);
	if (p->elapsed_ns < SETTLED_NS)
		return;
	snprintf(parts[PART_RATE], PART_MAX, "%s/s",
		 text_count((uint64_t)((double)p->count * NS_PER_S / (double)p->elapsed_ns), number));
	if (p->total > 0 && p->done > 0)
		describe_left(p, parts[PART_LEFT]);
}

/* Columns of the parts, each with the two blanks behind it. */
static size_t length(char parts[PARTS][PART_MAX])
{
	size_t sum = 0;

	for (unsigned i = 0; i < PARTS; i++)
		sum += parts[i][0] ? strlen(parts[i]) + 2 : 0;
	return sum;
}

/* "[====>     ]", `size` characters within the brackets. */
static void draw_bar(const struct progress *p, size_t size, char part[PART_MAX])
{
	size_t filled = (size_t)((double)size * (double)p->done / (double)p->total);

	memset(part + 1, ' ', size);
	memset(part + 1, '=', filled);
	if (filled < size)
		part[1 + filled] = '>';
	part[0] = '[';
	part[1 + size] = ']';
	part[2 + size] = '\0';
}

char *progress_line(const struct progress *progress, char buf[PROGRESS_LINE_MAX])
{
	struct progress p = *progress;
	char parts[PARTS][PART_MAX] = { "" };
	size_t room = MIN(p.width ? p.width - 1 : 0, PROGRESS_LINE_MAX - 1) + 2, len = 0;

	p.done = p.total > 0 ? MIN(p.done, p.total) : p.done;
	describe(&p, parts);
	for (size_t i = 0; i < ARRAY_LEN(first_to_go) && length(parts) > room; i++)
		parts[first_to_go[i]][0] = '\0';
	if (p.total > 0 && room - length(parts) >= BAR_MIN + 4)
		draw_bar(&p, MIN(room - length(parts) - 4, BAR_MAX), parts[PART_BAR]);
	buf[0] = '\0';
	for (unsigned i = 0; i < PARTS; i++)
		if (parts[i][0])
			len += (size_t)snprintf(buf + len, PROGRESS_LINE_MAX - len, "%s%s", len ? "  " : "", parts[i]);
	return buf;
}
