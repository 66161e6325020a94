/* SPDX-License-Identifier: BSD-2-Clause */
/* exchange.h: what is asked for, and every byte of it.
 *
 * An exchange is a request and its response. Which ones a connection makes follows from the run's
 * seed, the connection's number and the request's: nothing is stored, and client, server and
 * oracle come to the same bytes each by themselves. The request names workload, connection and
 * number in its query; the response names the backend in its reason phrase. */
#ifndef SIM_EXCHANGE_H
#define SIM_EXCHANGE_H

#include "sizes.h"

#define REQUEST_HEAD_MAX 1600
#define RESPONSE_HEAD_MAX 128
/* "HTTP/1.1 200 b000": what a response must show before it is known whose it is. */
#define RESPONSE_START 17
#define NO_POOL 0xffff

/* What is the same for all requests of a workload to one of its hosts. */
struct exchange_target {
	uint16_t pool;		  /* by the rules; NO_POOL: none matches */
	uint16_t expected_status; /* of the front-end's refusal; 200: it is served */
	char line[REQUEST_HEAD_MAX];
	uint16_t before_query, length; /* in `line`: "/path?", then " HTTP/1.1 ... \r\n" without the last CRLF */
};

struct exchange_plan {
	const struct config *config;
	uint64_t key; /* child of the run's seed */
	struct size_source sizes[WORKLOADS_MAX];
	struct exchange_target target[WORKLOADS_MAX][HOSTS_MAX];
};

int exchange_plan_init(struct exchange_plan *plan, const struct config *config, char error[SIZE_FILE_ERROR_MAX]);
void exchange_plan_fini(struct exchange_plan *plan);

/* How a connection's client behaves. */
struct connection_plan {
	bool abort, half_close, slow, plain;
	uint32_t abort_number; /* in the middle of this response */
	uint32_t requests;     /* all it makes; fewer if one ends with the connection */
};

struct exchange {
	uint32_t connection, number;
	uint8_t workload, host;
	bool chunked, until_close, early, server_reset;
	uint64_t size, upload; /* bytes of the bodies */
	uint64_t cut;	       /* server_reset, abort: after so many bytes of the response */
	uint64_t key;	       /* of its bodies' bytes */
};

void connection_plan_make(const struct exchange_plan *plan, unsigned workload, uint32_t connection,
			  struct connection_plan *out);
void exchange_make(const struct exchange_plan *plan, unsigned workload, uint32_t connection, uint32_t number,
		   struct exchange *x);
/* Reads who asks out of a request's head; false if the head is none of ours. */
bool exchange_recognise(const struct exchange_plan *plan, const char *head, size_t len, struct exchange *x);

static inline const struct exchange_target *exchange_target(const struct exchange_plan *plan, const struct exchange *x)
{
	return &plan->target[x->workload][x->host];
}

/* A message as a stream: head, body, and chunks around it. */
struct message {
	const char *head;
	uint32_t head_len;
	bool chunked;
	uint64_t key, body; /* body: its bytes, without chunks */
	uint64_t total;	    /* bytes of the stream */
};
/* `head` keeps the text. */
void exchange_request(const struct exchange_plan *plan, const struct exchange *x, char head[REQUEST_HEAD_MAX],
		      struct message *m);
void exchange_response(const struct exchange *x, unsigned backend, char head[RESPONSE_HEAD_MAX], struct message *m);
/* Writes bytes of the stream from `at` on, at least one and at most `room` and what there is; returns how many. */
uint32_t message_fill(const struct message *m, uint64_t at, uint8_t *out, uint32_t room);
/* Index of the first of `len` bytes that is not the stream's from `at` on, or `len`; *want is what it should have been,
 * -1: the stream has ended. */
uint32_t message_differs(const struct message *m, uint64_t at, const uint8_t *data, uint32_t len, int *want);

#endif
