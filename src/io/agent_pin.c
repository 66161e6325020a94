/* SPDX-License-Identifier: BSD-2-Clause */
/* agent_pin.c: where the agent of an interface lives: one folder of the BPF file system.
 *
 *   BPFFS/miresga/IFACE@NUMBER/agent_settings, agent_services, agent_pairs, ...    maps
 *                              xdp                                                 link of the ingress program
 *                              component                                           or the program, in a dispatcher
 *                              tcx, or clsact (and qdisc)                          egress
 *
 * What is pinned lives without a process. The folder's name is the interface's, with ':' where that has a dot (the BPF
 * file system keeps dots for itself), and behind "@" the cookie of the network namespace, a number that no other
 * namespace gets before the next boot: namespaces may share the file system and have interfaces of the same name and
 * number. A folder whose links have lost their interface with its namespace is nobody's; attaching removes it. */
#include "agent_pin.h"

#ifdef MIRESGA_BPF

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BPFFS_MAGIC 0xcafe4a11u
#define AGENT_SUFFIX_MAX 32
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* Linux 5.14 */
#endif

int agent_refuse(const struct agent_place *place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(place->error, AGENT_ATTACH_ERROR_MAX, format, args);
	va_end(args);
	return -1;
}

void agent_note(const struct agent_place *place, const char *format, ...)
{
	char text[AGENT_ATTACH_ERROR_MAX];
	va_list args;

	if (!place->host->note)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	place->host->note(place->host->ctx, text);
}

const char *agent_advice(int error)
{
	return error == EPERM || error == EACCES ? "; run this as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON"
						 : "";
}

/* "@" and the namespace's cookie. Returns 0, or -1 with an error. */
static int namespace_suffix(const struct agent_place *place, char out[AGENT_SUFFIX_MAX])
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), failed;
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	failed = fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) ? errno : 0;
	if (fd >= 0)
		close(fd);
	snprintf(out, AGENT_SUFFIX_MAX, "@%llu", (unsigned long long)cookie);
	return failed ? agent_refuse(place,
				     "the kernel does not tell the number of the network namespace: %s; the "
				     "agent needs Linux 5.15 or later",
				     strerror(failed))
		      : 0;
}

static void replace(char *text, char from, char to)
{
	for (; *text != '\0'; text++)
		if (*text == from)
			*text = to;
}

static int check_bpffs(const struct agent_place *place)
{
	const char *at = place->host->bpffs;
	struct statfs fs;

	if (statfs(at, &fs))
		return agent_refuse(place, "%s: %s; a BPF file system is needed: mount -t bpf bpf %s", at,
				    strerror(errno), at);
	if ((uint32_t)fs.f_type != BPFFS_MAGIC)
		return agent_refuse(place,
				    "%s is no BPF file system; mount it: mount -t bpf bpf %s ('ip netns exec' hides "
				    "it: use nsenter --net=/run/netns/NAME instead)",
				    at, at);
	return 0;
}

int agent_place_find(struct agent_place *place, const struct agent_host *host, const char *interface, char *error)
{
	char name[AGENT_INTERFACE_MAX], suffix[AGENT_SUFFIX_MAX];

	*place = (struct agent_place){ .host = host, .error = error };
	if (strlen(interface) >= AGENT_INTERFACE_MAX || *interface == '\0' || strpbrk(interface, "/:"))
		return agent_refuse(place, "'%s' is no name of an interface; 'ip link' lists them", interface);
	snprintf(place->interface, sizeof(place->interface), "%s", interface);
	place->ifindex = if_nametoindex(interface);
	if (check_bpffs(place) || namespace_suffix(place, suffix))
		return -1;
	memcpy(name, place->interface, sizeof(name));
	replace(name, '.', ':');
	snprintf(place->base, sizeof(place->base), "%s/miresga", host->bpffs);
	snprintf(place->folder, sizeof(place->folder), "%s/%s%s", place->base, name, suffix);
	return 0;
}

bool agent_place_exists(const struct agent_place *place)
{
	return access(place->folder, F_OK) == 0;
}

