// SPDX-License-Identifier: Apache-2.0
// core/plugin/iface.c - tables of slots; a vtable is copied into the core's own, so hot paths test neither size nor
// NULL.
#include "core/plugin/iface.h"

#include <stddef.h>
#include <string.h>

#include "collet/plugin/attention.h"
#include "collet/plugin/device.h"
#include "collet/plugin/kvcache.h"
#include "collet/plugin/matmul.h"
#include "collet/plugin/op.h"
#include "collet/plugin/ops.h"
#include "collet/plugin/quant.h"
#include "core/base/error.h"
#include "core/plugin/record.h"

// Stubs know neither module nor call: the caller, which does, puts that in front of the message.
static collet_status no_event_record(void *mod, const collet_queue *queue, uint64_t *event, collet_error *err)
{
    (void)mod, (void)queue, (void)event;
    return collet_fail(err, COLLET_E_UNSUPPORTED, "event_record: this device module has no events: use one queue");
}

static collet_status no_event_wait(void *mod, const collet_queue *queue, uint64_t event, collet_error *err)
{
    (void)mod, (void)queue, (void)event;
    return collet_fail(err, COLLET_E_UNSUPPORTED, "event_wait: this device module has no events: use one queue");
}

// clang-format off
#define REQUIRED(vt, slot) { .name = #slot, .offset = offsetof(vt, slot), .required = 1 }
#define OPTIONAL(vt, slot) { .name = #slot, .offset = offsetof(vt, slot) }              // NULL stays NULL
#define GROUPED(vt, slot, g) { .name = #slot, .offset = offsetof(vt, slot), .group = g } // all of a group or none
#define STUBBED(vt, slot, f) { .name = #slot, .offset = offsetof(vt, slot), .stub = (collet_slot_fn)(f) }

// prepare NULL: no workspace, no plan. plan NULL: nothing before a step. pack NULL: canonical weights only.
static const collet_slot op_slots[] = {
    REQUIRED(collet_op_vt, supports),
    REQUIRED(collet_op_vt, create),
    OPTIONAL(collet_op_vt, prepare),
    OPTIONAL(collet_op_vt, plan),
    REQUIRED(collet_op_vt, run),
    GROUPED(collet_op_vt, pack_size, 1),
    GROUPED(collet_op_vt, pack, 1),
    REQUIRED(collet_op_vt, destroy),
    { 0 },
};

// Events are called wherever two queues meet, so they get stubs. capture_* NULL: the core runs each step.
static const collet_slot device_slots[] = {
    REQUIRED(collet_device_vt, info),
    REQUIRED(collet_device_vt, mem_alloc),
    REQUIRED(collet_device_vt, mem_free),
    REQUIRED(collet_device_vt, queue_create),
    REQUIRED(collet_device_vt, queue_destroy),
    REQUIRED(collet_device_vt, copy),
    STUBBED(collet_device_vt, event_record, no_event_record),
    STUBBED(collet_device_vt, event_wait, no_event_wait),
    REQUIRED(collet_device_vt, sync),
    GROUPED(collet_device_vt, capture_begin, 1),
    GROUPED(collet_device_vt, capture_end, 1),
    GROUPED(collet_device_vt, graph_launch, 1),
    GROUPED(collet_device_vt, graph_destroy, 1),
    { 0 },
};

// quantize NULL: the format cannot be made here.
static const collet_slot quant_slots[] = {
    REQUIRED(collet_quant_vt, dequantize),
    OPTIONAL(collet_quant_vt, quantize),
    { 0 },
};

static const collet_slot kvcache_slots[] = {
    REQUIRED(collet_kvcache_vt, describe),
    REQUIRED(collet_kvcache_vt, create),
    REQUIRED(collet_kvcache_vt, destroy),
    REQUIRED(collet_kvcache_vt, views),
    { 0 },
};
#undef REQUIRED
#undef OPTIONAL
#undef GROUPED
#undef STUBBED
// clang-format on

static collet_status check_quant(const void *vt, collet_error *err)
{
    enum { BLOCK_ELEMS_MAX = 65536, BLOCK_BYTES_MAX = 1 << 20 };
    const collet_quant_vt *q = vt;
    if (q->block_elems < 1 || q->block_elems > BLOCK_ELEMS_MAX || q->block_bytes < 1 ||
        q->block_bytes > BLOCK_BYTES_MAX)
        return collet_fail(err, COLLET_E_ABI, "a block of %u elements in %u bytes; 1..%d in 1..%d were wanted",
                           q->block_elems, q->block_bytes, BLOCK_ELEMS_MAX, BLOCK_BYTES_MAX);
    char name[COLLET_ID_MAX + 1];
    return collet_record_id(name, q->format, "format", err);
}

