// SPDX-License-Identifier: Apache-2.0
// plugins/reference/reference.c - the record, and the state that all its op modules share the form of.
#include "plugins/reference/reference.h"

#include "plugins/reference/quant/quant_modules.h"

collet_status collet_reference_open(const collet_host *host, const collet_value *values, uint32_t n_values, void **mod,
                                    collet_error *err)
{
    (void)values;
    (void)n_values;
    collet_reference_mod *m = host->alloc(host->self, sizeof *m, 16);
    if (!m)
        return host->fail(err, COLLET_E_NOMEM, 0, "no memory for a module of 128 bytes");
    *m = (collet_reference_mod){ .host = host,
                                 .f32 = host->intern(host->self, "f32"),
                                 .f16 = host->intern(host->self, "f16"),
                                 .i32 = host->intern(host->self, "i32"),
                                 .contiguous = host->intern(host->self, "kv.contiguous"),
                                 .paged = host->intern(host->self, "kv.paged") };
    *mod = m;
    return COLLET_OK;
}

void collet_reference_close(void *mod)
{
    collet_reference_mod *m = mod;
    m->host->free(m->host->self, m);
}

// The formats' modules follow the five others; their list is generated from the table of formats.
static const collet_module *const modules[] = {
    &collet_cpu_device, &collet_kv_contiguous, &collet_cpu_matmul_ref, &collet_cpu_attention_ref, &collet_cpu_ops_ref,
#define FORMAT(name, ggml, elems, bytes) &collet_quant_##name,
#define DECODED(name, ggml, elems, bytes) &collet_quant_##name,
#include "plugins/common/formats.inc"
#undef FORMAT
#undef DECODED
};

const collet_plugin collet_reference_plugin = {
    COLLET_PLUGIN_HEAD,      .id = "reference", .version = "0.1.0",  .vendor = "Collet",
    .license = "Apache-2.0", .url = "",         .build = "built in", .n_modules = COLLET_COUNT(modules),
    .modules = modules,
};
