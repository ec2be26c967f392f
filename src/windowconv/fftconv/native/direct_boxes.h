// Results of a direct depthwise convolution in tiles, and the boxes of samples that they need. Included as vector.h is.
//
// "Results" are outputs and "sources" inputs; for the gradient of the input it is the other way round (TRANSPOSED).

constexpr long BOX_BYTES = 512 << 10;  // of a task's sources: they stay in a core's second cache
constexpr int MOST_READ = 2;           // sources read for each result, before a task takes fewer channels
constexpr int SMALL_TILE = 64;         // results; smaller ones are not worth a task

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

// Neighbouring blocks of channels; only the last may have lanes without one.
struct Group {
    int first, blocks, channels;
    Block block(int i) const { return {0, (first + i) * LANES, std::min(LANES, channels - i * LANES)}; }
};

// The results of a whole problem in tasks: tiles of one image for a group of channel blocks. Where channels are
// neighbours in memory a group holds as many as the cache, so that memory is read and written in long runs.
struct Tiling {
    const wc_depthwise &problem;
    bool transposed;
    int tile[3], tiles[3], blocks, group, groups;

    Tiling(const wc_depthwise &p, bool transposed_, bool together, int64_t wanted)
        : problem(p), transposed(transposed_), blocks(blocks_of(p.channels)), group(together ? blocks : 1) {
        for (int axis = 0; axis < 3; axis++) tile[axis] = size(axis);
        count();
        while (group * sources_of(0).floats() * long(sizeof(float)) > BOX_BYTES && (halve_sparingly() || halve_group() || halve(1))) {}
        while (tasks() < wanted && (halve_group() || halve(SMALL_TILE))) {}
    }

    int size(int axis) const { return transposed ? problem.side[axis].size : problem.side[axis].outputs; }
    int source_size(int axis) const { return transposed ? problem.side[axis].outputs : problem.side[axis].size; }
    int count_of_tiles() const { return tiles[0] * tiles[1] * tiles[2]; }
    int64_t tasks() const { return problem.images * groups * count_of_tiles(); }

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
    Group group_at(int index) const {
        int first = index * group, end = std::min(blocks, first + group);
        return {first, end - first, std::min(problem.channels, end * LANES) - first * LANES};
    }

  private:
    Range range(int axis, int index) const {
        int first = index * tile[axis];
        return {first, std::min(tile[axis], size(axis) - first)};
    }
    void count() {
        for (int axis = 0; axis < 3; axis++) tiles[axis] = (size(axis) + tile[axis] - 1) / tile[axis];
        groups = (blocks + group - 1) / group;
    }
    // Halves the longest axis of tiles of more than `least` results.
    bool halve(long least) {
        int axis = 0;
        for (int other = 1; other < 3; other++)
            if (tile[other] > tile[axis]) axis = other;
        if (results_of(0).floats() <= least * LANES || tile[axis] == 1) return false;
        tile[axis] = (tile[axis] + 1) / 2;
        count();
        return true;
    }
    bool halve_sparingly() {
        Tiling before = *this;
        if (halve(SMALL_TILE) && sources_of(0).floats() <= MOST_READ * results_of(0).floats()) return true;
        for (int axis = 0; axis < 3; axis++) tile[axis] = before.tile[axis];
        count();
        return false;
    }
    bool halve_group() {
        if (group == 1) return false;
        group = (group + 1) / 2;
        count();
        return true;
    }
};

// `samples` neighbours of a group's channels, to [block][sample][LANES] with `apart` floats between blocks. Lanes
// without a channel hold anything.
template <class T>
static void read_group(const wc_tensor &t, const T *from, Group group, int samples, float *to, long apart) {
    if (t.channel_stride != 1 || t.width_stride < group.channels) {
        for (int i = 0; i < group.blocks; i++)
            read_samples(t, from + i * LANES * t.channel_stride, group.block(i), samples, to + i * apart);
        return;
    }
    for (int s = 0; s < samples; s++, from += t.width_stride, to += LANES) {
        long room = (samples - 1 - s) * t.width_stride + group.channels;  // to the end of the last sample
        for (int i = 0; i < group.blocks; i++) {
            if (room < (i + 1) * LANES) {
                read_channels_together(from + i * LANES, group.block(i).count, to + i * apart);
                continue;
            }
            store(to + i * apart, load(from + i * LANES));
            store(to + i * apart + VECTOR, load(from + i * LANES + VECTOR));
        }
    }
}

// `count` lanes of a vector's worth, without a call for sizes that the compiler does not know.
template <class T>
WC_INLINE void copy_lanes(const T *from, int count, T *to) {
#pragma GCC unroll 5
    for (int size = VECTOR; size; size /= 2)
        if (count & size) memcpy(to, from, size * sizeof(T)), to += size, from += size;
}

// The reverse of `read_group`.
template <class T>
static void write_group(const wc_tensor &t, const float *from, Group group, int samples, T *to, long apart) {
    if (t.channel_stride != 1) {
        for (int i = 0; i < group.blocks; i++)
            write_samples(t, from + i * apart, group.block(i), samples, false, to + i * LANES * t.channel_stride);
        return;
    }
    int whole = group.channels / VECTOR, rest = group.channels % VECTOR;
    for (int s = 0; s < samples; s++, to += t.width_stride, from += LANES) {
        for (int i = 0; i < whole; i++) store(to + i * VECTOR, load(from + i / 2 * apart + i % 2 * VECTOR));
        if (rest) {
            T part[VECTOR];
            store(part, load(from + whole / 2 * apart + whole % 2 * VECTOR));
            copy_lanes(part, rest, to + whole * VECTOR);
        }
    }
}

template <class T>
WC_INLINE T *place_in(const wc_volume &volume, Group group, int64_t image, int z, int y, int x) {
    const wc_tensor &t = volume.plane;
    return static_cast<T *>(t.data) + image * t.image_stride + long(group.first) * LANES * t.channel_stride +
           z * volume.depth_stride + y * t.height_stride + x * t.width_stride;
}

// The box of one image as floats: [block][z][y][x][LANES], `apart` floats between blocks, with zeros left and right of
// the volume. Rows outside it are left as they are: nobody reads them.
template <class T>
static void read_box(const wc_volume &volume, Group group, int64_t image, const Box &box, const int *size, float *to,
                     long apart) {
    Range z = inside(box.depth, size[0]), y = inside(box.height, size[1]), x = inside(box.width, size[2]);
    long left = x.count ? long(x.first - box.width.first) * LANES : 0, right = box.row() - left - long(x.count) * LANES;
    for (int i = z.first; i < z.end(); i++)
        for (int j = y.first; j < y.end(); j++) {
            float *row = const_cast<float *>(box.at(to, i, j));
            for (int block = 0; block < group.blocks; block++) {
                memset(row + block * apart, 0, left * sizeof(float));
                memset(row + block * apart + box.row() - right, 0, right * sizeof(float));
            }
            if (x.count)
                read_group(volume.plane, place_in<T>(volume, group, image, i, j, x.first), group, x.count, row + left,
                           apart);
        }
}
