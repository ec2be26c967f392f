// Results of a direct depthwise convolution in tiles, and the boxes of samples that they need. Included as vector.h is.
//
// "Results" are outputs and "sources" inputs; for the gradient of the input it is the other way round (TRANSPOSED).

constexpr long BOX_BYTES = 512 << 10;    // of a tile's sources: they stay in a core's second cache
constexpr int SMALL_TILE = 64;           // results; smaller ones are not worth a task

struct Range {
    int first, count;
    int end() const { return first + count; }
};

WC_INLINE int floor_divide(int a, int b) { return a / b - (a % b < 0); }

// The sources of a range of results.
WC_INLINE Range sources(const wc_side &side, bool transposed, Range results) {
    int reach = side.dilation * (side.taps - 1);
    if (!transposed)
        return {results.first * side.stride - side.before, (results.count - 1) * side.stride + reach + 1};
    int first = -floor_divide(reach - side.before - results.first, side.stride);
    int last = floor_divide(results.end() - 1 + side.before, side.stride);
    return {first, std::max(0, last - first + 1)};
}

// The taps that meet one result: `count` of them from `tap` on, the first of which multiplies `source`.
struct Meeting {
    int tap, tap_step, source, source_step, count;
};

WC_INLINE Meeting meeting(const wc_side &side, bool transposed, int result) {
    if (!transposed) return {0, 1, result * side.stride - side.before, side.dilation, side.taps};
    for (int tap = 0; tap < std::min(side.taps, side.stride); tap++) {
        int place = result + side.before - tap * side.dilation;
        if (place % side.stride) continue;
        int step = 1;
        while (step * side.dilation % side.stride) step++;
        return {tap, step, place / side.stride, -step * side.dilation / side.stride, (side.taps - 1 - tap) / step + 1};
    }
    return {0, 1, 0, 1, 0};
}

// The samples first ... end - 1 of a volume along depth, height and width, and those before and after which are zero.
struct Box {
    Range depth, height, width;

    long row() const { return long(width.count) * LANES; }
    long slice() const { return height.count * row(); }
    long floats() const { return depth.count * slice(); }
    const float *at(const float *box, int z, int y) const {
        return box + (z - depth.first) * slice() + (y - height.first) * row();
    }
};

WC_INLINE Range inside(Range range, int size) {
    int first = std::max(range.first, 0);
    return {first, std::max(0, std::min(range.end(), size) - first)};
}

// The results of a whole problem in tiles.
struct Tiling {
    const wc_depthwise &problem;
    bool transposed;
    int tile[3], tiles[3];

    Tiling(const wc_depthwise &p, bool transposed_, int64_t wanted) : problem(p), transposed(transposed_) {
        for (int axis = 0; axis < 3; axis++) tile[axis] = size(axis);
        count_tiles();
        while (sources_of(0).floats() * long(sizeof(float)) > BOX_BYTES && halve(1)) {}
        while (count() * p.images * blocks_of(p.channels) < wanted && halve(SMALL_TILE)) {}
    }

    int size(int axis) const { return transposed ? problem.side[axis].size : problem.side[axis].outputs; }
    int source_size(int axis) const { return transposed ? problem.side[axis].outputs : problem.side[axis].size; }
    int count() const { return tiles[0] * tiles[1] * tiles[2]; }

    Box results_of(int index) const {
        return {range(0, index / tiles[2] / tiles[1]), range(1, index / tiles[2] % tiles[1]), range(2, index % tiles[2])};
    }
    Box sources_of(int index) const {
        Box results = results_of(index);
        return {sources(problem.side[0], transposed, results.depth), sources(problem.side[1], transposed, results.height),
                sources(problem.side[2], transposed, results.width)};
    }
    // The most that `sources_of` any tile takes, with a sample to spare for roundings.
    long source_floats() const {
        Box box = sources_of(0);
        return long(box.depth.count + 1) * (box.height.count + 1) * (box.width.count + 1) * LANES;
    }

  private:
    Range range(int axis, int index) const {
        int first = index * tile[axis];
        return {first, std::min(tile[axis], size(axis) - first)};
    }
    void count_tiles() {
        for (int axis = 0; axis < 3; axis++) tiles[axis] = (size(axis) + tile[axis] - 1) / tile[axis];
    }
    // Halves the longest axis of the tiles of more than `least` results.
    bool halve(int least) {
        int axis = 0;
        for (int other = 1; other < 3; other++)
            if (tile[other] > tile[axis]) axis = other;
        if (long(tile[0]) * tile[1] * tile[2] <= least || tile[axis] == 1) return false;
        tile[axis] = (tile[axis] + 1) / 2;
        count_tiles();
        return true;
    }
};

// The box of one image as floats: [z][y][x][LANES]. Rows outside the volume are left as they are: nobody reads them.
template <class T>
static void read_box(const wc_volume &volume, Block block, int64_t image, const Box &box, const int *size, float *to) {
    Range z = inside(box.depth, size[0]), y = inside(box.height, size[1]), x = inside(box.width, size[2]);
    const T *base = element<T>(volume.plane, block, image) + x.first * volume.plane.width_stride;
    long left = x.count ? long(x.first - box.width.first) * LANES : 0, middle = long(x.count) * LANES;
    for (int i = z.first; i < z.end(); i++)
        for (int j = y.first; j < y.end(); j++) {
            float *row = const_cast<float *>(box.at(to, i, j));
            memset(row, 0, left * sizeof(float));
            memset(row + left + middle, 0, (box.row() - left - middle) * sizeof(float));
            if (x.count)
                read_samples(volume.plane, base + i * volume.depth_stride + j * volume.plane.height_stride, block, x.count,
                             row + left);
        }
}
