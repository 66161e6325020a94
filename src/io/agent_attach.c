/* SPDX-License-Identifier: BSD-2-Clause */
/* agent_attach.c: puts the agent on a host's interface and takes it off again (agent_attach.h).
 *
 * Attaching: the object is opened; maps that are pinned already are taken over, if they have the shape that the
 * new programs expect; the programs are loaded, settings written; egress is attached, then ingress, unless it got into
 * a dispatcher while it was loaded; services come last, since without them no flow is announced. Whatever is there
 * already is updated in place, so attaching twice upgrades, and attaching after an attempt that was killed half-way
 * completes it.
 *
 * Invariants: no process is needed once attached: maps and links are pinned, a timer sweeps. A first attachment
 * that fails leaves nothing; an upgrade that fails leaves what was there, or has both programs working on the same
 * maps.
 *
 * Connections that would go on without their numbers being shifted are ended: those with a pair when the agent goes,
 * those without one when it comes (agent_sockets.h).
 *
 * Refusals: programs and filters of others stay where they are; maps of another shape are not taken over, as that
 * would end their flows without a word. */
#include "miresga/agent_attach.h"

#include <stdio.h>

#ifdef MIRESGA_BPF

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "../agent/agent_maps.h"
#include "agent_dispatcher.h"
#include "agent_hook.h"
#include "agent_sockets.h"

/* The shape of a map, as far as programs care. */
struct shape {
	uint32_t type, key_size, value_size, max_entries;
};

static bool shape_of_fd(int fd, struct shape *out)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return false;
	*out = (struct shape){ info.type, info.key_size, info.value_size, info.max_entries };
	return true;
}

static struct shape shape_of_map(const struct bpf_map *map)
{
	return (struct shape){ bpf_map__type(map), bpf_map__key_size(map), bpf_map__value_size(map),
			       bpf_map__max_entries(map) };
}

static int wrong_shape(const struct agent_place *place, const char *name, const struct shape *have,
		       const struct shape *want)
{
	if (have->max_entries != want->max_entries && have->value_size == want->value_size)
		return agent_refuse(place,
				    "%s: the agent that is attached has room for %u entries in %s, the configuration "
				    "asks for %u (agent.entries); keep the number, or detach first: its flows end then",
				    place->interface, have->max_entries, name, want->max_entries);
	return agent_refuse(
		place,
		"%s: the agent that is attached is of a version whose map %s has another shape (values of %u "
		"bytes, this one has %u); its flows cannot be taken over. Detach first: they end then",
		place->interface, name, have->value_size, want->value_size);
}

/* Takes pinned maps over. */
static int maps_reuse(const struct agent_place *place, struct agent_object *object)
{
	for (unsigned i = 0; i < AGENT_MAP_COUNT; i++) {
		int fd = agent_pin_open(place, agent_map_names[i]), failed;
		struct shape have, want = shape_of_map(object->maps[i]);

		if (fd == -ENOENT)
			continue;
		if (fd < 0)
			return agent_refuse(place, "%s/%s: %s%s", place->folder, agent_map_names[i], strerror(-fd),
					    agent_advice(-fd));
		if (!shape_of_fd(fd, &have) || memcmp(&have, &want, sizeof(have)) != 0) {
			close(fd);
			return wrong_shape(place, agent_map_names[i], &have, &want);
		}
		failed = bpf_map__reuse_fd(object->maps[i], fd); /* duplicates it */
		close(fd);
		if (failed)
			return agent_refuse(place, "%s: %s", agent_map_names[i], strerror(-failed));
	}
	return 0;
}

static int maps_pin(const struct agent_place *place, const struct agent_object *object)
{
	for (unsigned i = 0; i < AGENT_MAP_COUNT; i++) {
		int fd = agent_pin_open(place, agent_map_names[i]);

		if (fd >= 0)
			close(fd);
		else if (agent_pin_make(place, agent_map_names[i], bpf_map__fd(object->maps[i])))
			return -1;
	}
	return 0;
}

static int load_failed(const struct agent_place *place, int error, const char *log)
{
	unsigned major = 0, minor = 0;
	struct utsname kernel;

	uname(&kernel);
	if (error == EPERM)
		return agent_refuse(place, "the kernel does not let us load BPF programs%s", agent_advice(error));
	if (sscanf(kernel.release, "%u.%u", &major, &minor) == 2 && (major < 5 || (major == 5 && minor < 15)))
		return agent_refuse(place, "Linux %s is too old: the agent needs 5.15 or later", kernel.release);
	return agent_refuse(place, "Linux %s refused the programs: %s%s%s", kernel.release, strerror(error),
			    *log ? "; the verifier said:\n" : "", log);
}

