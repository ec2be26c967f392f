// Products of spectra by frequency, in float32: A, whose sums are formed once for all panels, times the panels of
// pack.h. Included as vector.h is.

// What of B is needed next: fetched into the second-level cache meanwhile, in pieces of LANES cache lines.
struct Ahead {
    const float *planes[3];
    int count;  // of planes
    long step;  // from one block of LANES depths to the next

    // The pieces of a block, its planes in turn; past the last, memory that is in the cache anyway.
    const float *piece(int index, const float *cached) const {
        constexpr int PIECES = LANES > 16 ? LANES / 16 : 1;
        if (index >= count * PIECES) return cached;
        return planes[index % count] + index / count * LANES * 16;
    }
};

// Where the depth of A runs: along the lanes (outputs and input gradients), or along the rows (kernel gradients).
template <int M, bool BY_ROWS, bool SUBTRACT>
WC_INLINE void accumulate(V (&y)[M][2], const float *a, long block, int depth, const float *b, const float *ahead,
                          long ahead_step) {
    for (int d0 = 0; d0 < depth; d0 += LANES) {
        const float *p = BY_ROWS ? a + long(d0) * LANES : a + d0 / LANES * block;
        const float *next = ahead + d0 / LANES * ahead_step;
        int count = std::min(LANES, depth - d0);
        for (int d = 0; d < count; d++, b += LANES, next += 16) {
            __builtin_prefetch(next, 0, 2);
            V b0 = load(b), b1 = load(b + VECTOR);
#pragma GCC unroll 16
            for (int i = 0; i < M; i++) {
                float x = BY_ROWS ? p[d * LANES + i] : p[i * LANES + d];
                if constexpr (SUBTRACT) {
                    y[i][0] -= x * b0;
                    y[i][1] -= x * b1;
                } else {
                    y[i][0] += x * b0;
                    y[i][1] += x * b1;
                }
            }
        }
    }
}

template <int M, bool ADD>
WC_INLINE void write_rows(V (&y)[M][2], float *to) {
#pragma GCC unroll 16
    for (int i = 0; i < M; i++, to += LANES) {
        if constexpr (ADD) {
            store(to, load(to) + y[i][0]);
            store(to + VECTOR, load(to + VECTOR) + y[i][1]);
        } else {
            stream(to, y[i][0]);
            stream(to + VECTOR, y[i][1]);
        }
    }
}

// M rows of the product with one packed panel [3][depth][LANES]; `share` counts the calls for this panel.
template <int M, bool BY_ROWS, bool ADD>
static void multiply_rows(const float *sum, Matrix a, long sum_block, int depth, const float *panel, long part,
                          float *real, float *imaginary, const Ahead &ahead, int share) {
    alignas(64) float kept[M * LANES];
    V y[M][2];
#pragma GCC unroll 16
    for (int i = 0; i < M; i++) y[i][0] = y[i][1] = zero();
    accumulate<M, BY_ROWS, false>(y, sum, sum_block, depth, panel, ahead.piece(3 * share, panel), ahead.step);
#pragma GCC unroll 16
    for (int i = 0; i < M; i++) store(kept + i * LANES, y[i][0]), store(kept + i * LANES + VECTOR, y[i][1]);
    accumulate<M, BY_ROWS, true>(y, a.imaginary, a.block, depth, panel + 2 * part, ahead.piece(3 * share + 1, panel),
                                 ahead.step);
    write_rows<M, ADD>(y, real);
#pragma GCC unroll 16
    for (int i = 0; i < M; i++) y[i][0] = load(kept + i * LANES), y[i][1] = load(kept + i * LANES + VECTOR);
    accumulate<M, BY_ROWS, false>(y, a.real, a.block, depth, panel + part, ahead.piece(3 * share + 2, panel),
                                  ahead.step);
    write_rows<M, ADD>(y, imaginary);
}

