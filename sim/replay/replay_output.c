/* SPDX-License-Identifier: BSD-2-Clause */
/* replay_output.c: the files of a replay: --streams and --flows.
 *
 * Streams are appended to in pieces, each by one open-write-close, so that any number of flows
 * needs one descriptor; a flow's two files exist from its first piece, or its end, on, and start
 * empty. What was written stays, whatever happens later.
 *
 * The first output that fails is remembered in the result; streams are then no longer written.
 * The list of flows is written at the end, also of an interrupted run. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replay_internal.h"

/* The switch's LB index table gives each front-end a run of indices. */
#define LB_INDICES 256u
/* In-order bytes that make a piece worth writing. */
#define PIECE_MIN (UINT64_C(64) << 10)

int output_prepare(const struct replay_options *o, char error[TRACE_ERROR_MAX])
{
	FILE *flows;

	if (o->streams_dir && mkdir(o->streams_dir, 0777) && errno != EEXIST) {
		snprintf(error, TRACE_ERROR_MAX, "%s: cannot make the directory: %s", o->streams_dir, strerror(errno));
		return -1;
	}
	if (o->streams_dir && access(o->streams_dir, W_OK | X_OK)) {
		snprintf(error, TRACE_ERROR_MAX, "%s: cannot write there: %s", o->streams_dir, strerror(errno));
		return -1;
	}
	if (!o->flows_file || !strcmp(o->flows_file, "-"))
		return 0;
	flows = fopen(o->flows_file, "w");
	if (!flows) {
		snprintf(error, TRACE_ERROR_MAX, "%s: cannot write: %s", o->flows_file, strerror(errno));
		return -1;
	}
	fclose(flows);
	return 0;
}

void output_failed(struct replay *r, const char *path)
{
	if (!r->result->output_error[0])
		snprintf(r->result->output_error, sizeof(r->result->output_error), "%.400s: cannot write: %s", path,
			 strerror(errno));
}

/* Everything that waits, to `fd`. Returns 0, or -1 and errno. */
static int write_waiting(struct stream *s, int fd)
{
	const uint8_t *data;
	uint64_t len;

	while ((len = stream_peek(s, &data))) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0)
			stream_take(s, (uint64_t)n);
	}
	return 0;
}

void output_streams(struct replay *r, struct replay_flow *f, enum side side, bool all)
{
	struct stream *s = &f->stream[side];
	bool first = s->taken == 1;
	char path[4096], client[ENDPOINT_TEXT_MAX];
	int fd;

	if (!r->options->streams_dir || r->result->output_error[0]) {
		stream_take(s, stream_waiting(s));
		return;
	}
	if (all ? !first && !stream_waiting(s) : stream_waiting(s) < PIECE_MIN)
		return;
	snprintf(path, sizeof(path), "%s/%s-%u.%s", r->options->streams_dir, endpoint_format(f->client, client), f->k,
		 side == SIDE_CLIENT ? "c2s" : "s2c");
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (first ? O_TRUNC : O_APPEND), 0666);
	if (fd < 0 || write_waiting(s, fd))
		output_failed(r, path);
	if (fd >= 0 && close(fd))
		output_failed(r, path);
}

static void write_backends(const struct replay *r, const struct replay_flow *f, FILE *out)
{
	for (unsigned i = 0; i < f->served_count; i++)
		fprintf(out, "%s%s", i ? "," : "", r->config->backends[f->served[i].backend].name);
	if (!f->served_count)
		fputc('-', out);
}

static void write_flow(const struct replay *r, const struct replay_flow *f, FILE *out)
{
	char client[ENDPOINT_TEXT_MAX];
	const char *reason = f->outcome == OUTCOME_SKIPPED ? skip_key(f->skip) : f->reason;

	fprintf(out, "%s\t%u\t%s\t%s\t%llu\t%llu\t%llu\t%u\t", endpoint_format(f->client, client), f->k,
		outcome_key(f->outcome), reason ? reason : "-", (unsigned long long)f->requests,
		(unsigned long long)f->delivered[SIDE_CLIENT], (unsigned long long)f->delivered[SIDE_SERVER],
		hash_lb_index(f->client) * r->config->frontends.count / LB_INDICES);
	write_backends(r, f, out);
	if (f->offloaded)
		fprintf(out, "\tyes\t%llu.%09llu\n", (unsigned long long)(f->offload_delay_ns / NS_PER_S),
			(unsigned long long)(f->offload_delay_ns % NS_PER_S));
	else
		fprintf(out, "\tno\t-\n");
}

void output_flows(struct replay *r)
{
	const char *path = r->options->flows_file;
	bool to_stdout;
	FILE *out;
	int failed;

	if (!path)
		return;
	to_stdout = !strcmp(path, "-");
	out = to_stdout ? stdout : fopen(path, "w");
	if (!out) {
		output_failed(r, path);
		return;
	}
	fprintf(out, "client\tk\toutcome\treason\trequests\tc2s_bytes\ts2c_bytes\tfrontend\tbackends\toffloaded\t"
		     "offload_delay\n");
	for (uint64_t i = 0; i < r->flow_count; i++)
		write_flow(r, r->flows[i], out);
	failed = fflush(out) || ferror(out);
	if (failed)
		output_failed(r, path);
	if (!to_stdout && fclose(out) && !failed)
		output_failed(r, path);
}
