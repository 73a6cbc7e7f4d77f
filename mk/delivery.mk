# SPDX-License-Identifier: Apache-2.0
# Delivery as a whole: a made-up agent, a receiver with the server's rules, and what goes wrong between.

FEEDER := $(BUILD)/tests/feeder
DELIVERY_RUN = FEEDER=$(abspath $(FEEDER)) DOCKPROF=$(abspath $(BUILD)/dockprof) python3 tests/delivery

$(FEEDER): tests/delivery/feeder.c $(LIBRARY)
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< $(LIBRARY) $(LIBS)

-include $(FEEDER).d

.PHONY: check-delivery check-crashes check-outage check-pyroscope
check-delivery: $(FEEDER) $(BUILD)/dockprof ## sums are exact whatever the server does; DELIVERY='NAME...' picks tests
	$(Q)$(DELIVERY_RUN)/test_delivery.py $(DELIVERY)

check-crashes: $(FEEDER) ## kill -9 at 500 random moments (CRASHES=N)
	$(Q)$(DELIVERY_RUN)/crashes.py $(or $(CRASHES),500)

check-outage: $(FEEDER) ## a server that is down for 24 simulated hours
	$(Q)$(DELIVERY_RUN)/outage.py

check-pyroscope: $(FEEDER) ## against real servers: PYROSCOPE='/path/to/pyroscope ...' (skipped without)
	$(Q)$(DELIVERY_RUN)/pyroscope.py $(PYROSCOPE)
