// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/attention/attention.c - the module cpu.attention.flash: checks, life cycle, description.
#include <string.h>

#include "plugins/cpu/attention/attention_module.h"
#include "plugins/cpu/refuse.h"

#define HEAD_DIM_MIN 8
#define HEAD_DIM_MAX 512

typedef struct attention_module {
    const collet_host *host;
    uint32_t mask; // levels offered here; 0 when AVX2 is not among them
    uint32_t attention, kv_append, cpu, i32;
    uint32_t f32, f16;          // formats of stores
    uint32_t contiguous, paged; // layouts of stores
} attention_module;

static bool tensor_fits(const attention_module *m, collet_op_caps *caps, const collet_tensor *t, const char *name,
                        uint32_t format, uint32_t n_dims)
{
    if (!t)
        return collet_cpu_refuse(caps, "%s: missing", name);
    if (t->domain != m->cpu)
        return collet_cpu_refuse(caps, "%s: not in the domain cpu", name);
    if (t->n_dims != n_dims)
        return collet_cpu_refuse(caps, "%s: %u dimensions, not %u", name, t->n_dims, n_dims);
    if (format && t->format != format)
        return collet_cpu_refuse(caps, "%s: not %s", name, m->host->name_of(m->host->self, format));
    for (uint32_t i = 0; i < n_dims; i++) {
        if (t->shape[i] < 1 || t->shape[i] > INT32_MAX)
            return collet_cpu_refuse(caps, "%s: dimension %u has %lld elements", name, i, (long long)t->shape[i]);
        if (t->stride[i] < 0)
            return collet_cpu_refuse(caps, "%s: stride %lld of dimension %u", name, (long long)t->stride[i], i);
    }
    return true;
}

// q, k, v and out: (n_tokens, heads, head_dim) f32, heads anywhere, elements together.
static bool rows_fit(const attention_module *m, collet_op_caps *caps, const collet_tensor *t, const char *name,
                     uint32_t n_heads, uint32_t head_dim)
{
    if (!tensor_fits(m, caps, t, name, m->f32, 3))
        return false;
    if (t->shape[1] != n_heads || t->shape[2] != head_dim)
        return collet_cpu_refuse(caps, "%s: (%lld, %lld), not (%u heads, %u)", name, (long long)t->shape[1],
                                 (long long)t->shape[2], n_heads, head_dim);
    if (t->stride[2] != 4 || t->stride[0] % 4 != 0 || t->stride[1] % 4 != 0)
        return collet_cpu_refuse(caps, "%s: elements of a head are not contiguous", name);
    return true;
}

static bool store_fits(const attention_module *m, collet_op_caps *caps, const collet_tensor *t, const char *name,
                       const collet_attention_params *p)
{
    if (!tensor_fits(m, caps, t, name, 0, 4))
        return false;
    if (t->format != m->f32 && t->format != m->f16)
        return collet_cpu_refuse(caps, "%s: f32 and f16 stores only", name);
    if (t->layout != m->contiguous && t->layout != m->paged)
        return collet_cpu_refuse(caps, "%s: layouts kv.contiguous and kv.paged only", name);
    if (t->shape[1] != p->n_kv_heads || t->shape[3] != p->head_dim)
        return collet_cpu_refuse(caps, "%s: %lld kv heads of %lld elements, not %u of %u", name, (long long)t->shape[1],
                                 (long long)t->shape[3], p->n_kv_heads, p->head_dim);
    const int64_t elem = t->format == m->f16 ? 2 : 4;
    if (t->stride[3] != elem || t->stride[0] % elem != 0 || t->stride[1] % elem != 0 || t->stride[2] % elem != 0)
        return collet_cpu_refuse(caps, "%s: elements of a token are not contiguous", name);
    return true;
}

static bool index_fits(const attention_module *m, collet_op_caps *caps, const collet_tensor *t, const char *name,
                       uint32_t n_dims)
{
    if (!tensor_fits(m, caps, t, name, m->i32, n_dims))
        return false;
    if (t->stride[n_dims - 1] != 4 || t->stride[0] % 4 != 0)
        return collet_cpu_refuse(caps, "%s: elements are not contiguous", name);
    return true;
}

