/* SPDX-License-Identifier: BSD-2-Clause */
/* report.c: the summary of a replay for people. Sections of aligned rows; a row that is zero is
 * left out unless it says something by being zero, or -v asks for it. The last line is the
 * verdict, so that it stands just above the prompt. */
#include "miresga/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "miresga/text.h"
#include "rows.h"

/* A bound on what a section's heading holds: path, link type, addresses. */
#define REMARK_MAX 512

static void report_trace(const struct report_style *s, const struct replay_report *report)
{
	const struct replay_result *r = report->result;
	char remark[REMARK_MAX], number[TEXT_NUMBER_MAX], vip[ENDPOINT_TEXT_MAX];

	snprintf(remark, sizeof(remark), "%s%s%s%s", report->trace, r->linktype[0] ? " (" : "", r->linktype,
		 r->linktype[0] ? ")" : "");
	section(s, "Trace", remark);
	snprintf(remark, sizeof(remark), "in %s of trace time, %s",
		 text_duration(r->last_ns > r->first_ns ? r->last_ns - r->first_ns : 0, number),
		 text_bytes(r->trace.bytes, (char[TEXT_NUMBER_MAX]){ 0 }));
	row(s, ROW_ALWAYS, "packets", r->packets, remark);
	snprintf(remark, sizeof(remark), "to or from %s",
		 r->vip_found ? endpoint_format(r->vip, vip) : "the VIP, which was not found");
	row(s, ROW_ALWAYS, "of the service", r->vip_packets, remark);
	row(s, ROW_ALWAYS, "flows", r->flows, "TCP connections to the service");
	row(s, ROW_ALWAYS, "requests", r->requests, "that the front-ends read in them");
	for (unsigned i = SKIP_NONE + 1; i < SKIP_COUNT; i++) {
		row(s, ROW_IF_NONZERO, "flows skipped", r->skipped_flows[i], skip_text(i));
		row(s, ROW_IF_NONZERO, "packets skipped", r->skipped_packets[i], skip_text(i));
	}
	row(s, ROW_IF_NONZERO, "checksums completed", r->trace.completed, "wrong in the trace, as by offloading");
	row(s, ROW_IF_NONZERO, "datagrams reassembled", r->trace.reassembled, "");
	row(s, ROW_IF_NONZERO, "frames cut short", r->trace.kinds[TRACE_CUT], "by the snapshot length");
	row(s, ROW_IF_NONZERO, "frames malformed", r->trace.kinds[TRACE_MALFORMED], "");
	row(s, ROW_IF_NONZERO, "fragments discarded", r->trace.kinds[TRACE_FRAGMENT_BAD], "");
}

static void report_verification(const struct report_style *s, const struct replay_result *r)
{
	section(s, "Verification", "what each end got, against the recording");
	row(s, ROW_ALWAYS, "byte-exact flows", r->outcomes[OUTCOME_BYTE_EXACT],
	    "both ends got exactly the recorded bytes");
	row(s, ROW_IF_NONZERO, "refused flows", r->outcomes[OUTCOME_REFUSED], "answered with an error by policy");
	for (unsigned i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++)
		row(s, ROW_IF_NONZERO, "  of these", r->refused_by[i], refusal_text((enum refusal)i));
	row(s, ROW_IF_NONZERO, "mismatched flows", r->outcomes[OUTCOME_MISMATCHED],
	    "an end got other bytes or numbers than recorded");
	row(s, ROW_IF_NONZERO, "incomplete flows", r->outcomes[OUTCOME_INCOMPLETE],
	    "the recording could not be played to its end");
	row(s, ROW_IF_NONZERO, "packets left blocked", r->blocked_packets, "what they wait for never arrived");
	row(s, ROW_IF_NONZERO, "wrong numbers", r->number_errors, "ACK, SACK, TSecr or window");
	row(s, ROW_ALWAYS, "checksum errors", r->checksum_errors, "on any tap");
	row(s, ROW_IF_NONZERO, "at a wrong backend", r->wrong_backend, "packets");
	row(s, ROW_ALWAYS, "left behind", r->leaked, "entries, after the longest timeout");
	row(s, ROW_IF_NONZERO, "ended by timeouts", r->timed_out, "the recording does not hold their end");
}

