// Products of float32 spectra on tiles of bfloat16: both operands are split in two parts (split.h), of whose four
// products the one of the low parts, below 2^-16 of the whole, is left out. The others are summed in float32.
//
// The three real products for a complex one, and the panels of B, are those of pack.h; packed kernels too.
#include "amx.h"

#if WC_HAS_AMX
#include "common.h"

#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma,amx-tile,amx-bf16"))), \
                             apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,fma")
#endif
#define WC_LANES 16
#define WC_ROWS 1
#define WC_PAIR_ROWS 1
#define WC_STREAM(p, v) _mm512_stream_ps(p, (__m512)(v))

namespace windowconv {
namespace amx {

#include "vector.h"
#include "tile.h"
#include "pack.h"
#include "tiles.h"
#include "split.h"

WC_INLINE int padded(int count) { return blocks_of(count) * LANES; }

// What lies where in a thread's scratch.
struct Scratch {
    float *sums, *panel;      // T of all rows and LANES columns; a panel of B in float32
    bfloat16 *rows, *column;  // the squares of three planes of A, and of one plane of a panel
    long plane;               // of A

    Scratch(const Shape &shape, float *memory) : plane(2 * shape.sum()) {
        sums = memory;
        panel = sums + summed(shape);
        column = reinterpret_cast<bfloat16 *>(panel + 3 * shape.part());
        rows = column + in_column(shape);
    }
    static long summed(const Shape &shape) { return long(padded(shape.row_chunk)) * LANES; }
    static long in_column(const Shape &shape) { return 2L * padded(shape.depth_chunk()) * LANES; }
    static int64_t bytes(const Shape &shape) {
        return (summed(shape) + 3 * shape.part()) * int64_t(sizeof(float)) +
               (in_column(shape) + 6 * shape.sum()) * int64_t(sizeof(bfloat16));
    }
};

static int64_t multiply_scratch(const wc_spectrum &a, const wc_spectrum &b, const wc_spectrum &, int mode) {
    return Scratch::bytes(Shape(a, b, mode));
}

bool fills_tiles(const wc_spectrum &a, const wc_spectrum &b, int mode) {
    constexpr int ENOUGH = LANES;
    Shape shape(a, b, mode);
    return shape.rows >= ENOUGH && shape.columns >= ENOUGH && shape.depth >= ENOUGH;
}

// One group's product at one frequency.
struct Job {
    Matrix a, b;
    float *real, *imaginary;  // the result's planes
    long out_block;
    const float *packed;  // B as `pack` wrote it, or null
    int mode;
    Shape shape;
};

// The part of a product that one chunk of A makes.
struct Chunk {
    int row, rows, depth_first, depth;

    int steps() const { return blocks_of(depth); }
};

// --- operands --------------------------------------------------------------------------------------------------------

// A's planes, which meet a panel's planes of the same number: Ar + Ai, Ar, -Ai.
template <int PLANE>
WC_INLINE V operand(const float *real, const float *imaginary) {
    if constexpr (PLANE == 0) return load(real) + load(imaginary);
    else if constexpr (PLANE == 1) return load(real);
    else return -load(imaginary);
}

// Squares [rows][depth] of one plane. Lanes without a channel are zero in every spectrum.
template <int PLANE>
static void split_plane(const Job &job, const Chunk &chunk, bfloat16 *to) {
    for (int row = 0; row < chunk.rows; row += LANES)
        for (int d = 0; d < chunk.depth; d += LANES, to += SQUARE) {
            int row_at = chunk.row + row, depth_at = chunk.depth_first + d;
            bool by_rows = job.mode == WC_GRADIENT_KERNEL;
            long place = by_rows ? row_at / LANES * job.a.block + long(depth_at) * LANES
                                 : depth_at / LANES * job.a.block + long(row_at) * LANES;
            const float *real = job.a.real + place, *imaginary = job.a.imaginary + place;
            auto read = [&](int at) { return operand<PLANE>(real + at, imaginary + at); };
            if (by_rows) split_pairs<true>(read, chunk.depth - d, to);
            else split_rows(read, chunk.rows - row, to);
        }
}

// One plane of a panel of B.
static void split_panel(const float *plane, int depth, bfloat16 *to) {
    for (int d = 0; d < depth; d += LANES, to += SQUARE) {
        auto read = [&](int at) { return load(plane + long(d) * LANES + at); };
        split_pairs<false>(read, depth - d, to);
    }
}

// A panel and what its planes are apart.
struct Panel {
    const float *data;
    long part;

