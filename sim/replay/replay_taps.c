/* SPDX-License-Identifier: BSD-2-Clause */
/* replay_taps.c: -w of a replay, by sim/world/taps.c. The oracle looks at the checksums here too,
 * where no endpoint does. */
#include "../world/taps.h"
#include "replay_internal.h"

int replay_taps_open(struct replay *r, char error[TRACE_ERROR_MAX])
{
	r->pcapng = taps_open(r->config, r->options->pcapng, "miresga replay", error);
	return r->pcapng ? 0 : -1;
}

void replay_taps_hook(void *ctx, enum tap_kind kind, unsigned index, bool towards_server, const uint8_t *frame,
		      uint32_t len, const struct packet *p, uint64_t now_ns)
{
	struct replay *r = ctx;
	const struct tap_sight sight = { .config = r->config,
					 .kind = kind,
					 .index = index,
					 .towards_server = towards_server,
					 .frame = frame,
					 .len = len,
					 .packet = p };

	if (!drop_on_the_way(p->drop) && !taps_at_endpoint(&sight))
		replay_oracle_checksums(r, p, frame, len);
	taps_write(r->pcapng, &sight, now_ns);
}