static bool params_fit(collet_op_caps *caps, const collet_attention_params *p)
{
    if (!p || p->size < sizeof *p)
        return collet_cpu_refuse(caps, "params: %u bytes, not %zu", p ? p->size : 0, sizeof *p);
    if (p->n_kv_heads == 0 || p->n_heads == 0 || p->n_heads % p->n_kv_heads != 0)
        return collet_cpu_refuse(caps, "%u heads over %u kv heads", p->n_heads, p->n_kv_heads);
    if (p->head_dim % 8 != 0 || p->head_dim < HEAD_DIM_MIN || p->head_dim > HEAD_DIM_MAX)
        return collet_cpu_refuse(caps, "head_dim %u: multiples of 8 up to %d only", p->head_dim, HEAD_DIM_MAX);
    if (!(p->softcap >= 0.0f))
        return collet_cpu_refuse(caps, "softcap must not be negative");
    return true;
}

static bool stores_match(collet_op_caps *caps, const collet_tensor *k, const collet_tensor *v)
{
    if (k->format != v->format || k->layout != v->layout || k->shape[0] != v->shape[0] || k->shape[2] != v->shape[2])
        return collet_cpu_refuse(caps, "the stores of K and V differ in format, layout or shape");
    return true;
}

static bool append_fits(const attention_module *m, const collet_op_desc *desc, collet_op_caps *caps)
{
    const collet_attention_params *p = desc->params;
    if (desc->n_in != 3 || desc->n_out != 2)
        return collet_cpu_refuse(caps, "%u inputs, %u outputs; the op has 3, 2", desc->n_in, desc->n_out);
    return rows_fit(m, caps, desc->in[0], "in[0]", p->n_kv_heads, p->head_dim) &&
           rows_fit(m, caps, desc->in[1], "in[1]", p->n_kv_heads, p->head_dim) &&
           index_fits(m, caps, desc->in[2], "in[2]", 1) && store_fits(m, caps, desc->out[0], "out[0]", p) &&
           store_fits(m, caps, desc->out[1], "out[1]", p) && stores_match(caps, desc->out[0], desc->out[1]);
}

static bool attention_fits(const attention_module *m, const collet_op_desc *desc, collet_op_caps *caps)
{
    const collet_attention_params *p = desc->params;
    if (desc->n_in != 6 || desc->n_out != 1)
        return collet_cpu_refuse(caps, "%u inputs, %u outputs; the op has 6, 1", desc->n_in, desc->n_out);
    return rows_fit(m, caps, desc->in[0], "in[0]", p->n_heads, p->head_dim) &&
           store_fits(m, caps, desc->in[1], "in[1]", p) && store_fits(m, caps, desc->in[2], "in[2]", p) &&
           stores_match(caps, desc->in[1], desc->in[2]) && index_fits(m, caps, desc->in[3], "in[3]", 1) &&
           index_fits(m, caps, desc->in[4], "in[4]", 1) && index_fits(m, caps, desc->in[5], "in[5]", 2) &&
           rows_fit(m, caps, desc->out[0], "out[0]", p->n_heads, p->head_dim);
}

static collet_status supports(void *mod, const collet_op_desc *desc, collet_op_caps *caps)
{
    const attention_module *m = mod;
    bool fits;
    if (!m->mask)
        fits = collet_cpu_refuse(caps, "AVX2 is not offered on this machine");
    else if (desc->op != m->attention && desc->op != m->kv_append)
        fits = collet_cpu_refuse(caps, "no such op in this module");
    else
        fits = params_fit(caps, desc->params) &&
               (desc->op == m->attention ? attention_fits(m, desc, caps) : append_fits(m, desc, caps));
    if (!fits)
        return COLLET_E_UNSUPPORTED;
    caps->capture = COLLET_CAPTURE_UNIFORM;
    memset(caps->layout, 0, sizeof caps->layout);
    caps->why[0] = '\0';
    return COLLET_OK;
}

