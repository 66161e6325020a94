/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzz_http.c: input: one byte of choices, one that places a cut, then a stream of requests or responses.
 *
 * However the stream is cut, it reads the same; what a head says stands inside that head; a refusal has a status
 * that there is a response for. */
#include "fuzz.h"
#include "tests/unit/http_reading.h"

#define STREAM_MAX 8192

struct stream {
	const uint8_t *bytes;
	size_t len;
	bool responses, to_head, to_connect;
	enum strictness strictness;
};

static void read_stream(const struct stream *s, struct cut cut, struct reading *r)
{
	/* A copy that ends where the stream does. */
	uint8_t *bytes = fuzz_frame(s->bytes, s->len);

	if (s->responses)
		reading_of_responses(r, s->to_head, s->to_connect, bytes, s->len, cut);
	else
		reading_of_requests(r, s->strictness, bytes, s->len, cut);
	fuzz_frame_free(bytes);
}

static void check_message(const struct stream *s, const struct reading_message *m)
{
	if (s->responses) {
		MUST(m->status >= 100 && m->status <= 999);
		return;
	}
	MUST(m->head_at < m->head_end && m->head_end <= s->len);
	MUST(!m->host_len || (m->host_at >= m->head_at && m->host_at + m->host_len <= m->head_end));
	MUST(m->path_at >= m->head_at && m->path_at + m->path_len <= m->head_end);
	MUST(m->body_length == 0 || m->body == HTTP_BODY_LENGTH);
}

static void check_refusal(enum strictness strictness, const struct stream *s)
{
	struct http_request q;
	size_t at = 0, head = 0, consumed, len;
	enum http_result result = HTTP_NEED_MORE;

	http_request_init(&q, strictness, READING_HEAD_MAX);
	while (at < s->len && result != HTTP_BAD) {
		result = http_request_feed(&q, s->bytes + head, s->bytes + at, s->len - at, &consumed);
		at += consumed;
		if (result == HTTP_HEAD_END && q.body == HTTP_BODY_LENGTH)
			at += MIN(q.body_length, (uint64_t)(s->len - at));
		if (result != HTTP_NEED_MORE)
			head = at;
	}
	if (result != HTTP_BAD)
		return;
	MUST(q.refusal != HTTP_REFUSE_NONE && q.refusal < HTTP_REFUSAL_COUNT && q.why);
	MUST(http_error_response(q.refusal_status, q.is_head, &len) && len > 0);
}

FUZZ_TARGET(http)
{
	struct fuzz_input in = { data, data + size };
	uint8_t choices = fuzz_u8(&in), cut = fuzz_u8(&in);
	struct stream s = {
		.bytes = in.at,
		.len = MIN(fuzz_left(&in), (size_t)STREAM_MAX),
		.responses = choices & 1,
		.to_head = choices & 2,
		.to_connect = choices & 4,
		.strictness = choices & 2 ? STRICTNESS_LENIENT : STRICTNESS_STRICT,
	};
	const struct cut cuts[] = {
		CUT_BYTES, CUT_AT(cut), CUT_AT((size_t)cut * s.len / 256), { cut, 1u + choices % 7 }
	};
	struct reading whole, pieces;

	read_stream(&s, CUT_WHOLE, &whole);
	for (unsigned i = 0; i < MIN(whole.count, READING_MAX); i++)
		check_message(&s, &whole.m[i]);
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		read_stream(&s, cuts[i], &pieces);
		MUST(pieces.count == whole.count && pieces.end == whole.end && pieces.refusal == whole.refusal);
		MUST(memcmp(pieces.m, whole.m, sizeof(whole.m)) == 0);
	}
	if (!s.responses)
		check_refusal(s.strictness, &s);
	return 0;
}
