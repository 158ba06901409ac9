// SPDX-License-Identifier: Apache-2.0
// tests/plugins/sim/sim_fixture.h - the simulated device, opened for a test, and a gate that holds its queue.
//
// Random pauses make the order of host and device uncertain, which is their purpose; a test that needs a certain order
// closes the gate: what is enqueued behind it waits until it is opened.
#ifndef COLLET_TESTS_PLUGINS_SIM_SIM_FIXTURE_H
#define COLLET_TESTS_PLUGINS_SIM_SIM_FIXTURE_H

#include <semaphore.h>

#include "plugins/sim/sim.h"
#include "tests/support/test_host.h"

typedef struct sim_fixture {
    collet_test_host h;
    const collet_device_vt *vt;
    void *dev;
    collet_queue *q; // NULL: a test has destroyed it
    sem_t gate;
} sim_fixture;

void sim_begin(sim_fixture *f);
void sim_end(sim_fixture *f);

// Device memory with what is at `from`, or zeros when it is NULL; sim_get copies from there and waits.
void *sim_put(sim_fixture *f, const void *from, size_t n_bytes);
void sim_get(sim_fixture *f, void *to, const void *at, size_t n_bytes);

void sim_close_gate(sim_fixture *f);
void sim_open_gate(sim_fixture *f);

// sync() must fail, with INTERNAL and a message that contains both texts.
void sim_assert_sync_fails(sim_fixture *f, const char *what, const char *why);
void sim_assert_sync_succeeds(sim_fixture *f);

#endif
