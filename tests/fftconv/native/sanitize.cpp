// Random convolutions through the C interface, in buffers of exactly the sizes that they need, against direct sums.
// Built by test_sanitizers.py together with the operator's sources. `sanitize COUNT [SEED]`.
#include "interface.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <numeric>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size)
#define ASAN_UNPOISON_MEMORY_REGION(address, size)
#endif

namespace {

constexpr double PI = 3.14159265358979323846;

struct Random {
    std::mt19937 engine;
    int pick(int low, int high) { return std::uniform_int_distribution<int>(low, high)(engine); }
    bool maybe() { return pick(0, 1) == 1; }
    float normal() { return std::normal_distribution<float>()(engine); }
};

// --- plans, as plan.py makes them ------------------------------------------------------------------------------------

struct Side {
    int size, tiles, first, advance, length, centre2, spacing, period;

    int odd() const { return centre2 & 1; }
    int pairs() const { return std::max(length - 1 - (centre2 + odd()) / 2, (centre2 - odd()) / 2) + 1; }
};

struct Axis {
    int size, taps, stride, dilation, before, after;

    int reach() const { return dilation * (taps - 1) + 1; }
    int outputs() const { return (size + before + after - reach()) / stride + 1; }
    bool touches(int tap) const {
        for (int i = 0; i < outputs(); i++) {
            int sample = i * stride + tap * dilation - before;
            if (sample >= 0 && sample < size) return true;
        }
        return false;
    }
};

// Any axis whose first and last taps meet the input, as plans want them.
Axis random_axis(Random &random, int most) {
    for (;;) {
        Axis axis = {random.pick(1, most), random.pick(1, 7), random.pick(1, 3),
                     random.pick(1, 3),    random.pick(0, 6), random.pick(0, 6)};
        int room = axis.size + axis.before + axis.after - axis.reach();
        if (room >= 0 && axis.touches(0) && axis.touches(axis.taps - 1)) return axis;
    }
}

struct AxisPlan {
    Side input, kernel, output;

    AxisPlan(const Axis &axis, int wanted) {
        int outputs = (axis.outputs() + wanted - 1) / wanted, tiles = (axis.outputs() + outputs - 1) / outputs;
        int span = axis.stride * (outputs - 1) + axis.reach();
        int first = -axis.before, length = span, shift = 0, period = span;
        if (tiles == 1) {
            first = 0, shift = axis.before;
            length = std::max(1, std::min(axis.size, span - axis.before));
            period = std::max({length, length + axis.before, span - axis.before > length ? span - axis.before : 0});
        }
        int centre2 = axis.stride * (outputs - 1) + axis.dilation * (axis.taps - 1) - 2 * shift;
        input = {axis.size, tiles, first, outputs * axis.stride, length, centre2, 1, period};
        kernel = {axis.taps, 1, 0, 0, axis.taps, axis.taps - 1, axis.dilation, period};
        output = {axis.outputs(), tiles, 0, outputs, outputs, outputs - 1, axis.stride, period};
    }
};

int count_frequencies(int height, int width) {
    int mirrored = width % 2 ? 1 : 2;
    return mirrored * (height / 2 + 1) + (width / 2 + 1 - mirrored) * height;
}

// An axis with its tables: to transform, or (of the width: with `half`) to invert.
struct Tables {
    std::vector<float> cosine, sine;
    wc_axis axis;

    Tables(const Side &side, int sign, bool inverse, bool half) {
        int pairs = side.pairs(), frequencies = side.period / 2 + 1;
        cosine = sine = std::vector<float>(size_t(pairs) * frequencies);
        for (int j = 0; j < pairs; j++)
            for (int f = 0; f < frequencies; f++) {
                double distance = (j + 0.5 * side.odd()) * side.spacing;
                double angle = 2 * PI * fmod(distance * f, side.period) / side.period;
                double scale = !inverse ? 1.0 : (half && f > 0 && 2 * f != side.period ? 2.0 : 1.0) / side.period;
                size_t place = inverse ? size_t(f) * pairs + j : size_t(j) * frequencies + f;
                cosine[place] = float(scale * cos(angle));
                sine[place] = float(scale * sign * sin(angle));
            }
        axis = {side.size,    side.tiles, side.first,  side.advance,  side.length,   side.centre2,
                pairs, side.period, frequencies, cosine.data(), sine.data()};
    }
};

struct Axes {
    Tables height, width;

