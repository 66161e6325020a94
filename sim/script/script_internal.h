/* SPDX-License-Identifier: BSD-2-Clause */
/* script_internal.h: a scenario script, parsed, and what its files share.
 *
 *   script_lex.c      characters -> words, numbers, expressions
 *   script_parse.c    lines -> settings and events     script_parse_packet.c  the packet of an event
 *   script_build.c    a packet of the script -> a frame
 *   script_view.c     a frame -> what it says, and as text in the script's syntax
 *   script_match.c    the two compared, field by field; symbols are bound here
 *   script_check.c    flow, table, agent, counter     script_fault.c    kill, pause, backend, fault, heal
 *   script_run.c      the events over a world */
#ifndef SIM_SCRIPT_INTERNAL_H
#define SIM_SCRIPT_INTERNAL_H

#include <stdio.h>

#include "miresga/config.h"
#include "miresga/nearest.h"
#include "miresga/script.h"
#include "miresga/world.h"

#define SCRIPT_SYMBOLS_MAX 64
#define SCRIPT_CLIENTS_MAX 32
#define SCRIPT_NAME_MAX 32 /* with the terminator */
#define SCRIPT_TERMS_MAX 4
#define SCRIPT_TCP_OPTIONS_MAX 12
#define SCRIPT_PAYLOAD_MAX 60000
#define SCRIPT_TAPS 4

/* constant + symbols; or anything. */
struct script_expr {
	bool any;
	uint8_t count;
	uint32_t constant;
	struct script_term {
		uint8_t symbol;
		bool minus;
	} terms[SCRIPT_TERMS_MAX];
};

/* X(NAME, "word", kind byte, values): options by the name that scripts use. SACK has two values a block. */
#define SCRIPT_TCP_OPTIONS(X) \
	X(MSS, "mss", 2, 1) \
	X(NOP, "nop", 1, 0) \
	X(EOL, "eol", 0, 0) \
	X(WSCALE, "wscale", 3, 1) \
	X(SACKOK, "sackOK", 4, 0) \
	X(SACK, "sack", 5, 8) \
	X(TIMESTAMPS, "TS", 8, 2) \
	X(TAG, "tag", 253, 0) \
	X(BADTAG, "badtag", 253, 0) \
	X(FASTOPEN, "FO", 34, 0)
enum script_tcp_option_kind {
#define X(name, word, byte, values) SCRIPT_OPTION_##name,
	SCRIPT_TCP_OPTIONS(X)
#undef X
	SCRIPT_OPTION_KINDS
};
struct script_tcp_option_name {
	const char *word;
	uint8_t byte, values;
};
extern const struct script_tcp_option_name script_tcp_option_names[SCRIPT_OPTION_KINDS];

struct script_tcp_option {
	uint8_t kind; /* enum script_tcp_option_kind */
	uint8_t count;
	struct script_expr values[8];
};

enum script_form {
	SCRIPT_TCP,
	SCRIPT_UDP,
	SCRIPT_ICMP,
};

/* A packet as the script says it. What is not said is not compared. */
struct script_packet {
	uint8_t form; /* enum script_form */
	bool any_flags, any_len, has_ack, has_window, has_options, more_options, has_text, filled;
	bool bad_checksum, fragment, has_from, has_to;
	uint8_t flags;
	struct script_expr seq, ack, window;
	uint32_t len;
	uint8_t option_count;
	struct script_tcp_option options[SCRIPT_TCP_OPTIONS_MAX];
	uint8_t *text;
	uint32_t text_len;
	struct endpoint from, to;
	uint8_t icmp_type, icmp_code;
	uint16_t mtu;
};

/* A place where packets are seen. `out`: out of the pipeline, `>`. */
struct script_port {
	uint8_t tap; /* enum tap_kind */
	bool out;
	uint16_t index;
};

struct script_time {
	bool any, absolute;
	uint64_t from_ns, to_ns;
};

enum script_event_kind {
	SCRIPT_EVENT_SEND,    /* a packet into the pipeline */
	SCRIPT_EVENT_EXPECT,  /* a packet that must come */
	SCRIPT_EVENT_ANY,     /* the next `count` events are expectations, in any order */
	SCRIPT_EVENT_FLOW,    /* the state of a client's flow */
	SCRIPT_EVENT_TABLE,   /* an entry of the Offloaded Connection Table */
	SCRIPT_EVENT_ENTRIES, /* how many entries it has */
	SCRIPT_EVENT_AGENT,   /* a pair of an agent */
	SCRIPT_EVENT_COUNTER,
	SCRIPT_EVENT_LEFTOVERS, /* nothing is left anywhere */
	SCRIPT_EVENT_CONTROL,	/* a table operation, as a front-end would ask for it */
	SCRIPT_EVENT_STALL,	/* of the control plane */
	SCRIPT_EVENT_FAULT,	/* begins */
	SCRIPT_EVENT_HEAL,	/* ends */
};

