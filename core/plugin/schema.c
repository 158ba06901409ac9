// SPDX-License-Identifier: Apache-2.0
// core/plugin/schema.c - keys in the order in which `profile show` prints them.
#include "core/plugin/schema.h"

#include <ctype.h>
#include <string.h>

static const char *const fallback_choices[] = { "warn", "error", NULL };

const collet_schema_key collet_schema_keys[] = {
    { .option = { .key = "name", .type = COLLET_OPT_STR, .dflt = "", .help = "Name of the profile, for reports." } },
    { .option = { .key = "model.path",
                  .type = COLLET_OPT_STR,
                  .dflt = "",
                  .help = "Model file that is used when the command line names none." },
      .env = "COLLET_MODEL",
      .is_path = true },
    { .option = { .key = "model.alias",
                  .type = COLLET_OPT_STR,
                  .dflt = "",
                  .help = "Further names under which clients may ask for the model." },
      .is_list = true },
    { .option = { .key = "engine.threads",
                  .type = COLLET_OPT_INT,
                  .dflt = "auto",
                  .min = 0,
                  .max = 1024,
                  .help = "Threads that compute, the caller's included; auto: one per CPU that this process may use." },
      .env = "COLLET_THREADS" },
    { .option = { .key = "engine.context",
                  .type = COLLET_OPT_INT,
                  .dflt = "auto",
                  .min = 0,
                  .max = 1 << 24,
                  .help = "Tokens that a sequence may have, prompt and answer; auto: the model's own limit, but no "
                          "more than 8192." },
      .env = "COLLET_CONTEXT" },
    { .option = { .key = "engine.max_requests",
                  .type = COLLET_OPT_INT,
                  .dflt = "16",
                  .min = 1,
                  .max = 4096,
                  .help = "Sequences that run at the same time; memory for their keys and values is set aside." },
      .env = "COLLET_MAX_REQUESTS" },
    { .option = { .key = "engine.step_tokens",
                  .type = COLLET_OPT_INT,
                  .dflt = "512",
                  .min = 1,
                  .max = 65536,
                  .help = "Tokens of the largest step: a longer prompt is read in pieces of this size." },
      .env = "COLLET_STEP_TOKENS" },
    { .option = { .key = "topology",
                  .type = COLLET_OPT_STR,
                  .dflt = "",
                  .help = "Topology file of mistral.rs: weight formats by layer and by name, stronger than `isq`." },
      .is_path = true },
    { .option = { .key = "imatrix",
                  .type = COLLET_OPT_STR,
                  .dflt = "",
                  .help = "Importance matrix of llama.cpp (.dat or GGUF) that quantizing while loading weighs errors "
                          "with." },
      .is_path = true },
    { .option = { .key = "allow_nonfinite",
                  .type = COLLET_OPT_BOOL,
                  .dflt = "false",
                  .help = "Quantize weights that hold NaN or infinity too, instead of refusing the model." } },
    { .option = { .key = "fallback",
                  .type = COLLET_OPT_ENUM,
                  .dflt = "warn",
                  .choices = fallback_choices,
                  .help =
                      "When all modules that a rule names refuse: warn and try any other, or fail. Also per rule." },
      .env = NULL },
};
const size_t collet_schema_n_keys = COLLET_COUNT(collet_schema_keys);
_Static_assert(COLLET_COUNT(collet_schema_keys) <= COLLET_SCHEMA_KEYS_MAX, "a profile has room for every key");

const collet_schema_slot collet_schema_slots[] = {
    { .name = "device",
      .help = "Where the model runs: a domain, `cpu` or (for tests) `sim`, or a device module.",
      .env = "COLLET_DEVICE" },
    { .name = "matmul", .help = "Products with weights." },
    { .name = "attention", .help = "Storing keys and values, attending over them." },
    { .name = "ops", .help = "Everything between: norms, rotations, activations, embedding." },
    { .name = "kvcache", .help = "Where keys and values live: memory, layout, element type." },
    { .name = "quant", .help = "What the bytes of a weight format mean." },
};
const size_t collet_schema_n_slots = COLLET_COUNT(collet_schema_slots);
_Static_assert(COLLET_COUNT(collet_schema_slots) <= COLLET_SCHEMA_SLOTS_MAX, "a profile has room for every slot");

const collet_schema_later collet_schema_later_keys[] = {
    { "slots.prefixcache", "slot" }, { "slots.draft", "slot" }, { "slots.constraint", "slot" },
    { "slots.collective", "slot" },  { "compare", "section" },  { "server", "section" },
};
const size_t collet_schema_n_later = COLLET_COUNT(collet_schema_later_keys);

