// A depthwise convolution of one to three axes by its definition, and its gradients. Included as vector.h is.
//
// A task takes a tile of one image and LANES channels: it reads the box of samples that the tile needs as floats, with
// the padding's zeros, whatever the tensor's layout and type, and sums in registers over all taps.

WC_INLINE int taps_of(const wc_depthwise &p) { return p.side[0].taps * p.side[1].taps * p.side[2].taps; }

constexpr int WRITTEN_ROW = 128;  // results that are written at once, in whole rows; longer rows alone

// Tiles' results are the same however many there are; a kernel's gradient is summed in as many parts for any number of
// threads.
constexpr int GRADIENT_PARTS = 64;

struct GradientParts {
    Tiling tiling;
    int64_t units;  // tiles of images
    int parts;
    long each;      // floats of one part: taps and the bias

    explicit GradientParts(const wc_depthwise &p)
        : tiling(p, false, 0), units(p.images * tiling.count()), each(long(taps_of(p) + 1) * LANES) {
        int blocks = std::max(1, blocks_of(p.channels));
        parts = int(std::max<int64_t>(1, std::min<int64_t>(units, (GRADIENT_PARTS + blocks - 1) / blocks)));
    }
};

static int64_t direct_scratch(const wc_depthwise &p, int mode) {
    if (mode == WC_GRADIENT_KERNEL) {
        GradientParts parts(p);
        return int64_t(sizeof(float)) * (parts.tiling.source_floats() + parts.tiling.results_of(0).floats());
    }
    Tiling tiling(p, mode == WC_GRADIENT_INPUT, 0);
    return int64_t(sizeof(float)) * (tiling.source_floats() + (WRITTEN_ROW + tiling.tile[2]) * LANES);
}

static int64_t direct_shared(const wc_depthwise &p, int mode) {
    int64_t copies = mode == WC_GRADIENT_KERNEL ? GradientParts(p).parts : 1;
    return int64_t(sizeof(float)) * copies * blocks_of(p.channels) * (taps_of(p) + 1) * LANES;
}

// The kernels as floats: [block][tap][LANES], and the bias after a block's taps.
template <class T>
static void read_taps(const wc_depthwise &p, const wc_tensor &weight, const float *bias, float *to) {
    for (int i = 0; i < blocks_of(p.channels); i++) {
        Block block = block_at(i, p.channels);
        read_samples(weight, element<T>(weight, block, 0), block, taps_of(p), to);
        to += taps_of(p) * LANES;
        for (int lane = 0; lane < LANES; lane++, to++) *to = bias && lane < block.count ? bias[block.first + lane] : 0.0f;
    }
}

// The kernel's rows that meet the results of one row, each with its first sample in the box.
static int meeting_rows(const Tiling &tiling, const Box &box, const float *samples, const float *taps, int z, int y,
                        TapRow *rows) {
    const wc_side *side = tiling.problem.side;
    Meeting depth = meeting(side[0], tiling.transposed, z), height = meeting(side[1], tiling.transposed, y);
    int count = 0;
    for (int i = 0; i < depth.count; i++) {
        int from_z = depth.source + i * depth.source_step;
        if (from_z < 0 || from_z >= tiling.source_size(0)) continue;
        for (int j = 0; j < height.count; j++) {
            int from_y = height.source + j * height.source_step;
            if (from_y < 0 || from_y >= tiling.source_size(1)) continue;
            long tap = long(depth.tap + i * depth.tap_step) * side[1].taps + height.tap + j * height.tap_step;
            rows[count++] = {box.at(samples, from_z, from_y), taps + tap * side[2].taps * LANES};
        }
    }
    return count;
}

