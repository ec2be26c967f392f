// Tiles to spectra and back: width first, then height by column of frequencies. Included as vector.h is.
//
// Samples come in pairs at +d and -d from the centre (plan.py): sums meet cosines, differences sines. Of a real
// tile's frequencies the columns 0 ... period/2 are kept, and of those columns that mirror themselves the first half.

// How a spectrum's frequencies are ordered: column by column, in each first rows 0 ... period/2, then -1, -2, ...
struct Columns {
    int count, half, rows;  // columns, rows 0 ... period/2, rows of a whole column
    bool even_width;

    Columns(const wc_axis &height, const wc_axis &width)
        : count(width.period / 2 + 1), half(height.period / 2 + 1), rows(height.period),
          even_width(width.period % 2 == 0) {}
    bool mirrors_itself(int column) const { return column == 0 || (even_width && column == count - 1); }
    int first(int column) const { return column == 0 ? 0 : half + (column - 1) * rows; }
    // Where row -c is, relative to the column's first; it is none of its own for c = 0 and c = period/2.
    int mirror(int c) const { return half + c - 1; }
    bool has_mirror(int c) const { return c > 0 && 2 * c != rows; }
};

// The samples of pair j on an axis: the centre's own sample has no partner.
struct Pair {
    int above, below;
    bool single;
};
WC_INLINE Pair pair_at(const wc_axis &axis, int j) {
    int odd = axis.centre2 & 1;
    return {(axis.centre2 + odd) / 2 + j, (axis.centre2 - odd) / 2 - j, !odd && j == 0};
}

// Folds rows `above` and `below` about the width's centre: to[kind][pair][LANES], the kinds being even-even, even-odd,
// odd-even, odd-odd in height and width.
static void fold(const View &view, Span h, Span w, Pair rows, const wc_axis &width, float *to) {
    bool has_above = rows.above >= h.begin && rows.above < h.end;
    bool has_below = !rows.single && rows.below >= h.begin && rows.below < h.end;
    const float *above = view.base + rows.above * view.height_step, *below = view.base + rows.below * view.height_step;
    long kind = long(width.pairs) * LANES;
    for (int j = 0; j < width.pairs; j++) {
        Pair columns = pair_at(width, j);
        bool has_right = columns.above >= w.begin && columns.above < w.end;
        bool has_left = !columns.single && columns.below >= w.begin && columns.below < w.end;
        long right = columns.above * view.width_step, left = columns.below * view.width_step;
        for (int half = 0; half < LANES; half += VECTOR, to += VECTOR) {
            __builtin_prefetch(above + right + half + view.next);
            __builtin_prefetch(above + left + half + view.next);
            __builtin_prefetch(below + right + half + view.next);
            __builtin_prefetch(below + left + half + view.next);
            V a = has_above && has_right ? load(above + right + half) : zero();
            V b = has_above && has_left ? load(above + left + half) : zero();
            V c = has_below && has_right ? load(below + right + half) : zero();
            V d = has_below && has_left ? load(below + left + half) : zero();
            V even_right = a + c, even_left = b + d, odd_right = a - c, odd_left = b - d;
            store(to, even_right + even_left);
            store(to + kind, columns.single ? zero() : even_right - even_left);
            store(to + 2 * kind, odd_right + odd_left);
            store(to + 3 * kind, columns.single ? zero() : odd_right - odd_left);
        }
    }
}

// Width's transform of a folded pair of rows: to[even, odd][real, imaginary][column][LANES].
static void transform_width(const float *folded, const wc_axis &width, int columns, float *to) {
    long kind = long(width.pairs) * LANES, part = long(columns) * LANES;
    for (int i = 0; i < 4; i++)
        all_sums(i % 2 ? width.sine : width.cosine, columns, width.pairs, folded + i * kind, LANES, to + i * part,
                 LANES);
}