const collet_schema_seed collet_schema_seeds[] = {
    { .env = "MISTRALRS_PAGED_ATTN", .slot = "slots.kvcache", .off = "kv.contiguous", .lacks = "no kv.paged" },
    { .env = "MISTRALRS_PAGED_ATTN_BLOCK_SIZE", .lacks = "no kv.paged" },
    { .env = "MISTRALRS_PREFIX_CACHE_N", .lacks = "no prefix cache" },
    { .env = "MISTRALRS_ISQ", .slot = "isq", .off = "none" },
    { .env = "MISTRALRS_SPECULATIVE_DRAFT_MODEL", .lacks = "no speculative decoding" },
    { .env = "MISTRALRS_SPECULATIVE_GAMMA", .lacks = "no speculative decoding" },
};
const size_t collet_schema_n_seeds = COLLET_COUNT(collet_schema_seeds);

int collet_schema_find_key(const char *key)
{
    for (size_t i = 0; i < collet_schema_n_keys; i++)
        if (strcmp(collet_schema_keys[i].option.key, key) == 0)
            return (int)i;
    return -1;
}

int collet_schema_find_slot(const char *name)
{
    for (size_t i = 0; i < collet_schema_n_slots; i++)
        if (strcmp(collet_schema_slots[i].name, name) == 0)
            return (int)i;
    return -1;
}

const collet_schema_later *collet_schema_find_later(const char *key)
{
    for (size_t i = 0; i < collet_schema_n_later; i++)
        if (strcmp(collet_schema_later_keys[i].key, key) == 0)
            return &collet_schema_later_keys[i];
    return NULL;
}

const char *collet_schema_env(char out[COLLET_SCHEMA_ENV_MAX], const char *key)
{
    snprintf(out, COLLET_SCHEMA_ENV_MAX, "COLLET_%s", key);
    for (char *c = out; *c; c++)
        *c = *c == '.' ? '_' : (char)toupper((unsigned char)*c);
    return out;
}

static void print_env(FILE *out, const char *key, const char *shorter)
{
    char env[COLLET_SCHEMA_ENV_MAX];
    fprintf(out, "`%s`", collet_schema_env(env, key));
    if (shorter && strcmp(shorter, env) != 0)
        fprintf(out, ", `%s`", shorter);
}

void collet_schema_print_markdown(FILE *out)
{
    char range[192], key[64];
    fputs("<!-- Generated from core/plugin/schema.c by `collet help options`; a test fails when it is stale. -->\n"
          "# Options of the profile\n\n"
          "`--set KEY=VALUE` on the command line, the variable, or the key in a profile: the strongest wins, in this "
          "order.\n[PROFILE.md](PROFILE.md) explains rules and files; `collet plugins list --json` has the options of "
          "modules.\n\n"
          "| key | type | range | environment | meaning |\n|---|---|---|---|---|\n",
          out);
    for (size_t i = 0; i < collet_schema_n_keys; i++) {
        const collet_schema_key *k = &collet_schema_keys[i];
        fprintf(out, "| `%s` | %s%s | %s | ", k->option.key, k->is_list ? "list of " : "",
                k->is_path ? "path" : collet_option_type_name(k->option.type),
                collet_option_range(range, sizeof range, &k->option));
        print_env(out, k->option.key, k->env);
        fprintf(out, " | %s |\n", k->option.help);
    }
    fputs("\n| slot | environment | what its modules do |\n|---|---|---|\n", out);
    for (size_t i = 0; i < collet_schema_n_slots; i++) {
        snprintf(key, sizeof key, "slots.%s", collet_schema_slots[i].name);
        fprintf(out, "| `%s` | ", key);
        print_env(out, key, collet_schema_slots[i].env);
        fprintf(out, " | %s |\n", collet_schema_slots[i].help);
    }
    fputs("\n| rules | environment | what they choose |\n|---|---|---|\n"
          "| `isq` | `COLLET_ISQ` | Weight formats to quantize to while loading: a name for all (`--isq q4_k_m`), or a "
          "list of `{ layers, tensor, use }`; see [PROFILE.md](PROFILE.md). |\n",
          out);
    fputs("\nKnown, but not in this version, and refused by name:", out);
    for (size_t i = 0; i < collet_schema_n_later; i++)
        fprintf(out, "%s `%s`", i == 0 ? "" : ",", collet_schema_later_keys[i].key);
    fputs(".\n\n| variable of mistral.rs | effect where `COLLET_` is unset |\n|---|---|\n", out);
    for (size_t i = 0; i < collet_schema_n_seeds; i++) {
        const collet_schema_seed *seed = &collet_schema_seeds[i];
        fprintf(out, "| `%s` | ", seed->env);
        if (seed->lacks)
            fprintf(out, "a warning: this version has %s", seed->lacks);
        else
            fprintf(out, "`%s: %s`", seed->slot, seed->on ? seed->on : "` its text `");
        if (seed->off)
            fprintf(out, "; `false`, `0`, `none`: `%s: %s`", seed->slot, seed->off);
        fputs(" |\n", out);
    }
}
