// A depthwise convolution of one to three axes by its definition, and its gradients. Included as vector.h is.
//
// A task takes a tile of one image and LANES channels: it reads the box of samples that the tile needs as floats, with
// the padding's zeros, whatever the tensor's layout and type, and sums in registers over all taps.

WC_INLINE int taps_of(const wc_depthwise &p) { return p.side[0].taps * p.side[1].taps * p.side[2].taps; }

constexpr long WRITTEN_BYTES = 64 << 10;  // of results that are written together, in whole rows
constexpr int SUMMED_ROW = 128;           // of rows of gradients that meet a tap together
constexpr int GRADIENT_PARTS = 64;        // of a kernel's gradient: the same sums for any number of threads

WC_INLINE bool channels_together(const wc_volume &volume) { return volume.plane.channel_stride == 1; }

WC_INLINE int rows_together(const Tiling &tiling) {
    return int(std::max(1L, WRITTEN_BYTES / (tiling.group * tiling.results_of(0).row() * long(sizeof(float)))));
}

struct GradientParts {
    Tiling tiling;
    int64_t units;  // tiles of images
    int parts;
    long each;      // floats of one block's part: taps and the bias

    GradientParts(const wc_depthwise &p, bool together)
        : tiling(p, false, together, 0), units(p.images * tiling.count_of_tiles()), each(long(taps_of(p) + 1) * LANES) {
        int groups = std::max(1, tiling.groups);
        parts = int(std::max<int64_t>(1, std::min<int64_t>(units, (GRADIENT_PARTS + groups - 1) / groups)));
    }
};

static int64_t direct_scratch(const wc_depthwise &p, int mode, bool together) {
    int64_t floats;
    if (mode == WC_GRADIENT_KERNEL) {
        Tiling tiling = GradientParts(p, together).tiling;
        floats = tiling.group * (tiling.source_floats() + tiling.results_of(0).floats());
    } else {
        Tiling tiling(p, mode == WC_GRADIENT_INPUT, together, 0);
        floats = tiling.group * tiling.source_floats() +
                 std::max(long(tiling.group) * tiling.results_of(0).row(), WRITTEN_BYTES / long(sizeof(float)));
    }
    return floats * int64_t(sizeof(float));
}

static int64_t direct_shared(const wc_depthwise &p, int mode, bool together) {
    int64_t copies = mode == WC_GRADIENT_KERNEL ? GradientParts(p, together).parts : 1;
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

// [block][y][x][LANES] floats to the volume; rows that follow each other in memory as one.
template <class T>
static void write_rows(const wc_volume &volume, Group group, int64_t image, int z, Range y, Range x, const float *from) {
    const wc_tensor &plane = volume.plane;
    bool joined = plane.height_stride == x.count * plane.width_stride;
    int runs = joined ? 1 : y.count, samples = joined ? y.count * x.count : x.count;
    for (int run = 0; run < runs; run++)
        write_group(plane, from + long(run) * samples * LANES, group, samples,
                    place_in<T>(volume, group, image, z, y.first + run, x.first), long(y.count) * x.count * LANES);
}

// One task: rows of results are written together.
template <class T>
static void sum_tile(const Tiling &tiling, int index, const wc_volume &from, const wc_volume &to, Group group,
                     int64_t image, const float *taps, float *scratch) {
    const wc_depthwise &p = tiling.problem;
    Box results = tiling.results_of(index), box = tiling.sources_of(index);
    int size[3] = {tiling.source_size(0), tiling.source_size(1), tiling.source_size(2)}, together = rows_together(tiling);
    long apart = tiling.source_floats(), row = results.row(), each = long(taps_of(p) + 1) * LANES;
    float *out = scratch + tiling.group * apart;
    read_box<T>(from, group, image, box, size, scratch, apart);
    TapRow rows[WC_MOST_TAPS * WC_MOST_TAPS];
    for (int z = results.depth.first; z < results.depth.end(); z++)
        for (int y = results.height.first; y < results.height.end(); y += together) {
            int written = std::min(together, results.height.end() - y);
            for (int block = 0; block < group.blocks; block++)
                for (int i = 0; i < written; i++) {
                    const float *own = taps + block * each;
                    int count = meeting_rows(tiling, box, scratch + block * apart, own, z, y + i, rows);
                    sum_row(tiling, box, rows, count, results.width, own + each - LANES, out + (block * written + i) * row);
                }
            write_rows<T>(to, group, image, z, {y, written}, results.width, out);
        }
}

template <class T>
static void sum_all(const wc_depthwise &p, bool transposed, const wc_volume &from, const wc_volume &to,
                    const wc_tensor &weight, const float *bias, float *taps, const wc_run &run) {
    read_taps<T>(p, weight, bias, taps);
    Tiling tiling(p, transposed, channels_together(from), 4 * int64_t(run.threads));
    int tiles = tiling.count_of_tiles(), groups = tiling.groups;
    long each = long(taps_of(p) + 1) * LANES;
    parallel(tiling.tasks(), run, [&](int64_t task, float *scratch) {
        Group group = tiling.group_at(int(task / tiles % groups));
        sum_tile<T>(tiling, int(task % tiles), from, to, group, task / tiles / groups, taps + group.first * each, scratch);
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
    int together = std::max(1, SUMMED_ROW / results.width.count);
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
    GradientParts parts(p, channels_together(input));
    const Tiling &tiling = parts.tiling;
    int tiles = tiling.count_of_tiles();
    int size[3] = {p.side[0].size, p.side[1].size, p.side[2].size};
    int outputs[3] = {p.side[0].outputs, p.side[1].outputs, p.side[2].outputs};
    parallel(int64_t(tiling.groups) * parts.parts, run, [&](int64_t task, float *scratch) {
        Group group = tiling.group_at(int(task % tiling.groups));
        int part = int(task / tiling.groups);
        long apart = tiling.source_floats(), floats = tiling.results_of(0).floats();
        float *to = sums + (int64_t(part) * tiling.blocks + group.first) * parts.each;
        float *gradient = scratch + tiling.group * apart;
        memset(to, 0, group.blocks * parts.each * sizeof(float));
        for (int64_t unit = parts.units * part / parts.parts; unit < parts.units * (part + 1) / parts.parts; unit++) {
            Box results = tiling.results_of(int(unit % tiles)), box = tiling.sources_of(int(unit % tiles));
            read_box<T>(output, group, unit / tiles, results, outputs, gradient, floats);
            read_box<T>(input, group, unit / tiles, box, size, scratch, apart);
            for (int i = 0; i < group.blocks; i++) {
                float *own = to + i * parts.each;
                add_gradients(p, results, gradient + i * floats, box, scratch + i * apart, own);
                if (bias) add_bias_gradients(gradient + i * floats, results.floats(), own + parts.each - LANES);
            }
        }
    });
    parallel(tiling.blocks, run, [&](int64_t i, float *) {
        Block block = block_at(int(i), p.channels);
        float *total = sums + i * parts.each;
        for (int part = 1; part < parts.parts; part++)
            for (long at = 0; at < parts.each; at += VECTOR)
                store(total + at, load(total + at) + load(total + part * tiling.blocks * parts.each + at));
        write_samples(weight, total, block, taps_of(p), false, element<T>(weight, block, 0));
        if (bias) memcpy(bias + block.first, total + parts.each - LANES, block.count * sizeof(float));
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
