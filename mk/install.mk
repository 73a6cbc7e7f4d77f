# SPDX-License-Identifier: Apache-2.0
# make install: the binary, its manual pages, completion, a systemd unit and an example configuration,
# which becomes /etc/dockprof/dockprof.yml only where there is none yet.

DATADIR ?= $(PREFIX)/share
COMPLETIONDIR ?= $(DATADIR)/bash-completion/completions
ZSHDIR ?= $(DATADIR)/zsh/vendor-completions
FISHDIR ?= $(DATADIR)/fish/vendor_completions.d
EXAMPLEDIR := $(DATADIR)/doc/dockprof/examples
CONFIG := $(SYSCONFDIR)/dockprof/dockprof.yml
INSTALL ?= install

.PHONY: install uninstall
install: $(BUILD)/dockprof man ## install below DESTDIR and PREFIX
	$(INSTALL) -D -m 755 $(BUILD)/dockprof $(DESTDIR)$(BINDIR)/dockprof
	$(INSTALL) -D -m 644 $(BUILD)/man/dockprof.1 $(DESTDIR)$(MANDIR)/man1/dockprof.1
	$(INSTALL) -D -m 644 $(BUILD)/man/dockprof.yml.5 $(DESTDIR)$(MANDIR)/man5/dockprof.yml.5
	$(INSTALL) -D -m 644 packaging/dockprof.bash $(DESTDIR)$(COMPLETIONDIR)/dockprof
	$(INSTALL) -D -m 644 packaging/dockprof.zsh $(DESTDIR)$(ZSHDIR)/_dockprof
	$(INSTALL) -D -m 644 packaging/dockprof.fish $(DESTDIR)$(FISHDIR)/dockprof.fish
	sed 's,@BINDIR@,$(BINDIR),' packaging/dockprof.service > $(BUILD)/dockprof.service
	$(INSTALL) -D -m 644 $(BUILD)/dockprof.service $(DESTDIR)$(UNITDIR)/dockprof.service
	$(INSTALL) -D -m 644 packaging/dockprof.yml $(DESTDIR)$(EXAMPLEDIR)/dockprof.yml
	test -e $(DESTDIR)$(CONFIG) || $(INSTALL) -D -m 640 packaging/dockprof.yml $(DESTDIR)$(CONFIG)

# The configuration stays: it is the user's.
uninstall: ## remove what install put there, except the configuration
	rm -f $(DESTDIR)$(BINDIR)/dockprof $(DESTDIR)$(MANDIR)/man1/dockprof.1 \
		$(DESTDIR)$(MANDIR)/man5/dockprof.yml.5 $(DESTDIR)$(COMPLETIONDIR)/dockprof \
		$(DESTDIR)$(ZSHDIR)/_dockprof $(DESTDIR)$(FISHDIR)/dockprof.fish \
		$(DESTDIR)$(UNITDIR)/dockprof.service $(DESTDIR)$(EXAMPLEDIR)/dockprof.yml
	-rmdir $(DESTDIR)$(EXAMPLEDIR) $(DESTDIR)$(DATADIR)/doc/dockprof 2>/dev/null

.PHONY: check-install
check-install: $(BUILD)/dockprof man ## make install and uninstall, manual pages, unit, completion
	$(Q)tests/lib/check-install