// One row of a tile's results: [x][LANES]. Of a transposed convolution every stride-th result meets the same taps.
static void sum_row(const Tiling &tiling, const Box &box, const TapRow *rows, int count, Range results,
                    const float *bias, float *out) {
    const wc_side &side = tiling.problem.side[2];
    int phases = tiling.transposed ? side.stride : 1;
    TapRow shifted[WC_MOST_TAPS * WC_MOST_TAPS];
    for (int phase = 0; phase < std::min(phases, results.count); phase++) {
        Meeting width = meeting(side, tiling.transposed, results.first + phase);
        for (int i = 0; i < count; i++)
            shifted[i] = {rows[i].sample + long(width.source - box.width.first) * LANES, rows[i].tap + width.tap * LANES};
        TapSteps steps = {width.count, long(width.source_step) * LANES, long(width.tap_step) * LANES,
                          long(tiling.transposed ? 1 : side.stride) * LANES};
        all_tap_sums(shifted, width.count ? count : 0, steps, (results.count - phase + phases - 1) / phases, bias,
                     out + phase * LANES, long(phases) * LANES);
    }
}

// The tile of one image and block. Rows of results are written together where they follow each other in memory.
template <class T>
static void sum_tile(const Tiling &tiling, int index, const wc_volume &from, const wc_volume &to, Block block,
                     int64_t image, const float *taps, float *scratch) {
    const wc_depthwise &p = tiling.problem;
    Box results = tiling.results_of(index), box = tiling.sources_of(index);
    int size[3] = {tiling.source_size(0), tiling.source_size(1), tiling.source_size(2)};
    float *out = scratch + tiling.source_floats();
    read_box<T>(from, block, image, box, size, scratch);
    const float *bias = taps + taps_of(p) * LANES;
    const wc_tensor &plane = to.plane;
    bool joined = results.width.count == tiling.size(2) && plane.height_stride == plane.width_stride * tiling.size(2);
    int together = joined ? std::max(1, WRITTEN_ROW / results.width.count) : 1;
    TapRow rows[WC_MOST_TAPS * WC_MOST_TAPS];
    for (int z = results.depth.first; z < results.depth.end(); z++)
        for (int y = results.height.first; y < results.height.end(); y += together) {
            int written = std::min(together, results.height.end() - y);
            for (int i = 0; i < written; i++) {
                int count = meeting_rows(tiling, box, scratch, taps, z, y + i, rows);
                sum_row(tiling, box, rows, count, results.width, bias, out + i * results.row());
            }
            T *place = element<T>(plane, block, image) + z * to.depth_stride + y * plane.height_stride +
                       results.width.first * plane.width_stride;
            write_samples(plane, out, block, written * results.width.count, false, place);
        }
}

template <class T>
static void sum_all(const wc_depthwise &p, bool transposed, const wc_volume &from, const wc_volume &to,
                    const wc_tensor &weight, const float *bias, float *taps, const wc_run &run) {
    read_taps<T>(p, weight, bias, taps);
    Tiling tiling(p, transposed, 4 * int64_t(run.threads));
    int blocks = blocks_of(p.channels), tiles = tiling.count();
    long each = long(taps_of(p) + 1) * LANES;
    parallel(p.images * blocks * tiles, run, [&](int64_t task, float *scratch) {
        int block = int(task / tiles % blocks);
        sum_tile<T>(tiling, int(task % tiles), from, to, block_at(block, p.channels), task / tiles / blocks,
                    taps + block * each, scratch);
    });
}

// The results, from `first` on, whose sample of one tap lies inside.
WC_INLINE Range meeting_results(const wc_side &side, int tap, Range results) {
    int offset = tap * side.dilation - side.before;
    int first = std::max(results.first, -floor_divide(offset, side.stride));
    int end = std::min(results.end(), floor_divide(side.size - 1 - offset, side.stride) + 1);
    return {first, std::max(0, end - first)};
}