static void report_switch(const struct report_style *s, const struct replay_report *report)
{
	const struct switch_stats *sw = &report->result->sw;
	char packets[TEXT_NUMBER_MAX], bytes[TEXT_NUMBER_MAX], remark[REMARK_MAX];

	section(s, "Switch", "answers the handshakes; carries offloaded flows alone, on the fast path");
	row(s, ROW_ALWAYS, "handshakes answered", sw->syn_answered, "SYN-ACKs of the switch's own");
	snprintf(remark, sizeof(remark), "%s of packets, %s of bytes",
		 text_share(sw->fast_path_packets, sw->fast_path_packets + sw->to_frontend_packets, packets),
		 text_share(sw->fast_path_bytes, sw->fast_path_bytes + sw->to_frontend_bytes, bytes));
	row(s, ROW_ALWAYS, "fast path packets", sw->fast_path_packets, remark);
	row(s, ROW_ALWAYS, "packets to front-ends", sw->to_frontend_packets, "the slow path");
	row(s, ROW_IF_NONZERO, "packets routed", sw->routed_packets, "by longest prefix match");
	row(s, ROW_IF_NONZERO, "ARP requests answered", sw->arp_answered, "");
	snprintf(remark, sizeof(remark), "entries added; at most %s at once", text_count(sw->entries_peak, packets));
	row(s, ROW_ALWAYS, "flows offloaded", sw->adds, remark);
	row(s, ROW_IF_NONZERO, "not offloaded", sw->add_full, "table full: stayed on the slow path");
	row(s, ROW_IF_NONZERO, "additions refused", sw->add_exists, "the entry was there already");
	row(s, ROW_IF_NONZERO, "deletions refused", sw->delete_missing, "there was no such entry");
	row(s, ROW_IF_NONZERO, "cuckoo moves", sw->cuckoo_moves, "");
}

static void report_frontends(const struct report_style *s, const struct replay_result *r)
{
	char a[TEXT_NUMBER_MAX], b[TEXT_NUMBER_MAX], c[TEXT_NUMBER_MAX], d[TEXT_NUMBER_MAX], e[TEXT_NUMBER_MAX];

	section(s, "Front-ends", "read the requests, choose the backends, carry what is not offloaded");
	fprintf(s->out, "  %-16s %10s %10s %10s %10s %10s\n", "", "flows", "requests", "packets", "offloads", "moves");
	for (unsigned i = 0; i < r->frontend_count; i++) {
		const struct frontend_stats *f = &r->frontends[i];

		if (f->packets == 0 && !s->verbose)
			continue;
		fprintf(s->out, "  front-end %-6u %10s %10s %10s %10s %10s\n", i, text_count(f->flows_started, a),
			text_count(f->requests, b), text_count(f->packets, c), text_count(f->offloads_effective, d),
			text_count(f->moves, e));
	}
}

static void report_backends(const struct report_style *s, const struct replay_report *report)
{
	const struct replay_result *r = report->result;
	char a[TEXT_NUMBER_MAX], b[TEXT_NUMBER_MAX], c[TEXT_NUMBER_MAX], d[TEXT_NUMBER_MAX];
	uint64_t shortened = 0;

	section(s, "Backends", "the servers; a flow that moved counts at each of its own");
	fprintf(s->out, "  %-16s %10s %10s %11s %11s\n", "", "flows", "requests", "packets in", "packets out");
	for (unsigned i = 0; i < r->backend_count; i++) {
		const struct agent_stats *st = &r->backends[i];

		if (st->ingress_packets + st->egress_packets == 0 && !s->verbose)
			continue;
		fprintf(s->out, "  %-16s %10s %10s %11s %11s\n", report->config->backends[i].name,
			text_count(r->backend_flows[i], a), text_count(r->backend_requests[i], b),
			text_count(st->ingress_packets, c), text_count(st->egress_packets, d));
		shortened += st->shortened;
	}
	row(s, ROW_IF_NONZERO, "packets shortened", shortened, "for the agents' programs: more than they take here");
}

