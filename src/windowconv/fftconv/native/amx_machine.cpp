// Whether this machine multiplies by AMX, and does it right; and the set of kernels where it does.
#include "amx.h"

#if WC_HAS_AMX
#include <cpuid.h>
#include <math.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

namespace windowconv {
namespace {

#if defined(WC_EMULATE_TILES)
bool has_tiles() { return true; }
#else
// A process must ask Linux (5.16 and later) for the tiles before it uses them; all its threads then have them.
bool has_tiles() {
    constexpr unsigned TILES = 1u << 24, OF_BFLOAT16 = 1u << 22;  // of leaf 7 in edx
    constexpr long REQUEST_PERMISSION = 0x1023, TILE_DATA = 18;
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    return (d & TILES) && (d & OF_BFLOAT16) && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}
#endif

// --- a small product, against the same by AVX-512 --------------------------------------------------------------------

constexpr double TOLERANCE = 1e-4;  // of the largest number; a part of a product that is lost makes 1e-3

// Memory aligned as spectra are.
struct Memory {
    std::vector<float> all;
    float *aligned;

    explicit Memory(int64_t floats) : all(size_t(floats) + 16) {
        aligned = all.data() + (64 - reinterpret_cast<uintptr_t>(all.data()) % 64) % 64 / sizeof(float);
    }
};

// A spectrum of one frequency; lanes without a channel are zero.
struct Sample {
    int lanes, blocks;
    int64_t plane;
    Memory memory;
    wc_spectrum at;

    Sample(int rows, int channels)
        : lanes(avx512_kernels.lanes), blocks((channels + lanes - 1) / lanes), plane(int64_t(blocks) * rows * lanes),
          memory(2 * plane), at{memory.aligned, plane, rows, 1, channels, 1, WC_FLOAT32} {}

    void fill(uint32_t seed) {  // from -1 to 1
        for (int64_t i = 0; i < 2 * plane; i++) {
            int64_t place = i % plane, channel = place / (at.rows * lanes) * lanes + place % lanes;
            seed = seed * 1664525u + 1013904223u;
            if (channel < at.channels) memory.aligned[i] = float(int32_t(seed)) / 2147483648.0f;
        }
    }
    void multiply(const Product &product, const Sample &a, const Sample &b, int mode) {
        int64_t bytes = product.scratch(a.at, b.at, at, mode);
        Memory scratch(bytes / int64_t(sizeof(float)) + 1);
        product.multiply(a.at, b.at, at, mode, false, {1, bytes, scratch.aligned});
    }
};

// Sizes that fill no tile.
bool multiplies_right(int mode) {
    constexpr int ROWS = 37, COLUMNS = 35, DEPTH = 73;
    bool by_rows = mode == WC_GRADIENT_KERNEL, of_lanes = mode == WC_OUTPUT;
    Sample a(by_rows ? DEPTH : ROWS, by_rows ? ROWS : DEPTH), b(of_lanes ? COLUMNS : DEPTH, of_lanes ? DEPTH : COLUMNS);
    Sample expected(ROWS, COLUMNS), got(ROWS, COLUMNS);
    a.fill(1), b.fill(2);
    expected.multiply(avx512_kernels.product, a, b, mode);
    got.multiply(amx::product, a, b, mode);
    double most = 0, error = 0;
    bool finite = true;
    for (int64_t i = 0; i < 2 * got.plane; i++) {
        double x = got.memory.aligned[i], y = expected.memory.aligned[i];
        finite = finite && isfinite(x);
        most = fmax(most, fabs(y)), error = fmax(error, fabs(x - y));
    }
    return finite && error <= TOLERANCE * most;
}

// --- the set ---------------------------------------------------------------------------------------------------------

const Product &product_for(const wc_spectrum &a, const wc_spectrum &b, int mode) {
    return amx::fills_tiles(a, b, mode) ? amx::product : avx512_kernels.product;
}

int64_t multiply_scratch(const wc_spectrum &a, const wc_spectrum &b, const wc_spectrum &out, int mode) {
    return product_for(a, b, mode).scratch(a, b, out, mode);
}

void multiply(const wc_spectrum &a, const wc_spectrum &b, const wc_spectrum &out, int mode, bool packed,
              const wc_run &run) {
    product_for(a, b, mode).multiply(a, b, out, mode, packed, run);
}

Kernels with_amx() {
    Kernels kernels = avx512_kernels;
    kernels.name = "amx";
    kernels.product_for_bfloat16 = {multiply_scratch, multiply};
    return kernels;
}

}  // namespace

const Kernels *amx_kernels() {
    static const Kernels kernels = with_amx();
    static const bool usable = has_tiles() && multiplies_right(WC_OUTPUT) && multiplies_right(WC_GRADIENT_INPUT) &&
                               multiplies_right(WC_GRADIENT_KERNEL);
    return usable ? &kernels : nullptr;
}

}  // namespace windowconv
#endif