/* The ports that flows can be announced for: the configured ones, else those of all backends. */
static unsigned ports_of(const struct config *c, uint16_t ports[AGENT_SERVICES_MAX])
{
	unsigned count = 0;

	for (unsigned i = 0; i < c->agent.port_count; i++)
		ports[count++] = c->agent.ports[i];
	for (unsigned i = 0; !c->agent.port_count && i < c->backend_count && count < AGENT_SERVICES_MAX; i++)
		ports[count++] = be16_to(c->backends[i].address.port);
	return count;
}

/* Writes the services, and removes those that are none any more: not before, for there may be flows. */
static int services_write(const struct agent_object *object, const struct config *config)
{
	int map = bpf_map__fd(object->maps[AGENT_MAP_SERVICES]);
	struct agent_service s, next;
	uint16_t ports[AGENT_SERVICES_MAX];
	unsigned count = ports_of(config, ports);
	const uint32_t one = 1;
	bool more;

	for (unsigned i = 0; i < count; i++) {
		s = (struct agent_service){ .port = (WIRE_FORCE uint16_t)be16_from(ports[i]) };
		if (bpf_map_update_elem(map, &s, &one, BPF_ANY))
			return -errno;
	}
	for (more = !bpf_map_get_next_key(map, NULL, &next); more;) {
		bool wanted = false;

		s = next;
		more = !bpf_map_get_next_key(map, &s, &next);
		for (unsigned i = 0; i < count; i++)
			wanted |= s.addr == 0 && s.port == (WIRE_FORCE uint16_t)be16_from(ports[i]);
		if (!wanted)
			bpf_map_delete_elem(map, &s);
	}
	return 0;
}

static int settings_write(const struct agent_place *place, const struct agent_object *object,
			  const struct config *config)
{
	struct agent_settings settings;
	const uint32_t zero = 0;
	int error;

	agent_settings_make(&settings, config);
	error = bpf_map_update_elem(bpf_map__fd(object->maps[AGENT_MAP_SETTINGS]), &zero, &settings, BPF_ANY) ? -errno
													      : 0;
	if (error)
		return agent_refuse(place, "the agent's settings cannot be written: %s", strerror(-error));
	return 0;
}

/* Loads the object for the way that its ingress program will go. */
static int load(const struct agent_place *place, struct agent_object *object, enum agent_ingress_way way)
{
	char log[AGENT_LOG_MAX];
	int error, dispatcher = -1;

	if (way == AGENT_INGRESS_JOIN)
		return agent_dispatcher_join(place, object);
	if (way == AGENT_INGRESS_RENEW) {
		dispatcher = agent_dispatcher_fit(place, object);
		if (dispatcher < 0)
			return -1;
	}
	error = agent_object_load(object, log);
	if (dispatcher >= 0)
		close(dispatcher);
	return error ? load_failed(place, -error, log) : 0;
}

static void connections_note(const struct agent_place *place, int error)
{
	agent_note(place,
		   "%s: connections that the agent does not shift could not be ended: %s%s. End them by restarting the "
		   "server: their clients may take bytes for others",
		   place->interface, strerror(error),
		   error == EOPNOTSUPP ? " (the kernel lacks CONFIG_INET_DIAG_DESTROY)" : agent_advice(error));
}

/* What has been announced from now on has a pair. Connections without one are older than the agent; after an upgrade,
 * ones with a pair may be at a port that is no service's any more. */
static void connections_end(const struct agent_place *place, const struct agent_object *object,
			    const struct agent_attach_options *options, struct agent_attached *done)
{
	int n;

	if (!done->upgraded && options->keep_connections)
		return;
	n = agent_sockets_end(done->upgraded ? AGENT_SOCKETS_LOST : AGENT_SOCKETS_STRAY,
			      bpf_map__fd(object->maps[AGENT_MAP_PAIRS]),
			      bpf_map__fd(object->maps[AGENT_MAP_SERVICES]));
	if (n < 0)
		connections_note(place, -n);
	done->ended = n > 0 ? (unsigned)n : 0;
	if (n > 0)
		agent_note(place, "%s: %d connection%s %s: ended", place->interface, n, n == 1 ? "" : "s",
			   done->upgraded
				   ? "at ports that are no longer the agent's"
				   : "of its ports, older than the agent, which might have gone through another");
}

