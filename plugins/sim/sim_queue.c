// SPDX-License-Identifier: Apache-2.0
// plugins/sim/sim_queue.c - an in-order queue on a thread of its own, and recordings of what went through it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/sim/sim.h"

static void set_error(sim_queue *q, collet_status code, const char *what, const char *why)
{
    char text[COLLET_ERROR_MSG_MAX + 100];
    snprintf(text, sizeof text, "%s: %s", what, why);
    pthread_mutex_lock(&q->lock);
    if (q->error.code == COLLET_OK)
        q->host->fail(&q->error, code, 0, text);
    pthread_mutex_unlock(&q->lock);
}

void sim_queue_fail(sim_queue *q, const char *what, const char *why)
{
    set_error(q, COLLET_E_INTERNAL, what, why);
}

static bool failed(sim_queue *q)
{
    pthread_mutex_lock(&q->lock);
    bool yes = q->error.code != COLLET_OK;
    pthread_mutex_unlock(&q->lock);
    return yes;
}

static void run_copy(sim_queue *q, const sim_item *item)
{
    char why[160] = "";
    const bool to_host = item->copy_kind == COLLET_COPY_TO_HOST, to_device = item->copy_kind == COLLET_COPY_TO_DEVICE;
    void *dst = to_host ? item->dst : sim_memory_real(q->memory, item->dst, item->n_bytes, why, sizeof why);
    const void *src = to_device ? item->src : sim_memory_real(q->memory, item->src, item->n_bytes, why, sizeof why);
    if ((to_host && sim_is_tagged(dst)) || (to_device && sim_is_tagged(src))) {
        snprintf(why, sizeof why, "the host side of the copy is an address of the device");
        dst = NULL;
    }
    if (dst && src)
        memcpy(dst, src, item->n_bytes);
    else
        sim_queue_fail(q, "copy", why);
}

// How many bytes a kernel may touch: what the view says of itself, and what its shape reaches with its strides.
static uint64_t reach(const collet_tensor *t)
{
    if (t->layout != 0 || t->n_dims == 0 || t->stride[t->n_dims - 1] == 0)
        return t->n_bytes; // blocks: n_bytes is all there is to know
    uint64_t end = (uint64_t)t->stride[t->n_dims - 1];
    for (uint32_t d = 0; d < t->n_dims; d++) {
        if (t->shape[d] <= 0)
            return 0;
        end += (uint64_t)(t->shape[d] - 1) * (uint64_t)t->stride[d];
    }
    return end > t->n_bytes ? end : t->n_bytes;
}

// The real address of one part of a frame; NULL after reporting the op and the part.
static void *real_part(sim_queue *q, const sim_item *item, const void *at, uint64_t n_bytes, const char *part)
{
    char why[160] = "", what[96];
    void *real = sim_memory_real(q->memory, at, n_bytes, why, sizeof why);
    if (!real) {
        snprintf(what, sizeof what, "%s: %s", item->name, part);
        sim_queue_fail(q, what, why);
    }
    return real;
}

// Replaces the device addresses of a frame with real ones.
static bool translate(sim_queue *q, const sim_item *item, collet_frame *frame, collet_tensor *in, collet_tensor *out)
{
    *frame = item->frame;
    for (uint32_t i = 0; i < frame->n_in + frame->n_out; i++) {
        const bool is_in = i < frame->n_in;
        const uint32_t k = is_in ? i : i - frame->n_in;
        collet_tensor *t = is_in ? &in[k] : &out[k];
        char part[16];
        snprintf(part, sizeof part, "%s[%u]", is_in ? "in" : "out", k);
        *t = is_in ? item->in[k] : item->out[k];
        if (!(t->data = real_part(q, item, t->data, reach(t), part)))
            return false;
    }
    if (frame->ws_bytes > 0 && !(frame->ws = real_part(q, item, frame->ws, frame->ws_bytes, "workspace")))
        return false;
    return frame->plan_bytes == 0 || (frame->plan = real_part(q, item, frame->plan, frame->plan_bytes, "plan"));
}

static void run_op(sim_queue *q, const sim_item *item)
{
    collet_tensor in[COLLET_OP_TENSORS_MAX], out[COLLET_OP_TENSORS_MAX];
    const collet_tensor *in_list[COLLET_OP_TENSORS_MAX], *out_list[COLLET_OP_TENSORS_MAX];
    collet_frame frame;
    if (!translate(q, item, &frame, in, out))
        return;
    for (uint32_t i = 0; i < frame.n_in; i++)
        in_list[i] = &in[i];
    for (uint32_t i = 0; i < frame.n_out; i++)
        out_list[i] = &out[i];
    collet_error err = COLLET_ERROR_INIT;
    frame.in = in_list;
    frame.out = out_list;
    frame.err = &err;
    if (!item->run(item->inst, &frame, &err))
        set_error(q, err.code ? err.code : COLLET_E_INTERNAL, item->name, err.msg);
}

