// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/ops_supports.c - everything that run() takes for granted is checked here, and refused by name.
#include <string.h>

#include "plugins/cpu/ops/ops_module.h"
#include "plugins/cpu/refuse.h"

const char *const collet_cpu_ops_names[OPS_KINDS + 1] = {
    [OPS_ADD] = "add",           [OPS_ADD_RMSNORM] = "add_rmsnorm", [OPS_EMBED] = "embed",
    [OPS_GELU_MUL] = "gelu_mul", [OPS_RMSNORM] = "rmsnorm",         [OPS_ROPE] = "rope",
    [OPS_SILU_MUL] = "silu_mul", [OPS_SOFTCAP] = "softcap",         [OPS_TAKE_ROWS] = "take_rows",
    [OPS_KINDS] = NULL,
};

// Tensors of each op, as written in the ABI's ops.h: T tokens, R rows, d the row's dim, h heads, n_rot / 2, v vocab.
typedef struct ops_shape {
    const char *in[3], *out[2]; // "Td": f32 (T, dim); "Ti": i32 (T); "vd": a table; "d": f32 (dim)
    size_t params_bytes;
} ops_shape;

static const ops_shape shapes[OPS_KINDS] = {
    [OPS_ADD] = { .in = { "Td", "Td" }, .out = { "Td" } },
    [OPS_ADD_RMSNORM] = { .in = { "Td", "Td", "d" },
                          .out = { "Td", "Td" },
                          .params_bytes = sizeof(collet_norm_params) },
    [OPS_EMBED] = { .in = { "Ti", "vd" }, .out = { "Td" }, .params_bytes = sizeof(collet_embed_params) },
    [OPS_GELU_MUL] = { .in = { "Td", "Td" }, .out = { "Td" } },
    [OPS_RMSNORM] = { .in = { "T*d", "d" }, .out = { "T*d" }, .params_bytes = sizeof(collet_norm_params) },
    [OPS_ROPE] = { .in = { "Thd", "Ti", "f" }, .out = { "Thd" }, .params_bytes = sizeof(collet_rope_params) },
    [OPS_SILU_MUL] = { .in = { "Td", "Td" }, .out = { "Td" } },
    [OPS_SOFTCAP] = { .in = { "Td" }, .out = { "Td" }, .params_bytes = sizeof(collet_softcap_params) },
    [OPS_TAKE_ROWS] = { .in = { "Td", "Ri" }, .out = { "Rd" } },
};

ops_kind collet_cpu_ops_kind(const ops_module *m, uint32_t op)
{
    ops_kind kind = OPS_ADD;
    while (kind < OPS_KINDS && (op == 0 || m->op[kind] != op))
        kind++;
    return kind;
}

// Sizes that the letters stand for, learnt from the first tensor that has them and held against all others.
typedef struct ops_sizes {
    int64_t of[128];
} ops_sizes;

static bool same_size(collet_op_caps *caps, ops_sizes *sizes, char letter, int64_t n, const char *name)
{
    if (n < 1 || n > INT32_MAX)
        return collet_cpu_refuse(caps, "%s: a dimension of %lld elements", name, (long long)n);
    if (sizes->of[(int)letter] == 0)
        sizes->of[(int)letter] = n;
    if (sizes->of[(int)letter] != n)
        return collet_cpu_refuse(caps, "%s: %lld elements where another tensor has %lld", name, (long long)n,
                                 (long long)sizes->of[(int)letter]);
    return true;
}

// Letters of `want`: one a dimension, the last one 'i' when the elements are i32; "T*d" is (T, dim) or (T, heads, dim).
static bool tensor_fits(const ops_module *m, collet_op_caps *caps, ops_sizes *sizes, const collet_tensor *t,
                        const char *want, const char *name)
{
    if (!t)
        return collet_cpu_refuse(caps, "%s: missing", name);
    if (strcmp(want, "T*d") == 0)
        want = t->n_dims == 3 ? "Thd" : "Td";
    const bool is_index = strchr(want, 'i') != NULL, is_table = want[0] == 'v';
    const uint32_t n_dims = (uint32_t)strlen(want) - is_index;
    if (t->n_dims != n_dims)
        return collet_cpu_refuse(caps, "%s: %u dimensions, not %u", name, t->n_dims, n_dims);
    if (t->domain != m->cpu)
        return collet_cpu_refuse(caps, "%s: not in the domain cpu", name);
    if (t->layout != 0 && !is_table)
        return collet_cpu_refuse(caps, "%s: packed; only the canonical layout is read", name);
    for (uint32_t i = 0; i < n_dims; i++)
        if (!same_size(caps, sizes, want[i], t->shape[i], name))
            return false;
    if (is_table)
        return true; // its format and layout are looked up by embed_fits
    if (t->format != (is_index ? m->i32 : m->f32))
        return collet_cpu_refuse(caps, "%s: not %s", name, is_index ? "i32" : "f32");
    if (t->stride[n_dims - 1] != 4)
        return collet_cpu_refuse(caps, "%s: elements of the last dimension are not contiguous", name);
    for (uint32_t i = 0; i + 1 < n_dims; i++)
        if (t->stride[i] < 0 || t->stride[i] % 4 != 0)
            return collet_cpu_refuse(caps, "%s: stride %lld of dimension %u", name, (long long)t->stride[i], i);
    return true;
}

