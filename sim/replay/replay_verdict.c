/* SPDX-License-Identifier: BSD-2-Clause */
/* replay_verdict.c: the outcome of a flow, and the names of outcomes and reasons.
 *
 * In this order: a flow that was skipped or refused stays so; wrong bytes or numbers make it
 * mismatched; what is still blocked, and recorded bytes that never arrived, make it incomplete;
 * else it is byte-exact. A flow whose handshake the trace holds only in part is skipped. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "session.h"

const char *skip_key(enum skip_reason r)
{
	static const char *const keys[SKIP_COUNT] = {
#define X(name, key, text) key,
		SKIP_REASONS(X)
#undef X
	};

	return keys[r];
}

const char *skip_text(enum skip_reason r)
{
	static const char *const texts[SKIP_COUNT] = {
#define X(name, key, text) text,
		SKIP_REASONS(X)
#undef X
	};

	return texts[r];
}

const char *outcome_key(enum outcome o)
{
	static const char *const keys[OUTCOME_COUNT] = {
#define X(name, key, text) key,
		OUTCOMES(X)
#undef X
	};

	return keys[o];
}

void verdict_fault(struct replay_flow *f, const char *format, ...)
{
	char text[REPLAY_TEXT_MAX];
	va_list args;

	if (f->fault || f->dead)
		return; /* the first one tells most */
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	f->fault = strdup(text);
}

/* Bytes that differ come before numbers that do. */
static bool verdict_mismatch(struct replay_flow *f, char text[REPLAY_TEXT_MAX])
{
	static const char *const who[SIDE_COUNT] = { "a server", "the client" };

	for (unsigned side = 0; side < SIDE_COUNT; side++) {
		const struct stream *s = &f->stream[side];

		if (s->mismatch == STREAM_NONE)
			continue;
		if (s->expected == s->got)
			snprintf(text, REPLAY_TEXT_MAX, "%s got byte %llu, which the recording does not have",
				 who[side], (unsigned long long)s->mismatch);
		else
			snprintf(text, REPLAY_TEXT_MAX, "%s got byte %llu as 0x%02x, recorded 0x%02x", who[side],
				 (unsigned long long)s->mismatch, s->got, s->expected);
		return true;
	}
	if (!f->fault)
		return false;
	snprintf(text, REPLAY_TEXT_MAX, "%s", f->fault);
	return true;
}

bool verdict_blocked(const struct replay_flow *f, char text[REPLAY_TEXT_MAX])
{
	struct segment s;

	for (unsigned side = 0; side < SIDE_COUNT; side++) {
		if (!f->queue[side].head || !queued_parse(f->queue[side].head, &s))
			continue;
		if (!(side == SIDE_CLIENT ? client_waits : server_waits)(f, &s, text))
			snprintf(text, REPLAY_TEXT_MAX, "frame %u was not sent before the replay ended", s.frame);
		return true;
	}
	return false;
}

/* The recording holds bytes of one side or the other, or a FIN that stands behind some. */
static bool anything_said(const struct replay_flow *f)
{
	const struct stream *s = &f->stream[SIDE_SERVER];

	return f->data_seen || (ranges_max(&s->known) > 1 && s->fin != 1);
}

static bool verdict_missing(const struct replay_flow *f, char text[REPLAY_TEXT_MAX])
{
	static const char *const side_name[SIDE_COUNT] = { "client", "server" };

	for (unsigned side = 0; side < SIDE_COUNT; side++) {
		const struct stream *s = &f->stream[side];
		struct range gap;

		if (stream_complete(s, &gap))
			continue;
		if (gap.lo == s->fin) {
			if (f->rst_seen)
				continue; /* a reset overtakes what was on its way */
			snprintf(text, REPLAY_TEXT_MAX, "the FIN of the %s never arrived", side_name[side]);
		} else {
			snprintf(text, REPLAY_TEXT_MAX, "%s bytes %llu to %llu never arrived", side_name[side],
				 (unsigned long long)gap.lo, (unsigned long long)gap.hi - 1);
		}
		return true;
	}
	return false;
}

static void verdict_find(struct replay *r, struct replay_flow *f)
{
	char text[REPLAY_TEXT_MAX] = "";

	if (f->dead)
		return; /* skipped, refused or given up before */
	if (!f->syn_seen || !f->synack_seen || !f->client_seen) {
		replay_flow_skip(r, f, SKIP_NO_HANDSHAKE);
		return;
	}
	f->outcome = OUTCOME_BYTE_EXACT;
	r->result->blocked_packets += f->queue[SIDE_CLIENT].count + f->queue[SIDE_SERVER].count;
	if (verdict_mismatch(f, text))
		f->outcome = OUTCOME_MISMATCHED;
	else if (anything_said(f) && (verdict_blocked(f, text) || verdict_missing(f, text)))
		f->outcome = OUTCOME_INCOMPLETE;
	if (text[0] && f->outlived)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "; an idle timeout had ended the flow before");
	if (text[0] && f->session && f->session->broken)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "; %s", f->session->broken);
	if (text[0])
		f->reason = strdup(text);
}

void verdict_speak(struct replay *r, struct replay_flow *f)
{
	struct replay_result *result = r->result;
	struct replay_finding *finding;

	verdict_find(r, f);
	for (unsigned side = 0; side < SIDE_COUNT; side++)
		f->delivered[side] = stream_in_order(&f->stream[side]) - 1;
	observe_verdict(r, f);
	result->outcomes[f->outcome]++;
	if (f->outcome == OUTCOME_SKIPPED)
		result->skipped_flows[f->skip]++;
	if (f->outcome == OUTCOME_REFUSED)
		result->refused_by[f->refusal]++;
	if (f->outcome != OUTCOME_MISMATCHED && f->outcome != OUTCOME_INCOMPLETE)
		return;
	if (result->finding_count == REPLAY_FINDINGS_MAX)
		return;
	finding = &result->findings[result->finding_count++];
	*finding = (struct replay_finding){ .client = f->client, .k = f->k, .outcome = f->outcome };
	snprintf(finding->text, sizeof(finding->text), "%s", f->reason ? f->reason : "");
}
