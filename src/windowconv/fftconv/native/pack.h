// Operands of the products of spectra: what is multiplied, and B in panels of LANES columns. Included as vector.h is.
//
// A complex product takes three real ones (Gauss): with T = (Ar + Ai) Br,
//     Yr = T - Ai (Br + Bi)   and   Yi = T + Ar (Bi - Br);   conj(B) turns Bi's sign.
// The sums of B are formed while a panel is packed: its planes are Br, Bi - Br and Bi + Br.

constexpr int ROW_CHUNK = 192;     // rows of A that share a packed panel and stay in the second-level cache
constexpr int DEPTH_CHUNK = 512;

// One plane's matrix as blocks of LANES: element (row, lane) of block i is at i * block + row * LANES + lane.
struct Matrix {
    const float *real, *imaginary;
    long block;
};

// The sizes of one group's product.
struct Shape {
    int rows, columns, depth;  // of the result, and what is summed over
    int row_chunk;

    Shape(const wc_spectrum &a, const wc_spectrum &b, int mode) {
        rows = mode == WC_GRADIENT_KERNEL ? a.channels : int(a.rows);
        columns = mode == WC_OUTPUT ? int(b.rows) : b.channels;
        depth = mode == WC_OUTPUT ? a.channels : int(b.rows);
        row_chunk = std::min(rows, ROW_CHUNK);
    }
    int depth_chunk() const { return std::min(depth, DEPTH_CHUNK); }
    long part() const { return long(depth_chunk()) * LANES; }
    // Of A's rows and depth within a chunk, padded: either may be lanes.
    long sum() const { return long(blocks_of(row_chunk) * LANES) * (blocks_of(depth_chunk()) * LANES); }
};

static Matrix matrix_at(const wc_spectrum &s, int frequency, int group) {
    long block = long(s.rows) * LANES;
    const float *real =
        static_cast<const float *>(s.data) + 2 * frequency * s.plane + long(group) * blocks_of(s.channels) * block;
    return {real, real + s.plane, block};
}

// VECTOR columns of B from `from` on, transposed to rows of a panel; those that are not there become zero.
WC_INLINE void read_transposed(const float *from, int present, V *rows) {
    for (int i = 0; i < VECTOR; i++) rows[i] = i < present ? load(from + i * LANES) : zero();
    transpose(rows);
}

// Columns first ... first + LANES - 1 of B transposed (kernels by output channel): depth is B's lanes.
static void pack_transposed(Matrix b, int rows, int first, int depth_first, int depth, float *panel, long part) {
    int present = std::min(LANES, rows - first);
    for (int d = 0; d < depth; d += VECTOR) {
        long place = (depth_first + d) / LANES * b.block + long(first) * LANES + (depth_first + d) % LANES;
        int kept = std::min(VECTOR, depth - d);
        for (int half = 0; half < LANES; half += VECTOR) {
            V columns[VECTOR];
            float *to = panel + long(d) * LANES + half;
            read_transposed(b.real + place + half * LANES, present - half, columns);
            for (int i = 0; i < kept; i++) store(to + i * LANES, columns[i]);
            read_transposed(b.imaginary + place + half * LANES, present - half, columns);
            for (int i = 0; i < kept; i++, to += LANES) {
                V real = load(to);
                store(to + part, columns[i] - real);
                store(to + 2 * part, columns[i] + real);
            }
        }
    }
}

// A block of conj(B) whose depth is its rows.
static void pack_conjugate(Matrix b, int block, int depth_first, int depth, float *panel, long part) {
    long place = block * b.block + long(depth_first) * LANES;
    for (long i = 0; i < long(depth) * LANES; i += VECTOR) {
        V real = load(b.real + place + i), imaginary = load(b.imaginary + place + i);
        store(panel + i, real);
        store(panel + part + i, -imaginary - real);
        store(panel + 2 * part + i, real - imaginary);
    }
}

static long packed_stride(const wc_spectrum &kernel) {  // of one frequency's group
    return 3L * kernel.channels * LANES * blocks_of(int(kernel.rows));
}