struct script_event {
	uint8_t kind;
	uint8_t client;
	bool lacks;	/* table, agent: must not be there; control: delete */
	bool has_value; /* table: d=; agent: delta */
	uint8_t state;	/* enum fsm_state */
	unsigned line;
	const char *source; /* the line's text after its time; not terminated */
	int source_len;
	struct script_time time;
	struct script_port port;
	struct script_packet packet;
	unsigned count, index;
	struct script_expr value;
	uint64_t number; /* counter's value, stall's ns */
	char counter[64];
	struct config_fault fault;
	bool heal_all; /* of a backend: whatever makes it unreachable */
};

struct script_client {
	char name[SCRIPT_NAME_MAX];
	struct endpoint address;
	uint32_t isn;
};

struct script {
	const char *name; /* of the file */
	char *text;
	struct config *config; /* NULL until `config` */
	struct script_event *events;
	unsigned event_count, event_room;
	unsigned symbol_count, client_count;
	char symbols[SCRIPT_SYMBOLS_MAX][SCRIPT_NAME_MAX];
	struct script_client clients[SCRIPT_CLIENTS_MAX];
	struct script_symbol_value {
		bool bound;
		uint32_t value;
	} preset[SCRIPT_SYMBOLS_MAX];
	/* Every packet there must be expected: from the last action before the first expectation there on; the number
	 * of an event, from 1; 0: never. [1]: out of the pipeline. */
	unsigned watched_since[SCRIPT_TAPS][BACKENDS_MAX][2];
	unsigned last_action; /* while parsing: number of the last event that expects nothing */
	bool ignored[SCRIPT_TAPS][BACKENDS_MAX][2];
	uint64_t bound_ns, bound_packets;
};

/* Where the parser stands, and the first error. */
struct script_cursor {
	struct script *script;
	const char *at, *line_start;
	unsigned line;
	bool failed;
	unsigned error_line, error_column;
	char error[512];
};

/* script_lex.c. Those that return bool return false after an error, which is noted once. */
bool script_error(struct script_cursor *c, const char *at, const char *format, ...) FORMAT_PRINTF(3, 4);
/* What stands at the cursor, for messages: a word, or "the end of the line". */
const char *script_found(const struct script_cursor *c, char buf[48]);
/* "; did you mean 'word'?", or nothing. */
#define SCRIPT_MEANT_MAX (CONFIG_NAME_MAX + 48)
const char *script_meant(const struct nearest *near, char buf[SCRIPT_MEANT_MAX]);
/* Over blanks and comments of this line, not over its end. */
void script_skip_blanks(struct script_cursor *c);
/* Over blanks, comments and empty lines. */
void script_skip_lines(struct script_cursor *c);
bool script_at_end(struct script_cursor *c);
/* Takes the character if it comes next. */
bool script_take(struct script_cursor *c, char what);
/* Takes the word if exactly it comes next. */
bool script_take_word(struct script_cursor *c, const char *word);
bool script_need(struct script_cursor *c, char what, const char *where);
/* The word at the cursor (letters, digits, '_', '.', '-'), or an error that asks for `what`. */
bool script_word(struct script_cursor *c, const char *what, char *out, size_t size);
bool script_number(struct script_cursor *c, const char *what, uint64_t max, uint64_t *out);
/* Seconds with decimals. */
bool script_seconds(struct script_cursor *c, uint64_t *ns);
/* 50ms */
bool script_duration(struct script_cursor *c, uint64_t *ns);
bool script_endpoint(struct script_cursor *c, struct endpoint *out);
bool script_expression(struct script_cursor *c, const char *what, struct script_expr *out);
/* A string in double quotes; *bytes is malloc()ed. */
bool script_string(struct script_cursor *c, uint8_t **bytes, uint32_t *len);
bool script_end_of_line(struct script_cursor *c);

/* script_parse.c */
struct script *script_parse(const char *name, const char *text, size_t len, struct script_cursor *c);
void script_free(struct script *s);
bool script_need_config(struct script_cursor *c);
/* The port of that name: true if there is one. */
bool script_port_word(const struct script *s, const char *word, struct script_port *port);

