/* SPDX-License-Identifier: BSD-2-Clause */
/* trace.c: reads a capture through libpcap and hands out IPv4 datagrams.
 *
 * Life: trace_open() opens the source (source.c), lets libpcap read the file header, and looks up
 * the link layer and compiles the filter; trace_next() per frame: filter, link layers off
 * (linklayer.c), bounds (datagram.c), fragments (fragment.c), checksums; trace_rewind() gives
 * libpcap a new stream of the same source. READING becomes ENDED or BROKEN once, and stays so
 * until trace_rewind().
 *
 * With options->keep what the first reading hands out goes onto a tape (tape.c). If that holds all of it, READING after
 * trace_rewind() is from the tape, and libpcap, the link layers and the checksums are not asked again; else the tape
 * is given up, and the file is read anew.
 *
 * Invariants: frames are numbered as they stand in the file, whether or not the filter shows
 * them; every frame shown is counted under exactly one kind; the datagram is the reader's own
 * copy, so the caller may write to it and libpcap's bytes are never changed.
 * Super-packets (total length 0) get the length that the frame has, in either mode; with
 * TRACE_CHECKSUMS_COMPLETE they count as completed. With TRACE_CHECKSUMS_KEEP no checksum is
 * looked at: a header that must change (super-packets, reassembly) keeps its right or wrong sum
 * by RFC 1624.
 * Refusals: link types without a row, filters that libpcap refuses, and damage: libpcap's own
 * message with file and frame number, after everything before it was handed out. libpcap bounds
 * record lengths itself, so no length field makes it take memory without limit. */
#include "miresga/trace.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

#include "datagram.h"
#include "fragment.h"
#include "source.h"
#include "tape.h"

/* How often, in frames, the position in the file is asked for. */
#define POSITION_INTERVAL 256
#define ETHERNET_FCS_LEN 4

enum trace_state {
	TRACE_READING,
	TRACE_ENDED,
	TRACE_BROKEN,
};

/* How the reading ended that the tape holds. */
struct ending {
	enum trace_state state;
	struct trace_stats stats;
	char error[TRACE_ERROR_MAX];
};

struct trace_reader {
	pcap_t *pcap; /* NULL after a rewind that failed */
	FILE *stream; /* libpcap owns it */
	const struct link_layer *link;
	uint32_t trailer; /* bytes of frame check sequence in each frame */
	enum trace_state state;
	enum trace_checksums checksums;
	bool filtered;
	struct bpf_program program; /* valid if filtered */
	struct fragment_table *fragments;
	struct trace_stats stats;
	char error[TRACE_ERROR_MAX];
	struct tape *tape; /* NULL: nothing is kept */
	bool taped;	   /* all that there is stands on the tape */
	bool playing;	   /* the tape is read */
	struct ending ending;
	uint8_t *room; /* where the next datagram goes: the tape, or `datagram` */
	struct source source;
	/* One word more than the longest datagram: sums may be read in words. */
	_Alignas(64) uint8_t datagram[DATAGRAM_MAX + 1 + 64];
};

const char *trace_kind_key(enum trace_kind k)
{
	static const char *const keys[] = {
#define X(name, key, text) [TRACE_##name] = key,
		TRACE_KINDS(X)
#undef X
	};

	MUST((unsigned)k < TRACE_KIND_COUNT);
	return keys[k];
}

static int unsupported(struct trace_reader *t, int number)
{
	const char *name = pcap_datalink_val_to_name(number);

	snprintf(t->error, sizeof(t->error), "%s: link type %d (%s) is not supported", t->source.name, number,
		 name ? name : "unknown");
	return -1;
}

/* Puts libpcap at the first frame. */
static int start(struct trace_reader *t)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	const struct link_layer *link;
	int extra;

	t->stats = (struct trace_stats){ .file_bytes = t->source.bytes };
	t->state = TRACE_BROKEN;
	t->stream = source_stream(&t->source, t->error);
	if (!t->stream)
		return -1;
	t->pcap = pcap_fopen_offline_with_tstamp_precision(t->stream, PCAP_TSTAMP_PRECISION_NANO, why);
	if (!t->pcap) {
		fclose(t->stream);
		snprintf(t->error, sizeof(t->error), "%s: not a readable capture: %s", t->source.name, why);
		return -1;
	}
	link = link_layer_find(pcap_datalink(t->pcap));
	if (!link)
		return unsupported(t, pcap_datalink(t->pcap));
	if (t->link && t->link != link) {
		snprintf(t->error, sizeof(t->error), "%s: its link type changed while it was read", t->source.name);
		return -1;
	}
	t->link = link;
	/* The field's unit differs between writers (bytes, words); Ethernet's sequence has four bytes. */
	extra = pcap_datalink_ext(t->pcap);
	t->trailer = link->number == DLT_EN10MB && LT_FCS_LENGTH_PRESENT(extra) && LT_FCS_LENGTH(extra)
			     ? ETHERNET_FCS_LEN
			     : 0;
	t->state = TRACE_READING;
	t->error[0] = '\0';
	return 0;
}

