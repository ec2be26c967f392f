// Reading and writing a tile of LANES channels, whatever the tensor's layout and type. Included as vector.h is.

// A block of channels: `count` of them from `first` on in their group.
struct Block {
    int group, first, count;
};

WC_INLINE int blocks_of(int channels) { return (channels + LANES - 1) / LANES; }

WC_INLINE Block block_at(int index, int channels) {
    int blocks = blocks_of(channels), first = index % blocks * LANES;
    return {index / blocks, first, std::min(LANES, channels - first)};
}

// The samples of one axis of a tile that lie inside the tensor: tile samples begin ... end - 1.
struct Span {
    int origin, begin, end;  // tile sample 0 is the tensor's sample `origin`
};

WC_INLINE Span span_of(const wc_axis &axis, int tile) {
    int origin = axis.first + tile * axis.advance;
    return {origin, std::max(0, -origin), std::min(axis.length, axis.size - origin)};
}

// Where tile sample (h, w) is: `base + h * height_step + w * width_step`, LANES floats.
struct View {
    const float *base;
    long height_step, width_step;
    long next;  // where the next tile is likely to be, for fetching it meanwhile
};

template <class T>
WC_INLINE T *element(const wc_tensor &t, Block block, int64_t image) {
    return static_cast<T *>(t.data) + block.group * t.group_stride + image * t.image_stride +
           block.first * t.channel_stride;
}

WC_INLINE bool reads_in_place(const wc_tensor &t, Block block) {
    return t.type == WC_FLOAT32 && t.channel_stride == 1 && block.count == LANES;
}

// `samples` neighbours of each of `count` channels, to [sample][LANES]; missing lanes become zero.
template <class T>
static void read_channels_apart(const T *from, long channel_stride, int count, int samples, float *to) {
    for (int s = 0; s < samples; s += VECTOR) {
        int present = std::min(VECTOR, samples - s);
        for (int half = 0; half < LANES; half += VECTOR) {
            V rows[VECTOR];
            for (int c = 0; c < VECTOR; c++) {
                if (half + c >= count) {
                    rows[c] = zero();
                    continue;
                }
                const T *p = from + (half + c) * channel_stride + s;
                T part[VECTOR];
                if (present < VECTOR) p = static_cast<T *>(memcpy(part, p, present * sizeof(T)));
                rows[c] = load(p);
            }
            transpose(rows);
            for (int i = 0; i < present; i++) store(to + (s + i) * LANES + half, rows[i]);
        }
    }
}

template <class T>
WC_INLINE void read_channels_together(const T *from, int count, float *to) {
    T part[LANES] = {};
    if (count < LANES) from = static_cast<T *>(memcpy(part, from, count * sizeof(T)));
    store(to, load(from));
    store(to + VECTOR, load(from + VECTOR));
}

template <class T>
WC_INLINE float widened(T x) {
    if constexpr (sizeof(T) == 4) {
        return x;
    } else {
        uint32_t bits = uint32_t(x) << 16;
        float y;
        memcpy(&y, &bits, 4);
        return y;
    }
}

template <class T>
static void read_samples(const wc_tensor &t, const T *from, Block block, int samples, float *to) {
    if (t.channel_stride == 1) {
        for (int s = 0; s < samples; s++) read_channels_together(from + s * t.width_stride, block.count, to + s * LANES);
    } else if (t.width_stride == 1) {
        read_channels_apart(from, t.channel_stride, block.count, samples, to);
    } else {
        for (int s = 0; s < samples; s++)
            for (int c = 0; c < LANES; c++)
                to[s * LANES + c] =
                    c < block.count ? widened(from[s * t.width_stride + c * t.channel_stride]) : 0.0f;
    }
}

