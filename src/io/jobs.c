/* SPDX-License-Identifier: BSD-2-Clause */
/* jobs.c: worker processes, one pipe.
 *
 * Worker i does pieces first + i, + i + jobs, and so on, and writes a record for each into the
 * pipe that all share; a record is small enough to be written in one go (POSIX: PIPE_BUF). Which
 * piece a worker is at stands in memory that they share with the caller: when one dies, that
 * piece is reported as lost and a new worker goes on behind it. */
#include "miresga/jobs.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLL_MS 100

struct message {
	uint64_t number;
	uint8_t record[JOBS_RECORD_MAX];
};
_Static_assert(sizeof(struct message) <= PIPE_BUF, "written in one go");

struct worker {
	pid_t pid; /* 0: none */
	uint64_t number;
};

struct pool {
	const struct jobs *jobs;
	int pipe[2];
	struct worker *workers; /* shared with them */
};

static size_t message_size(const struct jobs *j)
{
	return offsetof(struct message, record) + j->record_size;
}

static void worker_main(struct pool *p, unsigned i, uint64_t number)
{
	struct message m;

	close(p->pipe[0]);
	for (; number <= p->jobs->last; number += p->jobs->jobs) {
		p->workers[i].number = number;
		memset(&m, 0, sizeof(m));
		m.number = number;
		p->jobs->work(p->jobs->ctx, number, m.record);
		if (write(p->pipe[1], &m, message_size(p->jobs)) < 0)
			_exit(EXIT_FAILURE);
		if (p->jobs->last - number < p->jobs->jobs)
			break; /* the next number might not fit into 64 bits */
	}
	p->workers[i].number = UINT64_MAX;
	_exit(EXIT_SUCCESS);
}

static int worker_start(struct pool *p, unsigned i, uint64_t number)
{
	pid_t pid;

	p->workers[i].number = number;
	pid = fork();
	if (pid == 0)
		worker_main(p, i, number);
	p->workers[i].pid = pid > 0 ? pid : 0;
	return pid < 0 ? -1 : 0;
}

/* Takes what lies in the pipe. Returns -1 with errno if it is broken. */
static int pool_hear(struct pool *p, int timeout_ms)
{
	struct pollfd fd = { .fd = p->pipe[0], .events = POLLIN };
	struct message m;
	int ready;

	while ((ready = poll(&fd, 1, timeout_ms)) > 0) {
		ssize_t got = read(p->pipe[0], &m, message_size(p->jobs));

		if (got != (ssize_t)message_size(p->jobs))
			return got < 0 && errno == EINTR ? 0 : -1;
		p->jobs->done(p->jobs->ctx, m.number, m.record, 0);
		timeout_ms = 0;
		if (p->jobs->stop(p->jobs->ctx))
			return 0;
	}
	return ready < 0 && errno != EINTR ? -1 : 0;
}

/* Sees which workers have ended. Returns how many are at work, or -1. */
static int pool_reap(struct pool *p)
{
	int left = 0;

	for (unsigned i = 0; i < p->jobs->jobs; i++) {
		struct worker *w = &p->workers[i];
		uint64_t number = w->number;
		int status;

		if (!w->pid)
			continue;
		if (waitpid(w->pid, &status, WNOHANG) != w->pid) {
			left++;
			continue;
		}
		w->pid = 0;
		if (number == UINT64_MAX)
			continue;
		/* What it had written before it died is told first. */
		if (pool_hear(p, 0))
			return -1;
		p->jobs->done(p->jobs->ctx, number, NULL, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
		if (p->jobs->last - number < p->jobs->jobs)
			continue;
		if (worker_start(p, i, number + p->jobs->jobs))
			return -1;
		left++;
	}
	return left;
}

static int pool_run(struct pool *p)
{
	const struct jobs *j = p->jobs;
	int left = 0;

	for (unsigned i = 0; i < j->jobs && j->last - j->first >= i; i++)
		if (worker_start(p, i, j->first + i))
			return -1;
	do {
		if (pool_hear(p, POLL_MS))
			return -1;
		left = pool_reap(p);
	} while (left > 0 && !j->stop(j->ctx));
	return left < 0 ? -1 : pool_hear(p, 0);
}

int jobs_run(const struct jobs *j)
{
	struct pool p = { .jobs = j };
	int rc, saved;

	MUST(j->jobs >= 1 && j->jobs <= JOBS_MAX && j->record_size <= JOBS_RECORD_MAX && j->first <= j->last);
	if (pipe(p.pipe))
		return -1;
	p.workers = mmap(NULL, j->jobs * sizeof(*p.workers), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	rc = p.workers == MAP_FAILED ? -1 : pool_run(&p);
	saved = errno;
	for (unsigned i = 0; p.workers != MAP_FAILED && i < j->jobs; i++) {
		if (!p.workers[i].pid)
			continue;
		kill(p.workers[i].pid, SIGKILL);
		waitpid(p.workers[i].pid, NULL, 0);
	}
	if (p.workers != MAP_FAILED)
		munmap(p.workers, j->jobs * sizeof(*p.workers));
	close(p.pipe[0]);
	close(p.pipe[1]);
	errno = saved;
	return rc;
}
