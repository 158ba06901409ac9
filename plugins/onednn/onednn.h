// SPDX-License-Identifier: Apache-2.0
// plugins/onednn/onednn.h - the parts of this plugin, and how they fit together.
//
// A vendor's library wants to own what the core owns. Each of its wishes is answered in one place:
//
// threads      library.c. Debian's oneDNN runs on OpenMP. A call from a thread whose limit is one makes no team, so
// each
//              worker of the core's pool lowers its own limit for the length of a task and puts it back; rows are dealt
//              to workers by us. A build on TBB cannot be held that way and is refused by name.
// memory       multiply.c. Scratchpads are the user's: they come from the op's workspace. What the library allocates
// all
//              the same, see "Limits".
// weights      pack.c. Reordered once, at load, into the layout that the library chose, under a name of ours.
// compiling    multiply.c. Primitives are made in prepare(), one for each size of step, never in run().
// messages     a status of the library becomes an error of ours with the call's name; nothing is printed.
// the machine  library.c. COLLET_ISA_MAX limits the library too.
//
// Formats   as                                            layout, of 64 rows together
// f32       f32                                           onednn.f32.r64
// f16       f32: 2.x has no f16 on CPUs; twice the memory onednn.f32.r64
// bf16      bf16, x rounded to bf16; f32 where the        onednn.bf16.r64, onednn.f32.r64
//           library refuses bf16 (no AVX-512)
// q8_0      s8 by s8, x in 8 bits with a scale per 32     onednn.s8.r64
//           columns, 32-bit sums scaled by us (AVX-512
//           VNNI only: below it 16-bit sums may saturate)
//
// Limits, of the library (2.6): dnnl_primitive_execute makes a map of its arguments, and its gemm allocates packed
// copies: 4 to 6 allocations a call, which no scratchpad mode avoids. Its weights in s8 have no scales per block, so
// q8_0 costs a call for every few blocks: right, small in memory, and slow.
#ifndef COLLET_PLUGINS_ONEDNN_ONEDNN_H
#define COLLET_PLUGINS_ONEDNN_ONEDNN_H

#include <stdbool.h>

#include "collet/plugin/matmul.h"

#define ONEDNN_ROWS 64u    // of weights that lie together: one call of the library
#define ONEDNN_COLUMNS 64u // rows are filled up with zeros to a multiple, so that no layout has padding of its own
#define ONEDNN_SIZES 10u   // steps of 1, 2, 4 ... 512 tokens; others are put together from these
#define ONEDNN_GROUP 32u   // columns with a scale of their own: a block of q8_0

extern const collet_module collet_onednn_matmul;

typedef enum onednn_type { ONEDNN_F32, ONEDNN_BF16, ONEDNN_S8, ONEDNN_N_TYPES } onednn_type;

// ---- library.c ----

// May the library be used in this process? false: *why (of n_why bytes) says why not.
bool onednn_library_usable(const collet_host_cpu *cpu, char *why, size_t n_why);

// Between begin and end the calling thread makes no team. *state is the caller's.
typedef struct onednn_one_thread {
    int n_before;
} onednn_one_thread;
void onednn_one_thread_begin(onednn_one_thread *state);
void onednn_one_thread_end(const onednn_one_thread *state);

typedef struct onednn_engine onednn_engine;

// Ownership: gives; close frees, accepts NULL.  Errors: NOMEM, DEVICE
collet_status onednn_engine_open(onednn_engine **out, const collet_host *host, collet_error *err);
void onednn_engine_close(onednn_engine *e);

// Can weights of `type` be multiplied here?  Threads: [any-thread] after open
bool onednn_engine_has(const onednn_engine *e, onednn_type type);

// ---- pack.c: one block of 64 rows after the other ----

// Bytes of a block: the library's layout, then for s8 a float per 32 columns and row, [group][row].
uint64_t onednn_block_bytes(const onednn_engine *e, onednn_type type, uint32_t n_in);
// Of which the library's.
uint64_t onednn_weight_bytes(const onednn_engine *e, onednn_type type, uint32_t n_in);
static inline uint32_t onednn_columns(uint32_t n_in)
{
    return (n_in + ONEDNN_COLUMNS - 1) / ONEDNN_COLUMNS * ONEDNN_COLUMNS;
}

// Rows of `format` to one block; rows from n_rows on become zero.  Threads: [worker]
typedef struct onednn_rows {
    const uint8_t *data;
    const char *format;
    uint64_t row_bytes;
    uint32_t n_rows, n_in;
} onednn_rows;
collet_status onednn_pack_block(onednn_engine *e, onednn_type type, const onednn_rows *rows, uint8_t *block,
                                collet_error *err);

// ---- multiply.c ----

// Everything that calls of up to n_tokens tokens need, made once per (type, columns, size) and shared by all ops.
// Ownership: lends *out until the engine closes.  Errors: NOMEM, DEVICE.  Threads: [load]
typedef struct onednn_product onednn_product;
collet_status onednn_product_make(const onednn_product **out, onednn_engine *e, onednn_type type, uint32_t n_in,
                                  uint32_t n_tokens, collet_error *err);

// Activations as the library reads them: n_tokens rows of onednn_columns(n_in), then for s8 a float per group and row.
uint64_t onednn_x_bytes(onednn_type type, uint32_t n_in, uint32_t n_tokens);
void onednn_x_convert(onednn_type type, void *x_out, const float *x, uint32_t n_in, uint32_t n_tokens, uint32_t token);

// What one worker needs besides: sums, activations in s8 and the library's scratchpad.
uint64_t onednn_scratch_bytes(const onednn_product *p, uint32_t n_tokens);

// y[t][0 .. n_rows) = x W^T for one block of weights and n_tokens tokens. One thread.  Hot.
// Errors: DEVICE.  Threads: [worker]
typedef struct onednn_call {
    const void *x; // of onednn_x_convert
    const uint8_t *block;
    float *y;
    uint64_t y_stride; // floats
    void *scratch;     // at a multiple of 64
    uint32_t n_tokens, n_rows, worker;
} onednn_call;
collet_status onednn_multiply(const onednn_product *p, const onednn_call *c);

#endif
