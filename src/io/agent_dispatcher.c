/* SPDX-License-Identifier: BSD-2-Clause */
/* agent_dispatcher.c: our program as a component of libxdp's dispatcher (agent_dispatcher.h).
 *
 * The dispatcher is an XDP program that calls up to ten others in the order of their priorities. Each is an extension
 * (BPF_PROG_TYPE_EXT) that takes the place of one of its empty functions. Whoever adds or removes one makes a new
 * dispatcher, with the same components, and swaps it in; ours goes along, so its number (its pin in our folder) is
 * what it is known by.
 *
 * Joining and leaving are libxdp's work; it loads our object itself, since only what it loads has a priority. It can
 * add and remove, but not replace: an upgrade by it would leave flows without numbers while the verifier reads the new
 * program. So the upgrade is done here, by libxdp's protocol (its lib/libxdp/protocol.org): a dispatcher with the old
 * one's configuration and components, but the new program in the old one's slot, is swapped in; no packet passes
 * between.
 *
 * Whoever is killed between joining and pinning leaves a program in the dispatcher that nobody knows. A first one does
 * nothing, as its maps have no services.
 *
 * Refusals: a dispatcher whose components libxdp cannot read (a newer protocol, another BPF file system). */
#define _GNU_SOURCE /* secure_getenv() */
#include "agent_dispatcher.h"

#ifdef MIRESGA_BPF

#include <unistd.h>

#ifdef MIRESGA_LIBXDP

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <xdp/libxdp.h>
#include <xdp/prog_dispatcher.h>

bool agent_dispatcher_is_built(void)
{
	return true;
}

/* The dispatcher of the interface with its components, or NULL. */
static struct xdp_multiprog *dispatcher_open(const struct agent_place *place)
{
	struct xdp_multiprog *all;

	if (!place->ifindex)
		return NULL;
	libxdp_set_print(NULL);
	all = xdp_multiprog__get_from_ifindex((int)place->ifindex);
	if (!all || libxdp_get_error(all))
		return NULL;
	if (!xdp_multiprog__is_legacy(all))
		return all;
	xdp_multiprog__close(all);
	return NULL;
}

bool agent_dispatcher_is_readable(const struct agent_place *place)
{
	struct xdp_multiprog *all = dispatcher_open(place);

	xdp_multiprog__close(all);
	return all != NULL;
}

static uint32_t program_id(int fd)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* Which of the components is the program; -1: none. */
static int slot_of(const struct xdp_multiprog *all, uint32_t id)
{
	struct xdp_program *p = NULL;

	for (int slot = 0; id && (p = xdp_multiprog__next_prog(p, all)); slot++)
		if (xdp_program__id(p) == id)
			return slot;
	return -1;
}

enum agent_ingress_hook agent_dispatcher_find(const struct agent_place *place, int *program)
{
	enum agent_ingress_hook hook = AGENT_INGRESS_NONE;
	struct xdp_multiprog *all;

	*program = agent_pin_open(place, AGENT_PIN_COMPONENT);
	if (*program < 0) {
		*program = -1;
		return hook;
	}
	all = dispatcher_open(place);
	if (all && slot_of(all, program_id(*program)) >= 0)
		hook = xdp_multiprog__attach_mode(all) == XDP_MODE_SKB ? AGENT_INGRESS_GENERIC : AGENT_INGRESS_NATIVE;
	xdp_multiprog__close(all);
	if (hook == AGENT_INGRESS_NONE) {
		close(*program);
		*program = -1;
	}
	return hook;
}

static int join_failed(const struct agent_place *place, int error)
{
	return agent_refuse(
		place,
		"%s: the program cannot be put into libxdp's dispatcher: %s%s. 'xdp-loader status %s' lists "
		"what is in it, ten programs at most; nothing was changed",
		place->interface, strerror(error), agent_advice(error), place->interface);
}