static collet_status create(void *mod, const collet_op_desc *desc, void **inst, collet_error *err)
{
    const attention_module *m = mod;
    const collet_host *host = m->host;
    const collet_attention_params *p = desc->params;
    attention_inst *a = host->alloc(host->self, sizeof *a, 64);
    if (!a)
        return host->fail(err, COLLET_E_NOMEM, 0, "no memory for an op");
    *a = (attention_inst){
        .host = host,
        .args = { .head_dim = p->head_dim,
                  .group = p->n_heads / p->n_kv_heads,
                  .window = p->window,
                  .scale = p->scale,
                  .softcap = p->softcap },
        .n_kv_heads = p->n_kv_heads,
    };
    const collet_tensor *store = desc->op == m->attention ? desc->in[1] : desc->out[0];
    const char *format = store->format == m->f16 ? "f16" : "f32";
    if (desc->op == m->attention) {
        a->decode = collet_cpu_attention_choose("decode", format, m->mask)->run;
        a->prefill = collet_cpu_attention_choose("prefill", format, m->mask)->run;
    } else {
        a->append = collet_cpu_kv_append_choose(format, m->mask)->run;
    }
    *inst = a;
    return COLLET_OK;
}

static collet_status prepare(void *inst, const collet_op_desc *bucket, uint64_t *ws_bytes, uint64_t *plan_bytes,
                             collet_error *err)
{
    attention_inst *a = inst;
    (void)err;
    *plan_bytes = 0;
    *ws_bytes = 0;
    if (a->append)
        return COLLET_OK;
    a->n_seqs_max = (uint32_t)bucket->in[4]->shape[0];
    *ws_bytes = collet_cpu_attention_ws_bytes(a);
    return COLLET_OK;
}

static collet_status run(void *inst, const collet_frame *frame)
{
    const attention_inst *a = inst;
    return a->append ? collet_cpu_kv_append_run(a, frame) : collet_cpu_attention_run(a, frame);
}

static void destroy(void *inst)
{
    attention_inst *a = inst;
    if (a)
        a->host->free(a->host->self, a);
}

static collet_status open_module(const collet_host *host, const collet_value *values, uint32_t n_values, void **mod,
                                 collet_error *err)
{
    (void)values;
    (void)n_values;
    const collet_host_cpu *cpu = host->get(host->self, COLLET_HOST_CPU_ID);
    attention_module *m = host->alloc(host->self, sizeof *m, 64);
    if (!m)
        return host->fail(err, COLLET_E_NOMEM, 0, "no memory for the module");
    *m = (attention_module){
        .host = host,
        .mask = cpu && (cpu->isa_mask & COLLET_ISA_AVX2) ? cpu->isa_mask : 0,
        .attention = host->intern(host->self, COLLET_OP_ATTENTION),
        .kv_append = host->intern(host->self, COLLET_OP_KV_APPEND),
        .cpu = host->intern(host->self, "cpu"),
        .i32 = host->intern(host->self, "i32"),
        .f32 = host->intern(host->self, "f32"),
        .f16 = host->intern(host->self, "f16"),
        .contiguous = host->intern(host->self, "kv.contiguous"),
        .paged = host->intern(host->self, "kv.paged"),
    };
    *mod = m;
    return COLLET_OK;
}

static void close_module(void *mod)
{
    attention_module *m = mod;
    if (m)
        m->host->free(m->host->self, m);
}

static const char *const ops[] = { COLLET_OP_KV_APPEND, COLLET_OP_ATTENTION, NULL };

static const collet_op_vt vt = {
    .size = sizeof(collet_op_vt),
    .supports = supports,
    .create = create,
    .prepare = prepare,
    .run = run,
    .destroy = destroy,
};

const collet_module collet_cpu_attention_flash = {
    .size = sizeof(collet_module),
    .tier = COLLET_TIER_TUNED,
    .score = 200,
    .id = "cpu.attention.flash",
    .iface = COLLET_ATTENTION_IFACE,
    .domain = "cpu",
    .summary = "tiled online softmax with AVX2 or AVX-512, over contiguous and paged stores of f32 or f16",
    .vt = &vt,
    .ops = ops,
    .open = open_module,
    .close = close_module,
};