    Axes(const Side &h, const Side &w, int sign, bool inverse)
        : height(h, sign, inverse, false), width(w, sign, inverse, true) {}
};

// --- memory of exact sizes -------------------------------------------------------------------------------------------

uint16_t narrowed(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

float widened(uint16_t x) {
    uint32_t bits = uint32_t(x) << 16;
    float y;
    memcpy(&y, &bits, 4);
    return y;
}

// Aligned as the library is given memory; full of NaN.
struct Memory {
    char *data = nullptr;
    size_t size;

    explicit Memory(size_t bytes) : size(bytes) {
        if (posix_memalign(reinterpret_cast<void **>(&data), 64, std::max<size_t>(bytes, 1))) abort();
        memset(data, 0xff, bytes);
    }
    Memory(const Memory &) = delete;
    ~Memory() { free(data); }
};

// Images x (groups x channels) x height x width with any order of the axes in memory, up to its last element.
struct Tensor {
    int shape[5];  // images, groups, channels, height, width
    int64_t strides[5], count = 1;
    int type;
    std::vector<float> floats;
    std::vector<uint16_t> halves;

    Tensor(Random &random, std::array<int, 5> sizes, int element) : type(element) {
        std::copy(sizes.begin(), sizes.end(), shape);
        std::array<int, 5> order = {0, 1, 2, 3, 4};  // outermost first
        int kind = random.pick(0, 2);
        if (kind == 1) order = {0, 3, 4, 1, 2};
        if (kind == 2) std::shuffle(order.begin(), order.end(), random.engine);
        int64_t stride = random.pick(1, 8) == 8 ? 2 : 1;
        for (int i = 4; i >= 0; i--) {
            int axis = order[i];
            strides[axis] = shape[axis] == 1 && random.maybe() ? 12345 : stride;
            stride *= shape[axis];
            count += (shape[axis] - 1) * strides[axis];
        }
        if (type == WC_FLOAT32) floats.assign(size_t(count), 0.0f);
        else halves.assign(size_t(count), 0);
    }
    int64_t place(int n, int g, int c, int h, int w) const {
        return n * strides[0] + g * strides[1] + c * strides[2] + h * strides[3] + w * strides[4];
    }
    double get(int64_t i) const { return type == WC_FLOAT32 ? floats[size_t(i)] : widened(halves[size_t(i)]); }
    void fill(Random &random) {
        for (float &x : floats) x = random.normal();
        for (uint16_t &x : halves) x = narrowed(random.normal());
    }
    wc_tensor at() {
        void *data = type == WC_FLOAT32 ? static_cast<void *>(floats.data()) : halves.data();
        return {data,       strides[1], strides[0], strides[2], strides[3],
                strides[4], shape[0],   shape[1],   shape[2],   type};
    }
};

struct Spectrum {
    Memory memory;
    wc_spectrum at;

    static int64_t plane(int64_t rows, int groups, int channels, bool apart) {
        int lanes = wc_lanes(), blocks = groups * ((channels + lanes - 1) / lanes);
        return blocks * rows * lanes + (apart ? 32 : 0);
    }
    Spectrum(Random &random, int frequencies, int64_t rows, int groups, int channels)
        : Spectrum(frequencies, rows, groups, channels, plane(rows, groups, channels, random.maybe())) {}
    Spectrum(int frequencies, int64_t rows, int groups, int channels, int64_t plane)
        : memory(size_t(2 * frequencies * plane) * sizeof(float)),
          at{memory.data, plane, rows, groups, channels, frequencies, WC_FLOAT32} {}
};

// Scratch for each thread, with forbidden bytes between.
struct Run {
    Memory memory;
    int64_t bytes, step;
    wc_run at;

    Run(int threads, int64_t each)
        : memory(size_t(threads * padded(each))), bytes(each), step(padded(each)), at{threads, step, memory.data} {
        for (int i = 0; i < threads; i++) ASAN_POISON_MEMORY_REGION(memory.data + i * step + bytes, step - bytes);
    }
    ~Run() { ASAN_UNPOISON_MEMORY_REGION(memory.data, memory.size); }
    static int64_t padded(int64_t bytes) { return (bytes + 127) / 64 * 64; }
};

// --- one convolution -------------------------------------------------------------------------------------------------

struct Problem {
    Axis height, width;
    int batch, groups, in, out;  // channels of a group
    bool depthwise;              // then of one group, and in = out

    int64_t terms() const {
        int64_t channels = depthwise ? in : int64_t(groups) * in * out;
        return channels * batch * height.outputs() * width.outputs() * height.taps * width.taps;
    }
};

// Enough rows, columns and depth for products on tiles, of an image of few samples; one of them may be beyond a chunk.
Problem problem_for_tiles(Random &random) {
    Axis axis = {random.pick(1, 2), 1, 1, 1, 0, 0};
    Problem p = {axis, axis, random.pick(30, 40), 1, random.pick(30, 40), random.pick(30, 40), false};
    switch (random.pick(0, 5)) {
        case 0: p.in = random.pick(500, 530); break;
        case 1: p.out = random.pick(190, 210); break;
        case 2: p.batch = random.maybe() ? random.pick(190, 210) : random.pick(500, 530); break;
        case 3: p.width.taps = p.width.size; p.groups = 2; break;
    }
    return p;
}

Problem random_problem(Random &random) {
    for (;;) {
        if (random.pick(0, 5) == 0) return problem_for_tiles(random);
        int most = random.pick(0, 3) ? 9 : 24;
        Problem p = {random_axis(random, most), random_axis(random, most), random.pick(1, 4), random.pick(1, 3),
                     random.pick(1, 70), random.pick(1, 70), random.pick(0, 3) == 0};
        if (p.depthwise) p.groups = 1, p.out = p.in;
        switch (random.pick(0, 9)) {  // beyond the chunks that products are cut into
            case 0: p.in = random.pick(500, 540), p.out = random.pick(1, 4), p.depthwise = false; break;
            case 1: p.out = random.pick(190, 210), p.in = random.pick(1, 4), p.depthwise = false; break;
            case 2: p.batch = random.pick(180, 540), p.in = std::min(p.in, 3), p.out = std::min(p.out, 3); break;
        }
        if (p.terms() < 1000000) return p;
    }
}

void fail(const Problem &p, const char *what, double error) {
    fprintf(stderr, "%s, %s: error %g (batch %d, groups %d, %d to %d channels, depthwise %d", wc_instructions(), what,
            error, p.batch, p.groups, p.in, p.out, p.depthwise);
    for (const Axis &a : {p.height, p.width})
        fprintf(stderr, "; %d samples, %d taps, stride %d, dilation %d, padding %d, %d", a.size, a.taps, a.stride,
                a.dilation, a.before, a.after);
    fprintf(stderr, ")\n");
    exit(1);
}

// Sums, and what their errors are measured by: terms may cancel, their squares do not.
struct Sums {
    std::vector<double> values, squares;

    void clear(size_t count) { values.assign(count, 0), squares.assign(count, 0); }
    void add(size_t place, double term) { values[place] += term, squares[place] += term * term; }
};

#define WC_CHECK(call) \
    if ((call) != WC_OK) fail(p, #call, NAN)

class Convolution {
public:
    Convolution(Random &r, const Problem &problem, int element)
        : random(r), p(problem), type(element),
          h(p.height, random.pick(1, p.height.outputs())), w(p.width, random.pick(1, p.width.outputs())),
          threads(random.pick(1, 3)), frequencies(count_frequencies(h.input.period, w.input.period)),
          rows(int64_t(p.batch) * h.input.tiles * w.input.tiles), x(images(p.in, p.height.size, p.width.size)),
          kernel(random, {p.depthwise ? 1 : p.out, p.groups, p.in, p.height.taps, p.width.taps}, type),
          grad(images(p.out, p.height.outputs(), p.width.outputs())) {
        x.fill(random), kernel.fill(random), grad.fill(random);
        if (random.maybe()) window = normal(size_t(p.height.taps) * p.width.taps);
        if (random.maybe()) bias = normal(size_t(p.groups) * p.out);
    }

    void run() {
        sum_directly();
        Spectrum sx = spectrum(rows, p.in), sw = spectrum(kernel.shape[0], p.in), sg = spectrum(rows, p.out);
        transform(x, h.input, w.input, -1, nullptr, sx);
        transform(kernel, h.kernel, w.kernel, 1, pointer(window), sw);
        transform(grad, h.output, w.output, -1, nullptr, sg);

        Spectrum sy = spectrum(rows, p.out);
        multiply(sx, sw, sy, WC_OUTPUT);
        Tensor y = images(p.out, p.height.outputs(), p.width.outputs());
        invert(sy, h.output, w.output, 1, nullptr, pointer(bias), false, y);
        compare("output", y, output);
        if (!p.depthwise) multiply_packed(sx, sw, sy);

        Spectrum sgx = spectrum(rows, p.in);
        multiply(sg, sw, sgx, WC_GRADIENT_INPUT);
        Tensor gx = images(p.in, p.height.size, p.width.size);
        invert(sgx, h.input, w.input, 1, nullptr, nullptr, h.input.tiles * w.input.tiles > 1, gx);
        compare("input's gradient", gx, grad_input);

        Spectrum sgw = spectrum(kernel.shape[0], p.in);
        multiply(sg, sx, sgw, WC_GRADIENT_KERNEL);
        Tensor gw(random, {kernel.shape[0], p.groups, p.in, p.height.taps, p.width.taps}, type);
        invert(sgw, h.kernel, w.kernel, -1, pointer(window), nullptr, false, gw);
        compare("weight's gradient", gw, grad_kernel);
    }

private:
    Random &random;
    const Problem &p;
    int type;
    AxisPlan h, w;
    int threads, frequencies;
    int64_t rows;
    Tensor x, kernel, grad;
    std::vector<float> window, bias;
    Sums output, grad_input, grad_kernel;  // contiguous

    Tensor images(int channels, int height, int width) {
        return Tensor(random, {p.batch, p.groups, channels, height, width}, type);
    }
    Spectrum spectrum(int64_t of_rows, int channels) {
        return Spectrum(random, frequencies, of_rows, p.groups, channels);
    }
    std::vector<float> normal(size_t count) {
        std::vector<float> values(count);
        for (float &value : values) value = random.normal();
        return values;
    }
    static const float *pointer(const std::vector<float> &v) { return v.empty() ? nullptr : v.data(); }

    void transform(Tensor &tensor, const Side &height, const Side &width, int sign, const float *factor,
                   Spectrum &to) {
        Axes axes(height, width, sign, false);
        wc_tensor from = tensor.at();
        Run run(threads, wc_transform_scratch(&axes.height.axis, &axes.width.axis));
        WC_CHECK(wc_transform(&from, &axes.height.axis, &axes.width.axis, factor, &to.at, &run.at));
    }

    void invert(Spectrum &from, const Side &height, const Side &width, int sign, const float *factor,
                const float *added, bool accumulate, Tensor &tensor) {
        Axes axes(height, width, sign, true);
        wc_tensor to = tensor.at();
        Run run(threads, wc_transform_scratch(&axes.height.axis, &axes.width.axis));
        const wc_axis *sides[] = {&axes.height.axis, &axes.width.axis};
        WC_CHECK(wc_invert(&from.at, sides[0], sides[1], factor, added, accumulate, &to, &run.at));
    }

    void multiply(Spectrum &a, Spectrum &b, Spectrum &to, int mode) {
        if (p.depthwise) {
            Run run(threads, 0);
            WC_CHECK(wc_multiply_depthwise(&a.at, &b.at, &to.at, mode, &run.at));
        } else {
            Run run(threads, wc_multiply_scratch(&a.at, &b.at, &to.at, mode, type));
            WC_CHECK(wc_multiply(&a.at, &b.at, &to.at, mode, 0, type, &run.at));
        }
    }

    // With the kernel packed first: the same to the last bit.
    void multiply_packed(Spectrum &sx, Spectrum &sw, Spectrum &sy) {
        Memory packed(size_t(wc_packed_size(&sw.at)) * sizeof(float));
        Run none(threads, 0), run(threads, wc_multiply_scratch(&sx.at, &sw.at, &sy.at, WC_OUTPUT, type));
        WC_CHECK(wc_pack(&sw.at, packed.data, &none.at));
        wc_spectrum kernels = sw.at;
        kernels.data = packed.data;
        Spectrum again(frequencies, rows, p.groups, p.out, sy.at.plane);
        WC_CHECK(wc_multiply(&sx.at, &kernels, &again.at, WC_OUTPUT, 1, type, &run.at));
        if (memcmp(again.memory.data, sy.memory.data, sy.memory.size)) fail(p, "packed kernel", NAN);
    }

    void sum_directly() {
        output.clear(size_t(p.batch) * p.groups * p.out * p.height.outputs() * p.width.outputs());
        grad_input.clear(size_t(p.batch) * p.groups * p.in * p.height.size * p.width.size);
        grad_kernel.clear(size_t(kernel.shape[0]) * p.groups * p.in * p.height.taps * p.width.taps);
        for (int g = 0; g < p.groups; g++)
            for (int k = 0; k < p.out; k++)
                for (int c = 0; c < p.in; c++)
                    if (!p.depthwise || k == c) sum_channels(g, k, c);
        size_t each = size_t(p.height.outputs()) * p.width.outputs(), channels = size_t(p.groups) * p.out;
        for (size_t i = 0; !bias.empty() && i < output.values.size(); i++) output.add(i, bias[i / each % channels]);
    }

    void sum_channels(int g, int k, int c) {
        int row = p.depthwise ? 0 : k, outputs = p.height.outputs(), across = p.width.outputs();
        for (int t = 0; t < p.height.taps; t++)
            for (int s = 0; s < p.width.taps; s++) {
                double factor = window.empty() ? 1.0 : window[size_t(t) * p.width.taps + s];
                double tap = factor * kernel.get(kernel.place(row, g, c, t, s));
                size_t at = (((size_t(row) * p.groups + g) * p.in + c) * p.height.taps + t) * p.width.taps + s;
                for (int n = 0; n < p.batch; n++)
                    for (int i = 0; i < outputs; i++)
                        for (int j = 0; j < across; j++) {
                            int y = i * p.height.stride + t * p.height.dilation - p.height.before;
                            int z = j * p.width.stride + s * p.width.dilation - p.width.before;
                            if (y < 0 || y >= p.height.size || z < 0 || z >= p.width.size) continue;
                            double sample = x.get(x.place(n, g, c, y, z)), arrived = grad.get(grad.place(n, g, k, i, j));
                            size_t to = ((size_t(n) * p.groups + g) * p.out + k) * outputs + i;
                            size_t from = ((size_t(n) * p.groups + g) * p.in + c) * p.height.size + y;
                            output.add(to * across + j, sample * tap);
                            grad_input.add(from * p.width.size + z, arrived * tap);
                            grad_kernel.add(at, factor * arrived * sample);
                        }
            }
    }

    void compare(const char *what, const Tensor &got, const Sums &expected) {
        double error = 0, norm = 0;
        size_t i = 0;
        for (int n = 0; n < got.shape[0]; n++)
            for (int g = 0; g < got.shape[1]; g++)
                for (int c = 0; c < got.shape[2]; c++)
                    for (int y = 0; y < got.shape[3]; y++)
                        for (int z = 0; z < got.shape[4]; z++, i++) {
                            error += pow(got.get(got.place(n, g, c, y, z)) - expected.values[i], 2);
                            norm += expected.squares[i];
                        }
        double allowed = type == WC_FLOAT32 ? 4e-6 : 2e-2;
        if (!(sqrt(error) <= allowed * sqrt(norm))) fail(p, what, sqrt(error / norm));
    }
};

// --- one depthwise convolution by its definition, along three axes ----------------------------------------------------

class Direct {
public:
    Direct(Random &r, int element)
        : random(r), type(element), depth(axis(random.maybe() ? 1 : 5)), height(axis(12)), width(axis(30)),
          batch(random.pick(1, 3)), channels(random.pick(1, 70)), threads(random.pick(1, 3)),
          x(images(depth.size, height.size, width.size)),
          grad(images(depth.outputs(), height.outputs(), width.outputs())), weight(kernel()) {
        x.fill(random), grad.fill(random), weight.fill(random);
        for (int i = 0; random.maybe() && i < channels; i++) bias.push_back(random.normal());
        if (int(bias.size()) < channels) bias.clear();
        for (Axis *a : {&depth, &height, &width}) sides.push_back({a->size, a->outputs(), a->taps, a->stride, a->dilation, a->before});
        problem = {{sides[0], sides[1], sides[2]}, batch, channels};
    }

    void run() {
        sum_directly();
        Tensor y = images(depth.outputs(), height.outputs(), width.outputs());
        compute(WC_OUTPUT, y, x, weight, bias.empty() ? nullptr : bias.data());
        compare("output", y, output);
        Tensor gx = images(depth.size, height.size, width.size);
        compute(WC_GRADIENT_INPUT, grad, gx, weight, nullptr);
        compare("input's gradient", gx, grad_input);
        Tensor gw = kernel();
        std::vector<float> gb(size_t(channels), NAN);
        compute(WC_GRADIENT_KERNEL, grad, x, gw, gb.data());
        compare("weight's gradient", gw, grad_weight);
        Tensor flat(random, {1, 1, channels, 1, 1}, WC_FLOAT32);
        for (int c = 0; c < channels; c++) flat.floats[size_t(flat.place(0, 0, c, 0, 0))] = gb[size_t(c)];
        compare("bias's gradient", flat, grad_bias);
    }

private:
    Random &random;
    int type;
    Axis depth, height, width;
    int batch, channels, threads;
    Tensor x, grad, weight;  // depths stand where groups do elsewhere
    std::vector<float> bias;
    std::vector<wc_side> sides;
    wc_depthwise problem;
    Sums output, grad_input, grad_weight, grad_bias;

    Axis axis(int most) {
        Axis a = {random.pick(1, most), random.pick(1, std::min(15, 2 * most)), random.pick(1, 4), random.pick(1, 3),
                  random.pick(0, 6), random.pick(0, 6)};
        a.after += std::max(0, a.reach() - a.size - a.before - a.after);
        return a;
    }
    Tensor images(int z, int y, int w) { return Tensor(random, {batch, z, channels, y, w}, type); }
    Tensor kernel() { return Tensor(random, {1, 1, channels, 1, depth.taps * height.taps * width.taps}, type); }

    static wc_volume volume(Tensor &t) {
        wc_tensor plane = t.at();
        plane.groups = 1;
        return {plane, t.strides[1]};
    }

    void compute(int mode, Tensor &outputs, Tensor &inputs, Tensor &taps, float *added) {
        wc_volume to = volume(outputs), from = volume(inputs);
        int together = (mode == WC_GRADIENT_INPUT ? to : from).plane.channel_stride == 1;
        Memory shared(size_t(wc_direct_shared(&problem, mode, together)));
        Run run(threads, wc_direct_scratch(&problem, mode, together));
        wc_tensor row = taps.at();
        if (wc_direct(&problem, mode, &to, &from, &row, added, reinterpret_cast<float *>(shared.data), &run.at) != WC_OK)
            stop("refused", NAN);
    }

    void sum_directly() {
        int taps = depth.taps * height.taps * width.taps;
        size_t outputs = size_t(depth.outputs()) * height.outputs() * width.outputs();
        output.clear(outputs * batch * channels), grad_weight.clear(size_t(taps) * channels);
        grad_input.clear(size_t(batch) * depth.size * channels * height.size * width.size), grad_bias.clear(size_t(channels));
        size_t i = 0;
        for (int n = 0; n < batch; n++)
            for (int oz = 0; oz < depth.outputs(); oz++)
                for (int c = 0; c < channels; c++)
                    for (int oy = 0; oy < height.outputs(); oy++)
                        for (int ox = 0; ox < width.outputs(); ox++, i++) {
                            double arrived = grad.get(grad.place(n, oz, c, oy, ox));
                            grad_bias.add(size_t(c), arrived);
                            if (!bias.empty()) output.add(i, bias[size_t(c)]);
                            for (int t = 0; t < taps; t++) sum_tap(n, c, oz, oy, ox, t, i, arrived, taps);
                        }
    }

    void sum_tap(int n, int c, int oz, int oy, int ox, int t, size_t i, double arrived, int taps) {
        int w = t % width.taps, h = t / width.taps % height.taps, d = t / width.taps / height.taps;
        int z = oz * depth.stride + d * depth.dilation - depth.before;
        int y = oy * height.stride + h * height.dilation - height.before;
        int column = ox * width.stride + w * width.dilation - width.before;
        if (z < 0 || z >= depth.size || y < 0 || y >= height.size || column < 0 || column >= width.size) return;
        double sample = x.get(x.place(n, z, c, y, column)), tap = weight.get(weight.place(0, 0, c, 0, t));
        size_t place = (((size_t(n) * depth.size + z) * channels + c) * height.size + y) * width.size + column;
        output.add(i, sample * tap);
        grad_input.add(place, arrived * tap);
        grad_weight.add(size_t(c) * taps + t, arrived * sample);
    }

    void compare(const char *what, const Tensor &got, const Sums &expected) {
        double error = 0, norm = 0;
        size_t i = 0;
        for (int n = 0; n < got.shape[0]; n++)
            for (int z = 0; z < got.shape[1]; z++)
                for (int c = 0; c < got.shape[2]; c++)
                    for (int y = 0; y < got.shape[3]; y++)
                        for (int w = 0; w < got.shape[4]; w++, i++) {
                            error += pow(got.get(got.place(n, z, c, y, w)) - expected.values[i], 2);
                            norm += expected.squares[i];
                        }
        double allowed = type == WC_FLOAT32 ? 4e-6 : 2e-2;
        if (!(sqrt(error) <= allowed * sqrt(norm))) stop(what, sqrt(error / norm));
    }

    void stop(const char *what, double error) {
        fprintf(stderr, "depth: %d samples, %d taps, stride %d, dilation %d, padding %d; direct: ", depth.size, depth.taps,
                depth.stride, depth.dilation, depth.before);
        fail({height, width, batch, 1, channels, channels, true}, what, error);
    }
};

std::atomic<int> done{0};

void convolve_some(int count, unsigned seed) {
    Random random{std::mt19937(seed)};
    for (int i = 0; i < count; i++) {
        Problem problem = random_problem(random);
        int type = random.maybe() ? WC_FLOAT32 : WC_BFLOAT16;
        Convolution(random, problem, type).run();
        Direct(random, type).run();
        done++;
    }
}

}  // namespace

int main(int count, char **words) {
    int wanted = count > 1 ? atoi(words[1]) : 30;
    unsigned seed = count > 2 ? unsigned(atoi(words[2])) : 0;
    std::istringstream sets(wc_available());
    for (std::string name; sets >> name;) {
        if (wc_select(name.c_str()) != WC_OK) return 1;
        convolve_some(wanted, seed);
        std::vector<std::thread> several;  // whose convolutions have threads of their own
        for (unsigned i = 1; i <= 3; i++) several.emplace_back(convolve_some, wanted / 3, seed + i);
        for (auto &thread : several) thread.join();
        printf("%s\n", name.c_str());
    }
    printf("%d convolutions\n", int(done));
    return wc_select("no such set") == WC_BAD_ARGUMENT ? 0 : 1;
}
