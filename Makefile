# SPDX-License-Identifier: BSD-2-Clause
# Miresga, built with GNU make. `make help` lists the targets; the lines marked ## are that list.
#
# Variants: release (-O2), debug (-O0), sanitize (ASan and UBSan), fuzz (with a fuzzer's coverage). Each has its own objects below
# build/obj/; release puts its results into build/, the others into build/<variant>/.
#   CC=clang       another compiler; a changed compiler or flag rebuilds what it concerns
#   WERROR=1       warnings are errors
#   BUILD=DIR      another build directory
#   EXTRA_CFLAGS=  appended to the flags
#   BPF=0          without the kernel's agent: no clang, bpftool or libbpf needed
#   LIBXDP=0       without libxdp, also where it is installed: the agent joins no dispatcher
#   V=1            print whole command lines
#   SUITE=NAME     with check or sanitize: one test suite alone (libcheck's CK_RUN_SUITE works too)

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
SHELL := /bin/sh

VERSION := 0.1.0
BUILD ?= build
VARIANT ?= release
PREFIX ?= /usr/local
# Below it, under the program's own path, gdb looks for what it loads by itself. It trusts the system's.
GDB_AUTO_LOAD ?= $(if $(filter /usr /usr/local,$(PREFIX)),/usr,$(PREFIX))/share/gdb/auto-load
MANDIR ?= $(PREFIX)/share/man
BASH_COMPLETION ?= $(PREFIX)/share/bash-completion/completions
ZSH_COMPLETION ?= $(PREFIX)/share/zsh/site-functions
ifeq ($(origin CC),default)
CC := gcc
endif
AR ?= ar
GDB ?= gdb
PKG_CONFIG ?= pkg-config
# Where the generated C of llhttp lies, and the directory that holds llhttp/llhttp.h.
LLHTTP_SOURCE ?= /usr/share/llhttp
LLHTTP_INCLUDE ?= /usr/share/include

BPF ?= 1
LIBXDP ?= 1
WITH_BPF = $(filter-out 0,$(BPF))
BPF_CLANG ?= clang
# Debian has it where only root looks.
BPFTOOL ?= $(firstword $(shell command -v bpftool) /usr/sbin/bpftool)

ifeq ($(VARIANT),release)
OUT := $(BUILD)
MODE := -O2 -g
else ifeq ($(VARIANT),debug)
OUT := $(BUILD)/debug
MODE := -O0 -g3
else ifeq ($(VARIANT),sanitize)
OUT := $(BUILD)/sanitize
MODE := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
else ifeq ($(VARIANT),fuzz)
OUT := $(BUILD)/fuzz
MODE := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link -fsanitize=address,undefined -fno-sanitize-recover=all
else
$(error unknown VARIANT '$(VARIANT)'; it is release, debug, sanitize or fuzz)
endif
OBJ := $(BUILD)/obj/$(VARIANT)

# $(call quietly,CC,name) before a recipe line: a short line instead of the command.
quietly = $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$(2)';)

BIN := $(OUT)/miresga
LIB := $(OUT)/libmiresga.a
RUNNER := $(OUT)/unit-tests
TRACES := $(BUILD)/traces
# The manual, and completion for shells. Only the language of scripts has no tables that its page could be made from.
MANUAL := $(OUT)/man/miresga.1 $(OUT)/man/miresga.yaml.5 $(OUT)/man/miresga-agent.8 docs/man/miresga-script.5
COMPLETION := $(OUT)/completion/bash $(OUT)/completion/zsh

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wwrite-strings \
	    -Wundef -Wformat=2 -Wold-style-definition $(if $(filter-out 0,$(WERROR)),-Werror)
# A message that is cut to its buffer is meant to be; what gcc says of it depends on the optimisation level.
WARNINGS += $(if $(findstring clang,$(CC)),,-Wno-format-truncation)
CPPFLAGS_ALL = -DMIRESGA_VERSION='"$(VERSION)"' $(if $(WITH_BPF),-DMIRESGA_BPF) -Iinclude -isystem $(LLHTTP_INCLUDE) $(CPPFLAGS)
CFLAGS_ALL = -std=gnu11 $(MODE) $(WARNINGS) $(CFLAGS) $(EXTRA_CFLAGS)
LDFLAGS_ALL = $(filter -fsanitize=%,$(MODE)) $(LDFLAGS)

