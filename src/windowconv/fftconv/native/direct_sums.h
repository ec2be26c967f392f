// The inner loops of a direct depthwise convolution: LANES channels, each with taps of its own. Included as vector.h is.

// One row of a kernel: where its first tap is, and the sample that it multiplies for the first of several results.
struct TapRow {
    const float *sample, *tap;
};

// How samples and taps lie in a row, in floats from one to the next.
struct TapSteps {
    int taps;
    long sample, tap;  // from one tap to the next
    long result;       // from one result's sample to the next result's
};

// out[i] = start + sum over rows and taps of tap * sample, for M neighbouring results; DENSE: their samples are
// neighbours too.
template <int M, bool DENSE>
WC_INLINE void tap_sums(const TapRow *rows, int count, TapSteps steps, const float *start, float *out, long out_step) {
    V a[M], b[M];
#pragma GCC unroll 16
    for (int i = 0; i < M; i++) a[i] = load(start), b[i] = load(start + VECTOR);
    long between = DENSE ? long(LANES) : steps.result;
    for (int row = 0; row < count; row++) {
        const float *x = rows[row].sample, *w = rows[row].tap;
        for (int t = 0; t < steps.taps; t++, x += steps.sample, w += steps.tap) {
            V w0 = load(w), w1 = load(w + VECTOR);
#pragma GCC unroll 16
            for (int i = 0; i < M; i++) {
                a[i] += w0 * load(x + i * between);
                b[i] += w1 * load(x + i * between + VECTOR);
            }
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < M; i++) {
        store(out + i * out_step, a[i]);
        store(out + i * out_step + VECTOR, b[i]);
    }
}

// Calls body(first, constant) for even shares of `count` of at most ROWS each; the constant's value is the share.
template <class Body>
WC_INLINE void in_shares(int count, const Body &body) {
    int shares = (count + ROWS - 1) / ROWS, first = 0;
    for (int share = 0; share < shares; share++) {
        int size = (count - first + shares - share - 1) / (shares - share);
        switch (size) {
#define WC_CASE(M) \
    case M: \
        if constexpr (M <= ROWS) body(first, std::integral_constant<int, M>()); \
        break;
            WC_CASE(1) WC_CASE(2) WC_CASE(3) WC_CASE(4) WC_CASE(5) WC_CASE(6) WC_CASE(7)
            WC_CASE(8) WC_CASE(9) WC_CASE(10) WC_CASE(11) WC_CASE(12) WC_CASE(13)
#undef WC_CASE
        }
        first += size;
    }
}

// The same for any number of results; `rows` is changed.
static void all_tap_sums(TapRow *rows, int count, TapSteps steps, int results, const float *start, float *out,
                         long out_step) {
    int done = 0;
    in_shares(results, [&](int first, auto m) {
        for (int row = 0; row < count; row++) rows[row].sample += (first - done) * steps.result;
        done = first;
        float *to = out + first * out_step;
        if (steps.result == LANES) tap_sums<m.value, true>(rows, count, steps, start, to, out_step);
        else tap_sums<m.value, false>(rows, count, steps, start, to, out_step);
    });
}

// A rectangle of samples: from one row and one column to the next, in floats.
struct Grid {
    const float *at;
    long row, column;
};

// sums[t] += the sum over rows and columns of gradient * sample[t], for M taps; DENSE: they are neighbours.
template <int M, bool DENSE>
WC_INLINE void tap_gradients(Grid gradient, Grid sample, int rows, int columns, long tap_step, float *sums) {
    V a[M], b[M];
#pragma GCC unroll 16
    for (int t = 0; t < M; t++) a[t] = load(sums + t * LANES), b[t] = load(sums + t * LANES + VECTOR);
    long between = DENSE ? long(LANES) : tap_step;
    for (int row = 0; row < rows; row++, gradient.at += gradient.row, sample.at += sample.row) {
        const float *g = gradient.at, *x = sample.at;
        for (int column = 0; column < columns; column++, g += gradient.column, x += sample.column) {
            V g0 = load(g), g1 = load(g + VECTOR);
#pragma GCC unroll 16
            for (int t = 0; t < M; t++) {
                a[t] += g0 * load(x + t * between);
                b[t] += g1 * load(x + t * between + VECTOR);
            }
        }
    }
#pragma GCC unroll 16
    for (int t = 0; t < M; t++) store(sums + t * LANES, a[t]), store(sums + t * LANES + VECTOR, b[t]);
}

// The same for any number of taps.
static void all_tap_gradients(Grid gradient, Grid sample, int rows, int columns, int taps, long tap_step, float *sums) {
    in_shares(taps, [&](int first, auto m) {
        Grid from = {sample.at + first * tap_step, sample.row, sample.column};
        float *to = sums + first * LANES;
        if (tap_step == LANES) tap_gradients<m.value, true>(gradient, from, rows, columns, tap_step, to);
        else tap_gradients<m.value, false>(gradient, from, rows, columns, tap_step, to);
    });
}
