# SPDX-License-Identifier: Apache-2.0
# What Debian 12 must have: for the build, for the checks, for the demo.

DEPS_BUILD := gcc libc6-dev make pkg-config git clang llvm bpftool libbpf-dev libelf-dev \
	libcurl4-openssl-dev libyajl-dev libpcre2-dev libyaml-dev zlib1g-dev libiberty-dev \
	liblzma-dev
DEPS_DOCKER := docker.io iptables ca-certificates
DEPS_CHECK := check libdw-dev binutils musl-tools clang-format python3 busybox-static libclang-rt-14-dev openssl elfutils xz-utils debootstrap docker-compose zsh fish chromium nghttp2-proxy \
	uwsgi-core uwsgi-plugin-python3 python3-greenlet iproute2

.PHONY: deps deps-check deps-demo
deps: ## install what the build needs (Debian)
	$(Q)mk/install-packages 'the build' $(DEPS_BUILD)

deps-check: deps ## install what the checks need
	$(Q)mk/install-packages --try 'the checks' $(DEPS_CHECK) $(DEPS_DOCKER)
	$(Q)mk/fetch-promtool .cache

deps-demo: deps
	$(Q)mk/install-packages --try 'the demo' python3 $(DEPS_DOCKER)