// Height's transform of one column, written to the spectrum; `z` is that column of the width's transform.
template <class S>
static void transform_height(const float *z, const wc_axis &height, const Columns &columns, int column, S *to,
                             int64_t plane) {
    long part = long(columns.count) * LANES;
    bool mirrored = !columns.mirrors_itself(column);
    const float *even[2] = {z, z + part}, *odd[2] = {z + 2 * part, z + 3 * part};
    for (int imaginary = 0; imaginary < 2; imaginary++) {
        S *base = to + imaginary * plane;
        auto emit = [&](int c, V plus0, V plus1, V minus0, V minus1) {
            S *own = base + 2 * plane * c, *other = base + 2 * plane * columns.mirror(c);
            if (mirrored && columns.has_mirror(c)) {
                stream(other, imaginary ? minus0 : plus0);
                stream(other + VECTOR, imaginary ? minus1 : plus1);
            }
            stream(own, imaginary ? plus0 : minus0);
            stream(own + VECTOR, imaginary ? plus1 : minus1);
        };
        all_pair_sums(height.cosine, height.sine, columns.half, height.pairs, even[imaginary], odd[1 - imaginary],
                      4 * part, zero(), zero(), emit);
    }
}

// A column of the spectrum as sums and differences of rows c and -c: to[c][sum, difference][real, imaginary][LANES].
// The next column is fetched meanwhile.
template <class S>
static void gather_column(const S *from, int64_t plane, const Columns &columns, int column, float *to) {
    int64_t next = 2 * plane * (columns.first(column + 1) - columns.first(column));
    bool mirrors_itself = columns.mirrors_itself(column);
    for (int c = 0; c < columns.half; c++, to += 4 * LANES) {
        bool pair = !mirrors_itself && columns.has_mirror(c);
        // a column that mirrors itself holds rows c for both c and -c
        float weight = mirrors_itself && columns.has_mirror(c) ? 2.0f : 1.0f;
        for (int i = 0; i < 2 * LANES; i += VECTOR) {
            int64_t place = i / LANES * plane + i % LANES;
            const S *own = from + 2 * plane * c + place;
            __builtin_prefetch(own + next);
            V x = load(own);
            if (pair) {
                const S *other = from + 2 * plane * columns.mirror(c) + place;
                __builtin_prefetch(other + next);
                V y = load(other);
                store(to + i, x + y);
                store(to + 2 * LANES + i, x - y);
            } else {
                store(to + i, x * weight);
                store(to + 2 * LANES + i, x * weight);
            }
        }
    }
}

// Height's inverse of a gathered column: to[sample][real, imaginary][column][LANES].
static void invert_height(const float *gathered, const wc_axis &height, const Columns &columns, float *to) {
    long row = 2L * columns.count * LANES;
    const float *sum = gathered, *difference = gathered + 2 * LANES;
    for (int imaginary = 0; imaginary < 2; imaginary++) {
        float *base = to + imaginary * columns.count * LANES;
        auto emit = [&](int j, V plus0, V plus1, V minus0, V minus1) {
            Pair pair = pair_at(height, j);
            if (pair.above >= 0 && pair.above < height.length) {
                store(base + pair.above * row, imaginary ? plus0 : minus0);
                store(base + pair.above * row + VECTOR, imaginary ? plus1 : minus1);
            }
            if (!pair.single && pair.below >= 0 && pair.below < height.length) {
                store(base + pair.below * row, imaginary ? minus0 : plus0);
                store(base + pair.below * row + VECTOR, imaginary ? minus1 : plus1);
            }
        };
        all_pair_sums(height.cosine, height.sine, height.pairs, columns.half, sum + imaginary * LANES,
                      difference + (1 - imaginary) * LANES, 4 * LANES, zero(), zero(), emit);
    }
}

// Width's inverse of one row; sample w goes to `to + w * step` if begin <= w < end.
static void invert_width(const float *u, const wc_axis &width, int columns, V bias0, V bias1, int begin, int end,
                         float *to, long step) {
    auto emit = [&](int j, V plus0, V plus1, V minus0, V minus1) {
        Pair pair = pair_at(width, j);
        if (pair.above >= begin && pair.above < end) {
            store(to + pair.above * step, minus0);
            store(to + pair.above * step + VECTOR, minus1);
        }
        if (!pair.single && pair.below >= begin && pair.below < end) {
            store(to + pair.below * step, plus0);
            store(to + pair.below * step + VECTOR, plus1);
        }
    };
    all_pair_sums(width.cosine, width.sine, width.pairs, columns, u, u + long(columns) * LANES, LANES, bias0, bias1,
                  emit);
}