static void report_endpoints(const struct report_style *s, const struct replay_result *r)
{
	if (!r->sessions)
		return;
	section(s, "Endpoints", "clients and servers, that hold the recorded conversations anew");
	row(s, ROW_ALWAYS, "segments sent", r->segments, "by both sides");
	row(s, ROW_IF_NONZERO, "retransmitted", r->retransmitted, "");
	row(s, ROW_IF_NONZERO, "timeouts", r->timeouts, "of retransmission timers");
}

/* Drops of all components, together by reason. */
static void report_drops(const struct report_style *s, const struct replay_result *r)
{
	bool any = false;

	for (unsigned i = DROP_NONE + 1; i < DROP_COUNT; i++) {
		uint64_t n = r->sw.drops[i] + r->world_drops[i];
		char count[TEXT_NUMBER_MAX];

		for (unsigned j = 0; j < r->frontend_count; j++)
			n += r->frontends[j].drops[i];
		if (n == 0)
			continue;
		if (!any)
			section(s, "Dropped packets", "");
		any = true;
		row_text(s, drop_key(i), text_count(n, count), drop_text(i));
	}
}

static void report_speed(const struct report_style *s, const struct replay_result *r)
{
	double rate = r->seconds > 0 ? (double)r->packets / r->seconds : 0;
	char value[TEXT_NUMBER_MAX], remark[REMARK_MAX];

	section(s, "Speed", "");
	snprintf(remark, sizeof(remark), "for %s of virtual time",
		 text_duration(r->virtual_ns, (char[TEXT_NUMBER_MAX]){ 0 }));
	row_text(s, "time", text_duration((uint64_t)(r->seconds * 1e9), value), remark);
	row(s, ROW_ALWAYS, "packets per second", (uint64_t)rate, "reading and verifying included");
}

static void report_findings(const struct report_style *s, const struct replay_result *r)
{
	char client[ENDPOINT_TEXT_MAX];

	if (r->finding_count == 0)
		return;
	section(s, "Findings", "");
	for (unsigned i = 0; i < MIN(r->finding_count, REPLAY_FINDINGS_MAX); i++) {
		const struct replay_finding *f = &r->findings[i];

		fprintf(s->out, "  %s-%u %s: %s\n", endpoint_format(f->client, client), f->k, outcome_key(f->outcome),
			f->text);
	}
	if (r->finding_count > REPLAY_FINDINGS_MAX)
		fprintf(s->out, "  and %u more\n", r->finding_count - REPLAY_FINDINGS_MAX);
}

/* Appends to a sentence: "2 flows mismatched, 1 packet …". */
struct sentence {
	char *text;
	size_t len;
	unsigned parts;
};

static FORMAT_PRINTF(2, 3) void say(struct sentence *s, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(s->text + s->len, REPORT_VERDICT_MAX - s->len, format, args);
	va_end(args);
	s->len = MIN(s->len + (size_t)MAX(n, 0), REPORT_VERDICT_MAX - 1);
}

/* "1 flow mismatched"; nothing if n is 0. */
static void say_count(struct sentence *s, uint64_t n, const char *noun, const char *plural, const char *rest)
{
	char count[TEXT_NUMBER_MAX];

	if (n == 0)
		return;
	say(s, "%s%s %s%s", s->parts++ ? ", " : "", text_count(n, count), n == 1 ? noun : plural, rest);
}

