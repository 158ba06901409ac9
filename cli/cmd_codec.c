// SPDX-License-Identifier: Apache-2.0
// cli/cmd_codec.c - raw blocks to raw float32 and back, through a format's module: how its author tests it.
#include <stdlib.h>
#include <string.h>

#include "cli/open.h"
#include "collet/plugin/quant.h"
#include "core/base/arith.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/text.h"

typedef struct codec {
    collet_module_handle *module;
    const collet_quant_vt *vt;
    uint64_t n_cols;
    collet_file in;
} codec;

static collet_status find_format(codec *c, collet_runtime *rt, const char *format, collet_error *err)
{
    collet_registry *registry = collet_runtime_registry(rt);
    const char *names[256];
    size_t n_names = 0;
    for (size_t i = 0; i < collet_registry_n_modules(registry); i++) {
        const collet_module_info *m = collet_registry_module(registry, i);
        if (strcmp(m->iface, COLLET_QUANT_IFACE) != 0 || m->verdict != COLLET_VERDICT_OK)
            continue;
        collet_status st = collet_runtime_module(rt, m, &c->module, err);
        if (st != COLLET_OK)
            return st;
        c->vt = c->module->vt;
        if (strcmp(c->vt->format, format) == 0)
            return COLLET_OK;
        if (n_names < COLLET_COUNT(names))
            names[n_names++] = c->vt->format;
    }
    const char *nearest = collet_nearest(format, names, n_names);
    return collet_fail(err, COLLET_E_INVALID, "no module has the format '%s'%s%s%s", format,
                       nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static collet_status row_bytes(const codec *c, bool decode, uint64_t *n_in, uint64_t *n_out, collet_error *err)
{
    if (c->n_cols % c->vt->block_elems != 0)
        return collet_fail(err, COLLET_E_INVALID, "--cols %llu is no multiple of the %u elements of a %s block",
                           (unsigned long long)c->n_cols, c->vt->block_elems, c->vt->format);
    uint64_t packed = c->n_cols / c->vt->block_elems * c->vt->block_bytes, plain = c->n_cols * sizeof(float);
    *n_in = decode ? packed : plain;
    *n_out = decode ? plain : packed;
    return COLLET_OK;
}

static collet_status convert(const codec *c, bool decode, uint64_t n_rows, uint64_t n_in, uint64_t n_out, uint8_t *out,
                             collet_error *err)
{
    collet_status st = COLLET_OK;
    for (uint64_t row = 0; row < n_rows && st == COLLET_OK; row++) {
        const uint8_t *src = c->in.data + row * n_in;
        if (decode)
            c->vt->dequantize(c->module->mod, src, (float *)(void *)(out + row * n_out), c->n_cols);
        else
            st = c->vt->quantize(c->module->mod, (const float *)(const void *)src, out + row * n_out, c->n_cols, NULL,
                                 err);
    }
    return st;
}

static collet_status run_codec(const collet_args *args, bool decode, codec *c, collet_error *err)
{
    uint64_t n_in = 0, n_out = 0, n_bytes = 0;
    const char *in = args->operands[0], *out = args->operands[1];
    collet_status st = row_bytes(c, decode, &n_in, &n_out, err);
    if (st == COLLET_OK && !decode && !c->vt->quantize)
        st = collet_fail(err, COLLET_E_INVALID, "%s cannot be encoded: %s has no quantizer", c->vt->format,
                         c->module->info->id);
    if (st == COLLET_OK)
        st = collet_file_map(&c->in, in, err);
    if (st == COLLET_OK && (c->in.n_bytes == 0 || c->in.n_bytes % n_in != 0))
        st = collet_fail(err, COLLET_E_INVALID, "%s: %llu bytes are no whole rows of %llu bytes (--cols %llu)", in,
                         (unsigned long long)c->in.n_bytes, (unsigned long long)n_in, (unsigned long long)c->n_cols);
    if (st != COLLET_OK)
        return st;
    uint64_t n_rows = c->in.n_bytes / n_in;
    uint8_t *data = collet_mul_u64(n_rows, n_out, &n_bytes) ? malloc(n_bytes) : NULL;
    if (!data)
        return collet_fail(err, COLLET_E_NOMEM, "%s: no memory for %llu rows", in, (unsigned long long)n_rows);
    st = convert(c, decode, n_rows, n_in, n_out, data, err);
    if (st == COLLET_OK)
        st = collet_file_replace(out, data, n_bytes, err);
    free(data);
    return st;
}

static int run(const collet_args *args, bool decode)
{
    collet_opened o;
    collet_error err = COLLET_ERROR_INIT;
    const char *format = collet_args_text(args, "format");
    codec c = { .n_cols = (uint64_t)collet_args_int(args, "cols") };
    if (!format || c.n_cols == 0)
        return collet_cli_error(COLLET_EXIT_USAGE, "codec needs --format NAME and --cols N");
    int exit_code = collet_open(&o, args, COLLET_OPEN_RUNTIME);
    if (exit_code != COLLET_EXIT_OK)
        return exit_code;
    collet_status st = find_format(&c, o.runtime, format, &err);
    if (st == COLLET_OK)
        st = run_codec(args, decode, &c, &err);
    if (st != COLLET_OK)
        exit_code = collet_cli_fail(&err, 0);
    collet_file_unmap(&c.in);
    collet_close(&o);
    return exit_code;
}

static int run_decode(const collet_args *args)
{
    return run(args, true);
}

static int run_encode(const collet_args *args)
{
    return run(args, false);
}

static const collet_flag flags[] = {
    { .name = "format", .type = COLLET_OPT_STR, .metavar = "NAME", .help = "the weight format: q4_k, q8_0, ..." },
    { .name = "cols", .type = COLLET_OPT_INT, .metavar = "N", .min = 1, .max = 1 << 30, .help = "elements in a row" },
    { 0 },
};

extern const collet_command collet_cmd_codec_decode, collet_cmd_codec_encode;
const collet_command collet_cmd_codec_decode = {
    .name = "codec decode",
    .summary = "raw blocks of a weight format to raw float32 rows",
    .operands = "IN OUT",
    .flags = flags,
    .shared = COLLET_FLAGS_PROFILE,
    .n_operands_min = 2,
    .n_operands_max = 2,
    .run = run_decode,
};
const collet_command collet_cmd_codec_encode = {
    .name = "codec encode",
    .summary = "raw float32 rows to raw blocks of a weight format",
    .operands = "IN OUT",
    .flags = flags,
    .shared = COLLET_FLAGS_PROFILE,
    .n_operands_min = 2,
    .n_operands_max = 2,
    .run = run_encode,
};