// Any number of rows, in even shares of at most ROWS; by rows of A they lie in one block.
template <bool BY_ROWS, bool ADD>
static void multiply_panel(const float *sum, Matrix a, long sum_block, int rows, int depth, const float *panel,
                           long part, float *real, float *imaginary, const Ahead &ahead, int &share) {
    int shares = (rows + ROWS - 1) / ROWS, first = 0;
    for (int i = 0; i < shares; i++, share++) {
        int count = (rows - first + shares - i - 1) / (shares - i);
        long place = BY_ROWS ? first : long(first) * LANES, out = long(first) * LANES;
        Matrix rest = {a.real + place, a.imaginary + place, a.block};
        switch (count) {
#define WC_CASE(M) \
    case M: \
        if constexpr (M <= ROWS) \
            multiply_rows<M, BY_ROWS, ADD>(sum + place, rest, sum_block, depth, panel, part, real + out, \
                                           imaginary + out, ahead, share); \
        break;
            WC_CASE(1) WC_CASE(2) WC_CASE(3) WC_CASE(4) WC_CASE(5) WC_CASE(6) WC_CASE(7)
            WC_CASE(8) WC_CASE(9) WC_CASE(10) WC_CASE(11) WC_CASE(12) WC_CASE(13)
#undef WC_CASE
        }
        first += count;
    }
}

static int64_t multiply_scratch(const wc_spectrum &a, const wc_spectrum &b, const wc_spectrum &, int mode) {
    Shape shape(a, b, mode);
    return (shape.sum() + 3 * shape.part()) * int64_t(sizeof(float));
}

// Ar + Ai of rows and depth within a chunk, in the layout of A; returns its block.
template <bool BY_ROWS>
static long add_parts(Matrix a, int row, int rows, int depth_first, int depth, float *sum) {
    // by rows: blocks are rows of the result, else blocks are depth
    int blocks = blocks_of(BY_ROWS ? rows : depth), length = BY_ROWS ? depth : rows;
    int first_block = (BY_ROWS ? row : depth_first) / LANES;
    long place = long(BY_ROWS ? depth_first : row) * LANES, block = long(length) * LANES;
    for (int i = 0; i < blocks; i++) {
        const float *real = a.real + (first_block + i) * a.block + place;
        const float *imaginary = a.imaginary + (first_block + i) * a.block + place;
        for (long j = 0; j < block; j += VECTOR) store(sum + i * block + j, load(real + j) + load(imaginary + j));
    }
    return block;
}

// Where column block `column` of B begins, and the step between its blocks of LANES depths.
static Ahead block_of(Matrix b, int mode, int column, int depth_first) {
    long place = mode == WC_OUTPUT ? depth_first / LANES * b.block + long(column) * LANES * LANES
                                   : column * b.block + long(depth_first) * LANES;
    return {{b.real + place, b.imaginary + place}, 2, mode == WC_OUTPUT ? b.block : long(LANES) * LANES};
}

// One group's product at one frequency: its operands, and what will be needed after it.
struct Job {
    Matrix a, b, next_b;
    float *real, *imaginary;  // the result's planes
    long out_block;
    const float *packed, *next_packed;  // B as wc_pack wrote it, or null
    int mode;
    Shape shape;
};