#define VT_BYTES_MIN(vt, last) (offsetof(vt, last) + sizeof(((vt *)0)->last))

static const collet_iface_rules known[] = {
    { .iface = { .id = COLLET_DEVICE_IFACE, .vt_bytes = sizeof(collet_device_vt), .slot = "device" },
      .vt_bytes_min = VT_BYTES_MIN(collet_device_vt, sync),
      .slots = device_slots },
    { .iface = { .id = COLLET_MATMUL_IFACE, .vt_bytes = sizeof(collet_op_vt), .slot = "matmul" },
      .vt_bytes_min = VT_BYTES_MIN(collet_op_vt, destroy),
      .has_ops = 1,
      .slots = op_slots },
    { .iface = { .id = COLLET_ATTENTION_IFACE, .vt_bytes = sizeof(collet_op_vt), .slot = "attention" },
      .vt_bytes_min = VT_BYTES_MIN(collet_op_vt, destroy),
      .has_ops = 1,
      .slots = op_slots },
    { .iface = { .id = COLLET_OPS_IFACE, .vt_bytes = sizeof(collet_op_vt), .slot = "ops" },
      .vt_bytes_min = VT_BYTES_MIN(collet_op_vt, destroy),
      .has_ops = 1,
      .slots = op_slots },
    { .iface = { .id = COLLET_QUANT_IFACE, .vt_bytes = sizeof(collet_quant_vt), .slot = "quant" },
      .vt_bytes_min = VT_BYTES_MIN(collet_quant_vt, dequantize),
      .slots = quant_slots,
      .check = check_quant },
    { .iface = { .id = COLLET_KVCACHE_IFACE, .vt_bytes = sizeof(collet_kvcache_vt), .slot = "kvcache" },
      .vt_bytes_min = VT_BYTES_MIN(collet_kvcache_vt, views),
      .slots = kvcache_slots },
};

const collet_iface_rules *collet_iface_rules_find(const char *id)
{
    for (size_t i = 0; i < COLLET_COUNT(known); i++)
        if (strcmp(known[i].iface.id, id) == 0)
            return &known[i];
    return NULL;
}

const collet_iface *collet_iface_find(const char *id)
{
    const collet_iface_rules *rules = collet_iface_rules_find(id);
    return rules ? &rules->iface : NULL;
}

static collet_slot_fn slot_get(const void *vt, const collet_slot *s)
{
    collet_slot_fn f;
    memcpy(&f, (const char *)vt + s->offset, sizeof f);
    return f;
}

static void slot_set(void *vt, const collet_slot *s, collet_slot_fn f)
{
    memcpy((char *)vt + s->offset, &f, sizeof f);
}

// The first slot of this one's group that differs from it in being NULL; NULL when the group agrees.
static const collet_slot *group_breaker(const void *vt, const collet_slot *slots, const collet_slot *s)
{
    for (const collet_slot *o = slots; o->name; o++)
        if (o->group == s->group && !slot_get(vt, o) != !slot_get(vt, s))
            return o;
    return NULL;
}

collet_status collet_iface_copy(void *vt, const collet_iface_rules *rules, const void *from, collet_error *err)
{
    collet_status st = collet_record_struct(vt, rules->iface.vt_bytes, rules->vt_bytes_min, from, "vtable", err);
    if (st != COLLET_OK)
        return st;
    for (const collet_slot *s = rules->slots; s->name; s++) {
        collet_slot_fn f = slot_get(vt, s);
        if (!f && s->required)
            return collet_fail(err, COLLET_E_ABI, "required slot '%s' of %s is NULL: fill it, or leave the module out",
                               s->name, rules->iface.id);
        const collet_slot *other = s->group ? group_breaker(vt, rules->slots, s) : NULL;
        if (other)
            return collet_fail(err, COLLET_E_ABI, "slots '%s' and '%s' of %s go together, but only one of them is NULL",
                               s->name, other->name, rules->iface.id);
        if (!f && s->stub)
            slot_set(vt, s, s->stub);
    }
    return rules->check ? rules->check(vt, err) : COLLET_OK;
}
