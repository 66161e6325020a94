/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_text.c: the names of states and events, and the settings that Linux has
 * by default. */
#include "miresga/tcp.h"
#include "miresga/tcp_options.h"

const char *tcp_state_name(enum tcp_state s)
{
	static const char *const name[TCP_STATE_COUNT] = {
#define X(id, text) [TCP_##id] = (text),
		TCP_STATES(X)
#undef X
	};

	return name[s];
}

const char *tcp_event_name(enum tcp_event e)
{
	static const char *const name[TCP_EVENT_COUNT] = {
#define X(id, text) [TCP_EVENT_##id] = #id,
		TCP_EVENTS(X)
#undef X
	};

	return name[e];
}

void tcp_settings_default(struct tcp_settings *s)
{
	*s = (struct tcp_settings){
		.mss = 1460,
		.wscale = 7,
		.sack = true,
		.timestamps = true,
		.nagle = true,
		.receive_buffer = 256 << 10,
		.send_buffer = 256 << 10,
		.initial_window = 10,
		.delayed_ack_ns = 40 * NS_PER_MS,
		.rto_initial_ns = NS_PER_S,
		.rto_min_ns = 200 * NS_PER_MS,
		.rto_max_ns = 120 * NS_PER_S,
		.syn_retries = 6,
		.retries = 15,
		.keepalive_interval_ns = 75 * NS_PER_S,
		.keepalive_probes = 9,
		.time_wait_ns = 60 * NS_PER_S,
		.fin_wait_ns = 60 * NS_PER_S,
	};
}