// A pause now and then, so that whoever forgot to wait is found out.
static void pause_sometimes(sim_queue *q)
{
    q->random ^= q->random << 13;
    q->random ^= q->random >> 7;
    q->random ^= q->random << 17;
    if (q->delay_us > 0 && q->random % 16 == 0)
        usleep((useconds_t)(q->random / 16 % (q->delay_us + 1)));
}

static void run_item(sim_queue *q, const sim_item *item)
{
    if (failed(q))
        return; // sticky: nothing runs after the first error
    pause_sometimes(q);
    if (item->kind == SIM_COPY)
        run_copy(q, item);
    else if (item->kind == SIM_OP)
        run_op(q, item);
    for (uint32_t i = 0; item->kind == SIM_GRAPH && i < item->graph->n_items; i++)
        run_item(q, &item->graph->items[i]);
}

static void *queue_main(void *arg)
{
    sim_queue *q = arg;
    for (;;) {
        pthread_mutex_lock(&q->lock);
        while (q->n_done == q->n_pushed)
            pthread_cond_wait(&q->changed, &q->lock);
        const sim_item *item = &q->ring[q->n_done % SIM_RING_ITEMS];
        pthread_mutex_unlock(&q->lock);
        const bool stop = item->kind == SIM_STOP;
        if (!stop)
            run_item(q, item);
        pthread_mutex_lock(&q->lock);
        q->n_done++;
        pthread_cond_broadcast(&q->changed);
        pthread_mutex_unlock(&q->lock);
        if (stop)
            return NULL;
    }
}

sim_queue *sim_queue_create(const collet_host *host, sim_memory *memory, uint32_t delay_us, uint64_t seed)
{
    sim_queue *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    q->ring = calloc(SIM_RING_ITEMS, sizeof *q->ring);
    q->host = host;
    q->memory = memory;
    q->delay_us = delay_us;
    q->random = seed | 1;
    q->error = (collet_error)COLLET_ERROR_INIT;
    q->queue = (collet_queue){ .size = sizeof q->queue, .domain = host->intern(host->self, "sim"), .native = q };
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, NULL);
    if (q->ring && pthread_create(&q->thread, NULL, queue_main, q) == 0)
        return q;
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    free(q->ring);
    free(q);
    return NULL;
}

static void enqueue(sim_queue *q, const sim_item *item)
{
    pthread_mutex_lock(&q->lock);
    while (q->n_pushed - q->n_done == SIM_RING_ITEMS)
        pthread_cond_wait(&q->changed, &q->lock);
    q->ring[q->n_pushed % SIM_RING_ITEMS] = *item;
    q->n_pushed++;
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

bool sim_queue_push(sim_queue *q, const sim_item *item)
{
    sim_graph *g = q->recording;
    if (!g) {
        enqueue(q, item);
        return true;
    }
    if (g->n_items == g->capacity) {
        uint32_t capacity = g->capacity ? 2 * g->capacity : 64;
        sim_item *grown = realloc(g->items, capacity * sizeof *grown);
        if (!grown)
            return false;
        g->items = grown;
        g->capacity = capacity;
    }
    g->items[g->n_items++] = *item;
    return true;
}

void sim_queue_drain(sim_queue *q)
{
    pthread_mutex_lock(&q->lock);
    while (q->n_done != q->n_pushed)
        pthread_cond_wait(&q->changed, &q->lock);
    pthread_mutex_unlock(&q->lock);
}

collet_status sim_queue_sync(sim_queue *q, collet_error *err)
{
    sim_queue_drain(q);
    pthread_mutex_lock(&q->lock);
    collet_error error = q->error;
    q->error = (collet_error)COLLET_ERROR_INIT;
    pthread_mutex_unlock(&q->lock);
    return error.code == COLLET_OK ? COLLET_OK : q->host->fail(err, error.code, 0, error.msg);
}

void sim_queue_destroy(sim_queue *q)
{
    if (!q)
        return;
    const sim_item stop = { .kind = SIM_STOP };
    sim_graph_destroy(q->recording); // an unfinished one: whoever recorded gave up
    q->recording = NULL;
    enqueue(q, &stop);
    pthread_join(q->thread, NULL);
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    free(q->ring);
    free(q);
}

void sim_graph_destroy(sim_graph *g)
{
    if (g)
        free(g->items);
    free(g);
}
