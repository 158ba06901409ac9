// SPDX-License-Identifier: Apache-2.0
// include/collet/plugin/device.h - collet.device/0: memory, an in-order queue, copies, events, capture of one domain.
//
// Only the device module of a domain makes queues, memory and graphs; op modules of that domain (any plugin's) are
// given a queue and may do one thing: enqueue. What varies from step to step reaches a captured op through memory at a
// fixed address: tensors' contents and the plan buffer.
#ifndef COLLET_PLUGIN_DEVICE_H
#define COLLET_PLUGIN_DEVICE_H

#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COLLET_DEVICE_IFACE "collet.device/0"

enum { COLLET_QUEUE_CAPTURING = 1 };

// Made by the device module; plain data, so that run() makes no call to learn its stream.
typedef struct collet_queue {
    uint32_t size, flags;
    uint32_t domain; // interned
    int32_t index;   // device within the domain
    void *native;    // CUstream | sim queue | NULL on cpu
    void *native_ctx;
    void *owner; // the device module's own
} collet_queue;

enum {
    COLLET_COPY_TO_DEVICE = 1, // src is host memory, dst of the domain
    COLLET_COPY_TO_HOST = 2,   // the other way
    COLLET_COPY_ON_DEVICE = 3
};

typedef struct collet_device_info {
    uint32_t size;
    uint32_t host_visible;    // 1: addresses of the domain are host addresses (cpu); weights are used where mapped
    uint64_t mem_bytes_total; // 0 when unknown
    char name[96];
} collet_device_info;

typedef struct collet_device_vt {
    uint32_t size;
    uint32_t reserved;

    collet_status (*info)(void *mod, int32_t index, collet_device_info *out, collet_error *err); // mandatory

    // Memory of the domain, zeroed, 64-byte aligned at least. Mandatory both.
    // Ownership: gives; mem_free frees.  Errors: NOMEM.  Threads: [any-thread], never during capture
    collet_status (*mem_alloc)(void *mod, int32_t index, uint64_t n_bytes, void **data, collet_error *err);
    void (*mem_free)(void *mod, int32_t index, void *data, uint64_t n_bytes);

    // Mandatory both.  Threads: [load].  queue_destroy waits for what is enqueued.
    collet_status (*queue_create)(void *mod, int32_t index, collet_queue **out, collet_error *err);
    void (*queue_destroy)(void *mod, collet_queue *queue);

    // Enqueues a copy of n_bytes. Host memory must stay untouched until the queue has passed it; during capture the
    // copy is recorded with its addresses. Mandatory.  Threads: [one-caller] per queue
    collet_status (*copy)(void *mod, const collet_queue *queue, int32_t kind, void *dst, const void *src,
                          uint64_t n_bytes, collet_error *err);

    // Events order queues: record() returns a ticket, wait() makes `queue` wait for it. NULL: one queue only.
    collet_status (*event_record)(void *mod, const collet_queue *queue, uint64_t *event, collet_error *err);
    collet_status (*event_wait)(void *mod, const collet_queue *queue, uint64_t event, collet_error *err);

    // Returns when everything enqueued has run; asynchronous errors surface here. Mandatory.
    collet_status (*sync)(void *mod, const collet_queue *queue, collet_error *err);

    // Records what is enqueued between begin and end instead of running it; launch() enqueues it all again.
    // NULL all four: the domain cannot record, and the core runs each step.
    collet_status (*capture_begin)(void *mod, collet_queue *queue, collet_error *err);
    collet_status (*capture_end)(void *mod, collet_queue *queue, void **graph, collet_error *err);
    collet_status (*graph_launch)(void *mod, const collet_queue *queue, void *graph, collet_error *err);
    void (*graph_destroy)(void *mod, void *graph);
} collet_device_vt;

#ifdef __cplusplus
}
#endif
#endif
