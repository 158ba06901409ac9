// SPDX-License-Identifier: Apache-2.0
// plugins/onednn/pack.c - weights into the library's layout, 64 rows at a time.
//
// The library sees W^T: n_columns x 64, or for s8 groups x 32 x 64. Rows are written out plainly first, filled up with
// zeros, and reordered by the library, whatever its layout is.
#include <string.h>

#include "plugins/common/blocks.h"
#include "plugins/common/f16.h"
#include "plugins/common/formats.h"
#include "plugins/onednn/engine.h"

static const uint32_t elem_bytes[ONEDNN_N_TYPES] = { 4, 2, 1 };
static const dnnl_data_type_t data_types[ONEDNN_N_TYPES] = { dnnl_f32, dnnl_bf16, dnnl_s8 };

dnnl_status_t onednn_describe(dnnl_primitive_desc_t *out, const onednn_engine *e, const onednn_shape *s,
                              const dnnl_memory_desc_t *weights)
{
    const bool s8 = s->type == ONEDNN_S8;
    const int n_dims = s8 ? 3 : 2, first = s8 ? 0 : 1; // floats have no dimension of groups
    const dnnl_dim_t k = s8 ? ONEDNN_GROUP : s->n_columns, g = s->n_groups, m = s->n_tokens, n = ONEDNN_ROWS;
    const dnnl_dims_t x[2] = { { g, m, k }, { m, k } }, w[2] = { { g, k, n }, { k, n } };
    const dnnl_dims_t y[2] = { { g, m, n }, { m, n } };
    const dnnl_dims_t x_stride[2] = { { k, s->n_columns, 1 }, { s->n_columns, 1 } };
    const dnnl_dims_t y_stride[2] = { { m * n, n, 1 }, { n, 1 } };
    dnnl_memory_desc_t src, wei, dst;
    dnnl_matmul_desc_t matmul;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t st = dnnl_memory_desc_init_by_strides(&src, n_dims, x[first], data_types[s->type], x_stride[first]);
    if (st == dnnl_success)
        st = dnnl_memory_desc_init_by_strides(&dst, n_dims, y[first], s8 ? dnnl_s32 : dnnl_f32, y_stride[first]);
    if (st == dnnl_success && weights)
        wei = *weights;
    else if (st == dnnl_success) // s8: plain, so that any number of groups can be multiplied at a time
        st = dnnl_memory_desc_init_by_tag(&wei, n_dims, w[first], data_types[s->type],
                                          s8 ? dnnl_abc : dnnl_format_tag_any);
    if (st == dnnl_success)
        st = dnnl_matmul_desc_init(&matmul, &src, &wei, NULL, &dst);
    if (st == dnnl_success)
        st = dnnl_primitive_attr_create(&attr);
    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (st == dnnl_success)
        st = dnnl_primitive_desc_create(out, &matmul, attr, e->engine, NULL);
    dnnl_primitive_attr_destroy(attr);
    return st;
}

// Asked for 16 tokens, between the two kinds of calls there are.
dnnl_status_t onednn_weight_layout(dnnl_memory_desc_t *out, const onednn_engine *e, onednn_type type,
                                   uint32_t n_columns, uint32_t n_groups)
{
    const onednn_shape shape = { .type = type, .n_columns = n_columns, .n_groups = n_groups, .n_tokens = 16 };
    dnnl_primitive_desc_t pd = NULL;
    const dnnl_status_t st = onednn_describe(&pd, e, &shape, NULL);
    if (st == dnnl_success)
        *out = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    dnnl_primitive_desc_destroy(pd);
    return st;
}

uint64_t onednn_weight_bytes(const onednn_engine *e, onednn_type type, uint32_t n_in)
{
    const uint32_t n_columns = onednn_columns(n_in);
    dnnl_memory_desc_t md;
    if (onednn_weight_layout(&md, e, type, n_columns, n_columns / ONEDNN_GROUP) != dnnl_success)
        return 0;
    return (dnnl_memory_desc_get_size(&md) + 63) / 64 * 64;
}

uint64_t onednn_block_bytes(const onednn_engine *e, onednn_type type, uint32_t n_in)
{
    const uint64_t n_scales = type == ONEDNN_S8 ? (uint64_t)onednn_columns(n_in) / ONEDNN_GROUP * ONEDNN_ROWS : 0;
    const uint64_t n_bytes = onednn_weight_bytes(e, type, n_in);
    return n_bytes ? n_bytes + n_scales * sizeof(float) : 0;
}