// The tile as floats, in place or copied to `scratch`.
template <class T>
static View read_tile(const wc_tensor &t, Block block, int64_t image, Span h, Span w, int width, int tensor_width,
                      const float *window, float *scratch) {
    const T *base = element<T>(t, block, image) + h.origin * t.height_stride + w.origin * t.width_stride;
    if (!window && reads_in_place(t, block))
        return {reinterpret_cast<const float *>(base), long(t.height_stride), long(t.width_stride), long(t.image_stride)};
    long step = long(width) * LANES;
    bool one_run = w.begin == 0 && w.end == width && t.height_stride == width * t.width_stride;
    if (one_run) {
        int samples = (h.end - h.begin) * width;
        if (samples > 0) read_samples(t, base + h.begin * t.height_stride, block, samples, scratch + h.begin * step);
    } else {
        for (int y = h.begin; y < h.end; y++)
            read_samples(t, base + y * t.height_stride + w.begin * t.width_stride, block, w.end - w.begin,
                         scratch + y * step + w.begin * LANES);
    }
    if (window)
        for (int y = h.begin; y < h.end; y++)
            for (int x = w.begin; x < w.end; x++) {
                float factor = window[(h.origin + y) * tensor_width + w.origin + x], *p = scratch + y * step + x * LANES;
                store(p, load(p) * factor);
                store(p + VECTOR, load(p + VECTOR) * factor);
            }
    return {scratch, step, LANES, 0};
}

template <class T>
WC_INLINE T narrowed(float x) {
    if constexpr (sizeof(T) == 4) {
        return x;
    } else {
        bfloat16 all[VECTOR];
        store(all, V{} + x);
        return all[0];
    }
}

template <class T>
WC_INLINE void write_channels_together(const float *from, int count, bool accumulate, T *to) {
    V low = load(from), high = load(from + VECTOR);
    T part[LANES] = {};
    T *p = count < LANES ? part : to;
    if (accumulate) {
        if (count < LANES) memcpy(part, to, count * sizeof(T));
        low += load(p), high += load(p + VECTOR);
    }
    store(p, low);
    store(p + VECTOR, high);
    if (count < LANES) memcpy(to, part, count * sizeof(T));
}

template <class T>
static void write_channels_apart(const float *from, long channel_stride, int count, int samples, bool accumulate,
                                 T *to) {
    for (int s = 0; s < samples; s += VECTOR) {
        int present = std::min(VECTOR, samples - s);
        for (int half = 0; half < LANES && half < count; half += VECTOR) {
            V rows[VECTOR];
            for (int i = 0; i < VECTOR; i++) rows[i] = i < present ? load(from + (s + i) * LANES + half) : zero();
            transpose(rows);
            for (int c = 0; c < VECTOR && half + c < count; c++) {
                T *p = to + (half + c) * channel_stride + s;
                T part[VECTOR] = {};
                T *q = present < VECTOR ? part : p;
                if (accumulate) {
                    if (present < VECTOR) memcpy(part, p, present * sizeof(T));
                    rows[c] += load(q);
                }
                store(q, rows[c]);
                if (present < VECTOR) memcpy(p, part, present * sizeof(T));
            }
        }
    }
}

// [sample][LANES] floats of one row to the tensor.
template <class T>
static void write_samples(const wc_tensor &t, const float *from, Block block, int samples, bool accumulate, T *to) {
    if (t.channel_stride == 1) {
        for (int s = 0; s < samples; s++)
            write_channels_together(from + s * LANES, block.count, accumulate, to + s * t.width_stride);
    } else if (t.width_stride == 1) {
        write_channels_apart(from, t.channel_stride, block.count, samples, accumulate, to);
    } else {
        for (int s = 0; s < samples; s++)
            for (int c = 0; c < block.count; c++) {
                T *p = to + s * t.width_stride + c * t.channel_stride;
                *p = narrowed<T>(from[s * LANES + c] + (accumulate ? widened(*p) : 0.0f));
            }
    }
}

// A tile in scratch, [h][w][LANES] of `width` samples a row, to the tensor.
template <class T>
static void write_tile(const wc_tensor &t, Block block, int64_t image, Span h, Span w, int width, float *scratch,
                       bool accumulate) {
    T *base = element<T>(t, block, image) + h.origin * t.height_stride + w.origin * t.width_stride;
    long step = long(width) * LANES;
    bool one_run = w.begin == 0 && w.end == width && t.height_stride == width * t.width_stride;
    if (one_run) {
        int samples = (h.end - h.begin) * width;
        if (samples > 0)
            write_samples(t, scratch + h.begin * step, block, samples, accumulate, base + h.begin * t.height_stride);
        return;
    }
    for (int y = h.begin; y < h.end; y++)
        write_samples(t, scratch + y * step + w.begin * LANES, block, w.end - w.begin, accumulate,
                      base + y * t.height_stride + w.begin * t.width_stride);
}