    Panel(const Job &job, const Chunk &chunk, int column, float *memory) : data(memory), part(job.shape.part()) {
        if (job.packed) {
            part = long(job.shape.depth) * LANES;
            data = job.packed + 3 * part * column + long(chunk.depth_first) * LANES;
        } else if (job.mode == WC_OUTPUT) {
            pack_transposed(job.b, job.shape.columns, column * LANES, chunk.depth_first, chunk.depth, memory, part);
        } else {
            pack_conjugate(job.b, column, chunk.depth_first, chunk.depth, memory, part);
        }
    }
};

// --- products --------------------------------------------------------------------------------------------------------

// Tiles 0 to 3 hold the sums of LANES rows and columns, two tiles a row.
constexpr long SUM_STEP = LANES * long(sizeof(float));

WC_INLINE void zero_sums() { zero_tile<0>(), zero_tile<1>(), zero_tile<2>(), zero_tile<3>(); }

WC_INLINE void read_sums(const float *sums) {
    load_tile<0>(sums, SUM_STEP);
    load_tile<1>(sums + VECTOR, SUM_STEP);
    load_tile<2>(sums + VECTOR * LANES, SUM_STEP);
    load_tile<3>(sums + VECTOR * LANES + VECTOR, SUM_STEP);
}

WC_INLINE void write_sums(float *sums) {
    store_tile<0>(sums, SUM_STEP);
    store_tile<1>(sums + VECTOR, SUM_STEP);
    store_tile<2>(sums + VECTOR * LANES, SUM_STEP);
    store_tile<3>(sums + VECTOR * LANES + VECTOR, SUM_STEP);
}

template <int A, int B>
WC_INLINE void load_pair(const bfloat16 *from) {
    load_tile<A>(from, TILE_BYTES);
    load_tile<B>(from + TILE, TILE_BYTES);
}

WC_INLINE void multiply_pairs() {
    multiply_tiles<0, 4, 6>();
    multiply_tiles<1, 4, 7>();
    multiply_tiles<2, 5, 6>();
    multiply_tiles<3, 5, 7>();
}

// Low times high, high times high, high times low: each part is loaded once.
WC_INLINE void accumulate(const bfloat16 *a, const bfloat16 *b, int steps) {
    for (int i = 0; i < steps; i++, a += SQUARE, b += SQUARE) {
        load_pair<4, 5>(a + 2 * TILE);
        load_pair<6, 7>(b);
        multiply_pairs();
        load_pair<4, 5>(a);
        multiply_pairs();
        load_pair<6, 7>(b + 2 * TILE);
        multiply_pairs();
    }
}

WC_INLINE void write_rows(const float *from, int rows, bool add, float *to) {
    for (int i = 0; i < rows * LANES; i += VECTOR) {
        if (add) store(to + i, load(to + i) + load(from + i));
        else stream(to + i, load(from + i));
    }
}

// One plane of a chunk times one plane of a panel: T, which goes to `sums`, or what is added to T for the result `to`.
static void multiply_plane(const Chunk &chunk, const bfloat16 *a, const bfloat16 *b, float *sums, float *to) {
    for (int row = 0; row < chunk.rows; row += LANES, a += long(chunk.steps()) * SQUARE, sums += LANES * LANES) {
        if (!to) {
            zero_sums();
            accumulate(a, b, chunk.steps());
            write_sums(sums);
            continue;
        }
        alignas(64) float all[LANES * LANES];
        read_sums(sums);
        accumulate(a, b, chunk.steps());
        write_sums(all);
        write_rows(all, std::min(LANES, chunk.rows - row), chunk.depth_first > 0, to + long(row) * LANES);
    }
}

static void multiply_chunk(const Job &job, const Chunk &chunk, const Scratch &scratch) {
    split_plane<0>(job, chunk, scratch.rows);
    split_plane<1>(job, chunk, scratch.rows + scratch.plane);
    split_plane<2>(job, chunk, scratch.rows + 2 * scratch.plane);
    for (int column = 0; column < blocks_of(job.shape.columns); column++) {
        Panel panel(job, chunk, column, scratch.panel);
        long to = column * job.out_block + long(chunk.row) * LANES;
        float *results[] = {nullptr, job.imaginary + to, job.real + to};
        for (int plane = 0; plane < 3; plane++) {
            split_panel(panel.data + plane * panel.part, chunk.depth, scratch.column);
            multiply_plane(chunk, scratch.rows + plane * scratch.plane, scratch.column, scratch.sums, results[plane]);
        }
    }
}

static void multiply(const wc_spectrum &a, const wc_spectrum &b, const wc_spectrum &out, int mode, bool packed,
                     const wc_run &run) {
    Shape shape(a, b, mode);
    parallel(int64_t(out.frequencies) * out.groups, run, [&](int64_t task, float *memory) {
        int frequency = int(task / out.groups), group = int(task % out.groups);
        Matrix to = matrix_at(out, frequency, group);
        Job job = {matrix_at(a, frequency, group), {}, const_cast<float *>(to.real), const_cast<float *>(to.imaginary),
                   to.block, nullptr, mode, shape};
        if (packed) job.packed = static_cast<const float *>(b.data) + task * packed_stride(b);
        else job.b = matrix_at(b, frequency, group);
        Scratch scratch(shape, memory);
        configure_tiles();
        for (int row = 0; row < shape.rows; row += shape.row_chunk)
            for (int depth = 0; depth < shape.depth; depth += shape.depth_chunk())
                multiply_chunk(job,
                               {row, std::min(shape.row_chunk, shape.rows - row), depth,
                                std::min(shape.depth_chunk(), shape.depth - depth)},
                               scratch);
        release_tiles();  // so that other programs' turns need not save them
        _mm_sfence();
    });
}

const Product product = {multiply_scratch, multiply};

}  // namespace amx
}  // namespace windowconv

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
