/* SPDX-License-Identifier: BSD-2-Clause */
/* each_capture.h: every capture of the project, and every real one of ../shared/traces/real where that is there. */
#ifndef TESTS_EACH_CAPTURE_H
#define TESTS_EACH_CAPTURE_H

#include <dirent.h>
#include <string.h>

#include "capture.h"
#include "miresga/config.h"

/* False: no more of them. */
typedef bool play_capture_fn(const struct config *c, const char *path);

static inline bool each_capture_in(const char *dir, const struct config *c, play_capture_fn *play)
{
	struct dirent **names;
	bool goes_on = true;
	unsigned played = 0;
	int n = scandir(dir, &names, NULL, alphasort);

	ck_assert_msg(n > 0, "%s", dir);
	for (int i = 0; i < n; i++) {
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		if (goes_on && strstr(names[i]->d_name, ".pcap")) {
			goes_on = play(c, path);
			played += goes_on;
		}
		free(names[i]);
	}
	free(names);
	if (goes_on)
		printf("%s: %u captures, the same with the kernel's agents\n", dir, played);
	return goes_on;
}

static inline void each_capture_report(void *ctx, const char *file, unsigned line, unsigned column, const char *message)
{
	(void)ctx;
	printf("%s:%u:%u: %s\n", file, line, column, message);
}

static inline struct config *each_capture_config(void)
{
	struct config *c = malloc(sizeof(*c));

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(config_load(c, "configs/paper.yaml", each_capture_report, NULL), 0);
	return c;
}

static inline void each_capture(play_capture_fn *play)
{
	const char *own = getenv("MIRESGA_TRACES");
	struct config *c = each_capture_config();
	char real[512];

	ck_assert_ptr_nonnull(own);
	if (each_capture_in(own, c, play)) {
		if (shared_path("traces/real", real, sizeof(real)))
			each_capture_in(real, c, play);
	}
	free(c);
}

#endif