static bool embed_fits(const ops_module *m, collet_op_caps *caps, const collet_tensor *table)
{
    const char *format = m->host->name_of(m->host->self, table->format);
    const collet_format *f = format ? collet_format_find(format) : NULL;
    if (!f)
        return collet_cpu_refuse(caps, "in[1]: no decoder of format %s", format ? format : "(none)");
    if (table->shape[1] % f->block_elems != 0)
        return collet_cpu_refuse(caps, "in[1]: rows of %lld elements, %s has blocks of %u", (long long)table->shape[1],
                                 format, f->block_elems);
    if (table->layout != 0) {
        const char *layout = m->host->name_of(m->host->self, table->layout);
        const collet_cpu_packing *packing = collet_cpu_packing_find(format);
        if (!layout || !packing || strcmp(layout, packing->layout) != 0)
            return collet_cpu_refuse(caps, "in[1]: packed as %s, which is not read here", layout ? layout : "(none)");
        return true;
    }
    if (table->stride[0] < table->shape[1] / f->block_elems * f->block_bytes)
        return collet_cpu_refuse(caps, "in[1]: row stride %lld, less than a row", (long long)table->stride[0]);
    return true;
}

static bool params_fit(collet_op_caps *caps, ops_kind kind, const void *params, const ops_sizes *sizes)
{
    uint32_t size = 0; // every params struct begins with its size
    if (shapes[kind].params_bytes == 0)
        return true;
    if (params)
        memcpy(&size, params, sizeof size);
    if (size < shapes[kind].params_bytes)
        return collet_cpu_refuse(caps, "params: %u bytes, not %zu", size, shapes[kind].params_bytes);
    if (kind == OPS_SOFTCAP && !(((const collet_softcap_params *)params)->cap > 0.0f))
        return collet_cpu_refuse(caps, "cap must be positive");
    if (kind == OPS_ROPE) {
        const collet_rope_params *rope = params;
        if (rope->pairs != COLLET_ROPE_NORM && rope->pairs != COLLET_ROPE_NEOX)
            return collet_cpu_refuse(caps, "pairs %u: neither NORM nor NEOX", rope->pairs);
        if (rope->n_rot == 0 || rope->n_rot % 2 != 0 || rope->n_rot > sizes->of['d'])
            return collet_cpu_refuse(caps, "n_rot %u of heads with %lld elements", rope->n_rot,
                                     (long long)sizes->of['d']);
        if (sizes->of['f'] != rope->n_rot / 2)
            return collet_cpu_refuse(caps, "in[2]: %lld frequencies, not n_rot / 2 = %u", (long long)sizes->of['f'],
                                     rope->n_rot / 2);
    }
    return true;
}

static bool fits(const ops_module *m, const collet_op_desc *desc, collet_op_caps *caps)
{
    if (!m->mask)
        return collet_cpu_refuse(caps, "%s is not offered on this machine", m->level);
    const ops_kind kind = collet_cpu_ops_kind(m, desc->op);
    if (kind == OPS_KINDS)
        return collet_cpu_refuse(caps, "no such op in this module");
    if (!collet_cpu_ops_choose(collet_cpu_ops_names[kind], "any", m->mask))
        return collet_cpu_refuse(caps, "no kernel of this level for %s", collet_cpu_ops_names[kind]);

    static const char *const in_name[] = { "in[0]", "in[1]", "in[2]" }, *const out_name[] = { "out[0]", "out[1]" };
    const ops_shape *shape = &shapes[kind];
    uint32_t n_in = 0, n_out = 0;
    while (n_in < COLLET_COUNT(shape->in) && shape->in[n_in])
        n_in++;
    while (n_out < COLLET_COUNT(shape->out) && shape->out[n_out])
        n_out++;
    if (desc->n_in != n_in || desc->n_out != n_out)
        return collet_cpu_refuse(caps, "%u inputs, %u outputs; the op has %u, %u", desc->n_in, desc->n_out, n_in,
                                 n_out);
    ops_sizes sizes = { { 0 } };
    for (uint32_t i = 0; i < n_in; i++)
        if (!tensor_fits(m, caps, &sizes, desc->in[i], shape->in[i], in_name[i]))
            return false;
    for (uint32_t i = 0; i < n_out; i++)
        if (!tensor_fits(m, caps, &sizes, desc->out[i], shape->out[i], out_name[i]))
            return false;
    if (kind == OPS_RMSNORM && desc->in[0]->n_dims != desc->out[0]->n_dims)
        return collet_cpu_refuse(caps, "out[0]: not shaped like in[0]");
    if (kind == OPS_EMBED && !embed_fits(m, caps, desc->in[1]))
        return false;
    return params_fit(caps, kind, desc->params, &sizes);
}

collet_status collet_cpu_ops_supports(void *mod, const collet_op_desc *desc, collet_op_caps *caps)
{
    if (!fits(mod, desc, caps))
        return COLLET_E_UNSUPPORTED;
    caps->capture = COLLET_CAPTURE_ANY;
    memset(caps->layout, 0, sizeof caps->layout);
    for (uint32_t i = 0; i < desc->n_in; i++)
        caps->layout[i] = desc->in[i]->layout; // 0 but for a table that is packed already
    caps->why[0] = '\0';
    return COLLET_OK;
}
