// Whole tensors to spectra and back, in parallel over images and blocks of channels. Included as vector.h is.

constexpr int TASK_ROWS = 8;             // neighbouring rows of a spectrum, done by one task
constexpr long MIDDLE_BYTES = 512 << 10; // of rows that go through the height's transform together

// What a thread needs, in floats. Several rows go together, so that a plane's neighbouring cache lines are written
// (and read) one after the other: memory likes runs.
struct Scratch {
    long tile, folded, middle, gathered;
    int together;

    Scratch(const wc_axis &height, const wc_axis &width) {
        Columns columns(height, width);
        long rows = std::max(2 * height.pairs, height.length);
        tile = long(height.length) * width.length * LANES;
        folded = 4L * width.pairs * LANES;
        middle = 2L * rows * columns.count * LANES;
        gathered = 4L * columns.half * LANES;
        together = int(std::max(1L, std::min(long(TASK_ROWS), MIDDLE_BYTES / (4 * middle))));
    }
    long floats() const { return tile + folded + middle * together + gathered; }
};

static int64_t transform_scratch(const wc_axis &height, const wc_axis &width) {
    return Scratch(height, width).floats() * int64_t(sizeof(float));
}

// A tile of one block of channels, by its place in the spectrum.
struct Place {
    Block block;
    int64_t image;
    Span h, w;

    Place(Block b, int64_t row, const wc_axis &height, const wc_axis &width) : block(b) {
        int tiles = height.tiles * width.tiles, tile = int(row % tiles);
        image = row / tiles;
        h = span_of(height, tile / width.tiles);
        w = span_of(width, tile % width.tiles);
    }
};

// The width's transform of one tile.
template <class T>
static void transform_rows(const wc_tensor &tensor, const wc_axis &height, const wc_axis &width, const float *window,
                           const Place &at, float *middle, const Scratch &sizes, float *scratch) {
    Columns columns(height, width);
    float *folded = scratch + sizes.tile;
    View view = read_tile<T>(tensor, at.block, at.image, at.h, at.w, width.length, width.size, window, scratch);
    for (int j = 0; j < height.pairs; j++) {
        fold(view, at.h, at.w, pair_at(height, j), width, folded);
        transform_width(folded, width, columns.count, middle + 4L * columns.count * LANES * j);
    }
}

template <class T, class S>
static void transform_all(const wc_tensor &tensor, const wc_axis &height, const wc_axis &width, const float *window,
                          const wc_spectrum &out, const wc_run &run) {
    int blocks = blocks_of(tensor.channels) * tensor.groups;
    int64_t rows = out.rows, shares = (rows + TASK_ROWS - 1) / TASK_ROWS;
    Scratch sizes(height, width);
    Columns columns(height, width);
    parallel(shares * blocks, run, [&](int64_t task, float *scratch) {
        int index = int(task % blocks);
        Block block = block_at(index, tensor.channels);
        int64_t first = task / blocks * TASK_ROWS, end = std::min(rows, first + TASK_ROWS);
        float *middle = scratch + sizes.tile + sizes.folded;
        for (int64_t row = first; row < end; row += sizes.together) {
            int count = int(std::min(int64_t(sizes.together), end - row));
            for (int i = 0; i < count; i++)
                transform_rows<T>(tensor, height, width, window, Place(block, row + i, height, width),
                                  middle + i * sizes.middle, sizes, scratch);
            S *to = static_cast<S *>(out.data) + (index * rows + row) * LANES;
            for (int column = 0; column < columns.count; column++)
                for (int i = 0; i < count; i++)
                    transform_height(middle + i * sizes.middle + long(column) * LANES, height, columns, column,
                                     to + 2 * out.plane * columns.first(column) + i * LANES, out.plane);
        }
        finish_streams();
    });
}

// The width's inverse of one tile, to the tensor.
template <class T>
static void invert_rows(const wc_tensor &out, const wc_axis &height, const wc_axis &width, const float *window,
                        const float *bias, bool accumulate, const Place &at, const float *middle, float *scratch) {
    Columns columns(height, width);
    Span h = at.h, w = at.w;
    bool in_place = !window && !accumulate && reads_in_place(out, at.block);
    float *base = scratch;
    long height_step = long(width.length) * LANES, width_step = LANES;
    if (in_place) {
        base = element<float>(out, at.block, at.image) + h.origin * out.height_stride + w.origin * out.width_stride;
        height_step = out.height_stride, width_step = out.width_stride;
    }
    V bias0 = zero(), bias1 = zero();
    if (bias) {
        float all[LANES] = {};
        memcpy(all, bias + at.block.group * out.channels + at.block.first, at.block.count * sizeof(float));
        bias0 = load(all), bias1 = load(all + VECTOR);
    }
    for (int y = h.begin; y < h.end; y++) {
        float *to = base + y * height_step;
        invert_width(middle + y * 2L * columns.count * LANES, width, columns.count, bias0, bias1, w.begin, w.end, to,
                     width_step);
        for (int x = w.begin; window && x < w.end; x++) {
            float factor = window[(h.origin + y) * width.size + w.origin + x], *p = to + x * width_step;
            store(p, load(p) * factor);
            store(p + VECTOR, load(p + VECTOR) * factor);
        }
    }
    if (!in_place) write_tile<T>(out, at.block, at.image, h, w, width.length, scratch, accumulate);
}

// Tiles of one image overlap where they are accumulated, so one task does all of an image's.
template <class T, class S>
static void invert_all(const wc_spectrum &spectrum, const wc_axis &height, const wc_axis &width, const float *window,
                       const float *bias, bool accumulate, const wc_tensor &out, const wc_run &run) {
    int tiles = height.tiles * width.tiles, blocks = blocks_of(out.channels) * out.groups;
    int64_t images = std::max(1, TASK_ROWS / tiles), shares = (out.images + images - 1) / images;
    int64_t rows = spectrum.rows, step = images * tiles;
    Scratch sizes(height, width);
    Columns columns(height, width);
    parallel(shares * blocks, run, [&](int64_t task, float *scratch) {
        int index = int(task % blocks);
        Block block = block_at(index, out.channels);
        int64_t first = task / blocks * step, end = std::min(rows, first + step);
        float *gathered = scratch + sizes.tile, *middle = gathered + sizes.gathered;
        for (int64_t row = first; row < end; row += sizes.together) {
            int count = int(std::min(int64_t(sizes.together), end - row));
            const S *from = static_cast<const S *>(spectrum.data) + (index * rows + row) * LANES;
            for (int column = 0; column < columns.count; column++)
                for (int i = 0; i < count; i++) {
                    gather_column(from + 2 * spectrum.plane * columns.first(column) + i * LANES, spectrum.plane,
                                  columns, column, gathered);
                    invert_height(gathered, height, columns, middle + i * sizes.middle + long(column) * LANES);
                }
            for (int i = 0; i < count; i++)
                invert_rows<T>(out, height, width, window, bias, accumulate, Place(block, row + i, height, width),
                               middle + i * sizes.middle, scratch);
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