# Asked once, and only by targets that need the answer.
once = $(eval $(1) := $(2))$($(1))
PKG_CFLAGS = $(call once,PKG_CFLAGS,$(shell $(PKG_CONFIG) --cflags libpcap yaml-0.1 jansson))
PKG_LIBS = $(call once,PKG_LIBS,$(shell $(PKG_CONFIG) --libs libpcap yaml-0.1 jansson))
BPF_LIBS = $(if $(WITH_BPF),$(LIBXDP_LIBS) $(call once,BPF_LIBS_FOUND,$(shell $(PKG_CONFIG) --libs libbpf)))
# Optional. From its archive, which carries the dispatcher, so that a host needs no libxdp for this one program.
LIBXDP_LIBS = $(if $(and $(WITH_BPF),$(filter-out 0,$(LIBXDP))),$(call once,LIBXDP_LIBS_FOUND,$(shell \
	$(PKG_CONFIG) --exists 'libxdp >= 1.3' && { d=$$($(PKG_CONFIG) --variable=libdir libxdp); \
	[ -e "$$d/libxdp.a" ] && echo "$$d/libxdp.a" || $(PKG_CONFIG) --libs libxdp; })))
CHECK_CFLAGS = $(call once,CHECK_CFLAGS,$(shell $(PKG_CONFIG) --cflags check))
CHECK_LIBS = $(call once,CHECK_LIBS,$(shell $(PKG_CONFIG) --libs check))

