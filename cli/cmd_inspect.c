// SPDX-License-Identifier: Apache-2.0
// cli/cmd_inspect.c - what a model file says of itself: keys, tensors, bytes per format.
#include <stdlib.h>
#include <string.h>

#include "cli/common.h"
#include "cli/print_json.h"
#include "core/base/text.h"
#include "core/model/gguf.h"

#define FORMATS_MAX 64

typedef struct format_row {
    const char *format;
    uint64_t n_tensors, n_bytes;
} format_row;

static size_t count_formats(const collet_gguf *g, format_row *rows)
{
    size_t n = 0;
    for (uint64_t i = 0; i < collet_gguf_n_tensors(g); i++) {
        const collet_gguf_tensor *t = collet_gguf_tensor_at(g, i);
        size_t k = 0;
        while (k < n && strcmp(rows[k].format, t->format) != 0)
            k++;
        if (k == FORMATS_MAX)
            continue;
        if (k == n)
            rows[n++] = (format_row){ .format = t->format };
        rows[k].n_tensors++;
        rows[k].n_bytes += t->n_bytes;
    }
    return n;
}

static void shape_text(char *out, size_t n_out, const collet_gguf_tensor *t)
{
    size_t n = 0;
    for (uint32_t d = t->n_dims; d-- > 0 && n < n_out;)
        n += (size_t)snprintf(out + n, n_out - n, "%llu%s", (unsigned long long)t->dims[d], d ? " x " : "");
}

static int print_text(const collet_gguf *g)
{
    char bytes[32], key[256], value[200], shape[96];
    printf("%s: GGUF v%u, %llu keys, %llu tensors, %s\n\n", collet_gguf_path(g), collet_gguf_version(g),
           (unsigned long long)collet_gguf_n_kv(g), (unsigned long long)collet_gguf_n_tensors(g),
           collet_format_bytes(bytes, sizeof bytes, collet_gguf_file_bytes(g)));
    for (uint64_t i = 0; i < collet_gguf_n_kv(g); i++) {
        const collet_gguf_kv *kv = collet_gguf_kv_at(g, i);
        printf("%-44s %-7s %s\n", collet_escape(key, sizeof key, kv->key, kv->n_key),
               kv->is_array ? "array" : collet_gguf_type_name(kv->value.type),
               collet_gguf_format_value(value, sizeof value, kv));
    }
    format_row rows[FORMATS_MAX];
    size_t n = count_formats(g, rows);
    printf("\n%-8s %8s %12s\n", "format", "tensors", "bytes");
    for (size_t i = 0; i < n; i++)
        printf("%-8s %8llu %12s\n", rows[i].format, (unsigned long long)rows[i].n_tensors,
               collet_format_bytes(bytes, sizeof bytes, rows[i].n_bytes));
    printf("\n%-40s %-8s %-20s %s\n", "tensor", "format", "shape", "bytes");
    for (uint64_t i = 0; i < collet_gguf_n_tensors(g); i++) {
        const collet_gguf_tensor *t = collet_gguf_tensor_at(g, i);
        shape_text(shape, sizeof shape, t);
        printf("%-40s %-8s %-20s %llu\n", collet_escape(key, sizeof key, t->name, strlen(t->name)), t->format, shape,
               (unsigned long long)t->n_bytes);
    }
    return collet_cli_finish();
}

static json_t *tensor_json(const collet_gguf_tensor *t)
{
    json_t *shape = json_array();
    for (uint32_t d = t->n_dims; d-- > 0;)
        json_array_append_new(shape, json_integer((json_int_t)t->dims[d]));
    char name[256];
    return json_pack("{s:s, s:s, s:o, s:I, s:I}", "name", collet_escape(name, sizeof name, t->name, strlen(t->name)),
                     "format", t->format, "shape", shape, "offset", (json_int_t)t->offset, "bytes",
                     (json_int_t)t->n_bytes);
}

static int print_json(const collet_gguf *g)
{
    char key[256], value[1024];
    json_t *keys = json_object(), *tensors = json_array();
    for (uint64_t i = 0; i < collet_gguf_n_kv(g); i++) {
        const collet_gguf_kv *kv = collet_gguf_kv_at(g, i);
        collet_escape(key, sizeof key, kv->key, kv->n_key);
        json_object_set_new(keys, key,
                            json_pack("{s:s, s:b, s:s}", "type", collet_gguf_type_name(kv->value.type), "array",
                                      kv->is_array, "value", collet_gguf_format_value(value, sizeof value, kv)));
    }
    for (uint64_t i = 0; i < collet_gguf_n_tensors(g); i++)
        json_array_append_new(tensors, tensor_json(collet_gguf_tensor_at(g, i)));
    json_t *object =
        json_pack("{s:s, s:i, s:I, s:o, s:o}", "path", collet_gguf_path(g), "version", (int)collet_gguf_version(g),
                  "bytes", (json_int_t)collet_gguf_file_bytes(g), "keys", keys, "tensors", tensors);
    return collet_cli_print_json(object, JSON_INDENT(1));
}

static int run(const collet_args *args)
{
    collet_error err = COLLET_ERROR_INIT;
    collet_gguf *g = NULL;
    if (collet_gguf_open(&g, args->operands[0], &err) != COLLET_OK)
        return collet_cli_fail(&err, COLLET_EXIT_MODEL);
    int exit_code = collet_args_bool(args, "json") ? print_json(g) : print_text(g);
    collet_gguf_close(g);
    return exit_code;
}

extern const collet_command collet_cmd_inspect;
const collet_command collet_cmd_inspect = {
    .name = "inspect",
    .summary = "keys and tensors of a model file",
    .operands = "FILE",
    .shared = COLLET_FLAGS_JSON,
    .n_operands_min = 1,
    .n_operands_max = 1,
    .run = run,
};