int agent_dispatcher_join(const struct agent_place *place, const struct agent_object *object)
{
	LIBBPF_OPTS(xdp_program_opts, options, .obj = object->object, .prog_name = bpf_program__name(object->ingress));
	struct xdp_multiprog *all = dispatcher_open(place);
	struct xdp_program *ours = all ? xdp_program__create(&options) : NULL;
	int failed = all ? 0 : -EBUSY, rc;

	if (all && !ours)
		failed = -errno;
	if (!failed)
		failed = xdp_program__set_run_prio(ours, AGENT_DISPATCHER_PRIORITY);
	if (!failed)
		failed = xdp_program__set_chain_call_enabled(ours, XDP_PASS, true);
	if (!failed)
		failed = xdp_program__attach(ours, (int)place->ifindex, xdp_multiprog__attach_mode(all), 0);
	if (failed) {
		rc = join_failed(place, -failed);
	} else {
		agent_pin_remove(place, AGENT_PIN_COMPONENT);
		rc = agent_pin_make(place, AGENT_PIN_COMPONENT, xdp_program__fd(ours));
		if (rc)
			xdp_program__detach(ours, (int)place->ifindex, xdp_multiprog__attach_mode(all), 0);
	}
	xdp_program__close(ours);
	xdp_multiprog__close(all);
	return rc;
}

static int renew_failed(const struct agent_place *place, int error)
{
	return agent_refuse(place,
			    "%s: the program in libxdp's dispatcher cannot be replaced: %s%s; the old one goes on. "
			    "Somebody may have changed the dispatcher meanwhile: try again",
			    place->interface, strerror(error), agent_advice(error));
}

int agent_dispatcher_fit(const struct agent_place *place, const struct agent_object *object)
{
	struct xdp_multiprog *all = dispatcher_open(place);
	struct bpf_program *ours = object->ingress;
	int failed = all ? bpf_program__set_type(ours, BPF_PROG_TYPE_EXT) : -ENOENT, main = -1;

	if (!failed)
		main = fcntl(xdp_program__fd(xdp_multiprog__main_prog(all)), F_DUPFD_CLOEXEC, 0);
	if (!failed)
		failed = bpf_program__set_expected_attach_type(ours, 0);
	/* Fragments are the dispatcher's matter; it has them if all components do. */
	if (!failed)
		failed = bpf_program__set_flags(ours, 0);
	/* Any of its functions would do: they are all alike. */
	if (!failed)
		failed = bpf_program__set_attach_target(ours, main, "prog0");
	xdp_multiprog__close(all);
	if (!failed)
		return main;
	if (main >= 0)
		close(main);
	return renew_failed(place, -failed);
}

/* A dispatcher in the place of another, with the same components but ours. */
struct swap {
	const struct agent_place *place;
	struct xdp_multiprog *old;
	struct xdp_program *made;
	int main, count;
	int programs[MAX_DISPATCHER_ACTIONS], links[MAX_DISPATCHER_ACTIONS];
};

/* What is at that slot of a dispatcher in libxdp's folder; slot -1: its folder. */
static void slot_path(const struct swap *s, uint32_t dispatcher, int slot, const char *what, char out[AGENT_PATH_MAX])
{
	const char *bpffs = secure_getenv(XDP_BPFFS_ENVVAR);
	int len = snprintf(out, AGENT_PATH_MAX, "%s/xdp/dispatch-%u-%u", bpffs ? bpffs : AGENT_BPFFS, s->place->ifindex,
			   dispatcher);

	if (slot >= 0 && len < AGENT_PATH_MAX)
		snprintf(out + len, AGENT_PATH_MAX - (size_t)len, "/prog%d-%s", slot, what);
}

static void swap_unpin(const struct swap *s, uint32_t dispatcher)
{
	char path[AGENT_PATH_MAX];

	for (int i = 0; i < s->count; i++) {
		slot_path(s, dispatcher, i, "link", path);
		unlink(path);
		slot_path(s, dispatcher, i, "prog", path);
		unlink(path);
	}
	slot_path(s, dispatcher, -1, "", path);
	rmdir(path);
}

