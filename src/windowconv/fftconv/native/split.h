// Float32 numbers as sums of two bfloat16, in the order in which tiles want them. Included after tiles.h.
//
// x = high + low holds to about 17 bits. A SQUARE holds LANES x LANES numbers as four tiles: two of the high parts, two
// of the low ones. In tiles of A a row is a row of the result and runs along the depth; in tiles of B a row holds two
// neighbouring depths, column by column.

constexpr int SQUARE = 4 * TILE;

struct Parts {
    Bits high, low;  // each in the lower half of its lane
};

WC_INLINE Parts split(V x) {
    Bits high = as_bfloat16(x);
    return {high, as_bfloat16(x - (V)(high << 16))};
}

// Tiles of A whose depth lies along the lanes. read(place) gives VECTOR numbers of a matrix whose rows are LANES apart;
// of its rows `present` are there, the others become zero.
template <class Read>
WC_INLINE void split_rows(Read read, int present, bfloat16 *to) {
    for (int row = 0; row < LANES; row++)
        for (int half = 0; half < LANES; half += VECTOR, to += VECTOR) {
            Parts parts = split(row < present ? read(row * LANES + half) : zero());
            store(to, parts.high);
            store(to + 2 * TILE, parts.low);
        }
}

// Tiles of B, or transposed those of A, whose depth is the matrix's rows.
template <bool TRANSPOSED, class Read>
WC_INLINE void split_pairs(Read read, int present, bfloat16 *to) {
    for (int half = 0; half < LANES; half += VECTOR, to += TILE) {
        V high[VECTOR], low[VECTOR];
        for (int i = 0; i < VECTOR; i++) {
            Parts even = split(2 * i < present ? read(2 * i * LANES + half) : zero());
            Parts odd = split(2 * i + 1 < present ? read((2 * i + 1) * LANES + half) : zero());
            high[i] = (V)(even.high | odd.high << 16);
            low[i] = (V)(even.low | odd.low << 16);
        }
        if constexpr (TRANSPOSED) transpose(high), transpose(low);
        for (int i = 0; i < VECTOR; i++) {
            store(reinterpret_cast<float *>(to) + i * VECTOR, high[i]);
            store(reinterpret_cast<float *>(to + 2 * TILE) + i * VECTOR, low[i]);
        }
    }
}
