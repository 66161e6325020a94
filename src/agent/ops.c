/* SPDX-License-Identifier: BSD-2-Clause */
/* ops.c: the agent as its host sees it, whoever does the work (agent.h). Functions of their own, so that a debugger
 * stops at every agent's door by one name. */
#include "miresga/agent.h"

void agent_free(struct agent *a)
{
	if (a)
		a->ops->free(a);
}

void agent_prefetch(const struct agent *a, struct packet *const packets[], uint32_t count, bool ingress)
{
	a->ops->prefetch(a, packets, count, ingress);
}

BREAKABLE void agent_ingress(struct agent *a, struct packet *p, uint64_t now_ns)
{
	a->ops->ingress(a, p, now_ns);
}

BREAKABLE void agent_egress(struct agent *a, struct packet *p, uint64_t now_ns)
{
	a->ops->egress(a, p, now_ns);
}

uint64_t agent_next_wake(const struct agent *a)
{
	return a->ops->next_wake(a);
}

void agent_sweep(struct agent *a, uint64_t now_ns)
{
	a->ops->sweep(a, now_ns);
}

const struct agent_stats *agent_stats(const struct agent *a)
{
	return a->ops->stats(a);
}

const char *agent_trouble(const struct agent *a)
{
	return a->ops->trouble(a);
}

bool agent_lookup(const struct agent *a, struct endpoint client, uint32_t *delta)
{
	return a->ops->lookup(a, client, delta);
}