// One row as the library's type; `scales` is for s8: of group g at [g * ONEDNN_ROWS].
static void write_row(onednn_type type, void *out, float *scales, const onednn_rows *rows, uint32_t row)
{
    const uint8_t *data = rows->data + row * rows->row_bytes;
    if (type == ONEDNN_BF16)
        memcpy(out, data, (size_t)rows->n_in * 2);
    else if (type == ONEDNN_F32)
        collet_format_find(rows->format)->dequantize(data, out, rows->n_in);
    else
        for (uint32_t b = 0; b < rows->n_in / ONEDNN_GROUP; b++) {
            const collet_q8_0 *block = (const collet_q8_0 *)(const void *)data + b;
            memcpy((int8_t *)out + b * ONEDNN_GROUP, block->q, sizeof block->q);
            scales[b * ONEDNN_ROWS] = collet_f16_to_f32(block->d);
        }
}

static collet_status reorder(onednn_engine *e, onednn_type type, uint32_t n_columns, void *plain, void *block,
                             collet_error *err)
{
    const bool s8 = type == ONEDNN_S8;
    const dnnl_dim_t columns = n_columns, groups = n_columns / ONEDNN_GROUP;
    const dnnl_dims_t dims[2] = { { groups, ONEDNN_GROUP, ONEDNN_ROWS }, { columns, ONEDNN_ROWS } };
    const dnnl_dims_t strides[2] = { { ONEDNN_GROUP, 1, columns }, { 1, columns } };
    dnnl_memory_desc_t from, to;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_memory_t memory[2] = { NULL, NULL };
    dnnl_stream_t stream = NULL; // blocks are packed side by side, and a stream is one thread's
    dnnl_status_t st = onednn_weight_layout(&to, e, type, n_columns, (uint32_t)groups);
    if (st == dnnl_success)
        st = dnnl_memory_desc_init_by_strides(&from, s8 ? 3 : 2, dims[!s8], data_types[type], strides[!s8]);
    if (st == dnnl_success)
        st = dnnl_reorder_primitive_desc_create(&pd, &from, e->engine, &to, e->engine, NULL);
    if (st == dnnl_success)
        st = dnnl_primitive_create(&primitive, pd);
    if (st == dnnl_success)
        st = dnnl_stream_create(&stream, e->engine, dnnl_stream_in_order);
    if (st == dnnl_success)
        st = dnnl_memory_create(&memory[0], &from, e->engine, plain);
    if (st == dnnl_success)
        st = dnnl_memory_create(&memory[1], &to, e->engine, block);
    const dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, memory[0] }, { DNNL_ARG_TO, memory[1] } };
    if (st == dnnl_success)
        st = dnnl_primitive_execute(primitive, stream, 2, args);
    dnnl_memory_destroy(memory[0]);
    dnnl_memory_destroy(memory[1]);
    dnnl_stream_destroy(stream);
    dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(pd);
    return onednn_check(e->host, st, "reorder of weights", err);
}

collet_status onednn_pack_block(onednn_engine *e, onednn_type type, const onednn_rows *rows, uint8_t *block,
                                collet_error *err)
{
    const uint32_t n_columns = onednn_columns(rows->n_in);
    const size_t row_bytes = (size_t)n_columns * elem_bytes[type];
    uint8_t *plain = e->host->alloc(e->host->self, ONEDNN_ROWS * row_bytes, 64);
    if (!plain)
        return e->host->fail(err, COLLET_E_NOMEM, 0, "no memory for 64 rows of weights");
    float *scales = (float *)(void *)(block + onednn_weight_bytes(e, type, rows->n_in));
    memset(plain, 0, ONEDNN_ROWS * row_bytes);
    if (type == ONEDNN_S8)
        memset(scales, 0, (size_t)n_columns / ONEDNN_GROUP * ONEDNN_ROWS * sizeof(float));
    for (uint32_t r = 0; r < rows->n_rows; r++)
        write_row(type, plain + r * row_bytes, scales + r, rows, r);
    onednn_one_thread one;
    onednn_one_thread_begin(&one);
    const collet_status st = reorder(e, type, n_columns, plain, block, err);
    onednn_one_thread_end(&one);
    e->host->free(e->host->self, plain);
    return st;
}