/* The folder of an interface that went with its namespace? */
static bool is_orphan(const struct agent_place *folder)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = agent_pin_open(folder, AGENT_PIN_XDP);
	bool orphan;

	if (fd < 0)
		fd = agent_pin_open(folder, AGENT_PIN_TCX);
	if (fd < 0)
		return false;
	/* XDP and TCX both tell the interface first. */
	orphan = bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && info.xdp.ifindex == 0;
	close(fd);
	return orphan;
}

static void orphans_remove(const struct agent_place *place)
{
	struct agent_place other = *place;
	DIR *base = opendir(place->base);
	struct dirent *entry;

	while (base && (entry = readdir(base))) {
		int len = snprintf(other.folder, sizeof(other.folder), "%s/%s", place->base, entry->d_name);

		if (entry->d_name[0] != '.' && len < (int)sizeof(other.folder) &&
		    strcmp(other.folder, place->folder) != 0 && is_orphan(&other))
			agent_place_remove(&other);
	}
	if (base)
		closedir(base);
}

int agent_place_make(const struct agent_place *place)
{
	orphans_remove(place);
	if ((mkdir(place->base, 0700) && errno != EEXIST) || (mkdir(place->folder, 0700) && errno != EEXIST))
		return agent_refuse(place, "%s: %s%s", place->folder, strerror(errno), agent_advice(errno));
	return 0;
}

int agent_place_remove(const struct agent_place *place)
{
	DIR *folder = opendir(place->folder);
	struct dirent *entry;

	if (folder) {
		while ((entry = readdir(folder)))
			if (entry->d_name[0] != '.')
				agent_pin_remove(place, entry->d_name);
		closedir(folder);
	}
	if (rmdir(place->folder) && errno != ENOENT)
		return agent_refuse(place, "%s: %s%s", place->folder, strerror(errno), agent_advice(errno));
	rmdir(place->base); /* fails if another interface has an agent */
	return 0;
}

static void pin_path(const struct agent_place *place, const char *name, char path[AGENT_PATH_MAX])
{
	snprintf(path, AGENT_PATH_MAX, "%s/%s", place->folder, name);
}

int agent_pin_open(const struct agent_place *place, const char *name)
{
	char path[AGENT_PATH_MAX];
	int fd;

	pin_path(place, name, path);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

int agent_pin_make(const struct agent_place *place, const char *name, int fd)
{
	char path[AGENT_PATH_MAX];

	pin_path(place, name, path);
	if (bpf_obj_pin(fd, path))
		return agent_refuse(place, "%s: %s%s", path, strerror(errno), agent_advice(errno));
	return 0;
}

void agent_pin_remove(const struct agent_place *place, const char *name)
{
	char path[AGENT_PATH_MAX];

	pin_path(place, name, path);
	unlink(path);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

int agent_interfaces(const struct agent_host *host, char (*names)[AGENT_INTERFACE_MAX], unsigned max,
		     char error[AGENT_ATTACH_ERROR_MAX])
{
	struct agent_place place;
	struct dirent *entry;
	unsigned count = 0;
	char suffix[AGENT_SUFFIX_MAX];
	DIR *folder;

	if (agent_place_find(&place, host, "lo", error) || namespace_suffix(&place, suffix))
		return -1;
	folder = opendir(place.base);
	if (!folder && errno == ENOENT)
		return 0;
	if (!folder)
		return agent_refuse(&place, "%s: %s%s", place.base, strerror(errno), agent_advice(errno));
	while ((entry = readdir(folder)) && count < max) {
		size_t len = strcspn(entry->d_name, "@");

		if (entry->d_name[0] == '.' || strcmp(entry->d_name + len, suffix) != 0 || len >= AGENT_INTERFACE_MAX)
			continue;
		memcpy(names[count], entry->d_name, len);
		names[count][len] = '\0';
		replace(names[count++], ':', '.');
	}
	closedir(folder);
	qsort(names, count, sizeof(*names), by_name);
	return (int)count;
}

#endif