static int swap_pin(const struct swap *s)
{
	char path[AGENT_PATH_MAX];
	int failed;

	slot_path(s, program_id(s->main), -1, "", path);
	failed = mkdir(path, 0700) ? -errno : 0;
	for (int i = 0; i < s->count && !failed; i++) {
		slot_path(s, program_id(s->main), i, "link", path);
		failed = bpf_obj_pin(s->links[i], path) ? -errno : 0;
		slot_path(s, program_id(s->main), i, "prog", path);
		if (!failed)
			failed = bpf_obj_pin(s->programs[i], path) ? -errno : 0;
	}
	return failed;
}

/* The configuration of a dispatcher: priorities and what each lets pass on. */
static int config_read(int dispatcher, struct xdp_dispatcher_config *config)
{
	struct bpf_map_info map = { 0 };
	struct bpf_prog_info info;
	uint32_t id = 0, len = sizeof(info), map_len = sizeof(map);
	const uint32_t zero = 0;
	int fd, failed = -EPROTO;

	memset(&info, 0, sizeof(info));
	info.nr_map_ids = 1;
	info.map_ids = (uintptr_t)&id;
	if (bpf_obj_get_info_by_fd(dispatcher, &info, &len) || info.nr_map_ids != 1)
		return failed;
	fd = bpf_map_get_fd_by_id(id);
	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &map, &map_len) == 0 && map.value_size == sizeof(*config) &&
	    bpf_map_lookup_elem(fd, &zero, config) == 0 && config->magic == XDP_DISPATCHER_MAGIC &&
	    config->dispatcher_version == XDP_DISPATCHER_VERSION)
		failed = 0;
	if (fd >= 0)
		close(fd);
	return failed;
}

/* Loads a dispatcher with the old one's configuration. */
static int swap_load(struct swap *s)
{
	struct xdp_dispatcher_config config;
	struct bpf_program *main;
	struct bpf_object *object;
	int failed = config_read(xdp_program__fd(xdp_multiprog__main_prog(s->old)), &config);

	if (failed)
		return failed;
	s->made = xdp_program__find_file("xdp-dispatcher.o", "xdp", NULL);
	if (!s->made || libxdp_get_error(s->made)) {
		s->made = NULL;
		return -ENOENT;
	}
	object = xdp_program__bpf_obj(s->made);
	main = bpf_object__find_program_by_name(object, AGENT_DISPATCHER_NAME);
	if (!main)
		return -EPROTO;
	failed = bpf_map__set_initial_value(bpf_object__next_map(object, NULL), &config, sizeof(config));
	if (!failed && config.is_xdp_frags)
		failed = bpf_program__set_flags(main, BPF_F_XDP_HAS_FRAGS);
	if (!failed)
		failed = bpf_object__load(object);
	s->main = failed ? -1 : bpf_program__fd(main);
	return failed;
}

/* Puts the components into the new dispatcher's slots, `program` where the old one of ours was. */
static int swap_fill(struct swap *s, uint32_t ours, int program)
{
	const struct btf *types = bpf_object__btf(xdp_program__bpf_obj(s->made));
	struct xdp_program *p = NULL;

	while ((p = xdp_multiprog__next_prog(p, s->old)) && s->count < MAX_DISPATCHER_ACTIONS) {
		LIBBPF_OPTS(bpf_link_create_opts, options, .target_btf_id = 0);
		char function[16];
		int id;

		snprintf(function, sizeof(function), "prog%d", s->count);
		id = btf__find_by_name_kind(types, function, BTF_KIND_FUNC);
		if (id < 0)
			return -EPROTO;
		options.target_btf_id = (uint32_t)id;
		s->programs[s->count] = xdp_program__id(p) == ours ? program : xdp_program__fd(p);
		s->links[s->count] = bpf_link_create(s->programs[s->count], s->main, 0, &options);
		if (s->links[s->count] < 0)
			return -errno;
		s->count++;
	}
	return s->count == xdp_multiprog__program_count(s->old) ? 0 : -E2BIG;
}

