// SPDX-License-Identifier: Apache-2.0
// plugins/sim/sim_device.c - sim.device: the device contract of device.h over sim_memory and sim_queue.
#include <stdio.h>
#include <stdlib.h>

#include "plugins/sim/sim.h"

typedef struct sim_device {
    const collet_host *host;
    sim_memory memory;
    uint32_t delay_us;
    uint64_t seed;
    sim_queue *queue; // the one there is; NULL before queue_create
} sim_device;

static const collet_option delay_option = {
    .size = sizeof(collet_option),
    .type = COLLET_OPT_INT,
    .key = "delay_us",
    .help = "Longest random pause before a queued item, in microseconds; 0: none.",
    .dflt = "20",
    .min = 0,
    .max = 100000,
};
static const collet_option seed_option = {
    .size = sizeof(collet_option),
    .type = COLLET_OPT_INT,
    .key = "seed",
    .help = "Seed of the pauses.",
    .dflt = "1",
    .min = 0,
    .max = 4294967295.0,
};
static const collet_option *const options[] = { &delay_option, &seed_option, NULL };

static collet_status open_device(const collet_host *host, const collet_value *values, uint32_t n_values, void **mod,
                                 collet_error *err)
{
    sim_device *d = calloc(1, sizeof *d);
    if (!d)
        return host->fail(err, COLLET_E_NOMEM, 0, "no memory for the sim device");
    d->host = host;
    d->delay_us = n_values > 0 ? (uint32_t)values[0].u.i : 20;
    d->seed = n_values > 1 ? (uint64_t)values[1].u.i : 1;
    pthread_mutex_init(&d->memory.lock, NULL);
    *mod = d;
    return COLLET_OK;
}

static void close_device(void *mod)
{
    sim_device *d = mod;
    pthread_mutex_destroy(&d->memory.lock);
    free(d);
}

static bool capturing(const sim_device *d)
{
    return d->queue && d->queue->recording;
}

static collet_status info(void *mod, int32_t index, collet_device_info *out, collet_error *err)
{
    sim_device *d = mod;
    if (index != 0)
        return d->host->fail(err, COLLET_E_NOT_FOUND, 0, "the domain sim has one device, 0");
    out->host_visible = 0;
    out->mem_bytes_total = 0;
    snprintf(out->name, sizeof out->name, "simulated device");
    return COLLET_OK;
}

static collet_status mem_alloc(void *mod, int32_t index, uint64_t n_bytes, void **data, collet_error *err)
{
    (void)index;
    sim_device *d = mod;
    if (capturing(d))
        return d->host->fail(err, COLLET_E_INTERNAL, 0, "mem_alloc during capture");
    void *p = sim_memory_alloc(&d->memory, n_bytes);
    if (!p)
        return d->host->fail(err, COLLET_E_NOMEM, 0, "the sim device is out of memory");
    *data = p;
    return COLLET_OK;
}

static void mem_free(void *mod, int32_t index, void *data, uint64_t n_bytes)
{
    (void)index;
    (void)n_bytes;
    sim_device *d = mod;
    if (!data)
        return;
    // There is nobody to tell but the next sync().
    if (capturing(d))
        sim_queue_fail(d->queue, "mem_free", "during capture");
    else if (!sim_memory_free(&d->memory, data) && d->queue)
        sim_queue_fail(d->queue, "mem_free", "no allocation of this device begins there");
}

static collet_status queue_create(void *mod, int32_t index, collet_queue **out, collet_error *err)
{
    (void)index;
    sim_device *d = mod;
    if (d->queue)
        return d->host->fail(err, COLLET_E_UNSUPPORTED, 0, "the sim device has one queue");
    d->queue = sim_queue_create(d->host, &d->memory, d->delay_us, d->seed);
    if (!d->queue)
        return d->host->fail(err, COLLET_E_NOMEM, 0, "no memory or thread for the sim queue");
    *out = &d->queue->queue;
    return COLLET_OK;
}

static void queue_destroy(void *mod, collet_queue *queue)
{
    if (!queue)
        return;
    sim_queue_destroy(queue->native);
    ((sim_device *)mod)->queue = NULL;
}