CLI_SRC := $(sort $(wildcard src/cli/*.c))
LIB_SRC := $(sort $(filter-out $(CLI_SRC) src/bpf/% src/gdb/%,$(wildcard src/*/*.c src/*/*/*.c) $(wildcard sim/*/*.c)))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
TEST_SRC := $(sort $(wildcard tests/unit/*.c) $(FUZZ_SRC))
SUITES := $(patsubst tests/unit/test_%.c,%,$(filter tests/unit/test_%.c,$(TEST_SRC)))
LLHTTP_OBJ := $(addprefix $(OBJ)/llhttp/,llhttp.o api.o http.o)
LIB_OBJ := $(LIB_SRC:%.c=$(OBJ)/%.o) $(LLHTTP_OBJ)
CLI_OBJ := $(CLI_SRC:%.c=$(OBJ)/%.o)
TEST_OBJ := $(TEST_SRC:%.c=$(OBJ)/%.o)

# The core is built without clock, chance, files or sockets (src/core.h says how).
CORE := src/net/% src/packet/% src/switch/% src/frontend/% src/agent/%
CORE_OBJ := $(patsubst %.c,$(OBJ)/%.o,$(filter $(CORE),$(LIB_SRC)))

.PHONY: all
all: $(BIN)				## build build/miresga (the default)

.PHONY: debug
debug:					## build build/debug/miresga for a debugger: -O0 -g3
	@$(MAKE) --no-print-directory VARIANT=debug all

.PHONY: gdb
gdb: debug traces			## build build/debug/miresga, start gdb with the helper (docs/debugging.md)
	@$(GDB) -q -x src/gdb/miresga.py $(BUILD)/debug/miresga

.PHONY: check
check: $(BIN) $(RUNNER) traces		## build and run every test
	@$(TEST_ENV) $(RUNNER)

.PHONY: sanitize
sanitize:				## build with ASan and UBSan in build/sanitize, run every test
	@$(MAKE) --no-print-directory VARIANT=sanitize check

# libFuzzer's binaries. AFL: FUZZ_CC=afl-clang-fast.
FUZZ_CC ?= clang
FUZZERS := $(FUZZ_SRC:tests/fuzz/fuzz_%.c=$(OUT)/fuzz-%)
.PHONY: fuzz fuzzers
fuzz:					## build the fuzz targets, build/fuzz/fuzz-NAME (tests/fuzz/README.md)
	@$(MAKE) --no-print-directory VARIANT=fuzz CC='$(FUZZ_CC)' fuzzers
fuzzers: $(FUZZERS)

.PHONY: tidy
tidy:					## formatting, static analysis, headers alone, banned calls, scripts
	@CC='$(CC)' PKG_CONFIG='$(PKG_CONFIG)' LLHTTP_INCLUDE='$(LLHTTP_INCLUDE)' tools/tidy.sh

.PHONY: demo
demo: deps				## install what is missing, build, replay a bundled trace
	@$(MAKE) --no-print-directory $(BIN) traces
	@echo '$$ $(BIN) replay -f $(DEMO_CONFIG) $(DEMO_TRACE)'
	@$(BIN) replay -f $(DEMO_CONFIG) $(DEMO_TRACE)
DEMO_CONFIG := configs/paper.yaml
DEMO_TRACE := $(TRACES)/demo.pcap

DEPS = CC='$(CC)' BPF_CLANG='$(BPF_CLANG)' BPFTOOL='$(BPFTOOL)' LLHTTP_SOURCE='$(LLHTTP_SOURCE)' \
       LLHTTP_INCLUDE='$(LLHTTP_INCLUDE)' tools/deps.sh
.PHONY: deps
deps:					## install the packages that the build needs (apt-get)
	@$(DEPS) build $(if $(WITH_BPF),bpf $(if $(filter-out 0,$(LIBXDP)),xdp))

.PHONY: lab
lab: $(BIN)				## real packets: curl, nginx and the agents in network namespaces (root)
	@[ "$$(id -u)" = 0 ] || { echo 'make lab needs root: it makes network namespaces and attaches BPF programs' >&2; exit 1; }
	@$(DEPS) --check lab
	@MIRESGA_BINARY='$(BIN)' tests/lab/show.sh

.PHONY: lab-deps
lab-deps:
	@$(DEPS) lab

.PHONY: install
install: $(BIN) $(MANUAL) $(COMPLETION)	## install to PREFIX (/usr/local) below DESTDIR
	install -d '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/share/miresga/configs' \
		'$(DESTDIR)$(PREFIX)/share/doc/miresga/docs'
	install -m 755 $(BIN) '$(DESTDIR)$(PREFIX)/bin/miresga'
	install -m 644 $(wildcard configs/*.yaml) '$(DESTDIR)$(PREFIX)/share/miresga/configs'
	install -m 755 tools/packetdrill2miresga.py '$(DESTDIR)$(PREFIX)/share/miresga'
	install -m 644 README.md LICENSE '$(DESTDIR)$(PREFIX)/share/doc/miresga'
	install -m 644 $(wildcard docs/*.md) '$(DESTDIR)$(PREFIX)/share/doc/miresga/docs'
	install -d '$(DESTDIR)$(PREFIX)/share/miresga/gdb/miresga_gdb' '$(DESTDIR)$(GDB_AUTO_LOAD)$(PREFIX)/bin'
	install -m 644 src/gdb/miresga.py '$(DESTDIR)$(PREFIX)/share/miresga/gdb'
	install -m 644 $(wildcard src/gdb/miresga_gdb/*.py) '$(DESTDIR)$(PREFIX)/share/miresga/gdb/miresga_gdb'
	install -m 644 src/gdb/miresga-gdb.py '$(DESTDIR)$(GDB_AUTO_LOAD)$(PREFIX)/bin'
	install -d '$(DESTDIR)$(MANDIR)/man1' '$(DESTDIR)$(MANDIR)/man5' '$(DESTDIR)$(MANDIR)/man8' '$(DESTDIR)$(BASH_COMPLETION)' '$(DESTDIR)$(ZSH_COMPLETION)'
	install -m 644 $(filter %.1,$(MANUAL)) '$(DESTDIR)$(MANDIR)/man1'
	install -m 644 $(filter %.5,$(MANUAL)) '$(DESTDIR)$(MANDIR)/man5'
	install -m 644 $(filter %.8,$(MANUAL)) '$(DESTDIR)$(MANDIR)/man8'
	install -m 644 $(OUT)/completion/bash '$(DESTDIR)$(BASH_COMPLETION)/miresga'
	install -m 644 $(OUT)/completion/zsh '$(DESTDIR)$(ZSH_COMPLETION)/_miresga'

.PHONY: uninstall
uninstall:				## remove what install put there
	rm -f '$(DESTDIR)$(PREFIX)/bin/miresga' '$(DESTDIR)$(GDB_AUTO_LOAD)$(PREFIX)/bin/miresga-gdb.py'
	rm -rf '$(DESTDIR)$(PREFIX)/share/miresga' '$(DESTDIR)$(PREFIX)/share/doc/miresga'
	rm -f $(foreach page,$(MANUAL),'$(DESTDIR)$(MANDIR)/man$(patsubst .%,%,$(suffix $(page)))/$(notdir $(page))')
	rm -f '$(DESTDIR)$(BASH_COMPLETION)/miresga' '$(DESTDIR)$(ZSH_COMPLETION)/_miresga'

.PHONY: clean
clean:					## remove the build directory
	rm -rf '$(BUILD)'

.PHONY: help
help:					## this list
	@awk -F '[:#]+' '/^[a-z]+:.*##/ { \
		text = $$0; sub(/.*##[ \t]*/, "", text); printf "  make %-10s %s\n", $$1, text }' $(firstword $(MAKEFILE_LIST))
	@echo
	@awk '/^#   [A-Z]/ { sub(/^# /, ""); print }' $(firstword $(MAKEFILE_LIST))

