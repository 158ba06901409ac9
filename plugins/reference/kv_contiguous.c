// SPDX-License-Identifier: Apache-2.0
// plugins/reference/kv_contiguous.c - kv.contiguous: one block per sequence, as long as the context.
//
// Simple and never fragmented; a short sequence holds the address space of a long one, though its pages are touched
// only as it grows.
#include <stdbool.h>
#include <string.h>

#include "collet/plugin/kvcache.h"
#include "plugins/reference/reference.h"

typedef struct kv_mod {
    const collet_host *host;
    uint32_t layout, format;
    uint32_t elem_bytes;
} kv_mod;

typedef struct kv_cache {
    const kv_mod *mod;
    collet_kv_config config;
    collet_buffer *buffer;
    uint8_t *data;
    uint64_t store_bytes; // of K or V of one layer
} kv_cache;

static const char *const dtypes[] = { "f16", "f32", NULL };
static const collet_option dtype_option = {
    .size = sizeof(collet_option),
    .type = COLLET_OPT_ENUM,
    .key = "dtype",
    .help = "Element type of keys and values.",
    .dflt = "f16",
    .choices = dtypes,
};
static const collet_option *const options[] = { &dtype_option, NULL };

static collet_status open_kv(const collet_host *host, const collet_value *values, uint32_t n_values, void **mod,
                             collet_error *err)
{
    kv_mod *m = host->alloc(host->self, sizeof *m, 16);
    if (!m)
        return host->fail(err, COLLET_E_NOMEM, 0, "no memory for kv.contiguous");
    const char *dtype = n_values > 0 && values[0].u.s ? values[0].u.s : "f16";
    *m = (kv_mod){ .host = host,
                   .layout = host->intern(host->self, "kv.contiguous"),
                   .format = host->intern(host->self, dtype),
                   .elem_bytes = strcmp(dtype, "f32") == 0 ? 4 : 2 };
    *mod = m;
    return COLLET_OK;
}

static void close_kv(void *mod)
{
    kv_mod *m = mod;
    m->host->free(m->host->self, m);
}

// Bytes of one layer's K or V, and of everything; false: more than can be counted.
static bool store_size(const kv_mod *m, const collet_kv_config *c, uint64_t *store_bytes, uint64_t *n_bytes)
{
    uint64_t n = m->elem_bytes;
    if (__builtin_mul_overflow(n, (uint64_t)c->n_seqs_max, &n) ||
        __builtin_mul_overflow(n, (uint64_t)c->n_kv_heads, &n) ||
        __builtin_mul_overflow(n, (uint64_t)c->context_max, &n) || __builtin_mul_overflow(n, (uint64_t)c->head_dim, &n))
        return false;
    if (__builtin_add_overflow(n, 63, &n))
        return false;
    *store_bytes = n & ~(uint64_t)63;
    return !__builtin_mul_overflow(*store_bytes, 2ull * c->n_layers, n_bytes);
}

static collet_status describe(void *mod, const collet_kv_config *c, collet_kv_geometry *out, collet_error *err)
{
    const kv_mod *m = mod;
    uint64_t store_bytes = 0, n_bytes = 0;
    if (c->n_seqs_max == 0 || c->context_max == 0 || c->n_kv_heads == 0 || c->head_dim == 0)
        return m->host->fail(err, COLLET_E_INVALID, 0,
                             "kv.contiguous: nothing to store: requests, context, heads and "
                             "head size are all at least 1");
    // A slot is block * block_tokens + offset in 32 bits.
    if (!store_size(m, c, &store_bytes, &n_bytes) || (uint64_t)c->n_seqs_max * c->context_max > INT32_MAX)
        return m->host->fail(err, COLLET_E_INVALID, 0,
                             "kv.contiguous: requests times context is more than 2^31 tokens; lower engine.context or "
                             "engine.max_requests");
    out->layout = m->layout;
    out->format = m->format;
    out->block_tokens = c->context_max;
    out->n_blocks = c->n_seqs_max;
    out->n_bytes = n_bytes;
    return COLLET_OK;
}

static collet_status create(void *mod, const collet_kv_config *c, void **kv, collet_error *err)
{
    const kv_mod *m = mod;
    collet_kv_geometry geometry = { .size = sizeof geometry };
    collet_status st = describe(mod, c, &geometry, err);
    if (st != COLLET_OK)
        return st;
    uint64_t n_bytes = 0;
    kv_cache *cache = m->host->alloc(m->host->self, sizeof *cache, 16);
    if (!cache)
        return m->host->fail(err, COLLET_E_NOMEM, 0, "no memory for kv.contiguous");
    *cache = (kv_cache){ .mod = m, .config = *c };
    store_size(m, c, &cache->store_bytes, &n_bytes);
    void *data = NULL;
    st = m->host->buf_alloc(m->host->self, c->domain, n_bytes, "kv cache", &cache->buffer, &data, err);
    if (st != COLLET_OK) {
        m->host->free(m->host->self, cache);
        return st;
    }
    cache->data = data;
    *kv = cache;
    return COLLET_OK;
}

static void destroy(void *kv)
{
    kv_cache *cache = kv;
    if (!cache)
        return;
    const collet_host *host = cache->mod->host;
    host->buf_free(host->self, cache->buffer);
    host->free(host->self, cache);
}

static collet_status views(void *kv, uint32_t layer, collet_tensor *k, collet_tensor *v, collet_error *err)
{
    const kv_cache *cache = kv;
    const collet_kv_config *c = &cache->config;
    if (layer >= c->n_layers)
        return cache->mod->host->fail(err, COLLET_E_INVALID, 0, "kv.contiguous: no such layer");
    int64_t elem = cache->mod->elem_bytes;
    collet_tensor t = {
        .size = sizeof t,
        .n_dims = 4,
        .format = cache->mod->format,
        .layout = cache->mod->layout,
        .domain = c->domain,
        .n_bytes = cache->store_bytes,
        .shape = { c->n_seqs_max, c->n_kv_heads, c->context_max, c->head_dim },
        .stride = { elem * c->n_kv_heads * c->context_max * c->head_dim, elem * c->context_max * c->head_dim,
                    elem * c->head_dim, elem },
    };
    t.data = cache->data + 2 * (uint64_t)layer * cache->store_bytes;
    *k = t;
    t.data = cache->data + (2 * (uint64_t)layer + 1) * cache->store_bytes;
    *v = t;
    return COLLET_OK;
}

static const collet_kvcache_vt vt = {
    .size = sizeof vt,
    .describe = describe,
    .create = create,
    .destroy = destroy,
    .views = views,
};

const collet_module collet_kv_contiguous = {
    .size = sizeof(collet_module),
    .tier = COLLET_TIER_GENERIC,
    .score = 100,
    .id = "kv.contiguous",
    .iface = COLLET_KVCACHE_IFACE,
    .domain = "cpu",
    .summary = "one contiguous block of keys and values per sequence",
    .vt = &vt,
    .options = options,
    .open = open_kv,
    .close = close_kv,
};