static void stop(struct trace_reader *t)
{
	if (t->pcap)
		pcap_close(t->pcap);
	t->pcap = NULL;
	t->stream = NULL;
}

static int compile(struct trace_reader *t, const char *filter)
{
	if (!filter || !*filter)
		return 0;
	if (pcap_compile(t->pcap, &t->program, filter, 1, PCAP_NETMASK_UNKNOWN) < 0) {
		snprintf(t->error, sizeof(t->error), "%s: filter \"%.160s%s\": %s", t->source.name, filter,
			 strlen(filter) > 160 ? "..." : "", pcap_geterr(t->pcap));
		return -1;
	}
	t->filtered = true;
	return 0;
}

struct trace_reader *trace_open(const char *path, const struct trace_options *options, char error[TRACE_ERROR_MAX])
{
	struct trace_reader *t = aligned_alloc(_Alignof(struct trace_reader), sizeof(*t));

	if (!t) {
		snprintf(error, TRACE_ERROR_MAX, "%s: out of memory", path);
		return NULL;
	}
	memset(t, 0, offsetof(struct trace_reader, source));
	t->source.fd = -1;
	t->checksums = options->checksums;
	t->fragments = fragment_table_create();
	if (options->keep)
		t->tape = tape_create(options->keep);
	if (!t->fragments || (options->keep && !t->tape))
		snprintf(t->error, sizeof(t->error), "%s: out of memory", path);
	else if (source_open(&t->source, path, options->spool, t->error) == 0 && start(t) == 0 &&
		 compile(t, options->filter) == 0)
		return t;
	memcpy(error, t->error, TRACE_ERROR_MAX);
	trace_close(t);
	return NULL;
}

void trace_close(struct trace_reader *t)
{
	if (!t)
		return;
	stop(t);
	if (t->filtered)
		pcap_freecode(&t->program);
	source_close(&t->source);
	fragment_table_free(t->fragments);
	tape_free(t->tape);
	free(t);
}

const char *trace_error(const struct trace_reader *t)
{
	return t->error;
}

const struct trace_stats *trace_stats(const struct trace_reader *t)
{
	return &t->stats;
}

const char *trace_linktype(const struct trace_reader *t, int *number)
{
	if (number)
		*number = t->link->number;
	return t->link->name;
}

/* The tape cannot hold all. */
static void keep_nothing(struct trace_reader *t)
{
	tape_free(t->tape);
	t->tape = NULL;
}

int trace_rewind(struct trace_reader *t)
{
	if (t->state == TRACE_READING && t->stats.frames == 0)
		return 0;
	if (t->taped) {
		tape_rewind(t->tape);
		t->playing = true;
		t->state = TRACE_READING;
		t->stats = (struct trace_stats){ .file_bytes = t->source.bytes };
		t->error[0] = '\0';
		return 0;
	}
	keep_nothing(t);
	stop(t);
	fragment_table_reset(t->fragments);
	return start(t);
}

/* libpcap gives nanoseconds in tv_usec. pcap files hold unsigned 32-bit fields that libpcap may
 * sign-extend, depending on the file's byte order: seconds last until 2106, and a second field out
 * of range, negative or not, is as late as it can be. Seconds beyond 64 bits of nanoseconds are
 * clamped. */
static uint64_t frame_time(const struct pcap_pkthdr *h)
{
	int64_t seconds = h->ts.tv_sec, part = h->ts.tv_usec;
	const int64_t seconds_max = INT64_MAX / (int64_t)NS_PER_S - 1;

	if (seconds < 0 && seconds >= INT32_MIN)
		seconds += INT64_C(1) << 32;
	seconds = seconds < 0 ? 0 : MIN(seconds, seconds_max);
	if (part < 0 || part >= (int64_t)NS_PER_S)
		part = (int64_t)NS_PER_S - 1;
	return (uint64_t)seconds * NS_PER_S + (uint64_t)part;
}

/* The datagram into t->room, from one frame or from fragments. */
static enum trace_kind gather(struct trace_reader *t, const struct datagram *d, struct trace_packet *p)
{
	enum trace_kind kind;
	uint16_t field;

	if (UNLIKELY(datagram_is_fragment(d))) {
		kind = fragment_add(t->fragments, d, p->time_ns, t->room, &p->len);
		t->stats.reassembled += kind == TRACE_IPV4;
		t->stats.abandoned = fragment_abandoned(t->fragments);
		return kind;
	}
	memcpy(t->room, d->ip, d->len);
	p->len = d->len;
	if (UNLIKELY(d->super)) {
		field = load_be16(d->ip + offsetof(struct ipv4_hdr, frag));
		datagram_set_header(t->room, d->len, field);
		p->completed = t->checksums == TRACE_CHECKSUMS_COMPLETE;
	}
	return TRACE_IPV4;
}

static enum trace_kind read_ipv4(struct trace_reader *t, const struct frame_view *v, struct trace_packet *p)
{
	struct datagram d;
	enum trace_kind kind = datagram_measure(v, t->trailer, &d);

