// Whole tensors to spectra and back, in parallel over images and blocks of channels. Included as vector.h is.

constexpr int TASK_ROWS = 8;  // neighbouring rows share the cache lines' neighbours: one task

struct Scratch {
    long tile, folded, middle, gathered;  // floats

    Scratch(const wc_axis &height, const wc_axis &width) {
        Columns columns(height, width);
        long rows = std::max(2 * height.pairs, height.length);
        tile = long(height.length) * width.length * LANES;
        folded = 4L * width.pairs * LANES;
        middle = 2L * rows * columns.count * LANES;
        gathered = 4L * columns.half * LANES;
    }
    long floats() const { return tile + folded + middle + gathered; }
};

static int64_t transform_scratch(const wc_axis &height, const wc_axis &width) {
    return Scratch(height, width).floats() * int64_t(sizeof(float));
}

template <class T, class S>
static void transform_tile(const wc_tensor &tensor, const wc_axis &height, const wc_axis &width, const float *window,
                           Block block, int64_t image, int ty, int tx, S *to, int64_t plane, float *scratch) {
    Scratch sizes(height, width);
    Columns columns(height, width);
    float *folded = scratch + sizes.tile, *middle = folded + sizes.folded;
    Span h = span_of(height, ty), w = span_of(width, tx);
    View view = read_tile<T>(tensor, block, image, h, w, width.length, width.size, window, scratch);
    long part = long(columns.count) * LANES;
    for (int j = 0; j < height.pairs; j++) {
        fold(view, h, w, pair_at(height, j), width, folded);
        transform_width(folded, width, columns.count, middle + 4 * part * j);
    }
    for (int column = 0; column < columns.count; column++)
        transform_height(middle + long(column) * LANES, height, columns, column,
                         to + 2 * plane * columns.first(column), plane);
}

template <class T, class S>
static void transform_all(const wc_tensor &tensor, const wc_axis &height, const wc_axis &width, const float *window,
                          const wc_spectrum &out, const wc_run &run) {
    int tiles = height.tiles * width.tiles, blocks = blocks_of(tensor.channels) * tensor.groups;
    int64_t rows = tensor.images * tiles, shares = (rows + TASK_ROWS - 1) / TASK_ROWS;
    parallel(shares * blocks, run, [&](int64_t task, float *scratch) {
        int index = int(task % blocks);
        Block block = block_at(index, tensor.channels);
        int64_t first = task / blocks * TASK_ROWS;
        for (int64_t row = first; row < std::min(rows, first + TASK_ROWS); row++) {
            S *to = static_cast<S *>(out.data) + (index * rows + row) * LANES;
            int tile = int(row % tiles);
            transform_tile<T>(tensor, height, width, window, block, row / tiles, tile / width.tiles,
                              tile % width.tiles, to, out.plane, scratch);
        }
        finish_streams();
    });
}

template <class T, class S>
static void invert_tile(const S *from, int64_t plane, const wc_axis &height, const wc_axis &width, const float *window,
                        const float *bias, bool accumulate, Block block, int64_t image, int ty, int tx,
                        const wc_tensor &out, float *scratch) {
    Scratch sizes(height, width);
    Columns columns(height, width);
    float *middle = scratch + sizes.tile, *gathered = middle + sizes.middle;
    for (int column = 0; column < columns.count; column++) {
        gather_column(from + 2 * plane * columns.first(column), plane, columns, column, gathered);
        invert_height(gathered, height, columns, middle + long(column) * LANES);
    }
    Span h = span_of(height, ty), w = span_of(width, tx);
    bool in_place = !window && !accumulate && reads_in_place(out, block);
    float *base = scratch;
    long height_step = long(width.length) * LANES, width_step = LANES;
    if (in_place) {
        base = element<float>(out, block, image) + h.origin * out.height_stride + w.origin * out.width_stride;
        height_step = out.height_stride, width_step = out.width_stride;
    }
    V bias0 = zero(), bias1 = zero();
    if (bias) {
        float all[LANES] = {};
        memcpy(all, bias + block.group * out.channels + block.first, block.count * sizeof(float));
        bias0 = load(all), bias1 = load(all + VECTOR);
    }
    long row = 2L * columns.count * LANES;
    for (int y = h.begin; y < h.end; y++) {
        float *to = base + y * height_step;
        invert_width(middle + y * row, width, columns.count, bias0, bias1, w.begin, w.end, to, width_step);
        if (!window) continue;
        for (int x = w.begin; x < w.end; x++) {
            float factor = window[(h.origin + y) * width.size + w.origin + x], *p = to + x * width_step;
            store(p, load(p) * factor);
            store(p + VECTOR, load(p + VECTOR) * factor);
        }
    }
    if (!in_place) write_tile<T>(out, block, image, h, w, width.length, scratch, accumulate);
}

// Tiles of one image overlap where they are accumulated, so one task does all of an image's.
template <class T, class S>
static void invert_all(const wc_spectrum &spectrum, const wc_axis &height, const wc_axis &width, const float *window,
                       const float *bias, bool accumulate, const wc_tensor &out, const wc_run &run) {
    int tiles = height.tiles * width.tiles, blocks = blocks_of(out.channels) * out.groups;
    int64_t images = std::max(1, TASK_ROWS / tiles), shares = (out.images + images - 1) / images;
    int64_t rows = out.images * tiles;
    parallel(shares * blocks, run, [&](int64_t task, float *scratch) {
        int index = int(task % blocks);
        Block block = block_at(index, out.channels);
        int64_t first = task / blocks * images * tiles, end = std::min(rows, first + images * tiles);
        for (int64_t row = first; row < end; row++) {
            const S *from = static_cast<const S *>(spectrum.data) + (index * rows + row) * LANES;
            int tile = int(row % tiles);
            invert_tile<T>(from, spectrum.plane, height, width, window, bias, accumulate, block, row / tiles,
                           tile / width.tiles, tile % width.tiles, out, scratch);
        }
    });
}

#define WC_BY_TYPES(function, tensor, spectrum, ...) \
    if (tensor.type == WC_FLOAT32) { \
        if (spectrum.type == WC_FLOAT32) function<float, float>(__VA_ARGS__); \
        else function<float, bfloat16>(__VA_ARGS__); \
    } else { \
        if (spectrum.type == WC_FLOAT32) function<bfloat16, float>(__VA_ARGS__); \
        else function<bfloat16, bfloat16>(__VA_ARGS__); \
    }

static void transform(const wc_tensor &tensor, const wc_axis &height, const wc_axis &width, const float *window,
                      const wc_spectrum &out, const wc_run &run) {
    WC_BY_TYPES(transform_all, tensor, out, tensor, height, width, window, out, run)
}

static void invert(const wc_spectrum &spectrum, const wc_axis &height, const wc_axis &width, const float *window,
                   const float *bias, bool accumulate, const wc_tensor &out, const wc_run &run) {
    WC_BY_TYPES(invert_all, out, spectrum, spectrum, height, width, window, bias, accumulate, out, run)
}
