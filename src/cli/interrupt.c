/* SPDX-License-Identifier: BSD-2-Clause */
/* interrupt.c: Ctrl-C and SIGTERM ask a run to end in good order; a second one kills (interrupt.h). */
#include "interrupt.h"

#include <signal.h>
#include <time.h>

#include "miresga/base.h"

/* The one mutable static of the program: a signal handler has no other way to be heard. */
static struct {
	volatile int requested;
	struct timespec at;
} stop;

/* One Ctrl-C may arrive twice, from the terminal and from a parent that passes it on, as timeout(1) does. */
#define SAME_CTRL_C_NS (NS_PER_S / 2)

static void request_stop(int signal_number)
{
	struct timespec now;
	int64_t since_ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!stop.requested) {
		stop.at = now;
		stop.requested = 1;
		return;
	}
	since_ns = (now.tv_sec - stop.at.tv_sec) * (int64_t)NS_PER_S + now.tv_nsec - stop.at.tv_nsec;
	if (since_ns < (int64_t)SAME_CTRL_C_NS)
		return;
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

const volatile int *interrupt_requested(void)
{
	return &stop.requested;
}

void interrupt_catch(void)
{
	struct sigaction action = { .sa_handler = request_stop };
	sigset_t both;

	sigemptyset(&both);
	sigaddset(&both, SIGINT);
	sigaddset(&both, SIGTERM);
	/* The handler reads what it has written: not both signals at once. */
	action.sa_mask = both;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	/* A parent may have left them blocked. */
	sigprocmask(SIG_UNBLOCK, &both, NULL);
}