# The program prints what its tables hold.
$(OUT)/man/%: $(BIN)
	@mkdir -p $(@D)
	$(call quietly,MAN,$@) $(BIN) man $* > $@
$(OUT)/completion/%: $(BIN)
	@mkdir -p $(@D)
	$(call quietly,SHELL,$@) $(BIN) completion $* > $@

# What the tests are told. A trace replayed under a sanitizer or valgrind takes its time, hence the generous limit, and
# fewer runs (MIRESGA_RUNS) where the test is that all of them are the same.
# The runner forks for every test; a large quarantine of freed memory would be copied each time (a run of 14 minutes
# instead of one).
TEST_ENV = MIRESGA_BINARY='$(BIN)' MIRESGA_TRACES='$(TRACES)' MIRESGA_SHARED="$${MIRESGA_SHARED:-../shared}" \
	   MIRESGA_RUNS="$${MIRESGA_RUNS:-$(if $(filter sanitize,$(VARIANT)),5,100)}" \
	   CK_DEFAULT_TIMEOUT="$${CK_DEFAULT_TIMEOUT:-300}" $(if $(SUITE),CK_RUN_SUITE='$(SUITE)') \
	   ASAN_OPTIONS="detect_leaks=1:quarantine_size_mb=4:$${ASAN_OPTIONS}" UBSAN_OPTIONS="print_stacktrace=1:$${UBSAN_OPTIONS}"