static int attach_object(const struct agent_place *place, const struct agent_attach_options *options,
			 enum agent_ingress_way way, struct agent_object *object, struct agent_attached *done)
{
	int error = agent_object_open(object, options->config->agent.entries_max, false), program;

	if (error)
		return load_failed(place, -error, "");
	if (maps_reuse(place, object) || load(place, object, way))
		return -1;
	if (settings_write(place, object, options->config) || maps_pin(place, object))
		return -1;
	error = agent_object_start(object);
	if (error)
		return agent_refuse(place, "the kernel does not start the timer of the agent's map: %s%s",
				    strerror(-error), error == -ENOMEM ? "; try again" : "");
	if (agent_egress_attach(place, bpf_program__fd(object->egress), options->clsact, &done->egress))
		return -1;
	if (agent_ingress_attach(place, way, bpf_program__fd(object->ingress), options->generic))
		return -1;
	done->ingress = agent_ingress_find(place, &program, &done->dispatched);
	if (program >= 0)
		close(program);
	if (done->ingress == AGENT_INGRESS_NONE)
		return agent_refuse(place,
				    "%s: the XDP program was put there and is gone: somebody else changes the hook; "
				    "try again",
				    place->interface);
	error = services_write(object, options->config);
	if (error)
		return agent_refuse(place, "the agent's ports cannot be written: %s", strerror(-error));
	connections_end(place, object, options, done);
	return 0;
}

/* Ends the connections that have a pair, while their RSTs are still shifted. */
static void pairs_end(const struct agent_place *place)
{
	int pairs = agent_pin_open(place, agent_map_names[AGENT_MAP_PAIRS]), n = 0;

	if (pairs < 0)
		return;
	n = agent_sockets_end(AGENT_SOCKETS_ANNOUNCED, pairs, -1);
	close(pairs);
	if (n < 0)
		connections_note(place, -n);
	else if (n > 0)
		agent_note(place, "%s: %d connection%s went through the agent: ended", place->interface, n,
			   n == 1 ? "" : "s");
}

/* Takes off what is on the interface, and all pins. */
static int take_off(const struct agent_place *place)
{
	pairs_end(place);
	if (agent_ingress_detach(place))
		return -1;
	agent_egress_detach(place);
	return agent_place_remove(place);
}

/* Is anything of ours on the interface? Links of one that has gone are on none. */
static bool is_attached(const struct agent_place *place)
{
	bool dispatched;
	int programs[2];
	bool ingress = agent_ingress_find(place, &programs[0], &dispatched) != AGENT_INGRESS_NONE;
	bool egress = agent_egress_find(place, &programs[1]) != AGENT_EGRESS_NONE;

	for (unsigned i = 0; i < 2; i++)
		if (programs[i] >= 0)
			close(programs[i]);
	return ingress || egress;
}

static int place_with_interface(struct agent_place *place, const struct agent_host *host, const char *interface,
				char *error)
{
	if (agent_place_find(place, host, interface, error))
		return -1;
	if (!place->ifindex)
		return agent_refuse(place, "there is no interface '%s' here; 'ip link' lists them", interface);
	return 0;
}

int agent_attach(const struct agent_host *host, const struct agent_attach_options *options, struct agent_attached *done,
		 char error[AGENT_ATTACH_ERROR_MAX])
{
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	struct agent_object object = { .object = NULL };
	enum agent_ingress_way way;
	struct agent_place place;
	int rc = place_with_interface(&place, host, options->interface, error);

	*done = (struct agent_attached){ .upgraded = rc == 0 && is_attached(&place) };
	if (rc == 0 && !done->upgraded && agent_place_exists(&place))
		rc = take_off(&place); /* of an interface of that name that is no more */
	if (rc == 0)
		rc = agent_ingress_ask(&place, &way);
	if (rc == 0)
		rc = agent_place_make(&place);
	if (rc == 0) {
		rc = attach_object(&place, options, way, &object, done);
		agent_object_close(&object);
		if (rc && !done->upgraded) {
			char kept[AGENT_ATTACH_ERROR_MAX];

			memcpy(kept, error, sizeof(kept));
			take_off(&place);
			memcpy(error, kept, sizeof(kept));
		}
	}
	libbpf_set_print(print);
	return rc;
}