template <bool BY_ROWS, bool ADD>
static void multiply_chunk(const Job &job, int row, int depth_first, float *scratch) {
    const Shape &shape = job.shape;
    Matrix a = job.a;
    int rows = std::min(shape.row_chunk, shape.rows - row);
    int depth = std::min(shape.depth_chunk(), shape.depth - depth_first);
    float *sum = scratch, *panel = scratch + shape.sum();
    long sum_block = add_parts<BY_ROWS>(a, row, rows, depth_first, depth, sum);
    int columns = blocks_of(shape.columns);
    for (int column = 0; column < columns; column++) {
        const float *used = panel;
        long part = shape.part();
        Ahead ahead = {};
        if (job.packed) {
            part = long(shape.depth) * LANES;
            used = job.packed + 3 * part * column + long(depth_first) * LANES;
            const float *next = column + 1 < columns ? used + 3 * part : job.next_packed;
            ahead = {{next, next + part, next + 2 * part}, 3, long(LANES) * LANES};
        } else {
            if (job.mode == WC_OUTPUT) pack_transposed(job.b, shape.columns, column * LANES, depth_first, depth, panel, part);
            else pack_conjugate(job.b, column, depth_first, depth, panel, part);
            ahead = column + 1 < columns ? block_of(job.b, job.mode, column + 1, depth_first)
                                         : block_of(job.next_b, job.mode, 0, 0);
        }
        long to = column * job.out_block + long(row) * LANES;
        int share = 0;
        if constexpr (BY_ROWS) {
            for (int i = 0; i * LANES < rows; i++, to += long(LANES) * LANES) {
                long place = (row / LANES + i) * a.block + long(depth_first) * LANES;
                int count = std::min(LANES, rows - i * LANES);
                multiply_panel<BY_ROWS, ADD>(sum + i * sum_block, {a.real + place, a.imaginary + place, a.block},
                                             sum_block, count, depth, used, part, job.real + to, job.imaginary + to,
                                             ahead, share);
            }
        } else {
            long place = depth_first / LANES * a.block + long(row) * LANES;
            multiply_panel<BY_ROWS, ADD>(sum, {a.real + place, a.imaginary + place, a.block}, sum_block, rows, depth,
                                         used, part, job.real + to, job.imaginary + to, ahead, share);
        }
    }
}

template <bool BY_ROWS>
static void multiply_frequency(const Job &job, float *scratch) {
    const Shape &shape = job.shape;
    for (int row = 0; row < shape.rows; row += shape.row_chunk)
        for (int depth = 0; depth < shape.depth; depth += shape.depth_chunk()) {
            auto chunk = depth == 0 ? multiply_chunk<BY_ROWS, false> : multiply_chunk<BY_ROWS, true>;
            chunk(job, row, depth, scratch);
        }
}

static void multiply(const wc_spectrum &a, const wc_spectrum &b, const wc_spectrum &out, int mode, bool packed,
                     const wc_run &run) {
    int64_t tasks = int64_t(out.frequencies) * out.groups;
    parallel(tasks, run, [&](int64_t task, float *scratch) {
        auto matrix = [&](const wc_spectrum &s, int64_t i) { return matrix_at(s, int(i / out.groups), int(i % out.groups)); };
        int64_t next = task + run.threads < tasks ? task + run.threads : task;  // what this thread will likely do
        Matrix to = matrix(out, task);
        Job job = {matrix(a, task), {}, {}, const_cast<float *>(to.real), const_cast<float *>(to.imaginary), to.block,
                   nullptr, nullptr, mode, Shape(a, b, mode)};
        const float *panels = static_cast<const float *>(b.data);
        if (packed) job.packed = panels + task * packed_stride(b), job.next_packed = panels + next * packed_stride(b);
        else job.b = matrix(b, task), job.next_b = matrix(b, next);
        if (mode == WC_GRADIENT_KERNEL) multiply_frequency<true>(job, scratch);
        else multiply_frequency<false>(job, scratch);
        finish_streams();
    });
}

static int64_t packed_size(const wc_spectrum &kernel) {
    return packed_stride(kernel) * kernel.frequencies * kernel.groups;
}

static void pack(const wc_spectrum &kernel, void *packed, const wc_run &run) {
    parallel(int64_t(kernel.frequencies) * kernel.groups, run, [&](int64_t task, float *) {
        Matrix b = matrix_at(kernel, int(task / kernel.groups), int(task % kernel.groups));
        float *to = static_cast<float *>(packed) + task * packed_stride(kernel);
        long part = long(kernel.channels) * LANES;
        for (int column = 0; column < blocks_of(int(kernel.rows)); column++, to += 3 * part)
            pack_transposed(b, int(kernel.rows), column * LANES, 0, kernel.channels, to, part);
    });
}
