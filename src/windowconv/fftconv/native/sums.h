// The inner loops of the transforms: small tables times samples of LANES channels. Included as vector.h is.

// out[i] = sum_j table[j][i] * x[j], for M values of i.
template <int M>
WC_INLINE void sums(const float *table, long columns, int depth, const float *x, long step, float *out, long out_step) {
    V a[M], b[M];
#pragma GCC unroll 16
    for (int i = 0; i < M; i++) a[i] = b[i] = zero();
    for (int j = 0; j < depth; j++, x += step, table += columns) {
        V x0 = load(x), x1 = load(x + VECTOR);
#pragma GCC unroll 16
        for (int i = 0; i < M; i++) {
            a[i] += table[i] * x0;
            b[i] += table[i] * x1;
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < M; i++) {
        store(out + i * out_step, a[i]);
        store(out + i * out_step + VECTOR, b[i]);
    }
}

// The same for any number of outputs, in even shares of at most ROWS.
static void all_sums(const float *table, int outputs, int depth, const float *x, long step, float *out, long out_step) {
    int shares = (outputs + ROWS - 1) / ROWS, first = 0;
    for (int share = 0; share < shares; share++) {
        int count = (outputs - first + shares - share - 1) / (shares - share);
        const float *t = table + first;
        float *o = out + first * out_step;
        switch (count) {
#define WC_CASE(M) \
    case M: \
        if constexpr (M <= ROWS) sums<M>(t, outputs, depth, x, step, o, out_step); \
        break;
            WC_CASE(1) WC_CASE(2) WC_CASE(3) WC_CASE(4) WC_CASE(5) WC_CASE(6) WC_CASE(7)
            WC_CASE(8) WC_CASE(9) WC_CASE(10) WC_CASE(11) WC_CASE(12) WC_CASE(13)
#undef WC_CASE
        }
        first += count;
    }
}

// P_i = start + sum_j cosine[j][i] * a[j] and Q_i = sum_j sine[j][i] * b[j], for M values of i;
// emit(i, P + Q, P - Q) gets both vectors of each.
template <int M, class Emit>
WC_INLINE void pair_sums(const float *cosine, const float *sine, long columns, int depth, const float *a,
                         const float *b, long step, V start0, V start1, Emit emit) {
    V p[M][2], q[M][2];
#pragma GCC unroll 8
    for (int i = 0; i < M; i++) p[i][0] = start0, p[i][1] = start1, q[i][0] = q[i][1] = zero();
    for (int j = 0; j < depth; j++, a += step, b += step, cosine += columns, sine += columns) {
        V a0 = load(a), a1 = load(a + VECTOR), b0 = load(b), b1 = load(b + VECTOR);
#pragma GCC unroll 8
        for (int i = 0; i < M; i++) {
            p[i][0] += cosine[i] * a0;
            p[i][1] += cosine[i] * a1;
            q[i][0] += sine[i] * b0;
            q[i][1] += sine[i] * b1;
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < M; i++) emit(i, p[i][0] + q[i][0], p[i][1] + q[i][1], p[i][0] - q[i][0], p[i][1] - q[i][1]);
}

// The same for any number of outputs.
template <class Emit>
WC_INLINE void all_pair_sums(const float *cosine, const float *sine, int outputs, int depth, const float *a,
                             const float *b, long step, V start0, V start1, Emit emit) {
    int shares = (outputs + PAIR_ROWS - 1) / PAIR_ROWS, first = 0;
    for (int share = 0; share < shares; share++) {
        int count = (outputs - first + shares - share - 1) / (shares - share);
        auto shifted = [&](int i, V plus0, V plus1, V minus0, V minus1) {
            emit(first + i, plus0, plus1, minus0, minus1);
        };
        const float *c = cosine + first, *s = sine + first;
        switch (count) {
#define WC_CASE(M) \
    case M: \
        if constexpr (M <= PAIR_ROWS) pair_sums<M>(c, s, outputs, depth, a, b, step, start0, start1, shifted); \
        break;
            WC_CASE(1) WC_CASE(2) WC_CASE(3) WC_CASE(4) WC_CASE(5) WC_CASE(6)
#undef WC_CASE
        }
        first += count;
    }
}