int agent_detach(const struct agent_host *host, const char *interface, char error[AGENT_ATTACH_ERROR_MAX])
{
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	struct agent_place place;
	int rc = agent_place_find(&place, host, interface, error);

	if (rc == 0 && !agent_place_exists(&place))
		rc = agent_refuse(&place, "%s has no agent; 'miresga agent status' lists those that have", interface);
	if (rc == 0)
		rc = take_off(&place);
	libbpf_set_print(print);
	return rc;
}

static void program_read(int fd, struct agent_program *out)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	if (fd < 0)
		return;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0)
		*out = (struct agent_program){ .id = info.id, .run_ns = info.run_time_ns, .runs = info.run_cnt };
	close(fd);
}

static void counters_read(int map, struct agent_status *out)
{
	int cpus = libbpf_num_possible_cpus();
	struct agent_counters *per_cpu = cpus > 0 ? calloc((size_t)cpus, sizeof(*per_cpu)) : NULL;
	struct agent_stats *s = &out->stats;
	const uint32_t zero = 0;

	if (per_cpu && !bpf_map_lookup_elem(map, &zero, per_cpu))
		for (int i = 0; i < cpus; i++) {
			const struct agent_counters *c = &per_cpu[i];

			s->ingress_packets += c->ingress_packets;
			s->egress_packets += c->egress_packets;
			s->translated_in += c->translated_in;
			s->translated_out += c->translated_out;
			s->special_syns += c->special_syns;
			s->renewed += c->renewed;
			s->bad_tags += c->bad_tags;
			s->refused_full += c->refused_full;
			s->removed_fin += c->removed_fin;
			s->removed_rst += c->removed_rst;
			s->removed_idle += c->removed_idle;
			s->challenge_acks += c->challenge_acks;
			out->gave_way += c->gave_way;
			out->refused_failed += c->refused_failed;
		}
	free(per_cpu);
}

static void ports_read(int map, struct agent_status *out)
{
	struct agent_service key;

	for (void *from = NULL; !bpf_map_get_next_key(map, from, &key) && out->port_count < AGENT_PORTS_MAX;
	     from = &key)
		out->ports[out->port_count++] = __builtin_bswap16(key.port);
}

/* Calls visit for every pair; those that come or go meanwhile may be missed. */
static void pairs_walk(int map, void (*visit)(void *ctx, const struct splice_key *, const struct agent_pair *),
		       void *ctx)
{
	struct splice_key key, next;
	struct agent_pair pair;

	for (bool more = !bpf_map_get_next_key(map, NULL, &next); more;) {
		key = next;
		more = !bpf_map_get_next_key(map, &key, &next);
		if (!bpf_map_lookup_elem(map, &key, &pair))
			visit(ctx, &key, &pair);
	}
}

static void pair_count(void *ctx, const struct splice_key *key, const struct agent_pair *pair)
{
	struct agent_status *out = ctx;

	(void)key;
	out->stats.entries++;
	out->ended += !!(pair->splice.flags & SPLICE_CLOSING);
}

/* The agent's folder, or an error. */
static int place_with_agent(struct agent_place *place, const struct agent_host *host, const char *interface,
			    char *error)
{
	if (agent_place_find(place, host, interface, error))
		return -1;
	if (!agent_place_exists(place))
		return agent_refuse(place, "%s has no agent; 'miresga agent attach' puts one there", interface);
	return 0;
}

