// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/null_slots.c - one module per required slot, which is NULL there, and per half-filled group;
// the last one is sound.
#include "collet/plugin/attention.h"
#include "collet/plugin/device.h"
#include "collet/plugin/kvcache.h"
#include "collet/plugin/ops.h"
#include "collet/plugin/quant.h"
#include "fixture.h"

// Nobody calls these: a slot that is not NULL is all that counts here. SLOT names the one that is NULL.
static void any(void)
{
}

#define FN(type, slot) (__typeof__(((type *)0)->slot))(void *)any
#define OP(...)                                                                                                   \
    {                                                                                                             \
        .size = sizeof(collet_op_vt), .supports = FN(collet_op_vt, supports), .create = FN(collet_op_vt, create), \
        .run = FN(collet_op_vt, run), .destroy = FN(collet_op_vt, destroy), __VA_ARGS__                           \
    }
#define DEV(...)                                                                                                  \
    {                                                                                                             \
        .size = sizeof(collet_device_vt), .info = FN(collet_device_vt, info),                                     \
        .mem_alloc = FN(collet_device_vt, mem_alloc), .mem_free = FN(collet_device_vt, mem_free),                 \
        .queue_create = FN(collet_device_vt, queue_create), .queue_destroy = FN(collet_device_vt, queue_destroy), \
        .copy = FN(collet_device_vt, copy), .sync = FN(collet_device_vt, sync), __VA_ARGS__                       \
    }
#define KV(...)                                                                             \
    {                                                                                       \
        .size = sizeof(collet_kvcache_vt), .describe = FN(collet_kvcache_vt, describe),     \
        .create = FN(collet_kvcache_vt, create), .destroy = FN(collet_kvcache_vt, destroy), \
        .views = FN(collet_kvcache_vt, views), __VA_ARGS__                                  \
    }
#pragma GCC diagnostic ignored "-Woverride-init"

#define CASES(CASE)                                                                                    \
    CASE(op, supports, collet_op_vt, OP(.supports = 0), COLLET_MATMUL_IFACE)                           \
    CASE(op, create, collet_op_vt, OP(.create = 0), COLLET_ATTENTION_IFACE)                            \
    CASE(op, run, collet_op_vt, OP(.run = 0), COLLET_MATMUL_IFACE)                                     \
    CASE(op, destroy, collet_op_vt, OP(.destroy = 0), COLLET_OPS_IFACE)                                \
    CASE(op, pack, collet_op_vt, OP(.pack_size = FN(collet_op_vt, pack_size)), COLLET_MATMUL_IFACE)    \
    CASE(device, info, collet_device_vt, DEV(.info = 0), COLLET_DEVICE_IFACE)                          \
    CASE(device, mem_alloc, collet_device_vt, DEV(.mem_alloc = 0), COLLET_DEVICE_IFACE)                \
    CASE(device, mem_free, collet_device_vt, DEV(.mem_free = 0), COLLET_DEVICE_IFACE)                  \
    CASE(device, queue_create, collet_device_vt, DEV(.queue_create = 0), COLLET_DEVICE_IFACE)          \
    CASE(device, queue_destroy, collet_device_vt, DEV(.queue_destroy = 0), COLLET_DEVICE_IFACE)        \
    CASE(device, copy, collet_device_vt, DEV(.copy = 0), COLLET_DEVICE_IFACE)                          \
    CASE(device, sync, collet_device_vt, DEV(.sync = 0), COLLET_DEVICE_IFACE)                          \
    CASE(device, capture_end, collet_device_vt, DEV(.capture_end = FN(collet_device_vt, capture_end)), \
         COLLET_DEVICE_IFACE)                                                                          \
    CASE(quant, dequantize, collet_quant_vt, QUANT(0), COLLET_QUANT_IFACE)                             \
    CASE(kvcache, describe, collet_kvcache_vt, KV(.describe = 0), COLLET_KVCACHE_IFACE)                \
    CASE(kvcache, create, collet_kvcache_vt, KV(.create = 0), COLLET_KVCACHE_IFACE)                    \
    CASE(kvcache, destroy, collet_kvcache_vt, KV(.destroy = 0), COLLET_KVCACHE_IFACE)                  \
    CASE(kvcache, views, collet_kvcache_vt, KV(.views = 0), COLLET_KVCACHE_IFACE)

#define QUANT(f)                                                                                              \
    {                                                                                                         \
        .size = sizeof(collet_quant_vt), .block_elems = 32, .block_bytes = 34, .format = "x", .dequantize = f \
    }

#define DECLARE(group, slot, type, value, iface_id)                                  \
    static const type vt_##group##_##slot = value;                                   \
    static const collet_module m_##group##_##slot = { .size = sizeof(collet_module), \
                                                      .id = #group "." #slot,        \
                                                      .iface = iface_id,             \
                                                      .domain = "cpu",               \
                                                      .vt = &vt_##group##_##slot,    \
                                                      .ops = fixture_ops };
CASES(DECLARE)

#define ADDRESS(group, slot, type, value, iface_id) &m_##group##_##slot,
static const collet_module *const modules[] = { CASES(ADDRESS) & fixture_module };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "fixture", .version = "1.0",
                                      .n_modules = COLLET_COUNT(modules), .modules = modules };
COLLET_PLUGIN(record)
