// SPDX-License-Identifier: Apache-2.0
// plugins/sim/sim.h - a device that is nowhere: what a GPU demands of the core, on any machine.
//
// Memory has addresses that the host cannot follow (their top bits are a tag, which no x86-64 or AArch64 process maps),
// work runs later on the queue's own thread with random pauses, copies read host memory when they run and not when
// they were asked for, and what is recorded is replayed with the addresses it was recorded with. A host address in a
// frame, a copy out of bounds or a plan that is not the step's is an error that the next sync() reports: INTERNAL,
// since whoever made the call has the defect. Nothing that was enqueued after it runs.
//
// Rule R5 of plugin.h says that plugins start no threads: the queue's thread stands for hardware, and is the exception.
#ifndef COLLET_PLUGINS_SIM_SIM_H
#define COLLET_PLUGINS_SIM_SIM_H

#include <pthread.h>
#include <stdbool.h>

#include "collet/plugin/op.h"

#define SIM_TAG 0x5157000000000000ull // in the top 16 bits of every address of the domain
#define SIM_TAG_MASK 0xffff000000000000ull
#define SIM_ALLOCATIONS_MAX 4096
#define SIM_RING_ITEMS 512

// ---- memory (sim_memory.c) ----
typedef struct sim_memory {
    pthread_mutex_t lock;
    struct {
        uint8_t *real, *data; // as malloc gave it, and its first aligned byte
        uint64_t n_bytes;
    } allocations[SIM_ALLOCATIONS_MAX];
    uint32_t n_allocations;
} sim_memory;

void *sim_memory_alloc(sim_memory *m, uint64_t n_bytes); // tagged; NULL: no memory
bool sim_memory_free(sim_memory *m, void *tagged);       // false: no allocation begins there
// The real address of [tagged, tagged + n_bytes), or NULL with a reason in why.
void *sim_memory_real(sim_memory *m, const void *tagged, uint64_t n_bytes, char *why, size_t n_why);
bool sim_is_tagged(const void *p);

// ---- queue (sim_queue.c) ----
typedef enum sim_item_kind { SIM_COPY, SIM_OP, SIM_GRAPH, SIM_STOP } sim_item_kind;

struct sim_item;
// Runs one op with real addresses; false with err filled when it must not.
typedef bool sim_run_fn(void *inst, const collet_frame *frame, collet_error *err);

typedef struct sim_graph sim_graph;
typedef struct sim_item {
    sim_item_kind kind;
    // copy
    int32_t copy_kind;
    void *dst;
    const void *src;
    uint64_t n_bytes;
    // op: a deep copy of the frame
    sim_run_fn *run;
    void *inst;
    const char *name;
    collet_frame frame;
    collet_tensor in[COLLET_OP_TENSORS_MAX], out[COLLET_OP_TENSORS_MAX];
    // graph
    const sim_graph *graph;
} sim_item;

struct sim_graph {
    sim_item *items;
    uint32_t n_items, capacity;
};

typedef struct sim_queue {
    collet_queue queue; // what the core sees; queue.native is this struct
    const collet_host *host;
    sim_memory *memory;
    uint32_t delay_us;
    uint64_t random;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    sim_item *ring; // SIM_RING_ITEMS
    uint64_t n_pushed, n_done;
    collet_error error; // the first; kept until sync() reports it
    sim_graph *recording;
} sim_queue;

sim_queue *sim_queue_create(const collet_host *host, sim_memory *memory, uint32_t delay_us, uint64_t seed);
void sim_queue_destroy(sim_queue *q);
// Enqueues, or records while capturing. Waits while the ring is full. False: no memory to record.
bool sim_queue_push(sim_queue *q, const sim_item *item);
// Waits until all has run; reports the first error since the last call, and forgets it.
collet_status sim_queue_sync(sim_queue *q, collet_error *err);
void sim_queue_drain(sim_queue *q);                                   // waits only
void sim_queue_fail(sim_queue *q, const char *what, const char *why); // INTERNAL, for the next sync
void sim_graph_destroy(sim_graph *g);

// ---- modules ----
extern const collet_module collet_sim_device, collet_sim_matmul, collet_sim_attention, collet_sim_ops;

#endif