static collet_status copy(void *mod, const collet_queue *queue, int32_t kind, void *dst, const void *src,
                          uint64_t n_bytes, collet_error *err)
{
    const sim_item item = { .kind = SIM_COPY, .copy_kind = kind, .dst = dst, .src = src, .n_bytes = n_bytes };
    if (sim_queue_push(queue->native, &item))
        return COLLET_OK;
    return ((sim_device *)mod)->host->fail(err, COLLET_E_NOMEM, 0, "no memory to record a copy");
}

// One in-order queue: an event is how much had been enqueued, and waiting for it is what the queue does anyway.
static collet_status event_record(void *mod, const collet_queue *queue, uint64_t *event, collet_error *err)
{
    (void)mod;
    (void)err;
    sim_queue *q = queue->native;
    pthread_mutex_lock(&q->lock);
    *event = q->n_pushed;
    pthread_mutex_unlock(&q->lock);
    return COLLET_OK;
}

static collet_status event_wait(void *mod, const collet_queue *queue, uint64_t event, collet_error *err)
{
    sim_queue *q = queue->native;
    pthread_mutex_lock(&q->lock);
    bool known = event <= q->n_pushed;
    pthread_mutex_unlock(&q->lock);
    return known ? COLLET_OK : ((sim_device *)mod)->host->fail(err, COLLET_E_INTERNAL, 0, "wait for an unknown event");
}

static collet_status queue_sync(void *mod, const collet_queue *queue, collet_error *err)
{
    if (capturing(mod))
        return ((sim_device *)mod)->host->fail(err, COLLET_E_INTERNAL, 0, "sync during capture");
    return sim_queue_sync(queue->native, err);
}

static collet_status capture_begin(void *mod, collet_queue *queue, collet_error *err)
{
    sim_device *d = mod;
    sim_queue *q = queue->native;
    if (q->recording)
        return d->host->fail(err, COLLET_E_INTERNAL, 0, "capture_begin during capture");
    q->recording = calloc(1, sizeof *q->recording);
    if (!q->recording)
        return d->host->fail(err, COLLET_E_NOMEM, 0, "no memory to record");
    queue->flags |= COLLET_QUEUE_CAPTURING;
    return COLLET_OK;
}

static collet_status capture_end(void *mod, collet_queue *queue, void **graph, collet_error *err)
{
    sim_queue *q = queue->native;
    if (!q->recording)
        return ((sim_device *)mod)->host->fail(err, COLLET_E_INTERNAL, 0, "capture_end without capture_begin");
    *graph = q->recording;
    q->recording = NULL;
    queue->flags &= ~(uint32_t)COLLET_QUEUE_CAPTURING;
    return COLLET_OK;
}

static collet_status graph_launch(void *mod, const collet_queue *queue, void *graph, collet_error *err)
{
    const sim_item item = { .kind = SIM_GRAPH, .graph = graph };
    if (capturing(mod))
        return ((sim_device *)mod)->host->fail(err, COLLET_E_INTERNAL, 0, "graph_launch during capture");
    sim_queue_push(queue->native, &item);
    return COLLET_OK;
}

static void graph_destroy(void *mod, void *graph)
{
    sim_device *d = mod;
    if (d->queue)
        sim_queue_drain(d->queue); // it may be about to run
    sim_graph_destroy(graph);
}

static const collet_device_vt vt = {
    .size = sizeof vt,
    .info = info,
    .mem_alloc = mem_alloc,
    .mem_free = mem_free,
    .queue_create = queue_create,
    .queue_destroy = queue_destroy,
    .copy = copy,
    .event_record = event_record,
    .event_wait = event_wait,
    .sync = queue_sync,
    .capture_begin = capture_begin,
    .capture_end = capture_end,
    .graph_launch = graph_launch,
    .graph_destroy = graph_destroy,
};

const collet_module collet_sim_device = {
    .size = sizeof(collet_module),
    .tier = COLLET_TIER_GENERIC,
    .score = 0, // only when a profile names it
    .id = "sim.device",
    .iface = COLLET_DEVICE_IFACE,
    .domain = "sim",
    .summary = "a simulated accelerator: own memory, asynchronous queue, capture and replay",
    .vt = &vt,
    .options = options,
    .open = open_device,
    .close = close_device,
};
