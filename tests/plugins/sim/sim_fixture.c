// SPDX-License-Identifier: Apache-2.0
// tests/plugins/sim/sim_fixture.c
#include "tests/plugins/sim/sim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

void sim_begin(sim_fixture *f)
{
    memset(f, 0, sizeof *f);
    collet_test_host_init(&f->h, 2);
    f->vt = collet_sim_device.vt;
    const collet_value values[] = { { .type = COLLET_OPT_INT, .is_set = 1, .u.i = 300 },
                                    { .type = COLLET_OPT_INT, .is_set = 1, .u.i = 7 } };
    assert_int_equal(collet_sim_device.open(&f->h.host, values, 2, &f->dev, NULL), COLLET_OK);
    assert_int_equal(f->vt->queue_create(f->dev, 0, &f->q, NULL), COLLET_OK);
    assert_int_equal(sem_init(&f->gate, 0, 0), 0);
}

void sim_end(sim_fixture *f)
{
    f->vt->queue_destroy(f->dev, f->q);
    collet_sim_device.close(f->dev);
    collet_test_host_finish(&f->h);
    sem_destroy(&f->gate);
}

void *sim_put(sim_fixture *f, const void *from, size_t n_bytes)
{
    void *data = NULL;
    assert_int_equal(f->vt->mem_alloc(f->dev, 0, n_bytes, &data, NULL), COLLET_OK);
    if (from) {
        assert_int_equal(f->vt->copy(f->dev, f->q, COLLET_COPY_TO_DEVICE, data, from, n_bytes, NULL), COLLET_OK);
        sim_assert_sync_succeeds(f);
    }
    return data;
}

void sim_get(sim_fixture *f, void *to, const void *at, size_t n_bytes)
{
    assert_int_equal(f->vt->copy(f->dev, f->q, COLLET_COPY_TO_HOST, to, at, n_bytes, NULL), COLLET_OK);
    sim_assert_sync_succeeds(f);
}

static bool wait_at_gate(void *inst, const collet_frame *frame, collet_error *err)
{
    (void)frame;
    (void)err;
    return sem_wait(inst) == 0;
}

void sim_close_gate(sim_fixture *f)
{
    const sim_item item = { .kind = SIM_OP, .run = wait_at_gate, .inst = &f->gate, .name = "gate" };
    assert_true(sim_queue_push(f->q->native, &item));
}

void sim_open_gate(sim_fixture *f)
{
    sem_post(&f->gate);
}

void sim_assert_sync_fails(sim_fixture *f, const char *what, const char *why)
{
    collet_error err = COLLET_ERROR_INIT;
    assert_int_equal(f->vt->sync(f->dev, f->q, &err), COLLET_E_INTERNAL);
    if (!strstr(err.msg, what) || !strstr(err.msg, why))
        fail_msg("'%s' and '%s' are not in: %s", what, why, err.msg);
}

void sim_assert_sync_succeeds(sim_fixture *f)
{
    collet_error err = COLLET_ERROR_INIT;
    if (f->vt->sync(f->dev, f->q, &err) != COLLET_OK)
        fail_msg("sync: %s", err.msg);
}