int agent_status_read(const struct agent_host *host, const char *interface, struct agent_status *out,
		      char error[AGENT_ATTACH_ERROR_MAX])
{
	int pairs, counters, services, programs[2];
	struct agent_place place;
	struct shape shape = { 0 };

	*out = (struct agent_status){ .gone = false };
	if (place_with_agent(&place, host, interface, error))
		return -1;
	memcpy(out->interface, place.interface, sizeof(out->interface));
	out->ingress = agent_ingress_find(&place, &programs[0], &out->dispatched);
	out->egress = agent_egress_find(&place, &programs[1]);
	out->gone = !out->ingress && !out->egress;
	for (unsigned i = 0; i < 2; i++)
		program_read(programs[i], &out->programs[i]);
	pairs = agent_pin_open(&place, agent_map_names[AGENT_MAP_PAIRS]);
	counters = agent_pin_open(&place, agent_map_names[AGENT_MAP_COUNTERS]);
	services = agent_pin_open(&place, agent_map_names[AGENT_MAP_SERVICES]);
	if (pairs >= 0 && counters >= 0 && services >= 0 && shape_of_fd(pairs, &shape)) {
		out->entries_max = shape.max_entries;
		counters_read(counters, out);
		ports_read(services, out);
		pairs_walk(pairs, pair_count, out);
	} else {
		agent_refuse(&place, "%s: its maps cannot be read: %s%s", interface, strerror(errno),
			     agent_advice(errno));
	}
	for (unsigned i = 0; i < 3; i++)
		if ((const int[]){ pairs, counters, services }[i] >= 0)
			close((const int[]){ pairs, counters, services }[i]);
	return out->entries_max ? 0 : -1;
}

struct dump {
	agent_flow_fn *visit;
	void *ctx;
	uint64_t now_ns;
};

static void pair_tell(void *ctx, const struct splice_key *key, const struct agent_pair *pair)
{
	const struct splice *s = &pair->splice;
	const struct dump *d = ctx;
	const struct agent_flow flow = {
		.client = endpoint_make((WIRE_FORCE be32)key->client_addr, (WIRE_FORCE be16)key->client_port),
		.local = endpoint_make((WIRE_FORCE be32)key->local_addr, (WIRE_FORCE be16)key->local_port),
		.state = s->flags & SPLICE_CLOSING ? "ended"
			 : s->flags & SPLICE_READY ? "ready"
						   : "announced",
		.shown = s->shown,
		.delta = s->delta,
		.has_timestamps = s->flags & SPLICE_TS_READY,
		.ts_offset = s->ts_offset,
		.client_wscale = s->client_wscale == SPLICE_WSCALE_NONE ? -1 : s->client_wscale,
		.server_wscale = s->server_wscale == SPLICE_WSCALE_NONE ? -1 : s->server_wscale,
		.idle_ns = d->now_ns > s->last_ns ? d->now_ns - s->last_ns : 0,
	};

	d->visit(d->ctx, &flow);
}

int agent_dump(const struct agent_host *host, const char *interface, agent_flow_fn *visit, void *ctx,
	       char error[AGENT_ATTACH_ERROR_MAX])
{
	struct dump d = { .visit = visit, .ctx = ctx };
	struct agent_place place;
	struct timespec now;
	int map;

	if (place_with_agent(&place, host, interface, error))
		return -1;
	map = agent_pin_open(&place, agent_map_names[AGENT_MAP_PAIRS]);
	if (map < 0)
		return agent_refuse(&place, "%s: its maps cannot be read: %s%s", interface, strerror(-map),
				    agent_advice(-map));
	clock_gettime(CLOCK_MONOTONIC, &now);
	d.now_ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
	pairs_walk(map, pair_tell, &d);
	close(map);
	return 0;
}

#else

static int built_without(char error[AGENT_ATTACH_ERROR_MAX])
{
	snprintf(error, AGENT_ATTACH_ERROR_MAX, "this miresga was built without the kernel's agent (make BPF=0)");
	return -1;
}

int agent_attach(const struct agent_host *host, const struct agent_attach_options *options, struct agent_attached *done,
		 char error[AGENT_ATTACH_ERROR_MAX])
{
	(void)host, (void)options, (void)done;
	return built_without(error);
}

int agent_detach(const struct agent_host *host, const char *interface, char error[AGENT_ATTACH_ERROR_MAX])
{
	(void)host, (void)interface;
	return built_without(error);
}

int agent_status_read(const struct agent_host *host, const char *interface, struct agent_status *out,
		      char error[AGENT_ATTACH_ERROR_MAX])
{
	(void)host, (void)interface, (void)out;
	return built_without(error);
}

int agent_interfaces(const struct agent_host *host, char (*names)[AGENT_INTERFACE_MAX], unsigned max,
		     char error[AGENT_ATTACH_ERROR_MAX])
{
	(void)host, (void)names, (void)max;
	return built_without(error);
}

int agent_dump(const struct agent_host *host, const char *interface, agent_flow_fn *visit, void *ctx,
	       char error[AGENT_ATTACH_ERROR_MAX])
{
	(void)host, (void)interface, (void)visit, (void)ctx;
	return built_without(error);
}

#endif