/* No packet goes between the old dispatcher and the new. */
static int swap_attach(const struct swap *s)
{
	bool generic = xdp_multiprog__attach_mode(s->old) == XDP_MODE_SKB;
	LIBBPF_OPTS(bpf_xdp_attach_opts, options, .old_prog_fd = xdp_program__fd(xdp_multiprog__main_prog(s->old)));

	return bpf_xdp_attach((int)s->place->ifindex, s->main,
			      XDP_FLAGS_REPLACE | (generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE), &options);
}

static int lock_take(void)
{
	const char *bpffs = secure_getenv(XDP_BPFFS_ENVVAR);
	char path[AGENT_PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/xdp", bpffs ? bpffs : AGENT_BPFFS);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		flock(fd, LOCK_EX);
	return fd;
}

int agent_dispatcher_renew(const struct agent_place *place, int program)
{
	struct swap s = { .place = place, .old = dispatcher_open(place), .main = -1 };
	int old = agent_pin_open(place, AGENT_PIN_COMPONENT), lock = -1;
	int failed = s.old && old >= 0 ? swap_load(&s) : -ENOENT;

	if (!failed)
		failed = swap_fill(&s, program_id(old), program);
	if (!failed) {
		lock = lock_take();
		failed = swap_pin(&s);
		if (!failed)
			failed = swap_attach(&s);
		swap_unpin(&s, failed ? program_id(s.main) : xdp_program__id(xdp_multiprog__main_prog(s.old)));
	}
	for (int i = 0; i < s.count; i++)
		close(s.links[i]);
	if (lock >= 0)
		close(lock);
	if (old >= 0)
		close(old);
	xdp_program__close(s.made);
	xdp_multiprog__close(s.old);
	if (failed)
		return renew_failed(place, -failed);
	agent_pin_remove(place, AGENT_PIN_COMPONENT);
	return agent_pin_make(place, AGENT_PIN_COMPONENT, program);
}

int agent_dispatcher_leave(const struct agent_place *place)
{
	struct xdp_multiprog *all = dispatcher_open(place);
	int program = agent_pin_open(place, AGENT_PIN_COMPONENT), failed = 0;
	struct xdp_program *ours = all && program >= 0 ? xdp_program__from_fd(program) : NULL;

	if (ours && !libxdp_get_error(ours)) {
		if (slot_of(all, xdp_program__id(ours)) >= 0)
			failed = xdp_program__detach(ours, (int)place->ifindex, xdp_multiprog__attach_mode(all), 0);
		xdp_program__close(ours);
	}
	xdp_multiprog__close(all);
	if (program >= 0)
		close(program);
	if (failed)
		return agent_refuse(place,
				    "%s: the program cannot be taken out of libxdp's dispatcher: %s%s; try again",
				    place->interface, strerror(-failed), agent_advice(-failed));
	agent_pin_remove(place, AGENT_PIN_COMPONENT);
	return 0;
}

#else

#define BUILT_WITHOUT "this miresga was built without libxdp, so it joins no dispatcher"

bool agent_dispatcher_is_built(void)
{
	return false;
}

bool agent_dispatcher_is_readable(const struct agent_place *place)
{
	(void)place;
	return false;
}

enum agent_ingress_hook agent_dispatcher_find(const struct agent_place *place, int *program)
{
	(void)place;
	*program = -1;
	return AGENT_INGRESS_NONE;
}

int agent_dispatcher_join(const struct agent_place *place, const struct agent_object *object)
{
	(void)object;
	return agent_refuse(place, BUILT_WITHOUT);
}

int agent_dispatcher_fit(const struct agent_place *place, const struct agent_object *object)
{
	(void)object;
	return agent_refuse(place, BUILT_WITHOUT);
}

int agent_dispatcher_renew(const struct agent_place *place, int program)
{
	(void)program;
	return agent_refuse(place, BUILT_WITHOUT);
}

int agent_dispatcher_leave(const struct agent_place *place)
{
	agent_pin_remove(place, AGENT_PIN_COMPONENT);
	return 0;
}

#endif

#endif
