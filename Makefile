# Build, try, test and install sipcapture. `make help` lists what can be asked for.
#
# Variables:
#   KAMAILIO              the Kamailio that will load the modules (default: kamailio in PATH)
#   KAMAILIO_SRC          its source tree (default: fetched from the distribution, see doc/building.md)
#   PREFIX, DESTDIR       where `make install` puts the tool and the documentation (default: /usr/local)
#   KAMAILIO_MODULES_DIR  where it puts the modules (default: as KAMAILIO tells)
#   FUZZ_SECONDS          how long `make fuzz` runs each target (default: 60)
#   FAULT_SECONDS         how long each fault of `make faults` lasts (default: 60)
#   SOAK_SECONDS          how long `make soak` lasts (default: 3600)
#   HEP_DISSECTOR         the hep.lua that the makers of HEP publish for Wireshark, for a test with it
#   OPENSIPS_SRC          the configured source tree of the OpenSIPS that will load the module
#   FREESWITCH_PREFIX     FreeSWITCH, for its tests

KAMAILIO ?= kamailio
PREFIX ?= /usr/local
DESTDIR ?=
KAMAILIO_MODULES_DIR ?=
FAULT_SECONDS ?= 60
SOAK_SECONDS ?= 3600
TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))

# Servers live in sbin, which an ordinary user's PATH lacks; a fresh toolchain may not be in PATH either.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin:$(HOME)/.cargo/bin
export KAMAILIO PREFIX DESTDIR KAMAILIO_MODULES_DIR
# Kamailio's makefiles, run on the way, have variables of these names.
unexport CFLAGS LDFLAGS
MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup setup-build setup-demo announce core kamailio opensips tool demo contract bindings test faults soak fuzz fresh sanitize bench install uninstall clean

help:  ## what can be asked for
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup:  ## install what build, demo and tests need (apt-get; nothing to do when it is all there)
	@sh scripts/setup.sh test

setup-build:
	@sh scripts/setup.sh build

setup-demo:
	@sh scripts/setup.sh demo

core: setup-build
	cargo build --release --locked --lib

kamailio: core  ## build/kamailio/sipcapture.so and siptrace.so, for the Kamailio that is installed
	@scripts/build-kamailio.sh sipcapture $(TARGET_DIR)/release/libsipcapture_core.a
	@scripts/build-kamailio.sh siptrace $(TARGET_DIR)/release/libsipcapture_core.a

opensips: core  ## build/opensips/sipcapture.so, for the OpenSIPS whose configured tree is OPENSIPS_SRC
	@[ -n "$(OPENSIPS_SRC)" ] || { echo "make opensips OPENSIPS_SRC=DIR: DIR is the configured source tree of the server that will load the module" >&2; exit 1; }
	@scripts/build-opensips.sh sipcapture $(TARGET_DIR)/release/libsipcapture_core.a $(OPENSIPS_SRC)

tool: setup-build  ## build/sipcapture, the operator's tool
	cargo build --release --locked --bin sipcapture
	@mkdir -p build
	@cp -f $(TARGET_DIR)/release/sipcapture build/sipcapture

announce:
	@scripts/announce.sh $(TARGET_DIR)

demo: setup-demo announce kamailio tool  ## real calls through a real Kamailio, captured and shown as a ladder
	@scripts/announce.sh --compiled
	@scripts/demo.sh

contract: core
	@scripts/contract.sh $(TARGET_DIR)/release/libsipcapture_core.a

bindings: setup  ## src/abi/contract.rs anew, after a change of c_shim/core.h
	@SIPCAPTURE_WRITE_BINDINGS=1 cargo test --locked --quiet --test it bindings::

test: setup  ## everything: format, lints, modules, tests against real servers
	@scripts/test.sh

fuzz: setup-build  ## arbitrary bytes for all codecs, FUZZ_SECONDS (60) each; needs a nightly compiler and cargo-fuzz
	@scripts/fuzz.sh

faults: setup kamailio  ## outages, deaths and full disks at full length (FAULT_SECONDS each), and a table of what became of each message
	@scripts/faults.sh $(FAULT_SECONDS)

soak: setup kamailio  ## many traced calls, then steady load for SOAK_SECONDS (3600), with databases that pause and restarts: nothing lost, nothing grows
	@scripts/soak.sh $(SOAK_SECONDS)

fresh:  ## the README's commands on bare machines of Debian 12 and 13, made by debootstrap; about an hour and a half, as root or with sudo
	@scripts/fresh.sh

sanitize: setup  ## real servers with a module that checks each access to memory; needs a nightly compiler
	@scripts/sanitize.sh

bench: setup kamailio tool  ## speed against the stock module, as ratios of one run
	cargo bench --locked

install:  ## modules, tool and documentation in their places (DESTDIR, PREFIX, KAMAILIO_MODULES_DIR)
	@scripts/install.sh install

uninstall:  ## take them away again and put the stock module back
	@scripts/install.sh uninstall

clean:  ## remove all that was built, but not the fetched packages
	cargo clean
	rm -rf fuzz/target
	@find build -mindepth 1 -maxdepth 1 ! -name 'kamailio-src-*' ! -name packages -exec rm -rf {} + 2>/dev/null || true