# Captures are kept compressed where that is worth it; all of them are found in one place.
TRACE_FILES := $(patsubst tests/traces/%.gz,$(TRACES)/%,$(wildcard tests/traces/*.pcap.gz tests/traces/*.pcapng.gz)) \
	       $(patsubst tests/traces/%,$(TRACES)/%,$(wildcard tests/traces/*.pcap tests/traces/*.pcapng))
.PHONY: traces
traces: $(TRACE_FILES)
	@:
$(TRACES)/%: tests/traces/%.gz
	@mkdir -p $(@D)
	$(call quietly,GZIP,$@) gzip -dc $< > $@
$(TRACES)/%: tests/traces/%
	@mkdir -p $(@D)
	$(call quietly,COPY,$@) cp $< $@

# A missing package should be named before a compiler complains about its header.
.PHONY: have-packages
have-packages:
	@$(DEPS) --check build $(if $(WITH_BPF),bpf)

# Where these are missing, have-packages says so, and not make, that knows no rule for them.
$(LLHTTP_OBJ:$(OBJ)/llhttp/%.o=$(LLHTTP_SOURCE)/%.c): | have-packages ;

# Rewritten only when compiler or flags differ from the last time.
.PHONY: FORCE
FORCE:
$(OBJ)/flags: FORCE | have-packages
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL))' | cmp -s - $@ || \
		printf '%s\n' '$(subst ','\'',$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL))' > $@

$(CORE_OBJ): CPPFLAGS_ROOM = -include src/core.h
$(filter-out $(CORE_OBJ) $(LLHTTP_OBJ),$(LIB_OBJ)) $(CLI_OBJ): CPPFLAGS_ROOM = $(PKG_CFLAGS)
# A test may include what its room keeps private, as "src/room/x.h".
$(TEST_OBJ): CPPFLAGS_ROOM = -I. -I$(OBJ)/tests/unit $(PKG_CFLAGS) $(CHECK_CFLAGS) $(if $(filter fuzz,$(VARIANT)),-DFUZZ_ALONE)

# A page of the manual is part of the program.
$(OBJ)/src/cli/manual_script.o: docs/man/miresga-script.5

$(OBJ)/%.o: %.c $(OBJ)/flags
	@mkdir -p $(@D)
	$(call quietly,CC,$<) $(CC) $(CPPFLAGS_ALL) $(CPPFLAGS_ROOM) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# Somebody else's generated C: its warnings are not ours to mend.
$(OBJ)/llhttp/%.o: $(LLHTTP_SOURCE)/%.c $(OBJ)/flags
	@mkdir -p $(@D)
	$(call quietly,CC,$<) $(CC) -I$(LLHTTP_INCLUDE)/llhttp $(CFLAGS_ALL) -w -MMD -MP -c -o $@ $<

# One line per tests/unit/test_NAME.c; main.c makes the runner of it.
$(OBJ)/tests/unit/suites.h: FORCE
	@mkdir -p $(@D)
	@{ echo '/* Generated by the Makefile from tests/unit/test_*.c. */'; \
	   echo '#define SUITES(X) \'; \
	   for s in $(SUITES); do echo "	X($$s) \\"; done; echo; } > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
$(OBJ)/tests/unit/main.o: $(OBJ)/tests/unit/suites.h

# The agent for the kernel: object, and header with the object in it. The variants share them.
BPF_DIR := $(BUILD)/obj/bpf
$(BPF_DIR)/agent.bpf.o: src/bpf/agent.bpf.c | have-packages
	@mkdir -p $(@D)
	$(call quietly,BPF,$<) $(BPF_CLANG) -target bpf -O2 -g -Wall -Wextra $(if $(filter-out 0,$(WERROR)),-Werror) \
		-ffreestanding -Iinclude -idirafter /usr/include/$(shell uname -m)-linux-gnu -MMD -MP -c -o $@ $<
$(BPF_DIR)/agent.skel.h: $(BPF_DIR)/agent.bpf.o
	$(call quietly,GEN,$@) $(BPFTOOL) gen skeleton $< name agent_bpf > $@
# Made anew when libxdp has come or gone; the rest of the program does not know it.
$(OBJ)/libxdp: FORCE
	@mkdir -p $(@D)
	@echo '$(LIBXDP_LIBS)' | cmp -s - $@ || echo '$(LIBXDP_LIBS)' > $@
$(OBJ)/src/io/agent_dispatcher.o: CPPFLAGS_ROOM = $(PKG_CFLAGS) $(if $(LIBXDP_LIBS),-DMIRESGA_LIBXDP)
$(OBJ)/src/io/agent_dispatcher.o: $(OBJ)/libxdp
$(OBJ)/src/io/agent_object.o: CPPFLAGS_ROOM = $(PKG_CFLAGS) -isystem $(BPF_DIR)
$(OBJ)/src/io/agent_object.o: $(if $(WITH_BPF),$(BPF_DIR)/agent.skel.h)

$(LIB): $(LIB_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	$(call quietly,AR,$@) $(AR) rcs $@ $^

$(BIN): $(CLI_OBJ) $(LIB)
	$(call quietly,LINK,$@) $(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS) $(BPF_LIBS)

$(OUT)/fuzz-%: $(OBJ)/tests/fuzz/fuzz_%.o $(LIB)
	$(call quietly,LINK,$@) $(CC) -fsanitize=fuzzer -fsanitize=address,undefined $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(BPF_LIBS)

$(RUNNER): $(TEST_OBJ) $(LIB)
	$(call quietly,LINK,$@) $(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS) $(BPF_LIBS) $(CHECK_LIBS)

-include $(BPF_DIR)/agent.bpf.d $(LIB_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(TEST_OBJ:.o=.d)
