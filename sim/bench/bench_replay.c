/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_replay.c: a replay from end to end (both passes over the file, the world, the oracle), and beside it libpcap
 * merely reading the same file; per frame of the file.
 *
 * Without a capture of the user's, one is made in memory (bench_trace.c). Of that one every flow must be byte-exact; a
 * user's capture is replayed with the same configuration, whatever the verdict on it is.
 *
 * Refusals: a file that libpcap or the replay cannot read to its end; standard input, which can be read once only. */
#include <pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_internal.h"
#include "miresga/replay.h"

#define CONNECTIONS 1500

const char bench_replay_yaml[] = "vip: 10.0.1.10:80\n"
				 "backends:\n"
				 "  - {name: server-a, address: 198.19.7.1:80}\n"
				 "  - {name: server-b, address: 198.19.7.2:80}\n"
				 "pools:\n"
				 "  - {name: all, backends: [server-a, server-b]}\n"
				 "rules:\n"
				 "  - {pool: all}\n"
				 "http:\n"
				 "  strictness: lenient\n";

struct state {
	struct config *config;
	const char *path;
	char own_path[64];
	int own; /* descriptor of the one that was made, or -1 */
	char error[BENCH_ERROR_MAX];
	const volatile int *stop;
};

static void destroy(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	if (s->own >= 0)
		close(s->own);
	free(s->config);
	free(s);
}

static bool choose_trace(struct state *s, const char *path, char error[BENCH_ERROR_MAX])
{
	s->path = path;
	if (path && strcmp(path, "-") == 0) {
		snprintf(error, BENCH_ERROR_MAX, "the trace is read again and again: it cannot be standard input");
		return false;
	}
	if (path)
		return true;
	s->own = bench_trace_make(CONNECTIONS, error);
	snprintf(s->own_path, sizeof(s->own_path), "/proc/self/fd/%d", s->own);
	s->path = s->own_path;
	return s->own >= 0;
}

static void *create(const struct bench_options *o, char error[BENCH_ERROR_MAX])
{
	struct state *s = calloc(1, sizeof(*s));

	if (!s) {
		snprintf(error, BENCH_ERROR_MAX, "out of memory");
		return NULL;
	}
	s->own = -1;
	s->stop = o->stop;
	s->config = bench_config_load("the system of the bench", bench_replay_yaml, error);
	if (s->config && choose_trace(s, o->trace, error))
		return s;
	destroy(s);
	return NULL;
}

static uint64_t read_file(struct state *s)
{
	char reason[PCAP_ERRBUF_SIZE] = "";
	pcap_t *pcap = pcap_open_offline(s->path, reason);
	struct pcap_pkthdr *header;
	const u_char *data;
	uint64_t frames = 0;
	int rc;

	if (!pcap) {
		snprintf(s->error, sizeof(s->error), "%s", reason);
		return 0;
	}
	while ((rc = pcap_next_ex(pcap, &header, &data)) == 1)
		frames++;
	if (rc == PCAP_ERROR)
		snprintf(s->error, sizeof(s->error), "%s: %s", s->path, pcap_geterr(pcap));
	else if (!frames)
		snprintf(s->error, sizeof(s->error), "%s: not one frame", s->path);
	pcap_close(pcap);
	return s->error[0] ? 0 : frames;
}

static uint64_t play(struct state *s)
{
	const struct replay_options o = { .trace = s->path, .stop = s->stop };
	char error[TRACE_ERROR_MAX];
	struct replay_result result;
	uint64_t packets;

	if (replay_run(s->config, &o, &result, error)) {
		snprintf(s->error, sizeof(s->error), "%s", error);
		return 0;
	}
	packets = result.packets;
	if (result.trace_error[0])
		snprintf(s->error, sizeof(s->error), "%s", result.trace_error);
	else if (s->own >= 0 && !result.interrupted && (replay_failed(&result) || !result.outcomes[OUTCOME_BYTE_EXACT]))
		snprintf(s->error, sizeof(s->error), "%s", "the replay of the trace that was made for it has failed");
	replay_result_free(&result);
	return s->error[0] ? 0 : packets;
}

static uint64_t work(void *state, const struct bench *b)
{
	return b->variant == BENCH_REPLAY_READ ? read_file(state) : play(state);
}

static bool check(void *state, const struct bench *b, char error[BENCH_ERROR_MAX])
{
	const struct state *s = state;

	(void)b;
	if (s->error[0])
		snprintf(error, BENCH_ERROR_MAX, "%s", s->error);
	return !s->error[0];
}

const struct bench_subject bench_replay = { .create = create, .free = destroy, .work = work, .check = check };