/* script_fault.c: statements of the table in script_parse.c, and what they do. */
bool script_parse_kill(struct script_cursor *c, struct script_event *e);
bool script_parse_pause(struct script_cursor *c, struct script_event *e);
bool script_parse_backend(struct script_cursor *c, struct script_event *e);
bool script_parse_fault(struct script_cursor *c, struct script_event *e);
bool script_parse_heal(struct script_cursor *c, struct script_event *e);
void script_fault(struct world *w, const struct script_event *e);

/* script_parse_packet.c: from behind the arrow to the end of the line. `expected`: it must come. */
bool script_parse_packet(struct script_cursor *c, struct script_packet *p, bool expected);

/* script_view.c */
struct script_view {
	const uint8_t *ip;
	uint32_t len;	   /* of the datagram */
	uint8_t form;	   /* enum script_form */
	bool known, right; /* known: one of the forms; right: checksums */
	bool fragment;
	struct endpoint src, dst;		/* ports 0 without any */
	struct endpoint quoted_src, quoted_dst; /* ICMP */
	uint8_t flags, icmp_type, icmp_code;
	uint16_t mtu;
	uint32_t seq, ack; /* ICMP: seq is the quoted one */
	uint16_t window;
	const uint8_t *options, *payload;
	uint32_t options_len, payload_len;
};
void script_view_read(struct script_view *v, const uint8_t *frame, uint32_t len);

/* The values of the symbols during a run. */
struct script_values {
	const struct script *script;
	struct script_symbol_value of[SCRIPT_SYMBOLS_MAX];
};
/* The number as a script would write it; `client` if it counts in a client's space, else NULL. */
void script_print_number(FILE *out, const struct script_values *v, const struct script_client *client, uint32_t n);
void script_print_options(FILE *out, const struct script_values *v, const struct script_client *client,
			  const struct script_view *view);
void script_print_view(FILE *out, const struct script_values *v, const struct script_view *view);
void script_print_expr(FILE *out, const struct script *s, const struct script_expr *e);
void script_print_flags(FILE *out, uint8_t flags);
/* "C" of an endpoint, or NULL. */
const struct script_client *script_client_of(const struct script *s, struct endpoint e);
void script_print_port(FILE *out, struct script_port port);
const char *script_icmp_name(uint8_t type, uint8_t code);
int script_icmp_find(const char *name, uint8_t *type, uint8_t *code);
/* One TCP option as it stands in a header; false at the end, or where the rest is malformed. */
struct script_raw_option {
	uint8_t kind, len; /* len without kind and length byte */
	const uint8_t *data;
};
bool script_next_option(const struct script_view *view, uint32_t *at, struct script_raw_option *out);
/* The index of the name of an option byte, or -1. */
int script_option_of(uint8_t kind);

/* script_match.c */
/* Who should be in the headers of a packet at a port. */
struct script_ends {
	struct endpoint src, dst;
	struct endpoint quoted_src, quoted_dst; /* of what an ICMP error is about, whoever sends the error */
	bool any_backend;			/* src or dst, whichever is not the client's, is one of the backends */
};
struct script_ends script_ends_of(const struct script *s, const struct script_event *e, bool towards_server);
/* Does a packet at this port go to the server? At a front-end the packet itself must tell. */
bool script_towards_server(const struct script *s, const struct script_event *e, const struct script_view *view);
/* Does what the script sends there go to the server? Behind a front-end's port both do: the addresses that it says
 * decide. */
bool script_sent_towards_server(const struct script *s, const struct script_event *e);
/* Computes what is bound; -1 names the symbol that is not in *missing. */
int script_evaluate(const struct script_values *v, const struct script_expr *e, const struct script_client *space,
		    uint32_t *out, unsigned *missing);
/* True if the numbers agree; an unbound symbol is bound to make it so. */
bool script_agree(struct script_values *v, const struct script_expr *e, const struct script_client *space,
		  uint32_t actual);
struct script_match {
	const struct script_event *event;
	const struct script_view *view;
	struct script_values *values; /* changed only if all agrees */
	FILE *out;		      /* differences, or NULL */
};
/* True if the packet, seen at that port, is what the event expects. */
bool script_match(const struct script_match *m, struct script_port at);

/* script_build.c */
/* A packet into the world's pool, or NULL with a message. */
struct packet *script_build(struct world *w, struct script_values *v, const struct script_event *e, FILE *error);

/* script_check.c: true if what the event says holds; else the difference goes to `out`. */
bool script_check(struct world *w, struct script_values *v, const struct script_event *e, FILE *out);
/* True if there is such a counter. */
bool script_counter_known(const char *name);
/* The nearest known name, or NULL. */
const char *script_counter_nearest(const char *name);

#endif