static void say_failure(struct sentence *s, const struct replay_result *r, uint64_t played)
{
	char count[TEXT_NUMBER_MAX];

	say(s, "FAILED: ");
	say_count(s, r->outcomes[OUTCOME_MISMATCHED], "flow", "flows", " mismatched");
	say_count(s, r->outcomes[OUTCOME_INCOMPLETE], "flow", "flows", " incomplete");
	say_count(s, r->checksum_errors, "checksum error", "checksum errors", "");
	say_count(s, r->wrong_backend, "packet", "packets", " at a wrong backend");
	say_count(s, r->leaked, "entry", "entries", " left behind");
	if (r->trace_error[0])
		say(s, "%sthe trace is damaged", s->parts++ ? ", " : "");
	if (r->output_error[0])
		say(s, "%san output could not be written", s->parts++ ? ", " : "");
	if (r->agent_error[0])
		say(s, "%san agent did not do its work", s->parts++ ? ", " : "");
	if (s->parts == 0)
		say(s, "the replay did not verify");
	say(s, "; %s of ", text_count(r->outcomes[OUTCOME_BYTE_EXACT], count));
	say(s, "%s flows byte-exact.", text_count(played, count));
}

static void say_nothing_played(struct sentence *s, const struct replay_result *r)
{
	uint64_t skipped = r->outcomes[OUTCOME_SKIPPED];
	char vip[ENDPOINT_TEXT_MAX];

	if (r->vip_found && r->vip_packets + skipped == 0 && !r->interrupted)
		say(s, "No TCP packet to or from %s in the trace: nothing to replay.", endpoint_format(r->vip, vip));
	else if (skipped || r->vip_found)
		say(s, "No flow could be replayed.");
	else
		say(s, "No TCP handshake in the trace: nothing to replay.");
}

void report_replay_verdict(const struct replay_result *r, char text[REPORT_VERDICT_MAX])
{
	struct sentence s = { .text = text };
	uint64_t exact = r->outcomes[OUTCOME_BYTE_EXACT], refused = r->outcomes[OUTCOME_REFUSED];
	uint64_t played = exact + refused + r->outcomes[OUTCOME_MISMATCHED] + r->outcomes[OUTCOME_INCOMPLETE];
	uint64_t skipped = r->outcomes[OUTCOME_SKIPPED];
	char count[TEXT_NUMBER_MAX];

	text[0] = '\0';
	if (r->interrupted)
		say(&s, "Interrupted. ");
	if (replay_failed(r)) {
		say_failure(&s, r, played);
	} else if (played == 0) {
		say_nothing_played(&s, r);
	} else if (refused == 0) {
		say(&s, played == 1 ? "The one flow is byte-exact." : "All %s flows byte-exact.",
		    text_count(played, count));
	} else {
		say_count(&s, exact, "flow", "flows", " byte-exact");
		say_count(&s, refused, "flow", "flows", " refused by policy");
		say(&s, ".");
	}
	s.parts = 0;
	if (skipped > 0) {
		say(&s, " ");
		say_count(&s, skipped, "flow", "flows", " skipped.");
	}
}

/* Red, yellow, green: an interrupted run has found nothing wrong, nor shown that nothing is. */
static const char *verdict_color(const struct replay_result *r)
{
	return replay_failed(r) ? "\033[1;31m" : r->interrupted ? "\033[1;33m" : "\033[1;32m";
}

void report_replay(const struct report_style *style, const struct replay_report *report)
{
	const struct replay_result *r = report->result;
	char verdict[REPORT_VERDICT_MAX];

	if (!style->quiet) {
		report_trace(style, report);
		report_switch(style, report);
		report_frontends(style, r);
		report_backends(style, report);
		report_endpoints(style, r);
		report_drops(style, r);
		report_speed(style, r);
		report_verification(style, r);
		report_findings(style, r);
		fputc('\n', style->out);
	}
	report_replay_verdict(r, verdict);
	fprintf(style->out, "%s%s%s\n", color(style, verdict_color(r)), verdict, color(style, "\033[0m"));
}
