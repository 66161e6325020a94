/* SPDX-License-Identifier: BSD-2-Clause */
/* progress_display.c: the line of progress.h on the terminal.
 *
 * A run that ends before the first drawing is due shows none. */
#include "progress_display.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "miresga/progress.h"

#define PERIOD_NS (NS_PER_S / 10)

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void progress_display_begin(struct progress_display *d, const struct cli *cli, const char *unit)
{
	const char *terminal = getenv("TERM");

	*d = (struct progress_display){ .unit = unit, .started_ns = monotonic_ns() };
	d->wanted = isatty(STDERR_FILENO) && !cli->globals.quiet && !(terminal && strcmp(terminal, "dumb") == 0);
}

void progress_display_update(struct progress_display *d, uint64_t done, uint64_t total, uint64_t count)
{
	struct progress p = { .done = done, .total = total, .count = count, .unit = d->unit, .width = 80 };
	struct winsize size = { 0 };
	char line[PROGRESS_LINE_MAX];
	uint64_t now_ns;

	if (!d->wanted)
		return;
	now_ns = monotonic_ns();
	if (count < d->count)
		d->started_ns = now_ns;
	d->count = count;
	if (now_ns - MAX(d->drawn_ns, d->started_ns) < PERIOD_NS)
		return;
	d->drawn_ns = now_ns;
	p.elapsed_ns = now_ns - d->started_ns;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		p.width = size.ws_col;
	fprintf(stderr, "\r%s\033[K", progress_line(&p, line));
	fflush(stderr);
}

void progress_display_end(struct progress_display *d)
{
	if (d->drawn_ns > 0)
		fputs("\r\033[K", stderr);
}