// Adds one tile's part of a kernel's gradient to sums[tap][LANES]: some rows of the output's gradient after the other,
// which stay in the first cache while all taps meet them.
static void add_gradients(const wc_depthwise &p, const Box &results, const float *gradient, const Box &box,
                          const float *samples, float *sums) {
    const wc_side &depth = p.side[0], &height = p.side[1], &width = p.side[2];
    int together = std::max(1, WRITTEN_ROW / results.width.count);
    for (int z = results.depth.first; z < results.depth.end(); z++)
        for (int y = results.height.first; y < results.height.end(); y += together) {
            Range some = {y, std::min(together, results.height.end() - y)};
            for (int i = 0; i < depth.taps; i++) {
                int from_z = z * depth.stride + i * depth.dilation - depth.before;
                if (from_z < 0 || from_z >= depth.size) continue;
                for (int j = 0; j < height.taps; j++) {
                    Range met = meeting_results(height, j, some);
                    if (!met.count) continue;
                    int from_y = met.first * height.stride + j * height.dilation - height.before;
                    Grid arrived = {results.at(gradient, z, met.first), results.row(), LANES};
                    Grid sample = {box.at(samples, from_z, from_y), height.stride * box.row(), width.stride * LANES};
                    all_tap_gradients(arrived, sample, met.count, results.width.count, width.taps,
                                      long(width.dilation) * LANES, sums + (i * height.taps + j) * width.taps * LANES);
                }
            }
        }
}

static void add_bias_gradients(const float *gradient, long floats, float *sums) {
    V a = load(sums), b = load(sums + VECTOR);
    for (const float *end = gradient + floats; gradient < end; gradient += LANES)
        a += load(gradient), b += load(gradient + VECTOR);
    store(sums, a), store(sums + VECTOR, b);
}

template <class T>
static void direct_kernel_gradient(const wc_depthwise &p, const wc_volume &output, const wc_volume &input,
                                   const wc_tensor &weight, float *bias, float *sums, const wc_run &run) {
    GradientParts parts(p);
    const Tiling &tiling = parts.tiling;
    int blocks = blocks_of(p.channels), tiles = tiling.count();
    int size[3] = {p.side[0].size, p.side[1].size, p.side[2].size};
    int outputs[3] = {p.side[0].outputs, p.side[1].outputs, p.side[2].outputs};
    parallel(int64_t(blocks) * parts.parts, run, [&](int64_t task, float *scratch) {
        int block = int(task % blocks), part = int(task / blocks);
        float *to = sums + (block * parts.parts + part) * parts.each, *gradient = scratch + tiling.source_floats();
        memset(to, 0, parts.each * sizeof(float));
        for (int64_t unit = parts.units * part / parts.parts; unit < parts.units * (part + 1) / parts.parts; unit++) {
            Box results = tiling.results_of(int(unit % tiles)), box = tiling.sources_of(int(unit % tiles));
            Block at = block_at(block, p.channels);
            read_box<T>(output, at, unit / tiles, results, outputs, gradient);
            read_box<T>(input, at, unit / tiles, box, size, scratch);
            add_gradients(p, results, gradient, box, scratch, to);
            if (bias) add_bias_gradients(gradient, results.floats(), to + taps_of(p) * LANES);
        }
    });
    parallel(blocks, run, [&](int64_t i, float *) {
        Block block = block_at(int(i), p.channels);
        float *total = sums + i * parts.parts * parts.each;
        for (int part = 1; part < parts.parts; part++)
            for (long at = 0; at < parts.each; at += VECTOR)
                store(total + at, load(total + at) + load(total + part * parts.each + at));
        write_samples(weight, total, block, taps_of(p), false, element<T>(weight, block, 0));
        if (bias) memcpy(bias + block.first, total + taps_of(p) * LANES, block.count * sizeof(float));
    });
}

template <class T>
static void direct_pass(const wc_depthwise &p, int mode, const wc_volume &output, const wc_volume &input,
                        const wc_tensor &weight, float *bias, float *shared, const wc_run &run) {
    if (mode == WC_OUTPUT) sum_all<T>(p, false, input, output, weight, bias, shared, run);
    else if (mode == WC_GRADIENT_INPUT) sum_all<T>(p, true, output, input, weight, nullptr, shared, run);
    else direct_kernel_gradient<T>(p, output, input, weight, bias, shared, run);
}

static void direct(const wc_depthwise &p, int mode, const wc_volume &output, const wc_volume &input,
                   const wc_tensor &weight, float *bias, float *shared, const wc_run &run) {
    if (weight.type == WC_FLOAT32) direct_pass<float>(p, mode, output, input, weight, bias, shared, run);
    else direct_pass<bfloat16>(p, mode, output, input, weight, bias, shared, run);
}