	if (UNLIKELY(kind != TRACE_IPV4)) {
		if (kind == TRACE_CUT && d.ip) {
			memcpy(t->room, d.ip, d.captured);
			p->ip = t->room;
			p->len = d.captured;
		}
		return kind;
	}
	kind = gather(t, &d, p);
	if (kind != TRACE_IPV4)
		return kind;
	p->ip = t->room;
	if (t->checksums == TRACE_CHECKSUMS_COMPLETE && datagram_complete_checksums(p->ip, p->len))
		p->completed = true;
	t->stats.completed += p->completed;
	return TRACE_IPV4;
}

static void note_position(struct trace_reader *t)
{
	off_t at = t->source.seekable ? ftello(t->stream) : -1;

	if (at >= t->source.start && at >= 0)
		t->stats.bytes = (uint64_t)(at - t->source.start);
}

/* What libpcap says at the end, in our words. */
static enum trace_state judge_end(struct trace_reader *t, int result)
{
	if (result != PCAP_ERROR_BREAK) {
		snprintf(t->error, sizeof(t->error), "%s: frame %llu: %s", t->source.name,
			 (unsigned long long)t->stats.frames + 1, pcap_geterr(t->pcap));
		return TRACE_BROKEN;
	}
	if (source_shrunk(&t->source, t->stream)) {
		snprintf(t->error, sizeof(t->error), "%s: frame %llu: the file became shorter while it was read",
			 t->source.name, (unsigned long long)t->stats.frames + 1);
		return TRACE_BROKEN;
	}
	return TRACE_ENDED;
}

/* The end, good or bad. */
static int finish(struct trace_reader *t, int result)
{
	note_position(t);
	fragment_flush(t->fragments);
	t->stats.abandoned = fragment_abandoned(t->fragments);
	t->state = judge_end(t, result);
	t->taped = t->tape != NULL;
	t->ending = (struct ending){ .state = t->state, .stats = t->stats };
	memcpy(t->ending.error, t->error, sizeof(t->error));
	return t->state == TRACE_ENDED ? 0 : -1;
}

/* The next frame that the filter shows; libpcap's result. */
static int next_frame(struct trace_reader *t, struct pcap_pkthdr **h, const u_char **data)
{
	int result;

	while ((result = pcap_next_ex(t->pcap, h, data)) == 1) {
		t->stats.frames++;
		if (!t->source.seekable)
			t->stats.bytes += (*h)->caplen;
		else if (t->stats.frames % POSITION_INTERVAL == 0)
			note_position(t);
		if (!t->filtered || pcap_offline_filter(&t->program, *h, *data))
			break;
		t->stats.hidden++;
	}
	return result;
}

/* The next frame as it was handed out before. */
static int from_tape(struct trace_reader *t, struct trace_packet *p)
{
	const struct tape_record *r = tape_next(t->tape);

	if (!r) {
		t->state = t->ending.state;
		t->stats = t->ending.stats;
		memcpy(t->error, t->ending.error, sizeof(t->error));
		return t->state == TRACE_ENDED ? 0 : -1;
	}
	*p = r->packet;
	t->stats.frames = p->frame;
	t->stats.kinds[p->kind]++;
	t->stats.completed += p->completed;
	t->stats.hidden = r->hidden;
	t->stats.bytes = r->bytes;
	t->stats.reassembled = r->reassembled;
	t->stats.abandoned = r->abandoned;
	return 1;
}

static void onto_tape(struct trace_reader *t, const struct trace_packet *p)
{
	const struct tape_record r = {
		.packet = *p,
		.hidden = t->stats.hidden,
		.bytes = t->stats.bytes,
		.reassembled = t->stats.reassembled,
		.abandoned = t->stats.abandoned,
	};

	tape_keep(t->tape, &r);
}

/* Where the next datagram goes. */
static void make_room(struct trace_reader *t)
{
	t->room = t->tape ? tape_room(t->tape) : t->datagram;
	if (LIKELY(t->room))
		return;
	keep_nothing(t);
	t->room = t->datagram;
}

int trace_next(struct trace_reader *t, struct trace_packet *p)
{
	struct pcap_pkthdr *h;
	const u_char *data;
	struct frame_view v;
	int result;

	if (UNLIKELY(t->state != TRACE_READING))
		return t->state == TRACE_ENDED ? 0 : -1;
	if (t->playing)
		return from_tape(t, p);
	result = next_frame(t, &h, &data);
	if (UNLIKELY(result != 1))
		return finish(t, result);
	*p = (struct trace_packet){ .frame = t->stats.frames, .time_ns = frame_time(h) };
	v = (struct frame_view){
		.at = data,
		.left = h->caplen,
		.cut = h->len > h->caplen ? h->len - h->caplen : 0,
	};
	make_room(t);
	p->kind = t->link->strip(&v);
	if (p->kind == TRACE_IPV4)
		p->kind = read_ipv4(t, &v, p);
	t->stats.kinds[p->kind]++;
	if (t->tape)
		onto_tape(t, p);
	return 1;
}
